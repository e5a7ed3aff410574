"""Counts of groups of rows: what the sums of products of 0/1 columns would show.

Owns the tables of levels, missing indicators, classes and intervals between knots at one silo; `map_cells` has those of
a map's borders. Knows nothing of rules, files or screens. Internal. The product sum of two dummies is a cell of their
two-way table, so every such cell is counted where products leave; an interaction is a product already, so its columns
show three-way cells, and two interactions four-way ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.map_cells import border_cells
from fedcli.compute.spool import Spool
from fedcli.models.maps import Splines
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.privacy.disclosure import Cell
from fedcli.study.document import (
    BinaryTarget,
    CategoryTarget,
    ClassTarget,
    CountTarget,
    Interaction,
    NumberTarget,
    Spline,
    SurvivalTarget,
)

Codes = NDArray[np.int64]
Labels = tuple[str, ...]
Group = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
# Stands for the target among the positions of number columns.
TARGET = -1
# Tables with more cells are counted sparsely: most are empty then, and an empty cell shows nobody.
_DENSE = 1 << 16


def _every(weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.ones(len(weight), dtype=np.bool_)


_BY_WEIGHT: dict[str, Group] = {
    "of weight above 0": lambda weight: weight > 0,
    "of weight 0": lambda weight: weight == 0,
}


def count_cells(
    plan: Plan, spool: Spool, mask: NDArray[np.bool_], folds: NDArray[np.int64] | None = None
) -> list[Cell]:
    """Count every one-way and two-way cell over the training rows.

    Parameters
    ----------
    plan : Plan
    spool : Spool
    mask : ndarray of bool (n_rows,)
        Rows held out; they are not counted.
    folds : ndarray of int of shape (n_rows,), optional
        Which fold of a cross-validation each row is in: sums leave by fold, so cells are counted by fold, too.

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
    for number in range(plan.study.model.cv or 0) if folds is not None else ():
        inside = _count(plan, spool, mask | (folds != number), _every)
        cells += [Cell(f"{cell.says}, in fold {number + 1}", cell.count) for cell in inside]
    return cells


def triple_cells(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> list[Cell]:
    """Count every cell of up to three features over the training rows: what sums of products of three columns show.

    Rows of weight 0 are in none of these sums, and the outcome, which is no column, tells no rows apart in them.

    Parameters
    ----------
    plan, spool, mask
    """
    weighed = _BY_WEIGHT["of weight above 0"]
    told = [
        v for v in variables(plan, two_valued_columns(plan, spool, mask, weighed)) if v.feature in plan.study.features
    ]
    return _counted(told, _crossings(plan, told, ways=3), training_rows(spool, mask, weighed))


def smallest_product_group(
    plan: Plan, spool: Spool, mask: NDArray[np.bool_], folds: NDArray[np.int64] | None = None
) -> Cell | None:
    """Return the group of fewest training rows whose products of columns are summed apart; None where all are one.

    Parameters
    ----------
    plan : Plan
    spool : Spool
    mask : ndarray of bool (n_rows,)
        Rows held out.
    folds : ndarray of int of shape (n_rows,), optional
    """
    grouping = plan.grouping
    # Where one of several likelihoods is chosen by folds, products leave for each fold as well.
    n_folds = plan.study.model.cv or 1 if plan.n_fits > 1 else 1
    by_class = grouping is not None and grouping.by_class
    n_classes = grouping.n_classes if grouping is not None and by_class else 1
    groups = n_folds if grouping is None else grouping.product_groups
    if groups == 1:
        return None
    counts = np.zeros(groups, dtype=np.int64)
    for where, rows in spool.blocks():
        fold = folds[where] if folds is not None else np.zeros(len(rows), dtype=np.int64)
        group = fold * n_classes + (rows.target.astype(np.int64) if by_class else 0)
        counts += np.bincount(group[~mask[where]], minlength=len(counts))
    filled = np.flatnonzero(counts)
    if not len(filled):
        return None
    least = int(filled[np.argmin(counts[filled])])
    number, kind = divmod(least, n_classes)
    target, words = plan.study.target, []
    if isinstance(target, ClassTarget) and n_classes > 1:
        words.append(f"{target.column} = {target.class_names[kind]}")
    if folds is not None and groups > n_classes:
        words.append(f"fold {number + 1}")
    return Cell(", ".join(words), int(counts[least]))


@dataclass(frozen=True)
class Variable:
    """What tells rows apart: a feature's levels, say. ``codes`` gives each row its position among ``labels``.

    ``multiplied`` says whether a product with the feature tells its rows apart in this way.
    """

    feature: str
    labels: Labels
    codes: Callable[[Rows], Codes]
    multiplied: bool = True


def _count(plan: Plan, spool: Spool, mask: NDArray[np.bool_], group: Group) -> list[Cell]:
    told = variables(plan, two_valued_columns(plan, spool, mask, group))
    found = _counted(told, _crossings(plan, told), training_rows(spool, mask, group))
    borders = [(variable.labels, variable.codes) for variable in told]
    passes = training_rows(spool, mask, group)
    return found + border_cells(plan.columns.mapped, passes, borders, plan.study.rules.min_cell)


def _counted(told: list[Variable], crossings: list[tuple[int, ...]], passing: Iterator[Rows]) -> list[Cell]:
    tables = {places: _Table([told[i] for i in places]) for places in crossings}
    for rows in passing if tables else ():
        codes = [variable.codes(rows) for variable in told]
        for places, table in tables.items():
            table.add([codes[i] for i in places])
    # A spline's column has its gaps counted twice, under the same words.
    return [Cell(says, n) for says, n in dict(cell for table in tables.values() for cell in table.cells()).items()]


def _crossings(plan: Plan, variables: list[Variable], ways: int = 2) -> list[tuple[int, ...]]:
    """Return which variables are told apart together: each, each with each, and so for those of an interaction.

    In ``ways`` of three, three by three. Where no product of two columns leaves, each is told apart by the outcome
    alone.
    """
    single = {variable.feature: i for i, variable in enumerate(variables) if variable.multiplied}
    groups = [(i,) for i in range(len(variables))]
    for term in plan.study.terms.values():
        if isinstance(term, Interaction):
            places = tuple(sorted(single[column] for column in term.columns if column in single))
            groups += [places] if len(places) > 1 else []  # type: ignore[list-item]
    mapped = plan.columns.mapped
    if mapped is not None:
        # Columns of a map are functions of all its inputs: their products tell every combination of levels apart.
        places = tuple(sorted(single[column] for column in mapped.features if column in single))
        groups += [places] if len(places) > 1 else []  # type: ignore[list-item]
    outcomes = [(i,) for i, variable in enumerate(variables) if variable.feature == plan.study.target.column]
    others = combinations_with_replacement(groups, ways) if plan.crosses else product(groups, [(), *outcomes])
    crossed = {tuple(sorted({i for one in several for i in one})) for several in others}
    # The same feature in two ways, by gaps and by knots, is told apart by one of them.
    apart = (places for places in crossed if len({variables[i].feature for i in places}) == len(places))
    return sorted(apart, key=lambda places: (len(places), places))


class _Table:
    """Counts of every combination of some variables' labels."""

    def __init__(self, variables: list[Variable]) -> None:
        self._labels = [variable.labels for variable in variables]
        self._sizes = [len(labels) for labels in self._labels]
        n = prod(self._sizes)
        self._dense = np.zeros(n, dtype=np.int64) if n <= _DENSE else None
        self._sparse: dict[int, int] = {}

    def add(self, codes: list[Codes]) -> None:
        """Count a batch of rows by their codes."""
        code = codes[0]
        for more, size in zip(codes[1:], self._sizes[1:], strict=True):
            code = code * size + more
        if self._dense is not None:
            self._dense += np.bincount(code, minlength=len(self._dense))
            return
        for key, n in zip(*(part.tolist() for part in np.unique(code, return_counts=True)), strict=True):
            self._sparse[key] = self._sparse.get(key, 0) + n

    def cells(self) -> Iterator[tuple[str, int]]:
        """Return each combination in words, with its count."""
        counts = enumerate(self._dense.tolist()) if self._dense is not None else self._sparse.items()
        for key, n in counts:
            words: list[str] = []
            rest = key
            for labels in reversed(self._labels):
                rest, place = divmod(rest, len(labels))
                words.insert(0, labels[place])
            yield " and ".join(words), n


def training_rows(spool: Spool, mask: NDArray[np.bool_], group: Group = _every) -> Iterator[Rows]:
    """Pass over the training rows of a group."""
    for where, rows in spool.blocks():
        chosen = ~mask[where] & group(rows.weight)
        yield rows if chosen.all() else rows.take(chosen)


def two_valued_columns(
    plan: Plan, spool: Spool, mask: NDArray[np.bool_], group: Group = _every
) -> dict[int, tuple[float, float]]:
    """Return lowest and highest value of each number column (position in the study) that has no third.

    The target of a number model is at `TARGET`.

    Parameters
    ----------
    plan, spool, mask
    group : callable, optional
        Which rows, by their weights.
    """
    width = len(plan.study.numbers) + 1
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    left = np.arange(width)
    for rows in training_rows(spool, mask, group):
        values = _with_target(rows, left)
        lowest, highest = low[left], high[left]
        low[left] = np.fmin(lowest, np.fmin.reduce(values, axis=0, initial=np.inf))
        high[left] = np.fmax(highest, np.fmax.reduce(values, axis=0, initial=-np.inf))
        # What were the ends before may lie between the new ones.
        seen = np.vstack([values, lowest, highest])
        # Nearly all columns show a third value in the first block, and are not looked at again.
        left = left[~((seen > low[left]) & (seen < high[left])).any(axis=0)]
        if not len(left):
            break
    found = {int(j): (float(low[j]), float(high[j])) for j in left if np.isfinite(low[j])}
    target = found.pop(width - 1, None)
    if target is not None and isinstance(plan.study.target, NumberTarget):
        found[TARGET] = target
    return found


def _with_target(rows: Rows, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return some columns, the target being the last after all numbers."""
    n = rows.numbers.shape[1]
    if len(places) == n + 1:
        return np.hstack([rows.numbers, rows.target[:, None]])
    chosen = rows.numbers[:, places[places < n]]
    return np.hstack([chosen, rows.target[:, None]]) if n in places else chosen


def variables(plan: Plan, two_valued: dict[int, tuple[float, float]]) -> list[Variable]:
    """Return what tells rows apart in sums of products: levels, classes, what is missing, a number's two values."""
    study = plan.study
    found: list[Variable] = []
    for j, (name, column) in enumerate(study.categories.items()):
        labels = (f"{name} missing", *(f"{name} = {level}" for level in column.levels))
        found.append(Variable(name, labels, lambda rows, j=j: rows.codes[:, j].astype(np.int64) + 1))  # type: ignore[misc]
    for j, (name, number) in enumerate(study.numbers.items()):
        if j in two_valued:
            # A set, because a constant column has one value only.
            values = sorted(set(two_valued[j]))
            labels = (f"{name} missing", *_of_values(name, len(values)))
            found.append(Variable(name, labels, _between(j, tuple(values[1:]))))
        elif number.impute is not None:
            found.append(Variable(name, (f"{name} missing", f"{name} present"), _between(j, ())))
    target = study.target
    if isinstance(target, (BinaryTarget, SurvivalTarget)):
        words: Labels = (f"{target.column} negative", f"{target.column} positive")
        found.append(Variable(target.column, words, lambda rows: (rows.target > 0).astype(np.int64)))
    elif isinstance(target, CategoryTarget):
        words = tuple(f"{target.column} = {level}" for level in target.levels)
        found.append(Variable(target.column, words, lambda rows: rows.target.astype(np.int64)))
    elif isinstance(target, CountTarget):
        words = (f"{target.column} = 0", f"{target.column} above 0")
        found.append(Variable(target.column, words, lambda rows: (rows.target > 0).astype(np.int64)))
    elif TARGET in two_valued:
        lowest = two_valued[TARGET][0]
        words = _of_values(target.column, len(set(two_valued[TARGET])))
        found.append(Variable(target.column, words, lambda rows: (rows.target != lowest).astype(np.int64)))
    return found + _between_knots(plan, two_valued)


def _of_values(name: str, n: int) -> Labels:
    """Return what one value or two are called: a cell is said in errors and sheets, and may be that of a single row."""
    if n == 1:
        return (f"{name} at its only value",)
    return (f"{name} at the lower of its two values", f"{name} at the higher of its two values")


def _between_knots(plan: Plan, two_valued: dict[int, tuple[float, float]]) -> list[Variable]:
    """Return where rows lie among each spline's knots: its columns' sums are over the rows between some of them."""
    numbers = list(plan.study.numbers)
    splines = [(term.column, term.knots) for term in plan.study.terms.values() if isinstance(term, Spline)]
    mapped = plan.columns.mapped
    if mapped is not None and isinstance(mapped.map, Splines):
        splines += [(one.feature, mapped.map.base_knots(i)[1:-1]) for i, one in enumerate(mapped.inputs)]
    found = []
    for column, knots in splines:
        if numbers.index(column) in two_valued:
            continue
        low, high = plan.study.numbers[column].interval
        ends = [f"{end:g}" for end in (low, *knots, high)]
        labels = (f"{column} missing", *(f"{column} from {a} to {b}" for a, b in pairwise(ends)))
        found.append(Variable(column, labels, _between(numbers.index(column), knots), False))
    return found


def _between(j: int, bounds: tuple[float, ...]) -> Callable[[Rows], Codes]:
    """Return the codes of a number column: 0 where missing, else 1 and 1 more for each bound reached."""

    def codes(rows: Rows) -> Codes:
        values = rows.numbers[:, j]
        reached = np.searchsorted(np.array(bounds), values, side="right")
        return np.where(np.isnan(values), 0, 1 + reached).astype(np.int64)

    return codes


def effective_rows(spool: Spool, mask: NDArray[np.bool_]) -> float:
    """Return ``sum(w)**2 / sum(w**2)`` over the training rows: how many equal rows the weighted sums are worth."""
    total = squares = 0.0
    for where, rows in spool.blocks():
        # Of the weights alone: to choose among whole rows takes longer than all the rest.
        chosen = ~mask[where]
        weight = rows.weight if chosen.all() else rows.weight[chosen]
        total += float(weight.sum())
        squares += float(weight @ weight)
    return total * total / squares if squares > 0 else 0.0


def rows_above(spool: Spool, mask: NDArray[np.bool_], least: float) -> int:
    """Return how many training rows of weight above 0 have an outcome above ``least``."""
    groups = training_rows(spool, mask, _BY_WEIGHT["of weight above 0"])
    return sum(int((rows.target > least).sum()) for rows in groups)


def small_outcome(spool: Spool, mask: NDArray[np.bool_], min_cell: int, n_classes: int) -> bool:
    """Return whether any class of the outcome has a small cell among the rows held out.

    Parameters
    ----------
    spool : Spool
    mask : ndarray of bool (n_rows,)
        Rows held out.
    min_cell, n_classes : int
    """
    counts = np.zeros(n_classes, dtype=np.int64)
    for where, rows in spool.blocks():
        counts += np.bincount(rows.target[mask[where]].astype(np.int64), minlength=n_classes)
    return any(0 < count < min_cell for count in (*counts.tolist(), int(counts.sum())))
