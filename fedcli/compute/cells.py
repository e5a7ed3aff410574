"""Counts of groups of rows: what the sums of products of 0/1 columns would show.

Owns the two-way tables of levels, missing indicators and classes at one silo. Knows nothing of rules, files or
screens. Internal. The product sum of two dummies is a cell of their two-way table, so every such cell is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.spool import Spool
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.privacy.disclosure import Cell
from fedcli.study.document import BinaryTarget

Labels = tuple[str, ...]


def count_cells(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> list[Cell]:
    """Count every one-way and two-way cell over the training rows.

    Parameters
    ----------
    plan : Plan
    spool : Spool
    mask : ndarray of bool (n_rows,)
        Rows held out; they are not counted.

    Returns
    -------
    list of Cell
        A number column with at most two distinct values counts as a category: its sums are counts too.
    """
    two_valued = _two_valued(plan, spool, mask)
    labels = _labels(plan, two_valued)
    if not labels:
        return []
    sizes = [len(names) for names in labels]
    single = [np.zeros(size, dtype=np.int64) for size in sizes]
    double = {
        pair: np.zeros(sizes[pair[0]] * sizes[pair[1]], dtype=np.int64) for pair in combinations(range(len(sizes)), 2)
    }
    for rows in _train(spool, mask):
        codes = _codes(plan, rows, two_valued)
        for i, size in enumerate(sizes):
            single[i] += np.bincount(codes[i], minlength=size)
        for (i, j), table in double.items():
            table += np.bincount(codes[i] * sizes[j] + codes[j], minlength=len(table))
    cells = [Cell(labels[i][k], int(n)) for i, counts in enumerate(single) for k, n in enumerate(counts)]
    for (i, j), table in double.items():
        for k, n in enumerate(table):
            cells.append(Cell(f"{labels[i][k // sizes[j]]} and {labels[j][k % sizes[j]]}", int(n)))
    return cells


def _train(spool: Spool, mask: NDArray[np.bool_]) -> Iterator[Rows]:
    for where, rows in spool.blocks():
        yield rows.take(~mask[where])


def _two_valued(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> dict[int, tuple[float, float]]:
    """Return lowest and highest value of each number column (position in the study) that has no third."""
    width = len(plan.study.numbers)
    if not width:
        return {}
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for rows in _train(spool, mask):
        low, high = np.fmin(low, _reduce(np.fmin, rows, np.inf)), np.fmax(high, _reduce(np.fmax, rows, -np.inf))
    between = np.zeros(width, dtype=np.bool_)
    for rows in _train(spool, mask):
        between |= ((rows.numbers > low) & (rows.numbers < high)).any(axis=0)
    return {j: (low[j], high[j]) for j in range(width) if not between[j] and np.isfinite(low[j])}


def _reduce(pick: np.ufunc, rows: Rows, nothing: float) -> NDArray[np.float64]:
    return np.asarray(pick.reduce(rows.numbers, axis=0, initial=nothing))


def _labels(plan: Plan, two_valued: dict[int, tuple[float, float]]) -> list[Labels]:
    study = plan.study
    labels: list[Labels] = []
    for name, column in study.categories.items():
        labels.append((f"{name} missing", *(f"{name} = {level}" for level in column.levels)))
    for j, (name, number) in enumerate(study.numbers.items()):
        if j in two_valued:
            # A set, because a constant column has one value only.
            values = sorted(set(two_valued[j]))
            labels.append((f"{name} missing", *(f"{name} = {value:.15g}" for value in values)))
        elif number.impute is not None:
            labels.append((f"{name} missing", f"{name} present"))
    if isinstance(study.target, BinaryTarget):
        labels.append((f"{study.target.column} negative", f"{study.target.column} positive"))
    return labels


def _codes(plan: Plan, rows: Rows, two_valued: dict[int, tuple[float, float]]) -> list[NDArray[np.int64]]:
    codes = [rows.codes[:, j].astype(np.int64) + 1 for j in range(rows.codes.shape[1])]
    for j, (_, number) in enumerate(plan.study.numbers.items()):
        values = rows.numbers[:, j]
        if j in two_valued:
            codes.append(np.where(np.isnan(values), 0, np.where(values == two_valued[j][0], 1, 2)))
        elif number.impute is not None:
            codes.append(np.where(np.isnan(values), 0, 1))
    if isinstance(plan.study.target, BinaryTarget):
        codes.append(rows.target.astype(np.int64))
    return codes
