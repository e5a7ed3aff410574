"""Held-out evaluation as sums: each silo adds the losses of the incoming model over rows that it never fitted.

Owns the block, its sums and the pooled figures. Knows nothing of files or rounds. Internal.

Only sums over all held-out rows leave: a histogram of scores, which an AUC needs, would show single rows to the
coordinator while updates are read one by one.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import Block, FloatArray, Layout, Statistics, Total
from fedcli.models.batch import Batch
from fedcli.models.losses import Logistic, Poisson

KINDS = {
    "binary": ("n_samples", "n_positive", "log_loss", "brier"),
    "number": ("n_samples", "sum", "sum_squares", "squared_error"),
    "count": ("n_samples", "sum", "deviance"),
}

# The same for the person who must agree that they leave.
_SAYS = {
    "binary": "how well the incoming model predicts rows that were not fitted: how many there are, how many are "
    "positive, the sum of their log loss, and of squared errors of the probability (Brier)",
    "number": "how well the incoming model predicts rows that were not fitted: how many there are, the sum of the "
    "outcome, of its squares, and of squared errors",
    "count": "how well the incoming model predicts rows that were not fitted: how many there are, the sum of the "
    "outcome, and of the Poisson deviance",
}

# What `pooled_figures` may make of them.
FIGURES = {
    "binary": ("n_samples", "log_loss", "brier"),
    "number": ("n_samples", "rmse", "r2"),
    "count": ("n_samples", "mean_poisson_deviance"),
}


def evaluation_layout(kind: str, max_rows: float, largest: float) -> Layout:
    """Lay down the evaluation block of a target ``kind`` whose largest single term is ``largest``."""
    return Layout((Block("evaluation", (len(KINDS[kind]),), max_rows * largest, _SAYS[kind]),))


def evaluate(kind: str, rows: Batch, coef: FloatArray, poisson: Poisson) -> Statistics:
    """Sum the figures of ``kind`` over rows held out.

    Parameters
    ----------
    kind : str
        ``binary``, ``number`` or ``count``.
    rows : Batch
        On the reference scale.
    coef : ndarray of shape (n_columns,)
        On the reference scale.
    poisson : Poisson
        A count's loss.
    """
    eta = rows.X @ coef + rows.offset
    n = float(len(rows.y))
    if kind == "binary":
        loss = Logistic()
        p = loss.mean(eta)
        figures = [n, rows.y.sum(), loss.value(eta, rows.y).sum(), ((p - rows.y) ** 2).sum()]
    elif kind == "number":
        figures = [n, rows.y.sum(), (rows.y**2).sum(), ((rows.y - eta) ** 2).sum()]
    else:
        positive = np.where(rows.y > 0, rows.y, 1.0)
        saturated = np.where(rows.y > 0, rows.y - rows.y * np.log(positive), 0.0)
        figures = [n, rows.y.sum(), 2.0 * (poisson.value(eta, rows.y) - saturated).sum()]
    return Statistics({"evaluation": np.array(figures, dtype=np.float64)})


def pooled_figures(kind: str, total: Total, half: float) -> dict[str, float]:
    """Turn the pooled sums into means per row; ``half`` carries a number target's errors to its own unit."""
    sums = dict(zip(KINDS[kind], total["evaluation"].tolist(), strict=True))
    n = sums["n_samples"]
    if n < 1:
        return {"n_samples": 0.0}
    if kind == "binary":
        return {"n_samples": n, "log_loss": sums["log_loss"] / n, "brier": sums["brier"] / n}
    if kind == "count":
        return {"n_samples": n, "mean_poisson_deviance": sums["deviance"] / n}
    spread = sums["sum_squares"] - sums["sum"] ** 2 / n
    figures = {"n_samples": n, "rmse": half * float(np.sqrt(sums["squared_error"] / n))}
    if spread > 0:
        figures["r2"] = 1.0 - sums["squared_error"] / spread
    return figures
