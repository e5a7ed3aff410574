"""Losses with parameters beside the coefficients: a scale, a dispersion, thresholds; and any loss summed at a point.

Owns the form of such a loss, and value, gradient and Hessian of one batch at a point, whichever loss it is. Knows
nothing of rounds, silos or files. Internal.

A point is the coefficients, then the other parameters. The rows' losses are functions of the linear predictor and of
those parameters, which are the same for every row: a Hessian has a block for the columns, one for the parameters, and
one between them. A loss without such parameters is the case of none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch, Source, weighted_cross
from fedcli.models.losses import Expected, FitSums, Loss, OutcomeSums
from fedcli.models.solve import solve_symmetric

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
    """

    name: str
    low: float
    high: float
    middle: float
    unit: float


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
    square : ndarray of shape (n_samples, q, q)
        Second derivatives in the parameters.
    """

    value: FloatArray
    slope: FloatArray
    curve: FloatArray
    extra: FloatArray
    cross: FloatArray
    square: FloatArray


@runtime_checkable
class JointLoss(Protocol):
    """A loss with extra parameters; what is not said here is as in `Loss`."""

    @property
    def extras(self) -> tuple[Extra, ...]:
        """The extra parameters."""

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`."""

    @property
    def convex(self) -> bool:
        """Whether the loss is convex in predictor and parameters together."""

    @property
    def needs_intercept(self) -> bool:
        """Whether a silo's first fit has an intercept even where the model has none."""

    @property
    def softens(self) -> bool:
        """Whether it has a softened curvature, which hides rows that its own leaves out."""

    def parts(self, eta: FloatArray, y: FloatArray, extras: FloatArray, *, softened: bool = False) -> Parts:
        """Return value and derivatives at ``extras`` (q,)."""

    def admits(self, extras: FloatArray) -> bool:
        """Whether the loss exists at these parameters; it does between their ends."""

    def near(self, extras: FloatArray, before: FloatArray) -> FloatArray:
        """Return ``extras``, no farther from those before than an expansion there can be believed."""

    def mean(self, eta: FloatArray) -> FloatArray:
        """See `Loss.mean`."""

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`; the derivatives in the parameters, and mixed ones, are within the same."""

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`."""

    def begin(self, rows: Source, sums: OutcomeSums, intercept: float) -> Beginning:
        """Return where a silo's first fit begins, from its own rows and where its intercept does (0 without one)."""

    def shown(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`."""

    def check_pool(self, weight: float, target: float) -> None:
        """See `Loss.check_pool`."""

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:
        """See `Loss.check_fit`."""

    def refuse_edge(self, extras: FloatArray) -> None:
        """Refuse parameters that lie, trip after trip, beyond one of their ends."""

    def fitted(self, extras: FloatArray) -> dict[str, FloatArray]:
        """Return scikit-learn's attributes, without their last ``_``, that the parameters are."""


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
    """

    extras: FloatArray
    held: FloatArray
    stiffness: float


AnyLoss = Loss | JointLoss


def extras_of(loss: AnyLoss) -> tuple[Extra, ...]:
    """Return the extra parameters of any loss."""
    return loss.extras if isinstance(loss, JointLoss) else ()


def split(loss: AnyLoss, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a point's coefficients and its extra parameters."""
    n = len(point) - len(extras_of(loss))
    return point[:n], point[n:]


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


def hold_back(loss: AnyLoss, hessian: FloatArray, rhs: FloatArray, point: FloatArray, before: FloatArray) -> FloatArray:
    """Return the minimum of a quadratic with extra parameters near those before, and coefficients that go with them.

    Where the quadratic has no minimum the parameters stay: of the coefficients alone it always has one.

    Parameters
    ----------
    loss : Loss or JointLoss
    hessian : ndarray of shape (n, n)
    rhs : ndarray of shape (n,)
    point : ndarray of shape (n,)
        Where the quadratic has its minimum.
    before : ndarray of shape (q,)
    """
    extras = split(loss, point)[1]
    if not isinstance(loss, JointLoss):
        return point
    near = before if bends_down(hessian) else loss.near(extras, before)
    if np.array_equal(near, extras):
        return point
    n = len(point) - len(near)
    return np.append(solve_symmetric(hessian[:n, :n], rhs[:n] - hessian[:n, n:] @ near)[0], near)


def sums_at(
    loss: AnyLoss, rows: Batch, point: FloatArray, *, safe: bool = False, softened: bool = False
) -> tuple[float, FloatArray, FloatArray]:
    """Sum value, gradient (n_parameters,) and Hessian (n_parameters, n_parameters) of one batch at a point.

    Parameters
    ----------
    loss : Loss or JointLoss
    rows : Batch
    point : ndarray of shape (n_parameters,)
    safe : bool
        Return a matrix without negative curvature instead of the Hessian, for a step that must not lose a direction.
    softened : bool
        Take the softened curvature of a loss that has one.
    """
    coef, extras = split(loss, point)
    eta, weight, X = rows.X @ coef + rows.offset, rows.weight, rows.X
    if not isinstance(loss, JointLoss):
        f, d1, d2 = loss.derivatives(eta, rows.y)
        if safe and isinstance(loss, Expected):
            d2 = loss.expected(eta, rows.y)
        return float(weight @ f), X.T @ (weight * d1), weighted_cross(X, weight * d2)
    each = loss.parts(eta, rows.y, extras, softened=softened)
    gradient = np.concatenate([X.T @ (weight * each.slope), weight @ each.extra])
    between = X.T @ (weight[:, None] * each.cross)
    square = np.tensordot(weight, each.square, axes=1)
    if safe:
        between, square = np.zeros_like(between), np.diag(np.abs(np.diagonal(square)))
    columns = weighted_cross(X, weight * each.curve)
    return float(weight @ each.value), gradient, np.block([[columns, between], [between.T, square]])


def value_at(loss: AnyLoss, rows: Batch, point: FloatArray) -> float:
    """Sum the value alone of one batch at a point; infinite where the loss does not exist."""
    coef, extras = split(loss, point)
    eta = rows.X @ coef + rows.offset
    if not isinstance(loss, JointLoss):
        return float(rows.weight @ loss.value(eta, rows.y))
    return float(rows.weight @ loss.parts(eta, rows.y, extras).value) if loss.admits(extras) else np.inf


def slopes_at(loss: AnyLoss, rows: Batch, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each row's linear predictor at a point and its weighted first derivative there, both (n_samples,)."""
    coef, extras = split(loss, point)
    eta = rows.X @ coef + rows.offset
    if isinstance(loss, JointLoss):
        return eta, rows.weight * loss.parts(eta, rows.y, extras).slope
    return eta, rows.weight * loss.derivatives(eta, rows.y)[1]


def weights_at(
    loss: AnyLoss, rows: Batch, point: FloatArray, *, curvature: bool = True, softened: bool = False
) -> dict[str, FloatArray]:
    """Return what weighs each row (n_samples,) in the sums at a point, by what it is called on a screen.

    Parameters
    ----------
    loss : Loss or JointLoss
    rows : Batch
    point : ndarray of shape (n_parameters,)
    curvature : bool
        Whether curvature leaves at this point too; a loss without other parameters is tested as if it did.
    softened : bool
        Whether it is the softened one.
    """
    coef, extras = split(loss, point)
    eta = rows.X @ coef + rows.offset
    if isinstance(loss, JointLoss):
        each = loss.parts(eta, rows.y, extras, softened=softened)
        found = {"residuals": each.slope}
        if curvature:
            found |= {f"curvature with {extra.name}": each.cross[:, k] for k, extra in enumerate(loss.extras)}
            found |= {"curvature": each.curve, **({} if softened else loss.shown(eta, rows.y, extras))}
    else:
        _, d1, d2 = loss.derivatives(eta, rows.y)
        found = {"curvature": d2, "residuals": d1, **loss.shown(eta, rows.y)}
    return {what: rows.weight * each_row for what, each_row in found.items()}
