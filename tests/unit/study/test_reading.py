from __future__ import annotations

import re

import pytest

from fedcli.errors import BadStudy
from fedcli.study.reading import read_study

STUDY = """\
study: heart
target: {column: disease, type: binary, positive: 1}
features:
  age: {type: number, unit: years, range: [18, 110]}
  sex: {type: category, levels: [female, male]}
  chol: {type: number, unit: mg/dl, range: [50, 700], missing: [0, "?"], impute: mean}
model:
  estimator: LogisticRegression
  params: {C: 1.0}
rules: {aggregation: plain}
"""


def test_the_agreement_reads_as_written() -> None:
    study = read_study(STUDY)
    assert list(study.features) == ["age", "sex", "chol"]
    assert study.numbers["chol"].missing == (0, "?")
    assert study.model.params == {"C": 1.0}
    assert study.target.negative == (0,)  # type: ignore[union-attr]


def test_no_penalty_may_be_written_inf() -> None:
    assert read_study(STUDY.replace("C: 1.0", "C: inf")).model.params == {"C": float("inf")}


def test_true_and_false_in_a_table_are_text() -> None:
    study = read_study(STUDY.replace("positive: 1", "positive: true, negative: false"))
    assert study.target.positive == ("true",)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "hint"),
    [
        ("range: [18, 110]", "rang: [18, 110]", 4, "'rang' is not a key of features.age", "did you mean 'range'"),
        ("range: [18, 110]", "range: [18]", 4, "features.age.range needs two numbers", "smallest"),
        ("range: [18, 110]", "range: [1, 2, 3]", 4, "features.age.range needs two numbers", "smallest"),
        ("range: [18, 110]", "range: [110, 18]", 4, "from the smaller to the larger", "mend"),
        ("range: [18, 110]", "outside: clip", 4, "features.age lacks 'range'", "range: [0, 100]"),
        (
            "type: number, unit: years",
            "type: numbr",
            4,
            "number, category, count, boolean or date",
            "type: number",
        ),
        ("type: number, unit: years", "unit: years", 4, "features.age.type is missing", "type: number"),
        ("unit: years", "unit: 5", 4, "features.age.unit must be text", "quotes"),
        ("[female, male]", "[female]", 5, "at least 2 entries", "mend"),
        ("[female, male]", "female", 5, "must be a list in square brackets", "draft"),
        ("[female, male]", "[a, a]", 5, "a level is named twice", "mend"),
        ("impute: mean", "impute: meen", 6, "features.chol.impute must be mean", "impute: mean"),
        ('[0, "?"]', "[[0]]", 6, "must be text or a number", "draft"),
        ("study: heart", "study: Heart A", 1, "'Heart A' is not a name", "another name"),
        ("study: heart", "study: 12", 1, "study must be text", "quotes"),
        ("disease", "age", 1, "column 'age' has two roles", "mend"),
        ("positive: 1", "positive: yes", 2, "negative: ...", "mend"),
        ("{C: 1.0}", "{C: {a: 1}}", 9, "model.params.C must be text, a number", "draft"),
        ("model:", "modell:", 7, "'modell' is not a key of the study", "did you mean 'model'"),
        ("aggregation: plain", "aggregation: plane", 10, "plain or masked", "aggregation: plain"),
        ("aggregation: plain", "min_rows: '10'", 10, "rules.min_rows must be a whole number", "draft"),
        ("aggregation: plain", "min_rows: 0", 10, "rules.min_rows must be at least 1", "allowed"),
        ("rules: {aggregation: plain}", "rules: plain", 10, "a section with keys of its own", "draft"),
    ],
)
def test_a_mistake_is_said_in_plain_words_with_its_line(old: str, new: str, line: int, message: str, hint: str) -> None:
    assert old in STUDY
    with pytest.raises(BadStudy) as caught:
        read_study(STUDY.replace(old, new))
    assert caught.value.where == f"study.yaml:{line}"
    assert message in caught.value.message
    assert hint in caught.value.hint
    said = caught.value.message + caught.value.hint
    assert not re.search(r"[Ii]nput|valid|pydantic|type=", said)


def test_the_hint_counts_what_else_is_to_mend() -> None:
    bad = STUDY.replace("impute: mean", "impute: meen").replace("plain", "plane")
    with pytest.raises(BadStudy) as caught:
        read_study(bad)
    assert caught.value.hint.endswith("1 more to mend, on line 10")


@pytest.mark.parametrize("text", ["", "[1, 2]", "just words"])
def test_a_file_that_is_no_study_is_refused(text: str) -> None:
    with pytest.raises(BadStudy, match="not a study"):
        read_study(text)
