"""`check`: do a silo's rows fit the agreement, and what would `train` refuse.

Owns the order of what is looked at. Knows nothing of mathematics or of how things are printed; needs no key and writes
nothing. Stable: part of the Python API.
"""

from __future__ import annotations

from pathlib import Path

from fedcli.compute.spool import Spool
from fedcli.compute.update import hash_rows
from fedcli.data.checking import check_table
from fedcli.errors import FedcliError
from fedcli.preparing.holdout import held_out
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import Disclosure
from fedcli.workflow.limits import examine_rows, spread_problems
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.results import Checked, ColumnCheck
from fedcli.workflow.silo import open_silo


def check(data: Path | str | None = None, *, workspace: Path | str = ".", query: str | None = None) -> Checked:
    """Say whether a silo's rows fit the agreement and what `train` would refuse; write nothing.

    Parameters
    ----------
    data : path or str, optional
        The table; without it the one that `join` recorded.
    workspace : path
        The silo's workspace.
    query : str, optional
        What to ask where the table is a database; without it what ``silo.yaml`` says.

    Returns
    -------
    Checked
        ``problems`` holds every problem found, in the order in which `train` would meet them.

    Raises
    ------
    NoWorkspace, FileError
        The table cannot be read at all.
    """
    side = open_silo(workspace, data, query)
    memory = SiloMemory(side.workspace.private)
    table = side.table()
    report, found = check_table(side.study.study, side.mapping, table)
    problems: list[FedcliError] = [*found, *spread_problems(side.study.study, report.extent)]
    disclosure: Disclosure | None = None
    n_held_out = 0
    if not problems:
        with Spool(side.reader(), side.workspace.private) as spool:
            plan = Plan(side.study.study)
            hashes = hash_rows(spool, memory.secret())
            mask = held_out(hashes, side.study.study.evaluation.holdout, memory.secret())
            n_held_out = int(mask.sum())
            disclosure = examine_rows(plan, spool, mask)
            problems += disclosure.problems
    columns = tuple(
        ColumnCheck(
            name,
            side.mapping.local(name),
            report.rows_used - report.missing.get(name, 0),
            report.missing.get(name, 0),
        )
        for name in side.study.study.features
    )
    smallest = disclosure.smallest if disclosure else None
    return Checked(
        ok=not problems,
        study=side.study.study.title or side.study.study.study,
        rows_read=report.rows_read,
        rows_used=report.rows_used,
        rows_dropped=report.rows_read - report.rows_used,
        rows_held_out=n_held_out,
        columns=columns,
        smallest=(smallest.says, smallest.count) if smallest else None,
        problems=tuple(problems),
        table=table.facts,
    )
