"""Derived columns: products, logarithms and splines of features, and what is known of them before imputation is.

Owns the factors, the columns that are products of them, and their pieces. Knows nothing of files, silos or solvers.
Internal.

In trip 1 nobody knows what a missing value will be imputed with. A derived column is a product of factors, one per
feature; where some features are missing, their factors are constants that the coordinator learns later, and the
product of the others is known to the silo. So each pattern of missing features is a *piece*: rows apart from those of
every other piece, on which the column is ``a + b * v`` with ``v`` known now and ``a, b`` known later. Sums over pieces
therefore give the column's sums for any imputation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.splines import extended_knots, spline_basis
from fedcli.study.document import CategoryFeature, Interaction, Log, NumberFeature, Spline, Study

BoolArray = NDArray[np.bool_]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Factor:
    """What one feature contributes to a product.

    Parameters
    ----------
    kind : "number", "log", "spline" or "level"
    column : int
        Position among the study's numbers (of a level: categories) in design order.
    imputed : bool
        Whether the feature may be missing.
    interval : pair of float
        Between which its values lie.
    part : int
        Which level, or which of the spline's columns.
    knots : tuple of float
        All knots of a spline, the outer ones and their extension included.
    degree : int
        Of a spline.
    """

    kind: Literal["number", "log", "spline", "level"]
    column: int
    imputed: bool
    interval: Interval
    part: int = 0
    knots: tuple[float, ...] = ()
    degree: int = 0

    def values(self, numbers: FloatArray, codes: NDArray[np.int32]) -> FloatArray:
        """Return the factor of each row (n,): NaN where the feature is missing.

        Parameters
        ----------
        numbers : ndarray of shape (n, n_numbers)
            Agreed units, design order.
        codes : ndarray of shape (n, n_categories)
        """
        if self.kind == "level":
            code = codes[:, self.column]
            return np.where(code < 0, np.nan, code == self.part)
        x = numbers[:, self.column]
        if self.kind == "number":
            return x
        return np.log(x) if self.kind == "log" else spline_basis(x, self.knots, self.degree, self.part)

    def constant(self, fill: FloatArray, modes: Sequence[int]) -> float:
        """Return the factor of a row in which the feature is missing."""
        if self.kind == "level":
            return float(modes[self.column] == self.part)
        x = fill[self.column : self.column + 1]
        if self.kind == "log":
            # A pool without a single value has the fill 0 on the reference scale; any other fill lies in the range.
            return float(np.log(x)[0])
        return float(x[0] if self.kind == "number" else spline_basis(x, self.knots, self.degree, self.part)[0])


@dataclass(frozen=True)
class Derived:
    """One derived column of the design.

    Parameters
    ----------
    name : str
    factors : tuple of Factor
        One or two, of different features.
    """

    name: str
    factors: tuple[Factor, ...]

    @property
    def scaled(self) -> bool:
        """Whether it is standardised: a product of levels is 0 or 1, and stays so, as a level does."""
        return any(factor.kind != "level" for factor in self.factors)

    @property
    def patterns(self) -> tuple[frozenset[int], ...]:
        """Which factors may be missing together, none at first."""
        imputed = [i for i, factor in enumerate(self.factors) if factor.imputed]
        return tuple(frozenset(some) for n in range(len(imputed) + 1) for some in combinations(imputed, n))

    @property
    def middle(self) -> float:
        """0 on the reference scale, in agreed units."""
        return _middle_and_half(self._interval(frozenset()))[0] if self.scaled else 0.0

    @property
    def half(self) -> float:
        """1 on the reference scale, in agreed units."""
        return _middle_and_half(self._interval(frozenset()))[1] if self.scaled else 1.0

    def _interval(self, missing: frozenset[int]) -> Interval:
        low, high = 1.0, 1.0
        for i, factor in enumerate(self.factors):
            if i not in missing:
                ends = [a * b for a in (low, high) for b in factor.interval]
                low, high = min(ends), max(ends)
        return low, high

    @property
    def origins(self) -> tuple[float, ...]:
        """Where a product of 0 lies on the scale of each piece."""
        return tuple((0.0 - middle) / half for middle, half in map(self._scale, self.patterns))

    def _scale(self, missing: frozenset[int]) -> tuple[float, float]:
        """Return middle and half of the piece's known part; of the whole column's when nothing is missing."""
        if len(missing) == len(self.factors):
            return 1.0, 1.0  # nothing is known but the number of rows: v is 0 there
        if not missing:
            return self.middle, self.half
        return _middle_and_half(self._interval(missing))

    def filled(self, values: Sequence[FloatArray], fill: FloatArray, modes: Sequence[int]) -> FloatArray:
        """Return the column (n,) on the reference scale, imputed."""
        product = np.ones_like(values[0])
        for factor, found in zip(self.factors, values, strict=True):
            product = product * (np.where(np.isnan(found), factor.constant(fill, modes), found))
        return np.asarray((product - self.middle) / self.half)

    def pieces(self, values: Sequence[FloatArray]) -> FloatArray:
        """Return ``v`` of each piece, shape (n, n_pieces): within -1 to 1, NaN on rows of other pieces."""
        absent = [np.isnan(found) for found in values]
        columns = []
        for missing in self.patterns:
            here = np.ones(len(values[0]), dtype=np.bool_)
            product = np.ones(len(values[0]))
            for i, found in enumerate(values):
                here &= absent[i] if i in missing else ~absent[i]
                product = product if i in missing else product * found
            middle, half = self._scale(missing)
            columns.append(np.where(here, (product - middle) / half, np.nan))
        return np.stack(columns, axis=1)

    def affine(self, fill: FloatArray, modes: Sequence[int]) -> list[tuple[float, float]]:
        """Return ``a`` and ``b`` of each piece: the column is ``a + b * v`` there, on the reference scale."""
        found = []
        for missing in self.patterns:
            constant = math.prod(self.factors[i].constant(fill, modes) for i in missing)
            middle, half = self._scale(missing)
            found.append(((constant * middle - self.middle) / self.half, constant * half / self.half))
        return found


def derived_columns(
    study: Study,
    numbers: Sequence[tuple[str, NumberFeature]],
    categories: Sequence[tuple[str, CategoryFeature]],
) -> tuple[Derived, ...]:
    """Lay out the study's terms as columns, in the study's order.

    Parameters
    ----------
    study : Study
    numbers, categories : sequence of (str, column)
        In design order.
    """
    number_at = {name: (i, column) for i, (name, column) in enumerate(numbers)}
    category_at = {name: (i, column) for i, (name, column) in enumerate(categories)}

    def factors(name: str) -> list[tuple[str, Factor]]:
        if name in number_at:
            i, number = number_at[name]
            return [("", Factor("number", i, number.impute is not None, number.interval))]
        i, category = category_at[name]
        return [
            (level, Factor("level", i, category.impute is not None, (0.0, 1.0), part=k))
            for k, level in enumerate(category.levels)
            if k
        ]

    columns: list[Derived] = []
    for name, term in study.terms.items():
        if isinstance(term, Interaction):
            first, second = (factors(column) for column in term.columns)
            for said, one in first:
                for also, other in second:
                    levels = ", ".join(level for level in (said, also) if level)
                    columns.append(Derived(f"{name}[{levels}]" if levels else name, (one, other)))
            continue
        i, number = number_at[term.column]
        low, high = number.interval
        imputed = number.impute is not None
        if isinstance(term, Log):
            columns.append(Derived(name, (Factor("log", i, imputed, (math.log(low), math.log(high))),)))
        else:
            knots = spline_knots(term, number.interval)
            columns += [
                Derived(f"{name}[{k + 1}]", (Factor("spline", i, imputed, (0.0, 1.0), k, knots, term.degree),))
                for k in range(len(term.knots) + term.degree)
            ]
    return tuple(columns)


def spline_knots(term: Spline, interval: Interval) -> tuple[float, ...]:
    """Return all knots of a spline: outer, inner, outer, and ``degree`` more beyond either end."""
    return extended_knots([interval[0], *term.knots, interval[1]], term.degree)


def _middle_and_half(interval: Interval) -> tuple[float, float]:
    low, high = interval
    # Both ends are equal only where a count's or a number's range and a level leave nothing to vary.
    return (low + high) / 2, (high - low) / 2 or 1.0
