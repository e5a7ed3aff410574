"""Repeating: the same bytes again, another attempt of some or all, a new start; and interruptions."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from fedcli.errors import (
    AlreadyReleased,
    CannotWrite,
    LedgerBroken,
    NothingToDo,
    OtherAttempt,
    OtherSilo,
    OutputExists,
    StudyFinished,
    Truncated,
)
from fedcli.workflow.models import open_final
from tests.workflow.play import SILOS, Town, added, command, rows, sheets, snapshot, table_text


def changed(place: Town, name: str) -> None:
    """Give a silo other rows."""
    place.table(name).write_text(table_text(rows(name + "-again")))


# ---- the same again ------------------------------------------------------------------------------------------------


def test_train_twice_gives_the_same_bytes_and_one_line_in_the_ledger(town):
    place = town("joined")
    first = place.train("north").update.read_bytes()
    (place.silo("north") / "outbox" / "heart-north-r1.fedupdate").unlink()
    again = place.run("train", "-C", place.silo("north"), "--yes")
    assert "the same bytes as before" in again.err
    assert (place.silo("north") / "outbox" / "heart-north-r1.fedupdate").read_bytes() == first
    assert len((place.silo("north") / "ledger.jsonl").read_text().splitlines()) == 1


def test_a_dry_run_writes_the_sheet_alone_and_shows_everything(town):
    place = town("joined")
    before = snapshot(place.root)
    done = place.run("train", "-C", place.silo("north"), "--dry-run")
    assert done.status == 0
    assert "over 80 training rows" in done.err
    assert added(place.root, before) == sheets("north")


def test_train_after_the_end_is_refused(town):
    place = town("finished")
    assert "predict" in place.refuses(StudyFinished, "train", "-C", place.silo("north"), "--yes")


# ---- another attempt -----------------------------------------------------------------------------------------------


def test_one_silo_is_asked_again_and_the_others_updates_stay_good(town):
    place = town("collected")
    asked = place.run("aggregate", "-C", place.registry, "--new-attempt", "--ask", "north")
    assert asked.status == 0, asked.err
    request = place.model(0, "-a2")
    place.deliver(request, ("north",))
    changed(place, "north")
    # The update of the first attempt still lies in the inbox: it is passed over, and refused by name.
    place.refuses(OtherAttempt, "aggregate", "-C", place.registry, place.update("north"))
    made = place.train("north")
    assert (made.round, made.attempt, made.update.name) == (1, 2, "heart-north-r1-a2.fedupdate")
    shutil.copy(made.update, place.inbox)
    done = place.aggregate()
    assert {update.silo for update in done.updates} == set(SILOS)
    place.deliver(done.model)
    assert place.finish().n_samples == 240


def test_a_request_in_a_later_round_repeats_that_round_only(town):
    place = town("second")
    place.collect()
    assert place.run("aggregate", "-C", place.registry, "--new-attempt", "--ask", "east").status == 0
    place.deliver(place.model(1, "-a2"), ("east",))
    made = place.train("east")
    assert (made.round, made.attempt) == (2, 2)
    shutil.copy(made.update, place.inbox)
    done = place.aggregate()
    assert (done.round, done.attempt) == (2, 2)
    place.deliver(done.model)
    assert place.finish().finished


def test_an_old_attempt_is_refused_once_a_new_one_is_asked_of_everybody(town):
    place = town("collected")
    assert place.run("aggregate", "-C", place.registry, "--new-attempt").status == 0
    for name in SILOS:
        place.refuses(OtherAttempt, "aggregate", "-C", place.registry, place.update(name))
    place.deliver(place.model(0, "-a2"))
    place.collect()
    assert place.aggregate().attempt == 2


def test_a_study_begins_again_from_its_start_with_other_tables(town):
    place = town("second")
    changed(place, "north")
    place.refuses(AlreadyReleased, "train", "-C", place.silo("north"), "--yes")
    asked = place.run("aggregate", "-C", place.registry, "--new-attempt", "--from-start")
    assert asked.status == 0, asked.err
    place.deliver(place.model(0, "-a2"))
    result = place.finish()
    other = town(tables={"north": place.table("north").read_text()})
    expected = open_final(other.finish().model)[1].state.arrays["coefficients"]
    np.testing.assert_array_equal(open_final(result.model)[1].state.arrays["coefficients"], expected)


def test_a_finished_study_is_repeated_from_its_start_only(town):
    place = town("finished")
    said = place.refuses(StudyFinished, "aggregate", "-C", place.registry, "--new-attempt")
    assert "--from-start" in said
    assert place.run("aggregate", "-C", place.registry, "--new-attempt", "--from-start").status == 0


def test_nobody_unknown_is_asked_and_a_new_start_is_for_everybody(town):
    place = town("collected")
    place.refuses(OtherSilo, "aggregate", "-C", place.registry, "--new-attempt", "--ask", "nroth")
    ask = ("--new-attempt", "--from-start", "--ask", "north")
    place.refuses(OtherSilo, "aggregate", "-C", place.registry, *ask)
    assert command("aggregate", "-C", place.registry, "--ask", "north").status == 2


# ---- files in the way ----------------------------------------------------------------------------------------------


def test_a_file_in_the_way_is_replaced_with_force_only(town):
    place = town("collected")
    taken = place.root / "taken"
    taken.write_text("mine\n")
    final = town("finished").registry / "outbox"
    final = sorted(final.glob("*.fedmodel"))[-1]
    orders = [
        ("train", "-C", place.silo("north"), "--yes", "-o", taken),
        ("aggregate", "-C", place.registry, "-o", taken),
        ("aggregate", "-C", place.registry, "--new-attempt", "-o", taken),
    ]
    for order in orders:
        assert "--force" in place.refuses(OutputExists, *order)
    for order in (("export", final, "-o", taken), ("predict", place.table("north"), "--model", final, "-o", taken)):
        place.refuses(OutputExists, *order, passphrase=False)
        assert command(*order, "--force").status == 0
    for order in orders:
        taken.write_text("mine\n")
        assert place.run(*order, "--force").status == 0
        assert taken.read_bytes().startswith(b"manifest.json")


def test_a_ledger_that_is_gone_stops_the_next_release(town):
    place = town("second")
    (place.silo("north") / "ledger.jsonl").unlink()
    place.refuses(LedgerBroken, "train", "-C", place.silo("north"), "--yes", "--force")


def test_a_model_written_elsewhere_stays_in_the_outbox_too(town):
    place = town("collected")
    copy = place.root / "copy.fedmodel"
    assert place.run("aggregate", "-C", place.registry, "-o", copy).status == 0
    (kept,) = (place.registry / "outbox").glob("*-r1.fedmodel")
    assert kept.read_bytes() == copy.read_bytes()


def test_a_table_is_never_replaced_by_its_predictions(town):
    place, final = town("collected"), town("finished").registry / "outbox"
    model = sorted(final.glob("*.fedmodel"))[-1]
    table = place.table("north")
    before = table.read_bytes()
    done = command("predict", table, "--model", model, "-o", table, "--force")
    assert (done.status, table.read_bytes()) == (3, before)


def test_nothing_is_noted_as_released_when_the_update_has_no_place(town):
    place = town("joined")
    (place.root / "taken").write_text("mine\n")
    place.refuses(OutputExists, "train", "-C", place.silo("north"), "--yes", "-o", place.root / "taken")
    place.refuses(CannotWrite, "train", "-C", place.silo("north"), "--yes", "-o", place.root)
    place.refuses(CannotWrite, "train", "-C", place.silo("north"), "--yes", "-o", place.root / "no" / "where")


def test_an_outbox_that_may_not_be_written_is_named(town):
    place = town("collected")
    folder = place.registry / "outbox"
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user writes everywhere")
        place.refuses(CannotWrite, "aggregate", "-C", place.registry)
    finally:
        folder.chmod(0o700)


# ---- interruptions and damage --------------------------------------------------------------------------------------


def test_no_update_leaves_that_the_ledger_does_not_hold(town):
    place = town("joined")
    ledger = place.silo("north") / "ledger.jsonl"
    ledger.mkdir()
    for _ in range(2):
        assert place.run("train", "-C", place.silo("north"), "--yes").status != 0
        assert not list((place.silo("north") / "outbox").iterdir())
    ledger.rmdir()
    assert place.run("train", "-C", place.silo("north"), "--yes").status == 0
    assert json.loads(ledger.read_text())["event"] == "release"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace('"rows":80', '"rows":81'),
        lambda t: t[:-1],
        lambda t: t.split("\n", 1)[1],
        lambda t: t + "{}\n",
    ],
    ids=["edited", "cut", "shortened", "extended"],
)
def test_a_ledger_that_was(change, town):
    place = town("second")
    place.collect()
    place.deliver(place.aggregate().model)
    ledger = place.silo("north") / "ledger.jsonl"
    ledger.write_text(change(ledger.read_text()))
    place.refuses(LedgerBroken, "train", "-C", place.silo("north"), "--yes")


def test_a_damaged_model_is_named_and_no_older_one_is_continued(town):
    place = town("second")
    model = place.silo("north") / "inbox" / "heart-r1.fedmodel"
    whole = model.read_bytes()
    model.write_bytes(whole[:-100])
    said = place.refuses(Truncated, "train", "-C", place.silo("north"), "--yes")
    assert model.name in said
    status = command("status", "-C", place.silo("north"))
    assert (status.status, model.name in status.out) == (0, True)
    own = place.model(1)
    own.write_bytes(whole[:-2000] + b"\0" * 2000)
    done = place.run("aggregate", "-C", place.registry)
    assert done.status in (3, 4)
    assert own.name in done.err


def test_models_that_are_gone_are_asked_for(town):
    place = town("second")
    place.collect()
    place.deliver(place.aggregate().model)
    for model in (place.silo("north") / "inbox").iterdir():
        model.unlink()
    said = place.refuses(NothingToDo, "train", "-C", place.silo("north"), "--yes")
    assert "inbox/" in said


def test_a_silo_that_lost_its_memory_still_takes_part(town):
    place = town("second")
    for held in (place.silo("east") / "private").glob("*.safetensors"):
        held.unlink()
    assert place.finish().finished
