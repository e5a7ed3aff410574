"""Fixed point in Z_2^128: the encoding in which every sum is added, exactly and in any order.

Owns grids, limbs and carries. Knows nothing of what the numbers mean. Stable: files hold this encoding, and masking
adds uniform noise to it without changing it.

A number ``x`` becomes ``q = rint(x * 2**f)`` (half to even), held as two uint64 limbs, low first. The grid follows
from the block's bound and the number of silos alone::

    f = 128 - 2 - ceil(lg n_silos) - ceil(lg bound) - 8

One bit is the sign's, one is headroom for noise, and eight are guard bits: they make a garbage sum visible, because an
honest one never reaches them. ``f`` is capped at 96 so that a float64's digits below 2**-96 need no more limbs, and may
be negative for enormous bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.errors import GarbageSum, OutsideBound
from fedcli.fileformat.statistics import FloatArray, Layout, Statistics

Limbs = NDArray[np.uint64]

BITS = 128
GUARD_BITS = 8
MAX_FRACTION_BITS = 96
_WORD = (1 << 64) - 1


def fraction_bits(bound: float, n_silos: int) -> int:
    """Return the grid ``f`` of a block whose entries never exceed ``bound`` at one silo.

    Raises
    ------
    ValueError
        The bound is not positive and finite, or there is no silo.
    """
    if not (bound > 0 and math.isfinite(bound)) or n_silos < 1:
        raise ValueError(f"no grid for bound {bound} and {n_silos} silos")
    bits = BITS - 2 - _ceil_log2(n_silos) - _ceil_log2(bound) - GUARD_BITS
    return min(bits, MAX_FRACTION_BITS)


def _ceil_log2(value: float) -> int:
    mantissa, exponent = math.frexp(value)
    return exponent - 1 if mantissa == 0.5 else exponent


def encode(array: FloatArray, bound: float, fraction_bits: int, *, name: str = "") -> Limbs:
    """Encode float64 exactly onto the grid.

    Parameters
    ----------
    array : ndarray of float64
        Any shape; read in C order.
    bound : float
        Larger values are refused, never clipped.
    fraction_bits : int
    name : str
        The block, for the message.

    Returns
    -------
    ndarray of uint64 of shape (size, 2)

    Raises
    ------
    OutsideBound
        NaN, infinity, or a value beyond ``bound``.
    """
    x = np.ravel(np.asarray(array, dtype=np.float64))
    if not (np.abs(x) <= bound).all():  # also False for NaN
        raise OutsideBound(
            f"a number of block '{name}' exceeds what the study's ranges and max_rows permit ({bound:.3g})",
            hint="check ranges with: fedcli check; if they are right, tell the coordinator",
        )
    mantissa, exponent = np.frexp(np.abs(x))
    whole = (mantissa * 2.0**53).astype(np.uint64)  # |x| = whole * 2**(exponent - 53), exactly
    shift = exponent.astype(np.int64) - 53 + fraction_bits
    right = np.clip(-shift, 0, 64).astype(np.uint64)
    rounded = _shift_right_half_even(whole, right)
    left = np.clip(shift, 0, 127).astype(np.uint64)
    low_part = np.where(left < 64, left, np.uint64(0))
    low = np.where(left < 64, rounded << low_part, np.uint64(0))
    carried = np.where(low_part > 0, rounded >> ((np.uint64(64) - low_part) % np.uint64(64)), np.uint64(0))
    high = np.where(left < 64, carried, rounded << np.where(left >= 64, left - np.uint64(64), np.uint64(0)))
    limbs = np.stack([low, high], axis=1)
    return np.where((x < 0)[:, None], negate(limbs), limbs)


def _shift_right_half_even(whole: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    small = np.minimum(right, np.uint64(63))
    kept = np.where(right > 63, np.uint64(0), whole >> small)
    rest = whole - (kept << small)
    half = np.where(small > 0, np.uint64(1) << (np.maximum(small, np.uint64(1)) - np.uint64(1)), np.uint64(0))
    up = (rest > half) | ((rest == half) & (kept & np.uint64(1) == 1))
    # whole < 2**53, so a shift of 55 or more leaves less than half a unit.
    return np.asarray(np.where((small > 0) & (right < 55) & up, kept + np.uint64(1), kept))


def encode_integers(integers: Any, bound: float, fraction_bits: int, *, name: str = "") -> Limbs:
    """Encode Python integers that are on the grid already; see `encode`."""
    flat = [int(q) for q in np.ravel(integers)]
    limit = math.floor(math.ldexp(bound, fraction_bits)) + 1 if bound else 0
    if any(abs(q) > limit for q in flat):
        raise OutsideBound(
            f"a number of block '{name}' exceeds what the study's ranges and max_rows permit ({bound:.3g})",
            hint="check ranges with: fedcli check; if they are right, tell the coordinator",
        )
    return np.array([[q & _WORD, (q >> 64) & _WORD] for q in flat], dtype=np.uint64).reshape(-1, 2)


def add(a: Limbs, b: Limbs) -> Limbs:
    """Add modulo 2**128, entry by entry."""
    low = a[:, 0] + b[:, 0]
    carry = (low < a[:, 0]).astype(np.uint64)
    return np.stack([low, a[:, 1] + b[:, 1] + carry], axis=1)


def negate(a: Limbs) -> Limbs:
    """Return the additive inverse modulo 2**128."""
    low = ~a[:, 0] + np.uint64(1)
    return np.stack([low, ~a[:, 1] + (low == 0).astype(np.uint64)], axis=1)


def decode_integers(limbs: Limbs) -> NDArray[np.object_]:
    """Return the signed Python integers, shape (size,), dtype object."""
    high = limbs[:, 1].astype(np.int64).astype(object)
    return np.asarray(high * (1 << 64) + limbs[:, 0].astype(object), dtype=object)


def decode(limbs: Limbs, fraction_bits: int) -> FloatArray:
    """Return float64, each correctly rounded, shape (size,)."""
    one = 1 << max(fraction_bits, 0)
    scale = 1 << max(-fraction_bits, 0)
    return np.array([int(q) * scale / one for q in decode_integers(limbs)], dtype=np.float64)


def check_sum(limbs: Limbs, bound: float, fraction_bits: int, n_silos: int, *, name: str = "") -> None:
    """Check that a sum is one that ``n_silos`` honest silos can have sent.

    Raises
    ------
    GarbageSum
    """
    limit = n_silos * (math.floor(math.ldexp(bound, fraction_bits)) + 1)
    if any(abs(int(q)) > limit for q in decode_integers(limbs)):
        raise GarbageSum(
            f"the sum of block '{name}' is larger than {n_silos} silos can honestly send",
            hint="one update is damaged or dishonest: ask for a new attempt, and compare versions of fedcli",
        )


def encode_statistics(statistics: Statistics, layout: Layout, n_silos: int) -> dict[str, Limbs]:
    """Encode every block of ``layout``; see `encode`."""
    return {
        block.name: encode(
            statistics[block.name], block.bound, fraction_bits(block.bound, n_silos), name=block.name
        )
        for block in layout
    }


def add_encoded(a: Mapping[str, Limbs], b: Mapping[str, Limbs]) -> dict[str, Limbs]:
    """Add two encoded sets of blocks."""
    if a.keys() != b.keys():
        raise ValueError("the two sums hold other blocks")
    return {name: add(limbs, b[name]) for name, limbs in a.items()}
