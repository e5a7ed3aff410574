"""The log-loss of several classes: one linear predictor for each, of which only differences count.

Owns the loss, and how a point's predictors and curvature are those of classes. Knows nothing of silos, penalties,
rounds or files. Internal.

Predictors that move together change nothing, so a point has one predictor fewer than there are classes: coordinates in
an orthonormal basis of class space without the direction in which all are equal. A sum of squares is the same in
both, so that a penalty reads the same, and what comes out of it adds up to 0 over the classes, coefficients and
intercepts, as scikit-learn's solvers leave it. Curvature is a sum over pairs of classes: in pair ``a, b`` a row counts
``p_a p_b``, and what it adds is the square of the difference between both predictors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch, weighted_cross
from fedcli.models.losses import FitSums, refuse_empty_classes
from fedcli.models.spread import Spread, together

# Share of all weight by which rounding may leave something of a class that has none.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Softmax:
    """``log(sum of exp(eta)) - eta[y]``, ``y`` the number of the class.

    Parameters
    ----------
    n_classes : int
    fewest : float
        Smallest number of equal rows that the curvature of a pair of classes may be worth; see `sharing`.
    """

    n_classes: int
    fewest: float = 0.0

    @property
    def n_predictors(self) -> int:
        """How many predictors a point has."""
        return self.n_classes - 1

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`: of whether a row is of a class."""
        return 1.0

    @property
    def convex(self) -> bool:
        """See `Loss.convex`."""
        return True

    @cached_property
    def contrasts(self) -> FloatArray:
        """The basis (n_classes - 1, n_classes): row k sets class k + 1 against all before it (Helmert)."""
        basis = np.zeros((self.n_predictors, self.n_classes))
        for k in range(1, self.n_classes):
            basis[k - 1, :k] = -1.0 / np.sqrt(k * (k + 1.0))
            basis[k - 1, k] = np.sqrt(k / (k + 1.0))
        return basis

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first and the second class of each pair (n_pairs,)."""
        return np.triu_indices(self.n_classes, 1)

    # ---- classes and points ----------------------------------------------------------------------------------------

    def by_class(self, point: FloatArray) -> FloatArray:
        """Return what each class has (n_classes, n_columns) of a point or slope (n_predictors * n_columns,)."""
        return np.asarray(self.contrasts.T @ point.reshape(self.n_predictors, -1))

    def of_classes(self, by_class: FloatArray) -> FloatArray:
        """Return the point or slope of what each class has; what is common to all is lost. Inverse of `by_class`."""
        return np.asarray((self.contrasts @ by_class.reshape(self.n_classes, -1)).ravel())

    def whole(self, of_pairs: FloatArray) -> FloatArray:
        """Return a point's curvature (n, n) from the sums of products of pairs (n_pairs, n_columns, n_columns)."""
        apart = self.contrasts[:, self.pairs[0]] - self.contrasts[:, self.pairs[1]]
        m, n = self.n_predictors, of_pairs.shape[1]
        squares = (apart[:, None, :] * apart[None, :, :]).reshape(m * m, -1)
        blocks = (squares @ of_pairs.reshape(len(of_pairs), -1)).reshape(m, m, n, n)
        matrix = blocks.transpose(0, 2, 1, 3).reshape(m * n, m * n)
        return np.asarray((matrix + matrix.T) / 2.0)

    def in_pairs(self, curvature: FloatArray) -> FloatArray:
        """Return the sums of products of each pair of classes. Inverse of `whole`."""
        m = self.n_predictors
        n = len(curvature) // m
        blocks = curvature.reshape(m, n, m, n).transpose(0, 2, 1, 3).reshape(m * m, n * n)
        first, second = self.contrasts[:, self.pairs[0]], self.contrasts[:, self.pairs[1]]
        squares = (first[:, None, :] * second[None, :, :]).reshape(m * m, -1)
        found = -(squares.T @ blocks).reshape(-1, n, n)
        return np.asarray((found + found.transpose(0, 2, 1)) / 2.0)

    # ---- rows ------------------------------------------------------------------------------------------------------

    def predictors(self, rows: Batch, point: FloatArray) -> FloatArray:
        """Return the predictors of each class (n_samples, n_classes)."""
        return np.asarray(rows.X @ self.by_class(point).T)

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the probabilities of the classes, shape of ``eta`` (n_samples, n_classes)."""
        exp = np.exp(eta - eta.max(axis=1, keepdims=True))
        return np.asarray(exp / exp.sum(axis=1, keepdims=True))

    def value(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """Return each row's loss (n_samples,)."""
        top = eta.max(axis=1)
        own = eta[np.arange(len(y)), y.astype(np.int64)]
        return np.asarray(np.log(np.exp(eta - top[:, None]).sum(axis=1)) + (top - own))

    def is_class(self, y: FloatArray) -> FloatArray:
        """Return whether each row is of each class (n_samples, n_classes)."""
        return np.asarray(y[:, None] == np.arange(self.n_classes), dtype=np.float64)

    def residuals(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """Return predicted less own class (n_samples, n_classes)."""
        return self.mean(eta) - self.is_class(y)

    def between(self, p: FloatArray, sharing: FloatArray | None) -> FloatArray:
        """Return how much each row counts in the curvature of each pair (n_samples, n_pairs), once `sharing` is done.

        Parameters
        ----------
        p : ndarray of shape (n_samples, n_classes)
        sharing : ndarray of shape (n_pairs, n_pairs), optional
        """
        own = p[:, self.pairs[0]] * p[:, self.pairs[1]]
        return np.asarray(own if sharing is None else own @ sharing.T)

    def sums(
        self, rows: Batch, point: FloatArray, sharing: FloatArray | None, *, curved: bool
    ) -> tuple[float, FloatArray, FloatArray]:
        """Sum value, slope and curvature; see `sums_at`."""
        eta = self.predictors(rows, point)
        p = self.mean(eta)
        slope = self.of_classes((rows.weight[:, None] * (p - self.is_class(rows.y))).T @ rows.X)
        value = float(rows.weight @ self.value(eta, rows.y))
        if not curved:
            return value, slope, np.zeros((len(point), len(point)))
        between = self.between(p, sharing) * rows.weight[:, None]
        return value, slope, self.whole(np.array([weighted_cross(rows.X, each) for each in between.T]))

    def sharing(self, rows: Iterable[Batch], point: FloatArray) -> FloatArray:
        """Return which pairs of classes share their weights at a point (n_pairs, n_pairs), from a pass over all rows.

        Few rows may lie between two classes, or hardly more than one: the curvature of that pair would show them. Such
        a pair is summed together with the one whose weights are most like its own, and so on until no row stands out
        in the whole. Each pair of the whole is sent its part of it, as large as its own curvature is: totals stay as
        they were, and which rows they come from is hidden among those of the others.

        Parameters
        ----------
        rows : iterable of Batch
        point : ndarray of shape (n_predictors * n_columns,)
        """
        n_pairs = len(self.pairs[0])
        spreads, products = [Spread()] * n_pairs, np.zeros((n_pairs, n_pairs))
        for batch in rows:
            each = self.between(self.mean(self.predictors(batch, point)), None) * batch.weight[:, None]
            spreads = [known + Spread.of(more) for known, more in zip(spreads, each.T, strict=True)]
            products += each.T @ each
        groups = together([spread for spread in spreads], products, self.fewest)
        totals = np.array([spread.total for spread in spreads])
        sharing = np.eye(n_pairs)
        for group in groups:
            sharing[np.ix_(group, group)] = (totals[group] / max(totals[group].sum(), 1e-300))[:, None]
        return sharing

    def weights(
        self, rows: Batch, point: FloatArray, sharing: FloatArray | None, *, curvature: bool
    ) -> dict[str, FloatArray]:
        """Return the weights of rows (n_samples,) in each kind of sum before their own weight; see `weights_at`."""
        p, own = self.mean(self.predictors(rows, point)), self.is_class(rows.y)
        found: dict[str, FloatArray] = {}
        if curvature:
            shared = self.between(p, sharing).T
            named = zip(*(each.tolist() for each in self.pairs), shared, strict=True)
            found |= {f"curvature between classes {a + 1} and {b + 1}": each for a, b, each in named}
        for k in range(self.n_classes):
            found[f"residuals of class {k + 1}"] = p[:, k] - own[:, k]
            found[f"predictions of class {k + 1}"] = p[:, k]
            found[f"predictions of the others than class {k + 1}"] = 1.0 - p[:, k]
            found[f"rows that it fits in class {k + 1}"] = 1.0 - np.abs(p[:, k] - own[:, k])
        return found

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`: of a class's slope and a pair's curvature, shared or not."""
        return 2.0 * largest_eta + np.log(self.n_classes), 1.0, 0.5

    # ---- pools and fits --------------------------------------------------------------------------------------------

    def counts(self, rows: Batch) -> FloatArray:
        """Return the sum of weights, then that of each class after the first (n_classes,)."""
        counts = rows.weight @ self.is_class(rows.y)
        return np.append(rows.weight.sum(), counts[1:])

    def starts(self, rows: Iterable[Batch]) -> FloatArray:
        """Return the intercepts (n_predictors,) to begin a silo's first fit with."""
        counts = np.full(self.n_classes, 0.5)
        for batch in rows:
            counts = counts + batch.weight @ self.is_class(batch.y)
        return np.asarray(self.contrasts @ np.log(counts))

    def check_pool(self, weight: float, *later: float) -> None:
        """Refuse a pool in which a class has no row: scikit-learn would not know it.

        Raises
        ------
        OneClass
        """
        first = weight - sum(later)
        refuse_empty_classes([first if first > _NOTHING * weight else 0.0, *later])

    def check_fit(self, fit: FitSums, largest_weight: float) -> None:
        """See `Loss.check_fit`: it is the model's own everywhere."""
