"""Whether a column's whole numbers name rows or persons instead of measuring something.

Owns the rule, on values thinned while they were read. Must not know columns, files or sentences around it. Internal.

Sorted tables, ages, years, amounts and days written as numbers are ordinary. What tells a numbering from them: each
number stands in one row, or nearly, or in as many rows as any other; and it runs on evenly, or is very long. A single
repeated row silences none of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray

_LONG_NUMBER = 1_000_000
# Where numbers repeat, fewer of them say little.
_ENOUGH = 50
_NEARLY = 0.95
# Of two visits of each person, every other row repeats a number.
_SEVERAL = 0.5
# Of three visits and more: no more rows for each than a year has months, and as many for one as for another. Where
# chance fills 50 numbers, the variance of the counts is about their mean: a quarter is four standard errors away.
_VISITS, _ALIKE = 12, 0.25
_YEARS = (1850, 2150)
# A uniform sample that misses less than 5 % of its range has 3 rows for each value: it cannot repeat as rarely as that.
_GAPLESS = 1.05
_EVEN = 0.99
# Of days in their order, 200 rows over less than 50 years repeat more than 1 % of theirs.
_MANY, _ALMOST_ALL = 200, 0.99


def numbering(values: FloatArray, low: float, high: float, rows: int) -> str | None:
    """Say in words how whole numbers name the rows; None where they may well measure something.

    Parameters
    ----------
    values : ndarray (n,)
        Evenly thinned, in the order of the rows, none missing.
    low, high : float
        Extent of the whole column.
    rows : int
        How many rows have a value.
    """
    if (values != np.floor(values)).any():
        return None
    found, counts = np.unique(values, return_counts=True)
    steps = np.diff(values)
    distinct, ordered = len(found), bool((steps >= 0).all() or (steps <= 0).all())
    if distinct == len(values):
        if high - low + 1 == rows or ordered or found[0] >= _LONG_NUMBER:
            return "every row has a whole number of its own" + (", in their order" if ordered else "")
        return None
    if distinct < _ENOUGH or _days(found):
        return None
    gapless = high - low + 1 <= _GAPLESS * distinct
    even = ordered and _even(found, len(values))
    # Amounts are of all sizes, or round.
    long = found[0] >= _LONG_NUMBER and high < 10 * low and bool((found % 10 != 0).any())
    if distinct >= _NEARLY * len(values) and (gapless or long or even):
        return "nearly every row has a whole number of its own" + (", in their order" if ordered else "")
    if distinct >= _SEVERAL * len(values) and ordered and (gapless or long):
        return "its whole numbers follow one another, each in one row or a few"
    if _visits(found, counts, ordered) and (gapless or long):
        each = f"{counts[0]}" if np.ptp(counts) == 0 else f"about {counts.mean():.0f}"
        return f"its whole numbers {'follow one another' if gapless else 'are long'}, each in {each} rows"
    return None


def _visits(found: FloatArray, counts: NDArray[np.intp], ordered: bool) -> bool:
    """Return whether each number stands in as many rows as any other, or nearly, where the rows are in its order.

    Out of order just as many are asked for: rows by visit, or shuffled. Years are what a balanced panel repeats so.
    """
    years = _YEARS[0] <= found[0] and found[-1] <= _YEARS[1]
    alike = counts.var() <= _ALIKE * counts.mean() if ordered else np.ptp(counts) == 0
    return bool(alike) and 1 < counts.mean() <= _VISITS and not years


def _even(found: FloatArray, n: int) -> bool:
    """Return whether numbers (sorted, distinct, of ``n`` values in order) rise as a numbering does, and no measurement.

    Sums of money in their order rise ever faster; days in theirs rise evenly, but by steps of all sizes, and repeat.
    """
    steps = np.diff(found)
    if steps.std() < 0.5 * steps.mean():
        return True
    straight = np.corrcoef(found, np.arange(len(found)))[0, 1] ** 2 >= _EVEN
    return bool(straight) and n >= _MANY and len(found) >= _ALMOST_ALL * n


def _days(values: FloatArray) -> bool:
    """Return whether all are days written as numbers, such as 20240229."""
    year, month, day = values // 10_000, values // 100 % 100, values % 100
    possible = (year >= 1850) & (year <= 2150) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(possible.all())
