"""Units that are mixed up in practice, at medians and spreads that laboratories print: the right one comes first.

Medians of the healthy lie within the reference intervals of the AMA Manual of Style; those of the ill are what
dialysis, intensive care, diabetes and liver clinics report. Spreads are standard deviations of the logarithm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedcli.data.checking import RowReader
from fedcli.data.customary import customary, usual
from fedcli.data.looking import look
from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.plausible import odd_unit, place
from fedcli.data.proposing import propose
from fedcli.data.reading import open_table
from fedcli.data.units import QUANTITIES, conversion, spelled
from fedcli.fileformat.statistics import FloatArray
from fedcli.study.reading import read_study

# What is measured, agreed unit, agreed range, medians of groups in that unit, spread; and units it may be kept in.
LABORATORY: list[tuple[str | None, str, tuple[float, float], tuple[float, ...], float, tuple[str, ...]]] = [
    ("creatinine", "mg/dl", (0.1, 30), (0.95, 1.4), 0.4, ("umol/l",)),
    ("creatinine", "mg/dl", (0.2, 15), (0.95, 6.0), 0.3, ("umol/l",)),
    ("creatinine", "µmol/l", (10, 2000), (84, 400), 0.4, ("mg/dl",)),
    ("bilirubin", "mg/dl", (0.1, 50), (0.7, 3.0), 0.6, ("µmol/l",)),
    ("bilirubin", "µmol/l", (1, 800), (12, 60), 0.6, ("mg/dl",)),
    ("glucose", "mg/dl", (20, 1000), (98, 190), 0.25, ("mmol/l",)),
    ("glucose", "mmol/l", (1, 60), (5.4, 10.5), 0.25, ("mg/dl",)),
    ("triglycerides", "mg/dl", (20, 3000), (120, 280), 0.5, ("mmol/l",)),
    ("triglycerides", "mmol/l", (0.2, 30), (1.4, 3.2), 0.5, ("mg/dl",)),
    ("cholesterol", "mg/dl", (50, 700), (195, 260), 0.2, ("mmol/l",)),
    ("LDL", "mg/dl", (10, 500), (115, 70), 0.3, ("mmol/l",)),
    ("HDL", "mmol/l", (0.1, 5), (1.4, 0.9), 0.25, ("mg/dl",)),
    ("urea", "mg/dl", (5, 400), (32, 36), 0.4, ("mmol/l",)),
    ("urea", "mmol/l", (0.5, 80), (5.3, 20), 0.4, ("mg/dl",)),
    ("BUN", "mg/dl", (2, 200), (14, 15), 0.4, ("mmol/l",)),
    ("uric acid", "mg/dl", (1, 20), (5.3, 8.0), 0.25, ("µmol/l",)),
    ("uric acid", "µmol/l", (50, 1200), (315, 480), 0.25, ("mg/dl",)),
    ("calcium", "mg/dl", (4, 18), (9.4, 8.2), 0.06, ("mmol/l",)),
    ("calcium", "mmol/l", (1, 5), (2.35, 2.05), 0.06, ("mg/dl",)),
    ("magnesium", "mmol/l", (0.2, 4), (0.85, 0.7), 0.12, ("mg/dl",)),
    ("phosphate", "mg/dl", (0.5, 20), (3.5, 5.2), 0.2, ("mmol/l",)),
    ("phosphate", "mmol/l", (0.1, 6), (1.1, 1.8), 0.2, ("mg/dl",)),
    ("albumin", "g/l", (10, 70), (41, 25), 0.12, ("g/dl",)),
    ("albumin", "g/dl", (1, 7), (4.1, 2.6), 0.12, ("g/l",)),
    ("haemoglobin", "g/dl", (3, 25), (13.8, 10.5), 0.12, ("g/l",)),
    ("haemoglobin", "g/dl", (3, 25), (13.5, 11.0), 0.1, ("mmol/l",)),
    ("haemoglobin", "mmol/l", (2, 15), (8.5, 7.2), 0.12, ("g/dl", "g/l")),
    ("HbA1c", "%", (3, 20), (5.6, 8.1), 0.15, ("mmol/mol",)),
    ("HbA1c", "mmol/mol", (10, 200), (38, 65), 0.2, ("%",)),
    ("vitamin D", "ng/ml", (2, 200), (24, 27), 0.4, ("nmol/l",)),
    ("lactate", "mmol/l", (0.1, 30), (1.5, 4.0), 0.5, ("mg/dl",)),
    ("iron", "µg/dl", (2, 500), (90, 45), 0.4, ("µmol/l",)),
    ("iron", "µmol/l", (1, 100), (16, 8), 0.4, ("µg/dl",)),
    ("cortisol", "µg/dl", (0.5, 150), (14, 30), 0.5, ("nmol/l",)),
    ("testosterone", "nmol/l", (0.05, 60), (15, 8), 0.4, ("ng/dl",)),
    (None, "mg/l", (0.1, 500), (2.1, 1.0), 1.0, ("mg/dl",)),
    (None, "10^9/l", (0.1, 100), (7, 12), 0.4, ("/µl",)),
    (None, "U/l", (1, 10000), (25, 40), 0.7, ("µkat/l",)),
]
OTHERS: list[tuple[str | None, str, tuple[float, float], tuple[float, ...], float, tuple[str, ...]]] = [
    (None, "kg", (30, 250), (78, 110), 0.2, ("g",)),
    (None, "cm", (100, 230), (170, 160), 0.05, ("m", "in")),
    (None, "°C", (30, 43), (36.8, 38.4), 0.01, ("°F",)),
    (None, "mmHg", (50, 260), (128, 150), 0.14, ("kPa",)),
    (None, "years", (18, 110), (62, 45), 0.2, ("months", "days")),
    (None, "days", (0, 5000), (800, 300), 0.7, ("years",)),
    (None, "%", (0, 100), (35, 97), 0.02, ("fraction",)),
    (None, "fraction", (0, 1), (0.35, 0.03), 0.4, ("%",)),
    (None, "%", (0, 30), (4, 2), 0.4, ("bp",)),
    (None, "EUR", (0, 1_000_000), (32_000, 90_000), 0.6, ("thousand EUR", "cent EUR")),
    (None, "thousand EUR", (0, 1000), (32, 90), 0.6, ("EUR",)),
    (None, "EUR", (0, 20_000), (1500, 3000), 0.6, ("cent EUR",)),
    (None, "million USD", (0.01, 500), (2, 9), 0.8, ("USD", "thousand USD")),
]
CASES = [
    pytest.param(quantity, unit, span, median, spread, kept, id=f"{quantity or ''} {median:g} {unit} in {kept}")
    for quantity, unit, span, medians, spread, units in LABORATORY + OTHERS
    for median in medians
    for kept in units
]


def drawn(median: float, spread: float, span: tuple[float, float]) -> FloatArray:
    rng = np.random.default_rng(11)
    return np.clip(median * np.exp(rng.normal(0, spread, 2000)), *span)


@pytest.mark.parametrize(("quantity", "unit", "span", "median", "spread", "kept"), CASES)
def test_the_unit_that_it_is_kept_in_is_among_the_first_two_and_the_right_one_raises_nothing(
    quantity: str | None, unit: str, span: tuple[float, float], median: float, spread: float, kept: str
) -> None:
    values = drawn(median, spread, span)
    assert odd_unit(values, span, unit, quantity) is None
    way = conversion(kept, unit, quantity)
    written = (values - way.add) / way.multiply
    found = odd_unit(written, span, unit, quantity)
    assert found is not None
    assert spelled(kept) in found.units[:2]
    # Stated, it is right; and a stated unit that is wrong is undone, with the agreed one among what it may be.
    assert odd_unit(written, span, unit, quantity, way) is None
    if (odd := odd_unit(values, span, unit, quantity, way)) is not None:
        assert spelled(unit) in odd.units[:2]


@pytest.mark.parametrize(
    ("quantity", "unit", "span", "median", "spread", "outside"),
    [
        # Few, or placed alike in either unit: nobody could tell.
        ("testosterone", "ng/dl", (1, 2000), 15.6, 0.4, None),
        (None, "kg", (30, 250), 171, 0.2, None),
        # Of urine, of which the usual middle of blood says nothing.
        ("creatinine", "mg/dl", (1, 500), 100, 0.5, None),
        ("albumin", "mg/l", (1, 5000), 12, 1.0, None),
        # Near the natural end of a share, or of what people reach.
        (None, "%", (0, 100), 98, 0.01, None),
        (None, "years", (0, 120), 86, 0.05, None),
        # Small parts of a range from 0 on are ordinary for sums of money.
        (None, "EUR", (0, 10_000_000), 5000, 0.8, None),
        (None, "mg/l", (0, 500), 0.7, 1.1, None),
    ],
)
def test_a_unit_that_merely_fits_as_well_is_no_reason_to_ask(
    quantity: str | None, unit: str, span: tuple[float, float], median: float, spread: float, outside: None
) -> None:
    assert odd_unit(drawn(median, spread, span), span, unit, quantity) is outside


@pytest.mark.parametrize(
    ("feature", "kept"),
    [
        ("{type: number, unit: mg/dl, quantity: creatinine, range: [0.1, 30]}", 88.4),
        ("{type: number, unit: mg/dl, quantity: creatinine, range: [0.1, 30], outside: missing, impute: mean}", 88.4),
        ("{type: number, unit: mg/dl, quantity: creatinine, range: [0.1, 200]}", 88.4),
        ("{type: number, unit: µmol/l, quantity: creatinine, range: [10, 2000]}", 0.0113),
        ("{type: number, unit: mg/l, range: [0.1, 500]}", 0.1),
        ("{type: number, range: [0.1, 30]}", 100.0),
    ],
)
def test_check_and_join_name_the_same_units_and_lines(feature: str, kept: float, tmp_path: Path) -> None:
    study = read_study(
        "study: s\ntarget: {column: y, type: binary, positive: 1}\n"
        f"features:\n  crea: {feature}\nmodel: {{estimator: LogisticRegression}}\n"
    )
    low, high = study.numbers["crea"].range
    values = drawn(0.95 if high < 1000 else 84, 0.4, (low, high)) * kept
    path = tmp_path / "t.csv"
    path.write_text("crea,y\n" + "".join(f"{v:.5f},{i % 2}\n" for i, v in enumerate(values)))
    reader = RowReader(study, Mapping.identity(), open_table(path))
    batches = list(reader.batches(refuse=False))
    said = [error.hint for error in reader.errors]
    said += [
        f"{doubt.message} {doubt.hint}"
        for doubt in look(study, Mapping.identity(), reader.report, lambda: iter(batches))
    ]
    proposed = propose(
        study, ["crea", "y"], "k", "t.csv", sample=pl.DataFrame({"crea": values, "y": ["0", "1"] * 1000})
    )
    (line,) = [line for line in proposed.text.splitlines() if line.startswith("  # crea: ")]
    written, _, remark = line.removeprefix("  # ").partition("  # ")
    units = remark.rpartition("one of: ")[2].replace(", ", " or ")
    assert any(written in hint and (remark == "is this right" or units in hint) for hint in said), (said, line)
    # What is to be filled in, or taken over, is read and mends it.
    first = units.partition(" or ")[0]
    filled = written.replace("UNIT", first).replace("FACTOR", first)
    mended = RowReader(study, read_mapping(f"columns: {{{filled}}}", study), open_table(path))
    list(mended.batches(refuse=False))
    assert not any("most values" in error.hint for error in mended.errors)


def test_of_a_known_quantity_a_middle_inside_the_range_may_still_be_another_unit(tmp_path: Path) -> None:
    study = read_study(
        "study: s\ntarget: {column: y, type: binary, positive: 1}\nfeatures:\n  bili: {type: number, unit: mg/dl, "
        "quantity: bilirubin, range: [0.1, 50]}\nmodel: {estimator: LogisticRegression}\n"
    )
    path = tmp_path / "t.csv"
    path.write_text("bili,y\n" + "".join(f"{v:.1f},{i % 2}\n" for i, v in enumerate(drawn(12, 0.4, (1, 50)))))
    reader = RowReader(study, Mapping.identity(), open_table(path))
    batches = list(reader.batches())
    (doubt,) = look(study, Mapping.identity(), reader.report, lambda: iter(batches))
    assert doubt.code == "W101"
    assert (
        "the middle value lies within 0.1 to 50 mg/dl, but not where that of bilirubin usually does, as it would in "
        "umol/l or mg/l"
    ) in doubt.message
    assert doubt.hint.endswith("with it for UNIT: bili: {unit: UNIT}")


def test_no_single_line_is_written_where_several_units_fit_or_one_may_be_lacking() -> None:
    values = drawn(84, 0.4, (1, 1e6))
    found = odd_unit(values, (0.1, 30), "mg/dl", "creatinine")
    assert found is not None
    assert found.units[0] == "umol/l"
    assert len(found.units) > 1
    lacking = odd_unit(drawn(5.4, 0.25, (1, 100)), (20, 1000), "mg/dl", None)
    assert lacking is not None
    assert not lacking.complete


def test_every_quantity_has_customary_units_that_convert_and_a_usual_middle_within_reach() -> None:
    for quantity in QUANTITIES:
        first = next(unit for unit in ("mg/dl", "g/dl", "g/l", "ug/dl", "ng/ml", "pg/ml", "ng/dl", "mmol/l", "%")
                     if customary(unit, quantity) == 0)  # fmt: skip
        known = usual(quantity, first)
        assert (known is None) == (quantity == "thyroxine")
        assert known is None or 0 < known[0] < known[1]


def test_a_place_in_a_range_is_one_between_logarithms_where_it_can_be() -> None:
    assert place(1.0, (0.1, 10)) == pytest.approx(0.5, abs=1e-15)
    assert place(0.1, (0, 100)) == pytest.approx(0, abs=1e-15)
    assert place(0.0, (0, 100)) == -np.inf
    assert place(0.0, (-10, 10)) == 0.5
