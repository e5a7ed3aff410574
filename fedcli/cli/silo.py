"""What a silo runs: ``join``, ``check``, ``train``. Internal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcli.cli.agreement import plain_words
from fedcli.cli.checking import check
from fedcli.cli.commands import in_workspace, named, quoted
from fedcli.cli.leaving import release_object, show_release
from fedcli.cli.options import (
    AT_A_SILO,
    Force,
    Json,
    KeyFile,
    Out,
    PassphraseFile,
    Query,
    Quiet,
    Verbose,
    WorkspaceDir,
)
from fedcli.cli.screen import Screen, passphrase_source
from fedcli.errors import FedcliError

if TYPE_CHECKING:
    from fedcli.workflow.results import StudyShown
    from fedcli.workflow.what_leaves import Release


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("join", rich_help_panel=AT_A_SILO)(join)
    app.command("check", rich_help_panel=AT_A_SILO)(check)
    app.command("train", rich_help_panel=AT_A_SILO)(train)


def join(
    study: Annotated[Path, typer.Argument(help="The .fedstudy file from the coordinator.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Your secret key file (.fedkey).")],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="TABLE",
            help="Your table: a file, folder, 'pattern' or database; its first rows are read now.",
        ),
    ],
    query: Query = None,
    workspace: WorkspaceDir = Path(),
    mapping: Annotated[
        Path | None, typer.Option("--mapping", metavar="FILE", help="A silo.yaml whose columns: are taken over.")
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="DIGITS", help="The study's 30 digits, as heard on the phone."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read the agreement, compare its fingerprint, and make your workspace.

    Example: fedcli join heart.fedstudy --key north.fedkey --data north.csv
    """
    from fedcli.workflow.join import join as run

    screen = Screen("join", as_json, quiet, workspace=workspace)

    def confirm(shown: StudyShown) -> bool:
        screen.table([*plain_words(shown.study, shown.trips), ("fingerprint", shown.fingerprint)], to_stdout=False)
        for warning in shown.warnings:
            screen.warn(warning)
        return screen.ask_fingerprint("the coordinator", shown.fingerprint)

    joined = run(
        study,
        key=key,
        data=data,
        query=query,
        workspace=workspace,
        mapping=mapping,
        fingerprint=fingerprint,
        confirm=confirm if screen.interactive else None,
        passphrase=passphrase_source(passphrase_file, screen),
    )
    screen.object(
        workspace=joined.workspace,
        silo=joined.silo,
        study=joined.study.study,
        fingerprint=joined.fingerprint,
        warnings=joined.warnings,
        unplaced=joined.unplaced,
        table=joined.table,
        notes=joined.notes,
        elsewhere=joined.elsewhere,
    )
    if fingerprint is not None:
        for warning in joined.warnings:
            screen.warn(warning)
    screen.done(f"{joined.silo} has joined '{joined.study.title or joined.study.study}'; {joined.mapping} written")
    screen.say(f"Your table: {', '.join(joined.table)}")
    if fingerprint is not None:
        # Nobody was asked, so nothing was shown.
        screen.say(f"What you agreed to: {in_workspace('fedcli study show', workspace)}")
    if joined.unplaced:
        what = joined.elsewhere or f"say in {joined.mapping} what they are called"
        screen.say(f"Your table has no column named {', '.join(joined.unplaced)}: {what}")
    for note in joined.notes:
        screen.say(f"  {note}", indent=4)
    if joined.notes:
        screen.say(f"Confirm or correct these in {joined.mapping}; a line that begins with # is not in force")
    screen.next("fedcli check")


def train(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL|TABLE", help="A model or table to use instead of the workspace's."),
    ] = None,
    query: Query = None,
    workspace: WorkspaceDir = Path(),
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would leave and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Let it leave without being asked.")] = False,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute your update, show what would leave, ask, and write it.

    Nothing leaves unseen: first every class of numbers is listed, with the rows behind it, who can read it, and the
    tests. The same is written as a sheet into review/, as text and as a page; also with --dry-run.

    Example: fedcli train
    """
    from fedcli.data.source import can_only_be_a_table
    from fedcli.workflow.files import kind_of
    from fedcli.workflow.train import train as run

    screen = Screen("train", as_json, quiet, verbose, workspace)
    model, table = None, None
    for path in files or []:
        is_table = can_only_be_a_table(path) or kind_of(Path(path)) is None
        if (table if is_table else model) is not None:
            raise typer.BadParameter(f"two {'tables' if is_table else 'models'} are named: train takes one")
        if is_table:
            table = path
        else:
            model = path

    shown: list[Release] = []

    def show(release: Release) -> None:
        shown.append(release)
        show_release(screen, release)

    try:
        trained = run(
            table,
            model=model,
            workspace=workspace,
            key=key,
            query=query,
            passphrase=passphrase_source(passphrase_file, screen),
            show=show,
            confirm=(lambda _: screen.ask("Write this update?")) if screen.interactive and not yes else None,
            yes=yes,
            dry_run=dry_run,
            out=out,
            force=force,
            now=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            progress=screen.doing,
        )
    except FedcliError as error:
        # Refused after it was shown, for want of an approval or an answer: an object shows it too.
        error.details = release_object(shown[0]) if shown else {}
        raise
    release = trained.release
    screen.object(
        round=trained.round,
        attempt=trained.attempt,
        update=trained.update,
        size=trained.size,
        numbers={block.name: block.count for block in release.blocks},
        again=trained.again,
        **release_object(release),
    )
    if trained.update is None:
        kept = f"; what would leave is in {release.sheet.text}" if release.sheet is not None else ""
        screen.done(f"dry run: no update was written{kept}")
        screen.next(" ".join(["fedcli train", *map(quoted, files or []), *named(None, query)]))
        return
    again = ", the same bytes as before" if trained.again else ", noted in ledger.jsonl"
    screen.done(f"{trained.update} written ({_size(trained.size)}, encrypted and signed){again}")
    if release.sheet is not None:
        screen.say(f"Its sheet is kept: {release.sheet.text}", indent=2)
    screen.next(f"send {trained.update.name} to {release.recipient}; any way will do, only they can open it")


def _size(n: int) -> str:
    return f"{n} bytes" if n < 1000 else f"{n / 1000:.1f} kB" if n < 1_000_000 else f"{n / 1e6:.1f} MB"
