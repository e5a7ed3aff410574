"""Columns taken in one after the other: least angle regression and orthogonal matching pursuit, from pooled moments.

Owns scikit-learn's ``Lars`` and ``OrthogonalMatchingPursuit``. Knows nothing of sums, files or silos. Stable.

References
----------
Efron, Hastie, Johnstone, Tibshirani, Least angle regression (2004); Mallat, Zhang, Matching pursuits (1993).
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

_TINY = float(np.finfo(np.float32).tiny)
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class LeastAngle:
    """`sklearn.linear_model.Lars`.

    Parameters
    ----------
    n_nonzero_coefs : int
    fit_intercept : bool
    """

    n_nonzero_coefs: int
    fit_intercept: bool

    grouping: ClassVar[Grouping] = Grouping(target=True)
    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`: the whole path is a result too."""
        group = moments.group(centred=self.fit_intercept)
        gram, left = group.products[:-1, :-1], group.products[:-1, -1].copy()
        n = len(gram)
        most = min(self.n_nonzero_coefs, n)
        coef, path, alphas, active = np.zeros(n), [np.zeros(n)], [], list[int]()
        idle = [j for j in range(n) if gram[j, j] > 0]
        whole = np.abs(left).max(initial=0.0)
        while True:
            top = float(np.abs(left[idle]).max()) if idle else float(np.abs(left[active]).max(initial=0.0))
            alphas.append(top / group.weight)
            if len(active) >= most or not idle or top <= _EPS * whole * n:
                break
            entering = idle[int(np.argmax(np.abs(left[idle])))]
            idle.remove(entering)
            kept = gram[np.ix_([*active, entering], [*active, entering])]
            # A column that the active ones make up is dropped, as scikit-learn does.
            if np.linalg.eigvalsh(kept)[0] <= n * _EPS * kept.trace():
                alphas.pop()
                continue
            active.append(entering)
            signs = np.sign(left[active])
            direction = np.linalg.solve(kept, signs)
            pace = 1.0 / np.sqrt(float(direction @ signs))
            direction *= pace
            along = gram[:, active] @ direction
            step = top / pace
            if idle:
                others = along[idle]
                for distance in (
                    (top - left[idle]) / (pace - others + _TINY),
                    (top + left[idle]) / (pace + others + _TINY),
                ):
                    ahead = distance[distance > 0]
                    step = min(step, float(ahead.min())) if ahead.size else step
            coef[active] += step * direction
            left = left - step * along
            path.append(coef.copy())
        return {
            "coef": group.with_intercept(coef, fit_intercept=self.fit_intercept),
            "fitted.alphas": np.array(alphas),
            "fitted.coef_path": np.array(path).T,
            "fitted.active": np.array(active, dtype=np.float64),
        }


@dataclass(frozen=True)
class MatchingPursuit:
    """`sklearn.linear_model.OrthogonalMatchingPursuit`.

    Parameters
    ----------
    n_nonzero_coefs : int, optional
        A tenth of the columns without it.
    tol : float, optional
        Squared norm of the residual at which to stop; takes the place of ``n_nonzero_coefs``.
    fit_intercept : bool
    """

    n_nonzero_coefs: int | None
    tol: float | None
    fit_intercept: bool

    grouping: ClassVar[Grouping] = Grouping(target=True)
    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        group = moments.group(centred=self.fit_intercept)
        gram, cross, whole = group.normal_equations
        n = len(gram)
        wanted = max(int(0.1 * n), 1) if self.n_nonzero_coefs is None else self.n_nonzero_coefs
        most = n if self.tol is not None else min(wanted, n)
        active, coef = list[int](), np.zeros(n)
        while len(active) < most:
            left = cross - gram @ coef
            entering = int(np.argmax(np.abs(left)))
            kept = gram[np.ix_([*active, entering], [*active, entering])]
            if entering in active or np.linalg.eigvalsh(kept)[0] <= n * _EPS * kept.trace():
                break
            active.append(entering)
            coef = np.zeros(n)
            coef[active] = np.linalg.solve(kept, cross[active])
            if self.tol is not None and whole - float(coef @ cross) <= self.tol:
                break
        found = {"coef": group.with_intercept(coef, fit_intercept=self.fit_intercept)}
        return found if self.tol is not None else found | {"fitted.n_nonzero_coefs": np.array([float(wanted)])}


def _lars(setting: Setting, params: Parameters) -> LeastAngle:
    return LeastAngle(params["n_nonzero_coefs"], params["fit_intercept"])


def _pursuit(setting: Setting, params: Parameters) -> MatchingPursuit:
    return MatchingPursuit(params["n_nonzero_coefs"], params["tol"], params["fit_intercept"])


ESTIMATORS = {
    "Lars": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"n_nonzero_coefs": 500, "fit_intercept": True},
        trips=(1, 1),
        build=closed(_lars),
        checks={"n_nonzero_coefs": check_whole(1), "fit_intercept": check_intercept},
        weights=False,
        exact=1e-7,
    ),
    "OrthogonalMatchingPursuit": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"n_nonzero_coefs": None, "tol": None, "fit_intercept": True},
        trips=(1, 1),
        build=closed(_pursuit),
        checks={
            "n_nonzero_coefs": check_optional(check_whole(1)),
            "tol": check_optional(check_number(least=0.0)),
            "fit_intercept": check_intercept,
        },
        weights=False,
        exact=1e-7,
    ),
}
