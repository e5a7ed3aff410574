"""The ledger: one line per release, each bound to the one before it by its hash.

Owns the lines' form and the chain. Knows nothing of disk or clock: text in, text out. Stable: institutions keep it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedcli.errors import BadDocument, LedgerBroken, LedgerRewound
from fedcli.fileformat import canonical

START = "0" * 64
_LINE_LIMIT = 65_536
_NEWEST = (
    "restore the newest ledger.jsonl from a backup, and tell your data-protection officer; it records what has left"
)


@dataclass(frozen=True)
class Ledger:
    """A verified chain of entries, oldest first.

    Parameters
    ----------
    entries : tuple of dict
        Each with ``sequence`` from 1, ``previous`` (hash of the line before) and what was recorded.
    head : str
        Hash of the last line, 64 hexadecimal digits; zeros when empty.
    """

    entries: tuple[Mapping[str, Any], ...] = ()
    head: str = START

    @classmethod
    def from_text(cls, text: bytes) -> Ledger:
        """Read and verify a ledger.

        Raises
        ------
        LedgerBroken
            A line was edited, removed or cut.
        """
        entries: list[Mapping[str, Any]] = []
        head = START
        lines = text.split(b"\n")
        if lines.pop() != b"":
            raise _broken(len(lines) + 1, "is cut off")
        for number, line in enumerate(lines, start=1):
            try:
                entry = canonical.loads(line, limit=_LINE_LIMIT)
            except BadDocument as exc:
                raise _broken(number, "is not as fedcli wrote it") from exc
            if not isinstance(entry, dict) or entry.get("previous") != head or entry.get("sequence") != number:
                raise _broken(number, "does not follow from the line before it")
            entries.append(entry)
            head = hashlib.sha256(line).hexdigest()
        return cls(tuple(entries), head)

    def line(self, entry: Mapping[str, Any]) -> bytes:
        """Return the line, newline included, that appends ``entry`` to this ledger."""
        return canonical.dumps({**entry, "sequence": len(self.entries) + 1, "previous": self.head}) + b"\n"

    def grown(self, line: bytes) -> Ledger:
        """Return this ledger with ``line``, from `line`, appended."""
        return Ledger(
            (*self.entries, canonical.loads(line[:-1], limit=_LINE_LIMIT)), hashlib.sha256(line[:-1]).hexdigest()
        )

    def unconfirmed(self, length: int, head: str) -> bool:
        """Compare with what was remembered when the last line was written; return whether a line was written since.

        One line more is what a run leaves that stopped before it could remember.

        Parameters
        ----------
        length : int
            Lines that were remembered.
        head : str
            Hash of the last of them.

        Raises
        ------
        LedgerRewound
            The chain holds, and is not that one.
        """
        lines = len(self.entries)
        if lines < length:
            raise LedgerRewound(
                f"the ledger has {lines:,} of {length:,} lines that were written: its end was cut, or an older "
                "copy put back",
                hint=_NEWEST,
            )
        if (self.head if lines == length else self.entries[length]["previous"]) != head:
            raise LedgerRewound(f"line {length} of the ledger is not the one that was written here", hint=_NEWEST)
        if lines > length + 1:
            raise LedgerRewound(
                f"the ledger has {lines:,} lines, of which private/ remembers {length:,}: private/ is an older copy",
                hint="restore private/ of the same day as the ledger; without one, join again in another folder",
            )
        return lines > length


def _broken(number: int, what: str) -> LedgerBroken:
    return LedgerBroken(
        f"line {number} of the ledger {what}",
        hint="restore ledger.jsonl from a backup; it records what has left this institution and is never edited",
    )
