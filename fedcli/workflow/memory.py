"""What a silo remembers between trips: its hold-out secret, its own last sums, and the files it has let go.

Owns the ``private/`` folder. Nothing in it ever leaves the institution. Internal.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.update import Sums
from fedcli.crypto.secretfile import read_secret, write_secret
from fedcli.errors import FileMissing
from fedcli.fileformat import canonical, tensors
from fedcli.models.batch import Memory
from fedcli.privacy.disclosure import Levels
from fedcli.workflow.workspace import write_bytes

_HOLDOUT = "holdout.secret"
_LEVELS = ("merged", "shown")
_LIMIT = 1 << 20


@dataclass(frozen=True)
class Sent:
    """One update that this silo made: the digest of its manifest, and a keyed hash of its numbers."""

    digest: str
    content: str
    file: str


@dataclass(frozen=True)
class SiloMemory:
    """The silo's private folder.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    def secret(self) -> bytes:
        """Return the silo's secret of this study (32 bytes): it decides which rows are held out.

        Raises
        ------
        FileMissing, UnsafeKeyFile
        """
        self._need(_HOLDOUT)
        return bytes.fromhex(read_secret(self.folder / _HOLDOUT).decode("ascii").strip())

    def keep_secret(self, secret: bytes) -> None:
        """Store the secret, unless the folder has one from before: that one has chosen rows already."""
        if not (self.folder / _HOLDOUT).exists():
            write_secret(self.folder / _HOLDOUT, secret.hex().encode("ascii") + b"\n")

    def _need(self, name: str) -> None:
        if not (self.folder / name).exists():
            raise FileMissing(
                f"'{self.folder / name}' is gone",
                hint="restore private/ from a backup; without one, join again in another folder",
            )

    # ---- ledger ----------------------------------------------------------------------------------------------------

    def ledger_head(self) -> bytes | None:
        """Return what is known of the ledger, as it was signed, or None where no line was ever written."""
        path = self.folder / "ledger.json"
        return path.read_bytes() if path.exists() else None

    def keep_ledger_head(self, data: bytes) -> None:
        """Record what is known of the ledger."""
        write_bytes(self.folder / "ledger.json", data, force=True, mode=0o600)

    # ---- rows ------------------------------------------------------------------------------------------------------

    def rows_of_study(self) -> str | None:
        """Return the keyed hash of the rows that round 1 summed, or None before it."""
        path = self.folder / "rows.json"
        return str(canonical.loads(path.read_bytes(), limit=_LIMIT)["rows"]) if path.exists() else None

    def remember_rows(self, digest: str, attempt: int) -> None:
        """Record the rows of this study's current start."""
        data = canonical.dumps({"rows": digest, "attempt": attempt})
        write_bytes(self.folder / "rows.json", data, force=True, mode=0o600)

    # ---- levels ----------------------------------------------------------------------------------------------------

    def levels(self) -> Levels:
        """Return which levels updates of this study have counted as others, and which they have shown."""
        path = self.folder / "levels.json"
        if not path.exists():
            return Levels()
        found = canonical.loads(path.read_bytes(), limit=_LIMIT)
        merged, shown = (frozenset((str(column), str(level)) for column, level in found[key]) for key in _LEVELS)
        return Levels(merged, shown)

    def remember_levels(self, levels: Levels) -> None:
        """Record what one more update does with levels, before its sums leave."""
        known = self.levels()
        if (together := known | levels) != known:
            pairs = {"merged": together.merged, "shown": together.shown}
            data = canonical.dumps({key: sorted(map(list, found)) for key, found in pairs.items()})
            write_bytes(self.folder / "levels.json", data, force=True, mode=0o600)

    # ---- updates ---------------------------------------------------------------------------------------------------

    def _stem(self, number: int, attempt: int, parent: str) -> str:
        return f"r{number}-a{attempt}-{parent[:16]}"

    def sealed_path(self, number: int, attempt: int, parent: str) -> Path:
        """Return where the sealed update of one attempt is kept, so that the same bytes can be sent again."""
        return self.folder / f"{self._stem(number, attempt, parent)}.fedupdate"

    def sealed(self, sent: Sent) -> bytes:
        """Return the bytes of an update that was made.

        Raises
        ------
        FileMissing
        """
        self._need(sent.file)
        return (self.folder / sent.file).read_bytes()

    def sent(self, number: int, attempt: int, parent: str) -> Sent | None:
        """Return what was made for one attempt, or None."""
        path = self.folder / f"{self._stem(number, attempt, parent)}.json"
        if not path.exists():
            return None
        found = canonical.loads(path.read_bytes(), limit=_LIMIT)
        return Sent(found["digest"], found["content"], found["file"])

    def record(self, number: int, attempt: int, parent: str, digest: str, path: Path, sums: Sums, *, name: str) -> Sent:
        """Remember an update: its numbers for the next trip, its hash to tell a changed table."""
        sent = Sent(digest, self.content_digest(sums.encoded), path.name)
        arrays = {block.name: np.ravel(sums.total[block.name]) for block in sums.layout}
        held = tensors.TensorFile(arrays, {})
        write_bytes(self.folder / f"{digest}.safetensors", b"".join(held.chunks()), force=True, mode=0o600)
        entry = {"digest": sent.digest, "content": sent.content, "file": sent.file, "round": number, "name": name}
        data = canonical.dumps(entry)
        write_bytes(self.folder / "last.json", data, force=True, mode=0o600)
        # The last of all, since `sent` goes by it.
        write_bytes(self.folder / f"{self._stem(number, attempt, parent)}.json", data, force=True, mode=0o600)
        return sent

    def sent_after(self, parent: str) -> str | None:
        """Return the name of the update that was made from ``parent``, or None."""
        for path in self.folder.glob(f"r*-a*-{parent[:16]}.json"):
            return str(canonical.loads(path.read_bytes(), limit=_LIMIT)["name"])
        return None

    def sent_from_another(self, number: int, attempt: int, parent: str) -> str | None:
        """Return the name of an update for this attempt that was made from another model than ``parent``, or None."""
        own = f"{self._stem(number, attempt, parent)}.json"
        for path in sorted(self.folder.glob(f"r{number}-a{attempt}-*.json")):
            if path.name != own:
                return str(canonical.loads(path.read_bytes(), limit=_LIMIT)["name"])
        return None

    def sent_in(self, number: int) -> str | None:
        """Return the name of an update of a round, whichever attempt it was, or None."""
        for path in sorted(self.folder.glob(f"r{number}-a*-*.json")):
            return str(canonical.loads(path.read_bytes(), limit=_LIMIT)["name"])
        return None

    def name(self) -> str:
        """Return the silo's own name in the study.

        Raises
        ------
        FileMissing
        """
        self._need("silo.json")
        return str(canonical.loads((self.folder / "silo.json").read_bytes(), limit=_LIMIT)["silo"])

    def remember_name(self, name: str) -> None:
        """Record the silo's own name, once, when it joins."""
        write_bytes(self.folder / "silo.json", canonical.dumps({"silo": name}), force=True, mode=0o600)

    def made(self) -> dict[str, str]:
        """Return the digest and the name of every update that was made here."""
        found = [canonical.loads(path.read_bytes(), limit=_LIMIT) for path in sorted(self.folder.glob("r*-a*-*.json"))]
        return {str(entry["digest"]): str(entry["name"]) for entry in found}

    def has_made(self) -> bool:
        """Return whether anything here is from an update."""
        return any((self.folder / name).exists() for name in ("last.json", "rows.json")) or any(
            self.folder.glob("r*-a*-*")
        )

    def last_digest(self) -> str:
        """Return the digest of the newest update's manifest, or an empty text."""
        path = self.folder / "last.json"
        return str(json.loads(path.read_bytes())["digest"]) if path.exists() else ""

    def last_round(self) -> int:
        """Return the round of the newest update, 0 before any."""
        path = self.folder / "last.json"
        return int(json.loads(path.read_bytes())["round"]) if path.exists() else 0

    def recall(self, digest: str | None) -> Memory | None:
        """Return the numbers of the update with this digest: None without a digest, empty if they are lost.

        Without them the others' sum cannot be told from the whole; the fit then converges a little slower, to the same
        optimum.
        """
        if digest is None:
            return None
        path = self.folder / f"{digest}.safetensors"
        if not path.exists():
            return Memory({})
        found = tensors.decode([path.read_bytes()], None)
        return Memory({name: np.asarray(array, np.float64) for name, array in found.arrays.items()})

    def content_digest(self, encoded: Mapping[str, NDArray[np.uint64]]) -> str:
        """Return a keyed hash of an update's numbers; unkeyed, it would confirm guesses of small counts."""
        digest = hmac.new(self.secret(), digestmod=hashlib.sha256)
        for name in sorted(encoded):
            digest.update(name.encode("ascii") + b"\0" + np.ascontiguousarray(encoded[name]).tobytes())
        return digest.hexdigest()
