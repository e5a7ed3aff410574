"""Logistic regression with L1 and elastic net: scikit-learn's own fit of the pooled rows, with the same zeros."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fedcli.errors import DominantRow, UnsupportedModel
from fedcli.fileformat.statistics import State
from fedcli.preparing.plan import Plan
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.estimators.comparing import Beside, agreement, beside
from tests.estimators.worlds import SPLITS, World, binary, yes_or_no

WORLDS = {
    "diabetes": lambda: yes_or_no("diabetes"),
    "fair": lambda: yes_or_no("fair"),
    "cancer": lambda: binary(columns=8),
}
# From few coefficients to nearly all, and from L1 alone to hardly any.
PARAMS: dict[str, dict[str, Any]] = {
    "few": {"C": 0.02, "l1_ratio": 1.0},
    "most": {"C": 2.0, "l1_ratio": 1.0},
    "half": {"C": 0.1, "l1_ratio": 0.5},
    "tenth": {"C": 0.3, "l1_ratio": 0.1},
}
# The one solver of scikit-learn that knows both penalties; whether it arrived is tested by itself.
TIGHT = {"solver": "saga", "tol": 1e-11, "max_iter": 50_000, "random_state": 0}
# Classes that nearly separate: in one silo a single row has more than half of a sum.
ONE_ROW = {
    *((params, "cancer", "pathological") for params in ("most", "half", "tenth")),
    ("few", "cancer", "by covariate"),
}
RUNS = [
    (params, world, split)
    for params in PARAMS
    for world in WORLDS
    for split in SPLITS
    if (params, world, split) not in ONE_ROW
    and (params in ("few", "half") or split in ("by label", "pathological"))
    and (split != "twenty silos" or (params, world) == ("half", "fair"))
]


@cache
def played(params: str, world: str, split: str) -> Beside:
    made = WORLDS[world]()
    return beside(made, SPLITS[split](made), "LogisticRegression", LogisticRegression, PARAMS[params], tight=TIGHT)


def coefficients(fitted: Any) -> NDArray[np.float64]:
    return np.concatenate([fitted.intercept_, fitted.coef_[0]])


def error(found: Beside, state: State | None = None) -> float:
    if state is not None:
        found = replace(found, ours=fitted_estimator(found.federation.plan, state))
    return found.error(coefficients)


def unsettled(
    X: NDArray[np.float64], y: NDArray[np.int64], fitted: Any, params: dict[str, Any], weight: Any = 1.0
) -> tuple[float, float]:
    """Return by how much a fit misses the conditions of optimality, and how far the zeros are from not being any."""
    ratio, w = params["l1_ratio"], fitted.coef_[0]
    pull = params["C"] * weight * (y - expit(X @ w + fitted.intercept_[0]))
    slope = X.T @ pull - (1.0 - ratio) * w
    zero = w == 0
    missed = np.where(zero, np.maximum(np.abs(slope) - ratio, 0.0), np.abs(slope - ratio * np.sign(w)))
    room = float(np.min(ratio - np.abs(slope[zero]), initial=np.inf))
    return max(float(missed.max()), abs(float(pull.sum()))), room


@pytest.mark.parametrize(("params", "world", "split"), RUNS)
def test_coefficients_and_zeros_are_those_of_the_pooled_rows(params: str, world: str, split: str) -> None:
    found = played(params, world, split)
    assert error(found) <= 1e-6
    assert ((found.ours.coef_ == 0) == (found.theirs.coef_ == 0)).all()
    assert found.federation.trips <= 6


@pytest.mark.parametrize(("params", "world", "split"), sorted(ONE_ROW))
def test_a_silo_in_which_one_row_has_most_of_a_sum_is_refused(params: str, world: str, split: str) -> None:
    with pytest.raises(DominantRow):
        played(params, world, split)


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("world", WORLDS)
def test_both_fits_meet_the_conditions_of_optimality(params: str, world: str) -> None:
    found, made = played(params, world, "by label"), WORLDS[world]()
    y = made.frame["y"].to_numpy()[np.concatenate(SPLITS["by label"](made))]
    for fitted in (found.ours, found.theirs):
        missed, room = unsettled(found.X, y, fitted, PARAMS[params])
        # A slope of the penalty is 1, and no zero is in doubt.
        assert missed <= 1e-5
        assert room > 1e-3


def test_the_tests_hold_sparse_and_dense_fits() -> None:
    counts = [(np.count_nonzero(found.theirs.coef_), found.theirs.coef_.size) for found in (played(*r) for r in RUNS)]
    assert min(kept for kept, _ in counts) <= 3
    assert {kept < whole for kept, whole in counts} == {True, False}


def test_four_trips_are_typical() -> None:
    needed = []
    for run in RUNS:
        found = played(*run)
        errors = [error(found, state) for state in found.federation.states]
        needed.append(next(trip for trip, left in enumerate(errors, start=1) if left <= 1e-6))
    assert np.median(needed) <= 4
    assert np.median([played(*run).federation.trips for run in RUNS]) <= 4


def test_liblinear_finds_the_same_l1_fit() -> None:
    # It penalises the intercept as a column of this size: at 1e6 by 1e-6 of the others' pull; at 1e5 that alone is the
    # difference. It visits columns in a drawn order, of which the last digits are.
    found, made = played("few", "diabetes", "pathological"), WORLDS["diabetes"]()
    y = made.frame["y"].to_numpy()[np.concatenate(SPLITS["pathological"](made))]
    given = {"solver": "liblinear", "intercept_scaling": 1e6, "tol": 1e-12, "max_iter": 100_000}
    given["random_state"] = 0
    theirs = LogisticRegression(**PARAMS["few"], **given).fit(found.X, y)
    assert replace(found, theirs=theirs).error(coefficients) <= 1e-5
    assert ((found.ours.coef_ == 0) == (theirs.coef_ == 0)).all()


@pytest.mark.parametrize("split", ["even", "by label", "pathological"])
def test_a_penalty_that_leaves_nothing_ends_in_three_trips_with_the_share_of_either_class(split: str) -> None:
    made = WORLDS["diabetes"]()
    rows = SPLITS[split](made)
    found = beside(made, rows, "LogisticRegression", LogisticRegression, {"C": 1e-3, "l1_ratio": 1.0}, tight=TIGHT)
    assert (found.ours.coef_ == 0).all()
    share = made.frame["y"].iloc[np.concatenate(rows)].mean()
    assert found.ours.intercept_[0] == pytest.approx(np.log(share / (1 - share)), abs=1e-9)
    assert found.federation.trips <= 3


def test_no_share_of_l1_is_the_l2_fit_bit_for_bit() -> None:
    made = WORLDS["diabetes"]()
    rows = SPLITS["by label"](made)
    penalties: tuple[dict[str, Any], ...] = ({}, {"penalty": "l2"}, {"l1_ratio": 0.0})
    fits = [
        beside(made, rows, "LogisticRegression", LogisticRegression, {"C": 0.3, **penalty}, tight={"tol": 1e-3})
        for penalty in penalties
    ]
    first = coefficients(fits[0].ours)
    assert all((coefficients(fit.ours) == first).all() for fit in fits)
    # A share too small to count arrives at the same point by the other way.
    params = {"C": 0.3, "l1_ratio": 1e-12}
    other = beside(made, rows, "LogisticRegression", LogisticRegression, params, tight={"solver": "saga", "tol": 1e-3})
    assert np.linalg.norm(coefficients(other.ours) - first) <= 1e-9 * np.linalg.norm(first)


def test_the_words_for_a_penalty_are_scikit_learns() -> None:
    made = WORLDS["diabetes"]()
    rows = SPLITS["even"](made)
    for word, ratio in (({"penalty": "l1"}, 1.0), ({"penalty": "elasticnet", "l1_ratio": 0.5}, 0.5)):
        both = [
            beside(made, rows, "LogisticRegression", LogisticRegression, {"C": 0.05, **params}, tight=TIGHT)
            for params in (word, {"l1_ratio": ratio})
        ]
        assert (coefficients(both[0].ours) == coefficients(both[1].ours)).all()
        assert error(both[0]) <= 1e-6
        # The class itself, as it is exported, has one spelling.
        exported = both[0].ours.get_params()
        assert (exported["l1_ratio"], exported["solver"], exported["penalty"]) == (ratio, "saga", "deprecated")


def test_without_an_intercept_and_with_weights_it_is_the_pooled_fit() -> None:
    made = WORLDS["diabetes"]()
    made = World(made.frame.assign(w=np.arange(len(made.frame)) % 3), made.target, made.features)
    rows, weight = SPLITS["even"](made), {"column": "w", "range": [0, 4]}
    pooled = made.frame.iloc[np.concatenate(rows)]
    for intercept in (False, True):
        params = {"C": 0.05, "l1_ratio": 0.9, "fit_intercept": intercept}
        found = beside(made, rows, "LogisticRegression", LogisticRegression, params, tight=TIGHT, weight=weight)
        theirs = LogisticRegression(**params, **TIGHT).fit(found.X, pooled["y"], sample_weight=pooled["w"])
        assert replace(found, theirs=theirs).error(coefficients) <= 1e-6
        assert 0 < np.count_nonzero(theirs.coef_) < theirs.coef_.size
        assert ((found.ours.coef_ == 0) == (theirs.coef_ == 0)).all()


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_a_level_that_one_silo_alone_has_is_the_pooled_fits(ratio: float) -> None:
    made = WORLDS["diabetes"]()
    rows = SPLITS["by label"](made)
    numbers = made.numbers[:4]
    frame = made.frame[[*numbers, "y"]].assign(g=np.where(made.frame["s1"] > 0, "a", "b"))
    frame.loc[rows[1][:40], "g"] = "c"
    features = {name: made.features[name] for name in numbers}
    world = World(frame, made.target, {**features, "g": {"type": "category", "levels": ["a", "b", "c", "d"]}})

    def prepare(pooled: pd.DataFrame) -> NDArray[np.float64]:
        dummies = [pooled["g"] == level for level in ("b", "c", "d")]
        return np.column_stack([StandardScaler().fit_transform(pooled[numbers]), *dummies]).astype(float)

    params = {"C": 0.2, "l1_ratio": ratio}
    found = beside(world, rows, "LogisticRegression", LogisticRegression, params, tight=TIGHT, prepare=prepare)
    assert error(found) <= 1e-6
    assert ((found.ours.coef_ == 0) == (found.theirs.coef_ == 0)).all()
    # Nobody has the last one.
    assert found.ours.coef_[0, -1] == 0.0
    assert found.federation.trips <= 6


@pytest.mark.parametrize("case", ["constant", "copy", "scale 1e8"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_hard_columns_get_a_pooled_fit(case: str, ratio: float) -> None:
    made = WORLDS["diabetes"]()
    bmi = made.frame["bmi"]
    frame = made.frame.assign(more={"constant": 7.5, "copy": bmi, "scale 1e8": (bmi + 1) ** 2 * 1e8}[case])
    low, high = float(frame["more"].min()), float(frame["more"].max())
    column = {"type": "number", "range": [low - abs(low) / 10 - 1, high + abs(high) / 10 + 1]}
    world = World(frame, made.target, {**made.features, "more": column})
    rows, params = SPLITS["even"](world), {"C": 0.2, "l1_ratio": ratio}
    found = beside(world, rows, "LogisticRegression", LogisticRegression, params, tight=TIGHT)
    y = world.frame["y"].to_numpy()[np.concatenate(rows)]
    missed, _ = unsettled(found.X, y, found.ours, params)
    assert missed <= 1e-5
    if case == "copy" and ratio == 1.0:
        # Two columns may share one coefficient in any way: only what they predict is determined.
        ours, theirs = (fit.decision_function(found.X) for fit in (found.ours, found.theirs))
        assert np.linalg.norm(ours - theirs) <= 1e-6 * np.linalg.norm(theirs)
    else:
        assert error(found) <= 1e-6
    assert found.federation.trips <= 6


def test_the_order_of_silos_and_rows_is_irrelevant_and_one_silo_gets_its_own_fit() -> None:
    made = WORLDS["diabetes"]()
    split = SPLITS["by label"](made)
    expected = played("few", "diabetes", "by label").ours
    for rows in (split[::-1], [part[::-1] for part in split]):
        found = beside(made, rows, "LogisticRegression", LogisticRegression, PARAMS["few"], tight={"solver": "saga"})
        assert np.linalg.norm(found.ours.coef_ - expected.coef_) <= 1e-6 * np.linalg.norm(expected.coef_)
        assert ((found.ours.coef_ == 0) == (expected.coef_ == 0)).all()
    whole = [np.arange(len(made.frame))]
    assert error(beside(made, whole, "LogisticRegression", LogisticRegression, PARAMS["few"], tight=TIGHT)) <= 1e-6


def test_penalties_at_odds_with_themselves_are_refused_by_name() -> None:
    made = WORLDS["diabetes"]()
    for params, says in (
        ({"penalty": "l2", "l1_ratio": 0.5}, "no share of L1"),
        ({"penalty": None, "l1_ratio": 0.5}, "penalty: null"),
        ({"penalty": "l1", "l1_ratio": 0.5}, "L1 alone"),
        ({"penalty": "elasticnet"}, "needs l1_ratio"),
    ):
        with pytest.raises(UnsupportedModel, match=says):
            _ = Plan(read_study(agreement(made, "LogisticRegression", params))).family
