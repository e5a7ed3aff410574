"""What a silo.yaml cannot mean at once, and what it may: its own spellings against the agreed ones."""

from __future__ import annotations

import polars as pl
import pytest

from fedcli.data.converting import level_reader
from fedcli.data.mapping import read_mapping
from fedcli.errors import BadMapping
from fedcli.study.reading import read_study

STUDY = read_study("""
study: heart
target: {column: ill, type: binary, positive: [1, 2], negative: 0, missing: [9]}
features:
  sex: {type: category, levels: [female, male], missing: [unknown], impute: mode}
  stage: {type: category, levels: [1, 2, 3], impute: mode}
  smoker: {type: boolean, impute: mode}
model: {estimator: LogisticRegression}
""")
CLASSES = read_study("""
study: heart
target: {column: kind, type: category, levels: [a, b, c]}
features:
  age: {type: number, range: [18, 110]}
model: {estimator: LogisticRegression}
""")


def refused(column: str, own: str, *, line: int = 2) -> tuple[str, str]:
    with pytest.raises(BadMapping) as caught:
        read_mapping(f"columns:\n  {column}: {own}", CLASSES if column == "kind" else STUDY)
    assert caught.value.where == f"silo.yaml:{line}"
    return caught.value.message, caught.value.hint


def codes(column: str, own: str, cells: list[str]) -> list[int]:
    mapping = read_mapping(f"columns:\n  {column}: {own}", STUDY)
    return level_reader(STUDY, column, mapping).read(pl.Series(cells)).tolist()


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [("1", "1.0", "1.0"), ("M", '"M "', "M"), ('"caf\\u00e9"', '"cafe\\u0301"', "caf\u00e9"), ('""', '" "', "")],
)
def test_one_spelling_has_one_meaning(one: str, other: str, shown: str) -> None:
    message, hint = refused("sex", f"{{levels: {{{one}: female, {other}: male}}}}")
    assert message == f"sex: the spelling '{shown}' is mapped both to 'female' and to 'male'"
    assert "keep one" in hint


def test_one_spelling_may_be_written_twice_with_one_meaning() -> None:
    assert codes("sex", '{levels: {1: female, "1.0": female, 2: male}}', ["1", "1.0", "2"]) == [0, 0, 1]


@pytest.mark.parametrize("own", ["{levels: {9: male}, missing: [x, 9]}", '{levels: {"9 ": male}, missing: 9.0}'])
def test_a_spelling_is_no_level_and_missing_at_once(own: str) -> None:
    message, hint = refused("sex", own)
    assert message.startswith("sex: '9")
    assert "is mapped to 'male' and means 'not known' too" in message
    assert "take it out of levels or of missing" in hint


@pytest.mark.parametrize(
    ("column", "own", "says", "hint"),
    [
        # A group would silently be counted as another, and no row have its own level.
        ("sex", "{levels: {female: male}}", "'female' is itself an agreed level", "{SPELLING: female}"),
        ("sex", "{levels: {M: male, male: female, F: female}}", None, ""),
        ("stage", "{levels: {1: 2}}", "'1' is itself an agreed level", "{SPELLING: 1}"),
        ("stage", "{levels: {1.0: 2}}", "'1.0' is itself an agreed level", "{SPELLING: 1}"),
        ("stage", "{levels: {0: 1, 1: 2, 2: 3}}", None, ""),
        ("stage", "{levels: {1: 2, 2: 3}}", "'1' is itself an agreed level", "{SPELLING: 1}"),
        ("stage", "{levels: {1: 3, 3: 1}}", None, ""),
        ("stage", "{levels: {1: 1, 2: 2}}", None, ""),
        ("sex", "{missing: [x, male]}", "'male' is itself an agreed level", "{SPELLING: male}"),
        ("stage", "{missing: [3.0]}", "'3.0' is itself an agreed level", "{SPELLING: 3}"),
        ("stage", "{levels: {0: 1, 10: 3}, missing: [1, 3]}", None, ""),
        ("ill", "{levels: {0: 1}}", "'0' is itself an agreed value", "{SPELLING: 0}"),
        ("ill", "{missing: [0]}", "'0' is itself an agreed value", "{SPELLING: 0}"),
        # 1 for no and 2 for yes, as many programs code it.
        ("ill", "{levels: {1: 0, 2: 1}}", None, ""),
        # Another value of the same class is left.
        ("ill", "{levels: {1: 0}}", None, ""),
        ("ill", "{levels: {1: 0, 2: 0}}", "'1' is itself an agreed value", "{SPELLING: 1}"),
        ("kind", "{levels: {a: b}}", "'a' is itself an agreed level", "{SPELLING: a}"),
        ("smoker", "{levels: {0: yes}}", "'0' is read as no", '{SPELLING: "no"}'),
        ("smoker", "{levels: {N: yes}}", "'N' is read as no", '{SPELLING: "no"}'),
        ("smoker", "{levels: {0: yes, 1: no}}", None, ""),
        ("smoker", "{levels: {1: no, 2: yes}}", None, ""),
        ("smoker", "{missing: [0]}", "'0' is read as no", '{SPELLING: "no"}'),
        ("smoker", "{missing: [Y]}", "'Y' is read as yes", '{SPELLING: "yes"}'),
        ("smoker", "{levels: {1: yes, 2: no}, missing: [0]}", None, ""),
        ("smoker", "{levels: {no: no}, missing: [n]}", None, ""),
    ],
)
def test_an_agreed_level_that_is_given_another_meaning_is_written_otherwise(
    column: str, own: str, says: str | None, hint: str
) -> None:
    if says is None:
        study = CLASSES if column == "kind" else STUDY
        assert read_mapping(f"columns:\n  {column}: {own}", study).of(column) is not None
        return
    message, said = refused(column, own)
    assert says in message
    assert hint in said


def test_case_counts_in_a_silos_own_spellings() -> None:
    assert codes("smoker", "{levels: {J: yes, j: no}}", ["J", "j"]) == [1, 0]


def test_the_line_is_that_of_the_spelling() -> None:
    refused("sex", "\n    levels:\n      M: male\n      female: male", line=5)
    refused("sex", "\n    missing:\n      - x\n      - male", line=5)
    refused("sex", "\n    missing: [9]\n    levels: {9: male}", line=3)


def test_the_silos_own_word_wins_over_the_studys_code_for_missing() -> None:
    assert codes("sex", "{levels: {unknown: male}}", ["unknown", "male"]) == [1, 1]
    assert codes("ill", "{levels: {9: 0}}", ["9", "0", "2"]) == [0, 0, 1]


def test_levels_that_are_codes_may_be_coded_the_other_way_round() -> None:
    assert codes("stage", "{levels: {1: 3, 3: 1}}", ["1", "2", "3.0"]) == [2, 1, 0]
    assert codes("smoker", "{levels: {1: yes, 2: no}, missing: [0]}", ["0", "1", "2", "no"]) == [-1, 1, 0, 0]


def test_a_mapping_to_what_is_no_agreed_level_stays_refused() -> None:
    message, hint = refused("stage", "{levels: {1: female, 2: male}}")
    assert message == "'female' is not a level of stage"
    assert "known: 1, 2, 3" in hint


def test_an_agreed_level_is_found_however_its_accents_are_encoded() -> None:
    study = read_study(
        "study: x\nfeatures: {a: {type: category, levels: [x, caf\u00e9, 1.0]}}\nmodel: {estimator: LinearRegression}"
    )
    mapping = read_mapping('columns: {a: {levels: {K: "cafe\\u0301", E: 1}}}', study)
    assert mapping.of("a").levels == {"K": "caf\u00e9", "E": "1.0"}


def test_of_numbers_a_missing_code_may_be_any() -> None:
    assert read_mapping("columns:\n  age: {missing: [18, 99]}", CLASSES).of("age").missing == (18, 99)
