"""A silo that asks its reviewer: nothing is written without their signature, and the signature travels."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fedcli.crypto.signing import Signatures, verify
from fedcli.errors import BadApproval, BadDocument, BadMapping, BadSignature, NotAFedcliFile, NotApproved, NotConfirmed
from fedcli.fileformat.envelope import read_envelope
from fedcli.protocol.approval import NAMESPACE, verified_approval
from fedcli.protocol.roster import verify_as
from fedcli.report.sheet_form import check_form
from fedcli.workflow.approve import approve
from tests.workflow.play import Town, agreement, copied, found_town, rows, snapshot, table_text


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Town:
    town = found_town(tmp_path_factory.mktemp("reviewed"))
    town.draft(agreement())
    town.freeze()
    return town


@pytest.fixture
def town(frozen: Town, tmp_path: Path) -> Town:
    town = copied(frozen, tmp_path / "town")
    shutil.copy(town.public("stranger"), town.silo("north") / "stranger.fedpub")
    settings = town.silo("north") / "silo.yaml"
    settings.write_text(settings.read_text() + "reviewer: stranger.fedpub\n")
    return town


def sheet_of(town: Town, name: str = "north") -> Path:
    return town.silo(name) / "review" / f"heart-{name}-r1.sheet.txt"


def ask(town: Town) -> Path:
    """Train without an approval: the sheet is left for the reviewer."""
    with pytest.raises(NotApproved, match=r"'stranger' has not approved this sheet yet"):
        town.train("north")
    return sheet_of(town)


def test_without_an_approval_only_the_sheet_is_written(town: Town) -> None:
    before = snapshot(town.silo("north"))
    outcome = town.run("train", "-C", town.silo("north"), "--yes")
    assert outcome.status == 5
    assert "E519" in outcome.err
    assert "fedcli approve heart-north-r1.sheet.txt --key stranger.fedkey" in outcome.err
    new = {name for name in snapshot(town.silo("north")) if name not in before}
    assert new == {"review", "review/heart-north-r1.sheet.txt", "review/heart-north-r1.sheet.html"}
    assert not (town.silo("north") / "ledger.jsonl").exists()


def test_the_sheet_says_what_would_leave_behind_how_many_rows_and_to_whom(town: Town) -> None:
    text = ask(town).read_text()
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "What would leave north in round 1",
        "80 training rows",
        "singly by registry; only in sum by the other silos",
        "passed rows in the sums: required at least 10; here 80",
        "there is no earlier one",
        "aggregation is plain",
        town.secrets["registry"].public_identity().fingerprint[:11],
    ):
        assert words in " ".join(text.split()), words
    page = sheet_of(town).with_name("heart-north-r1.sheet.html").read_text()
    assert "80 training rows" in page
    assert "http" not in page


def test_an_approved_update_carries_a_signature_that_anybody_can_verify(town: Town) -> None:
    approved = approve(ask(town), key=town.secrets["stranger"], yes=True)
    trained = town.train("north")
    assert trained.update is not None
    with trained.update.open("rb") as file:
        envelope = read_envelope(file)
        manifest = verify_as(envelope, town.secrets["north"].public_identity())
    assert manifest.approval is not None
    reviewer, digest = verified_approval(manifest.approval, manifest)
    assert (reviewer.fingerprint, digest) == (approved.fingerprint, approved.sheet)
    found = manifest.approval
    signatures = Signatures(found["sshsig"].encode(), found["mldsa65"].encode())
    verify(town.secrets["stranger"].public_identity(), NAMESPACE, found["manifest"].encode(), signatures)
    last = json.loads((town.silo("north") / "ledger.jsonl").read_text().splitlines()[-1])
    assert last["sheet"] == approved.sheet
    assert last["approved_by"] == f"stranger, fingerprint {approved.fingerprint}"
    shutil.copy(trained.update, town.inbox)
    town.collect(("east", "south"))
    assert town.aggregate().round == 1


def test_an_approval_in_the_inbox_is_found_and_a_second_run_sends_the_same_bytes(town: Town) -> None:
    made = approve(ask(town), key=town.secrets["stranger"], yes=True, out=town.root / "a.fedapproval").file
    shutil.move(made, town.silo("north") / "inbox")
    first = town.train("north").update
    assert first is not None
    data = first.read_bytes()
    first.unlink()
    again = town.train("north")
    assert again.again
    assert again.update is not None
    assert again.update.read_bytes() == data


def test_an_approval_of_other_numbers_is_not_enough(town: Town) -> None:
    approve(ask(town), key=town.secrets["stranger"], yes=True)
    town.table("north").write_text(table_text(rows("north", 95)))
    with pytest.raises(NotApproved, match=r"heart-north-r1\.fedapproval is of another sheet"):
        town.train("north")


def test_an_approval_by_somebody_else_is_not_enough(town: Town) -> None:
    approve(ask(town), key=town.secrets["east"], yes=True)
    with pytest.raises(NotApproved, match="signed by another key than that of 'stranger'"):
        town.train("north")


def test_nobody_approves_their_own_release(town: Town) -> None:
    with pytest.raises(BadApproval, match="nobody approves their own release"):
        approve(ask(town), key=town.secrets["north"], yes=True)
    settings = town.silo("north") / "silo.yaml"
    shutil.copy(town.public("north"), town.silo("north"))
    settings.write_text(settings.read_text().replace("stranger.fedpub", "north.fedpub"))
    with pytest.raises(BadMapping, match="nobody approves their own release"):
        town.train("north")


def test_an_edited_sheet_is_approved_in_vain_or_not_at_all(town: Town) -> None:
    sheet = ask(town)
    text = sheet.read_text()
    # With care, and against nothing that the sheet says elsewhere.
    sheet.write_text(
        text.replace("80 training rows", "90 training rows")
        .replace("here 80", "here 90")
        .replace("here 20.0", "here 22.5")
    )
    approve(sheet, key=town.secrets["stranger"], yes=True)
    with pytest.raises(NotApproved, match="is of another sheet"):
        town.train("north")
    sheet.write_text(text.replace("\nround  ", "\nRound  "))
    with pytest.raises(BadDocument, match="does not say its round"):
        approve(sheet, key=town.secrets["stranger"], yes=True, force=True)


def without(text: str, part: str) -> str:
    """Return a sheet without one of its kinds of numbers."""
    lines = text.split("\n")
    first = next(i for i, line in enumerate(lines) if part in line)
    last = next(i for i in range(first + 1, len(lines)) if not lines[i] or re.match(r" +\d+\. ", lines[i]))
    return "\n".join(lines[:first] + lines[last:])


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda text: without(text, "  1. "), "not counted from 1 on"),
        (lambda text: re.sub(r"( 2\. .*: )\d+", r"\g<1>77", text), "and those that it lists are"),
        (lambda text: re.sub(r"(\nsize +)\d+", r"\g<1>2", text), "it says 2 numbers, and those that it lists are"),
        (lambda text: re.sub(r"\nsize .*", "", text), "it does not say how many numbers"),
        (lambda text: text.replace("TESTS\n", "TEST\n"), "its parts are not"),
        (lambda text: text.replace("leave north in round 1", "leave north in round 2"), "of another silo or round"),
        (lambda text: text.replace("80 training rows", "90 training rows"), "and the sheet is of 90"),
        (lambda text: text.replace("rows      80 training", "rows      8 training", 1), "8 behind '"),
        (lambda text: text.replace("      rows      80", "      rows      81 ill of 80", 1), "of its classes are 81"),
        (lambda text: text.replace("here 80", "here 8"), "'rows in the sums' is of 8"),
        (
            lambda text: text.replace("at least 10;", "at least 100;"),
            "a test is 'passed' of which it says: rows in the",
        ),
        (lambda text: text.replace("passed      rows in", "failed      rows in"), "no outcome that fedcli writes"),
        (lambda text: re.sub(r"\n  passed      rows in the sums.*", "", text), "it has no test 'rows in the sums'"),
        (lambda text: re.sub(r"\n  passed      round.*", "", text), "it has no test 'round'"),
        (lambda text: re.sub(r"\n  not tested  sums that(.|\n {14})*", "", text), "and it says nothing"),
        (lambda text: text.replace("aggregation  plain", "aggregation  masked"), "readable singly by 'registry'"),
        (lambda text: text.replace("singly by registry", "singly by nobody"), "readable singly not by its recipient"),
        (lambda text: re.sub(r"(\nround +)1", r"\g<1>2", text.replace("in round 1", "in round 2")), "'round' is of 1"),
        (
            lambda text: re.sub(r"\n  passed      (rows per|one row st)", r"\n  no rule     \1", text),
            "'no rule' of which",
        ),
    ],
)
def test_a_sheet_that_contradicts_itself_is_not_signed(edit, says: str, town: Town) -> None:
    sheet = ask(town)
    sheet.write_text(edit(sheet.read_text()))
    with pytest.raises(BadDocument, match=says):
        approve(sheet, key=town.secrets["stranger"], yes=True)
    assert not list(sheet.parent.glob("*.fedapproval"))


def test_an_edit_of_any_place_is_taken_or_refused_and_never_a_crash(town: Town) -> None:
    text, taken, refused = ask(town).read_text(), 0, 0
    rng = np.random.default_rng(3)
    for _ in range(1500):
        at, n = int(rng.integers(len(text))), int(rng.integers(1, 12))
        put = "".join(rng.choice(list("0159,.:; -\n'ax%"), int(rng.integers(0, 4))))
        try:
            check_form((text[:at] + put + text[at + n :]).encode())
            taken += 1
        except BadDocument:
            refused += 1
    assert min(taken, refused) > 100


def test_the_page_is_not_what_is_signed(town: Town) -> None:
    with pytest.raises(NotAFedcliFile, match="the page of a sheet"):
        approve(ask(town).with_suffix(".html"), key=town.secrets["stranger"], yes=True)
    with pytest.raises(NotAFedcliFile, match="not an egress sheet"):
        approve(town.table("north"), key=town.secrets["stranger"], yes=True)


def test_a_reviewer_is_asked_and_may_say_no(town: Town) -> None:
    sheet = ask(town)
    shown: list[str] = []

    def no(text: str) -> bool:
        shown.append(text)
        return False

    with pytest.raises(NotConfirmed):
        approve(sheet, key=town.secrets["stranger"])
    with pytest.raises(NotConfirmed, match="not approved"):
        approve(sheet, key=town.secrets["stranger"], confirm=no)
    assert shown == [sheet.read_text()]
    assert not list(sheet.parent.glob("*.fedapproval"))


def test_an_approval_put_into_another_update_is_refused_by_the_coordinator(town: Town) -> None:
    approve(ask(town), key=town.secrets["stranger"], yes=True)
    update = town.train("north").update
    assert update is not None
    with update.open("rb") as file:
        manifest = verify_as(read_envelope(file), town.secrets["north"].public_identity())
    assert manifest.approval is not None
    changed = {**manifest.approval, "manifest": manifest.approval["manifest"].replace('"round":1', '"round":2')}
    with pytest.raises(BadSignature):
        verified_approval(changed, manifest)
    from dataclasses import replace

    with pytest.raises(BadApproval, match="approved another round"):
        verified_approval(manifest.approval, replace(manifest, round=2))


def test_approve_and_ledger_as_commands(town: Town) -> None:
    sheet = ask(town)
    key = town.key("stranger")
    approved = town.run("approve", sheet, "--key", key, "--yes", "--json")
    assert approved.json["reviewer"] == "stranger"
    assert Path(approved.json["approval"]).exists()
    town.train("north")
    shown = town.run("ledger", "-C", town.silo("north"), passphrase=False)
    assert shown.status == 0
    for words in ("study heart, round 1", "80 summed", "registry (plain)", "stranger, fingerprint"):
        assert words in shown.out
    told = town.run("ledger", "-C", town.silo("north"), "--json", passphrase=False).json
    assert told["entries"][0]["sheet"] == approved.json["sheet"]
    assert len(told["head"]) == 64
    empty = town.run("ledger", "-C", town.silo("east"), passphrase=False)
    assert "Nothing has left this silo." in empty.out


def test_the_ledger_command_detects_an_edit(town: Town) -> None:
    approve(ask(town), key=town.secrets["stranger"], yes=True)
    town.train("north")
    path = town.silo("north") / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"rows":80', b'"rows":81'))
    outcome = town.run("ledger", "-C", town.silo("north"), passphrase=False)
    assert outcome.status == 4
    assert outcome.out == ""


def test_verify_and_inspect_say_who_approved_an_update_and_with_which_key(town: Town) -> None:
    approved = approve(ask(town), key=town.secrets["stranger"], yes=True)
    north, east = town.train("north").update, town.train("east").update
    shown = " ".join(town.run("verify", north, "-C", town.silo("north"), passphrase=False).out.split())
    assert f"approved by stranger, fingerprint {approved.fingerprint}, who signed sheet {approved.sheet[:16]}" in shown
    assert "no reviewer's approval" in town.run("verify", east, "-C", town.silo("east"), passphrase=False).out
    told = town.run("verify", north, "-C", town.silo("north"), "--json", passphrase=False).json
    assert approved.fingerprint in told["files"][0]["says"]
    facts = town.run("inspect", north, "--json", passphrase=False).json["facts"]
    assert facts["approved by"] == f"stranger, fingerprint {approved.fingerprint}, by its own word"
    assert "approved by" not in town.run("inspect", east, "--json", passphrase=False).json["facts"]


def test_an_approval_itself_is_inspected_and_verified_with_the_reviewers_public_key(town: Town) -> None:
    approved = approve(ask(town), key=town.secrets["stranger"], yes=True)
    facts = town.run("inspect", approved.file, "--json", passphrase=False).json["facts"]
    assert (facts["from"], facts["round"], facts["sha256"]) == ("stranger", "1", approved.sheet)
    asked = town.run("verify", approved.file, "-C", town.silo("north"), passphrase=False)
    assert (asked.status, "E402" in asked.out) == (1, True)
    assert "name the reviewer's .fedpub file as well" in " ".join(asked.err.split())
    other = town.run("verify", approved.file, town.public("east"), "-C", town.silo("north"), passphrase=False)
    assert "E402" in other.out
    good = town.run("verify", approved.file, town.public("stranger"), "-C", town.silo("north"), passphrase=False)
    assert good.status == 0
    said = " ".join(good.out.split())
    assert f"approval of sheet {approved.sheet[:16]} of heart, round 1, attempt 1, by stranger" in said
    assert approved.fingerprint in said
    approved.file.write_bytes(approved.file.read_bytes().replace(b"80 training", b"90 training"))
    changed = town.run("verify", approved.file, town.public("stranger"), "-C", town.silo("north"), passphrase=False)
    assert (changed.status, "E405" in changed.out) == (1, True)
