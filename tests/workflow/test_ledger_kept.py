"""A ledger cannot be taken back: what is missing at its end, or older than what was written, is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedcli.errors import CannotWrite, LedgerRewound
from fedcli.workflow.memory import SiloMemory
from tests.workflow.play import Town, command


def ledger(place: Town) -> Path:
    return place.silo("north") / "ledger.jsonl"


def head(place: Town) -> Path:
    return place.silo("north") / "private" / "ledger.json"


def two_lines(town) -> Town:
    place = town("second")
    place.train("north")
    assert len(ledger(place).read_bytes().splitlines()) == 2
    return place


def refused(place: Town) -> str:
    """Let train, check and status look at the ledger; return what train says."""
    found = command("check", "-C", place.silo("north"), "--json")
    assert [problem["code"] for problem in found.json["problems"]] == ["E411"]
    said = command("status", "-C", place.silo("north"))
    assert "restore" in said.out + said.err
    assert "ledger.jsonl" in said.out + said.err
    assert command("status", "-C", place.silo("north"), "--json").json["round"] > 1
    return " ".join(place.refuses(LedgerRewound, "train", "-C", place.silo("north"), "--yes").split())


def test_lines_cut_off_at_the_end_are_missed(town):
    place = two_lines(town)
    ledger(place).write_bytes(ledger(place).read_bytes().splitlines(keepends=True)[0])
    assert "the ledger has 1 of 2 lines that were written" in refused(place)


def test_an_emptied_ledger_is_missed(town):
    place = two_lines(town)
    ledger(place).write_bytes(b"")
    assert "the ledger has 0 of 2 lines" in refused(place)


def test_a_ledger_of_the_same_length_from_elsewhere_is_noticed(town):
    place = two_lines(town)
    place.train("east")
    ledger(place).write_bytes((place.silo("east") / "ledger.jsonl").read_bytes())
    assert "line 2 of the ledger is not the one that was written here" in refused(place)


def test_an_older_private_folder_is_noticed(town):
    place = town("joined")
    SiloMemory(place.silo("north") / "private").remember_ledger(0, "0" * 64)
    older = head(place).read_bytes()
    place.collect()
    place.deliver(place.aggregate().model)
    place.train("north")
    head(place).write_bytes(older)
    assert "private/ is an older copy" in refused(place)


def test_a_rewound_ledger_is_noticed_in_a_workspace_that_recorded_no_head(town):
    place = two_lines(town)
    head(place).unlink()
    whole = ledger(place).read_bytes()
    ledger(place).write_bytes(whole.splitlines(keepends=True)[0])
    refused(place)
    ledger(place).write_bytes(whole)
    place.deliver(place.round().model)
    place.train("north")
    assert json.loads(head(place).read_bytes())["lines"] == 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_stopped_after_its_line_is_mended_and_said(times, town, monkeypatch):
    place = town("joined")
    remember = SiloMemory.remember_ledger

    def stops(self: SiloMemory, lines: int, head: str) -> None:
        if lines > before:
            raise CannotWrite("the disk is full")
        remember(self, lines, head)

    for _ in range(times):
        before = len(ledger(place).read_bytes().splitlines()) if ledger(place).exists() else 0
        with monkeypatch.context() as patch:
            patch.setattr(SiloMemory, "remember_ledger", stops)
            assert place.run("train", "-C", place.silo("north"), "--yes").status == CannotWrite.exit_status
        assert len(ledger(place).read_bytes().splitlines()) == before + 1
        assert not list((place.silo("north") / "outbox").iterdir())
    assert command("check", "-C", place.silo("north")).status == 0
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == 0, done.err
    assert "a run that stopped before its update was" in " ".join(done.err.split())
    assert json.loads(head(place).read_bytes())["lines"] == times + 1
    again = place.run("train", "-C", place.silo("north"), "--yes")
    assert "a run that stopped" not in " ".join(again.err.split())
