"""Fingerprints: thirty digits that two people read to each other on the phone.

Owns how bytes become digits, and their comparison. Knows nothing of keys or studies. Stable: people write the digits
down, and other programs may compute them.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

DOMAIN: Final = b"fedcli fingerprint 1"
ITERATIONS: Final = 5200
GROUPS: Final = 6
_SEPARATORS = dict.fromkeys(map(ord, " \t\r\n\u00a0\u2009\u202f-\u2010\u2011\u2012\u2013\u2014._"))


def fingerprint_of(data: bytes, label: str) -> str:
    """Return thirty digits that stand for `data`.

    Another program computes them so, with ``||`` for concatenation and 00 for a zero byte::

        seed = SHA-512("fedcli fingerprint 1" || 00 || label || 00 || data)
        h    = seed;  5200 times:  h = SHA-512(h || seed)
        group i (0..5) = big-endian integer of h[5 i : 5 i + 5], modulo 100000, as five digits

    Thirty digits are 99.7 bits, and each guess costs 5201 hashes (2^12.3): a second key with the digits of a given one
    takes about 2^112 hashes. Two keys of one's own with equal digits take 2^62, which wins nothing: both are one's own.

    Parameters
    ----------
    data : bytes
        Whatever must be the same on both sides; callers frame it so that no two values give the same bytes.
    label : str
        What it is, ASCII: a study's digits must never be a key's.

    Returns
    -------
    str
        Six groups of five digits with spaces between them.

    References
    ----------
    The construction follows Signal's safety numbers (NumericFingerprintGenerator).

    Examples
    --------
    >>> fingerprint_of(b"abc", "study")
    '82735 64222 37538 53622 83037 80132'
    """
    seed = hashlib.sha512(b"\x00".join((DOMAIN, label.encode("ascii"), data))).digest()
    digest = seed
    for _ in range(ITERATIONS):
        digest = hashlib.sha512(digest + seed).digest()
    numbers = (int.from_bytes(digest[5 * group : 5 * group + 5], "big") % 100_000 for group in range(GROUPS))
    return " ".join(f"{number:05d}" for number in numbers)


def same_fingerprint(a: str, b: str) -> bool:
    """Whether two fingerprints are the same thirty digits, however they are grouped.

    Spaces, hyphens, dots and underscores are skipped. Anything that is not thirty digits then is no fingerprint and
    equals nothing, itself included: two empty answers must not count as agreement.
    """
    first, second = (text.translate(_SEPARATORS) for text in (a, b))
    for digits in (first, second):
        if len(digits) != 5 * GROUPS or not (digits.isascii() and digits.isdecimal()):
            return False
    return hmac.compare_digest(first, second)
