"""Levels that too few rows of a silo have, counted as the agreed other level before anything is summed.

Owns which levels those are. Knows nothing of screens, files or models. Internal. Training rows alone decide, and only
they are relabelled: the same rows give the same levels in every trip, and rows held out are predicted as written.

Two updates of one study must not differ in what they merge: less each other, the sums of the other level would show the
few rows that were merged in one of them. So a level that was merged once stays merged, and one that was shown is not
merged any more.

A level is small, too, where few of its rows have one outcome, in one fold: sums show those as they show the level. Its
crosses with other features merge nothing: a rare level of another column would take every level of this one with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.cells import two_valued_columns, variables
from fedcli.compute.spool import Spool
from fedcli.errors import RefusedError, TooFewRowsDiffer
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import Levels, Merged


@dataclass(frozen=True)
class Merging:
    """What was done with the levels of columns that have another one to count small ones as.

    Parameters
    ----------
    merged : tuple of Merged
    shown : frozenset of (str, str)
        Column and level of those whose rows are summed under their own name.
    problems : tuple of RefusedError
        Levels that are small now and were shown in an earlier update.
    """

    merged: tuple[Merged, ...] = ()
    shown: frozenset[tuple[str, str]] = frozenset()
    problems: tuple[RefusedError, ...] = ()


def merge_small(
    plan: Plan,
    spool: Spool,
    mask: NDArray[np.bool_],
    earlier: Levels | None = None,
    folds: NDArray[np.int64] | None = None,
) -> Merging:
    """Relabel the training rows of small levels from here on, wherever the agreement names another level for them.

    Parameters
    ----------
    plan : Plan
    spool : Spool
        Later passes show the merged levels; it must not have been merged before.
    mask : ndarray of bool (n_rows,)
        Rows held out.
    earlier : Levels, optional
        What updates of this study have merged and shown before.
    folds : ndarray of int of shape (n_rows,), optional
        Of a cross-validation.

    Returns
    -------
    Merging
        A level is small when ``0 < count < min_cell`` among all training rows or, where rows have weights, among those
        of weight 0 or those above 0, which some sums count apart; or among the rows of one outcome, or of one fold,
        there, unless these are so few in all that no merging helps. The other level itself stays what it is.
    """
    wanted = {
        j: column.agreed.index(column.small_level)
        for j, column in enumerate(plan.study.categories.values())
        if column.small_level is not None
    }
    if not wanted:
        return Merging()
    earlier = earlier or Levels()
    columns = list(plan.study.categories.items())
    counts = _by_outcome(plan, spool, mask, folds, {j: len(columns[j][1].agreed) for j in wanted})
    min_cell = plan.study.rules.min_cell
    found: list[Merged] = []
    shown: set[tuple[str, str]] = set()
    problems: list[RefusedError] = []
    replaced: dict[tuple[int, int], int] = {}
    for j, other in wanted.items():
        name, column = columns[j]
        totals = counts[j][0].sum(axis=1)
        small = _small(counts[j], min_cell)
        for code in np.flatnonzero(totals).tolist():
            pair, n = (name, column.agreed[code]), int(totals[code])
            before = pair in earlier.merged
            if code == other or not (small[code] or before):
                shown.add(pair)
            elif pair in earlier.shown:
                problems.append(_shown_before(pair, n, column.agreed[other], min_cell))
            else:
                replaced[j, code] = other
                found.append(Merged(*pair, column.agreed[other], n, again=not small[code]))
    spool.relabel(~mask, replaced)
    return Merging(tuple(found), frozenset(shown), tuple(problems))


def _by_outcome(
    plan: Plan,
    spool: Spool,
    mask: NDArray[np.bool_],
    folds: NDArray[np.int64] | None,
    sizes: dict[int, int],
) -> dict[int, NDArray[np.int64]]:
    """Count training rows by category column: (n_groups, n_levels, n_outcomes), the group of all rows first."""
    told = variables(plan, two_valued_columns(plan, spool, mask))
    outcome = next((variable for variable in told if variable.feature == plan.study.target.column), None)
    n_outcomes = len(outcome.labels) if outcome is not None else 1
    n_folds = (plan.study.model.cv or 0) if folds is not None else 0
    n_weights = 2 if plan.study.weight is not None else 0
    counts = {j: np.zeros((1 + n_weights + n_folds, n, n_outcomes), dtype=np.int64) for j, n in sizes.items()}
    for where, rows in spool.blocks():
        groups = [~mask[where]]
        if n_weights:
            groups += [groups[0] & (rows.weight > 0), groups[0] & (rows.weight == 0)]
        if folds is not None:
            groups += [groups[0] & (folds[where] == fold) for fold in range(n_folds)]
        of = outcome.codes(rows) if outcome is not None else np.zeros(len(rows), dtype=np.int64)
        for j, count in counts.items():
            known = rows.codes[:, j] >= 0
            cell = rows.codes[:, j].astype(np.int64) * n_outcomes + of
            for number, chosen in enumerate(groups):
                found = np.bincount(cell[chosen & known], minlength=count[number].size)
                count[number] += found.reshape(count[number].shape)
    return counts


def _small(counts: NDArray[np.int64], min_cell: int) -> NDArray[np.bool_]:
    """Return which levels are small, by counts of (n_groups, n_levels, n_outcomes)."""
    alone = counts.sum(axis=2)
    few = (alone > 0) & (alone < min_cell)
    # Where all levels together are too few of an outcome, merging them would cost much and help nobody.
    of_one_outcome = (counts > 0) & (counts < min_cell) & (counts.sum(axis=1, keepdims=True) >= min_cell)
    small: NDArray[np.bool_] = few.any(axis=0) | of_one_outcome.any(axis=(0, 2))
    return small


def _shown_before(pair: tuple[str, str], rows: int, other: str, min_cell: int) -> TooFewRowsDiffer:
    column, level = pair
    few = "too few" if rows < min_cell else "too few of one outcome or fold"
    return TooFewRowsDiffer(
        f"'{column} = {level}' has {rows:,} training rows now, {few} for the study's {min_cell:,}, and an earlier "
        f"update of this study showed the level: counted as '{other}', they would show when the two are subtracted",
        hint="train on the earlier table again, or wait until the level has enough rows",
    )
