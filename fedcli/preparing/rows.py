"""Rows that met the agreement: what reading hands over and what everything after it works on.

Owns the dataclass. Knows nothing of files, local names or units: all that is behind it by now. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        0 or 1 for a binary target, else the number in its agreed unit. Never missing.
    offset : ndarray of shape (n_rows,)
        On the scale of the linear predictor (the logarithm already taken); zeros when the study has none.
    weight : ndarray of shape (n_rows,)
        Sample weights; ones when the study has none.
    """

    numbers: FloatArray
    codes: NDArray[np.int32]
    target: FloatArray
    offset: FloatArray
    weight: FloatArray

    def __len__(self) -> int:
        return int(self.target.shape[0])

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Rows:
        """Return the rows at ``index`` (a mask, positions or a slice)."""
        return Rows(self.numbers[index], self.codes[index], self.target[index], self.offset[index], self.weight[index])
