"""An update exists only once the ledger holds it: on a full disk, a ledger that cannot be written, and killed runs."""

from __future__ import annotations

import errno
import hashlib
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedcli.errors import AlreadyReleased, CannotWrite, FedcliError, NotApproved
from fedcli.fileformat.envelope import read_envelope
from fedcli.workflow import recording, unfinished, workspace
from fedcli.workflow.anyone import verify
from fedcli.workflow.approve import approve
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.status import status
from tests.workflow.play import Town, agreement, command, rows, table_text

# The module, which the function of the same name hides in the package.
train = importlib.import_module("fedcli.workflow.train")
ROOT = Path(__file__).resolve().parents[2]


def recorded(place: Town) -> list[dict[str, object]]:
    path = place.silo("north") / "ledger.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []


def updates(place: Town, folder: Path | None = None) -> dict[Path, str]:
    """Return every file below a folder that verifies as an update, whatever its name, by its manifest's digest."""
    study = place.silo("north") / "heart.fedstudy"
    found = {}
    for path in sorted((folder or place.silo("north")).rglob("*")):
        if path.is_file() and path.stat().st_size and verify([path], workspace=study.parent).ok:
            with path.open("rb") as file:
                envelope = read_envelope(file)
                if envelope.kind == "update":
                    found[path] = hashlib.sha256(envelope.manifest_bytes).hexdigest()
    return found


def fails(place: Town) -> str:
    """Let north's run stop with an error about its disk, and return what it says."""
    outcome = place.run("train", "-C", place.silo("north"), "--yes")
    assert (outcome.status, f"error[{CannotWrite.code}]" in outcome.err) == (3, True), outcome
    return " ".join(outcome.err.split())


def nothing_left(place: Town, said: str) -> None:
    """There is no line and no update, under any name, and the message is true."""
    assert "no update was made: none is without its line" in said
    assert not recorded(place)
    assert not updates(place)
    private = {path.name for path in (place.silo("north") / "private").iterdir()}
    assert private == {"holdout.secret", "releases.secret", "silo.json", "ledger.json", "workspace.json"}
    # Nor is it remembered beside the key: corrected rows would be refused for a release that never was.
    assert not list((place.root / "north" / "north.fedreleases").glob("*"))
    shown = command("ledger", "-C", place.silo("north"))
    assert (shown.status, "Nothing has left this silo." in shown.out) == (0, True)


# ---- a ledger that cannot be written -------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_on_a_full_disk_there_is_neither_a_line_nor_an_update(town):
    place = town("joined")
    ledger = place.silo("north") / "ledger.jsonl"
    ledger.symlink_to("/dev/full")
    nothing_left(place, fails(place))
    ledger.unlink()
    assert place.train("north").update.is_file()
    assert len(recorded(place)) == 1


def test_a_ledger_that_may_not_be_written_is_named_and_no_update_exists(town, monkeypatch):
    place = town("joined")
    (place.silo("north") / "ledger.jsonl").touch(0o400)
    real = os.open

    def refuse(path, flags, *rest, **options):
        # The superuser may write what nobody may; this is what everybody else meets.
        if Path(path).name == "ledger.jsonl" and flags & os.O_WRONLY:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        said = fails(place)
    assert "Permission denied" in said
    nothing_left(place, said)
    assert place.train("north").update.is_file()


def test_a_disk_that_fills_up_within_a_line_takes_the_half_back(town, monkeypatch):
    place = town("joined")

    class Full(io.FileIO):
        def write(self, data):
            if len(data) < 400:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(workspace, "FileIO", Full)
        nothing_left(place, fails(place))
        patch.setattr(Full, "truncate", lambda self, size: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        assert "No space left" in fails(place)
    assert not updates(place)
    half = (place.silo("north") / "ledger.jsonl").read_bytes()
    assert half
    assert b"\n" not in half
    assert command("ledger", "-C", place.silo("north")).status == 0
    assert place.train("north").update.is_file()
    assert len(recorded(place)) == 1


# ---- runs that stop between two steps ------------------------------------------------------------------------------

BEFORE = [(unfinished, "write_file"), (train, "write_sheet"), (recording, "append_line")]
AFTER = [
    (recording, "confirm_last"),
    (train, "remember_points"),
    (SiloMemory, "remember_rows"),
    (unfinished, "sign"),
    (unfinished, "seal_signed"),
    (SiloMemory, "record"),
    (train, "write_file"),
]


def stopped(place: Town, monkeypatch: pytest.MonkeyPatch, where: tuple[object, str], error: BaseException) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*where, stop)
        with pytest.raises(type(error)):
            place.train("north")


@pytest.mark.parametrize("error", [CannotWrite("cannot write", hint=""), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
@pytest.mark.parametrize("where", BEFORE, ids=lambda where: where[1])
def test_a_run_that_stops_before_its_line_leaves_no_update(where, error, town, monkeypatch):
    place = town("joined")
    stopped(place, monkeypatch, where, error)
    assert not recorded(place)
    assert not updates(place)
    assert place.train("north").update.is_file()
    assert len(recorded(place)) == 1


@pytest.mark.parametrize("error", [CannotWrite("cannot write", hint=""), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
@pytest.mark.parametrize("where", AFTER, ids=lambda where: where[1])
def test_a_run_that_stops_after_its_line_is_finished_by_the_next_and_not_recorded_again(
    where, error, town, monkeypatch
):
    place = town("joined")
    stopped(place, monkeypatch, where, error)
    (line,) = recorded(place)
    there = updates(place)
    assert set(there.values()) <= {line["update"]}
    assert "fedcli train" in status(workspace=place.silo("north")).next_step
    shown = command("ledger", "-C", place.silo("north"))
    assert "not finished" in shown.out
    assert command("ledger", "-C", place.silo("north"), "--json").json["entries"][0]["finished"] is False
    kept = [path.read_bytes() for path in there]
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == 0, done.err
    assert recorded(place) == [line]
    made = updates(place)
    assert set(made.values()) == {line["update"]}
    assert {path.parent.name for path in made} == {"private", "outbox"}
    assert len({path.read_bytes() for path in made} | set(kept)) == 1
    assert command("ledger", "-C", place.silo("north"), "--json").json["entries"][0]["finished"] is True
    assert not list((place.silo("north") / "private").glob("unfinished-*"))


def test_what_a_run_finishes_is_said_before_it_is_asked(town, monkeypatch):
    place = town("joined")
    stopped(place, monkeypatch, (unfinished, "seal_signed"), CannotWrite("cannot write", hint=""))
    shown = place.run("train", "-C", place.silo("north"), "--dry-run")
    assert "an earlier run recorded this update in ledger.jsonl and stopped" in " ".join(shown.err.split())
    assert not updates(place)
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert "noted in ledger.jsonl" in " ".join(done.err.split())
    again = place.run("train", "-C", place.silo("north"), "--yes")
    assert "stopped" not in again.err
    assert "the same bytes as before" in " ".join(again.err.split())


def test_other_rows_do_not_take_the_place_of_what_is_recorded(town, monkeypatch):
    place = town("joined")
    stopped(place, monkeypatch, (unfinished, "seal_signed"), CannotWrite("cannot write", hint=""))
    table = place.table("north").read_text()
    place.table("north").write_text(table_text(rows("other")))
    said = " ".join(place.refuses(AlreadyReleased, "train", "-C", place.silo("north"), "--yes").split())
    assert "is recorded already" in said
    assert "train on the table of the run that stopped" in said
    place.table("north").write_text(table)
    assert place.train("north").update.is_file()
    assert len(recorded(place)) == 1


@pytest.mark.parametrize("name", ["unfinished-*.age", "unfinished-*.json"])
@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_what_cannot_be_finished_is_recorded_anew(name, how, town, monkeypatch):
    place = town("joined")
    stopped(place, monkeypatch, (unfinished, "seal_signed"), CannotWrite("cannot write", hint=""))
    (path,) = (place.silo("north") / "private").glob(name)
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    assert place.train("north").update.is_file()
    lines = recorded(place)
    assert len(lines) == 2
    assert set(updates(place).values()) == {lines[1]["update"]}


def test_nothing_is_signed_for_another_update_than_the_recorded_one(town, monkeypatch):
    place = town("joined")
    stopped(place, monkeypatch, (unfinished, "seal_signed"), CannotWrite("cannot write", hint=""))
    (path,) = (place.silo("north") / "private").glob("unfinished-*.json")
    path.write_bytes(path.read_bytes().replace(rb"\"previous\":\"\"", rb"\"previous\":\"%s\"" % (b"0" * 64)))
    assert place.train("north").update.is_file()
    _, second = recorded(place)
    assert set(updates(place).values()) == {second["update"]}


def test_a_reviewer_who_is_asked_meanwhile_has_not_approved_what_is_unfinished(town, monkeypatch):
    place = town("joined")
    stopped(place, monkeypatch, (unfinished, "sign"), CannotWrite("cannot write", hint=""))
    settings = place.silo("north") / "silo.yaml"
    (place.silo("north") / "stranger.fedpub").write_bytes(place.public("stranger").read_bytes())
    settings.write_text(settings.read_text() + "reviewer: stranger.fedpub\n")
    with pytest.raises(NotApproved):
        place.train("north")
    assert not updates(place)
    sheet = place.silo("north") / "review" / "heart-north-r1.sheet.txt"
    approve(sheet, key=place.secrets["stranger"], yes=True)
    stopped(place, monkeypatch, (unfinished, "sign"), CannotWrite("cannot write", hint=""))
    assert place.train("north").update.is_file()
    assert ["approved_by" in line for line in recorded(place)] == [False, True]
    assert set(updates(place).values()) == {recorded(place)[1]["update"]}


def test_a_sealed_update_that_is_gone_is_named(town):
    place = town("joined")
    place.train("north").update.unlink()
    (kept,) = (place.silo("north") / "private").glob("r1-*.fedupdate")
    kept.unlink()
    with pytest.raises(FedcliError, match=r"r1-a1-.*fedupdate' is gone"):
        place.train("north")


# ---- killed --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes part by fork")
def test_whatever_a_kill_leaves_is_recorded_and_can_be_written_again_or_never_was(town, tmp_path):
    place = town(text=agreement(holdout=0.2))
    place.round()
    words = ["unfinished-", "train", "-C", "north/study", "--yes", "--passphrase-file", "passphrase"]
    out = tmp_path / "killed"
    out.mkdir()
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.workflow.killed", place.root, out, *words], cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0
    runs = [Town(path, place.secrets) for path in sorted(out.iterdir())]
    assert len(runs) > 30
    seen = [_after_a_kill(run) for run in runs]
    # Steps before the line, then after it without an update, then with one.
    assert seen == sorted(seen)
    assert set(seen) == {(False, False), (True, False), (True, True)}


def _after_a_kill(place: Town) -> tuple[bool, bool]:
    """Hold what a kill left to the promise, run again, and return whether there were a line and an update."""
    shown = command("ledger", "-C", place.silo("north"), "--json")
    assert shown.status == 0, shown.out
    lines = recorded(place)
    there = {path: digest for path, digest in updates(place).items() if digest != lines[0]["update"]}
    assert set(there.values()) <= {line["update"] for line in lines[1:]}
    kept = {path.read_bytes() for path in there}
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == 0, done.err
    after = recorded(place)
    assert len(after) == 2
    assert after[: len(lines)] == lines
    update = place.silo("north") / "outbox" / "heart-north-r2.fedupdate"
    assert updates(place, update.parent)[update] == after[1]["update"]
    assert kept <= {update.read_bytes()}
    assert not list((place.silo("north") / "private").glob("unfinished-*"))
    return len(lines) == 2, bool(kept)
