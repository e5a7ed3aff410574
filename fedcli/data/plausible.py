"""In which unit a column's values would lie where such values do.

Owns the search through units and plain factors, which `check` and `join` share. Must not know files or sentences.
Internal. It proposes, and never decides: values that look like pounds may be those of heavy people.

Measured quantities are skewed: of creatinine from 0.1 to 30 mg/dl, half of all people have less than 1. So a place in a
range that begins above 0 is a place between its logarithms. By a share of the range, as one would think first, every
true unit is "near the lower end", and one ten times too large looks better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.data.customary import customary, spelling_order, usual
from fedcli.data.units import Conversion, conversion, kind_of, others, spelled
from fedcli.fileformat.statistics import FloatArray

# What people forget where no unit is named: thousands, hundreds (percent), tens, inches, dozens of months.
FACTORS = (1000.0, 100.0, 10.0, 12.0, 2.54, 1 / 2.54, 1 / 12.0, 0.1, 0.01, 0.001)
# A median of fewer values says little, unless it lies outside the range.
ENOUGH = 20
# Nearer to the upper end of its range than this share of it, a median is unusual.
_UPPER = 0.02
# Lower in its range than this share of the logarithms, too.
_LOWER = 0.1
# Where a range begins at 0 nobody said how small a value can be: nearly all of them must be this far below its end.
_LITTLE = 0.01
# Of values from 0 on, three decades below the end of the range stand for its beginning.
_DECADES = 1e-3
# And there the ordinary middle is not that of the logarithms, but this share of the range.
_FROM_ZERO = 0.3
# A unit must keep so many of the values inside that the best one keeps, or, of ordinary values, that lie inside now.
_AS_GOOD, _NO_WORSE = 0.9, 0.98
# Behind every customary unit.
_LAST = 1_000
_DISSOLVED = ("mass concentration", "amount concentration")


@dataclass(frozen=True)
class OddUnit:
    """Values whose unit may be another one than is thought.

    Parameters
    ----------
    where : str
        ``outside`` the agreed range, at its ``end``, or ``elsewhere`` than such a quantity usually is.
    units : tuple of str
        In which most would lie inside, the likeliest first: those in which they would be usual, then customary ones.
    complete : bool
        Whether no unit can be lacking: mmol/l and mg/dl convert only where the study says of what.
    """

    where: str
    units: tuple[str, ...]
    complete: bool


@dataclass(frozen=True)
class _Candidate:
    """A unit: its middle value in the agreed unit, the share of values inside the range, and how it is placed."""

    unit: str
    custom: int | None
    usual: bool
    inside: float
    well_inside: bool
    off_centre: float

    @property
    def order(self) -> tuple[bool, bool, int, float]:
        """The likeliest first."""
        return not self.usual, self.custom is None, self.custom or 0, self.off_centre


def odd_unit(
    written: FloatArray,
    span: tuple[float, float],
    unit: str | None,
    quantity: str | None,
    stated: Conversion = Conversion(1.0),  # noqa: B008 - frozen
) -> OddUnit | None:
    """Return what is odd about the unit of a column; None where nothing is.

    A middle value outside the range is odd whatever else fits. One inside is so only if another customary unit suits
    much better: where the quantity is known, if the middle lies where none usually does, and would where they do; else
    if it lies at an end of the range, and would lie well inside. Values that suit another unit as well are left alone.

    Parameters
    ----------
    written : ndarray of shape (n,)
        Values as the table has them, none missing, n >= 1.
    span : (float, float)
        The agreed range.
    unit : str, optional
        The agreed unit.
    quantity : str, optional
        What is measured.
    stated : Conversion
        How they are read now.
    """
    read = written * stated.multiply + stated.add
    outside = not span[0] <= middle(read) <= span[1]
    if unit is None or not (outside or len(read) >= ENOUGH):
        return OddUnit("outside", (), True) if outside else None
    complete = quantity is not None or kind_of(unit) not in _DISSOLVED
    if outside:
        found = _candidates(written, span, unit, quantity, stated)
        best = max((one.inside for one in found), default=0.0)
        kept = [one for one in found if one.inside >= _AS_GOOD * best]
        return OddUnit("outside", _named(kept), complete)
    known = usual(quantity, unit)
    end = _at_an_end(read, span, share=kind_of(unit) == "share")
    if not end if known is None else known[0] <= middle(read) <= known[1]:
        return None
    least = _NO_WORSE * _inside(read, span)
    better = [
        one
        for one in _candidates(written, span, unit, quantity, stated)
        if one.well_inside and one.inside >= least and (one.usual if known is not None else one.custom is not None)
    ]
    if all(one.custom is None for one in better):
        return None
    return OddUnit("end" if end else "elsewhere", _named(better), complete)


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


def place(value: float, span: tuple[float, float]) -> float:
    """Return where a value lies in a range, 0 at its beginning and 1 at its end: of positive ranges by logarithms.

    Examples
    --------
    >>> place(10.0, (1.0, 100.0)), place(0.0, (-5.0, 15.0))
    (0.5, 0.25)
    """
    low, high = span
    if low < 0:
        return (value - low) / (high - low)
    low = low or high * _DECADES
    return float(np.log(value / low) / np.log(high / low)) if value > 0 else -np.inf


def _candidates(
    written: FloatArray, span: tuple[float, float], unit: str, quantity: str | None, stated: Conversion
) -> list[_Candidate]:
    """Return each unit other than the present one that brings the middle value into the range, alike ones once."""
    known, share = usual(quantity, unit), kind_of(unit) == "share"
    found: dict[Conversion, _Candidate] = {}
    units = sorted([spelled(unit), *others(unit, quantity)], key=lambda name: _said_first(name, quantity))
    for name in units:
        way = conversion(name, unit, quantity)
        there = written * way.multiply + way.add
        centre = middle(there)
        if way == stated or way in found or not span[0] <= centre <= span[1]:
            continue
        where = place(centre, span)
        found[way] = _Candidate(
            name,
            customary(name, quantity),
            known is not None and known[0] <= centre <= known[1],
            _inside(there, span),
            where >= _LOWER and centre <= _top(span, share=share),
            abs(where - (0.5 if span[0] else place(_FROM_ZERO * span[1], span))),
        )
    return list(found.values())


def _said_first(unit: str, quantity: str | None) -> tuple[int, int]:
    custom = customary(unit, quantity)
    return (_LAST if custom is None else custom, spelling_order(unit))


def _named(found: list[_Candidate]) -> tuple[str, ...]:
    return tuple(spelled(one.unit) for one in sorted(found, key=lambda one: one.order))


def _inside(values: FloatArray, span: tuple[float, float]) -> float:
    return float(np.mean((values >= span[0]) & (values <= span[1])))


def _top(span: tuple[float, float], *, share: bool) -> float:
    """Return up to where a middle value is ordinary; shares are often near their end, as of oxygen in blood."""
    return span[1] if share else span[1] - _UPPER * (span[1] - span[0])


def _at_an_end(read: FloatArray, span: tuple[float, float], *, share: bool) -> bool:
    """Return whether the middle of the values (n,) lies hardly inside the range."""
    if middle(read) > _top(span, share=share):
        return True
    if span[0] == 0:
        most = len(read) * 99 // 100
        return bool(np.partition(read, most)[most] <= _LITTLE * span[1])
    return place(middle(read), span) < (_UPPER if span[0] < 0 else _LOWER)
