"""How many rows sums over risk sets really rest on, and the cells of a table of survival, at one silo.

Owns these counts. Knows nothing of rules, files or screens. Internal. A row that left before the first event, or came
after the last, is in no sum; an event at which nobody else was at risk adds nothing. What the rules on rows and cells
protect is what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.spool import Spool
from fedcli.models.batch import Batch, Source
from fedcli.models.life_table import LifeTable
from fedcli.models.risk_sets import event_times, observed, risk_sets
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import Cell


@dataclass(frozen=True)
class AtRisk:
    """Training rows of weight above 0 that are at risk at some event, and their events at which others were, too."""

    rows: int
    events: int


class _Times:
    """The training rows without their columns."""

    def __init__(self, spool: Spool, mask: NDArray[np.bool_]) -> None:
        self._spool, self._mask = spool, mask

    def __iter__(self) -> Iterator[Batch]:
        for where, rows in self._spool.blocks():
            kept = rows.take(~self._mask[where])
            yield Batch(np.empty((len(kept), 0)), kept.target, kept.offset, kept.weight, times=kept.times)


def at_risk(spool: Spool, mask: NDArray[np.bool_]) -> AtRisk:
    """Count them.

    Parameters
    ----------
    spool : Spool
        Of a survival study.
    mask : ndarray of bool (n_rows,)
        Rows held out.
    """
    source: Source = _Times(spool, mask)
    times, rows = event_times(source), 0
    events, beside = np.zeros(len(times), dtype=np.int64), risk_sets(len(times), 1, delayed=True)
    for batch in source:
        place = observed(batch, times)
        counted = batch.weight > 0
        rows += int((counted & (place.start < place.stop + place.dies)).sum())
        events += np.bincount(place.stop[place.dies], minlength=len(times))
        beside.add(place.start, place.stop, counted.astype(np.float64)[:, None])
    together = beside.sums()[:, 0] + events > 1
    return AtRisk(rows, int(events[together].sum()))


def life_cells(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> list[Cell]:
    """Count the groups that a table of survival shows: who is at risk at each time, has the event, leaves or comes.

    Who leaves between two times is what the numbers at risk and the events leave over; after the last time that is all
    others. Who comes, where entry is delayed, is in the same difference, and is counted by itself.

    Parameters
    ----------
    plan : Plan
        Of a study whose family is a `LifeTable`.
    spool : Spool
    mask : ndarray of bool (n_rows,)
        Rows held out.
    """
    family = plan.family
    assert isinstance(family, LifeTable)  # noqa: S101 - the caller's promise
    n_groups, n_times = family.shape
    counts, unseen = np.zeros((4, n_groups, n_times), dtype=np.int64), np.zeros(n_groups, dtype=np.int64)
    fill, modes = np.zeros(len(plan.columns.numbers)), (0,) * len(plan.columns.categories)
    for where, rows in spool.blocks():
        place = family.stay(plan.first_batch(rows.take(~mask[where]), fill, modes))
        seen = place.start <= place.stop
        unseen += np.bincount(place.group[~seen], minlength=n_groups)
        at = np.arange(n_times)
        inside = (place.start[:, None] <= at) & (at <= place.stop[:, None])
        np.add.at(counts[0], place.group, inside)
        for kind, chosen, cell in (
            (1, place.event, place.stop),
            (2, seen & ~place.event, np.minimum(place.stop, n_times - 1)),
            (3, seen & (place.start > 0) & (place.start < n_times), place.start),
        ):
            np.add.at(counts[kind], (place.group[chosen], cell[chosen]), 1)
    return list(_named(plan, family, counts, unseen))


def _named(plan: Plan, family: LifeTable, counts: NDArray[np.int64], unseen: NDArray[np.int64]) -> Iterator[Cell]:
    by = plan.parameters["by"]
    levels = plan.study.categories[by].levels if by is not None else ("",)
    among = [f" and {by} = {level}" if by is not None else "" for level in levels]
    event = plan.study.target.column
    words = ("at risk at", f"{event} positive by", f"{event} negative, last seen by", "first at risk at")
    for word, table in zip(words, counts, strict=True):
        for group, row in zip(among, table, strict=True):
            for time, count in zip(family.grid, row.tolist(), strict=True):
                beyond = " or later" if word is words[2] and time == family.grid[-1] else ""
                yield Cell(f"{word} {time:g}{beyond}{group}", int(count))
    for group, count in zip(among, unseen.tolist(), strict=True):
        yield Cell(f"at risk at no agreed time{group}", int(count))
