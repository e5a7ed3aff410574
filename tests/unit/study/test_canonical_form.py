from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.errors import BadDocument
from fedcli.study.canonical_form import from_json, study_id, to_json
from fedcli.study.document import Study
from fedcli.study.spelling import identity

finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(min_size=1, max_size=8)
cells = st.lists(
    st.one_of(words, st.integers(-(2**53), 2**53), finite, st.sampled_from(["1.5", "1e-06", "?"])), max_size=3
)
ends = st.floats(min_value=-1e100, max_value=1e100, allow_nan=False)
ranges = st.tuples(ends, ends).filter(lambda r: abs(r[0] - r[1]) >= 1e-99).map(sorted)
number = st.fixed_dictionaries(
    {"type": st.just("number"), "range": ranges, "missing": cells, "outside": st.sampled_from(["error", "clip"])}
)
# Levels that no reader of tables takes for one another, for a missing value or for an empty cell.
category = st.fixed_dictionaries(
    {
        "type": st.just("category"),
        "levels": st.lists(words.filter(lambda word: identity(word) != ""), min_size=2, max_size=4, unique_by=identity),
        "missing": cells,
    }
).filter(lambda column: not {*map(identity, column["levels"])} & {*map(identity, column["missing"])})
params = st.dictionaries(
    words,
    st.one_of(
        words, st.booleans(), st.none(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.just("0.5")
    ),
    max_size=3,
)


@st.composite
def studies(draw: Any) -> Study:
    columns = draw(
        st.dictionaries(words.filter(lambda w: w != "y"), st.one_of(number, category), min_size=1, max_size=4)
    )
    return Study.model_validate(
        {
            "study": "heart",
            "title": draw(st.text(max_size=10)),
            "target": {"type": "number", "column": "y", "range": draw(ranges)},
            "features": columns,
            "model": {"estimator": "Ridge", "params": draw(params)},
            "rules": {"tolerance": draw(st.floats(1e-12, 0.1)), "min_cell": draw(st.integers(1, 99))},
        }
    )


def _no_floats(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_no_floats(v) for v in value.values())
    if isinstance(value, list):
        return all(_no_floats(v) for v in value)
    return value is None or type(value) in (str, int, bool)


@settings(max_examples=60, deadline=None)
@given(studies())
def test_the_frozen_form_reads_back_to_the_same_study_in_the_same_order(study: Study) -> None:
    # Sorted keys, as canonical JSON writes them, must not change the order of the features.
    obj = json.loads(json.dumps(to_json(study), sort_keys=True))
    assert _no_floats(obj)
    again = from_json(obj)
    assert again == study
    assert list(again.features) == list(study.features)
    assert to_json(again) == obj


@pytest.fixture
def obj() -> dict[str, Any]:
    return to_json(
        Study.model_validate(
            {
                "study": "heart",
                "target": {"type": "binary", "column": "y"},
                "features": {"a": {"type": "number", "range": [0, 1]}, "b": {"type": "category", "levels": ["x", "y"]}},
                "model": {"estimator": "LogisticRegression", "params": {"C": float("inf")}},
            }
        )
    )


def test_every_default_is_spelt_out(obj: dict[str, Any]) -> None:
    assert obj["rules"]["tolerance"] == "1e-06"
    assert obj["rules"]["max_coefficient"] == "64.0"
    assert obj["evaluation"] == {"holdout": "0.2", "closing_trip": False}
    assert obj["target"]["negative"] == [0]
    assert obj["model"]["params"] == {"C": "inf"}


def test_the_frozen_form_of_this_study_reads_back(obj: dict[str, Any]) -> None:
    assert to_json(from_json(obj)) == obj


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o.pop("weight"),
        lambda o: o.update(more=1),
        lambda o: o["rules"].update(tolerance="1e-6"),
        lambda o: o["rules"].update(tolerance=1e-6),
        lambda o: o["rules"].update(min_rows="10"),
        lambda o: o["rules"].update(min_rows=True),
        lambda o: o["rules"].pop("min_cell"),
        lambda o: o["model"].update(standardize=1),
        lambda o: o["features"].append(dict(o["features"][0])),
        lambda o: o.update(features={}),
        lambda o: o["features"][0].pop("name"),
        lambda o: o["features"][0].update(range=["1.0", "0.0"]),
    ],
)
def test_anything_but_the_frozen_form_is_refused(obj: dict[str, Any], change: Any) -> None:
    change(obj)
    with pytest.raises(BadDocument):
        from_json(obj)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(BadDocument):
        from_json(value)


def test_a_study_is_known_by_the_hash_of_its_bytes() -> None:
    assert study_id(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
