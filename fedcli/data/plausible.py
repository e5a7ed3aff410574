"""In which unit a column's values would be ordinary ones.

Owns the search through units and plain factors. Must not know files or sentences. Internal. It proposes, and never
decides: values that look like pounds may be those of heavy people.
"""

from __future__ import annotations

import numpy as np

from fedcli.data.units import conversion, others, spelled
from fedcli.fileformat.statistics import FloatArray

_MOST_UNITS = 3
# What people forget where no unit is named: thousands, hundreds (percent), tens, inches, dozens of months.
FACTORS = (1000.0, 100.0, 10.0, 12.0, 2.54, 1 / 2.54, 1 / 12.0, 0.1, 0.01, 0.001)
# Nearer to an end of its range than this share of it, a median is unusual; this far from both, it is ordinary.
_UNUSUAL = 0.02
ORDINARY = 0.1


def units_that_fit(
    present: FloatArray, span: tuple[float, float], unit: str, quantity: str | None, *, margin: float = 0.0
) -> list[str]:
    """Return the units in which the median would lie in the agreed range, best first: by how many values then do.

    Parameters
    ----------
    present : ndarray of shape (n,)
        Values as if they were in the agreed unit, none missing.
    span : (float, float)
        The agreed range.
    unit : str
        The agreed unit.
    quantity : str, optional
        What is measured.
    margin : float
        How far from either end the median must lie, as a share of the range.
    """
    found: dict[tuple[float, float], tuple[float, str]] = {}
    away = margin * (span[1] - span[0])
    for other in others(unit, quantity):
        way = conversion(other, unit, quantity)
        there = present * way.multiply + way.add
        if span[0] + away <= middle(there) <= span[1] - away:
            inside = float(np.mean((there >= span[0]) & (there <= span[1])))
            found.setdefault((way.multiply, way.add), (inside, other))
    best = max((inside for inside, _ in found.values()), default=0.0)
    ways = sorted((way for way in found.values() if way[0] >= 0.9 * best), key=lambda way: -way[0])
    return [spelled(other) for _, other in ways][:_MOST_UNITS]


def factors_that_fit(present: FloatArray, span: tuple[float, float]) -> list[float]:
    """Return the plain factors that bring the median and nearly all values (n,) into the agreed range."""
    found = []
    for factor in FACTORS:
        there = present * factor
        within = np.mean((there >= span[0]) & (there <= span[1]))
        if span[0] <= middle(there) <= span[1] and within >= 0.9:
            found.append(factor)
    return found


def middle(values: FloatArray) -> float:
    """Return the middle one of the values (n,), at least one: `numpy.median` would load masked arrays first."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def unusual(present: FloatArray, span: tuple[float, float]) -> bool:
    """Return whether the median of the values (n,) lies outside the agreed range, or hardly inside."""
    away = _UNUSUAL * (span[1] - span[0])
    return not span[0] + away <= middle(present) <= span[1] - away
