"""What ``check`` shows: one screen for people, one object for machines. Internal.

Rows of the table are named on the screen alone; an object may be sent on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcli.cli.commands import in_workspace, named
from fedcli.cli.options import Json, Query, Quiet, WorkspaceDir
from fedcli.cli.screen import Screen, complain, look_at

if TYPE_CHECKING:
    from fedcli.errors.doubts import Doubt
    from fedcli.workflow.results import Checked, ColumnCheck

# More columns are listed only where something is to be said of them: the rest of the screen is for what is wrong.
_MOST_COLUMNS = 12
# Of one kind, so many are said in full.
_MOST_ALIKE = 3


def check(
    data: Annotated[
        str | None, typer.Argument(metavar="[TABLE]", help="Your table; else the one named in silo.yaml.")
    ] = None,
    query: Query = None,
    workspace: WorkspaceDir = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say whether your rows fit the agreement, what would be refused, and what looks odd. Writes nothing.

    Example: fedcli check north.csv
    """
    from fedcli.workflow.check import check as run

    screen = Screen("check", as_json, quiet, workspace=workspace)
    checked = run(data, workspace=workspace, query=query)
    _object(screen, checked)
    screen.table(_summary(checked))
    if not as_json:
        for alike in _by_code(checked.doubts):
            _show_doubts(alike, workspace)
    for problem in checked.problems:
        complain(problem.code, str(problem), in_workspace(problem.hint, workspace))
    if not checked.ok:
        screen.say("Not ready. Nothing was written.")
        raise typer.Exit(1)
    if checked.doubts:
        screen.done("nothing would be refused; look at the warnings first. Nothing was written.")
    else:
        screen.done("ready. Nothing was written.")
    screen.next(" ".join(["fedcli train", *named(data, query)]))


def _object(screen: Screen, checked: Checked) -> None:
    screen.object(
        ok=checked.ok,
        study=checked.study,
        table=checked.table,
        rows_read=checked.rows_read,
        rows_used=checked.rows_used,
        rows_dropped=checked.rows_dropped,
        dropped=[vars(dropped) for dropped in checked.dropped],
        rows_held_out=checked.rows_held_out,
        columns=[vars(column) for column in checked.columns],
        smallest=checked.smallest,
        merged=checked.merged,
        without_third=checked.without_third,
        problems=[{"code": e.code, "message": e.message, "hint": e.hint, "where": e.where} for e in checked.problems],
        warnings=[{"code": d.code, "column": d.column, "message": d.message, "hint": d.hint} for d in checked.doubts],
    )


def _summary(checked: Checked) -> list[tuple[str, str]]:
    from fedcli.report.sheet import number_of

    lacking = f": {', '.join(map(str, checked.dropped))}" if checked.dropped else ""
    rows = [
        ("study", checked.study),
        ("table", ", ".join(checked.table)),
        ("rows", f"{checked.rows_read:,} read, {checked.rows_used:,} used, {checked.rows_dropped:,} dropped{lacking}"),
    ]
    if checked.rows_held_out:
        rows.append(("held out", f"{checked.rows_held_out:,} of them, for evaluation"))
    rows += [("columns" if number == 0 else "", words) for number, words in enumerate(_columns(checked.columns))]
    rows += [("merged" if number == 0 else "", words) for number, words in enumerate(checked.merged)]
    if checked.smallest:
        rows.append(("smallest group", f"{checked.smallest[0]}: {number_of(checked.smallest[1], 'row')}"))
    if checked.without_third:
        rows.append(("third order", f"not sent: {checked.without_third}"))
    return rows


def _columns(columns: Sequence[ColumnCheck]) -> Iterator[str]:
    if len(columns) <= _MOST_COLUMNS:
        yield from map(_column, columns)
        return
    worth = [column for column in columns if column.missing or column.outside]
    yield f"{len(columns):,} found" + ("" if worth else ", nothing missing")
    # Most is missing where most should be looked at.
    worth.sort(key=lambda column: -(column.missing + column.outside))
    yield from map(_column, worth[:_MOST_COLUMNS])
    if len(worth) > _MOST_COLUMNS:
        yield f"{len(worth) - _MOST_COLUMNS:,} more with fewer missing (all with --json)"


def _column(column: ColumnCheck) -> str:
    local = f" (here: {column.local_name})" if column.local_name != column.name else ""
    outside = f", {column.outside:,} outside, {column.outside_are}" if column.outside else ""
    return f"{column.name}{local}: {column.used:,} values, {column.missing:,} missing{outside}"


def _by_code(doubts: Sequence[Doubt]) -> list[list[Doubt]]:
    found: dict[str, list[Doubt]] = {}
    for doubt in doubts:
        found.setdefault(doubt.code, []).append(doubt)
    return list(found.values())


def _show_doubts(alike: Sequence[Doubt], workspace: Path) -> None:
    for doubt in alike[:_MOST_ALIKE]:
        look_at(doubt.code, str(doubt), in_workspace(doubt.hint, workspace))
    more = [doubt.column for doubt in alike[_MOST_ALIKE:]]
    if more:
        look_at(alike[0].code, f"the same of {len(more):,} more: {', '.join(dict.fromkeys(more))}")
