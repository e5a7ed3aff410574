"""Where columns may be that a table does not name: on another sheet of its workbook, or under a header that is missing.

Owns the sentence. Must not know an agreement or how a format is read. Internal. `check` and `join` say the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedcli.data.header import record_cells
from fedcli.data.table import Table
from fedcli.study.yaml import scalar


def other_sheet(wanted: Sequence[str], table: Table) -> tuple[str, int] | None:
    """Return the sheet that names more of some columns than the one that is read, and how many; None without one."""
    better = getattr(table, "better_sheet", None)
    found: tuple[str, int] | None = better(wanted) if better is not None else None
    return found


def where_they_are(wanted: Sequence[str], table: Table) -> str:
    """Say where columns may be and what to do; empty where nothing tells.

    Parameters
    ----------
    wanted : sequence of str
        All that a study reads, by the names they have at this silo.
    table : Table
        Lacks some of them.
    """
    sheet = other_sheet(wanted, table)
    if sheet is not None:
        name, n = sheet
        has = "has them" if n == len(wanted) else f"has {n:,} of these {len(wanted):,} columns"
        return f"sheet '{name}' {has}: write in silo.yaml table: {{sheet: {scalar(name)}}}"
    if set(wanted) & set(table.columns):
        return ""
    # Where none of several is found, one number among the names says enough; of a single one, half of them must.
    cells, needed = record_cells(table.columns), 1 if len(wanted) > 1 else len(table.columns) / 2
    if cells and cells >= needed:
        return "the first line must name the columns, here it holds numbers: put a line with their names above it"
    return ""
