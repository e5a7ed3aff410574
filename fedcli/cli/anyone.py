"""What anybody may run: ``status``, ``inspect``, ``verify``, ``simulate``, ``explain``. Internal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fedcli.cli import wrapping
from fedcli.cli.commands import in_workspace, quoted
from fedcli.cli.options import ANYONE, Json, KeyFile, PassphraseFile, Quiet, WorkspaceDir
from fedcli.cli.page import fitted
from fedcli.cli.screen import Screen, clean, passphrase_source


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    for name, command in (
        ("status", status),
        ("inspect", inspect),
        ("verify", verify),
        ("simulate", simulate),
        ("explain", explain),
    ):
        app.command(name, rich_help_panel=ANYONE)(command)


def status(
    workspace: WorkspaceDir = Path(),
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Say what is here, who is missing, and what to do next. Needs no key.

    Example: fedcli status
    """
    from fedcli.workflow.status import status as run

    screen = Screen("status", as_json, workspace=workspace)
    # The passphrase is never asked for here: a file that names it is used if there is one.
    passphrase = passphrase_source(passphrase_file, screen) if passphrase_file else None
    found = run(workspace=workspace, key=key, passphrase=passphrase)
    screen.object(
        ok=found.ledger is None,
        role=found.role,
        name=found.name,
        study=found.study,
        frozen=found.frozen,
        round=found.round,
        attempt=found.attempt,
        finished=found.finished,
        here=found.here,
        missing=found.missing,
        asked=found.asked,
        problems=[{"file": file, "problem": problem} for file, problem in found.problems],
        passed=dict(found.passed),
        ledger=found.ledger.code if found.ledger is not None else None,
        next=found.next_step,
    )
    rows = [("study", found.title or found.study or "a draft that cannot be read yet")]
    rows.append(("you are", f"{found.name}, a silo" if found.role == "silo" else f"{found.name}, the coordinator"))
    if not found.frozen:
        rows.append(("state", "draft, not frozen"))
        rows.append(("enrolled", ", ".join(found.here) or "nobody yet"))
    elif found.finished:
        rows.append(("state", f"finished after round {found.round}"))
    else:
        again = f", attempt {found.attempt}" if found.attempt > 1 else ""
        rows.append(("state", f"round {found.round}{again}"))
        if found.role == "coordinator":
            rows.append(("here", ", ".join(found.here) or "no update yet"))
            rows.append(("missing", ", ".join(found.missing) or "nobody"))
            if found.asked:
                rows.append(("asked again", f"{', '.join(found.asked)}, for attempt {found.attempt}"))
    for file, problem in found.problems:
        code = f" (fedcli explain {found.ledger.code})" if found.ledger and problem == found.ledger.message else ""
        rows.append(("problem", (problem if file in problem else f"{file}: {problem}") + code))
    for reason, files in found.passed.items():
        rows.append(("passed over", f"{', '.join(files)}: {reason}"))
    rows.append(("next", in_workspace(found.next_step, workspace)))
    screen.table(rows)
    if found.ledger is not None:
        # `train` and `ledger` would refuse: whoever asks first, a script too, should see it here.
        raise typer.Exit(found.ledger.exit_status)


def inspect(
    file: Annotated[Path, typer.Argument(help="Any fedcli file.")],
    as_json: Json = False,
) -> None:
    """Say what a file is. Needs no key, and verifies nothing.

    Example: fedcli inspect heart-north-r1.fedupdate
    """
    from fedcli.workflow.anyone import inspect as run

    screen = Screen("inspect", as_json)
    found = run(file)
    screen.object(file=found.file, kind=found.kind, size=found.size, facts=dict(found.facts), verified=False)
    screen.table([("file", f"{found.file.name}, {found.size:,} bytes"), *found.facts.items()])
    if found.kind == "age":
        screen.say("Nothing in it can be read without its secret, and nobody signed it. Send it to nobody.")
    else:
        screen.say(f"This is what the file says of itself. To check it: fedcli verify {quoted(file)}")


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Any fedcli files, their study among them.")],
    workspace: WorkspaceDir = Path(),
    as_json: Json = False,
) -> None:
    """Say OK or NO of each file: is it genuine and unchanged? Exit 0 only if all are.

    Example: fedcli verify heart.fedstudy heart-north-r1.fedupdate
    """
    from fedcli.workflow.anyone import verify as run

    screen = Screen("verify", as_json)
    found = run(files, workspace=workspace)
    screen.object(
        ok=found.ok,
        files=[
            {"file": v.file, "ok": v.ok, "says": v.says, "code": v.error.code if v.error else None}
            for v in found.verdicts
        ],
    )
    for verdict in found.verdicts:
        code = f"{verdict.error.code}: " if verdict.error else ""
        screen.result(f"{'OK' if verdict.ok else 'NO'}  {verdict.file.name}  {code}{verdict.says}", indent=4)
        if verdict.error is not None and verdict.error.hint:
            screen.say(f"    {in_workspace(verdict.error.hint, workspace)}", indent=4)
    if not found.ok:
        raise typer.Exit(1)


def simulate(
    directory: Annotated[Path, typer.Argument(help="Holds study.yaml and one CSV per silo.")],
    study: Annotated[
        Path | None, typer.Option("--study", metavar="FILE", help="Another study file than DIR/study.yaml.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="NEW_DIR", help="Play in this new folder and leave it there.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a whole study on this machine, through the real files, beside pooled training.

    Example: fedcli simulate sample_silos/breast_cancer
    """
    from fedcli.cli.simulation import play

    play(Screen("simulate", as_json, quiet), directory, study, keep)


def explain(
    topic: Annotated[str | None, typer.Argument(help="An error code, a word, or a page; without it the list.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the page of an error code, a word or a topic. Works offline.

    Example: fedcli explain E404
    """
    from fedcli.workflow.explain import explain as run

    screen = Screen("explain", as_json, quiet)
    page = run(topic)
    screen.object(topic=page.topic, text=page.text)
    if not as_json:
        text, width = clean(page.text, lines=True), wrapping.columns(sys.stdout)
        typer.echo(text if width is None else fitted(text, width))
