from __future__ import annotations

import pytest

from fedcli.data.mapping import ColumnMapping, Mapping, nearest, read_mapping
from fedcli.errors import BadMapping, BadYaml
from fedcli.study.document import Study
from fedcli.study.reading import read_study

STUDY = read_study("""
study: heart
target: {column: disease, type: binary, positive: 1.0, negative: 0}
features:
  age: {type: number, range: [18, 110]}
  sex: {type: category, levels: [female, male]}
  chol: {type: number, range: [50, 700]}
model: {estimator: LogisticRegression}
""")


def test_names_units_and_spellings_are_read() -> None:
    mapping = read_mapping(
        """
key: north.fedkey
data: ../north.csv
table: {delimiter: semicolon, decimal: comma, encoding: latin-1}
columns:
  age: Alter
  chol: {column: cholesterol_mmol, multiply: 38.67, add: -1}
  sex: {column: Geschlecht, levels: {M: male, 2: female}, missing: [9, "?"]}
  disease: {column: outcome, levels: {"yes": 1, no: 0}}
""",
        STUDY,
    )
    assert mapping == Mapping(
        key="north.fedkey",
        data="../north.csv",
        delimiter=";",
        decimal=",",
        encoding="latin-1",
        columns={
            "age": ColumnMapping("Alter"),
            "chol": ColumnMapping("cholesterol_mmol", 38.67, -1.0),
            "sex": ColumnMapping("Geschlecht", levels={"M": "male", "2": "female"}, missing=(9, "?")),
            "disease": ColumnMapping("outcome", levels={"yes": "1.0", "no": "0"}),
        },
    )
    assert mapping.local("age") == "Alter"


@pytest.mark.parametrize("text", ["", "columns:", "columns: {}", "columns: {age: }"])
def test_an_empty_mapping_changes_nothing(text: str) -> None:
    assert read_mapping(text, STUDY).local("age") == Mapping.identity().local("age") == "age"


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("column: {}", 1, "'column' is not known", "did you mean 'columns'"),
        ("columns:\n  agee: x", 2, "'agee' is not known", "did you mean 'age'"),
        ("columns:\n  age: {colum: x}", 2, "'colum' is not known", "did you mean 'column'"),
        ("columns:\n  age: [x]", 2, "must be a section", "known"),
        ("columns:\n  sex:\n    levels: {M: mal}", 3, "'mal' is not a level of sex", "did you mean 'male'"),
        ("columns:\n  sex: {levels: [M]}", 2, "must map", "{M: male}"),
        ("columns:\n  disease: {levels: {x: 2}}", 2, "'2' is not a level of disease", "known: 1.0, 0"),
        ("columns:\n  age: {levels: {x: 2}}", 2, "age has no levels", "multiply"),
        ("columns:\n  sex: {multiply: 2}", 2, "no unit to convert", "remove multiply"),
        ("columns:\n  age: {multiply: twice}", 2, "multiply must be a number", "local * multiply"),
        ("columns:\n  age: {multiply: 0}", 2, "multiply is 0", "factor"),
        ("columns:\n  age: {missing: [[1]]}", 2, "a list of codes", "missing"),
        ("table: {delimiter: dash}", 1, "table.delimiter must be one of", "delimiter: comma"),
        ("table: {encoding: klingon}", 1, "'klingon' is not known", "latin-1"),
        ("- x", 1, "must be a section", "known"),
    ],
)
def test_a_mistake_is_said_with_its_line(text: str, line: int, message: str, hint: str) -> None:
    check_refused(text, STUDY, line, message, hint)


def check_refused(text: str, study: Study, line: int, message: str, hint: str) -> None:
    with pytest.raises(BadMapping) as caught:
        read_mapping(text, study)
    assert caught.value.where == f"silo.yaml:{line}"
    assert message in caught.value.message
    assert hint in caught.value.hint


CLINIC = read_study("""
study: clinic
target: {column: y, type: number, unit: mg/dl, quantity: glucose, range: [0, 1000]}
features:
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700]}
  a1c: {type: number, unit: mmol/mol, quantity: HbA1c, range: [10, 200]}
  gluc: {type: number, unit: mg/dl, range: [10, 500]}
  dose: {type: number, range: [0, 10]}
  visits: {type: count, range: [0, 50]}
  admitted: {type: date, range: [2000-01-01, 2024-12-31]}
  smoker: {type: boolean}
offset: {column: t, transform: log, range: [0.5, 10]}
model: {estimator: PoissonRegressor}
""")


def test_a_unit_becomes_a_factor() -> None:
    mapping = read_mapping(
        """
columns:
  chol: {column: Chol, unit: mmol/L}
  a1c: {unit: "%"}
  gluc: {unit: g/l}
  dose: {multiply: 2}
  y: {unit: mmol/L}
  admitted: {column: Aufnahme, date: DD.MM.YYYY, missing: 9999-12-31}
  smoker: {levels: {J: yes, N: false, ja: true, nein: 0}}
""",
        CLINIC,
    )
    assert mapping.of("chol") == ColumnMapping("Chol", 38.665, unit="mmol/L")
    assert mapping.of("a1c").multiply * 6.5 + mapping.of("a1c").add == pytest.approx(47.5, abs=0.05)
    assert mapping.of("gluc").multiply == 100.0
    assert mapping.of("y").multiply == 18.0156
    assert mapping.of("admitted") == ColumnMapping("Aufnahme", missing=("9999-12-31",), date="DD.MM.YYYY")
    assert mapping.of("smoker").levels == {"J": "true", "N": "false", "ja": "true", "nein": "false"}


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("chol: {unit: mmol/l, multiply: 38.67}", "both unit and multiply", "remove unit or multiply"),
        ("chol: {unit: mmol/l, add: 0}", "both unit and add", "remove unit or add"),
        ("chol: {unit: furlong}", "'furlong' is not in the table", "multiply: FACTOR"),
        ("chol: {unit: kg}", "measure different things", "multiply: FACTOR"),
        ("gluc: {unit: mmol/l}", "depends on what is measured", "multiply: FACTOR"),
        ("gluc: {unit: mmol/l}", "which the study leaves open", "names a quantity (albumin"),
        ("dose: {unit: mg}", "the study names no unit of dose", "multiply: FACTOR"),
        ("t: {unit: years}", "the study names no unit of t", "multiply: FACTOR"),
        ("visits: {unit: days}", "not a measured number", "remove unit"),
        ("visits: {multiply: 10}", "not a measured number", "remove multiply"),
        ("admitted: {multiply: 10}", "not a measured number", "remove multiply"),
        ("smoker: {unit: packs}", "not a measured number", "remove unit"),
        ("smoker: {levels: {J: maybe}}", "'maybe' is not a level", "false, true"),
        ("admitted: {levels: {x: y}}", "admitted has no levels", "multiply"),
        ("admitted: {date: DD.MM.YY}", "nobody can tell the century", "DD.MM.YYYY"),
        ("admitted: {date: DD.MM.YY since YEAR}", "each once", "DD.MM.YYYY"),
        ("admitted: {date: DD.MM.YYYY since 1930}", "need no 'since'", "DD.MM.YYYY"),
        ("admitted: {date: DD.YYYY}", "each once", "DD.MM.YYYY"),
        ("admitted: {date: DD.MM.YYYY HH}", "each once", "DD.MM.YYYY"),
        ("visits: {date: DD.MM.YYYY}", "visits is no date", "remove date"),
    ],
)
def test_a_conversion_that_does_not_suit_the_column_is_refused(line: str, message: str, hint: str) -> None:
    check_refused(f"columns:\n  {line}", CLINIC, 2, message, hint)


def test_a_mapping_is_strict_yaml() -> None:
    with pytest.raises(BadYaml):
        read_mapping("columns: {age: {column: a, column: b}}", STUDY)


@pytest.mark.parametrize(
    ("column", "near"), [("chol", "cholesterol_mmol"), ("age", "AGE"), ("thalach", "thalac"), ("zzz", None)]
)
def test_the_nearest_name_is_found(column: str, near: str | None) -> None:
    assert nearest(column, ["cholesterol_mmol", "AGE", "thalac", ""]) == near
