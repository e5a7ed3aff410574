"""Two releases less each other: few rows that differ never show, whichever way the second one is asked for."""

from __future__ import annotations

import json

import pytest

from fedcli.errors import AlreadyReleased, OtherRound, OtherStudy, StudyFinished, TooFewRowsDiffer
from fedcli.workflow.join import join
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import open_final
from tests.workflow.forging import forge
from tests.workflow.play import SILOS, Town, agreement, command, rows, table_text

NORTH = rows("north")
MORE = rows("north-more", 40)


def lay(place: Town, records: list[dict[str, str]]) -> None:
    place.table("north").write_text(table_text(records))


def ask_again(place: Town, attempt: int = 2) -> None:
    """Ask everybody for a new attempt of round 1."""
    assert place.run("aggregate", "--new-attempt", "-C", place.registry).status == 0
    place.deliver(place.model(0, f"-a{attempt}"))


def checked(place: Town) -> list[str]:
    """Return the codes of what `check` finds, without a passphrase."""
    found = command("check", "-C", place.silo("north"), "--json")
    assert found.status == (1 if found.json["problems"] else 0)
    return [problem["code"] for problem in found.json["problems"]]


def files(place: Town, kind: str = "summed") -> list[str]:
    return sorted(path.name for path in (place.silo("north") / "private").glob(f"{kind}-*"))


@pytest.mark.parametrize(
    "records",
    [NORTH[:-1], NORTH + MORE[:9], [{**NORTH[0], "age": "51.5"}, *NORTH[1:]], NORTH[9:] + MORE, NORTH + NORTH[:1]],
    ids=["one gone", "nine new", "one corrected", "nine gone and forty new", "one twice"],
)
def test_a_new_attempt_in_which_few_rows_differ_is_refused_by_check_and_train(records, town):
    place = town("collected")
    ask_again(place)
    lay(place, records)
    assert checked(place) == ["E514"]
    said = place.refuses(TooFewRowsDiffer, "train", "-C", place.silo("north"), "--yes")
    assert "subtracting" in " ".join(said.split())
    place.refuses(TooFewRowsDiffer, "train", "-C", place.silo("north"), "--dry-run")


def test_a_new_attempt_in_which_enough_rows_differ_leaves_with_a_warning_and_is_counted_in_the_ledger(town):
    place = town("collected")
    ask_again(place)
    lay(place, NORTH[10:] + MORE[:12])
    assert checked(place) == []
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == 0, done.err
    assert "(12 new and 10 gone in the sums): whoever can read both" in " ".join(done.err.split())
    first, second = (json.loads(line) for line in (place.silo("north") / "ledger.jsonl").read_text().splitlines())
    assert "rows_added" not in first
    assert (second["rows_added"], second["rows_removed"]) == (12, 10)


def test_every_table_that_has_left_counts_not_only_the_last(town):
    place = town("collected")
    ask_again(place)
    lay(place, NORTH + MORE)
    place.train("north")
    ask_again(place, 3)
    lay(place, NORTH[1:])
    assert checked(place) == ["E514"]
    place.refuses(TooFewRowsDiffer, "train", "-C", place.silo("north"), "--yes")
    lay(place, NORTH)
    assert checked(place) == []
    place.train("north")
    assert len(files(place)) == 2


def test_another_order_of_the_rows_is_no_difference(town):
    place = town("collected")
    ask_again(place)
    lay(place, NORTH[::-1])
    assert checked(place) == []
    place.train("north")
    assert len(files(place)) == 1


def test_the_rule_is_the_study_s_own_min_rows(town):
    place = town(text=agreement(rules="min_rows: 30"))
    place.collect()
    ask_again(place)
    lay(place, NORTH + MORE[:29])
    assert checked(place) == ["E514"]
    lay(place, NORTH + MORE[:30])
    assert checked(place) == []


def test_only_rows_that_are_summed_count(town):
    place = town(text=agreement(holdout=0.3), tables={"north": table_text(rows("north", 300))})
    place.train("north")
    hashes = (place.silo("north") / "private" / files(place)[0]).read_bytes()
    held = place.train("north").release.rows_held_out
    assert held > 0
    assert len(hashes) == 8 * (300 - held)


def test_held_out_rows_of_which_few_differ_are_not_evaluated_again(town):
    many = {name: table_text(rows(name, 300)) for name in SILOS}
    place = town(text=agreement(holdout=0.3), tables=many)
    place.round()
    place.collect()
    assert len(files(place, "evaluated")) == 1
    assert place.run("aggregate", "--new-attempt", "--from-start", "-C", place.registry).status == 0
    place.deliver(place.model(0, "-a2"))
    lay(place, [*rows("north", 300), *one_held_out(place)])
    place.collect()
    place.deliver(place.aggregate().model)
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert "few differ from those evaluated before" in " ".join(done.err.split())
    assert len(files(place, "evaluated")) == 1


def one_held_out(place: Town) -> list[dict[str, str]]:
    """Return new rows of which one is held out at north and more than the study's ten are not."""
    kept, held = [], []
    base = count(place, rows("north", 300))
    for record in MORE:
        (held if count(place, [*rows("north", 300), record]) > base else kept).append(record)
    assert len(kept) >= 10
    return [*kept, held[0]]


def count(place: Town, records: list[dict[str, str]]) -> int:
    lay(place, records)
    return int(command("check", "-C", place.silo("north"), "--json").json["rows_held_out"])


# ---- a workspace from before, or without its memory ----------------------------------------------------------------


def test_a_workspace_that_kept_no_hashes_warns_as_before(town):
    place = town("collected")
    (place.silo("north") / "private" / files(place)[0]).unlink()
    ask_again(place)
    lay(place, NORTH[:-1])
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == 0
    assert "earlier update of this study: whoever can read both" in " ".join(done.err.split())


def test_a_private_folder_that_is_gone_is_said(town):
    place = town("collected")
    for path in (place.silo("north") / "private").iterdir():
        path.unlink()
    for order in ("train", "check", "status"):
        done = place.run(order, "-C", place.silo("north"), passphrase=order == "train")
        assert done.status == 3
        assert "restore private/ from a backup" in " ".join(done.err.split())


# ---- joining again -------------------------------------------------------------------------------------------------


def again(place: Town) -> SiloMemory:
    folder = place.root / "north" / "again"
    join(
        place.study,
        key=place.secrets["north"],
        key_file=place.key("north"),
        data=place.table("north"),
        workspace=folder,
        fingerprint=command("study", "show", place.study, "--json").json["fingerprint"],
    )
    return SiloMemory(folder / "private")


def test_joining_again_in_another_folder_keeps_the_hold_out(town):
    place = town()
    memory = again(place)
    assert memory.secret() == SiloMemory(place.silo("north") / "private").secret()
    assert memory.secret() != SiloMemory(place.silo("east") / "private").secret()


def test_a_workspace_that_exists_keeps_the_secret_it_has(town):
    place = town()
    old = place.root / "north" / "again" / "private"
    old.mkdir(parents=True, mode=0o755)
    (old / "holdout.secret").write_text("7" * 64 + "\n")
    (old / "holdout.secret").chmod(0o600)
    assert again(place).secret() == bytes.fromhex("7" * 64)


def test_a_private_folder_that_was_open_to_others_is_closed_and_so_are_its_files(town):
    place = town()
    old = place.root / "north" / "again" / "private"
    old.mkdir(parents=True)
    old.chmod(0o755)
    again(place)
    assert old.stat().st_mode & 0o777 == 0o700
    place.train("north")
    private = place.silo("north") / "private"
    assert {path.suffix for path in private.iterdir()} >= {".fedupdate", ".u64", ".secret", ".json", ".safetensors"}
    assert {path.stat().st_mode & 0o777 for path in private.iterdir()} == {0o600}


# ---- what check says of the round ----------------------------------------------------------------------------------


def test_check_refuses_another_table_for_an_update_that_has_left(town):
    place = town("collected")
    assert checked(place) == []
    lay(place, rows("north-again"))
    assert checked(place) == ["E505"]
    place.refuses(AlreadyReleased, "train", "-C", place.silo("north"), "--yes")


def test_check_refuses_another_table_in_a_later_round(town):
    place = town("second")
    assert checked(place) == []
    lay(place, rows("north-again"))
    assert checked(place) == ["E505"]
    place.refuses(AlreadyReleased, "train", "-C", place.silo("north"), "--yes")


def test_check_refuses_a_round_beyond_the_agreed_ones(town):
    place = town("second")
    forge(place, place.model(1), round=12, document=lambda d: {**d, "state": {**d["state"], "round": 12}})
    place.deliver(place.model(1))
    assert checked(place) == [OtherRound.code]


def test_check_says_that_a_study_is_finished(town):
    assert checked(town("finished")) == [StudyFinished.code]


def test_a_model_that_carries_another_study_inside_is_refused(town):
    place, other = town("second"), town("finished")
    model = sorted((other.registry / "outbox").glob("*.fedmodel"))[-1]
    assert open_final(model)[0].digest
    forge(place, place.model(1), document=lambda d: {**d, "study": {**d["study"], "title": "another"}})
    place.deliver(place.model(1))
    place.refuses(OtherStudy, "train", "-C", place.silo("north"), "--yes")
