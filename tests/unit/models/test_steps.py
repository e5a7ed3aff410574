from __future__ import annotations

import numpy as np
import pytest

from fedcli.models.steps import coordinates, decrement, relative, remaining


def test_before_any_step_nothing_is_promised() -> None:
    assert remaining(np.empty(0)) == np.inf


def test_one_step_promises_its_own_size() -> None:
    assert remaining(np.array([0.25])) == 0.25


def test_far_from_the_optimum_the_cautious_prediction_stands() -> None:
    assert remaining(np.array([0.4, 0.02])) == pytest.approx(3 * 0.02**2 / 0.4)


def test_a_growing_step_promises_no_more_than_its_size() -> None:
    assert remaining(np.array([0.1, 0.5])) == 0.5


def test_near_the_optimum_the_error_is_squared() -> None:
    assert remaining(np.array([0.05, 0.002])) == pytest.approx(5 * 0.002**3 / 0.05**2)


def test_the_larger_of_two_factors_counts() -> None:
    assert remaining(np.array([0.12, 0.0208, 3.9e-4])) == pytest.approx(5 * 0.0208 / 0.12**2 * 3.9e-4**2)


def test_one_lucky_step_ends_no_study() -> None:
    assert remaining(np.array([0.05, 1e-5])) == pytest.approx(3e-2 * 1e-5**2 / 0.05)


def test_steps_that_shrink_by_a_constant_ratio_are_not_taken_for_squaring() -> None:
    steps = np.array([1e-2, 1e-3, 1e-4])
    assert remaining(steps) >= 1e-5


@pytest.mark.parametrize("error", [0.03, 0.01])
def test_a_squaring_scheme_is_never_promised_too_much(error: float) -> None:
    errors = [error]
    while errors[-1] > 1e-13:
        errors.append(4.0 * errors[-1] ** 2)
    steps = np.array(errors)
    for k in range(2, len(errors)):
        assert remaining(steps[:k]) >= errors[k]


def test_an_intercept_hides_no_error_of_the_slopes() -> None:
    new, old = np.array([1000.0, 1.0]), np.array([1000.0, 1.1])
    assert relative(new, old, fit_intercept=True) == pytest.approx(0.1)
    assert relative(new, old, fit_intercept=False) == pytest.approx(1e-4)


def test_slopes_of_0_are_compared_with_1() -> None:
    assert relative(np.array([2.0, 0.0]), np.array([2.0, 1e-9]), fit_intercept=True) == pytest.approx(1e-9)


def test_coordinates_undo_a_basis_of_standardised_columns() -> None:
    basis = np.diag([1.0, 0.5, 4.0])
    basis[0, 1:] = [0.3, -2.0]
    b = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(coordinates(basis, basis @ b), b)
    np.testing.assert_allclose(coordinates(basis[:, 1:], basis[:, 1:] @ b[1:]), b[1:])


def test_the_decrement_is_what_a_newton_step_gains() -> None:
    hessian, gradient = np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([0.5, -1.0])
    step = -np.linalg.solve(hessian, gradient)
    assert decrement(gradient, hessian) == pytest.approx(-(gradient @ step + step @ hessian @ step / 2))
