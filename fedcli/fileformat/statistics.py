"""What an update holds: named arrays that add, and the layout that the study lays down for them.

Owns ``Block``, ``Layout``, ``Statistics`` and ``State``. Knows nothing of models, keys, files or screens. Stable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """One named array of an update.

    Parameters
    ----------
    name : str
        ``[a-z0-9_.]+``, unique in its layout.
    shape : tuple of int
        Symmetric matrices are sent as their packed upper triangle, so most blocks are vectors.
    bound : float
        No silo's honest sum exceeds this in absolute value: it follows from the agreed ranges and ``max_rows``.
    says : str
        What these numbers are, for the person who must agree that they leave.
    form : str
        How they are arranged, as people read it: ``13 x 13 with each pair once``. Empty where ``says`` names each.
    """

    name: str
    shape: tuple[int, ...]
    bound: float
    says: str
    form: str = ""

    @property
    def size(self) -> int:
        """Number of scalars in the block."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Layout:
    """Names, shapes and bounds of everything that one update holds: known before any row is read."""

    blocks: tuple[Block, ...]

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __getitem__(self, name: str) -> Block:
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(name)

    def __add__(self, other: Layout) -> Layout:
        return Layout(self.blocks + other.blocks)

    @property
    def size(self) -> int:
        """Number of scalars in all blocks."""
        return sum(block.size for block in self.blocks)


@dataclass(frozen=True)
class Statistics:
    """Named arrays that add: ``statistics(A) + statistics(B) == statistics(A and B together)``."""

    arrays: Mapping[str, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def __add__(self, other: Statistics) -> Statistics:
        if self.arrays.keys() != other.arrays.keys():
            raise ValueError(f"statistics with other blocks: {sorted(self.arrays)} and {sorted(other.arrays)}")
        return Statistics({name: array + other.arrays[name] for name, array in self.arrays.items()})


@dataclass(frozen=True)
class State:
    """What the coordinator knows after a round: a document (JSON without floats) and named arrays of float64."""

    document: Mapping[str, Any]
    arrays: Mapping[str, FloatArray] = field(default_factory=dict)


def pairs_once(n: int) -> str:
    """Say how a packed symmetric matrix is arranged.

    Examples
    --------
    >>> pairs_once(13)
    '13 x 13 with each pair once'
    """
    return f"{n} x {n} with each pair once"


def pack_upper(matrix: FloatArray) -> FloatArray:
    """Return the upper triangle, row by row, of a symmetric matrix of shape (n, n): shape (n * (n + 1) / 2,)."""
    return np.asarray(matrix[np.triu_indices(matrix.shape[0])])


def unpack_upper(packed: NDArray[Any]) -> NDArray[Any]:
    """Rebuild the symmetric matrix of shape (n, n) from its packed upper triangle. Inverse of `pack_upper`."""
    n = int((np.sqrt(8 * packed.shape[0] + 1) - 1) // 2)
    if n * (n + 1) // 2 != packed.shape[0]:
        raise ValueError(f"{packed.shape[0]} numbers are no triangle")
    matrix = np.empty((n, n), dtype=packed.dtype)
    rows, columns = np.triu_indices(n)
    matrix[rows, columns] = packed
    matrix[columns, rows] = packed
    return matrix


@dataclass(frozen=True)
class Total:
    """A sum over silos, exact: integers on a grid of ``2**-fraction_bits`` per block.

    Parameters
    ----------
    integers : mapping of str to ndarray of Python int (dtype object)
        The signed sums, in units of the grid.
    fraction_bits : mapping of str to int
        The grid of each block.
    """

    integers: Mapping[str, NDArray[np.object_]]
    fraction_bits: Mapping[str, int]

    def __getitem__(self, name: str) -> FloatArray:
        """Return a block as float64, each number correctly rounded (Python divides integers exactly)."""
        bits = self.fraction_bits[name]
        scale, one = 1 << max(-bits, 0), 1 << max(bits, 0)
        exact = self.integers[name]
        return np.array([int(q) * scale / one for q in exact.ravel()], dtype=np.float64).reshape(exact.shape)

    def __contains__(self, name: str) -> bool:
        return name in self.integers
