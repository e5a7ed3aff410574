"""Base64 with one spelling per value: what decodes differently from how it would be written is refused.

Owns the padded alphabet of documents and signatures and the unpadded one of age headers. Knows nothing of what the
bytes mean. Internal.
"""

from __future__ import annotations

import base64
import binascii


def encode(data: bytes) -> str:
    """Return standard base64 with padding, on one line (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str | bytes) -> bytes:
    """Decode standard base64 with padding.

    Raises
    ------
    ValueError
        `text` is not what `encode` writes for any bytes: foreign characters, spaces, missing padding, or bits set
        behind the last byte. Python's own decoder forgives the last of these, and so gives one value many spellings.
    """
    given = text.encode("ascii") if isinstance(text, str) else text
    try:
        data = base64.b64decode(given, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if base64.b64encode(data) != given:
        raise ValueError("base64 in a spelling that is not the canonical one")
    return data


def encode_unpadded(data: bytes) -> str:
    """Return standard base64 without padding, as age headers use it."""
    return encode(data).rstrip("=")


def decode_unpadded(text: str | bytes) -> bytes:
    """Decode standard base64 without padding; as strict as `decode`.

    Raises
    ------
    ValueError
        `text` is not what `encode_unpadded` writes for any bytes.
    """
    given = text.encode("ascii") if isinstance(text, str) else text
    if given.endswith(b"="):
        raise ValueError("padding where none belongs")
    return decode(given + b"=" * (-len(given) % 4))
