"""What a silo's reviewer and data-protection officer run: ``approve``, ``ledger``. Internal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedcli.cli.options import AT_A_SILO, Force, Json, Out, PassphraseFile, Quiet, WorkspaceDir
from fedcli.cli.screen import Screen, clean, passphrase_source

if TYPE_CHECKING:
    from fedcli.workflow.results import LedgerEntry


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("approve", rich_help_panel=AT_A_SILO)(approve)
    app.command("ledger", rich_help_panel=AT_A_SILO)(ledger)


def approve(
    sheet: Annotated[Path, typer.Argument(help="The .sheet.txt file that 'fedcli train' wrote.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The reviewer's own secret key file (.fedkey).")],
    passphrase_file: PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve without being asked: the sheet has been read.")] = False,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sign the sheet of what would leave, as the silo's reviewer.

    A silo whose silo.yaml names a reviewer writes no update without it.

    Example: fedcli approve heart-north-r1.sheet.txt --key anna.fedkey
    """
    from fedcli.workflow.approve import approve as run

    screen = Screen("approve", as_json, quiet)

    def confirm(text: str) -> bool:
        typer.echo(clean(text, lines=True), err=True)
        return screen.ask("Approve this?")

    approved = run(
        sheet,
        key=key,
        passphrase=passphrase_source(passphrase_file, screen),
        confirm=confirm if screen.interactive and not yes else None,
        yes=yes,
        out=out,
        force=force,
    )
    screen.object(
        approval=approved.file,
        reviewer=approved.reviewer,
        fingerprint=approved.fingerprint,
        silo=approved.silo,
        round=approved.round,
        sheet=approved.sheet,
    )
    screen.done(f"{approved.file} written: {approved.reviewer} approves what {approved.silo} would send")
    screen.next(f"put {approved.file.name} into the inbox/ of {approved.silo}; there: fedcli train")


def ledger(workspace: WorkspaceDir = Path(), as_json: Json = False, quiet: Quiet = False) -> None:
    """Show what has left this silo, and whether the record is whole.

    Example: fedcli ledger
    """
    from fedcli.workflow.ledger import ledger as run

    screen = Screen("ledger", as_json, quiet, workspace=workspace)
    shown = run(workspace=workspace)
    screen.object(
        ledger=shown.file,
        head=shown.head,
        unconfirmed=not shown.confirmed,
        torn=shown.torn,
        entries=[{"number": entry.number, "finished": entry.finished, **entry.details} for entry in shown.entries],
    )
    for entry in shown.entries:
        when = entry.time.replace("T", " ").removesuffix("Z") + (" UTC" if entry.time else "")
        screen.result(
            f"{entry.number}. {when or 'no time'}: {_said(entry.event, entry.study, entry.round, entry.attempt)}"
        )
        facts = _facts(entry)
        if not entry.finished:
            facts.append(
                ("not finished", "the run that wrote this line stopped before its update was there: run fedcli train")
            )
        screen.table([(f"   {name}", value) for name, value in facts])
    if not shown.entries:
        screen.result("Nothing has left this silo.")
    n = len(shown.entries)
    if not shown.confirmed:
        screen.warn(
            f"line {n} is not confirmed: the run that wrote it stopped right after; it is the line that was announced "
            "under this silo's signature, and its update was never signed, so it did not leave"
        )
    if shown.torn:
        screen.warn(
            f"a run stopped while it wrote line {n + 1}, of which {_count(shown.torn, 'byte')} "
            f"{'is' if shown.torn == 1 else 'are'} there: nothing of it left, and the next one writes it anew"
        )
    whole = ", each follows from the one before it, and the last is the one that this silo signed" if n else ""
    screen.done(f"{shown.file}: {_count(n, 'line')}{whole}")


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _said(event: str, study: str, number: int, attempt: int) -> str:
    what = "an update left" if event == "release" else event
    return f"{what}: study {study}, round {number}{f', attempt {attempt}' if attempt > 1 else ''}"


def _facts(entry: LedgerEntry) -> list[tuple[str, str]]:
    """Return what an officer asks of one release, in words."""
    found = entry.details
    numbers, held, smallest = found.get("numbers"), found.get("rows_held_out"), found.get("smallest")
    rows: list[tuple[str, str]] = []
    if numbers:
        rows.append(("numbers", ", ".join(f"{name} {count:,}" for name, count in numbers.items())))
    rows.append(("rows", f"{entry.rows:,} summed{f', {held:,} more held out' if held else ''}"))
    added, removed = found.get("rows_added"), found.get("rows_removed")
    if added is not None and removed is not None:
        rows.append(("changed", f"{added:,} rows new and {removed:,} gone against the nearest earlier release"))
    rows += [("merged", words) for words in entry.merged]
    fingerprint = found.get("recipient_fingerprint")
    whose = f", fingerprint {fingerprint}" if fingerprint else ""
    rows.append(("to", f"{entry.recipient} ({found.get('aggregation', '')}){whose}"))
    if smallest:
        rows.append(("smallest group", f"{smallest[0]}: {smallest[1]}"))
    for key, name in (("sheet", "sheet"), ("update", "update"), ("mapping", "silo.yaml"), ("table", "table")):
        if found.get(key):
            rows.append((name, str(found[key])))
    rows.append(("approved by", str(found.get("approved_by") or "no reviewer is asked for")))
    return rows
