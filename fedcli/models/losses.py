"""Smooth losses: value and derivatives per row in the linear predictor, and how large each can be.

Owns the formulas. Knows nothing of matrices, silos, penalties or files. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from fedcli.errors import NotConverged, OneClass
from fedcli.fileformat.statistics import FloatArray


class Loss(Protocol):
    """One row's loss as a function of its linear predictor ``eta``.

    The bounds hold for every row inside the agreed ranges at every point inside the coefficient box; they are what
    makes the fixed-point encoding of a sum safe before a row is read.
    """

    @property
    def largest_y(self) -> float:
        """The largest absolute value of an outcome."""

    @property
    def convex(self) -> bool:
        """Whether no second derivative is ever negative."""

    def derivatives(self, eta: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the value, first and second derivative in ``eta``, each of shape (n_samples,)."""

    def value(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """Return the value alone, shape (n_samples,)."""

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the predicted mean (inverse link), shape (n_samples,)."""

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """Return the largest absolute value, first and second derivative of one row where ``|eta| <= largest_eta``."""

    def start(self, sums: OutcomeSums) -> float:
        """Return an intercept to begin a silo's first fit with."""

    def stiffness(self, intercept: float) -> float:
        """Return about how large a row's second derivative is at an intercept; 1 for what is of that order anyway."""

    def shown(self, eta: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
        """Return what else weighs rows in sums that can be computed from those that leave, by its words on a screen.

        Curvature and residuals, the second and first derivative, are known to every reader of an update.
        """

    def check_pool(self, weight: float, target: float) -> None:
        """Refuse a pool that has no fit, from its sum of weights and of weights times outcomes."""

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:
        """Refuse a fit of which a row of the largest weight may lie where the loss is no longer the model's own."""


@runtime_checkable
class Expected(Protocol):
    """A loss whose second derivative may be negative, and its expectation, which never is."""

    def expected(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """Return the expected second derivative where ``y`` is distributed as predicted, shape (n_samples,)."""


@dataclass(frozen=True)
class OutcomeSums:
    """A silo's sums of weights, of weights times outcomes, and of weights times ``exp(offset)``."""

    weight: float
    target: float
    exposure: float


@dataclass(frozen=True)
class FitSums:
    """The pool's sums over all rows at a fit: of weights, and of weights times outcome and both derivatives."""

    weight: float
    target: float
    slope: float
    curvature: float


def refuse_no_event(events: float) -> None:
    """Refuse a pool of survival times without an event.

    Parameters
    ----------
    events : float
        Sum of weights of rows with an event.

    Raises
    ------
    OneClass
    """
    if not events > 0:
        raise OneClass(
            "no row of any silo has an event",
            hint="check positive and negative of the target in study.yaml: they may be swapped or misspelt",
        )


def refuse_one_class(weight: float, target: float) -> None:
    """Refuse a pool of weight ``weight`` whose positive rows, of weight ``target``, are none or all.

    Raises
    ------
    OneClass
    """
    if not 0 < target < weight:
        raise OneClass(
            "all rows of all silos have the same class",
            hint="check the target's values in study.yaml: positive and negative may be swapped or misspelt",
        )


def refuse_empty_classes(counts: Sequence[float]) -> None:
    """Refuse a pool in which an agreed class has no row, from the weight of each: scikit-learn would not know it.

    Raises
    ------
    OneClass
    """
    empty = [str(kind + 1) for kind, count in enumerate(counts) if not count > 0]
    if empty:
        raise OneClass(
            f"no row of any silo has class {', '.join(empty)} of the {len(counts)} agreed ones",
            hint="check the target's values in study.yaml and at the silos, or agree on fewer classes in a new study",
        )


def refuse_all_zero(target: float) -> None:
    """Refuse a pool in which the outcomes, none below 0, sum to 0: the logarithm of their mean is nowhere.

    Raises
    ------
    OneClass
    """
    if not target > 0:
        raise OneClass("the target is 0 in every row of every silo", hint="check the target column at the silos")


@dataclass(frozen=True)
class Logistic:
    """Binary log-loss, ``y`` in {0, 1}: ``log(1 + exp(eta)) - y * eta``."""

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`."""
        return 1.0

    @property
    def convex(self) -> bool:
        """See `Loss.convex`."""
        return True

    def derivatives(self, eta: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """See `Loss.derivatives`; ``exp`` is only ever taken of a negative number."""
        small = np.exp(-np.abs(eta))
        p = np.where(eta >= 0, 1.0, small) / (1.0 + small)
        return np.log1p(small) + np.maximum(eta, 0.0) - y * eta, p - y, small / (1.0 + small) ** 2

    def value(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """See `Loss.value`."""
        return np.asarray(np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0) - y * eta)

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the probability of the positive class."""
        small = np.exp(-np.abs(eta))
        return np.asarray(np.where(eta >= 0, 1.0, small) / (1.0 + small))

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`."""
        return largest_eta + 1.0, 1.0, 0.25

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`."""
        return float(np.log((sums.target + 0.5) / max(sums.weight - sums.target + 0.5, 1e-300)))

    def stiffness(self, intercept: float) -> float:
        """See `Loss.stiffness`."""
        return 1.0

    def shown(self, eta: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`: of either class, and what the residuals leave of a whole."""
        p = self.mean(eta)
        return {
            "predictions": p,
            "predictions of the other class": 1.0 - p,
            "rows that it fits": 1.0 - np.abs(p - y),
        }

    def check_pool(self, weight: float, target: float) -> None:
        """See `Loss.check_pool`.

        Raises
        ------
        OneClass
        """
        refuse_one_class(weight, target)

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:
        """See `Loss.check_fit`: it is the model's own everywhere."""


@dataclass(frozen=True)
class Poisson:
    """Half the Poisson deviance up to a constant in ``y``, log link: ``exp(eta) - y * eta``.

    Above ``log(largest_mean)`` the exponential goes on as its own second-order expansion there: still convex and
    smooth, so a trial point far outside the data cannot overflow a sum. At the optimum with an intercept the fitted
    means add up to the counts, whatever the offsets, so that no row's mean exceeds ``max_rows`` times the largest
    count: the optimum is that of the exponential. `refuse_beyond` asks the sums whether it is so in any other fit.

    Parameters
    ----------
    largest_y : float
        Upper end of the target's agreed range.
    max_rows : float
        Most rows of the pool that the fit is meant for.
    """

    largest_y: float
    max_rows: float = 64.0

    @property
    def convex(self) -> bool:
        """See `Loss.convex`."""
        return True

    @property
    def largest_mean(self) -> float:
        """The largest agreed count as often as there may be rows; 64 times at least."""
        return max(self.max_rows, 64.0) * max(self.largest_y, 1.0)

    def refuse_beyond(self, total_mean: float, largest_weight: float) -> None:
        """Refuse a fit of which a row of the largest weight may lie where the loss is no longer Poisson's.

        Parameters
        ----------
        total_mean : float
            Sum of weights times fitted means over all rows, where each above `largest_mean` counts at least as that.
        largest_weight : float

        Raises
        ------
        NotConverged
        """
        if not total_mean < self.largest_mean * largest_weight:
            raise NotConverged(
                f"the fitted counts add up to {total_mean:.3g}, more than max_rows times the largest agreed count "
                f"{self.largest_y:g}: a predicted count is too large to be fitted",
                hint="fit an intercept, compare the offset's unit with the agreed one, or raise rules.max_rows, "
                "in a new study",
            )

    def derivatives(self, eta: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """See `Loss.derivatives`."""
        edge = np.log(self.largest_mean)
        curvature = np.exp(np.minimum(eta, edge))
        over = np.maximum(eta - edge, 0.0)
        slope = curvature * (1.0 + over)
        return curvature * (1.0 + over + over * over / 2.0) - y * eta, slope - y, curvature

    def value(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """See `Loss.value`."""
        return self.derivatives(eta, y)[0]

    def saturated(self, y: FloatArray) -> FloatArray:
        """Return the value of a row that is predicted as it is, shape (n_samples,)."""
        return np.asarray(np.where(y > 0, y - y * np.log(np.where(y > 0, y, 1.0)), 0.0))

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the expected count."""
        return np.asarray(np.exp(eta))

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`."""
        top, over = self.largest_mean, largest_eta + abs(np.log(self.largest_mean))
        return top * (1.0 + over + over * over / 2.0) + self.largest_y * largest_eta, top * (1.0 + over), top

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`."""
        return float(np.log((sums.target + 0.5) / max(sums.exposure + 0.5, 1e-300)))

    def stiffness(self, intercept: float) -> float:
        """See `Loss.stiffness`."""
        return 1.0

    def shown(self, eta: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`: residuals plus the outcome, whose own sums trip 1 carries."""
        return {"predictions": self.derivatives(eta, y)[1] + y}

    def check_pool(self, weight: float, target: float) -> None:
        """See `Loss.check_pool`.

        Raises
        ------
        OneClass
        """
        refuse_all_zero(target)

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:
        """See `Loss.check_fit`."""
        self.refuse_beyond(fit.slope + fit.target, largest_weight)
