"""Values thinned out evenly while they are read: enough for a median or a rank, never the whole column.

Owns the thinning. Must not know columns or files. Internal. It does not depend on how the rows are cut into batches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray


class Thinned:
    """Every ``step``-th row in their order, ``step`` doubled whenever more than ``most`` are held.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int = 8_192) -> None:
        self._most = most
        self._step, self._seen = 1, 0
        self._held: list[FloatArray] = []
        self._n_held = 0

    def add(self, values: FloatArray, rows: NDArray[np.bool_] | None = None) -> None:
        """Take note of the next values (n, ...), or of those where ``rows``."""
        first = -self._seen % self._step
        if rows is None:
            kept = values[first :: self._step].copy()
            self._seen += len(values)
        else:
            chosen = np.flatnonzero(rows)
            kept = values[chosen[first :: self._step]]
            self._seen += len(chosen)
        self._held.append(kept)
        self._n_held += len(kept)
        while self._n_held > self._most:
            self._held = [np.concatenate(self._held)[::2]]
            self._step, self._n_held = self._step * 2, len(self._held[0])

    def values(self) -> FloatArray:
        """Return what is held, in the order of the rows."""
        if len(self._held) > 1:
            self._held = [np.concatenate(self._held)]
        return self._held[0] if self._held else np.empty(0)
