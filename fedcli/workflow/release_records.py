"""One record of a release beside the key, ``summed-*.fedrows``, and the secret with which its hashes are made.

Owns the form of the file. Knows nothing of what is compared, or with what. Internal; nothing here leaves the silo.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedcli.crypto.secretfile import read_secret, write_secret
from fedcli.data.local_rows import Columns
from fedcli.errors import BadDocument, FedcliError, FileMissing
from fedcli.fileformat import canonical

FOLDER_ENDING = ".fedreleases"
ENDING = ".fedrows"
LIMIT = 1 << 20
_FILE = "releases.secret"


def kept_secret(private: Path) -> bytes | None:
    """Return what `keep_secret` stored; None in a workspace of an earlier version that has sent nothing since.

    Raises
    ------
    UnsafeKeyFile
    """
    path = private / _FILE
    return bytes.fromhex(read_secret(path).decode("ascii").strip()) if path.exists() else None


def keep_secret(private: Path, secret: bytes) -> None:
    """Store the secret in ``private/``, so that `check` needs no passphrase."""
    if not (private / _FILE).exists():
        write_secret(private / _FILE, secret.hex().encode("ascii") + b"\n")


@dataclass(frozen=True)
class Kept:
    """One set of rows whose sums have left.

    Parameters
    ----------
    path : Path
    start : int
        Where in the file the hashes begin.
    kind : str
        `SUMMED` or `EVALUATED`.
    study, name : str
        Digest and name of the study.
    columns : tuple of str
        The table's own columns that were read, in ascending order.
    rows, least : int
        How many rows, and by how few of them another release may differ.
    key : str
        Which key's secret the hashes are made with.
    """

    path: Path
    start: int
    kind: str
    study: str
    name: str
    columns: Columns
    rows: int
    least: int
    key: str

    @classmethod
    def read(cls, path: Path) -> Kept:
        """Read the first line of a file, and hold its length to it.

        Raises
        ------
        BadDocument, FileMissing
        """
        try:
            with path.open("rb") as file:
                line = file.readline(LIMIT)
            size = path.stat().st_size
        except OSError as exc:
            raise FileMissing(f"cannot read '{path}': {exc.strerror}", hint="ask for the right to read it") from exc
        wrong = BadDocument(
            "this record of a release is damaged",
            hint=f"restore {path.parent.name} from a backup; without one, move the file away, and tell your "
            "data-protection officer: nothing is compared with that release from then on",
            where=str(path),
        )
        try:
            found: dict[str, Any] = canonical.loads(line.removesuffix(b"\n"), limit=LIMIT)
            columns = tuple(map(str, found.pop("columns")))
            if found.pop("format") != 1:
                raise wrong
            kept = cls(path, len(line), columns=columns, **found)
        except (FedcliError, TypeError, KeyError, AttributeError, ValueError) as exc:
            raise wrong from exc
        if size != kept.start + 8 * kept.rows:
            raise wrong
        return kept
