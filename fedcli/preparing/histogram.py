"""A histogram that adds over silos and shows no small group: how many rows lie below each edge, at least and at most.

Owns the edges of a range, what of its counts a silo may show, and the bounds on quantiles that summed counts give.
Knows nothing of studies, rows or files. Internal.

A range is cut into equal bins. A silo joins neighbouring bins to runs, none of which is small, and shows counts at the
edges of its runs only; at an edge inside a run it shows what surely lies below, and what may. Silos choose their runs
by their own rows, and the sums of both counts still bound every cumulative count of the pool from both sides.

Mean and deviation of the pool bound every quantile too, and better where hardly any bins are told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import combinations_with_replacement, pairwise

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray

IntArray = NDArray[np.int64]

# Number of rows, sum and sum of squares leave besides: three equations, which three unknown counts solve.
_SOLVED = 3
# How far rows are moved in search of other counts with the same three sums.
_MOVED = 4
# Rounding of mean and deviation, as a share of the range and of the deviation: a thousand times what was measured.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Quantile:
    """A quantile of the pool: an estimate, and an interval in which it surely lies."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Grid:
    """The bins of one range.

    Parameters
    ----------
    low, high : float
        The agreed range.
    bins : int
        How many; a power of 2.
    whole : bool
        Whether all values are whole numbers: edges then lie between them.
    """

    low: float
    high: float
    bins: int
    whole: bool = False

    @classmethod
    def over(cls, interval: tuple[float, float], bins: int, *, whole: bool = False) -> Grid:
        """Cut a range into ``bins``, or fewer where whole numbers need no more."""
        low, high = interval
        if whole:
            values = int(high) - int(low) + 1
            bins = min(bins, 1 << (values - 1).bit_length())
        return cls(low, high, bins, whole)

    @cached_property
    def edges(self) -> FloatArray:
        """All edges, shape (bins + 1,); each bin holds its lower edge, the last one both."""
        if self.whole:
            width = -(-(int(self.high) - int(self.low) + 1) // self.bins)
            return np.array([width * i + self.low - 0.5 for i in range(self.bins + 1)], dtype=np.float64)
        low, high = Fraction(self.low), Fraction(self.high)
        # In fractions: the same floats on every machine.
        return np.array([float(low + (high - low) * i / self.bins) for i in range(self.bins + 1)])

    @property
    def size(self) -> int:
        """Numbers that are sent: two for each edge but the outer ones."""
        return 2 * (self.bins - 1)

    def count(self, values: FloatArray) -> FloatArray:
        """Count the values (n,) below each inner edge, twice, shape (size,); NaN is counted nowhere.

        These are complete, and add; `shown` makes of a silo's own sum what may leave.
        """
        place = np.searchsorted(self.edges, values[~np.isnan(values)], side="right") - 1
        bins = np.bincount(np.clip(place, 0, self.bins - 1), minlength=self.bins)
        below = np.cumsum(bins)[:-1].astype(np.float64)
        return np.concatenate([below, below])

    def shown(self, present: int, counts: IntArray, min_cell: int) -> IntArray:
        """Return what a silo may show of one group of rows, shape (size,): least and most rows below each inner edge.

        Parameters
        ----------
        present : int
            Rows of the group with a value.
        counts : ndarray of int of shape (size,)
            Complete, as `count` gives them.
        min_cell : int
            No two of the numbers returned differ by less, unless they are equal.
        """
        below = np.concatenate([[0], counts[: self.bins - 1], [present]])
        cuts = np.array(runs(np.diff(below), min_cell))
        inner = np.arange(1, self.bins)
        least = below[cuts[np.searchsorted(cuts, inner, side="right") - 1]]
        most = below[cuts[np.searchsorted(cuts, inner, side="left")]]
        return np.concatenate([least, most])


def runs(bins: IntArray, min_cell: int) -> list[int]:
    """Join neighbouring bins until none is small: return the edges of the runs, the outer ones included.

    Notes
    -----
    A run must not give its division away through the sums that leave besides, either (`_may_stand`); if it would, it
    goes on. What is left at the end joins the run before.

    Empty bins before a run's first bin with rows, and behind its last, are a run of their own if that bin is large by
    itself. Else they stay: a cut would say that somebody is in that very bin, and at an end of the range nobody beyond.
    """
    cuts = [0]
    for edge in range(1, len(bins) + 1):
        if bins[edge - 1] and _may_stand(bins[cuts[-1] : edge], min_cell):
            cuts.append(edge)
    standing = False
    while len(cuts) > 1 and not standing:
        cuts.pop()
        standing = _may_stand(bins[cuts[-1] :], min_cell)
    cuts.append(len(bins))
    if not standing:
        return cuts
    for start, end in pairwise(tuple(cuts)):
        first, last = start + np.flatnonzero(bins[start:end])[[0, -1]]
        cuts += [int(first)] if bins[first] >= min_cell else []
        cuts += [int(last) + 1] if bins[last] >= min_cell else []
    return sorted(set(cuts))


def _may_stand(run: IntArray, min_cell: int) -> bool:
    """Return whether the number of rows, sum and sum of squares of a run may be known: no small bin follows from them.

    A small bin follows where no more bins have rows than there are equations, for somebody who knows which; and where
    no other counts have the same three sums.
    """
    filled = run[run > 0]
    if int(filled.sum()) < min_cell or int(filled.min()) >= min_cell:
        return int(filled.sum()) >= min_cell
    return len(filled) > _SOLVED and _is_ambiguous(run)


def _is_ambiguous(run: IntArray) -> bool:
    """Return whether other counts surely have the same number of rows, sum and sum of squares.

    Notes
    -----
    Values that are rounded more coarsely than bins are wide lie in every tenth bin, say; others are out of the question
    for somebody who knows. So the smallest distance between two bins with rows is taken for that of neighbours.
    """
    places = np.flatnonzero(run)
    gaps = np.diff(places)
    at = np.concatenate([[0], np.cumsum(np.rint(gaps / gaps.min()).astype(np.int64))])
    counts = np.zeros(at[-1] + 1, dtype=np.int64)
    counts[at] = run[places]
    for change in _changes():
        if len(change) <= len(counts):
            windows = np.lib.stride_tricks.sliding_window_view(counts, len(change))
            if (windows >= -change).all(axis=1).any():
                return True
    return False


@cache
def _changes() -> tuple[IntArray, ...]:
    """Return changes of neighbours' counts that keep all three sums.

    They are the coefficients of ``(1 - x**a) (1 - x**b) (1 - x**c)``, which has 1 as a root three times: the answers to
    the problem of Prouhet, Tarry and Escott for squares.
    """
    found = []
    for steps in combinations_with_replacement(range(1, _MOVED + 1), 3):
        change = np.ones(1, dtype=np.int64)
        for step in steps:
            change = np.convolve(change, np.array([1, *[0] * (step - 1), -1]))
        found += [change, -change]
    return tuple(found)


@dataclass(frozen=True)
class Bounds:
    """What summed counts say of a distribution.

    Parameters
    ----------
    grid : Grid
    present : int
        Rows with a value.
    counts : ndarray of int of shape (size,)
        The sum of what silos show.
    mean, deviation : float
        Of the same rows, exact; the deviation is divided by the rows. They bound every quantile besides, and the mean
        says where between both bounds an estimate belongs.
    """

    grid: Grid
    present: int
    counts: IntArray
    mean: float
    deviation: float

    @cached_property
    def below(self) -> tuple[IntArray, IntArray]:
        """Least and most rows below each edge, two arrays of shape (bins + 1,)."""
        middle = self.grid.bins - 1
        # Honest counts never fall; what a dishonest silo made of the sum must not turn an interval round.
        counts = np.clip(self.counts, 0, self.present)
        least = np.maximum.accumulate(counts[:middle])
        most = np.maximum(np.maximum.accumulate(counts[middle:]), least)
        return np.concatenate([[0], least, [self.present]]), np.concatenate([[0], most, [self.present]])

    @cached_property
    def estimated(self) -> FloatArray:
        """Rows below each edge, shape (bins + 1,): the mixture of both bounds that has the known mean.

        Rows that are not told apart lie mostly at one end of their run (a thin tail beside many zeros), and the mean
        says at which.
        """
        least, most = self.below
        middles = (self.grid.edges[1:] + self.grid.edges[:-1]) / 2
        largest, smallest = (float(np.diff(rows) @ middles) / max(self.present, 1) for rows in (least, most))
        share = (largest - self.mean) / (largest - smallest) if largest > smallest else 0.0
        return np.asarray(least + min(max(share, 0.0), 1.0) * (most - least))

    def ranked(self, rank: int) -> Quantile:
        """Bound the value that is ``rank`` from below: 1 is the smallest, ``present`` the largest.

        Notes
        -----
        An estimate between bounds of several bins keeps a quarter of the interval from either: rows that are not told
        apart may lie at one end or the other, and what says at which is one number for all of them.
        """
        least, most = self.below
        edges, whole = self.grid.edges, self.grid.whole
        first = max(int(np.searchsorted(most, rank, side="left")) - 1, 0)
        last = min(int(np.searchsorted(least, rank, side="left")), self.grid.bins)
        lower, upper = float(edges[first]), float(edges[last])
        if whole:
            lower, upper = lower + 0.5, min(upper - 0.5, self.grid.high)
        lower, upper = self._narrowed(rank, lower, upper)
        estimate = float(np.interp(rank - 0.5, self.estimated, edges))
        if last - first > 1:
            margin = (upper - lower) // 4 if whole else (upper - lower) / 4
            estimate = min(max(estimate, lower + margin), upper - margin)
        return Quantile(_within(estimate, lower, upper, whole=whole), lower, upper)

    def _narrowed(self, rank: int, lower: float, upper: float) -> tuple[float, float]:
        """Narrow the bounds of a value by mean and deviation.

        Notes
        -----
        Let the k = n - r + 1 values from rank r on lie d or more above the mean. The sum of all squares is least where
        they are equal, and so are the others: ``n s**2 >= k d**2 + (k d)**2 / (r - 1)``. So d is at most
        ``s sqrt((r - 1) / k)``, and from the other side alike.
        """
        n = self.present
        down, up = math.sqrt((n - rank) / rank), math.sqrt((rank - 1) / (n - rank + 1))
        ends = self.grid.low, self.grid.high
        slack = _ROUNDING * (ends[1] - ends[0] + self.deviation) + 4 * math.ulp(max(map(abs, ends)))
        low = self.mean - self.deviation * down - slack * (1 + down)
        high = self.mean + self.deviation * up + slack * (1 + up)
        if self.grid.whole:
            low, high = math.ceil(low), math.floor(high)
        narrow = max(lower, low), min(upper, high)
        return narrow if narrow[0] <= narrow[1] else (lower, upper)

    def quantile(self, share: float) -> Quantile:
        """Bound a quantile as NumPy defines it by default (and R, as type 7); needs ``present`` of 1 at least."""
        place = (self.present - 1) * share
        rank = int(place)
        return self.between(rank + 1, place - rank)

    def between(self, rank: int, part: float) -> Quantile:
        """Bound what lies a ``part`` (0 to 1) of the way from the value of rank ``rank`` to the next one."""
        one = self.ranked(rank)
        if not part:
            return one
        two, whole = self.ranked(rank + 1), self.grid.whole
        estimate, lower, upper = (
            a + (b - a) * part
            for a, b in ((one.estimate, two.estimate), (one.lower, two.lower), (one.upper, two.upper))
        )
        if not whole:
            # NumPy may round another way between the same two values; quarters of whole numbers are exact.
            slack = 4 * math.ulp(max(abs(one.lower), abs(two.upper)))
            lower, upper = max(lower - slack, one.lower), min(upper + slack, two.upper)
        return Quantile(_within(estimate, lower, upper, whole=whole and math.floor(upper) >= lower), lower, upper)


def _within(estimate: float, lower: float, upper: float, *, whole: bool) -> float:
    """Return the estimate, whole where only whole numbers can be meant, between its bounds."""
    if whole and lower < upper:
        # Down from the middle between two, and what rounding makes of it: on every machine the same.
        estimate, lower, upper = math.ceil(estimate - 0.5 - 1e-9), math.ceil(lower), math.floor(upper)
    return float(min(max(estimate, lower), upper))
