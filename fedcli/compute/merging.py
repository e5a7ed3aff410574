"""Levels that too few rows of a silo have, counted as the agreed other level before anything is summed.

Owns which levels those are. Knows nothing of screens, files or models. Internal. Training rows alone decide, and only
they are relabelled: the same rows give the same levels in every trip, and rows held out are predicted as written.

Two updates of one study must not differ in what they merge: less each other, the sums of the other level would show the
few rows that were merged in one of them. So a level that was merged once stays merged, and one that was shown is not
merged any more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def merge_small(plan: Plan, spool: Spool, mask: NDArray[np.bool_], earlier: Levels | None = None) -> Merging:
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

    Returns
    -------
    Merging
        A level is small when ``0 < count < min_cell`` among all training rows or, where rows have weights, among those
        of weight 0 or those above 0, which some sums count apart. The other level itself stays what it is.
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
    counts = {j: np.zeros((2, len(columns[j][1].agreed)), dtype=np.int64) for j in wanted}
    for where, rows in spool.blocks():
        for j, count in counts.items():
            for side, chosen in enumerate((rows.weight > 0, rows.weight == 0)):
                codes = rows.codes[~mask[where] & chosen, j]
                count[side] += np.bincount(codes[codes >= 0], minlength=count.shape[1])
    min_cell = plan.study.rules.min_cell
    found: list[Merged] = []
    shown: set[tuple[str, str]] = set()
    problems: list[RefusedError] = []
    replaced: dict[tuple[int, int], int] = {}
    for j, other in wanted.items():
        name, column = columns[j]
        totals = counts[j].sum(axis=0)
        groups = np.vstack([counts[j], totals]) if plan.study.weight else totals[None]
        small: NDArray[np.bool_] = np.any((groups > 0) & (groups < min_cell), axis=0)
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


def _shown_before(pair: tuple[str, str], rows: int, other: str, min_cell: int) -> TooFewRowsDiffer:
    column, level = pair
    return TooFewRowsDiffer(
        f"'{column} = {level}' has {rows:,} training rows now, too few for the study's {min_cell:,}, and an earlier "
        f"update of this study showed the level: counted as '{other}', they would show when the two are subtracted",
        hint="train on the earlier table again, or wait until the level has enough rows",
    )
