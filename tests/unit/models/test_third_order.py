"""Third derivatives of a silo's rows: what is summed, that it adds, and where the merged cubic has its minimum."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.fileformat.statistics import State, unpack_upper
from fedcli.models import third_order
from fedcli.models.batch import Batch, Point, empty_state
from fedcli.models.guard import Guard
from fedcli.models.losses import Logistic, Poisson
from fedcli.models.objective import sums_at
from fedcli.models.third_order import Cubic
from fedcli.models.tweedie import Tweedie

LOSSES = [Logistic(), Poisson(9.0), Tweedie(1.5, 9.0, 0.0), Tweedie(2.0, 9.0, 0.5), Tweedie(3.0, 9.0, 0.5)]
COEF = np.array([0.2, -0.4, 0.3, 0.1])


def table(n_rows: int, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n_rows), rng.normal(size=(n_rows, 2)), rng.integers(0, 2, n_rows)])
    y = rng.integers(0, 2, n_rows).astype(float) + 0.5
    return Batch(X, y, rng.normal(size=n_rows) / 4, rng.uniform(0.5, 2.0, n_rows))


def part(rows: Batch, where: slice) -> Batch:
    return Batch(rows.X[where], rows.y[where], rows.offset[where], rows.weight[where])


def summed(loss: object, rows: Batch, coef: np.ndarray = COEF) -> dict[str, np.ndarray]:
    return third_order.sums(loss, rows, Point(coef), empty_state())


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_sums_are_the_numeric_derivatives_of_the_curvature(loss) -> None:
    rows, step = table(50), 1e-5
    found = summed(loss, rows)
    T = third_order.unpack_third(found["third"], 4)
    for k, unit in enumerate(np.eye(4)):
        up, down = (sums_at(loss, rows, COEF + sign * step * unit).hessian for sign in (1, -1))
        np.testing.assert_allclose(T[k], (up - down) / (2 * step), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(unpack_upper(found["third.once"]), T @ COEF, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found["third.twice"], T @ COEF @ COEF, rtol=1e-10, atol=1e-10)
    assert found["third.without"] == 0


def test_a_tensor_is_packed_with_each_triple_once() -> None:
    packed = np.arange(float(comb(6, 3)))
    T = third_order.unpack_third(packed, 4)
    for number, (i, j, k) in enumerate(combinations_with_replacement(range(4), 3)):
        assert T[i, j, k] == T[k, j, i] == T[j, k, i] == number
    assert third_order.n_triples(4) == len(packed)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@given(cut=st.integers(0, 30), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_at_a_given_point_they_add_over_rows(loss, cut: int, seed: int) -> None:
    rows = table(30, seed)
    whole, one, other = (summed(loss, part(rows, where)) for where in (slice(30), slice(cut), slice(cut, 30)))
    for name, array in whole.items():
        np.testing.assert_allclose(array, one[name] + other[name], rtol=0, atol=1e-12 * max(1, np.abs(array).max()))


def test_a_silo_that_leaves_them_out_sends_zeros_and_how_many_rows_it_has() -> None:
    found = third_order.sums(Logistic(), table(30), Point(COEF, without_third=True), empty_state())
    assert found["third.without"] == 30
    assert not any(found[name].any() for name in ("third", "third.once", "third.twice"))


def test_at_a_common_point_what_the_coordinator_can_compute_is_not_sent() -> None:
    near = State({"round": 1, "phase": "solving"}, {"near": np.ones(1)})
    assert third_order.sums(Logistic(), table(30), Point(COEF), near).keys() == {"third", "third.without"}


@pytest.mark.parametrize(("rows_per_column", "needed"), [(5, 285), (10, 570), (0, 0)])
def test_rows_times_columns_are_ten_times_the_numbers(rows_per_column: float, needed: int) -> None:
    # 220 third derivatives, 55 second ones and 10 of the right-hand side tell of 10 columns at one point.
    assert third_order.rows_needed(10, rows_per_column) == needed


# ---- the merged cubic ----------------------------------------------------------------------------------------------


def test_a_cubics_minimum_is_found() -> None:
    # x**3 / 6 + x**2 / 2 - 0.3 x has its minimum where x**2 / 2 + x = 0.3.
    cubic = Cubic(np.ones((1, 1, 1)), np.eye(1), np.array([0.3]), np.zeros(1))
    found = cubic.minimum(np.array([0.3]), np.eye(1))
    assert found.converged
    assert found.point[0] == pytest.approx(np.sqrt(1.6) - 1, rel=1e-12)


def test_counted_from_another_origin_it_is_the_same() -> None:
    rng = np.random.default_rng(0)
    A, start = np.eye(3) * 4 + 1, np.array([0.2, -0.1, 0.4])
    whole = sum(np.einsum("i,j,k->ijk", v, v, v) for v in rng.normal(size=(4, 3)) / 2)
    c = rng.normal(size=3)
    about_0 = Cubic(whole, A, c, np.zeros(3))
    moved = Cubic(whole, about_0.hessian(start), -about_0.gradient(start), start)
    one, other = (cubic.minimum(start, A) for cubic in (about_0, moved))
    assert one.converged
    assert other.converged
    np.testing.assert_allclose(one.point, other.point, rtol=1e-12)
    np.testing.assert_allclose(about_0.gradient(one.point), 0, atol=1e-12)


def test_where_a_cubic_has_no_minimum_near_the_way_ends_while_it_still_curves() -> None:
    # x**2 / 2 - x**3 / 2 - x falls without end.
    cubic = Cubic(np.full((1, 1, 1), -3.0), np.eye(1), np.ones(1), np.zeros(1))
    found = cubic.minimum(np.zeros(1), np.eye(1))
    assert not found.converged
    assert np.isfinite(found.point).all()
    assert cubic.hessian(found.point)[0, 0] >= 0.2 - 1e-9


# ---- what is left --------------------------------------------------------------------------------------------------


def state(*steps: float, apart: float, common: bool = True) -> dict[str, np.ndarray]:
    return {"steps": np.array(steps), "apart": np.array([apart]), "common": np.array([float(common)])}


def test_from_a_common_point_the_series_goes_on() -> None:
    assert third_order.left(state(0.01, apart=1e-5)) == pytest.approx(10 * 1e-10 / 0.01)


@pytest.mark.parametrize("arrays", [state(0.01, apart=1e-5, common=False), state(0.01, apart=0.009)])
def test_elsewhere_or_where_orders_differ_by_the_whole_step_a_first_step_promises_its_own_size(arrays) -> None:
    assert third_order.left(arrays) == 0.01


def test_without_third_derivatives_of_all_the_rule_is_that_of_second_order() -> None:
    steps = (0.05, 0.002)
    assert third_order.left(state(*steps, apart=-1.0, common=False)) == pytest.approx(5 * 0.002**3 / 0.05**2)
    assert third_order.left(state(*steps, apart=1e-3, common=False)) == pytest.approx(3 * 0.002**2 / 0.05)


# ---- one row that stands out ---------------------------------------------------------------------------------------


def rare(x: np.ndarray) -> list[Batch]:
    """Rows of which few are of the class 1, in two batches."""
    n = len(x)
    rows = Batch(np.column_stack([np.ones(n), x]), (np.arange(n) % 8 == 0).astype(float), np.zeros(n), np.ones(n))
    return [part(rows, slice(7)), part(rows, slice(7, n))]


STEEP = np.array([-4.6, 1.66])


def test_one_row_stands_out_in_third_derivatives_that_does_not_in_curvature() -> None:
    # Probabilities of 0.01 and 0.05, and one of a half: of the curvature that the class 1 has it has most.
    rows = rare(np.append(np.resize([0.0, 1.0], 40), 2.77))
    guard, point = Guard(Logistic(), 5.0), Point(STEEP)
    assert guard.settle(rows, point, empty_state()) is point
    assert guard.bends(rows, point.coef)


def test_with_several_such_rows_none_does() -> None:
    rows = rare(np.append(np.resize([0.0, 1.0], 40), np.full(5, 2.77)))
    assert not Guard(Logistic(), 5.0).bends(rows, STEEP)


def test_counts_have_no_more_in_the_third_derivative_than_in_the_second() -> None:
    rows = table(40)
    for loss in (Poisson(9.0), Tweedie(2.0, 9.0, 0.5)):
        third, more, less = third_order.weights(loss, rows, COEF)
        np.testing.assert_allclose(
            np.abs(third), rows.weight * loss.derivatives(rows.X @ COEF + rows.offset, rows.y)[2]
        )
        # One of the two is rounding alone, which nobody could read.
        assert not (more.any() and less.any())
