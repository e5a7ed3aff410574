"""Which numbers of a study are counted in bins, and how those counts are laid out.

Owns the choice of columns, the order within a block, and the bounds of one column. Knows nothing of sums about centres,
files or screens. Internal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from fedcli.fileformat.statistics import FloatArray, Total
from fedcli.preparing.columns import Columns
from fedcli.preparing.histogram import Bounds, Grid, IntArray, Quantile
from fedcli.preparing.rows import Rows

# Of a median that fills missing cells, in a study that names no number of its own.
MEDIAN_BINS = 256
# Estimators that take every number counted.
COUNTING = frozenset({"KBinsDiscretizer"})


@dataclass(frozen=True)
class Grids:
    """The numbers that are counted in bins: all with a profile or for some estimators, else those that a median fills.

    Parameters
    ----------
    columns : Columns
    """

    columns: Columns

    @cached_property
    def places(self) -> dict[int, Grid]:
        """The grid of each counted number, by its position among the numbers in design order."""
        profile = self.columns.study.profile
        bins = profile.bins if profile is not None else MEDIAN_BINS
        every = profile is not None or self.columns.study.model.estimator in COUNTING
        return {
            j: Grid.over(column.interval, bins, whole=column.whole)
            for j, (_, column) in enumerate(self.columns.numbers)
            if every or column.impute == "median"
        }

    @property
    def medians(self) -> list[int]:
        """Positions of the numbers that a median fills."""
        return [j for j, (_, column) in enumerate(self.columns.numbers) if column.impute == "median"]

    @property
    def size(self) -> int:
        """Numbers in one block of counts."""
        return sum(grid.size for grid in self.places.values())

    def count(self, rows: Rows) -> FloatArray:
        """Count rows below every inner edge of every counted number, completely: shape (size,)."""
        order = self.columns.number_order
        return np.concatenate([grid.count(rows.numbers[:, order[j]]) for j, grid in self.places.items()])

    def shown(self, present: IntArray, counts: IntArray, min_cell: int) -> IntArray:
        """Return what a silo may show of a group's counts (size,), ``present`` (n_numbers,); see `Grid.shown`."""
        parts = [grid.shown(int(present[j]), counts[at], min_cell) for j, grid, at in self._slices()]
        return np.concatenate(parts)

    def smallest_step(self, present: IntArray, counts: IntArray) -> int | None:
        """Return by how many rows two counts of one number differ at least, if they do; None where no number's do.

        Parameters
        ----------
        present : ndarray of int of shape (n_numbers,)
            Rows of the group with a value.
        counts : ndarray of int of shape (size,)
            As they leave.
        """
        found = [np.diff(np.unique([0, *counts[at].tolist(), int(present[j])])) for j, _, at in self._slices()]
        # One step alone is the whole group, which stands in `present` as well.
        return min((int(steps.min()) for steps in found if len(steps) > 1), default=None)

    def bounds(self, place: int, present: int, counts: IntArray, sums: Fraction, squares: Fraction) -> Bounds:
        """Return what sums say of one number.

        Parameters
        ----------
        place : int
            Its position in design order.
        present : int
            Rows that have it, 1 at least.
        counts : ndarray of int of shape (size,)
            Of all numbers.
        sums, squares : Fraction
            Of the rows that have it, exact, reference scale.
        """
        found = {j: (grid, counts[at]) for j, grid, at in self._slices()}
        column, mean = self.columns.numbers[place][1], sums / present
        variance = max(squares / present - mean * mean, Fraction(0))
        return Bounds(
            *(found[place][0], present, found[place][1]),
            mean=float(Fraction(column.middle) + Fraction(column.half) * mean),
            deviation=column.half * math.sqrt(variance),
        )

    def median(self, place: int, total: Total) -> Quantile | None:
        """Return the pooled median of the number at ``place``, agreed units; None if no row has it."""
        present = int(counted(total, "present")[place])
        if not present:
            return None
        sums, squares = exact(total, "sums", place), exact(total, "squares", place)
        return self.bounds(place, present, counted(total, "below"), sums, squares).quantile(0.5)

    def _slices(self) -> Iterator[tuple[int, Grid, slice]]:
        at = 0
        for j, grid in self.places.items():
            yield j, grid, slice(at, at + grid.size)
            at += grid.size


def counted(total: Total, block: str) -> IntArray:
    """Return a block of counts as integers."""
    bits = total.fraction_bits[block]
    return np.array([int(q) >> bits for q in total.integers[block]], dtype=np.int64)


def exact(total: Total, block: str, at: int) -> Fraction:
    """Return one number of a block as it is."""
    return Fraction(int(total.integers[block][at]), 1 << total.fraction_bits[block])
