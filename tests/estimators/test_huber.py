"""Huber's regression, whose scale is fitted along: the pooled optimum of scikit-learn's own objective."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.linear_model import HuberRegressor
from sklearn.linear_model._huber import _huber_loss_and_gradient

from fedcli.errors import ContradictoryStudy, NotConverged, Separation, UnsupportedModel
from fedcli.models.batch import Batch
from fedcli.models.huber import Huber
from fedcli.models.objective import sums_at
from fedcli.preparing.plan import Plan
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.estimators.comparing import Beside, agreement, beside
from tests.estimators.worlds import SPLITS, World, amounts, numbers

WORLDS = {"diabetes": lambda: numbers("diabetes"), "engel": lambda: amounts("engel"), "area": lambda: amounts("area")}
PARAMS: dict[str, dict[str, Any]] = {"default": {}, "wide": {"epsilon": 2.0, "alpha": 0.1}}
RUNS = [(params, world, split) for params in PARAMS for world in WORLDS for split in SPLITS]
STRAIGHT = {"tol": 1e-12, "max_iter": 10_000}


def optimum(fitted: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Any:
    """Carry scikit-learn's fit to the optimum of its own objective, of which its solver stops up to 1e-4 short.

    Newton's method on differences of scikit-learn's gradient.
    """
    weight = np.ones(len(y)) if weight is None else weight
    point = np.concatenate([fitted.coef_, [fitted.intercept_] if fitted.fit_intercept else [], [fitted.scale_]])

    def gradient(at: np.ndarray) -> np.ndarray:
        return _huber_loss_and_gradient(at, X, y, fitted.epsilon, fitted.alpha, weight)[1]

    for _ in range(8):
        steps = np.diag(1e-5 * np.maximum(np.abs(point), 1.0))
        slopes = np.array([(gradient(point + h) - gradient(point - h)) / (2 * h.max()) for h in steps])
        point = point - np.linalg.solve((slopes + slopes.T) / 2, gradient(point))
    assert np.abs(gradient(point)).max() <= 1e-10 * len(y)
    fitted.scale_ = float(point[-1])
    fitted.coef_ = point[: X.shape[1]]
    fitted.intercept_ = float(point[-2]) if fitted.fit_intercept else 0.0
    return fitted


def compared(world: World, rows: list[Any], params: dict[str, Any], **parts: Any) -> Beside:
    found = beside(world, rows, "HuberRegressor", HuberRegressor, params, tight=STRAIGHT, **parts)
    y = world.frame.iloc[np.concatenate(rows)]["y"].to_numpy()
    return replace(found, theirs=optimum(found.theirs, found.X, y))


@cache
def played(params: str, world: str, split: str) -> Beside:
    made = WORLDS[world]()
    return compared(made, SPLITS[split](made), PARAMS[params])


def error(found: Beside) -> float:
    return max(found.error(name) for name in ("coef_", "intercept_", "scale_"))


@pytest.mark.parametrize(("params", "world", "split"), RUNS)
def test_huber_is_the_optimum_of_the_pooled_rows(params: str, world: str, split: str) -> None:
    found = played(params, world, split)
    assert error(found) <= 1e-6
    # Where a single row of a small silo lies beyond epsilon its curvature is hidden, and steps shrink by a factor.
    assert found.federation.trips <= (9 if split == "twenty silos" else 6)


def test_four_trips_are_typical() -> None:
    needed = []
    for run in RUNS:
        found = played(*run)
        states = found.federation.states
        errors = [error(replace(found, ours=fitted_estimator(found.federation.plan, state))) for state in states]
        needed.append(next(trip for trip, left in enumerate(errors, start=1) if left <= 1e-6))
    assert np.median(needed) <= 4


@pytest.mark.parametrize("alpha", [1e-4, 1.0])
def test_silos_sorted_by_the_outcome_come_to_an_end(alpha: float) -> None:
    made = numbers("diabetes")
    order = np.argsort(made.frame["y"].to_numpy(), kind="stable")
    found = compared(made, np.array_split(order, 6), {"epsilon": 2.0, "alpha": alpha})
    assert max(found.error(name) for name in ("coef_", "scale_")) <= 1e-6
    assert found.federation.trips <= 11


@pytest.mark.parametrize("split", ["even", "by label", "by covariate"])
def test_without_an_intercept_the_scale_is_fitted_too(split: str) -> None:
    made = amounts("engel")
    params = {"fit_intercept": False, "epsilon": 1.5}
    found = compared(made, SPLITS[split](made), params, standardize=False)
    assert max(found.error(name) for name in ("coef_", "scale_")) <= 1e-6
    assert found.federation.trips <= 6


def test_weights_are_scikit_learns_sample_weights() -> None:
    made = numbers("diabetes")
    made = World(made.frame.assign(w=1.0 + np.arange(len(made.frame)) % 3), made.target, made.features)
    rows = SPLITS["even"](made)
    found = beside(made, rows, "HuberRegressor", HuberRegressor, {}, weight={"column": "w", "range": [0, 4]})
    pooled = made.frame.iloc[np.concatenate(rows)]
    y, weight = pooled["y"].to_numpy(), pooled["w"].to_numpy()
    theirs = optimum(HuberRegressor(**STRAIGHT).fit(found.X, y, sample_weight=weight), found.X, y, weight)
    assert error(replace(found, theirs=theirs)) <= 1e-6


def test_the_order_of_silos_and_rows_is_irrelevant() -> None:
    made, params = numbers("diabetes"), {}
    split = SPLITS["by covariate"](made)
    expected = played("default", "diabetes", "by covariate").ours
    for rows in (split[::-1], [part[::-1] for part in split]):
        found = beside(made, rows, "HuberRegressor", HuberRegressor, params).ours
        assert np.linalg.norm(found.coef_ - expected.coef_) <= 1e-6 * np.linalg.norm(expected.coef_)
        assert found.scale_ == pytest.approx(expected.scale_, rel=1e-6)


def test_one_silo_alone_gets_its_own_fit() -> None:
    made = numbers("diabetes")
    assert error(compared(made, [np.arange(len(made.frame))], {})) <= 1e-6


# ---- hard cases ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["constant", "copy", "scale 1e8"])
def test_hard_columns_get_the_pooled_penalised_fit(case: str) -> None:
    made = numbers("diabetes")
    values = {"constant": 7.5, "copy": made.frame["bmi"], "scale 1e8": made.frame["s6"] * 1e9 + 1e8}[case]
    frame = made.frame.assign(more=values)
    low, high = float(frame["more"].min()), float(frame["more"].max())
    column = {"type": "number", "range": [low - abs(low) / 10 - 1, high + abs(high) / 10 + 1]}
    world = World(frame, made.target, {**made.features, "more": column})
    assert error(compared(world, SPLITS["even"](world), {"alpha": 1.0})) <= 1e-6


def test_a_target_that_the_columns_tell_exactly_is_refused() -> None:
    made = numbers("diabetes")
    frame = made.frame.assign(y=100.0 + 1000.0 * made.frame["bmi"])
    world = World(frame, {**made.target, "range": [-100, 300]}, made.features)
    with pytest.raises((Separation, NotConverged)) as caught:
        beside(world, SPLITS["even"](world), "HuberRegressor", HuberRegressor, {"alpha": 0.0})
    assert caught.value.hint


def test_what_huber_cannot_do_is_refused_by_name() -> None:
    made = numbers("diabetes")
    with pytest.raises(UnsupportedModel, match="epsilon must be a number 1 or above"):
        _ = Plan(read_study(agreement(made, "HuberRegressor", {"epsilon": 0.5}))).family
    offset = {"column": "z", "range": [0, 1]}
    with pytest.raises(ContradictoryStudy, match="takes no offset"):
        _ = Plan(read_study(agreement(made, "HuberRegressor", offset=offset))).family


# ---- the loss ------------------------------------------------------------------------------------------------------


def rows_of(n: int = 40) -> Batch:
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
    return Batch(X, np.clip(X[:, 1] / 2 + rng.standard_t(2, n) / 10, -1, 1), np.zeros(n), rng.uniform(0.5, 2, n))


@pytest.mark.parametrize("point", [[0.1, 0.3, -1.5], [0.0, 0.5, -2.5], [0.2, -0.4, 0.5]])
def test_gradient_and_hessian_are_those_of_the_sum(point: list[float]) -> None:
    loss, rows, at = Huber(1.35), rows_of(), np.array(point)
    _, gradient, hessian = sums_at(loss, rows, at)
    np.testing.assert_allclose(gradient, approx_fprime(at, lambda p: sums_at(loss, rows, p)[0], 1e-7), atol=1e-4)
    slopes = [approx_fprime(at, lambda p, k=k: sums_at(loss, rows, p)[1][k], 1e-7) for k in range(3)]  # type: ignore[misc]
    np.testing.assert_allclose(hessian, slopes, rtol=1e-4, atol=1e-2)


def test_the_sum_is_scikit_learns_objective() -> None:
    loss, rows = Huber(1.35), rows_of()
    value = sums_at(loss, rows, np.array([0.1, 0.3, np.log(0.08)]))[0]
    theirs = _huber_loss_and_gradient(np.array([0.3, 0.1, 0.08]), rows.X[:, 1:], rows.y, 1.35, 0.0, rows.weight)[0]
    assert value == pytest.approx(theirs, rel=1e-12)


def test_softened_curvature_tells_no_row_from_another_and_leaves_the_gradient_exact() -> None:
    loss, rows, at = Huber(1.1), rows_of(), np.array([0.0, 0.2, -3.0])
    beyond = np.abs(rows.y - rows.X @ at[:2]) > 1.1 * np.exp(-3.0)
    assert 0 < beyond.sum() < len(beyond)
    _, gradient, hessian = sums_at(loss, rows, at)
    _, same, softened = sums_at(loss, rows, at, softened=True)
    assert (gradient == same).all()
    np.testing.assert_allclose(softened[:2, :2], 2 / np.exp(-3.0) * (rows.X * rows.weight[:, None]).T @ rows.X)
    assert np.linalg.eigvalsh(softened - hessian)[0] >= -1e-9


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.3, 4.0])
def test_no_row_exceeds_the_bounds(scale: float) -> None:
    loss, eta = Huber(1.35), np.linspace(-50, 50, 2001)
    for softened in (False, True):
        parts = loss.parts(eta, np.full(eta.shape, 0.7), np.array([np.log(scale)]), softened=softened)
        value, slope, curve = loss.bounds(50.0)
        assert np.abs(parts.value).max() <= value
        assert max(np.abs(parts.slope).max(), np.abs(parts.extra).max()) <= slope
        assert max(np.abs(part).max() for part in (parts.curve, parts.cross, parts.square)) <= curve * (1 + 1e-12)
