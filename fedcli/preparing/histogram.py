"""A histogram that adds over silos and shows no small group: how many rows lie below each edge, at least and at most.

Owns the edges of a range, what of its counts a silo may show, and the bounds on quantiles that summed counts give.
Knows nothing of studies, rows or files. Internal.

A range is cut into equal bins. A silo joins neighbouring bins to runs, none of which is small, and shows counts at the
edges of its runs only; at an edge inside a run it shows what surely lies below, and what may. Silos choose their runs
by their own rows, and the sums of both counts still bound every cumulative count of the pool from both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray

IntArray = NDArray[np.int64]

# Number of rows, sum and sum of squares leave besides: three equations, which three unknown counts solve.
_SOLVED = 3


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
    A run must not give its division away through the sums that leave besides, either: where its rows lie in three bins
    or fewer and one of these is small, it goes on. Empty bins belong to a run like others, so that neither the smallest
    nor the largest value shows; what is left at the end joins the run before.
    """

    def good(rows: IntArray) -> bool:
        filled = rows[rows > 0]
        return int(filled.sum()) >= min_cell and (len(filled) > _SOLVED or int(filled.min()) >= min_cell)

    cuts = [0]
    for edge in range(1, len(bins) + 1):
        if bins[edge - 1] and good(bins[cuts[-1] : edge]):
            cuts.append(edge)
    while len(cuts) > 1:
        cuts.pop()
        if good(bins[cuts[-1] :]):
            break
    return [*cuts, len(bins)]


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
    mean : float
        Of the same rows, exact: it says where between both bounds the estimate belongs.
    """

    grid: Grid
    present: int
    counts: IntArray
    mean: float

    @cached_property
    def below(self) -> tuple[IntArray, IntArray]:
        """Least and most rows below each edge, two arrays of shape (bins + 1,)."""
        middle = self.grid.bins - 1
        least, most = self.counts[:middle], self.counts[middle:]
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
        """Bound the value that is ``rank`` from below: 1 is the smallest, ``present`` the largest."""
        least, most = self.below
        edges = self.grid.edges
        first = max(int(np.searchsorted(most, rank, side="left")) - 1, 0)
        last = min(int(np.searchsorted(least, rank, side="left")), self.grid.bins)
        lower, upper = float(edges[first]), float(edges[last])
        if self.grid.whole:
            lower, upper = lower + 0.5, min(upper - 0.5, self.grid.high)
        estimate = float(np.interp(rank - 0.5, self.estimated, edges))
        return Quantile(min(max(estimate, lower), upper), lower, upper)

    def quantile(self, share: float) -> Quantile:
        """Bound a quantile as NumPy defines it by default (and R, as type 7); needs ``present`` of 1 at least."""
        place = (self.present - 1) * share
        rank = int(place)
        one, part = self.ranked(rank + 1), place - rank
        if not part:
            return one
        two = self.ranked(rank + 2)
        pairs = ((one.estimate, two.estimate), (one.lower, two.lower), (one.upper, two.upper))
        return Quantile(*(a + (b - a) * part for a, b in pairs))
