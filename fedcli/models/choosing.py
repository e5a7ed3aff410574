"""Which of several candidates is chosen: by the rows that a fit did not see, or by what its parameters cost.

Owns the criteria and the winner. Knows nothing of rounds, silos or files. Internal. Small is good in all of them.

References
----------
Akaike (1974); Schwarz (1978). Parameters of a penalised fit: Hastie, Tibshirani, Friedman, The Elements of Statistical
Learning (2009), section 7.6, for a ridge; Zou, Hastie, Tibshirani (2007) for L1.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.solve import solve_symmetric

CRITERIA = ("cv", "aic", "bic")


def parameters_used(curvature: FloatArray, ridge: FloatArray, active: FloatArray) -> float:
    """Return how many parameters a fit has used: the trace of what takes outcomes to predictions.

    Parameters
    ----------
    curvature : ndarray of shape (n, n)
        Of the loss alone, at the fit.
    ridge : ndarray of shape (n,)
    active : ndarray of bool (n,)
        Which are not held at 0 by an L1 penalty.
    """
    kept = np.flatnonzero(active)
    if not len(kept):
        return 0.0
    own = curvature[np.ix_(kept, kept)]
    share, _ = solve_symmetric(own + np.diag(ridge[kept]), own)
    return float(np.trace(share))


def criterion(name: str, loss: FloatArray, used: FloatArray, n_samples: float) -> FloatArray:
    """Return AIC or BIC of each candidate (n_candidates,), up to a constant that all of them share.

    Parameters
    ----------
    name : str
    loss : ndarray of shape (n_candidates,)
        Minus the log-likelihood.
    used : ndarray of shape (n_candidates,)
        See `parameters_used`.
    n_samples : float
    """
    return 2.0 * loss + (2.0 if name == "aic" else np.log(n_samples)) * used


def winner(scores: FloatArray) -> int | None:
    """Return the candidate whose mean score is the smallest, the first of equal ones; None where none has a score.

    Parameters
    ----------
    scores : ndarray of shape (n_folds, n_candidates)
        NaN in a whole row: the fold has no rows, and says nothing. NaN else: the candidate has no fit there, and none
        that could be compared.
    """
    said = scores[~np.isnan(scores).all(axis=1)]
    if not len(said):
        return None
    mean = said.mean(axis=0)
    return None if np.isnan(mean).all() else int(np.nanargmin(mean))
