"""Losses with parameters beside the coefficients: a scale, a dispersion, thresholds.

Owns the form of such a loss, and where its parameters stand in a point. Knows nothing of rounds, silos or files.
Internal.

A point is the coefficients, then the other parameters. The rows' losses are functions of the linear predictor and of
those parameters, which are the same for every row: a Hessian has a block for the columns, one for the parameters, and
one between them. A loss without such parameters is the case of none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Source
from fedcli.models.losses import FitSums, OutcomeSums

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Extra:
    """One parameter beside the coefficients.

    Parameters
    ----------
    name : str
        For people: ``the scale``.
    low, high : float
        The points that are sent lie between these.
    middle : float
        Where nothing is known yet.
    unit : float
        Against what a step is measured; 0 for against the parameter itself, of which only the size matters.
    above_zero : bool
        Whether it is the logarithm of 1 and something above 0, so that near 0 a step is measured against that.
    """

    name: str
    low: float
    high: float
    middle: float
    unit: float
    above_zero: bool = False

    def unit_at(self, value: float) -> float:
        """Return against what a step to ``value`` is measured."""
        return self.unit * max(float(-np.expm1(-value)), 1e-300) if self.above_zero else self.unit


@dataclass(frozen=True)
class Parts:
    """The value and derivatives of each row's loss, q the number of extra parameters.

    Parameters
    ----------
    value, slope, curve : ndarray of shape (n_samples,)
        And first and second derivative in the linear predictor.
    extra : ndarray of shape (n_samples, q)
        First derivatives in the extra parameters.
    cross : ndarray of shape (n_samples, q)
        Second derivatives in predictor and parameter.
    square : ndarray of shape (n_samples, q, q) or (n_samples, q)
        Second derivatives in the parameters; of each alone where no row has a mixed one.
    """

    value: FloatArray
    slope: FloatArray
    curve: FloatArray
    extra: FloatArray
    cross: FloatArray
    square: FloatArray


class JointLoss(ABC):
    """A loss with extra parameters; what is not said here is as in `Loss`. What most of them have is written here."""

    @property
    @abstractmethod
    def extras(self) -> tuple[Extra, ...]:
        """The extra parameters."""

    @property
    @abstractmethod
    def largest_y(self) -> float:
        """See `Loss.largest_y`."""

    @property
    @abstractmethod
    def convex(self) -> bool:
        """Whether the loss is convex in predictor and parameters together."""

    @property
    def needs_intercept(self) -> bool:
        """Whether a silo's first fit has an intercept even where the model has none."""
        return False

    @property
    def softens(self) -> bool:
        """Whether it has a softened curvature, which hides rows that its own leaves out."""
        return False

    @abstractmethod
    def parts(self, eta: FloatArray, y: FloatArray, extras: FloatArray, *, softened: bool = False) -> Parts:
        """Return value and derivatives at ``extras`` (q,)."""

    def admits(self, extras: FloatArray) -> bool:
        """Whether the loss exists at these parameters: between their ends."""
        return all(extra.low <= value <= extra.high for extra, value in zip(self.extras, extras.tolist(), strict=True))

    def near(self, extras: FloatArray, before: FloatArray) -> FloatArray:
        """Return ``extras``, no farther from those before than an expansion there can be believed."""
        return extras

    def descend(self, before: FloatArray, slope: FloatArray) -> FloatArray:
        """Return where to go from the parameters ``before`` when no minimum is near: down ``slope``, or nowhere."""
        return before

    @abstractmethod
    def mean(self, eta: FloatArray) -> FloatArray:
        """See `Loss.mean`."""

    @abstractmethod
    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`; the derivatives in the parameters, and mixed ones, are within the same."""

    @abstractmethod
    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`."""

    @abstractmethod
    def begin(self, rows: Source, sums: OutcomeSums, intercept: float) -> Beginning:
        """Return where a silo's first fit begins, from its own rows and where its intercept does (0 without one)."""

    @abstractmethod
    def shown(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`."""

    def check_pool(self, weight: float, target: float) -> None:  # noqa: B027 - nothing to refuse
        """See `Loss.check_pool`."""

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:  # noqa: B027 - nothing to refuse
        """See `Loss.check_fit`: it is the model's own everywhere."""

    def refuse_edge(self, extras: FloatArray) -> None:  # noqa: B027 - nothing to refuse
        """Refuse parameters that lie, trip after trip, beyond one of their ends."""

    def fitted(self, extras: FloatArray) -> dict[str, FloatArray]:
        """Return scikit-learn's attributes, without their last ``_``, that the parameters are."""
        return {}


@dataclass(frozen=True)
class Beginning:
    """Where a silo's first fit begins.

    Parameters
    ----------
    extras : ndarray of shape (q,)
    held : ndarray of shape (q,)
        How strongly the fit is held to each of them, as a second derivative.
    stiffness : float
        See `Loss.stiffness`.
    loss : JointLoss or None
        What the first fit minimises in place of the loss itself; what is sent is of the loss itself.
    """

    extras: FloatArray
    held: FloatArray
    stiffness: float
    loss: JointLoss | None = None


def beside(basis: FloatArray, n_extra: int) -> FloatArray:
    """Return a basis of coefficients (n, n_free) as one of points: the extra parameters are coordinates themselves."""
    n, n_free = basis.shape
    whole = np.zeros((n + n_extra, n_free + n_extra))
    whole[:n, :n_free] = basis
    whole[n:, n_free:] = np.eye(n_extra)
    return whole


def bends_down(hessian: FloatArray) -> bool:
    """Whether a symmetric matrix is negative in some direction, beyond rounding."""
    diagonal = np.diagonal(hessian)
    if diagonal.min() < 0:
        return True
    scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values = np.linalg.eigvalsh(hessian * scale[:, None] * scale[None, :])
    return bool(values[0] < -_ROUNDING * max(float(values[-1]), 1.0))
