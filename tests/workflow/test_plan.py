"""`plan` says before anything starts what then happens: trips, numbers, bytes, rows, and what it would take instead."""

from __future__ import annotations

import pytest

from fedcli.errors import TooManyColumns
from fedcli.workflow.plan import plan
from tests.workflow.play import agreement, command, snapshot


def test_numbers_and_bytes_of_each_trip_are_those_of_the_files(town):
    place = town("joined")
    planned = plan(place.study)
    first = place.train("north")
    assert planned.each[0].numbers == sum(block.count for block in first.release.blocks)
    assert planned.each[0].size == pytest.approx(first.size, rel=0.05)
    second = town("second").train("north")
    assert planned.each[1].numbers == sum(block.count for block in second.release.blocks)
    assert planned.each[1].size == pytest.approx(second.size, rel=0.05)


def test_a_silo_of_fewer_rows_than_planned_is_refused(town):
    place = town("joined")
    planned = plan(place.study)
    lines = place.table("north").read_text().splitlines(keepends=True)
    place.table("north").write_text("".join(lines[: planned.least_rows]))
    said = place.refuses(TooManyColumns, "train", "-C", place.silo("north"), "--yes")
    assert f"({planned.least_rows})" in said


def test_a_draft_is_planned_without_key_or_table_and_nothing_is_written(tmp_path):
    draft = tmp_path / "study.yaml"
    draft.write_text(agreement(estimator="Ridge", params="{}", target="{column: z, type: number, range: [0, 9]}"))
    before = snapshot(tmp_path)
    done = command("plan", draft)
    assert done.status == 0
    assert snapshot(tmp_path) == before
    said = " ".join(done.out.split())
    assert "trips 1" in said
    assert "scikit-learn's Ridge() on the pooled rows, within 1e-08" in said
    assert "each later trip" not in said
    assert "cheaper" not in said


def test_what_asks_nearly_the_same_in_fewer_trips_is_named(tmp_path):
    draft = tmp_path / "study.yaml"
    draft.write_text(agreement())
    found = command("plan", draft, "--json").json
    assert [other["estimator"] for other in found["cheaper"]] == ["LinearDiscriminantAnalysis", "RidgeClassifier"]
    assert all(other["trips"] == 1 < found["trips"][0] for other in found["cheaper"])


def test_what_freeze_refuses_plan_refuses(tmp_path):
    draft = tmp_path / "study.yaml"
    draft.write_text(agreement(estimator="SVC"))
    done = command("plan", draft)
    assert done.status == 5
    assert "SVC cannot be fitted without pooling rows" in " ".join(done.err.split())
