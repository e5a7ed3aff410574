"""What trip 1 teaches about the columns: pooled means, standard deviations, most frequent levels.

Owns the moments that a silo sums, and what the coordinator makes of their total: `Preparation`, the map from rows to
the design and from the reference scale to the scale on which scikit-learn would have fitted. Knows nothing of files,
silos or losses. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import Block, FloatArray, Layout, State, Statistics, Total
from fedcli.preparing.columns import Columns
from fedcli.preparing.rows import Rows

BoolArray = NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)
# Rounding of a variance on the reference scale, with room: silos sum about a centre within 2**-21 of their mean.
_ROUNDING = 2.0**-80


def moments_layout(columns: Columns, max_rows: int) -> Layout:
    """Lay down the moments of trip 1: one block of first and second sums, one of counts."""
    n_numbers = len(columns.numbers)
    levels = sum(len(column.levels) + 1 for _, column in columns.categories)
    blocks = [
        Block("rows", (1,), max_rows, "number of rows"),
        Block("present", (n_numbers,), max_rows, "rows with a value, per number column"),
        Block("sums", (n_numbers,), max_rows, "sums of the number columns"),
        Block("squares", (n_numbers,), max_rows, "sums of squares of the number columns"),
    ]
    if columns.categories:
        blocks.append(Block("levels", (levels,), max_rows, "rows per level, and rows without one"))
    return Layout(tuple(block for block in blocks if block.size))


def moments(rows: Rows, columns: Columns, centre: FloatArray) -> Statistics:
    """Sum the moments of a batch about ``centre`` (n_numbers,), reference scale.

    Sums about a centre near the silo's own mean keep the digits that a sum about 0 would lose; `settle_moments`
    carries them to 0 in exact integers.
    """
    z = columns.reference(rows) - centre
    present = ~np.isnan(z)
    z = np.where(present, z, 0.0)
    arrays = {
        "rows": np.array([len(rows)], dtype=np.float64),
        "present": present.sum(axis=0).astype(np.float64),
        "sums": z.sum(axis=0),
        "squares": (z * z).sum(axis=0),
    }
    if columns.categories:
        codes = rows.codes[:, columns.category_order]
        counts = [
            np.bincount(codes[:, j] + 1, minlength=len(column.levels) + 1)
            for j, (_, column) in enumerate(columns.categories)
        ]
        arrays["levels"] = np.concatenate(counts).astype(np.float64)
    return Statistics({name: array for name, array in arrays.items() if array.size})


def settle_moments(total: Total, centre: FloatArray) -> Total:
    """Carry sums about ``centre`` to sums about 0, exactly: ``centre`` is a float and thus a fraction of 2's powers."""
    if "sums" not in total:
        return total
    integers = {name: array.copy() for name, array in total.integers.items()}
    bits = total.fraction_bits
    for j, c in enumerate(centre):
        shift = Fraction(float(c))
        n = Fraction(int(integers["present"][j]), 1 << bits["present"])
        s = Fraction(int(integers["sums"][j]), 1 << bits["sums"])
        q = Fraction(int(integers["squares"][j]), 1 << bits["squares"])
        integers["sums"][j] = round((s + n * shift) * (1 << bits["sums"]))
        integers["squares"][j] = round((q + 2 * shift * s + n * shift * shift) * (1 << bits["squares"]))
    return Total(integers, bits)


def constant_numbers(columns: Columns, total: Total) -> BoolArray:
    """Return which number columns have one value in all rows of the pool, up to rounding: shape (n_numbers,)."""
    return _constant(*_means_and_variances(columns, total), round(total["rows"][0]))


def _constant(mean: FloatArray, variance: FloatArray, n_rows: int) -> BoolArray:
    # scikit-learn's own rule for when to divide by 1, or what rounding leaves here, whichever is more.
    largest = n_rows * _EPS * variance + (n_rows * mean * _EPS) ** 2
    return np.asarray(variance <= np.maximum(largest, _ROUNDING))


def _means_and_variances(columns: Columns, total: Total) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of each imputed number, reference scale; in fractions, so no digit is lost."""
    n_rows = round(total["rows"][0])
    means, variances = np.zeros((2, len(columns.numbers)))
    for j in range(len(columns.numbers)):
        present = Fraction(int(total.integers["present"][j]), 1 << total.fraction_bits["present"])
        if not present:
            continue
        mean = Fraction(int(total.integers["sums"][j]), 1 << total.fraction_bits["sums"]) / present
        second = Fraction(int(total.integers["squares"][j]), 1 << total.fraction_bits["squares"])
        means[j] = float(mean)
        # Imputed cells sit at the mean, so they add nothing to the sum of squares but do count as rows.
        variances[j] = max(float((second - present * mean * mean) / n_rows), 0.0)
    return means, variances


@dataclass(frozen=True)
class Preparation:
    """The pooled imputation and standardisation.

    Parameters
    ----------
    columns : Columns
    n_samples : int
        Pooled training rows.
    fill : ndarray of shape (n_numbers,)
        Pooled mean of each number's present values, reference scale: what imputes it.
    modes : tuple of int
        Pooled most frequent level of each category; the alphabetically first of equals, as scikit-learn's imputer has.
    mean, scale : ndarray of shape (n_columns - 1,)
        Centre and unit of each design column on the reference scale; 0 and 1 for dummies.
    """

    columns: Columns
    n_samples: int
    fill: FloatArray
    modes: tuple[int, ...]
    mean: FloatArray
    scale: FloatArray

    @classmethod
    def from_moments(cls, columns: Columns, total: Total) -> Preparation:
        """Form the pooled preparation from the exact total of trip 1, in fractions: no digit is lost to centring."""
        standardize = columns.study.model.standardize
        n_rows = round(total["rows"][0])
        fill, variance = _means_and_variances(columns, total)
        # A constant column is divided by 1, as in scikit-learn.
        scale = np.where(_constant(fill, variance, n_rows), 1.0, np.sqrt(variance))
        if not standardize:
            # Unit of the original column, so that penalties act on its own scale.
            scale = 1.0 / columns.half
        modes, at = [], 0
        for _, column in columns.categories:
            counts = total["levels"][at + 1 : at + 1 + len(column.levels)]
            best = [k for k, count in enumerate(counts) if count == counts.max()]
            modes.append(min(best, key=lambda k, levels=column.levels: levels[k]))  # type: ignore[misc]
            at += len(column.levels) + 1
        n_dummies = columns.n_columns - 1 - len(columns.numbers)
        centre = fill if standardize else -columns.middle / columns.half
        return cls(
            columns,
            n_rows,
            fill,
            tuple(modes),
            np.concatenate([centre, np.zeros(n_dummies)]),
            np.concatenate([scale, np.ones(n_dummies)]),
        )

    def matrix(self, rows: Rows) -> FloatArray:
        """Build the design on the reference scale with pooled imputation: shape (n_rows, n_columns)."""
        return self.columns.matrix(rows, self.fill, self.modes)

    def to_reference(self, constant: BoolArray) -> FloatArray:
        """Return ``M`` (n_columns, n_columns): the standardised design is ``X = V @ M``; ``coef_V = M @ coef_X``.

        Parameters
        ----------
        constant : ndarray of bool (n_numbers,)
            From `constant_numbers`. Standardised, such a column is 0; in rounding it would be noise, which a model
            without a penalty fits.
        """
        n = self.columns.n_columns
        matrix = np.zeros((n, n))
        matrix[0, 0] = 1.0
        index = np.arange(1, n)
        matrix[index, index] = 1.0 / self.scale
        matrix[0, 1:] = -self.mean / self.scale
        if self.columns.study.model.standardize:
            matrix[:, 1 + np.flatnonzero(constant)] = 0.0
        return matrix

    def from_expanded(self, constant: BoolArray) -> FloatArray:
        """Return the matrix (n_columns + 1, n_expanded + 1) that maps expanded columns to imputed and centred ones.

        Both begin with the intercept and end with the target. Not divided by ``scale``: the entries are then means and
        ones, and the map is exact in integers. ``constant`` as in `to_reference`.
        """
        columns = self.columns
        n, n_numbers = columns.n_columns, len(columns.numbers)
        n_expanded = 1 + len(columns.expanded_names)
        matrix = np.zeros((n + 1, n_expanded + 1))
        matrix[:n, :n] = np.eye(n)
        matrix[n, n_expanded] = 1.0
        matrix[1:n, 0] = -self.mean
        for j in range(columns.n_imputed):
            matrix[1 + j, n + j] = self.fill[j]
        dummy = 1 + n_numbers
        for j, (_, column) in enumerate(columns.categories):
            if j < columns.n_imputed_categories and self.modes[j] > 0:
                matrix[dummy + self.modes[j] - 1, n + columns.n_imputed + j] = 1.0
            dummy += len(column.levels) - 1
        model = columns.study.model
        if model.standardize or model.params.get("fit_intercept", True):
            matrix[1 + np.flatnonzero(constant)] = 0.0
        return matrix

    def to_state(self) -> dict[str, FloatArray]:
        """Return the arrays that a model file carries; `from_state` is the inverse."""
        return {
            "preparation.n_samples": np.array([float(self.n_samples)]),
            "preparation.fill": self.fill,
            "preparation.modes": np.array(self.modes, dtype=np.float64),
            "preparation.mean": self.mean,
            "preparation.scale": self.scale,
        }

    @classmethod
    def from_state(cls, columns: Columns, state: State) -> Preparation:
        """Read the preparation back from a model's arrays."""
        arrays = state.arrays
        return cls(
            columns,
            int(arrays["preparation.n_samples"][0]),
            arrays["preparation.fill"],
            tuple(int(k) for k in arrays["preparation.modes"]),
            arrays["preparation.mean"],
            arrays["preparation.scale"],
        )

    def to_original(self, coef: FloatArray) -> FloatArray:
        """Carry coefficients (n_columns,) from the reference scale to the columns' own: intercept first."""
        n = len(self.columns.numbers)
        original = coef.copy()
        original[1 : 1 + n] = coef[1 : 1 + n] / self.columns.half
        original[0] = coef[0] - (coef[1 : 1 + n] * self.columns.middle / self.columns.half).sum()
        return original
