from __future__ import annotations

import pytest

from fedcli.data.mapping import ColumnMapping, Mapping, draft_mapping, nearest, read_mapping
from fedcli.errors import BadMapping, BadYaml
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
        ("columns:\n  age: {levels: {x: 2}}", 2, "age is a number", "multiply"),
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
    with pytest.raises(BadMapping) as caught:
        read_mapping(text, STUDY)
    assert caught.value.where == f"silo.yaml:{line}"
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_mapping_is_strict_yaml() -> None:
    with pytest.raises(BadYaml):
        read_mapping("columns: {age: {column: a, column: b}}", STUDY)


def test_the_draft_reads_back_and_proposes_what_is_missing() -> None:
    text = draft_mapping(STUDY, ["Age ", "Geschlecht", "cholesterol_mmol", "disease"], "a key.fedkey", "../n.csv")
    assert '  # age: {column: "Age "}' in text
    assert "  # chol: {column: cholesterol_mmol}" in text
    assert "  # sex: {column: NAME_IN_YOUR_TABLE}" in text
    assert "# disease" not in text
    mapping = read_mapping(text, STUDY)
    assert (mapping.key, mapping.data, mapping.columns) == ("a key.fedkey", "../n.csv", {})
    uncommented = text.replace("  # age:", "  age:")
    assert read_mapping(uncommented, STUDY).local("age") == "Age "


def test_the_draft_of_a_matching_table_has_no_columns() -> None:
    assert "columns: {}" in draft_mapping(STUDY, ["age", "sex", "chol", "disease"], "k", "d")


@pytest.mark.parametrize(
    ("column", "near"), [("chol", "cholesterol_mmol"), ("age", "AGE"), ("thalach", "thalac"), ("zzz", None)]
)
def test_the_nearest_name_is_found(column: str, near: str | None) -> None:
    assert nearest(column, ["cholesterol_mmol", "AGE", "thalac", ""]) == near
