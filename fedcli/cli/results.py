"""What a model is for: ``predict``, ``export``, ``report``. Internal."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fedcli.cli import wrapping
from fedcli.cli.options import ANYONE, Force, Json, KeyFile, Out, PassphraseFile, Query, Quiet, WorkspaceDir
from fedcli.cli.screen import Screen, clean, passphrase_source


class Format(StrEnum):
    """What `export` can write."""

    json = "json"
    csv = "csv"
    sklearn = "sklearn"
    allowed_signers = "allowed-signers"


class ReportFormat(StrEnum):
    """What `report` can write."""

    text = "text"
    markdown = "markdown"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("predict", rich_help_panel=ANYONE)(predict)
    app.command("export", rich_help_panel=ANYONE)(export)
    app.command("report", rich_help_panel=ANYONE)(report)


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
    screen.object(file=made.file, format=made.format, warnings=made.warnings, trusted=made.trusted)
    screen.done(f"{made.file} written")
    if made.format == "sklearn":
        # The very types, and not whatever a file asks for: it may have been exchanged on the way.
        trusted = f", trusted={list(made.trusted)}" if made.trusted else ""
        screen.say(f"Load it with: skops.io.load(FILE{trusted})")


def report(
    model: Annotated[Path | None, typer.Argument(help="A model; else the workspace's newest.")] = None,
    format: Annotated[ReportFormat, typer.Option("--format", help="How to write it.")] = ReportFormat.text,
    workspace: WorkspaceDir = Path(),
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Describe the pool (Table 1): rows, means, quantiles, levels, by outcome. A model between trips needs a key.

    Example: fedcli report heart-r4.fedmodel --format markdown -o table1.md
    """
    from fedcli.report.table_text import as_document, as_text
    from fedcli.workflow.report import make_report as run

    screen = Screen("report", as_json, quiet, workspace=workspace)
    passphrase = passphrase_source(passphrase_file, screen)
    made = run(model, format=format.value, workspace=workspace, key=key, passphrase=passphrase, out=out, force=force)
    screen.object(round=made.round, final=made.final, file=made.file, table=as_document(made.table))
    if made.file is not None:
        screen.done(f"{made.file} written")
    elif not as_json:
        # Laid out for this terminal: wrapped as a sentence is, its columns would not stand under one another.
        width = wrapping.columns(sys.stdout)
        text = as_text(made.table, width=width) if format is ReportFormat.text and width is not None else made.text
        typer.echo(clean(text, lines=True), nl=False)
