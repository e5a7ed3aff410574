"""Who somebody is: keys, passphrases, fingerprints, and files that claim to be from others."""

from __future__ import annotations

import os
import shutil

import pytest

from fedcli.crypto import base64_strict
from fedcli.errors import (
    AlreadyEnrolled,
    BadKeyFile,
    FileMissing,
    FingerprintMismatch,
    KeyChanged,
    MaskedUnavailable,
    NotAFedcliFile,
    NotConfirmed,
    OtherSilo,
    OutputExists,
    StudyFrozen,
    TooFewSilos,
    UnsafeKeyFile,
    WeakKey,
    WeakPassphrase,
    WorkspaceExists,
    WrongPassphrase,
)
from fedcli.workflow.files import read_public_key
from fedcli.workflow.keys import keys_new
from tests.workflow.play import PASSPHRASE, REGISTRY, agreement, command, snapshot

WRONG = "00000 00000 00000 00000 00000 00000"


# ---- secret keys ---------------------------------------------------------------------------------------------------


def test_a_wrong_passphrase_is_refused(town):
    place = town()
    place.passphrase.write_text("incorrect horse battery staple\n")
    place.refuses(WrongPassphrase, "train", "-C", place.silo("north"), "--yes")
    place.refuses(WrongPassphrase, "aggregate", "-C", place.registry)
    place.refuses(WrongPassphrase, "keys", "show", place.key("north"))


@pytest.mark.parametrize("content", ["", "\n", "\n" + PASSPHRASE + "\n"], ids=["nothing", "a_newline", "a_blank_line"])
def test_a_passphrase_file_that_begins_with(content, town):
    place = town()
    place.passphrase.write_text(content)
    assert "empty" in place.refuses(BadKeyFile, "train", "-C", place.silo("north"), "--yes")


def test_a_passphrase_file_that_is_no_text_is_refused_without_showing_it(town):
    place = town()
    place.passphrase.write_bytes(b"caf\xe9 caf\xe9 caf\xe9 caf\xe9\n")
    said = place.refuses(BadKeyFile, "train", "-C", place.silo("north"), "--yes")
    assert "caf" not in said


def test_a_passphrase_file_that_is_missing_or_a_folder_is_refused(town):
    place = town()
    for path in (place.root / "nowhere", place.root):
        where = ("-C", place.silo("north"), "--yes", "--passphrase-file", path)
        place.refuses(FileMissing, "train", *where, passphrase=False)


def test_without_a_terminal_and_without_a_passphrase_nothing_is_asked(town):
    place = town()
    said = place.refuses(NotConfirmed, "train", "-C", place.silo("north"), "--yes", passphrase=False)
    assert "--passphrase-file" in said


def test_without_a_terminal_and_without_yes_nothing_leaves(town):
    place = town()
    assert "--yes" in place.refuses(NotConfirmed, "train", "-C", place.silo("north"))


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660])
def test_a_key_that_others_can_read_is_refused(mode, town):
    place = town()
    place.key("north").chmod(mode)
    assert "chmod 600" in place.refuses(UnsafeKeyFile, "train", "-C", place.silo("north"), "--yes")


def test_a_key_behind_a_link_is_refused(town):
    place = town()
    place.key("north").rename(place.root / "elsewhere.fedkey")
    place.key("north").symlink_to(place.root / "elsewhere.fedkey")
    place.refuses(UnsafeKeyFile, "train", "-C", place.silo("north"), "--yes")


@pytest.mark.parametrize("at", [5, 30, -1, -20])
def test_a_damaged_key_is_refused(at, town):
    place = town()
    data = bytearray(place.key("north").read_bytes())
    data[at] ^= 1
    place.key("north").write_bytes(bytes(data))
    place.key("north").chmod(0o600)
    error = WrongPassphrase if at == 30 else BadKeyFile
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == 3
    assert any(f"error[{e.code}]" in done.err for e in (error, BadKeyFile, WrongPassphrase))
    assert not list((place.silo("north") / "outbox").iterdir())


def test_a_key_that_is_missing_is_named(town):
    place = town()
    place.key("north").unlink()
    assert "north.fedkey" in place.refuses(FileMissing, "train", "-C", place.silo("north"), "--yes")


def test_a_new_key_replaces_none(town):
    place = town("keys")
    place.refuses(OutputExists, "keys", "new", "north", "-o", place.root / "north")


def test_a_new_key_needs_a_passphrase_and_a_long_one(town):
    place = town("keys")
    place.refuses(NotConfirmed, "keys", "new", "west", "-o", place.root, passphrase=False)
    place.passphrase.write_text("too short\n")
    said = place.refuses(WeakPassphrase, "keys", "new", "west", "-o", place.root)
    assert "too short" not in said.replace("weak", "")


# ---- public keys ---------------------------------------------------------------------------------------------------


def test_a_key_of_low_order_is_not_enrolled(town):
    place = town("drafted")
    other = keys_new("west", passphrase=PASSPHRASE, out=place.root / "west", log2_n=10)
    mask = base64_strict.encode(read_public_key(other.public).mask_x25519 or b"")
    weak = base64_strict.encode(bytes(32))
    other.public.write_bytes(other.public.read_bytes().replace(mask.encode(), weak.encode()))
    said = place.refuses(WeakKey, "study", "add-silo", other.public, "-C", place.registry, passphrase=False)
    assert "'west'" in said


def test_something_else_than_a_public_key_is_not_enrolled(town):
    place = town("drafted")
    where = ("-C", place.registry, "--fingerprint", WRONG)
    place.refuses(NotAFedcliFile, "study", "add-silo", place.key("north"), *where, passphrase=False)
    place.refuses(NotAFedcliFile, "study", "add-silo", place.table("north"), *where, passphrase=False)
    place.refuses(FileMissing, "study", "add-silo", place.root, *where, passphrase=False)


# ---- fingerprints --------------------------------------------------------------------------------------------------


def fresh(place) -> None:
    """Leave the draft without silos."""
    (place.registry / "study.yaml").write_text(agreement())
    shutil.rmtree(place.registry / "keys")
    (place.registry / "keys").mkdir()


def test_a_wrong_fingerprint_enrols_nobody(town):
    place = town("drafted")
    fresh(place)
    right = place.secrets["east"].public_identity().fingerprint
    files = (place.public("east"), place.public("north"))
    where = ("-C", place.registry, "--fingerprint", right, "--fingerprint", WRONG)
    place.refuses(FingerprintMismatch, "study", "add-silo", *files, *where, passphrase=False)


def test_a_fingerprint_of_none_of_the_keys_enrols_nobody(town):
    place = town("drafted")
    fresh(place)
    digits = [place.secrets[name].public_identity().fingerprint for name in ("north", "south")]
    where = ("-C", place.registry, "--fingerprint", digits[0], "--fingerprint", digits[1])
    place.refuses(FingerprintMismatch, "study", "add-silo", place.public("north"), *where, passphrase=False)


def test_without_a_terminal_a_fingerprint_must_be_given(town):
    place = town("drafted")
    fresh(place)
    said = place.refuses(
        NotConfirmed, "study", "add-silo", place.public("north"), "-C", place.registry, passphrase=False
    )
    assert "--yes never answers this" in said


def test_yes_is_no_option_where_a_fingerprint_is_asked(town):
    place = town("drafted")
    before = snapshot(place.root)
    for words in (("study", "add-silo", place.public("north")), ("join", place.study, "--key", "k", "--data", "d")):
        assert command(*words, "-C", place.registry, "--yes").status == 2
    assert snapshot(place.root) == before


def test_join_compares_the_fingerprint(town):
    place = town()
    where = ("--key", place.key("north"), "--data", place.table("north"), "-C", place.root / "north" / "again")
    place.refuses(FingerprintMismatch, "join", place.study, *where, "--fingerprint", WRONG)
    assert "--yes never answers this" in place.refuses(NotConfirmed, "join", place.study, *where)


def test_join_is_for_members_of_the_study_and_not_for_its_coordinator(town):
    place = town()
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    for name in ("stranger", REGISTRY):
        where = ("--key", place.key(name), "--data", place.table("north"), "-C", place.root / "again")
        place.refuses(OtherSilo, "join", place.study, *where, "--fingerprint", digits)


def test_join_takes_no_folder_that_holds_a_workspace(town):
    place = town()
    where = ("--key", place.key("north"), "--data", place.table("north"), "--fingerprint", WRONG)
    place.refuses(WorkspaceExists, "join", place.study, *where, "-C", place.silo("north"))
    place.refuses(WorkspaceExists, "join", place.study, *where, "-C", place.registry)


def test_a_silo_is_enrolled_once(town):
    place = town("drafted")
    digits = place.secrets["north"].public_identity().fingerprint
    where = ("-C", place.registry, "--fingerprint", digits)
    place.refuses(AlreadyEnrolled, "study", "add-silo", place.public("north"), *where, passphrase=False)
    fresh(place)
    twice = (place.public("north"), place.public("north"))
    place.refuses(AlreadyEnrolled, "study", "add-silo", *twice, *where, passphrase=False)


def test_a_name_that_comes_with_another_key_is_noticed(town):
    place = town("drafted")
    other = keys_new("north", passphrase=PASSPHRASE, out=place.root / "new", log2_n=10)
    where = ("-C", place.registry, "--fingerprint", other.fingerprint)
    said = place.refuses(KeyChanged, "study", "add-silo", other.public, *where, passphrase=False)
    assert "call north" in said


def test_a_public_key_that_was_exchanged_in_the_folder_is_noticed_at_freeze(town):
    place = town("drafted")
    other = keys_new("north", passphrase=PASSPHRASE, out=place.root / "new", log2_n=10)
    shutil.copy(other.public, place.registry / "keys" / "north.fedpub")
    place.refuses(FingerprintMismatch, "study", "freeze", "-C", place.registry)
    (place.registry / "keys" / "north.fedpub").unlink()
    place.refuses(FileMissing, "study", "freeze", "-C", place.registry)


def test_the_coordinators_key_is_no_silos(town):
    place = town("drafted")
    digits = place.secrets[REGISTRY].public_identity().fingerprint
    where = ("-C", place.registry, "--fingerprint", digits)
    place.refuses(AlreadyEnrolled, "study", "add-silo", place.public(REGISTRY), *where, passphrase=False)
    place.refuses(OtherSilo, "study", "freeze", "-C", place.registry, "--key", place.key("north"))


@pytest.mark.parametrize("name", [REGISTRY, "south", "stranger"])
def test_a_silo_trains_with_its_own_key_only(name, town):
    place = town()
    said = place.refuses(OtherSilo, "train", "-C", place.silo("north"), "--key", place.key(name), "--yes")
    assert name in said


@pytest.mark.parametrize("name", ["north", "stranger"])
def test_the_registry_aggregates_with_its_own_key_only(name, town):
    place = town("collected")
    place.refuses(OtherSilo, "aggregate", "-C", place.registry, "--key", place.key(name))
    place.refuses(OtherSilo, "aggregate", "--new-attempt", "-C", place.registry, "--key", place.key(name))


# ---- freezing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["aggregation: masked", "min_rows: 10"], ids=["asked_for", "not_mentioned"])
def test_masked_aggregation_is_refused_when_it_is(rule, town):
    place = town("drafted")
    draft = (place.registry / "study.yaml").read_text()
    (place.registry / "study.yaml").write_text(draft.replace("aggregation: plain", rule))
    said = place.refuses(MaskedUnavailable, "study", "freeze", "-C", place.registry)
    assert "aggregation: plain" in said


def test_too_few_silos_are_no_study(town):
    place = town("drafted")
    fresh(place)
    place.refuses(TooFewSilos, "study", "freeze", "-C", place.registry)


def test_a_frozen_study_is_neither_frozen_again_nor_extended(town):
    place = town()
    place.refuses(StudyFrozen, "study", "freeze", "-C", place.registry)
    digits = place.secrets["stranger"].public_identity().fingerprint
    where = ("-C", place.registry, "--fingerprint", digits)
    place.refuses(StudyFrozen, "study", "add-silo", place.public("stranger"), *where, passphrase=False)


def test_a_draft_edited_after_freezing_changes_nothing(town):
    place = town()
    (place.registry / "study.yaml").write_text("study: other\n")
    place.collect()
    assert place.aggregate().round == 1


def test_init_takes_no_folder_that_holds_a_study(town):
    place = town()
    for folder in (place.registry, place.silo("north")):
        place.refuses(WorkspaceExists, "study", "init", folder, "--key", place.key(REGISTRY), passphrase=False)
