"""Quadratics plus absolute values: minimum, Newton's step, what it promises, and which zeros are settled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from fedcli.errors import NotConverged
from fedcli.models import coordinate_descent
from fedcli.models.coordinate_descent import minimum_with_l1
from fedcli.models.penalty import Penalty, Strength
from fedcli.models.quadratic import Quadratic


def made(seed: int, n: int, *, copies: bool = False, free: bool = True) -> Quadratic:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(4 * n, n)) @ rng.normal(size=(n, n))
    if copies:
        X[:, n // 2 :] = X[:, : n - n // 2] * rng.choice([-1.0, 1.0], n - n // 2)
    l1 = rng.uniform(0.1, 1.0, n) * np.abs(X.T @ X).max() / 10
    if free:
        l1[0] = 0.0
    return Quadratic(X.T @ X, X.T @ rng.normal(size=4 * n) * 5, l1)


def missed(quadratic: Quadratic, b: NDArray[np.float64]) -> float:
    """By how much a point misses the conditions of optimality, as a share of the largest pull."""
    assert quadratic.l1 is not None
    slope = -quadratic.gradient(b)
    off = np.where(b == 0, np.maximum(np.abs(slope) - quadratic.l1, 0.0), np.abs(slope - quadratic.l1 * np.sign(b)))
    return float(off.max() / np.abs(quadratic.c).max())


@settings(max_examples=60, derandomize=True)
@given(st.integers(0, 10_000), st.integers(2, 9), st.booleans(), st.booleans())
def test_a_minimum_meets_the_conditions_of_optimality_from_any_start(
    seed: int, n: int, copies: bool, free: bool
) -> None:
    quadratic = made(seed, n, copies=copies, free=free)
    assert quadratic.l1 is not None
    start = np.random.default_rng(seed).normal(size=n)
    for near in (np.zeros(n), start, 1e3 * start):
        found = minimum_with_l1(quadratic.A, quadratic.c, quadratic.l1, near)
        assert found is not None
        assert missed(quadratic, found) <= 1e-9


def test_a_minimum_is_the_one_that_scipy_finds_with_each_coefficient_as_a_difference() -> None:
    quadratic = made(3, 6)
    assert quadratic.l1 is not None
    l1 = np.concatenate([quadratic.l1, quadratic.l1])

    def objective(parts: NDArray[np.float64]) -> float:
        b = parts[:6] - parts[6:]
        return float(b @ quadratic.A @ b / 2 - quadratic.c @ b + l1 @ parts)

    theirs = minimize(objective, np.full(12, 0.1), bounds=[(0, None)] * 12, method="L-BFGS-B", tol=1e-15)
    ours, _ = quadratic.minimum(np.zeros(6))
    assert quadratic.value(ours) == pytest.approx(theirs.fun, rel=1e-8)
    assert quadratic.value(ours) <= theirs.fun
    np.testing.assert_allclose(ours, theirs.x[:6] - theirs.x[6:], atol=1e-4 * np.abs(ours).max())


@pytest.mark.parametrize("l1", [True, False])
def test_newtons_step_leads_to_the_minimum_and_gains_what_it_promises(l1: bool) -> None:
    quadratic = made(5, 6)
    if not l1:
        quadratic = Quadratic(quadratic.A, quadratic.c)
    b = np.linspace(-1, 1, 6)
    slope = quadratic.gradient(b)
    step, _ = quadratic.step(b, slope)
    least, _ = quadratic.minimum(b)
    np.testing.assert_allclose(b + step, least, atol=1e-12 * np.abs(least).max())
    assert quadratic.gain(b, slope) == pytest.approx(quadratic.value(b) - quadratic.value(least), rel=1e-9)
    # It knows the gradient there, and one that is twice as large is another.
    assert quadratic.misjudges(b, slope) <= 1e-20
    assert quadratic.misjudges(b, 2 * slope) > 0.01


def test_zeros_are_settled_only_where_no_error_could_change_one() -> None:
    quadratic = Quadratic(np.eye(3), np.array([0.0, 2.0, 0.9]), np.array([0.0, 1.0, 1.0]))
    after, _ = quadratic.minimum(np.zeros(3))
    np.testing.assert_array_equal(after, [0.0, 1.0, 0.0])
    # The last is 0.1 from leaving 0.
    before = np.zeros(3)
    assert quadratic.zeros_settled(before, quadratic.gradient(before), after, 0.05)
    assert not quadratic.zeros_settled(before, quadratic.gradient(before), after, 0.07)
    smooth = Quadratic(np.eye(3), np.zeros(3))
    assert smooth.zeros_settled(before, np.zeros(3), after, 1.0)


def test_a_penalty_has_the_value_and_slope_of_its_formula() -> None:
    penalty = Penalty(np.array([0.0, 2.0]), np.array([0.0, 3.0]))
    points = np.array([[5.0, -1.0], [0.0, 2.0]])
    assert penalty.values(points).tolist() == [4.0, 10.0]
    assert penalty.slopes(points).tolist() == [[0.0, -2.0], [0.0, 4.0]]
    onto = penalty.onto(np.eye(2), np.ones(2))
    assert onto.value(points[0]) == 26 / 2 - 4.0 + 4.0


def test_a_strength_says_what_each_coefficient_and_each_silo_has() -> None:
    strength = Strength(2.0, 6.0, per_weight=True, intercept=0.5)
    assert strength.ridges(10.0, 3).tolist() == [10.0, 20.0, 20.0]
    assert Strength(2.0).ridges(10.0, 2).tolist() == [0.0, 2.0]
    assert strength.absolute(3).tolist() == [0.0, 6.0, 6.0]
    assert strength.share(3, 4.0) == Strength(8.0, 2.0)
    assert Strength(3.0).share(3, 4.0) == Strength(1.0)


def test_zeros_that_do_not_settle_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinate_descent, "_SWEEPS", 0)
    with pytest.raises(NotConverged, match="which coefficients are 0") as caught:
        made(3, 6).minimum(np.zeros(6))
    assert "l1_ratio" in caught.value.hint
