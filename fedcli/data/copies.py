"""What stands in a table twice: rows, and columns that say the same.

Owns both searches. Must not know files, lines or rules. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fedcli.data.mapping import Mapping
from fedcli.data.saying import called
from fedcli.data.thinned import Thinned
from fedcli.errors.doubts import CopiedRows, Doubt, SameColumn
from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.rows import Rows
from fedcli.study.document import Study

# So many times more than chance would give must be equal: columns that go together raise what chance gives.
_MORE_THAN_CHANCE = 10.0
_SAME = 0.9999
_WIDEST = 500
_ENOUGH = 20
_SHOWN = 3
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Copied(CopiedRows):
    """Copies, with the positions of the first few among the rows used."""

    code = CopiedRows.code

    def __init__(self, message: str, *, hint: str, positions: tuple[int, ...]) -> None:
        super().__init__(message, hint=hint)
        self.positions = positions


def copied_rows(passes: Callable[[], Iterator[Rows]]) -> Iterator[Doubt]:
    """Return the doubt about rows that equal an earlier one in every agreed column.

    Not said where that is ordinary: where columns are few and coarse, people who are alike give equal rows. What chance
    gives is the number of pairs times the share of pairs that agree in each column.
    """
    if not _may_be_copies(passes):
        return
    hashes, thinned = [np.empty(0, dtype=np.uint64)], Thinned(2_048)
    for rows in passes():
        table = _table(rows)
        hashes.append(_mixed(table))
        thinned.add(table)
    together = np.concatenate(hashes)
    distinct, first, count = np.unique(together, return_index=True, return_counts=True)
    n, copies = len(together), len(together) - len(distinct)
    if not copies or copies <= _MORE_THAN_CHANCE * n * (n - 1) / 2 * _agreement(thinned.values()):
        return
    later = np.ones(n, dtype=np.bool_)
    later[first] = False
    if count.min() == count.max() and len(distinct) >= _ENOUGH:
        message = f"every row stands {int(count.min())} times in the table"
    else:
        message = f"{copies:,} row{' equals' if copies == 1 else 's equal'} an earlier one in every agreed column"
    yield Copied(
        message,
        hint="are they copies of the same record? Take them out: each counts as a row of its own",
        positions=tuple(np.flatnonzero(later)[:_SHOWN].tolist()),
    )


def _may_be_copies(passes: Callable[[], Iterator[Rows]]) -> bool:
    """Return whether any two rows give the same weighted sum of their bits, as equal ones do.

    Different rows may, too, where their numbers happen to fit: `_mixed` takes thrice as long and tells them apart.
    """
    sums = [np.empty(0, dtype=np.uint64)]
    for rows in passes():
        bits = _table(rows).view(np.uint64)
        # Low bits of whole numbers are all 0, and no multiplication brings the others down.
        bits ^= bits >> np.uint64(32)
        sums.append(np.matmul(bits, np.cumprod(np.full(bits.shape[1], _MULTIPLIER)), dtype=np.uint64))
    together = np.concatenate(sums)
    together.sort()
    return bool((together[1:] == together[:-1]).any())


def _agreement(table: FloatArray) -> float:
    """Return the share of pairs of rows (n, n_columns) that would agree in all columns, if these were independent."""
    n, found = len(table), 1.0
    for column in table.T:
        _, count = np.unique(column, return_counts=True, equal_nan=True)
        # Of columns in which no pair agrees, chance may give one pair more.
        found *= max(float((count * (count - 1.0)).sum()), 1.0) / max(n * (n - 1.0), 1.0)
    return found


def _table(rows: Rows) -> FloatArray:
    table = rows.table() + 0.0  # -0.0 and 0.0 are the same number
    table[np.isnan(table)] = np.nan
    return table


def _mixed(table: FloatArray) -> NDArray[np.uint64]:
    """Return 64 bits that are equal where rows are; within one table, chance makes none of different rows equal."""
    found = np.zeros(len(table), dtype=np.uint64)
    for column in table.view(np.uint64).T:
        # Low bits of whole numbers are all 0: shifting brings the others down before each multiplication.
        found = (found ^ column ^ (column >> np.uint64(32))) * _MULTIPLIER
        found ^= found >> np.uint64(29)
    return found


def same_columns(study: Study, mapping: Mapping, passes: Callable[[], Iterator[Rows]]) -> Iterator[Doubt]:
    """Return a doubt for each number column that is an earlier one in another unit, or the same."""
    names = list(study.numbers)
    if not 1 < len(names) <= _WIDEST:
        return
    thinned = Thinned()
    for rows in passes():
        thinned.add(rows.numbers)
    values = thinned.values()
    present = np.isfinite(values)
    values = np.where(present, values, 0.0)
    n = present.sum(axis=0)
    centred = np.where(present, values - values.sum(axis=0) / np.maximum(n, 1), 0.0)
    spread = np.sqrt((centred**2).sum(axis=0))
    unit = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    likeness = unit.T @ unit
    for j, name in enumerate(names):
        twins = [i for i in range(j) if abs(likeness[i, j]) >= _SAME and min(n[i], n[j]) >= _ENOUGH]
        if twins:
            yield SameColumn(
                f"{called(mapping, name)} says the same as {called(mapping, names[twins[0]])}",
                hint="are both read from the right column? If they are, tell the coordinator: one of them is enough",
                column=name,
            )
