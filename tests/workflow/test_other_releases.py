"""Releases of one silo in other studies and workspaces: few rows that differ do not show there either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fedcli.errors import BadDocument, CannotWrite, LedgerRewound, TooFewRowsDiffer
from fedcli.report.sheet import SheetTest
from fedcli.workflow.join import join
from fedcli.workflow.train import train
from tests.workflow.play import FEATURES, REGISTRY, SILOS, Town, agreement, command, rows, table_text

NORTH = rows("north")
MORE = rows("north-more", 700)
ELSEWHERE = "rows that differ from releases of other studies and workspaces with this key"


@dataclass(frozen=True)
class Again(Town):
    """Another study or workspace of the same people, with the same keys and tables."""

    folder: str = "again"

    @property
    def registry(self) -> Path:
        return self.root / REGISTRY / self.folder

    def silo(self, name: str) -> Path:
        return self.root / name / self.folder


def lay(place: Town, records: list[dict[str, str]]) -> None:
    place.table("north").write_text(table_text(records))


def another_study(place: Town, text: str | None = None, folder: str = "again") -> Again:
    """Agree on another study: the same rules unless ``text`` says otherwise, and so another identity."""
    made = Again(place.root, place.secrets, folder)
    made.draft(text or agreement(extra="profile: {bins: 8}"))
    made.freeze()
    return made


def another_workspace(place: Town, folder: str = "again") -> Again:
    """Join the same study a second time at north."""
    made = Again(place.root, place.secrets, folder)
    join(
        place.study,
        key=place.secrets["north"],
        key_file=place.key("north"),
        data=place.table("north"),
        workspace=made.silo("north"),
        fingerprint=command("study", "show", place.study, "--json").json["fingerprint"],
    )
    return made


def checked(place: Town) -> list[str]:
    found = command("check", "-C", place.silo("north"), "--json")
    return [problem["code"] for problem in found.json["problems"]]


def refused(place: Town) -> str:
    """Let `check` and `train` refuse, and return what `train` says."""
    assert checked(place) == ["E514"]
    said = place.refuses(TooFewRowsDiffer, "train", "-C", place.silo("north"), "--yes")
    return " ".join(said.split())


def released(place: Town) -> SheetTest:
    """Let `check` and `train` pass, and return what the sheet says of other releases."""
    assert checked(place) == []
    return next(test for test in place.train("north").release.tests if test.rule == ELSEWHERE)


def records(place: Town) -> list[Path]:
    return sorted((place.root / "north" / "north.fedreleases").glob("*.fedrows"))


@pytest.fixture
def first(town) -> Town:
    """The town after north released its eighty rows."""
    place = town("joined")
    place.train("north")
    return place


# ---- the two ways round the workspace's own memory -----------------------------------------------------------------


def test_a_new_study_over_one_row_fewer_is_refused(first):
    lay(first, NORTH[:-1])
    said = refused(another_study(first))
    assert "in study 'heart' by 1 (0 new, 1 gone)" in said
    assert "at least 10" in said


def test_a_second_workspace_of_the_study_over_one_row_fewer_is_refused(first):
    lay(first, NORTH[:-1])
    assert "in another workspace of this study by 1 (0 new, 1 gone)" in refused(another_workspace(first))


def test_the_same_rows_may_leave_again_in_whatever_order(first):
    lay(first, NORTH[::-1])
    test = released(another_study(first))
    assert (test.outcome, test.required) == ("passed", "none, or at least 10 of each; between studies, new or gone")
    assert test.found == "1 in north.fedreleases; nearest, of 'heart': 0 new, 0 gone"
    assert released(another_workspace(first, "third")).found.startswith("2 in north.fedreleases")


def test_every_earlier_study_counts(first):
    second = another_study(first)
    lay(first, NORTH + MORE[:20])
    second.train("north")
    lay(first, NORTH[1:])
    assert "(0 new, 1 gone)" in refused(another_study(first, agreement(extra="profile: {bins: 16}"), "third"))


# ---- what makes rows the same --------------------------------------------------------------------------------------

OTHERWISE = {
    "other names": {
        "features": "  years: {type: number, range: [20, 100]}\n  fat: {type: number, range: [100, 400]}\n",
    },
    "another unit": {
        "features": FEATURES.replace("range: [100, 400]", "range: [1, 20]"),
    },
    "another order of levels": {
        "features": FEATURES.replace("[female, male]", "[male, female]"),
    },
    "the outcome as a feature": {
        "target": "{column: sex, type: binary, positive: male, negative: female}",
        "features": "  age: {type: number, range: [20, 100]}\n  disease: {type: category, levels: [well, ill]}\n",
    },
}
MAPPINGS = {
    "other names": "columns: {years: age, fat: chol}\n",
    "another unit": "columns: {chol: {multiply: 0.02586}}\n",
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_the_same_columns_of_the_table_agreed_on_otherwise_are_compared_all_the_same(how, first):
    place = another_study(first, agreement(**OTHERWISE[how]))
    settings = place.silo("north") / "silo.yaml"
    settings.write_text(settings.read_text().split("columns:")[0] + MAPPINGS.get(how, ""))
    lay(first, NORTH[:-1])
    assert "(0 new, 1 gone)" in refused(place)
    lay(first, NORTH)
    assert released(place).found.endswith("0 new, 0 gone")


def test_one_column_more_or_fewer_hides_nothing_as_long_as_the_table_has_them(first):
    more = [{**record, "size": str(150 + i % 40)} for i, record in enumerate(NORTH)]
    lay(first, more[:-1])
    with_size = another_study(first, agreement(features=FEATURES + "  size: {type: number, range: [100, 220]}\n"))
    assert "(0 new, 1 gone)" in refused(with_size)
    fewer = another_study(first, agreement(features="  age: {type: number, range: [20, 100]}\n"), "fewer")
    assert "(0 new, 1 gone)" in refused(fewer)


def test_studies_without_a_column_in_common_are_not_compared(first):
    other = [{"size": str(150 + i), "weight": str(50 + i % 40), "tall": "ill" if i % 2 else "well"} for i in range(60)]
    text = agreement(
        target="{column: tall, type: binary, positive: ill, negative: well}",
        features="  size: {type: number, range: [100, 300]}\n  weight: {type: number, range: [40, 100]}\n",
    )
    for name in SILOS:
        first.table(name).write_text(table_text(other))
    test = released(another_study(first, text))
    assert (test.outcome, test.found) == ("passed", "none of these columns in north.fedreleases")


def test_a_table_that_lacks_a_column_of_an_earlier_release_is_said_to_be_not_compared(first):
    place = another_study(first, agreement(features="  age: {type: number, range: [20, 100]}\n"))
    first.table("north").write_text(table_text(NORTH[:-1], ["age", "disease"]))
    assert checked(place) == []
    release = place.train("north").release
    test = next(test for test in release.tests if test.rule == ELSEWHERE)
    assert (test.outcome, test.found.split("; ")[1]) == ("not tested", "1 could not be compared")
    said = "rows not compared with those released to study 'heart', which read other columns"
    assert any(said in warning for warning in release.warnings)


# ---- how many rows are few -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [10, 40])
def test_enough_rows_that_differ_may_leave_and_are_counted(gone, first):
    lay(first, NORTH[gone:] + MORE[: gone + 5])
    assert released(another_study(first)).found.endswith(f"{gone + 5} new, {gone} gone")


def test_a_table_that_grew_by_many_may_lose_a_few_between_studies_and_the_person_is_told(first):
    lay(first, NORTH[3:] + MORE)
    place = another_study(first)
    release = place.train("north").release
    assert any("shows the sums of 700 new, 3 gone rows" in warning for warning in release.warnings)
    assert "3 gone" in refused(another_workspace(first, "third"))


def test_the_rule_of_the_earlier_study_holds_whatever_the_new_one_says(first):
    lay(first, NORTH[:-9])
    loose = agreement(rules="min_rows: 1, min_cell: 1, rows_per_column: 0")
    assert "at least 10 new or gone" in refused(another_study(first, loose))


def test_only_rows_that_are_summed_are_kept_and_compared(town):
    place = town(text=agreement(holdout=0.3), tables={"north": table_text(rows("north", 300))})
    held = place.train("north").release.rows_held_out
    assert held > 0
    (path,) = records(place)
    assert path.stat().st_size - path.read_bytes().index(b"\n") - 1 == 8 * (300 - held)


def test_rows_that_were_summed_are_known_again_in_another_order(town):
    many = rows("north", 300)
    place = town(text=agreement(holdout=0.3), tables={"north": table_text(many)})
    place.train("north")
    other = another_workspace(place)
    lay(place, many[::-1])
    release = other.train("north").release
    (test,) = (test for test in release.tests if test.rule == ELSEWHERE)
    assert test.found.endswith("0 new, 0 gone")


def test_a_model_that_rests_on_another_workspace_s_update_is_not_answered_by_this_one(town):
    many = rows("north", 300)
    place = town(text=agreement(holdout=0.3), tables={name: table_text(rows(name, 300)) for name in SILOS})
    place.round()
    place.train("north")
    assert {path.name.split("-")[0] for path in records(place)} == {"summed", "evaluated"}
    other = another_workspace(place)
    for held in range(len(MORE)):
        lay(place, [*many, MORE[held]])
        if not checked(other):
            break
    other.train("north")
    (other.silo("north") / "inbox" / "heart-r1.fedmodel").write_bytes(place.model(1).read_bytes())
    # Held-out rows that differ by few would be evaluated at the same point: the ledger stops it before.
    said = other.refuses(LedgerRewound, "train", "-C", other.silo("north"), "--yes")
    assert "the ledger does not hold" in " ".join(said.split())
    assert {path.name.split("-")[0] for path in records(other)} == {"summed", "evaluated"}


# ---- the folder ----------------------------------------------------------------------------------------------------


def test_the_folder_is_beside_the_key_closed_to_others_and_holds_no_value(first):
    folder = first.root / "north" / "north.fedreleases"
    assert folder.stat().st_mode & 0o777 == 0o700
    (path,) = folder.glob("*.fedrows")
    (known,) = folder.glob("*.json")
    assert {known, path} == set(folder.iterdir())
    assert known.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o600
    head, _, data = path.read_bytes().partition(b"\n")
    assert head.startswith(b'{"columns":["age","chol","disease","sex"],"format":1,"key":"')
    assert len(data) == 8 * len(NORTH)
    assert data == b"".join(sorted(data[i : i + 8] for i in range(0, len(data), 8)))


def test_later_rounds_add_nothing(town):
    place = town("second")
    before = {path: path.read_bytes() for path in records(place)}
    place.train("north")
    assert {path: path.read_bytes() for path in records(place)} == before


def test_nothing_is_recorded_before_the_person_says_yes(town):
    place = town("joined")
    place.train("north", dry_run=True)
    assert not records(place)


def test_a_release_by_another_workspace_while_the_person_thinks_is_met_before_anything_leaves(first):
    second, third = another_study(first), another_workspace(first, "third")
    lay(first, NORTH + MORE[:20])

    def meanwhile(release: object) -> bool:
        lay(first, NORTH + MORE[1:20])
        third.train("north")
        return True

    with pytest.raises(TooFewRowsDiffer, match="recorded with this key meanwhile"):
        train(workspace=second.silo("north"), key=second.secrets["north"], confirm=meanwhile)
    assert not list((second.silo("north") / "outbox").iterdir())
    assert not (second.silo("north") / "ledger.jsonl").exists()
    assert len(records(first)) == 2


def test_a_folder_that_was_moved_away_is_missed(town):
    place = town("second")
    folder = place.root / "north" / "north.fedreleases"
    folder.rename(place.root / "north" / "elsewhere")
    release = place.train("north").release
    test = next(test for test in release.tests if test.rule == ELSEWHERE)
    assert test.outcome == "not tested"
    assert any("put the folder back beside the key" in warning for warning in release.warnings)


def test_a_key_beside_which_nothing_can_be_recorded_is_refused_before_anybody_is_asked(town):
    place = town("joined")
    (place.root / "north" / "north.fedreleases").write_text("in the way")
    said = place.refuses(CannotWrite, "train", "-C", place.silo("north"), "--yes")
    assert "keep the key in a folder of your own" in " ".join(said.split())
    assert place.train("north", dry_run=True).update is None


@pytest.mark.parametrize("harm", [lambda data: data[:-3], lambda data: b"{}\n" + data, lambda data: b"nothing"])
def test_a_damaged_record_stops_train_and_check_and_is_named(harm, first):
    (path,) = records(first)
    path.write_bytes(harm(path.read_bytes()))
    place = another_study(first)
    assert checked(place) == [BadDocument.code]
    said = place.refuses(BadDocument, "train", "-C", place.silo("north"), "--yes")
    assert path.name in said.replace("\n", "")


def test_a_workspace_that_joined_before_there_was_the_secret_is_compared_by_train(first):
    place = another_study(first)
    (place.silo("north") / "private" / "releases.secret").unlink()
    lay(first, NORTH[:-1])
    assert checked(place) == []
    place.refuses(TooFewRowsDiffer, "train", "-C", place.silo("north"), "--yes")


def test_a_key_has_a_folder_of_its_own(first):
    assert not (first.root / "east" / "east.fedreleases").exists()
    place = another_study(first)
    place.train("east")
    assert len(records(first)) == 1
