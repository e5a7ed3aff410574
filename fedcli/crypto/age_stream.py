"""The payload of an age v1 file: chunks of 64 KiB under ChaCha20-Poly1305, at constant memory.

Owns STREAM: nonces, chunk order, the mark of the last chunk, sizes. Knows nothing of headers or keys beyond the file
key. Internal; the format is stable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fedcli.crypto.age_header import HeaderFailure, derive
from fedcli.errors import Altered

CHUNK: Final = 64 * 1024
TAG: Final = 16
NONCE_BYTES: Final = 16


class Sink(Protocol):
    """Anything to write to that takes all it is given: a buffered file, or a counter in front of one."""

    def write(self, data: bytes, /) -> int:
        """Take `data` and return its length."""
        ...


class PayloadFailure(Altered):
    """A chunk does not authenticate, is missing, or stands behind the last one."""


def payload_size(plain_size: int) -> int:
    """Return the bytes of nonce and chunks for `plain_size` bytes of plaintext."""
    chunks = max(1, -(-plain_size // CHUNK))
    return NONCE_BYTES + plain_size + chunks * TAG


def seal_stream(chunks: Iterable[bytes], out: Sink, file_key: bytes, nonce: bytes) -> int:
    """Encrypt chunks of any size and write the nonce and the payload.

    Parameters
    ----------
    chunks : iterable of bytes-like
        The plaintext in order; the sizes of the pieces do not show in the output.
    out : Sink
        A buffered binary file, say; a raw one may take less than it is given.
    file_key, nonce : bytes
        16 bytes each, random, never used for another file.

    Returns
    -------
    int
        Bytes written.
    """
    aead = ChaCha20Poly1305(derive(file_key, nonce, b"payload"))
    # One buffer for all chunks: pieces of any size are copied once, and nothing but this is held.
    plain = memoryview(bytearray(CHUNK))
    counter = filled = 0
    written = out.write(nonce)
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        while len(view):
            # A full buffer waits until more plaintext comes: only then is it certain not to be the last chunk.
            if filled == CHUNK:
                written += out.write(aead.encrypt(_nonce(counter, last=False), plain, None))
                counter, filled = counter + 1, 0
            taken = min(CHUNK - filled, len(view))
            plain[filled : filled + taken] = view[:taken]
            filled, view = filled + taken, view[taken:]
    return written + out.write(aead.encrypt(_nonce(counter, last=True), plain[:filled], None))


def read_nonce(source: BinaryIO) -> bytes:
    """Read the 16 bytes between header and chunks.

    Raises
    ------
    HeaderFailure
        The file ends before them. age counts the nonce to the header: nothing of the payload has been seen yet.
    """
    nonce = _read(source, NONCE_BYTES)
    if len(nonce) != NONCE_BYTES:
        raise HeaderFailure("the file ends with its header: the payload is missing")
    return nonce


def open_stream(source: BinaryIO, file_key: bytes, nonce: bytes) -> Iterator[bytes]:
    """Yield the plaintext chunk by chunk; each is authentic when it is yielded, the whole only after the last.

    A file that was cut at a chunk's end yields authentic chunks and then fails, so nothing may be acted on before the
    iterator is exhausted.

    Raises
    ------
    PayloadFailure
        A chunk was altered, moved, removed or added, or the file is cut.
    """
    aead = ChaCha20Poly1305(derive(file_key, nonce, b"payload"))
    counter, last = 0, False
    while not last:
        sealed = _read(source, CHUNK + TAG)
        if len(sealed) < TAG:
            raise PayloadFailure(f"the file is cut: it ends before chunk {counter + 1}, which should be there")
        # A short chunk can only be the last. A full one is tried as what it mostly is; the second try comes once a
        # file at most, and needs no reading ahead to find the end.
        plain = _open(aead, counter, sealed, last=False) if len(sealed) == CHUNK + TAG else None
        if plain is None:
            plain, last = _open(aead, counter, sealed, last=True), True
        if plain is None:
            raise PayloadFailure(f"chunk {counter + 1} was altered, or the file is cut in it")
        if not plain and counter:
            raise PayloadFailure("the last chunk is empty, which no writer produces")
        yield plain
        counter += 1
    if source.read(1):
        raise PayloadFailure(f"bytes were added behind the last chunk, number {counter}")


def _open(aead: ChaCha20Poly1305, counter: int, sealed: bytes, *, last: bool) -> bytes | None:
    try:
        return aead.decrypt(_nonce(counter, last=last), sealed, None)
    except InvalidTag:
        return None


def _nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _read(source: BinaryIO, size: int) -> bytes:
    """Read `size` bytes or up to the end: one `read` of a raw file or a pipe may return less."""
    data = source.read(size)
    while len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data
