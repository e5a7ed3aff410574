"""Covariance and its inverse, plain, sparse or shrunk, as in `sklearn.covariance`, and ``StandardScaler``.

Owns what they make of pooled moments. Knows nothing of sums, files or silos. Stable.

References
----------
Friedman, Hastie, Tibshirani, Sparse inverse covariance estimation with the graphical lasso (2008); Ledoit, Wolf, A
well-conditioned estimator for large-dimensional covariance matrices (2004); Chen, Wiesel, Eldar, Hero, Shrinkage
algorithms for MMSE covariance estimation (2010).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedcli.errors import ContradictoryStudy, NotConverged, SingularHessian
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.moments import Grouping, Moments
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number, check_share, closed
from fedcli.models.setting import Setting
from fedcli.models.sparse import elastic_net

_SWEEPS = 2_000
_GAP = 1e-12


@dataclass(frozen=True)
class Covariance:
    """`sklearn.covariance.EmpiricalCovariance`, and ``GraphicalLasso`` at its optimum.

    Parameters
    ----------
    alpha : float, optional
        Penalty on the inverse; none without it.
    assume_centered, store_precision : bool
    """

    alpha: float | None
    assume_centered: bool
    store_precision: bool = True

    grouping: ClassVar[Grouping] = Grouping()
    linear: ClassVar[bool] = False

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is said of a row: its squared distance from the middle."""
        return ("mahalanobis",)

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        group = moments.group(centred=not self.assume_centered)
        empirical = group.products / group.weight
        location = np.zeros(len(group.mean)) if self.assume_centered else group.mean
        found = {"fitted.location": location}
        if self.alpha is None:
            found["fitted.covariance"] = empirical
            if self.store_precision:
                found["fitted.precision"] = np.asarray(np.linalg.pinv(empirical, hermitian=True))
            return found
        covariance, precision = graphical_lasso(empirical, self.alpha)
        return found | {"fitted.covariance": covariance, "fitted.precision": precision}


def graphical_lasso(empirical: FloatArray, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Return covariance and sparse precision (n, n), the minimiser of ``-log det P + tr(S P) + alpha |P|_1``.

    The diagonal is not penalised.

    Parameters
    ----------
    empirical : ndarray of shape (n, n)
    alpha : float

    Raises
    ------
    NotConverged, SingularHessian
    """
    n = len(empirical)
    if n < 2 or alpha == 0:
        if np.linalg.matrix_rank(empirical, hermitian=True) < n:
            raise SingularHessian(
                "the covariance is singular: columns are constant or combinations of others",
                hint="leave such columns out, or set alpha above 0, in a new study",
            )
        return empirical, np.asarray(np.linalg.inv(empirical))
    covariance = 0.95 * empirical
    np.fill_diagonal(covariance, np.diagonal(empirical))
    precision = np.linalg.pinv(covariance, hermitian=True)
    for _ in range(_SWEEPS):
        for j in range(n):
            others = np.arange(n) != j
            inner = covariance[np.ix_(others, others)]
            start = -precision[others, j] / precision[j, j]
            coef = elastic_net(inner, empirical[j, others], alpha, 1.0, start, positive=False)
            along = inner @ coef
            precision[j, j] = 1.0 / (covariance[j, j] - float(covariance[others, j] @ coef))
            precision[others, j] = precision[j, others] = -precision[j, j] * coef
            covariance[others, j] = covariance[j, others] = along
        gap = float((empirical * precision).sum()) - n
        gap += alpha * float(np.abs(precision).sum() - np.abs(np.diagonal(precision)).sum())
        if abs(gap) <= _GAP * n:
            return covariance, np.asarray(precision)
    raise NotConverged(
        f"the graphical lasso at alpha {alpha:g} did not settle in {_SWEEPS:,} sweeps",
        hint="raise alpha, or leave columns out that are nearly copies, in a new study",
    )


@dataclass(frozen=True)
class Shrunk:
    """`sklearn.covariance.LedoitWolf`, ``OAS`` and ``ShrunkCovariance``: towards a multiple of the identity.

    Parameters
    ----------
    how : str or float
        ``ledoit_wolf``, ``oas``, or the agreed shrinkage.
    assume_centered, store_precision : bool
    """

    how: str | float
    assume_centered: bool
    store_precision: bool = True

    linear: ClassVar[bool] = False

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: Ledoit and Wolf ask how much a covariance varies, which is of fourth order."""
        return Grouping(fourth=self.how == "ledoit_wolf")

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is said of a row: its squared distance from the middle."""
        return ("mahalanobis",)

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        group = moments.group(centred=not self.assume_centered)
        empirical, n = group.products / group.weight, len(group.mean)
        middle = float(np.trace(empirical)) / n
        shrinkage = self.how if isinstance(self.how, float) else self._shrinkage(moments, empirical, group.weight)
        covariance = (1.0 - shrinkage) * empirical + shrinkage * middle * np.eye(n)
        found = {
            "fitted.location": np.zeros(n) if self.assume_centered else group.mean,
            "fitted.covariance": covariance,
        }
        if not isinstance(self.how, float):
            found["fitted.shrinkage"] = np.array([shrinkage])
        if self.store_precision:
            found["fitted.precision"] = np.asarray(np.linalg.pinv(covariance, hermitian=True))
        return found

    def _shrinkage(self, moments: Moments, empirical: FloatArray, rows: float) -> float:
        n = len(empirical)
        if n == 1:
            return 0.0
        squares, middle = float((empirical**2).sum()), float(np.trace(empirical)) / n
        if moments.fourth is None:
            found = squares / n**2 + middle**2
            among = (rows + 1.0) * (squares / n**2 - middle**2 / n)
            return 1.0 if among == 0 else min(found / among, 1.0)
        fourth = moments.fourth.squared_norms(centred=not self.assume_centered)
        spread = (fourth / rows - squares) / rows
        away = squares - n * middle**2
        return 0.0 if spread <= 0 else min(spread / away, 1.0) if away > 0 else 1.0


@dataclass(frozen=True)
class Scale:
    """`sklearn.preprocessing.StandardScaler`.

    Parameters
    ----------
    with_mean, with_std : bool
    """

    with_mean: bool
    with_std: bool

    grouping: ClassVar[Grouping] = Grouping(squares=True)
    linear: ClassVar[bool] = False

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        group = moments.group()
        found = {"fitted.n_samples_seen": np.array([group.weight])}
        if self.with_mean or self.with_std:
            found["fitted.mean"] = group.mean
        if self.with_std:
            variance = np.diagonal(group.products) / group.weight
            eps = np.finfo(np.float64).eps
            # scikit-learn's own rule for a constant column, which is divided by 1.
            constant = variance <= group.weight * eps * variance + (group.weight * group.mean * eps) ** 2
            found["fitted.var"] = variance
            found["fitted.scale"] = np.where(constant, 1.0, np.sqrt(variance))
        return found


def _empirical(setting: Setting, params: Parameters) -> Covariance:
    return Covariance(None, params["assume_centered"], params["store_precision"])


def _graphical(setting: Setting, params: Parameters) -> Covariance:
    return Covariance(float(params["alpha"]), params["assume_centered"])


def _shrunk(how: str) -> Callable[[Setting, Parameters], Shrunk]:
    """Return what builds one of the shrunk covariances."""

    def build(setting: Setting, params: Parameters) -> Shrunk:
        return Shrunk(
            float(params["shrinkage"]) if how == "agreed" else how, params["assume_centered"], params["store_precision"]
        )

    return build


def _entry(how: str, **more: Any) -> Estimator:
    return Estimator(
        module="sklearn.covariance",
        targets=("none",),
        defaults={"store_precision": True, "assume_centered": False, **more},
        trips=(1, 1),
        build=closed(_shrunk(how)),
        checks={
            "store_precision": check_intercept,
            "assume_centered": check_intercept,
            **({"shrinkage": check_share} if more else {}),
        },
        weights=False,
    )


def _scale(setting: Setting, params: Parameters) -> Scale:
    if setting.standardize:
        raise ContradictoryStudy(
            "StandardScaler would scale columns that the study has standardised already",
            hint="write standardize: false in study.yaml under model:",
        )
    return Scale(params["with_mean"], params["with_std"])


ESTIMATORS = {
    "EmpiricalCovariance": Estimator(
        module="sklearn.covariance",
        targets=("none",),
        defaults={"store_precision": True, "assume_centered": False},
        trips=(1, 1),
        build=closed(_empirical),
        checks={"store_precision": check_intercept, "assume_centered": check_intercept},
        weights=False,
    ),
    "GraphicalLasso": Estimator(
        module="sklearn.covariance",
        targets=("none",),
        defaults={"alpha": 0.01, "assume_centered": False},
        trips=(1, 1),
        build=closed(_graphical),
        checks={"alpha": check_number(least=0.0), "assume_centered": check_intercept},
        weights=False,
        tight={"tol": 1e-11, "enet_tol": 1e-14, "max_iter": 5000},
    ),
    "LedoitWolf": _entry("ledoit_wolf"),
    "OAS": _entry("oas"),
    "ShrunkCovariance": _entry("agreed", shrinkage=0.1),
    "StandardScaler": Estimator(
        module="sklearn.preprocessing",
        targets=("none",),
        defaults={"with_mean": True, "with_std": True},
        trips=(1, 1),
        build=closed(_scale),
        checks={"with_mean": check_intercept, "with_std": check_intercept},
        weights=False,
    ),
}
