"""Linear and quadratic discriminant analysis: scikit-learn's classes, from class sums and scatter matrices.

Owns their solution. Knows nothing of sums, files or silos. Stable. The formulas are those of the scikit-learn in the
lock; where an attribute is unique up to signs only, so it is here.

References
----------
Hastie, Tibshirani, Friedman, The Elements of Statistical Learning (2009), section 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedcli.errors import SingularHessian
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.classes import class_priors, counted_classes, scatter_within
from fedcli.models.moments import Grouping, Moments
from fedcli.models.registry import (
    Estimator,
    Parameters,
    check_intercept,
    check_number,
    check_one_of,
    check_optional,
    check_share,
    check_whole,
    closed,
)
from fedcli.models.setting import Setting


def shrunk(covariance: FloatArray, shrinkage: float | None) -> FloatArray:
    """Return the covariance (n, n) pulled towards a multiple of the identity, as `sklearn.covariance` does."""
    s = shrinkage or 0.0
    n = len(covariance)
    return np.asarray((1 - s) * covariance + s * np.trace(covariance) / n * np.eye(n))


@dataclass(frozen=True)
class LinearDiscriminant:
    """`sklearn.discriminant_analysis.LinearDiscriminantAnalysis`.

    Parameters
    ----------
    n_classes : int
    solver : "svd", "lsqr" or "eigen"
    shrinkage : float, optional
        Not with ``svd``.
    priors : tuple of float, optional
        In the study's order of classes.
    n_components : int, optional
    store_covariance : bool
    tol : float
    """

    n_classes: int
    solver: str
    shrinkage: float | None
    priors: tuple[float, ...] | None
    n_components: int | None
    store_covariance: bool
    tol: float

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: one scatter of all rows, and the sums of each class."""
        return Grouping(n_classes=self.n_classes)

    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        counts, means = counted_classes(moments)
        priors = class_priors(counts, self.priors)
        n = counts.sum()
        within = scatter_within(moments, counts, means) / n
        found = {"fitted.means": means, "fitted.priors": priors}
        if self.solver == "svd":
            coef, intercept, more = self._svd(within, means, priors, n)
            if self.store_covariance:
                more["fitted.covariance"] = within
        else:
            covariance = shrunk(within, self.shrinkage)
            found["fitted.covariance"] = covariance
            solve = self._lsqr if self.solver == "lsqr" else self._eigen
            total = moments.group().products / n
            coef, intercept, more = solve(covariance, shrunk(total, self.shrinkage), means, priors)
        if self.n_classes == 2:
            whole = np.append(intercept[1] - intercept[0], coef[1] - coef[0])
        else:
            whole = np.hstack([intercept[:, None], coef])
        return {**found, **more, "coef": whole}

    def _svd(
        self, within: FloatArray, means: FloatArray, priors: FloatArray, n: float
    ) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
        std = np.sqrt(np.diagonal(within))
        std = np.where(std == 0, 1.0, std)
        values, vectors = np.linalg.eigh(within / std[:, None] / std[None, :])
        # Singular values of the scaled rows, largest first.
        singular = np.sqrt(np.maximum(values[::-1], 0.0))
        rank = int((singular > self.tol).sum())
        scalings = vectors[:, ::-1][:, :rank] / std[:, None] / singular[:rank]
        xbar = priors @ means
        centres = (np.sqrt(n * priors / (self.n_classes - 1)) * (means - xbar).T).T @ scalings
        _, between, directions = np.linalg.svd(centres, full_matrices=False)
        kept = int((between > self.tol * between[0]).sum())
        scalings = scalings @ directions.T[:, :kept]
        projected = (means - xbar) @ scalings
        coef = projected @ scalings.T
        intercept = -0.5 * (projected**2).sum(axis=1) + np.log(priors) - xbar @ coef.T
        explained = (between**2 / (between**2).sum())[: self._components(len(within))]
        more = {"fitted.xbar": xbar, "fitted.scalings": scalings, "fitted.explained_variance_ratio": explained}
        return coef, np.asarray(intercept), more

    def _lsqr(
        self, within: FloatArray, total: FloatArray, means: FloatArray, priors: FloatArray
    ) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
        coef = np.linalg.lstsq(within, means.T, rcond=None)[0].T
        return np.asarray(coef), -0.5 * (means * coef).sum(axis=1) + np.log(priors), {}

    def _eigen(
        self, within: FloatArray, total: FloatArray, means: FloatArray, priors: FloatArray
    ) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
        try:
            root = np.linalg.cholesky(within)
        except np.linalg.LinAlgError as exc:
            raise SingularHessian(
                "the covariance within classes is singular: columns are constant or combinations of others",
                hint="leave such columns out, set shrinkage, or write solver: svd, in a new study",
            ) from exc
        inner = np.linalg.solve(root, np.linalg.solve(root, total - within).T)
        values, vectors = np.linalg.eigh((inner + inner.T) / 2)
        vectors = np.linalg.solve(root.T, vectors[:, ::-1])
        coef = means @ vectors @ vectors.T
        explained = np.sort(values / values.sum())[::-1][: self._components(len(within))]
        more = {"fitted.scalings": vectors, "fitted.explained_variance_ratio": explained}
        return coef, -0.5 * (means * coef).sum(axis=1) + np.log(priors), more

    def _components(self, n_columns: int) -> int:
        most = min(self.n_classes - 1, n_columns)
        return most if self.n_components is None else min(self.n_components, most)


@dataclass(frozen=True)
class QuadraticDiscriminant:
    """`sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis`.

    Parameters
    ----------
    n_classes : int
    solver : "svd" or "eigen"
    reg_param : float
        With ``svd``.
    shrinkage : float, optional
        With ``eigen``.
    priors : tuple of float, optional
    store_covariance : bool
    tol : float
    """

    n_classes: int
    solver: str
    reg_param: float
    shrinkage: float | None
    priors: tuple[float, ...] | None
    store_covariance: bool
    tol: float

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: the scatter of each class."""
        return Grouping(n_classes=self.n_classes, by_class=True)

    linear: ClassVar[bool] = False

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`.

        Raises
        ------
        SingularHessian
            A class's covariance is not of full rank.
        """
        counts, means = counted_classes(moments)
        found = {"fitted.means": means, "fitted.priors": class_priors(counts, self.priors)}
        for kind in range(self.n_classes):
            covariance = moments.group(classes=[kind]).products / counts[kind]
            if self.solver == "eigen":
                covariance = shrunk(covariance, self.shrinkage)
            values, vectors = np.linalg.eigh(covariance)
            scaling, rotation = values[::-1], vectors[:, ::-1]
            if self.solver == "svd":
                scaling = (1 - self.reg_param) * scaling + self.reg_param
            if (scaling <= self.tol).any():
                way = "shrinkage" if self.solver == "eigen" else "reg_param"
                raise SingularHessian(
                    f"the covariance of class {kind + 1} of {self.n_classes} is not of full rank: it has too few rows, "
                    "or columns that are constant there",
                    hint=f"leave such columns out, or raise {way} under model: params:, in a new study",
                )
            found[f"fitted.scalings.{kind}"], found[f"fitted.rotations.{kind}"] = scaling, rotation
            if self.store_covariance:
                found[f"fitted.covariance.{kind}"] = (rotation * scaling) @ rotation.T
        return found


def _linear(setting: Setting, params: Parameters) -> LinearDiscriminant:
    names = ("solver", "shrinkage", "priors", "n_components", "store_covariance", "tol")
    return LinearDiscriminant(setting.n_classes, *(params[name] for name in names))


def _quadratic(setting: Setting, params: Parameters) -> QuadraticDiscriminant:
    names = ("solver", "reg_param", "shrinkage", "priors", "store_covariance", "tol")
    return QuadraticDiscriminant(setting.n_classes, *(params[name] for name in names))


_CHECKS = {
    "shrinkage": check_optional(check_share),
    "store_covariance": check_intercept,
    "tol": check_number(least=0.0),
}
ESTIMATORS = {
    "LinearDiscriminantAnalysis": Estimator(
        module="sklearn.discriminant_analysis",
        targets=("binary", "category"),
        defaults={
            "solver": "svd",
            "shrinkage": None,
            "priors": None,
            "n_components": None,
            "store_covariance": False,
            "tol": 1e-4,
        },
        trips=(1, 1),
        build=closed(_linear),
        checks={
            **_CHECKS,
            "solver": check_one_of("svd", "lsqr", "eigen"),
            "n_components": check_optional(check_whole(1)),
        },
        conflicts=lambda p: "shrinkage is not for solver svd" if p["solver"] == "svd" and p["shrinkage"] else "",
        by_class=frozenset({"means", "priors"}),
        up_to_sign=frozenset({"scalings"}),
        weights=False,
        probabilities=True,
    ),
    "QuadraticDiscriminantAnalysis": Estimator(
        module="sklearn.discriminant_analysis",
        targets=("binary", "category"),
        defaults={
            "solver": "svd",
            "reg_param": 0.0,
            "shrinkage": None,
            "priors": None,
            "store_covariance": False,
            "tol": 1e-4,
        },
        trips=(1, 1),
        build=closed(_quadratic),
        checks={**_CHECKS, "solver": check_one_of("svd", "eigen"), "reg_param": check_share},
        conflicts=lambda p: "shrinkage is not for solver svd" if p["solver"] == "svd" and p["shrinkage"] else "",
        by_class=frozenset({"means", "priors", "scalings", "rotations", "covariance"}),
        up_to_sign=frozenset({"rotations"}),
        weights=False,
        probabilities=True,
    ),
}
