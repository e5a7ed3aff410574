"""Who was under observation at each event of a stratum, and sums over them.

Owns the places of rows among the event times, and both directions of adding: over the rows at risk at each time, and
over the times at which each row was at risk. Knows nothing of losses, silos or files. Internal.

Everything is added, nothing subtracted: a row that weighs a billion times as much as another, and came or left long
before, would else leave its rounding in the other's sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch, Source

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Observed:
    """Where the rows of a batch stand among event times: at risk at those from ``start`` to before ``stop``.

    Parameters
    ----------
    start, stop : ndarray of int of shape (n_samples,)
        ``stop`` leaves out the time at which the row has its own event.
    dies : ndarray of bool of shape (n_samples,)
        Whether the row has an event, at the time number ``stop``.
    """

    start: Places
    stop: Places
    dies: NDArray[np.bool_]


def event_times(rows: Source) -> FloatArray:
    """Return the distinct times of a stratum's events, ascending; a row of weight 0 has none."""
    found = [times_of(batch)[:, 0][(batch.y > 0) & (batch.weight > 0)] for batch in rows]
    return np.asarray(np.unique(np.concatenate(found)) if found else np.empty(0))


def times_of(rows: Batch) -> FloatArray:
    """Return the columns of times (n_samples, 1 or 2) of a survival study's batch."""
    if rows.times is None:
        raise ValueError("rows without times")
    return rows.times


def observed(rows: Batch, times: FloatArray) -> Observed:
    """Find where rows stand among the event times (n_times,): at risk after entry, up to and with their own time."""
    own = times_of(rows)
    stop = np.searchsorted(times, own[:, 0], side="right")
    start = np.searchsorted(times, own[:, 1], side="right") if own.shape[1] > 1 else np.zeros_like(stop)
    dies = (rows.y > 0) & (rows.weight > 0)
    return Observed(start, stop - dies, dies)


class RiskSets(Protocol):
    """Adds values of rows over the times at which they are at risk, and of times over the rows' stay."""

    def add(self, start: Places, stop: Places, values: FloatArray) -> None:
        """Count rows' ``values`` (n_samples, width) at the times from ``start`` to before ``stop``."""

    def sums(self) -> FloatArray:
        """Return what was counted at each time (n_times, width)."""


def risk_sets(n_times: int, width: int, *, delayed: bool) -> RiskSets:
    """Return an empty counter; ``delayed`` where rows enter at times of their own."""
    return _Intervals(n_times, width) if delayed else _FromTheBeginning(n_times, width)


def over_stay(increments: FloatArray, start: Places, stop: Places, *, delayed: bool) -> FloatArray:
    """Return the sum of increments over each row's stay (n_samples,).

    Parameters
    ----------
    increments : ndarray of shape (n_times,)
        All at least 0.
    start, stop : ndarray of int of shape (n_samples,)
        As in `Observed`.
    delayed : bool
        Whether rows enter at times of their own; else ``start`` is 0.
    """
    if not delayed:
        return np.concatenate([[0.0], np.cumsum(increments)])[stop]
    n = _leaves(len(increments))
    nodes = np.zeros(2 * n)
    nodes[n : n + len(increments)] = increments
    for level in _levels(n):
        nodes[level // 2 : level] = nodes[level : 2 * level].reshape(-1, 2).sum(axis=1)
    found = np.zeros(len(start))
    for which, node in _covering(start, stop, n):
        found[which] += nodes[node]
    return found


class _FromTheBeginning:
    """All rows are at risk from the first time on: sums from the last time backwards."""

    def __init__(self, n_times: int, width: int) -> None:
        self._counted = np.zeros((n_times + 1, width))

    def add(self, start: Places, stop: Places, values: FloatArray) -> None:
        """See `RiskSets.add`; all rows start at the first time."""
        add_at(self._counted, stop, values)

    def sums(self) -> FloatArray:
        """See `RiskSets.sums`."""
        return np.asarray(np.cumsum(self._counted[:0:-1], axis=0)[::-1])


class _Intervals:
    """Rows come and go: a tree of intervals, of which at most two per level cover a row's stay."""

    def __init__(self, n_times: int, width: int) -> None:
        self._n_times, self._n = n_times, _leaves(n_times)
        self._nodes = np.zeros((2 * self._n, width))

    def add(self, start: Places, stop: Places, values: FloatArray) -> None:
        """See `RiskSets.add`."""
        for which, node in _covering(start, stop, self._n):
            add_at(self._nodes, node, values[which])

    def sums(self) -> FloatArray:
        """See `RiskSets.sums`."""
        nodes = self._nodes.copy()
        for level in reversed(list(_levels(self._n))):
            nodes[level : 2 * level] += np.repeat(nodes[level // 2 : level], 2, axis=0)
        return nodes[self._n : self._n + self._n_times]


def _leaves(n_times: int) -> int:
    return 1 << max(n_times - 1, 0).bit_length()


def _levels(n: int) -> list[int]:
    """Return the first node of each level below the root, the leaves' first."""
    return [n >> k for k in range(n.bit_length() - 1)]


def _covering(start: Places, stop: Places, n: int) -> list[tuple[Places, Places]]:
    """Return the nodes that cover each row's stay: pairs of row numbers and their nodes."""
    found: list[tuple[Places, Places]] = []
    low, high = start + n, stop + n
    while True:
        inside = low < high
        if not inside.any():
            return found
        left = np.flatnonzero(inside & (low % 2 == 1))
        found.append((left, low[left]))
        low = np.where(inside & (low % 2 == 1), low + 1, low)
        right = np.flatnonzero((low < high) & (high % 2 == 1))
        found.append((right, high[right] - 1))
        low, high = low // 2, high // 2


def add_at(counted: FloatArray, places: Places, values: FloatArray) -> None:
    """Add rows of ``values`` (n_samples, width) to the rows of ``counted`` at ``places``, which may repeat."""
    if not len(places):
        return
    # By runs of equal places: a count column by column would walk across the rows of a wide table.
    order = np.argsort(places, kind="stable")
    ranked = places[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    counted[ranked[starts]] += np.add.reduceat(values[order], starts, axis=0)
