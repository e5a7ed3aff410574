"""Pooled training with scikit-learn, for a simulation to compare with.

Owns the pooled fit. Knows nothing of files or silos. Internal; only a simulation ever has the rows in one place.

The preparation is scikit-learn's own (`SimpleImputer`, `StandardScaler`, `OneHotEncoder`), and the fit is run to its
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
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = plan.columns
    parts, centres, units = [], [], []
    numbers = np.concatenate([r.numbers for r in rows])[:, columns.number_order]
    if numbers.shape[1]:
        filled = SimpleImputer(keep_empty_features=True).fit_transform(_medians_filled(plan, state, numbers))
        if plan.study.model.standardize:
            scaler = StandardScaler().fit(filled)
            parts.append(scaler.transform(filled))
            centres.append(scaler.mean_)
            units.append(scaler.scale_)
        else:
            parts.append(filled)
            centres.append(np.zeros(filled.shape[1]))
            units.append(np.ones(filled.shape[1]))
    codes = np.concatenate([r.codes for r in rows])[:, columns.category_order]
    for j, (_, column) in enumerate(columns.categories):
        levels = np.array([*column.levels, ""], dtype=object)
        text = levels[codes[:, j]][:, None]
        if column.impute is not None:
            text = SimpleImputer(strategy="most_frequent", missing_values="").fit_transform(text)
        encoder = OneHotEncoder(categories=[list(column.levels)], drop="first", sparse_output=False)
        parts.append(encoder.fit_transform(text))
    n_dummies = columns.n_columns - 1 - numbers.shape[1]
    centre = np.concatenate([*centres, np.zeros(n_dummies)])
    unit = np.concatenate([*units, np.ones(n_dummies)])
    return np.hstack(parts), (centre, unit)


def _medians_filled(plan: Plan, state: State, numbers: FloatArray) -> FloatArray:
    """Fill what a median fills with the study's own: an estimate within bounds, which no pooled fit knows better."""
    columns = plan.columns
    value = plan.preparation(state).fill * columns.half + columns.middle
    filled = numbers.copy()
    for j in plan.profile.grids.medians:
        filled[np.isnan(filled[:, j]), j] = value[j]
    return filled


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
