"""Sums that are exact: float64 numbers as integers modulo 2**128, which any order of adding gives alike.

Owns the fixed-point grid, the two limbs and their arithmetic. Knows nothing of files, keys, masks or studies; bounds
come from the layout. Stable: the encoding is documented in ``docs/format.md``.

A number x is sent as ``q = rint(x * 2**f)``, ties to even, in two's complement: an array of shape (n, 2) of uint64, the
low limb first. Plain and masked aggregation use the same encoding, so that both give the same sum to the bit.

A block's bound B holds for every silo, and N silos take part. ``f`` is chosen so that the honest sum stays within
``2**118``, of the ``2**127`` that the sign leaves: one bit of headroom and eight guard bits. A sum that is garbage,
because a mask was wrong or a silo lied, then lies outside the possible range with probability 0.998 per number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedcli.errors import GarbageSum, OutsideBound
from fedcli.fileformat.statistics import FloatArray, Layout, Statistics

Limbs = NDArray[np.uint64]

RING_BITS = 128
GUARD_BITS = 8
# Numbers of 2**-43 and above lie on this grid exactly, whatever their 53 bits are. A finer one would only carry the
# rounding of the float sums themselves, and would make sums of equal bound differ in their grid for no gain.
MAX_FRACTION_BITS = 96

_MASK = (1 << 64) - 1
_ONE = np.uint64(1)
_HINT = (
    "compare the ranges and max_rows of the study with the table: fedcli check; "
    "if the ranges are too narrow, the coordinator has to freeze the study again"
)


def fraction_bits(bound: float, n_silos: int) -> int:
    """Return f, the number of binary places of a block's grid.

    ``f = 128 - 2 - ceil(lg N) - ceil(lg B) - 8``, at most 96: one bit for the sign, one of headroom, eight to guard.

    Parameters
    ----------
    bound : float
        B > 0: no silo's honest sum exceeds it in absolute value.
    n_silos : int
        N, the silos of the study.

    Raises
    ------
    OutsideBound
        The ranges of the study are so wide that not even whole numbers fit.
    """
    if not (math.isfinite(bound) and bound > 0 and n_silos >= 1):
        raise ValueError(f"no grid for bound {bound} and {n_silos} silos")
    mantissa, exponent = math.frexp(bound)
    lg_bound = exponent - 1 if mantissa == 0.5 else exponent
    bits = RING_BITS - 2 - (n_silos - 1).bit_length() - lg_bound - GUARD_BITS
    if bits < 0:
        raise OutsideBound(
            f"the study's ranges allow sums up to 2**{lg_bound} for each of {n_silos} silos, more than can be encoded",
            hint="give the columns narrower ranges or a larger unit, or lower max_rows",
        )
    return min(bits, MAX_FRACTION_BITS)


def encode(values: ArrayLike, bound: float, fraction_bits: int, *, name: str) -> Limbs:
    """Encode float64 numbers, correctly rounded to the grid, ties to even.

    Parameters
    ----------
    values : array_like of float64
        Any shape; taken row by row.
    bound : float
        Numbers beyond it are refused, never clipped.
    fraction_bits : int
        As `fraction_bits` returns it.
    name : str
        The block, for the error.

    Returns
    -------
    ndarray of uint64, shape (n, 2)

    Raises
    ------
    OutsideBound
    """
    x = np.asarray(values, dtype=np.float64).reshape(-1)
    _refuse(name, int(np.count_nonzero(~(np.abs(x) <= bound))), x.size, bound)
    _largest(bound, fraction_bits)
    mantissa, exponent = np.frexp(x)
    # x = +-magnitude * 2**(exponent - 53), magnitude an integer of 53 bits (0 for 0).
    magnitude = np.abs(np.ldexp(mantissa, 53)).astype(np.uint64)
    shift = exponent.astype(np.int64) - 53 + fraction_bits
    low, high = _shift_left(magnitude, np.maximum(shift, 0))
    low = np.where(shift < 0, _shift_right(magnitude, np.maximum(-shift, 0)), low)
    high = np.where(shift < 0, np.uint64(0), high)
    limbs = np.stack((low, high), axis=1)
    negative = np.signbit(x)
    limbs[negative] = negate(limbs[negative])
    return limbs


def encode_integers(values: ArrayLike, bound: float, fraction_bits: int, *, name: str) -> Limbs:
    """Encode sums that are exact integers on the grid already.

    Parameters
    ----------
    values : sequence or ndarray of int
        In units of ``2**-fraction_bits``; any shape, taken row by row.
    bound : float
        In units of 1.
    fraction_bits : int
    name : str

    Returns
    -------
    ndarray of uint64, shape (n, 2)

    Raises
    ------
    OutsideBound
    """
    exact = np.asarray(values, dtype=object).reshape(-1)
    if not all(type(q) is int for q in exact):
        raise ValueError(f"block '{name}' holds something that is no integer")
    largest = _largest(bound, fraction_bits)
    _refuse(name, sum(1 for q in exact if not -largest <= q <= largest), exact.size, bound)
    # Python's `&` and `>>` see endless two's complement, so both limbs come out as they are sent.
    return np.stack(((exact & _MASK).astype(np.uint64), (exact >> 64 & _MASK).astype(np.uint64)), axis=1)


def add(a: Limbs, b: Limbs) -> Limbs:
    """Add modulo 2**128. Both have shape (n, 2); neither is changed."""
    if a.shape != b.shape:
        raise ValueError(f"limbs of shapes {a.shape} and {b.shape} do not add")
    total = a + b
    total[:, 1] += total[:, 0] < a[:, 0]
    return total


def negate(limbs: Limbs) -> Limbs:
    """Return the additive inverse modulo 2**128."""
    inverse = ~limbs
    inverse[:, 0] += _ONE
    inverse[:, 1] += inverse[:, 0] == 0
    return inverse


def decode_integers(limbs: Limbs) -> NDArray[np.object_]:
    """Return the signed Python integers, -2**127 to 2**127 - 1, as an array of objects of shape (n,)."""
    low = limbs[:, 0].astype(object)
    high = np.ascontiguousarray(limbs[:, 1]).view(np.int64).astype(object)
    return np.asarray(high * (1 << 64) + low, dtype=object)


def decode(limbs: Limbs, fraction_bits: int) -> FloatArray:
    """Return the numbers as float64, each correctly rounded, shape (n,)."""
    low, high, negative = _magnitude(limbs)
    # The upper 64 significant bits, and in the last of them whether any bit follows: a conversion to 53 bits then
    # rounds as if it saw all of them.
    width = np.frexp(high.astype(np.float64))[1].astype(np.uint64)  # bits of `high`; 1 too many at times, which is fine
    cut = np.where(width < 64, width, 0)
    top = np.where(width == 64, high, _safe_left(high, 64 - width) | low >> cut)
    rest = np.where(width == 64, low, low & ((_ONE << cut) - _ONE))
    top |= (rest != 0).astype(np.uint64)
    found = np.ldexp(top.astype(np.float64), width.astype(np.int32) - fraction_bits)
    return np.where(negative, -found, found)


def check_sum(limbs: Limbs, bound: float, fraction_bits: int, n_silos: int, *, name: str = "") -> None:
    """Raise if a sum over silos is none that honest silos can have sent.

    Parameters
    ----------
    limbs : ndarray of uint64, shape (n, 2)
    bound : float
        Of one silo.
    fraction_bits, n_silos : int
    name : str
        The block, for the error.

    Raises
    ------
    GarbageSum
    """
    largest = n_silos * _largest(bound, fraction_bits)
    low, high, _ = _magnitude(limbs)
    limit_low, limit_high = np.uint64(largest & _MASK), np.uint64(largest >> 64)
    outside = (high > limit_high) | ((high == limit_high) & (low > limit_low))
    count = int(np.count_nonzero(outside))
    if count:
        raise GarbageSum(
            f"{count:,} of {outside.size:,} numbers of the sum of block '{name}' are larger "
            f"than {n_silos} silos can send",
            hint="one update is not an honest sum; ask every silo for a new attempt, and leave out one at a time",
        )


def encode_statistics(statistics: Statistics, layout: Layout, n_silos: int) -> dict[str, Limbs]:
    """Encode every block of a silo's statistics: shape (size, 2) each.

    Raises
    ------
    OutsideBound
        A number exceeds its block's bound.
    """
    if statistics.arrays.keys() != {block.name for block in layout}:
        raise ValueError(f"statistics {sorted(statistics.arrays)} do not fit their layout")
    encoded = {}
    for block in layout:
        array = statistics[block.name]
        if array.shape != block.shape:
            raise ValueError(f"block '{block.name}' has shape {array.shape}, its layout says {block.shape}")
        encoded[block.name] = encode(array, block.bound, fraction_bits(block.bound, n_silos), name=block.name)
    return encoded


def add_encoded(a: Mapping[str, Limbs], b: Mapping[str, Limbs]) -> dict[str, Limbs]:
    """Add two encoded statistics, block by block."""
    if a.keys() != b.keys():
        raise ValueError(f"encoded statistics with other blocks: {sorted(a)} and {sorted(b)}")
    return {name: add(limbs, b[name]) for name, limbs in a.items()}


def decode_statistics(encoded: Mapping[str, Limbs], layout: Layout, n_silos: int) -> Statistics:
    """Return a sum over at most ``n_silos`` silos as float64, each number correctly rounded.

    Raises
    ------
    GarbageSum
    """
    arrays = {}
    for block in layout:
        limbs, bits = encoded[block.name], fraction_bits(block.bound, n_silos)
        check_sum(limbs, block.bound, bits, n_silos, name=block.name)
        arrays[block.name] = decode(limbs, bits).reshape(block.shape)
    return Statistics(arrays)


def _largest(bound: float, bits: int) -> int:
    """Return the largest integer that a number within the bound is encoded as."""
    if not 0 <= bits <= MAX_FRACTION_BITS:
        raise ValueError(f"{bits} binary places")
    largest = round(Fraction(bound) * (1 << bits))
    if largest >= 1 << (RING_BITS - 1):
        raise ValueError(f"bound {bound} with {bits} binary places does not fit into the ring")
    return largest


def _refuse(name: str, count: int, size: int, bound: float) -> None:
    if count:
        raise OutsideBound(
            f"{count:,} of {size:,} numbers of block '{name}' are not within {bound:g}, "
            "which the study's ranges and max_rows permit",
            hint=_HINT,
        )


def _shift_left(magnitude: Limbs, shift: NDArray[np.int64]) -> tuple[Limbs, Limbs]:
    """Return the low and the high limb of ``magnitude * 2**shift``, for shifts of 0 to 127."""
    by = shift.astype(np.uint64)
    within = by < 64
    short = np.where(within, by, 0)
    low = np.where(within, magnitude << short, 0)
    high = np.where(within, _safe_right(magnitude, 64 - short), _safe_left(magnitude, np.where(within, 0, by - 64)))
    return low, high


def _shift_right(magnitude: Limbs, shift: NDArray[np.int64]) -> Limbs:
    """Return ``magnitude / 2**shift`` rounded to an integer, ties to even, for magnitudes of 53 bits."""
    by = np.minimum(shift, 54).astype(np.uint64)  # beyond 53 all is less than a half
    quotient = magnitude >> by
    rest = magnitude - (quotient << by)
    half = _safe_left(np.ones_like(magnitude), np.maximum(by, 1) - 1)
    up = (rest > half) | ((rest == half) & (quotient & _ONE == 1))
    return np.asarray(quotient + up, dtype=np.uint64)


def _safe_left(a: Limbs, by: Limbs) -> Limbs:
    # A shift by 64 or more is undefined in C, and NumPy gives what it gives.
    return np.where(by < 64, a << np.where(by < 64, by, 0), 0)


def _safe_right(a: Limbs, by: Limbs) -> Limbs:
    return np.where(by < 64, a >> np.where(by < 64, by, 0), 0)


def _magnitude(limbs: Limbs) -> tuple[Limbs, Limbs, NDArray[np.bool_]]:
    negative = limbs[:, 1] >= np.uint64(1 << 63)
    positive = np.where(negative[:, None], negate(limbs), limbs)
    return positive[:, 0], positive[:, 1], negative
