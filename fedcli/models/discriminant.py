"""Linear discriminant analysis from sums of trip 1: a start that does not depend on how rows are spread over silos.

Owns its formula. Knows nothing of rounds, silos or files. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray, Total, unpack_upper
from fedcli.models.batch import Batch
from fedcli.models.local_fit import minimise
from fedcli.models.losses import Logistic
from fedcli.models.quadratic import Penalty, Quadratic
from fedcli.models.solve import solve_symmetric

# Of a normal column, by which its logistic fit is summed.
_NODES = 20


def discriminant(total: Total, basis: FloatArray, penalty: Penalty) -> FloatArray:
    """Return the discriminant as logistic coefficients, or one Newton step from 0 where there is no intercept.

    It rescues splits in which each silo holds one class.

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
    Hastie, Tibshirani, Friedman, The Elements of Statistical Learning (2009), section 4.3.
    """
    gram = basis.T @ unpack_upper(total["products"]) @ basis
    contrast = basis.T @ total["contrast"]
    if basis.shape[1] < basis.shape[0]:
        newton, _ = penalty.onto(gram / 4.0, contrast).minimum(np.zeros(len(gram)))
        return np.asarray(basis @ newton)
    weight, positive = total["target"]
    negative = weight - positive
    sum1 = gram[0] / 2.0 + contrast
    mean1, mean0 = sum1[1:] / positive, (gram[0] - sum1)[1:] / negative
    within = gram[1:, 1:] - positive * np.outer(mean1, mean1) - negative * np.outer(mean0, mean0)
    if penalty.l1 is not None:
        return np.asarray(basis @ _with_l1(positive, negative, mean1, mean0, within, penalty))
    slope, _ = solve_symmetric(within / weight + np.diag(penalty.ridge[1:] / weight + 1e-3), mean1 - mean0)
    intercept = np.log(positive / negative) - (mean1 + mean0) @ slope / 2.0
    return np.asarray(basis @ np.concatenate([[intercept], slope]))


def _with_l1(
    positive: float, negative: float, mean1: FloatArray, mean0: FloatArray, within: FloatArray, penalty: Penalty
) -> FloatArray:
    """Return intercept and slopes (n_free,) where absolute values are penalised.

    The discriminant's direction is that of a regression on the class, in which an L1 penalty pulls as in a logistic
    one. How far to go is then the logistic fit of a single column that is normal within each class. The discriminant's
    own length, with classes that nearly separate, lies so far out that nothing curves there, and a step from it leads
    anywhere.
    """
    apart, spread = mean1 - mean0, positive * negative / (positive + negative)
    whole, between = within + spread * np.outer(apart, apart), spread * apart
    held = Penalty(penalty.ridge[1:] * (positive + negative) / spread, penalty.l1[1:] if penalty.l1 is not None else None)
    slope, _ = held.onto(whole, between).minimum(np.zeros(len(whole)))
    start = np.array([np.log(positive / negative), 0.0])
    if not slope.any():
        return np.concatenate([start[:1], slope])
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    noise = np.sqrt(max(float(slope @ within @ slope), 0.0) / (positive + negative)) * nodes
    column = np.concatenate([mean1 @ slope + noise, mean0 @ slope + noise])
    share = np.outer([positive, negative], weights / weights.sum()).ravel()
    made = Batch(
        np.column_stack([np.ones_like(column), column]), np.repeat([1.0, 0.0], _NODES), np.zeros_like(column), share
    )
    # The penalty of `length * slope`, as a function of the length.
    along = Penalty(penalty.ridge[1:], held.l1).values(slope) - (ridge := penalty.ridge[1:] @ slope**2 / 2)
    pull = Quadratic(np.diag([0.0, 2.0 * ridge]), np.zeros(2), np.array([0.0, along]))
    intercept, length = minimise([made], Logistic(), pull, np.eye(2), start)
    return np.concatenate([[intercept], length * slope])
