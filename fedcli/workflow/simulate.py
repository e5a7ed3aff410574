"""`simulate`: a whole study on one machine, through the same functions and files, beside pooled training.

Owns playing all the parts. Knows nothing of screens. Stable: part of the Python API.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.crypto.keys import SecretKey
from fedcli.data.checking import RowReader
from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.source import shown
from fedcli.errors import BadStudy, FedcliError, FileMissing, UnsupportedModel, WorkspaceExists
from fedcli.preparing.estimators import estimator_of
from fedcli.preparing.holdout import folds_of, held_out, row_hashes
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.privacy.disclosure import Levels
from fedcli.report.choice import choice_of
from fedcli.report.filled import compare_medians
from fedcli.report.pooled import compare_pooled
from fedcli.report.scores_beside import compare_scores
from fedcli.study.document import Study
from fedcli.study.reading import read_study
from fedcli.study.yaml import decode
from fedcli.study.yaml_edit import clear_list
from fedcli.workflow.aggregate import aggregate
from fedcli.workflow.files import open_key
from fedcli.workflow.join import join
from fedcli.workflow.keys import keys_new
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import open_final
from fedcli.workflow.results import Aggregated, Compared, Simulated
from fedcli.workflow.silo import opened_table
from fedcli.workflow.study import study_add_silo, study_freeze, study_init
from fedcli.workflow.train import train
from fedcli.workflow.workspace import write_bytes

Progress = Callable[[str, int, int], None]
# The simulation's keys guard nothing: they live in a temporary folder, for seconds.
_LOG2_N = 10


def simulate(
    directory: Path | str,
    *,
    study: Path | str | None = None,
    keep: Path | str | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Run a whole study through the real commands and files in a temporary folder, and fit the pooled rows beside it.

    Parameters
    ----------
    directory : path
        Holds ``study.yaml``, one ``NAME.csv`` per silo and, where a silo has its own names or codes,
        ``NAME.silo.yaml``.
    study : path, optional
        Another study file than ``directory/study.yaml``.
    keep : path, optional
        A new folder to play in, which then stays.
    progress : callable, optional
        Told what is done: text, step, and steps in all (0 while unknown).

    Returns
    -------
    Simulated
        ``relative_error`` is ``norm(federated - pooled) / norm(pooled)`` over intercept and coefficients on the scale
        on which the model was fitted; None of a model that is trained at each silo, of which ``scores`` says how well
        it predicts.

    Raises
    ------
    FileMissing, BadStudy, and whatever the commands raise
    """
    folder = Path(directory)
    source = Path(study) if study is not None else folder / "study.yaml"
    if not source.is_file():
        raise FileMissing(
            f"there is no study file {shown(source, 'of that name')}",
            hint="name a folder that holds study.yaml and one CSV per silo",
        )
    tables = {path.stem: path for path in sorted(folder.glob("*.csv")) if not path.stem.endswith("-predictions")}
    if not tables:
        raise FileMissing(f"'{folder}' holds no tables", hint="put one CSV per silo beside study.yaml")
    text = decode(source.read_bytes(), name=source.name)
    agreed = read_study(text, name=source.name)
    if agreed.offset is not None and agreed.target.type == "binary":
        raise UnsupportedModel(
            "scikit-learn's LogisticRegression takes no offset: there is no pooled fit to compare with",
            hint="run the study by its own commands, or leave the offset out of the simulation",
        )
    if len(tables) < agreed.rules.min_silos:
        raise BadStudy(
            f"'{folder}' holds {len(tables)} tables, rules.min_silos is {agreed.rules.min_silos}",
            hint="add tables, or lower rules.min_silos",
        )
    tell: Progress = progress or (lambda text, step, steps: None)
    started = time.perf_counter()
    with _place(keep) as root:
        final, sent = _play(root, folder, tables, text, agreed, tell)
        opened, model = open_final(final.model)
        plan = Plan(opened.study)
        own = not estimator_of(opened.study).module or bool(estimator_of(opened.study).stands_for)
        tell("fitting the pooled rows" if own else "fitting the pooled rows with scikit-learn", 0, 0)
        rows, held_out, folds = _pooled_rows(root, folder, tables, opened.study)
        found = compare_pooled(plan, model.state, rows, folds)
        return Simulated(
            study=opened.study.title or opened.study.study,
            estimator=opened.study.model.estimator,
            silos={name: len(rows[name]) for name in opened.study.silo_names},
            trips=final.round,
            coefficients=tuple(Compared(*number) for number in found.numbers),
            relative_error=found.relative_error,
            grid_bias=found.grid_bias,
            steps=tuple(model.state.arrays["steps"].tolist()) if "steps" in model.state.arrays else (),
            bytes_sent=sent,
            seconds=time.perf_counter() - started,
            kept=Path(keep) if keep is not None else None,
            evaluation=final.evaluation,
            model=final.model if keep is not None else None,
            linear=plan.family.linear,
            medians=tuple(Compared(*median) for median in compare_medians(plan, model.state, rows)),
            within=found.within,
            choice=choice_of(plan, model.state),
            scores=tuple(
                Compared(*score)
                for score in compare_scores(plan, model.state, list(rows.values()), list(held_out.values()))
            ),
        )


@contextmanager
def _named(silo: str) -> Iterator[None]:
    """Say at which silo an error was met: here one person plays them all."""
    try:
        yield
    except FedcliError as exc:
        exc.where = f"{silo}: {exc.where}" if exc.where else silo
        raise


@contextmanager
def _place(keep: Path | str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="fedcli-simulate-") as name:
            yield Path(name)
        return
    root = Path(keep)
    if root.exists() and any(root.iterdir()):
        raise WorkspaceExists(f"'{root}' is not empty", hint="name a new folder with --keep")
    root.mkdir(parents=True, exist_ok=True)
    yield root


def _play(
    root: Path, folder: Path, tables: dict[str, Path], text: str, agreed: Study, tell: Progress
) -> tuple[Aggregated, int]:
    passphrase = secrets.token_hex(16)
    keys: dict[str, SecretKey] = {}
    files: dict[str, Any] = {}
    tell("making keys", 0, 0)
    coordinator = "coordinator" if "coordinator" not in tables else "study-coordinator"
    for name in (coordinator, *tables):
        home = root / name
        home.mkdir(parents=True, exist_ok=True)
        files[name] = keys_new(name, passphrase=passphrase, out=home, log2_n=_LOG2_N)
        keys[name] = open_key(files[name].secret, passphrase)
    # Where the folder is kept, somebody may want to go on by hand.
    write_bytes(root / "passphrase", passphrase.encode("ascii") + b"\n", mode=0o600)
    tell("agreeing on the study", 0, 0)
    space = root / coordinator / "study"
    study_init(space, key=files[coordinator].secret, name=agreed.study)
    write_bytes(space / "study.yaml", clear_list(text, "silos", name="study.yaml").encode("utf-8"), force=True)
    study_add_silo(
        [files[name].public for name in tables],
        workspace=space,
        fingerprints=[files[name].fingerprint for name in tables],
    )
    frozen = study_freeze(workspace=space, key=keys[coordinator])
    for name, path in tables.items():
        tell(f"{name} joins", 0, 0)
        mapping = folder / f"{name}.silo.yaml"
        join(
            frozen.file,
            key=keys[name],
            key_file=files[name].secret,
            data=path,
            workspace=root / name / "study",
            mapping=mapping if mapping.exists() else None,
            fingerprint=frozen.fingerprint,
        )
    sent = 0
    done = 0
    while True:
        updates: list[Path] = []
        for name in tables:
            tell(f"round {done + 1}: {name} trains", len(updates), len(tables))
            with _named(name):
                trained = train(workspace=root / name / "study", key=keys[name], yes=True)
            assert trained.update is not None  # noqa: S101 - not a dry run
            sent += trained.size
            updates.append(trained.update)
            shutil.copy(trained.update, space / "inbox")
        tell(f"round {done + 1}: aggregating", len(tables), len(tables))
        result = aggregate(workspace=space, key=keys[coordinator])
        done = result.round
        for name in tables:
            shutil.copy(result.model, root / name / "study" / "inbox")
        if result.finished:
            return result, sent


def _pooled_rows(
    root: Path, folder: Path, tables: dict[str, Path], study: Study
) -> tuple[dict[str, Rows], dict[str, Rows], NDArray[np.int64] | None]:
    """Read every silo's training rows, those held out, and the fold of each of the first.

    Only a simulation has them all in one place.
    """
    found, held, folds = {}, {}, []
    for name, path in tables.items():
        own = folder / f"{name}.silo.yaml"
        mapping = (
            read_mapping(decode(own.read_bytes(), name=own.name), study, name=own.name)
            if own.exists()
            else Mapping.identity()
        )
        rows = Rows.together(list(RowReader(study, mapping, opened_table(path, mapping))))
        memory = SiloMemory(root / name / "study" / "private")
        secret = memory.secret()
        hashes = row_hashes(rows, secret)
        mask = held_out(hashes, study.evaluation.holdout, secret)
        found[name] = _merged(study, rows.take(~mask), memory.levels())
        held[name] = _merged(study, rows.take(mask), memory.levels())
        if study.model.cv:
            folds.append(folds_of(hashes, study.model.cv, secret)[~mask])
    return found, held, np.concatenate(folds) if folds else None


def _merged(study: Study, rows: Rows, levels: Levels) -> Rows:
    """Return rows with the levels that the silo merged: the model is that of the rows so relabelled."""
    if not levels.merged:
        return rows
    codes = rows.codes.copy()
    for j, (name, column) in enumerate(study.categories.items()):
        for code, level in enumerate(column.agreed):
            if (name, level) in levels.merged and column.small_level is not None:
                codes[rows.codes[:, j] == code, j] = column.agreed.index(column.small_level)
    return replace(rows, codes=codes)
