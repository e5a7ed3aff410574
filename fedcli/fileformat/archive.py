"""The outer shape of every file: a byte-exact ustar archive of four members, in one order.

Owns the bytes of headers, padding and end. Knows nothing of what the members hold, of keys or of disk. Stable: any
``tar`` opens the files, and GNU ``tar`` writes them back byte for byte.

The reader regenerates each header from the name that it expects and the size that it finds, and compares: no name,
link, owner or extension of a stranger's archive is ever interpreted, which is why the standard library's reader is not
used.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fedcli.errors import BadArchive, MangledInTransit, Truncated
from fedcli.fileformat.mangled import diagnose_content, diagnose_start

MANIFEST, SSHSIG, MLDSA65 = "manifest.json", "manifest.json.sig", "manifest.json.mldsa65"
# Largest size of each member [bytes]. Eleven octal digits, the size field of ustar, end just below 8 GiB.
FRONT_LIMITS = {MANIFEST: 2**16, SSHSIG: 2**14, MLDSA65: 2**14}
PAYLOAD_LIMITS = {
    "payload.age": 2**33 - 1,
    "model.safetensors": 2**33 - 1,
    "key.json": 2**16,
    "study.json": 2**24,
    "sheet.txt": 2**20,
}

_BLOCK = 512
_END = 2 * _BLOCK
_SIZE_FIELD = slice(124, 136)
_CHUNK = 2**18
_HINT = "ask the sender for the file as fedcli wrote it; it is not unpacked, edited or packed again"


@dataclass(frozen=True)
class Archive:
    """The members of a file whose outer shape is right. Nothing in it is verified.

    Parameters
    ----------
    file : BinaryIO
        Seekable; stays the caller's to close.
    manifest, sshsig, mldsa65 : bytes
    payload_name : str
    payload_offset, payload_size : int
        Where the payload lies in the file [bytes].
    """

    file: BinaryIO
    manifest: bytes
    sshsig: bytes
    mldsa65: bytes
    payload_name: str
    payload_offset: int
    payload_size: int

    def payload(self) -> BinaryIO:
        """Open the payload, and nothing else, for reading."""
        return io.BufferedReader(_Window(self.file, self.payload_offset, self.payload_size), _CHUNK)

    def payload_chunks(self) -> Iterator[bytes]:
        """Yield the payload in pieces of at most 256 KiB."""
        with self.payload() as source:
            while chunk := source.read(_CHUNK):
                yield chunk


def header(name: str, size: int) -> bytes:
    """Return the 512-byte ustar header of a member."""
    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        b"0000644\0",  # mode
        b"0000000\0" * 2,  # uid, gid
        b"%011o\0" % size,
        b"00000000000\0",  # mtime
        b" " * 8,  # checksum, while it is summed
        b"0".ljust(101, b"\0"),  # a regular file, no link
        b"ustar\x0000",
        bytes(64),  # owner, group
        b"0000000\0" * 2,  # device
        bytes(167),
    )
    blank = b"".join(fields)
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


def write_archive(
    out: BinaryIO,
    *,
    manifest: bytes,
    sshsig: bytes,
    mldsa65: bytes,
    payload_name: str,
    payload_size: int,
    payload: Iterable[bytes],
) -> None:
    """Write the four members.

    Parameters
    ----------
    out : BinaryIO
    manifest, sshsig, mldsa65 : bytes
        The first three members.
    payload_name : str
    payload_size : int
        Announced in the header, so it must be known before the first piece [bytes].
    payload : iterable of bytes

    Raises
    ------
    ValueError
        A member is empty or larger than a reader takes, or the payload has another size than announced.
    """
    front = {MANIFEST: manifest, SSHSIG: sshsig, MLDSA65: mldsa65}
    for name, content in front.items():
        if not 0 < len(content) <= FRONT_LIMITS[name]:
            raise ValueError(f"{name} has {len(content)} bytes")
        out.write(header(name, len(content)) + content + _padding(len(content)))
    if not 0 < payload_size <= PAYLOAD_LIMITS[payload_name]:
        raise ValueError(f"{payload_name} has {payload_size} bytes")
    out.write(header(payload_name, payload_size))
    written = 0
    for chunk in payload:
        written += len(chunk)
        out.write(chunk)
    if written != payload_size:
        raise ValueError(f"{payload_name} was announced with {payload_size} bytes and has {written}")
    out.write(_padding(payload_size) + bytes(_END))


def read_archive(file: BinaryIO) -> Archive:
    """Check the outer shape of a file and find its members.

    Parameters
    ----------
    file : BinaryIO
        Seekable. The payload is not read.

    Raises
    ------
    NotAFedcliFile
        It does not begin like one of ours.
    MangledInTransit
        A program rewrote it as text.
    Truncated
        Bytes are missing at the end, or follow after it.
    BadArchive
        Anything else differs from what fedcli writes.
    """
    total = file.seek(0, io.SEEK_END)
    at = 0
    members: list[bytes] = []
    for name, limit in FRONT_LIMITS.items():
        _, size = _read_header(file, at, total, {name: limit})
        body, at = at + _BLOCK, at + _BLOCK + _padded(size)
        if at > total:
            raise _mangled(file) or _cut(total, at - total, at_least=True)
        members.append(_read_at(file, body, size))
        _expect_zeros(file, body + size, at, f"after {name}")
    payload_name, size = _read_header(file, at, total, PAYLOAD_LIMITS)
    body, at = at + _BLOCK, at + _BLOCK + _padded(size)
    end = at + _END
    if total != end:
        raise _mangled(file) or (
            _cut(total, end - total)
            if total < end
            else Truncated(f"{_bytes(total - end)} added at the end: the file has {total:,} and ends at {end:,}")
        )
    _expect_zeros(file, body + size, end, f"after {payload_name}")
    return Archive(file, members[0], members[1], members[2], payload_name, body, size)


def _read_header(file: BinaryIO, at: int, total: int, limits: dict[str, int]) -> tuple[str, int]:
    """Return the name, one of ``limits``, and the size that the header at ``at`` states."""
    found = _read_at(file, at, _BLOCK)
    field = found[_SIZE_FIELD]
    size = int(field[:11], 8) if field[:11].isdigit() and not set(field[:11]) & set(b"89") else -1
    for name, limit in limits.items():
        if size >= 0 and found == header(name, size):
            if not 0 < size <= limit:
                raise BadArchive(f"{name} has {_bytes(size)}, allowed are 1 to {limit:,}", hint=_HINT)
            return name, size
    first = MANIFEST.encode("ascii") + b"\0"
    if at == 0 and (not found or found[: len(first)] != first[: len(found)]):
        raise diagnose_start(found, total)
    damage = _mangled(file)
    if damage is not None:
        raise damage
    if len(found) < _BLOCK:
        raise _cut(total, _BLOCK - len(found), at_least=True)
    raise BadArchive(f"the header at byte {at:,} is not that of {' or '.join(limits)}", hint=_HINT)


def _expect_zeros(file: BinaryIO, start: int, end: int, where: str) -> None:
    if _read_at(file, start, end - start).strip(b"\0"):
        raise _mangled(file) or BadArchive(f"there are bytes {where} that belong to no member", hint=_HINT)


def _mangled(file: BinaryIO) -> MangledInTransit | None:
    return diagnose_content(_read_at(file, _BLOCK, 2**16))


def _cut(total: int, missing: int, *, at_least: bool = False) -> Truncated:
    return Truncated(f"{'at least ' if at_least else ''}{_bytes(missing)} missing at the end: the file has {total:,}")


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _padding(size: int) -> bytes:
    return bytes(_padded(size) - size)


def _read_at(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


class _Window(io.RawIOBase):
    """A part of a file as a file of its own, which keeps its own position and leaves the file open."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._file, self._offset, self._size, self._at = file, offset, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._offset + self._at)
        chunk = self._file.read(min(len(buffer), self._size - self._at))
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)
