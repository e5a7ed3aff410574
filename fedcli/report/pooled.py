"""Pooled training with scikit-learn, for a simulation to compare with.

Owns the pooled fit. Knows nothing of files or silos. Internal; only a simulation ever has the rows in one place.

The preparation is scikit-learn's own parts (see `transformers`), fitted on the pooled rows. The fit is run to its
optimum: with scikit-learn's default tolerances it stops up to 1e-2 short of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.preparing.estimators import parameters
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.report.transformers import Transformers
from fedcli.study.document import BinaryTarget, CountTarget


@dataclass(frozen=True)
class Coefficients:
    """Intercept first: on the scale of the fit, and on the columns' own."""

    fitted: FloatArray
    original: FloatArray


def fit_pooled(plan: Plan, state: State, silos: Mapping[str, Rows]) -> tuple[Coefficients, Coefficients]:
    """Return the federated and the pooled coefficients.

    Parameters
    ----------
    plan : Plan
    state : State
        Of the final model.
    silos : mapping of str to Rows
        Each silo's training rows.
    """
    rows = [silos[name] for name in silos]
    X, scales = _prepared(plan, state, rows)
    y = np.concatenate([r.target for r in rows])
    weight = np.concatenate([r.weight for r in rows])
    offset = np.concatenate([r.offset for r in rows])
    pooled = _fit(plan, X, y, weight, offset)
    preparation = plan.preparation(state)
    own = state.arrays["coef"]
    mine = np.concatenate([[own[0] + own[1:] @ preparation.mean], own[1:] * preparation.scale]) * plan.target.half
    mine[0] += plan.target.middle
    centre, unit = scales
    original = pooled.copy()
    original[1:] = pooled[1:] / unit
    original[0] = pooled[0] - pooled[1:] @ (centre / unit)
    return Coefficients(mine, plan.coefficients(state)), Coefficients(pooled, original)


def _prepared(plan: Plan, state: State, rows: list[Rows]) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    from sklearn.pipeline import Pipeline

    # What a median fills with is the study's own estimate within bounds, which no pooled fit knows better.
    filled = plan.preparation(state).fill * plan.columns.half + plan.columns.middle
    medians = {plan.columns.numbers[j][0]: float(filled[j]) for j in plan.profile.grids.medians}
    maker = Transformers(plan, fills=medians)
    transformer = maker.column_transformer()
    X = transformer.fit_transform(_frame(plan, rows))
    centres, units = [], []
    for group, (_, fitted, _) in zip(maker.groups, transformer.transformers_, strict=True):
        scaler = fitted.named_steps.get("scale") if isinstance(fitted, Pipeline) else None
        centres.append(np.zeros(group.width) if scaler is None else scaler.mean_)
        units.append(np.ones(group.width) if scaler is None else scaler.scale_)
    return np.asarray(X, dtype=np.float64), (np.concatenate(centres), np.concatenate(units))


def _frame(plan: Plan, rows: list[Rows]) -> Any:
    """Return the pooled rows in agreed terms: numbers, NaN where missing; levels as text, None where missing."""
    import polars as pl

    numbers = np.concatenate([r.numbers for r in rows])
    codes = np.concatenate([r.codes for r in rows])
    table: dict[str, Any] = {name: numbers[:, j] for j, name in enumerate(plan.study.numbers)}
    for j, (name, column) in enumerate(plan.study.categories.items()):
        levels = np.array([*column.levels, None], dtype=object)
        table[name] = pl.Series(levels[codes[:, j]].tolist(), dtype=pl.String)
    return pl.DataFrame(table)


def _fit(plan: Plan, X: FloatArray, y: FloatArray, weight: FloatArray, offset: FloatArray) -> FloatArray:
    from sklearn import linear_model

    values = parameters(plan.study)
    name = plan.study.model.estimator
    tight: dict[str, Any] = {}
    if isinstance(plan.study.target, BinaryTarget):
        unpenalised = values.pop("penalty") in (None, "none")
        values["C"] = np.inf if unpenalised else values["C"]
        tight = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
    elif isinstance(plan.study.target, CountTarget):
        # An offset is scikit-learn's weighted fit of rates; its alpha is then per unit of exposure, ours per row.
        exposure = np.exp(offset)
        values["alpha"] = values["alpha"] * weight.sum() / (weight * exposure).sum()
        y, weight = y / exposure, weight * exposure
        tight = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
    estimator = getattr(linear_model, name)(**values, **tight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that 1e-12 was not reached when rounding stops it first
        estimator.fit(X, y, sample_weight=weight)
    return np.concatenate([np.ravel(estimator.intercept_), np.ravel(estimator.coef_)])
