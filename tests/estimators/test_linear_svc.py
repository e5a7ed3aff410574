"""Linear support vectors with a squared hinge: scikit-learn's own fit of the pooled rows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.svm import LinearSVC

from fedcli.errors import DominantRow, OneClass, UnsupportedModel
from fedcli.models.batch import Batch
from fedcli.models.objective import sums_at, weights_at
from fedcli.models.squared_hinge import SquaredHinge
from fedcli.preparing.plan import Plan
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.estimators.comparing import Beside, agreement, beside
from tests.estimators.worlds import SPLITS, World, binary

WORLDS = {
    "cancer": lambda: binary(columns=8),
    "wine": lambda: binary("wine", columns=6),
    "iris": lambda: binary("iris", columns=2),
}
PARAMS: dict[str, dict[str, Any]] = {"default": {"C": 0.1}, "scaled": {"C": 0.02, "intercept_scaling": 4.0}}
TIGHT = {"dual": False, "tol": 1e-12, "max_iter": 1_000_000}
# In one silo of each of these a single row within its margin has more than half of the sum of slopes.
ONE_ROW = {
    *((params, "cancer", split) for params in PARAMS for split in ("by covariate", "pathological")),
    ("default", "wine", "twenty silos"),
}
EVERY = [(params, world, split) for params in PARAMS for world in WORLDS for split in SPLITS]
RUNS = [run for run in EVERY if run not in ONE_ROW]


@cache
def played(params: str, world: str, split: str) -> Beside:
    made = WORLDS[world]()
    return beside(made, SPLITS[split](made), "LinearSVC", LinearSVC, PARAMS[params], tight=TIGHT)


def error(found: Beside) -> float:
    return max(found.error("coef_"), found.error("intercept_"))


@pytest.mark.parametrize(("params", "world", "split"), RUNS)
def test_support_vectors_are_those_of_the_pooled_rows(params: str, world: str, split: str) -> None:
    found = played(params, world, split)
    assert error(found) <= 1e-6
    assert (found.ours.predict(found.X) == found.theirs.predict(found.X)).all()
    # Silos of seven rows with a single one beyond its margin hide that, and steps shrink by a factor.
    assert found.federation.trips <= (12 if split == "twenty silos" else 6)


@pytest.mark.parametrize(("params", "world", "split"), sorted(ONE_ROW))
def test_a_silo_whose_slopes_are_those_of_one_row_is_refused(params: str, world: str, split: str) -> None:
    with pytest.raises(DominantRow, match=r"residuals"):
        played(params, world, split)


def test_four_trips_are_typical() -> None:
    needed = []
    for run in RUNS:
        found = played(*run)
        states = found.federation.states
        errors = [error(replace(found, ours=fitted_estimator(found.federation.plan, state))) for state in states]
        needed.append(next(trip for trip, left in enumerate(errors, start=1) if left <= 1e-6))
    assert np.median(needed) <= 4


def test_without_an_intercept_and_with_weights_it_is_the_pooled_fit() -> None:
    made = binary(columns=8)
    made = World(made.frame.assign(w=1.0 + np.arange(len(made.frame)) % 3), made.target, made.features)
    rows = SPLITS["even"](made)
    params = {"C": 0.1, "fit_intercept": False}
    found = beside(made, rows, "LinearSVC", LinearSVC, params, weight={"column": "w", "range": [0, 4]})
    pooled = made.frame.iloc[np.concatenate(rows)]
    theirs = LinearSVC(**params, **TIGHT).fit(found.X, pooled["y"], sample_weight=pooled["w"])
    assert replace(found, theirs=theirs).error("coef_") <= 1e-6


@pytest.mark.parametrize("case", ["constant", "copy", "scale 1e8"])
def test_hard_columns_get_the_pooled_fit(case: str) -> None:
    made = binary(columns=8)
    values = {"constant": 7.5, "copy": made.frame["mean_radius"], "scale 1e8": made.frame["mean_radius"] ** 2 * 1e6}
    frame = made.frame.assign(more=values[case])
    low, high = float(frame["more"].min()), float(frame["more"].max())
    column = {"type": "number", "range": [low - abs(low) / 10 - 1, high + abs(high) / 10 + 1]}
    world = World(frame, made.target, {**made.features, "more": column})
    assert error(beside(world, SPLITS["even"](world), "LinearSVC", LinearSVC, {"C": 0.1}, tight=TIGHT)) <= 1e-6


def test_the_order_of_silos_and_rows_is_irrelevant_and_one_silo_gets_its_own_fit() -> None:
    made = binary(columns=8)
    split = SPLITS["by label"](made)
    expected = played("default", "cancer", "by label").ours
    for rows in (split[::-1], [part[::-1] for part in split]):
        found = beside(made, rows, "LinearSVC", LinearSVC, PARAMS["default"]).ours
        assert np.linalg.norm(found.coef_ - expected.coef_) <= 1e-6 * np.linalg.norm(expected.coef_)
    alone = beside(made, [np.arange(len(made.frame))], "LinearSVC", LinearSVC, PARAMS["default"], tight=TIGHT)
    assert error(alone) <= 1e-6


def test_one_class_and_other_losses_are_refused_by_name() -> None:
    made = binary(columns=8)
    single = World(made.frame.assign(y=1), made.target, made.features)
    with pytest.raises(OneClass):
        beside(single, SPLITS["even"](single), "LinearSVC", LinearSVC)
    for params in ({"loss": "hinge"}, {"penalty": "l1"}, {"intercept_scaling": 0}):
        with pytest.raises(UnsupportedModel):
            _ = Plan(read_study(agreement(made, "LinearSVC", params))).family


def test_rows_held_out_are_counted_right_or_wrong() -> None:
    made = binary(columns=8)
    split = SPLITS["even"](made)
    evaluation = {"holdout": 0.3, "closing_trip": True}
    federation = beside(made, split, "LinearSVC", LinearSVC, {"C": 0.1}, evaluation=evaluation).federation
    held = made.frame.iloc[np.concatenate(split)[np.concatenate(list(federation.masks.values()))]]
    coef = federation.coefficients()
    eta = coef["intercept"] + sum(coef[name] * held[name] for name in made.features)
    figures = federation.state.arrays["evaluation"].tolist()
    assert federation.state.document["evaluation"] == "n_samples,accuracy"
    assert figures == [len(held), pytest.approx(((eta > 0) == (held["y"] == 1)).mean())]


# ---- the loss ------------------------------------------------------------------------------------------------------


def rows_of(n: int = 30) -> Batch:
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
    return Batch(X, (X[:, 1] + rng.normal(size=n) / 2 > 0).astype(float), np.zeros(n), rng.uniform(0.5, 2, n))


def test_gradient_and_hessian_are_those_of_the_sum() -> None:
    loss, rows, at = SquaredHinge(), rows_of(), np.array([0.2, 1.3])
    _, gradient, hessian = sums_at(loss, rows, at)
    np.testing.assert_allclose(gradient, approx_fprime(at, lambda p: sums_at(loss, rows, p)[0], 1e-7), atol=1e-4)
    slopes = [approx_fprime(at, lambda p, k=k: sums_at(loss, rows, p)[1][k], 1e-7) for k in range(2)]  # type: ignore[misc]
    np.testing.assert_allclose(hessian, slopes, atol=1e-4)


def test_curvature_shows_the_rows_beyond_their_margin_and_softened_it_does_not() -> None:
    loss, rows, at = SquaredHinge(), rows_of(), np.array([0.2, 1.3])
    beyond = (2 * rows.y - 1) * (rows.X @ at) >= 1
    assert 0 < beyond.sum() < len(beyond)
    found = weights_at(loss, rows, at)
    assert (found["rows beyond their margin"] == rows.weight * beyond).all()
    assert (found["curvature"] == 2 * rows.weight * ~beyond).all()
    softened = weights_at(loss, rows, at, softened=True)
    assert softened.keys() == {"residuals", "curvature"}
    assert (softened["curvature"] == 2 * rows.weight).all()


def test_no_row_exceeds_the_bounds() -> None:
    loss, eta = SquaredHinge(), np.linspace(-40, 40, 161)
    for y in (0.0, 1.0):
        parts = loss.parts(eta, np.full(161, y), np.empty(0))
        found = [np.abs(part).max() for part in (parts.value, parts.slope, parts.curve)]
        assert (np.array(found) <= loss.bounds(40.0)).all()
