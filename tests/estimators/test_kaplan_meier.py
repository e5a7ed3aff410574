"""Survival on an agreed grid in one trip: lifelines' and statsmodels' figures of the pooled times rounded up to it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import restricted_mean_survival_time
from scipy import stats
from statsmodels.duration.survfunc import survdiff

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.fileformat.statistics import State
from fedcli.models.batch import Batch, Point, empty_state
from fedcli.models.life_table import LifeTable, chi_squared_tail, kaplan_meier, log_rank, restricted_mean
from tests.equivalence.federation import Federation, federate
from tests.estimators.comparing import OPEN_RULES
from tests.estimators.surviving import ENTRY, TIME, world
from tests.estimators.worlds import SPLITS, Rows, World, even

GRIDS = {
    "rossi": [4, 8, 13, 26, 39, 52],
    "gbsg2": [180, 365, 730, 1095, 1460, 1825],
    "lung": [30, 90, 180, 365, 545, 730],
    "kidney": [30, 100, 365, 1000, 2000, 3000],
}
BY = {"rossi": "fin", "gbsg2": "tgrade", "lung": "ph.ecog", "kidney": "black_male"}


def agreed(made: World, params: dict[str, Any], **parts: Any) -> str:
    """Write the study; its only column is the category that tells groups apart."""
    by = params.get("by") or BY_ANY
    levels = sorted({f"{value:g}" for value in made.frame[by]})
    features = {by: {"type": "category", "levels": levels}}
    model = {"estimator": "KaplanMeier", "params": params}
    target = made.target | {"range": [0, made.target["range"][1]]}
    document = {"study": "case", "target": target, "features": features, "model": model, "rules": OPEN_RULES}
    return json.dumps({**document, "evaluation": {"holdout": 0}, **parts})


BY_ANY = "age"


def counted(made: World, split: Sequence[Rows], params: dict[str, Any], **parts: Any) -> Federation:
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"s{number}": Path(folder) / f"{number}.csv" for number in range(len(split))}
        for path, rows in zip(tables.values(), split, strict=True):
            made.frame.iloc[rows].to_csv(path, index=False)
        return federate(agreed(made, params, **parts), tables)


def rounded(values: pd.Series, grid: Sequence[float]) -> np.ndarray:
    """Round times up to the grid; what is beyond stays beyond."""
    points = np.array([*grid, grid[-1] + 1.0])
    return points[np.searchsorted(points[:-1], values.to_numpy())]


def found(federation: Federation, name: str) -> np.ndarray:
    return federation.state.arrays[f"fitted.{name}"]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", GRIDS)
def test_the_curve_is_that_of_the_pooled_times_on_the_grid(name: str, split: str) -> None:
    made, grid, by = world(name), GRIDS[name], BY[name]
    silos = SPLITS[split](made)
    federation = counted(made, silos, {"grid": grid, "by": by})
    assert federation.trips == 1
    pooled = made.frame.iloc[np.concatenate(silos)]
    until = rounded(pooled[TIME], grid)
    event = (pooled["y"] > 0) & (until <= grid[-1])
    for number, level in enumerate(sorted(set(pooled[by]))):
        own = (pooled[by] == level).to_numpy()
        fitter = KaplanMeierFitter().fit(until[own], event[own])
        table = fitter.event_table.reindex(grid, fill_value=0)
        assert found(federation, "events")[number].tolist() == table["observed"].tolist()
        at_risk = [int((until[own] >= time).sum()) for time in grid]
        assert found(federation, "at_risk")[number].tolist() == at_risk
        np.testing.assert_allclose(found(federation, "survival")[number], fitter.predict(grid).to_numpy(), atol=1e-12)
        mean = restricted_mean_survival_time(fitter, t=grid[-1])
        assert found(federation, "restricted_mean")[number] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("split", ["even", "by label", "twenty silos"])
@pytest.mark.parametrize("name", GRIDS)
def test_the_log_rank_test_is_that_of_lifelines_and_statsmodels(name: str, split: str) -> None:
    made, grid, by = world(name), GRIDS[name], BY[name]
    silos = SPLITS[split](made)
    federation = counted(made, silos, {"grid": grid, "by": by})
    pooled = made.frame.iloc[np.concatenate(silos)]
    until = rounded(pooled[TIME], grid)
    event = ((pooled["y"] > 0) & (until <= grid[-1])).to_numpy()
    theirs = multivariate_logrank_test(until, pooled[by], event)
    chi2, p = survdiff(until, event.astype(float), pooled[by].to_numpy())
    ours = found(federation, "chi2")[0]
    assert ours == pytest.approx(theirs.test_statistic, rel=1e-9)
    assert ours == pytest.approx(chi2, rel=1e-9)
    assert found(federation, "p_value")[0] == pytest.approx(p, rel=1e-9, abs=1e-14)
    assert found(federation, "degrees_of_freedom")[0] == pooled[by].nunique() - 1


def test_greenwoods_error_and_that_of_the_mean_are_those_of_the_formulas() -> None:
    made, grid = world("rossi"), GRIDS["rossi"]
    federation = counted(made, even(made), {"grid": grid})
    n, d = found(federation, "at_risk")[0], found(federation, "events")[0]
    survival = found(federation, "survival")[0]
    greenwood = np.array([sum(d[i] / (n[i] * (n[i] - d[i])) for i in range(k + 1)) for k in range(len(grid))])
    np.testing.assert_allclose(found(federation, "standard_error")[0], survival * np.sqrt(greenwood), rtol=1e-12)
    variance = 0.0
    for i in range(len(grid)):
        area = sum(survival[k] * (grid[k + 1] - grid[k]) for k in range(i, len(grid) - 1))
        variance += area**2 * d[i] / (n[i] * (n[i] - d[i]))
    assert found(federation, "restricted_mean_error")[0] == pytest.approx(np.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("split", ["even", "by covariate"])
def test_delayed_entry_is_rounded_up_like_every_time(split: str) -> None:
    made, grid = world("transplants"), [10, 30, 60, 120, 365, 1000]
    silos = SPLITS[split](made)
    federation = counted(made, silos, {"grid": grid, "by": "surgery"})
    pooled = made.frame.iloc[np.concatenate(silos)]
    until, since = rounded(pooled[TIME], grid), rounded(pooled[ENTRY], grid)
    since[pooled[ENTRY] <= 0] = 0
    stays = since < until
    assert not stays.all()
    for number, level in enumerate((0, 1)):
        own = stays & (pooled["surgery"] == level).to_numpy()
        event = own & (pooled["y"] > 0).to_numpy() & (until <= grid[-1])
        at_risk = [int((own & (since < time) & (until >= time)).sum()) for time in grid]
        assert found(federation, "at_risk")[number].tolist() == at_risk
        fitter = KaplanMeierFitter().fit(until[own], event[own], entry=since[own])
        np.testing.assert_allclose(found(federation, "survival")[number], fitter.predict(grid).to_numpy(), atol=1e-12)


@given(
    counts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=6),
    cut=st.integers(0, 40),
    seed=st.integers(0, 999),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_counts_add_over_rows(counts: list[tuple[int, int]], cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    family = LifeTable((2.0, 5.0, 9.0), 0.0, (1, 2), max_rows=100)
    X = np.hstack([np.ones((40, 1)), np.eye(3)[rng.integers(0, 3, 40)][:, :2]])
    until = rng.uniform(0, 12, 40)
    times = np.column_stack([until, until * rng.uniform(0, 1, 40)])
    y = rng.integers(0, 2, 40).astype(float)

    def summed(part: slice) -> dict[str, np.ndarray]:
        n = len(y[part])
        batch = Batch(X[part], y[part], np.zeros(n), np.ones(n), times=times[part])
        return dict(family.statistics(batch, Point(np.zeros(1)), empty_state()).arrays)

    whole, one, other = summed(slice(None)), summed(slice(0, cut)), summed(slice(cut, None))
    for name in whole:
        np.testing.assert_array_equal(one[name] + other[name], whole[name])


@pytest.mark.parametrize("degrees", range(1, 9))
@pytest.mark.parametrize("value", [1e-6, 0.3, 2.0, 9.5, 40.0, 300.0])
def test_the_tail_of_chi_squared_is_scipys(value: float, degrees: int) -> None:
    assert chi_squared_tail(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees), rel=1e-11)


def test_a_table_in_which_all_die_or_nobody_is_left_has_numbers_only() -> None:
    at_risk, events = np.array([[4.0, 2.0, 0.0], [3.0, 0.0, 0.0]]), np.array([[2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    survival, error = kaplan_meier(at_risk, events)
    assert survival.tolist() == [[0.5, 0.0, 0.0], [1.0, 1.0, 1.0]]
    assert np.isfinite(error).all()
    mean, mean_error = restricted_mean(at_risk, events, np.array([1.0, 2.0, 3.0]))
    assert mean.tolist() == [1.5, 3.0]
    assert np.isfinite(mean_error).all()
    assert np.isfinite(log_rank(at_risk, events)).all()
    assert log_rank(np.zeros((2, 3)), np.zeros((2, 3))) == (0.0, 0, 1.0)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, UnsupportedModel),
        ({"grid": [5, 3]}, UnsupportedModel),
        ({"grid": 5}, UnsupportedModel),
        ({"grid": [10, 1000]}, ContradictoryStudy),
        ({"grid": [10, 50], "by": "age"}, ContradictoryStudy),
    ],
    ids=str,
)
def test_a_grid_or_group_that_makes_no_sense_is_refused(params: dict[str, Any], error: type[Exception]) -> None:
    made = world("rossi")
    features = {"fin": {"type": "category", "levels": ["0", "1"]}, "age": {"type": "number", "range": [0, 99]}}
    with pytest.raises(error):
        counted(made, even(made), params, features=features)


def test_weights_are_refused() -> None:
    made = world("rossi")
    with pytest.raises(ContradictoryStudy, match="no sample weights"):
        counted(made, even(made), {"grid": [10, 50], "by": "fin"}, weight={"column": "prio", "range": [0, 30]})


def test_a_state_of_another_shape_is_not_the_studys() -> None:
    made = world("rossi")
    federation = counted(made, even(made), {"grid": [10, 50], "by": "fin"})
    shapes = federation.plan.family.shapes(State({"round": 1}, federation.state.arrays), final=True)
    assert shapes["fitted.survival"] == found(federation, "survival").shape == (2, 2)
