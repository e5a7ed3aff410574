"""Estimators that look at one column at a time: what trip 1 says of every study's columns is all that they need.

Owns the trip, which carries nothing of their own, and what of the pooled total they read. Each is a `ColumnForm` in a
module of its own. Knows nothing of files, keys or screens. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fedcli.errors import ContradictoryStudy
from fedcli.fileformat.statistics import FloatArray, Layout, State, Statistics, Total
from fedcli.models.batch import Batch, Family, Memory, Point, Reason, Source, document
from fedcli.models.registry import Estimator, Parameters
from fedcli.models.setting import Setting
from fedcli.preparing.columns import Columns
from fedcli.preparing.grids import Grids, counted, exact
from fedcli.preparing.histogram import Bounds, IntArray, Quantile


@dataclass(frozen=True)
class Pooled:
    """What the total of trip 1 says of each column.

    Parameters
    ----------
    columns : Columns
    total : Total
        Exact.
    fill : ndarray of shape (n_numbers,)
        What fills each number, reference scale.
    modes : tuple of int
        What fills each category.
    """

    columns: Columns
    total: Total
    fill: FloatArray
    modes: tuple[int, ...]

    def levels(self) -> list[IntArray]:
        """Count the rows of each level of each category, after missing ones are filled: (n_levels,) each."""
        every, found, at = counted(self.total, "levels"), [], 0
        for (_, column), mode in zip(self.columns.categories, self.modes, strict=True):
            missing, *counts = every[at : at + len(column.levels) + 1].tolist()
            counts[mode] += missing
            found.append(np.array(counts, dtype=np.int64))
            at += len(column.levels) + 1
        return found

    def present(self) -> IntArray:
        """Count the rows that have a value, of each number and then of each category."""
        found: list[int] = []
        if self.columns.numbers:
            found += counted(self.total, "present")[: len(self.columns.numbers)].tolist()
        if self.columns.categories:
            every, at = counted(self.total, "levels"), 0
            for _, column in self.columns.categories:
                found.append(int(every[at + 1 : at + 1 + len(column.levels)].sum()))
                at += len(column.levels) + 1
        return np.array(found, dtype=np.int64)

    def bounds(self, place: int) -> Bounds:
        """Return what is known of where the values of the number at ``place`` lie."""
        present = int(counted(self.total, "present")[place])
        sums, squares = exact(self.total, "sums", place), exact(self.total, "squares", place)
        return Grids(self.columns).bounds(place, present, counted(self.total, "below"), sums, squares)

    def median(self, place: int) -> Quantile | None:
        """Return the pooled median of the number at ``place``; None if no row has it."""
        return Grids(self.columns).median(place, self.total)


class ColumnForm(Protocol):
    """One estimator."""

    def fit(self, pooled: Pooled) -> Mapping[str, FloatArray]:
        """Compute the state's arrays, see `models.closed.ClosedForm.fit`; there are no coefficients."""


@dataclass(frozen=True)
class ByColumn:
    """The family of these estimators.

    Parameters
    ----------
    columns : Columns
    form : ColumnForm
    """

    columns: Columns
    form: ColumnForm

    @property
    def expanded(self) -> bool:
        """See `Family.expanded`."""
        return False

    @property
    def linear(self) -> bool:
        """See `Family.linear`."""
        return False

    def shapes(self, state: State, *, final: bool) -> Mapping[str, tuple[int | None, ...]]:
        """See `Family.shapes`: what is learnt is read by people and exports alone."""
        return {}

    def layout(self, state: State) -> Layout:
        """See `Family.layout`: counts, sums and bins of trip 1 travel in every study."""
        return Layout(())

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """See `Family.locate`: nothing is expanded."""
        return Point(np.zeros(1))

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        return Statistics({})

    def settle(self, total: Total, point: Point, state: State) -> Total:
        """See `Family.settle`."""
        return total

    def advance(self, total: Total, state: State) -> State:
        """See `Family.advance`; what a form raises besides."""
        arrays = state.arrays
        modes = tuple(int(k) for k in arrays["preparation.modes"])
        found = self.form.fit(Pooled(self.columns, total, arrays["preparation.fill"], modes))
        return State(document(state, round=1, phase="converged"), {**arrays, **found})

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`."""
        return Reason("closed-form", "counts and sums of the pool's columns: nothing is left to iterate")

    def coefficients(self, state: State) -> FloatArray:
        """See `Family.coefficients`: there are none."""
        raise ValueError("what looks at one column at a time has no coefficients")


def _needs_columns(setting: Setting, params: Parameters) -> Family:
    raise TypeError("this estimator is built over columns: see ColumnEstimator.over")


@dataclass(frozen=True, kw_only=True)
class ColumnEstimator(Estimator):
    """The entry of one of these: ``over`` makes its form for a study's columns, or refuses them."""

    over: Callable[[Columns, Parameters], ColumnForm]
    build: Callable[[Setting, Parameters], Family] = field(default=_needs_columns)


def refuse_standardised(name: str, columns: Columns) -> None:
    """Refuse a study that standardises what ``name`` is to see as it is.

    Raises
    ------
    ContradictoryStudy
    """
    if columns.study.model.standardize:
        raise ContradictoryStudy(
            f"{name} would see columns that the study has standardised already",
            hint="write standardize: false in study.yaml under model:",
        )


def refuse_other_columns(name: str, columns: Columns, taken: tuple[str, ...], words: str) -> None:
    """Refuse columns of the design that are of no kind that an estimator takes.

    Parameters
    ----------
    name : str
        The estimator's.
    columns : Columns
    taken : tuple of str
        See `Columns.kinds`.
    words : str
        What it takes, for people.

    Raises
    ------
    ContradictoryStudy
    """
    odd = [of for of, kind in zip(columns.names, columns.kinds, strict=True) if kind not in taken]
    if odd:
        raise ContradictoryStudy(
            f"{name} takes {words} alone, and {', '.join(odd[:4])} {'is' if len(odd) == 1 else 'are'} none",
            hint="leave it out, and terms and indicators with it, or ask for it in a study of its own",
        )
