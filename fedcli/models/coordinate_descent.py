"""The minimum of a quadratic plus absolute values, to rounding.

Owns the search for which coefficients are 0. Knows nothing of penalties' names, losses, silos or files. Internal.

Coordinate descent finds which coefficients are 0 and the signs of the others; linear systems then give these exactly,
and the conditions of optimality say whether it is so.

References
----------
Lee, Battle, Raina, Ng (2007), Efficient sparse coding algorithms: the search by signs.
"""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.solve import solve_symmetric

_SWEEPS = 100_000
# A stationary point is one where no column's slope exceeds its strength by more than this share of the largest.
_SLACK = 1e-12
# An exact solve is tried with the signs at the start, after so many sweeps, then after twice as many, and so on.
_FIRST_TRY = 4
# A system is solved where no equation is missed by more than this share of the largest.
_CONSISTENT = 1e-9


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
            w = _settle(matrix, rhs, l1, w, free)
            slope = rhs - matrix @ w
            if _stationary(slope, l1, w, slack, positive=positive):
                return w
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


def _settle(matrix: FloatArray, rhs: FloatArray, l1: FloatArray, w: FloatArray, free: NDArray[np.bool_]) -> FloatArray:
    """Go from ``w`` to the minimum among points with its signs, and to 0 with each coefficient that comes there first.

    Where columns copy each other what is 0 among them is settled by going along them, on which the penalty alone bends.
    """
    while True:
        active = np.flatnonzero((w != 0) | free)
        if not len(active):
            return w
        now, pull = w[active], (rhs - l1 * np.sign(w))[active]
        way, end = _way(matrix[np.ix_(active, active)], pull, now)
        back = ~free[active] & (now * way < 0)
        share = np.where(back, now / np.where(back, -way, 1.0), np.inf)
        first = float(share.min())
        if not np.isfinite(min(first, end)):
            return w
        w = np.zeros_like(w)
        w[active] = now + min(first, end) * way
        if first > end:
            return w
        w[active[share <= first]] = 0.0


def _way(matrix: FloatArray, pull: FloatArray, now: FloatArray) -> tuple[FloatArray, float]:
    """Return the way from ``now`` to where ``matrix @ w == pull``, and 1; or one that leads down without end."""
    with contextlib.suppress(np.linalg.LinAlgError):
        target = np.linalg.solve(matrix, pull)
        if np.abs(matrix @ target - pull).max() <= _CONSISTENT * np.abs(pull).max():
            return target - now, 1.0
    target, null = solve_symmetric(matrix, pull)
    down = null @ (null.T @ pull)
    if np.abs(down).max() > _CONSISTENT * np.abs(pull).max():
        return down, np.inf
    return target + null @ (null.T @ now) - now, 1.0


def _stationary(slope: FloatArray, l1: FloatArray, w: FloatArray, slack: float, *, positive: bool) -> bool:
    idle = w == 0
    return bool((slope[idle] <= l1[idle] + slack).all() and (positive or (slope >= -l1 - slack)[idle].all()))
