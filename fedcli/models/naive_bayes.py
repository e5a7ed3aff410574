"""Naive Bayes and nearest centroids: scikit-learn's classes, from sums and counts by class.

Owns what they make of pooled sums. Knows nothing of sums at silos or files. Stable. Counts of whole numbers are exact:
the sums are rounded to the whole numbers that they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedcli.errors import ContradictoryStudy
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
    closed,
)
from fedcli.models.setting import Setting


@dataclass(frozen=True)
class GaussianBayes:
    """`sklearn.naive_bayes.GaussianNB`.

    Parameters
    ----------
    n_classes : int
    priors : tuple of float, optional
    var_smoothing : float
    """

    n_classes: int
    priors: tuple[float, ...] | None
    var_smoothing: float

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: each class's own squares; no variance needs a product of two columns."""
        return Grouping(n_classes=self.n_classes, by_class=True, squares=True)

    linear: ClassVar[bool] = False

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        counts, means = counted_classes(moments)
        whole = moments.group()
        epsilon = self.var_smoothing * float((np.diagonal(whole.products) / whole.weight).max(initial=0.0))
        spread = [np.diagonal(moments.group(classes=[kind]).products) / counts[kind] for kind in range(self.n_classes)]
        return {
            "fitted.theta": means,
            "fitted.var": np.array(spread) + epsilon,
            "fitted.class_count": counts,
            "fitted.class_prior": class_priors(counts, self.priors),
            "fitted.epsilon": np.array([epsilon]),
        }


@dataclass(frozen=True)
class Centroids:
    """`sklearn.neighbors.NearestCentroid` with the Euclidean distance.

    Parameters
    ----------
    n_classes : int
    shrink_threshold : float, optional
    priors : "uniform", "empirical" or tuple of float
    """

    n_classes: int
    shrink_threshold: float | None
    priors: str | tuple[float, ...]

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`."""
        return Grouping(n_classes=self.n_classes)

    linear: ClassVar[bool] = False

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        counts, means = counted_classes(moments)
        n = counts.sum()
        within = np.sqrt(np.diagonal(scatter_within(moments, counts, means)) / (n - self.n_classes))
        centre = moments.group().mean
        away = np.sqrt(1.0 / counts - 1.0 / n)[:, None] * (within + np.median(within))
        with np.errstate(divide="ignore", invalid="ignore"):
            deviations = (means - centre) / away
        centroids = means
        if self.shrink_threshold:
            deviations = np.sign(deviations) * np.maximum(np.abs(deviations) - self.shrink_threshold, 0.0)
            centroids = centre + away * deviations
        if self.priors == "uniform":
            priors = np.full(self.n_classes, 1.0 / self.n_classes)
        else:
            priors = class_priors(counts, None if isinstance(self.priors, str) else self.priors)
        return {
            "fitted.centroids": centroids,
            "fitted.within_class_std_dev": within,
            "fitted.deviations": np.where(np.isfinite(deviations), deviations, 0.0),
            "fitted.class_prior": priors,
        }


@dataclass(frozen=True)
class CountingBayes:
    """`sklearn.naive_bayes.MultinomialNB`, ``ComplementNB``, ``BernoulliNB`` and ``CategoricalNB``.

    Parameters
    ----------
    kind : str
        ``multinomial``, ``complement``, ``bernoulli`` or ``categorical``.
    n_classes : int
    alpha : float
    fit_prior : bool
    class_prior : tuple of float, optional
    norm : bool
        Of the complement.
    whole : bool
        Whether all sums are of whole numbers.
    levels : tuple of int
        How many each category has, in the design's order.
    """

    kind: str
    n_classes: int
    alpha: float
    fit_prior: bool
    class_prior: tuple[float, ...] | None
    norm: bool
    whole: bool
    levels: tuple[int, ...]

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: sums of the columns by class, no products."""
        return Grouping(n_classes=self.n_classes, products=False)

    linear: ClassVar[bool] = False

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        counts, means = counted_classes(moments)
        sums = means * counts[:, None]
        if self.whole:
            counts, sums = np.round(counts), np.round(sums)
        found = {"fitted.class_count": counts, "fitted.class_log_prior": self._log_prior(counts)}
        if self.kind == "categorical":
            at = 0
            for number, n_levels in enumerate(self.levels):
                others = sums[:, at : at + n_levels - 1]
                cells = np.hstack([(counts - others.sum(axis=1))[:, None], others])
                found[f"fitted.category_count.{number}"] = cells
                found[f"fitted.feature_log_prob.{number}"] = _log_shares(cells + self.alpha)
                at += n_levels - 1
            return found
        found["fitted.feature_count"] = sums
        if self.kind == "bernoulli":
            found["fitted.feature_log_prob"] = np.log(sums + self.alpha) - np.log(counts + 2 * self.alpha)[:, None]
        elif self.kind == "multinomial":
            found["fitted.feature_log_prob"] = _log_shares(sums + self.alpha)
        else:
            whole = sums.sum(axis=0)
            logged = _log_shares(whole + self.alpha - sums)
            found["fitted.feature_all"] = whole
            found["fitted.feature_log_prob"] = logged / logged.sum(axis=1, keepdims=True) if self.norm else -logged
        return found

    def _log_prior(self, counts: FloatArray) -> FloatArray:
        if self.class_prior is not None:
            return np.log(np.array(self.class_prior, dtype=np.float64))
        if self.fit_prior:
            return np.asarray(np.log(counts) - np.log(counts.sum()))
        return np.full(self.n_classes, -np.log(self.n_classes))


def _log_shares(counts: FloatArray) -> FloatArray:
    return np.asarray(np.log(counts) - np.log(counts.sum(axis=1, keepdims=True)))


def _gaussian(setting: Setting, params: Parameters) -> GaussianBayes:
    return GaussianBayes(setting.n_classes, params["priors"], params["var_smoothing"])


def _centroids(setting: Setting, params: Parameters) -> Centroids:
    return Centroids(setting.n_classes, params["shrink_threshold"], params["priors"])


def _counting(kind: str) -> Any:
    """Return what builds one of the counting classes, and refuses columns that it cannot count."""

    def build(setting: Setting, params: Parameters) -> CountingBayes:
        _check_columns(kind, setting)
        return CountingBayes(
            kind=kind,
            n_classes=setting.n_classes,
            alpha=float(params["alpha"]),
            fit_prior=params["fit_prior"],
            class_prior=params["class_prior"],
            norm=params.get("norm", False),
            whole=not setting.weighted and all(kind != "number" for kind in setting.kinds),
            levels=setting.levels,
        )

    return build


def _check_columns(kind: str, setting: Setting) -> None:
    name = f"{kind.capitalize()}NB"
    if kind in ("multinomial", "complement"):
        if setting.standardize:
            raise ContradictoryStudy(
                f"{name} counts columns as they are, and the study standardises them",
                hint="write standardize: false in study.yaml under model:",
            )
        below = [n for n, low in zip(setting.names, setting.lows, strict=True) if low < 0]
        if below:
            raise ContradictoryStudy(
                f"{name} takes no values below 0, and the range of {', '.join(below)} begins below",
                hint="narrow the range, leave the column out, or name GaussianNB",
            )
        return
    odd = [n for n, of in zip(setting.names, setting.kinds, strict=True) if of not in ("level", "flag")]
    if kind == "categorical":
        odd = [n for n, of in zip(setting.names, setting.kinds, strict=True) if of != "level"]
    if odd:
        raise ContradictoryStudy(
            f"{name} takes categories alone, and {', '.join(odd[:4])} {'is' if len(odd) == 1 else 'are'} none",
            hint="make levels of it (type: category), leave it out, or name GaussianNB or MultinomialNB",
        )


_CLASSES = ("binary", "category")
_COUNTING = {"alpha": 1.0, "fit_prior": True, "class_prior": None}
_COUNTING_CHECKS = {"alpha": check_number(least=0.0, open_end=True), "fit_prior": check_intercept}
_BY_CLASS = frozenset(
    {
        *("class_count", "class_log_prior", "class_prior", "feature_count", "feature_log_prob", "category_count"),
        *("theta", "var"),
    }
)


def _entry(kind: str, **more: Any) -> Estimator:
    return Estimator(
        module="sklearn.naive_bayes",
        targets=_CLASSES,
        defaults={**_COUNTING, **more.pop("defaults", {})},
        trips=(1, 1),
        build=closed(_counting(kind)),
        checks={**_COUNTING_CHECKS, **more.pop("checks", {})},
        by_class=_BY_CLASS,
        probabilities=True,
        **more,
    )


ESTIMATORS = {
    "GaussianNB": Estimator(
        module="sklearn.naive_bayes",
        targets=_CLASSES,
        defaults={"priors": None, "var_smoothing": 1e-9},
        trips=(1, 1),
        build=closed(_gaussian),
        checks={"var_smoothing": check_number(least=0.0)},
        by_class=_BY_CLASS,
        # scikit-learn smooths by the unweighted variance, which weighted sums do not hold.
        weights=False,
        probabilities=True,
    ),
    "NearestCentroid": Estimator(
        module="sklearn.neighbors",
        targets=_CLASSES,
        defaults={"metric": "euclidean", "shrink_threshold": None, "priors": "uniform"},
        trips=(1, 1),
        build=closed(_centroids),
        checks={
            "metric": check_one_of("euclidean"),
            "shrink_threshold": check_optional(check_number(least=0.0, open_end=True)),
        },
        by_class=frozenset({"centroids", "deviations", "class_prior"}),
        weights=False,
        probabilities=True,
    ),
    "MultinomialNB": _entry("multinomial"),
    "ComplementNB": _entry("complement", defaults={"norm": False}, checks={"norm": check_intercept}),
    "BernoulliNB": _entry("bernoulli"),
    "CategoricalNB": _entry("categorical", ordinal=True),
}
