"""Linear discriminant analysis from sums of trip 1: a start that does not depend on how rows are spread over silos.

Owns its formula. Knows nothing of rounds, silos or files. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray, Total, unpack_upper
from fedcli.models.solve import solve_symmetric


def discriminant(total: Total, basis: FloatArray, penalty: FloatArray) -> FloatArray:
    """Return the discriminant as logistic coefficients, or one Newton step from 0 where there is no intercept.

    It rescues splits in which each silo holds one class.

    Parameters
    ----------
    total : Total
        With ``products``, ``contrast`` and ``target`` of trip 1, two classes in it.
    basis : ndarray of shape (n_columns, n_free)
        The standardised columns, the intercept left out when the model has none.
    penalty : ndarray of shape (n_free,)

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
        newton, _ = solve_symmetric(gram / 4.0 + np.diag(penalty), contrast)
        return np.asarray(basis @ newton)
    weight, positive = total["target"]
    negative = weight - positive
    sum1 = gram[0] / 2.0 + contrast
    mean1, mean0 = sum1[1:] / positive, (gram[0] - sum1)[1:] / negative
    within = gram[1:, 1:] - positive * np.outer(mean1, mean1) - negative * np.outer(mean0, mean0)
    slope, _ = solve_symmetric(within / weight + np.diag(penalty[1:] / weight + 1e-3), mean1 - mean0)
    intercept = np.log(positive / negative) - (mean1 + mean0) @ slope / 2.0
    return np.asarray(basis @ np.concatenate([[intercept], slope]))
