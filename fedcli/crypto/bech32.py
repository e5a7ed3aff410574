"""Bech32 as age uses it: key strings that a person can paste, with a checksum against typing errors.

Owns the encoding of BIP 173 without its length limit, and age's post-quantum key strings. Knows nothing of the keys
themselves. Stable: the strings open files in other age tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fedcli.errors import BadKeyFile

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {character: value for value, character in enumerate(_CHARSET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# A recipient has 1959 characters. Without some limit, a hostile string of megabytes would cost minutes of pure Python.
_LONGEST = 4096
_RECIPIENT, _IDENTITY = "age1pq", "age-secret-key-pq-"
_RECIPIENT_BYTES, _IDENTITY_BYTES = 1216, 32


def encode(prefix: str, data: bytes) -> str:
    """Return `data` as Bech32 in lower case.

    Parameters
    ----------
    prefix : str
        The human-readable part, lower case, printable ASCII.
    data : bytes
        Any length: age lifts the 90 characters of BIP 173.

    References
    ----------
    BIP 173; C2SP age, "Conventions used in this document".
    """
    values = list(_regroup(data, 8, 5))
    if len(data) * 8 % 5:
        values.append((data[-1] << (5 - len(data) * 8 % 5)) & 31)
    checksum = _polymod([*_expand(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [(checksum >> 5 * (5 - place)) & 31 for place in range(6)]
    return f"{prefix}1{''.join(_CHARSET[value] for value in values)}"


def decode(text: str) -> tuple[str, bytes]:
    """Return the prefix, in lower case, and the bytes of a Bech32 string.

    Raises
    ------
    ValueError
        The string mixes cases, holds a foreign character, has no prefix, fails its checksum, is not a whole number of
        bytes or is longer than 4096 characters. The message never quotes the string: it may be a secret key.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    if not all(33 <= ord(character) <= 126 for character in text):
        raise ValueError("a character outside printable ASCII")
    if text not in (text.lower(), text.upper()):
        raise ValueError("upper and lower case are mixed")
    prefix, separator, body = text.lower().rpartition("1")
    if not separator or not prefix or len(body) < 6:
        raise ValueError("no prefix, or no checksum")
    try:
        values = [_VALUES[character] for character in body]
    except KeyError:
        raise ValueError("a character outside the alphabet") from None
    if _polymod([*_expand(prefix), *values]) != 1:
        raise ValueError("the checksum is wrong")
    payload = values[:-6]
    spare = len(payload) * 5 % 8
    # Spare bits belong to no byte: five or more are a superfluous character, and any that are set a second spelling.
    if spare >= 5 or (spare and payload[-1] & ((1 << spare) - 1)):
        raise ValueError("not a whole number of bytes")
    return prefix, bytes(_regroup(payload, 5, 8))


def recipient_string(public: bytes) -> str:
    """Return ``age1pq1...`` for a public X-Wing key of 1216 bytes."""
    return encode(_RECIPIENT, public)


def recipient_bytes(text: str) -> bytes:
    """Return the 1216 bytes of an ``age1pq1...`` string.

    Raises
    ------
    BadKeyFile
        It is not such a string, or a character of it is wrong.
    """
    return _expect(text, _RECIPIENT, _RECIPIENT_BYTES, "an age recipient of the kind age1pq1...")


def identity_string(seed: bytes) -> str:
    """Return ``AGE-SECRET-KEY-PQ-1...`` for an X-Wing seed of 32 bytes: a secret."""
    return encode(_IDENTITY, seed).upper()


def identity_bytes(text: str) -> bytes:
    """Return the 32-byte seed of an ``AGE-SECRET-KEY-PQ-1...`` string.

    Raises
    ------
    BadKeyFile
        It is not such a string, or a character of it is wrong. The message never quotes it.
    """
    return _expect(text, _IDENTITY, _IDENTITY_BYTES, "an age identity of the kind AGE-SECRET-KEY-PQ-1...")


def _expect(text: str, prefix: str, length: int, what: str) -> bytes:
    hint = "copy the whole string again; it has no spaces or line breaks"
    try:
        found, data = decode(text)
    except ValueError as error:
        raise BadKeyFile(f"this is not {what}: {error}", hint=hint) from None
    # age writes recipients in lower and identities in upper case; the other spelling is refused, as age itself does.
    if found != prefix or (text.islower() != (prefix == _RECIPIENT)):
        raise BadKeyFile(f"this is not {what}", hint=hint)
    if len(data) != length:
        raise BadKeyFile(f"this is not {what}: {len(data)} bytes instead of {length}", hint=hint)
    return data


def _regroup(values: Iterable[int], width: int, wanted: int) -> Iterator[int]:
    """Yield the full groups of `wanted` bits in a sequence of `width`-bit numbers; what is left over is dropped."""
    held, bits = 0, 0
    for value in values:
        held, bits = (held << width) | value, bits + width
        while bits >= wanted:
            bits -= wanted
            yield held >> bits
            held &= (1 << bits) - 1


def _expand(prefix: str) -> list[int]:
    codes = prefix.encode("ascii")
    return [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]


def _polymod(values: Iterable[int]) -> int:
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = ((remainder & 0x1FFFFFF) << 5) ^ value
        for place, term in enumerate(_GENERATOR):
            if (top >> place) & 1:
                remainder ^= term
    return remainder
