"""What a layout says of its numbers, for the person who must agree that they leave: how they are arranged, in words."""

from __future__ import annotations

import re
from math import comb, prod

import numpy as np
import pytest

from fedcli.fileformat.statistics import Block, State
from fedcli.models.batch import empty_state
from fedcli.models.moments import GroupedSums, Grouping
from fedcli.preparing.estimators import ESTIMATORS
from fedcli.preparing.plan import Plan
from fedcli.study.reading import read_study

STUDY = """\
study: heart
target: {target}
features:
  age: {{type: number, range: [20, 100]}}
  chol: {{type: number, range: [100, 400], impute: mean, indicator: true}}
  visits: {{type: count, range: [0, 9], impute: median}}
  sex: {{type: category, levels: [female, male]}}
  pain: {{type: category, levels: [none, mild, severe], impute: mode}}
terms:
  curve: {{type: spline, column: age, knots: [40, 60], keep: true}}
  both: {{type: interaction, columns: [chol, sex]}}
{extra}
model: {{estimator: {estimator}{model}}}
rules: {{aggregation: plain}}
evaluation: {{holdout: 0.2}}
profile: {{bins: 64, correlation: true}}
"""
BINARY = "{column: ill, type: binary}"
NUMBER = "{column: cost, type: number, range: [0, 10]}"
COUNT = "{column: stays, type: count, range: [0, 10]}"
WEIGHT = "weight: {column: w, range: [0, 2]}"
STUDIES = {
    "logistic": (BINARY, "LogisticRegression", "", ""),
    "weighted": (BINARY, "LogisticRegression", "", WEIGHT),
    "poisson": (COUNT, "PoissonRegressor", "", ""),
    "third order": (BINARY, "LogisticRegression", ", order: 3", ""),
}
AS_THEY_ARE = ("MultinomialNB", "ComplementNB", "StandardScaler", "SimpleImputer", "KBinsDiscretizer")
GRID = ", params: {grid: [10, 20, 40]}"
LEVELS_ALONE = ("BernoulliNB", "CategoricalNB", "OneHotEncoder")
NUMBERS_ALONE = ("SimpleImputer", "KBinsDiscretizer")
OUTCOMES = {
    "binary": BINARY,
    "count": COUNT,
    "number": NUMBER,
    "category": "{column: kind, type: category, levels: [a, b, c]}",
    "none": "{type: none}",
    "survival": "{type: survival, time: weeks, event: ill, range: [0, 60]}",
}
for named, known in ESTIMATORS.items():
    # The last outcome is the widest that it takes.
    more = ", cv: 5" if known.cv else ", standardize: false" if named in AS_THEY_ARE else ""
    more = GRID if named == "KaplanMeier" else more
    more = ", params: {score_func: f_regression}" if named == "SelectKBest" else more
    outcome = OUTCOMES[known.targets[-1]]
    # The logarithm of its mean is fitted.
    outcome = outcome.replace("[0, 10]", "[1, 10]") if named == "GammaRegressor" else outcome
    STUDIES[named] = (outcome, named, more, "")


def plan(target: str, estimator: str, model: str, extra: str) -> Plan:
    text = STUDY.format(target=target, estimator=estimator, model=model, extra=extra)
    if estimator in LEVELS_ALONE:
        text = re.sub(r"terms:.*?\n(?=\n)|  (age|chol|visits): .*?\n", "", text, flags=re.DOTALL)
    if estimator == "StepwiseRegression":
        text = re.sub(r"  both: .*?\n", "", text)
    if estimator in NUMBERS_ALONE:
        how = ", impute: mean" if estimator == "SimpleImputer" else ""
        text = re.sub(r"terms:.*?\n(?=\n)|  (sex|pain): .*?\n", "", text, flags=re.DOTALL)
        text = re.sub(r"(?m)^(  .*?)(, impute: \w+)?(, indicator: true)?\}$", rf"\1{how}}}", text)
    if "survival" in target:
        text = text.replace("holdout: 0.2", "holdout: 0")
    return Plan(read_study(text))


def layouts(plan: Plan) -> dict[str, tuple[Block, ...]]:
    """Return the blocks of trip 1, of a later one with a candidate, and of one that closes."""
    n = plan.columns.n_columns
    later = State({"round": 1, "phase": "solving"}, {"candidates": np.zeros((1, n))})
    closing = State({"round": 1, "phase": "closing"}, {"candidates": np.zeros((0, n))})
    states = {"first": empty_state(), "later": later, "closing": closing}
    return {name: plan.layout(state).blocks for name, state in states.items()}


def counted(form: str) -> int:
    """Work out how many numbers a form such as ``2 points x 13 columns`` has."""
    pairs = re.search(r"(\d+) x (\d+) with each pair once$", form)
    before = form[: pairs.start()] if pairs else form
    triples = re.fullmatch(r"(\d+) x \1 x \1 with each triple once", form)
    if triples:
        return comb(int(triples[1]) + 2, 3)
    whole = prod(int(number) for number in re.findall(r"\d+", before))
    if pairs is None:
        return whole
    n = int(pairs[1])
    assert pairs[1] == pairs[2]
    return whole * (n * (n + 1) // 2)


@pytest.mark.parametrize("name", STUDIES)
def test_a_form_has_as_many_numbers_as_are_sent(name: str) -> None:
    for blocks in layouts(plan(*STUDIES[name])).values():
        for block in blocks:
            if " x " in block.form:
                assert counted(block.form) == block.size, block
            elif block.size > 1 and not block.form:
                # Few and unlike numbers: the words name each.
                assert block.size <= 4, block
                assert block.says.count(",") + block.says.count(" and ") >= block.size - 1, block


def test_shapes_are_said_as_people_read_them() -> None:
    found = plan(BINARY, "LogisticRegression", "", "")
    n = found.columns.n_columns
    later = {block.name: block.form for block in layouts(found)["later"]}
    assert later["curvature"] == later["candidate"] == f"{n} x {n} with each pair once"
    assert later["gradients"] == f"2 points x {n} columns"
    assert later["rhs"] == "one per column"
    first = {block.name: block.form for block in layouts(found)["first"]}
    wide = 1 + len(found.columns.expanded_names)
    assert first["correlation"] == f"{wide} x {wide} with each pair once"
    assert first["levels"] == "one per level and one for none, of 2 categories"
    assert first["below"] == "2 for each of 141 edges of 3 number columns"


@pytest.mark.parametrize(
    ("grouping", "forms"),
    [
        (Grouping(target=True), ["8 x 8 with each pair once"]),
        (Grouping(folds=5, target=True), ["5 folds x 8 x 8 with each pair once"]),
        (Grouping(n_classes=3), ["7 x 7 with each pair once", "3 classes x 7 columns"]),
        (Grouping(n_classes=3, by_class=True, folds=5), ["5 folds x 3 classes x 7 x 7 with each pair once"]),
        (Grouping(n_classes=3, by_class=True, squares=True), ["3 classes x 13 numbers"]),
        (Grouping(target=True, squares=True), ["21 numbers"]),
        (Grouping(n_classes=3, folds=5, products=False), ["5 folds x 3 classes x 7 columns"]),
    ],
)
def test_sums_kept_apart_say_by_what(grouping: Grouping, forms: list[str]) -> None:
    blocks = GroupedSums(grouping, 7, 1.0).layout().blocks
    assert [block.form for block in blocks] == forms
    assert [counted(block.form) for block in blocks] == [block.size for block in blocks]


@pytest.mark.parametrize("name", STUDIES)
def test_meanings_are_words_of_statistics_not_of_this_program(name: str) -> None:
    for blocks in layouts(plan(*STUDIES[name])).values():
        for block in blocks:
            assert len(block.says.split()) >= 3, block
            assert not re.search(r"\b(slope|block|batch|triangle|packed|reference scale|limb)", block.says), block


def test_the_meaning_of_a_silos_own_fit_says_what_can_be_computed_from_it() -> None:
    blocks = {block.name: block.says for block in layouts(plan(*STUDIES["logistic"]))["later"]}
    assert "second derivatives of the log-likelihood (X'WX)" in blocks["curvature"]
    assert "coefficients of this silo alone" in blocks["rhs"]
    closing = {block.name: block.says for block in layouts(plan(*STUDIES["logistic"]))["closing"]}
    assert "at the coefficients received" in closing["curvature"]


def test_weighted_sums_say_so_and_others_do_not() -> None:
    weighted = {block.name: block.says for block in layouts(plan(*STUDIES["weighted"]))["later"]}
    for name in ("target", "curvature", "rhs", "values", "gradients", "candidate"):
        assert weighted[name].endswith("each row times its weight"), name
    assert "weight" not in weighted["rows"] + weighted["evaluation"]
    plain = {block.name: block.says for block in layouts(plan(*STUDIES["logistic"]))["later"]}
    assert not any("its weight" in says for says in plain.values())


def test_third_derivatives_ride_on_every_trip_but_the_last_and_are_fewer_at_a_common_point() -> None:
    made = plan(*STUDIES["third order"])
    named = {trip: [block.name for block in blocks] for trip, blocks in layouts(made).items()}
    third = ["third", "third.once", "third.twice", "third.without"]
    assert [name for name in named["first"] if name.startswith("third")] == third
    assert [name for name in named["later"] if name.startswith("third")] == third
    assert not any(name.startswith("third") for name in named["closing"])
    n = made.columns.n_columns
    near = State({"round": 2, "phase": "solving"}, {"candidates": np.zeros((0, n)), "near": np.ones(1)})
    assert [block.name for block in made.layout(near).blocks if block.name.startswith("third")] == [third[0], third[3]]
    left_out = State(near.document, {**near.arrays, "cubic": np.zeros(1)})
    assert not any(block.name.startswith("third") for block in made.layout(left_out).blocks)
