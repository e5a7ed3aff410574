"""The minimum of a quadratic plus absolute values, to rounding.

Owns the search for which coefficients are 0. Knows nothing of penalties' names, losses, silos or files. Internal.

Coordinate descent finds which coefficients are 0 and the signs of the others; a linear system then gives these exactly,
and the conditions of optimality say whether it is so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray

_SWEEPS = 100_000
# A stationary point is one where no column's slope exceeds its strength by more than this share of the largest.
_SLACK = 1e-12
# An exact solve is tried with the signs at the start, after so many sweeps, then after twice as many, and so on.
_FIRST_TRY = 4


def minimum_with_l1(
    matrix: FloatArray, rhs: FloatArray, l1: FloatArray, start: FloatArray, *, positive: bool = False
) -> FloatArray | None:
    """Minimise ``w' matrix w / 2 - rhs' w + l1' |w|``; None where it does not settle.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
        Symmetric, positive semi-definite.
    rhs : ndarray of shape (n,)
    l1 : ndarray of shape (n,)
        0 for a coefficient that is free.
    start : ndarray of shape (n,)
        A point nearby.
    positive : bool
        Whether no coefficient may be below 0.

    Returns
    -------
    ndarray of shape (n,) or None
        With exact zeros.

    References
    ----------
    Friedman, Hastie, Tibshirani (2010), Regularization paths for generalized linear models via coordinate descent.
    """
    diagonal = np.diagonal(matrix).copy()
    # A column that is constant has no say.
    columns = np.flatnonzero(diagonal > 0)
    free = (l1 == 0) & (diagonal > 0) & (not positive)
    w = np.where(diagonal > 0, start, 0.0)
    slack = _SLACK * max(float(np.abs(rhs).max(initial=0.0)), 1e-300)
    next_try = 0
    for sweep in range(_SWEEPS + 1):
        if sweep == next_try:
            next_try = 2 * sweep or _FIRST_TRY
            exact = _on_signs(matrix, rhs, l1, np.sign(w), free)
            if exact is not None and _stationary(matrix, rhs, l1, exact, slack, positive=positive):
                return exact
            slope = rhs - matrix @ w
        for j in columns:
            pulled = slope[j] + diagonal[j] * w[j]
            size = abs(pulled) - l1[j]
            # Of columns that copy each other rounding alone would otherwise wake the second.
            moves = size > slack and (not positive or pulled > 0)
            new = np.sign(pulled) * size / diagonal[j] if moves else 0.0
            if new != w[j]:
                slope -= matrix[:, j] * (new - w[j])
                w[j] = new
    return None


def _on_signs(
    matrix: FloatArray, rhs: FloatArray, l1: FloatArray, signs: FloatArray, free: NDArray[np.bool_]
) -> FloatArray | None:
    """Return the stationary point with these signs and zeros; None where its signs are others."""
    active = np.flatnonzero((signs != 0) | free)
    found = np.zeros(len(signs))
    if len(active):
        try:
            pull = rhs[active] - l1[active] * signs[active]
            found[active] = np.linalg.solve(matrix[np.ix_(active, active)], pull)
        except np.linalg.LinAlgError:
            return None
    return found if (free | (np.sign(found) == signs)).all() else None


def _stationary(
    matrix: FloatArray, rhs: FloatArray, l1: FloatArray, w: FloatArray, slack: float, *, positive: bool
) -> bool:
    slope, idle = rhs - matrix @ w, w == 0
    return bool((slope[idle] <= l1[idle] + slack).all() and (positive or (slope >= -l1 - slack)[idle].all()))
