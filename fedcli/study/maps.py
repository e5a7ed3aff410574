"""Feature maps: columns that a model takes in the stead of some features, computed from them by an agreed rule.

Owns their four kinds and whether they fit the features. Knows nothing of matrices or random numbers. Stable: part of
the signed form. A map bends, so what it is given must be known before the first trip: agreed scales, agreed values for
what is missing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from math import comb
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from fedcli.study.columns import Category, Feature, Number
from fedcli.study.part import Part, Placed

# Products of pairs of so many columns are half a million numbers: 8 MB in a file, and 1 GB of memory while they are
# whole numbers of Python.
MOST_COLUMNS = 1000
# Sums of products of cosines are a Fourier transform of the rows: of a narrower kernel it tells values apart that are a
# hundredth of the range from each other, and with them single rows.
LARGEST_GAMMA = 10.0
Components = Annotated[int, Field(ge=1, le=MOST_COLUMNS)]


class FeatureMap(Part):
    """What all maps have in common.

    ``columns`` are the features it takes; without them all numbers. They are no columns of the model themselves then.
    """

    columns: tuple[str, ...] | None = Field(default=None, min_length=1)

    @field_validator("columns")
    @classmethod
    def _distinct(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) != len(value):
            raise ValueError("a column is named twice")
        return value

    def taken(self, features: Mapping[str, Feature]) -> tuple[str, ...]:
        """Return the features that it takes: numbers first, then categories, each in the study's order."""
        wanted = [name for name in features if name in self.columns] if self.columns is not None else list(features)
        numbers = [name for name in wanted if isinstance(features[name], Number)]
        levels = [name for name in wanted if self.columns is not None and isinstance(features[name], Category)]
        return (*numbers, *levels)

    @abstractmethod
    def width(self, n_inputs: int) -> int:
        """Return how many columns it makes of ``n_inputs``."""

    @property
    def centred(self) -> Mapping[str, tuple[float, float]]:
        """What is 0 and what is 1 to the map, of columns for which it is not the middle and half of the range."""
        return {}


class ScaledMap(FeatureMap):
    """A map of inputs on an agreed scale: -1 and 1 are the ends of a column's range, a level is 0 or 1.

    ``typical`` names a column's usual centre and spread in the agreed unit, which are 0 and 1 then: for a range that is
    far wider than most values.
    """

    typical: dict[str, tuple[float, float]] = Field(default_factory=dict)

    @field_validator("typical")
    @classmethod
    def _spread(cls, value: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (_, spread) in value.items():
            if not spread > 0:
                raise ValueError(f"the spread of '{name}' must be above 0: {name}: [centre, spread]")
        return value

    @property
    def centred(self) -> Mapping[str, tuple[float, float]]:
        """See `FeatureMap.centred`."""
        return self.typical


class RBFSampler(ScaledMap):
    """Random Fourier features of the Gaussian kernel, as scikit-learn's ``RBFSampler``."""

    type: Literal["RBFSampler"]
    gamma: float = Field(default=1.0, gt=0, le=LARGEST_GAMMA)
    n_components: Components = 100

    @field_validator("gamma", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        if value == "scale":
            raise ValueError("'scale' needs the pooled variance, which nobody knows in the first trip: write a number")
        return value

    def width(self, n_inputs: int) -> int:
        """See `FeatureMap.width`."""
        return self.n_components


class RandomReLU(ScaledMap):
    """``max(0, w'u + b)`` with random w and b: a hidden layer that is drawn, not trained. Not in scikit-learn."""

    type: Literal["RandomReLU"]
    n_components: Components = 100

    def width(self, n_inputs: int) -> int:
        """See `FeatureMap.width`."""
        return self.n_components


class PolynomialFeatures(ScaledMap):
    """Products of inputs, as scikit-learn's ``PolynomialFeatures``; the model's own intercept is the constant."""

    type: Literal["PolynomialFeatures"]
    degree: int = Field(default=2, ge=1, le=5)
    interaction_only: bool = False
    include_bias: bool = False

    def width(self, n_inputs: int) -> int:
        """See `FeatureMap.width`."""
        ways = comb if self.interaction_only else lambda n, k: comb(n + k - 1, k)
        return self.include_bias + sum(ways(n_inputs, k) for k in range(1, self.degree + 1))


class SplineTransformer(FeatureMap):
    """B-splines of each number, as scikit-learn's ``SplineTransformer`` with knots evenly over the agreed range.

    ``extrapolation`` is for an exported Pipeline alone: a study has no value outside the range.
    """

    type: Literal["SplineTransformer"]
    n_knots: int = Field(default=5, ge=2, le=50)
    degree: int = Field(default=3, ge=1, le=5)
    extrapolation: Literal["constant", "linear", "continue", "error"] = "constant"
    include_bias: bool = True

    def width(self, n_inputs: int) -> int:
        """See `FeatureMap.width`."""
        return n_inputs * (self.n_knots + self.degree - 1 - (not self.include_bias))


AnyMap = Annotated[RBFSampler | RandomReLU | PolynomialFeatures | SplineTransformer, Field(discriminator="type")]


def check_map(chosen: FeatureMap | None, features: Mapping[str, Feature]) -> None:
    """Refuse a map that does not fit the features.

    Raises
    ------
    Placed
        With the sentence that a coordinator reads.
    """
    if chosen is None:
        return
    here = ("model", "map")
    for name in chosen.columns or ():
        if name not in features:
            raise Placed((*here, "columns"), f"there is no feature '{name}'")
    taken = chosen.taken(features)
    if not taken:
        raise Placed(here, "there is no number for the map to take: name columns: [..]")
    for name, (centre, _) in chosen.centred.items():
        column = features[name] if name in taken else None
        if not isinstance(column, Number):
            raise Placed((*here, "typical"), f"'{name}' is no number that the map takes")
        low, high = column.interval
        if not low <= centre <= high:
            raise Placed((*here, "typical"), f"the centre of '{name}' lies outside its range, {low:g} to {high:g}")
    for name in taken:
        _check_input(chosen, name, features[name])
    width = chosen.width(n_inputs(taken, features))
    if width > MOST_COLUMNS:
        raise Placed(here, f"the map makes {width:,} columns, more than {MOST_COLUMNS:,}: take fewer of its columns")


def n_inputs(taken: tuple[str, ...], features: Mapping[str, Feature]) -> int:
    """Return how many numbers a row gives to a map: one for each number and each level after the first."""
    found = (features[name] for name in taken)
    return sum(len(column.agreed) - 1 if isinstance(column, Category) else 1 for column in found)


def _check_input(chosen: FeatureMap, name: str, column: Feature) -> None:
    if isinstance(column, Category) and isinstance(chosen, SplineTransformer):
        raise Placed(("model", "map", "columns"), f"'{name}' is no number, and has no spline")
    if isinstance(column, Category) and column.small_level is not None:
        raise Placed(("model", "map", "columns"), f"'{name}' merges small levels, so no map can take it")
    if column.impute is not None and column.fill is None:
        known = "constant" if isinstance(column, Number) else "level"
        raise Placed(
            ("features", name, "impute"),
            f"the map takes '{name}', and nobody knows its pooled {column.impute} in the first trip: write "
            f"impute: {known} with fill_value: and, if that it is missing matters, indicator: true; or leave "
            f"'{name}' out of model.map.columns",
        )
