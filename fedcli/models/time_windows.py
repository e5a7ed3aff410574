"""Sums over the rows at risk at each event time of a stratum, for some of the times at once.

Owns the windows of times, from the last one back, and the passes over the rows that fill them. Knows nothing of losses,
silos or files. Internal.

Of a table without ties each row with an event has a time of its own: to hold the sums of all columns at every time
would take as much memory as the table. Where rows come latest first, one pass fills window behind window; else one
pass is made for each. One window, which is enough for most tables, is one pass either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch, Source
from fedcli.models.risk_sets import Places, add_at, risk_sets, times_of

Values = Callable[[Batch], FloatArray]
# Most sums that a window holds of one kind: a few arrays of 4 MB.
WINDOW = 1 << 19


@dataclass(frozen=True)
class AtTimes:
    """Sums at the event times from number ``first`` on.

    Parameters
    ----------
    first : int
    rest : ndarray of shape (n, width)
        Of the values of rows at risk that have no event then.
    dying : ndarray of shape (n, width + 2)
        Of the values of rows with an event then, of their weights, and their number.
    """

    first: int
    rest: FloatArray
    dying: FloatArray

    @property
    def where(self) -> slice:
        """The places of these times among all."""
        return slice(self.first, self.first + len(self.rest))


def windows(
    rows: Source, times: FloatArray, values: Values, width: int, *, delayed: bool, latest_first: bool
) -> Iterator[AtTimes]:
    """Yield the sums at all event times, the last ones first.

    Parameters
    ----------
    rows : Source
    times : ndarray of shape (n_times,)
        Distinct times of events, ascending.
    values : callable
        Gives what is added up of a batch, (n_samples, width).
    width : int
    delayed : bool
        Whether rows enter at times of their own.
    latest_first : bool
        Whether rows come in descending order of their own times.
    """
    step = max(WINDOW // (width + 2), 1)
    edges = list(pairwise([*range(len(times), 0, -step), 0]))
    window: _Window | None = None
    found = _Found(times, values)
    if delayed or not latest_first or len(edges) <= 1:
        for last, first in edges:
            window = _Delayed(first, last, width) if delayed else _Window(first, last, width, window)
            for batch in rows:
                window.add(found, batch, window.chosen(found, batch, alone=len(edges) == 1))
            yield window.sums()
        return
    coming = iter(edges)
    for batch in rows:
        right, at = found.right(batch), 0
        while at < len(right):
            if window is None or (right[at] <= window.first > 0):
                if window is not None:
                    yield window.sums()
                last, first = next(coming)
                window = _Window(first, last, width, window)
                continue
            inside = int((right[at:] > window.first).sum()) if window.first else len(right) - at
            window.add(found, batch, slice(at, at + inside))
            at += inside
    if window is not None:
        yield window.sums()
    # No row had its time in the windows that are left, nor has any an event there: there are none.


@dataclass(frozen=True)
class _Found:
    """Where rows of a stratum stand among its event times, and their values."""

    times: FloatArray
    values: Values

    def right(self, rows: Batch) -> Places:
        """Return how many event times (n_samples,) are not after each row's own time."""
        return np.searchsorted(self.times, times_of(rows)[:, 0], side="right")

    def start(self, rows: Batch) -> Places:
        """Return how many event times (n_samples,) are not after each row's entry."""
        return np.searchsorted(self.times, times_of(rows)[:, 1], side="right")


class _Window:
    """All rows are at risk from the first time on: sums from the last time backwards, on from the window behind."""

    def __init__(self, first: int, last: int, width: int, after: _Window | None = None) -> None:
        self.first, self.last = first, last
        # By the number of the first time at which a row is at risk no more; those of `first` count before it only.
        self._counted = np.zeros((last - first + 1, width))
        self._carried = np.zeros(width)
        self._dying = np.zeros((last - first, width + 2))
        if after is not None:
            self._counted[-1], self._carried = after.left

    @property
    def left(self) -> tuple[FloatArray, FloatArray]:
        """What the window before this one begins with."""
        return self._counted[0], self._carried

    def chosen(self, found: _Found, rows: Batch, *, alone: bool) -> slice | Places:
        """Return which rows have their own time in this window; a single one takes all, and copies none."""
        if alone:
            return slice(None)
        right = found.right(rows)
        # A row that left before the first event is in no sum.
        return np.flatnonzero((right > self.first) & (right <= self.last))

    def add(self, found: _Found, rows: Batch, chosen: slice | Places) -> None:
        """Count some rows."""
        rows = _part(rows, chosen)
        if not len(rows.y):
            return
        right, values, dies = found.right(rows), found.values(rows), _dies(rows)
        self._add_staying(found, rows, right - dies, values)
        self._add_dying(rows, (right - 1)[dies], values[dies], rows.weight[dies])

    def _add_staying(self, found: _Found, rows: Batch, stop: Places, values: FloatArray) -> None:
        add_at(self._counted, stop - self.first, values)

    def _add_dying(self, rows: Batch, place: Places, values: FloatArray, weight: FloatArray) -> None:
        add_at(self._dying, place - self.first, np.hstack([values, weight[:, None], np.ones((len(place), 1))]))

    def sums(self) -> AtTimes:
        """Return the sums, once all rows are counted."""
        behind = np.vstack([self._carried, self._counted[:0:-1]])
        rest = np.cumsum(behind, axis=0, out=behind)[:0:-1]
        self._carried = rest[0].copy()
        return AtTimes(self.first, rest, self._dying)


class _Delayed(_Window):
    """Rows come and go: each is counted in every window that it was under observation in, from its first time there."""

    def __init__(self, first: int, last: int, width: int) -> None:
        super().__init__(first, last, 0)
        self._tree = risk_sets(last - first, width, delayed=True)
        self._dying = np.zeros((last - first, width + 2))

    def chosen(self, found: _Found, rows: Batch, *, alone: bool) -> slice | Places:
        """See `_Window.chosen`."""
        if alone:
            return slice(None)
        return np.flatnonzero((found.right(rows) > self.first) & (found.start(rows) < self.last))

    def _add_staying(self, found: _Found, rows: Batch, stop: Places, values: FloatArray) -> None:
        start = found.start(rows).clip(self.first, self.last) - self.first
        self._tree.add(start, stop.clip(self.first, self.last) - self.first, values)

    def _add_dying(self, rows: Batch, place: Places, values: FloatArray, weight: FloatArray) -> None:
        here = np.flatnonzero((place >= self.first) & (place < self.last))
        super()._add_dying(rows, place[here], values[here], weight[here])

    def sums(self) -> AtTimes:
        """See `_Window.sums`."""
        return AtTimes(self.first, self._tree.sums(), self._dying)


def _dies(rows: Batch) -> NDArray[np.bool_]:
    return (rows.y > 0) & (rows.weight > 0)


def _part(rows: Batch, chosen: slice | Places) -> Batch:
    if isinstance(chosen, slice) and chosen == slice(None):
        return rows
    times = times_of(rows)[chosen]
    return Batch(rows.X[chosen], rows.y[chosen], rows.offset[chosen], rows.weight[chosen], times=times)
