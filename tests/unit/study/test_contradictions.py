from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.data.cells import UNKNOWN, Codes, LevelReader
from fedcli.errors import BadStudy
from fedcli.study.canonical_form import from_json, to_json
from fedcli.study.contradictions import contradictions
from fedcli.study.document import Study
from fedcli.study.reading import read_study
from fedcli.study.spelling import identity
from fedcli.workflow.silo import agreement_warnings

STUDY = """\
study: heart
target: {column: disease, type: binary, positive: ill, negative: well}
features:
  age: {type: number, range: [18, 110], missing: [99], impute: mean}
  sex: {type: category, levels: [female, male]}
  smoker: {type: boolean}
model: {estimator: LogisticRegression}
"""
BINARY, LEVELS = "positive: ill, negative: well", "levels: [female, male]"
COMPOSED, DECOMPOSED = "caf\\u00e9", "cafe\\u0301"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (LEVELS, "levels: [1, 1.0]", 5, "features.sex.levels: '1' and '1.0' are the same number"),
        (LEVELS, 'levels: ["07", 8, "7"]', 5, "'07' and '7' are the same number"),
        (LEVELS, "levels: [100, 1e2]", 5, "'100' and '100.0' are the same number"),
        (LEVELS, 'levels: [a, " a"]', 5, "'a' is named twice: blanks around it do not count"),
        (LEVELS, 'levels: ["a\\u200b", a]', 5, "'a' is named twice"),
        (LEVELS, f'levels: ["{COMPOSED}", "{DECOMPOSED}"]', 5, "'caf\u00e9' is named twice"),
        (LEVELS, "levels: [null, b]", 5, 'null is no level: put the word in quotes if it is one, "null" or "None"'),
        (LEVELS, "levels: [b, ~]", 5, "null is no level"),
        (LEVELS, "levels: [b, null], reference: b", 5, "null is no level"),
        (LEVELS, "levels: [b, c], reference: null", 5, "null is no level"),
        (LEVELS, "levels: [[a, b], c]", 5, "a level is text or a number"),
        (LEVELS, "levels: [{a: b}, c]", 5, "a level is text or a number"),
        (LEVELS, 'levels: ["", b]', 5, "a level without a sign is an empty cell, which is missing"),
        (LEVELS, 'levels: [b, " "]', 5, "a level without a sign"),
        (LEVELS, "levels: [a, b], missing: [9, a], impute: mode", 5, "missing.1: 'a' is also a level"),
        (LEVELS, "levels: [1, 2], missing: 2.0, impute: mode", 5, "'2.0' is also a level"),
        ("{type: boolean}", "{type: boolean, missing: [0], impute: mode}", 6, "'0' is read as no"),
        ("{type: boolean}", '{type: boolean, missing: ["?", Y], impute: mode}', 6, "'Y' is read as yes"),
        (BINARY, "positive: 1, negative: 0, missing: [0]", 2, "target.missing.0: '0' is also a value of the outcome"),
        (BINARY, "positive: [1, 2], negative: 0, missing: [2.0]", 2, "'2.0' is also a value of the outcome"),
        (BINARY, "positive: 1, negative: [0, 1.0]", 2, "target.negative.1: '1.0' is both positive and negative"),
        (BINARY, 'positive: ill, negative: "ill "', 2, "'ill' is both positive and negative"),
    ],
)
def test_what_an_agreement_cannot_mean_at_once_is_refused_with_its_line(
    old: str, new: str, line: int, message: str
) -> None:
    assert STUDY.count(old) == 1
    with pytest.raises(BadStudy) as caught:
        read_study(STUDY.replace(old, new))
    assert message in caught.value.message
    assert caught.value.where == f"study.yaml:{line}"


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ("[1, 2, 1.0]", "target.levels: '1' and '1.0' are the same number"),
        ("[a, null]", "null is no level"),
        ("[a, b, c], missing: c", "'c' is also a level"),
    ],
)
def test_classes_are_held_to_the_same(levels: str, message: str) -> None:
    with pytest.raises(BadStudy) as caught:
        read_study(STUDY.replace(f"type: binary, {BINARY}", f"type: category, levels: {levels}"))
    assert message in caught.value.message
    assert caught.value.where == "study.yaml:2"


def test_a_list_over_several_lines_is_refused_at_the_line_of_what_is_wrong() -> None:
    text = STUDY.replace(LEVELS, "\n      levels: [a, b],\n      impute: mode,\n      missing: [9,\n        b]")
    with pytest.raises(BadStudy) as caught:
        read_study(text)
    assert caught.value.where == "study.yaml:9"


@pytest.mark.parametrize(
    "levels",
    ['["null", "None"]', "[None, mild]", "[1, 2.5, 10]", "[a, A]", "[true, false]", '["1.0", a]', '["NA", b]'],
)
def test_levels_that_tables_tell_apart_are_taken(levels: str) -> None:
    assert len(read_study(STUDY.replace(LEVELS, f"levels: {levels}")).categories["sex"].levels) >= 2


def test_one_value_may_be_named_twice_in_its_own_class() -> None:
    assert read_study(STUDY.replace(BINARY, "positive: [1, 1.0], negative: 0")).target.n_classes == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changed",
    [
        {"levels": ["1", "1.0"]},
        {"levels": ["a", " a"]},
        {"levels": ["caf\u00e9", "cafe\u0301"]},
        {"levels": ["", "b"]},
        {"levels": ["None", "b"]},
        {"missing": ["male"]},
    ],
)
def test_a_study_frozen_before_it_was_refused_opens_and_says_the_same(changed: dict[str, list[str]]) -> None:
    frozen = to_json(read_study(STUDY))
    frozen["features"][1] |= changed
    study = from_json(frozen)
    assert to_json(study) == frozen


def test_a_silo_is_told_of_a_contradiction_in_a_study_that_is_frozen() -> None:
    frozen = to_json(read_study(STUDY))
    before = agreement_warnings(from_json(frozen))
    frozen["features"][1]["missing"] = ["male"]
    frozen["target"]["negative"] = ["well", "ill "]
    more = [said for said in agreement_warnings(from_json(frozen)) if said not in before]
    assert more == [
        "the agreement contradicts itself: target.negative.1: 'ill' is both positive and negative",
        "the agreement contradicts itself: features.sex.missing.0: 'male' is also a level, and would never be read",
    ]


texts = st.text(st.sampled_from("1.0ea \u00e9\u0301\u200b"), min_size=1, max_size=4)


@given(st.lists(texts, min_size=2, max_size=4, unique=True))
def test_levels_are_refused_exactly_where_a_table_would_not_find_each_by_its_own_text(levels: list[str]) -> None:
    column = {"type": "category", "levels": levels}
    frozen = to_json(read_study(STUDY))
    frozen["features"][1] |= {"levels": levels}
    study = from_json(frozen)
    found = list(contradictions(study.features, study.target))
    reader = LevelReader([(level, i) for i, level in enumerate(levels)], Codes.of(()), {})
    # Each level as text, and as the cell of a column of floats where it writes a number.
    own = reader.read(pl.Series(levels, dtype=pl.String)).tolist() == list(range(len(levels)))
    as_floats = [repr(key) for key in map(identity, levels) if isinstance(key, float)]
    stored = UNKNOWN not in reader.read(pl.Series(as_floats, dtype=pl.String)).tolist()
    blank = any(identity(level) == "" for level in levels)
    assert bool(found) == (not own or not stored or blank), (column, found)
    if found:
        with pytest.raises(ValueError, match=r"level|named|number|sign"):
            Study.model_validate({**read_study(STUDY).model_dump(), "features": {"x": column}})
