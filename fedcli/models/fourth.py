"""Fourth moments of the design, from products of expanded columns and their squares.

Owns the one sum that shrinkage needs. Knows nothing of groups, estimators or files. Internal.

A column of the design is a few expanded ones, never two of them other than 0 in one row but for a piece's values and
its flag. So its square about any centre is linear in expanded columns and their squares, and products of two squares
are combinations of what was summed, in integers: no digit is lost, wherever the centre lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.exact import MAP_BITS, Integers, as_exact, as_float, combine


@dataclass(frozen=True)
class Fourth:
    """Pooled products of expanded columns and squares, exact.

    Parameters
    ----------
    gram : ndarray of int of shape (n_expanded + n_squared, n_expanded + n_squared)
    bits : int
        Its fraction.
    mapping : ndarray of shape (n_columns, n_expanded)
        The design's columns, the intercept first.
    squared : tuple of int
        Which expanded column each square is of.
    within : tuple of (int, int)
        See `GroupedSums.within`.
    unit : ndarray of shape (n_columns - 1,)
        What the design's columns are divided by.
    """

    gram: Integers
    bits: int
    mapping: FloatArray
    squared: tuple[int, ...]
    within: tuple[tuple[int, int], ...]
    unit: FloatArray

    def squared_norms(self, *, centred: bool) -> float:
        """Return the sum over rows of the squared squared length of their columns, about the mean or about 0."""
        squares = [self._square(row, centred=centred) for row in self.mapping[1:]]
        found = as_float(combine(self.gram, squares), 1 << (self.bits + 4 * MAP_BITS))
        per_unit = 1.0 / self.unit**2
        return float(per_unit @ found @ per_unit)

    def _square(self, row: FloatArray, *, centred: bool) -> list[tuple[int, int]]:
        """Return a column's square as places among columns and squares, with integers on twice the map's grid."""
        entries = {int(e): as_exact(row[e]) for e in np.flatnonzero(row)}
        if centred:
            weight = int(self.gram[0, 0])
            sums = sum(int(self.gram[0, e]) * a for e, a in entries.items())
            entries[0] = entries.get(0, 0) - (sums + weight // 2) // weight
        n, places = self.mapping.shape[1], {e: k for k, e in enumerate(self.squared)}
        found: dict[int, int] = {}
        for e, a in entries.items():
            at = n + places[e] if e in places else e
            found[at] = found.get(at, 0) + a * a
            for other, b in entries.items():
                if e == 0 and other != 0:
                    found[other] = found.get(other, 0) + 2 * a * b
                elif (e, other) in self.within:
                    found[e] = found.get(e, 0) + 2 * a * b
        return list(found.items())
