"""Rows that met the agreement: what reading hands over and what everything after it works on.

Owns the dataclass. Knows nothing of files, local names or units: all that is behind it by now. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray


@dataclass(frozen=True)
class Rows:
    """A batch of rows in the study's own units, levels and column order.

    Parameters
    ----------
    numbers : ndarray of shape (n_rows, n_number_columns)
        Number columns in the study's order, agreed units; NaN where missing. Inside the agreed ranges.
    codes : ndarray of int32 of shape (n_rows, n_category_columns)
        Index of the level in the study's order; -1 where missing.
    target : ndarray of shape (n_rows,)
        0 or 1 for a binary target and for whether an event happened, else the number in its agreed unit. Never missing.
    offset : ndarray of shape (n_rows,)
        On the scale of the linear predictor (the logarithm already taken); zeros when the study has none.
    weight : ndarray of shape (n_rows,)
        Sample weights; ones when the study has none.
    times : ndarray of shape (n_rows, n_time_columns)
        Of a survival target: until when each row was seen and, if the study has that column, from when on. No columns
        for other targets, which is what None becomes.
    """

    numbers: FloatArray
    codes: NDArray[np.int32]
    target: FloatArray
    offset: FloatArray
    weight: FloatArray
    times: FloatArray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.times is None:
            object.__setattr__(self, "times", np.empty((len(self.target), 0)))

    def __len__(self) -> int:
        return int(self.target.shape[0])

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Rows:
        """Return the rows at ``index`` (a mask, positions or a slice)."""
        return Rows(
            self.numbers[index],
            self.codes[index],
            self.target[index],
            self.offset[index],
            self.weight[index],
            self.times[index],
        )

    @classmethod
    def together(cls, batches: Sequence[Rows]) -> Rows:
        """Return the rows of several batches as one, row behind row in memory however they came."""
        n_rows, n_numbers = sum(map(len, batches)), batches[0].numbers.shape[1]
        if len(batches) == 1:
            return replace(batches[0], numbers=np.ascontiguousarray(batches[0].numbers))
        return cls(
            np.concatenate([rows.numbers for rows in batches], out=np.empty((n_rows, n_numbers))),
            np.concatenate([rows.codes for rows in batches]),
            np.concatenate([rows.target for rows in batches]),
            np.concatenate([rows.offset for rows in batches]),
            np.concatenate([rows.weight for rows in batches]),
            np.concatenate([rows.times for rows in batches]),
        )

    @property
    def width(self) -> int:
        """How many columns the `table` has."""
        return int(self.numbers.shape[1] + self.codes.shape[1] + 3 + self.times.shape[1])

    def table(self) -> FloatArray:
        """Return everything as float64 (n_rows, n): numbers, codes, target, offset, weight, times."""
        table = np.empty((len(self), self.width))
        self.into(table)
        return table

    def into(self, table: FloatArray) -> None:
        """Write what `table` returns into ``table`` (n_rows, n)."""
        n_numbers, at = self.numbers.shape[1], self.numbers.shape[1] + self.codes.shape[1]
        table[:, :n_numbers] = self.numbers
        table[:, n_numbers:at] = self.codes
        table[:, at], table[:, at + 1], table[:, at + 2] = self.target, self.offset, self.weight
        table[:, at + 3 :] = self.times

    @classmethod
    def from_table(cls, table: FloatArray, n_numbers: int, n_codes: int) -> Rows:
        """Return the rows of a `table`."""
        at = n_numbers + n_codes
        codes = table[:, n_numbers:at].astype(np.int32)
        return cls(table[:, :n_numbers], codes, table[:, at], table[:, at + 1], table[:, at + 2], table[:, at + 3 :])
