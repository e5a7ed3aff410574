"""Units against published figures, as laboratories and standards print them."""

from __future__ import annotations

import pytest

from fedcli.data.units import QUANTITIES, UnknownConversion, conversion, named, others, spelled

# From the conversion tables of the AMA Manual of Style and the NGSP, three digits or four as printed there.
CLINICAL = [
    ("cholesterol", "mmol/l", "mg/dl", 38.67),
    ("LDL", "mg/dl", "mmol/l", 0.0259),
    ("triglycerides", "mg/dl", "mmol/l", 0.0113),
    ("glucose", "mg/dl", "mmol/l", 0.0555),
    ("creatinine", "mg/dl", "umol/l", 88.4),
    ("urea", "mg/dl", "mmol/l", 0.1665),
    ("BUN", "mg/dl", "mmol/l", 0.357),
    ("bilirubin", "mg/dl", "umol/l", 17.1),
    ("calcium", "mg/dl", "mmol/l", 0.2495),
    ("calcium", "mEq/L", "mmol/l", 0.5),
    ("magnesium", "mg/dl", "mmol/l", 0.4114),
    ("potassium", "mEq/l", "mmol/l", 1.0),
    ("Hemoglobin", "g/dl", "mmol/l", 0.6206),
    ("haemoglobin", "g/dl", "g/l", 10.0),
    ("25-OH vitamin D", "ng/ml", "nmol/l", 2.496),
    ("uric acid", "mg/dl", "umol/l", 59.48),
    ("albumin", "g/dl", "umol/l", 150.4),
    ("phosphate", "mg/dl", "mmol/l", 0.3229),
    ("iron", "ug/dl", "umol/l", 0.179),
    ("lactate", "mg/dl", "mmol/l", 0.111),
    ("testosterone", "ng/dl", "nmol/l", 0.0347),
    ("cortisol", "ug/dl", "nmol/l", 27.59),
    ("thyroxine", "ug/dl", "nmol/l", 12.87),
    ("vitamin B12", "pg/ml", "pmol/l", 0.7378),
    ("folate", "ng/ml", "nmol/l", 2.266),
]
GENERIC = [
    ("lb", "kg", 0.45359237),
    ("in", "cm", 2.54),
    ("ft", "m", 0.3048),
    ("mmHg", "kPa", 0.133322387415),
    ("months", "years", 1 / 12),
    ("days", "years", 1 / 365.25),
    ("hours", "min", 60.0),
    ("percent", "fraction", 0.01),
    ("permille", "%", 0.1),
    ("bps", "%", 0.01),
    ("thousand EUR", "EUR", 1000.0),
    ("EUR cent", "EUR", 0.01),
    ("mn USD", "$", 1e6),
    ("10^3/µL", "10^9/L", 1.0),
    ("µkat/l", "U/l", 60.0),
    ("kcal", "kJ", 4.184),
]


@pytest.mark.parametrize(("quantity", "unit", "agreed", "factor"), CLINICAL)
def test_substances_convert_as_laboratories_print_it(quantity: str, unit: str, agreed: str, factor: float) -> None:
    way = conversion(unit, agreed, quantity)
    assert way.multiply == pytest.approx(factor, rel=2e-3 if factor >= 0.1 else 5e-3)
    assert way.add == 0
    assert conversion(agreed, unit, quantity).multiply * way.multiply == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize(("unit", "agreed", "factor"), GENERIC)
def test_other_units_convert_by_definition(unit: str, agreed: str, factor: float) -> None:
    assert conversion(unit, agreed).multiply == pytest.approx(factor, rel=1e-15)


def test_a_mmol_of_cholesterol_is_what_its_molar_mass_says() -> None:
    assert conversion("mmol/l", "mg/dl", "cholesterol").multiply == 38.665


@pytest.mark.parametrize(
    ("ngsp", "ifcc"), [(5.0, 31), (6.0, 42), (6.5, 48), (7.0, 53), (8.0, 64), (10.0, 86), (12.0, 108)]
)
def test_hba1c_converts_as_the_master_equation_is_tabulated(ngsp: float, ifcc: int) -> None:
    way = conversion("%", "mmol/mol", "HbA1c")
    assert round(ngsp * way.multiply + way.add) == ifcc
    back = conversion("mmol/mol", "%", "HbA1c")
    assert round(ifcc * back.multiply + back.add, 1) == pytest.approx(ngsp, abs=0.1)


@pytest.mark.parametrize(
    ("unit", "agreed", "value", "there"), [("F", "C", 98.6, 37.0), ("°C", "K", 0, 273.15), ("K", "°F", 310.15, 98.6)]
)
def test_temperatures_have_a_shift(unit: str, agreed: str, value: float, there: float) -> None:
    way = conversion(unit, agreed)
    assert value * way.multiply + way.add == pytest.approx(there, abs=1e-9)


@pytest.mark.parametrize(
    ("written", "unit"),
    {
        "mg/dL": "mg/dl",
        "MG/DL": "mg/dl",
        "μmol/L": "umol/l",
        "µmol / l": "umol/l",
        "mcg/ml": "ug/ml",
        "mg per dl": "mg/dl",
        "per cent": "%",
        "℃": "c",
        "Years": "years",
        "mm Hg": "mmhg",
        "10³/µl": "10^3/ul",
    }.items(),
)
def test_a_unit_has_one_spelling_inside(written: str, unit: str) -> None:
    assert spelled(written) == unit


@pytest.mark.parametrize(
    ("unit", "agreed", "quantity", "said"),
    [
        ("mmol/l", "mg/dl", None, "depends on what is measured"),
        ("%", "mmol/mol", None, "depends on what is measured"),
        ("furlong", "m", None, "'furlong' is not in the table"),
        ("m", "furlong", None, "'furlong' is not in the table"),
        ("USD", "EUR", None, "different things"),
        ("JPY cent", "JPY", None, "not in the table"),
        ("thousand", "EUR", None, "not in the table"),
        ("kg", "m", "glucose", "different things"),
        ("mmol/l", "mg/dl", "moon dust", "different things"),
    ],
)
def test_what_the_table_does_not_join_is_refused(unit: str, agreed: str, quantity: str | None, said: str) -> None:
    with pytest.raises(UnknownConversion, match=said):
        conversion(unit, agreed, quantity)


def test_the_same_unit_needs_no_table() -> None:
    assert conversion("score points", "Score Points").multiply == 1.0


def test_quantities_are_known_by_their_usual_names() -> None:
    assert [named(text) for text in ("HDL-cholesterol", "Hemoglobin", "hb_a1c", "moon dust")] == [
        "cholesterol",
        "haemoglobin",
        "hba1c",
        None,
    ]
    assert all(named(quantity) == quantity for quantity in QUANTITIES)


def test_the_units_that_would_convert_can_be_listed() -> None:
    assert "mmol/l" in others("mg/dl", "cholesterol")
    assert "mmol/l" not in others("mg/dl")
    assert set(others("°C")) == {"f", "k"}
    assert others("stars") == ()
