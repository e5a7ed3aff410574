"""Signed files on disk: recognise them by content, verify them, open them, write them.

Owns the one place where paths, keys and the file format meet. Knows nothing of rounds or rules. Internal.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from fedcli import __version__
from fedcli.crypto.keys import PublicKey, SecretKey, unlock
from fedcli.crypto.secretfile import read_secret
from fedcli.crypto.signing import sign
from fedcli.errors import BadDocument, FedcliError, FileMissing, NotAFedcliFile, NotConfirmed
from fedcli.fileformat import canonical
from fedcli.fileformat.envelope import Envelope, read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.fileformat.sealing import seal
from fedcli.protocol.approval import verified_approval
from fedcli.protocol.roster import Roster, study_fingerprint, verify_as
from fedcli.study.canonical_form import from_json, study_id
from fedcli.study.document import Study
from fedcli.workflow.naming import refuse_another_kind
from fedcli.workflow.workspace import need_file, write_file

SOFTWARE = f"fedcli {__version__}"
Passphrase = str | Callable[[str], str]

_STUDY_LIMIT = 16 * 2**20
_KEY_LIMIT = 65_536


@dataclass(frozen=True)
class OpenedStudy:
    """A frozen study whose signatures verify with the coordinator's key inside it.

    Whether that is the agreement that people meant is what the fingerprint answers.
    """

    study: Study
    digest: str
    roster: Roster

    @property
    def fingerprint(self) -> str:
        """The 30 digits that cover the agreement and every key."""
        return study_fingerprint(self.digest)

    def manifest(self, kind: str, sender: str, **fields: Any) -> Manifest:
        """Begin the manifest of one of this study's files; what ``fields`` does not name is empty."""
        empty: dict[str, Any] = {
            "round": 0,
            "attempt": 0,
            "parent": "",
            "recipients": (),
            "previous": "",
            "ledger": "",
            "final": False,
        }
        return Manifest(
            type=f"fedcli-{kind}/1",
            study=self.digest,
            name=self.study.study,
            roster=self.roster.digest,
            sender=sender,
            software=SOFTWARE,
            **(empty | fields),
        )


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; an error met while it is open says which file it is about.

    Raises
    ------
    FileMissing
        There is none, or it may not be read.
    """
    try:
        file = need_file(path).open("rb")
    except PermissionError as exc:
        raise FileMissing(f"'{path}' may not be read by you", hint="ask its owner for read access") from exc
    with file:
        try:
            yield file
        except FedcliError as error:
            if error.where is None and path.name not in error.message:
                error.where = path.name
            raise


def kind_of(path: Path) -> str | None:
    """Return what a file says it is (``update``, ``model`` ...), or None when it is not a fedcli file. Not verified."""
    try:
        with open_file(path) as file:
            return read_envelope(file).kind
    except NotAFedcliFile:
        return None


def open_key(key: SecretKey | Path | str, passphrase: Passphrase | None) -> SecretKey:
    """Unlock a secret key file.

    Parameters
    ----------
    key : SecretKey or path
        An unlocked key passes through.
    passphrase : str or callable or None
        The passphrase, or what asks for it, given the file's name.

    Raises
    ------
    UnsafeKeyFile, BadKeyFile, WrongPassphrase
    """
    if isinstance(key, SecretKey):
        return key
    path = need_file(Path(key), what="key file")
    refuse_another_kind(path, "a secret key")
    data = read_secret(path)
    if passphrase is None:
        raise NotConfirmed(
            f"'{path.name}' needs its passphrase, and nobody is here to be asked",
            hint="name a file that holds it with --passphrase-file FILE, or run this in a terminal",
        )
    return unlock(data, passphrase(path.name) if callable(passphrase) else passphrase)


def read_public_key(path: Path) -> PublicKey:
    """Read a ``.fedpub`` file and verify that its own key signed it."""
    refuse_another_kind(path, "a public key")
    with open_file(path) as file:
        envelope = read_envelope(file)
        document = _json(b"".join(envelope.payload_chunks()), _KEY_LIMIT)
        if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
            raise BadDocument("the public key is not in fedcli's form", hint="ask its owner to send it again")
        key = PublicKey.from_document(document)
        manifest = verify_as(envelope, key)
        envelope.check_payload()
        if manifest.sender != key.name:
            raise BadDocument("the public key and its signature name different people", hint="do not enrol this key")
        return key


def open_study(path: Path) -> OpenedStudy:
    """Read a ``.fedstudy`` file and verify it with the coordinator's key that it holds."""
    refuse_another_kind(path, "a frozen study")
    with open_file(path) as file:
        envelope = read_envelope(file)
        payload = b"".join(envelope.payload_chunks())
        study = from_json(_json(payload, _STUDY_LIMIT))
        roster = Roster(study)
        coordinator = roster.members[roster.coordinator.name]
        verify_as(envelope, coordinator)
        envelope.check_payload()
        return OpenedStudy(study, study_id(payload), roster)


def _json(payload: bytes, limit: int) -> object:
    return canonical.loads(payload, limit=limit)


def write_signed(
    path: Path,
    manifest: Manifest,
    chunks: Iterable[bytes],
    plain_size: int,
    *,
    key: SecretKey,
    recipients: list[PublicKey] | None,
    payload_name: str,
    force: bool = False,
    mode: int = 0o644,
) -> Manifest:
    """Encrypt (if there are recipients), sign and write one file.

    Parameters
    ----------
    path : Path
    manifest : Manifest
        Without its payload.
    chunks : iterable of bytes
        The plain payload, bound to the manifest by the caller.
    plain_size : int
        Its length [bytes].
    key : SecretKey
    recipients : list of PublicKey, or None
        In the manifest's order; None for a public file.
    payload_name : str
    force : bool
        Replace a file that is there.
    mode : int
        Permissions of the new file.

    Returns
    -------
    Manifest
        As it was signed.
    """
    done: list[Manifest] = []

    def write(out: BinaryIO) -> None:
        with _scratch(path) as scratch:
            done.append(
                seal(
                    out,
                    manifest,
                    chunks,
                    plain_size,
                    sign=lambda namespace, message: sign(key, namespace, message),
                    recipients=None if recipients is None else [r.mlkem768x25519 for r in recipients],
                    scratch=scratch,
                    payload_name=payload_name,
                )
            )

    write_file(path, write, force=force, mode=mode)
    return done[0]


def _scratch(path: Path) -> AbstractContextManager[BinaryIO]:
    # Ciphertext only, and in memory while it is small.
    spooled = tempfile.SpooledTemporaryFile(max_size=16 * 2**20, dir=str(path.parent))  # noqa: SIM115 - the caller's
    return cast("AbstractContextManager[BinaryIO]", spooled)


def verified_manifest(envelope: Envelope, roster: Roster, path: Path) -> Manifest:
    """Verify a file against a roster, a reviewer's approval in it, and that its payload is the one signed."""
    manifest = roster.verified(envelope, what=f"'{path.name}'")
    if manifest.approval is not None:
        verified_approval(manifest.approval, manifest)
    envelope.check_payload()
    return manifest
