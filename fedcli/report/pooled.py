"""Pooled training with scikit-learn, for a simulation to compare with.

Owns the pooled fit and the comparison. Knows nothing of files or silos. Internal; only a simulation ever has the rows
in one place.

The preparation is scikit-learn's own parts (see `transformers`), fitted on the pooled rows. The fit is run to its
optimum: with scikit-learn's default tolerances it stops up to 1e-2 short of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.averaging import Averaging
from fedcli.models.batch import Batch
from fedcli.models.cavity import Cavity
from fedcli.models.closed import Closed, fitted_attributes
from fedcli.models.cox import ProportionalHazards
from fedcli.models.life_table import LifeTable
from fedcli.models.nuisance import JointLoss
from fedcli.models.one_baseline import OneBaseline
from fedcli.models.ordinal import ProportionalOdds
from fedcli.models.path import Path
from fedcli.models.stepwise import Stepwise
from fedcli.preparing.estimators import estimator_of, parameters
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.report.by_column import as_learnt, own_parameters
from fedcli.report.coefficients import class_labels, coefficient_table, named_parameters
from fedcli.report.estimator import new_estimator, standardised_coefficients
from fedcli.report.map_transformers import fitted_quietly, settle_agreed
from fedcli.report.pooled_choice import pooled_choice, rates
from fedcli.report.pooled_joint import PooledJoint, pooled_joint
from fedcli.report.pooled_stepwise import pooled_stepwise
from fedcli.report.pooled_survival import PooledSurvival, grid_bias, pooled_hazards, pooled_on_a_grid
from fedcli.report.transformers import Transformers
from fedcli.study.document import ClassTarget, NoTarget

_NOTHING = 1e-10


@dataclass(frozen=True)
class Comparison:
    """The federated model beside the pooled one.

    Parameters
    ----------
    numbers : tuple of (str, float, float)
        Name, federated and pooled: coefficients on the columns' own scale, or what else the estimator has learnt.
    relative_error : float
        ``norm(federated - pooled) / norm(pooled)`` over all coefficients on the scale of the fit; of attributes the
        largest such figure. None of models that are trained at each silo, which `compare_scores` compares.
    grid_bias : float, optional
        Where one baseline is on agreed intervals: by how many standard errors a coefficient differs at most from the
        pooled fit of the exact times.
    within : bool, optional
        Whether every pooled number lies within the bounds that the federated model states; None where it states none.
    """

    numbers: tuple[tuple[str, float, float], ...]
    relative_error: float | None
    grid_bias: float | None = None
    within: bool | None = None


def compare_pooled(
    plan: Plan, state: State, silos: Mapping[str, Rows], folds: NDArray[np.int64] | None = None
) -> Comparison:
    """Fit the pooled rows with scikit-learn, and set the federated model beside it.

    Parameters
    ----------
    plan : Plan
    state : State
        Of the final model.
    silos : mapping of str to Rows
        Each silo's training rows.
    folds : ndarray of int, optional
        Of each pooled row, where the study has a cross-validation.
    """
    rows = [silos[name] for name in silos]
    if isinstance(plan.family, Averaging):
        return Comparison((), None)
    X, (centre, unit) = _prepared(plan, state, rows)
    pooled = pooled_choice(plan, state, X, rows, folds) if isinstance(plan.family, Path) else _fit(plan, X, rows, folds)
    if not plan.family.linear:
        return _attributes(plan, state, pooled)
    labels = class_labels(plan)
    slopes, intercept = np.asarray(pooled.coef_), np.asarray(pooled.intercept_)
    own_slopes, own_intercept = standardised_coefficients(plan, state)
    slopes, intercept = slopes.reshape(own_slopes.shape), intercept.reshape(own_intercept.shape)
    if labels and slopes.ndim > 1:
        order = [list(pooled.classes_).index(code) for code in range(len(labels))]
        slopes, intercept = slopes[order], intercept[order]
    ours = np.concatenate([own_intercept.ravel(), own_slopes.ravel()])
    theirs = np.concatenate([intercept.ravel(), slopes.ravel()])
    original = np.concatenate([(intercept - (slopes * centre / unit).sum(axis=-1))[..., None], slopes / unit], axis=-1)
    table = coefficient_table(plan, state)
    names = ["intercept", *plan.columns.names]
    by_name = {
        (f"{label}: {name}" if label is not None else name): value
        for label, row in zip(labels if original.ndim > 1 else [None], np.atleast_2d(original), strict=True)
        for name, value in zip(names, row.tolist(), strict=True)
    }
    error = _relative(ours, theirs)
    if isinstance(pooled, PooledJoint):
        found = fitted_attributes(state)
        # Thresholds are those of the columns as they are, in the table.
        shift = float(original[0]) if isinstance(plan.loss, ProportionalOdds) else 0.0
        for name, own in pooled.beside.items():
            error = max(error, _relative(np.ravel(found[name]), own))
            by_name |= dict(named_parameters(name, (own - shift).tolist()))
    numbers = tuple((name, float(value), by_name[name]) for name, value in table.lines())
    bias = grid_bias(X, rows, plan.family, own_slopes) if isinstance(plan.family, OneBaseline) else None
    return Comparison(numbers, error, grid_bias=bias)


def _attributes(plan: Plan, state: State, pooled: Any) -> Comparison:
    numbers: list[tuple[str, float, float]] = []
    worst, turning = 0.0, estimator_of(plan.study).up_to_sign
    within: bool | None = None
    learnt = fitted_attributes(state)
    for attribute, value in learnt.items():
        name = f"{attribute}_"
        if not hasattr(pooled, name):
            continue
        both = value, as_learnt(plan, attribute, getattr(pooled, name), value)
        ours, theirs = (_flat(found, turning=attribute in turning) for found in both)
        if ours.shape != theirs.shape:
            # Other levels, or bins that one side leaves out: nothing stands beside each other.
            worst = max(worst, 1.0)
            continue
        if f"{attribute}_lower" in learnt:
            low, high = (_flat(learnt[f"{attribute}_{end}"], turning=False) for end in ("lower", "upper"))
            slack = _NOTHING * np.abs(theirs)
            within = within is not False and bool(((low - slack <= theirs) & (theirs <= high + slack)).all())
        named = [name] if len(ours) == 1 else [f"{name}[{i}]" for i in range(len(ours))]
        numbers += list(zip(named, ours.tolist(), theirs.tolist(), strict=True))
        worst = max(worst, _relative(ours, theirs))
    return Comparison(tuple(numbers), worst, within=within)


def _flat(value: Any, *, turning: bool) -> FloatArray:
    parts = value if isinstance(value, list) else [value]
    flat = np.concatenate([np.ravel(np.asarray(part, dtype=np.float64)) for part in parts])
    return np.abs(flat) if turning else flat


def _relative(ours: FloatArray, theirs: FloatArray) -> float:
    size = float(np.linalg.norm(theirs))
    # Means of standardised columns are rounding: nothing to be measured by.
    return float(np.linalg.norm(ours - theirs) / (size if size > _NOTHING else 1.0))


def _prepared(plan: Plan, state: State, rows: list[Rows]) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    from sklearn.pipeline import Pipeline

    # What a median fills with is the study's own estimate within bounds, which no pooled fit knows better.
    filled = plan.preparation(state).fill * plan.columns.half + plan.columns.middle
    medians = {plan.columns.numbers[j][0]: float(filled[j]) for j in plan.profile.grids.medians}
    maker = Transformers(plan, fills=medians)
    frame = _frame(plan, rows)
    transformer = fitted_quietly(maker.column_transformer(), frame)
    settle_agreed(plan.columns.mapped, transformer)
    X = transformer.transform(frame)
    centres, units = [], []
    for group, (_, fitted, _) in zip(maker.groups, transformer.transformers_, strict=True):
        scaler = fitted.named_steps.get("scale") if isinstance(fitted, Pipeline) else None
        centres.append(np.zeros(group.width) if scaler is None else scaler.mean_)
        units.append(np.ones(group.width) if scaler is None else scaler.scale_)
    if estimator_of(plan.study).spelled:
        gaps = np.array([[np.nan if cell is None else cell for cell in row] for row in np.asarray(X)], dtype=object)
        return gaps, (np.concatenate(centres), np.concatenate(units))
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


def _fit(plan: Plan, X: FloatArray, rows: list[Rows], folds: NDArray[np.int64] | None) -> Any:
    """Fit the study's own class to its optimum; classes are numbered as in the study."""
    y = np.concatenate([r.target for r in rows])
    weight = np.concatenate([r.weight for r in rows])
    offset = np.concatenate([r.offset for r in rows])
    study = plan.study
    if isinstance(plan.family, ProportionalHazards):
        return pooled_hazards(X, rows, plan.family.loss, plan.family.penalty.ridge)
    if isinstance(plan.family, OneBaseline):
        return pooled_on_a_grid(X, rows, plan.family)
    if isinstance(plan.family, LifeTable):
        return PooledSurvival.of(plan.family, X, rows)
    if isinstance(plan.family, Cavity) and isinstance(plan.loss, JointLoss) and not estimator_of(study).module:
        design = np.hstack([np.ones((len(X), 1)), X])
        return pooled_joint(Batch(design, plan.target.reference(y), offset, weight), plan.family)
    if isinstance(plan.family, Closed) and isinstance(plan.family.form, Stepwise):
        return pooled_stepwise(X, y, plan.family.form.wholes, plan.parameters)
    levels: list[list[Any]] = [list(column.levels) for _, column in plan.columns.categories]
    tight = estimator_of(study).tightened(parameters(study))
    estimator = new_estimator(study, **{**own_parameters(study, levels), **tight})
    if study.offset is not None:
        y, weight = rates(plan, estimator, y, weight, offset)
    elif isinstance(study.target, ClassTarget):
        y = y.astype(np.int64)
    if folds is not None:
        from sklearn.model_selection import PredefinedSplit

        estimator.set_params(cv=PredefinedSplit(folds))
    options = {"sample_weight": weight} if study.weight is not None or study.offset is not None else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that 1e-12 was not reached when rounding stops it first
        return estimator.fit(X) if isinstance(study.target, NoTarget) else estimator.fit(X, y, **options)
