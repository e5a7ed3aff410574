"""Counts that vary beyond Poisson's: the pooled fits of statsmodels and R, dispersion included."""

from __future__ import annotations

import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import approx_fprime
from scipy.stats import nbinom
from statsmodels.discrete.discrete_model import NegativeBinomial
from statsmodels.discrete.tests.results.results_discrete import RandHIE

from fedcli.errors import (
    BadStudy,
    ContradictoryStudy,
    NotConverged,
    OneClass,
    OutOfRange,
    Separation,
    UnsupportedModel,
)
from fedcli.models.batch import Batch
from fedcli.models.negative_binomial import NegativeBinomialLoss
from fedcli.models.objective import sums_at
from fedcli.preparing.plan import Plan
from fedcli.report.estimator import standardised_coefficients
from fedcli.study.reading import read_study
from tests.equivalence.federation import Federation, federate
from tests.estimators.comparing import agreement
from tests.estimators.worlds import SPLITS, Rows, World, even, ranged, weighted_and_repeated

Floats = np.ndarray[Any, np.dtype[np.float64]]


def counted(frame: pd.DataFrame, outcome: str, *, room: float = 1.2) -> World:
    """Make a world of number columns and a count, whose agreed range is wider than its values."""
    y = frame[outcome].astype(int)
    target = {"column": "y", "type": "count", "range": [0, int(y.max() * room) + 1]}
    columns = frame.drop(columns=outcome)
    return World(columns.assign(y=y), target, ranged(columns))


@cache
def world(name: str) -> World:
    """``randhie`` (visits to a doctor), ``fair`` (affairs, rounded up), ``made`` (hardly beyond Poisson's)."""
    if name == "made":
        rng = np.random.default_rng(0)
        X = rng.normal(size=(800, 3))
        mean = np.exp(1 + X @ [0.5, -0.3, 0.2])
        return counted(pd.DataFrame(X, columns=list("abc")).assign(n=rng.negative_binomial(10, 10 / (10 + mean))), "n")
    table = getattr(sm.datasets, name).load_pandas().data.astype(float)
    if name == "randhie":
        return counted(table.iloc[::5].reset_index(drop=True), "mdvis")
    return counted(table.assign(affairs=np.ceil(table["affairs"])).iloc[::3].reset_index(drop=True), "affairs")


def federated(made: World, split: list[Rows], params: dict[str, Any] | None = None, **parts: Any) -> Federation:
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"s{number}": Path(folder) / f"{number}.csv" for number in range(len(split))}
        for path, rows in zip(tables.values(), split, strict=True):
            made.frame.iloc[rows].to_csv(path, index=False)
        return federate(agreement(made, "NegativeBinomial", params, **parts), tables)


def point(found: Federation, trip: int = -1) -> Floats:
    """Return intercept, slopes and dispersion on the scale of the fit."""
    state = found.states[trip]
    slopes, intercept = standardised_coefficients(found.plan, state)
    return np.concatenate([[intercept], slopes, state.arrays["fitted.alpha"]])


def errors(
    found: Federation, made: World, split: list[Rows], *, l2: float = 0.0, exposure: Floats | None = None
) -> list[float]:
    """Return, after each trip, the larger relative error of the coefficients and of the dispersion.

    The optimum is where statsmodels' own score and Hessian lead from the last trip's point, in as many steps as it
    takes: from wherever that is they would go on to the optimum of its likelihood.
    """
    pooled = made.frame.iloc[np.concatenate(split)]
    X = pooled[list(made.features)].to_numpy(dtype=float)
    X = sm.add_constant((X - X.mean(axis=0)) / X.std(axis=0))
    model = NegativeBinomial(pooled["y"].to_numpy(), X, exposure=exposure)
    model._transparams = False
    penalty = np.concatenate([[0.0], np.full(X.shape[1] - 1, l2 * len(X)), [0.0]])
    best = point(found)
    for _ in range(8):
        step = np.linalg.solve(model.hessian(best) - np.diag(penalty), model.score(best) - penalty * best)
        best = best - step
        if np.abs(step).max() < 1e-11:
            break
    else:
        raise AssertionError("statsmodels' steps do not end")
    away = [point(found, trip) - best for trip in range(found.trips)]
    return [max(np.linalg.norm(d[:-1]) / np.linalg.norm(best[:-1]), abs(d[-1]) / best[-1]) for d in away]


@cache
def played(name: str, split: str) -> tuple[Federation, list[float]]:
    made = world(name)
    rows = SPLITS[split](made)
    found = federated(made, rows)
    return found, errors(found, made, rows)


RUNS = [(name, split) for name in ("randhie", "fair", "made") for split in SPLITS]


@pytest.mark.parametrize(("name", "split"), RUNS)
def test_coefficients_and_dispersion_are_those_of_statsmodels(name: str, split: str) -> None:
    found, left = played(name, split)
    assert left[-1] <= 1e-6
    assert found.trips <= 6
    # A prediction that ends a study is not a wish.
    assert left[-1] <= max(found.predicted, 1e-9)


def test_four_trips_are_typical_and_five_enough() -> None:
    needed = [next(trip for trip, left in enumerate(played(*run)[1], start=1) if left <= 1e-6) for run in RUNS]
    assert np.median(needed) <= 4
    assert max(needed) <= 5


def test_the_fit_of_all_rows_is_the_one_that_r_printed() -> None:
    table = sm.datasets.randhie.load_pandas().data.astype(float)
    made = counted(table, "mdvis")
    found = federated(made, even(made, 8))
    printed = RandHIE.negativebinomial_nb2_bfgs.params
    ours = found.coefficients()
    assert ours.pop("intercept") == pytest.approx(printed[-2], rel=1e-5)
    np.testing.assert_allclose(list(ours.values()), printed[:-2], rtol=1e-4)
    assert float(found.state.arrays["fitted.alpha"][0]) == pytest.approx(printed[-1], rel=1e-5)
    assert found.trips <= 4


@pytest.mark.parametrize("split", ["even", "by covariate"])
def test_an_exposure_is_that_of_statsmodels(split: str) -> None:
    made = world("made")
    exposure = np.random.default_rng(1).uniform(0.1, 10, len(made.frame))
    scaled = World(made.frame.assign(e=exposure), made.target, made.features)
    rows = SPLITS[split](made)
    found = federated(scaled, rows, offset={"column": "e", "transform": "log", "range": [0.05, 20]})
    assert errors(found, scaled, rows, exposure=exposure[np.concatenate(rows)])[-1] <= 1e-6


def test_a_penalty_is_per_row_as_poissons_is() -> None:
    made = world("randhie")
    rows = SPLITS["by covariate"](made)
    found = federated(made, rows, {"l2": 0.1})
    assert errors(found, made, rows, l2=0.1)[-1] <= 1e-6
    assert np.linalg.norm(point(found)[1:-1]) < 0.9 * np.linalg.norm(point(played("randhie", "even")[0])[1:-1])


def test_weight_2_is_a_row_twice() -> None:
    weighted, often = weighted_and_repeated(world("made"))
    one = federated(weighted, even(weighted), weight={"column": "w", "range": [0, 4]}, standardize=False)
    other = federated(often, even(often), standardize=False)
    np.testing.assert_allclose(point(one), point(other), rtol=2e-6)


def test_without_an_intercept_the_dispersion_is_fitted_too() -> None:
    made = world("randhie")
    rows = SPLITS["even"](made)
    found = federated(made, rows, {"fit_intercept": False}, standardize=False)
    pooled = made.frame.iloc[np.concatenate(rows)]
    model = NegativeBinomial(pooled["y"].to_numpy(), pooled[list(made.features)].to_numpy(dtype=float))
    model._transparams = False
    ours = np.append(found.plan.coefficients(found.state)[1:], found.state.arrays["fitted.alpha"])
    step = np.linalg.solve(model.hessian(ours), model.score(ours))
    assert np.linalg.norm(step) <= 1e-6 * np.linalg.norm(ours)


def test_the_order_of_silos_and_rows_is_irrelevant() -> None:
    made = world("made")
    split = SPLITS["by covariate"](made)
    expected = point(played("made", "by covariate")[0])
    for rows in (split[::-1], [part[::-1] for part in split]):
        np.testing.assert_allclose(point(federated(made, rows)), expected, rtol=1e-8)


def test_rows_held_out_are_measured_by_statsmodels_deviance() -> None:
    made = world("randhie")
    rows = even(made, 3)
    found = federated(made, rows, evaluation={"holdout": 0.2})
    out = np.concatenate([part[found.masks[f"s{number}"]] for number, part in enumerate(rows)])
    held = made.frame.iloc[out]
    # The last trip measures the model that went into it.
    before = found.states[-2]
    coef = found.plan.coefficients(before)
    means = np.exp(coef[0] + held[list(made.features)].to_numpy() @ coef[1:])
    family = sm.families.NegativeBinomial(alpha=float(before.arrays["fitted.alpha"][0]))
    assert found.state.document["evaluation"] == "n_samples,mean_negative_binomial_deviance"
    n, deviance = found.state.arrays["evaluation"]
    assert n == len(held) > 500
    assert deviance == pytest.approx(family.deviance(held["y"].to_numpy(), means) / n, rel=1e-9)


# ---- hard cases ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["even", "by covariate", "twenty silos"])
@pytest.mark.parametrize("kind", ["binomial", "zero or one"])
def test_counts_that_vary_less_than_poissons_end_by_name(kind: str, split: str) -> None:
    made = world("made")
    rng = np.random.default_rng(2)
    y = rng.binomial(12, 0.3, len(made.frame)) if kind == "binomial" else rng.integers(0, 2, len(made.frame))
    tight = counted(made.frame.assign(y=y), "y")
    with pytest.raises(Separation, match="vary no more than Poisson's") as caught:
        federated(tight, SPLITS[split](tight), rules={"aggregation": "plain", "min_rows": 10_000})
    assert "fit PoissonRegressor" in caught.value.hint


@pytest.mark.parametrize("split", ["even", "by label", "twenty silos"])
def test_a_dispersion_near_0_is_found_although_silos_alone_have_none(split: str) -> None:
    made = world("made")
    rng = np.random.default_rng(0)
    mean = np.exp(1 + made.frame[["a", "b", "c"]].to_numpy() @ [0.5, -0.3, 0.2])
    weak = counted(made.frame.assign(y=rng.negative_binomial(40, 40 / (40 + mean))), "y")
    rows = SPLITS[split](weak)
    found = federated(weak, rows)
    left = errors(found, weak, rows)
    assert 0.005 < point(found)[-1] < 0.05
    assert left[-1] <= 1e-6
    assert found.trips <= 7


def test_a_pool_of_zeros_has_no_mean() -> None:
    made = world("made")
    with pytest.raises(OneClass, match="0 in every row"):
        federated(World(made.frame.assign(y=0), made.target, made.features), even(made), rules={"aggregation": "plain"})


def test_a_silo_of_zeros_does_no_harm() -> None:
    made = world("made")
    y = made.frame["y"].to_numpy().copy()
    rows = even(made)
    y[rows[0]] = 0
    zeros = World(made.frame.assign(y=y), made.target, made.features)
    found = federated(zeros, rows)
    assert errors(found, zeros, rows)[-1] <= 1e-6


def test_an_exposure_of_0_is_no_exposure() -> None:
    made = world("made")
    zero = World(made.frame.assign(e=0.0), made.target, made.features)
    offset = {"column": "e", "transform": "log"}
    with pytest.raises(BadStudy, match="range above 0"):
        federated(zero, even(made), offset=offset | {"range": [0, 20]})
    with pytest.raises(OutOfRange, match="'e'"):
        federated(zero, even(made), offset=offset | {"range": [0.01, 20]})


def test_what_is_no_parameter_is_refused_by_name() -> None:
    made = world("made")
    with pytest.raises(UnsupportedModel, match="has no parameter 'alpha' here; known: l2, fit_intercept"):
        _ = Plan(read_study(agreement(made, "NegativeBinomial", {"alpha": 1.0}))).family
    with pytest.raises(ContradictoryStudy, match="needs a target of type count"):
        _ = Plan(
            read_study(
                agreement(World(made.frame, {**made.target, "type": "number"}, made.features), "NegativeBinomial")
            )
        ).family


def test_columns_that_tell_counts_beyond_all_bounds_are_refused_or_do_not_finish() -> None:
    made = world("made")
    frame = made.frame.assign(a=(made.frame["y"] == 0).astype(float))
    world_of_two = World(frame, made.target, {**made.features, "a": {"type": "number", "range": [-0.5, 1.5]}})
    with pytest.raises((Separation, NotConverged)):
        federated(world_of_two, even(made))


# ---- the loss ------------------------------------------------------------------------------------------------------

LOSS = NegativeBinomialLoss(60.0)


def rows_of(n: int = 40) -> Batch:
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
    return Batch(X, rng.negative_binomial(2, 0.3, n).astype(float), np.zeros(n), rng.uniform(0.5, 2, n))


@pytest.mark.parametrize("alpha", [2e-4, 0.02, 0.7, 30.0, 900.0])
def test_the_sum_is_scipys_likelihood_and_its_derivatives_are_its_own(alpha: float) -> None:
    rows = rows_of()
    at = np.array([0.4, -0.8, np.log1p(alpha / LOSS.turn)])
    mean = np.exp(rows.X @ at[:2])
    logs = nbinom.logpmf(rows.y, 1 / alpha, 1 / (1 + alpha * mean))
    from scipy.special import gammaln

    value, gradient, hessian = sums_at(LOSS, rows, at)
    assert value == pytest.approx(-float(rows.weight @ (logs + gammaln(rows.y + 1))), rel=1e-9)
    np.testing.assert_allclose(
        gradient, approx_fprime(at, lambda p: sums_at(LOSS, rows, p)[0], 1e-7), rtol=2e-4, atol=1e-3
    )
    slopes = [approx_fprime(at, lambda p, k=k: sums_at(LOSS, rows, p)[1][k], 1e-7) for k in range(3)]  # type: ignore[misc]
    np.testing.assert_allclose(hessian, slopes, rtol=1e-3, atol=1e-2)


def test_towards_0_the_loss_is_poissons() -> None:
    rows = rows_of()
    eta, y = rows.X[:, 1], np.minimum(rows.y, 5.0)
    mean = np.exp(eta)
    parts = LOSS.parts(eta, y, np.array([LOSS.extras[0].low]))
    first = LOSS.smallest * ((y - mean) ** 2 - y) / 2
    np.testing.assert_allclose(parts.value, mean - y * eta - first, atol=2e-6)
    np.testing.assert_allclose(parts.slope, (mean - y) * (1 - LOSS.smallest * mean), atol=1e-6)


def test_softened_curvature_does_not_know_the_counts() -> None:
    eta = np.zeros(3)
    parts = LOSS.parts(eta, np.array([0.0, 5.0, 40.0]), np.array([1.0]), softened=True)
    plain = LOSS.parts(eta, np.array([0.0, 5.0, 40.0]), np.array([1.0]))
    assert len(set(parts.curve)) == 1
    assert not parts.cross.any()
    assert (parts.slope == plain.slope).all()
    # Expected and observed agree where the count is its mean.
    mean = LOSS.parts(np.zeros(1), np.ones(1), np.array([1.0]))
    assert parts.curve[0] == pytest.approx(mean.curve[0])


def test_the_deviance_is_that_of_statsmodels() -> None:
    rows, alpha = rows_of(), 0.7
    eta = rows.X @ [0.4, -0.8]
    ours = LOSS.deviance(eta, rows.y, np.array([np.log1p(alpha / LOSS.turn)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        family = sm.families.NegativeBinomial(alpha=alpha)
    assert ours.sum() == pytest.approx(family.deviance(rows.y, np.exp(eta)), rel=1e-10)
    assert LOSS.deviance(np.log([3.0]), np.array([3.0]), np.array([0.4]))[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("end", ["low", "high"])
def test_no_row_exceeds_the_bounds(end: str) -> None:
    eta, extras = np.linspace(-500, 500, 2001), np.array([getattr(LOSS.extras[0], end)])
    value, slope, curve = LOSS.bounds(500.0)
    for y in (0.0, 1.0, 60.0):
        for softened in (False, True):
            parts = LOSS.parts(eta, np.full(eta.shape, y), extras, softened=softened)
            assert np.abs(parts.value).max() <= value
            assert max(np.abs(parts.slope).max(), np.abs(parts.extra).max()) <= slope
            assert max(np.abs(part).max() for part in (parts.curve, parts.cross, parts.square)) <= curve
