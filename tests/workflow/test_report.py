"""`report`: Table 1 of a model, between trips for members and final for everybody; and what leaves for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fedcli
from fedcli.cli import wrapping
from fedcli.compute.spool import Spool
from fedcli.compute.update import sum_update
from fedcli.errors import NoProfile, NotFinal
from fedcli.models.batch import empty_state
from fedcli.preparing.plan import Plan
from fedcli.preparing.profile_table import HIDDEN, SMALL, correlations, protect
from fedcli.preparing.rows import Rows
from fedcli.report.table_one import Interval, group_names
from fedcli.report.table_text import as_json, as_markdown, as_text
from fedcli.study.reading import read_study
from fedcli.workflow.limits import examine_rows
from tests.equivalence.cases import TARGETS
from tests.equivalence.cases import agreement as case
from tests.equivalence.federation import enrolled
from tests.workflow.play import REGISTRY, SILOS, agreement, command, copied, rows

PROFILE = "profile: {bins: 64, correlation: true}"


@pytest.fixture(scope="module")
def played(tmp_path_factory, stages):
    """A study with a profile after trip 1 and after its end: the town, the model between trips, the final one."""
    place = copied(stages("keys"), tmp_path_factory.mktemp("report") / "town")
    place.draft(agreement(extra=PROFILE))
    place.freeze()
    first = place.round().model
    between = first.read_bytes()
    final = place.finish().model
    return place, between, final


def pooled() -> pd.DataFrame:
    return pd.DataFrame([record for name in SILOS for record in rows(name)]).astype({"age": float, "chol": float})


def test_the_final_model_describes_the_pool_to_anybody(played, tmp_path):
    _, _, final = played
    made = fedcli.make_report(final, workspace=tmp_path)
    frame = pooled()
    assert made.final
    assert dict(made.table.groups) == {
        "all": len(frame),
        "disease well": int((frame.disease == "well").sum()),
        "disease ill": int((frame.disease == "ill").sum()),
    }
    parts = (frame, frame[frame.disease == "well"], frame[frame.disease == "ill"])
    by_name = {column.name: column.groups for column in made.table.columns}
    for name in ("age", "chol"):
        for group, part in zip(by_name[name], parts, strict=True):
            assert group.mean == pytest.approx(part[name].mean(), rel=1e-12)
            assert group.deviation == pytest.approx(part[name].std(), rel=1e-12)
            assert group.q1.lower <= part[name].quantile(0.25) <= group.q1.upper
            assert group.median.lower <= part[name].median() <= group.median.upper
            assert (group.present, group.missing) == (len(part), 0)
    assert by_name["sex"][0].levels == frame.sex.value_counts().to_dict()
    assert made.table.correlation.columns == ("age", "chol", "sex[male]")
    assert "median [q1, q3]" in made.text


def test_rows_that_are_held_out_are_said_and_counted_once_they_are_measured(stages, tmp_path):
    place = copied(stages("keys"), tmp_path / "town")
    place.draft(agreement(extra=PROFILE, holdout=0.25))
    place.freeze()
    first = place.round().model
    model = tmp_path / "between.fedmodel"
    model.write_bytes(first.read_bytes())
    before = fedcli.make_report(model, workspace=place.registry, key=place.secrets[REGISTRY])
    assert (before.table.held_out.share, before.table.held_out.rows) == (0.25, None)
    assert "rows: those of the fit; about 25 % of each silo's rows are held out to measure it, and not" in before.text
    after = fedcli.make_report(place.finish().model, workspace=tmp_path)
    fitted, held = dict(after.table.groups)["all"], after.table.held_out.rows
    assert held > 0
    assert fitted + held == len(pooled())
    for text in (after.text, as_markdown(after.table)):
        assert f"rows: those of the fit; {held} more, about 25 % of each silo's rows, are held out" in text
    assert json.loads(as_json(after.table))["held_out"] == {"share": 0.25, "rows": held}


def test_where_no_row_is_held_out_nothing_is_said_of_it(played, tmp_path):
    made = fedcli.make_report(played[2], workspace=tmp_path)
    assert made.table.held_out is None
    assert "held out" not in made.text
    assert json.loads(as_json(made.table))["held_out"] is None


def test_a_member_reads_it_between_trips_and_nobody_else(played, tmp_path):
    place, between, final = played
    model = tmp_path / "between.fedmodel"
    model.write_bytes(between)
    for workspace, name in ((place.registry, REGISTRY), (place.silo("north"), "north")):
        made = fedcli.make_report(model, workspace=workspace, key=place.secrets[name])
        assert (made.round, made.final) == (1, False)
        assert made.table == fedcli.make_report(final, workspace=workspace).table
    refused = command("report", model, "-C", place.silo("north"), "--json")
    assert refused.status != 0
    assert not refused.json["ok"]


def test_the_commands_forms_hold_the_same_table(played, tmp_path):
    _, _, final = played
    shown = command("report", final, "-C", tmp_path)
    assert shown.status == 0
    assert "mean (sd)" in shown.out
    printed = command("report", final, "-C", tmp_path, "--json")
    assert printed.out.count("\n") == 1
    as_object = printed.json
    assert (as_object["command"], as_object["final"]) == ("report", True)
    written = tmp_path / "table.json"
    assert command("report", final, "-C", tmp_path, "--format", "json", "-o", written).status == 0
    assert {"schema": 1, **as_object["table"]} == json.loads(written.read_text())
    page = command("report", final, "-C", tmp_path, "--format", "markdown").out
    assert "| rows | 240 |" in page


def test_the_lowest_and_the_highest_value_are_told_to_an_interval(played, tmp_path):
    """No estimate, which would mean nothing: one row is not to be told apart from others."""
    _, _, final = played
    made, frame = fedcli.make_report(final, workspace=tmp_path), pooled()
    for column in made.table.columns[:2]:
        lowest, highest = column.groups[0].lowest, column.groups[0].highest
        assert lowest.lower <= frame[column.name].min() <= lowest.upper
        assert highest.lower <= frame[column.name].max() <= highest.upper
    printed = json.loads(as_json(made.table))["columns"][0]["groups"][0]
    assert printed["lowest"].keys() == printed["highest"].keys() == {"lower", "upper"}
    for text in (made.text, as_markdown(made.table)):
        assert text.count("lowest in") == text.count("highest in") == 2


@pytest.mark.parametrize(
    ("lower", "upper", "printed"),
    [
        (76.94, 1077.61, "  highest in  76.9 to 1,077.7"),
        (-0.04, 77.0, "  highest in  -0.1 to 77"),
        (27.3, 28.1, "  highest in  27.3 to 28.1"),
        (28.06, 28.06, "  highest  28.06"),
    ],
)
def test_an_interval_is_rounded_outwards_and_is_one_number_where_it_is_exact(
    played, tmp_path, lower: float, upper: float, printed: str
):
    _, _, final = played
    table = fedcli.make_report(final, workspace=tmp_path).table
    group = replace(table.columns[0].groups[0], deviation=5.0, highest=Interval(lower, upper))
    column = replace(table.columns[0], groups=(group,))
    text = as_text(replace(table, columns=(column,), groups=table.groups[:1]))
    assert printed.split() in [line.split() for line in text.splitlines()]


def test_a_study_without_a_profile_has_no_report(town, tmp_path):
    place = town("finished")
    final = max((place.registry / "outbox").glob("*.fedmodel"))
    with pytest.raises(NoProfile):
        fedcli.make_report(final, workspace=tmp_path)


def test_before_trip_1_there_is_nothing_to_report(town):
    with pytest.raises(NotFinal):
        fedcli.make_report(workspace=town().registry)


# ---- what leaves ---------------------------------------------------------------------------------------------------

FEATURES = {
    "age": {"type": "number", "range": [0, 100]},
    "crp": {"type": "number", "range": [0, 50], "impute": "median"},
    "sex": {"type": "category", "levels": ["f", "m"], "impute": "mode"},
    "grade": {"type": "category", "levels": ["a", "b", "c"]},
}


THREE = {"column": "y", "type": "category", "levels": ["low", "middle", "high"]}


@pytest.mark.parametrize(
    ("outcome", "by_target", "weighted"),
    [
        (TARGETS["LogisticRegression"], True, True),
        (TARGETS["LogisticRegression"], True, False),
        (TARGETS["LogisticRegression"], False, True),
        (TARGETS["LogisticRegression"], False, False),
        (THREE, True, False),
    ],
)
def test_every_count_that_leaves_was_tested_for_small_groups(
    outcome: dict[str, object], by_target: bool, weighted: bool
) -> None:
    """Tables that pass the tests send no count from 1 to 4, nor two whose difference is one; many would, untested."""
    parts = {"weight": {"column": "w", "range": [0, 4]}} if weighted else {}
    profile = {"bins": 16, "by_target": by_target}
    n_classes = 3 if outcome is THREE else 2
    estimator = "LogisticRegression" if n_classes == 2 else "LinearDiscriminantAnalysis"
    plan = Plan(enrolled(read_study(case(outcome, FEATURES, estimator, profile=profile, **parts)), ["x", "y", "z"]))
    apart = [name for name, _ in plan.profile.apart]
    assert len(apart) == (n_classes - 1 if by_target else 0)
    passed = 0
    for seed in range(12 if weighted else 60):
        rng = np.random.default_rng(seed)
        n = 12_000 if weighted else 600
        numbers = np.column_stack([rng.normal(50, 15, n).clip(0, 100), rng.exponential(6, n).clip(0, 50)])
        numbers[rng.random(n) < rng.choice([0.0, 0.05, 0.1]), 1] = np.nan
        codes = np.column_stack([rng.choice([-1, 0, 1], n, p=[0.08, 0.4, 0.52]), rng.choice(3, n, p=[0.1, 0.3, 0.6])])
        weight = rng.choice([0.0, 1.0, 2.5], n, p=[0.25, 0.4, 0.35]) if weighted else np.ones(n)
        target = rng.choice([0.0, 1.0, 2.0][:n_classes], n, p=[0.65, 0.35] if n_classes == 2 else [0.4, 0.35, 0.25])
        spool = Spool([Rows(numbers, codes.astype(np.int32), target, np.zeros(n), weight)], Path())
        nobody = np.zeros(n, dtype=bool)
        if examine_rows(plan, spool, nobody).problems:
            continue
        passed += 1
        total = sum_update(plan, empty_state(), spool, nobody, None).total
        said = {p: {b: total[p + b] for b in ("rows", "present", "levels", "below")} for p in ("", *apart)}
        if by_target:
            said["first class"] = {b: said[""][b] - sum(said[p][b] for p in apart) for b in said[""]}
        for name, group in said.items():
            counts = [
                group["rows"],
                group["present"],
                group["rows"] - group["present"],
                group["levels"],
                group["below"],
            ]
            for count in np.concatenate(counts):
                assert count == 0 or count >= 5
            for j in range(2):
                least, most = group["below"].reshape(2, 2, -1)[j]
                ends = np.array([0, group["present"][j]])
                # Of all rows, both bounds are sums over the outcomes, and least less most is no group of rows.
                bounds = [least, most] if by_target and not name else [np.concatenate([least, most])]
                for edges in bounds:
                    edges = np.concatenate([ends, edges])
                    differences = np.abs(edges[:, None] - edges)
                    assert ((differences == 0) | (differences >= 5)).all()
    assert passed >= 3


def test_a_small_count_of_the_pool_is_marked_with_all_that_give_it_away() -> None:
    counts = np.array([[3, 40, 57, 0], [1, 20, 29, 0], [2, 20, 28, 0]])
    assert protect(counts, 5).tolist() == [
        [SMALL, HIDDEN, 57, 0],
        [SMALL, HIDDEN, 29, 0],
        [SMALL, HIDDEN, 28, 0],
    ]
    one_class = np.array([[43, 57], [3, 50], [40, 7]])
    assert protect(one_class, 5).tolist() == [[43, 57], [SMALL, HIDDEN], [HIDDEN, HIDDEN]]
    assert protect(counts[:, 1:], 5).tolist() == counts[:, 1:].tolist()


def test_a_small_count_is_printed_as_less_than_the_rule(played, tmp_path):
    _, _, final = played
    table = fedcli.make_report(final, workspace=tmp_path).table
    age = table.columns[0]
    marked = replace(age, groups=tuple(replace(group, missing="<5", present=None) for group in age.groups))
    text = as_text(replace(table, columns=(marked,)))
    assert "  missing" in text
    assert text.count("<5") == 3
    assert "a count too small to show" in text


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ({"positive": [1, 2, 3, 4], "negative": 0}, ("all", "num 0", "num 1, 2, 3, 4")),
        ({"positive": "ill", "negative": ["well", "cured"]}, ("all", "num well, cured", "num ill")),
        ({"positive": 1}, ("all", "num 0", "num 1")),
    ],
)
def test_a_class_of_several_values_is_called_by_all_of_them(target: dict[str, object], names: tuple[str, ...]) -> None:
    text = case({"column": "num", "type": "binary", **target}, FEATURES, "LogisticRegression", profile={})
    assert group_names(Plan(read_study(text))) == names


def test_each_of_several_classes_is_a_group() -> None:
    plan = Plan(read_study(case(THREE, FEATURES, "LinearDiscriminantAnalysis", profile={})))
    assert group_names(plan) == ("all", "y low", "y middle", "y high")
    counts = np.array([[98, 60, 3], [40, 20, 3], [38, 30, 0], [20, 10, 0]])
    assert protect(counts, 5).tolist() == [
        [98, HIDDEN, SMALL],
        [40, HIDDEN, SMALL],
        [38, HIDDEN, HIDDEN],
        [20, HIDDEN, HIDDEN],
    ]


def test_inflation_of_collinear_and_constant_columns_is_told_apart() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 50))
    spread = np.cov(np.column_stack([a, b, a + b, np.ones(50), rng.normal(size=50)]), rowvar=False)
    found = correlations(spread, np.array([False, False, False, True, False]))
    assert found["inflation"].tolist()[:4] == [0.0, 0.0, 0.0, -1.0]
    assert found["inflation"][4] >= 1
    assert found["correlation"][3].tolist() == [0, 0, 0, 1, 0]


def test_a_terminal_is_never_too_narrow_for_the_report(played, tmp_path, monkeypatch):
    _, _, final = played
    wide = command("report", final, "-C", tmp_path).out
    assert wide == fedcli.make_report(final, workspace=tmp_path).text
    monkeypatch.setattr(wrapping, "columns", lambda stream: 40)
    narrow = command("report", final, "-C", tmp_path).out
    assert max(map(len, narrow.splitlines())) <= 40
    assert (
        command("report", final, "-C", tmp_path, "--format", "markdown").out
        == fedcli.make_report(final, workspace=tmp_path, format="markdown").text
    )
