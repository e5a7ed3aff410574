"""Pooled imputation, scale and design: scikit-learn's, from sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from fedcli.compute.spool import Spool
from fedcli.compute.update import merge, sum_update
from fedcli.fileformat.statistics import State
from fedcli.models.batch import empty_state
from fedcli.preparing.plan import Plan
from fedcli.preparing.preparation import Preparation
from fedcli.preparing.rows import Rows
from tests.equivalence.cases import MIXED, TARGETS, agreement, mixed, mixed_frames
from tests.equivalence.federation import enrolled

LEVELS = {name: column["levels"] for name, column in MIXED.items() if column["type"] == "category"}


def rows_of(frame: pd.DataFrame) -> Rows:
    codes = [[levels.index(v) if isinstance(v, str) else -1 for v in frame[name]] for name, levels in LEVELS.items()]
    n = len(frame)
    numbers = frame[["a", "b"]].to_numpy(float)
    return Rows(numbers, np.array(codes, np.int32).T, frame["number"].to_numpy(float), np.zeros(n), np.ones(n))


def prepared(frames: list[pd.DataFrame], **options: bool) -> tuple[Plan, State, Preparation]:
    study = enrolled(agreement(TARGETS["Ridge"], MIXED, "Ridge", **options), [str(k) for k in range(len(frames))])
    plan, state = Plan(study), empty_state()
    spools = [Spool([rows_of(frame)], Path()) for frame in frames]
    updates = [sum_update(plan, state, spool, np.zeros(len(spool), dtype=bool), None).encoded for spool in spools]
    state = plan.advance(merge(plan, state, updates), state)
    return plan, state, plan.preparation(state)


def test_means_and_scales_are_scikit_learns() -> None:
    plan, _, found = prepared(list(mixed_frames().values()))
    whole = pd.concat(mixed_frames().values())
    filled = SimpleImputer().fit_transform(whole[["b", "a"]])
    scaler = StandardScaler().fit(filled)
    np.testing.assert_allclose(found.fill * plan.columns.half + plan.columns.middle, scaler.mean_, rtol=1e-14)
    np.testing.assert_allclose(found.scale[:2] * plan.columns.half, scaler.scale_, rtol=1e-13)
    assert found.n_samples == len(whole)


def test_the_design_is_in_the_order_that_a_pipeline_gives() -> None:
    plan, _, _ = prepared(list(mixed_frames().values()))
    # Numbers that are imputed, other numbers, categories that are imputed, other categories.
    assert plan.columns.names == ("b", "a", "g[y]", "g[z]", "h[v]")
    assert plan.columns.expanded_names[5:] == ("b is missing", "g is missing")


def test_the_standardised_design_has_mean_0_and_spread_1() -> None:
    _, state, found = prepared(list(mixed_frames().values()))
    X = found.matrix(rows_of(pd.concat(mixed_frames().values()))) @ state.arrays["to_reference"]
    np.testing.assert_allclose(X[:, 0], 1.0)
    np.testing.assert_allclose(X[:, 1:3].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(X[:, 1:3].std(axis=0), 1.0, rtol=1e-12)
    assert set(np.unique(X[:, 3:])) <= {0.0, 1.0}


def test_the_design_is_linear_in_the_expanded_columns() -> None:
    plan, _, found = prepared(list(mixed_frames().values()))
    rows = rows_of(pd.concat(mixed_frames().values()))
    expanded = np.hstack([plan.columns.expanded(rows), rows.target[:, None]])
    made = expanded @ found.from_expanded(np.zeros(2, dtype=bool)).T
    design = found.matrix(rows)
    np.testing.assert_allclose(made[:, 0], 1.0)
    np.testing.assert_allclose(made[:, 1:-1], design[:, 1:] - found.mean, atol=1e-14)
    np.testing.assert_allclose(made[:, -1], rows.target)


def test_modes_are_scikit_learns_and_the_alphabet_decides_a_draw() -> None:
    frames = [frame.copy() for frame in mixed_frames().values()]
    for frame in frames:
        half = len(frame) // 2
        frame["g"] = (["z"] * half + ["y"] * half + [None] * (len(frame) - 2 * half))[: len(frame)]
    _, _, found = prepared(frames)
    whole = pd.concat(frames)[["g"]].astype(object).where(lambda f: f.notna(), None)
    theirs = SimpleImputer(strategy="most_frequent", missing_values=None).fit(whole).statistics_[0]
    assert theirs == "y"
    assert LEVELS["g"][found.modes[0]] == theirs


def test_a_preparation_survives_its_state() -> None:
    plan, state, found = prepared(list(mixed_frames().values()))
    again = Preparation.from_state(plan.columns, State({}, found.to_state()))
    assert again.modes == found.modes
    for name in ("fill", "mean", "scale"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert not any(name.startswith("design_from_expanded") for name in state.arrays)


@pytest.mark.parametrize("standardize", [True, False])
def test_coefficients_on_the_columns_own_scale_predict_the_same(standardize: bool) -> None:
    found = mixed("Ridge", standardize=standardize)
    plan, state = found.federation.plan, found.federation.state
    rows = rows_of(found.train)
    predicted = plan.target.middle + plan.target.half * plan.preparation(state).matrix(rows) @ state.arrays["coef"]
    coef = plan.coefficients(state)
    filled = np.where(np.isnan(rows.numbers), np.nanmean(rows.numbers, axis=0), rows.numbers)[:, [1, 0]]
    dummies = plan.preparation(state).matrix(rows)[:, 3:]
    np.testing.assert_allclose(coef[0] + filled @ coef[1:3] + dummies @ coef[3:], predicted, rtol=1e-12)


def test_a_silo_without_a_single_value_does_no_harm() -> None:
    frames = [frame.copy() for frame in mixed_frames().values()]
    frames[0]["b"] = np.nan
    frames[0]["g"] = None
    _, _, found = prepared(frames)
    mean = pd.concat(frames)["b"].mean()
    assert found.fill[0] * 25 + 25 == pytest.approx(mean, rel=1e-14)
