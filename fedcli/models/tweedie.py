"""Amounts above 0, or 0 and above: scikit-learn's ``GammaRegressor`` and ``TweedieRegressor``.

Owns their loss and their entries in the table of estimators. Knows nothing of sums, files or silos. Stable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.errors import ContradictoryStudy, NotConverged
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Family
from fedcli.models.generalized import cavity
from fedcli.models.least_squares import LeastSquares
from fedcli.models.losses import FitSums, OutcomeSums, refuse_all_zero
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number, check_one_of, closed
from fedcli.models.setting import Setting

# An outcome smaller than this share of the largest agreed one is taken for 0 when a fit is checked, where 0 is agreed.
SMALLEST_SHARE = 1e-9
# Share of the largest agreed amount that a silo's first fit adds, so that a silo of zeros has a mean to begin with.
_HALF_A_CLAIM = 0.5e-3
LARGEST_POWER = 3.0


@dataclass(frozen=True)
class Tweedie:
    """Half the Tweedie deviance up to a constant in ``y``, log link, with ``E(q, eta) = (exp(q eta) - 1) / q``.

    ``E(2 - power, eta) - y E(1 - power, eta)``; ``E(0, eta)`` is ``eta``, which makes power 1 Poisson and 2 gamma.
    Above power 2 a row that is predicted more than ``(power - 1) / (power - 2)`` times too large has a negative second
    derivative; all rows together have not, near the optimum.

    Each of the two exponentials goes on as its own second-order expansion where it would weigh more than ``limit``, so
    that a trial point far outside the data cannot overflow a sum. At the optimum with an intercept the two sums are
    equal. For powers of 2 and above no row can then lie out there; below 2 the sums of the fit say so (`check_fit`).

    Parameters
    ----------
    power : float
    largest_y, smallest_y : float
        Ends of the target's agreed range.
    max_rows : float
        Most rows of the pool that the fit is meant for.
    """

    power: float
    largest_y: float
    smallest_y: float
    max_rows: float = 64.0

    @property
    def convex(self) -> bool:
        """See `Loss.convex`."""
        return self.power <= 2.0

    @property
    def limit(self) -> float:
        """Twice the largest first derivative of an agreed outcome that is its own prediction, times all rows."""
        unit = self.largest_y if self.power <= 2.0 else self.smallest_y
        return float(2.0 * max(self.max_rows, 64.0) * unit ** (2.0 - self.power))

    @property
    def edges(self) -> tuple[float, float]:
        """Linear predictors between which the loss is the model's own."""
        p, smallest = self.power, self.smallest_y or SMALLEST_SHARE * self.largest_y
        low = -np.log(self.limit / smallest) / (p - 1.0) if p > 1.0 else -np.inf
        high = np.log(self.limit) / (2.0 - p) if p < 2.0 else np.inf
        return float(low), float(high)

    def derivatives(self, eta: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """See `Loss.derivatives`."""
        f_a, slope_a, curve_a = self._exponential(2.0 - self.power, eta)
        f_b, slope_b, curve_b = self._exponential(1.0 - self.power, eta)
        return f_a - y * f_b, slope_a - y * slope_b, curve_a - y * curve_b

    def expected(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """Return the expected second derivative where ``y`` is distributed as predicted; never negative."""
        return self._exponential(2.0 - self.power, eta)[1]

    def value(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """See `Loss.value`."""
        return self.derivatives(eta, y)[0]

    def saturated(self, y: FloatArray) -> FloatArray:
        """Return the value of a row that is predicted as it is, shape (n_samples,)."""
        p, some = self.power, y > 0
        log_y = np.log(np.where(some, y, 1.0))
        value = _scaled(2.0 - p, log_y) - np.where(some, y, 0.0) * _scaled(1.0 - p, log_y)
        return np.asarray(np.where(some, value, -1.0 / (2.0 - p) if p < 2.0 else np.inf))

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the expected amount."""
        return np.asarray(np.exp(eta))

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`."""
        low, high = self.edges
        a = _largest(2.0 - self.power, largest_eta, high if self.power < 2.0 else -low)
        b = _largest(1.0 - self.power, largest_eta, -low)
        value, slope, curve = (each_a + self.largest_y * each_b for each_a, each_b in zip(a, b, strict=True))
        return value, slope, curve

    @property
    def rate(self) -> float:
        """See `Bending.rate`."""
        p = self.power
        return max(2.0 - p, p - 1.0) if p <= 2.0 else float(np.sqrt((p - 1.0) ** 3 - (p - 2.0) ** 3))

    def third(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """See `Bending.third`: a parabola has none."""
        low, high = self.edges
        found = np.zeros_like(eta)
        for q, share in ((2.0 - self.power, np.ones_like(eta)), (1.0 - self.power, -y)):
            inside = (eta < high) if q > 0 else (eta > low)
            found += np.where(inside, share * q * q * np.exp(q * np.clip(eta, low, high)), 0.0)
        return found

    def largest_third(self, largest_eta: float) -> float:
        """See `Bending.largest_third`: the exponentials' second derivatives, times their rates."""
        low, high = self.edges
        a = _largest(2.0 - self.power, largest_eta, high if self.power < 2.0 else -low)[2]
        b = _largest(1.0 - self.power, largest_eta, -low)[2]
        return abs(2.0 - self.power) * a + self.largest_y * abs(1.0 - self.power) * b

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`."""
        more = 0.0 if self.smallest_y > 0 else _HALF_A_CLAIM * self.largest_y
        return float(np.log(max(sums.target + more, 1e-300)) - np.log(max(sums.exposure, 1e-300)))

    def stiffness(self, intercept: float) -> float:
        """See `Loss.stiffness`."""
        return float(self.expected(np.array([intercept]), np.empty(1))[0])

    def shown(self, eta: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`: the two parts of the residuals, which curvature at the same point keeps apart.

        Of power 1 the second is the outcome itself, which no choice of a point changes; of 2 it is the curvature.
        """
        found = {"predictions": self._exponential(2.0 - self.power, eta)[1]}
        if self.power > 1.0:
            found["outcomes beside predictions"] = y * self._exponential(1.0 - self.power, eta)[1]
        return found

    def check_pool(self, weight: float, target: float) -> None:
        """See `Loss.check_pool`.

        Raises
        ------
        OneClass
        """
        refuse_all_zero(target)

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:
        """See `Loss.check_fit`; curvature and slope are two mixtures of the two exponentials' sums.

        Raises
        ------
        NotConverged
        """
        most = self.limit * largest_weight
        above = fit.curvature + (self.power - 1.0) * fit.slope
        below = fit.curvature - (2.0 - self.power) * fit.slope
        for size, matters, what in ((above, self.power < 2.0, "large"), (below, self.power > 1.0, "small")):
            if matters and not size < most:
                raise NotConverged(
                    f"a predicted amount is too {what} to be fitted: its rows weigh {size:.3g} together, and only up "
                    f"to {most:.3g} is it certain that none lies beyond the model",
                    hint="fit an intercept, compare the offset's unit with the agreed one, add a penalty (alpha), or "
                    "raise rules.max_rows, in a new study",
                )

    def _exponential(self, q: float, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return ``E(q, eta)`` and its derivatives, a parabola beyond the edge on the side where it grows."""
        low, high = self.edges
        inside = np.minimum(eta, high) if q > 0 else np.maximum(eta, low) if q < 0 else eta
        over, slope = eta - inside, np.exp(q * inside)
        value = _scaled(q, inside) + slope * over * (1.0 + q * over / 2.0)
        return value, slope * (1.0 + q * over), q * slope


def _scaled(q: float, eta: FloatArray) -> FloatArray:
    return np.asarray(np.expm1(q * eta) / q if q else eta)


def _largest(q: float, largest_eta: float, edge: float) -> tuple[float, float, float]:
    """Return bounds of ``E(q, eta)`` and its derivatives; it grows towards its edge, and is a parabola beyond."""
    size = abs(q)
    inside = min(largest_eta, edge)
    over, slope = largest_eta - inside, float(np.exp(size * inside)) if q else 1.0
    value = abs(float(_scaled(size, np.array(inside)))) + slope * over * (1.0 + size * over / 2.0)
    return largest_eta + value, slope * (1.0 + size * over), size * slope


def _of_power(setting: Setting, params: Parameters, name: str, power: float) -> Family:
    low, high = setting.target_range
    above = power >= 2.0
    if low < 0 or (above and low == 0):
        raise ContradictoryStudy(
            f"{name} needs outcomes {'above 0' if above else 'of 0 and above'}, the target's range begins at {low:g}",
            hint="begin the target's range at the smallest possible outcome, or name another estimator",
        )
    loss = Tweedie(power, high, low, setting.pool_rows)
    penalty, intercept = float(params["alpha"]), params["fit_intercept"]
    return cavity(setting, loss, penalty, per_weight=True, fit_intercept=intercept, order=setting.order)


def _gamma(setting: Setting, params: Parameters) -> Family:
    return _of_power(setting, params, "GammaRegressor", 2.0)


def _tweedie(setting: Setting, params: Parameters) -> Family:
    if has_log_link(params):
        return _of_power(setting, params, f"TweedieRegressor of power {params['power']:g}", float(params["power"]))
    if setting.largest_offset > 0:
        raise ContradictoryStudy(
            "TweedieRegressor with an identity link takes no offset",
            hint="subtract it from the target before the study",
        )
    return closed(lambda _, given: LeastSquares(float(given["alpha"]), given["fit_intercept"], per_weight=True))(
        setting, params
    )


def has_log_link(params: Parameters) -> bool:
    """Return whether a ``TweedieRegressor`` fits the logarithm of the mean: with any power but 0."""
    return bool(params["power"] != 0)


def _check_power(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    good = number and (value == 0 or 1 <= value <= LARGEST_POWER)
    return "" if good else f"must be 0, or a number from 1 to {LARGEST_POWER:g}"


def _conflicts(params: Parameters) -> str:
    if params["link"] == "log" and params["power"] == 0:
        return "power 0 with link log has more than one minimum, and is not fitted: take link auto, or another power"
    if params["link"] == "identity" and params["power"] != 0:
        return (
            f"link identity lets power {params['power']:g} predict amounts below 0, and is not fitted: take link auto"
        )
    return ""


_TIGHT = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}

ESTIMATORS = {
    "GammaRegressor": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"alpha": 1.0, "fit_intercept": True},
        trips=(3, 5),
        build=_gamma,
        checks={"alpha": check_number(least=0.0), "fit_intercept": check_intercept},
        path=("alpha",),
        offset=True,
        exact=1e-6,
        third=2,
        deviance=lambda params: "gamma",
        tight=_TIGHT,
    ),
    "TweedieRegressor": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"power": 0.0, "alpha": 1.0, "fit_intercept": True, "link": "auto"},
        trips=(3, 5),
        build=_tweedie,
        checks={
            "power": _check_power,
            "alpha": check_number(least=0.0),
            "fit_intercept": check_intercept,
            "link": check_one_of("auto", "log", "identity"),
        },
        conflicts=_conflicts,
        path=("alpha",),
        offset=True,
        exact=1e-6,
        third=3,
        deviance=lambda params: "tweedie" if has_log_link(params) else "",
        tight=_TIGHT,
    ),
}
