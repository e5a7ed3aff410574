"""The registry merges only what fits: every other file is refused by name, and nothing is written."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from fedcli.errors import (
    Altered,
    BadSignature,
    BadTensors,
    BindingMismatch,
    GarbageSum,
    MangledInTransit,
    NewerFormat,
    NotAFedcliFile,
    OtherAttempt,
    OtherRound,
    OtherSilo,
    OtherStudy,
    SecondUpdate,
    SilosMissing,
    StudyFinished,
    TooFewSilos,
    Truncated,
    UnknownSigner,
    WrongRecipient,
)
from fedcli.fileformat import canonical
from fedcli.workflow.models import open_final
from tests.workflow.forging import forge, manifest_of, resign
from tests.workflow.play import REGISTRY, SILOS, Town, agreement, command


def refused(place: Town, error, *arguments: object) -> str:
    return place.refuses(error, "aggregate", "-C", place.registry, *arguments)


# ---- of another study, round, silo or attempt ----------------------------------------------------------------------


def test_an_update_for_another_study_is_refused(town):
    place, other = town("collected"), town(text=agreement(params="{C: 2.0}"))
    other.collect()
    shutil.copy(other.update("north"), place.update("north"))
    assert "study 'heart'" in refused(place, OtherStudy)


def test_an_update_of_a_stranger_is_refused(town):
    place = town("collected")
    forge(place, place.update("north"), by="stranger")
    refused(place, UnknownSigner)


def test_an_update_that_names_another_sender_than_its_signer_is_refused(town):
    place = town("collected")
    forge(place, place.update("north"), by="south")
    assert "'south' signed it" in refused(place, BadSignature)


def test_an_update_signed_again_by_another_silo_does_not_fit_its_contents(town):
    place = town("collected")
    forge(place, place.update("north"), sender="south", binding=manifest_of(place.update("north")).binding())
    place.update("north").replace(place.update("south"))
    shutil.copy(place.silo("north") / "outbox" / place.update("north").name, place.inbox)
    refused(place, BindingMismatch)


def test_an_update_of_the_coordinator_is_refused(town):
    place = town("collected")
    forge(place, place.update("north"), sender=REGISTRY)
    refused(place, OtherSilo)


def test_an_update_encrypted_to_somebody_else_is_refused(town):
    place = town("collected")
    forge(place, place.update("north"), recipients=["south"])
    assert "not addressed to the coordinator" in refused(place, OtherSilo)


def test_an_update_that_the_coordinators_key_does_not_open_is_refused(town):
    place = town("collected")
    forge(place, place.update("north"), readable_by="south")
    refused(place, WrongRecipient)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"round": 2}, OtherRound),
        ({"attempt": 2}, OtherAttempt),
        ({"parent": "ab" * 32}, OtherRound),
        ({"roster": "ab" * 32}, OtherStudy),
        ({"study": "ab" * 32}, OtherStudy),
    ],
    ids=["round", "attempt", "model", "roster", "study"],
)
def test_an_update_with_another(changes, error, town):
    place = town("collected")
    forge(place, place.update("north"), **changes)
    refused(place, error)


def test_an_update_of_an_earlier_round_is_passed_over_in_the_inbox_and_refused_by_name(town):
    place = town("second")
    assert place.update("north", 1).exists()
    refused(place, OtherRound, place.update("north", 1))
    place.collect()
    assert len(place.aggregate().skipped) == 3


def test_what_is_nobodys_update_is_passed_over_in_the_inbox_and_refused_by_name(town):
    place = town("collected")
    letter = place.inbox / "letter.docx"
    letter.write_bytes(b"Dear registry, here is our file.")
    (place.inbox / "Thumbs.db").write_bytes(bytes(2048))
    (place.inbox / "old").mkdir()
    refused(place, NotAFedcliFile, letter)
    assert place.aggregate().round == 1


def test_a_broken_file_that_calls_itself_an_update_is_never_passed_over(town):
    place = town("collected")
    (place.inbox / "heart-north-r1 (1).fedupdate").write_bytes(b"Dear registry, here is our file.")
    refused(place, NotAFedcliFile)


def test_an_update_that_carries_text_beside_its_numbers_is_refused(town):
    place = town("collected")
    forge(place, place.update("north"), beside={"note": "row 17: 93, 4.1, ill"})
    refused(place, BadTensors)


def test_an_update_after_the_end_is_refused(town):
    place = town("finished")
    refused(place, StudyFinished)


# ---- twice ---------------------------------------------------------------------------------------------------------


def test_the_same_update_twice_is_counted_once_and_said(town):
    place, plain = town("collected"), town("collected")
    shutil.copy(place.update("north"), place.inbox / "heart-north-r1 (1).fedupdate")
    done = place.run("aggregate", "-C", place.registry)
    assert done.status == 0
    assert "2 copies, counted once" in done.err
    plain.aggregate()
    place.deliver(place.model(1))
    plain.deliver(plain.model(1))
    assert open_arrays(place) == open_arrays(plain)


def open_arrays(place: Town) -> dict[str, bytes]:
    _, final = open_final(place.finish().model)
    return {name: array.tobytes() for name, array in final.state.arrays.items()}


def test_two_different_updates_of_one_silo_are_refused(town):
    place = town("collected")
    shutil.copy(place.update("north"), place.inbox / "other.fedupdate")
    forge(place, place.inbox / "other.fedupdate")
    said = refused(place, SecondUpdate)
    assert "two different updates from 'north'" in said


# ---- damaged, newer, other kinds -----------------------------------------------------------------------------------


def test_an_update_of_a_newer_format_names_the_version(town):
    place = town("collected")
    path = place.update("north")
    key = place.secrets["north"]
    text = canonical.dumps({"type": "fedcli-update/2", "anything": True})
    resign(path, key, text, "update@fedcli-v1")
    assert "fedcli-update/2" in refused(place, NewerFormat)
    resign(path, key, text, "update@fedcli-v2")
    assert "fedcli-update/2" in refused(place, NewerFormat)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: data[:-700], Truncated),
        (lambda data: data + b"\0", Truncated),
        (lambda data: data[:-1400] + bytes([data[-1400] ^ 1]) + data[-1399:], Altered),
        (lambda data: data.replace(b"\n", b"\r\n"), MangledInTransit),
        (lambda data: b"hello", NotAFedcliFile),
        (lambda data: b"", NotAFedcliFile),
    ],
    ids=["cut", "extended", "changed", "rewritten_as_text", "replaced", "emptied"],
)
def test_an_update_that_was(change, error, town):
    place = town("collected")
    path = place.update("north")
    path.write_bytes(change(path.read_bytes()))
    said = refused(place, error)
    assert path.name in said


def test_a_file_of_another_kind_named_as_an_update_is_refused(town):
    place = town("collected")
    refused(place, NotAFedcliFile, place.study)


# ---- lies in the numbers -------------------------------------------------------------------------------------------


def with_block(change):
    def changed(arrays):
        name = sorted(arrays)[0]
        return {**arrays, name: change(arrays[name])}

    return changed


def huge(limbs):
    limbs = limbs.copy()
    limbs[:, 1] = np.uint64(1 << 60)
    return limbs


def test_numbers_beyond_what_all_silos_can_send_are_refused(town):
    place = town("collected")
    forge(place, place.update("north"), arrays=lambda a: {name: huge(limbs) for name, limbs in a.items()})
    refused(place, GarbageSum)


@pytest.mark.parametrize(
    "change",
    [
        with_block(lambda limbs: limbs[:-1] if len(limbs) > 1 else np.vstack([limbs, limbs])),
        with_block(lambda limbs: limbs.astype(np.float64)),
        with_block(lambda limbs: limbs.ravel()),
        lambda arrays: {**arrays, "extra": np.zeros((1, 2), np.uint64)},
        lambda arrays: dict(list(arrays.items())[1:]),
        lambda arrays: {name + "x": array for name, array in arrays.items()},
    ],
    ids=["another_length", "floats", "another_shape", "one_more", "one_less", "other_names"],
)
def test_arrays_of_an_update_with(change, town):
    place = town("collected")
    forge(place, place.update("north"), arrays=change)
    refused(place, BadTensors)


# ---- who is missing ------------------------------------------------------------------------------------------------


def test_a_missing_silo_is_named_with_the_two_ways_on(town):
    place = town(text=agreement(rules="min_silos: 2"))
    place.collect(("north", "east"))
    said = refused(place, SilosMissing)
    assert "lacks the update of south (2 of 3 are here)" in said
    assert "--without south" in said


def test_going_on_without_a_silo_is_offered_only_where_the_study_permits_it(town):
    place = town()
    place.collect(("north", "east"))
    said = refused(place, SilosMissing)
    assert "--without" not in said
    assert "requires at least 3 silos" in said
    assert "--without" not in command("status", "-C", place.registry).out


def test_fewer_silos_than_agreed_are_refused(town):
    place = town("collected")
    refused(place, TooFewSilos, "--without", "south")


def test_a_silo_of_another_name_cannot_be_left_out(town):
    place = town("collected")
    assert "north, east, south" in refused(place, OtherSilo, "--without", "nroth")


def test_a_model_records_who_was_silent(town):
    place = town(text=agreement(rules="min_silos: 2"))
    place.collect(("north", "east"))
    result = place.aggregate(without=["south"])
    place.deliver(result.model)
    result = place.finish()
    assert (result.n_samples, result.fit) == (240, SILOS), "south is back, and its rows are in the fit"
    assert open_final(result.model)[1].document.without == ("south (round 1)",)
    assert set(SILOS) == set(open_final(result.model)[1].document.members)
