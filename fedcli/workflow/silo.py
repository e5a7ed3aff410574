"""A silo's side of a study: its workspace, the verified agreement, its own settings and table.

Owns opening them together. Knows nothing of mathematics or screens. Internal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fedcli.data.checking import RowReader
from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.reading import Table, open_table
from fedcli.errors import BadMapping, LedgerBroken, NoWorkspace, TooManyColumns
from fedcli.protocol.ledger import Ledger
from fedcli.study.document import Study
from fedcli.study.yaml import decode
from fedcli.workflow.files import OpenedStudy, open_study
from fedcli.workflow.limits import cross_check
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.workspace import SILO_FILE, Workspace, find_workspace, need_file


@dataclass(frozen=True)
class SiloSide:
    """Everything that a silo's command starts from."""

    workspace: Workspace
    study: OpenedStudy
    mapping: Mapping
    mapping_digest: str
    key: Path
    data: Path

    def table(self) -> Table:
        """Open the table, as ``silo.yaml`` says it is written."""
        return opened_table(self.data, self.mapping)

    def reader(self) -> RowReader:
        """Read the table through the mapping and the agreement's checks."""
        return RowReader(self.study.study, self.mapping, self.table())

    def ledger(self) -> Ledger:
        """Read and verify the ledger."""
        path = self.workspace.ledger
        if path.exists():
            return Ledger.from_text(path.read_bytes())
        if SiloMemory(self.workspace.private).last_round():
            raise LedgerBroken(
                "ledger.jsonl is gone, and an update has left this workspace",
                hint="restore it from a backup; it records what has left this institution and is never edited",
            )
        return Ledger()


def open_silo(root: Path | str, data: Path | str | None) -> SiloSide:
    """Open a silo's workspace.

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
    table = Path(data) if data is not None else workspace.root / _named(mapping.data, "data: TABLE.csv")
    key = workspace.root / _named(mapping.key, "key: NAME.fedkey")
    return SiloSide(workspace, study, mapping, hashlib.sha256(raw).hexdigest(), key, need_file(table, what="table"))


def opened_table(path: Path, mapping: Mapping) -> Table:
    """Open a table as a mapping says it is written."""
    return open_table(path, delimiter=mapping.delimiter, decimal=mapping.decimal, encoding=mapping.encoding)


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
    return tuple(warnings)
