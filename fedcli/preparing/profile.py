"""What trip 1 carries besides, so that the pool can be described: class sums, counts in bins, products of columns.

Owns these blocks: their layout, a batch's sums, and what a silo does to its own total before it leaves. Knows nothing
of files, rounds or screens, nor of what is made of the pooled sums (`profile_table`). Internal.

All are unweighted sums over training rows. What the moments of trip 1 carry of all rows is not sent again: blocks whose
names begin with ``positive.``, or ``class1.`` and so on, are the same over the rows of one class; the first class is
the total less all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import Block, FloatArray, Layout, Total, pack_upper, pairs_once
from fedcli.models.batch import weighted_cross
from fedcli.models.exact import CENTRE_BITS, shift_products
from fedcli.preparing.columns import Columns
from fedcli.preparing.grids import Grids, counted
from fedcli.preparing.histogram import IntArray
from fedcli.preparing.preparation import count_levels, levels_form, settle_moments, sum_moments
from fedcli.preparing.rows import Rows
from fedcli.study.document import ClassTarget

POSITIVE = "positive."
_OF_A_CLASS = re.compile(r"^(positive|class[0-9]+)\.")


def of_all_rows(name: str) -> str:
    """Return the name of the block that says of all rows what ``name`` says of the rows of one class."""
    return _OF_A_CLASS.sub("", name)


@dataclass(frozen=True)
class ProfileSums:
    """The blocks that a study's profile, and its medians, add to trip 1.

    Parameters
    ----------
    columns : Columns
    own_products : bool
        Whether no other block carries the unweighted products of the expanded columns.
    """

    columns: Columns
    own_products: bool

    @cached_property
    def grids(self) -> Grids:
        """The numbers that are counted in bins."""
        return Grids(self.columns)

    @property
    def by_target(self) -> bool:
        """Whether the rows of each class are summed apart."""
        study = self.columns.study
        return study.profile is not None and study.profile.by_target and isinstance(study.target, ClassTarget)

    @cached_property
    def apart(self) -> tuple[tuple[str, int], ...]:
        """Of each class but the first, how its blocks' names begin, and its number."""
        target = self.columns.study.target
        if not self.by_target or not isinstance(target, ClassTarget):
            return ()
        if target.type == "binary":
            return ((POSITIVE, 1),)
        return tuple((f"class{code}.", code) for code in range(1, target.n_classes))

    @property
    def correlation(self) -> bool:
        """Whether correlations of the pool are wanted."""
        profile = self.columns.study.profile
        return profile is not None and profile.correlation

    @property
    def products(self) -> bool:
        """Whether products of the expanded columns are sent here."""
        return self.correlation and self.own_products

    def layout(self) -> Layout:
        """Lay down the blocks."""
        rules, n_numbers = self.columns.study.rules, len(self.columns.numbers)
        most = rules.max_rows
        below = (
            "a cumulative histogram over equal parts of the agreed range: how many rows lie below the edge at least, "
        )
        below += "and at most"
        below += f"; two counts are equal or at least {rules.min_cell} rows apart" if rules.min_cell > 1 else ""
        each, edges = "one per number column", self._edges
        blocks, levels = [], sum(len(column.levels) + 1 for _, column in self.columns.categories)
        for prefix, _ in self.apart:
            blocks += [
                Block(f"{prefix}rows", (1,), most, "how many rows there are"),
                Block(f"{prefix}present", (n_numbers,), most, "the same as 'present'", each),
                Block(f"{prefix}sums", (n_numbers,), most, "the same as 'sums'", each),
                Block(f"{prefix}squares", (n_numbers,), most, "the same as 'squares'", each),
                Block(f"{prefix}levels", (levels,), most, "the same as 'levels'", levels_form(self.columns)),
            ]
        blocks.append(Block("below", (self.grids.size,), most, below, edges))
        for prefix, _ in self.apart:
            blocks.append(Block(f"{prefix}below", (self.grids.size,), most, "the same as 'below'", edges))
        if self.products:
            n = 1 + len(self.columns.expanded_names)
            says = "for each pair of columns, and each with itself, the sum of their product, for correlations"
            blocks.append(Block("correlation", (n * (n + 1) // 2,), most, says, pairs_once(n)))
        return Layout(tuple(block for block in blocks if block.size))

    @property
    def _edges(self) -> str:
        """Say how counts below edges are arranged."""
        grids = list(self.grids.places.values())
        columns = f"{len(grids)} number column{'' if len(grids) == 1 else 's'}"
        inner = {grid.bins - 1 for grid in grids}
        if len(inner) == 1:
            return f"{columns} x {inner.pop()} edges x 2"
        return f"2 for each of {self.grids.size // 2} edges of {columns}"

    def centre(self, rows: Iterable[Rows]) -> FloatArray:
        """Return the silo's own means of the expanded columns on a coarse grid, as the centre of their products."""
        count, sums = 0, np.zeros(1 + len(self.columns.expanded_names))
        for batch in rows if self.products else ():
            count += len(batch)
            sums += self.columns.expanded(batch).sum(axis=0)
        centre = np.round(sums / max(count, 1) * 2.0**CENTRE_BITS) / 2.0**CENTRE_BITS
        centre[0] = 0.0
        return centre

    def statistics(self, rows: Rows, moments: FloatArray, products: FloatArray) -> dict[str, FloatArray]:
        """Sum a batch: moments about ``moments`` (n_numbers + n_pieces,), products about ``products`` (n_expanded,).

        Counts in bins are complete here, so that they add; `settle` leaves out what may not leave.
        """
        arrays: dict[str, FloatArray] = {}
        groups = {"": rows}
        for prefix, code in self.apart:
            group = groups[prefix] = rows.take(rows.target == code)
            numbers = group.numbers[:, self.columns.number_order]
            z = (numbers - self.columns.middle) / self.columns.half - moments[: numbers.shape[1]]
            found = {"rows": np.array([float(len(group))])} | sum_moments(z)
            found["levels"] = count_levels(group, self.columns)
            arrays |= {prefix + name: array for name, array in found.items() if array.size}
        if self.grids.size:
            arrays |= {f"{name}below": self.grids.count(group) for name, group in groups.items()}
        if self.products:
            centred = self.columns.expanded(rows) - products
            arrays["correlation"] = pack_upper(weighted_cross(centred, np.ones(len(rows))))
        return arrays

    def settle(self, total: Total, moments: FloatArray, products: FloatArray) -> Total:
        """At a silo, before its total leaves: carry sums to the common origin, and leave small groups out."""
        for prefix, _ in self.apart:
            total = settle_moments(total, moments[: len(self.columns.numbers)], prefix=prefix)
        integers = dict(total.integers)
        if self.grids.size:
            integers |= self._shown(total)
        if self.products:
            integers["correlation"] = shift_products(integers["correlation"], products)
        return Total(integers, total.fraction_bits)

    def smallest_step(self, total: Total) -> int | None:
        """Return the smallest difference between counts in bins that differ, of any group; None where none do."""
        n_numbers = len(self.columns.numbers)
        present, below = counted(total, "present")[:n_numbers], counted(total, "below")
        groups = []
        for prefix, _ in self.apart:
            apart, counts = counted(total, f"{prefix}present"), counted(total, f"{prefix}below")
            groups.append((apart, counts))
            present, below = present - apart, below - counts
        groups.append((present, below))
        steps = (self.grids.smallest_step(*group) for group in groups)
        return min((step for step in steps if step is not None), default=None)

    def _shown(self, total: Total) -> dict[str, NDArray[np.object_]]:
        """Return what may leave of the counts in bins: the rows of each class in runs of their own."""
        min_cell, n_numbers = self.columns.study.rules.min_cell, len(self.columns.numbers)
        present, below = counted(total, "present")[:n_numbers], counted(total, "below")
        said: dict[str, IntArray] = {}
        for prefix, _ in self.apart:
            group, counts = counted(total, f"{prefix}present"), counted(total, f"{prefix}below")
            said[f"{prefix}below"] = self.grids.shown(group, counts, min_cell)
            present, below = present - group, below - counts
        said["below"] = self.grids.shown(present, below, min_cell) + sum(said.values())
        return {name: _grid_units(total, name, counts) for name, counts in said.items()}


def _grid_units(total: Total, block: str, counts: IntArray) -> NDArray[np.object_]:
    return counts.astype(object) * (1 << total.fraction_bits[block])
