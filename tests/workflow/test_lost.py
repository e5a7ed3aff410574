"""What the journey says of lost files, row by row, and of runs that stop while they write."""

from __future__ import annotations

import errno
import shutil

import numpy as np
import pytest

import fedcli.workflow.writing as writing
from fedcli.errors import (
    CannotWrite,
    FileMissing,
    LedgerBroken,
    NoWorkspace,
    OtherSilo,
    WrongPassphrase,
)
from fedcli.workflow.ask_again import ask_again
from fedcli.workflow.files import open_study
from fedcli.workflow.join import join
from fedcli.workflow.models import open_final, start_of
from fedcli.workflow.status import status
from tests.workflow.play import PASSPHRASE, REGISTRY, SILOS, Town, snapshot


def result_of(place: Town) -> np.ndarray:
    return open_final(place.finish().model)[1].state.arrays["coefficients"]


@pytest.fixture
def expected(town):
    return result_of(town("second"))


# ---- the rows of the table -----------------------------------------------------------------------------------------


def test_a_lost_update_is_in_the_silos_outbox(town, expected):
    place = town("collected")
    place.update("east").unlink()
    shutil.copy(place.silo("east") / "outbox" / "heart-east-r1.fedupdate", place.inbox)
    place.deliver(place.aggregate().model)
    np.testing.assert_array_equal(result_of(place), expected)


def test_a_lost_model_is_in_the_coordinators_outbox(town, expected):
    place = town("second")
    (place.silo("north") / "inbox" / "heart-r1.fedmodel").unlink()
    shutil.copy(place.model(1), place.silo("north") / "inbox")
    np.testing.assert_array_equal(result_of(place), expected)


@pytest.mark.parametrize("name", ["silo.yaml", "heart.fedstudy"])
def test_a_silos_own_file_is_restored_with_the_workspace(name, town, expected):
    place = town("second")
    backup = place.root / "backup"
    shutil.copytree(place.silo("north"), backup)
    (place.silo("north") / name).unlink()
    place.refuses(NoWorkspace, "train", "-C", place.silo("north"), "--yes")
    shutil.rmtree(place.silo("north"))
    shutil.copytree(backup, place.silo("north"))
    np.testing.assert_array_equal(result_of(place), expected)


def test_a_silo_whose_workspace_is_gone_joins_again_and_the_study_begins_from_its_start(town, expected):
    place = town("second")
    shutil.rmtree(place.silo("north"))
    join(
        place.study,
        key=place.secrets["north"],
        key_file=place.key("north"),
        data=place.table("north"),
        workspace=place.silo("north"),
        fingerprint=open_study(place.study).fingerprint,
    )
    assert place.run("aggregate", "-C", place.registry, "--new-attempt", "--from-start").status == 0
    place.deliver(place.model(0, "-a2"))
    np.testing.assert_allclose(result_of(place), expected, rtol=1e-9)


def test_a_lost_ledger_stops_the_next_release_until_it_is_restored(town):
    place = town("second")
    ledger = place.silo("north") / "ledger.jsonl"
    kept = ledger.read_bytes()
    ledger.unlink()
    place.refuses(LedgerBroken, "train", "-C", place.silo("north"), "--yes")
    ledger.write_bytes(kept)
    assert place.train("north").round == 2


def test_a_coordinator_that_lost_its_models_gets_the_newest_from_a_silo(town, expected):
    place = town("second")
    place.collect()
    shutil.rmtree(place.registry / "archive")
    place.model(1).unlink()
    assert status(workspace=place.registry).round == 1, "without the model the coordinator is back at the start"
    shutil.copy(place.silo("south") / "inbox" / "heart-r1.fedmodel", place.registry / "outbox")
    found = status(workspace=place.registry)
    assert (found.round, found.here) == (2, SILOS)
    place.deliver(place.aggregate().model)
    np.testing.assert_array_equal(result_of(place), expected)


def test_a_coordinators_workspace_that_is_gone_is_restored(town, expected):
    place = town("second")
    backup = place.root / "backup"
    shutil.copytree(place.registry, backup)
    shutil.rmtree(place.registry)
    place.refuses(NoWorkspace, "aggregate", "-C", place.registry)
    shutil.copytree(backup, place.registry)
    np.testing.assert_array_equal(result_of(place), expected)


def test_without_its_key_or_passphrase_nothing_opens(town):
    place = town("second")
    place.passphrase.write_text("another passphrase entirely\n")
    place.refuses(WrongPassphrase, "train", "-C", place.silo("north"), "--yes")
    place.passphrase.write_text(PASSPHRASE + "\n")
    place.key("north").unlink()
    place.refuses(FileMissing, "train", "-C", place.silo("north"), "--yes")
    shutil.copy(place.key("south"), place.key("north"))
    place.refuses(OtherSilo, "train", "-C", place.silo("north"), "--yes")


# ---- runs that stop ------------------------------------------------------------------------------------------------


def stops(monkeypatch, error: BaseException, *, at: str) -> None:
    """Let writing of one kind of file stop half-way."""
    real = writing.write_signed

    def stopping(path, *arguments, **options):
        if path.suffix == at:
            path.write_bytes(b"half")
            raise error
        return real(path, *arguments, **options)

    monkeypatch.setattr(writing, "write_signed", stopping)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("at", [".fedmodel", ".fedstate"])
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt(), CannotWrite("cannot write", hint="")], ids=repr)
def test_a_round_whose_writing_stops_leaves_neither_model_nor_sums(at, error, town, monkeypatch, expected):
    place = town("collected")
    before = snapshot(place.registry)
    with monkeypatch.context() as patch:
        stops(patch, error, at=at)
        with pytest.raises(type(error)):
            place.aggregate()
    assert snapshot(place.registry) == before
    place.deliver(place.aggregate().model)
    np.testing.assert_array_equal(result_of(place), expected)


def test_a_round_that_is_written_again_and_stops_keeps_what_was_there(town, monkeypatch):
    place = town("collected")
    model = place.aggregate().model
    kept = place.root / "kept"
    model.rename(kept)
    (place.registry / "outbox" / model.name).write_bytes(b"somebody's")
    before = snapshot(place.registry)
    with monkeypatch.context() as patch:
        patch.setattr("fedcli.workflow.aggregate.current_model", lambda side, secret: start_of(side.study))
        stops(patch, FULL, at=".fedmodel")
        with pytest.raises(OSError, match="No space"):
            place.aggregate(force=True)
    assert snapshot(place.registry) == before


def test_a_copy_that_cannot_be_written_takes_the_model_back(town, monkeypatch):
    place = town("collected")
    before = snapshot(place.registry)
    with monkeypatch.context() as patch:

        def refuse(path, data, **options):
            raise CannotWrite("cannot write", hint="")

        patch.setattr(writing, "write_bytes", refuse)
        with pytest.raises(CannotWrite):
            place.aggregate(out=place.root / "copy.fedmodel")
    assert snapshot(place.registry) == before
    assert place.aggregate().round == 1


def test_a_request_that_stops_leaves_nothing(town, monkeypatch):
    place = town("collected")
    before = snapshot(place.registry)
    with monkeypatch.context() as patch:
        stops(patch, FULL, at=".fedmodel")
        with pytest.raises(OSError, match="No space"):
            ask_again(workspace=place.registry, key=place.secrets[REGISTRY])
    assert snapshot(place.registry) == before
