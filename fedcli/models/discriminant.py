"""A start from sums of trip 1 that does not depend on how rows are spread over silos: as if classes were normal.

Owns those sums and what is made of them. Knows nothing of rounds, silos or files. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray, Total, pack_upper, unpack_upper
from fedcli.models.batch import Batch, weighted_cross
from fedcli.models.local_fit import DAMPING_WITHOUT_PENALTY, minimise
from fedcli.models.losses import Logistic
from fedcli.models.objective import AnyLoss
from fedcli.models.penalty import Penalty
from fedcli.models.point_form import PointForm
from fedcli.models.quadratic import Quadratic
from fedcli.models.softmax import Softmax
from fedcli.models.steps import repeated

# Of a normal column, by which its logistic fit is summed.
_NODES = 20


def class_moments(loss: AnyLoss, rows: Batch) -> dict[str, FloatArray]:
    """Sum what the second point is made of: products of columns and what the classes differ by; nothing else needs it.

    Parameters
    ----------
    loss : AnyLoss
    rows : Batch
    """
    weight, X, y = rows.weight, rows.X, rows.y
    if isinstance(loss, Softmax):
        sums = (weight[:, None] * loss.is_class(y)).T @ X
        return {"products": pack_upper(weighted_cross(X, weight)), "class_sums": sums.ravel()}
    if isinstance(loss, Logistic):
        return {"products": pack_upper(weighted_cross(X, weight)), "contrast": X.T @ (weight * (y - 0.5))}
    return {}


def second_point(
    loss: AnyLoss, total: Total, form: PointForm, columns: FloatArray, penalty: Penalty
) -> FloatArray | None:
    """Return a start that does not depend on how rows are spread over silos; None for a loss without classes.

    Parameters
    ----------
    loss : AnyLoss
    total : Total
        With what `class_moments` sums.
    form : PointForm
    columns : ndarray of shape (n_columns, n_columns)
        A basis of the standardised columns.
    penalty : Penalty
        Of what is fitted.

    Returns
    -------
    ndarray of shape (n_parameters,), or None
    """
    basis = form.basis(columns)
    if isinstance(loss, Softmax):
        return np.asarray(basis @ of_alike_rows(loss, total, columns, penalty.ridge))
    return discriminant(total, basis, penalty) if isinstance(loss, Logistic) else None


def discriminant(total: Total, basis: FloatArray, penalty: Penalty) -> FloatArray:
    """Return the discriminant as logistic coefficients, or one Newton step from 0 where there is no intercept.

    It rescues splits in which each silo holds one class. Its direction is that of a regression on the class, in which a
    penalty pulls as in a logistic one; how far to go is the logistic fit of a single column, the regression's
    prediction, that is normal within each class. The discriminant's own length, with classes that nearly separate, lies
    so far out that single rows have all the curvature there, and a step from it leads anywhere.

    Parameters
    ----------
    total : Total
        With ``products``, ``contrast`` and ``target`` of trip 1, two classes in it.
    basis : ndarray of shape (n_columns, n_free)
        The standardised columns, the intercept left out when the model has none.
    penalty : Penalty
        Of all that is fitted.

    Returns
    -------
    ndarray of shape (n_columns,)
        On the reference scale.

    References
    ----------
    Hastie, Tibshirani, Friedman, The Elements of Statistical Learning (2009), sections 4.2 and 4.3. Haggstrom (1983),
    Logistic regression and discriminant analysis by ordinary least squares.
    """
    gram = basis.T @ unpack_upper(total["products"]) @ basis
    contrast = basis.T @ total["contrast"]
    if basis.shape[1] < basis.shape[0]:
        newton, _ = penalty.onto(gram / 4.0, contrast).minimum(np.zeros(len(gram)))
        return np.asarray(basis @ newton)
    weight, positive = total["target"]
    negative = weight - positive
    # Variance of the class, summed over rows: also the curvature of a likelihood whose predictions are all equal.
    spread = positive * negative / weight
    sum1 = gram[0] / 2.0 + contrast
    mean1, mean0 = sum1[1:] / positive, (gram[0] - sum1)[1:] / negative
    apart = mean1 - mean0
    whole = gram[1:, 1:] - np.outer(gram[0, 1:], gram[0, 1:]) / weight
    ridge, l1 = penalty.ridge[1:], None if penalty.l1 is None else penalty.l1[1:]
    regression = Penalty(ridge * weight / spread, l1).onto(whole, spread * apart)
    direction, _ = regression.minimum(np.zeros(len(whole)))
    start = np.array([np.log(positive / negative), 0.0])
    if not direction.any():
        return np.asarray(basis @ np.concatenate([start[:1], direction]))
    within = max(float(direction @ whole @ direction - spread * (apart @ direction) ** 2), 0.0)
    nodes, shares = np.polynomial.hermite_e.hermegauss(_NODES)
    noise, shares = np.sqrt(within / weight) * nodes, shares / shares.sum()
    column = np.concatenate([mean1 @ direction + noise, mean0 @ direction + noise])
    rows = Batch(
        X=np.column_stack([np.ones_like(column), column]),
        y=np.repeat([1.0, 0.0], _NODES),
        offset=np.zeros_like(column),
        weight=np.concatenate([positive * shares, negative * shares]),
    )
    # The penalty of `length * direction`, as one of the length.
    along = Quadratic(
        np.diag([0.0, ridge @ direction**2]),
        np.zeros(2),
        None if l1 is None else np.array([0.0, l1 @ np.abs(direction)]),
    )
    intercept, length = minimise([rows], Logistic(), along, np.eye(2), start)
    return np.asarray(basis @ np.concatenate([[intercept], length * direction]))


def of_alike_rows(loss: Softmax, total: Total, basis: FloatArray, penalty: FloatArray) -> FloatArray:
    """Return the fit of made-up rows that have the pool's class sizes, class means and scatter within classes.

    Each class is normal with a common scatter, as in discriminant analysis, and the fit has the model's own penalty.
    *Not* the discriminants themselves: where classes lie apart their coefficients were measured to be so large that
    hardly a row was left between two of them, and one penalised step from equal predictions is as far off where they
    overlap.

    Parameters
    ----------
    loss : Softmax
    total : Total
        With ``products``, ``class_sums`` and ``target`` of trip 1, each class in it.
    basis : ndarray of shape (n_columns, n_columns)
        The standardised columns, the intercept first.
    penalty : ndarray of shape (n_free,)
        Of a point; n_free is less than n_predictors * n_columns where the model has no intercept.

    Returns
    -------
    ndarray of shape (n_free,)
        In coordinates of the standardised columns.
    """
    gram = basis.T @ unpack_upper(total["products"]) @ basis
    sums = total["class_sums"].reshape(loss.n_classes, -1) @ basis
    counts = sums[:, 0]
    means = sums[:, 1:] / counts[:, None]
    within = (gram[1:, 1:] - (means * counts[:, None]).T @ means) / counts.sum()
    values, vectors = np.linalg.eigh((within + within.T) / 2.0)
    away = _normal(len(values)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    each = len(away)
    X = np.vstack([np.column_stack([np.ones(each), mean + away]) for mean in means])
    y, weight = np.repeat(np.arange(float(loss.n_classes)), each), np.repeat(counts / each, each)
    rows = [Batch(X, y, np.zeros(len(y)), weight)]
    n_free = len(penalty) // loss.n_predictors
    own = np.eye(len(gram))[:, len(gram) - n_free :]
    # Without a penalty what was made up may separate, though the pool does not.
    held = penalty if penalty.any() else np.full(len(penalty), DAMPING_WITHOUT_PENALTY)
    nothing = np.zeros(len(penalty))
    return minimise(rows, loss, Quadratic(np.diag(held), nothing), repeated(own, loss.n_predictors), nothing)


def _normal(n_columns: int) -> FloatArray:
    """Return rows of mean 0 and covariance 1 to the last digits, always the same ones: (n_rows, n_columns)."""
    # The old generator's stream is frozen, whatever version of NumPy: whoever derives a study again meets it.
    half = np.random.RandomState(0).standard_normal((50 + 5 * n_columns, n_columns))
    rows = np.vstack([half, -half])
    return np.asarray(np.linalg.solve(np.linalg.cholesky(rows.T @ rows / len(rows)), rows.T).T)
