"""What the coordinator runs in every round: ``aggregate``. Internal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedcli.cli.commands import quoted
from fedcli.cli.options import (
    AT_THE_COORDINATOR,
    Force,
    Json,
    KeyFile,
    Out,
    PassphraseFile,
    Quiet,
    Verbose,
    WorkspaceDir,
)
from fedcli.cli.screen import Screen, mark, passphrase_source


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("aggregate", rich_help_panel=AT_THE_COORDINATOR)(aggregate)


def aggregate(
    updates: Annotated[
        list[Path] | None, typer.Argument(metavar="UPDATE", help="Update files; else everything in inbox/.")
    ] = None,
    workspace: WorkspaceDir = Path(),
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="SILO", help="Go on without this silo; the model records it. Repeatable."),
    ] = None,
    new_attempt: Annotated[
        bool, typer.Option("--new-attempt", help="Ask for this round's updates again instead of merging.")
    ] = False,
    ask: Annotated[
        list[str] | None,
        typer.Option("--ask", metavar="SILO", help="With --new-attempt: ask only this silo. Repeatable."),
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="With --new-attempt: begin the study again at round 1.")
    ] = False,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Verify every update, merge them and write the next model.

    Nothing is summed before all files are verified, and nothing is written if one of them cannot be used.

    Example: fedcli aggregate
    """
    from fedcli.errors import FedcliError
    from fedcli.workflow.aggregate import aggregate as run
    from fedcli.workflow.ask_again import ask_again
    from fedcli.workflow.inbox import UpdatesRefused

    screen = Screen("aggregate", as_json, quiet, verbose, workspace)
    passphrase = passphrase_source(passphrase_file, screen)
    if not new_attempt and (ask or from_start):
        raise typer.BadParameter("--ask and --from-start go with --new-attempt")
    if new_attempt:
        asked = ask_again(
            ask or (), workspace=workspace, key=key, passphrase=passphrase, from_start=from_start, out=out, force=force
        )
        screen.object(round=asked.round, attempt=asked.attempt, asked=asked.asked, model=asked.model)
        names = ", ".join(asked.asked)
        screen.done(f"{asked.model} written: it asks {names} for attempt {asked.attempt} of round {asked.round}")
        screen.next(f"send {asked.model.name} to {names}")
        return
    try:
        result = run(
            updates or (),
            workspace=workspace,
            key=key,
            passphrase=passphrase,
            without=without or (),
            out=out,
            force=force,
            progress=screen.doing,
        )
    except UpdatesRefused as refused:
        for item in refused.found:
            if item.problem is None and item.manifest is not None and not item.passed:
                screen.say(f"{mark(True)} {item.path.name}   {item.manifest.sender}")
            elif isinstance(item.problem, FedcliError):
                screen.say(f"{mark(False)} {item.path.name}   {item.problem.code}")
        raise
    for update in result.updates:
        copies = f"   ({update.copies} copies, counted once)" if update.copies > 1 else ""
        screen.say(f"{mark(True)} {update.file.name}   {update.silo}{copies}")
    for why, files in result.passed.items():
        screen.say(f"passed over: {', '.join(files)}: {why}", indent=2)
    screen.object(
        round=result.round,
        attempt=result.attempt,
        finished=result.finished,
        reason=result.reason,
        model=result.model,
        updates=[update.silo for update in result.updates],
        without=result.without,
        n_samples=result.n_samples,
        step=result.step,
        remaining=result.remaining,
        evaluation=dict(result.evaluation),
        fit=result.fit,
        skipped=result.skipped,
        passed=dict(result.passed),
        warnings=result.warnings,
        choice=result.choice.document() if result.choice is not None else None,
    )
    rows = [("round", str(result.round)), ("rows", f"{result.n_samples:,} in the fit, in {len(result.fit)} silos")]
    if result.step is not None and result.remaining is not None:
        rows.append(("last step", f"{result.step:.1e} of the coefficients; about {result.remaining:.1e} remains"))
    for name, value in result.evaluation.items():
        shown = f"{value:,.0f}" if name == "n_samples" else f"{value:.5g}"
        rows.append((f"held out: {name.replace('_', ' ')}", shown))
    if result.without:
        rows.append(("without", ", ".join(result.without)))
    for number, line in enumerate(result.choice.lines() if result.choice is not None else ()):
        rows.append(("candidates" if number == 0 else "", ": ".join(line)))
    rows.append(("finished", f"yes: {result.reason}" if result.finished else "no"))
    screen.table(rows)
    for warning in result.warnings:
        screen.warn(warning)
    screen.done(f"{result.model} written")
    if result.finished:
        screen.next(f"send {result.model.name} to everybody; fedcli export {quoted(result.model)} --format json")
    else:
        screen.next(f"send {result.model.name} to every silo; they put it in inbox/ and run: fedcli train")
