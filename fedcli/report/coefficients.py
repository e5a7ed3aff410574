"""Coefficients of a linear model on its columns' own scale.

Owns the table that `export` writes. Knows nothing of disk. Stable: the JSON form is documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.closed import fitted_attributes, listed_attributes
from fedcli.models.nuisance import JointLoss
from fedcli.models.one_baseline import OneBaseline
from fedcli.models.ordinal import ProportionalOdds
from fedcli.preparing.estimators import estimator_of
from fedcli.preparing.plan import Plan
from fedcli.report.by_column import in_words, input_names, learnt_in_words
from fedcli.study.document import BinaryTarget, Category, CategoryTarget

# By column; for several outputs by class first.
Coefficients = dict[str, float]


@dataclass(frozen=True)
class CoefficientTable:
    """A finished model as names and numbers.

    Parameters
    ----------
    study, estimator : str
    classes : tuple
        The outcome's classes, of a binary one negative first; empty for others.
    coefficients : dict of str to float, or of str to such dicts
        ``age``, ``sex[male]``, ``chol[missing]``, ``age by sex[male]``: per unit of the column as agreed in the study.
        Of several outputs one dict per class. Empty for a model without coefficients.
    intercept : float, or dict of str to float; None for a model that has none
    n_samples, trips : int
    attributes : dict of str to list
        What else the estimator has learnt, by scikit-learn's names, on the prepared columns in ``columns``' order.
    columns : tuple of str
    beside : tuple of (str, float)
        Of a model of fedcli's own: parameters beside the coefficients, a dispersion or thresholds, by name.
    """

    study: str
    estimator: str
    classes: tuple[str | int | float, ...]
    coefficients: Coefficients | dict[str, Coefficients]
    intercept: float | Coefficients | None
    n_samples: int
    trips: int
    attributes: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    beside: tuple[tuple[str, float], ...] = ()

    def lines(self) -> list[tuple[str, float | str]]:
        """Return every number with its name: coefficients, the intercept first, else what the estimator has learnt.

        Some of that are names: of levels, and of columns that are chosen.

        Of several outputs a coefficient is called ``class: name``; an entry of an attribute ``means_[0, 2]``.
        """
        if not self.coefficients:
            return [line for name, value in self.attributes.items() for line in _entries(f"{name}_", value)]
        if self.intercept is None:
            return [*self.coefficients.items(), *self.beside]
        if not isinstance(self.intercept, dict):
            return [("intercept", self.intercept), *self.coefficients.items(), *self.beside]
        found: list[tuple[str, float | str]] = []
        for label, own in self.coefficients.items():
            assert isinstance(own, dict)  # noqa: S101 - one per class, as the intercepts are
            named = {"intercept": self.intercept[label], **own}
            found += [(f"{label}: {name}", value) for name, value in named.items()]
        return found


def named_parameters(name: str, values: list[float]) -> list[tuple[str, float]]:
    """Return each value of a parameter beside the coefficients with its name: ``alpha``, or ``thresholds[0]``."""
    return [(name, values[0])] if name == "alpha" else [(f"{name}[{k}]", value) for k, value in enumerate(values)]


def _entries(name: str, value: Any) -> list[tuple[str, float | str]]:
    if not isinstance(value, list):
        return [(name, "" if value is None else value if isinstance(value, str) else float(value))]
    flat: list[tuple[str, float | str]] = []
    for place, part in enumerate(value):
        for inner, number in _entries("", part):
            flat.append((f"{place}{', ' + inner if inner else ''}", number))
    return flat if not name else [(f"{name}[{place}]" if len(flat) > 1 else name, number) for place, number in flat]


def coefficient_table(plan: Plan, state: State) -> CoefficientTable:
    """Form the table of a final model: the features in the study's order, then missing indicators and derived terms."""
    labels = class_labels(plan)
    coefficients: Coefficients | dict[str, Coefficients] = {}
    intercept: float | Coefficients | None = 0.0
    if plan.family.linear:
        values = plan.coefficients(state)
        if values.ndim == 1:
            coefficients = _ordered(plan, values)
            intercept = float(values[0]) if estimator_of(plan.study).intercept else None
        else:
            coefficients = {str(label): _ordered(plan, row) for label, row in zip(labels, values, strict=True)}
            intercept = {str(label): float(row[0]) for label, row in zip(labels, values, strict=True)}
    attributes = _attributes(plan, state)
    # Hazards are of intervals, which stand beside them among the attributes: alone they would say nothing.
    own = isinstance(plan.loss, JointLoss) and not isinstance(plan.family, OneBaseline)
    return CoefficientTable(
        study=plan.study.study,
        estimator=plan.study.model.estimator,
        classes=labels,
        coefficients=coefficients,
        intercept=intercept,
        n_samples=plan.n_samples(state),
        trips=int(state.document["round"]),
        attributes=attributes,
        columns=input_names(plan) if attributes else (),
        beside=()
        if not own or estimator_of(plan.study).module
        else tuple(line for name, values in attributes.items() for line in named_parameters(name, values)),
    )


def _attributes(plan: Plan, state: State) -> dict[str, Any]:
    if plan.study.model.estimator == "StepwiseRegression":
        return _steps_in_words(plan, fitted_attributes(state))
    if not in_words(plan):
        attributes = listed_attributes(state)
        if isinstance(plan.loss, ProportionalOdds):
            # Beside coefficients per unit of each column they belong to columns that are not centred.
            shift = plan.coefficients(state)[0]
            attributes["thresholds"] = [value - shift for value in attributes["thresholds"]]
        return attributes
    # scikit-learn's own object names columns and levels; it is loaded for these few alone.
    from fedcli.report.estimator import fitted_estimator

    return learnt_in_words(plan, state, fitted_estimator(plan, state))


def _steps_in_words(plan: Plan, learnt: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps by the names of what entered (+) and left (-), and what is chosen at the end."""
    names = [name for name, _ in plan.columns.wholes]
    return {
        "criterion": learnt["criterion"].tolist(),
        "steps": [f"{'+' if step > 0 else '-'} {names[abs(int(step)) - 1]}" for step in learnt["steps"]],
        "selected": [name for name, chosen in zip(names, learnt["selected"], strict=True) if chosen],
    }


def _ordered(plan: Plan, values: FloatArray) -> Coefficients:
    coef = dict(zip(plan.columns.names, values[1:].tolist(), strict=True))
    ordered: Coefficients = {}
    for name, column in plan.study.features.items():
        names = [f"{name}[{level}]" for level in column.levels[1:]] if isinstance(column, Category) else [name]
        # A number whose logarithm or spline stands in its place has no coefficient of its own.
        ordered |= {key: coef[key] for key in names if key in coef}
    return ordered | coef


def class_labels(plan: Plan) -> tuple[str | int | float, ...]:
    """Return the labels of an outcome's classes, of a binary one negative first; none for other outcomes.

    A class that is several values in the table has no single one to predict: its labels are 0 and 1 then.
    """
    target = plan.study.target
    if isinstance(target, CategoryTarget):
        # A data frame holds classes that are numbers as numbers.
        for kind in (int, float):
            try:
                return tuple(kind(level) for level in target.levels)
            except ValueError:
                continue
        return target.levels
    if not isinstance(target, BinaryTarget):
        return ()
    if len(target.positive) == 1 and len(target.negative) == 1:
        return (target.negative[0], target.positive[0])
    return (0, 1)
