"""Draw the pumps of three made-up factories: what their sensors say, how often they failed, and how well they pump.

Owns ``sample_silos/pump_sensors/*.csv``. Uses the standard library alone. Gives the same bytes on every machine: all
draws come from ``random.Random(SEED).random()``, whose sequence Python keeps, and are rounded before they are written.
"""

from __future__ import annotations

import csv
import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

SEED = 1783
FOLDER = Path(__file__).resolve().parent.parent / "sample_silos" / "pump_sensors"
NORMAL = NormalDist()

KINDS = ("centrifugal", "gear", "screw")
KIND_RISK = {"centrifugal": 0.0, "gear": 0.35, "screw": -0.25}
LOST = 999  # how turin's recorder writes a reading that it lost


@dataclass(frozen=True)
class Factory:
    """What makes one factory's pumps differ from another's."""

    name: str
    pumps: int
    kinds: tuple[float, float, float]  # shares, in the order of KINDS
    speed: float  # usual speed, in revolutions per minute
    load: float  # usual flow, as a share of what the pump is built for at its speed
    vibration: float  # median, in mm/s
    serviced: float  # share that was serviced in the quarter


FACTORIES = (
    Factory("essen", 3000, (0.50, 0.30, 0.20), 1450.0, 1.00, 2.4, 0.60),
    Factory("lyon", 2000, (0.35, 0.35, 0.30), 1200.0, 0.75, 3.2, 0.45),
    Factory("turin", 1500, (0.40, 0.25, 0.35), 1600.0, 1.20, 2.0, 0.50),
)


def pump(factory: Factory, source: random.Random) -> dict[str, str | int | float]:
    """Draw one pump's quarter: how it ran, then its failures, by a Poisson model, and its efficiency, by a curve."""
    kind = pick(factory.kinds, source)
    speed = round(within(900.0, 1800.0, factory.speed + 150 * normal(source)))
    load = within(0.2, 1.8, factory.load + 0.3 * normal(source))
    # A pump is built for a flow that grows with its speed.
    flow = round(within(10.0, 160.0, 0.06 * speed * load), 1)
    vibration = round(within(0.2, 20.0, factory.vibration * math.exp(0.45 * normal(source) + 0.4 * abs(load - 1))), 2)
    bearing = round(within(20.0, 120.0, 45 + 3 * vibration + 0.01 * (speed - 900) + 6 * normal(source)), 1)
    hours = round(within(50.0, 2200.0, 2200 * max(source.random(), source.random())))
    serviced = source.random() < factory.serviced
    log_rate = -1.35 + 0.14 * vibration + 0.02 * (bearing - 55) + KIND_RISK[kind] - 0.45 * serviced
    failures = poisson(math.exp(log_rate) * hours / 1000, source)
    best = 80.0 - 28.0 * (flow / (0.06 * speed) - 1) ** 2 - 0.9 * vibration
    efficiency = round(within(5.0, 95.0, best + (2.0 if kind == "screw" else 0.0) + 1.5 * normal(source)), 1)
    return {
        "kind": kind,
        "speed_rpm": speed,
        "flow_m3h": flow,
        "vibration_mms": vibration,
        "bearing_c": bearing,
        "serviced": "yes" if serviced else "no",
        "hours": hours,
        "failures": failures,
        "efficiency": efficiency,
    }


def normal(source: random.Random) -> float:
    """Return a standard normal number."""
    return NORMAL.inv_cdf(source.random() * (1 - 2**-40) + 2**-41)


def within(low: float, high: float, value: float) -> float:
    """Return the value, or the nearer end."""
    return min(high, max(low, value))


def pick(shares: tuple[float, ...], source: random.Random) -> str:
    """Return a kind of pump with the given shares."""
    left = source.random()
    for name, share in zip(KINDS, shares, strict=True):
        left -= share
        if left < 0:
            return name
    return KINDS[-1]


def poisson(mean: float, source: random.Random) -> int:
    """Return a Poisson number, by inversion, 20 at most."""
    left, count, share = source.random(), 0, math.exp(-mean)
    while left >= share and count < 20:
        left -= share
        count += 1
        share *= mean / count
    return count


def as_kept(factory: Factory, row: dict[str, str | int | float], source: random.Random) -> dict[str, str | int | float]:
    """Write a pump the way this factory keeps it: lyon in Fahrenheit, turin with letters and lost readings."""
    if factory.name == "lyon":
        row = {"bearing_f" if key == "bearing_c" else key: value for key, value in row.items()}
        row["bearing_f"] = round(float(row["bearing_f"]) * 9 / 5 + 32, 2)
    if factory.name == "turin":
        row["kind"] = str(row["kind"])[0].upper()
        if source.random() < 0.16:
            row["vibration_mms"] = LOST
    return row


def make(folder: Path) -> None:
    """Write one table per factory into ``folder``."""
    source = random.Random(SEED)
    for factory in FACTORIES:
        rows = [as_kept(factory, pump(factory, source), source) for _ in range(factory.pumps)]
        with (folder / f"{factory.name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
