"""An update between its encryption and its file: complete, and no update until it is signed.

Owns the files ``private/unfinished-*``: the encrypted numbers, and the manifest that describes them, to which the
signatures come at last. Knows nothing of the ledger or of what the numbers mean. Internal.

The ledger's line names the manifest's digest, so the manifest is made before the line; and whatever verifies as an
update must come after it. A signature is what stands between the two. What lies here outlasts a run that is killed: the
next one makes the very file of it that the line is about. A temporary file without a name would be lost instead, and
signing again gives other bytes, which is why signatures are kept before they are written into a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fedcli.crypto.keys import PublicKey, SecretKey
from fedcli.crypto.signing import Signatures, sign
from fedcli.errors import FedcliError
from fedcli.fileformat import canonical
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.fileformat.sealing import seal_payload, seal_signed
from fedcli.workflow.workspace import write_bytes, write_file

_PREFIX = "unfinished-"
_LIMIT = 1 << 20
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Unfinished:
    """An update that is encrypted, and is no file yet.

    Parameters
    ----------
    target : Path
        The file in ``private/`` that it becomes.
    manifest : Manifest
        As it will be signed.
    content : str
        Keyed hash of the numbers.
    signatures : Signatures or None
        None until the ledger holds it.
    """

    target: Path
    manifest: Manifest
    content: str
    signatures: Signatures | None = None

    @property
    def digest(self) -> str:
        """The hash of the manifest, by which the ledger names this update."""
        return self.manifest.digest()

    def is_written(self) -> bool:
        """Return whether the file is there already: a run stopped after it had written it."""
        try:
            with self.target.open("rb") as file:
                return read_envelope(file).manifest_bytes == self.manifest.to_bytes()
        except (FileNotFoundError, FedcliError):
            return False

    def is_whole(self) -> bool:
        """Return whether the encrypted numbers are those that the manifest describes."""
        payload = self.manifest.payload
        try:
            with _payload(self.target).open("rb") as file:
                return payload is not None and hashlib.file_digest(file, "sha256").hexdigest() == payload.sha256
        except FileNotFoundError:
            return False

    def finish(self, secret: SecretKey) -> None:
        """Sign it, and write the file; neither again if it was done.

        Parameters
        ----------
        secret : SecretKey

        Raises
        ------
        CannotWrite
        """
        if self.is_written():
            return
        signatures = self.signatures or sign(secret, self.manifest.namespace, self.manifest.to_bytes())
        replace(self, signatures=signatures).keep()
        chunks = _read(_payload(self.target))
        write_file(self.target, lambda out: seal_signed(out, self.manifest, signatures, chunks), force=True, mode=0o600)

    def keep(self) -> None:
        """Write down what is there of it beside the encrypted numbers.

        Raises
        ------
        CannotWrite
        """
        document = {"content": self.content, "manifest": self.manifest.to_bytes().decode("ascii")}
        if self.signatures is not None:
            document["sshsig"] = self.signatures.sshsig.decode("ascii")
            document["mldsa65"] = self.signatures.mldsa65.decode("ascii")
        write_bytes(_record(self.target), canonical.dumps(document), force=True, mode=0o600)


def encrypt(
    target: Path, manifest: Manifest, chunks: Iterable[bytes], plain_size: int, recipient: PublicKey, content: str
) -> Unfinished:
    """Encrypt an update's numbers and keep them with its manifest.

    Parameters
    ----------
    target : Path
        See `Unfinished`.
    manifest : Manifest
        Without its payload.
    chunks : iterable of bytes
        The plain payload, bound to the manifest by the caller.
    plain_size : int
        Its length [bytes].
    recipient : PublicKey
    content : str
        Keyed hash of the numbers.

    Raises
    ------
    CannotWrite
    """
    forget(target)
    made: list[Manifest] = []
    keys = [recipient.mlkem768x25519]
    write_file(
        _payload(target),
        lambda out: made.append(seal_payload(out, manifest, chunks, plain_size, recipients=keys)),
        force=True,
        mode=0o600,
    )
    begun = Unfinished(target, made[0], content)
    begun.keep()
    return begun


def find(target: Path) -> Unfinished | None:
    """Return what was kept for a target, or None where there is nothing, or nothing that can be read."""
    return _of(_record(target), target)


def forget(target: Path) -> None:
    """Remove what was kept for a target: it is finished, or was never recorded."""
    _record(target).unlink(missing_ok=True)
    _payload(target).unlink(missing_ok=True)


def all_unfinished(folder: Path) -> set[str]:
    """Return the digests of all that is kept in ``private/``."""
    found = (_of(path, path) for path in folder.glob(f"{_PREFIX}*.json"))
    return {kept.digest for kept in found if kept is not None}


def is_unfinished(folder: Path, parent: str) -> bool:
    """Return whether a run that continued ``parent`` stopped before its update was written."""
    return any(folder.glob(f"{_PREFIX}*-{parent[:16]}.json"))


def _of(record: Path, target: Path) -> Unfinished | None:
    try:
        document = canonical.loads(record.read_bytes(), limit=_LIMIT)
        manifest = Manifest.from_bytes(document["manifest"].encode("ascii"))
        begun = Unfinished(target, manifest, str(document["content"]))
        if "sshsig" not in document:
            return begun
        made = Signatures(document["sshsig"].encode("ascii"), document["mldsa65"].encode("ascii"))
        return replace(begun, signatures=made)
    except (FileNotFoundError, FedcliError, LookupError, TypeError, AttributeError, ValueError):
        return None


def _record(target: Path) -> Path:
    return target.with_name(f"{_PREFIX}{target.stem}.json")


def _payload(target: Path) -> Path:
    return target.with_name(f"{_PREFIX}{target.stem}.age")


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")
