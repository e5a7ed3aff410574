"""Counts of rows on either side of the borders of a feature map, for columns that are 0 on one side of theirs.

Owns these counts. Knows nothing of rules, files or screens. Internal.

A column ``max(0, w'u + b)`` is summed over the rows above its border, and a product of two over the rows above both.
The sums of the inputs themselves leave too, so that the rows below can be had by subtraction: the two sides of a border
are two levels, and every cell of every pair of borders, and of a border and a level, is counted as it is for levels.
There may be a thousand borders, so all pairs are counted by one product of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fedcli.preparing.mapped import Mapped
from fedcli.preparing.rows import Rows
from fedcli.privacy.disclosure import Cell

Codes = NDArray[np.int64]
# What tells rows apart besides: labels, and each row's place among them.
Told = tuple[tuple[str, ...], Callable[[Rows], Codes]]
_SIDES = ("at 0", "above 0")


def border_cells(mapped: Mapped | None, rows: Iterable[Rows], told: Sequence[Told], min_cell: int) -> list[Cell]:
    """Count the cells of all borders of a map, of each pair of them, and of each with what else tells rows apart.

    Parameters
    ----------
    mapped : Mapped or None
    rows : iterable of Rows
        Training rows, in batches.
    told : sequence of Told
    min_cell : int
        The study's rule.

    Returns
    -------
    list of Cell
        Those that are smaller than ``min_cell``, and the smallest besides; none for a map without borders.
    """
    if mapped is None or not mapped.map.switches:
        return []
    n, n_labels = len(mapped.columns), sum(len(labels) for labels, _ in told)
    pairs, others, totals, n_rows = np.zeros((n, n)), np.zeros((n_labels, n)), np.zeros(n_labels), 0
    for batch in rows:
        above = (mapped.values(batch) > 0).astype(np.float64)
        levels = _levels(batch, told)
        pairs += above.T @ above
        others += levels.T @ above
        totals += levels.sum(axis=0)
        n_rows += len(batch)
    names = [column.name for column in mapped.columns]
    labels = [label for some, _ in told for label in some]
    found = _smallest(pairs, others, totals, n_rows, (names, labels), min_cell)
    small = [cell for cell in found if cell.count < min_cell]
    return small or found[:1]


def _levels(rows: Rows, told: Sequence[Told]) -> NDArray[np.float64]:
    """Return 1 where a row is in a group (n_rows, n_labels)."""
    each = [codes(rows)[:, None] == np.arange(len(labels)) for labels, codes in told]
    return np.hstack([np.zeros((len(rows), 0)), *each])


def _smallest(
    pairs: NDArray[np.float64],
    others: NDArray[np.float64],
    totals: NDArray[np.float64],
    n_rows: int,
    names: tuple[list[str], list[str]],
    min_cell: int,
) -> list[Cell]:
    """Return cells that are not empty: one of each table, and all that are below ``min_cell``; the smallest first."""
    columns, labels = names
    above = np.diagonal(pairs)
    below = n_rows - above
    neither = below[:, None] - (above[None, :] - pairs)
    corner = np.tri(len(columns), k=-1, dtype=np.bool_).T
    tables: list[tuple[NDArray[np.float64], Callable[[int, int], str]]] = [
        (np.stack([below, above]), lambda side, i: f"{columns[i]} {_SIDES[side]}"),
        *(
            (
                np.where(corner, table, 0),
                lambda i, j, a=a, b=b: f"{columns[i]} {_SIDES[a]} and {columns[j]} {_SIDES[b]}",
            )
            for a, b, table in (
                (1, 1, pairs),
                (1, 0, above[:, None] - pairs),
                (0, 1, above[None, :] - pairs),
                (0, 0, neither),
            )
        ),
        (others, lambda k, i: f"{labels[k]} and {columns[i]} above 0"),
        (totals[:, None] - others, lambda k, i: f"{labels[k]} and {columns[i]} at 0"),
    ]
    found: list[Cell] = []
    for table, says in tables:
        filled = table > 0
        if not filled.any():
            continue
        least = table[filled].min()
        wanted = np.argwhere(filled & (table < max(min_cell, least + 1)))
        found += [Cell(says(*map(int, at)), int(table[tuple(at)])) for at in wanted[: None if least < min_cell else 1]]
    return sorted(found, key=lambda cell: cell.count)
