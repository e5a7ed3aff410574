"""One row that makes most of a sum: what the sheet says of the tests, and what is refused."""

from __future__ import annotations

import pytest

from fedcli.workflow.results import ReleaseTest
from tests.workflow.play import Town, agreement

NUMBER = "{column: chol, type: number, range: [100, 400]}"
WITHOUT_TARGET = "  age: {type: number, range: [20, 100]}\n  sex: {type: category, levels: [female, male]}\n"
POINT, SHARE = "one row standing out at a point", "one row's share of a column's sums"


def ridge(**parts: str) -> str:
    return agreement(target=NUMBER, features=WITHOUT_TARGET, estimator="Ridge", params="{alpha: 1.0}", **parts)


def rules_of(place: Town) -> dict[str, ReleaseTest]:
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
