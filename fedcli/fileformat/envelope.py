"""A whole file, read: manifest, two signatures and payload, verified first and parsed second.

Owns the order of those steps; `sealing` has those of writing. Knows nothing of keys or disk: verifying is handed in.
Stable: the form is documented in ``docs/format.md``.

Nothing of the manifest is parsed before its signatures verify. What the signatures are for is read from the SSHSIG, and
the manifest must then be of that kind. The payload is checked against the manifest whenever it is read to its end.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from fedcli.crypto import age, sshsig
from fedcli.crypto.signing import Signatures
from fedcli.errors import Altered, BadDocument, BadSignature, NewerFormat
from fedcli.fileformat.archive import Archive, read_archive
from fedcli.fileformat.manifest import ENCRYPTED, MAJOR, NAMESPACES, PAYLOADS, Manifest, Payload

Check = Callable[[str, bytes, Signatures], None]

_CHUNK = 2**18


def read_envelope(file: BinaryIO) -> Envelope:
    """Check a file's outer shape and what its signature says it is for. Nothing is verified yet.

    Parameters
    ----------
    file : BinaryIO
        Seekable; stays open, and the caller's, for as long as the envelope is used.

    Raises
    ------
    NotAFedcliFile, MangledInTransit, Truncated, BadArchive
        See `read_archive`.
    BadSignature
        The signature is not of its form, or is for something that is no file of ours.
    NewerFormat
        It is for a kind of file that this fedcli does not know.
    """
    archive = read_archive(file)
    namespace = _namespace(archive.sshsig)
    kind = NAMESPACES[namespace]
    if archive.payload_name not in PAYLOADS[kind]:
        raise BadDocument(
            f"a {kind} file has no payload '{archive.payload_name}'", hint="ask the sender to make the file again"
        )
    return Envelope(archive, namespace, kind, sshsig.embedded_key(archive.sshsig))


@dataclass
class Envelope:
    """A file between its outer shape and its contents: first `verified`, then the rest.

    Parameters
    ----------
    archive : Archive
    namespace : str
        What the signatures claim to be for.
    kind : str
        The kind of file that the namespace stands for: ``update``, ``model`` ... Not verified before `verified`.
    signer : bytes
        The Ed25519 public key that the signature names [32 bytes], to look up who that is.
    """

    archive: Archive
    namespace: str
    kind: str
    signer: bytes
    _manifest: Manifest | None = field(default=None, init=False, repr=False)
    _early: set[str] = field(default_factory=set, init=False, repr=False)

    @property
    def manifest_bytes(self) -> bytes:
        """What is signed."""
        return self.archive.manifest

    @property
    def signatures(self) -> Signatures:
        """Both signatures over `manifest_bytes`."""
        return Signatures(self.archive.sshsig, self.archive.mldsa65)

    @property
    def encrypted(self) -> bool:
        """Whether the payload is encrypted."""
        return self.archive.payload_name == ENCRYPTED

    @property
    def manifest(self) -> Manifest:
        """The manifest, once its signatures are verified."""
        if self._manifest is None:
            raise ValueError("the manifest is read before its signatures are verified")
        return self._manifest

    def verified(self, check: Check) -> Manifest:
        """Verify, then parse.

        Parameters
        ----------
        check : callable
            Given the namespace, the manifest's bytes and the signatures, raises `BadSignature` if they are not good.

        Raises
        ------
        BadSignature
            From ``check``; or the signatures are for another kind of file than the manifest says it is.
        BadDocument, NewerFormat
            Validly signed, and not a manifest of ours.
        Altered
            The manifest does not describe the payload of this file.
        """
        check(self.namespace, self.manifest_bytes, self.signatures)
        manifest = Manifest.from_bytes(self.manifest_bytes)
        if manifest.namespace != self.namespace:
            raise BadSignature(
                f"the file says it is of type {manifest.type} and was signed as {self.kind}",
                hint=f"do not use it; call {manifest.sender}",
            )
        return self._accept(manifest)

    def verified_as(self, manifest: Manifest) -> Manifest:
        """Take a manifest that was verified before, if this file still holds it.

        Raises
        ------
        Altered
            The file was replaced since.
        """
        if manifest.to_bytes() != self.manifest_bytes:
            raise Altered("the file is not the one that was verified a moment ago")
        return self._accept(manifest)

    def check_payload(self) -> None:
        """Read the payload through and compare it with the manifest.

        What was read of it before the manifest was verified is compared as well.

        Raises
        ------
        Altered
        """
        payload = _payload_of(self.manifest)
        for digest in self._early:
            _compare(digest, payload)
        for _ in self.payload_chunks():
            pass

    def payload_chunks(self) -> Iterator[bytes]:
        """Yield the payload as it stands in the file, in pieces of at most 256 KiB.

        A public payload may be read before its manifest is verified, to find the key in it. It then proves nothing
        until `check_payload`.

        Raises
        ------
        Altered
            After the last piece, if it is not the payload that was signed.
        """
        digest = hashlib.sha256()
        for chunk in self.archive.payload_chunks():
            digest.update(chunk)
            yield chunk
        if self._manifest is None:
            self._early.add(digest.hexdigest())
        else:
            _compare(digest.hexdigest(), _payload_of(self._manifest))

    def decrypted(self, seed: bytes) -> Iterator[bytes]:
        """Yield the plain payload. Nothing of it may be used before the last piece has come.

        Parameters
        ----------
        seed : bytes
            Secret of the recipient [32 bytes].

        Raises
        ------
        WrongRecipient
            It is not encrypted to this key.
        Altered
            The payload is not the one that was signed, or its length is not the one that the manifest states.
        """
        payload = _payload_of(self.manifest)
        source = _HashingSource(self.archive.payload())
        size = 0
        for chunk in age.decrypt(io.BufferedReader(source, _CHUNK), seed):
            size += len(chunk)
            yield chunk
        source.drain()
        _compare(source.digest.hexdigest(), payload)
        if size != payload.plain_size:
            raise Altered(f"the payload has {size:,} bytes inside, its manifest says {payload.plain_size:,}")

    def _accept(self, manifest: Manifest) -> Manifest:
        payload, archive = _payload_of(manifest), self.archive
        if (payload.name, payload.size) != (archive.payload_name, archive.payload_size):
            raise Altered(
                f"{archive.payload_name} has {archive.payload_size:,} bytes, "
                f"signed were {payload.size:,} of {payload.name}"
            )
        if self.encrypted:
            # An equality, not a limit: the length inside is known before anything is decrypted.
            size = age.encrypted_size(payload.plain_size, len(manifest.recipients))
            if payload.size != size:
                raise Altered(
                    f"{payload.plain_size:,} bytes for {len(manifest.recipients)} recipients make "
                    f"{size:,} bytes of {payload.name}, the file has {payload.size:,}"
                )
        self._manifest = manifest
        return manifest


def _payload_of(manifest: Manifest) -> Payload:
    if manifest.payload is None:
        raise ValueError("the manifest is one of no file yet")
    return manifest.payload


def _compare(digest: str, payload: Payload) -> None:
    if digest != payload.sha256:
        raise Altered(
            f"{payload.name}, {payload.size:,} bytes, has hash {digest[:8]}..., signed was {payload.sha256[:8]}..."
        )


def _namespace(armoured: bytes) -> str:
    """Return the namespace that an SSHSIG states, if it is one of ours. The signature covers it."""
    for namespace in NAMESPACES:
        try:
            sshsig.split(armoured, namespace)
        except BadSignature:
            continue
        return namespace
    # Only to choose the words of the refusal: what a later version's signature looks like is not known here.
    body = re.sub(rb"-----.*?-----|\s", b"", armoured)
    try:
        found = re.search(rb"([a-z-]{1,20})@fedcli-v([1-9][0-9]{0,8})\0", base64.b64decode(body))
    except binascii.Error:
        found = None
    if found is not None and found[0][:-1].decode("ascii") not in NAMESPACES:
        raise NewerFormat(
            f"the file is of type fedcli-{found[1].decode('ascii')}/{found[2].decode('ascii')}, "
            f"this fedcli knows {', '.join(PAYLOADS)} up to version {MAJOR}"
        )
    raise BadSignature("the signature is none of a fedcli file", hint="ask the sender to send the file again")


class _HashingSource(io.RawIOBase):
    """Reads through from a file and hashes."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self.digest = file, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        chunk = self._file.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.digest.update(chunk)
        return len(chunk)

    def drain(self) -> None:
        """Hash what is left."""
        while chunk := self._file.read(_CHUNK):
            self.digest.update(chunk)
