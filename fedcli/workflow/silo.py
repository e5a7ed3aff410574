"""A silo's side of a study: its workspace, the verified agreement, its own settings and table.

Owns opening them together. Knows nothing of mathematics or screens. Internal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from fedcli.crypto.keys import PublicKey
from fedcli.data.checking import RowReader
from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.reading import open_table, read_query
from fedcli.data.source import is_address, located
from fedcli.data.table import Table
from fedcli.errors import BadMapping, FedcliError, NothingToDo, NoWorkspace, TooManyColumns, TrustError
from fedcli.preparing.estimators import ESTIMATORS
from fedcli.study.contradictions import contradictions
from fedcli.study.document import Study
from fedcli.study.yaml import decode
from fedcli.workflow.files import OpenedStudy, open_study, read_public_key
from fedcli.workflow.ledger_beside import LedgerBeside, beside
from fedcli.workflow.limits import cross_check
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import newest
from fedcli.workflow.recording import Record, read_record
from fedcli.workflow.workspace import SILO_FILE, Workspace, find_workspace, need_file


@dataclass(frozen=True)
class SiloSide:
    """Everything that a silo's command starts from."""

    workspace: Workspace
    study: OpenedStudy
    mapping: Mapping
    mapping_digest: str
    key: Path
    data: Path | str

    def table(self) -> Table:
        """Open the table, as ``silo.yaml`` says it is written."""
        return opened_table(self.data, self.mapping)

    def reader(self) -> RowReader:
        """Read the table through the mapping and the agreement's checks."""
        return RowReader(self.study.study, self.mapping, self.table())

    def record(self) -> Record:
        """Read the ledger, verify it, and compare it with what ``private/`` and the key's own folder know of it.

        Raises
        ------
        LedgerBroken, LedgerRewound
        """
        record = read_record(self.workspace, self.study)
        LedgerBeside(beside(self.key), self.workspace.private).compare(record.ledger)
        return record

    def reviewer(self) -> PublicKey | None:
        """Read the key of whom this silo asks to approve each release; None where ``silo.yaml`` names nobody."""
        if self.mapping.reviewer is None:
            return None
        return read_public_key(need_file(self.workspace.root / self.mapping.reviewer, what="reviewer's key"))

    def ledger_problem(self) -> TrustError | None:
        """Return what is wrong with the ledger, for whoever looks at more than it; or None."""
        try:
            self.record()
        except TrustError as error:
            return error
        return None

    def continued(self) -> Path | None:
        """Return the newest model in ``inbox/``, or None before the first; no key is needed.

        Raises
        ------
        NothingToDo
            There is none, and updates of later rounds have left.
        FileError, TrustError
            It is damaged, or not from the coordinator.
        """
        found = newest(self.workspace.inbox.iterdir(), self.study)
        empty = found is None and not any(self.workspace.inbox.iterdir())
        if empty and SiloMemory(self.workspace.private).last_round() > 1:
            raise NothingToDo(
                "the models of earlier rounds are gone from inbox/", hint="put the newest .fedmodel file there again"
            )
        return found


def open_silo(root: Path | str, data: Path | str | None, query: str | None = None) -> SiloSide:
    """Open a silo's workspace.

    Parameters
    ----------
    root : path
    data, query : optional
        The table, and what to ask it where it is a database; without them what ``silo.yaml`` names.

    Raises
    ------
    NoWorkspace, FileMissing, BadMapping, TrustError
    """
    workspace = find_workspace(root)
    if workspace.role != "silo" or workspace.study_file is None:
        raise NoWorkspace("this is the coordinator's workspace", hint="go to a silo's: the one that 'fedcli join' made")
    study = open_study(workspace.study_file)
    cross_check(study.study)
    raw = workspace.settings.read_bytes()
    text = decode(raw, name=workspace.settings.name)
    mapping = read_mapping(text, study.study, name=workspace.settings.name)
    table = data if data is not None else located(_named(mapping.data, "data: TABLE.csv"), workspace.root)
    asked = read_query(query, Path()) if query is not None else read_query(mapping.query, workspace.root)
    # A file named instead of the recorded database needs no query; one that is asked for by name is checked.
    mapping = replace(mapping, query=asked if query is not None or is_address(table) else None)
    key = workspace.root / _named(mapping.key, "key: NAME.fedkey")
    return SiloSide(workspace, study, mapping, hashlib.sha256(raw).hexdigest(), key, table)


def open_silo_record(root: Path | str) -> tuple[Workspace, Record]:
    """Open a silo's workspace for its ledger alone: neither key nor table has to be there.

    Raises
    ------
    NoWorkspace, LedgerBroken, LedgerRewound
    """
    workspace = find_workspace(root)
    if workspace.role != "silo" or workspace.study_file is None:
        raise NoWorkspace("this is the coordinator's workspace", hint="go to a silo's: the one that 'fedcli join' made")
    study = open_study(workspace.study_file)
    record = read_record(workspace, study)
    try:
        mapping = read_mapping(decode(workspace.settings.read_bytes(), name=SILO_FILE), study.study, name=SILO_FILE)
    except FedcliError:
        # Whoever reads the ledger need not mend silo.yaml first; `check` and `train` refuse it.
        return workspace, record
    if mapping.key is not None:
        LedgerBeside(beside(workspace.root / mapping.key), workspace.private).compare(record.ledger)
    return workspace, record


def opened_table(data: Path | str, mapping: Mapping) -> Table:
    """Open a table as a mapping says it is written."""
    return open_table(
        data,
        delimiter=mapping.delimiter,
        decimal=mapping.decimal,
        encoding=mapping.encoding,
        sheet=mapping.sheet,
        query=mapping.query,
        thousands=mapping.thousands,
    )


def _named(value: str | None, line: str) -> str:
    if value is None:
        raise BadMapping("a line is missing", hint=f"add a line '{line}'", where=SILO_FILE)
    return value


def agreement_warnings(study: Study) -> tuple[str, ...]:
    """Return what a silo should know before it takes part."""
    warnings = []
    if study.rules.aggregation == "plain":
        warnings.append("aggregation is plain: the coordinator can read each silo's update singly, not only the sum")
    if study.rules.rows_per_column < 5:
        warnings.append(
            f"rows_per_column is {study.rules.rows_per_column:g}: from a silo with few rows per column, "
            f"sums of products can give single rows back ({TooManyColumns.code})"
        )
    if study.rules.min_cell < 3:
        warnings.append(f"min_cell is {study.rules.min_cell}: groups of that few rows may be visible in the sums")
    if study.rules.largest_share is None:
        warnings.append("there is no rule on largest_share: a column's sum may be nearly the value of one row")
    for problem in contradictions(study.features, study.target):
        place = ".".join(str(part) for part in problem.path)
        warnings.append(f"the agreement contradicts itself: {place}: {problem}")
    known = ESTIMATORS.get(study.model.estimator)
    if known is not None and known.advice:
        warnings.append(known.advice)
    return tuple(warnings)
