"""The ledger: one line per release, each bound to the one before it by its hash.

Owns the lines' form and the chain. Knows nothing of disk or clock: text in, text out. Stable: institutions keep it.
That a chain holds does not show that its end is the one that was written: `ledger_head` owns that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedcli.errors import BadDocument, LedgerBroken
from fedcli.fileformat import canonical

START = "0" * 64
LINE_LIMIT = 65_536


@dataclass(frozen=True)
class Ledger:
    """A verified chain of entries, oldest first.

    Parameters
    ----------
    entries : tuple of dict
        Each with ``sequence`` from 1, ``previous`` (hash of the line before) and what was recorded.
    head : str
        Hash of the last line, 64 hexadecimal digits; zeros when empty.
    torn : int
        Bytes behind the last line: of one that a run was writing when it stopped.
    """

    entries: tuple[Mapping[str, Any], ...] = ()
    head: str = START
    torn: int = 0

    @classmethod
    def from_text(cls, text: bytes, announced: bytes = b"") -> Ledger:
        """Read and verify a ledger.

        Parameters
        ----------
        text : bytes
        announced : bytes
            The line that was about to be written, without its LF: of this one a part may stand at the end.

        Raises
        ------
        LedgerBroken
            A line was edited, removed or cut.
        """
        entries: list[Mapping[str, Any]] = []
        head = START
        *lines, tail = text.split(b"\n")
        if not announced.startswith(tail):
            raise _broken(len(lines) + 1, "is cut off")
        for number, line in enumerate(lines, start=1):
            try:
                entry = canonical.loads(line, limit=LINE_LIMIT)
            except BadDocument as exc:
                raise _broken(number, "is not as fedcli wrote it") from exc
            if not isinstance(entry, dict) or entry.get("previous") != head or entry.get("sequence") != number:
                raise _broken(number, "does not follow from the line before it")
            entries.append(entry)
            head = hash_of(line)
        return cls(tuple(entries), head, len(tail))

    def line(self, entry: Mapping[str, Any]) -> bytes:
        """Return the line, without LF, that appends ``entry`` to this ledger."""
        return canonical.dumps({**entry, "sequence": len(self.entries) + 1, "previous": self.head})


def hash_of(line: bytes) -> str:
    """Return the hash by which the next line names this one, given without its LF."""
    return hashlib.sha256(line).hexdigest()


def _broken(number: int, what: str) -> LedgerBroken:
    return LedgerBroken(
        f"line {number} of the ledger {what}",
        hint="restore ledger.jsonl from a backup; it records what has left this institution and is never edited",
    )
