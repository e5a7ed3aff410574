"""``plan``: what a study will cost and show. Internal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcli.cli.options import ANYONE, Json, WorkspaceDir
from fedcli.cli.screen import Screen

if TYPE_CHECKING:
    from fedcli.workflow.plan import Planned


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("plan", rich_help_panel=ANYONE)(plan)


def plan(
    study: Annotated[
        Path | None, typer.Argument(help="A study.yaml or a .fedstudy file; else this workspace's.")
    ] = None,
    workspace: WorkspaceDir = Path(),
    as_json: Json = False,
) -> None:
    """Say how many trips a study takes, how exact it is, and what each silo sends, before anything starts.

    Example: fedcli plan study.yaml
    """
    from fedcli.workflow.plan import plan as run

    screen = Screen("plan", as_json, workspace=workspace)
    planned = run(study, workspace=workspace)
    screen.object(
        study=planned.study.study,
        estimator=planned.study.model.estimator,
        trips=list(planned.trips),
        exact=planned.exact,
        each=[
            {
                "which": trip.which,
                "numbers": trip.numbers,
                "bytes": trip.size,
                "blocks": [
                    {"name": block.name, "count": block.size, "form": block.form, "says": block.says}
                    for block in trip.blocks
                ],
            }
            for trip in planned.each
        ],
        columns=planned.n_columns,
        columns_counted=planned.n_counted,
        least_rows=planned.least_rows,
        aggregation=planned.aggregation,
        cheaper=[vars(other) for other in planned.cheaper],
        third=planned.third,
    )
    screen.table(_rows(planned))


def _how_near(planned: Planned) -> str:
    if planned.exact is not None:
        return f", within {planned.exact:.0e} (relative)"
    if not planned.averaged:
        return ", within bounds that it states"
    return ": near it, not equal to it, and nothing says how near; fedcli simulate does on a table of your own"


def _rows(planned: Planned) -> list[tuple[str, str]]:
    from fedcli.report.sheet import how_many

    few, many = planned.trips
    rows = [
        ("study", planned.study.title or planned.study.study),
        ("trips", str(few) if few == many else f"typically {few}, at most {many} on the studies measured"),
        ("result", f"{planned.beside} on the pooled rows{_how_near(planned)}"),
    ]
    for number, trip in enumerate(planned.each):
        sends = f"{trip.which}: {trip.numbers:,} numbers, about {trip.size / 1000:,.0f} kB"
        rows.append(("a silo sends" if number == 0 else "", sends))
        rows += [("", f"  {block.name}: {how_many(block.size, block.form)}: {block.says}") for block in trip.blocks]
    counted = f", which count as {planned.n_counted:,}" if planned.n_counted > planned.n_columns else ""
    needs = f"{planned.least_rows:,} training rows, for {planned.n_columns} summed columns{counted}"
    rows.append(("a silo needs", needs))
    if planned.third:
        usual, least = planned.third
        agreed = planned.study.model.order is not None
        says = f"typically {usual} trips if each silo has {least:,} training rows and no small group of three columns"
        rows.append(("third order", says if agreed else f"{says}: order: 3 under model:"))
    each = "this model of each silo alone" if planned.averaged else "these sums of each silo singly"
    seen = f"{each}, never a row" if planned.aggregation == "plain" else "these sums added over all silos"
    rows.append(("coordinator", f"sees {seen}"))
    for number, other in enumerate(planned.cheaper):
        trips = f"{other.trips} trip{'' if other.trips == 1 else 's'}"
        rows.append(("cheaper" if number == 0 else "", f"{other.estimator}, {trips}: {other.says}"))
    return rows
