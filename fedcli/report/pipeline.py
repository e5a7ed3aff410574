"""The fitted scikit-learn ``Pipeline`` of a finished study.

Owns the translation into scikit-learn's objects. The only place of the product that imports scikit-learn. Internal.

Each object is fitted by its own class on a few made-up rows, so that every attribute a version of scikit-learn expects
is there, and then given the pooled values. Setting attributes on an unfitted object instead breaks with each release.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.data.cells import NO_VALUE, Codes, number_of
from fedcli.errors import UnsupportedModel
from fedcli.fileformat.statistics import FloatArray, State
from fedcli.preparing.columns import Columns
from fedcli.preparing.plan import Plan
from fedcli.report.coefficients import class_labels
from fedcli.study.document import CategoryFeature, NumberFeature, Study

_GAPS = (("impute", np.nan), ("impute_none", None))


def build_pipeline(plan: Plan, state: State) -> Any:
    """Return ``Pipeline([("columns", ColumnTransformer), ("model", estimator)])``, fitted as on the pooled rows.

    Its ``predict`` takes a data frame with the study's column names, agreed units and level spellings; a missing cell
    is NaN (None for text) or an agreed missing code, but for those that `pipeline_limits` names. The offset of a count
    model is not part of it: multiply predictions by the exposure.

    Raises
    ------
    UnsupportedModel
        The installed scikit-learn lacks the class.
    """
    from sklearn.pipeline import Pipeline

    preparation = plan.preparation(state)
    transformer = _transformer(plan, preparation)
    coef = state.arrays["coef"]
    # On the standardised scale, where the estimator stands behind the transformer.
    slopes = coef[1:] * preparation.scale
    intercept = coef[0] + coef[1:] @ preparation.mean
    estimator = _estimator(plan, slopes * plan.target.half, intercept * plan.target.half + plan.target.middle)
    if not plan.study.model.params.get("fit_intercept", True):
        estimator.intercept_ = np.zeros_like(estimator.intercept_)
    return Pipeline([("columns", transformer), ("model", estimator)])


def spoken_levels(column: CategoryFeature) -> list[Any]:
    """Return a category's levels as a data frame holds them: numbers where every level is one, else text.

    A table whose levels are 0 and 1 is read by pandas and polars as numbers, and the encoder compares values.
    """
    try:
        numbers = [float(level) for level in column.levels]
    except ValueError:
        return list(column.levels)
    distinct = len(set(numbers)) == len(numbers) and all(np.isfinite(numbers))
    return list(numbers) if distinct else list(column.levels)


def _made_up(columns: Columns) -> dict[str, list[Any]]:
    """Return a few rows in which every level occurs and every number varies."""
    n = max([2, *(len(column.levels) for _, column in columns.categories)])
    table: dict[str, list[Any]] = {name: [float(i) for i in range(n)] for name, _ in columns.numbers}
    for name, column in columns.categories:
        levels = spoken_levels(column)
        table[name] = [levels[i % len(levels)] for i in range(n)]
    return table


def _transformer(plan: Plan, preparation: Any) -> Any:
    import polars as pl
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

    columns, categories = plan.columns, plan.study.categories
    own = {name: i for i, (name, _) in enumerate(columns.numbers)}
    place = {name: i for i, (name, _) in enumerate(columns.categories)}
    fill = preparation.fill * columns.half + columns.middle
    # The mean after imputation: only where the mean itself fills are the two the same.
    centre = preparation.mean[: len(columns.numbers)] * columns.half + columns.middle
    scale = preparation.scale[: len(columns.numbers)] * columns.half
    groups: list[tuple[str, Any, list[str]]] = []
    for number, (column, run) in enumerate(itertools.groupby(columns.numbers, lambda item: _treatment(item[1]))):
        chosen = [name for name, _ in run]
        steps: list[tuple[str, Any]] = [("impute", SimpleImputer())] if column.imputed else []
        # A gap in a column without imputation stays one, and the estimator refuses it.
        steps += [
            (f"impute_code_{i}", SimpleImputer(missing_values=code, keep_empty_features=True))
            for i, code in enumerate(column.codes)
        ]
        if column.clip:
            steps.append(("clip", MinMaxScaler(feature_range=column.clip, clip=True)))
        if plan.study.model.standardize:
            steps.append(("scale", StandardScaler()))
        groups.append((f"numbers_{number}", Pipeline(steps) if steps else "passthrough", chosen))
    for name in place:
        # One step per category: levels that are numbers and levels that are text cannot share an encoder.
        levels = spoken_levels(categories[name])
        encode = OneHotEncoder(categories=[levels], drop="first", sparse_output=False)
        gaps = [] if categories[name].impute is None else _category_gaps(categories[name], levels)
        steps = [(step, SimpleImputer(missing_values=gap, strategy="most_frequent")) for step, gap in gaps]
        groups.append((f"category_{name}", Pipeline([*steps, ("encode", encode)]), [name]))
    transformer = ColumnTransformer(groups, sparse_threshold=0.0)
    transformer.fit(pl.DataFrame(_made_up(columns)))
    for _, fitted, chosen in transformer.transformers_:
        if not isinstance(fitted, Pipeline):
            continue
        index = [own[name] for name in chosen if name in own]
        for title, step in fitted.steps:
            if title.startswith("impute"):
                step.statistics_ = (
                    _fill(plan.study.numbers[chosen[0]].impute is not None, fill[index])
                    if index
                    else _mode(categories[chosen[0]], preparation.modes[place[chosen[0]]])
                )
            elif title == "clip":
                low, high = step.feature_range
                # From the range to the range: the identity, but for what lies outside.
                step.data_min_, step.data_max_ = np.full(len(index), low), np.full(len(index), high)
                step.data_range_ = step.data_max_ - step.data_min_
                step.scale_, step.min_ = np.ones(len(index)), np.zeros(len(index))
            elif title == "scale":
                step.mean_, step.scale_, step.var_ = centre[index], scale[index], scale[index] ** 2
                step.n_samples_seen_ = preparation.n_samples
    return transformer


@dataclass(frozen=True)
class _Treatment:
    """What happens to a number column before it is scaled; neighbours that are treated alike share one step."""

    imputed: bool
    codes: tuple[float, ...]
    clip: tuple[float, float] | None


def _treatment(column: NumberFeature) -> _Treatment:
    clip = column.interval if column.outside == "clip" else None
    return _Treatment(column.impute is not None, tuple(sorted(Codes.of(column.missing).numbers)), clip)


def _fill(imputed: bool, values: FloatArray) -> FloatArray:
    return values if imputed else np.full(len(values), np.nan)


def _category_gaps(column: CategoryFeature, levels: list[Any]) -> list[tuple[str, Any]]:
    codes = Codes.of(column.missing)
    if isinstance(levels[0], str):
        return [*_GAPS, *((f"impute_code_{i}", code) for i, code in enumerate(sorted(codes.texts)))]
    return [_GAPS[0], *((f"impute_code_{i}", code) for i, code in enumerate(sorted(codes.numbers)))]


def _mode(column: CategoryFeature, mode: int) -> Any:
    level = spoken_levels(column)[mode]
    return np.array([level], dtype=object if isinstance(level, str) else None)


def pipeline_limits(study: Study) -> tuple[str, ...]:
    """Return what the study does to a table and the exported Pipeline does not, a sentence each.

    scikit-learn's own parts compare a missing code with a column of its own kind only: text codes among numbers have to
    become gaps where the table is read.
    """
    found = []
    texts = {code: None for name, column in study.features.items() for code in _foreign_codes(study, name)}
    if texts:
        wanted = ", ".join(repr(code) for code in sorted(texts))
        found.append(
            f"the Pipeline does not know the missing codes {wanted} in columns of numbers: "
            f"read the table with pandas.read_csv(FILE, na_values=[{wanted}])"
        )
    lost = [name for name, column in study.numbers.items() if column.outside == "missing"]
    if lost:
        found.append(
            f"the Pipeline takes values outside the agreed range as they are, in the study they are missing: "
            f"{', '.join(lost)}"
        )
    return tuple(found)


def _foreign_codes(study: Study, name: str) -> list[str]:
    """Return the text codes of a column that a data frame holds as numbers, but for those that pandas knows itself."""
    column = study.features[name]
    if name in study.categories and isinstance(spoken_levels(study.categories[name])[0], str):
        return []
    return [code for code in Codes.of(column.missing).texts if number_of(code) is None and code.lower() not in NO_VALUE]


def _estimator(plan: Plan, slopes: Any, intercept: float) -> Any:
    from sklearn import linear_model

    name = plan.study.model.estimator
    params = dict(plan.study.model.params)
    if name == "LogisticRegression":
        penalty = params.pop("penalty", "l2")
        if penalty in (None, "none"):
            params["C"] = np.inf
    cls = getattr(linear_model, name, None)
    if cls is None:
        raise UnsupportedModel(f"the installed scikit-learn has no {name}", hint="upgrade scikit-learn")
    estimator = cls(**params)
    X = np.zeros((2, len(slopes)))
    labels = class_labels(plan)
    estimator.fit(X, np.array(labels) if labels else np.array([1.0, 2.0]))
    if labels and estimator.classes_[0] != labels[0]:
        # scikit-learn sorts the classes, and its coefficients speak for the last.
        slopes, intercept = -slopes, -intercept
    estimator.coef_ = slopes[None, :] if labels else slopes
    estimator.intercept_ = np.array([intercept]) if labels else float(intercept)
    for attribute in ("n_iter_", "rank_", "singular_"):
        if hasattr(estimator, attribute):
            # They described the made-up fit.
            delattr(estimator, attribute)
    return estimator
