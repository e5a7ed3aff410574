"""Cut scikit-learn's breast cancer table into four hospitals of unequal size and case mix.

Owns ``sample_silos/breast_cancer/*.csv``. Uses nothing of fedcli. Gives the same bytes on every machine: the only
random source is ``random.Random(SEED).random()``, whose sequence Python keeps, and values are copied, not computed.
"""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer

SEED = 1995  # the year the table was published
FOLDER = Path(__file__).resolve().parent.parent / "sample_silos" / "breast_cancer"

# How many samples of each kind a hospital gets. A table, not a rule, because two promises hang on it: every cell that
# is not empty keeps well over 5 rows when a fifth is held out, and every hospital keeps over 5 rows per column.
QUOTA = {
    ("malignant", "even"): {"north": 15, "west": 15, "east": 32, "south": 16},
    ("malignant", "mixed"): {"north": 16, "west": 18, "east": 18, "south": 24},
    ("malignant", "uneven"): {"north": 16, "west": 0, "east": 20, "south": 22},
    ("benign", "even"): {"north": 55, "west": 40, "east": 34, "south": 16},
    ("benign", "mixed"): {"north": 33, "west": 30, "east": 25, "south": 16},
    ("benign", "uneven"): {"north": 48, "west": 0, "east": 40, "south": 20},
}
# Screening finds small tumours, a referral centre sees large ones: hospitals in the order in which they are dealt.
SMALL_TO_LARGE = ("north", "west", "east", "south")

Sample = dict[str, float | str]


def texture_variation(texture_error: float) -> str:
    """Return the agreed level for a standard error of texture: the cut points are part of the agreement."""
    return "even" if texture_error < 1.0 else "mixed" if texture_error < 1.4 else "uneven"


def samples() -> list[Sample]:
    """Return the 569 samples under snake_case names, with the diagnosis as a word and the derived level."""
    data = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    words = [str(word) for word in data.target_names]
    rows: list[Sample] = []
    for values, label in zip(data.data.tolist(), data.target.tolist(), strict=True):
        row: Sample = dict(zip(names, values, strict=True))
        row["texture_variation"] = texture_variation(float(row["texture_error"]))
        row["diagnosis"] = words[label]
        rows.append(row)
    return rows


def deal(rows: list[Sample], source: random.Random) -> dict[str, list[Sample]]:
    """Give each hospital its quota of every kind, the smaller nuclei rather to the first than to the last."""
    hospitals: dict[str, list[Sample]] = {name: [] for name in SMALL_TO_LARGE}
    for (diagnosis, level), quota in QUOTA.items():
        kind = [row for row in rows if (row["diagnosis"], row["texture_variation"]) == (diagnosis, level)]
        blurred = [(float(row["mean_radius"]) + 4 * source.random(), row) for row in kind]
        blurred.sort(key=lambda pair: pair[0])
        start = 0
        for name in SMALL_TO_LARGE:
            hospitals[name] += [row for _, row in blurred[start : start + quota[name]]]
            start += quota[name]
    for dealt in hospitals.values():
        shuffled = [(source.random(), row) for row in dealt]
        dealt[:] = [row for _, row in sorted(shuffled, key=lambda pair: pair[0])]
    return hospitals


def add_quirks(hospitals: dict[str, list[Sample]]) -> None:
    """Let two hospitals keep their tables in their own way: east codes missing readings, south uses another unit."""
    for diagnosis in ("malignant", "benign"):
        lost = [r for r in hospitals["east"] if (r["diagnosis"], r["texture_variation"]) == (diagnosis, "even")][:16]
        for row in lost:
            row["mean_texture"] = -9
    for index, row in enumerate(hospitals["south"]):
        # round() undoes the noise of the product; the published values have at most three decimals.
        local = {"radius_nm" if key == "mean_radius" else key: value for key, value in row.items()}
        local["radius_nm"] = round(1000 * float(row["mean_radius"]))
        hospitals["south"][index] = local


def make(folder: Path) -> None:
    """Write one table per hospital into ``folder``."""
    hospitals = deal(samples(), random.Random(SEED))
    add_quirks(hospitals)
    for name, rows in hospitals.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
