"""With third derivatives the fit is scikit-learn's own of the pooled rows too, and no study takes more trips so."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, TweedieRegressor

from fedcli.report.estimator import fitted_estimator
from tests.equivalence import federation
from tests.estimators.comparing import Beside, beside
from tests.estimators.worlds import SPLITS, World, amounts, binary, numbers

TIGHT = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}


def above_the_median(name: str) -> World:
    """Classes of which each has half the rows: their third derivatives cancel."""
    world = numbers(name)
    y = (world.frame["y"] > world.frame["y"].median()).astype(int)
    return World(world.frame.assign(y=y), {"column": "y", "type": "binary", "positive": 1}, world.features)


def whole(name: str) -> World:
    world = amounts(name)
    y = world.frame["y"].round().astype(int)
    target = {"column": "y", "type": "count", "range": [0, 2 * int(y.max())]}
    return World(world.frame.assign(y=y), target, world.features)


WORLDS = {
    "breast": lambda: binary("breast_cancer", 5),
    "half": lambda: above_the_median("diabetes"),
    "counts": lambda: whole("fair"),
    "visits": lambda: amounts("visits"),
    "engel": lambda: amounts("engel"),
}
CASES: dict[str, tuple[type, dict[str, Any], str]] = {
    "logistic": (LogisticRegression, {"C": 1.0}, "breast"),
    "logistic, half of each class": (LogisticRegression, {"C": 0.05}, "half"),
    "logistic, unpenalised": (LogisticRegression, {"penalty": None}, "half"),
    "poisson": (PoissonRegressor, {"alpha": 0.0}, "counts"),
    "gamma": (GammaRegressor, {"alpha": 0.1}, "engel"),
    "power 1.5": (TweedieRegressor, {"power": 1.5, "alpha": 0.0}, "visits"),
    "power 1.9": (TweedieRegressor, {"power": 1.9, "alpha": 0.0}, "visits"),
    "power 3": (TweedieRegressor, {"power": 3, "alpha": 1e-3}, "engel"),
}
RUNS = [(case, split) for case in CASES for split in ("even", "by label", "by covariate")]
RUNS += [("logistic, half of each class", "pathological"), ("power 1.5", "twenty silos"), ("power 1.9", "twenty silos")]


@cache
def played(case: str, split: str, order: int) -> Beside:
    cls, params, world = CASES[case]
    made = WORLDS[world]()
    more = {"order": 3} if order == 3 else {}
    return beside(made, SPLITS[split](made), cls.__name__, cls, params, tight=TIGHT, **more)


def errors(found: Beside) -> list[float]:
    """The relative error of the coefficients, or of the intercept where that is larger, after each trip."""
    each = [replace(found, ours=fitted_estimator(found.federation.plan, state)) for state in found.federation.states]
    return [max(one.error("coef_"), one.error("intercept_")) for one in each]


@pytest.mark.parametrize(("case", "split"), RUNS)
def test_third_order_gives_the_pooled_fit_in_no_more_trips(case: str, split: str) -> None:
    third = played(case, split, 3)
    assert errors(third)[-1] <= 1e-6
    assert third.federation.trips <= played(case, split, 2).federation.trips


@pytest.mark.parametrize(("case", "split"), RUNS)
def test_the_stop_rule_promises_no_more_than_is_so(case: str, split: str) -> None:
    found = played(case, split, 3)
    # Below that, sums over ranges as wide as those of a thousand visits are rounded.
    assert errors(found)[-1] <= max(2.0 * found.federation.predicted, 1e-7)


def test_a_trip_is_saved_as_a_rule() -> None:
    saved = [played(*run, 2).federation.trips - played(*run, 3).federation.trips for run in RUNS]
    assert np.median(saved) == 1


@pytest.mark.parametrize("silos", [{"s0"}, {"s1", "s2"}])
def test_a_silo_without_them_leaves_the_study_as_it_is_to_second_order(
    silos: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    second = played("logistic", "by label", 2)
    made = WORLDS["breast"]()
    split = SPLITS["by label"](made)
    told = iter(f"s{number}" for number in range(len(split)))
    monkeypatch.setattr(federation, "why_without_third", lambda *_: "too few rows" if next(told) in silos else "")
    third = beside(made, split, "LogisticRegression", LogisticRegression, {"C": 1.0}, tight=TIGHT, order=3)
    assert third.federation.trips == second.federation.trips
    assert errors(third) == errors(second)
    asked = [third.federation.plan.family.cubic(state) for state in third.federation.states]
    assert not any(asked)
