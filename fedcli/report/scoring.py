"""What a finished model says of rows: predictions, probabilities, or the columns that it makes of them.

Owns the headings and the numbers of each kind of model. Knows nothing of files. Internal. A model of coefficients is
scored by their sum alone; any other by scikit-learn's own object, given the pooled values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedcli.errors import UnsupportedModel
from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.losses import Logistic
from fedcli.models.objective import split
from fedcli.models.ordinal import ProportionalOdds
from fedcli.preparing.estimators import estimator_of, has_probabilities
from fedcli.preparing.plan import Plan
from fedcli.preparing.preparation import Preparation
from fedcli.preparing.rows import Rows
from fedcli.report import by_column
from fedcli.report.coefficients import class_labels

Score = Callable[[Rows], list[list[object]]]


def headings(plan: Plan, state: State) -> list[str]:
    """Return the names of a prediction's columns."""
    kind, labels = plan.study.target.type, class_labels(plan)
    if _makes_columns(plan):
        return [] if plan.family.linear else list(_output_names(plan, state))
    if kind == "binary":
        return ["prediction", "probability"] if _has_probabilities(plan) else ["prediction"]
    if kind == "survival":
        return ["linear predictor", "relative hazard"]
    if kind == "category" and _has_probabilities(plan):
        return ["prediction", *(f"probability of {label}" for label in labels)]
    return ["prediction"]


def scorer(plan: Plan, state: State) -> Score:
    """Return what scores a batch of rows: one list of values for each, empty text where a row lacks something."""
    by_estimator = plan.study.target.type in ("category", "none") or not plan.family.linear
    by_estimator &= not isinstance(plan.loss, ProportionalOdds)
    if not by_estimator and plan.family.coefficients(state).ndim == 1:
        return _linear(plan, state)
    if not estimator_of(plan.study).module:
        raise UnsupportedModel(
            f"{plan.study.model.estimator} describes groups and says nothing of single rows",
            hint="its table is in: fedcli export",
        )
    return _by_estimator(plan, state)


def _linear(plan: Plan, state: State) -> Score:
    preparation, coef, labels = plan.preparation(state), plan.family.coefficients(state), class_labels(plan)
    probable, loss = _has_probabilities(plan), plan.loss

    def score(rows: Rows) -> list[list[object]]:
        eta = preparation.matrix(rows) @ coef + rows.offset
        if isinstance(loss, ProportionalOdds):
            shares = loss.probabilities(eta, split(loss, state.arrays["coef"])[1])
            return [
                [labels[int(np.argmax(p))], *map(repr, p.tolist())] if not np.isnan(p).any() else [""] * (1 + len(p))
                for p in shares
            ]
        if labels and probable:
            p = Logistic().mean(eta)
            return [
                [labels[int(k)], repr(float(q))] if not np.isnan(q) else ["", ""]
                for k, q in zip(eta > 0, p, strict=True)
            ]
        if labels:
            return [[labels[int(e > 0)]] if not np.isnan(e) else [""] for e in eta]
        if plan.study.target.type == "survival":
            with np.errstate(over="ignore"):
                hazard = np.exp(eta)
            return [[*map(_spelt, pair)] for pair in zip(eta.tolist(), hazard.tolist(), strict=True)]
        return [[repr(float(v))] for v in plan.predicted(eta)]

    return score


def _spelt(value: float) -> object:
    """Return a number's text, nothing where a row lacks something."""
    return "" if np.isnan(value) else repr(value)


def _by_estimator(plan: Plan, state: State) -> Score:
    from fedcli.report.estimator import fitted_estimator

    estimator, preparation = fitted_estimator(plan, state), plan.preparation(state)
    width, levels = len(headings(plan, state)), by_column.spoken(plan)

    def score(rows: Rows) -> list[list[object]]:
        if estimator_of(plan.study).spelled:
            X, good = by_column.table_of(plan, preparation, rows, levels)
            good &= by_column.known_levels(plan, X, estimator)
        else:
            X = prepared(plan, preparation, rows)
            good = np.asarray(np.isfinite(X).all(axis=1))
        found = [[""] * width for _ in range(len(X))]
        if good.any():
            for at, line in zip(np.flatnonzero(good), _said(plan, estimator, X[good]), strict=True):
                found[at] = line
        return found  # type: ignore[return-value]

    return score


def prepared(plan: Plan, preparation: Preparation, rows: Rows) -> FloatArray:
    """Return what an estimator sees of rows: standardised columns, or the number of each category's level.

    Parameters
    ----------
    plan : Plan
    preparation : Preparation
    rows : Rows
    """
    if estimator_of(plan.study).ordinal:
        codes = rows.codes[:, plan.columns.category_order]
        return np.where(codes < 0, np.array(preparation.modes), codes).astype(np.float64)
    return np.asarray((preparation.matrix(rows)[:, 1:] - preparation.mean) / preparation.scale)


def _said(plan: Plan, estimator: Any, X: FloatArray) -> list[list[Any]]:
    if _makes_columns(plan):
        made = estimator.transform(X) if hasattr(estimator, "transform") else estimator.mahalanobis(X)[:, None]
        return [[v if isinstance(v, str) else repr(float(v)) for v in row] for row in by_column.as_dense(made)]
    predicted = estimator.predict(X).tolist()
    labels = class_labels(plan)
    if not labels or not _has_probabilities(plan):
        return [[value if labels else repr(float(value))] for value in predicted]
    p = estimator.predict_proba(X)
    # Of yes or no the probability of yes stands for both.
    shown = labels[1:] if plan.study.target.type == "binary" else labels
    order = [list(estimator.classes_).index(label) for label in shown]
    return [[value, *(repr(float(q)) for q in row[order])] for value, row in zip(predicted, p, strict=True)]


def _has_probabilities(plan: Plan) -> bool:
    return has_probabilities(plan.study)


def _makes_columns(plan: Plan) -> bool:
    """Return whether a model makes other columns of a row, and predicts nothing."""
    return plan.study.target.type == "none" or plan.study.model.estimator == "SelectKBest"


def _output_names(plan: Plan, state: State) -> tuple[str, ...]:
    """Return the names of what a model makes of a row."""
    form = getattr(plan.family, "form", None)
    outputs = getattr(form, "outputs", None)
    if outputs is not None:
        return tuple(outputs(plan.columns.names))
    from fedcli.report.estimator import fitted_estimator

    names = by_column.input_names(plan)
    return tuple(fitted_estimator(plan, state).get_feature_names_out(np.array(names, dtype=object)))
