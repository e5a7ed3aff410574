"""Sizes of steps: what was moved, what is left, and coordinates in a basis of standardised columns.

Owns the stop rule's prediction. Knows nothing of losses, silos or files. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.solve import solve_symmetric

# Below this relative step the scheme squares its error from trip to trip.
NEAR = 0.1
# A scheme that squares its error shrinks each step by far more than the one before; one that does not is slower.
SLOW = 0.3


def remaining(steps: FloatArray, *, cautious: bool = False) -> float:
    """Predict the relative coefficient error left after the last step.

    The step itself bounds it once steps shrink; ``3 * step**2 / previous`` is the cautious prediction. Near the
    optimum (steps below 0.1) the scheme squares its error: what is left is ``factor * step**2``, and each step but the
    first shows its factor, ``step / previous**2``. Five times the larger of the last two factors is taken, and never
    less than a hundredth of the cautious prediction, so that one lucky step cannot end a study. Four times the last
    factor alone was measured to promise 5e-7 where 1.3e-6 was left (64 columns, skewed classes).

    Parameters
    ----------
    steps : ndarray of shape (n_steps,)
        Relative sizes of the steps so far.
    cautious : bool
        Take the cautious prediction at all times: of a loss that is not convex a single factor was measured to promise
        5e-7 where 1.2e-6 was left.
    """
    if steps.shape[0] == 0:
        return np.inf
    last = float(steps[-1])
    if steps.shape[0] == 1 or not steps[-2] > 0:
        return last
    linear = 3.0 * last * last / float(steps[-2])
    ratios = steps[1:] / steps[:-1]
    if cautious or steps[-2] > NEAR or (ratios.shape[0] > 1 and ratios[-1] > SLOW * ratios[-2]):
        return min(last, linear)
    factors = steps[1:] / steps[:-1] ** 2
    quadratic = 5.0 * float(factors[-2:].max()) * last * last
    return min(last, linear, max(quadratic, linear / 100.0))


def decrement(gradient: FloatArray, hessian: FloatArray) -> float:
    """Return half the squared Newton decrement, ``gradient @ inv(hessian) @ gradient / 2``."""
    return float(gradient @ solve_symmetric(hessian, gradient)[0]) / 2


def mismatch(hessian: FloatArray, b: FloatArray, rhs: FloatArray, gradient: FloatArray) -> float:
    """Compare the merged expansions' gradient at the incoming point with the exact one, as a share of decrements.

    It measures what the sum of second-order expansions, each taken elsewhere, knows of the point where the exact
    gradient is known too. Measured: at most 0.2 on splits where the merged step was good, at least 0.3 where every
    silo held one class and the merged step was useless.

    Parameters
    ----------
    hessian : ndarray of shape (n, n)
    b : ndarray of shape (n,)
        The incoming point.
    rhs, gradient : ndarray of shape (n,)
        Of the merged expansions, and the exact gradient.
    """
    return decrement(hessian @ b - rhs - gradient, hessian) / max(decrement(gradient, hessian), 1e-300)


def relative(
    new: FloatArray, old: FloatArray, *, fit_intercept: bool, units: Sequence[float] = (), n_predictors: int = 1
) -> float:
    """Return the step's size relative to the new point: of the slopes, or of all coefficients where that is larger.

    An intercept of a thousand would otherwise hide any error of the slopes. Slopes that are all 0 compare with 1. Other
    parameters stand last.

    Parameters
    ----------
    new, old : ndarray of shape (n,)
    fit_intercept : bool
        Whether the first is an intercept.
    units : sequence of float
        In what each other parameter's step is measured; 0 for against the parameter itself.
    n_predictors : int
        How many predictors' coefficients follow each other.
    """
    sizes = [
        abs(a - b) / (unit or abs(a) or 1.0)
        for unit, a, b in zip(reversed(units), reversed(new.tolist()), reversed(old.tolist()), strict=False)
    ]
    new, old = new[: len(new) - len(units)], old[: len(old) - len(units)]
    new, old = new.reshape(n_predictors, -1), old.reshape(n_predictors, -1)
    for first in (0, 1) if fit_intercept else (0,):
        moved, size = np.linalg.norm((new - old)[:, first:]), np.linalg.norm(new[:, first:])
        sizes.append(moved / (size or 1.0))
    return float(max(sizes))


def repeated(basis: FloatArray, n_predictors: int) -> FloatArray:
    """Return a basis of one predictor's coefficients (n, n_free) as one of several that follow each other."""
    return np.asarray(np.kron(np.eye(n_predictors), basis)) if n_predictors > 1 else basis


def coordinates(basis: FloatArray, coef: FloatArray, *, n_extra: int = 0, n_predictors: int = 1) -> FloatArray:
    """Return ``b`` with ``basis @ b == coef`` for a basis of the standardised columns; 0 for one that is 0 itself.

    Parameters
    ----------
    basis : ndarray of shape (n, n_free)
    coef : ndarray of shape (n,)
    n_extra : int
        Parameters that stand last: they are coordinates themselves.
    n_predictors : int
        How many predictors' coefficients follow each other, their basis `repeated`.
    """
    if n_predictors > 1:
        n, n_free = basis.shape[0] // n_predictors, basis.shape[1] // n_predictors
        return np.concatenate([coordinates(basis[:n, :n_free], part) for part in coef.reshape(n_predictors, n)])
    if n_extra:
        own = coordinates(basis[:-n_extra, :-n_extra], coef[:-n_extra])
        return np.concatenate([own, coef[-n_extra:]])
    with_intercept = basis.shape[1] == basis.shape[0]
    unit = np.diagonal(basis)[1:] if with_intercept else np.diagonal(basis[1:])
    slopes = np.where(unit == 0, 0.0, coef[1:] / np.where(unit == 0, 1.0, unit))
    if not with_intercept:
        return slopes
    return np.concatenate([[coef[0] - basis[0, 1:] @ slopes], slopes])
