"""Lasso and elastic net, at one penalty or along a path chosen by cross-validation, from pooled moments.

Owns the minimisation and scikit-learn's ``Lasso``, ``ElasticNet``, ``LassoCV`` and ``ElasticNetCV``. Knows nothing of
sums, files or silos. Stable.

References
----------
Friedman, Hastie, Tibshirani, Regularization paths for generalized linear models via coordinate descent (2010).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedcli.errors import NotConverged
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.coordinate_descent import minimum_with_l1
from fedcli.models.crossval import cross_validated
from fedcli.models.moments import Group, Grouping, Moments
from fedcli.models.registry import (
    Estimator,
    Parameters,
    check_intercept,
    check_list,
    check_number,
    check_share,
    check_whole,
    closed,
)
from fedcli.models.setting import Setting


def elastic_net(
    gram: FloatArray, cross: FloatArray, alpha: float, l1_ratio: float, start: FloatArray, *, positive: bool
) -> FloatArray:
    """Minimise ``w' gram w / 2 - cross' w + alpha l1_ratio |w|_1 + alpha (1 - l1_ratio) |w|_2^2 / 2``.

    Parameters
    ----------
    gram : ndarray of shape (n, n)
        Products of the columns per unit of weight.
    cross : ndarray of shape (n,)
        The same with the target.
    alpha, l1_ratio : float
        As scikit-learn's.
    start : ndarray of shape (n,)
        A neighbour on the path.
    positive : bool
        Whether no coefficient may be below 0.

    Raises
    ------
    NotConverged
    """
    matrix = gram + alpha * (1.0 - l1_ratio) * np.eye(len(gram))
    found = minimum_with_l1(matrix, cross, np.full(len(cross), alpha * l1_ratio), start, positive=positive)
    if found is None:
        raise NotConverged(
            f"the elastic net at alpha {alpha:g} did not settle: columns are nearly copies",
            hint="leave such columns out, raise alpha, or lower l1_ratio, in a new study",
        )
    return found


@dataclass(frozen=True)
class _Net:
    """What both share."""

    fit_intercept: bool
    positive: bool

    def path(self, group: Group, alphas: Sequence[float], l1_ratio: float) -> FloatArray:
        """Return intercept and slopes (n_alphas, n_columns) at each penalty, the largest first."""
        gram, cross, _ = group.normal_equations
        gram, cross = gram / group.weight, cross / group.weight
        w, found = np.zeros(len(gram)), []
        for alpha in alphas:
            w = elastic_net(gram, cross, alpha, l1_ratio, w, positive=self.positive)
            found.append(group.with_intercept(w, fit_intercept=self.fit_intercept))
        return np.array(found)


@dataclass(frozen=True)
class ElasticNet:
    """`sklearn.linear_model.Lasso` and ``ElasticNet``.

    Parameters
    ----------
    alpha, l1_ratio : float
    fit_intercept, positive : bool
    """

    alpha: float
    l1_ratio: float
    fit_intercept: bool
    positive: bool

    grouping: ClassVar[Grouping] = Grouping(target=True)
    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        group = moments.group(centred=self.fit_intercept)
        return {"coef": _Net(self.fit_intercept, self.positive).path(group, [self.alpha], self.l1_ratio)[0]}


@dataclass(frozen=True)
class CrossValidatedNet:
    """`sklearn.linear_model.LassoCV` and ``ElasticNetCV``, ``cv`` a `PredefinedSplit` of the agreed folds.

    Parameters
    ----------
    alphas : int or tuple of float
        How many, or which.
    eps : float
        The smallest of a path of so many, as a share of the largest.
    l1_ratios : tuple of float
    fit_intercept, positive : bool
    folds : int
    names_ratio : bool
        Whether the ratio is a result: ``ElasticNetCV``'s ``l1_ratio_``.
    """

    alphas: int | tuple[float, ...]
    eps: float
    l1_ratios: tuple[float, ...]
    fit_intercept: bool
    positive: bool
    folds: int
    names_ratio: bool

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: products by fold."""
        return Grouping(folds=self.folds, target=True)

    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`: every penalty on every fold, from the same sums."""
        net = _Net(self.fit_intercept, self.positive)
        whole = moments.group(centred=self.fit_intercept)
        grids = [self._grid(whole, ratio) for ratio in self.l1_ratios]
        errors = []
        for ratio, grid in zip(self.l1_ratios, grids, strict=True):

            def path(train: Group, grid: FloatArray = grid, ratio: float = ratio) -> FloatArray:
                return net.path(train, grid.tolist(), ratio)

            errors.append(cross_validated(moments, path, fit_intercept=self.fit_intercept)[0])
        mean = np.nanmean(np.array(errors), axis=1)
        best, at = np.unravel_index(int(np.argmin(mean)), mean.shape)
        alpha, ratio = float(grids[best][at]), self.l1_ratios[best]
        found = {
            "coef": net.path(whole, [alpha], ratio)[0],
            "fitted.alpha": np.array([alpha]),
            "fitted.alphas": grids[0] if len(grids) == 1 or not isinstance(self.alphas, int) else np.array(grids),
            "fitted.mse_path": np.squeeze(np.moveaxis(np.array(errors), 2, 1)),
        }
        return found | ({"fitted.l1_ratio": np.array([ratio])} if self.names_ratio else {})

    def _grid(self, whole: Group, l1_ratio: float) -> FloatArray:
        if not isinstance(self.alphas, int):
            return np.sort(np.array(self.alphas))[::-1]
        _, cross, _ = whole.normal_equations
        top = float(np.max(cross if self.positive else np.abs(cross), initial=0.0)) / (whole.weight * l1_ratio)
        smallest = float(np.finfo(np.float64).resolution)
        if top <= smallest:
            return np.full(self.alphas, smallest)
        return np.geomspace(top, top * self.eps, num=self.alphas)


def _lasso(setting: Setting, params: Parameters) -> ElasticNet:
    return ElasticNet(float(params["alpha"]), 1.0, params["fit_intercept"], params["positive"])


def _elastic_net(setting: Setting, params: Parameters) -> ElasticNet:
    names = ("alpha", "l1_ratio", "fit_intercept", "positive")
    return ElasticNet(*(params[name] for name in names))


def _cross_validated(setting: Setting, params: Parameters) -> CrossValidatedNet:
    ratios = params.get("l1_ratio", 1.0)
    return CrossValidatedNet(
        alphas=params["alphas"],
        eps=params["eps"],
        l1_ratios=ratios if isinstance(ratios, tuple) else (float(ratios),),
        fit_intercept=params["fit_intercept"],
        positive=params["positive"],
        folds=setting.folds,
        names_ratio="l1_ratio" in params,
    )


def _check_alphas(value: object) -> str:
    if isinstance(value, tuple):
        return check_list(check_number(least=0.0, open_end=True))(value)
    return check_whole(1)(value) and "must be a whole number of penalties, or a list of them"


def _check_ratios(value: object) -> str:
    above = check_number(least=0.0, open_end=True)
    each = value if isinstance(value, tuple) else (value,)
    return next((wrong for v in each if (wrong := check_share(v) or above(v))), "")


_SWITCHES = {"fit_intercept": check_intercept, "positive": check_intercept}
# The smallest penalty at which a lasso is one.
_ALPHA = check_number(least=0.0, open_end=True)
_TIGHT = {"tol": 1e-13, "max_iter": 1_000_000}
_PATH = {"eps": 1e-3, "alphas": 100, "fit_intercept": True, "positive": False}
_PATH_CHECKS = {**_SWITCHES, "eps": _ALPHA, "alphas": _check_alphas}
ESTIMATORS = {
    "Lasso": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"alpha": 1.0, "fit_intercept": True, "positive": False},
        trips=(1, 1),
        build=closed(_lasso),
        checks={**_SWITCHES, "alpha": _ALPHA},
        exact=1e-7,
        tight=_TIGHT,
    ),
    "ElasticNet": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"alpha": 1.0, "l1_ratio": 0.5, "fit_intercept": True, "positive": False},
        trips=(1, 1),
        build=closed(_elastic_net),
        checks={**_SWITCHES, "alpha": _ALPHA, "l1_ratio": check_share},
        exact=1e-7,
        tight=_TIGHT,
    ),
    "LassoCV": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults=_PATH,
        trips=(1, 1),
        build=closed(_cross_validated),
        checks=_PATH_CHECKS,
        cv=True,
        exact=1e-7,
        tight=_TIGHT,
    ),
    "ElasticNetCV": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={**_PATH, "l1_ratio": 0.5},
        trips=(1, 1),
        build=closed(_cross_validated),
        checks={**_PATH_CHECKS, "l1_ratio": _check_ratios},
        cv=True,
        exact=1e-7,
        tight=_TIGHT,
    ),
}
