"""Levels that too few rows of a silo have, counted as the agreed other level before anything is summed.

Owns which levels those are. Knows nothing of screens, files or models. Internal. Training rows alone decide, and only
they are relabelled: the same rows give the same levels in every trip, and rows held out are predicted as written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.spool import Spool
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import Merged


def merge_small(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> tuple[Merged, ...]:
    """Relabel the training rows of small levels from here on, wherever the agreement names another level for them.

    Parameters
    ----------
    plan : Plan
    spool : Spool
        Later passes show the merged levels; it must not have been merged before.
    mask : ndarray of bool (n_rows,)
        Rows held out.

    Returns
    -------
    tuple of Merged
        A level is small when ``0 < count < min_cell`` among all training rows or, where rows have weights, among those
        of weight 0 or those above 0, which some sums count apart. The other level itself stays what it is.
    """
    wanted = {
        j: column.agreed.index(column.small_level)
        for j, column in enumerate(plan.study.categories.values())
        if column.small_level is not None
    }
    if not wanted:
        return ()
    columns = list(plan.study.categories.items())
    counts = {j: np.zeros((2, len(columns[j][1].agreed)), dtype=np.int64) for j in wanted}
    for where, rows in spool.blocks():
        for j, count in counts.items():
            for side, chosen in enumerate((rows.weight > 0, rows.weight == 0)):
                codes = rows.codes[~mask[where] & chosen, j]
                count[side] += np.bincount(codes[codes >= 0], minlength=count.shape[1])
    found: list[Merged] = []
    replaced: dict[tuple[int, int], int] = {}
    for j, other in wanted.items():
        name, column = columns[j]
        groups = np.vstack([counts[j], counts[j].sum(axis=0)]) if plan.study.weight else counts[j].sum(axis=0)[None]
        small = ((groups > 0) & (groups < plan.study.rules.min_cell)).any(axis=0)
        for code in np.flatnonzero(small).tolist():
            if code != other:
                replaced[j, code] = other
                found.append(Merged(name, column.agreed[code], column.agreed[other], int(counts[j][:, code].sum())))
    spool.relabel(~mask, replaced)
    return tuple(found)
