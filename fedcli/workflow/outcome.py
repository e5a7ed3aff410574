"""`predict` and `export`: what a finished study is for.

Owns writing predictions and exports. Knows nothing of rounds or screens. Stable: part of the Python API.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fedcli.data.checking import RowReader
from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.reading import read_query
from fedcli.data.source import is_address, is_pattern
from fedcli.errors import CannotWrite, NotFinal, NotFrozen, OtherStudy, OutputExists
from fedcli.models.life_table import LifeTable
from fedcli.preparing.plan import Plan
from fedcli.report import scoring
from fedcli.report.choice import choice_of
from fedcli.report.coefficients import coefficient_table
from fedcli.report.members import rests_on
from fedcli.report.survival_table import HEADINGS, group_names, survival_lines
from fedcli.study.yaml import decode
from fedcli.workflow.files import OpenedStudy, kind_of, open_study
from fedcli.workflow.models import OpenedModel, newest, open_final
from fedcli.workflow.results import Exported, Predicted
from fedcli.workflow.silo import opened_table
from fedcli.workflow.workspace import SILO_FILE, find_workspace, need_file, write_bytes, write_file

FORMATS = ("json", "csv", "sklearn", "allowed-signers")


def predict(
    data: Path | str,
    *,
    model: Path | str | None = None,
    workspace: Path | str = ".",
    query: str | None = None,
    out: Path | str | None = None,
    force: bool = False,
) -> Predicted:
    """Score a table with the final model.

    The table needs the study's feature columns (and offset); a silo's own ``silo.yaml`` maps its names, units and codes
    here too. No outcome is needed.

    Parameters
    ----------
    data : path or str
        In any form that a silo's table can have.
    model : path, optional
        The final model; without it the newest in the workspace.
    workspace : path
    query : str, optional
        What to ask where the table is a database.
    out : path, optional
        The CSV to write; ``TABLE-predictions.csv`` beside the table by default.
    force : bool

    Raises
    ------
    NotFinal, FileError, TrustError
    """
    study, opened = final_model(model, workspace)
    plan = Plan(study.study)
    mapping = replace(_mapping(study, Path(workspace)), query=read_query(query, Path()))
    reader = RowReader(study.study, mapping, opened_table(data, mapping), features_only=True)
    header, rows = ["row", *scoring.headings(plan, opened.state)], 0
    target = Path(out) if out is not None else _beside(data)
    if target.exists() and not is_address(data) and not is_pattern(Path(data)) and target.samefile(data):
        raise OutputExists(f"'{target}' is the table itself", hint="name another file with --out")

    def write(file: BinaryIO) -> None:
        nonlocal rows
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        for values in _scores(plan, opened, reader):
            for line in values:
                rows += 1
                writer.writerow([rows, *line])
        text.flush()
        text.detach()

    write_file(target, write, force=force)
    return Predicted(target, rows, reader.report.rows_read - rows, tuple(header))


def _beside(data: Path | str) -> Path:
    """Return where predictions go by default."""
    if is_address(data) or is_pattern(Path(data)):
        raise CannotWrite(
            "it is not clear where to write: the table is not one file", hint="name the file to write with --out"
        )
    return Path(data).with_name(f"{Path(data).stem}-predictions.csv")


def _scores(plan: Plan, model: OpenedModel, reader: RowReader) -> Iterator[list[list[object]]]:
    score = scoring.scorer(plan, model.state)
    for rows in reader:
        yield score(rows)


def export(
    file: Path | str | None = None,
    *,
    format: str = "json",
    workspace: Path | str = ".",
    out: Path | str | None = None,
    force: bool = False,
) -> Exported:
    """Write a final model for other tools, or a study's roster for ``ssh-keygen``.

    Parameters
    ----------
    file : path, optional
        The final model (or, for ``allowed-signers``, the study); without it the workspace's.
    format : str
        ``json`` or ``csv``: coefficients on the columns' own scale. ``sklearn``: a ``Pipeline`` saved with skops.
        ``allowed-signers``: the roster, for ``ssh-keygen -Y verify``.
    out : path, optional

    Raises
    ------
    NotFinal, UnsupportedModel, OutputExists
    """
    if format == "allowed-signers":
        return _export_signers(file, workspace, out, force=force)
    study, opened = final_model(file, workspace)
    plan = Plan(study.study)
    table = coefficient_table(plan, opened.state)
    warnings: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    if format == "sklearn":
        import skops.io

        from fedcli.report.pipeline import build_pipeline, pipeline_limits

        data, ending = skops.io.dumps(build_pipeline(plan, opened.state)), ".skops"
        warnings, trusted = pipeline_limits(study.study), tuple(skops.io.get_untrusted_types(data=data))
    elif format == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if isinstance(plan.family, LifeTable):
            writer.writerow(HEADINGS)
            writer.writerows(survival_lines(plan, opened.state))
        else:
            writer.writerow(["name", "coefficient"])
            writer.writerows([name, value if isinstance(value, str) else repr(value)] for name, value in table.lines())
        data, ending = text.getvalue().encode("utf-8"), ".csv"
    else:
        choice = choice_of(plan, opened.state)
        document = {
            "schema": 1,
            "study": table.study,
            "estimator": table.estimator,
            "classes": list(table.classes),
            **({"coefficients": table.coefficients} if table.coefficients else {}),
            **({"intercept": table.intercept} if table.coefficients and table.intercept is not None else {}),
            **({"attributes": table.attributes, "columns": list(table.columns)} if table.attributes else {}),
            **({"groups": list(group_names(plan))} if isinstance(plan.family, LifeTable) else {}),
            "n_samples": table.n_samples,
            "trips": table.trips,
            "params": {
                name: value if not isinstance(value, float) or np.isfinite(value) else repr(value)
                for name, value in plan.chosen(opened.state).model.params.items()
            },
            **({"choice": choice.document()} if choice is not None else {}),
            "silos": list(rests_on(plan, opened.document).fit) if opened.document else [],
            "without": list(opened.document.without) if opened.document else [],
            "reason": opened.document.reason if opened.document else "",
        }
        data, ending = json.dumps(document, indent=2, allow_nan=False, default=str).encode("ascii") + b"\n", ".json"
    target = Path(out) if out is not None else Path(workspace) / f"{table.study}{ending}"
    write_bytes(target, data, force=force)
    return Exported(target, format, warnings, trusted)


def _export_signers(file: Path | str | None, workspace: Path | str, out: Path | str | None, *, force: bool) -> Exported:
    path = Path(file) if file is not None else find_workspace(workspace).study_file
    if path is None:
        raise NotFrozen("the study is still a draft", hint="freeze it first: fedcli study freeze")
    study = open_study(path) if kind_of(path) == "study" else open_final(path)[0]
    target = Path(out) if out is not None else Path(workspace) / "allowed_signers"
    write_bytes(target, study.roster.allowed_signers().encode("ascii"), force=force)
    return Exported(target, "allowed-signers")


def final_model(path: Path | str | None, workspace: Path | str) -> tuple[OpenedStudy, OpenedModel]:
    """Open the final model at ``path``, or the workspace's newest.

    Raises
    ------
    NotFinal, NoWorkspace, TrustError
    """
    if path is not None:
        study, model = open_final(need_file(Path(path), what="model"))
        here = sorted(Path(workspace).glob("*.fedstudy")) if Path(workspace).is_dir() else []
        if here and open_study(here[0]).digest != study.digest:
            raise OtherStudy(
                f"'{Path(path).name}' is of another study than this workspace's",
                hint="go to that study's workspace, or to a folder without one if you trust the file",
            )
        return study, model
    space = find_workspace(workspace)
    if space.study_file is None:
        raise NotFrozen("the study is still a draft", hint="freeze it first: fedcli study freeze")
    study = open_study(space.study_file)
    folder = space.outbox if space.role == "coordinator" else space.inbox
    found = newest(folder.iterdir(), study)
    if found is None:
        raise NotFinal("no model is here yet", hint="see: fedcli status")
    return open_final(found)


def _mapping(study: OpenedStudy, workspace: Path) -> Mapping:
    path = workspace / SILO_FILE
    if path.exists():
        return read_mapping(decode(path.read_bytes(), name=SILO_FILE), study.study, name=SILO_FILE)
    return Mapping.identity()
