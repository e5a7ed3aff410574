"""Bayesian ridge and automatic relevance determination, from pooled moments.

Owns scikit-learn's own iterations, ``BayesianRidge`` and ``ARDRegression``, carried out on the Gram matrix: they stop
at a tolerance of their own, so that the same steps must be taken, not another way to the same end. Knows nothing of
sums, files or silos. Stable.

References
----------
MacKay, Bayesian interpolation (1992); Tipping, Sparse Bayesian learning and the relevance vector machine (2001).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.moments import Grouping, Moments
from fedcli.models.registry import (
    Estimator,
    Parameters,
    check_intercept,
    check_number,
    check_optional,
    check_whole,
    closed,
)
from fedcli.models.setting import Setting

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Hyper:
    """What both share: where the iterations stop, and the hyperpriors' shapes and rates."""

    max_iter: int
    tol: float
    alpha_1: float
    alpha_2: float
    lambda_1: float
    lambda_2: float
    fit_intercept: bool


@dataclass(frozen=True)
class BayesianRidge:
    """`sklearn.linear_model.BayesianRidge`.

    Parameters
    ----------
    hyper : Hyper
    alpha_init, lambda_init : float, optional
    """

    hyper: Hyper
    alpha_init: float | None
    lambda_init: float | None

    grouping: ClassVar[Grouping] = Grouping(target=True)
    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        hyper = self.hyper
        group = moments.group(centred=hyper.fit_intercept)
        gram, cross, whole = group.normal_equations
        about = moments.group()
        alpha = 1.0 / (about.products[-1, -1] / about.weight + _EPS) if self.alpha_init is None else self.alpha_init
        weight = 1.0 if self.lambda_init is None else self.lambda_init
        values, vectors = np.linalg.eigh(gram)
        values = np.maximum(values, 0.0)
        rotated = vectors.T @ cross

        def solved(alpha: float, weight: float) -> tuple[FloatArray, float]:
            coef = vectors @ (rotated / (values + weight / alpha))
            return coef, max(whole - 2 * float(coef @ cross) + float(coef @ gram @ coef), 0.0)

        previous = None
        for _ in range(hyper.max_iter):
            coef, squares = solved(alpha, weight)
            gamma = float((alpha * values / (weight + alpha * values)).sum())
            weight = (gamma + 2 * hyper.lambda_1) / (float(coef @ coef) + 2 * hyper.lambda_2)
            alpha = (group.weight - gamma + 2 * hyper.alpha_1) / (squares + 2 * hyper.alpha_2)
            if previous is not None and np.abs(previous - coef).sum() < hyper.tol:
                break
            previous = coef
        coef, _ = solved(alpha, weight)
        return {
            "coef": group.with_intercept(coef, fit_intercept=hyper.fit_intercept),
            "fitted.alpha": np.array([alpha]),
            "fitted.lambda": np.array([weight]),
            "fitted.sigma": (vectors / (alpha * values + weight)) @ vectors.T,
            "fitted.X_offset": group.mean[:-1] * hyper.fit_intercept,
        }


@dataclass(frozen=True)
class RelevanceDetermination:
    """`sklearn.linear_model.ARDRegression`.

    Parameters
    ----------
    hyper : Hyper
    threshold_lambda : float
    """

    hyper: Hyper
    threshold_lambda: float

    grouping: ClassVar[Grouping] = Grouping(target=True)
    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        hyper = self.hyper
        group = moments.group(centred=hyper.fit_intercept)
        gram, cross, whole = group.normal_equations
        about = group if hyper.fit_intercept else moments.group()
        # scikit-learn takes the variance of the target as it stands then: centred, or as it is.
        alpha = 1.0 / (about.products[-1, -1] / group.weight + _EPS)
        weights, coef = np.ones(len(gram)), np.zeros(len(gram))
        keep, previous = np.ones(len(gram), dtype=np.bool_), coef.copy()

        def sigma_of() -> FloatArray:
            return np.asarray(np.linalg.inv(np.diag(weights[keep]) + alpha * gram[np.ix_(keep, keep)]))

        for number in range(hyper.max_iter):
            sigma = sigma_of()
            coef[keep] = alpha * sigma @ cross[keep]
            squares = max(whole - 2 * float(coef @ cross) + float(coef @ gram @ coef), 0.0)
            gamma = 1.0 - weights[keep] * np.diagonal(sigma)
            weights[keep] = (gamma + 2 * hyper.lambda_1) / (coef[keep] ** 2 + 2 * hyper.lambda_2)
            alpha = (group.weight - gamma.sum() + 2 * hyper.alpha_1) / (squares + 2 * hyper.alpha_2)
            keep = weights < self.threshold_lambda
            coef[~keep] = 0.0
            if number > 0 and np.abs(previous - coef).sum() < hyper.tol:
                break
            previous = coef.copy()
            if not keep.any():
                break
        sigma = np.empty((0, 0))
        if keep.any():
            sigma = sigma_of()
            coef[keep] = alpha * sigma @ cross[keep]
        return {
            "coef": group.with_intercept(coef, fit_intercept=hyper.fit_intercept),
            "fitted.alpha": np.array([alpha]),
            "fitted.lambda": weights,
            "fitted.sigma": sigma,
            "fitted.X_offset": group.mean[:-1] * hyper.fit_intercept,
        }


def _hyper(params: Parameters) -> Hyper:
    names = ("max_iter", "tol", "alpha_1", "alpha_2", "lambda_1", "lambda_2", "fit_intercept")
    return Hyper(*(params[name] for name in names))


def _bayesian(setting: Setting, params: Parameters) -> BayesianRidge:
    return BayesianRidge(_hyper(params), params["alpha_init"], params["lambda_init"])


def _relevance(setting: Setting, params: Parameters) -> RelevanceDetermination:
    return RelevanceDetermination(_hyper(params), params["threshold_lambda"])


_DEFAULTS = {
    "max_iter": 300,
    "tol": 1e-3,
    "alpha_1": 1e-6,
    "alpha_2": 1e-6,
    "lambda_1": 1e-6,
    "lambda_2": 1e-6,
    "fit_intercept": True,
}
_CHECKS = {
    "max_iter": check_whole(1),
    "fit_intercept": check_intercept,
    **{name: check_number(least=0.0) for name in ("tol", "alpha_1", "alpha_2", "lambda_1", "lambda_2")},
}
_POSITIVE = check_optional(check_number(least=0.0, open_end=True))
ESTIMATORS = {
    "BayesianRidge": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={**_DEFAULTS, "alpha_init": None, "lambda_init": None},
        trips=(1, 1),
        build=closed(_bayesian),
        checks={**_CHECKS, "alpha_init": _POSITIVE, "lambda_init": _POSITIVE},
    ),
    "ARDRegression": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={**_DEFAULTS, "threshold_lambda": 1e4},
        trips=(1, 1),
        build=closed(_relevance),
        checks={**_CHECKS, "threshold_lambda": check_number(least=0.0)},
        weights=False,
    ),
}
