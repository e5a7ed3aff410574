"""Proportional hazards with one baseline on agreed intervals: statsmodels' Poisson fit of rows split at the edges.

Rows split at the edges, with the time in each interval as exposure and an intercept per interval, are how Holford
(1980) and textbooks fit the model; here statsmodels does it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines import datasets
from statsmodels.duration.hazard_regression import PHReg

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.report.estimator import standardised_coefficients
from tests.equivalence.federation import Federation
from tests.estimators.surviving import ENTRY, TIME, Floats, federated, relative_error, standardised, survival, world
from tests.estimators.worlds import SPLITS, Rows, World, even

# Silos of fewer rows take part without the rule on rows that stand out: what is compared is the mathematics.
SMALL_SILOS = {"aggregation": "plain", "min_rows": 2000, "min_cell": 1, "rows_per_column": 5}
# By label, silos without any event draw the first hazards down, and silos of events only draw them up.
MOST_TRIPS = {"by label": 7}


def grid_of(made: World, n_intervals: int) -> list[float]:
    """Return inner edges, whole numbers, with about as many events between each two."""
    times = made.frame[TIME].to_numpy(float)[made.frame["y"] > 0]
    low, high = made.target["range"]
    edges = np.unique(np.round(np.quantile(times, np.linspace(0, 1, n_intervals + 1))[1:-1]))
    return [float(edge) for edge in edges if low < edge < high]


def fitted(made: World, silos: Sequence[Rows], grid: list[float], **more: float) -> Federation:
    return federated(made, silos, {"strata": None, "grid": grid, **more}, rules=SMALL_SILOS)


def split_at(edges: Floats, X: Floats, pooled: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Return columns and interval intercepts, events and exposure of every row in every interval that it was in."""
    columns, events, exposure = [], [], []
    for x, row in zip(X, pooled.to_dict("records"), strict=True):
        begin, end = row.get(ENTRY, edges[0]), row[TIME]
        for k in range(len(edges) - 1):
            time = min(end, edges[k + 1]) - max(begin, edges[k])
            if time <= 0:
                continue
            columns.append(np.concatenate([x, np.eye(len(edges) - 1)[k]]))
            events.append(float(row["y"] > 0 and edges[k] < end <= edges[k + 1]))
            exposure.append(time)
    return np.array(columns), np.array(events), np.array(exposure)


def pooled_fit(made: World, silos: Sequence[Rows], grid: list[float]) -> tuple[Floats, Floats]:
    """Return slopes on standardised columns, and each interval's hazard, as statsmodels' Poisson fit gives them."""
    X, pooled, _ = standardised(made, silos)
    low, high = made.target["range"]
    edges = np.array([low, *grid, high])
    columns, events, exposure = split_at(edges, X, pooled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sm.GLM(events, columns, family=sm.families.Poisson(), exposure=exposure).fit(tol=1e-14, maxiter=100)
    return np.asarray(found.params[: X.shape[1]]), np.exp(found.params[X.shape[1] :])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["rossi", "gbsg2", "lung", "kidney"])
def test_the_fit_is_the_pooled_one(name: str, split: str) -> None:
    made = world(name)
    silos, grid = SPLITS[split](made), grid_of(made, 8)
    found = fitted(made, silos, grid)
    slopes, hazard = pooled_fit(made, silos, grid)
    assert relative_error(found, slopes) <= 1e-6
    np.testing.assert_allclose(found.state.arrays["fitted.baseline_hazard"], hazard, rtol=1e-5)
    assert found.trips <= MOST_TRIPS.get(split, 5)


@pytest.mark.parametrize("split", ["even", "by covariate"])
def test_delayed_entry_counts_the_time_from_entry_on(split: str) -> None:
    made = world("transplants")
    silos, grid = SPLITS[split](made), [30.0, 100.0, 300.0]
    found = fitted(made, silos, grid)
    slopes, hazard = pooled_fit(made, silos, grid)
    assert relative_error(found, slopes) <= 1e-6
    np.testing.assert_allclose(found.state.arrays["fitted.baseline_hazard"], hazard, rtol=1e-5)


def test_rows_that_two_silos_share_out_differently_give_the_same_fit() -> None:
    made, grid = world("rossi"), [10.0, 20.0, 30.0, 40.0]
    first = standardised_coefficients(*_end(fitted(made, even(made), grid)))[0]
    second = standardised_coefficients(*_end(fitted(made, SPLITS["by covariate"](made), grid)))[0]
    np.testing.assert_allclose(first, second, rtol=1e-6)


def _end(found: Federation) -> tuple[object, object]:
    return found.plan, found.state


@pytest.mark.parametrize("name", ["rossi", "gbsg2", "lung"])
def test_what_the_grid_costs_is_what_a_grid_half_as_fine_would_change(name: str) -> None:
    made = world(name)
    silos, grid = even(made), grid_of(made, 8)
    said = float(fitted(made, silos, grid).state.arrays["fitted.grid_effect"][0])
    fine, coarse = (pooled_fit(made, silos, edges)[0] for edges in (grid, grid[1::2]))
    X, pooled, _ = standardised(made, silos)
    exact = PHReg(pooled[TIME].to_numpy(), X, pooled["y"].to_numpy(), ties="efron").fit()
    assert said == pytest.approx(float(np.max(np.abs(coarse - fine) / exact.bse)), rel=0.15)
    # And what is left to a fit of the exact times is no more than a few times as much.
    assert float(np.max(np.abs(fine - exact.params) / exact.bse)) < 3 * said


def test_the_reason_to_stop_says_what_the_grid_costs() -> None:
    made = world("rossi")
    found = fitted(made, even(made), [10.0, 20.0, 30.0, 40.0])
    reason = found.plan.family.finished(found.state)
    assert reason is not None
    effect = found.state.arrays["fitted.grid_effect"][0]
    assert f"on a grid half as fine no coefficient would differ by more than about {effect:.2g} standard" in reason.says


def test_an_interval_without_an_event_is_one_with_the_next() -> None:
    made = world("rossi")
    died = made.frame["y"] > 0
    kept = made.frame[~(died & made.frame[TIME].between(21, 30)) & ~(died & (made.frame[TIME] > 40))]
    gap = World(kept.reset_index(drop=True), made.target, made.features)
    silos = even(gap)
    found = fitted(gap, silos, [10.0, 20.0, 30.0, 40.0])
    np.testing.assert_array_equal(found.state.arrays["interval"], [0, 1, 2, 2, 2])
    slopes, hazard = pooled_fit(gap, silos, [10.0, 20.0])
    assert relative_error(found, slopes) <= 1e-6
    np.testing.assert_allclose(found.state.arrays["fitted.baseline_hazard"], hazard[[0, 1, 2, 2, 2]], rtol=1e-5)


def test_a_penalty_draws_all_effects_to_nothing_and_leaves_the_hazards_alone() -> None:
    made, grid = world("rossi"), [20.0, 40.0]
    found = fitted(made, even(made), grid, alpha=1e9)
    assert np.abs(standardised_coefficients(*_end(found))[0]).max() < 1e-6
    time, died = made.frame[TIME].to_numpy(float), made.frame["y"].to_numpy() > 0
    edges = np.array([made.target["range"][0], *grid, np.inf])
    events = np.histogram(time[died] - 1e-9, edges)[0]
    spent = np.clip(np.minimum(time[:, None], edges[1:]) - edges[:-1], 0, None).sum(axis=0)
    np.testing.assert_allclose(found.state.arrays["fitted.baseline_hazard"], events / spent, rtol=1e-6)


def test_weight_two_is_the_row_twice() -> None:
    table = datasets.load_rossi()
    made = survival(table, "week", "arrest")
    double = np.arange(len(table)) % 3 == 0
    weighted = World(made.frame.assign(w=1.0 + double), made.target, made.features)
    twice = World(pd.concat([made.frame, made.frame[double]], ignore_index=True), made.target, made.features)
    silos = even(weighted)
    where = np.flatnonzero(double)
    both = [np.concatenate([rows, len(table) + np.searchsorted(where, rows[double[rows]])]) for rows in silos]
    params = {"strata": None, "grid": [10.0, 30.0]}
    found = federated(
        weighted, silos, params, rules=SMALL_SILOS, weight={"column": "w", "range": [0, 2]}, standardize=False
    )
    plain = federated(twice, both, params, rules=SMALL_SILOS, standardize=False)
    ours, theirs = (list(each.coefficients().values())[1:] for each in (found, plain))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"strata": None}, "needs a grid of times"),
        ({"grid": [10.0, 20.0]}, "a grid belongs to strata: null"),
        ({"strata": None, "grid": [20.0, 10.0]}, "must ascend"),
    ],
    ids=str,
)
def test_a_grid_and_one_baseline_belong_together(params: dict[str, object], says: str) -> None:
    with pytest.raises(UnsupportedModel, match=says):
        federated(world("rossi"), even(world("rossi")), params)


def test_a_grid_beyond_the_agreed_times_is_refused() -> None:
    with pytest.raises(ContradictoryStudy, match="the grid reaches beyond the times' range"):
        federated(world("rossi"), even(world("rossi")), {"strata": None, "grid": [10.0, 1000.0]})
