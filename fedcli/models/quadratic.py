"""A quadratic plus absolute values: what the coordinator minimises, and what a silo adds to its own loss.

Owns minimum and Newton's step of it, and what these promise. Knows nothing of losses, silos or files. Internal.

The absolute values are the L1 part of a penalty. Without them all is a symmetric system. With them a step is the
minimum of the quadratic model *and* the absolute values (a proximal Newton step): coefficients are 0 exactly, and steps
square their error as Newton's do.

References
----------
Lee, Sun, Saunders (2014), Proximal Newton-type methods for minimizing composite functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.errors import NotConverged
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.coordinate_descent import minimum_with_l1
from fedcli.models.solve import solve_symmetric
from fedcli.models.steps import mismatch


@dataclass(frozen=True)
class Quadratic:
    """``b.T @ A @ b / 2 - c @ b + l1 @ |b|`` in the solver's own coordinates.

    Parameters
    ----------
    A : ndarray of shape (n, n)
        Symmetric.
    c : ndarray of shape (n,)
    l1 : ndarray of shape (n,), optional
        Strength of each absolute value; None without any.
    """

    A: FloatArray
    c: FloatArray
    l1: FloatArray | None = None

    def value(self, b: FloatArray) -> float:
        """Return the whole at ``b``."""
        smooth = float(b @ self.A @ b / 2 - self.c @ b)
        return smooth if self.l1 is None else smooth + float(self.l1 @ np.abs(b))

    def gradient(self, b: FloatArray) -> FloatArray:
        """Return the gradient of the smooth part at ``b``."""
        return np.asarray(self.A @ b - self.c)

    def minimum(self, near: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the minimum (n,), and a basis (n, n_null) of the directions that it does not determine.

        Parameters
        ----------
        near : ndarray of shape (n,)
            Where to begin; it decides only between minima that are equal.

        Raises
        ------
        NotConverged
        """
        if self.l1 is None:
            return solve_symmetric(self.A, self.c)
        found = minimum_with_l1(self.A, self.c, self.l1, near)
        if found is None:
            raise NotConverged(
                "it does not settle which coefficients are 0: columns are nearly copies of each other",
                hint="leave such columns out, lower l1_ratio, or lower C, in a new study",
            )
        return found, np.empty((len(found), 0))

    def step(self, b: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return Newton's step from ``b``, and the directions that it leaves out: see `minimum`.

        Parameters
        ----------
        b : ndarray of shape (n,)
        slope : ndarray of shape (n,)
            Exact gradient of the smooth part there, in place of the quadratic's own.
        """
        if self.l1 is None:
            return solve_symmetric(self.A, -slope)
        found, null = Quadratic(self.A, self.A @ b - slope, self.l1).minimum(b)
        return found - b, null

    def gain(self, b: FloatArray, slope: FloatArray, step: FloatArray | None = None) -> float:
        """Return what Newton's step promises: without absolute values half the squared decrement."""
        step = self.step(b, slope)[0] if step is None else step
        if self.l1 is None:
            return -float(slope @ step) / 2
        absolute = float(self.l1 @ (np.abs(b + step) - np.abs(b)))
        return -(float(slope @ step + step @ self.A @ step / 2) + absolute)

    def misjudges(self, b: FloatArray, slope: FloatArray) -> float:
        """Compare the own gradient at ``b`` with the exact one, as a share of decrements: see `steps.mismatch`.

        With absolute values the two steps that they lead to are compared: where a coefficient stays 0 a gradient may
        be wrong.
        """
        if self.l1 is None:
            return mismatch(self.A, b, self.c, slope)
        exact, _ = self.step(b, slope)
        apart = self.minimum(b)[0] - b - exact
        return float(apart @ self.A @ apart) / max(float(exact @ self.A @ exact), 1e-300)

    def zeros_settled(self, before: FloatArray, slope: FloatArray, after: FloatArray, left: float) -> bool:
        """Whether the coefficients that are 0 at ``after`` are those of the optimum.

        They are where no coefficient is as near to 0, or to leaving it, as an error of ``left`` could take it. One of
        two columns that copy each other is always as near.

        Parameters
        ----------
        before : ndarray of shape (n,)
        slope : ndarray of shape (n,)
            Exact gradient of the smooth part there.
        after : ndarray of shape (n,)
            The next point, nearer to the optimum.
        left : float
            Norm of the error that ``after`` may still have.
        """
        if self.l1 is None:
            return True
        bend = np.diagonal(self.A)
        there = slope + self.A @ (after - before)
        room = np.where(after != 0, np.abs(after), (self.l1 - np.abs(there)) / np.maximum(bend, 1e-300))
        # Nothing wakes a constant column, and a coefficient without a penalty has no sides.
        nearest = np.min(room, initial=np.inf, where=(self.l1 > 0) & (bend > 0))
        # A slope per unit of curvature moves by at most so many times the error.
        return bool(nearest > np.sqrt(len(after)) * left)
