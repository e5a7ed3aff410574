"""Nothing leaves unseen: screen, sheet and object of `train` say all of what would leave, before it does."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fedcli.cli import wrapping
from fedcli.errors import CellTooSmall, NotApproved
from fedcli.preparing.histogram import Grid
from fedcli.workflow.approve import approve
from fedcli.workflow.release import readers
from fedcli.workflow.what_leaves import Release
from tests.workflow.play import SILOS, Town, agreement, command, rows, snapshot, table_text

PROFILE = "profile: {bins: 8}"
MANY = {name: table_text(rows(name, 300)) for name in SILOS}


@pytest.fixture(autouse=True)
def _eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every stream be a terminal of 80 columns."""
    monkeypatch.setattr(wrapping, "columns", lambda stream: 80)


@pytest.fixture(autouse=True)
def _same_rows_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the same rows out whatever the keys of this run: which groups are small does not depend on luck then."""

    def every_nth(hashes: np.ndarray, share: float, secret: bytes) -> np.ndarray:
        return np.arange(len(hashes)) % round(1 / share) == 0 if share else np.zeros(len(hashes), dtype=bool)

    monkeypatch.setattr("fedcli.workflow.train.held_out", every_nth)


@pytest.fixture
def place(town) -> Town:
    return town(text=agreement(holdout=0.3, extra=PROFILE), tables=MANY)


def sheet(place: Town, number: int = 1, kind: str = "txt") -> Path:
    return place.silo("north") / "review" / f"heart-north-r{number}.sheet.{kind}"


def flat(text: str) -> str:
    return " ".join(text.split())


def shown(place: Town, *more: str) -> str:
    done = place.run("train", "-C", place.silo("north"), *(more or ("--dry-run",)))
    assert done.status == 0, done.err
    # Paths of this machine's temporary folders are longer than a line.
    assert max(len(line) for line in done.err.splitlines() if "/" not in line) <= 80
    return done.err


def told(place: Town, *more: str) -> dict:
    return place.run("train", "-C", place.silo("north"), "--json", *(more or ("--dry-run",))).json


# ---- the screen ----------------------------------------------------------------------------------------------------


def test_the_screen_holds_each_class_with_its_shape_its_meaning_and_the_rows_behind_it(place: Town) -> None:
    text = flat(shown(place))
    document = told(place)
    for block in document["blocks"]:
        arranged = f", {block['form']}" if block["form"] else ""
        number = "number" if block["count"] == 1 else "numbers"
        assert f"{block['name']} {block['count']:,} {number}{arranged}: {block['says']}" in text, block["name"]
    train, positive = document["rows"], document["blocks"][-1]["rows"]
    assert f"over {train} training rows" in text
    assert re.fullmatch(rf"\d+ positive of {train} training rows", positive)
    assert f"over {positive}" in text
    # What holds for several classes is said once, above them.
    assert text.count(f"over {train} training rows") == 1


def test_rows_held_out_are_those_behind_the_evaluation(place: Town) -> None:
    place.round()
    document = told(place)
    held = document["rows_held_out"]
    assert {b["rows"] for b in document["blocks"] if b["name"] == "evaluation"} == {f"{held} rows held out of the fit"}
    text = shown(place)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index(f"over {held} rows held out of the fit:") + 1].startswith("evaluation")


def test_the_screen_holds_every_test_and_its_outcome(place: Town) -> None:
    release = place.train("north").release
    text = flat(shown(place))
    assert len(release.tests) >= 7
    for test in release.tests:
        # The second run has an earlier release: its own first.
        if not test.rule.startswith("rows that differ"):
            assert f"{test.outcome} {test.rule}: {test.found}; required {test.required}" in text, test.rule


def test_the_screen_says_who_reads_it_singly_and_who_only_in_sum(place: Town) -> None:
    text = flat(shown(place))
    digits = place.secrets["registry"].public_identity().fingerprint
    assert f"goes to registry, fingerprint {digits} read singly by registry" in text
    assert "only in sum by the other silos and whoever gets the final model" in text


def test_of_two_silos_the_other_one_can_take_its_own_off_the_sum() -> None:
    assert "take its own off a sum" in readers("registry", plain=True, n_silos=2)[0]
    assert "off a sum" not in readers("registry", plain=True, n_silos=3)[0]
    assert readers("registry", plain=False, n_silos=3)[0] == "nobody"


def test_a_usual_study_fits_a_screen_and_a_half(place: Town) -> None:
    place.round()
    # The paths of this run's own folder, at the end, are as long as they are.
    said, _, _ = shown(place).partition("As a page:")
    assert len(said.splitlines()) <= 55


def test_a_release_is_shown_before_anything_is_asked_or_written(place: Town) -> None:
    before = snapshot(place.silo("north"))
    seen: list[Release] = []

    def look(release: Release) -> None:
        assert snapshot(place.silo("north")) == before
        seen.append(release)

    place.train("north", show=look)
    assert [release.round for release in seen] == [1]


# ---- the sheet's file ----------------------------------------------------------------------------------------------


def test_the_sheet_can_be_read_before_the_question_is_answered(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(screen: object, question: str) -> bool:
        assert sheet(place, kind="html").exists()
        asked.append(question)
        return False

    monkeypatch.setattr("fedcli.cli.screen.Screen.interactive", True)
    monkeypatch.setattr("fedcli.cli.screen.Screen.ask", answer)
    before = snapshot(place.silo("north"))
    done = place.run("train", "-C", place.silo("north"))
    assert (done.status, len(asked)) == (1, 1)
    assert "heart-north-r1.sheet.html" in done.err
    assert "You said no: no update was written." in done.err
    new = {name for name in snapshot(place.silo("north")) if name not in before}
    assert new == {"review", "review/heart-north-r1.sheet.txt", "review/heart-north-r1.sheet.html"}


def test_a_dry_run_leaves_the_sheet_and_nothing_else_and_its_hash_is_that_of_the_release(place: Town) -> None:
    before = snapshot(place.silo("north"))
    text = flat(shown(place, "--dry-run"))
    assert "no update was written" in text
    assert str(sheet(place, kind="html")) in text.replace(" ", "")
    new = {name for name in snapshot(place.silo("north")) if name not in before}
    assert new == {"review", "review/heart-north-r1.sheet.txt", "review/heart-north-r1.sheet.html"}
    kept = sheet(place).read_bytes()
    told_dry = told(place, "--dry-run")["sheet"]
    told_real = told(place, "--yes")["sheet"]
    assert told_dry == told_real
    assert told_real["sha256"] == hashlib.sha256(kept).hexdigest()
    assert sheet(place).read_bytes() == kept


def test_the_sheet_of_a_dry_run_can_be_approved(place: Town) -> None:
    settings = place.silo("north") / "silo.yaml"
    shutil.copy(place.public("stranger"), place.silo("north") / "stranger.fedpub")
    settings.write_text(settings.read_text() + "reviewer: stranger.fedpub\n")
    shown(place, "--dry-run")
    approved = approve(sheet(place), key=place.secrets["stranger"], yes=True)
    trained = place.train("north")
    assert trained.release.sheet is not None
    assert trained.release.sheet.digest == approved.sheet


def test_a_dry_run_after_the_release_keeps_the_sheet_that_left(place: Town) -> None:
    place.train("north")
    kept = sheet(place).read_bytes()
    assert told(place, "--dry-run")["sheet"]["sha256"] == hashlib.sha256(kept).hexdigest()
    assert sheet(place).read_bytes() == kept
    shutil.rmtree(sheet(place).parent)
    assert told(place, "--dry-run")["sheet"] is None


def test_after_writing_the_screen_names_the_sheet(place: Town) -> None:
    text = shown(place, "--yes")
    assert "heart-north-r1.sheet.txt" in flat(text.partition("written")[2])


def test_a_silo_that_waits_for_its_reviewer_is_shown_all_the_same(place: Town) -> None:
    settings = place.silo("north") / "silo.yaml"
    shutil.copy(place.public("stranger"), place.silo("north") / "stranger.fedpub")
    settings.write_text(settings.read_text() + "reviewer: stranger.fedpub\n")
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == NotApproved.exit_status
    assert "This is everything that would leave north" in done.err
    assert done.err.index("curvature") < done.err.index("error[E519]")
    document = told(place, "--yes")
    assert (document["ok"], document["error"]["code"]) == (False, "E519")
    assert document["sheet"]["sha256"] == hashlib.sha256(sheet(place).read_bytes()).hexdigest()
    assert document["blocks"]


# ---- the object ----------------------------------------------------------------------------------------------------


def test_the_object_holds_what_the_sheet_holds(place: Town) -> None:
    document = told(place, "--dry-run")
    text = flat(sheet(place).read_text())
    for block in document["blocks"]:
        assert set(block) == {"name", "shape", "form", "count", "says", "rows", "singly", "in_sum"}
        assert int(np.prod(block["shape"])) == block["count"]
        assert block["says"] in text
    for test in document["tests"]:
        assert f"{test['outcome']} {test['rule']}: required {test['required']}; here {test['found']}" in text
    assert document["recipient"] == {
        "name": "registry",
        "fingerprint": place.secrets["registry"].public_identity().fingerprint,
    }
    assert document["sheet"]["text"].endswith("heart-north-r1.sheet.txt")
    assert document["sheet"]["page"].endswith("heart-north-r1.sheet.html")
    assert document["columns"] == ["age", "chol", "sex[male]"]


def test_the_sheet_names_the_summed_columns_not_the_fitted_ones(town) -> None:
    features = agreement(
        features="  age: {type: number, range: [20, 100], impute: mean}\n  chol: {type: number, range: [100, 400]}",
        target="{column: chol2, type: number, range: [0, 1000]}",
        estimator="Ridge",
        params="{}",
    )
    tables = {n: table_text([{**r, "chol2": r["chol"]} for r in rows(n)]) for n in SILOS}
    place = town(text=features, tables=tables)
    assert told(place)["columns"] == ["age", "chol", "age is missing"]


# ---- the tests -----------------------------------------------------------------------------------------------------


def named(place: Town, rule: str) -> dict:
    (found,) = [test for test in told(place)["tests"] if test["rule"] == rule]
    return found


def test_the_histograms_test_is_listed_with_its_smallest_step(place: Town) -> None:
    found = named(place, "neighbouring counts of the histogram")
    assert found["required"] == "equal, or at least 5 rows apart"
    assert found["outcome"] == "passed"
    assert int(re.findall(r"\d+", found["found"])[0]) >= 5
    assert not any("histogram" in test["rule"] for test in told_without_profile(place))


def told_without_profile(place: Town) -> list[dict]:
    place.round()
    return told(place)["tests"]


def test_a_histogram_that_would_show_few_rows_stops_the_release(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Grid, "shown", lambda self, present, counts, min_cell: counts)
    with pytest.raises(CellTooSmall, match="histogram"):
        place.train("north")
    assert not list((place.silo("north") / "outbox").iterdir())


def test_held_out_rows_are_tested_by_outcome_and_the_test_is_listed(place: Town) -> None:
    assert not any("held out" in test["rule"] for test in told(place)["tests"])
    place.round()
    found = named(place, "rows held out, in all and of either outcome")
    held = told(place)["rows_held_out"]
    assert found["outcome"] == "passed"
    assert found["required"] == "none, or at least 5"
    assert re.fullmatch(rf"{held} rows, \d+ of them positive", found["found"])
    differ = named(place, "rows held out that differ from those evaluated before")
    assert (differ["outcome"], differ["found"]) == ("passed", "none was evaluated before")


def test_held_out_rows_that_are_too_few_are_listed_as_not_sent(town) -> None:
    place = town(text=agreement(holdout=0.02))
    place.round()
    found = named(place, "rows held out, in all and of either outcome")
    assert (found["outcome"], found["found"]) == ("not sent", "2 rows")
    (block,) = [block for block in told(place)["blocks"] if block["name"] == "evaluation"]
    assert block["rows"] == "none of 2 rows held out of the fit; 0 is sent for each number"


def test_one_is_not_said_as_many(town, monkeypatch: pytest.MonkeyPatch) -> None:
    def one(hashes: np.ndarray, share: float, secret: bytes) -> np.ndarray:
        return np.arange(len(hashes)) == 0

    monkeypatch.setattr("fedcli.workflow.train.held_out", one)
    alone = [{**row, "sex": "male" if i == 40 else "female"} for i, row in enumerate(rows("north"))]
    alone[3]["disease"] = ""
    text = agreement(holdout=0.2, extra=PROFILE, rules="min_rows: 1, min_cell: 1")
    place = town(text=text, tables={"north": table_text(alone)})
    said = [command("study", "show", "-C", place.silo("north")).out, shown(place)]
    said += [sheet(place).read_text(), command("check", "-C", place.silo("north")).out]
    place.round()
    said += [shown(place), sheet(place, 2).read_text()]
    for text in said:
        assert not re.findall(r"\b1 (?:training |more )?(?:rows|numbers|values)\b", flat(text))
    assert "over 1 row held out of the fit" in said[4]


# ---- rows that are not used ----------------------------------------------------------------------------------------


def test_rows_that_are_not_used_are_counted_by_what_they_lack(town) -> None:
    lacking = [{**row, "disease": ""} if i < 3 else row for i, row in enumerate(rows("north", 90))]
    place = town(tables={"north": table_text(lacking)})
    assert told(place)["dropped"] == [{"role": "outcome", "column": "disease", "rows": 3}]
    assert "not used 3 without disease (outcome)" in flat(shown(place))
    assert "3 not used: 3 without disease (outcome)" in flat(sheet(place).read_text())


# ---- the agreement -------------------------------------------------------------------------------------------------


def test_who_joins_without_being_asked_is_told_where_the_agreement_can_be_read(town) -> None:
    place = town("joined")
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    new = place.root / "new"
    words = (place.study, "--key", place.key("north"), "--data", place.table("north"), "-C", new)
    done = place.run("join", *words, "--fingerprint", digits)
    assert done.status == 0, done.err
    assert f"What you agreed to: fedcli study show -C {new}" in flat(done.err)
    assert "or one outside its range, is an error" in flat(command("study", "show", "-C", new).out)
