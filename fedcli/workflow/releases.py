"""What this silo has released in whatever study and workspace: kept beside its key, compared with a further release.

Owns the folder ``NAME.fedreleases`` beside ``NAME.fedkey``, and what a workspace remembers of it in ``private/``. Knows
nothing of how rows are read or summed. Internal; nothing here leaves the institution.

A file is written once, beside its place, and renamed, and never changes: several workspaces may write at once. Each
looks again after it has written, so of two that do not know of one another at least one sees the other.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcli.data.local_rows import Columns, LocalRows
from fedcli.data.mapping import agreed_columns
from fedcli.errors import CannotWrite, TooFewRowsDiffer
from fedcli.fileformat import canonical
from fedcli.privacy.differencing import Difference, compare_sorted
from fedcli.workflow.ledger_beside import beside
from fedcli.workflow.release_records import ENDING, LIMIT, Kept
from fedcli.workflow.released import EVALUATED, SUMMED, packed, portions
from fedcli.workflow.silo import SiloSide
from fedcli.workflow.workspace import make_folder, write_bytes

_WRITTEN = "releases.json"


@dataclass(frozen=True)
class Compared:
    """What a set of rows was compared with, beyond its own workspace.

    Parameters
    ----------
    folder : str
        The name of the folder that was looked into.
    found : tuple of (Kept, Difference)
    unknown : tuple of Kept
        Of some of the same columns, and not comparable: the table lacks another column, or the key was another.
    lost : int
        How many releases of this workspace the folder lacks: it was moved or lost.
    """

    folder: str
    found: tuple[tuple[Kept, Difference], ...] = ()
    unknown: tuple[Kept, ...] = ()
    lost: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything was compared that should have been."""
        return not self.unknown and not self.lost

    @property
    def nearest(self) -> tuple[Kept, Difference] | None:
        """The most similar set of rows; None if there is none."""
        return min(self.found, key=lambda pair: pair[1].size, default=None)


@dataclass(frozen=True)
class Looked:
    """What a table was found to be beside all that other workspaces released.

    Parameters
    ----------
    summed, evaluated : Compared
        Of its training rows, and of its rows held out within this study.
    rows : ndarray of uint64 (n_rows,) or None
        Hashes of all rows in the study's own columns; None where they are recorded already.
    seen : frozenset of Path
        The releases that were looked at.
    """

    summed: Compared
    evaluated: Compared
    rows: NDArray[np.uint64] | None
    seen: frozenset[Path]


@dataclass(frozen=True)
class Releases:
    """The releases made with one key, as one workspace sees them.

    Parameters
    ----------
    side : SiloSide
    secret : bytes
        See `crypto.studysecret.releases_secret`.
    table : collection of str
        Columns of the silo's table.
    least : int
        By how few rows a release of this study may differ from another.
    """

    side: SiloSide
    secret: bytes
    table: Collection[str]
    least: int

    @property
    def folder(self) -> Path:
        """The folder, beside the key file itself, through whatever link it was named."""
        return beside(self.side.key)

    @property
    def own(self) -> Columns:
        """The table's own columns that this study reads."""
        return tuple(sorted({self.side.mapping.local(column) for column in agreed_columns(self.side.study.study)}))

    @property
    def _key(self) -> str:
        return hmac.digest(self.secret, b"key", "sha256")[:8].hex()

    def check_place(self) -> None:
        """Refuse a key that lies where nothing can be recorded beside it, before anybody is asked.

        Raises
        ------
        CannotWrite
        """
        place = self.folder if self.folder.exists() else self.folder.parent
        if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            raise CannotWrite(
                f"what leaves is recorded in '{self.folder}', which cannot be written",
                hint="keep the key in a folder of your own that can be written, and its NAME.fedreleases beside it",
            )

    def others(self) -> tuple[list[Kept], list[Kept]]:
        """Return what other workspaces released of some of the same columns: comparable with this table, and not.

        Raises
        ------
        BadDocument, FileMissing
        """
        comparable: list[Kept] = []
        unknown: list[Kept] = []
        mine = self._written()
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            if path.name in mine:
                continue
            kept = Kept.read(path)
            if set(kept.columns) & set(self.own):
                fits = kept.key == self._key and set(kept.columns) <= set(self.table)
                (comparable if fits else unknown).append(kept)
        return comparable, unknown

    def hasher(self, number: int, digest: str | None, *, decimal_comma: bool) -> LocalRows:
        """Return what hashes the table's rows in the columns of comparable releases, and in the study's own.

        In later rounds the rows are those of round 1, and need not be recorded again.

        Parameters
        ----------
        number : int
            Of the round.
        digest : str or None
            Keyed hash of the table of round 1.
        decimal_comma : bool
        """
        sets = [kept.columns for kept in self.others()[0]]
        kinds = (SUMMED, EVALUATED) if number > 1 and self.side.study.study.evaluation.holdout > 0 else (SUMMED,)
        if number == 1 or digest is None or not all(self.known(kind, digest) for kind in kinds):
            sets.append(self.own)
        return LocalRows(sets, self.secret, self.side.workspace.private, decimal_comma=decimal_comma)

    def look(self, local: LocalRows, mask: NDArray[np.bool_]) -> Looked:
        """Compare the table's rows with what other workspaces have released.

        Parameters
        ----------
        local : LocalRows
            From `hasher`, after all rows were read.
        mask : ndarray of bool (n_rows,)
            Rows held out.
        """
        comparable, unknown = self.others()
        # One that was recorded after the rows were read is met again before these are.
        comparable = [kept for kept in comparable if kept.columns in local.sets]
        lost = sum(not (self.folder / name).exists() for name in self._written())
        compared = {}
        for kind, chosen in ((SUMMED, ~mask), (EVALUATED, mask)):
            found: list[tuple[Kept, Difference]] = []
            of_kind = self._of_kind(comparable, kind)
            for columns in dict.fromkeys(kept.columns for kept in of_kind):
                ranked = np.sort(local.hashes(columns)[chosen])
                same = [kept for kept in of_kind if kept.columns == columns]
                found += [(kept, compare_sorted(ranked, portions(kept.path, kept.start))) for kept in same]
            compared[kind] = Compared(self.folder.name, tuple(found), tuple(self._of_kind(unknown, kind)), lost)
        rows = local.hashes(self.own) if self.own in local.sets else None
        seen = frozenset(kept.path for kept in (*comparable, *unknown))
        return Looked(compared[SUMMED], compared[EVALUATED], rows, seen)

    def known(self, kind: str, digest: str) -> bool:
        """Return whether this workspace has recorded the rows of a table, by its keyed hash, from the same columns."""
        return any(
            said == self._said(kind, digest) and (self.folder / name).exists() for name, said in self._written().items()
        )

    def record(self, looked: Looked, shown: Mapping[str, NDArray[np.bool_]], digest: str) -> tuple[Path, ...]:
        """Record sets of rows, before their sums leave; and look again whether another workspace did meanwhile.

        Parameters
        ----------
        looked : Looked
        shown : mapping of str to ndarray of bool (n_rows,)
            By kind, which rows. Nothing is recorded twice.
        digest : str
            Keyed hash of the whole table, by which this workspace knows it again.

        Returns
        -------
        tuple of Path
            What was written now, for `withdraw`.

        Raises
        ------
        TooFewRowsDiffer
            Another has been recorded by now; these are not, then.
        CannotWrite
        """
        if looked.rows is None:
            return ()
        mine: dict[Path, str] = {}
        made = []
        make_folder(self.folder, mode=0o700)
        for kind, chosen in shown.items():
            data = self._head(kind, int(chosen.sum())) + packed(looked.rows[chosen])
            path = self.folder / f"{kind}-{hashlib.sha256(data).hexdigest()[:16]}{ENDING}"
            mine[path] = self._said(kind, digest)
            # Another workspace of the study with the same rows has the same file.
            if not path.exists():
                write_bytes(path, data, force=True, mode=0o600)
                made.append(path)
        comparable, unknown = self.others()
        if any(kept.path not in looked.seen and kept.path not in mine for kept in (*comparable, *unknown)):
            for path in made:
                path.unlink()
            raise TooFewRowsDiffer(
                "another release of some of these columns was recorded with this key meanwhile, and these rows have "
                "not been compared with it",
                hint="run it again; nothing has left",
            )
        written = self._written() | {path.name: said for path, said in mine.items()}
        self._write(written)
        return tuple(made)

    def withdraw(self, made: Collection[Path]) -> None:
        """Take back what `record` has just written: nothing leaves after all."""
        if not made:
            return
        for path in made:
            path.unlink(missing_ok=True)
        names = {path.name for path in made}
        self._write({name: said for name, said in self._written().items() if name not in names})

    def _write(self, written: Mapping[str, str]) -> None:
        path = self.side.workspace.private / _WRITTEN
        if written:
            write_bytes(path, canonical.dumps(dict(written)), force=True, mode=0o600)
        else:
            path.unlink(missing_ok=True)

    def _head(self, kind: str, rows: int) -> bytes:
        study = self.side.study
        said = {
            "columns": list(self.own),
            "format": 1,
            "key": self._key,
            "kind": kind,
            "least": self.least,
            "rows": rows,
        }
        return canonical.dumps({**said, "name": study.study.study, "study": study.digest}) + b"\n"

    def _said(self, kind: str, digest: str) -> str:
        columns = hmac.digest(self.secret, canonical.dumps(list(self.own)), "sha256").hex()
        return f"{kind} {digest} {columns}"

    def _written(self) -> dict[str, str]:
        """Return what this workspace has recorded, by the names of the files."""
        path = self.side.workspace.private / _WRITTEN
        return dict(canonical.loads(path.read_bytes(), limit=LIMIT)) if path.exists() else {}

    def _of_kind(self, several: list[Kept], kind: str) -> list[Kept]:
        """Return the releases of one kind; rows held out are evaluated at points of their own study."""
        return [k for k in several if k.kind == kind and (kind == SUMMED or k.study == self.side.study.digest)]


def too_few_elsewhere(compared: Compared, study: str, least: int) -> TooFewRowsDiffer | None:
    """Return the refusal of a release that, less one of another workspace, would show few rows.

    Within a study rows new and rows gone are each held to the rule, as `too_few_differ` has it. Tables live on: between
    two studies many rows are new, and a few corrected, and who reads both sums does not know the many.

    Parameters
    ----------
    compared : Compared
    study : str
        Digest of this study.
    least : int
        Its own rule; that of the earlier release holds as well.
    """
    shown = []
    for kept, difference in compared.found:
        few = difference.shows_few if kept.study == study else difference.shows_few_in_all
        if few(max(least, kept.least)):
            shown.append((difference.size, kept, difference))
    if not shown:
        return None
    size, kept, difference = min(shown, key=lambda one: one[0])
    same = kept.study == study
    where = "in another workspace of this study" if same else f"in study '{kept.name}'"
    required = max(least, kept.least)
    return TooFewRowsDiffer(
        f"the training rows differ from those of an earlier release {where} by {size:,} "
        f"({difference.added:,} new, {difference.removed:,} gone); it takes none, or at least {required:,} "
        f"{'of each' if same else 'new or gone'}",
        hint=f"train on the earlier table, wait until more rows have changed, or leave out {required:,} rows or more: "
        "subtracting the two releases would show the sums of so few",
    )
