"""Derived terms: columns of the model that are computed from features by an agreed rule.

Owns their three kinds and whether they fit the features. Knows nothing of matrices. Stable: part of the signed form.
A term is computed after missing values are imputed, in the agreed units, and standardised like any number.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from fedcli.study.columns import Category, CategoryColumn, Feature, Number
from fedcli.study.part import Part, Placed


class Interaction(Part):
    """The product of two features: of numbers, of a number and each level, or of each level with each."""

    type: Literal["interaction"]
    columns: tuple[str, str]

    @field_validator("columns")
    @classmethod
    def _two(cls, value: tuple[str, str]) -> tuple[str, str]:
        if value[0] == value[1]:
            raise ValueError("an interaction is between two different columns")
        return value

    @property
    def uses(self) -> tuple[str, ...]:
        """The features it is computed from."""
        return self.columns


class Log(Part):
    """The natural logarithm of a number above 0, in its stead; ``keep: true`` keeps the number itself as well."""

    type: Literal["log"]
    column: str
    keep: bool = False

    @property
    def uses(self) -> tuple[str, ...]:
        """The features it is computed from."""
        return (self.column,)


class Spline(Part):
    """A B-spline of a number in its stead, as scikit-learn's ``SplineTransformer`` without its last column.

    ``knots`` are the inner ones, in the agreed unit; the ends of the agreed range are the outer ones.
    """

    type: Literal["spline"]
    column: str
    knots: tuple[float, ...] = Field(min_length=1, max_length=50)
    degree: int = Field(default=3, ge=1, le=5)
    keep: bool = False

    @field_validator("knots")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not a < b for a, b in itertools.pairwise(value)):
            raise ValueError("knots ascend: [40, 55, 70]")
        return value

    @property
    def uses(self) -> tuple[str, ...]:
        """The features it is computed from."""
        return (self.column,)


Term = Annotated[Interaction | Log | Spline, Field(discriminator="type")]


def check_terms(terms: Mapping[str, Interaction | Log | Spline], features: Mapping[str, Feature]) -> None:
    """Refuse terms that do not fit the features.

    Raises
    ------
    ValueError
        With the sentence that a coordinator reads.
    """
    replaced: set[str] = set()
    for name, term in terms.items():
        if name in features:
            raise Placed(("terms", name), "a feature has this name already")
        for column in term.uses:
            if column not in features:
                raise Placed(("terms", name), f"there is no feature '{column}'")
        if isinstance(term, Interaction):
            for column in term.columns:
                feature = features[column]
                if isinstance(feature, Category) and isinstance(feature, CategoryColumn) and feature.other:
                    # Which levels a silo merges differs, so a product with them would mean another thing at each.
                    raise Placed(("terms", name), f"'{column}' merges small levels, so it cannot interact")
            continue
        base = features[term.column]
        if not isinstance(base, Number):
            raise Placed(("terms", name), f"'{term.column}' is no number")
        low, high = base.interval
        if isinstance(term, Log) and low <= 0:
            raise Placed(("terms", name), f"the range of '{term.column}' must lie above 0 to take its logarithm")
        if isinstance(term, Spline) and not low < term.knots[0] <= term.knots[-1] < high:
            raise Placed(("terms", name), f"knots lie inside the range of '{term.column}', {low:g} to {high:g}")
        if not term.keep:
            if term.column in replaced:
                raise Placed(("terms", name), f"'{term.column}' is replaced by another term already; say keep: true")
            replaced.add(term.column)
