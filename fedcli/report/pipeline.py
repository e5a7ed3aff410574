"""The fitted scikit-learn ``Pipeline`` of a finished study.

Owns the translation into scikit-learn's objects. The only place of the product that imports scikit-learn. Internal.

Each object is fitted by its own class on a few made-up rows, so that every attribute a version of scikit-learn expects
is there, and then given the pooled values. Setting attributes on an unfitted object instead breaks with each release.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fedcli.errors import UnsupportedModel
from fedcli.fileformat.statistics import State
from fedcli.preparing.columns import Columns
from fedcli.preparing.plan import Plan
from fedcli.report.coefficients import class_labels
from fedcli.study.document import CategoryFeature

_GAPS = (("impute", np.nan), ("impute_none", None))


def build_pipeline(plan: Plan, state: State) -> Any:
    """Return ``Pipeline([("columns", ColumnTransformer), ("model", estimator)])``, fitted as on the pooled rows.

    Its ``predict`` takes a data frame with the study's column names, agreed units and level spellings; a missing cell
    is NaN (None for text). The offset of a count model is not part of it: multiply predictions by the exposure.

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


def _first(plan: Plan, chosen: list[str]) -> Any:
    return spoken_levels(plan.study.categories[chosen[0]])[0]


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
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = plan.columns
    original_mean = preparation.fill * columns.half + columns.middle
    scale = preparation.scale[: len(columns.numbers)] * columns.half
    groups: list[tuple[str, Any, list[str]]] = []
    numbers = [name for name, _ in columns.numbers]
    categories = [name for name, _ in columns.categories]
    for title, chosen, imputed in (
        ("numbers_imputed", numbers[: columns.n_imputed], True),
        ("numbers", numbers[columns.n_imputed :], False),
    ):
        if chosen:
            steps: list[tuple[str, Any]] = [("impute", SimpleImputer())] if imputed else []
            if plan.study.model.standardize:
                steps.append(("scale", StandardScaler()))
            groups.append((title, Pipeline(steps) if steps else "passthrough", chosen))
    for place, name in enumerate(categories):
        # One step per category: levels that are numbers and levels that are text cannot share an encoder.
        levels = spoken_levels(plan.study.categories[name])
        encode = OneHotEncoder(categories=[levels], drop="first", sparse_output=False)
        gaps = _GAPS if isinstance(levels[0], str) else _GAPS[:1]
        imputed = place < columns.n_imputed_categories
        steps = [(step, SimpleImputer(missing_values=gap, strategy="most_frequent")) for step, gap in gaps if imputed]
        groups.append((f"category_{name}", Pipeline([*steps, ("encode", encode)]), [name]))
    transformer = ColumnTransformer(groups, sparse_threshold=0.0)
    transformer.fit(pl.DataFrame(_made_up(columns)))
    places = {name: i for i, name in enumerate(numbers)}
    category_places = {name: i for i, name in enumerate(categories)}
    for title, fitted, chosen in transformer.transformers_:
        if not isinstance(fitted, Pipeline):
            continue
        index = [places[name] for name in chosen if name in places]
        imputers = [step for name, step in fitted.steps if name.startswith("impute")]
        if imputers:
            values = (
                original_mean[index]
                if index
                else np.array(
                    [spoken_levels(plan.study.categories[n])[preparation.modes[category_places[n]]] for n in chosen],
                    dtype=object if title.startswith("category_") and isinstance(_first(plan, chosen), str) else None,
                )
            )
            for imputer in imputers:
                imputer.statistics_ = values
        if title.startswith("numbers") and "scale" in fitted.named_steps:
            scaler = fitted.named_steps["scale"]
            scaler.mean_, scaler.scale_, scaler.var_ = original_mean[index], scale[index], scale[index] ** 2
            scaler.n_samples_seen_ = preparation.n_samples
    return transformer


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
