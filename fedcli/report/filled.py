"""What fills missing cells beside what the pooled rows would have filled: the one thing that no sum tells exactly.

Owns the comparison of medians. Knows nothing of fits, disk or screens. Internal.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedcli.fileformat.statistics import State
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows


def compare_medians(plan: Plan, state: State, silos: Mapping[str, Rows]) -> tuple[tuple[str, float, float], ...]:
    """Set each median that fills missing cells beside that of the pooled rows.

    Parameters
    ----------
    plan : Plan
    state : State
        After trip 1 or later.
    silos : mapping of str to Rows
        Each silo's training rows.

    Returns
    -------
    tuple of (str, float, float)
        Name, what fills, and the pooled median, in agreed units; columns without a value are left out.
    """
    fill, found = plan.preparation(state).fill, []
    for j in plan.profile.grids.medians:
        name, column = plan.columns.numbers[j]
        at = plan.columns.number_order[j]
        values = np.concatenate([rows.numbers[:, at] for rows in silos.values()])
        values = values[~np.isnan(values)]
        if len(values):
            found.append((name, float(column.middle + column.half * fill[j]), float(np.quantile(values, 0.5))))
    return tuple(found)
