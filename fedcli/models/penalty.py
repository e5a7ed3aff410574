"""Penalties: how strong they are, and what they are of each coefficient.

Owns their share at a silo, their value and slope, and adding them to a quadratic. Knows nothing of losses, rounds or
files. Internal. Coefficients here are those of the standardised columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.quadratic import Quadratic


@dataclass(frozen=True)
class Strength:
    """``ridge / 2 * ||coef||**2 + lasso * ||coef||_1`` on scikit-learn's scale of sums.

    Parameters
    ----------
    ridge, lasso : float
    per_weight : bool
        Whether the ridge is multiplied by the sum of weights, as `PoissonRegressor`'s ``alpha`` is.
    intercept : float
        The intercept's ridge as a multiple of the others'; it has no L1.
    """

    ridge: float
    lasso: float = 0.0
    per_weight: bool = False
    intercept: float = 0.0

    def share(self, n_silos: int, weight: float) -> Strength:
        """Return the share of one of so many silos, whose rows have this sum of weights."""
        return Strength(self.ridge * weight if self.per_weight else self.ridge / n_silos, self.lasso / n_silos)

    def ridges(self, weight: float, n_columns: int) -> FloatArray:
        """Return the ridge (n_columns,) of each coefficient of one predictor, intercept first.

        Parameters
        ----------
        weight : float
            Sum of the weights of all rows.
        n_columns : int
        """
        ridge = np.full(n_columns, self.ridge * weight if self.per_weight else self.ridge)
        ridge[0] *= self.intercept
        return ridge

    def absolute(self, n_columns: int) -> FloatArray:
        """Return the L1 penalty (n_columns,) of each coefficient of one predictor, intercept first."""
        return np.concatenate([[0.0], np.full(n_columns - 1, self.lasso)])


@dataclass(frozen=True)
class Penalty:
    """``ridge @ b**2 / 2 + l1 @ |b|``.

    Parameters
    ----------
    ridge : ndarray of shape (n,)
    l1 : ndarray of shape (n,), optional
        None without L1.
    """

    ridge: FloatArray
    l1: FloatArray | None = None

    def values(self, points: FloatArray) -> FloatArray:
        """Return the penalty (n_points,) of each point (n_points, n)."""
        smooth = np.asarray((points**2 @ self.ridge) / 2)
        return smooth if self.l1 is None else np.asarray(smooth + np.abs(points) @ self.l1)

    def slopes(self, points: FloatArray) -> FloatArray:
        """Return the gradient (n_points, n) of the ridge at each point."""
        return np.asarray(points * self.ridge)

    def onto(self, hessian: FloatArray, rhs: FloatArray) -> Quadratic:
        """Return a quadratic with the penalty added."""
        return Quadratic(hessian + np.diag(self.ridge), rhs, self.l1)
