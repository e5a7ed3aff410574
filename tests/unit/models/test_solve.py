from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.models.solve import solve_symmetric


def design(seed: int, n_columns: int, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(40, n_columns)) * np.logspace(0, np.log10(spread), n_columns)


@given(seed=st.integers(0, 99), n=st.integers(1, 8), spread=st.sampled_from([1.0, 1e6]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_regular_systems_are_solved_as_numpy_does(seed: int, n: int, spread: float) -> None:
    X = design(seed, n, spread)
    rhs = X.T @ np.ones(40)
    x, null = solve_symmetric(X.T @ X, rhs)
    assert null.shape == (n, 0)
    np.testing.assert_allclose(x, np.linalg.lstsq(X, np.ones(40), rcond=None)[0], rtol=1e-8, atol=1e-12 / spread)


@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_a_singular_system_gets_the_solution_of_least_norm(spread: float) -> None:
    X = design(1, 5, spread)
    X[:, 3] = X[:, 0] + 2 * X[:, 1]
    y = np.random.default_rng(2).normal(size=40)
    x, null = solve_symmetric(X.T @ X, X.T @ y)
    np.testing.assert_allclose(x, np.linalg.lstsq(X, y, rcond=1e-12)[0], rtol=1e-7, atol=1e-10)
    assert null.shape == (5, 1)
    np.testing.assert_allclose(X @ null, 0, atol=1e-9 * spread)


def test_a_column_of_zeros_gets_the_coefficient_0() -> None:
    X = design(3, 4)
    X[:, 2] = 0.0
    x, null = solve_symmetric(X.T @ X, X.T @ np.ones(40))
    assert x[2] == 0.0
    assert abs(null[2, 0]) == pytest.approx(1.0)


def test_columns_of_very_different_spread_do_not_pass_for_collinear() -> None:
    X = design(4, 3) * np.array([1.0, 1e-7, 1e7])
    _, null = solve_symmetric(X.T @ X, X.T @ np.ones(40))
    assert null.shape[1] == 0


def test_many_right_hand_sides_are_solved_at_once() -> None:
    X, rhs = design(5, 3), np.eye(3)
    x, _ = solve_symmetric(X.T @ X, rhs)
    np.testing.assert_allclose(x @ (X.T @ X), np.eye(3), atol=1e-12)
