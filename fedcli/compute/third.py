"""Whether a silo's rows are enough for third derivatives, where a study asks for them.

Owns the rule. Knows nothing of files or screens. Internal. *Not* a refusal: a silo that has too few takes part with
second derivatives, and only says that it left the others out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.cells import effective_rows, triple_cells
from fedcli.compute.spool import Spool
from fedcli.models.third_order import rows_needed
from fedcli.preparing.plan import Plan


def why_without_third(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> str:
    """Return why third derivatives must stay with the silo; empty where they may leave, or the study asks for none.

    Parameters
    ----------
    plan : Plan
    spool : Spool
        All checked rows of the silo.
    mask : ndarray of bool (n_rows,)
        Rows held out.
    """
    if plan.study.model.order is None:
        return ""
    rules, n = plan.study.rules, plan.columns.n_columns
    worth, needed = effective_rows(spool, mask), rows_needed(n, rules.rows_per_column)
    if worth < needed:
        return f"{n} columns need {needed:,} training rows for them, and here are {worth:,.0f}"
    filled = [cell for cell in triple_cells(plan, spool, mask) if cell.count > 0]
    smallest = min(filled, key=lambda cell: cell.count, default=None)
    if smallest is not None and smallest.count < rules.min_cell:
        return f"the group '{smallest.says}' has {smallest.count}, fewer than {rules.min_cell}"
    return ""
