"""The whole workspace is put back to an earlier day, ledger and `private/` together: what lies beside the key knows."""

from __future__ import annotations

import json
import shutil

import pytest

from fedcli.errors import LedgerRewound
from fedcli.workflow.join import join
from fedcli.workflow.ledger import ledger
from fedcli.workflow.ledger_beside import LedgerBeside
from fedcli.workflow.study import study_show
from tests.workflow.play import Town, command, snapshot


def put_back(place: Town, *, more: bool) -> None:
    """Copy north's workspace, let more leave it, and lay the copy back."""
    north, copy = place.silo("north"), place.root / "monday"
    if more:
        place.train("north")
    shutil.copytree(north, copy)
    if more:
        assert place.run("aggregate", "--new-attempt", "-C", place.registry).status == 0
        place.deliver(place.model(0, "-a2"))
    place.train("north")
    shutil.rmtree(north)
    shutil.copytree(copy, north)


@pytest.mark.parametrize("more", [False, True])
def test_an_older_workspace_is_refused_by_every_command_that_reads_the_ledger(more, town):
    place = town("joined")
    put_back(place, more=more)
    north, before = place.silo("north"), snapshot(place.root)
    for words in (["ledger"], ["train", "--yes"], ["train", "--dry-run"]):
        done = place.run(*words, "-C", north, passphrase=words[0] == "train")
        said = " ".join(done.err.split())
        assert f"error[E411]: the ledger has {int(more)} of {int(more) + 1} lines that north.fedreleases" in said
        assert done.status != 0
    shown = command("status", "-C", north)
    assert shown.status == 4
    assert f"the ledger has {int(more)} of {int(more) + 1} lines that north.fedreleases" in " ".join(shown.out.split())
    assert "(fedcli explain E411)" in " ".join(shown.out.split())
    said = command("status", "-C", north, "--json")
    assert (said.status, said.json["ok"], said.json["ledger"]) == (4, False, "E411")
    checked = json.loads(command("check", "-C", north, "--json").out)
    assert "E411" in [problem["code"] for problem in checked["problems"]] or checked["error"]["code"] == "E411"
    assert snapshot(place.root) == before


def test_a_copy_that_went_on_otherwise_is_refused(town):
    place = town("joined")
    north, copy = place.silo("north"), place.silo("north").with_name("copy")
    shutil.copytree(north, copy)
    place.train("north", now=lambda: "2026-01-01T00:00:00Z")
    # The copy knew nothing yet; what lies beside the key does.
    with pytest.raises(LedgerRewound, match="0 of 1 lines"):
        ledger(workspace=copy)


def test_a_record_beside_the_key_that_is_damaged_is_named(town):
    place = town("joined")
    place.train("north")
    (kept,) = place.key("north").with_name("north.fedreleases").glob("ledger-*.json")
    kept.write_bytes(b"{}")
    with pytest.raises(LedgerRewound, match=kept.name):
        ledger(workspace=place.silo("north"))


def test_another_line_than_the_one_that_is_known_is_refused(town):
    place = town("joined")
    place.train("north")
    (kept,) = place.key("north").with_name("north.fedreleases").glob("ledger-*.json")
    kept.write_bytes(kept.read_bytes().replace(json.loads(kept.read_text())["head"].encode(), b"0" * 64))
    with pytest.raises(LedgerRewound, match="line 1 of the ledger is not the one"):
        ledger(workspace=place.silo("north"))


def test_another_workspace_of_the_study_is_no_older_copy(town):
    place = town("joined")
    place.train("north")
    fingerprint = study_show(place.study).fingerprint
    joined = {"key": place.secrets["north"], "key_file": place.key("north"), "data": place.table("north")}
    join(place.study, **joined, workspace=place.root / "again", fingerprint=fingerprint)
    assert ledger(workspace=place.root / "again").entries == ()
    # One that was moved is itself, whatever its folder is called; the key's place is written in silo.yaml.
    moved = place.silo("north").with_name("moved")
    place.silo("north").rename(moved)
    assert len(ledger(workspace=moved).entries) == 1


@pytest.mark.parametrize("gone", ["private/workspace.json", "beside"])
def test_a_workspace_of_an_earlier_version_or_a_lost_record_stops_nobody(gone, town):
    place = town("joined")
    if gone == "beside":
        place.train("north")
        (kept,) = place.key("north").with_name("north.fedreleases").glob("ledger-*.json")
        kept.unlink()
    else:
        (place.silo("north") / gone).unlink()
        place.train("north")
    assert len(ledger(workspace=place.silo("north")).entries) == 1


def test_the_ledger_is_shown_although_the_key_or_silo_yaml_cannot_be_read(town):
    place = town("joined")
    place.train("north")
    (place.silo("north") / "silo.yaml").write_text("key: [")
    assert len(ledger(workspace=place.silo("north")).entries) == 1


def test_a_run_that_stops_before_the_record_beside_the_key_is_finished_and_recorded_by_the_next(town, monkeypatch):
    place = town("joined")
    folder = place.key("north").with_name("north.fedreleases")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LedgerBeside, "remember", stop)
        with pytest.raises(KeyboardInterrupt):
            place.train("north")
    assert len(ledger(workspace=place.silo("north")).entries) == 1
    assert not list(folder.glob("ledger-*.json"))
    assert place.train("north").update.is_file()
    (kept,) = folder.glob("ledger-*.json")
    shown = ledger(workspace=place.silo("north"))
    assert (len(shown.entries), shown.head) == (1, json.loads(kept.read_text())["head"])
