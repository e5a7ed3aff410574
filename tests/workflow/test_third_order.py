"""A study to third order through its files: who sends third derivatives, who leaves them out, and that it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fedcli.errors import ContradictoryStudy
from tests.workflow.forging import forge, opened
from tests.workflow.play import SILOS, Town, agreement, command, rows, table_text

# Rows per column are lowered openly: these silos have 80 rows, and 4 columns need 85 by the usual rule.
LOWERED = "rows_per_column: 4"
RULE = "third derivatives: rows, groups of three features, one row standing out"
KINDS = """\
  age: {type: number, range: [20, 100]}
  sex: {type: category, levels: [female, male]}
  smoker: {type: category, levels: ["no", "yes"]}
  ward: {type: category, levels: [a, b]}
"""


def third(**parts: Any) -> str:
    return agreement(params="{C: 1.0}, order: 3", **{"rules": LOWERED, **parts})


def told(place: Town, name: str = "north") -> dict[str, Any]:
    done = place.run("train", "-C", place.silo(name), "--dry-run", "--json")
    assert done.status == 0, done.err
    return json.loads(done.out)


def rule_of(place: Town) -> dict[str, str]:
    (found,) = [test for test in told(place)["tests"] if test["rule"] == RULE]
    return found


def sent(place: Town, name: str, number: int = 1) -> dict[str, np.ndarray]:
    return opened(place, place.update(name, number))[0]


def pooled() -> dict[str, float]:
    records = [record for name in SILOS for record in rows(name)]
    X = np.array([[float(r["age"]), float(r["chol"]), r["sex"] == "male"] for r in records])
    y = np.array([r["disease"] == "ill" for r in records])
    centre, unit = X.mean(axis=0), X.std(axis=0)
    centre[2], unit[2] = 0.0, 1.0
    fit = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12).fit((X - centre) / unit, y)
    slopes = fit.coef_[0] / unit
    return dict(zip(("age", "chol", "sex[male]"), slopes, strict=True))


def test_silos_with_rows_enough_send_them_and_the_model_is_the_pooled_one(town, tmp_path: Path) -> None:
    place = town(text=third())
    found = rule_of(place)
    assert (found["outcome"], found["found"]) == ("passed", "all of it is so")
    assert found["required"].startswith("at least 68 rows, groups of at least 5 if any")
    done = place.finish()
    assert done.finished
    assert sent(place, "north")["third"].any()
    plain = town("finished")
    assert done.round <= len(list(plain.registry.glob("outbox/*.fedmodel")))
    assert command("export", done.model, "--format", "json", "-o", tmp_path / "model.json").status == 0
    coefficients = json.loads((tmp_path / "model.json").read_text())["coefficients"]
    for name, value in pooled().items():
        assert coefficients[name] == pytest.approx(value, rel=1e-6)


def test_a_silo_with_too_few_rows_leaves_them_out_and_all_go_on_to_second_order(town) -> None:
    place = town(text=third(rules=""))
    found = rule_of(place)
    assert (found["outcome"], found["found"]) == (
        "not sent",
        "4 columns need 85 training rows for them, and here are 80",
    )
    shown = told(place)
    assert any(says.startswith("third derivatives are not sent, 0 stands for each") for says in shown["warnings"])
    behind = {block["name"]: block["rows"] for block in shown["blocks"] if block["name"].startswith("third")}
    assert behind["third"] == behind["third.once"] == "none of 80 training rows; 0 is sent for each number"
    assert behind["third.without"] == "80 training rows"
    first = place.round()
    assert not sent(place, "north")["third"].any()
    assert any("240 training rows are without third derivatives" in says for says in first.warnings)
    assert not any(block["name"].startswith("third") for block in told(place)["blocks"])
    assert place.finish().round == len(list(town("finished").registry.glob("outbox/*.fedmodel")))


def test_one_silo_of_three_is_enough_for_that(town) -> None:
    few = table_text(rows("north")[:60])
    place = town(text=third(), tables={"north": few})
    first = place.round()
    assert any("60 training rows are without" in says for says in first.warnings)
    assert sent(place, "east")["third"].any()
    assert not any(block["name"].startswith("third") for block in told(place, "east")["blocks"])


def crossed(n_small: int) -> str:
    """Write a table in which every pair of levels has many rows, and one group of three features ``n_small``."""
    records = []
    for number, row in enumerate(rows("north", 400)):
        sex, smoker, ward = number % 2, number // 2 % 2, number // 4 % 2
        if sex == smoker == ward == 1 and number // 8 >= n_small:
            ward = 0
        levels = {"sex": ("female", "male")[sex], "smoker": ("no", "yes")[smoker], "ward": "ab"[ward]}
        records.append({"age": row["age"], **levels, "disease": row["disease"]})
    return table_text(records)


@pytest.mark.parametrize(("n_small", "outcome"), [(2, "not sent"), (5, "passed")])
def test_a_small_group_of_three_features_keeps_them_at_the_silo(n_small: int, outcome: str, town) -> None:
    tables = dict.fromkeys(SILOS, crossed(n_small))
    place = town(text=third(features=KINDS), tables=tables)
    found = rule_of(place)
    assert found["outcome"] == outcome
    if outcome == "not sent":
        assert found["found"] == "the group 'sex = male and smoker = yes and ward = b' has 2, fewer than 5"
        checked = command("check", "-C", place.silo("north"))
        assert checked.status == 0
        assert "not sent: the group" in " ".join(checked.out.split())


def test_a_point_from_which_the_guard_turns_away_is_not_the_common_one(town, monkeypatch: pytest.MonkeyPatch) -> None:
    place = town(text=third())
    monkeypatch.setattr("fedcli.models.guard.Guard.bends", lambda *_: True)
    found = rule_of(place)
    assert (found["outcome"], found["found"]) == ("not sent", "one row would stand out in them")


def test_a_coordinator_cannot_ask_for_them_where_the_study_does_not(town) -> None:
    place = town("second")
    flags = {"near": np.ones(1), "cubic": np.ones(1)}
    forge(place, place.model(1), arrays=lambda a: {**a, **flags})
    place.deliver(place.model(1))
    done = place.run("train", "-C", place.silo("north"), "--dry-run", "--json")
    assert done.status != 0 or not any(b["name"].startswith("third") for b in json.loads(done.out)["blocks"])


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (
            {"estimator": "LinearDiscriminantAnalysis", "params": "{}, order: 3"},
            "is not fitted by expansions of a loss",
        ),
        ({"estimator": "LinearSVC", "params": "{}, order: 3"}, "is expanded to second order only"),
        ({"params": "{l1_ratio: 0.5}, order: 3"}, "is expanded to second order only"),
        (
            {"params": "{}, order: 3", "target": "{column: disease, type: category, levels: [a, b, c]}"},
            "is expanded to second order only",
        ),
        (
            {"params": "{}, order: 3, map: {type: PolynomialFeatures, columns: [age, chol]}"},
            "columns of a map are expanded to second order only",
        ),
        (
            {
                "estimator": "TweedieRegressor",
                "params": "{power: 0}, order: 3",
                "target": "{column: disease, type: number, range: [0, 9]}",
            },
            "is not fitted by expansions of a loss",
        ),
        (
            {
                "params": "{}, order: 3",
                "features": "".join(f"  x{k}: {{type: number, range: [0, 1]}}\n" for k in range(100)),
            },
            "101 columns have 176,851 third derivatives",
        ),
    ],
)
def test_what_has_none_or_too_many_is_refused_before_it_starts(parts: dict[str, str], says: str, tmp_path) -> None:
    draft = tmp_path / "study.yaml"
    draft.write_text(agreement(**parts))
    done = command("plan", draft)
    assert done.status == ContradictoryStudy.exit_status
    said = " ".join(done.err.split())
    assert f"error[{ContradictoryStudy.code}]" in said
    assert says in said
    assert "remove order from study.yaml" in said


def test_plan_says_what_they_cost_and_spare(tmp_path) -> None:
    draft = tmp_path / "study.yaml"
    draft.write_text(agreement())
    without = command("plan", draft, "--json").json
    assert without["third"] == [3, 85]
    assert "order: 3 under model:" in " ".join(command("plan", draft).out.split())
    draft.write_text(third(rules=""))
    found = command("plan", draft, "--json").json
    assert found["trips"][0] == without["trips"][0] - 1 == 3
    assert found["trips"][1] == without["trips"][1]
    names = [block["name"] for block in found["each"][0]["blocks"]]
    assert names[-4:] == ["third", "third.once", "third.twice", "third.without"]
