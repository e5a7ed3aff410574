"""`ledger`: what has left this silo, for the data-protection officer.

Owns reading the record back and saying whether it is whole. Knows nothing of screens. Stable: part of the Python API.
"""

from __future__ import annotations

from pathlib import Path

from fedcli.privacy.disclosure import Merged
from fedcli.workflow.results import LedgerEntry, LedgerShown
from fedcli.workflow.silo import open_silo_record
from fedcli.workflow.unfinished import all_unfinished


def ledger(*, workspace: Path | str = ".") -> LedgerShown:
    """Read the ledger, verify its chain, and return its entries, oldest first.

    Parameters
    ----------
    workspace : path

    Returns
    -------
    LedgerShown

    Raises
    ------
    LedgerBroken, LedgerRewound
        A line was edited, removed, cut or added, or the whole was replaced by an older copy: the message says which.
    NoWorkspace
    """
    space, record = open_silo_record(workspace)
    kept = all_unfinished(space.private)
    entries = tuple(
        LedgerEntry(
            number=int(entry["sequence"]),
            time=str(entry.get("time", "")),
            event=str(entry["event"]),
            study=str(entry.get("name", "")),
            round=int(entry.get("round", 0)),
            attempt=int(entry.get("attempt", 0)),
            recipient=str(entry.get("recipient", "")),
            rows=int(entry.get("rows", 0)),
            numbers=sum(int(count) for count in entry.get("numbers", {}).values()),
            finished=entry.get("update") not in kept,
            merged=tuple(str(Merged(*level)) for level in entry.get("merged", ())),
            details={key: value for key, value in entry.items() if key not in ("sequence", "previous")},
        )
        for entry in record.ledger.entries
    )
    return LedgerShown(space.ledger, entries, record.ledger.head, record.confirmed, record.ledger.torn)
