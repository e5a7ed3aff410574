"""What rows add to an objective at a point, whichever of four kinds its loss is.

Owns the interface that all kinds keep, and value, gradient and Hessian of one batch. Knows nothing of silos, rounds or
files. Internal.

A loss of single rows is a function of each row's linear predictor. One with parameters beside the coefficients is a
function of those as well: a point is the coefficients, then the other parameters. One of several classes has several
predictors: a point is the coefficients of the first, then of the next. In a stratum's loss a row's part
depends on the others that were under observation with it: those are summed in passes over the whole stratum, once for
each point, and what these passes find (`around`) makes of the rest a sum over rows as of any loss, batch by batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.batch import Batch, Point, Source, weighted_cross
from fedcli.models.losses import Expected, FitSums, Loss, OutcomeSums
from fedcli.models.nuisance import Extra, JointLoss, bends_down
from fedcli.models.softmax import Softmax
from fedcli.models.solve import solve_symmetric


class StratumLoss(ABC):
    """A loss whose rows depend on each other within a stratum, which is all that one silo has."""

    @abstractmethod
    def around(self, rows: Source, coef: FloatArray, *, curved: bool = True) -> Any | None:
        """Pass over the stratum at ``coef``; None where its predictors lie too far apart to be added up.

        Without ``curved`` nobody will ask what curvature is `shared`.
        """

    @abstractmethod
    def derivatives(self, rows: Batch, coef: FloatArray, around: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return each row's part of the value, slope and curvature in its predictor, each (n_samples,)."""

    @abstractmethod
    def design(self, rows: Batch, around: Any) -> FloatArray:
        """Return the columns that slopes and curvatures belong to (n_samples, n_columns)."""

    @abstractmethod
    def shared(self, rows: Batch, around: Any) -> FloatArray:
        """Return what curvature of single rows counts too much (n_columns, n_columns): the part of their means."""

    @abstractmethod
    def weights(self, rows: Batch, coef: FloatArray, around: Any) -> dict[str, FloatArray]:
        """Return the weights (n_samples,) of rows in each kind of sum, by what they are called on a screen."""

    @abstractmethod
    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """Return the largest absolute value, slope and curvature per row and unit of weight, over the stratum."""

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`: the outcome is an event or none."""
        return 1.0

    @property
    def convex(self) -> bool:
        """See `Loss.convex`."""
        return True

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the relative hazard, shape (n_samples,)."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(eta))

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`: there is no intercept."""
        return 0.0

    def stiffness(self, intercept: float) -> float:
        """See `Loss.stiffness`."""
        return 1.0

    def check_pool(self, weight: float, target: float) -> None:  # noqa: B027 - nothing to refuse
        """See `Loss.check_pool`."""

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:  # noqa: B027 - nothing to refuse
        """See `Loss.check_fit`: it is the model's own everywhere."""


AnyLoss = Loss | StratumLoss | JointLoss | Softmax


class Terms(NamedTuple):
    """What a batch adds at a point: value, gradient (n_parameters,), Hessian (n_parameters, n_parameters)."""

    value: float
    gradient: FloatArray
    hessian: FloatArray


def extras_of(loss: AnyLoss) -> tuple[Extra, ...]:
    """Return the extra parameters of any loss."""
    return loss.extras if isinstance(loss, JointLoss) else ()


def split(loss: AnyLoss, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a point's coefficients and its extra parameters."""
    n = len(point) - len(extras_of(loss))
    return point[:n], point[n:]


def hold_back(loss: AnyLoss, hessian: FloatArray, rhs: FloatArray, point: FloatArray, before: FloatArray) -> FloatArray:
    """Return the minimum of a quadratic with extra parameters near those before, and coefficients that go with them.

    Where the quadratic has no minimum the parameters stay, or go where the loss says: of the coefficients alone it
    always has one.

    Parameters
    ----------
    loss : AnyLoss
    hessian : ndarray of shape (n, n)
    rhs : ndarray of shape (n,)
    point : ndarray of shape (n,)
        Where the quadratic has its minimum.
    before : ndarray of shape (q,)
    """
    extras = split(loss, point)[1]
    if not isinstance(loss, JointLoss):
        return point
    n = len(point) - len(before)

    def beside(parameters: FloatArray) -> FloatArray:
        return np.append(solve_symmetric(hessian[:n, :n], rhs[:n] - hessian[:n, n:] @ parameters)[0], parameters)

    if bends_down(hessian):
        stay = beside(before)
        return beside(loss.descend(before, hessian[n:] @ stay - rhs[n:]))
    near = loss.near(extras, before)
    return point if np.array_equal(near, extras) else beside(near)


def observed(rows: Batch) -> FloatArray:
    """Return what a loss with extra parameters sees of rows' outcomes: in a survival study event and times together."""
    return rows.y if rows.times is None else np.hstack([rows.y[:, None], rows.times])


def predictors_of(loss: AnyLoss) -> int:
    """Return how many linear predictors a row has."""
    return loss.n_predictors if isinstance(loss, Softmax) else 1


def around(loss: AnyLoss, rows: Source, coef: FloatArray, *, leaves: bool = True) -> Any | None:
    """Return what rows must know of each other at a point: nothing for a loss of single rows.

    Parameters
    ----------
    loss : AnyLoss
    rows : Source
    coef : ndarray of shape (n_parameters,)
    leaves : bool
        Whether curvature at the point may leave: of several classes pairs then share theirs where it shows a row.

    Raises
    ------
    Separation
        The linear predictors lie too far apart.
    """
    if isinstance(loss, Softmax):
        return loss.sharing(rows, coef) if leaves else None
    if not isinstance(loss, StratumLoss):
        return None
    found = loss.around(rows, coef)
    if found is None:
        raise Separation(
            "the linear predictors of a silo's rows lie so far apart that their hazards cannot be added up",
            hint="add a penalty (alpha), leave out columns that tell the outcome alone, or narrow their ranges, in a "
            "new study",
        )
    return found


def surround(loss: AnyLoss, rows: Source, point: Point, state: State, *, leaves: bool = True) -> Point:
    """Add to a silo's own point what rows must know of each other there, and at the points that the state asks for.

    Parameters
    ----------
    loss : AnyLoss
    rows : Source
        All training rows of the silo.
    point : Point
        The silo's own.
    state : State
    leaves : bool
        See `around`.

    Raises
    ------
    Separation
    """
    if not isinstance(loss, StratumLoss | Softmax):
        return point
    asked = [] if state.document["round"] == 0 else [state.arrays["coef"], *state.arrays["candidates"]]
    return replace(point, around=tuple(around(loss, rows, coef, leaves=leaves) for coef in (point.coef, *asked)))


def sums_at(
    loss: AnyLoss,
    rows: Batch,
    point: FloatArray,
    nearby: Any | None = None,
    *,
    curved: bool = True,
    safe: bool = False,
    softened: bool = False,
) -> Terms:
    """Return what a batch adds at a point.

    Parameters
    ----------
    loss : AnyLoss
    rows : Batch
    point : ndarray of shape (n_parameters,)
    nearby : object
        What `around` found there.
    curved : bool
        Otherwise the Hessian is left at 0.
    safe : bool
        Return a matrix without negative curvature instead of the Hessian, for a step that must not lose a direction.
    softened : bool
        Take the softened curvature of a loss that has one.
    """
    if isinstance(loss, Softmax):
        return Terms(*loss.sums(rows, point, nearby, curved=curved))
    coef, extras = split(loss, point)
    weight, X, n = rows.weight, rows.X, len(point)
    if isinstance(loss, JointLoss):
        each = loss.parts(X @ coef + rows.offset, observed(rows), extras, softened=softened)
        gradient = np.concatenate([X.T @ (weight * each.slope), weight @ each.extra])
        value = float(weight @ each.value)
        if not curved:
            return Terms(value, gradient, np.zeros((n, n)))
        between = X.T @ (weight[:, None] * each.cross)
        square = np.tensordot(weight, each.square, axes=1)
        if square.ndim == 1:
            square = np.diag(square)
        if safe:
            between, square = np.zeros_like(between), np.diag(np.abs(np.diagonal(square)))
        columns = weighted_cross(X, weight * each.curve)
        return Terms(value, gradient, np.block([[columns, between], [between.T, square]]))
    if isinstance(loss, StratumLoss):
        f, d1, d2 = loss.derivatives(rows, coef, nearby)
        X = loss.design(rows, nearby)
        hessian = weighted_cross(X, weight * d2) - loss.shared(rows, nearby) if curved else np.zeros((n, n))
    else:
        eta = X @ coef + rows.offset
        f, d1, d2 = loss.derivatives(eta, rows.y)
        if safe and isinstance(loss, Expected):
            d2 = loss.expected(eta, rows.y)
        hessian = weighted_cross(X, weight * d2) if curved else np.zeros((n, n))
    return Terms(float(weight @ f), X.T @ (weight * d1), hessian)


def value(loss: AnyLoss, rows: Source, point: FloatArray) -> float:
    """Sum the loss at ``point`` over all rows; infinite where it does not exist, or predictors lie too far apart."""
    if isinstance(loss, Softmax):
        return sum(float(b.weight @ loss.value(loss.predictors(b, point), b.y)) for b in rows)
    coef, extras = split(loss, point)
    if isinstance(loss, StratumLoss):
        found = loss.around(rows, coef, curved=False)
        if found is None:
            return np.inf
        return sum(float(b.weight @ loss.derivatives(b, coef, found)[0]) for b in rows)
    if isinstance(loss, JointLoss):
        if not loss.admits(extras):
            return np.inf
        return sum(float(b.weight @ loss.parts(b.X @ coef + b.offset, observed(b), extras).value) for b in rows)
    return sum(float(b.weight @ loss.value(b.X @ coef + b.offset, b.y)) for b in rows)


def slopes_at(
    loss: AnyLoss, rows: Batch, point: FloatArray, nearby: Any | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return each row's linear predictor at a point and its weighted first derivative there, both (n_samples,).

    Of several classes both are (n_samples, n_classes).

    Parameters
    ----------
    loss : AnyLoss
    rows : Batch
    point : ndarray of shape (n_parameters,)
    nearby : object
        What `around` found there.
    """
    if isinstance(loss, Softmax):
        predictors = loss.predictors(rows, point)
        return predictors, rows.weight[:, None] * loss.residuals(predictors, rows.y)
    coef, extras = split(loss, point)
    if isinstance(loss, StratumLoss):
        # In a stratum only differences of predictors count.
        eta = loss.design(rows, nearby) @ coef + rows.offset
        return eta, rows.weight * loss.derivatives(rows, coef, nearby)[1]
    eta = rows.X @ coef + rows.offset
    if isinstance(loss, JointLoss):
        return eta, rows.weight * loss.parts(eta, observed(rows), extras).slope
    return eta, rows.weight * loss.derivatives(eta, rows.y)[1]


def weights_at(
    loss: AnyLoss,
    rows: Batch,
    point: FloatArray,
    nearby: Any | None = None,
    *,
    curvature: bool = True,
    softened: bool = False,
) -> dict[str, FloatArray]:
    """Return what weighs each row (n_samples,) in the sums at a point, by what it is called on a screen.

    Parameters
    ----------
    loss : AnyLoss
    rows : Batch
    point : ndarray of shape (n_parameters,)
    nearby : object
        What `around` found there.
    curvature : bool
        Whether curvature leaves at this point too; a loss without other parameters is tested as if it did.
    softened : bool
        Whether it is the softened one.
    """
    if isinstance(loss, Softmax):
        found = loss.weights(rows, point, nearby, curvature=curvature)
        return {what: rows.weight * each_row for what, each_row in found.items()}
    coef, extras = split(loss, point)
    if isinstance(loss, StratumLoss):
        return loss.weights(rows, coef, nearby)
    eta = rows.X @ coef + rows.offset
    if isinstance(loss, JointLoss):
        y = observed(rows)
        each = loss.parts(eta, y, extras, softened=softened)
        found = {"residuals": each.slope}
        if curvature:
            found |= {f"curvature with {extra.name}": each.cross[:, k] for k, extra in enumerate(loss.extras)}
            found |= {"curvature": each.curve, **({} if softened else loss.shown(eta, y, extras))}
    else:
        _, d1, d2 = loss.derivatives(eta, rows.y)
        found = {"curvature": d2, "residuals": d1, **loss.shown(eta, rows.y)}
    return {what: rows.weight * each_row for what, each_row in found.items()}
