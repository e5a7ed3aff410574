"""A whole file, written: encrypted first and signed second, at once or in two steps with something between them.

Owns the order of those steps; `envelope` has those of reading. Knows nothing of keys or disk: signing is handed in.
Stable: the form is documented in ``docs/format.md``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import BinaryIO

from fedcli.crypto import age
from fedcli.crypto.signing import Signatures
from fedcli.fileformat.archive import write_archive
from fedcli.fileformat.manifest import ENCRYPTED, Manifest, Payload

Sign = Callable[[str, bytes], Signatures]

_CHUNK = 2**18


def seal(
    out: BinaryIO,
    manifest: Manifest,
    chunks: Iterable[bytes],
    plain_size: int,
    *,
    sign: Sign,
    recipients: Sequence[bytes] | None,
    scratch: BinaryIO,
    payload_name: str = ENCRYPTED,
) -> Manifest:
    """Encrypt a payload, sign its manifest and write the file, holding a few chunks at a time.

    Parameters
    ----------
    out : BinaryIO
    manifest : Manifest
        Without its payload. Its `Manifest.binding` is already inside ``chunks``: the caller put it there.
    chunks : iterable of bytes
        The plain payload.
    plain_size : int
        Its length [bytes].
    sign : callable
        Given a namespace and the manifest's bytes, returns both signatures.
    recipients : sequence of bytes, or None
        One public key for each name in ``manifest.recipients``, in that order; None for a public file.
    scratch : BinaryIO
        Empty, readable and seekable; holds the payload as it will stand in the file, so no secret.
    payload_name : str

    Returns
    -------
    Manifest
        With its payload, as it was signed.
    """
    done = seal_payload(scratch, manifest, chunks, plain_size, recipients=recipients, payload_name=payload_name)
    scratch.seek(0)
    signatures = sign(done.namespace, done.to_bytes())
    seal_signed(out, done, signatures, iter(lambda: scratch.read(_CHUNK), b""))
    return done


def seal_payload(
    out: BinaryIO,
    manifest: Manifest,
    chunks: Iterable[bytes],
    plain_size: int,
    *,
    recipients: Sequence[bytes] | None,
    payload_name: str = ENCRYPTED,
) -> Manifest:
    """Encrypt a payload and describe it: the first half of `seal`. It gives no file of ours, since nobody signed it.

    Parameters
    ----------
    out : BinaryIO
        Where the payload goes, as it will stand in the file.
    manifest, chunks, plain_size, recipients, payload_name
        See `seal`.

    Returns
    -------
    Manifest
        With its payload, to be signed.
    """
    if (recipients is None) == (payload_name == ENCRYPTED) or len(recipients or ()) != len(manifest.recipients):
        raise ValueError(f"{payload_name} for {len(manifest.recipients)} names with {len(recipients or ())} keys")
    sink = _HashingSink(out)
    if recipients is None:
        for chunk in chunks:
            sink.write(chunk)
    else:
        age.encrypt(chunks, sink, recipients)
    expected = plain_size if recipients is None else age.encrypted_size(plain_size, len(recipients))
    if sink.size != expected:
        raise ValueError(f"the payload was announced with {plain_size} bytes and has {sink.size - expected:+} more")
    return replace(manifest, payload=Payload(payload_name, sink.size, sink.digest.hexdigest(), plain_size))


def seal_signed(out: BinaryIO, manifest: Manifest, signatures: Signatures, payload: Iterable[bytes]) -> None:
    """Write the file: the second half of `seal`. The same parts give the same bytes.

    Parameters
    ----------
    out : BinaryIO
    manifest : Manifest
        From `seal_payload`.
    signatures : Signatures
        Over its bytes.
    payload : iterable of bytes
        What `seal_payload` wrote.
    """
    described = manifest.payload
    if described is None:
        raise ValueError("the manifest describes no payload yet")
    write_archive(
        out,
        manifest=manifest.to_bytes(),
        sshsig=signatures.sshsig,
        mldsa65=signatures.mldsa65,
        payload_name=described.name,
        payload_size=described.size,
        payload=payload,
    )


class _HashingSink(io.RawIOBase):
    """Writes through to a file, counts and hashes."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)
