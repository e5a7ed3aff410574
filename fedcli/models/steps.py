"""Sizes of steps: what was moved, what is left, and coordinates in a basis of standardised columns.

Owns the stop rule's prediction. Knows nothing of losses, silos or files. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.solve import solve_symmetric

# Below this relative step the scheme squares its error from trip to trip.
NEAR = 0.1


def remaining(steps: FloatArray) -> float:
    """Predict the relative coefficient error left after the last step.

    The step itself bounds it once steps shrink; ``3 * step**2 / previous`` is the cautious prediction. Near the
    optimum (steps below 0.1) the scheme squares its error, so ``step**3 / previous**2`` is what is left; four times
    that is taken, and never less than a hundredth of the cautious one, so that one lucky step cannot end a study.

    Parameters
    ----------
    steps : ndarray of shape (n_steps,)
        Relative sizes of the steps so far.
    """
    if steps.shape[0] == 0:
        return np.inf
    last = float(steps[-1])
    if steps.shape[0] == 1 or not steps[-2] > 0:
        return last
    linear = 3.0 * last * last / float(steps[-2])
    if steps[-2] > NEAR:
        return min(last, linear)
    quadratic = 4.0 * last**3 / float(steps[-2]) ** 2
    return min(last, linear, max(quadratic, linear / 100.0))


def decrement(gradient: FloatArray, hessian: FloatArray) -> float:
    """Return half the squared Newton decrement, ``gradient @ inv(hessian) @ gradient / 2``."""
    return float(gradient @ solve_symmetric(hessian, gradient)[0]) / 2


def relative(new: FloatArray, old: FloatArray) -> float:
    """Return the step's size relative to the new point."""
    return float(np.linalg.norm(new - old) / max(float(np.linalg.norm(new)), 1e-12))


def coordinates(basis: FloatArray, coef: FloatArray) -> FloatArray:
    """Return ``b`` with ``basis @ b == coef`` for a basis of the standardised columns."""
    if basis.shape[1] == basis.shape[0]:
        b = np.empty_like(coef)
        b[1:] = coef[1:] / np.diagonal(basis)[1:]
        b[0] = coef[0] - basis[0, 1:] @ b[1:]
        return b
    return np.asarray(coef[1:] / np.diagonal(basis[1:]))
