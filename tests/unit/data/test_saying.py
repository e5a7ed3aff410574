"""The line for silo.yaml that a message shows: what is there already stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcli.data.checking import check_table
from fedcli.data.mapping import ColumnMapping, read_mapping
from fedcli.data.reading import open_table
from fedcli.data.saying import silo_line
from fedcli.study.reading import read_study

STUDY = read_study("""
study: s
target: {column: ill, type: binary, positive: 1, negative: 0}
features:
  sex: {type: category, levels: [female, male, "1e3"], impute: mode}
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700], impute: mean}
  dose: {type: number, range: [0, 9]}
  seen: {type: date, range: [2000-01-01, 2023-12-31], impute: mean}
model: {estimator: LogisticRegression}
""")


@pytest.mark.parametrize(
    ("own", "key", "value", "line"),
    [
        ("", "unit", "g/l", "chol: {unit: g/l}"),
        ("chol: Chol", "unit", "g/l", "chol: {column: Chol, unit: g/l}"),
        (
            'chol: {column: "a: b", unit: mmol/l, missing: [9, "?", 0.5]}',
            "unit",
            "g/l",
            'chol: {column: "a: b", unit: g/l, missing: [9, "?", 0.5]}',
        ),
        ("chol: {multiply: 2.5, add: -1}", "unit", "g/l", "chol: {unit: g/l}"),
        ("chol: {unit: mmol/l}", "missing", ["99"], "chol: {unit: mmol/l, missing: [99]}"),
        ("chol: {multiply: 2.5, add: -1}", "missing", ["99"], "chol: {multiply: 2.5, add: -1, missing: [99]}"),
        ("chol: {missing: [-1]}", "missing", ["99", '"?"'], 'chol: {missing: [-1, 99, "?"]}'),
        ("dose: {add: 3}", "multiply", "0.1", "dose: {multiply: 0.1}"),
        ("seen: {date: MM/DD/YYYY, missing: x}", "date", "DD.MM.YYYY", "seen: {date: DD.MM.YYYY, missing: [x]}"),
        (
            'sex: {levels: {M: male, 2: female, "n:": "1e3"}}',
            "levels",
            ["W: LEVEL"],
            'sex: {levels: {M: male, 2: female, "n:": "1e3", W: LEVEL}}',
        ),
        (
            "sex: {column: S, levels: {M: male}}",
            "missing",
            ["W"],
            "sex: {column: S, levels: {M: male}, missing: [W]}",
        ),
        ("ill: {levels: {3: 1, 04: 0}}", "levels", ["X: LEVEL"], 'ill: {levels: {3: 1, "04": 0, X: LEVEL}}'),
    ],
)
def test_a_line_holds_what_the_column_has_already(own: str, key: str, value: str | list[str], line: str) -> None:
    mapping = read_mapping(own and f"columns: {{{own}}}", STUDY)
    column = line.partition(":")[0]
    assert silo_line(mapping, column, key, value) == line


@pytest.mark.parametrize(
    "own",
    [
        'sex: {column: "S\\u00e9x", levels: {"1.0": female, 2: "1e3", "": male, "yes": male}, missing: [7, ja]}',
        'chol: {unit: mmol/l, missing: [9, 0.25, "1e5", "", -1.0]}',
        "dose: {multiply: 0.30000000000000004, add: -1e-30}",
        "seen: {column: a b, date: DD.MM.YYYY, missing: [1900-01-01]}",
    ],
)
def test_a_line_reads_back_as_what_is_there_and_one_key_more(own: str) -> None:
    before = read_mapping(f"columns: {{{own}}}", STUDY)
    column = own.partition(":")[0]
    again = read_mapping(f"columns:\n  {silo_line(before, column, 'missing', ['4444'])}\n", STUDY).of(column)
    was = before.of(column)
    assert again == ColumnMapping(
        was.column, was.multiply, was.add, was.levels, (*was.missing, 4444), was.unit, was.date
    )


def test_a_column_that_is_not_there_keeps_the_rest_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Sex2;chol;dose;seen;ill\nM;200;1;2020-01-31;1\n")
    own = read_mapping("columns: {sex: {column: Sex, levels: {M: male, W: female}}}", STUDY)
    _, errors = check_table(STUDY, own, open_table(tmp_path / "t.csv"))
    assert errors[0].hint.endswith("sex: {column: Sex2, levels: {M: male, W: female}}")


def test_an_unknown_level_is_added_to_the_levels_that_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Geschlecht;chol;dose;seen;ill\nM;200;1;2020-01-31;1\nX;200;1;2020-01-31;0\n")
    own = read_mapping("columns: {sex: {column: Geschlecht, levels: {M: male, W: female}, missing: [9]}}", STUDY)
    _, errors = check_table(STUDY, own, open_table(tmp_path / "t.csv"))
    (error,) = errors
    assert (
        "each LEVEL: sex: {column: Geschlecht, levels: {M: male, W: female, X: LEVEL}, missing: [9]}; or" in error.hint
    )
    assert error.hint.endswith("sex: {column: Geschlecht, levels: {M: male, W: female}, missing: [9, X]}")
