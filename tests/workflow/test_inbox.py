"""What lies in the coordinator's inbox: `status` and `aggregate` say the same of every file, and count the same."""

from __future__ import annotations

import shutil
import zipfile

import pytest

from fedcli.errors import FedcliError, SilosMissing
from fedcli.workflow.status import status
from tests.workflow.forging import forge
from tests.workflow.play import SILOS, Town, agreement, command, snapshot


def seen(place: Town):
    before = snapshot(place.root)
    found = status(workspace=place.registry)
    assert snapshot(place.root) == before
    return found


def other_study(place: Town, town) -> None:
    other = town(text=agreement(params="{C: 2.0}"))
    other.collect(("north",))
    shutil.copy(other.update("north"), place.inbox / "other.fedupdate")


def zipped(place: Town, town) -> None:
    with zipfile.ZipFile(place.inbox / "north.zip", "w") as pack:
        pack.write(place.update("north"), place.update("north").name)


def cut(place: Town, town) -> None:
    whole = place.update("north").read_bytes()
    (place.inbox / "cut.fedupdate").write_bytes(whole[:-100])


def altered(place: Town, town) -> None:
    whole = place.update("north").read_bytes()
    (place.inbox / "altered.fedupdate").write_bytes(whole[:-2000] + b"\0" * 100 + whole[-1900:])


def letter(place: Town, town) -> None:
    (place.inbox / "letter.docx").write_bytes(b"Dear registry, here is our file.")


def renamed_letter(place: Town, town) -> None:
    (place.inbox / "letter.fedupdate").write_bytes(b"Dear registry, here is our file.")


def folder(place: Town, town) -> None:
    (place.inbox / "from north").mkdir()
    shutil.copy(place.update("north"), place.inbox / "from north")


def second(place: Town, town) -> None:
    shutil.copy(place.update("north"), place.inbox / "second.fedupdate")
    forge(place, place.inbox / "second.fedupdate")


def copy(place: Town, town) -> None:
    shutil.copy(place.update("north"), place.inbox / "heart-north-r1 (1).fedupdate")


def model(place: Town, town) -> None:
    shutil.copy(place.study, place.inbox)


STOPS = {
    "of another study": (other_study, "other.fedupdate", "belongs to"),
    "cut": (cut, "cut.fedupdate", "100 bytes missing"),
    "altered": (altered, "altered.fedupdate", ""),
    "that only calls itself an update": (renamed_letter, "letter.fedupdate", "does not begin like one"),
    "that is a second one of a silo": (second, "second.fedupdate", "two different updates from 'north'"),
}
PASSED = {
    "that is a zip": (zipped, "north.zip", "a zip archive: unpack it here, a fedcli file may be inside"),
    "that is no fedcli file": (letter, "letter.docx", "not a fedcli file"),
    "that is a folder": (folder, "from north", "a folder: what it holds is not looked at"),
    "that is a study": (model, "heart.fedstudy", "a fedcli study file, not an update"),
}


@pytest.mark.parametrize("case", STOPS)
def test_status_lists_and_aggregate_refuses_a_file(case, town):
    put, name, says = STOPS[case]
    place = town("collected")
    put(place, town)
    found = seen(place)
    assert [file for file, _ in found.problems] == [name]
    assert says in found.problems[0][1]
    assert name in found.next_step
    shown = command("status", "-C", place.registry)
    assert (shown.status, shown.err) == (0, "")
    said = place.run("aggregate", "-C", place.registry)
    assert said.status in (3, 4, 6)
    assert f"NO {name}" in said.err
    assert not place.model(1).exists()


@pytest.mark.parametrize("case", PASSED)
def test_status_names_and_aggregate_passes_over_a_file(case, town):
    put, name, why = PASSED[case]
    place = town("collected")
    put(place, town)
    found = seen(place)
    assert (found.problems, found.missing, found.next_step) == ((), (), "fedcli aggregate")
    assert found.passed == {why: (name,)}
    assert f"{name}: {why}" in " ".join(command("status", "-C", place.registry).out.split())
    done = place.run("aggregate", "-C", place.registry)
    assert done.status == 0
    assert f"passed over: {name}: {why}" in " ".join(done.err.split())


def test_of_two_different_updates_of_a_silo_neither_counts(town):
    place = town("collected")
    second(place, town)
    found = seen(place)
    assert (found.here, found.missing) == (("east", "south"), ("north",))


def test_a_second_copy_counts_once_for_both(town):
    place = town("collected")
    copy(place, town)
    found = seen(place)
    assert (found.here, found.problems, found.passed) == (SILOS, (), {})
    assert {update.copies for update in place.aggregate().updates} == {1, 2}


def test_a_missing_silo_whose_update_may_be_in_a_zip_is_not_waited_for_blindly(town):
    place = town("collected")
    zipped(place, town)
    place.update("north").unlink()
    assert seen(place).missing == ("north",)
    said = place.refuses(SilosMissing, "aggregate", "-C", place.registry)
    assert "unpack north.zip in inbox/" in " ".join(said.split())
    with zipfile.ZipFile(place.inbox / "north.zip") as pack:
        pack.extractall(place.inbox)
    assert place.aggregate().round == 1


def test_an_update_of_a_round_that_is_summed_is_named_and_counts_for_nobody(town):
    place = town("second")
    place.collect(("east",))
    shutil.copy(place.update("north", 1), place.inbox / "again.fedupdate")
    found = seen(place)
    assert (found.here, found.missing, found.problems) == (("east",), ("north", "south"), ())
    assert set(found.passed) == {"of round 1, which is summed already"}
    assert "again.fedupdate" in found.passed["of round 1, which is summed already"]
    said = place.refuses(SilosMissing, "aggregate", "-C", place.registry)
    assert "1 of 3 are here" in said


def test_aggregate_speaks_of_an_old_update_only_when_it_came_again(town):
    place = town("second")
    place.collect()
    twice = town("second")
    twice.collect()
    shutil.copy(twice.update("north", 1), twice.inbox / "z-again.fedupdate")
    assert "passed over" not in place.run("aggregate", "-C", place.registry).err
    said = " ".join(twice.run("aggregate", "-C", twice.registry).err.split())
    assert "passed over: z-again.fedupdate: of round 1, which is summed already" in said


def test_a_refusal_ticks_only_what_counts(town):
    place = town("second")
    place.collect()
    renamed_letter(place, town)
    said = place.run("aggregate", "-C", place.registry).err
    ticked = {line.split()[1] for line in said.splitlines() if line.startswith("OK")}
    assert ticked == {place.update(name, 2).name for name in SILOS}


# ---- who was asked -------------------------------------------------------------------------------------------------


def asked(place: Town, *names: str) -> None:
    words = [word for name in names for word in ("--ask", name)]
    assert place.run("aggregate", "-C", place.registry, "--new-attempt", *words).status == 0


def test_status_knows_without_a_key_whom_the_coordinator_asked_again(town):
    place = town("collected")
    asked(place, "north")
    found = seen(place)
    assert (found.asked, found.here, found.missing) == (("north",), ("east", "south"), ("north",))
    assert found.passed == {"attempt 1 of round 1; attempt 2 was asked for": ("heart-north-r1.fedupdate",)}
    with_key = place.run("status", "-C", place.registry, "--json").json
    assert (with_key["here"], with_key["missing"], with_key["asked"]) == (["east", "south"], ["north"], ["north"])
    place.deliver(place.model(0, "-a2"), ("north",))
    shutil.copy(place.train("north").update, place.inbox)
    assert seen(place).next_step == "fedcli aggregate"
    place.aggregate()
    assert seen(place).asked == ()


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"expects":{"north":"x"},"model":""}'])
def test_status_without_the_note_says_that_only_the_key_knows(content, town):
    place = town("collected")
    asked(place, "north")
    note = place.registry / "archive" / "asked.json"
    note.unlink()
    if content is not None:
        note.write_bytes(content)
    found = seen(place)
    assert found.asked == ()
    assert "--passphrase-file" in found.next_step
    shown = place.run("status", "-C", place.registry, "--json").json
    assert shown["missing"] == ["north"]


def test_a_silo_learns_from_its_own_key_whether_it_was_asked(town):
    place = town("collected")
    asked(place, "north")
    place.deliver(place.model(0, "-a2"))
    for name in SILOS:
        assert "whether you, it tells your key only" in status(workspace=place.silo(name)).next_step
    shown = {name: place.run("status", "-C", place.silo(name), "--json").json for name in ("north", "east")}
    assert shown["north"]["next"] == "fedcli train"
    assert shown["north"]["attempt"] == 2
    assert "wait for registry" in shown["east"]["next"]
    assert "heart-east-r1.fedupdate" in shown["east"]["next"]


# ---- what a silo can know ------------------------------------------------------------------------------------------


def test_a_silo_waits_until_the_final_model_is_in_its_inbox(town):
    place = town("collected")
    result = place.aggregate()
    found = status(workspace=place.silo("north"))
    assert not found.finished
    assert "wait for registry's next model" in found.next_step
    assert "only a final one ends the study" in found.next_step
    place.deliver(result.model)
    assert status(workspace=place.silo("north")).next_step == "fedcli train"


def test_a_silo_that_was_not_sent_the_final_model_is_not_told_that_the_study_is_over(town):
    place = town("finished")
    final = sorted((place.registry / "outbox").glob("*.fedmodel"))[-1]
    assert status(workspace=place.silo("north")).finished
    (place.silo("north") / "inbox" / final.name).unlink()
    found = status(workspace=place.silo("north"))
    assert not found.finished
    assert "wait for registry's next model" in found.next_step


def test_a_silo_names_what_its_inbox_holds_beside_models(town):
    place = town("second")
    inbox = place.silo("north") / "inbox"
    with zipfile.ZipFile(inbox / "model.zip", "w") as pack:
        pack.writestr("x", "y")
    shutil.copy(place.update("north"), inbox)
    (inbox / "heart-r2.fedmodel").write_bytes(place.model(1).read_bytes()[:-100])
    found = status(workspace=place.silo("north"))
    assert set(found.passed) == {
        "a zip archive: unpack it here, a fedcli file may be inside",
        "a fedcli update file, not a model",
    }
    assert [file for file, _ in found.problems] == ["heart-r2.fedmodel"]
    assert "train refuses until then" in found.next_step
    with pytest.raises(FedcliError):
        place.train("north")


def test_a_damaged_model_in_the_coordinators_outbox_is_no_older_round(town):
    place = town("second")
    place.model(1).write_bytes(place.model(1).read_bytes()[:-100])
    found = seen(place)
    assert [file for file, _ in found.problems] == ["heart-r1.fedmodel"]
    assert "outbox/" in found.next_step
