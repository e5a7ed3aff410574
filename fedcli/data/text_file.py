"""The bytes of a file as they are read: unpacked, and UTF-8 where they were UTF-16.

Owns opening, and the sentences for files that are missing, locked or damaged. Must not know what the bytes mean.
Internal.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from fedcli.data.source import shown
from fedcli.errors import BadTable, FileMissing

SAMPLE_BYTES = 1 << 20
GZIP = b"\x1f\x8b"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What reading may raise of a file that is packed, or was UTF-16.
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError)


def damaged(error: Exception, name: str) -> BadTable:
    """Return the error for a file whose bytes cannot be had; ``error`` is one of `UNREADABLE`."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return BadTable(f"the file cannot be read: {type(error).__name__}", hint="copy it again", where=name)
    what = "is not UTF-16 to its end" if isinstance(error, UnicodeDecodeError) else "is packed, and cut off or damaged"
    return BadTable(f"the file {what}", hint="copy it again, or export it anew", where=name)


def wide_encoding(path: Path, stated: str | None) -> str | None:
    """Return how UTF-16 is to be decoded, by the file's own mark, else by what is stated; None for other files."""
    with _unpacked(path) as stream:
        if stream.read(2) in UTF_16:
            return "utf-16"
    return stated if stated is not None and codecs.lookup(stated).name.startswith("utf-16") else None


def open_text(path: Path, wide: str | None) -> BinaryIO:
    """Open the file as bytes, unpacked; UTF-16, see `wide_encoding`, is turned into UTF-8."""
    stream = _unpacked(path)
    return stream if wide is None else _Utf8From(stream, wide)  # type: ignore[return-value]


def first_bytes(path: Path, stated: str | None = None) -> bytes:
    """Return the first megabyte of what `open_text` gives.

    Raises
    ------
    FileMissing
        There is no such file, or it may not be read.
    BadTable
        Its bytes are damaged.
    """
    try:
        with open_text(path, wide_encoding(path, stated)) as stream:
            return stream.read(SAMPLE_BYTES)
    except FileNotFoundError as exc:
        raise FileMissing(
            f"there is no table {shown(path, 'of that name')}",
            hint="check the path: a file, a folder of parts, or a pattern in quotes",
        ) from exc
    except PermissionError as exc:
        raise FileMissing(f"'{path}' may not be read by you", hint="ask its owner for read access") from exc
    except UNREADABLE as exc:
        raise damaged(exc, path.name) from exc


class _Utf8From(io.RawIOBase):
    """A stream of UTF-8 bytes over a stream of UTF-16 ones."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.text = io.TextIOWrapper(stream, encoding=encoding, newline="")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.text.read(size).encode("utf-8")

    def close(self) -> None:
        self.text.close()
        super().close()


def _unpacked(path: Path) -> BinaryIO:
    stream: BinaryIO = path.open("rb")
    packed = stream.read(2) == GZIP
    stream.seek(0)
    if packed:
        stream.close()
        stream = gzip.open(path, "rb")  # type: ignore[assignment]  # noqa: SIM115 - closed by the caller
    return stream
