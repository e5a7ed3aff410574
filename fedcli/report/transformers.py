"""The study's columns as standard parts of scikit-learn: one ``ColumnTransformer``, its output in design order.

Owns which parts a column becomes. Knows nothing of coefficients, files or silos. Internal. The same parts serve twice:
fitted on pooled rows, to compare with; and given the pooled values without any rows, to be exported.

Each exported part is fitted by its own class on a few made-up rows, so that every attribute a version of scikit-learn
expects is there, and then given the pooled values. Setting attributes on an unfitted object instead breaks with each
release.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.data.cells import Codes
from fedcli.preparing.estimators import estimator_of
from fedcli.preparing.mapped import Mapped
from fedcli.preparing.plan import Plan
from fedcli.preparing.preparation import Preparation
from fedcli.report.map_transformers import fitted_quietly, map_steps, scaling_steps, settle_map
from fedcli.study.document import (
    BooleanColumn,
    CategoryFeature,
    DateColumn,
    Interaction,
    Log,
    Number,
    NumberFeature,
    Spline,
    Term,
)

_GAPS = (np.nan, None)
# Stands for a gap until it is noted; no column's range comes near it.
_MARK = -1e300


@dataclass(frozen=True)
class Group:
    """Neighbouring columns of the design that one pipeline makes from ``columns`` of a table."""

    title: str
    steps: tuple[tuple[str, Any], ...]
    columns: list[str]
    width: int


@dataclass(frozen=True)
class _Treatment:
    """What happens to a number before it is scaled; neighbours that are treated alike share one step."""

    impute: str | None
    fill: float | None
    codes: tuple[float, ...]
    clip: tuple[float, float] | None


def spoken_levels(column: CategoryFeature) -> list[Any]:
    """Return a category's levels as a data frame holds them: numbers where every level is one, else text.

    A table whose levels are 0 and 1 is read by pandas and polars as numbers, and the encoder compares values. No and
    yes are 0 and 1, which False and True equal.
    """
    if isinstance(column, BooleanColumn):
        return [0.0, 1.0]
    try:
        numbers = [float(level) for level in column.levels]
    except ValueError:
        return list(column.levels)
    distinct = len(set(numbers)) == len(numbers) and all(np.isfinite(numbers))
    return list(numbers) if distinct else list(column.levels)


class Transformers:
    """Makes the parts.

    Parameters
    ----------
    plan : Plan
    fills : mapping of str to float, optional
        For a fit on pooled rows in agreed terms: what fills columns that a median fills, since that estimate within
        bounds is the study's own. Without it the parts are for raw tables: missing codes are gaps, values are clipped.
    """

    def __init__(self, plan: Plan, fills: Mapping[str, float] | None = None) -> None:
        self._plan = plan
        self._raw = fills is None
        self._fills = fills or {}
        self._estimator = estimator_of(plan.study)
        self.groups = tuple(self._groups())

    def column_transformer(self) -> Any:
        """Return the ``ColumnTransformer``, not fitted."""
        from sklearn.compose import ColumnTransformer

        made = [(group.title, _pipeline(group.steps), group.columns) for group in self.groups]
        return ColumnTransformer(made, sparse_threshold=0.0)

    def levels(self, column: CategoryFeature) -> list[Any]:
        """Return a category's levels as the table holds them."""
        return spoken_levels(column) if self._raw else list(column.levels)

    # ---- the parts -------------------------------------------------------------------------------------------------

    def _groups(self) -> list[Group]:
        columns, study = self._plan.columns, self._plan.study
        found: list[Group] = []
        entering = [columns.numbers[i] for i in columns.entering]
        for number, (_, run) in enumerate(itertools.groupby(entering, lambda item: self._treatment(*item))):
            chosen = list(run)
            steps = (*self._number(*chosen[0]), *self._scaled(True))
            found.append(Group(f"numbers_{number}", steps, [name for name, _ in chosen], len(chosen)))
        for name, category in (columns.categories[j] for j in columns.encoded):
            # One step per category: levels that are numbers and levels that are text cannot share an encoder.
            width = 1 if self._estimator.spelled else len(category.levels) - 1
            found.append(Group(f"category_{name}", self._category(category), [name], width))
        flags = [*columns.numbers[: columns.n_imputed], *columns.categories[: columns.n_imputed_categories]]
        for place in columns.flagged:
            name, feature = flags[place]
            found.append(Group(f"missing_{name}", self._flag(feature), [name], 1))
        for name, term in study.terms.items():
            found.append(self._term(name, term))
        if columns.mapped is not None:
            found.append(self._map(columns.mapped))
        return found

    def _map(self, mapped: Mapped) -> Group:
        """Return the part of a feature map: its inputs on the map's scale, then the map."""
        from sklearn.compose import ColumnTransformer
        from sklearn.pipeline import Pipeline

        study = self._plan.study
        features: dict[str, NumberFeature] = {n: study.numbers[n] for n in mapped.features if n in study.numbers}
        parts: list[tuple[str, Any, list[str]]] = []

        def alike(item: tuple[str, NumberFeature]) -> tuple[_Treatment, bool]:
            return self._treatment(*item), item[0] in mapped.chosen.centred

        for number, (_, run) in enumerate(itertools.groupby(features.items(), alike)):
            chosen = list(run)
            steps = (*self._number(*chosen[0]), *scaling_steps(mapped, [name for name, _ in chosen]))
            parts.append((f"numbers_{number}", _pipeline(steps), [name for name, _ in chosen]))
        for name in mapped.features:
            if name in study.categories:
                parts.append((name, Pipeline(list(self._category(study.categories[name]))), [name]))
        whole = (("parts", ColumnTransformer(parts, sparse_threshold=0.0)), *map_steps(mapped))
        return Group("map", whole, list(mapped.features), len(mapped.columns))

    def _treatment(self, name: str, column: NumberFeature) -> _Treatment:
        fill = self._fills.get(name, column.fill)
        clip = column.interval if column.outside == "clip" and self._raw else None
        # A date arrives as a number of years: what its codes are written like does not occur.
        codes = Codes.of(column.missing).numbers if self._raw and not isinstance(column, DateColumn) else ()
        return _Treatment(None if self._estimator.fills else column.impute, fill, tuple(sorted(codes)), clip)

    def _number(self, name: str, column: NumberFeature) -> tuple[tuple[str, Any], ...]:
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import MinMaxScaler

        how = self._treatment(name, column)
        steps: list[tuple[str, Any]] = []
        if how.impute is not None:
            # In a raw table a constant is set in the mean's stead: that strategy takes whole numbers too.
            constant = how.fill is not None and not self._raw
            strategy = "constant" if constant else "median" if how.impute == "median" else "mean"
            filled = SimpleImputer(strategy=strategy, fill_value=how.fill if constant else None)
            steps.append(("impute", filled.set_params(keep_empty_features=not self._raw)))
        # A gap in a column without imputation stays one, and the estimator refuses it.
        steps += [
            (f"impute_code_{i}", SimpleImputer(missing_values=code, keep_empty_features=True))
            for i, code in enumerate(how.codes)
        ]
        if how.clip:
            steps.append(("clip", MinMaxScaler(feature_range=how.clip, clip=True)))
        return tuple(steps)

    def _category(self, column: CategoryFeature) -> tuple[tuple[str, Any], ...]:
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

        steps: list[tuple[str, Any]] = []
        if self._estimator.fills:
            return self._one_gap(column) if self._raw else ()
        for i, gap in enumerate(self._gaps(column) if column.impute is not None else ()):
            constant = column.fill_value is not None and not self._raw
            strategy, fill = ("constant", column.fill_value) if constant else ("most_frequent", None)
            steps.append((f"impute_{i}", SimpleImputer(missing_values=gap, strategy=strategy, fill_value=fill)))
        if self._estimator.spelled:
            return tuple(steps)
        if self._estimator.ordinal:
            return (*steps, ("encode", OrdinalEncoder(categories=[self.levels(column)])))
        encode = OneHotEncoder(categories=[self.levels(column)], drop="first", sparse_output=False)
        return (*steps, ("encode", encode))

    def _one_gap(self, column: CategoryFeature) -> tuple[tuple[str, Any], ...]:
        """Make every gap the one that the estimator itself knows: through a mark, since no step but the last may."""
        from sklearn.impute import SimpleImputer

        mark = marked(column)
        steps: list[tuple[str, Any]] = [
            (f"mark_{i}", SimpleImputer(missing_values=gap, strategy="most_frequent"))
            for i, gap in enumerate(self._gaps(column))
        ]
        last = SimpleImputer(missing_values=mark, strategy="most_frequent", keep_empty_features=True)
        return (*steps, ("gap", last))

    def _gaps(self, column: CategoryFeature) -> tuple[Any, ...]:
        """Return the values of a table that are none."""
        if not self._raw:
            return (None,)
        codes = Codes.of(column.missing)
        text = isinstance(self.levels(column)[0], str)
        return (*_GAPS, *sorted(codes.texts)) if text else (_GAPS[0], *sorted(codes.numbers))

    def _flag(self, column: NumberFeature | CategoryFeature) -> tuple[tuple[str, Any], ...]:
        from sklearn.impute import MissingIndicator, SimpleImputer

        if not self._raw:
            gap = np.nan if isinstance(column, Number) else None
            return (("flag", MissingIndicator(missing_values=gap, features="all")),)
        gaps: tuple[Any, ...]
        gaps = (np.nan, *self._treatment("", column).codes) if isinstance(column, Number) else self._gaps(column)
        mark = marked(column)
        strategy = "most_frequent" if isinstance(mark, str) else "mean"
        steps: list[tuple[str, Any]] = [
            (f"mark_{i}", SimpleImputer(missing_values=gap, strategy=strategy)) for i, gap in enumerate(gaps)
        ]
        return (*steps, ("flag", MissingIndicator(missing_values=mark, features="all")))

    def _term(self, name: str, term: Term) -> Group:
        from sklearn.preprocessing import FunctionTransformer, SplineTransformer

        study = self._plan.study
        if isinstance(term, Interaction):
            return self._interaction(name, term)
        column = study.numbers[term.column]
        before = self._number(term.column, column)
        if isinstance(term, Log):
            log = FunctionTransformer(np.log, feature_names_out="one-to-one")
            return Group(f"term_{name}", (*before, ("log", log), *self._scaled(True)), [term.column], 1)
        assert isinstance(term, Spline)  # noqa: S101 - there are three kinds
        knots = np.array([column.interval[0], *term.knots, column.interval[1]])[:, None]
        spline = SplineTransformer(knots=knots, degree=term.degree, include_bias=False)
        width = len(term.knots) + term.degree
        return Group(f"term_{name}", (*before, ("spline", spline), *self._scaled(True)), [term.column], width)

    def _interaction(self, name: str, term: Interaction) -> Group:
        from sklearn.compose import ColumnTransformer
        from sklearn.preprocessing import PolynomialFeatures

        study = self._plan.study
        parts, widths = [], []
        for column in term.columns:
            number = study.numbers.get(column)
            steps = self._number(column, number) if number is not None else self._category(study.categories[column])
            parts.append((column, _pipeline(steps), [column]))
            widths.append(1 if number is not None else len(study.categories[column].levels) - 1)
        singles = sum(widths)
        pairs = list(itertools.combinations(range(singles), 2))
        chosen = [singles + pairs.index((i, j)) for i in range(widths[0]) for j in range(widths[0], singles)]
        steps = (
            ("parts", ColumnTransformer(parts, sparse_threshold=0.0)),
            ("products", PolynomialFeatures(2, interaction_only=True, include_bias=False)),
            ("select", ColumnTransformer([("products", "passthrough", chosen)])),
            *self._scaled(any(column in study.numbers for column in term.columns)),
        )
        return Group(f"term_{name}", steps, list(term.columns), len(chosen))

    def _scaled(self, scaled: bool) -> tuple[tuple[str, Any], ...]:
        from sklearn.preprocessing import StandardScaler

        return (("scale", StandardScaler()),) if scaled and self._plan.study.model.standardize else ()


def _pipeline(steps: tuple[tuple[str, Any], ...]) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline(list(steps)) if steps else "passthrough"


def marked(column: NumberFeature | CategoryFeature) -> Any:
    """Return what stands for a gap of a raw column until it is noted: nothing that the column can hold."""
    if isinstance(column, Number) or not isinstance(spoken_levels(column)[0], str):
        return _MARK
    mark = "missing"
    while mark in column.agreed:
        mark += "?"
    return mark


def settled_transformer(plan: Plan, preparation: Preparation) -> Any:
    """Return the fitted ``ColumnTransformer`` for raw tables, with the pooled values and without any rows."""
    import polars as pl
    from sklearn.pipeline import Pipeline

    maker = Transformers(plan)
    transformer = fitted_quietly(maker.column_transformer(), pl.DataFrame(_made_up(plan)))
    columns = plan.columns
    centre = preparation.mean * columns.design_half + columns.design_middle
    scale = preparation.scale * columns.design_half
    at = 0
    for group, (_, fitted, _) in zip(maker.groups, transformer.transformers_, strict=True):
        if isinstance(fitted, Pipeline):
            _settle(plan, preparation, fitted, group.columns)
            scaler = fitted.named_steps.get("scale")
            if scaler is not None:
                here = slice(at, at + group.width)
                scaler.mean_, scaler.scale_, scaler.var_ = centre[here], scale[here], scale[here] ** 2
                scaler.n_samples_seen_ = preparation.n_samples
        at += group.width
    return transformer


def _settle(plan: Plan, preparation: Preparation, pipeline: Any, names: list[str]) -> None:
    """Give the parts of a pipeline on the columns ``names`` what the pool has taught."""
    from sklearn.pipeline import Pipeline

    for title, step in pipeline.steps:
        if title == "gap":
            text = isinstance(spoken_levels(plan.study.categories[names[0]])[0], str)
            step.statistics_ = np.array([np.nan], dtype=object if text else None)
        elif title.startswith("impute"):
            step.statistics_ = _imputed(plan, preparation, names)
        elif title.startswith("mark"):
            mark = marked(plan.study.features[names[0]])
            step.statistics_ = np.array([mark], dtype=object if isinstance(mark, str) else None)
        elif title == "clip":
            low, high = step.feature_range
            # From the range to the range: the identity, but for what lies outside.
            step.data_min_, step.data_max_ = np.full(len(names), low), np.full(len(names), high)
            step.data_range_ = step.data_max_ - step.data_min_
            step.scale_, step.min_ = np.ones(len(names)), np.zeros(len(names))
        elif title == "parts":
            for _, part, chosen in step.transformers_:
                if isinstance(part, Pipeline):
                    _settle(plan, preparation, part, chosen)
    if plan.columns.mapped is not None:
        settle_map(plan.columns.mapped, pipeline, names)


def _imputed(plan: Plan, preparation: Preparation, names: list[str]) -> Any:
    """Return what fills gaps of some columns, all numbers or one category."""
    columns, categories = plan.columns, plan.study.categories
    if names[0] in categories:
        place = [name for name, _ in columns.categories].index(names[0])
        level = spoken_levels(categories[names[0]])[preparation.modes[place]]
        return np.array([level], dtype=object if isinstance(level, str) else None)
    own = {name: i for i, (name, _) in enumerate(columns.numbers)}
    index = [own[name] for name in names]
    fill = (preparation.fill * columns.half + columns.middle)[index]
    filled = columns.numbers[index[0]][1].impute is not None and not estimator_of(plan.study).fills
    return fill if filled else np.full(len(index), np.nan)


def _made_up(plan: Plan) -> dict[str, list[Any]]:
    """Return a few rows in which every level occurs and every number varies within its range."""
    columns = plan.columns
    n = max([2, *(len(column.levels) for _, column in columns.categories)])
    table: dict[str, list[Any]] = {}
    for name, number in columns.numbers:
        low, high = number.interval
        table[name] = [low + (high - low) * (i + 1) / (n + 1) for i in range(n)]
    for name, column in columns.categories:
        levels = spoken_levels(column)
        table[name] = [levels[i % len(levels)] for i in range(n)]
    return table
