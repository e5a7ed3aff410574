"""`make_report`: who is in the pool that a model was fitted on; the command is ``report``.

Owns opening the model, final or between trips, and writing the report. Knows nothing of how a table is made. Stable:
part of the Python API, where ``fedcli.report`` is the room that makes it.
"""

from __future__ import annotations

from pathlib import Path

from fedcli.crypto.keys import SecretKey
from fedcli.errors import NoProfile, NotFinal, NotFrozen
from fedcli.fileformat.envelope import read_envelope
from fedcli.preparing.plan import Plan
from fedcli.report.table_one import TableOne, table_one
from fedcli.report.table_text import as_json, as_markdown, as_text
from fedcli.workflow.coordinator import open_coordinator
from fedcli.workflow.files import OpenedStudy, Passphrase, open_file, open_key, open_study
from fedcli.workflow.models import OpenedModel, model_manifest, newest, open_model
from fedcli.workflow.outcome import final_model
from fedcli.workflow.results import Reported
from fedcli.workflow.silo import open_silo
from fedcli.workflow.workspace import find_workspace, need_file, write_bytes

FORMATS = {"text": as_text, "markdown": as_markdown, "json": as_json}


def make_report(
    model: Path | str | None = None,
    *,
    format: str = "text",
    workspace: Path | str = ".",
    key: SecretKey | Path | str | None = None,
    passphrase: Passphrase | None = None,
    out: Path | str | None = None,
    force: bool = False,
) -> Reported:
    """Describe the pool: numbers of rows, means, quantiles with bounds, levels, by outcome; correlations if agreed.

    Every member may read it from trip 1 on: the sums of one silo are in no model.

    Parameters
    ----------
    model : path, optional
        Without it the workspace's newest.
    format : str
        ``text``, ``markdown`` or ``json``.
    workspace : path
    key, passphrase : optional
        A member's secret key, needed for a model between trips; without ``key`` the one that the workspace names.
    out : path, optional
        Where to write the report.
    force : bool

    Raises
    ------
    NoProfile
        The study agreed on nothing that describes the pool.
    NotFinal
        No trip has been summed yet.
    FileError, TrustError
    """
    study, opened = _opened(model, workspace, key, passphrase)
    if study.study.profile is None and not any(column.impute == "median" for column in study.study.numbers.values()):
        raise NoProfile(
            f"study '{study.study.study}' agreed on no profile, so its trips did not describe the pool",
            hint="a new study has it with 'profile: {bins: 64}' in study.yaml; the coefficients are in: fedcli export",
        )
    if not opened.round:
        raise NotFinal("no trip has been summed yet", hint="report again when the first model is here: fedcli status")
    table: TableOne = table_one(Plan(study.study), opened.state)
    text = FORMATS[format](table)
    file = write_bytes(Path(out), text.encode("utf-8"), force=force) if out is not None else None
    return Reported(table, text, opened.round, opened.final, file)


def _opened(
    path: Path | str | None, workspace: Path | str, key: SecretKey | Path | str | None, passphrase: Passphrase | None
) -> tuple[OpenedStudy, OpenedModel]:
    if path is not None:
        with open_file(need_file(Path(path), what="model")) as file:
            if not read_envelope(file).encrypted:
                return final_model(path, workspace)
    space = find_workspace(workspace)
    if space.study_file is None:
        raise NotFrozen("the study is still a draft", hint="freeze it first: fedcli study freeze")
    study = open_study(space.study_file)
    coordinator = space.role == "coordinator"
    found = Path(path) if path is not None else newest((space.outbox if coordinator else space.inbox).iterdir(), study)
    if found is None:
        raise NotFinal("no model is here yet", hint="see: fedcli status")
    if model_manifest(found, study).final:
        return final_model(found, workspace)
    own = key if key is not None else (open_coordinator(workspace) if coordinator else open_silo(workspace, None)).key
    return study, open_model(found, study, open_key(own, passphrase))
