"""How much of an outcome a column tells alone: by order, by its ranks, by a line, by the groups that its values make.

Owns these measures, and cheap bounds that spare most columns a sorting. Must not know studies, files or sentences.
Internal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray

# Area under the curve, or share of the variance, from which on a column tells the outcome "almost perfectly".
ALMOST = 0.995
# Of fewer rows on either side nothing is said.
ENOUGH = 10
# More values than this, or fewer rows for each on average, make no groups: they would tell any outcome.
_MOST_VALUES, _ROWS_PER_VALUE = 100, 10
# Of how many rows the values are counted to see that there are more.
_FIRST = 4 * _MOST_VALUES


def explained(sums: FloatArray, *, binary: bool) -> float | None:
    """Return the area under the curve of the groups' rates, or the share of variance between groups.

    Parameters
    ----------
    sums : ndarray of shape (n_groups, 3)
        Rows, sum and sum of squares of the outcome.
    binary : bool
        Whether the outcome is 0 or 1.
    """
    count, total, squares = sums.T
    n = count.sum()
    filled = count > 0
    if filled.sum() < 2:
        return None
    if not binary:
        mean = total.sum() / n
        within = (squares[filled] - total[filled] ** 2 / count[filled]).sum()
        whole = squares.sum() - n * mean**2
        return float(1 - within / whole) if whole > 0 and n >= ENOUGH else None
    positive, negative = total, count - total
    if min(positive.sum(), negative.sum()) < ENOUGH:
        return None
    order = np.argsort(positive[filled] / count[filled])
    p, q = positive[filled][order], negative[filled][order]
    below = np.cumsum(q) - q
    return float((p * (below + q / 2)).sum() / (p.sum() * q.sum()))


def area(negative: FloatArray, positive: FloatArray) -> float | None:
    """Return the area under the curve of values of either outcome, in the better direction; None of too few."""
    if min(len(negative), len(positive)) < ENOUGH:
        return None
    negative, positive = np.sort(negative), np.sort(positive)
    left, right = (np.searchsorted(negative, positive, side=side).mean() for side in ("left", "right"))
    found = float(left + right) / 2 / len(negative)
    return max(found, 1 - found)


def line_share(x: FloatArray, y: FloatArray) -> float | None:
    """Return the share of the variance of ``y`` (n,) that a line in ``x`` (n,) explains; None of too few."""
    if len(x) < ENOUGH or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def rank_share(x: FloatArray, y: FloatArray) -> float | None:
    """Return Spearman's rank correlation of ``x`` and ``y`` (n,), squared, equal values sharing their mean rank."""
    return line_share(_ranks(x), _ranks(y))


def _ranks(values: FloatArray) -> FloatArray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - counts / 2)[where])


def surely_not_by_order(sides: tuple[FloatArray, FloatArray]) -> NDArray[np.bool_]:
    """Return which columns surely do not tell a class by their order, by one look at where each side lies.

    The area counts pairs of rows. Where so many pairs lie apart at some value in one direction, and so many in the
    other, neither direction reaches the limit, however the rest lies: to rank all values would tell no more.

    Parameters
    ----------
    sides : ndarrays of shape (n_rows, n_columns), each with rows
        Values where the outcome is the one, and the other; NaN where there is none.
    """
    there = [np.isfinite(values) for values in sides]
    counts = [np.maximum(present.sum(axis=0), 1) for present in there]
    at = sum(np.where(p, v, 0.0).sum(axis=0) / n for p, v, n in zip(there, sides, counts, strict=True)) / 2
    below = [(p & (v < at)).sum(axis=0) / n for p, v, n in zip(there, sides, counts, strict=True)]
    above = [(p & (v > at)).sum(axis=0) / n for p, v, n in zip(there, sides, counts, strict=True)]
    # Twice what is needed, so that rounding decides nothing.
    least = 2 * (1 - ALMOST)
    return np.asarray((below[0] * above[1] > least) & (below[1] * above[0] > least))


def surely_not_by_rank(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    """Return which columns surely do not tell ``y`` by rank, by the four corners that a value of each cuts out.

    Let a share p of rows lie in one corner off the diagonal, and q in the other, and u, v be the ranks as shares of
    rows. Those in the first have u - v of q or more on average, the others v - u of p or more: wherever the cuts are,
    the squares of u - v are 2 min(p, q)^3 or more on average. A rank correlation of r leaves (1 - r) / 6 at most, with
    or without equal values: the mean ranks of either lie on the sphere over all ranks (Thales), so that the angle
    between them bounds their distance.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_columns)
        NaN where there is none.
    y : ndarray of shape (n_rows,)
    """
    there = np.isfinite(x)
    n = np.maximum(there.sum(axis=0), 1)
    high = there & (x > np.where(there, x, 0.0).sum(axis=0) / n)
    up = y > np.median(y) if len(y) else np.zeros(0, dtype=np.bool_)
    corner = {
        (side, top): (part & (up == top)[:, None]).sum(axis=0) / n
        for side, part in ((True, high), (False, there & ~high))
        for top in (True, False)
    }
    # A tenth more than is needed, so that rounding decides nothing.
    least = 1.1 * ((1 - np.sqrt(ALMOST)) / 12) ** (1 / 3)
    rising = np.minimum(corner[True, False], corner[False, True])
    falling = np.minimum(corner[True, True], corner[False, False])
    return np.asarray((rising > least) & (falling > least))


def surely_many_values(values: FloatArray) -> NDArray[np.bool_]:
    """Return which columns of ``values`` (n_rows, n_columns) have more values than make groups, by the first rows."""
    head = np.sort(values[:_FIRST], axis=0)
    # NaN is sorted behind everything, and no difference to it is above 0.
    return np.asarray((np.diff(head, axis=0) > 0).sum(axis=0) >= _MOST_VALUES)


def value_groups(x: FloatArray, y: FloatArray) -> FloatArray | None:
    """Return rows, sum and sum of squares of ``y`` (n,) for each value of ``x`` (n,): (n_values, 3); None of many.

    Examples
    --------
    >>> value_groups(np.repeat([1.0, 2.0], 10), np.repeat([3.0, 0.0], 10))
    array([[10., 30., 90.],
           [10.,  0.,  0.]])
    """
    values, where = np.unique(x, return_inverse=True)
    if not 1 < len(values) <= min(_MOST_VALUES, len(x) // _ROWS_PER_VALUE):
        return None
    return np.stack([np.bincount(where, weights=power, minlength=len(values)) for power in (y**0, y, y * y)], axis=1)
