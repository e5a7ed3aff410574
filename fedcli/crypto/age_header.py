"""The textual header of an age v1 file: stanzas that wrap the file key, and a MAC over their very bytes.

Owns the grammar and the MAC. Knows nothing of recipients beyond one rule about ``scrypt``, nor of the payload.
Internal; the format is stable.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedcli.crypto.base64_strict import decode_unpadded, encode_unpadded
from fedcli.errors import Altered

# A roster of 300 recipients fits; a hostile file cannot make the reader hold more than this.
HEADER_CAP: Final = 512 * 1024
FILE_KEY_BYTES: Final = 16
MAC_BYTES: Final = 32
_VERSION = b"age-encryption.org/v1\n"
_COLUMNS = 64
_ARGUMENTS = re.compile(rb"-> ([!-~]+(?: [!-~]+)*)\n")
_MAC_LINE = re.compile(rb"--- ([A-Za-z0-9+/]{43})\n")


class HeaderFailure(Altered):
    """The header breaks the grammar of age, or a stanza for us breaks its own."""


class HmacFailure(Altered):
    """A file key was unwrapped, but the header is not the one that was written with it."""


@dataclass(frozen=True)
class Stanza:
    """One wrapping of the file key.

    Parameters
    ----------
    arguments : tuple of str
        At least one, printable ASCII without spaces; the first names the kind.
    body : bytes
        Mostly the encrypted file key.
    """

    arguments: tuple[str, ...]
    body: bytes

    def __bytes__(self) -> bytes:
        text = encode_unpadded(self.body)
        # The body ends with a line shorter than 64 columns, if need be an empty one: range() always gives that line.
        lines = [text[start : start + _COLUMNS] for start in range(0, len(text) + 1, _COLUMNS)]
        return ("-> " + " ".join(self.arguments) + "\n" + "\n".join(lines) + "\n").encode("ascii")


@dataclass(frozen=True)
class Header:
    """A parsed header: `authenticated` holds the bytes as read, up to and with ``---``, which the MAC covers."""

    stanzas: tuple[Stanza, ...]
    authenticated: bytes
    mac: bytes

    def __bytes__(self) -> bytes:
        return self.authenticated + b" " + encode_unpadded(self.mac).encode("ascii") + b"\n"

    def check_mac(self, file_key: bytes) -> None:
        """Refuse the header unless it was written with `file_key`.

        Raises
        ------
        HmacFailure
            Somebody changed, added or removed a stanza.
        """
        # Over the bytes as read: a header parsed wrongly and written again must not pass.
        if not hmac.compare_digest(_mac(file_key, self.authenticated), self.mac):
            raise HmacFailure("the list of recipients was changed after the file was encrypted")


def make_header(stanzas: Sequence[Stanza], file_key: bytes) -> Header:
    """Return the header that wraps `file_key` in these stanzas."""
    authenticated = _VERSION + b"".join(bytes(stanza) for stanza in stanzas) + b"---"
    return Header(tuple(stanzas), authenticated, _mac(file_key, authenticated))


def header_size(stanza_size: int, n_stanzas: int) -> int:
    """Return the bytes of a header with that many stanzas of that many bytes each."""
    return len(_VERSION) + stanza_size * n_stanzas + len("--- ") + 43 + 1


def read_header(source: BinaryIO) -> Header:
    """Read a header and leave `source` at the first byte behind it.

    Raises
    ------
    HeaderFailure
        Anything that a conforming writer does not write: another version, a foreign line end, base64 with padding or
        spare bits, a missing or long line, a ``scrypt`` stanza beside others, more than 512 KiB.

    References
    ----------
    C2SP age, "ABNF definition of file header".
    """
    lines = _Lines(source)
    if lines.read() != _VERSION:
        raise HeaderFailure("this is not an age file of version 1")
    stanzas = []
    while not (line := lines.read()).startswith(b"---"):
        arguments = _ARGUMENTS.fullmatch(line)
        if arguments is None:
            raise HeaderFailure(f"line {lines.number} of the age header is neither a stanza nor its end")
        stanzas.append(Stanza(tuple(arguments[1].decode("ascii").split(" ")), _read_body(lines)))
    end = _MAC_LINE.fullmatch(line)
    if end is None:
        raise HeaderFailure(f"line {lines.number} of the age header does not end it as age does")
    if not stanzas:
        raise HeaderFailure("the age header names no recipient")
    # Whoever knows the passphrase can write such a file, so age reads it as proof of a shared secret: alone or not at
    # all. A header that also admits somebody else would break that expectation.
    if len(stanzas) > 1 and any(stanza.arguments[0] == "scrypt" for stanza in stanzas):
        raise HeaderFailure("the age header mixes a passphrase with other recipients")
    return Header(tuple(stanzas), lines.before_last + b"---", _decode(end[1], lines))


def derive(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    """Return 32 bytes of HKDF-SHA-256 (RFC 5869) from a file key."""
    return HKDF(hashes.SHA256(), 32, salt, info).derive(file_key)


def _mac(file_key: bytes, authenticated: bytes) -> bytes:
    return hmac.digest(derive(file_key, b"", b"header"), authenticated, hashlib.sha256)


class _Lines:
    """Lines of a source, counted and limited; everything before the last one is kept for the MAC."""

    def __init__(self, source: BinaryIO) -> None:
        self.number = 0
        self._source = source
        self._before = bytearray()
        self._last = b""

    @property
    def before_last(self) -> bytes:
        return bytes(self._before)

    def read(self) -> bytes:
        self._before += self._last
        self._last = self._source.readline(HEADER_CAP + 1 - len(self._before))
        self.number += 1
        if len(self._before) + len(self._last) > HEADER_CAP:
            raise HeaderFailure(f"the age header is longer than {HEADER_CAP // 1024} KiB")
        if not self._last.endswith(b"\n"):
            raise HeaderFailure(f"the age header breaks off in line {self.number}")
        return self._last


def _read_body(lines: _Lines) -> bytes:
    text = bytearray()
    while True:
        line = lines.read()[:-1]
        if len(line) > _COLUMNS:
            raise HeaderFailure(f"line {lines.number} of the age header is longer than {_COLUMNS} columns")
        text += line
        if len(line) < _COLUMNS:
            return _decode(bytes(text), lines)


def _decode(text: bytes, lines: _Lines) -> bytes:
    try:
        return decode_unpadded(text)
    except ValueError as error:
        raise HeaderFailure(f"base64 before or in line {lines.number} of the age header is not canonical") from error
