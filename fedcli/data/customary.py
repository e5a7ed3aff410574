"""In which units a quantity is reported, and where the middle value of a group of adults usually lies.

Owns this table. Must not know columns, tables or files. Internal. It orders what is proposed and raises a question, and
never converts a value: a group may be an unusual one.

References
----------
Units: those in which laboratories of the US (mg/dl, ng/ml), of the countries of the SI (mmol/l, umol/l) and of France
(g/l) print the quantity. Where medians lie: from well below the reference intervals of healthy adults, as in the AMA
Manual of Style and Tietz's Textbook of Laboratory Medicine, to what dialysis, intensive care or liver clinics report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fedcli.data.units import conversion, kind_of, named, spelled


@dataclass(frozen=True)
class _Custom:
    """The customary units, commonest first, and between what the middle value usually lies, in the first of them.

    `usual` is None where it tells units apart in no group: total and free thyroxine are a thousandfold apart.
    """

    units: tuple[str, ...]
    usual: tuple[float, float] | None


_OF_QUANTITIES: Mapping[str, _Custom] = MappingProxyType(
    {
        "albumin": _Custom(("g/l", "g/dl"), (20, 50)),
        "bilirubin": _Custom(("mg/dl", "umol/l"), (0.25, 8)),
        # Ionised calcium is half of the total.
        "calcium": _Custom(("mg/dl", "mmol/l", "meq/l"), (4.2, 11.5)),
        "chloride": _Custom(("mmol/l", "meq/l"), (90, 115)),
        # HDL is a fifth of the total.
        "cholesterol": _Custom(("mg/dl", "mmol/l", "g/l"), (25, 350)),
        "cortisol": _Custom(("ug/dl", "nmol/l"), (3, 60)),
        "creatinine": _Custom(("mg/dl", "umol/l"), (0.4, 10)),
        "folate": _Custom(("ng/ml", "nmol/l"), (2.5, 25)),
        "glucose": _Custom(("mg/dl", "mmol/l", "g/l"), (60, 400)),
        # Between what is low in g/dl and what is ordinary in mmol/l there is no gap: the border is a compromise.
        "haemoglobin": _Custom(("g/dl", "g/l", "mmol/l"), (9, 17.5)),
        "hba1c": _Custom(("%", "mmol/mol", "fraction"), (4, 13)),
        "iron": _Custom(("ug/dl", "umol/l"), (25, 200)),
        "lactate": _Custom(("mmol/l", "mg/dl"), (0.5, 9)),
        "magnesium": _Custom(("mg/dl", "mmol/l", "meq/l"), (1.4, 3.2)),
        "phosphorus": _Custom(("mg/dl", "mmol/l"), (1.9, 8)),
        "potassium": _Custom(("mmol/l", "meq/l"), (3, 6)),
        "sodium": _Custom(("mmol/l", "meq/l"), (125, 150)),
        "testosterone": _Custom(("ng/dl", "nmol/l", "ng/ml"), (10, 1000)),
        "thyroxine": _Custom(("ug/dl", "nmol/l", "ng/dl", "pmol/l"), None),
        "triglycerides": _Custom(("mg/dl", "mmol/l", "g/l"), (45, 900)),
        "urea": _Custom(("mg/dl", "mmol/l"), (15, 180)),
        "urea nitrogen": _Custom(("mg/dl", "mmol/l"), (7, 110)),
        "uric acid": _Custom(("mg/dl", "umol/l", "mmol/l"), (2, 10)),
        "vitamin b12": _Custom(("pg/ml", "pmol/l"), (120, 1200)),
        "vitamin d": _Custom(("ng/ml", "nmol/l"), (6, 55)),
    }
)
# What is customary where no quantity is named. Of two that are the same unit, the first is said.
_GENERAL = (
    *("kg", "g", "mg", "lb", "st", "m", "cm", "mm", "in", "ft", "km", "l", "dl", "ml"),
    *("mmhg", "kpa", "c", "f", "years", "months", "weeks", "days", "hours", "min", "%", "fraction", "kj", "kcal"),
    *("u/l", "ukat/l", "nkat/l", "10^9/l", "10^12/l", "/ul", "g/l", "g/dl", "mg/dl", "mg/l", "ug/dl", "ug/l", "ng/ml"),
    *("ng/dl", "ng/l", "pg/ml", "mmol/l", "umol/l", "nmol/l", "pmol/l"),
)


def customary(unit: str, quantity: str | None) -> int | None:
    """Return how customary a unit is, 0 the most; None where it is not. Without a quantity none comes before another.

    Examples
    --------
    >>> customary("umol/l", "creatinine"), customary("mg/l", "creatinine"), customary("mg/l", None)
    (1, None, 0)
    """
    custom = _OF_QUANTITIES.get(named(quantity) or "") if quantity is not None else None
    if custom is None:
        return 0 if unit in _GENERAL or kind_of(unit).startswith("money") else None
    return custom.units.index(unit) if unit in custom.units else None


def spelling_order(unit: str) -> int:
    """Return which spelling is said first of units that are the same: ``mg/l`` before ``ug/ml``."""
    return _GENERAL.index(unit) if unit in _GENERAL else len(_GENERAL)


def usual(quantity: str | None, unit: str) -> tuple[float, float] | None:
    """Return between what the middle value of a group of adults usually lies, in ``unit``; None where none is known.

    Examples
    --------
    >>> low, high = usual("creatinine", "µmol/l")
    >>> round(low), round(high)
    (35, 884)
    """
    custom = _OF_QUANTITIES.get(named(quantity) or "") if quantity is not None else None
    if custom is None or custom.usual is None:
        return None
    way = conversion(custom.units[0], spelled(unit), quantity)
    return custom.usual[0] * way.multiply + way.add, custom.usual[1] * way.multiply + way.add
