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
from fedcli.models.negative_binomial import NegativeBinomialLoss
from fedcli.models.objective import AnyLoss
from fedcli.models.ordinal import ProportionalOdds
from fedcli.models.softmax import Softmax
from fedcli.models.tweedie import Tweedie

KINDS = {
    "binary": ("n_samples", "n_positive", "log_loss", "brier"),
    "number": ("n_samples", "sum", "sum_squares", "squared_error"),
    "count": ("n_samples", "sum", "deviance"),
    "category": ("n_samples", "correct", "log_loss"),
    "classes": ("n_samples", "correct"),
    "accuracy": ("n_samples", "n_positive", "correct"),
    "gamma": ("n_samples", "sum", "deviance"),
    "tweedie": ("n_samples", "sum", "deviance"),
    "negative binomial": ("n_samples", "sum", "deviance"),
    "ordinal": ("n_samples", "log_loss", "correct"),
}

# The same for the person who must agree that they leave.
_HOW_WELL = "how well the incoming model predicts rows that were not fitted: how many there are, "
_SAYS = {
    "binary": _HOW_WELL + "how many are positive, the sum of their log loss, and of squared errors of the probability "
    "(Brier)",
    "number": _HOW_WELL + "the sum of the outcome, of its squares, and of squared errors",
    "count": _HOW_WELL + "the sum of the outcome, and of the Poisson deviance",
    "category": _HOW_WELL + "how many are predicted in their own class, and the sum of their log loss",
    "classes": _HOW_WELL + "and how many are predicted in their own class",
    "accuracy": _HOW_WELL + "how many are positive, and how many are predicted in their own class",
    "gamma": _HOW_WELL + "the sum of the outcome, and of the gamma deviance",
    "tweedie": _HOW_WELL + "the sum of the outcome, and of the Tweedie deviance",
    "negative binomial": _HOW_WELL + "the sum of the outcome, and of the negative binomial deviance",
    "ordinal": _HOW_WELL + "the sum of their log loss, and how many are predicted in their own level",
}

# What `pooled_figures` may make of them.
FIGURES = {
    "binary": ("n_samples", "log_loss", "brier"),
    "number": ("n_samples", "rmse", "r2"),
    "count": ("n_samples", "mean_poisson_deviance"),
    "category": ("n_samples", "accuracy", "log_loss"),
    "classes": ("n_samples", "accuracy"),
    "accuracy": ("n_samples", "accuracy"),
    "gamma": ("n_samples", "mean_gamma_deviance"),
    "tweedie": ("n_samples", "mean_tweedie_deviance"),
    "negative binomial": ("n_samples", "mean_negative_binomial_deviance"),
    "ordinal": ("n_samples", "accuracy", "log_loss"),
}


def evaluation_layout(kind: str, max_rows: float, largest: float) -> Layout:
    """Lay down the evaluation block of a target ``kind`` whose largest single term is ``largest``."""
    return Layout((Block("evaluation", (len(KINDS[kind]),), max_rows * largest, _SAYS[kind]),))


def evaluate(
    kind: str, rows: Batch, eta: FloatArray, loss: AnyLoss | None, extras: FloatArray | None = None
) -> Statistics:
    """Sum the figures of ``kind`` over rows held out.

    Parameters
    ----------
    kind : str
        ``binary``, ``category`` (``classes`` without probabilities), ``number``, ``count``, or the name of a deviance.
    rows : Batch
        On the reference scale.
    eta : ndarray of shape (n_samples,), or (n_samples, n_classes)
        What the model says of them, see `Plan.scores`.
    loss : Loss or None
        The model's own; used where a deviance measures it.
    extras : ndarray of shape (n_extra,), optional
        The loss's parameters beside the coefficients.
    """
    extras = np.empty(0) if extras is None else extras
    n = float(len(rows.y))
    if kind in ("category", "classes"):
        # Of two classes one number speaks, for the second.
        each = eta if eta.ndim > 1 else np.column_stack([np.zeros_like(eta), eta])
        figures = [n, (each.argmax(axis=1) == rows.y).sum()]
        figures += [Softmax(each.shape[1]).value(each, rows.y).sum()] if kind == "category" else []
        return Statistics({"evaluation": np.array(figures, dtype=np.float64)})
    if kind == "binary":
        logistic = Logistic()
        p = logistic.mean(eta)
        figures = [n, rows.y.sum(), logistic.value(eta, rows.y).sum(), ((p - rows.y) ** 2).sum()]
    elif kind == "accuracy":
        figures = [n, rows.y.sum(), ((eta > 0) == (rows.y > 0)).sum()]
    elif kind == "number":
        figures = [n, rows.y.sum(), (rows.y**2).sum(), ((rows.y - eta) ** 2).sum()]
    elif isinstance(loss, ProportionalOdds):
        right = loss.probabilities(eta, extras).argmax(axis=1) == rows.y
        figures = [n, loss.parts(eta, rows.y, extras).value.sum(), right.sum()]
    elif isinstance(loss, NegativeBinomialLoss):
        figures = [n, rows.y.sum(), loss.deviance(eta, rows.y, extras).sum()]
    else:
        known = _deviance_loss(loss)
        figures = [n, rows.y.sum(), 2.0 * (known.value(eta, rows.y) - known.saturated(rows.y)).sum()]
    return Statistics({"evaluation": np.array(figures, dtype=np.float64)})


def largest_deviance(loss: AnyLoss | None, largest_eta: float) -> float:
    """Return the largest deviance, or log loss, of one row."""
    if isinstance(loss, ProportionalOdds | NegativeBinomialLoss):
        return 4.0 * loss.bounds(largest_eta)[0]
    known = _deviance_loss(loss)
    ends = [known.smallest_y, known.largest_y] if isinstance(known, Tweedie) else [known.largest_y]
    return 4.0 * float(max(known.bounds(largest_eta)[0], np.abs(known.saturated(np.array(ends))).max()))


def _deviance_loss(loss: AnyLoss | None) -> Poisson | Tweedie:
    if not isinstance(loss, Poisson | Tweedie):
        raise ValueError("this loss has no deviance")
    return loss


def pooled_figures(kind: str, total: Total, half: float) -> dict[str, float]:
    """Turn the pooled sums into means per row; ``half`` carries a number target's errors to its own unit."""
    sums = dict(zip(KINDS[kind], total["evaluation"].tolist(), strict=True))
    n = sums["n_samples"]
    if n < 1:
        return {"n_samples": 0.0}
    if kind == "binary":
        return {"n_samples": n, "log_loss": sums["log_loss"] / n, "brier": sums["brier"] / n}
    if "correct" in sums:
        more = {"log_loss": sums["log_loss"] / n} if "log_loss" in sums else {}
        return {"n_samples": n, "accuracy": sums["correct"] / n, **more}
    if "deviance" in sums:
        return {"n_samples": n, FIGURES[kind][-1]: sums["deviance"] / n}
    spread = sums["sum_squares"] - sums["sum"] ** 2 / n
    figures = {"n_samples": n, "rmse": half * float(np.sqrt(sums["squared_error"] / n))}
    if spread > 0:
        figures["r2"] = 1.0 - sums["squared_error"] / spread
    return figures
