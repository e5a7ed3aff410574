"""The finished profile: what is said of the pool, from the exact sums of trip 1, as the arrays that models carry.

Owns those arrays, what is left out of them, and their shapes. Knows nothing of how they are printed, nor of files.
Internal.

Arrays hold finite numbers only, so a cell that says nothing is marked: `SMALL` and `HIDDEN` stand for counts, 0 for a
mean, deviation or quantile of no row. A count is `HIDDEN` where it would give a small one away by subtraction.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from fedcli.fileformat.statistics import FloatArray, Total
from fedcli.models.exact import covariance
from fedcli.preparing.grids import counted, exact
from fedcli.preparing.histogram import Bounds, IntArray
from fedcli.preparing.preparation import BoolArray, Preparation
from fedcli.preparing.profile import ProfileSums

PREFIX = "profile."
SMALL, HIDDEN = -1.0, -2.0
# A variance inflation factor without end: the column is a combination of others; or the column is constant.
COMBINATION, CONSTANT = 0.0, -1.0
QUARTILES = (0.25, 0.5, 0.75)
# Per group and number: lowest value, quartiles, highest value; of each an estimate and two bounds.
_POINTS = (5, 3)


def profile_arrays(
    sums: ProfileSums, total: Total, preparation: Preparation, constant: BoolArray
) -> dict[str, FloatArray]:
    """Return the arrays of a finished profile; none if the study asks for nothing.

    Parameters
    ----------
    sums : ProfileSums
    total : Total
        Exact, of trip 1.
    preparation : Preparation
    constant : ndarray of bool (n_columns - 1,)
        Which design columns have one value in all rows of the pool.
    """
    columns, arrays = sums.columns, {}
    medians = [sums.grids.median(j, total) for j in sums.grids.medians]
    if medians:
        arrays["medians"] = np.array([(m.estimate, m.lower, m.upper) if m else (0.0, 0.0, 0.0) for m in medians])
    if columns.study.profile is not None:
        arrays |= _described(sums, total)
    if sums.correlation:
        arrays |= _correlation(sums, total, preparation, constant)
    return {PREFIX + name: array for name, array in arrays.items()}


def profile_shapes(sums: ProfileSums) -> dict[str, tuple[int | None, ...]]:
    """Return the shapes of `profile_arrays`."""
    columns = sums.columns
    groups, numbers, width = _n_groups(sums), len(columns.numbers), columns.n_columns - 1
    shapes: dict[str, tuple[int | None, ...]] = {}
    if sums.grids.medians:
        shapes["medians"] = (len(sums.grids.medians), 3)
    if columns.study.profile is not None:
        levels = sum(len(column.levels) + 1 for _, column in columns.categories)
        shapes |= {"rows": (groups,), "present": (groups, numbers), "missing": (groups, numbers)}
        shapes |= {"mean": (groups, numbers), "deviation": (groups, numbers)}
        shapes |= {"points": (groups, numbers, *_POINTS), "levels": (groups, levels)}
    if sums.correlation:
        shapes |= {"correlation": (width, width), "inflation": (width,)}
    return {PREFIX + name: shape for name, shape in shapes.items()}


def _described(sums: ProfileSums, total: Total) -> dict[str, FloatArray]:
    columns, min_cell = sums.columns, sums.columns.study.rules.min_cell
    groups = _groups(sums, total, "rows")
    present = _groups(sums, total, "present")[:, : len(columns.numbers)]
    missing = groups - present
    mean, deviation = np.zeros(present.shape), np.zeros(present.shape)
    points = np.zeros((*present.shape, *_POINTS))
    below = _groups(sums, total, "below")
    for j, (_, column) in enumerate(columns.numbers):
        # Present and missing rows of each group: a table of two lines, in which neither may give a small one away.
        cells = protect(np.stack([present[:, j], missing[:, j]], axis=1), min_cell)
        for g, n in enumerate(present[:, j]):
            if cells[g, 0] <= 0:
                continue
            first, second = _exact(sums, total, "sums", g, j), _exact(sums, total, "squares", g, j)
            middle, half = column.middle, column.half
            mean[g, j] = float(Fraction(middle) + Fraction(half) * first / int(n))
            if n > 1:
                deviation[g, j] = half * math.sqrt(max((second - first * first / int(n)) / int(n - 1), Fraction(0)))
            points[g, j] = _points(sums.grids.bounds(j, int(n), below[g], first, second))
        present[:, j], missing[:, j] = cells.T
    levels, at = _groups(sums, total, "levels"), 0
    for _, category in columns.categories:
        width = len(category.levels) + 1
        levels[:, at : at + width] = protect(levels[:, at : at + width], min_cell)
        at += width
    rows = protect(groups, min_cell)[:, 0]
    return {
        "rows": rows,
        "present": present.astype(np.float64),
        "missing": missing.astype(np.float64),
        "mean": mean,
        "deviation": deviation,
        "points": points,
        "levels": levels.astype(np.float64),
    }


def protect(counts: IntArray, min_cell: int) -> FloatArray:
    """Mark small counts, and those from which they follow.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_lines)
        All rows, then the rows of each class (or all rows alone); the lines add up to each group.
    min_cell : int

    Notes
    -----
    A small count follows from its line's other counts, and from the group's other lines. So with it go the classes of
    its line, and the line with the fewest rows beside it.
    """
    said = counts.astype(np.float64)
    small = (counts > 0) & (counts < min_cell)
    lines = np.flatnonzero(small.any(axis=0))
    if not lines.size:
        return said
    others = [k for k in np.argsort(counts[0]) if k not in lines and counts[0, k] > 0]
    hidden = np.zeros(counts.shape, dtype=np.bool_)
    for k in [*lines, *others[:1]]:
        hidden[1:, k] = True
        hidden[0, k] = bool(small[0].any())
    said[hidden] = HIDDEN
    said[small] = SMALL
    return said


def _n_groups(sums: ProfileSums) -> int:
    return 2 + len(sums.apart) if sums.apart else 1


def _groups(sums: ProfileSums, total: Total, block: str) -> IntArray:
    """Return a block of counts of all rows, then of each class (of all alone): (n_groups, size)."""
    if block not in total:
        return np.zeros((_n_groups(sums), 0), dtype=np.int64)
    every = counted(total, block)
    if not sums.apart:
        return every[None]
    classes = [counted(total, prefix + block) for prefix, _ in sums.apart]
    every = every[: len(classes[0])]  # the moments of all rows also hold derived columns
    return np.stack([every, every - np.sum(classes, axis=0), *classes])


def _exact(sums: ProfileSums, total: Total, block: str, group: int, at: int) -> Fraction:
    if group == 0:
        return exact(total, block, at)
    classes = [exact(total, prefix + block, at) for prefix, _ in sums.apart]
    return classes[group - 2] if group > 1 else exact(total, block, at) - sum(classes, Fraction(0))


def _points(bounds: Bounds) -> list[tuple[float, float, float]]:
    found = [bounds.ranked(1), *(bounds.quantile(share) for share in QUARTILES), bounds.ranked(bounds.present)]
    return [(point.estimate, point.lower, point.upper) for point in found]


def _correlation(
    sums: ProfileSums, total: Total, preparation: Preparation, constant: BoolArray
) -> dict[str, FloatArray]:
    mapping = preparation.from_expanded(np.zeros_like(constant))[:-1, :-1]
    if sums.products:
        packed = total.integers["correlation"]
    else:
        # The closed forms' own products have the target last.
        n = mapping.shape[1] + 1
        rows, columns = np.triu_indices(n)
        packed = total.integers["gram"][(rows < n - 1) & (columns < n - 1)]
    spread = covariance(packed, mapping)
    return correlations(spread, constant)


def correlations(spread: FloatArray, constant: BoolArray) -> dict[str, FloatArray]:
    """Return correlation and variance inflation from a covariance (n, n); see `CONSTANT` and `COMBINATION`.

    The factor of a column is ``1 / (1 - R**2)`` of its regression on all others, that is, the diagonal of the inverse
    correlation.
    """
    deviation = np.sqrt(np.diag(spread))
    varies = (deviation > 0) & ~constant
    found = np.eye(len(spread))
    inflation = np.full(len(spread), CONSTANT)
    index = np.flatnonzero(varies)
    if index.size:
        unit = deviation[index]
        inner = spread[np.ix_(index, index)] / unit[:, None] / unit[None, :]
        np.fill_diagonal(inner, 1.0)
        found[np.ix_(index, index)] = np.clip(inner, -1.0, 1.0)
        values, vectors = np.linalg.eigh(inner)
        tiny = values <= len(index) * np.finfo(np.float64).eps * values[-1]
        free = (np.abs(vectors[:, tiny]) > 1e-6).any(axis=1)
        kept = vectors[:, ~tiny]
        inflation[index] = np.where(free, COMBINATION, ((kept**2) / values[~tiny]).sum(axis=1))
    return {"correlation": found, "inflation": inflation}
