"""The groups of rows that sums by interval of time show, at one silo.

Owns these counts. Knows nothing of rules, files or screens. Internal.

With one baseline for all silos a sum leaves for each agreed interval: events, rows at risk with the time that they
spent there, and the columns' sums among them. Who spent a part of the interval only is told from who spent all of it,
since a whole number is what the rest adds up to.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.cells import Variable, training_rows, two_valued_columns, variables
from fedcli.compute.spool import Spool
from fedcli.models.one_baseline import OneBaseline
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import Cell


def interval_cells(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> list[Cell]:
    """Count, for each agreed interval: rows at risk by level, with the event, and there for a part of it only.

    Parameters
    ----------
    plan : Plan
        Of a study whose family is a `OneBaseline`.
    spool : Spool
    mask : ndarray of bool (n_rows,)
        Rows held out.
    """
    assert isinstance(plan.family, OneBaseline)  # noqa: S101 - the caller's promise
    hazard = plan.family.intervals
    n_intervals = len(hazard.widths)
    told = variables(plan, two_valued_columns(plan, spool, mask))
    counts = np.zeros((3, n_intervals), dtype=np.int64)
    by_level = [np.zeros((n_intervals, len(variable.labels)), dtype=np.int64) for variable in told]
    for rows in training_rows(spool, mask):
        rows = rows.take(rows.weight > 0)
        y = np.hstack([rows.target[:, None], rows.times])
        stay, happens = hazard.stay(y), hazard.happens(y)
        inside = stay > 0
        counts[0] += inside.sum(axis=0)
        counts[1] += happens.astype(np.int64).sum(axis=0)
        counts[2] += (inside & (stay < hazard.widths * (1 - 1e-12))).sum(axis=0)
        for table, variable in zip(by_level, told, strict=True):
            codes = variable.codes(rows)
            for interval in range(n_intervals):
                table[interval] += np.bincount(codes[inside[:, interval]], minlength=table.shape[1])
    return list(_named(plan, hazard.edges, counts, told, by_level))


def _named(
    plan: Plan,
    edges: tuple[float, ...],
    counts: NDArray[np.int64],
    told: list[Variable],
    by_level: list[NDArray[np.int64]],
) -> Iterator[Cell]:
    event = plan.study.target.column
    for number, (a, b) in enumerate(pairwise(edges)):
        when = f"from {a:g} to {b:g}"
        yield Cell(f"at risk {when}", int(counts[0, number]))
        yield Cell(f"{event} positive {when}", int(counts[1, number]))
        yield Cell(f"seen for a part of the time {when}", int(counts[2, number]))
        for table, variable in zip(by_level, told, strict=True):
            for label, count in zip(variable.labels, table[number].tolist(), strict=True):
                yield Cell(f"at risk {when} and {label}", count)
