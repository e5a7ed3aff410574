"""What one row can make of a sum at most, from totals by group alone: which shares are worth finding exactly.

Owns the totals, and the bounds that follow from them. Knows nothing of columns' meaning, rules or screens. Internal.

The sum of distances from any point follows from few totals, and no distance is larger than the largest of all rows. So
one cheap pass bounds the share of every row in every sum, and `shares` looks again only at sums where that is much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray

Codes = NDArray[np.int64]
# Up to so many groups a product of matrices adds them up faster than sorting does.
_FEW = 64
# Totals are subtracted from one another: so much too low may a bound be.
_SLACK = 1.01


@dataclass(frozen=True)
class Kind:
    """One kind of sum: by which groups, of which weights, of distances from which of the points or their squares."""

    group: int
    weight: int
    at: int
    squares: bool


@dataclass(frozen=True)
class Bound:
    """For one kind of sum the points (n_columns,) or (n_groups, n_columns), and the most that a row can have.

    ``share`` has shape (n_groups, n_columns); it is exact where all rows are one group of equal weights.
    """

    kind: Kind
    points: FloatArray
    share: FloatArray


class Bounds:
    """Totals of columns by group, batch by batch.

    Parameters
    ----------
    points : ndarray of shape (4, n_columns)
        Where distances are taken from: lower and upper end, and two points between them.
    low, high, centre : ndarray of shape (n_columns,)
        Lowest and highest value of each column, and one amid its values, so that nothing is lost to rounding.
    sizes : sequence of int
        Number of groups in each way of telling rows apart.
    n_weights : int
        Ways of weighing rows, the first of them equally.

    Attributes
    ----------
    between : ndarray of bool of shape (n_columns,)
        Which columns have a third value, once all batches are in.
    middle : ndarray of shape (n_columns,)
        ``centre``.
    """

    def __init__(
        self,
        points: FloatArray,
        low: FloatArray,
        high: FloatArray,
        centre: FloatArray,
        sizes: Sequence[int],
        n_weights: int,
    ) -> None:
        n = len(centre)
        self.between = np.zeros(n, dtype=np.bool_)
        self._points, self._low, self._high, self._centre = points, low, high, centre
        self.middle = centre
        self._totals = [[np.zeros((size, 5, n)) for _ in range(n_weights)] for size in sizes]
        # Of equal weights the largest distance is that of the lowest or the highest value.
        furthest = np.where(low <= high, np.maximum(np.abs(low - points), np.abs(high - points)), 0.0)
        self._most = np.zeros((n_weights, 2, len(points), n))
        self._most[0] = furthest, furthest**2
        self._heaviest = np.zeros(n_weights)

    def add(self, values: FloatArray, codes: Sequence[Codes], weights: Sequence[FloatArray]) -> None:
        """Add a batch: values (n_rows, n_columns), NaN where there is none, groups and weights (n_rows, 1)."""
        present = ~np.isnan(values)
        self.between |= ((values > self._low) & (values < self._high)).any(axis=0)
        moved = np.where(present, values - self._centre, 0.0)
        above = [np.where(present & (values > point), values - point, 0.0) for point in self._points[2:]]
        together = np.hstack([present.astype(np.float64), moved, *above, moved * moved])
        for k, weight in enumerate(weights):
            weighed = together * weight if k else together
            for of_groups, totals in zip(codes, self._totals, strict=True):
                totals[k] += _by_group(of_groups, len(totals[k]), weighed).reshape(totals[k].shape)
            self._heaviest[k] = max(self._heaviest[k], float(weight.max(initial=0.0)))
            for at, point in enumerate(self._points) if k else ():
                size = np.where(present, np.abs(values - point), 0.0)
                for power in (0, 1):
                    most = (weight * size ** (power + 1)).max(axis=0, initial=0.0)
                    self._most[k, power, at] = np.maximum(self._most[k, power, at], most)

    def of(self, group: int, *, squares: bool, fewest: int) -> Iterator[Bound]:
        """Yield the bounds of all sums by one way of telling rows apart; 0 in groups of fewer rows than ``fewest``."""
        enough = self._totals[group][0][:, 0] >= fewest
        shift = self._points - self._centre
        for k, totals in enumerate(self._totals[group]):
            n, sums, above, further, quadratic = (totals[:, part] for part in range(5))
            distances = [sums - n * shift[0], n * shift[1] - sums]
            distances += [2 * part - (sums - n * shift[at]) for at, part in ((2, above), (3, further))]
            for at, point in enumerate(self._points):
                yield Bound(Kind(group, k, at, False), point, enough * _ratio(self._most[k, 0, at], distances[at]))
                if squares:
                    total = quadratic - 2 * shift[at] * sums + n * shift[at] ** 2
                    yield Bound(Kind(group, k, at, True), point, enough * _ratio(self._most[k, 1, at], total))
            if squares:
                mean = sums / np.where(n > 0, n, 1.0)
                centre = self._centre + mean
                furthest = np.maximum(np.abs(self._high - centre), np.abs(self._low - centre))
                most = self._heaviest[k] * furthest**2
                total = quadratic - n * mean**2
                yield Bound(Kind(group, k, len(self._points), True), centre, enough * _ratio(most, total))


def _ratio(most: FloatArray, total: FloatArray) -> FloatArray:
    """Return ``most / total`` with slack, at most 1: also where the total is nothing but rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(total > 0, most / total, np.inf) * _SLACK
    return np.where(most > 0, np.minimum(found, 1.0), 0.0)


def _by_group(codes: Codes, n_groups: int, values: FloatArray) -> FloatArray:
    """Add up values (n_rows, n) by group: shape (n_groups, n)."""
    if n_groups == 1:
        return np.asarray(values.sum(axis=0, keepdims=True))
    if n_groups <= _FEW:
        chosen: FloatArray = (codes == np.arange(n_groups)[:, None]).astype(np.float64)
        return np.asarray(chosen @ values, dtype=np.float64)
    found = np.zeros((n_groups, values.shape[1]))
    order = np.argsort(codes, kind="stable")
    ranked = codes[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    found[ranked[starts]] = np.add.reduceat(values[order], starts, axis=0)
    return found
