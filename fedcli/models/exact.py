"""Arithmetic of exact sums: integers on a grid of a power of two, carried, mapped and divided once.

Owns the three steps between a silo's sums about its own centre and moments as floats. Knows nothing of groups,
models or files. Internal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray, unpack_upper

# A centre is rounded to this grid, so that carrying a sum to the origin is exact in integers.
CENTRE_BITS = 20
# A map's entries are rounded to this one.
MAP_BITS = 100
Integers = NDArray[np.object_]


def on_grid(centre: FloatArray) -> Integers:
    """Return a centre (n,) in units of `CENTRE_BITS`."""
    return np.array([int(c) for c in np.round(centre * 2.0**CENTRE_BITS)], dtype=object)


def shift_sums(sums: Integers, centre: FloatArray) -> Integers:
    """Carry exact sums (n_groups, n) about ``centre`` (n,) to sums about 0; the first column counts the rows."""
    moved = sums * (1 << CENTRE_BITS) + np.outer(sums[:, 0], on_grid(centre))
    settled: Integers = (moved + (1 << (CENTRE_BITS - 1))) // (1 << CENTRE_BITS)
    return settled


def shift_products(packed: Integers, centre: FloatArray) -> Integers:
    """Carry exact products about ``centre`` to products about 0: ``u = u_centred + c``, packed upper triangle.

    Parameters
    ----------
    packed : ndarray of int
        Of columns of which the first is 1.
    centre : ndarray of shape (n_columns,)
        On the grid of `CENTRE_BITS`; 0 for the first column.
    """
    gram = unpack_upper(packed)
    shift = on_grid(centre)
    one = 1 << CENTRE_BITS
    # T G T' with T scaled to integers, then one rounding to the grid of the block.
    rows = gram * one + np.outer(shift, gram[0])
    both = rows * one + np.outer(rows[:, 0], shift)
    half = 1 << (2 * CENTRE_BITS - 1)
    settled: Integers = (both + half) // (1 << 2 * CENTRE_BITS)
    return settled[np.triu_indices(len(settled))]


def covariance(packed: Integers, mapping: FloatArray) -> FloatArray:
    """Return the covariance (n - 1, n - 1) of columns ``u @ mapping.T`` (n,), from the exact products of ``u``.

    Parameters
    ----------
    packed : ndarray of int
        Upper triangle of the products of ``u``, of which the first column is 1; any grid.
    mapping : ndarray of shape (n, n_u)
        Its first row makes the 1 again.
    """
    product = congruence(unpack_upper(packed), mapping)
    n_rows = int(product[0, 0])
    centred = product * n_rows - np.outer(product[:, 0], product[0])
    return as_float(centred[1:, 1:], n_rows * n_rows)


def congruence(gram: Integers, mapping: FloatArray) -> Integers:
    """Return ``A G A'`` in integers on a grid finer by ``2 * MAP_BITS`` bits.

    ``A`` (n_design + 1, n_expanded + 1) has at most a handful of entries per row (a column, its missing indicator, the
    intercept), so rows are combined one by one instead of by a dense product of big integers.
    """
    return combine(gram, _entries(mapping))


def combine(gram: Integers, entries: list[list[tuple[int, int]]]) -> Integers:
    """Return ``A G A'`` for rows of ``A`` that are given as the places and integers of their entries."""
    left = np.array([sum((gram[j] * a for j, a in row), np.zeros(len(gram), dtype=object)) for row in entries])
    both = [sum((left[:, j] * a for j, a in row), np.zeros(len(left), dtype=object)) for row in entries]
    return np.array(both, dtype=object).T


def map_sums(sums: Integers, mapping: FloatArray) -> Integers:
    """Return ``A s`` for sums (n_expanded,), in integers on a grid finer by `MAP_BITS` bits."""
    return np.array([sum((sums[j] * a for j, a in row), 0) for row in _entries(mapping)], dtype=object)


def _entries(mapping: FloatArray) -> list[list[tuple[int, int]]]:
    return [[(int(j), as_exact(row[j])) for j in np.flatnonzero(row)] for row in mapping]


def as_exact(value: float) -> int:
    """Return a float as an integer on the grid of `MAP_BITS`, rounded below 2**-100 only."""
    numerator, denominator = float(value).as_integer_ratio()
    return (numerator << MAP_BITS) // denominator


def as_float(integers: Integers, denominator: int) -> FloatArray:
    """Divide once, correctly rounded."""
    return np.array([int(q) / denominator for q in integers.ravel()], dtype=np.float64).reshape(integers.shape)
