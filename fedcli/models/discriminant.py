"""A discriminant from sums of trip 1: a start that does not depend on how rows are spread over silos.

Owns its formula. Knows nothing of rounds, silos or files. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray, Total, unpack_upper
from fedcli.models.batch import Batch
from fedcli.models.local_fit import minimise
from fedcli.models.losses import Logistic
from fedcli.models.penalty import Penalty
from fedcli.models.quadratic import Quadratic

# Of a normal column, by which its logistic fit is summed.
_NODES = 20


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
