"""A survival study through the real commands and files, as people play it: screens, files and refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from lifelines import CoxPHFitter, datasets

from fedcli.errors import CellTooSmall, EntryTooLate, TooFewRows, TooManyColumns, UnsupportedModel
from tests.workflow.play import SILOS, Town, agreement, command, found_town, table_text

TARGET = "{type: survival, time: week, event: arrest, range: [0, 60], unit: weeks, positive: 'yes', negative: 'no'}"
ENTERED = TARGET.replace("time: week", "time: week, entry: from")
FEATURES = """\
  fin: {type: category, levels: ['0', '1']}
  age: {type: number, range: [15, 60], unit: years}
  prio: {type: count, range: [0, 30]}
"""
AGREED = {"features": FEATURES, "estimator": "CoxPH", "params": "{ties: efron}"}


def records(name: str) -> list[dict[str, str]]:
    """Every third prisoner of Rossi's 432."""
    part = datasets.load_rossi().iloc[SILOS.index(name) :: 3]
    return [
        {
            "fin": str(row.fin),
            "age": str(row.age),
            "prio": str(row.prio),
            "week": str(row.week),
            "from": "0",
            "arrest": "yes" if row.arrest else "no",
        }
        for row in part.itertuples()
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Town:
    town = found_town(tmp_path_factory.mktemp("town"), lambda name: table_text(records(name)))
    town.draft(agreement(target=TARGET, **AGREED))
    town.freeze()
    assert town.finish().round <= 5
    return town


def final(town: Town) -> Path:
    return max(town.registry.glob("outbox/*.fedmodel"))


def test_the_agreement_says_the_outcome_and_the_strata(finished: Town) -> None:
    said = command("study", "show", "-C", finished.registry).out
    assert "arrest: yes or no, seen until week (0 to 60 weeks)" in said
    assert "each silo has a baseline hazard of its own: no time of an event leaves it" in said


def test_the_exported_coefficients_are_those_of_lifelines_with_silos_as_strata(finished: Town, tmp_path: Path) -> None:
    assert command("export", final(finished), "--format", "json", "-o", tmp_path / "m.json").status == 0
    found = json.loads((tmp_path / "m.json").read_text())
    assert "intercept" not in found
    table = datasets.load_rossi()[["fin", "age", "prio", "week", "arrest"]]
    strata = table.assign(silo=np.arange(len(table)) % 3)
    fitted = CoxPHFitter().fit(strata, "week", "arrest", strata="silo", fit_options={"precision": 1e-14})
    ours = [found["coefficients"][name] for name in ("fin[1]", "age", "prio")]
    np.testing.assert_allclose(ours, fitted.params_.to_numpy(), rtol=1e-6)
    assert command("export", final(finished), "--format", "csv", "-o", tmp_path / "m.csv").status == 0
    names = [row["name"] for row in csv.DictReader((tmp_path / "m.csv").open())]
    assert names == ["fin[1]", "age", "prio"]


def test_predictions_are_hazards_beside_a_row_of_mean_numbers_and_reference_levels(
    finished: Town, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("fin,age,prio\n0,30,2\n1,30,2\n0,31,2\n")
    assert command("predict", table, "--model", final(finished), "-o", tmp_path / "p.csv").status == 0
    scored = list(csv.DictReader((tmp_path / "p.csv").open()))
    eta = [float(row["linear predictor"]) for row in scored]
    assert [float(row["relative hazard"]) for row in scored] == pytest.approx(np.exp(eta).tolist())
    command("export", final(finished), "-o", tmp_path / "m.json")
    coef = json.loads((tmp_path / "m.json").read_text())["coefficients"]
    assert eta[1] - eta[0] == pytest.approx(coef["fin[1]"])
    assert eta[2] - eta[0] == pytest.approx(coef["age"])
    whole = datasets.load_rossi()
    assert eta[0] == pytest.approx(coef["age"] * (30 - whole.age.mean()) + coef["prio"] * (2 - whole.prio.mean()))


def test_scikit_learn_has_no_such_class_and_the_refusal_says_so(finished: Town) -> None:
    said = finished.refuses(UnsupportedModel, "export", final(finished), "--format", "sklearn", passphrase=False)
    assert "scikit-learn has no class for CoxPH" in said


def test_a_simulation_compares_with_the_pooled_fit_of_strata(tmp_path: Path) -> None:
    for name in SILOS:
        (tmp_path / f"{name}.csv").write_text(table_text(records(name)))
    (tmp_path / "study.yaml").write_text(agreement(target=ENTERED, **AGREED))
    outcome = command("simulate", tmp_path, "--json")
    assert outcome.status == 0
    assert outcome.json["relative_error"] <= 1e-6
    assert [item["name"] for item in outcome.json["coefficients"]] == ["fin[1]", "age", "prio"]


def joined(root: Path, changed: list[dict[str, str]], *, target: str = TARGET, **more: str) -> Town:
    """A town in which north has other rows."""
    town = found_town(root, lambda name: table_text(changed if name == "north" else records(name)))
    town.draft(agreement(target=target, **{**AGREED, **more}))
    town.freeze()
    return town


def test_rows_that_enter_too_late_are_refused_with_their_lines(tmp_path: Path) -> None:
    rows = records("north")
    rows[3]["from"] = rows[3]["week"]
    said = joined(tmp_path, rows, target=ENTERED).refuses(EntryTooLate, "train", "-C", tmp_path / "north" / "study")
    assert "column 'from' is not before column 'week' in 1 row, line 5" in said


def test_a_silo_of_too_few_events_is_refused(tmp_path: Path) -> None:
    rows = records("north")
    events = [row for row in rows if row["arrest"] == "yes"]
    for row in events[4:]:
        row["arrest"] = "no"
    said = joined(tmp_path, rows).refuses(CellTooSmall, "train", "-C", tmp_path / "north" / "study")
    assert "arrest positive" in said


def test_events_while_nobody_else_was_at_risk_do_not_count_as_a_group(tmp_path: Path) -> None:
    rows = [{**row, "arrest": "no", "week": "5", "from": "0"} for row in records("north")]
    # Twelve events, each alone: who has it entered after the one before had gone. Two more with others at risk.
    for k, row in enumerate(rows[:24:2]):
        row |= {"arrest": "yes", "from": str(10 + k), "week": str(11 + k)}
    for row in rows[24:28:2]:
        row["arrest"] = "yes"
    town = joined(tmp_path, rows, target=ENTERED, features="  age: {type: number, range: [15, 60]}\n")
    said = town.refuses(CellTooSmall, "train", "-C", town.silo("north"))
    assert "the group 'arrest positive while others were at risk' has 2 rows" in said


def gone_early(n_left: int) -> list[dict[str, str]]:
    """All rows but a few are gone before the first event."""
    rows = records("north")
    for k, row in enumerate(rows):
        row |= {"week": str(10 + k) if k < n_left else "5", "arrest": "yes" if k < n_left else "no"}
    return rows


def test_rows_that_were_gone_before_the_first_event_do_not_count(tmp_path: Path) -> None:
    age = "  age: {type: number, range: [15, 60]}\n"
    town = joined(tmp_path / "few", gone_early(8), features=age)
    said = town.refuses(TooFewRows, "train", "-C", town.silo("north"))
    assert "8 of 144 training rows were at risk at an event, the study requires at least 10" in said
    town = joined(tmp_path / "columns", gone_early(18))
    said = town.refuses(TooManyColumns, "train", "-C", town.silo("north"))
    assert "18 training rows that were at risk at an event for 4 columns" in said


# ---- survival on a grid --------------------------------------------------------------------------------------------

FIN = "  fin: {type: category, levels: ['0', '1']}\n"
COUNTED = {"features": FIN, "estimator": "KaplanMeier", "params": "{grid: [26, 52], by: fin}"}


@pytest.fixture(scope="module")
def tabled(tmp_path_factory: pytest.TempPathFactory) -> Town:
    town = found_town(tmp_path_factory.mktemp("tabled"), lambda name: table_text(records(name)))
    town.draft(agreement(target=TARGET, **COUNTED))
    town.freeze()
    said = town.run("train", "-C", town.silo("north"), "--dry-run")
    assert said.status == 0, said
    assert "rows at risk at each agreed time, per group" in said.out + said.err
    assert town.round().finished
    return town


def test_the_exported_table_has_a_line_for_each_group_and_time(tabled: Town, tmp_path: Path) -> None:
    assert command("export", final(tabled), "--format", "csv", "-o", tmp_path / "t.csv").status == 0
    lines = list(csv.DictReader((tmp_path / "t.csv").open()))
    table = datasets.load_rossi()
    for line, (fin, week) in zip(lines, [(0, 26), (0, 52), (1, 26), (1, 52)], strict=True):
        own = table[table.fin == fin]
        assert (line["group"], float(line["time"])) == (str(fin), week)
        assert int(line["at_risk"]) == int((own.week > week - 26).sum())
        assert int(line["events"]) == int(((own.week > week - 26) & (own.week <= week) & (own.arrest == 1)).sum())
    assert float(lines[1]["survival"]) == pytest.approx(1 - (table[table.fin == 0].arrest == 1).mean())


def test_the_exported_json_has_the_log_rank_test_and_the_restricted_mean(tabled: Town, tmp_path: Path) -> None:
    assert command("export", final(tabled), "-o", tmp_path / "t.json").status == 0
    document = json.loads((tmp_path / "t.json").read_text())
    assert document["groups"] == ["0", "1"]
    found = document["attributes"]
    assert {"chi2", "p_value", "degrees_of_freedom", "restricted_mean", "restricted_mean_error"} <= found.keys()
    assert 0.01 < found["p_value"][0] < 0.2
    assert "coefficients" not in document


def test_a_table_scores_no_rows_and_is_no_object_of_scikit_learn(tabled: Town, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("fin\n0\n1\n")
    arguments = ("predict", table, "--model", final(tabled), "-o", tmp_path / "p.csv")
    assert "says nothing of single rows" in tabled.refuses(UnsupportedModel, *arguments, passphrase=False)
    assert not (tmp_path / "p.csv").exists()
    said = tabled.refuses(UnsupportedModel, "export", final(tabled), "--format", "sklearn", passphrase=False)
    assert "no class for KaplanMeier" in said


def test_a_simulation_counts_the_pooled_rows_again(tmp_path: Path) -> None:
    for name in SILOS:
        (tmp_path / f"{name}.csv").write_text(table_text(records(name)))
    (tmp_path / "study.yaml").write_text(agreement(target=ENTERED, **COUNTED))
    outcome = command("simulate", tmp_path, "--json")
    assert outcome.status == 0
    assert outcome.json["relative_error"] <= 1e-12
    assert "survival_[3]" in [item["name"] for item in outcome.json["coefficients"]]


def prisoners(*kinds: tuple[int, int, str]) -> list[dict[str, str]]:
    """Rows of each kind: how many, until which week, and whether arrested then."""
    return [
        {"fin": "0", "age": "30", "prio": "1", "week": str(week), "from": "0", "arrest": arrest}
        for n, week, arrest in kinds
        for _ in range(n)
    ]


@pytest.mark.parametrize(
    ("kinds", "group"),
    [
        ([(3, 9, "yes"), (20, 9, "no"), (20, 40, "yes"), (20, 52, "no")], "arrest positive by 26"),
        ([(20, 9, "yes"), (20, 9, "no"), (4, 40, "yes"), (20, 52, "no")], "arrest positive by 51"),
        ([(20, 9, "yes"), (2, 9, "no"), (20, 40, "yes"), (20, 52, "no")], "arrest negative, last seen by 26"),
        ([(20, 9, "yes"), (20, 9, "no"), (20, 40, "yes"), (3, 52, "no")], "arrest negative, last seen by 51 or later"),
    ],
)
def test_a_cell_of_few_rows_on_the_grid_is_refused_whatever_it_counts(
    tmp_path: Path, kinds: list[tuple[int, int, str]], group: str
) -> None:
    town = joined(tmp_path, prisoners(*kinds), estimator="KaplanMeier", params="{grid: [26, 51]}", features=FIN)
    said = town.refuses(CellTooSmall, "train", "-C", town.silo("north"))
    assert f"the group '{group}' has" in said


def test_rows_that_come_late_are_a_group_of_their_own(tmp_path: Path) -> None:
    rows = [{**row, "fin": "0", "week": "52"} for row in records("north")]
    for row in rows[:4]:
        row["from"] = "30"
    town = joined(tmp_path, rows, target=ENTERED, estimator="KaplanMeier", params="{grid: [26, 39, 52]}", features=FIN)
    said = town.refuses(CellTooSmall, "train", "-C", town.silo("north"))
    assert "the group 'first at risk at 52' has 4 rows" in said


def test_rows_that_come_and_go_between_two_agreed_times_are_a_group_too(tmp_path: Path) -> None:
    rows = [{**row, "fin": "0", "week": "52"} for row in records("north")]
    for row in rows[:3]:
        row |= {"from": "30", "week": "38"}
    town = joined(tmp_path, rows, target=ENTERED, estimator="KaplanMeier", params="{grid: [26, 39, 52]}", features=FIN)
    said = town.refuses(CellTooSmall, "train", "-C", town.silo("north"))
    assert "the group 'at risk at no agreed time' has 3 rows" in said
