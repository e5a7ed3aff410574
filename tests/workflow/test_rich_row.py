"""One row that makes most of a sum: what the sheet says of the tests, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fedcli.errors import DominantRow
from fedcli.report.sheet import SheetTest
from fedcli.study.canonical_form import from_json, to_json
from fedcli.study.document import LARGEST_SHARE, Rules
from fedcli.study.draft import draft
from fedcli.study.reading import read_study
from tests.workflow.play import SILOS, Town, agreement, command, rows, table_text

NUMBER = "{column: chol, type: number, range: [100, 400]}"
WITHOUT_TARGET = "  age: {type: number, range: [20, 100]}\n  sex: {type: category, levels: [female, male]}\n"
POINT, SHARE = "one row standing out at a point", "one row's share of a column's sums"


def ridge(**parts: str) -> str:
    return agreement(target=NUMBER, features=WITHOUT_TARGET, estimator="Ridge", params="{alpha: 1.0}", **parts)


def rules_of(place: Town) -> dict[str, SheetTest]:
    return {test.rule: test for test in place.train("north").release.tests}


def sheet(place: Town) -> str:
    (path,) = place.silo("north").glob("review/*r1.sheet.txt")
    return " ".join(path.read_text().split())


def test_a_closed_form_has_no_point_and_its_sheet_claims_no_test_of_one(town):
    place = town(text=ridge())
    assert rules_of(place)[POINT].outcome == "not tested"
    assert f"passed {POINT}" not in sheet(place)
    assert f"not tested {POINT}" in sheet(place)


def test_only_sums_at_points_count_as_tested_at_points(town):
    place = town("joined")
    first = rules_of(place)[POINT]
    assert first.outcome == "passed"
    assert first.found == "curvature, rhs: none has one"
    second = rules_of(town("second"))[POINT]
    assert second.found == "curvature, rhs, gradients, candidate: none has one"


@pytest.mark.parametrize("text", [ridge(rules="largest_share: null"), agreement(rules="largest_share: null")])
def test_a_share_that_no_rule_bounds_is_said_to_have_no_rule(town, text):
    assert rules_of(town(text=text))[SHARE].outcome == "no rule"


# ---- the rule ------------------------------------------------------------------------------------------------------

RICH = "  income: {type: number, unit: euro, range: [0, 1000000000]}\n  age: {type: number, range: [18, 110]}\n"


def incomes(name: str, rich: float | None = None, n: int = 300) -> list[dict[str, str]]:
    """Draw rows of about 40,000 a year, of whom one may be rich."""
    rng = np.random.default_rng([ord(c) for c in name])
    income, age = rng.normal(40_000, 8_000, n).clip(15_000), rng.uniform(25, 90, n)
    if rich is not None:
        income[150] = rich
    y = rng.normal(0, 1, n) + age / 30
    ill = rng.random(n) < 0.4
    columns = {"income": income.round(2), "age": age.round(1), "y": y.round(3)}
    records = [dict(zip(columns, map(str, row), strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{**record, "disease": "ill" if i else "well"} for record, i in zip(records, ill, strict=True)]


def town_with(town, rich: float | None, *, rules: str = "", likelihood: bool = False) -> Town:
    target = {} if likelihood else {"target": "{column: y, type: number, range: [-10, 20]}"}
    estimator = {} if likelihood else {"estimator": "Ridge", "params": "{alpha: 1.0}"}
    text = agreement(features=RICH, rules=rules, **target, **estimator)
    return town(
        text=text, tables={name: table_text(incomes(name, rich if name == "north" else None)) for name in SILOS}
    )


@pytest.mark.parametrize("likelihood", [False, True], ids=["ridge", "logistic"])
@pytest.mark.parametrize("rules", ["", "preset: datashield", "preset: vantage6"])
def test_one_rich_row_is_refused_by_the_default_rules_and_by_every_preset(town, rules, likelihood):
    place = town_with(town, 999_000_000.0, rules=rules, likelihood=likelihood)
    found = command("check", "-C", place.silo("north"), "--json")
    assert [problem["code"] for problem in found.json["problems"]] == ["E513"]
    said = " ".join(place.refuses(DominantRow, "train", "-C", place.silo("north"), "--yes").split())
    assert "one row makes more than 85% of the sum" in said
    assert "'income'" in said
    assert "outside: clip" in said
    assert "999" not in said
    assert command("check", "-C", place.silo("east"), "--json").status == 0


def test_a_rich_row_among_many_that_vary_little_is_refused_for_the_variance(town):
    place = town_with(town, 400_000.0)
    said = " ".join(place.refuses(DominantRow, "train", "-C", place.silo("north"), "--yes").split())
    assert "sum of squares of 'income'" in said


def test_ordinary_rows_pass_and_the_sheet_says_by_how_much(town):
    place = town_with(town, None)
    share = rules_of(place)[SHARE]
    assert share.outcome == "passed"
    assert share.required == "at most 85%"
    assert share.found == "none has more than 5%"
    assert rules_of(town("joined"))[SHARE].found.endswith("% of the sum of 'age' among 'disease negative'")


def test_the_sheet_names_the_sums_that_no_test_on_one_row_looks_at(town):
    rule = "sums that no test on one row looks at"
    closed = rules_of(town_with(town, None))[rule]
    assert (closed.outcome, closed.found) == ("not tested", "products of two columns (gram)")
    first = rules_of(town("joined"))[rule]
    assert first.found == "products of two columns (products)"
    later = rules_of(town("second"))[rule]
    assert later.found == "values"
    unruled = rules_of(town_with(town, None, rules="largest_share: null"))[rule]
    assert unruled.found == "sums, squares, gram"


def test_a_study_may_agree_to_have_no_such_rule_and_joining_says_so(town):
    place = town_with(town, 999_000_000.0, rules="largest_share: null")
    assert place.train("north").release.tests
    shown = " ".join(command("study", "show", "-C", place.silo("north")).out.split())
    assert "no rule on one row's share of a sum" in shown


def test_the_rule_stands_in_every_draft_and_in_every_newly_frozen_study_and_older_ones_keep_their_form():
    assert f"largest_share: {LARGEST_SHARE:g}" in draft("heart", "")
    silent = read_study(agreement())
    assert to_json(silent)["rules"]["largest_share"] == repr(LARGEST_SHARE)
    assert from_json(to_json(silent)) == silent
    without = silent.model_copy(update={"rules": Rules(aggregation="plain")})
    assert "largest_share" not in to_json(without)["rules"]
    assert from_json(to_json(without)).rules.largest_share is None
    assert read_study(agreement(rules="largest_share: null")).rules.largest_share is None


def test_the_sheet_knows_that_sums_of_each_of_several_classes_are_looked_at(town):
    levels = [{**row, "stage": ("one", "two", "three")[k % 3]} for k, row in enumerate(rows("stages", 240))]
    tables = {name: table_text(levels[k * 80 : k * 80 + 80]) for k, name in enumerate(SILOS)}
    text = agreement(
        target="{column: stage, type: category, levels: [one, two, three]}",
        estimator="LinearDiscriminantAnalysis",
        params="{}",
        extra="profile: {bins: 16, by_target: true}",
    )
    place = town(text=text, tables=tables)
    assert rules_of(place)["sums that no test on one row looks at"].found == "products of two columns (gram)"
    assert "class1.sums" in sheet(place)
