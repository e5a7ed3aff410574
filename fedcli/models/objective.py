"""What rows add to an objective at a point: for losses of single rows, and for those of a whole stratum.

Owns the interface that both keep. Knows nothing of silos, rounds or files. Internal.

A loss of single rows is a function of each row's linear predictor. In a stratum's loss a row's part depends on the
others that were under observation with it: those are summed in passes over the whole stratum, once for each point, and
what these passes find (`around`) makes of the rest a sum over rows as of any loss, batch by batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.batch import Batch, Point, Source, weighted_cross
from fedcli.models.losses import Loss


class StratumLoss(ABC):
    """A loss whose rows depend on each other within a stratum, which is all that one silo has."""

    @abstractmethod
    def around(self, rows: Source, coef: FloatArray) -> Any | None:
        """Pass over the stratum at ``coef``; None where its predictors lie too far apart to be added up."""

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


AnyLoss = Loss | StratumLoss


@dataclass(frozen=True)
class Terms:
    """What a batch adds at a point: value, gradient (n_columns,), Hessian (n_columns, n_columns)."""

    value: float
    gradient: FloatArray
    hessian: FloatArray


def around(loss: AnyLoss, rows: Source, coef: FloatArray) -> Any | None:
    """Return what rows must know of each other at a point: nothing for a loss of single rows.

    Raises
    ------
    Separation
        The linear predictors lie too far apart.
    """
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


def surround(loss: AnyLoss, rows: Source, point: Point, state: State) -> Point:
    """Add to a silo's own point what rows must know of each other there, and at the points that the state asks for.

    Parameters
    ----------
    loss : Loss or StratumLoss
    rows : Source
        All training rows of the silo.
    point : Point
        The silo's own.
    state : State

    Raises
    ------
    Separation
    """
    if not isinstance(loss, StratumLoss):
        return point
    asked = [] if state.document["round"] == 0 else [state.arrays["coef"], *state.arrays["candidates"]]
    return Point(point.coef, tuple(around(loss, rows, coef) for coef in (point.coef, *asked)))


def derivatives(
    loss: AnyLoss, rows: Batch, coef: FloatArray, around: Any | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return each row's part of the value, slope and curvature in its predictor, each (n_samples,).

    Parameters
    ----------
    loss : Loss or StratumLoss
    rows : Batch
    coef : ndarray of shape (n_columns,)
    around : object
        What `around` found there.
    """
    if isinstance(loss, StratumLoss):
        return loss.derivatives(rows, coef, around)
    return loss.derivatives(rows.X @ coef + rows.offset, rows.y)


def terms(loss: AnyLoss, rows: Batch, coef: FloatArray, around: Any | None, *, curved: bool = True) -> Terms:
    """Return what a batch adds at a point.

    Parameters
    ----------
    loss : Loss or StratumLoss
    rows : Batch
    coef : ndarray of shape (n_columns,)
    around : object
        What `around` found there.
    curved : bool
        Otherwise the Hessian is left at 0.
    """
    f, d1, d2 = derivatives(loss, rows, coef, around)
    stratum = isinstance(loss, StratumLoss)
    X = loss.design(rows, around) if isinstance(loss, StratumLoss) else rows.X
    hessian = weighted_cross(X, rows.weight * d2) if curved else np.zeros((X.shape[1],) * 2)
    if curved and stratum:
        hessian = hessian - loss.shared(rows, around)  # type: ignore[union-attr]
    return Terms(float(rows.weight @ f), X.T @ (rows.weight * d1), hessian)


def value(loss: AnyLoss, rows: Source, coef: FloatArray) -> float:
    """Sum the loss at ``coef`` over all rows; infinite where predictors lie too far apart."""
    if isinstance(loss, StratumLoss):
        found = loss.around(rows, coef)
        if found is None:
            return np.inf
        return sum(float(batch.weight @ loss.derivatives(batch, coef, found)[0]) for batch in rows)
    return sum(float(b.weight @ loss.value(b.X @ coef + b.offset, b.y)) for b in rows)
