"""The columns that a study's feature map makes of its rows.

Owns what the map is given, its random numbers' seed, and its columns' scale. Knows nothing of files, silos or solvers.
Internal.

A map bends, so nothing of it can be put right afterwards as means and deviations of other columns are: what it is given
is on agreed scales, with agreed values for what is missing. All else is as for any derived column of a single piece.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.maps import Fourier, Map, Products, Relu, Splines
from fedcli.preparing.rows import Rows
from fedcli.study.canonical_form import study_id, study_payload
from fedcli.study.document import (
    Category,
    FeatureMap,
    Number,
    PolynomialFeatures,
    RandomReLU,
    RBFSampler,
    SplineTransformer,
    Study,
)


@dataclass(frozen=True)
class Input:
    """One number that a row gives to the map.

    Parameters
    ----------
    name : str
        ``age``, or ``sex[male]``.
    feature : str
    place : int
        Of the feature among the study's numbers or categories.
    level : int
        Of a category; 0 for a number.
    fill : float
        What stands for a missing value: of a number in the agreed unit, of a category the place of a level; NaN where
        none is agreed.
    middle, half : float
        What is 0 and what is 1 to the map.
    interval : (float, float)
        Between which it lies, on the map's scale.
    box : (float, float)
        Between which it usually lies.
    """

    name: str
    feature: str
    place: int
    level: int
    fill: float
    middle: float
    half: float
    interval: tuple[float, float]
    box: tuple[float, float]

    def values(self, rows: Rows) -> FloatArray:
        """Return the input of each row (n_rows,), NaN where it is missing and nothing is agreed in its stead."""
        if self.level:
            codes = rows.codes[:, self.place].astype(np.float64)
            codes[codes < 0] = self.fill
            return np.where(np.isnan(codes), np.nan, codes == self.level)
        x = rows.numbers[:, self.place]
        return np.asarray((np.where(np.isnan(x), self.fill, x) - self.middle) / self.half)


@dataclass(frozen=True)
class MapColumn:
    """One column of a map, as the design sees it: within -1 to 1 after division by ``half``, and never standardised."""

    name: str
    half: float
    middle: float = 0.0
    scaled: bool = False

    patterns: tuple[frozenset[int], ...] = (frozenset(),)
    origins: tuple[float, ...] = (0.0,)

    def affine(self, fill: FloatArray, modes: Sequence[int]) -> list[tuple[float, float]]:
        """See `Derived.affine`: one piece, known in full."""
        return [(0.0, 1.0)]


@dataclass(frozen=True)
class Mapped:
    """A study's map and what it is given.

    Parameters
    ----------
    study : Study
        With a map.
    """

    study: Study

    @property
    def chosen(self) -> FeatureMap:
        """What the study says of it."""
        chosen = self.study.model.map
        assert chosen is not None  # noqa: S101 - the class is made for such a study alone
        return chosen

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The features that it takes, numbers first."""
        return self.chosen.taken(self.study.features)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """What a row gives to it: numbers, then a column for each level after the first."""
        numbers, categories = list(self.study.numbers), list(self.study.categories)
        found = []
        for name in self.features:
            feature = self.study.features[name]
            fill = math.nan if feature.fill is None else float(feature.fill)
            if isinstance(feature, Category):
                place = categories.index(name)
                for level, said in enumerate(feature.agreed):
                    one = Input(f"{name}[{said}]", name, place, level, fill, 0.0, 1.0, (0.0, 1.0), (0.0, 1.0))
                    found += [one] if level else []
                continue
            assert isinstance(feature, Number)  # noqa: S101 - there are two kinds
            place, middle, half = numbers.index(name), feature.middle, feature.half
            if isinstance(self.chosen, SplineTransformer):
                middle, half = 0.0, 1.0
            middle, half = self.chosen.centred.get(name, (middle, half))
            low, high = ((end - middle) / half for end in feature.interval)
            found.append(Input(name, name, place, 0, fill, middle, half, (low, high), (-1.0, 1.0)))
        return tuple(found)

    @cached_property
    def map(self) -> Map:
        """The map itself."""
        chosen, inputs = self.chosen, self.inputs
        names = tuple(one.name for one in inputs)
        intervals = tuple(one.interval for one in inputs)
        if isinstance(chosen, RBFSampler):
            return Fourier(seed_of(self.study), len(inputs), chosen.n_components, chosen.gamma)
        if isinstance(chosen, RandomReLU):
            return Relu(seed_of(self.study), chosen.n_components, intervals, tuple(one.box for one in inputs))
        if isinstance(chosen, PolynomialFeatures):
            return Products(names, intervals, chosen.degree, chosen.interaction_only, chosen.include_bias)
        assert isinstance(chosen, SplineTransformer)  # noqa: S101 - there are four kinds
        return Splines(names, intervals, chosen.n_knots, chosen.degree, chosen.include_bias)

    @cached_property
    def columns(self) -> tuple[MapColumn, ...]:
        """Its columns. A power of 2 divides them, which rounds nothing; it is beyond what rounding may add."""
        kind = type(self.chosen).__name__
        largest = self.map.largest.tolist()
        return tuple(
            MapColumn(f"{kind}[{name}]", math.ldexp(1.0, math.frexp(most * (1 + 2.0**-40))[1]) if most > 0 else 1.0)
            for name, most in zip(self.map.names, largest, strict=True)
        )

    @property
    def range_name(self) -> str | None:
        """One name for all columns of a map that only numbers them; None where each has a name that says something."""
        first, last = self.columns[0].name, self.columns[-1].name
        numbered = self.map.names == tuple(map(str, range(len(self.columns)))) and len(self.columns) > 1
        return f"{first} to {last}, of {', '.join(self.features)}" if numbered else None

    def given(self, rows: Rows) -> FloatArray:
        """Return what the map is given (n_rows, n_inputs)."""
        return np.stack([one.values(rows) for one in self.inputs], axis=1)

    def values(self, rows: Rows) -> FloatArray:
        """Return its columns on the reference scale, shape (n_rows, n_columns)."""
        return np.asarray(self.map.values(self.given(rows)) / self._halves)

    @cached_property
    def _halves(self) -> FloatArray:
        return np.array([column.half for column in self.columns])


def seed_of(study: Study) -> bytes:
    """Return the seed of a study's random numbers: its identity, which every silo has read and compared."""
    return bytes.fromhex(study_id(study_payload(study)))
