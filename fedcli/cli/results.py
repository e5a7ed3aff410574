"""What the final model is for: ``predict``, ``export``. Internal."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fedcli.cli.options import ANYONE, Force, Json, Out, Query, Quiet, WorkspaceDir
from fedcli.cli.screen import Screen


class Format(StrEnum):
    """What `export` can write."""

    json = "json"
    csv = "csv"
    sklearn = "sklearn"
    allowed_signers = "allowed-signers"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("predict", rich_help_panel=ANYONE)(predict)
    app.command("export", rich_help_panel=ANYONE)(export)


def predict(
    data: Annotated[str, typer.Argument(metavar="TABLE", help="A table with the study's feature columns.")],
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="The final model; else the workspace's.")
    ] = None,
    workspace: WorkspaceDir = Path(),
    query: Query = None,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a table with the final model. Needs no key; silo.yaml maps local names here too.

    Example: fedcli predict new-patients.csv --model heart-r4.fedmodel
    """
    from fedcli.workflow.outcome import predict as run

    screen = Screen("predict", as_json, quiet)
    made = run(data, model=model, workspace=workspace, query=query, out=out, force=force)
    screen.object(file=made.file, rows=made.rows, unused=made.unused, columns=made.columns)
    screen.result(f"{made.rows:,} rows scored")
    screen.done(f"{made.file} written, columns {', '.join(made.columns)}")


def export(
    model: Annotated[Path | None, typer.Argument(help="The final model; else the workspace's.")] = None,
    format: Annotated[
        Format,
        typer.Option("--format", help="json or csv: coefficients; sklearn: a Pipeline (skops); allowed-signers: keys."),
    ] = Format.json,
    workspace: WorkspaceDir = Path(),
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the final model for other tools: coefficients on the columns' own scale, or a fitted scikit-learn Pipeline.

    Example: fedcli export heart-r4.fedmodel --format sklearn
    """
    from fedcli.workflow.outcome import export as run

    screen = Screen("export", as_json, quiet)
    made = run(model, format=format.value, workspace=workspace, out=out, force=force)
    for warning in made.warnings:
        screen.warn(warning)
    screen.object(file=made.file, format=made.format, warnings=made.warnings)
    screen.done(f"{made.file} written")
    if made.format == "sklearn":
        screen.say("Load it with: skops.io.load(FILE, trusted=skops.io.get_untrusted_types(file=FILE))")
