"""A file of another kind than was asked for is named for what it is, with what to name instead."""

from __future__ import annotations

import pytest

from fedcli.errors import BadTable, NotAFedcliFile
from tests.workflow.play import REGISTRY, Town, agreement, command, snapshot

KINDS = {
    "a public key": lambda place: place.public("north"),
    "a frozen study": lambda place: place.study,
    "an update": lambda place: place.update("north"),
    "a model": lambda place: place.model(1),
    "a table": lambda place: place.table("north"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is(kind, town):
    place = town("second")
    wrong = KINDS[kind](place)
    joining = ("join", place.study, "--data", place.table("north"), "-C", place.root / "new", "--fingerprint", "1")
    for words in (("study", "init", place.root / "new"), joining, ("train", "-C", place.silo("north"), "--yes")):
        said = place.refuses(NotAFedcliFile, *words, "--key", wrong, passphrase=words[0] != "study")
        assert f"'{wrong}' is {kind}, not a secret key" in said
        assert "name the .fedkey file" in said
        assert "chmod" not in said


def test_the_sealed_file_beside_a_key_is_not_the_key(town):
    place = town("keys")
    said = place.refuses(NotAFedcliFile, "keys", "show", place.key("north").with_suffix(".fedmask"))
    assert "an encrypted file, not a secret key" in said
    assert "name the .fedkey file that was written beside it" in said


def test_a_secret_key_is_not_enrolled_and_nobody_is_told_to_send_it(town):
    place = town("drafted")
    said = place.refuses(
        NotAFedcliFile, "study", "add-silo", place.key("stranger"), "-C", place.registry, passphrase=False
    )
    assert "is a secret key, not a public key" in said
    assert "never leaves its owner" in said


@pytest.mark.parametrize("name", ["the study is a table", "the study is a draft", "the study is a key"])
def test_join_says_when(name, town):
    place = town("joined")
    wrong, words = {
        "the study is a table": (place.table("north"), "a table, not a frozen study"),
        "the study is a draft": (place.registry / "study.yaml", "a draft, not a frozen study"),
        "the study is a key": (place.public(REGISTRY), "a public key, not a frozen study"),
    }[name]
    where = ("--key", place.key("north"), "--data", place.table("north"), "-C", place.root / "new")
    said = place.refuses(NotAFedcliFile, "join", wrong, *where)
    assert words in said
    assert "name the .fedstudy file" in said


def test_join_says_when_the_table_is_no_table(town):
    place = town("joined")
    for wrong, words in ((place.study, "a fedcli file"), (place.key("north"), "a secret key")):
        where = ("--key", place.key("north"), "--data", wrong, "-C", place.root / "new")
        said = place.refuses(BadTable, "join", place.study, *where)
        assert words in said
        assert "name the table itself" in said
        assert "fedcli train" not in said


def test_a_secret_key_is_shown_for_what_it_is_and_not_to_be_verified(town):
    place = town("keys")
    key = place.key("north")
    shown = command("inspect", key)
    assert (shown.status, "secret key, behind a passphrase" in shown.out) == (0, True)
    assert "fedcli verify" not in shown.out + shown.err
    assert "mask secret" in command("inspect", key.with_suffix(".fedmask")).out
    checked = command("verify", key)
    assert checked.status == 1
    assert "NO  north.fedkey  E302: 'north.fedkey' is a secret key" in checked.out
    assert f"fedcli keys show {key}" in checked.err
    assert "a .fedmask stays with its owner" in command("verify", key.with_suffix(".fedmask")).err


def test_a_file_of_another_study_is_refused_with_both_names(town):
    place = town("collected")
    others = town(text=agreement().replace("study: heart", "study: lungs"))
    study = place.study.with_name("lungs.fedstudy")
    study.write_bytes((others.registry / "outbox" / "lungs.fedstudy").read_bytes())
    # The same people, other study; then people whom that study does not know.
    done = command("verify", study, place.update("north"))
    assert done.status == 1
    assert "says it is of study 'heart'" in done.out
    assert "here is 'lungs'" in done.out
    assert "name the .fedstudy file of 'heart'" in done.err
    assert command("verify", study, place.study, place.update("north")).status == 0


def test_an_old_silo_yaml_serves_as_the_mapping_of_a_new_study(town):
    place = town("joined")
    _rename(place, "age", "years")
    old = place.silo("north") / "silo.yaml"
    old.write_text(
        "# mine\nkey: ../gone.fedkey  # the old key\ndata:\n  ../gone.csv\n\ncolumns:\n  age: {column: years}\n"
    )
    new = place.root / "new"
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    where = ("--key", place.key("north"), "--data", place.table("north"), "-C", new, "--mapping", old)
    done = place.run("join", place.study, *where, "--fingerprint", digits)
    assert done.status == 0, done.err
    text = (new / "silo.yaml").read_text()
    assert "gone" not in text
    assert "columns:\n  age: {column: years}" in text
    assert command("check", "-C", new).status == 0


def test_a_wrong_line_in_a_mapping_is_named_by_the_file_it_stands_in(town):
    place = town("joined")
    old = place.root / "old.yaml"
    old.write_text("key: a\ncolumns:\n  nothing: {column: years}\n")
    before = snapshot(place.root)
    where = ("--key", place.key("north"), "--data", place.table("north"), "-C", place.root / "new", "--mapping", old)
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    done = place.run("join", place.study, *where, "--fingerprint", digits)
    assert (done.status, "old.yaml:3" in done.err) == (3, True), done.err
    assert snapshot(place.root) == before


def _rename(place: Town, column: str, name: str) -> None:
    table = place.table("north")
    table.write_text(table.read_text().replace(column, name, 1))
