"""Counts that vary more than Poisson's: ``NegativeBinomial``, an estimator of fedcli's own.

Owns the loss with its dispersion, and the entry in the table of estimators. Knows nothing of sums, files or silos.
Stable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Family, Source
from fedcli.models.generalized import cavity
from fedcli.models.losses import OutcomeSums, refuse_all_zero
from fedcli.models.nuisance import Beginning, Extra, JointLoss, Parts
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number
from fedcli.models.setting import Setting

# Ends of the dispersion: the lower as the share by which the variance of the largest agreed count exceeds Poisson's.
SMALLEST_EXCESS, LARGEST_DISPERSION = 0.01, 1e3
# At the dispersion that makes the variance of the largest agreed count this many times larger than Poisson's, and
# more, a step counts as a share of it; below as a difference.
_TURN = 15.0
# A merged parameter is believed so far below and above the one before.
_NEAR_BELOW, _NEAR_ABOVE = 2.0, 1.0
# Of a silo's first fit: the dispersion is held to what its own counts say without the columns.
_HELD = 1.0


@dataclass(frozen=True)
class NegativeBinomialLoss(JointLoss):
    """Minus the logarithm of a count's probability, less ``log(y!)``, of variance ``mu + alpha mu**2``, log link.

    ``(y + 1 / alpha) log(1 + alpha mu) - y eta - sum of log(1 + i alpha) for i below y``: each term has a limit as
    alpha goes to 0, which the usual differences of log-gammas lose in rounding.

    The parameter is ``log(1 + alpha / turn)``. *Not* the logarithm of alpha: where counts vary hardly more than
    Poisson's the likelihood is a parabola in alpha itself, steps in its logarithm are never longer than 1, and where
    they vary less the optimum is at no finite logarithm. *Not* alpha itself, in which steps from far above end below 0.

    Parameters
    ----------
    largest_count : float
        Upper end of the target's agreed range.

    References
    ----------
    Cameron and Trivedi (2013), Regression Analysis of Count Data, section 3.3 (their NB2).
    """

    largest_count: float

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`."""
        return self.largest_count

    @property
    def turn(self) -> float:
        """The dispersion that is ``log(2)``."""
        return _TURN / max(self.largest_y, 1.0)

    @property
    def smallest(self) -> float:
        """The smallest dispersion that is fitted."""
        return SMALLEST_EXCESS / max(self.largest_y, 1.0)

    @property
    def extras(self) -> tuple[Extra, ...]:
        """See `JointLoss.extras`."""
        low, high, middle = (float(np.log1p(a / self.turn)) for a in (self.smallest, LARGEST_DISPERSION, 0.5))
        return (Extra("the dispersion", low, high, middle, unit=1.0, above_zero=True),)

    @property
    def convex(self) -> bool:
        """See `JointLoss.convex`."""
        return False

    @property
    def needs_intercept(self) -> bool:
        """See `JointLoss.needs_intercept`: without one all rows would seem to vary beyond their mean."""
        return True

    @property
    def softens(self) -> bool:
        """See `JointLoss.softens`: of a count far above its mean, which has most of the curvature."""
        return True

    def parts(self, eta: FloatArray, y: FloatArray, extras: FloatArray, *, softened: bool = False) -> Parts:
        """See `JointLoss.parts`; softened, curvature with the columns is what is expected of any count.

        ``exp`` is only ever taken of a negative number.
        """
        alpha = float(np.expm1(extras[0]) * self.turn)
        over = eta + np.log(alpha)
        small = np.exp(-np.abs(over))
        q, p = np.where(over >= 0, 1.0, small) / (1.0 + small), np.where(over >= 0, small, 1.0) / (1.0 + small)
        soft = np.log1p(small) + np.maximum(over, 0.0)
        total, first, second = (table[y.astype(np.int64)] for table in _ascents(alpha, _size(y)))
        slope = q / alpha - y * p
        # In the logarithm of alpha, and from there to the parameter.
        once = (q - soft) / alpha + y * q - first
        twice = (soft - q - q * q) / alpha + y * q * p - second
        rate = (alpha + self.turn) / alpha
        bend = -self.turn / alpha * rate
        return Parts(
            value=(y + 1.0 / alpha) * soft - y * eta - total,
            slope=slope,
            curve=q / alpha if softened else q * p * (1.0 / alpha + y),
            extra=(rate * once)[:, None],
            cross=(np.zeros_like(q) if softened else -rate * slope * q)[:, None],
            square=(rate * rate * twice + bend * once)[:, None, None],
        )

    def near(self, extras: FloatArray, before: FloatArray) -> FloatArray:
        """See `JointLoss.near`."""
        (extra,) = self.extras
        return np.clip(np.clip(extras, before - _NEAR_BELOW, before + _NEAR_ABOVE), extra.low, extra.high)

    def descend(self, before: FloatArray, slope: FloatArray) -> FloatArray:
        """See `JointLoss.descend`: far below its minimum, or all the way to 0, the likelihood bends down."""
        return self.near(before - np.sign(slope), before)

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the expected count."""
        return np.asarray(np.exp(eta))

    def deviance(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> FloatArray:
        """Return twice what each row's loss is above that of its own count as the mean, shape (n_samples,)."""
        alpha = float(np.expm1(extras[0]) * self.turn)
        own = np.log1p(alpha * y) * (y + 1.0 / alpha) - y * np.log(np.where(y > 0, y, 1.0))
        found = self.parts(eta, y, extras)
        total = _ascents(alpha, _size(y))[0][y.astype(np.int64)]
        return np.asarray(2.0 * (found.value + total - own))

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`."""
        y, k = self.largest_y, 1.0 / self.smallest
        soft = 1.0 + largest_eta + abs(np.log(self.smallest)) + np.log(LARGEST_DISPERSION)
        rate = 1.0 + self.turn * k
        value = (y + k) * soft + y * (largest_eta + soft)
        once, twice = k * soft + y, k * (soft + 1.0) + y
        return value, rate * once, rate * rate * (twice + once) + k + y

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`."""
        return float(np.log((sums.target + 0.5) / max(sums.exposure + 0.5, 1e-300)))

    def begin(self, rows: Source, sums: OutcomeSums, intercept: float) -> Beginning:
        """See `JointLoss.begin`: what the silo's counts vary beyond a Poisson of the intercept."""
        beyond = squares = 0.0
        for batch in rows:
            mean = np.exp(np.minimum(intercept + batch.offset, np.log(max(self.largest_y, 1.0))))
            beyond += float(batch.weight @ ((batch.y - mean) ** 2 - mean))
            squares += float(batch.weight @ (mean * mean))
        alpha = np.clip(beyond / max(squares, 1e-300), self.turn, LARGEST_DISPERSION / 10)
        return Beginning(np.log1p([alpha / self.turn]), np.array([_HELD]), 1.0)

    def shown(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`: residuals beside the curvature, which has the outcome in another proportion."""
        return {"predictions": self.parts(eta, np.zeros_like(y), extras).slope}

    def check_pool(self, weight: float, target: float) -> None:
        """See `Loss.check_pool`.

        Raises
        ------
        OneClass
        """
        refuse_all_zero(target)

    def refuse_edge(self, extras: FloatArray) -> None:
        """See `JointLoss.refuse_edge`.

        Raises
        ------
        Separation
        """
        if extras[0] <= self.extras[0].low:
            raise Separation(
                f"the counts vary no more than Poisson's: the dispersion (alpha) would be below {self.smallest:.1e}",
                hint="fit PoissonRegressor, which is this model without dispersion, in a new study",
            )
        raise Separation(
            f"the dispersion (alpha) would be above {LARGEST_DISPERSION:g}: nearly all counts are 0",
            hint="take a binary target (0, or above) and LogisticRegression, in a new study",
        )

    def fitted(self, extras: FloatArray) -> dict[str, FloatArray]:
        """See `JointLoss.fitted`: statsmodels' name of the dispersion."""
        return {"alpha": np.expm1(extras) * self.turn}


def _size(y: FloatArray) -> int:
    """Return up to which count a table is made: a power of 2, so that all batches of a pass share it."""
    return 1 << int(y.max(initial=0.0)).bit_length()


@lru_cache(maxsize=4)
def _ascents(alpha: float, size: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return for each count the sum of ``log(1 + i alpha)`` over i below it, and two derivatives in ``log(alpha)``."""
    u = alpha * np.arange(size, dtype=np.float64)
    each = (np.log1p(u), u / (1.0 + u), u / (1.0 + u) ** 2)
    found = tuple(np.concatenate([[0.0], np.cumsum(part)]) for part in each)
    for table in found:
        table.flags.writeable = False
    return found  # type: ignore[return-value]


def _negative_binomial(setting: Setting, params: Parameters) -> Family:
    loss = NegativeBinomialLoss(setting.largest_y)
    return cavity(setting, loss, float(params["l2"]), per_weight=True, fit_intercept=params["fit_intercept"])


ESTIMATORS = {
    "NegativeBinomial": Estimator(
        module="",
        targets=("count",),
        defaults={"l2": 0.0, "fit_intercept": True},
        trips=(4, 6),
        build=_negative_binomial,
        checks={"l2": check_number(least=0.0), "fit_intercept": check_intercept},
        offset=True,
        exact=1e-6,
        stand_in="PoissonRegressor",
        deviance=lambda params: "negative binomial",
    ),
}
