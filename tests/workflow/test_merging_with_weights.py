"""Small levels under weights: small among all rows, among those of weight 0, or among those above, each merges.

Weighted sums leave beside unweighted ones, and whoever has both has the difference: a group is tested in all three.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedcli.study.reading import read_study
from tests.equivalence.pooled import fit_pooled
from tests.workflow.conftest import At
from tests.workflow.play import FEATURES, SILOS, Town, agreement, command

FEATURES_AND_WARD = FEATURES + "  ward: {type: category, levels: [general, surgical, rare, other], other: other}\n"
WEIGHT = "weight: {column: w, range: [0, 5]}"
RULES = "min_cell: 4, rows_per_column: 1"
# How many rows of the rare ward north has in each of the four groups by sex and outcome: of weight 0, and above.
SMALL = {
    "among rows of weight 0": ((1, 0, 1, 1), (5, 5, 5, 5)),
    "among rows of weight above 0": ((5, 5, 5, 5), (0, 1, 1, 0)),
    "in both and not in all": ((1, 1, 0, 1), (1, 0, 1, 1)),
    "in all": ((0, 0, 1, 0), (1, 0, 0, 1)),
}
LARGE = {
    "in both": ((5, 5, 5, 5), (5, 5, 5, 5)),
    "without a row of weight 0": ((0, 0, 0, 0), (5, 5, 5, 5)),
    "without a row of weight above 0": ((5, 5, 5, 5), (0, 0, 0, 0)),
}
CASES = {
    "logistic": {"estimator": "LogisticRegression", "params": "{C: 1.0}"},
    "ridge": {
        "estimator": "Ridge",
        "params": "{alpha: 2.0}",
        "target": "{column: los, type: number, range: [0, 100]}",
    },
}


def drawn(name: str, rare: tuple[tuple[int, ...], tuple[int, ...]]) -> pd.DataFrame:
    """Draw a silo's rows, six of each weight's kind in each group by ward, sex and outcome, and the rare ones."""
    rng = np.random.default_rng([ord(c) for c in name])
    groups = list(itertools.product(("female", "male"), ("well", "ill")))
    rows = []
    for (place, (sex, disease)), heavy in itertools.product(enumerate(groups), (0, 1)):
        wards = [*["general"] * 6, *["surgical"] * 6, *["other"] * 6, *["rare"] * rare[heavy][place]]
        rows += [{"sex": sex, "disease": disease, "ward": ward, "w": heavy} for ward in wards]
    frame = pd.DataFrame(rows)
    n = len(frame)
    frame["w"] *= rng.choice([0.5, 1.0, 2.5], n)
    frame["age"] = rng.uniform(25, 95, n).round(1)
    frame["chol"] = rng.normal(220, 35, n).clip(110, 390).round(0)
    frame["los"] = (0.3 * frame["age"] + 8 * (frame["ward"] == "rare") + rng.uniform(0, 20, n)).round(1)
    return frame.sample(frac=1, random_state=3, ignore_index=True)


def founded(town: At, rare: tuple[tuple[int, ...], tuple[int, ...]], case: str) -> tuple[Town, dict[str, pd.DataFrame]]:
    frames = {name: drawn(name, rare if name == "north" else LARGE["in both"]) for name in SILOS}
    text = agreement(features=FEATURES_AND_WARD, extra=WEIGHT, rules=RULES, **CASES[case])
    return town(text=text, tables={name: frame.to_csv(index=False) for name, frame in frames.items()}), frames


def error(place: Town, frames: dict[str, pd.DataFrame], folder: Path) -> float:
    """Return how far the finished study is from the pooled fit, relative."""
    final = place.finish().model
    target = folder / "coefficients.json"
    assert command("export", final, "-C", place.registry, "--format", "json", "-o", target).status == 0
    found = json.loads(target.read_text())
    study = read_study((place.registry / "study.yaml").read_text())
    pooled = fit_pooled(study, pd.concat(frames.values(), ignore_index=True))
    return pooled.error({"intercept": found["intercept"], **found["coefficients"]})


def merged_by_trip(place: Town, name: str) -> list[object]:
    lines = (place.silo(name) / "ledger.jsonl").read_text().splitlines()
    return [entry.get("merged") for entry in map(json.loads, lines) if entry.get("event") == "release"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("where", SMALL)
def test_a_level_that_is_small_in_any_group_by_weight_is_merged_in_every_trip(
    town: At, tmp_path: Path, where: str, case: str
) -> None:
    place, frames = founded(town, SMALL[where], case)
    rare = frames["north"]["ward"] == "rare"
    frames["north"].loc[rare, "ward"] = "other"
    assert error(place, frames, tmp_path) <= 1e-6
    trips = merged_by_trip(place, "north")
    assert trips == [[["ward", "rare", "other", int(rare.sum())]]] * len(trips)
    assert len(trips) >= (3 if case == "logistic" else 1)
    assert not any(merged_by_trip(place, "east"))


@pytest.mark.parametrize("where", LARGE)
def test_a_level_that_is_large_or_empty_in_each_group_by_weight_stays(town: At, tmp_path: Path, where: str) -> None:
    place, frames = founded(town, LARGE[where], "logistic")
    assert error(place, frames, tmp_path) <= 1e-6
    assert not any(merged_by_trip(place, "north"))
