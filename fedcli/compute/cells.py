"""Counts of groups of rows: what the sums of products of 0/1 columns would show.

Owns the two-way tables of levels, missing indicators and classes at one silo. Knows nothing of rules, files or
screens. Internal. The product sum of two dummies is a cell of their two-way table, so every such cell is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.spool import Spool
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.privacy.disclosure import Cell
from fedcli.study.document import BinaryTarget, CountTarget, NumberTarget

Labels = tuple[str, ...]
Group = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
# Stands for the target among the positions of number columns.
TARGET = -1


def _every(weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.ones(len(weight), dtype=np.bool_)


_BY_WEIGHT: dict[str, Group] = {
    "of weight above 0": lambda weight: weight > 0,
    "of weight 0": lambda weight: weight == 0,
}


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
        A number column with at most two distinct values counts as a category: its sums are counts too. So does a
        number target; of a count target, rows above 0 are told from rows at 0. Where rows have weights, those above 0
        and those at 0 are counted apart as well: some sums are over all rows, some weighted, and who has both has the
        difference.
    """
    cells = _count(plan, spool, mask, _every)
    if plan.study.weight is not None:
        for among, group in _BY_WEIGHT.items():
            cells += [Cell(f"{cell.says}, {among}", cell.count) for cell in _count(plan, spool, mask, group)]
    return cells


def _count(plan: Plan, spool: Spool, mask: NDArray[np.bool_], group: Group) -> list[Cell]:
    two_valued = _two_valued(plan, spool, mask, group)
    labels = _labels(plan, two_valued)
    if not labels:
        return []
    sizes = [len(names) for names in labels]
    single = [np.zeros(size, dtype=np.int64) for size in sizes]
    double = {
        pair: np.zeros(sizes[pair[0]] * sizes[pair[1]], dtype=np.int64) for pair in combinations(range(len(sizes)), 2)
    }
    for rows in _train(spool, mask, group):
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


def _train(spool: Spool, mask: NDArray[np.bool_], group: Group) -> Iterator[Rows]:
    for where, rows in spool.blocks():
        yield rows.take(~mask[where] & group(rows.weight))


def _two_valued(plan: Plan, spool: Spool, mask: NDArray[np.bool_], group: Group) -> dict[int, tuple[float, float]]:
    """Return lowest and highest value of each number column (position in the study) that has no third.

    The target of a number model is at `TARGET`.
    """
    width = len(plan.study.numbers) + 1
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for rows in _train(spool, mask, group):
        values = _with_target(rows)
        low = np.fmin(low, np.fmin.reduce(values, axis=0, initial=np.inf))
        high = np.fmax(high, np.fmax.reduce(values, axis=0, initial=-np.inf))
    between = np.zeros(width, dtype=np.bool_)
    for rows in _train(spool, mask, group):
        values = _with_target(rows)
        between |= ((values > low) & (values < high)).any(axis=0)
    found = {j: (float(low[j]), float(high[j])) for j in range(width) if not between[j] and np.isfinite(low[j])}
    target = found.pop(width - 1, None)
    if target is not None and isinstance(plan.study.target, NumberTarget):
        found[TARGET] = target
    return found


def _with_target(rows: Rows) -> NDArray[np.float64]:
    return np.hstack([rows.numbers, rows.target[:, None]])


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
    target = study.target
    if isinstance(target, BinaryTarget):
        labels.append((f"{target.column} negative", f"{target.column} positive"))
    elif isinstance(target, CountTarget):
        labels.append((f"{target.column} = 0", f"{target.column} above 0"))
    elif TARGET in two_valued:
        labels.append(tuple(f"{target.column} = {value:.15g}" for value in sorted(set(two_valued[TARGET]))))
    return labels


def _codes(plan: Plan, rows: Rows, two_valued: dict[int, tuple[float, float]]) -> list[NDArray[np.int64]]:
    codes = [rows.codes[:, j].astype(np.int64) + 1 for j in range(rows.codes.shape[1])]
    for j, (_, number) in enumerate(plan.study.numbers.items()):
        values = rows.numbers[:, j]
        if j in two_valued:
            codes.append(np.where(np.isnan(values), 0, np.where(values == two_valued[j][0], 1, 2)))
        elif number.impute is not None:
            codes.append(np.where(np.isnan(values), 0, 1))
    if isinstance(plan.study.target, (BinaryTarget, CountTarget)):
        codes.append((rows.target > 0).astype(np.int64))
    elif TARGET in two_valued:
        codes.append((rows.target != two_valued[TARGET][0]).astype(np.int64))
    return codes


def effective_rows(spool: Spool, mask: NDArray[np.bool_]) -> float:
    """Return ``sum(w)**2 / sum(w**2)`` over the training rows: how many equal rows the weighted sums are worth."""
    total = squares = 0.0
    for rows in _train(spool, mask, _every):
        total += float(rows.weight.sum())
        squares += float(rows.weight @ rows.weight)
    return total * total / squares if squares > 0 else 0.0


def small_outcome(spool: Spool, mask: NDArray[np.bool_], min_cell: int) -> bool:
    """Return whether either class of a binary outcome has a small cell among the rows held out."""
    positive = total = 0
    for where, rows in spool.blocks():
        held = rows.target[mask[where]]
        positive, total = positive + int((held > 0).sum()), total + len(held)
    return any(0 < count < min_cell for count in (positive, total - positive, total))
