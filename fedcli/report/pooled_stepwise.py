"""The pooled stepwise regression, for a simulation to compare with: scikit-learn has none.

Owns steps over pooled rows, each trial a least-squares fit of its own. Knows nothing of trips or of sums. Internal. It
shares no arithmetic with the federated fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fedcli.fileformat.statistics import FloatArray


def pooled_stepwise(X: FloatArray, y: FloatArray, wholes: Sequence[Sequence[int]], params: dict[str, Any]) -> Any:
    """Return scikit-learn's ``LinearRegression`` of the columns that stay, with 0 for all others.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
    y : ndarray of shape (n_samples,)
    wholes : sequence of sequence of int
        Columns that enter and leave together.
    params : dict
        ``criterion``, ``direction`` and ``fit_intercept``.
    """
    from sklearn.linear_model import LinearRegression

    each = math.log(len(y)) if params["criterion"] == "bic" else 2.0

    def value(chosen: set[int]) -> float:
        ones = [np.ones((len(y), 1))] if params["fit_intercept"] else []
        design = np.hstack([np.empty((len(y), 0)), *ones, *(X[:, list(wholes[k])] for k in sorted(chosen))])
        slope, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
        return float(len(y) * math.log(float(((y - design @ slope) ** 2).mean())) + each * rank)

    chosen = set() if params["direction"] == "forward" else set(range(len(wholes)))
    while True:
        out = [chosen - {k} for k in sorted(chosen)] if params["direction"] != "forward" else []
        into = (
            [chosen | {k} for k in range(len(wholes)) if k not in chosen] if params["direction"] != "backward" else []
        )
        best = min([*out, *into], key=value, default=chosen)
        if value(best) >= value(chosen) - 1e-7:
            break
        chosen = best
    columns = [j for k in sorted(chosen) for j in wholes[k]]
    kept = np.zeros_like(X)
    kept[:, columns] = X[:, columns]
    return LinearRegression(fit_intercept=params["fit_intercept"]).fit(kept, y)
