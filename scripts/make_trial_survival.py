"""Draw the patients of a made-up trial in five centres: a treatment, a marker, and how long each patient lived.

Owns ``sample_silos/trial_survival/*.csv``. Uses the standard library alone. Gives the same bytes on every machine: all
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

SEED = 1972
FOLDER = Path(__file__).resolve().parent.parent / "sample_silos" / "trial_survival"
NORMAL = NormalDist()

STAGES = ("I", "II", "III")
STAGE_RISK = {"I": 0.0, "II": 0.45, "III": 1.05}
# The trial closed five years after its first patient; patients came in over the first two.
CLOSED, CAME = 1826, 731
DAYS_OF_A_MONTH = 30.4375


@dataclass(frozen=True)
class Centre:
    """What makes one centre's patients differ from another's."""

    name: str
    patients: int
    median_days: float  # of the reference patient
    stages: tuple[float, float, float]  # shares, in the order of STAGES
    age: float  # mean, in years
    lost: float  # share that is lost to follow-up each year


CENTRES = (
    Centre("aarhus", 340, 2300.0, (0.45, 0.35, 0.20), 61.0, 0.06),
    Centre("bremen", 270, 1900.0, (0.35, 0.40, 0.25), 64.0, 0.08),
    Centre("coimbra", 210, 2600.0, (0.40, 0.38, 0.22), 59.0, 0.08),
    Centre("dijon", 180, 1700.0, (0.25, 0.40, 0.35), 66.0, 0.09),
    Centre("exeter", 150, 2100.0, (0.38, 0.36, 0.26), 63.0, 0.10),
)


def patient(centre: Centre, source: random.Random) -> dict[str, str | int | float]:
    """Draw one patient, then the time until death by a Weibull model, and what of it the trial saw."""
    age = min(90, max(30, round(centre.age + 9.0 * NORMAL.inv_cdf(open_unit(source)))))
    sex = "female" if source.random() < 0.54 else "male"
    stage = pick(centre.stages, source)
    arm = "treatment" if source.random() < 0.5 else "control"
    marker = round(min(400.0, math.exp(2.6 + 0.8 * NORMAL.inv_cdf(open_unit(source)))), 1)
    log_risk = (
        0.035 * (age - 62)
        + (0.2 if sex == "male" else 0.0)
        + STAGE_RISK[stage]
        - (0.42 if arm == "treatment" else 0.0)
        + 0.35 * (math.log(marker) - 2.6)
    )
    shape = 1.25
    scale = centre.median_days / math.log(2) ** (1 / shape) * math.exp(-log_risk / shape)
    died = scale * (-math.log(open_unit(source))) ** (1 / shape)
    lost = -365.25 * math.log(open_unit(source)) / centre.lost
    seen = min(died, lost, CLOSED - math.floor(CAME * source.random()))
    return {
        "arm": arm,
        "age": age,
        "sex": sex,
        "stage": stage,
        "marker": marker,
        "days": max(1, math.ceil(seen)),
        "status": "dead" if seen == died else "alive",
    }


def open_unit(source: random.Random) -> float:
    """Return a number strictly between 0 and 1."""
    return source.random() * (1 - 2**-40) + 2**-41


def pick(shares: tuple[float, ...], source: random.Random) -> str:
    """Return a stage with the given shares."""
    left = source.random()
    for name, share in zip(STAGES, shares, strict=True):
        left -= share
        if left < 0:
            return name
    return STAGES[-1]


def as_kept(centre: Centre, row: dict[str, str | int | float]) -> dict[str, str | int | float]:
    """Write a patient the way this centre does: coimbra counts months, dijon numbers stages, exeter codes the end."""
    if centre.name == "coimbra":
        row = {"months" if key == "days" else key: value for key, value in row.items()}
        row["months"] = round(float(row["months"]) / DAYS_OF_A_MONTH, 2)
    if centre.name == "dijon":
        row["stage"] = str(1 + STAGES.index(str(row["stage"])))
    if centre.name == "exeter":
        row["status"] = {"dead": "1", "alive": "0"}[str(row["status"])]
    return row


def make(folder: Path) -> None:
    """Write one table per centre into ``folder``."""
    source = random.Random(SEED)
    for centre in CENTRES:
        rows = [as_kept(centre, patient(centre, source)) for _ in range(centre.patients)]
        with (folder / f"{centre.name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
