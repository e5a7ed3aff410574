"""How well a model that was trained at each silo predicts, beside the same class trained on the pooled rows.

Owns the pooled training and the figures. Knows nothing of files or silos. Internal; only a simulation ever has the rows
in one place. Parameters are not compared: two networks that predict alike need not have one weight in common.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.averaging import Averaging
from fedcli.models.local_training import seed_of, targets_of
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.study.document import ClassTarget


def compare_scores(
    plan: Plan, state: State, fitted: Sequence[Rows], held_out: Sequence[Rows]
) -> tuple[tuple[str, float, float], ...]:
    """Train the study's class on the pooled rows, as many epochs as all trips together, and score both models.

    Parameters
    ----------
    plan : Plan
    state : State
        Of the final model.
    fitted, held_out : sequence of Rows
        Each silo's rows.

    Returns
    -------
    tuple of (str, float, float)
        What was measured on which rows, for the federated and for the pooled model: accuracy, or R2 of a number.
        Nothing for a model that is not trained at each silo.
    """
    if not isinstance(plan.family, Averaging):
        return ()
    groups = {"rows that were fitted": fitted, "rows held out": [rows for rows in held_out if len(rows)]}
    joined = {name: Rows.together(list(several)) for name, several in groups.items() if several}
    pooled = _trained(plan, plan.family, state, joined["rows that were fitted"])
    found = []
    for name, rows in joined.items():
        batch = plan.later_batch(rows, plan.preparation(state))
        said = _predicted(plan, plan.scores(batch, state)), pooled.predict(_standardised(plan, state, rows))
        what = "accuracy" if isinstance(plan.study.target, ClassTarget) else "R2"
        ours, theirs = (_figure(plan, np.asarray(each, dtype=np.float64), batch.y) for each in said)
        found.append((f"{what} on {len(rows):,} {name}", ours, theirs))
    return tuple(found)


def _standardised(plan: Plan, state: State, rows: Rows) -> FloatArray:
    preparation = plan.preparation(state)
    return np.asarray((preparation.matrix(rows)[:, 1:] - preparation.mean) / preparation.scale)


def _trained(plan: Plan, family: Averaging, state: State, rows: Rows) -> Any:
    n_classes = plan.study.target.n_classes if isinstance(plan.study.target, ClassTarget) else 0
    y = targets_of(plan.target.reference(rows.target), n_classes)
    options: Mapping[str, FloatArray] = {} if plan.study.weight is None else {"sample_weight": rows.weight}
    epochs = family.local.rounds * family.local.local_epochs
    # It is stopped by the number of epochs alone, as the silos are.
    stop: dict[str, Any] = {"tol": None} if family.linear else {"n_iter_no_change": epochs + 1}
    model = family.trainer.new(max_iter=epochs, random_state=seed_of(family.local.study, 1), **stop)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(_standardised(plan, state, rows), y, **options)


def _predicted(plan: Plan, eta: FloatArray) -> FloatArray:
    if not isinstance(plan.study.target, ClassTarget):
        return eta
    return np.asarray(eta.argmax(axis=1) if eta.ndim > 1 else eta > 0)


def _figure(plan: Plan, said: FloatArray, y: FloatArray) -> float:
    if isinstance(plan.study.target, ClassTarget):
        return float((said == y).mean())
    return float(1.0 - ((said - y) ** 2).sum() / max(((y - y.mean()) ** 2).sum(), 1e-300))
