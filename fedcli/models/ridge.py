"""Ridge regression with its penalty chosen by cross-validation, and ridge for classes.

Owns their solution from pooled moments: scikit-learn's ``RidgeCV`` and ``RidgeClassifier``. Knows nothing of sums,
files or silos. Stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.classes import counted_classes
from fedcli.models.crossval import cross_validated
from fedcli.models.moments import Group, Grouping, Moments
from fedcli.models.registry import (
    Estimator,
    Parameters,
    check_intercept,
    check_list,
    check_number,
    check_one_of,
    closed,
)
from fedcli.models.setting import Setting
from fedcli.models.solve import solve_symmetric


def ridge(group: Group, alpha: float, *, fit_intercept: bool) -> FloatArray:
    """Return intercept and slopes (n_columns,) of a ridge on one group's moments, the target its last column."""
    gram, cross, _ = group.normal_equations
    slope, _ = solve_symmetric(gram + alpha * np.eye(len(gram)), cross)
    return group.with_intercept(slope, fit_intercept=fit_intercept)


@dataclass(frozen=True)
class CrossValidatedRidge:
    """`sklearn.linear_model.RidgeCV` with ``cv`` a `PredefinedSplit` of the agreed folds.

    Parameters
    ----------
    alphas : tuple of float
    fit_intercept : bool
    scoring : None, "r2" or "neg_mean_squared_error"
    folds : int
    """

    alphas: tuple[float, ...]
    fit_intercept: bool
    scoring: str | None
    folds: int

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: products by fold."""
        return Grouping(folds=self.folds, target=True)

    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`: the whole path of penalties, validated on every fold, from the same sums."""

        def path(train: Group) -> FloatArray:
            return np.array([ridge(train, alpha, fit_intercept=self.fit_intercept) for alpha in self.alphas])

        errors, r2 = cross_validated(moments, path, fit_intercept=self.fit_intercept)
        scores = -errors if self.scoring == "neg_mean_squared_error" else r2
        # An empty fold says nothing; scikit-learn never has one.
        mean = np.nanmean(scores, axis=0)
        best = int(np.argmax(mean))
        return {
            "coef": ridge(
                moments.group(centred=self.fit_intercept), self.alphas[best], fit_intercept=self.fit_intercept
            ),
            "fitted.alpha": np.array([self.alphas[best]]),
            "fitted.best_score": np.array([mean[best]]),
            "path.alphas": np.array(self.alphas),
            "path.scores": scores,
        }


@dataclass(frozen=True)
class RidgeForClasses:
    """`sklearn.linear_model.RidgeClassifier`: a ridge on 1 for the class and -1 for all others.

    Parameters
    ----------
    n_classes : int
    alpha : float
    fit_intercept : bool
    """

    n_classes: int
    alpha: float
    fit_intercept: bool

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: one set of products, and the sums of each class."""
        return Grouping(n_classes=self.n_classes)

    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        counts, means = counted_classes(moments)
        sums, whole = means * counts[:, None], moments.group(centred=self.fit_intercept)
        n = counts.sum()
        # Sum of the columns where the class is, less where it is not; and of the outcome itself.
        cross, total = 2 * sums - sums.sum(axis=0), 2 * counts - n
        if self.fit_intercept:
            cross = cross - np.outer(total / n, sums.sum(axis=0))
        slopes, _ = solve_symmetric(whole.products + self.alpha * np.eye(len(whole.products)), cross.T)
        intercept = total / n - slopes.T @ whole.mean if self.fit_intercept else np.zeros(self.n_classes)
        coef = np.hstack([intercept[:, None], slopes.T])
        return {"coef": coef[1] if self.n_classes == 2 else coef}


def _ridge_cv(setting: Setting, params: Parameters) -> CrossValidatedRidge:
    alphas = tuple(float(alpha) for alpha in params["alphas"])
    return CrossValidatedRidge(alphas, params["fit_intercept"], params["scoring"], setting.folds)


def _ridge_classifier(setting: Setting, params: Parameters) -> RidgeForClasses:
    return RidgeForClasses(setting.n_classes, float(params["alpha"]), params["fit_intercept"])


ESTIMATORS = {
    "RidgeCV": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"alphas": (0.1, 1.0, 10.0), "fit_intercept": True, "scoring": None},
        trips=(1, 1),
        build=closed(_ridge_cv),
        checks={
            "alphas": check_list(check_number(least=0.0)),
            "fit_intercept": check_intercept,
            "scoring": check_one_of(None, "r2", "neg_mean_squared_error"),
        },
        # scikit-learn validates without weights, which weighted sums cannot.
        weights=False,
        cv=True,
    ),
    "RidgeClassifier": Estimator(
        module="sklearn.linear_model",
        targets=("binary", "category"),
        defaults={"alpha": 1.0, "fit_intercept": True},
        trips=(1, 1),
        build=closed(_ridge_classifier),
        checks={"alpha": check_number(least=0.0), "fit_intercept": check_intercept},
    ),
}
