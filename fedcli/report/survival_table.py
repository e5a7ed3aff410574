"""A table of survival as lines for an export: one for each group and agreed time.

Owns its headings and order. Knows nothing of disk. Stable: the CSV form is documented.
"""

from __future__ import annotations

from fedcli.fileformat.statistics import State
from fedcli.models.closed import FITTED
from fedcli.preparing.plan import Plan

HEADINGS = ("group", "time", "at_risk", "events", "survival", "standard_error")


def group_names(plan: Plan) -> tuple[str, ...]:
    """Return what the groups are called, in the order of the table's rows: ``all`` where nothing tells them apart."""
    by = plan.parameters.get("by")
    return plan.study.categories[by].levels if by is not None else ("all",)


def survival_lines(plan: Plan, state: State) -> list[list[object]]:
    """Return the lines of a finished table, as `HEADINGS` names them."""
    grid = state.arrays[f"{FITTED}grid"].tolist()
    tables = [state.arrays[f"{FITTED}{name}"].tolist() for name in HEADINGS[2:]]
    return [
        [group, time, int(at_risk), int(events), survival, error]
        for group, *rows in zip(group_names(plan), *tables, strict=True)
        for time, at_risk, events, survival, error in zip(grid, *rows, strict=True)
    ]
