"""Columns chosen by how much each says of the outcome alone: scikit-learn's ``SelectKBest``.

Owns the scores and their p-values from pooled sums. Knows nothing of sums at silos, files or silos. Stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.errors import ContradictoryStudy
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.classes import counted_classes
from fedcli.models.life_table import chi_squared_tail
from fedcli.models.moments import Grouping, Moments
from fedcli.models.registry import Estimator, Parameters, closed
from fedcli.models.setting import Setting
from fedcli.models.tails import f_tail

_LARGEST = float(np.finfo(np.float64).max)
_EPS = float(np.finfo(np.float64).eps)
_CLASSES, _AMOUNTS = ("binary", "category"), ("number", "count")
_TARGETS = {"f_classif": _CLASSES, "chi2": _CLASSES, "f_regression": _AMOUNTS}


@dataclass(frozen=True)
class Scores:
    """`sklearn.feature_selection.SelectKBest`.

    Parameters
    ----------
    score : str
        ``f_classif``, ``chi2`` or ``f_regression``.
    n_classes : int
    k : int, optional
        How many columns are kept; all of them without it.
    """

    score: str
    n_classes: int
    k: int | None

    linear = False

    @property
    def grouping(self) -> Grouping:
        """See `ClosedForm.grouping`: sums by class, and no product of two columns."""
        if self.score == "f_regression":
            return Grouping(target=True, squares=True)
        if self.score == "chi2":
            return Grouping(n_classes=self.n_classes, products=False)
        return Grouping(n_classes=self.n_classes, squares=True)

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`.

        A column of one value has score 0 and p 1, one that tells the outcome exactly the largest number and p 0, where
        scikit-learn may say NaN or infinity.
        """
        scores, pvalues = {"f_regression": self._slope, "chi2": self._counts, "f_classif": self._classes}[self.score](
            moments
        )
        return {"fitted.scores": scores, "fitted.pvalues": pvalues}

    def _slope(self, moments: Moments) -> tuple[FloatArray, FloatArray]:
        group = moments.group()
        squares, cross, whole = np.diagonal(group.products)[:-1], group.products[:-1, -1], group.products[-1, -1]
        explained = np.divide(cross**2, squares, out=np.zeros_like(cross), where=squares > 0)
        return _ratios(explained, whole - explained, 1.0, group.weight - 2.0, whole)

    def _classes(self, moments: Moments) -> tuple[FloatArray, FloatArray]:
        counts, means = counted_classes(moments)
        group = moments.group()
        whole = np.diagonal(group.products)
        between = counts @ (means - group.mean) ** 2
        return _ratios(between, whole - between, self.n_classes - 1.0, counts.sum() - self.n_classes, whole)

    def _counts(self, moments: Moments) -> tuple[FloatArray, FloatArray]:
        counts, means = counted_classes(moments)
        observed = means * counts[:, None]
        expected = np.outer(counts / counts.sum(), observed.sum(axis=0))
        parts = np.divide((observed - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
        scores = parts.sum(axis=0)
        return scores, np.array([chi_squared_tail(value, self.n_classes - 1) for value in scores.tolist()])


def _ratios(
    between: FloatArray, within: FloatArray, above: float, below: float, whole: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return F and its tail, of sums of squares of these degrees of freedom; ``whole`` is what both add up to."""
    tiny = 8.0 * _EPS * np.asarray(whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (between / above) / (within / below)
    found = np.where(within <= tiny, _LARGEST, found)
    found = np.where(between <= tiny * _EPS, 0.0, found)
    return found, np.array([0.0 if f >= _LARGEST else f_tail(f, above, below) for f in found.tolist()])


def _scores(setting: Setting, params: Parameters) -> Scores:
    score, k = params["score_func"], params["k"]
    if setting.target not in _TARGETS[score]:
        suits = next(name for name, targets in _TARGETS.items() if setting.target in targets)
        raise ContradictoryStudy(
            f"SelectKBest with {score} needs a target of type {' or '.join(_TARGETS[score])}, the study's is "
            f"{setting.target}",
            hint=f"write score_func: {suits} under model: params:",
        )
    if k != "all" and k > len(setting.names):
        raise ContradictoryStudy(
            f"SelectKBest is to keep {k} columns of {len(setting.names)}",
            hint="write a smaller k under model: params:, or k: all",
        )
    if score == "chi2":
        _check_counts(setting)
    return Scores(score, setting.n_classes, None if k == "all" else k)


def _check_counts(setting: Setting) -> None:
    if setting.standardize:
        raise ContradictoryStudy(
            "SelectKBest with chi2 counts columns as they are, and the study standardises them",
            hint="write standardize: false in study.yaml under model:",
        )
    below = [n for n, low in zip(setting.names, setting.lows, strict=True) if low < 0]
    if below:
        raise ContradictoryStudy(
            f"chi2 takes no values below 0, and the range of {', '.join(below)} begins below",
            hint="narrow the range, leave the column out, or write score_func: f_classif",
        )


def _check_score(value: Any) -> str:
    if value in ("mutual_info_classif", "mutual_info_regression"):
        return f"{value} looks for each row's nearest others, and rows never leave a silo: take an F or chi2"
    if value not in _TARGETS:
        return f"'{value}' is not one that fedcli computes: {', '.join(_TARGETS)}"
    return ""


def _check_k(value: Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return "" if whole or value == "all" else "must be a whole number, 1 or above, or all"


ESTIMATORS = {
    "SelectKBest": Estimator(
        module="sklearn.feature_selection",
        targets=(*_CLASSES, *_AMOUNTS),
        defaults={"score_func": "f_classif", "k": 10},
        trips=(1, 1),
        build=closed(_scores),
        checks={"score_func": _check_score, "k": _check_k},
        weights=False,
        advice="columns that are chosen by the rows that a model is then fitted on make it look better than it is: "
        "hold rows out before you choose, or take Lasso, which chooses and fits at once",
    ),
}
