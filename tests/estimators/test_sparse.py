"""Lasso, elastic net, least angles, matching pursuit and non-negative least squares: scikit-learn's own pooled fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lars,
    Lasso,
    LassoCV,
    LinearRegression,
    OrthogonalMatchingPursuit,
)

from fedcli.models.least_squares import non_negative
from fedcli.models.sparse import elastic_net
from tests.estimators.comparing import beside
from tests.estimators.worlds import SPLITS, numbers

WORLDS = {
    "diabetes": lambda: numbers("diabetes"),
    "wine": lambda: numbers("wine"),
    "cancer": lambda: numbers("breast_cancer"),
}
TIGHT = {"tol": 1e-13, "max_iter": 1_000_000}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (Lasso, {"alpha": 0.05}),
        (Lasso, {"alpha": 0.02, "positive": True}),
        (ElasticNet, {"alpha": 0.1, "l1_ratio": 0.3}),
        (ElasticNet, {"alpha": 0.1, "l1_ratio": 0.0, "fit_intercept": False}),
    ],
    ids=str,
)
def test_nets_are_the_pooled_ones_with_the_same_support(
    cls: type, params: dict[str, Any], world: str, split: str
) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), cls.__name__, cls, params, tight=TIGHT)
    assert found.federation.trips == 1
    for attribute in ("coef_", "intercept_"):
        assert found.error(attribute) <= 1e-7, attribute
    assert ((found.ours.coef_ == 0) == (found.theirs.coef_ == 0)).all()


@pytest.mark.parametrize("split", ["even", "by label", "pathological"])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (LassoCV, {"alphas": 30, "eps": 1e-2}),
        (LassoCV, {"alphas": [0.3, 0.01, 0.1], "positive": True}),
        (ElasticNetCV, {"l1_ratio": [0.2, 0.9], "alphas": 12, "eps": 1e-2}),
    ],
    ids=str,
)
def test_paths_are_validated_as_on_the_pooled_rows(cls: type, params: dict[str, Any], world: str, split: str) -> None:
    made = WORLDS[world]()
    tight = {"tol": 1e-11, "max_iter": 200_000}
    found = beside(made, SPLITS[split](made), cls.__name__, cls, params, tight=tight, cv=4)
    assert found.federation.trips == 1
    read = ["coef_", "intercept_", "alpha_", "alphas_", "mse_path_", *(["l1_ratio_"] if cls is ElasticNetCV else [])]
    for attribute in read:
        assert found.error(attribute) <= 1e-7, attribute


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (Lars, {"n_nonzero_coefs": 4}),
        (OrthogonalMatchingPursuit, {}),
        (OrthogonalMatchingPursuit, {"n_nonzero_coefs": 5, "fit_intercept": False}),
        (LinearRegression, {"positive": True}),
    ],
    ids=str,
)
def test_greedy_and_non_negative_fits_are_the_pooled_ones(
    cls: type, params: dict[str, Any], world: str, split: str
) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), cls.__name__, cls, params)
    assert found.federation.trips == 1
    for attribute in ("coef_", "intercept_", *(("alphas_", "coef_path_", "active_") if cls is Lars else ())):
        assert found.error(attribute) <= 1e-7, attribute


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", ["diabetes", "wine", "iris"])
def test_whole_paths_of_least_angles_are_the_pooled_ones(world: str, split: str) -> None:
    made = numbers(world)
    found = beside(made, SPLITS[split](made), "Lars", Lars)
    for attribute in ("coef_", "intercept_", "alphas_", "coef_path_", "active_"):
        assert found.error(attribute) <= 1e-7, attribute


def test_where_scikit_learns_path_leaves_the_least_angles_ours_does_not() -> None:
    """On thirty nearly collinear columns its steps no longer keep the active columns at one angle, and its end is not
    the least-squares fit: the definition decides then."""
    made = numbers("breast_cancer")
    split = SPLITS["even"](made)
    found = beside(made, split, "Lars", Lars)
    y = made.frame["y"].to_numpy()[np.concatenate(split)]

    def unequal(each: Any) -> float:
        worst = 0.0
        for coef in each.coef_path_.T[1:-1]:
            angles = np.abs(found.X.T @ (y - y.mean() - found.X @ coef))
            active = angles[coef != 0]
            worst = max(worst, float(np.ptp(active)) / active.max(), float(angles.max() / active.max()) - 1)
        return worst

    assert unequal(found.ours) < 1e-9
    assert unequal(found.theirs) > 0.1
    assert np.allclose(found.ours.coef_, LinearRegression().fit(found.X, y).coef_, rtol=0, atol=1e-10)


def test_matching_pursuit_stops_at_its_tolerance() -> None:
    made = numbers("diabetes")
    y = made.frame["y"].to_numpy()
    params = {"tol": 0.55 * float(((y - y.mean()) ** 2).sum())}
    found = beside(made, SPLITS["even"](made), "OrthogonalMatchingPursuit", OrthogonalMatchingPursuit, params)
    assert found.error("coef_") <= 1e-7
    assert 0 < np.count_nonzero(found.ours.coef_) < 10


@given(seed=st.integers(0, 9999), n=st.integers(1, 12), alpha=st.floats(1e-3, 1.0), ratio=st.floats(0.0, 1.0))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_net_obeys_its_conditions_of_optimality(seed: int, n: int, alpha: float, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, n)) @ rng.normal(size=(n, n))
    gram, cross = X.T @ X / 40, X.T @ rng.normal(size=40) / 40
    w = elastic_net(gram, cross, alpha, ratio, np.zeros(n), positive=False)
    slope = cross - gram @ w - alpha * (1 - ratio) * w
    scale = np.abs(cross).max()
    assert np.allclose(slope[w != 0], alpha * ratio * np.sign(w[w != 0]), rtol=0, atol=1e-10 * scale)
    assert (np.abs(slope[w == 0]) <= alpha * ratio + 1e-10 * scale).all()


@given(seed=st.integers(0, 9999), n=st.integers(1, 12))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_non_negative_least_squares_is_scipys(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, n)), rng.normal(size=30)
    assert np.allclose(non_negative(X.T @ X, X.T @ y), nnls(X, y)[0], rtol=0, atol=1e-10)
