"""A silo that falls silent leaves the fit: what remains is the pooled fit of the others, on the scaling of trip 1."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.equivalence.cases import Frames, agreement
from tests.equivalence.federation import Federation, federate
from tests.equivalence.pooled import fit_pooled

NAMES = ("north", "east", "south")
FEATURES = {
    "age": {"type": "number", "range": [0, 120], "impute": "mean"},
    "dose": {"type": "number", "range": [0, 50]},
    "ward": {"type": "category", "levels": ["a", "b", "c"], "impute": "mode"},
}
BINARY = {"column": "ill", "type": "binary", "positive": 1, "negative": 0}
COUNT = {"column": "visits", "type": "count", "range": [0, 60]}
COST = {"column": "cost", "type": "number", "range": [-200, 200]}
WEIGHT = {"weight": {"column": "w", "range": [0, 4]}}
STUDIES = {
    "logistic": agreement(BINARY, FEATURES, "LogisticRegression", {"C": 0.05}),
    "logistic, not scaled": agreement(BINARY, FEATURES, "LogisticRegression", {"C": 0.05}, standardize=False),
    "logistic, third order": agreement(
        BINARY, FEATURES, "LogisticRegression", {"C": 0.05}, order=3, rules={"min_cell": 1}
    ),
    "poisson, weighted": agreement(COUNT, FEATURES, "PoissonRegressor", {"alpha": 0.5}, **WEIGHT),
}
CLOSING = {"evaluation": {"holdout": 0.2, "closing_trip": True}}


@cache
def frames() -> Frames:
    """Three silos with other means and spreads each, so that whose rows scale the columns can be seen."""
    made = {}
    for number, name in enumerate(NAMES):
        rng = np.random.default_rng(number)
        n = 150 + 40 * number
        age = rng.normal(35 + 15 * number, 6 + 4 * number, n).clip(1, 119)
        dose = rng.gamma(2 + number, 3, n).clip(0, 49)
        ward = rng.choice(["a", "b", "c"], n, p=[0.2, 0.5 - 0.2 * number, 0.3 + 0.2 * number])
        eta = 0.03 * (age - 50) - 0.08 * (dose - 8) + 0.6 * (ward == "c")
        frame = pd.DataFrame({"age": age, "dose": dose, "ward": ward})
        frame["ill"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
        frame["visits"] = rng.poisson(np.exp(np.clip(eta, -3, 3))).clip(0, 60)
        frame["cost"] = 20 * eta + rng.normal(0, 5, n)
        frame["w"] = rng.choice([0.5, 1.0, 2.0], n)
        frame.loc[rng.random(n) < 0.1, "age"] = np.nan
        frame.loc[rng.random(n) < 0.05, "ward"] = None
        made[name] = frame
    return made


def played(text: str, folder: Path, absent: Mapping[int, Collection[str]]) -> Federation:
    for name, frame in frames().items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return federate(text, {name: folder / f"{name}.csv" for name in NAMES}, absent=absent)


def of(*names: str) -> pd.DataFrame:
    return pd.concat([frames()[name] for name in names], ignore_index=True)


def from_round(first: int, *names: str) -> dict[int, Collection[str]]:
    return dict.fromkeys(range(first, 20), names)


@pytest.mark.parametrize("name", STUDIES)
def test_without_a_silo_from_trip_2_it_is_the_pooled_fit_of_the_others_on_the_scaling_of_trip_1(name, tmp_path):
    found = played(STUDIES[name], tmp_path, from_round(2, "south"))
    given = fit_pooled(found.plan.study, of("north", "east"), prepared_on=of(*NAMES))
    assert given.error(found.coefficients()) <= 1e-6
    # These are three different models: neither that of the others alone, nor that of everybody.
    assert fit_pooled(found.plan.study, of("north", "east")).error(found.coefficients()) > 1e-4
    assert fit_pooled(found.plan.study, of(*NAMES)).error(found.coefficients()) > 1e-2


@pytest.mark.parametrize("name", STUDIES)
def test_the_rows_of_the_fit_are_those_of_the_last_trip(name, tmp_path):
    found = played(STUDIES[name], tmp_path, from_round(2, "south"))
    rows = [found.plan.n_samples(state) for state in found.states]
    assert rows == [len(of(*NAMES)), *[len(of("north", "east"))] * (found.trips - 1)]


def test_a_silo_that_is_silent_in_trip_1_only_is_in_the_fit_and_not_in_the_scaling(tmp_path):
    found = played(STUDIES["logistic"], tmp_path, {1: ("south",)})
    given = fit_pooled(found.plan.study, of(*NAMES), prepared_on=of("north", "east"))
    assert given.error(found.coefficients()) <= 1e-6
    assert found.plan.n_samples(found.state) == len(of(*NAMES))


@pytest.mark.parametrize("order", [None, 3])
def test_a_closing_trip_that_a_silo_misses_does_not_close(order, tmp_path):
    parts = {"evaluation": {"holdout": 0, "closing_trip": True}, "rules": {"min_cell": 1}}
    text = agreement(BINARY, FEATURES, "LogisticRegression", {"C": 0.05}, order=order, **parts)
    closing = played(text, tmp_path, {}).trips
    found = played(text, tmp_path, from_round(closing, "south"))
    assert found.trips > closing
    given = fit_pooled(found.plan.study, of("north", "east"), prepared_on=of(*NAMES))
    assert given.error(found.coefficients()) <= 1e-6


def test_a_closed_form_stays_that_of_trip_1_whoever_misses_the_closing_trip(tmp_path):
    text = agreement(COST, FEATURES, "Ridge", {"alpha": 2.0}, **CLOSING)
    found, whole = played(text, tmp_path, {2: ("south",)}), played(text, tmp_path, {})
    assert found.coefficients() == whole.coefficients()
    assert found.plan.n_samples(found.state) == whole.plan.n_samples(whole.state)
    assert found.state.arrays["evaluation"][0] < whole.state.arrays["evaluation"][0]
