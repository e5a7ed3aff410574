"""What the numbers of a point are: coefficients of one predictor after the other, then parameters beside them.

Owns where each stands, and what a basis, a penalty or a step makes of that. Knows nothing of losses' values, rounds,
silos or files. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.nuisance import Extra, beside
from fedcli.models.steps import coordinates, relative, repeated


@dataclass(frozen=True)
class PointForm:
    """The form of every point of one model.

    Parameters
    ----------
    n_columns : int
        Of the design, the intercept included.
    n_predictors : int
        Linear predictors of a row: each has a coefficient for every column.
    extras : tuple of Extra
        The parameters beside the coefficients.
    fit_intercept : bool
    shifted : bool
        Whether coefficients are those of centred columns.
    """

    n_columns: int
    n_predictors: int
    extras: tuple[Extra, ...]
    fit_intercept: bool
    shifted: bool = True

    @property
    def n_parameters(self) -> int:
        """Numbers of a point."""
        return self.n_predictors * self.n_columns + len(self.extras)

    @property
    def n_free(self) -> int:
        """Numbers that are fitted: no intercept where the model has none."""
        return self.n_parameters - len(self._left_out)

    @property
    def _left_out(self) -> list[int]:
        return [] if self.fit_intercept else [k * self.n_columns for k in range(self.n_predictors)]

    def basis(self, columns: FloatArray) -> FloatArray:
        """Return a basis of points (n_parameters, n_free) from one of the columns (n_columns, n_columns)."""
        if not self.shifted:
            columns = columns.copy()
            columns[0, 1:] = 0.0
        own = columns if self.fit_intercept else columns[:, 1:]
        return beside(repeated(own, self.n_predictors), len(self.extras))

    def coordinates(self, basis: FloatArray, point: FloatArray) -> FloatArray:
        """Return the coordinates (n_free,) of a point in such a basis."""
        return coordinates(basis, point, n_extra=len(self.extras), n_predictors=self.n_predictors)

    def relative(self, new: FloatArray, old: FloatArray, *, at: FloatArray) -> float:
        """Return the size of a step between coordinates, relative to the new ones.

        What a step of a parameter beside them is measured against, follows from that of the point ``at``.
        """
        beside_them = at[len(at) - len(self.extras) :].tolist()
        units = [extra.unit_at(value) for extra, value in zip(self.extras, beside_them, strict=True)]
        return relative(new, old, fit_intercept=self.fit_intercept, units=units, n_predictors=self.n_predictors)

    def settled(self, new: FloatArray, old: FloatArray, share: float) -> bool:
        """Whether coefficients move so little that what the exact slope says of other parameters will hold."""
        n = self.n_free - len(self.extras)
        return bool(np.linalg.norm((new - old)[:n]) <= share * np.linalg.norm(old[:n]))

    def penalty(self, own: FloatArray) -> FloatArray:
        """Return the penalty of each number of a point from that of one predictor's coefficients (n_columns,)."""
        return np.concatenate([np.tile(own, self.n_predictors), np.zeros(len(self.extras))])

    def free(self, penalty: FloatArray) -> FloatArray:
        """Return the penalty of what is fitted (n_free,)."""
        return np.delete(penalty, self._left_out)

    def columns_in(self, directions: FloatArray) -> FloatArray:
        """Return by how much each column's coefficients, of any predictor, go along some directions (n_free, k).

        The intercept comes first, where there is one.
        """
        coef = np.abs(directions[: self.n_free - len(self.extras)])
        return np.asarray(coef.reshape(self.n_predictors, -1, directions.shape[1]).max(axis=(0, 2)))
