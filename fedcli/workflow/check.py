"""`check`: do a silo's rows fit the agreement, and what would `train` refuse.

Owns the order of what is looked at. Knows nothing of mathematics or of how things are printed; needs no key and writes
nothing. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.spool import Spool
from fedcli.compute.update import HashedAsRead, rows_digest
from fedcli.data.checking import RowReader, missing_columns
from fedcli.data.copies import Copied
from fedcli.data.local_rows import LocalRows
from fedcli.data.looking import look
from fedcli.data.reading_report import ReadingReport
from fedcli.data.table import Table
from fedcli.errors import FedcliError
from fedcli.errors.doubts import Doubt
from fedcli.preparing.holdout import folds_of, held_out
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.privacy.differencing import too_few_differ
from fedcli.privacy.disclosure import Disclosure
from fedcli.study.document import Study
from fedcli.workflow.limits import (
    examine_rows,
    least_difference,
    other_numbers,
    rows_changed,
    spread_problems,
    study_finished,
    within_rules,
)
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import model_manifest
from fedcli.workflow.release_records import kept_secret
from fedcli.workflow.released import SUMMED, Released
from fedcli.workflow.releases import Releases, too_few_elsewhere
from fedcli.workflow.results import Checked, ColumnCheck
from fedcli.workflow.silo import SiloSide, open_silo
from fedcli.workflow.what_leaves import rows_dropped

_OUTSIDE = {"clip": "clipped to the range", "missing": "taken for missing"}


def check(data: Path | str | None = None, *, workspace: Path | str = ".", query: str | None = None) -> Checked:
    """Say whether a silo's rows fit the agreement and what `train` would refuse; write nothing.

    Parameters
    ----------
    data : path or str, optional
        The table; without it the one that `join` recorded.
    workspace : path
        The silo's workspace.
    query : str, optional
        What to ask where the table is a database; without it what ``silo.yaml`` says.

    Returns
    -------
    Checked
        ``problems`` holds every problem found, in the order in which `train` would meet them; ``doubts`` what a person
        should look at, for which nothing is refused.

    Raises
    ------
    NoWorkspace, FileError
        The table cannot be read at all.
    """
    side = open_silo(workspace, data, query)
    memory = SiloMemory(side.workspace.private)
    problems: list[FedcliError] = []
    asked: _Asked | None = None
    try:
        side.record()
        asked = _asked(side, memory)
    except FedcliError as error:
        problems.append(error)
    table = side.table()
    found = _rows(side, memory, table, asked)
    report, disclosure = found.report, found.disclosure
    problems += found.problems
    columns = tuple(
        ColumnCheck(
            name,
            side.mapping.local(name),
            report.rows_used - report.missing.get(name, 0),
            report.missing.get(name, 0),
            report.outside.get(name, 0),
            _OUTSIDE.get(getattr(feature, "outside", ""), ""),
        )
        for name, feature in side.study.study.features.items()
    )
    smallest = disclosure.smallest if disclosure else None
    return Checked(
        ok=not problems,
        study=side.study.study.title or side.study.study.study,
        rows_read=report.rows_read,
        rows_used=report.rows_used,
        rows_dropped=report.rows_read - report.rows_used,
        rows_held_out=disclosure.n_held_out if disclosure else 0,
        columns=columns,
        smallest=(smallest.says, smallest.count) if smallest else None,
        problems=tuple(problems),
        table=table.facts,
        merged=tuple(map(str, disclosure.merged)) if disclosure else (),
        doubts=found.doubts,
        dropped=rows_dropped(side.study.study, report.dropped),
        without_third=disclosure.without_third if disclosure else "",
    )


@dataclass(frozen=True)
class _Found:
    """What one reading of the table gave; ``disclosure`` where nothing is wrong with it."""

    report: ReadingReport
    problems: tuple[FedcliError, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    disclosure: Disclosure | None = None


def _rows(side: SiloSide, memory: SiloMemory, table: Table, asked: _Asked | None) -> _Found:
    """Read the table once, and hold its rows to the agreement, to the rules, and to what a person should look at."""
    study = side.study.study
    absent = missing_columns(study, side.mapping, table)
    if absent:
        return _Found(ReadingReport(), absent)
    least = least_difference(study.rules)
    others = Releases(side, kept_secret(side.workspace.private) or bytes(32), table.columns, least)
    misfits: list[FedcliError] = []
    try:
        sets = [kept.columns for kept in others.others()[0]]
    except FedcliError as error:
        sets, misfits = [], [error]
    local = LocalRows(sets, others.secret, side.workspace.private, decimal_comma=table.decimal_comma)
    reader = RowReader(study, side.mapping, table, local=local)
    batches: Iterable[Rows] = reader.batches(None, refuse=False)
    hashed = _hashed(study, memory, batches)
    spooled = Spool(batches if hashed is None else hashed, side.workspace.private)
    with local, spooled as spool, ThreadPoolExecutor(1, "looking") as beside:
        report = reader.report
        misfits += [*reader.errors, *spread_problems(study, report.extent)]
        # Doubts and rules are two looks at the same rows, each as long as the other.
        looking = beside.submit(look, study, side.mapping, report, spool.as_read)
        disclosure = None
        if not misfits:
            disclosure, hashes, mask = _examined(study, memory, spool, hashed)
            misfits += disclosure.problems
            if asked is not None and hashes is not None:
                digest = rows_digest(hashes, memory.secret())
                misfits += _against_earlier(memory, asked, digest, hashes[~mask], least)
            if asked is not None and sets and not misfits and memory.sent_after(asked.parent) is None:
                problem = too_few_elsewhere(others.look(local, mask).summed, side.study.digest, least)
                misfits += [problem] if problem is not None else []
        doubts = looking.result()
        for doubt in doubts:
            if isinstance(doubt, Copied):
                doubt.rows = f"see {reader.places(doubt.positions)}"
        return _Found(report, tuple(misfits), doubts, disclosure)


def _hashed(study: Study, memory: SiloMemory, batches: Iterable[Rows]) -> HashedAsRead | None:
    """Return the batches with a hash of each row, only where rows are held out or compared with what has left."""
    if not (study.evaluation.holdout > 0 or study.model.cv or memory.rows_of_study() is not None):
        return None
    try:
        return HashedAsRead(batches, memory.secret())
    except FedcliError:
        # What is wrong with the table is said before that; `_examined` says it.
        return None


def _examined(
    study: Study, memory: SiloMemory, spool: Spool, hashed: HashedAsRead | None
) -> tuple[Disclosure, NDArray[np.uint64] | None, NDArray[np.bool_]]:
    """Test rows against the rules; return the rows' hashes too, where they are needed, and which are held out."""
    secret, hashes, mask = memory.secret(), None, np.zeros(len(spool), dtype=np.bool_)
    if hashed is not None:
        hashes = hashed.hashes()
        mask = held_out(hashes, study.evaluation.holdout, secret)
    folds = folds_of(hashes, study.model.cv, secret) if study.model.cv and hashes is not None else None
    return examine_rows(Plan(study), spool, mask, folds, memory.levels()), hashes, mask


@dataclass(frozen=True)
class _Asked:
    """What the next update would be: its round and attempt, and the digest of what it continues."""

    round: int
    attempt: int
    parent: str


def _asked(side: SiloSide, memory: SiloMemory) -> _Asked:
    """Return what is asked next, as far as a model says without a key, and refuse it where `train` would.

    Whether this silo is asked for the model's attempt or for an earlier one stands encrypted in it. An earlier one has
    left already, or is refused as the later one would be.

    Raises
    ------
    StudyFinished, OtherRound, AlreadyReleased, NothingToDo, FileError, TrustError
    """
    found = side.continued()
    if found is None:
        asked = _Asked(1, 1, side.study.digest)
    else:
        manifest = model_manifest(found, side.study)
        if manifest.final:
            raise study_finished(side.study.study.study, manifest.round, found)
        asked = _Asked(manifest.round + 1, manifest.attempt, manifest.digest())
    within_rules(side.study.study.rules.max_rounds, memory, asked.round, asked.attempt, asked.parent)
    return asked


def _against_earlier(
    memory: SiloMemory, asked: _Asked, digest: str, summed: NDArray[np.uint64], least: int
) -> list[FedcliError]:
    """Return why a table may not follow what has left, as `train` would say it."""
    try:
        changed = rows_changed(memory, digest, asked.round)
    except FedcliError as error:
        return [error]
    differences = Released(memory.folder, SUMMED).differences(summed)
    if memory.sent_after(asked.parent) is not None:
        # The same rows give the same bytes again; other rows held out change nothing of round 1.
        same = any(found.size == 0 for found in differences) if differences else not changed
        return [] if same else [other_numbers(asked.round, asked.attempt, memory.name())]
    problem = too_few_differ(differences, least)
    return [problem] if problem is not None else []
