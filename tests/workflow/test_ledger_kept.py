"""A ledger cannot be taken back or added to: what was cut, edited, put back or written by hand is noticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedcli.errors import CannotWrite, FedcliError, LedgerBroken, LedgerRewound
from fedcli.fileformat import canonical
from fedcli.workflow import recording
from fedcli.workflow.memory import SiloMemory
from tests.workflow.play import Town, command


def ledger(place: Town, name: str = "north") -> Path:
    return place.silo(name) / "ledger.jsonl"


def head(place: Town, name: str = "north") -> Path:
    return place.silo(name) / "private" / "ledger.json"


def lines(place: Town) -> list[bytes]:
    return ledger(place).read_bytes().splitlines() if ledger(place).exists() else []


def two_lines(town) -> Town:
    place = town("second")
    place.train("north")
    assert len(lines(place)) == 2
    return place


def chained(entries: list[dict[str, Any]]) -> bytes:
    """Write entries as a ledger whose chain holds."""
    text, previous = b"", "0" * 64
    for number, entry in enumerate(entries, start=1):
        line = canonical.dumps({**entry, "sequence": number, "previous": previous})
        previous = hashlib.sha256(line).hexdigest()
        text += line + b"\n"
    return text


def rewrite(place: Town, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Edit the ledger as somebody would who knows how it is chained."""
    entries = [json.loads(line) for line in lines(place)]
    change(entries)
    ledger(place).write_bytes(chained(entries))


def refused(place: Town, error: type[FedcliError] = LedgerRewound) -> str:
    """Let every command look at the ledger; return what `ledger` says."""
    found = command("check", "-C", place.silo("north"), "--json")
    assert [problem["code"] for problem in found.json["problems"]] == [error.code]
    said = command("status", "-C", place.silo("north"))
    assert "restore" in said.out + said.err
    assert "ledger.jsonl" in said.out + said.err
    assert command("status", "-C", place.silo("north"), "--json").json["round"] > 1
    place.refuses(error, "train", "-C", place.silo("north"), "--yes")
    asked = command("ledger", "-C", place.silo("north"), "--json")
    assert (asked.status, asked.json["ok"], asked.json["error"]["code"]) == (4, False, error.code)
    return " ".join(place.refuses(error, "ledger", "-C", place.silo("north"), passphrase=False).split())


# ---- cut, or put back ----------------------------------------------------------------------------------------------


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
    ledger(place).write_bytes(ledger(place, "east").read_bytes())
    assert "line 2 of the ledger is not the one that was written here" in refused(place)


def test_an_older_private_folder_is_noticed(town):
    place = two_lines(town)
    older = head(place).read_bytes()
    place.deliver(place.round().model)
    place.train("north")
    head(place).write_bytes(older)
    assert "the ledger has 3 lines, and line 3 is none that private/ knows of" in refused(place)


# ---- written by hand -----------------------------------------------------------------------------------------------


def forge(entries: list[dict[str, Any]]) -> None:
    entries.append({**entries[-1], "rows": 12, "recipient": "forged"})


def test_a_line_that_was_added_is_noticed_although_it_chains(town):
    place = two_lines(town)
    rewrite(place, forge)
    assert "line 3 is none that private/ knows of: it was added by hand" in refused(place)


def test_a_line_that_was_added_stays_refused_when_a_run_was_about_to_write_one(town, monkeypatch):
    place = two_lines(town)
    place.deliver(place.round().model)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "append_line", stopping)
        assert place.run("train", "-C", place.silo("north"), "--yes").status == CannotWrite.exit_status
    assert len(lines(place)) == 2
    assert command("ledger", "-C", place.silo("north")).status == 0
    rewrite(place, forge)
    assert "line 3 is none that private/ knows of: it was added by hand" in refused(place)


def stopping(*_: object, **__: object) -> None:
    raise CannotWrite("the disk is full")


@pytest.mark.parametrize(
    "change", [forge, list.pop, lambda entries: entries[0].update(rows=12)], ids=["one", "two", "three"]
)
def test_who_writes_private_anew_as_well_lacks_the_silos_signature(change, town):
    place = two_lines(town)
    rewrite(place, change)
    own = json.loads(head(place).read_bytes())
    own |= {"lines": len(lines(place)), "head": hashlib.sha256(lines(place)[-1]).hexdigest()}
    head(place).write_bytes(canonical.dumps(own))
    assert "private/ledger.json is not as this silo signed it" in refused(place)


def test_what_another_silo_signed_is_not_taken_for_ones_own(town):
    place = two_lines(town)
    place.train("east")
    ledger(place).write_bytes(ledger(place, "east").read_bytes())
    head(place).write_bytes(head(place, "east").read_bytes())
    assert "private/ledger.json is not as this silo signed it" in refused(place)


# ---- private/ledger.json is not there, or not whole ----------------------------------------------------------------


def test_a_ledger_of_which_nothing_says_how_it_ends_is_not_believed(town):
    place = two_lines(town)
    kept = head(place).read_bytes()
    head(place).unlink()
    assert "private/ledger.json is gone" in refused(place)
    head(place).write_bytes(kept)
    assert command("ledger", "-C", place.silo("north")).status == 0


def test_an_edit_is_not_hidden_by_taking_away_what_private_knows(town):
    place = two_lines(town)
    head(place).unlink()
    rewrite(place, lambda entries: entries[0].update(rows=12))
    assert "private/ledger.json is gone" in refused(place)


def test_nothing_is_missed_where_nothing_has_left(town):
    place = town("joined")
    assert not head(place).exists()
    shown = command("ledger", "-C", place.silo("north"))
    assert (shown.status, "Nothing has left this silo." in shown.out) == (0, True)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"\xff", b'{"head":"x","lines":2}', b"x" * 2**20], ids=len)
def test_what_private_knows_of_the_ledger_is_damaged_and_the_hint_says_what_to_do(damaged, town):
    place = two_lines(town)
    head(place).write_bytes(damaged)
    said = refused(place)
    assert "private/ledger.json is not as this silo signed it" in said
    assert "restore private/ of the same day" in said
    assert "sender" not in said


def test_an_older_ledger_with_the_private_ledger_json_of_its_day_is_noticed_by_the_updates_made_since(town):
    place = town("second")
    older = ledger(place).read_bytes(), head(place).read_bytes()
    place.train("north")
    ledger(place).write_bytes(older[0])
    head(place).write_bytes(older[1])
    assert "the ledger does not hold heart-north-r2.fedupdate, which was made here" in refused(place)


def test_a_whole_workspace_of_an_earlier_day_is_noticed_by_what_the_next_model_names(town):
    place = town("second")
    older = place.root / "older"
    shutil.copytree(place.silo("north"), older)
    place.collect()
    model = place.aggregate().model
    newer = place.root / "newer"
    place.silo("north").rename(newer)
    older.rename(place.silo("north"))
    place.deliver(model)
    said = " ".join(place.refuses(LedgerRewound, "train", "-C", place.silo("north"), "--yes").split())
    assert "the ledger has 1 of 2 lines that north.fedreleases, beside the key, knows of" in said
    (known,) = place.key("north").with_name("north.fedreleases").glob("ledger-*.json")
    known.unlink()
    said = " ".join(place.refuses(LedgerRewound, "train", "-C", place.silo("north"), "--yes").split())
    assert "heart-r2.fedmodel rests on an update of north that the ledger does not hold" in said
    # Without the key nobody can tell whether it sent one: what is known is said, and what tells more.
    closed = place.run("status", "-C", place.silo("north"), passphrase=False)
    assert closed.status == 0
    assert "this workspace made no update of round 2: if one was sent, it is an older copy" in " ".join(
        closed.out.split()
    )
    opened = place.run("status", "-C", place.silo("north"))
    assert opened.status == 4
    assert "heart-r2.fedmodel rests on an update of north that the ledger does not hold" in " ".join(opened.out.split())
    shutil.rmtree(place.silo("north"))
    newer.rename(place.silo("north"))
    place.deliver(model)
    whole = place.run("status", "-C", place.silo("north"))
    assert (whole.status, "older copy" in whole.out) == (0, False)
    assert place.train("north").round == 3


def test_a_workspace_put_back_is_noticed_by_the_final_model_without_a_key(town):
    place = town("second")
    older = place.root / "older"
    shutil.copytree(place.silo("north"), older)
    last = place.finish().model
    assert place.run("status", "-C", place.silo("north"), passphrase=False).status == 0
    shutil.rmtree(place.silo("north"))
    older.rename(place.silo("north"))
    (known,) = place.key("north").with_name("north.fedreleases").glob("ledger-*.json")
    known.unlink()
    place.deliver(last)
    said = place.run("status", "-C", place.silo("north"), passphrase=False)
    assert said.status == 4
    assert f"{last.name} rests on an update of north that the ledger does not hold" in " ".join(said.out.split())


@pytest.mark.parametrize("kept", ["last.json", "rows.json", "r1-*.fedupdate"])
def test_what_is_left_of_an_update_misses_the_ledger(kept, town):
    place = two_lines(town)
    private = place.silo("north") / "private"
    ledger(place).unlink()
    for path in private.iterdir():
        if path.name not in ("silo.json", "holdout.secret") and not path.match(kept):
            path.unlink()
    assert "ledger.jsonl is gone" in refused(place, LedgerBroken)


# ---- runs that stop ------------------------------------------------------------------------------------------------


def stopped_before_it_was_confirmed(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let north's run stop when its line is written and private/ does not know yet."""
    before = len(lines(place))
    keep = SiloMemory.keep_ledger_head

    def stops(self: SiloMemory, data: bytes) -> None:
        if len(lines(place)) > before:
            raise CannotWrite("the disk is full")
        keep(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(SiloMemory, "keep_ledger_head", stops)
        assert place.run("train", "-C", place.silo("north"), "--yes").status == CannotWrite.exit_status
    assert len(lines(place)) == before + 1
    assert not list((place.silo("north") / "outbox").glob(f"*-r{before + 1}*"))


def test_a_line_that_is_not_confirmed_is_named_with_what_that_means(town, monkeypatch):
    place = town("second")
    stopped_before_it_was_confirmed(place, monkeypatch)
    shown = command("ledger", "-C", place.silo("north"))
    assert shown.status == 0
    said = " ".join(shown.err.split())
    assert "line 2 is not confirmed: the run that wrote it stopped" in said
    assert "its update was never signed, so it did not leave" in said
    told = command("ledger", "-C", place.silo("north"), "--json").json
    assert (told["unconfirmed"], len(told["entries"])) == (True, 2)
    assert command("ledger", "-C", place.silo("east"), "--json").json["unconfirmed"] is False


def test_a_line_after_one_that_is_not_confirmed_is_noticed(town, monkeypatch):
    place = town("second")
    stopped_before_it_was_confirmed(place, monkeypatch)
    rewrite(place, forge)
    assert "the ledger has 3 lines, and line 2 is none that private/ knows of" in refused(place)


def test_half_a_line_is_what_a_run_left_that_stopped_while_it_wrote(town, monkeypatch):
    place = town("second")
    whole = ledger(place).read_bytes()
    stopped_before_it_was_confirmed(place, monkeypatch)
    line = ledger(place).read_bytes()[len(whole) :]
    for size in (1, len(line) // 2, len(line) - 1):
        ledger(place).write_bytes(whole + line[:size])
        shown = command("ledger", "-C", place.silo("north"))
        assert (shown.status, shown.out.count("an update left")) == (0, 1)
        assert f"a run stopped while it wrote line 2, of which {size} byte" in " ".join(shown.err.split())
        assert command("check", "-C", place.silo("north")).status == 0
    assert place.train("north").update.is_file()
    assert len(lines(place)) == 2
    assert command("ledger", "-C", place.silo("north"), "--json").json["unconfirmed"] is False


@pytest.mark.parametrize(
    "change", [lambda line: b"x" + line[1:20], lambda line: line + line[:20]], ids=["else", "more"]
)
def test_half_a_line_that_no_run_was_about_to_write_is_an_edit(change, town, monkeypatch):
    place = town("second")
    whole = ledger(place).read_bytes()
    stopped_before_it_was_confirmed(place, monkeypatch)
    line = ledger(place).read_bytes()[len(whole) :]
    ledger(place).write_bytes(whole + change(line))
    refused(place, LedgerBroken)


def test_a_line_that_is_confirmed_cannot_be_halved(town):
    place = two_lines(town)
    ledger(place).write_bytes(ledger(place).read_bytes()[:-40])
    refused(place, LedgerBroken)
