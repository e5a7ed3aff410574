"""Coefficients of a linear model on its columns' own scale.

Owns the table that `export` writes. Knows nothing of disk. Stable: the JSON form is documented.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedcli.fileformat.statistics import State
from fedcli.preparing.plan import Plan
from fedcli.study.document import BinaryTarget, Category


@dataclass(frozen=True)
class CoefficientTable:
    """A linear model as names and numbers.

    Parameters
    ----------
    study, estimator : str
    classes : tuple
        The two values of a binary target, negative first; empty for others.
    coefficients : dict of str to float
        ``age``, ``sex[male]``, ``chol[missing]``, ``age by sex[male]``: per unit of the column as agreed in the study.
    intercept : float
    n_samples, trips : int
    """

    study: str
    estimator: str
    classes: tuple[str | int | float, ...]
    coefficients: dict[str, float]
    intercept: float
    n_samples: int
    trips: int


def coefficient_table(plan: Plan, state: State) -> CoefficientTable:
    """Form the table of a final model: the features in the study's order, then missing indicators and derived terms."""
    coef = dict(zip(plan.columns.names, plan.coefficients(state)[1:].tolist(), strict=True))
    ordered: dict[str, float] = {}
    for name, column in plan.study.features.items():
        names = [f"{name}[{level}]" for level in column.levels[1:]] if isinstance(column, Category) else [name]
        # A number whose logarithm or spline stands in its place has no coefficient of its own.
        ordered |= {key: coef[key] for key in names if key in coef}
    ordered |= coef
    return CoefficientTable(
        study=plan.study.study,
        estimator=plan.study.model.estimator,
        classes=class_labels(plan),
        coefficients=ordered,
        intercept=float(plan.coefficients(state)[0]),
        n_samples=plan.n_samples(state),
        trips=int(state.document["round"]),
    )


def class_labels(plan: Plan) -> tuple[str | int | float, ...]:
    """Return the labels of a binary target, negative first.

    A class that is several values in the table has no single one to predict: its labels are 0 and 1 then.
    """
    target = plan.study.target
    if not isinstance(target, BinaryTarget):
        return ()
    if len(target.positive) == 1 and len(target.negative) == 1:
        return (target.negative[0], target.positive[0])
    return (0, 1)
