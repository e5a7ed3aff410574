"""The study's columns in the order of the design matrix, and their values on the reference scale.

Owns the order, the names of the design's columns, and the two matrices that a batch of rows can become. Knows nothing
of files, silos or solvers. Internal.

The order is scikit-learn's own: numbers that are imputed, other numbers, categories that are imputed, other categories,
each group in the study's order, because that is what a ``ColumnTransformer`` of these groups emits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.rows import Rows
from fedcli.study.document import CategoryFeature, NumberFeature, Study


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
    def names(self) -> tuple[str, ...]:
        """Names of the design's columns after the intercept: ``age``, ``sex[male]``."""
        dummies = [f"{name}[{level}]" for name, column in self.categories for level in column.levels[1:]]
        return (*(name for name, _ in self.numbers), *dummies)

    @cached_property
    def expanded_names(self) -> tuple[str, ...]:
        """Names of the expanded columns after the intercept: the design's, then one missing indicator per imputed."""
        missing = [name for name, _ in self.numbers[: self.n_imputed]]
        missing += [name for name, _ in self.categories[: self.n_imputed_categories]]
        return (*self.names, *(f"{name} is missing" for name in missing))

    @property
    def n_columns(self) -> int:
        """Columns of the design, the intercept included."""
        return 1 + len(self.names)

    def reference(self, rows: Rows) -> FloatArray:
        """Return the numbers on the reference scale, -1 to 1 over the agreed range; NaN where missing."""
        return (rows.numbers[:, self.number_order] - self.middle) / self.half

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
            Column 0 is the intercept; numbers lie in [-1, 1], dummies are 0 or 1.
        """
        design = np.zeros((len(rows), self.n_columns))
        design[:, 0] = 1.0
        n_numbers = len(self.numbers)
        z = self.reference(rows)
        design[:, 1 : 1 + n_numbers] = np.where(np.isnan(z), fill, z) if self.n_imputed else z
        at = 1 + n_numbers
        codes = rows.codes[:, self.category_order]
        for j, (_, column) in enumerate(self.categories):
            level = np.where(codes[:, j] < 0, modes[j], codes[:, j])
            for k in range(1, len(column.levels)):
                design[:, at] = level == k
                at += 1
        return design

    def expanded(self, rows: Rows) -> FloatArray:
        """Build the expanded columns: 0 for what is missing, and a missing indicator for each imputed column.

        Every imputed and standardised design is linear in these, so their cross products give its cross products, for
        any imputation that is decided later.

        Returns
        -------
        ndarray of shape (n_rows, 1 + len(expanded_names))
        """
        n_numbers, n_imputed = len(self.numbers), self.n_imputed
        codes = rows.codes[:, self.category_order]
        z = self.reference(rows)
        design = self.matrix(rows, np.zeros(n_numbers), (0,) * len(self.categories))
        missing_codes = codes[:, : self.n_imputed_categories] < 0
        return np.hstack([design, np.isnan(z[:, :n_imputed]), missing_codes])
