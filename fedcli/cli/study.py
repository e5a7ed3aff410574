"""``fedcli study``: draft, enrol, freeze and show the agreement. Internal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedcli.cli.agreement import plain_words
from fedcli.cli.options import Fingerprints, Json, KeyFile, PassphraseFile, Quiet, WorkspaceDir
from fedcli.cli.screen import Screen, passphrase_source

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Draft the agreement, enrol silos, freeze it, show it."
)


@app.command("init")
def init(
    directory: Annotated[Path, typer.Argument(help="The new workspace; its name becomes the study's.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The coordinator's secret key file.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="SAMPLE", help="A sample table to fill in columns, levels and ranges from."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COLUMN", help="The sample's outcome column; else the last one.")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="What the study is, for people.")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the coordinator's workspace with a commented study.yaml.

    Example: fedcli study init heart --key registry.fedkey --data sample.csv
    """
    from fedcli.workflow.study import study_init

    screen = Screen("study init", as_json, quiet, workspace=directory)
    made = study_init(directory, key=key, data=data, target=target, title=title)
    screen.object(workspace=made.workspace, draft=made.draft, left_out=made.left_out, outcome=made.outcome)
    for line in made.left_out:
        screen.say(f"left out  {line}", indent=10)
    if made.outcome:
        screen.say(made.outcome, indent=10)
    screen.done(f"{made.draft} written")
    screen.next(f"read and edit {made.draft}, then enrol each silo: fedcli study add-silo NAME.fedpub")


@app.command("add-silo")
def add_silo(
    public_keys: Annotated[list[Path], typer.Argument(metavar="FEDPUB", help="Public key files of silos.")],
    workspace: WorkspaceDir = Path(),
    fingerprint: Fingerprints = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Enrol silos, after comparing each fingerprint on the phone.

    Example: fedcli study add-silo north.fedpub
    """
    from fedcli.workflow.study import study_add_silo

    screen = Screen("study add-silo", as_json, quiet, workspace=workspace)

    def confirm(name: str, digits: str) -> bool:
        screen.table([("silo", name), ("fingerprint", digits)], to_stdout=False)
        return screen.ask_fingerprint(name, digits)

    added = study_add_silo(
        public_keys,
        workspace=workspace,
        fingerprints=fingerprint or (),
        confirm=confirm if screen.interactive else None,
    )
    screen.object(added=[{"name": silo.name, "fingerprint": silo.fingerprint} for silo in added])
    for silo in added:
        screen.done(f"{silo.name} is enrolled")
    screen.next("enrol the other silos, then: fedcli study freeze")


@app.command("freeze")
def freeze(
    workspace: WorkspaceDir = Path(),
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check the whole agreement, sign it and fix it.

    Example: fedcli study freeze
    """
    from fedcli.workflow.study import study_freeze

    screen = Screen("study freeze", as_json, quiet, workspace=workspace)
    frozen = study_freeze(workspace=workspace, key=key, passphrase=passphrase_source(passphrase_file, screen))
    screen.object(
        study=frozen.file, fingerprint=frozen.fingerprint, silos=frozen.study.silo_names, trips=list(frozen.trips)
    )
    screen.table([*plain_words(frozen.study, frozen.trips), ("fingerprint", frozen.fingerprint)])
    if frozen.advice:
        screen.warn(frozen.advice)
    screen.done(f"{frozen.file} written and signed; it never changes again")
    screen.next(
        f"send {frozen.file.name} to every silo, and read them the fingerprint on the phone, once for everybody"
    )


@app.command("show")
def show(
    file: Annotated[Path | None, typer.Argument(help="A .fedstudy file; else this workspace's.")] = None,
    workspace: WorkspaceDir = Path(),
    as_json: Json = False,
) -> None:
    """Say the agreement in plain words.

    Example: fedcli study show heart.fedstudy
    """
    from fedcli.workflow.study import study_show

    screen = Screen("study show", as_json)
    shown = study_show(file, workspace=workspace)
    screen.object(
        study=shown.study.model_dump(mode="json"),
        digest=shown.digest,
        fingerprint=shown.fingerprint,
        trips=list(shown.trips),
        warnings=shown.warnings,
    )
    rows = plain_words(shown.study, shown.trips)
    rows.append(("fingerprint", shown.fingerprint or "none: the study is a draft"))
    screen.table(rows)
    for warning in shown.warnings:
        screen.warn(warning)
