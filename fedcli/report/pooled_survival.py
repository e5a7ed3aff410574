"""The pooled fit of a proportional hazards model, for a simulation to compare with: scikit-learn has none.

Owns Newton's method over all silos' rows at once, each silo a stratum. Knows nothing of trips or sums that travel.
Internal. It shares the formulas of the partial likelihood with the federated fit, and nothing else; the formulas
themselves are held to R's, statsmodels' and lifelines' by the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedcli.errors import NotConverged
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch
from fedcli.models.local_fit import expand
from fedcli.models.objective import AnyLoss, value
from fedcli.models.solve import solve_symmetric
from fedcli.preparing.rows import Rows

_STEPS = 100
_CLOSE = 1e-24


@dataclass(frozen=True)
class PooledHazards:
    """The fitted slopes, by scikit-learn's names; the intercept is always 0.

    Parameters
    ----------
    coef_ : ndarray of shape (n_columns - 1,)
    intercept_ : float
    """

    coef_: FloatArray
    intercept_: float = 0.0


def pooled_hazards(X: FloatArray, silos: Sequence[Rows], loss: AnyLoss, penalty: float) -> PooledHazards:
    """Minimise the partial likelihoods of all silos together.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns - 1)
        The prepared columns of all silos, in their order.
    silos : sequence of Rows
    loss : StratumLoss
    penalty : float

    Raises
    ------
    NotConverged
    """
    strata, at = [], 0
    for rows in silos:
        design = np.hstack([np.ones((len(rows), 1)), X[at : at + len(rows)]])
        strata.append([Batch(design, rows.target, rows.offset, rows.weight, times=rows.times)])
        at += len(rows)

    def objective(coef: FloatArray) -> float:
        return sum(value(loss, stratum, coef) for stratum in strata) + penalty * float(coef @ coef) / 2

    coef = np.zeros(1 + X.shape[1])
    for _ in range(_STEPS):
        parts = [expand(stratum, loss, coef) for stratum in strata]
        here = sum(part[0] for part in parts) + penalty * float(coef @ coef) / 2
        gradient = np.sum([part[1] for part in parts], axis=0) + penalty * coef
        hessian = np.sum([part[2] for part in parts], axis=0) + penalty * np.eye(len(coef))
        step = np.zeros(len(coef))
        step[1:] = solve_symmetric(hessian[1:, 1:], -gradient[1:])[0]
        if float(step @ step) <= _CLOSE * float(coef @ coef):
            return PooledHazards(coef[1:])
        length = 1.0
        while length > 1e-9 and objective(coef + length * step) > here + 1e-12 * (1.0 + abs(here)):
            length /= 2.0
        coef = coef + length * step
    raise NotConverged(
        "the pooled fit to compare with does not converge: an effect may have no finite value",
        hint="add a penalty (alpha) to the model",
    )
