"""A histogram that adds over silos and shows no small group: an agreed range, halved again and again.

Owns the parts of a range, what of their counts a silo may show, and the bounds on quantiles that summed counts give.
Knows nothing of studies, rows or files. Internal.

The parts form a tree: the range, its halves, their halves, down to ``bins`` leaves. A silo shows the two halves of a
part only if it shows the part, and if no group of rows in either half is small; where it does not, both halves stay 0
and the rows are known to be in the part, not where. Sums over silos then bound every cumulative count from both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Number of rows, sum and sum of squares leave besides: three equations, which three unknown counts solve.
_SOLVED = 3


@dataclass(frozen=True)
class Quantile:
    """A quantile of the pool: an estimate, and an interval in which it surely lies."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Tree:
    """The parts of one range.

    Parameters
    ----------
    low, high : float
        The agreed range.
    bins : int
        Leaves, a power of 2.
    whole : bool
        Whether all values are whole numbers: edges then lie between them.
    """

    low: float
    high: float
    bins: int
    whole: bool = False

    @classmethod
    def over(cls, interval: tuple[float, float], bins: int, *, whole: bool = False) -> Tree:
        """Lay out a range in ``bins`` parts, or fewer where whole numbers need no more."""
        low, high = interval
        if whole:
            values = int(high) - int(low) + 1
            bins = min(bins, 1 << (values - 1).bit_length())
        return cls(low, high, bins, whole)

    @cached_property
    def edges(self) -> FloatArray:
        """Edges of the leaves, shape (bins + 1,); each leaf holds its lower edge, the last one both."""
        if self.whole:
            width = -(-(int(self.high) - int(self.low) + 1) // self.bins)
            return np.array([width * i + self.low - 0.5 for i in range(self.bins + 1)], dtype=np.float64)
        low, high = Fraction(self.low), Fraction(self.high)
        # In fractions: the same floats on every machine.
        return np.array([float(low + (high - low) * i / self.bins) for i in range(self.bins + 1)])

    @property
    def depth(self) -> int:
        """How often the range is halved."""
        return self.bins.bit_length() - 1

    @property
    def size(self) -> int:
        """Parts below the whole range: 2, then 4, down to the leaves."""
        return 2 * self.bins - 2

    def count(self, values: FloatArray) -> FloatArray:
        """Count values (n,) in every part, shape (size,); NaN is counted nowhere."""
        present = values[~np.isnan(values)]
        leaf = np.searchsorted(self.edges, present, side="right") - 1
        leaves = np.bincount(np.clip(leaf, 0, self.bins - 1), minlength=self.bins).astype(np.int64)
        return np.concatenate([np.empty(0), *self._levels(leaves)[1:]])

    def _levels(self, leaves: IntArray) -> list[IntArray]:
        """Sum the last axis up the tree: arrays of 1, 2, 4, ... parts."""
        shape = leaves.shape[:-1]
        return [leaves.reshape(*shape, 2**d, -1).sum(axis=-1) for d in range(self.depth + 1)]

    def shown(self, groups: Sequence[IntArray], min_cell: int) -> BoolArray:
        """Say which parts a silo may show, shape (size,).

        Parameters
        ----------
        groups : sequence of ndarray of shape (size,)
            Full counts of groups of rows that are told apart; the rule holds in each of them.
        min_cell : int
            A count is small when ``0 < count < min_cell``.

        Notes
        -----
        A part that is shown undivided must not give its division away through the sums that leave besides: where a
        group's rows there lie in three leaves or fewer, and one of them is small, the part is not shown either.
        """
        if not self.depth:
            return np.empty(0, dtype=np.bool_)
        leaves = np.stack(groups)[:, -self.bins :]
        counts = self._levels(leaves)
        filled = self._levels((leaves > 0).astype(np.int64))
        small = self._levels(((leaves > 0) & (leaves < min_cell)).astype(np.int64))
        good = np.ones(self.bins, dtype=np.bool_)
        divided: list[BoolArray] = []
        for d in reversed(range(self.depth)):
            below = counts[d + 1]
            allowed = ((below == 0) | (below >= min_cell)).all(axis=0) & good
            halves = allowed[0::2] & allowed[1::2]
            telling = ((filled[d] <= _SOLVED) & (small[d] > 0)).any(axis=0)
            good = halves | ~telling
            divided.insert(0, halves)
        seen = np.ones(1, dtype=np.bool_)
        found = []
        for halves in divided:
            seen = np.repeat(seen & halves, 2)
            found.append(seen)
        return np.concatenate(found)

    def bounds(self, present: int, counts: IntArray) -> Bounds:
        """Read the summed counts (size,) of ``present`` rows."""
        return Bounds(self, present, counts)


@dataclass(frozen=True)
class Bounds:
    """What summed counts say of the distribution.

    Parameters
    ----------
    tree : Tree
    present : int
        Rows with a value.
    counts : ndarray of int of shape (size,)
        The sum of what silos show.
    """

    tree: Tree
    present: int
    counts: IntArray

    @cached_property
    def _unresolved(self) -> list[IntArray]:
        """Rows that are known to be in a part and no further, level by level; of leaves, all of them."""
        levels, at = [np.array([self.present], dtype=np.int64)], 0
        for d in range(1, self.tree.depth + 1):
            levels.append(self.counts[at : at + 2**d])
            at += 2**d
        inner = [above - below.reshape(-1, 2).sum(axis=1) for above, below in pairwise(levels)]
        # Silos that follow the rule never make it negative.
        return [np.maximum(rows, 0) for rows in (*inner, levels[-1])]

    @cached_property
    def below(self) -> tuple[IntArray, IntArray]:
        """Least and most rows below each edge, two arrays of shape (bins + 1,)."""
        bins = self.tree.bins
        least, most = np.zeros(bins + 1, dtype=np.int64), np.zeros(bins + 2, dtype=np.int64)
        for d, rows in enumerate(self._unresolved):
            width = bins >> d
            starts = np.arange(2**d) * width
            np.add.at(least, starts + width, rows)
            np.add.at(most, starts + 1, rows)
        return np.cumsum(least), np.cumsum(most)[: bins + 1]

    @cached_property
    def spread(self) -> FloatArray:
        """Rows below each edge if those of each part were spread evenly over it, shape (bins + 1,)."""
        bins = self.tree.bins
        leaves = np.zeros(bins)
        for d, rows in enumerate(self._unresolved):
            leaves += np.repeat(rows / (bins >> d), bins >> d)
        return np.concatenate([[0.0], np.cumsum(leaves)])

    def ranked(self, rank: int) -> Quantile:
        """Bound the value that is ``rank`` from below: 1 is the smallest, ``present`` the largest."""
        least, most = self.below
        bins, edges = self.tree.bins, self.tree.edges
        first = max(int(np.searchsorted(most, rank, side="left")) - 1, 0)
        last = min(int(np.searchsorted(least, rank, side="left")), bins)
        lower, upper = float(edges[first]), float(edges[last])
        if self.tree.whole:
            lower, upper = lower + 0.5, min(upper - 0.5, self.tree.high)
        estimate = float(np.interp(rank - 0.5, self.spread, edges))
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
