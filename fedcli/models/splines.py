"""B-splines of one number: their knots and their values.

Owns both. Knows nothing of columns or studies. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedcli.fileformat.statistics import FloatArray


def extended_knots(base: Sequence[float], degree: int) -> tuple[float, ...]:
    """Return knots with ``degree`` more beyond either end.

    The extension is that of scikit-learn's `SplineTransformer`: evenly, by the first and by the last distance.
    """
    first, last = base[1] - base[0], base[-1] - base[-2]
    before = np.linspace(base[0] - degree * first, base[0] - first, num=degree)
    behind = np.linspace(base[-1] + last, base[-1] + degree * last, num=degree)
    return (*before.tolist(), *base, *behind.tolist())


def spline_basis(x: FloatArray, knots: Sequence[float], degree: int, part: int) -> FloatArray:
    """Evaluate one B-spline (n,) at ``x`` by the Cox-de Boor recursion; NaN at NaN.

    Parameters
    ----------
    x : ndarray of shape (n,)
    knots : sequence of float
        As `extended_knots` gives them.
    degree, part : int
        Which one, from 0.

    References
    ----------
    de Boor, C. (1972). On calculating with B-splines. J. Approx. Theory 6, 50-62.
    """
    t = knots[part:]
    level = [((x >= t[i]) & (x < t[i + 1])).astype(np.float64) for i in range(degree + 1)]
    for d in range(1, degree + 1):
        level = [
            (x - t[i]) / (t[i + d] - t[i]) * level[i] + (t[i + d + 1] - x) / (t[i + d + 1] - t[i + 1]) * level[i + 1]
            for i in range(degree + 1 - d)
        ]
    return np.where(np.isnan(x), np.nan, level[0])
