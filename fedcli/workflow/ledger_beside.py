"""How far each workspace's ledger has come, kept beside the key: so that an older copy of the whole workspace shows.

Owns ``NAME.fedreleases/ledger-*.json``, one for each workspace, and the comparison. Knows nothing of what a line says.
Internal; nothing here leaves the institution.

What lies in the workspace goes back with it, its signed head too. A workspace is known by a number of its own and not
by its folder: it may be moved, and the study may be joined in another folder without being taken for an older copy.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from fedcli.errors import FedcliError, LedgerRewound
from fedcli.fileformat import canonical
from fedcli.protocol.ledger import Ledger
from fedcli.workflow.release_records import FOLDER_ENDING, LIMIT
from fedcli.workflow.workspace import make_folder, write_bytes

_NUMBER = "workspace.json"
_HINT = (
    "restore the whole workspace of the newest day from a backup, and tell your data-protection officer; if there is "
    "none, leave this one as it is and join again in another folder"
)


def number_workspace(private: Path) -> str:
    """Return the number of a workspace, given to it at its first use."""
    path = private / _NUMBER
    if not path.exists():
        write_bytes(path, canonical.dumps({"workspace": secrets.token_hex(8)}), mode=0o600)
    return str(canonical.loads(path.read_bytes(), limit=LIMIT)["workspace"])


def beside(key: Path) -> Path:
    """Return the folder beside the key file itself, through whatever link it was named."""
    key = key.resolve()
    return key.with_name(key.stem + FOLDER_ENDING)


@dataclass(frozen=True)
class LedgerBeside:
    """What is known beside the key of one workspace's ledger.

    Parameters
    ----------
    folder : Path
        See `beside`.
    private : Path
        The workspace's.
    """

    folder: Path
    private: Path

    def remember(self, ledger: Ledger, study: str) -> None:
        """Record how far the ledger has come, after its last line is confirmed: never more than there is.

        Parameters
        ----------
        ledger : Ledger
        study : str
            The study's digest.

        Raises
        ------
        CannotWrite
        """
        make_folder(self.folder, mode=0o700)
        document = {"format": 1, "head": ledger.head, "lines": len(ledger.entries), "study": study}
        path = self.folder / f"ledger-{number_workspace(self.private)}.json"
        write_bytes(path, canonical.dumps(document), force=True, mode=0o600)

    def compare(self, ledger: Ledger) -> None:
        """Compare a ledger that is whole in itself with what is known of it.

        Raises
        ------
        LedgerRewound
            It was longer once, or went on otherwise: the workspace is an older copy.
        """
        if not (self.private / _NUMBER).exists():
            return
        try:
            path = self.folder / f"ledger-{number_workspace(self.private)}.json"
        except (FedcliError, LookupError, TypeError) as exc:
            raise LedgerRewound(
                f"private/{_NUMBER} is damaged: it says which of the records beside the key is that of this ledger",
                hint="restore private/ of the same day as ledger.jsonl",
            ) from exc
        if not path.exists():
            return
        try:
            known = canonical.loads(path.read_bytes(), limit=LIMIT)
            lines, head = int(known["lines"]), str(known["head"])
        except (FedcliError, LookupError, TypeError, ValueError) as exc:
            raise LedgerRewound(
                f"{self.folder.name}/{path.name}, beside the key, is damaged: it says how far this ledger has come",
                hint=f"restore {self.folder.name} from a backup; without one, move that file away, and tell your "
                "data-protection officer",
            ) from exc
        found = len(ledger.entries)
        if found < lines:
            raise LedgerRewound(
                f"the ledger has {found:,} of {lines:,} lines that {self.folder.name}, beside the key, knows of: the "
                "whole workspace is an older copy, and what has left since is not in it",
                hint=_HINT,
            )
        if lines and (ledger.head if found == lines else ledger.entries[lines]["previous"]) != head:
            raise LedgerRewound(
                f"line {lines:,} of the ledger is not the one that {self.folder.name}, beside the key, knows of: two "
                "copies of this workspace were used, or it is an older one",
                hint=_HINT,
            )
