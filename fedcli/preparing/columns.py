"""The study's columns in the order of the design matrix, and their values on the reference scale.

Owns the order, the names of the design's columns, and the two matrices that a batch of rows can become. Knows nothing
of files, silos or solvers. Internal.

The order is scikit-learn's own: numbers that are imputed, other numbers, categories that are imputed, other categories,
each group in the study's order, because that is what a ``ColumnTransformer`` of these groups emits. Behind them stand
the missing indicators that the study asks for, the derived columns, and those of the study's feature map, which stand
in the stead of the columns that it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.derived import Derived, Factor, derived_columns
from fedcli.preparing.mapped import MapColumn, Mapped
from fedcli.preparing.rows import Rows
from fedcli.study.document import CategoryFeature, CountColumn, Interaction, NumberFeature, Study


@dataclass(frozen=True)
class Columns:
    """The feature columns of a study, in design order.

    Parameters
    ----------
    study : Study
        Draft or frozen; only its features are read.
    """

    study: Study

    @cached_property
    def numbers(self) -> tuple[tuple[str, NumberFeature], ...]:
        """Name and column of each number, imputed ones first."""
        return tuple(sorted(self.study.numbers.items(), key=lambda item: item[1].impute is None))

    @cached_property
    def categories(self) -> tuple[tuple[str, CategoryFeature], ...]:
        """Name and column of each category, imputed ones first."""
        return tuple(sorted(self.study.categories.items(), key=lambda item: item[1].impute is None))

    @cached_property
    def number_order(self) -> list[int]:
        """Positions of ``numbers`` in `Rows.numbers`, which follows the study."""
        places = {name: i for i, name in enumerate(self.study.numbers)}
        return [places[name] for name, _ in self.numbers]

    @cached_property
    def category_order(self) -> list[int]:
        """Positions of ``categories`` in `Rows.codes`, which follows the study."""
        places = {name: i for i, name in enumerate(self.study.categories)}
        return [places[name] for name, _ in self.categories]

    @cached_property
    def middle(self) -> FloatArray:
        """Middle of each number's range, shape (n_numbers,), agreed units."""
        return np.array([column.middle for _, column in self.numbers], dtype=np.float64)

    @cached_property
    def half(self) -> FloatArray:
        """Half of each number's range, shape (n_numbers,), agreed units."""
        return np.array([column.half for _, column in self.numbers], dtype=np.float64)

    @cached_property
    def n_imputed(self) -> int:
        """How many numbers are imputed; they come first."""
        return sum(column.impute is not None for _, column in self.numbers)

    @cached_property
    def n_imputed_categories(self) -> int:
        """How many categories are imputed; they come first."""
        return sum(column.impute is not None for _, column in self.categories)

    @cached_property
    def entering(self) -> list[int]:
        """Positions in ``numbers`` of those that are columns themselves: not replaced by a term or the map."""
        replaced = {
            term.column for term in self.study.terms.values() if not isinstance(term, Interaction) and not term.keep
        } | set(self._taken)
        return [i for i, (name, _) in enumerate(self.numbers) if name not in replaced]

    @cached_property
    def flagged(self) -> list[int]:
        """Positions, among the missing flags of ``expanded``, of those that are columns of the design too."""
        imputed = [*self.numbers[: self.n_imputed], *self.categories[: self.n_imputed_categories]]
        return [i for i, (_, column) in enumerate(imputed) if column.indicator]

    @cached_property
    def mapped(self) -> Mapped | None:
        """The study's feature map; None where it has none."""
        return Mapped(self.study) if self.study.model.map is not None else None

    @property
    def _taken(self) -> tuple[str, ...]:
        return self.mapped.features if self.mapped is not None else ()

    @cached_property
    def encoded(self) -> list[int]:
        """Positions in ``categories`` of those whose levels are columns themselves: not taken by the map."""
        return [j for j, (name, _) in enumerate(self.categories) if name not in self._taken]

    @cached_property
    def terms(self) -> tuple[Derived, ...]:
        """The columns of terms, in the study's order."""
        return derived_columns(self.study, self.numbers, self.categories)

    @cached_property
    def derived(self) -> tuple[Derived | MapColumn, ...]:
        """The derived columns: those of terms, then those of the map."""
        return (*self.terms, *(self.mapped.columns if self.mapped is not None else ()))

    @cached_property
    def n_pieces(self) -> int:
        """How many pieces the derived columns have together."""
        return sum(len(column.patterns) for column in self.derived)

    @cached_property
    def dummies(self) -> tuple[str, ...]:
        """Names of the levels' columns."""
        chosen = [self.categories[j] for j in self.encoded]
        return tuple(f"{name}[{level}]" for name, column in chosen for level in column.levels[1:])

    @cached_property
    def dummies_of(self) -> dict[str, tuple[int, ...]]:
        """Positions in the design, the intercept at 0, of each category's levels after the first."""
        found, at = {}, 1 + len(self.entering)
        for name, column in (self.categories[j] for j in self.encoded):
            found[name] = tuple(range(at, at + len(column.levels) - 1))
            at += len(column.levels) - 1
        return found

    @cached_property
    def wholes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Name and positions in the design, the intercept at 0, of what enters a model or leaves it as a whole.

        A number, a category with all its levels, a missing indicator, a term with all its columns, a column of the map.
        """
        flags, at = self._flags, 1 + len(self.entering) + len(self.dummies)
        found: list[tuple[str, tuple[int, ...]]] = []
        found += [(self.numbers[i][0], (1 + place,)) for place, i in enumerate(self.entering)]
        found += self.dummies_of.items()
        found += [(f"{flags[flag]}[missing]", (at + place,)) for place, flag in enumerate(self.flagged)]
        at += len(self.flagged)
        for name in self.study.terms:
            width = sum(of.name == name or of.name.startswith(f"{name}[") for of in self.terms)
            found.append((name, tuple(range(at, at + width))))
            at += width
        if self.mapped is not None:
            found += [(column.name, (at + place,)) for place, column in enumerate(self.mapped.columns)]
        return tuple(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the design's columns after the intercept: ``age``, ``sex[male]``, ``age[missing]``, ``product``."""
        flags = self._flags
        return (
            *(self.numbers[i][0] for i in self.entering),
            *self.dummies,
            *(f"{flags[i]}[missing]" for i in self.flagged),
            *(column.name for column in self.derived),
        )

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What each of ``names`` is: ``number``, ``count``, ``level``, ``flag`` or ``derived``."""
        numbers = ("count" if isinstance(self.numbers[i][1], CountColumn) else "number" for i in self.entering)
        return (
            *numbers,
            *("level" for _ in self.dummies),
            *("flag" for _ in self.flagged),
            *("derived" for _ in self.derived),
        )

    @property
    def _flags(self) -> list[str]:
        named = [*self.numbers[: self.n_imputed], *self.categories[: self.n_imputed_categories]]
        return [name for name, _ in named]

    @cached_property
    def expanded_names(self) -> tuple[str, ...]:
        """Names of the expanded columns after the intercept.

        The numbers and levels of the design, one missing flag per imputed column, and the pieces of derived columns:
        each piece's values, then, but for the first piece, which rows are in it.
        """
        pieces: list[str] = []
        for column in self.terms:
            for number in range(len(column.patterns)):
                pieces.append(f"{column.name}, piece {number + 1}")
                pieces += [f"{column.name}, rows of piece {number + 1}"] if number else []
        basic = [*(self.numbers[i][0] for i in self.entering), *self.dummies]
        of_map = (column.name for column in self.mapped.columns) if self.mapped is not None else ()
        return (*basic, *(f"{name} is missing" for name in self._flags), *pieces, *of_map)

    @cached_property
    def expanded_numbers(self) -> tuple[int, ...]:
        """Positions among the expanded columns, the intercept at 0, of those that are not 0 or 1 alone."""
        found = list(range(1, 1 + len(self.entering)))
        at = 1 + len(self.entering) + len(self.dummies) + self.n_imputed + self.n_imputed_categories
        for column in self.terms:
            for number in range(len(column.patterns)):
                found += [at] if column.scaled else []
                at += 2 if number else 1
        return tuple(found)

    @cached_property
    def pieces_within(self) -> tuple[tuple[int, int], ...]:
        """Positions among the expanded columns, the intercept at 0, of each piece's values and of the flag of its rows.

        The first piece of a derived column has no flag.
        """
        found, at = [], 1 + len(self.entering) + len(self.dummies) + self.n_imputed + self.n_imputed_categories
        for column in self.terms:
            for number in range(len(column.patterns)):
                found += [(at, at + 1)] if number else []
                at += 2 if number else 1
        return tuple(found)

    @property
    def n_columns(self) -> int:
        """Columns of the design, the intercept included."""
        return 1 + len(self.names)

    @cached_property
    def design_middle(self) -> FloatArray:
        """What is 0 on the reference scale, in agreed units, of each design column after the intercept."""
        derived = [column.middle for column in self.derived]
        return np.concatenate([self.middle[self.entering], self._between, derived])

    @cached_property
    def design_half(self) -> FloatArray:
        """What is 1 on the reference scale, in agreed units, of each design column after the intercept."""
        derived = [column.half for column in self.derived]
        return np.concatenate([self.half[self.entering], self._between + 1.0, derived])

    @cached_property
    def scaled(self) -> NDArray[np.bool_]:
        """Which design columns after the intercept are standardised: numbers, and terms with a number."""
        derived = [column.scaled for column in self.derived]
        between = self._between > 0
        return np.concatenate([np.ones(len(self.entering), dtype=np.bool_), between, np.array(derived, dtype=np.bool_)])

    @cached_property
    def of_map(self) -> NDArray[np.bool_]:
        """Which design columns after the intercept are the map's: the last ones."""
        found = np.zeros(self.n_columns - 1, dtype=np.bool_)
        if self.mapped is not None:
            found[len(found) - len(self.mapped.columns) :] = True
        return found

    @property
    def _between(self) -> FloatArray:
        return np.zeros(len(self.dummies) + len(self.flagged))

    def reference(self, rows: Rows, *, for_sums: bool = True) -> FloatArray:
        """Return what moments are summed of, shape (n_rows, n_numbers + n_pieces), within -1 to 1.

        The numbers on the reference scale, NaN where missing; then the pieces, NaN on rows of others.

        Parameters
        ----------
        rows : Rows
        for_sums : bool
            Lay each column's values side by side in memory, in which order sums that leave have always rounded. Without
            it, rows lie as in ``rows``, which is faster where nothing is summed that leaves.
        """
        numbers = rows.numbers[:, self.number_order] if for_sums else self.in_order(rows)
        z = numbers - self.middle
        z /= self.half
        parts = [z]
        if self.terms:
            values = self._factors(rows)
            parts += [column.pieces(found) for column, found in zip(self.terms, values, strict=True)]
        parts += [self.mapped.values(rows)] if self.mapped is not None else []
        return z if len(parts) == 1 else np.hstack(parts)

    def in_order(self, rows: Rows) -> FloatArray:
        """Return the numbers (n_rows, n_numbers), imputed ones first: no copy where the study has them so."""
        order = self.number_order
        return rows.numbers if order == sorted(order) else np.take(rows.numbers, order, axis=1)

    def matrix(self, rows: Rows, fill: FloatArray, modes: tuple[int, ...]) -> FloatArray:
        """Build the design matrix on the reference scale.

        Parameters
        ----------
        rows : Rows
        fill : ndarray of shape (n_numbers,)
            What stands for a missing number, on the reference scale.
        modes : tuple of int
            The level that stands for a missing category, one per category.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            Column 0 is the intercept; numbers lie in [-1, 1], dummies and indicators are 0 or 1.
        """
        design = np.zeros((len(rows), self.n_columns))
        codes = self._basic(rows, fill, modes, design)
        at = 1 + len(self.entering) + len(self.dummies)
        if self.flagged:
            design[:, at : at + len(self.flagged)] = self._missing(rows, codes)[:, self.flagged]
        at += len(self.flagged)
        original = fill * self.half + self.middle
        if self.terms:
            for column, found in zip(self.terms, self._factors(rows), strict=True):
                design[:, at] = column.filled(found, original, modes)
                at += 1
        if self.mapped is not None:
            design[:, at:] = self.mapped.values(rows)
        return design

    def expanded(self, rows: Rows) -> FloatArray:
        """Build the expanded columns: 0 for what is missing, a flag for it, and the pieces of derived columns.

        Every imputed and standardised design is linear in these, so their cross products give its cross products, for
        any imputation that is decided later.

        Returns
        -------
        ndarray of shape (n_rows, 1 + len(expanded_names))
        """
        basic = np.zeros((len(rows), 1 + len(self.entering) + len(self.dummies)))
        codes = self._basic(rows, np.zeros(len(self.numbers)), (0,) * len(self.categories), basic)
        parts = [basic, self._missing(rows, codes)]
        if self.terms:
            for column, found in zip(self.terms, self._factors(rows), strict=True):
                for number, piece in enumerate(column.pieces(found).T):
                    here = ~np.isnan(piece)
                    parts.append(np.where(here, piece, 0.0)[:, None])
                    parts += [here[:, None].astype(np.float64)] if number else []
        parts += [self.mapped.values(rows)] if self.mapped is not None else []
        return np.hstack(parts)

    def _basic(self, rows: Rows, fill: FloatArray, modes: tuple[int, ...], design: FloatArray) -> NDArray[np.int32]:
        """Write intercept, numbers and levels into ``design``; return the codes in design order."""
        design[:, 0] = 1.0
        n_numbers = len(self.entering)
        z = ((rows.numbers[:, self.number_order] - self.middle) / self.half)[:, self.entering]
        filled = fill[self.entering]
        design[:, 1 : 1 + n_numbers] = np.where(np.isnan(z), filled, z) if self.n_imputed else z
        at = 1 + n_numbers
        codes = rows.codes[:, self.category_order]
        for j in self.encoded:
            level = np.where(codes[:, j] < 0, modes[j], codes[:, j])
            for k in range(1, len(self.categories[j][1].levels)):
                design[:, at] = level == k
                at += 1
        return np.asarray(codes)

    def _missing(self, rows: Rows, codes: NDArray[np.int32]) -> FloatArray:
        """Return 1 where an imputed column is missing: numbers, then categories."""
        numbers = np.isnan(rows.numbers[:, self.number_order][:, : self.n_imputed])
        return np.hstack([numbers, codes[:, : self.n_imputed_categories] < 0]).astype(np.float64)

    def _factors(self, rows: Rows) -> list[list[FloatArray]]:
        """Return the values of each derived column's factors; a factor that occurs again is computed once."""
        numbers, codes = rows.numbers[:, self.number_order], rows.codes[:, self.category_order]
        found: dict[Factor, FloatArray] = {}
        for column in self.terms:
            for factor in column.factors:
                if factor not in found:
                    found[factor] = factor.values(numbers, codes)
        return [[found[factor] for factor in column.factors] for column in self.terms]
