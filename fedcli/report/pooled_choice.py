"""The pooled fit of a study that chooses among models: scikit-learn fits, scores and chooses by itself.

Owns that search. Knows nothing of files or silos. Internal; only a simulation ever has the rows in one place.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.path import Path
from fedcli.preparing.candidates import candidates_of, places_of
from fedcli.preparing.estimators import estimator_of, parameters
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.report.estimator import new_estimator
from fedcli.study.document import ClassTarget


@dataclass(frozen=True)
class PooledChoice:
    """The fit that was chosen, over all columns, and what each candidate scored on each fold."""

    coef_: FloatArray
    intercept_: FloatArray
    classes_: NDArray[np.int64]
    chosen: int
    scores: FloatArray


def pooled_choice(
    plan: Plan, state: State, X: FloatArray, rows: list[Rows], folds: NDArray[np.int64] | None
) -> PooledChoice:
    """Fit every candidate to the pooled rows, and choose as the study says.

    Parameters
    ----------
    plan : Plan
        Of a study that chooses.
    state : State
        Of the final model: by AIC and BIC the candidate is taken from it, since scikit-learn has neither.
    X : ndarray of shape (n_samples, n_columns - 1)
        Prepared.
    rows : list of Rows
        Each silo's training rows.
    folds : ndarray of int (n_samples,), optional
        Of each row.
    """
    y = np.concatenate([part.target for part in rows])
    weight = np.concatenate([part.weight for part in rows])
    offset = np.concatenate([part.offset for part in rows])
    made = _candidates(plan)
    n_folds = plan.study.model.cv or 0
    scores = np.full((max(n_folds, 1), len(made)), np.nan)
    for k, (one, columns) in enumerate(made):
        for fold in range(n_folds) if folds is not None else ():
            out = np.asarray(folds == fold)
            kept = ~out
            if out.any():
                found = _fitted(one, X[kept][:, columns], y[kept], weight[kept], offset[kept])
                eta = _predictors(found, X[out][:, columns]) + (offset[out][:, None] if np.ndim(offset) else 0.0)
                scores[fold, k] = _mean_loss(plan, eta, y[out], weight[out])
    chosen = int(np.nanmean(scores, axis=0).argmin()) if folds is not None else int(state.document["chosen"])
    one, columns = made[chosen]
    found = _fitted(one, X[:, columns], y, weight, offset)
    slopes = np.atleast_2d(found.coef_)
    coef = np.zeros((len(slopes), X.shape[1]))
    coef[:, columns] = slopes
    return PooledChoice(
        coef, np.ravel(found.intercept_), getattr(found, "classes_", np.empty(0, dtype=np.int64)), chosen, scores
    )


def rates(
    plan: Plan, estimator: Any, y: FloatArray, weight: FloatArray, offset: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return outcomes and weights with which scikit-learn fits a log link with an offset, and set its penalty for it.

    With a log link an offset is a weighted fit of rates; ``alpha`` is then per unit of that weight.

    Parameters
    ----------
    plan : Plan
    estimator : object
        Of scikit-learn, not yet fitted.
    y, weight, offset : ndarray of shape (n_samples,)
    """
    exposure, power = np.exp(offset), getattr(plan.loss, "power", 1.0)
    rated = weight * exposure ** (2.0 - power)
    estimator.set_params(alpha=estimator.alpha * weight.sum() / rated.sum())
    return y / exposure, rated


def _candidates(plan: Plan) -> list[tuple[Plan, NDArray[np.int64]]]:
    """Return each candidate as a study of its own, and its columns after the intercept."""
    study, found = plan.study, []
    assert isinstance(plan.family, Path)  # noqa: S101 - its only caller asked
    for number, one in enumerate(candidates_of(study, estimator_of(study))):
        alone = plan.chosen(State({"chosen": number}, {}))
        places = places_of(study, dict(plan.columns.wholes), one.nested)
        columns = np.arange(1, plan.columns.n_columns) if places is None else np.array(places[1:])
        found.append((Plan(alone), columns - 1))
    return found


def _fitted(plan: Plan, X: FloatArray, y: FloatArray, weight: FloatArray, offset: FloatArray) -> Any:
    study = plan.study
    estimator = new_estimator(study, **estimator_of(study).tightened(parameters(study)))
    if study.offset is not None:
        y, weight = rates(plan, estimator, y, weight, offset)
    elif isinstance(study.target, ClassTarget):
        y = y.astype(np.int64)
    plain = study.weight is None and study.offset is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that 1e-12 was not reached when rounding stops it first
        return estimator.fit(X, y) if plain else estimator.fit(X, y, sample_weight=weight)


def _predictors(found: Any, X: FloatArray) -> FloatArray:
    eta = X @ np.atleast_2d(found.coef_).T + np.ravel(found.intercept_)
    return np.asarray(eta)


def _mean_loss(plan: Plan, eta: FloatArray, y: FloatArray, weight: FloatArray) -> float:
    """Return the mean of minus the log-likelihood, up to a constant of the rows."""
    if isinstance(plan.study.target, ClassTarget):
        if eta.shape[1] == 1:
            each = np.logaddexp(0.0, eta[:, 0]) - y * eta[:, 0]
        else:
            each = np.log(np.exp(eta - eta.max(axis=1, keepdims=True)).sum(axis=1)) + eta.max(axis=1)
            each = each - eta[np.arange(len(y)), y.astype(np.int64)]
    else:
        from sklearn.metrics import mean_tweedie_deviance

        power = getattr(plan.loss, "power", 1.0)
        mean = np.exp(eta[:, 0])
        return float(mean_tweedie_deviance(y, mean, sample_weight=weight, power=power)) / 2.0
    return float(weight @ each / weight.sum())
