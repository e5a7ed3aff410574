"""Least squares, with or without a ridge: scikit-learn's ``LinearRegression`` and ``Ridge``.

Owns their solution from pooled moments. Knows nothing of sums, files or silos. Stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    per_weight : bool
        Whether ``alpha`` is multiplied by the sum of weights, as `TweedieRegressor`'s is.
    """

    alpha: float
    fit_intercept: bool
    per_weight: bool = False

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`."""
        return Grouping(target=True)

    @property
    def linear(self) -> bool:
        """See `ClosedForm.linear`."""
        return True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`: also the residual sum of squares, and a basis of undetermined directions (``null``)."""
        group = moments.group(centred=self.fit_intercept)
        gram, cross, whole = group.products[:-1, :-1], group.products[:-1, -1], group.products[-1, -1]
        alpha = self.alpha * group.weight if self.per_weight else self.alpha
        slope, null = solve_symmetric(gram + alpha * np.eye(len(gram)), cross)
        intercept = group.mean[-1] - group.mean[:-1] @ slope if self.fit_intercept else 0.0
        residual = float(whole - 2 * slope @ cross + slope @ gram @ slope)
        return {
            "coef": np.concatenate([[intercept], slope]),
            "null": null,
            "target": np.array([group.weight, whole]),
            "residual": np.array([max(residual, 0.0)]),
        }


def _linear_regression(setting: Setting, params: Parameters) -> LeastSquares:
    return LeastSquares(0.0, params["fit_intercept"])


def _ridge(setting: Setting, params: Parameters) -> LeastSquares:
    return LeastSquares(float(params["alpha"]), params["fit_intercept"])


ESTIMATORS = {
    "LinearRegression": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"fit_intercept": True},
        trips=(1, 1),
        build=closed(_linear_regression),
        checks={"fit_intercept": check_intercept},
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
