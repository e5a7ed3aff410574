"""The pooled fit of a loss with parameters beside the coefficients, for a simulation to compare with.

Owns Newton's method over all silos' rows at once, for models that scikit-learn lacks. Knows nothing of trips or sums
that travel. Internal. It shares the formulas of the loss with the federated fit, which the tests hold to statsmodels'
and R's, and the steps inside one silo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch
from fedcli.models.cavity import Cavity
from fedcli.models.local_fit import first_fit, minimise
from fedcli.models.nuisance import JointLoss, beside
from fedcli.models.objective import split
from fedcli.models.quadratic import Quadratic


@dataclass(frozen=True)
class PooledJoint:
    """The fitted model, by scikit-learn's names.

    Parameters
    ----------
    coef_ : ndarray of shape (n_columns - 1,)
    intercept_ : float
    beside : dict of str to ndarray
        What else the loss has, by its name without the last ``_``.
    """

    coef_: FloatArray
    intercept_: float
    beside: dict[str, FloatArray]


def pooled_joint(rows: Batch, family: Cavity) -> PooledJoint:
    """Minimise the penalised loss over all rows.

    Parameters
    ----------
    rows : Batch
        All silos' training rows, the prepared columns after a column of 1.
    family : Cavity
    """
    loss = family.loss
    assert isinstance(loss, JointLoss)  # noqa: S101 - no other model comes here
    pool = family.penalty.share(1, float(rows.weight.sum()))
    basis, begun = first_fit([rows], loss, lambda _: pool, fit_intercept=family.fit_intercept)
    n, q = rows.X.shape[1], len(loss.extras)
    columns = np.eye(n) if family.fit_intercept else np.eye(n)[:, 1:]
    whole = beside(columns, q)
    penalty = whole.T @ np.concatenate([[0.0], np.full(n - 1, pool.ridge), np.zeros(q)])
    start = whole.T @ (basis @ begun)
    found = whole @ minimise([rows], loss, Quadratic(np.diag(penalty), np.zeros(len(start))), whole, start)
    coef, extras = split(loss, found)
    return PooledJoint(coef[1:], float(coef[0]), loss.fitted(extras))
