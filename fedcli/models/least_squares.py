"""Least squares, with or without a ridge: scikit-learn's ``LinearRegression`` and ``Ridge``.

Owns their solution from pooled moments. Knows nothing of sums, files or silos. Stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.moments import Grouping, Moments
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number, closed
from fedcli.models.setting import Setting
from fedcli.models.solve import solve_symmetric


@dataclass(frozen=True)
class LeastSquares:
    """Linear least squares with an L2 penalty ``alpha``; 0 gives the minimum-norm solution of ordinary least squares.

    Parameters
    ----------
    alpha : float
        As `sklearn.linear_model.Ridge`'s.
    fit_intercept : bool
    positive : bool
        Whether no coefficient may be below 0.
    per_weight : bool
        Whether ``alpha`` is multiplied by the sum of weights, as `TweedieRegressor`'s is.
    """

    alpha: float
    fit_intercept: bool
    positive: bool = False
    per_weight: bool = False

    grouping: ClassVar[Grouping] = Grouping(target=True)
    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`: also the residual sum of squares, and a basis of undetermined directions (``null``)."""
        group = moments.group(centred=self.fit_intercept)
        gram, cross, whole = group.normal_equations
        if self.positive:
            slope, null = non_negative(gram, cross), np.empty((len(gram), 0))
        else:
            alpha = self.alpha * group.weight if self.per_weight else self.alpha
            slope, null = solve_symmetric(gram + alpha * np.eye(len(gram)), cross)
        residual = float(whole - 2 * slope @ cross + slope @ gram @ slope)
        return {
            "coef": group.with_intercept(slope, fit_intercept=self.fit_intercept),
            "null": null,
            "target": np.array([group.weight, whole]),
            "residual": np.array([max(residual, 0.0)]),
        }


def non_negative(gram: FloatArray, cross: FloatArray) -> FloatArray:
    """Minimise ``w' gram w / 2 - cross' w`` over ``w >= 0``, shape (n,).

    References
    ----------
    Lawson, Hanson, Solving Least Squares Problems (1974), chapter 23.
    """
    n = len(gram)
    w, active = np.zeros(n), np.zeros(n, dtype=np.bool_)
    slack = 10.0 * n * np.finfo(np.float64).eps * float(np.abs(cross).max(initial=0.0))
    # Each column enters a few times at most; the bound is scipy's.
    for _ in range(3 * n + 1):
        slope = np.where(active, -np.inf, cross - gram @ w)
        if active.all() or slope.max() <= slack:
            break
        active[int(np.argmax(slope))] = True
        while True:
            trial = np.zeros(n)
            trial[active], _ = solve_symmetric(gram[np.ix_(active, active)], cross[active])
            below = active & (trial <= 0)
            if not below.any():
                break
            # As far as the first coefficient allows.
            share = np.min(w[below] / np.maximum(w[below] - trial[below], 1e-300))
            w = w + share * (trial - w)
            active &= w > 0
            w[~active] = 0.0
            if not active.any():
                trial = w
                break
        w = trial
    return w


def _linear_regression(setting: Setting, params: Parameters) -> LeastSquares:
    return LeastSquares(0.0, params["fit_intercept"], params["positive"])


def _ridge(setting: Setting, params: Parameters) -> LeastSquares:
    return LeastSquares(float(params["alpha"]), params["fit_intercept"])


ESTIMATORS = {
    "LinearRegression": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"fit_intercept": True, "positive": False},
        trips=(1, 1),
        build=closed(_linear_regression),
        checks={"fit_intercept": check_intercept, "positive": check_intercept},
    ),
    "Ridge": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"alpha": 1.0, "fit_intercept": True},
        trips=(1, 1),
        build=closed(_ridge),
        checks={"fit_intercept": check_intercept, "alpha": check_number(least=0.0)},
    ),
}
