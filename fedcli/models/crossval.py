"""Cross-validation of linear models from moments by fold: every candidate, on every fold, from one trip's sums.

Owns the errors on the fold that is left out. Knows nothing of estimators, files or silos. Internal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.moments import Group, Moments


def cross_validated(
    moments: Moments, path: Callable[[Group], FloatArray], *, fit_intercept: bool
) -> tuple[FloatArray, FloatArray]:
    """Fit a path of candidates without each fold in turn, and measure each on that fold.

    Parameters
    ----------
    moments : Moments
        By fold, the target its last column.
    path : callable
        From the moments of the training rows to the candidates' coefficients (n_candidates, n_columns), intercept
        first.
    fit_intercept : bool
        Whether the training rows' moments are about their mean.

    Returns
    -------
    errors : ndarray of shape (n_folds, n_candidates)
        Mean squared error per unit of weight; NaN for a fold without rows.
    r2 : ndarray of shape (n_folds, n_candidates)
        Share of the fold's variance that is explained.
    """
    folds = moments.grouping.folds
    errors: list[FloatArray] = []
    r2: list[FloatArray] = []
    for fold in range(folds):
        test = moments.group(folds=[fold])
        coef = path(moments.group(folds=[k for k in range(folds) if k != fold], centred=fit_intercept))
        if not test.weight > 0:
            errors.append(np.full(len(coef), np.nan))
            r2.append(np.full(len(coef), np.nan))
            continue
        # Residuals are about their mean and their mean: no digit is lost to the level of the target.
        away = np.hstack([-coef[:, 1:], np.ones((len(coef), 1))])
        spread = np.einsum("ij,jk,ik->i", away, test.products, away)
        level = away @ test.mean - coef[:, 0]
        squares = spread + test.weight * level**2
        errors.append(squares / test.weight)
        r2.append(1.0 - squares / test.products[-1, -1] if test.products[-1, -1] > 0 else np.full(len(coef), np.nan))
    return np.array(errors), np.array(r2)
