"""The kinds of column and term that an agreement may name, and what is said when one is written wrongly."""

from __future__ import annotations

import pytest

from fedcli.errors import BadStudy
from fedcli.study.canonical_form import from_json, to_json
from fedcli.study.document import BooleanColumn, CategoryColumn, DateColumn
from fedcli.study.reading import read_study

STUDY = """\
study: a
target: {column: y, type: binary}
model: {estimator: LogisticRegression}
features:
  x: {type: number, range: [1, 10], impute: median, indicator: true}
  n: {type: count, range: [0, 10]}
  d: {type: date, range: [2001-01-01, 2020-12-31], impute: constant, fill_value: 2002-02-03}
  s: {type: category, levels: [m, f, none], reference: f, other: none}
  b: {type: boolean, impute: level, fill_value: true}
terms:
  n x b: {type: interaction, columns: [n, b]}
  log x: {type: log, column: x}
  d spline: {type: spline, column: d, knots: [3, 5.5]}
profile: {}
"""


def test_every_kind_of_column_and_term_reads_back_from_the_frozen_form_in_the_same_order() -> None:
    study = read_study(STUDY)
    again = from_json(to_json(study))
    assert again == study
    assert list(again.features) == ["x", "n", "d", "s", "b"]
    assert list(again.terms) == ["n x b", "log x", "d spline"]


def test_numbers_and_categories_are_all_that_the_mathematics_sees() -> None:
    study = read_study(STUDY)
    assert list(study.numbers) == ["x", "n", "d"]
    assert list(study.categories) == ["s", "b"]


def test_a_date_is_the_time_since_an_agreed_day() -> None:
    column = read_study(STUDY).features["d"]
    assert isinstance(column, DateColumn)
    # 2001-01-01 is 366 days after 2000-01-01, since 2000 was a leap year; a Julian year has 365.25 days.
    assert column.interval == (366 / 365.25, 7670 / 365.25)
    assert column.fill == 764 / 365.25
    days = DateColumn(type="date", range=("2000-01-31", "2000-03-01"), scale="days")
    assert days.interval == (30.0, 60.0)


def test_a_reference_level_is_put_first() -> None:
    column = read_study(STUDY).features["s"]
    assert isinstance(column, CategoryColumn)
    assert column.levels == ("f", "m", "none")


def test_a_boolean_has_no_as_its_reference() -> None:
    column = read_study(STUDY).features["b"]
    assert isinstance(column, BooleanColumn)
    assert column.levels == ("false", "true")
    assert column.fill == 1


def test_a_study_that_uses_nothing_new_is_written_as_it_always_was() -> None:
    plain = STUDY[: STUDY.index("  n:")].replace(", impute: median, indicator: true", "")
    frozen = to_json(read_study(plain))
    assert "terms" not in frozen
    assert "profile" not in frozen
    assert sorted(frozen["features"][0]) == ["impute", "missing", "name", "outside", "range", "type", "unit"]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[3, 5.5]", "[5, 3]", 13, "knots ascend"),
        ("[3, 5.5]", "[3, 55]", 13, "knots lie inside the range of 'd'"),
        ("column: x}", "column: z}", 12, "there is no feature 'z'"),
        ("column: x}", "column: s}", 12, "'s' is no number"),
        ("type: log, column: x", "type: log, column: n", 12, "must lie above 0"),
        ("column: x}", "column: d}", 13, "'d' is replaced by another term already"),
        ("n x b:", "n:", 11, "a feature has this name already"),
        ("columns: [n, b]", "columns: [n, s]", 11, "'s' merges small levels"),
        ("columns: [n, b]", "columns: [n]", 11, "needs two columns"),
        ("columns: [n, b]", "columns: [n, n]", 11, "between two different columns"),
        ("type: log", "type: lg", 12, "must be interaction, log or spline"),
        (", knots: [3, 5.5]", "", 13, "lacks 'knots'"),
        ("2020-12-31", "2020-02-31", 7, "there is no day 2020-02-31"),
        ("2001-01-01", "2001-1-1", 7, "is no day"),
        ("2001-01-01, 2020-12-31", "2020-12-31, 2001-01-01", 7, "from the earlier to the later day"),
        ("fill_value: 2002-02-03", "fill_value: 1999-02-03", 7, "lies outside the range"),
        ("reference: f", "reference: q", 8, "the reference 'q' is no level"),
        ("other: none", "other: q", 8, "other 'q' is no level"),
        ("fill_value: true", "fill_value: maybe", 9, "fill_value 'maybe' is no level"),
        (", fill_value: true", "", 9, "impute: level needs the value"),
        ("impute: level, ", "", 9, "fill_value is for impute: level"),
        ("range: [0, 10]", "range: [0, 10.5]", 6, "two whole numbers"),
        ("impute: median", "impute: refuse", 5, "indicator: true is for a column that is imputed"),
        ("profile: {}", "profile: {bins: 7}", 14, "profile.bins must be"),
    ],
)
def test_what_is_wrong_with_a_column_or_term_is_said_with_its_line(old: str, new: str, line: int, message: str) -> None:
    assert STUDY.count(old) == 1
    with pytest.raises(BadStudy, match=f"study.yaml:{line}:") as caught:
        read_study(STUDY.replace(old, new))
    assert message in str(caught.value)
