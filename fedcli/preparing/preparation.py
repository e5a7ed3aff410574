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
from fedcli.preparing.grids import Grids, exact
from fedcli.preparing.rows import Rows

BoolArray = NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)
# Rounding of a variance on the reference scale, with room: silos sum about a centre within 2**-21 of their mean.
_ROUNDING = 2.0**-80


SQUARES = "the sum of its squares, for the standard deviation"
LEVELS = "a frequency table: how many rows have the level, and how many have none"


def levels_form(columns: Columns) -> str:
    """Say how counts of levels are arranged."""
    n = len(columns.categories)
    return f"one per level and one for none, of {n} {'category' if n == 1 else 'categories'}"


def moments_layout(columns: Columns, max_rows: int) -> Layout:
    """Lay down the moments of trip 1: one block of first and second sums, one of counts."""
    n_numbers = len(columns.numbers) + columns.n_pieces
    levels = sum(len(column.levels) + 1 for _, column in columns.categories)
    form = "one per number column"
    form += ", and per derived column and pattern of its missing values" if columns.n_pieces else ""
    blocks = [
        Block("rows", (1,), max_rows, "how many rows there are"),
        Block("present", (n_numbers,), max_rows, "how many rows have a value", form),
        Block("sums", (n_numbers,), max_rows, "the column's sum", form),
        Block("squares", (n_numbers,), max_rows, SQUARES, form),
    ]
    if columns.categories:
        blocks.append(Block("levels", (levels,), max_rows, LEVELS, levels_form(columns)))
    return Layout(tuple(block for block in blocks if block.size))


def moments(rows: Rows, columns: Columns, centre: FloatArray) -> Statistics:
    """Sum the moments of a batch about ``centre`` (n_numbers + n_pieces,), reference scale.

    Sums about a centre near the silo's own mean keep the digits that a sum about 0 would lose; `settle_moments`
    carries them to 0 in exact integers.
    """
    arrays = {"rows": np.array([len(rows)], dtype=np.float64)}
    arrays |= sum_moments(columns.reference(rows) - centre)
    arrays["levels"] = count_levels(rows, columns)
    return Statistics({name: array for name, array in arrays.items() if array.size})


def sum_moments(z: FloatArray) -> dict[str, FloatArray]:
    """Count and sum the columns of ``z`` (n_rows, n), NaN where there is no value."""
    present = ~np.isnan(z)
    z = np.where(present, z, 0.0)
    return {
        "present": present.sum(axis=0).astype(np.float64),
        "sums": z.sum(axis=0),
        "squares": (z * z).sum(axis=0),
    }


def count_levels(rows: Rows, columns: Columns) -> FloatArray:
    """Count, per category, rows without a level and rows of each level."""
    codes = rows.codes[:, columns.category_order]
    counts = [
        np.bincount(codes[:, j] + 1, minlength=len(column.levels) + 1)
        for j, (_, column) in enumerate(columns.categories)
    ]
    return np.concatenate([np.empty(0), *counts])


def settle_moments(total: Total, centre: FloatArray, *, prefix: str = "") -> Total:
    """Carry sums about ``centre`` to sums about 0, exactly: ``centre`` is a float and thus a fraction of 2's powers.

    ``prefix`` begins the names of the blocks, where they are those of a group of rows.
    """
    counts, first, second = f"{prefix}present", f"{prefix}sums", f"{prefix}squares"
    if first not in total:
        return total
    integers = {name: array.copy() for name, array in total.integers.items()}
    bits = total.fraction_bits
    for j, c in enumerate(centre):
        shift = Fraction(float(c))
        n = Fraction(int(integers[counts][j]), 1 << bits[counts])
        s = Fraction(int(integers[first][j]), 1 << bits[first])
        q = Fraction(int(integers[second][j]), 1 << bits[second])
        integers[first][j] = round((s + n * shift) * (1 << bits[first]))
        integers[second][j] = round((q + 2 * shift * s + n * shift * shift) * (1 << bits[second]))
    return Total(integers, bits)


def _constant(mean: FloatArray, variance: FloatArray, n_rows: int) -> BoolArray:
    # scikit-learn's own rule for when to divide by 1, or what rounding leaves here, whichever is more.
    largest = n_rows * _EPS * variance + (n_rows * mean * _EPS) ** 2
    return np.asarray(variance <= np.maximum(largest, _ROUNDING))


def _fill(columns: Columns, total: Total) -> FloatArray:
    """Return what imputes each number (n_numbers,), reference scale: its pooled mean where nothing else is agreed."""
    fill, grids = np.zeros(len(columns.numbers)), Grids(columns)
    for j, (_, column) in enumerate(columns.numbers):
        present = exact(total, "present", j)
        if column.fill is not None:
            fill[j] = (column.fill - column.middle) / column.half
        elif column.impute == "median":
            median = grids.median(j, total)
            fill[j] = (median.estimate - column.middle) / column.half if median else 0.0
        elif present:
            fill[j] = float(exact(total, "sums", j) / present)
    return fill


def _modes(columns: Columns, total: Total) -> tuple[int, ...]:
    """Return the level that imputes each category: the agreed one, or the pooled most frequent."""
    modes, at = [], 0
    for _, column in columns.categories:
        counts = total["levels"][at + 1 : at + 1 + len(column.levels)]
        best = [k for k, count in enumerate(counts) if count == counts.max()]
        frequent = min(best, key=lambda k, levels=column.levels: levels[k])  # type: ignore[misc]
        modes.append(frequent if column.fill is None else column.fill)
        at += len(column.levels) + 1
    return tuple(modes)


def _moments_of_design(
    columns: Columns, total: Total, fill: FloatArray, modes: tuple[int, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of each scaled design column after imputation, reference scale; 0 and 1 of the others.

    In fractions, so that no digit is lost to centring. Each column is a few pieces, on each of which it is ``a + b v``:
    a number has two, its values and, where they are missing, its fill.
    """
    n_rows = round(total["rows"][0])
    width = columns.n_columns - 1
    means, variances = np.zeros(width), np.ones(width)

    def settle(at: int, pieces: list[tuple[Fraction, Fraction, Fraction, Fraction, Fraction]]) -> None:
        first = sum((a * n + b * s for a, b, n, s, _ in pieces), Fraction(0))
        second = sum((a * a * n + 2 * a * b * s + b * b * q for a, b, n, s, q in pieces), Fraction(0))
        mean = first / n_rows
        means[at] = float(mean)
        variances[at] = max(float(second / n_rows - mean * mean), 0.0)

    for at, j in enumerate(columns.entering):
        present, sums, squares = (exact(total, block, j) for block in ("present", "sums", "squares"))
        column = columns.numbers[j][1]
        own_mean = column.impute == "mean" and present
        filled = sums / present if own_mean else Fraction(float(fill[j]))
        absent, one, none = n_rows - present, Fraction(1), Fraction(0)
        settle(at, [(none, one, present, sums, squares), (filled, none, absent, none, none)])
    place, piece = width - len(columns.derived), len(columns.numbers)
    original = fill * columns.half + columns.middle
    for derived in columns.derived:
        parts = []
        for a, b in derived.affine(original, modes):
            counts = (exact(total, block, piece) for block in ("present", "sums", "squares"))
            parts.append((Fraction(a), Fraction(b), *counts))
            piece += 1
        if derived.scaled:
            settle(place, parts)  # type: ignore[arg-type]
        place += 1
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
        What imputes each number, reference scale: the pooled mean or median of its present values, or what is agreed.
    modes : tuple of int
        What imputes each category: the pooled most frequent level (the alphabetically first of equals, as
        scikit-learn's imputer has), or what is agreed.
    mean, scale : ndarray of shape (n_columns - 1,)
        Centre and unit of each design column on the reference scale; 0 and 1 for dummies and indicators.
    """

    columns: Columns
    n_samples: int
    fill: FloatArray
    modes: tuple[int, ...]
    mean: FloatArray
    scale: FloatArray

    @classmethod
    def from_moments(cls, columns: Columns, total: Total) -> tuple[Preparation, BoolArray]:
        """Form the pooled preparation from the exact total of trip 1.

        Returns
        -------
        preparation : Preparation
        constant : ndarray of bool (n_columns - 1,)
            Which scaled design columns have one value in all rows of the pool, up to rounding.
        """
        n_rows = round(total["rows"][0])
        fill, modes = _fill(columns, total), _modes(columns, total)
        mean, variance = _moments_of_design(columns, total, fill, modes)
        constant = columns.scaled & _constant(mean, variance, n_rows)
        if columns.study.model.standardize:
            # A constant column is divided by 1, as in scikit-learn.
            scale = np.where(constant, 1.0, np.sqrt(variance))
            # A map's columns are on their own scale already, and stay there.
            scale = np.where(columns.of_map, 1.0 / columns.design_half, scale)
        else:
            # Unit of the original column, so that penalties act on its own scale.
            mean, scale = -columns.design_middle / columns.design_half, 1.0 / columns.design_half
        return cls(columns, n_rows, fill, modes, mean, scale), constant

    def matrix(self, rows: Rows) -> FloatArray:
        """Build the design on the reference scale with pooled imputation: shape (n_rows, n_columns)."""
        return self.columns.matrix(rows, self.fill, self.modes)

    def to_reference(self, constant: BoolArray) -> FloatArray:
        """Return ``M`` (n_columns, n_columns): the standardised design is ``X = V @ M``; ``coef_V = M @ coef_X``.

        Parameters
        ----------
        constant : ndarray of bool (n_columns - 1,)
            From `from_moments`. Standardised, such a column is 0; in rounding it would be noise, which a model
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
        n, n_entering, n_dummies = columns.n_columns, len(columns.entering), len(columns.dummies)
        n_expanded = 1 + len(columns.expanded_names)
        basic = 1 + n_entering + n_dummies
        matrix = np.zeros((n + 1, n_expanded + 1))
        matrix[:basic, :basic] = np.eye(basic)
        matrix[n, n_expanded] = 1.0
        matrix[1:n, 0] = -self.mean
        for row, j in enumerate(columns.entering):
            if j < columns.n_imputed:
                matrix[1 + row, basic + j] = self.fill[j]
        for j in columns.encoded:
            if j < columns.n_imputed_categories and self.modes[j] > 0:
                dummy = columns.dummies_of[columns.categories[j][0]][self.modes[j] - 1]
                matrix[dummy, basic + columns.n_imputed + j] = 1.0
        for row, flag in enumerate(columns.flagged):
            matrix[basic + row, basic + flag] = 1.0
        row, at = basic + len(columns.flagged), basic + columns.n_imputed + columns.n_imputed_categories
        original = self.fill * columns.half + columns.middle
        for derived in columns.derived:
            for number, (a, b) in enumerate(derived.affine(original, self.modes)):
                matrix[row, at] = b
                if number:
                    matrix[row, at + 1] = a
                at += 2 if number else 1
            row += 1
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
        """Carry coefficients (..., n_columns) from the reference scale to the columns' own: intercept first."""
        original = coef.copy()
        original[..., 1:] = coef[..., 1:] / self.columns.design_half
        moved = (coef[..., 1:] * self.columns.design_middle / self.columns.design_half).sum(axis=-1)
        original[..., 0] = coef[..., 0] - moved
        return original
