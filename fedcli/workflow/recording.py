"""The ledger on disk, and what `private/` knows of it: read together, and written one after the other.

Owns the order in which a line is announced, written and confirmed, and what makes a ledger believable. Knows nothing of
what a line says. Internal.

Announced first, under the silo's signature: one line more than was confirmed is accepted only if it is that one, so a
run that stops in between leaves nothing that could also be a forgery. Confirmed before anything that it records is
signed: so a line that is not confirmed is of an update that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fedcli.crypto.keys import SecretKey
from fedcli.crypto.signing import sign
from fedcli.errors import LedgerBroken, LedgerRewound
from fedcli.protocol.ledger import Ledger
from fedcli.protocol.ledger_head import NEWEST, SAME_DAY, LedgerHead
from fedcli.workflow.files import OpenedStudy
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.workspace import Workspace, append_line, cut_back


@dataclass(frozen=True)
class Record:
    """A ledger that was compared with what `private/` knows of it.

    Parameters
    ----------
    ledger : Ledger
    confirmed : bool
        False where a run stopped right after it wrote the last line.
    """

    ledger: Ledger
    confirmed: bool = True

    @property
    def last(self) -> str | None:
        """The update of the last line, named by its manifest's digest."""
        return str(self.ledger.entries[-1].get("update")) if self.ledger.entries else None

    def holds(self, update: str) -> bool:
        """Return whether the release of an update, named by its manifest's digest, is recorded."""
        return any(entry.get("update") == update for entry in self.ledger.entries)

    def must_hold(self, update: str | None, silo: str, model: Path | None) -> None:
        """Refuse to go on where the model rests on an update that is not recorded: the coordinator remembers it.

        Parameters
        ----------
        update : str or None
            Digest of the update of this silo that is in the model, if one is.
        silo : str
        model : Path or None

        Raises
        ------
        LedgerRewound
        """
        if update is not None and not self.holds(update):
            raise LedgerRewound(
                f"{model.name if model else 'the model'} rests on an update of {silo} that the ledger does not hold: "
                "this workspace is an older copy, or not the one in which it was made",
                hint="restore the workspace as it was when that update left; without it, tell your data-protection "
                "officer, and ask the coordinator to begin again: fedcli aggregate --new-attempt --from-start",
            )


def read_record(workspace: Workspace, study: OpenedStudy) -> Record:
    """Read a silo's ledger, verify it, and compare it with what `private/` knows of it.

    Raises
    ------
    LedgerBroken, LedgerRewound
    """
    path, memory = workspace.ledger, SiloMemory(workspace.private)
    head = _head(memory, study)
    if not path.is_file():
        if memory.has_made() or (head is not None and head.lines):
            raise LedgerBroken(
                "ledger.jsonl is gone, and an update has left this workspace",
                hint="restore it from a backup; it records what has left this institution and is never edited",
            )
        return Record(Ledger())
    ledger = Ledger.from_text(path.read_bytes(), head.announced if head is not None else b"")
    if head is None and (ledger.entries or memory.has_made()):
        raise LedgerRewound(
            "private/ledger.json is gone: nothing else here says how the ledger ends, so an edit of ledger.jsonl would "
            "not show",
            hint=SAME_DAY,
        )
    found = Record(ledger, head is None or head.confirms(ledger))
    for update, name in memory.made().items():
        if not found.holds(update):
            raise LedgerRewound(
                f"the ledger does not hold {name}, which was made here: an older copy was put back, with a "
                "private/ledger.json of the same day",
                hint=NEWEST,
            )
    return found


def append(workspace: Workspace, study: OpenedStudy, secret: SecretKey, entry: Mapping[str, Any]) -> None:
    """Write a line into the ledger, so that it is on disk and known to be the last one when this returns.

    Parameters
    ----------
    workspace : Workspace
    study : OpenedStudy
    secret : SecretKey
        The silo's.
    entry : mapping
        What the line says.

    Raises
    ------
    CannotWrite, LedgerBroken, LedgerRewound
        Nothing is recorded.
    """
    ledger = read_record(workspace, study).ledger
    if ledger.torn:
        cut_back(workspace.ledger, ledger.torn)
    line = ledger.line(entry)
    _keep(workspace, study, secret, LedgerHead.of(ledger, line))
    append_line(workspace.ledger, line + b"\n")
    confirm_last(workspace, study, secret)


def confirm_last(workspace: Workspace, study: OpenedStudy, secret: SecretKey) -> None:
    """Remember that the ledger's last line is on disk; before that, nothing of what it records may be signed.

    Parameters
    ----------
    workspace, study, secret
        See `append`.
    """
    _keep(workspace, study, secret, LedgerHead.of(read_record(workspace, study).ledger))


def _head(memory: SiloMemory, study: OpenedStudy) -> LedgerHead | None:
    data = memory.ledger_head()
    if data is None:
        return None
    name = memory.name()
    return LedgerHead.from_bytes(data, study.digest, name, study.roster.members[name])


def _keep(workspace: Workspace, study: OpenedStudy, secret: SecretKey, head: LedgerHead) -> None:
    memory = SiloMemory(workspace.private)
    memory.keep_ledger_head(head.to_bytes(study.digest, memory.name(), partial(sign, secret)))
