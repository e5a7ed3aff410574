"""Directions and factors of the columns: scikit-learn's ``PCA``, ``TruncatedSVD`` and ``FactorAnalysis``.

Owns what they make of pooled moments. Knows nothing of sums, files or silos. Stable. Directions are unique up to their
signs; each is turned so that its largest entry is positive.

References
----------
Barber, Bayesian Reasoning and Machine Learning (2012), algorithm 21.1 (factor analysis by its singular values).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedcli.errors import NotConverged
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.moments import Grouping, Moments
from fedcli.models.registry import (
    Estimator,
    Parameters,
    check_intercept,
    check_number,
    check_one_of,
    check_optional,
    check_whole,
    closed,
)
from fedcli.models.setting import Setting

_SMALL = 1e-12


def directions(products: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues (n,) of a scatter, largest first and none below 0, and the directions (n, n) as rows."""
    values, vectors = np.linalg.eigh(products)
    rows = vectors[:, ::-1].T
    largest = rows[np.arange(len(rows)), np.argmax(np.abs(rows), axis=1)]
    return np.maximum(values[::-1], 0.0), np.asarray(rows * np.where(largest < 0, -1.0, 1.0)[:, None])


@dataclass(frozen=True)
class Principal:
    """`sklearn.decomposition.PCA`, whichever of its solvers.

    Parameters
    ----------
    n_components : int or float, optional
        How many; or the share of the variance that they must explain, below 1. All of them without it.
    """

    n_components: int | float | None

    grouping: ClassVar[Grouping] = Grouping()
    linear: ClassVar[bool] = False

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return what the columns that it makes of a row are called."""
        n = self.n_components if isinstance(self.n_components, int) else len(names)
        return tuple(f"pca{k}" for k in range(n))

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        group = moments.group()
        n_rows, n = group.weight, len(group.mean)
        squares, rows = directions(group.products)
        variance = squares / (n_rows - 1)
        share = variance / variance.sum()
        if self.n_components is None:
            kept = int(min(n, n_rows))
        elif isinstance(self.n_components, int):
            kept = self.n_components
        else:
            kept = int(np.searchsorted(np.cumsum(share), self.n_components, side="right")) + 1
        kept = min(kept, n)
        most = int(min(n, n_rows))
        return {
            "fitted.components": rows[:kept],
            "fitted.explained_variance": variance[:kept],
            "fitted.explained_variance_ratio": share[:kept],
            "fitted.singular_values": np.sqrt(squares[:kept]),
            "fitted.mean": group.mean,
            "fitted.n_components": np.array([float(kept)]),
            "fitted.noise_variance": np.array([variance[kept:most].mean() if kept < most else 0.0]),
        }


@dataclass(frozen=True)
class Truncated:
    """`sklearn.decomposition.TruncatedSVD`, run to its end.

    Parameters
    ----------
    n_components : int
    """

    n_components: int

    grouping: ClassVar[Grouping] = Grouping()
    linear: ClassVar[bool] = False

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return what the columns that it makes of a row are called."""
        return tuple(f"truncatedsvd{k}" for k in range(self.n_components))

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`."""
        squares, rows = directions(moments.group(centred=False).products)
        group, rows = moments.group(), rows[: self.n_components]
        variance = np.einsum("ij,jk,ik->i", rows, group.products, rows) / group.weight
        return {
            "fitted.components": rows,
            "fitted.explained_variance": variance,
            "fitted.explained_variance_ratio": variance / (np.trace(group.products) / group.weight),
            "fitted.singular_values": np.sqrt(squares[: self.n_components]),
        }


@dataclass(frozen=True)
class Factors:
    """`sklearn.decomposition.FactorAnalysis` with exact singular values.

    Parameters
    ----------
    n_components : int, optional
        As many as columns without it.
    tol : float
    max_iter : int
    """

    n_components: int | None
    tol: float
    max_iter: int

    grouping: ClassVar[Grouping] = Grouping()
    linear: ClassVar[bool] = False

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return what the columns that it makes of a row are called."""
        return tuple(f"factoranalysis{k}" for k in range(self.n_components or len(names)))

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`: scikit-learn's own iterations, which end at its tolerance.

        Raises
        ------
        NotConverged
        """
        group = moments.group()
        covariance, n_rows, n = group.products / group.weight, group.weight, len(group.mean)
        kept = n if self.n_components is None else min(self.n_components, n)
        variance, psi, before = np.diagonal(covariance), np.ones(n), -np.inf
        constant, likelihoods = n * np.log(2.0 * np.pi) + kept, list[float]()
        for _ in range(self.max_iter):
            root = np.sqrt(psi) + _SMALL
            values, rows = directions(covariance / root[:, None] / root[None, :])
            loadings = np.sqrt(np.maximum(values[:kept] - 1.0, 0.0))[:, None] * rows[:kept] * root
            with np.errstate(divide="ignore"):
                fit = constant + np.log(values[:kept]).sum() + values[kept:].sum() + np.log(psi).sum()
            likelihoods.append(float(-n_rows / 2.0 * fit))
            if likelihoods[-1] - before < self.tol:
                break
            before = likelihoods[-1]
            psi = np.maximum(variance - (loadings**2).sum(axis=0), _SMALL)
        else:
            raise NotConverged(
                f"factor analysis did not settle in {self.max_iter:,} steps",
                hint="raise max_iter or tol under model: params:, in a new study",
            )
        return {
            "fitted.components": loadings,
            "fitted.noise_variance": psi,
            "fitted.loglike": np.array(likelihoods),
            "fitted.mean": group.mean,
        }


def _check_components(value: object) -> str:
    if isinstance(value, float):
        return "" if 0 < value < 1 else "must be a whole number, or a share of the variance between 0 and 1"
    return check_whole(1)(value)


def _principal(setting: Setting, params: Parameters) -> Principal:
    return Principal(params["n_components"])


def _truncated(setting: Setting, params: Parameters) -> Truncated:
    return Truncated(params["n_components"])


def _factors(setting: Setting, params: Parameters) -> Factors:
    return Factors(params["n_components"], params["tol"], params["max_iter"])


ESTIMATORS = {
    "PCA": Estimator(
        module="sklearn.decomposition",
        targets=("none",),
        defaults={"n_components": None, "whiten": False},
        trips=(1, 1),
        build=closed(_principal),
        checks={"n_components": check_optional(_check_components), "whiten": check_intercept},
        up_to_sign=frozenset({"components"}),
        weights=False,
        tight={"svd_solver": "full"},
    ),
    "TruncatedSVD": Estimator(
        module="sklearn.decomposition",
        targets=("none",),
        defaults={"n_components": 2, "algorithm": "arpack"},
        trips=(1, 1),
        build=closed(_truncated),
        checks={"n_components": check_whole(1), "algorithm": check_one_of("arpack", "randomized")},
        up_to_sign=frozenset({"components"}),
        weights=False,
        tight={"algorithm": "arpack"},
    ),
    "FactorAnalysis": Estimator(
        module="sklearn.decomposition",
        targets=("none",),
        defaults={"n_components": None, "tol": 1e-2, "max_iter": 1000},
        trips=(1, 1),
        build=closed(_factors),
        checks={
            "n_components": check_optional(check_whole(1)),
            "tol": check_number(least=0.0, open_end=True),
            "max_iter": check_whole(1),
        },
        up_to_sign=frozenset({"components"}),
        weights=False,
        tight={"svd_method": "lapack"},
    ),
}
