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
    gaps : bool
        Whether any column has rows without a value.
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
        *,
        gaps: bool,
    ) -> None:
        n = len(centre)
        self.between = np.zeros(n, dtype=np.bool_)
        self._points, self._low, self._high, self._centre, self._gaps = points, low, high, centre, gaps
        self.middle = centre
        # The two points between the ends are one in most ranges.
        self._inner = points[2:3] if np.array_equal(points[2], points[3]) else points[2:]
        self._groups = _Groups(sizes)
        # Values from the centre, their squares, what is above each inner point, and which values are there.
        self._n_parts = 2 + len(self._inner) + gaps
        self._totals = [[np.zeros((self._n_parts, size, n)) for size in sizes] for _ in range(n_weights)]
        self._rows = [[np.zeros(size) for size in sizes] for _ in range(n_weights)]
        # Of equal weights the largest distance is that of the lowest or the highest value.
        furthest = np.where(low <= high, np.maximum(np.abs(low - points), np.abs(high - points)), 0.0)
        self._most = np.zeros((n_weights, 2, len(points), n))
        self._most[0] = furthest, furthest**2
        self._heaviest = np.zeros(n_weights)

    def add(self, values: FloatArray, codes: Sequence[Codes], weights: Sequence[FloatArray]) -> None:
        """Add a batch: values (n_rows, n_columns), NaN where there is none, groups and weights (n_rows, 1)."""
        self._look_between(values)
        parts = self._parts(values)
        self._groups.tell(codes)
        for k, weight in enumerate(weights):
            weighed = parts * weight if k else parts
            for totals, found in zip(self._totals[k], self._groups.sums(weighed), strict=True):
                totals += found
            for rows, found in zip(self._rows[k], self._groups.sums(weight[None]), strict=True):
                rows += found[0, :, 0]
            self._heaviest[k] = max(self._heaviest[k], float(weight.max(initial=0.0)))
            for at, point in enumerate(self._points) if k else ():
                size = np.abs(values - point)
                for power in (0, 1):
                    # What is not a number is not larger either.
                    most = np.fmax.reduce(weight * size ** (power + 1), axis=0, initial=0.0)
                    self._most[k, power, at] = np.maximum(self._most[k, power, at], most)

    def _look_between(self, values: FloatArray) -> None:
        """Note which columns have a value between their ends: nearly all show it in the first batch."""
        left = np.flatnonzero(~self.between)
        if len(left):
            some = values[:, left]
            self.between[left] = ((some > self._low[left]) & (some < self._high[left])).any(axis=0)

    def _parts(self, values: FloatArray) -> FloatArray:
        """Return what is added up, shape (n_parts, n_rows, n_columns): 0 where there is no value."""
        parts = np.empty((self._n_parts, *values.shape))
        moved = np.subtract(values, self._centre, out=parts[0])
        if self._gaps:
            missing = np.isnan(values)
            np.logical_not(missing, out=parts[-1])
            moved[missing] = 0.0
        np.multiply(moved, moved, out=parts[1])
        for part, point in zip(parts[2:], self._inner, strict=False):
            np.subtract(values, point, out=part)
            # The larger of a number and of none is the number.
            np.fmax(part, 0.0, out=part)
        return parts

    def _present(self, group: int, weight: int) -> FloatArray:
        """Return the rows (n_groups, n_columns) that have a value, weighed."""
        totals = self._totals[weight][group]
        return totals[-1] if self._gaps else np.broadcast_to(self._rows[weight][group][:, None], totals.shape[1:])

    def unsettled(self, group: int, *, squares: bool, floor: float) -> NDArray[np.bool_]:
        """Return the groups (n_groups,) of one way in which a row may have more than ``floor``, by the rows so far.

        Totals of distances only grow: where a row has little of those so far, it has no more of all. Nothing is known
        of a group in which no row has some column yet; nor where weights may still come, or a column has not shown a
        third value.
        """
        if len(self._totals) > 1 or not self.between.all():
            return np.ones(self._rows[0][group].shape, dtype=np.bool_)
        most, present = np.zeros(self._rows[0][group].shape), self._present(group, 0)
        for bound in self.of(group, squares=squares, fewest=1, more_to_come=True):
            most = np.maximum(most, bound.share.max(axis=1, initial=0.0))
        # A hundredth for rounding, which may make a total smaller by the rows that follow.
        return np.asarray((most > 0.99 * floor) | (present == 0).any(axis=1))

    def of(self, group: int, *, squares: bool, fewest: int, more_to_come: bool = False) -> Iterator[Bound]:
        """Yield the bounds of all sums by one way of telling rows apart; 0 in groups of fewer rows than ``fewest``.

        Where there is ``more_to_come``, the mean about which squares are taken may be anywhere between the ends.
        """
        shift = self._points - self._centre
        rows = [self._present(group, k) for k in range(len(self._totals))]
        enough = rows[0] >= fewest
        for k, n in enumerate(rows):
            sums, quadratic, above = self._totals[k][group][:3]
            # Where there is one inner point it stands for both.
            further = self._totals[k][group][1 + len(self._inner)]
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
                ends = np.maximum(np.abs(self._high - centre), np.abs(self._low - centre))
                ends = self._high - self._low if more_to_come else ends
                furthest = np.where(self._low <= self._high, ends, 0.0)
                most = self._heaviest[k] * furthest**2
                total = quadratic - n * mean**2
                yield Bound(Kind(group, k, len(self._points), True), centre, enough * _ratio(most, total))


def _ratio(most: FloatArray, total: FloatArray) -> FloatArray:
    """Return ``most / total`` with slack, at most 1: also where the total is nothing but rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(total > 0, most / total, np.inf) * _SLACK
    return np.where(most > 0, np.minimum(found, 1.0), 0.0)


class _Groups:
    """A batch's rows by several ways of telling them apart, all of which are added up together."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        # Up to some size, all groups are rows of one matrix.
        self._few = [i for i, size in enumerate(sizes) if size <= _FEW]
        self._ends = np.cumsum([0, *(sizes[i] for i in self._few)])
        self._codes: Sequence[Codes] = ()
        self._chosen = np.empty((0, 0))

    def tell(self, codes: Sequence[Codes]) -> None:
        """Take the positions (n_rows,) of a batch's rows among the groups of each way."""
        self._codes = codes
        self._chosen = np.ones((int(self._ends[-1]), len(codes[0])))
        for i, start, end in zip(self._few, self._ends[:-1], self._ends[1:], strict=True):
            if self._sizes[i] > 1:
                self._chosen[start:end] = codes[i] == np.arange(self._sizes[i])[:, None]

    def sums(self, values: FloatArray) -> list[FloatArray]:
        """Add up values (m, n_rows, n) by group: for each way (m, n_groups, n)."""
        together = self._chosen @ values
        ends = zip(self._few, self._ends[:-1], self._ends[1:], strict=True)
        of_few = {i: together[:, start:end] for i, start, end in ends}
        return [of_few[i] if i in of_few else self._of_many(i, values) for i in range(len(self._sizes))]

    def _of_many(self, which: int, values: FloatArray) -> FloatArray:
        codes = self._codes[which]
        found = np.zeros((len(values), self._sizes[which], values.shape[2]))
        order = np.argsort(codes, kind="stable")
        ranked = codes[order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        found[:, ranked[starts]] = np.add.reduceat(values[:, order], starts, axis=1)
        return found
