"""Thousands that are parted by a sign: read only where the silo says which, exactly, and otherwise refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.data.cells import UNKNOWN, Codes, read_numbers
from fedcli.data.checking import check_table
from fedcli.data.converting import level_reader
from fedcli.data.mapping import read_mapping
from fedcli.data.reading import open_table
from fedcli.data.thousands import THOUSANDS
from fedcli.errors import BadMapping, BadTable, NotANumber
from fedcli.study.reading import read_study

STUDY = read_study("""
study: s
target: {column: y, type: number, range: [-1.0e+9, 1.0e+9]}
features:
  year: {type: category, levels: [1, 1200, 1201]}
  income: {type: number, range: [-1.0e+9, 1.0e+9], missing: [9999], impute: mean}
model: {estimator: LinearRegression}
""")
POINT, COMMA, SPACE, APOSTROPHE = (THOUSANDS[word] for word in ("point", "comma", "space", "apostrophe"))


def numbers(cells: list[str], thousands: str, *, comma: bool) -> list[float | str]:
    values, bad = read_numbers(pl.Series(cells), Codes.of([9999]), decimal_comma=comma, thousands=thousands)
    return ["bad" if b else "missing" if np.isnan(v) else float(v) for v, b in zip(values, bad, strict=True)]


@pytest.mark.parametrize(
    ("thousands", "comma", "cells", "expected"),
    [
        (POINT, True, ["1.234,5", "1.234", "-12.345.678", "+1.000,25", "999", "1,5", " 1.234 "], None),
        (COMMA, False, ["1,234.5", "1,234", "-12,345,678", "+1,000.25", "999", "1.5", " 1,234 "], None),
        (
            SPACE,
            True,
            ["1 234,5", "1\u00a0234", "-12\u202f345\u2009678", "+1\u2007000,25", "999", "1,5", " 1 234 "],
            None,
        ),
        (SPACE, False, ["1 234.5", "1 234", "-12 345 678", "+1 000.25", "999", "1.5", "\u00a01 234"], None),
        (APOSTROPHE, False, ["1'234.5", "1\u2019234", "-12'345'678", "+1'000.25", "999", "1.5", " 1'234"], None),
        # Groups have three digits, the first one at most three and no leading zero; decimals have none.
        (POINT, True, ["1.23", "1.2345", "12.34,5", "0.123", "1234.567", "1..234", ".123", "1.234,", "1.234.5"], "bad"),
        (POINT, True, ["1,234.5", "1,234,5", "1.234,567.8", "1.234e3", "01.234", "1.234 ", "\u22121.234"], "mixed"),
        (
            COMMA,
            False,
            ["1,23", "1,2345", "12,34.5", "0,123", "1234,567", "1,,234", ",123", "1,234,", "1,234,5"],
            "bad",
        ),
        (SPACE, True, ["1 23", "12 34,5", "1234 567", "1  234", "0 123", "1 234.5", "1 234 "], "mixed"),
        (APOSTROPHE, False, ["1'23", "'123", "1''234", "0'123", "1'234,5", "1 234"], "bad"),
        (POINT, True, ["9.999", "9999", "9.999,0", ""], "missing"),
    ],
)
def test_a_stated_sign_is_read_and_nothing_else_is(
    thousands: str, comma: bool, cells: list[str], expected: str | None
) -> None:
    found = numbers(cells, thousands, comma=comma)
    if expected is None:
        assert found == [1234.5, 1234.0, -12345678.0, 1000.25, 999.0, 1.5, 1234.0]
    elif expected == "mixed":
        good = [1234.0 if cell.strip() in ("1.234", "1 234") else "bad" for cell in cells]
        assert found == good
        assert good.count("bad") == len(cells) - 1
    else:
        assert found == [expected] * len(cells)


@pytest.mark.parametrize("word", sorted(THOUSANDS))
@given(data=st.data())
def test_any_number_reads_back_to_the_bit(word: str, data: st.DataObject) -> None:
    comma = {"point": True, "comma": False}.get(word) if word in ("point", "comma") else data.draw(st.booleans())
    value = data.draw(st.decimals(-(10**12), 10**12, places=data.draw(st.integers(0, 4))))
    written = f"{value:,f}"
    sign = data.draw(st.sampled_from(THOUSANDS[word]))
    text = "".join({",": sign, ".": "," if comma else "."}.get(c, c) for c in written)
    assert numbers([text], THOUSANDS[word], comma=bool(comma)) == [float(value) if value != 9999 else "missing"]


def test_without_a_statement_nothing_is_read_so() -> None:
    for cells, comma in (
        (["1.234,5", "1.234", "1 234", "1'234"], True),
        (["1,234.5", "1,234", "1 234", "1'234"], False),
    ):
        assert numbers(cells, "", comma=comma) == ["bad"] * 4


@pytest.mark.parametrize(
    ("table", "thousands", "decimal"),
    [
        ("thousands: point", POINT, ","),
        ("thousands: comma", COMMA, "."),
        ("thousands: space", SPACE, None),
        ("thousands: apostrophe, decimal: comma", APOSTROPHE, ","),
        ("thousands: point, decimal: comma", POINT, ","),
        ('thousands: "."', POINT, ","),
        ('thousands: "\'"', APOSTROPHE, None),
    ],
)
def test_the_sign_of_thousands_settles_the_decimal_sign(table: str, thousands: str, decimal: str | None) -> None:
    mapping = read_mapping(f"table: {{{table}}}", STUDY)
    assert (mapping.thousands, mapping.decimal) == (thousands, decimal)


@pytest.mark.parametrize("word", ["point", "comma"])
def test_one_sign_is_not_both(word: str) -> None:
    with pytest.raises(BadMapping, match=f"the {word} cannot both part thousands and begin the decimals") as caught:
        read_mapping(f"table:\n  decimal: {word}\n  thousands: {word}", STUDY)
    assert caught.value.where == "silo.yaml:3"
    with pytest.raises(BadMapping, match="point, comma, space, apostrophe"):
        read_mapping("table: {thousands: dot}", STUDY)


def checked(folder: Path, text: str, own: str) -> tuple[list[float], list[Exception]]:
    (folder / "t.csv").write_text(text)
    mapping = read_mapping(f"table: {{{own}}}" if own else "", STUDY)
    table = open_table(folder / "t.csv", decimal=mapping.decimal, thousands=mapping.thousands)
    report, errors = check_table(STUDY, mapping, table)
    return list(report.extent.get("income", ())), list(errors)


@pytest.mark.parametrize(
    ("text", "own", "extent"),
    [
        ("year;income;y\n1200;1.234,5;0\n1;2.000;1\n", "thousands: point", [1234.5, 2000.0]),
        ('year,income,y\n1200,"1,234.5",0\n1,"2,000",1\n', "thousands: comma", [1234.5, 2000.0]),
        ("year;income;y\n1200;1 234,567;0\n1;2 000;1\n", "thousands: space", [1234.567, 2000.0]),
        ("year;income;y\n1200;1'234.567;0\n1;2'000;1\n", "thousands: apostrophe", [1234.567, 2000.0]),
        # With another sign for thousands, a comma before three digits is the decimal sign, and no longer open.
        ("year;income;y\n1200;1,234;0\n1;2 000;1\n", "thousands: space", [1.234, 2000.0]),
        ("year\tincome\ty\n1.200\t1.234.567\t1.000\n1\t3\t1\n", "thousands: point", [3.0, 1234567.0]),
    ],
)
def test_a_table_reads_as_its_silo_states(text: str, own: str, extent: list[float], tmp_path: Path) -> None:
    found, errors = checked(tmp_path, text, own)
    assert errors == []
    assert found == sorted(extent)
    sign = own.split()[1]
    facts = open_table(tmp_path / "t.csv", thousands=THOUSANDS[sign]).facts
    assert f"thousands parted by a{'n' if sign == 'apostrophe' else ''} {sign}" in facts


@pytest.mark.parametrize(
    ("text", "own", "kind", "hint"),
    [
        ("year;income;y\n1;1.234;0\n1;950;1\n", "", BadTable, "if it parts thousands, table: {thousands: point}"),
        ('year,income,y\n1,"1,234",0\n1,950,1\n', "", BadTable, "if it parts thousands, table: {thousands: comma}"),
        ("year;income;y\n1;1.234,5;0\n1;9,5;1\n", "", NotANumber, "table: {thousands: point}"),
        ('year,income,y\n1,"1,234.5",0\n1,9.5,1\n', "", NotANumber, "table: {thousands: comma}"),
        ("year;income;y\n1;1.234.567;0\n1;9;1\n", "", NotANumber, "table: {thousands: point}"),
        ("year;income;y\n1;1 234;0\n1;9;1\n", "", NotANumber, "table: {thousands: space}"),
        ("year;income;y\n1;1'234;0\n1;9;1\n", "", NotANumber, "table: {thousands: apostrophe}"),
        ('year,income,y\n1,"1,234",0\n1,9.5,1\n', "", NotANumber, "is the decimal sign: table: {decimal: comma}"),
        ("year;income;y\n1;1.5;0\n1;9;1\n", "thousands: point", NotANumber, "correct the cells"),
    ],
)
def test_what_is_not_stated_is_refused_with_the_line_to_write(
    text: str, own: str, kind: type[Exception], hint: str, tmp_path: Path
) -> None:
    try:
        _, errors = checked(tmp_path, text, own)
    except BadTable as error:
        errors = [error]
    assert [type(error) for error in errors] == [kind]
    assert hint in errors[0].hint  # type: ignore[attr-defined]
    shown = errors[0].message + errors[0].hint  # type: ignore[attr-defined]
    assert "234" not in shown


def test_a_code_of_a_level_is_compared_by_what_it_writes() -> None:
    reader = level_reader(STUDY, "year", read_mapping("table: {thousands: point}", STUDY))
    assert reader.read(pl.Series(["1.200", "1.201", "1", "1.000", "1.0"])).tolist() == [1, 2, 0, UNKNOWN, 0]
    own = read_mapping('table: {thousands: point}\ncolumns: {year: {levels: {"1.000": 1200, 2: 1201}}}', STUDY)
    assert level_reader(STUDY, "year", own).read(pl.Series(["1.000", "1000", "1", "2"])).tolist() == [1, 1, 0, 2]


def test_numbers_that_are_no_text_need_no_sign(tmp_path: Path) -> None:
    frame = pl.DataFrame({"year": ["1.200", "1"], "income": [1.234, 2.5], "y": ["1.000,5", "2"]})
    frame.write_parquet(tmp_path / "t.parquet")
    mapping = read_mapping("table: {thousands: point}", STUDY)
    table = open_table(tmp_path / "t.parquet", decimal=mapping.decimal, thousands=mapping.thousands)
    report, errors = check_table(STUDY, mapping, table)
    assert errors == ()
    assert report.extent == {"income": (1.234, 2.5), "y": (2.0, 1000.5)}
