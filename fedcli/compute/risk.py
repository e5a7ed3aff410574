"""How many rows a likelihood of risk sets really rests on, at one silo.

Owns the two counts. Knows nothing of rules, files or screens. Internal. A row that left before the first event, or came
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
from fedcli.models.risk_sets import event_times, observed, risk_sets


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
