"""Units of measurement: how they are spelled, and what one is in another.

Owns the table of conversions and its sources. Must not know columns, tables or files. Internal. Nothing is guessed:
two units that the table does not join are an error, and so is a substance that the agreement does not name.

Amount and mass of a substance are joined by its molar mass, so 1 mmol/l of cholesterol is 38.665 mg/dl; laboratories
print 38.67. Months and years are a twelfth of, and, 365.25 days, as everywhere in fedcli.

References
----------
Molar masses: IUPAC standard atomic weights 2021 (abridged); haemoglobin as its monomer, as ICSH and IFCC report it.
Triglycerides: the conventional mean molar mass 885.7 behind the factor 0.01129. HbA1c: the IFCC-NGSP master equation,
Hoelzel et al., Clin. Chem. 50 (2004) 166-174. Lengths, masses, pressures, temperatures: NIST Special Publication 811
(2008), appendix B. Enzymes: 1 U is 1/60 microkatal, by definition.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

# Each table: what one of a unit is in the first unit of its kind. Text, so that the fractions are exact.
_LINEAR: Mapping[str, Mapping[str, str]] = {
    "mass": {"kg": "1", "g": "1e-3", "mg": "1e-6", "ug": "1e-9", "ng": "1e-12", "t": "1e3"}
    | {"lb": "0.45359237", "oz": "0.028349523125", "st": "6.35029318"},
    "length": {"m": "1", "cm": "1e-2", "mm": "1e-3", "um": "1e-6", "km": "1e3"}
    | {"in": "0.0254", "ft": "0.3048", "yd": "0.9144", "mi": "1609.344"},
    "volume": {"l": "1", "dl": "1e-1", "cl": "1e-2", "ml": "1e-3", "ul": "1e-6"},
    "pressure": {"pa": "1", "hpa": "1e2", "kpa": "1e3", "mbar": "1e2", "bar": "1e5", "mmhg": "133.322387415"}
    | {"cmh2o": "98.0665", "psi": "6894.757293168"},
    "time": {"days": "1", "weeks": "7", "months": "30.4375", "years": "365.25"}
    | {"hours": "1/24", "min": "1/1440", "s": "1/86400"},
    "share": {"fraction": "1", "%": "1e-2", "permille": "1e-3", "bp": "1e-4"},
    "energy": {"kj": "1", "j": "1e-3", "kcal": "4.184"},
    "enzyme activity": {"u/l": "1", "ukat/l": "60", "nkat/l": "0.06", "u/ml": "1e3", "mu/l": "1e-3"},
    "cells": {"/l": "1", "/ul": "1e6", "/nl": "1e9", "10^3/ul": "1e9", "10^6/ul": "1e12", "10^9/l": "1e9"}
    | {"10^12/l": "1e12", "/mm3": "1e6", "10^3/mm3": "1e9", "10^6/mm3": "1e12"},
    "mass concentration": {"g/l": "1", "g/dl": "10", "mg/dl": "1e-2", "mg/l": "1e-3", "mg/ml": "1", "ug/dl": "1e-5"}
    | {
        "ug/ml": "1e-3",
        "ug/l": "1e-6",
        "ng/ml": "1e-6",
        "ng/dl": "1e-8",
        "ng/l": "1e-9",
        "pg/ml": "1e-9",
        "mg%": "1e-2",
    },
    "amount concentration": {"mol/l": "1", "mmol/l": "1e-3", "umol/l": "1e-6", "nmol/l": "1e-9", "pmol/l": "1e-12"}
    | {"mmol/ml": "1", "umol/ml": "1e-3", "nmol/ml": "1e-6"},
}
# Temperatures: kelvin = value * factor + shift.
_TEMPERATURES = {"k": ("1", "0"), "c": ("1", "273.15"), "f": ("5/9", "45967/180")}

# Molar mass in g/mol, and the charge of an ion (for mEq/l; 0 for what has none).
_SUBSTANCES: Mapping[str, tuple[str, int]] = {
    "albumin": ("66500", 0),
    "bilirubin": ("584.66", 0),
    "calcium": ("40.078", 2),
    "chloride": ("35.45", 1),
    "cholesterol": ("386.65", 0),
    "cortisol": ("362.46", 0),
    "creatinine": ("113.12", 0),
    "folate": ("441.40", 0),
    "glucose": ("180.156", 0),
    "haemoglobin": ("16114.5", 0),
    "iron": ("55.845", 0),
    "lactate": ("90.078", 0),
    "magnesium": ("24.305", 2),
    "phosphorus": ("30.974", 0),
    "potassium": ("39.098", 1),
    "sodium": ("22.990", 1),
    "testosterone": ("288.42", 0),
    "thyroxine": ("776.87", 0),
    "triglycerides": ("885.7", 0),
    "urea": ("60.056", 0),
    # The mass is that of the nitrogen, two atoms of which make one molecule of urea.
    "urea nitrogen": ("28.014", 0),
    "uric acid": ("168.11", 0),
    "vitamin b12": ("1355.4", 0),
    "vitamin d": ("400.64", 0),
}
_HBA1C = "hba1c"
QUANTITIES = tuple(sorted([*_SUBSTANCES, _HBA1C]))

_QUANTITY_NAMES = {
    "ldl": "cholesterol",
    "hdl": "cholesterol",
    "ldl cholesterol": "cholesterol",
    "hdl cholesterol": "cholesterol",
    "non hdl cholesterol": "cholesterol",
    "total cholesterol": "cholesterol",
    "triglyceride": "triglycerides",
    "hemoglobin": "haemoglobin",
    "bun": "urea nitrogen",
    "blood urea nitrogen": "urea nitrogen",
    "urate": "uric acid",
    "phosphate": "phosphorus",
    "25 oh vitamin d": "vitamin d",
    "25 hydroxyvitamin d": "vitamin d",
    "a1c": _HBA1C,
    "hb a1c": _HBA1C,
}
_UNIT_NAMES = {
    **dict.fromkeys(("percent", "per cent", "pct", "procent", "prozent"), "%"),
    **dict.fromkeys(("per mille", "permil", "‰", "promille"), "permille"),
    **dict.fromkeys(("basis point", "basis points", "bps"), "bp"),
    **dict.fromkeys(("share", "proportion", "ratio"), "fraction"),
    **dict.fromkeys(("°c", "degc", "deg c", "celsius"), "c"),
    **dict.fromkeys(("°f", "degf", "deg f", "fahrenheit"), "f"),
    **dict.fromkeys(("kelvin",), "k"),
    **dict.fromkeys(("kilogram", "kilograms", "kgs"), "kg"),
    **dict.fromkeys(("gram", "grams"), "g"),
    **dict.fromkeys(("lbs", "pound", "pounds"), "lb"),
    **dict.fromkeys(("ounce", "ounces"), "oz"),
    **dict.fromkeys(("stone", "stones"), "st"),
    **dict.fromkeys(("metre", "metres", "meter", "meters"), "m"),
    **dict.fromkeys(("centimetre", "centimetres", "centimeter", "centimeters"), "cm"),
    **dict.fromkeys(("inch", "inches"), "in"),
    **dict.fromkeys(("foot", "feet"), "ft"),
    **dict.fromkeys(("year", "yr", "yrs", "y", "a"), "years"),
    **dict.fromkeys(("month", "mo"), "months"),
    **dict.fromkeys(("week", "wk"), "weeks"),
    **dict.fromkeys(("day", "d"), "days"),
    **dict.fromkeys(("hour", "h", "hr", "hrs"), "hours"),
    **dict.fromkeys(("minute", "minutes", "mins"), "min"),
    **dict.fromkeys(("second", "seconds", "sec"), "s"),
    **dict.fromkeys(("litre", "liter", "litres", "liters"), "l"),
    **dict.fromkeys(("torr",), "mmhg"),
    **dict.fromkeys(("iu/l",), "u/l"),
    **dict.fromkeys(("miu/l",), "mu/l"),
    **dict.fromkeys(("iu/ml",), "u/ml"),
    **dict.fromkeys(("10e9/l", "x10^9/l", "gpt/l"), "10^9/l"),
    **dict.fromkeys(("10e12/l", "x10^12/l", "tpt/l"), "10^12/l"),
    **dict.fromkeys(("10e3/ul", "x10^3/ul", "k/ul"), "10^3/ul"),
    **dict.fromkeys(("10e6/ul", "x10^6/ul"), "10^6/ul"),
}
_CURRENCIES = frozenset(
    {"aud", "bgn", "brl", "cad", "chf", "cny", "czk", "dkk", "eur", "gbp", "hkd", "huf", "ils", "inr", "jpy", "krw"}
    | {"mxn", "nok", "nzd", "pln", "ron", "sek", "sgd", "try", "usd", "zar"}
)
_WITHOUT_CENTS = frozenset({"jpy", "krw"})
_SIGNS = {"€": "eur", "$": "usd", "£": "gbp"}
_SCALES = {
    **dict.fromkeys(("cent", "cents"), "1e-2"),
    **dict.fromkeys(("thousand", "thousands", "k"), "1e3"),
    **dict.fromkeys(("million", "millions", "mn", "mio"), "1e6"),
    **dict.fromkeys(("billion", "billions", "bn"), "1e9"),
}


class UnknownConversion(ValueError):
    """The table does not join two units; the message is for a silo."""


@dataclass(frozen=True)
class Conversion:
    """``agreed = local * multiply + add``."""

    multiply: float
    add: float = 0.0


@dataclass(frozen=True)
class _Scale:
    """A unit within its kind: ``base = value * factor + shift``."""

    kind: str
    factor: Fraction
    shift: Fraction = Fraction(0)


def spelled(unit: str) -> str:
    """Return a unit in the one spelling that the table has: ``umol/l`` for ``µmol/L``.

    Examples
    --------
    >>> spelled("mg/dL"), spelled("μmol / L"), spelled("mg per dl"), spelled("Years")
    ('mg/dl', 'umol/l', 'mg/dl', 'years')
    """
    text = re.sub("[⁰¹²³⁴-⁹]+", r"^\g<0>", unit)
    text = unicodedata.normalize("NFKC", text).casefold().strip()
    text = " ".join(text.replace("μ", "u").replace("mcg", "ug").replace("mcmol", "umol").split())
    if text in _UNIT_NAMES:
        return _UNIT_NAMES[text]
    text = re.sub(r"\s*(?:/|\bper\b)\s*", "/", text)
    if not (set(text.split()) & (_SCALES.keys() | _CURRENCIES)):
        text = text.replace(" ", "")
    return _UNIT_NAMES.get(text, text)


def named(quantity: str) -> str | None:
    """Return the table's name of what is measured, ``haemoglobin`` for ``Hemoglobin``; None where it knows no such."""
    text = " ".join(re.split(r"[\s_-]+", unicodedata.normalize("NFKC", quantity).casefold().strip()))
    text = _QUANTITY_NAMES.get(text, text)
    return text if text in QUANTITIES else None


def conversion(unit: str, agreed: str, quantity: str | None = None) -> Conversion:
    """Return how a number in ``unit`` becomes one in the ``agreed`` unit.

    Parameters
    ----------
    unit, agreed : str
        In any usual spelling.
    quantity : str, optional
        What is measured, where that decides.

    Raises
    ------
    UnknownConversion

    Examples
    --------
    >>> conversion("mmol/L", "mg/dl", "cholesterol")
    Conversion(multiply=38.665, add=0.0)
    >>> conversion("°F", "°C").add
    -17.77777777777778
    """
    one, other = spelled(unit), spelled(agreed)
    if one == other:
        return Conversion(1.0)
    substance = named(quantity) if quantity is not None else None
    scales = _scales(substance)
    here, there = scales.get(one) or _money(one), scales.get(other) or _money(other)
    if here is None or there is None:
        unknown = unit if here is None else agreed
        raise UnknownConversion(f"the unit '{unknown}' is not in the table of conversions")
    if here.kind != there.kind:
        kinds = {here.kind, there.kind}
        if quantity is None and (kinds <= {"mass concentration", "amount concentration"} or kinds == {"share", _HBA1C}):
            raise UnknownConversion(
                f"from '{unit}' to '{agreed}' depends on what is measured, which the study leaves open"
            )
        raise UnknownConversion(f"'{unit}' and '{agreed}' measure different things")
    multiply = here.factor / there.factor
    return Conversion(float(multiply), float((here.shift - there.shift) / there.factor))


def others(agreed: str, quantity: str | None = None) -> tuple[str, ...]:
    """Return the units, in the table's spelling, that convert to ``agreed`` and are not the same."""
    found = []
    for unit in dict.fromkeys([*_scales(named(quantity) if quantity is not None else None), *_same_money(agreed)]):
        try:
            way = conversion(unit, agreed, quantity)
        except UnknownConversion:
            continue
        if way != Conversion(1.0):
            found.append(unit)
    return tuple(found)


def kind_of(unit: str) -> str:
    """Return what a unit is one of, without a quantity: ``share``, ``money in eur``; nothing where it is not known.

    Examples
    --------
    >>> kind_of("mg/dL"), kind_of("percent"), kind_of("stars")
    ('mass concentration', 'share', '')
    """
    scale = _GENERIC.get(spelled(unit)) or _money(spelled(unit))
    return "" if scale is None else scale.kind


def _scales(substance: str | None) -> Mapping[str, _Scale]:
    """Return every unit; with a substance, its amounts count as masses, and its equivalents as amounts."""
    found = dict(_GENERIC)
    if substance == _HBA1C:
        # NGSP % = 0.09148 * IFCC mmol/mol + 2.152
        found["mmol/mol"] = _Scale(_HBA1C, Fraction("0.09148"), Fraction("2.152"))
        found["%"] = _Scale(_HBA1C, Fraction(1))
        found["fraction"] = _Scale(_HBA1C, Fraction(100))
    elif substance is not None:
        mass, charge = _SUBSTANCES[substance]
        for unit, scale in _GENERIC.items():
            if scale.kind == "amount concentration":
                found[unit] = _Scale("mass concentration", scale.factor * Fraction(mass))
        if charge:
            found["meq/l"] = _Scale("mass concentration", Fraction(mass) / 1000 / charge)
    return found


def _money(unit: str) -> _Scale | None:
    """Return the scale of a sum of money in one currency: ``eur``, ``thousand eur``, ``eur cent``."""
    words = re.findall(r"[€$£]|[^\s€$£]+", unit)
    scales = [word for word in words if word in _SCALES]
    currencies = [_SIGNS.get(word, word) for word in words if word not in _SCALES]
    if len(scales) > 1 or len(currencies) != 1 or currencies[0] not in _CURRENCIES:
        return None
    if scales and _SCALES[scales[0]] == "1e-2" and currencies[0] in _WITHOUT_CENTS:
        return None
    return _Scale(f"money in {currencies[0]}", Fraction(_SCALES[scales[0]] if scales else "1"))


def _same_money(agreed: str) -> tuple[str, ...]:
    money = _money(spelled(agreed))
    if money is None:
        return ()
    currency = money.kind.rpartition(" ")[2]
    return (currency, *(f"{word} {currency}" for word in ("cent", "thousand", "million", "billion")))


def _generic() -> Mapping[str, _Scale]:
    found = {unit: _Scale(kind, Fraction(factor)) for kind, units in _LINEAR.items() for unit, factor in units.items()}
    found |= {unit: _Scale("temperature", Fraction(f), Fraction(s)) for unit, (f, s) in _TEMPERATURES.items()}
    # Of HbA1c alone; without it, mmol/mol could pass for per mille, which it is not for anybody who measures HbA1c.
    return MappingProxyType(found | {"mmol/mol": _Scale(_HBA1C, Fraction(1))})


_GENERIC = _generic()
