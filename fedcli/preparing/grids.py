"""Which numbers of a study are counted in bins, and how those counts are laid out.

Owns the choice of columns, the order within a block, and the bounds of one column. Knows nothing of sums about centres,
files or screens. Internal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedcli.fileformat.statistics import FloatArray, Total
from fedcli.preparing.columns import Columns
from fedcli.preparing.histogram import Bounds, Grid, IntArray, Quantile
from fedcli.preparing.rows import Rows

# Of a median that fills missing cells, in a study that names no number of its own.
MEDIAN_BINS = 256


@dataclass(frozen=True)
class Grids:
    """The numbers that are counted in bins: all with a profile, else those that a median fills.

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
        return {
            j: Grid.over(column.interval, bins, whole=column.whole)
            for j, (_, column) in enumerate(self.columns.numbers)
            if profile is not None or column.impute == "median"
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

    def bounds(self, place: int, present: int, counts: IntArray, mean: float) -> Bounds:
        """Return what summed counts say of one number.

        Parameters
        ----------
        place : int
            Its position in design order.
        present : int
            Rows that have it.
        counts : ndarray of int of shape (size,)
            Of all numbers.
        mean : float
            Of the rows that have it, agreed units.
        """
        found = {j: Bounds(grid, present, counts[at], mean) for j, grid, at in self._slices()}
        return found[place]

    def median(self, place: int, total: Total) -> Quantile | None:
        """Return the pooled median of the number at ``place``, agreed units; None if no row has it."""
        present, column = int(counted(total, "present")[place]), self.columns.numbers[place][1]
        if not present:
            return None
        mean = column.middle + column.half * float(total["sums"][place]) / present
        return self.bounds(place, present, counted(total, "below"), mean).quantile(0.5)

    def _slices(self) -> Iterator[tuple[int, Grid, slice]]:
        at = 0
        for j, grid in self.places.items():
            yield j, grid, slice(at, at + grid.size)
            at += grid.size


def counted(total: Total, block: str) -> IntArray:
    """Return a block of counts as integers."""
    bits = total.fraction_bits[block]
    return np.array([int(q) >> bits for q in total.integers[block]], dtype=np.int64)
