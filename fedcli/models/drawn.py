"""Random numbers that everybody draws alike: from a seed, to the bit, on every machine.

Owns their rule. Knows nothing of studies or maps. Stable: the rule is documented in ``docs/format.md``, since a model
is worth nothing without its draws.

Bits come from SHAKE-256. Normal numbers follow from them by operations that are correctly rounded by their own
specification: whole numbers, and division, square root and logarithm of Python's ``decimal`` at 25 digits, then one
rounding to float64. NumPy's generators promise no such thing over versions, and the logarithm and cosine of the C
library differ from machine to machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

import numpy as np

from fedcli.fileformat.statistics import FloatArray

_DIGITS = Context(prec=25, rounding=ROUND_HALF_EVEN)
_BITS = 53
_ONE = 1 << _BITS
_PREFIX = b"fedcli drawn 1\x00"


def _integers(seed: bytes, label: str) -> Iterator[int]:
    """Yield whole numbers of 53 bits: the upper ones of each 8 bytes of the stream, big-endian."""
    shake = hashlib.shake_256(_PREFIX + label.encode("ascii") + b"\x00" + seed)
    start, length = 0, 1 << 12
    while True:
        # A longer digest begins with the shorter one.
        for word in np.frombuffer(shake.digest(length)[start:], dtype=">u8").tolist():
            yield word >> (64 - _BITS)
        start, length = length, 2 * length


@lru_cache(maxsize=8)
def normals(seed: bytes, label: str, n: int) -> FloatArray:
    """Draw ``n`` standard normal numbers, shape (n,), by the polar method.

    Parameters
    ----------
    seed : bytes
    label : str
        What they are for, ASCII: other labels give other numbers.
    n : int
        The first of more are the same.

    References
    ----------
    Marsaglia, G., Bray, T. A. (1964). A convenient method for generating normal variables. SIAM Review 6, 260-264.
    """
    found: list[float] = []
    stream, square = _integers(seed, label), Decimal(_ONE * _ONE)
    context, minus_two, one = _DIGITS, Decimal(-2), Decimal(_ONE)
    while len(found) < n:
        # Odd numbers over 2**53: evenly from -1 to 1, and never 0.
        a, b = 2 * next(stream) - _ONE + 1, 2 * next(stream) - _ONE + 1
        radius = a * a + b * b
        if radius >= _ONE * _ONE:
            continue
        s = context.divide(Decimal(radius), square)
        factor = context.sqrt(context.divide(context.multiply(minus_two, context.ln(s)), s))
        for part in (a, b):
            found.append(float(context.divide(context.multiply(Decimal(part), factor), one)))
    drawn = np.array(found[:n])
    drawn.flags.writeable = False
    return drawn


@lru_cache(maxsize=8)
def uniforms(seed: bytes, label: str, n: int) -> FloatArray:
    """Draw ``n`` numbers evenly from 0 to 1, 1 excluded, shape (n,); as `normals`."""
    stream = _integers(seed, label)
    drawn = np.array([next(stream) for _ in range(n)]) / float(_ONE)
    drawn.flags.writeable = False
    return drawn
