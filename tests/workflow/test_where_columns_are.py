"""Columns that a table lacks are on another sheet, or under a header that is missing: `check` and `join` say which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from fedcli.data.header import clean_header, record_cells
from fedcli.errors import BadTable
from tests.workflow.play import Outcome, Town

LEGEND = [["code", "meaning"], ["1", "ill"]]


def book(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
    with xlsxwriter.Workbook(path) as made:
        for name, records in sheets.items():
            page = made.add_worksheet(name)
            for r, record in enumerate(records):
                page.write_row(r, 0, record)
    return path


def records(town: Town, *columns: str) -> list[list[object]]:
    frame = pl.read_csv(town.table("north"))
    chosen = list(columns) or frame.columns
    return [chosen, *map(list, frame.select(chosen).rows())]


def checked_and_joined(town: Town, table: Path) -> tuple[Outcome, Outcome]:
    """Let the north check a table, and join once more with it."""
    fingerprint = town.run("study", "show", town.study, "--json", passphrase=False).json["fingerprint"]
    again = ("-C", table.parent / "again", "--key", town.key("north"), "--data", table, "--fingerprint", fingerprint)
    checked = town.run("check", table, "-C", town.silo("north"), passphrase=False)
    return checked, town.run("join", town.study, *again)


def words(outcome: Outcome) -> str:
    return " ".join(outcome.err.split())


@pytest.mark.parametrize("first", ["another table", "some of the columns"])
def test_both_name_the_sheet_that_fits_best_and_what_picks_it(
    town: Callable[..., Town], tmp_path: Path, first: str
) -> None:
    place = town("joined")
    front = LEGEND if first == "another table" else records(place, "age", "sex")
    sheets = {"Front": front, "Empty": [], "Old": records(place, "age", "sex", "chol"), "Patients 2024": records(place)}
    table = book(tmp_path / "t.xlsx", sheets)
    pick = "sheet 'Patients 2024' has them: write in silo.yaml table: {sheet: Patients 2024}"
    checked, joined = checked_and_joined(place, table)
    assert (checked.status, joined.status) == (1, 0)
    assert pick in words(checked)
    assert ("has none of the 4" if front is LEGEND else "has 2 of the 4") in words(checked)
    assert pick in words(joined)
    assert "what they are called" not in words(joined)
    settings = tmp_path / "again" / "silo.yaml"
    settings.write_text(settings.read_text() + "table: {sheet: Patients 2024}\n")
    assert place.run("check", "-C", tmp_path / "again", passphrase=False).status == 0


def test_the_best_of_sheets_without_all_columns_is_named_with_how_many_it_has(
    town: Callable[..., Town], tmp_path: Path
) -> None:
    place = town("joined")
    table = book(tmp_path / "t.xlsx", {"Front": LEGEND, "Old": records(place, "age", "sex", "chol")})
    for said in checked_and_joined(place, table):
        assert "sheet 'Old' has 3 of these 4 columns: write in silo.yaml table: {sheet: Old}" in words(said)


def test_no_sheet_is_named_where_none_fits_better(town: Callable[..., Town], tmp_path: Path) -> None:
    place = town("joined")
    table = book(tmp_path / "t.xlsx", {"Front": records(place, "age", "sex"), "Twin": records(place, "age", "sex")})
    for said in checked_and_joined(place, table):
        assert "Twin" not in words(said)


def test_a_first_sheet_that_is_no_table_says_how_to_name_another_before_joining(
    town: Callable[..., Town], tmp_path: Path
) -> None:
    place = town("joined")
    front = [["Export of May"], ["a", "b", "c"], [1, 2, 3]]
    table = book(tmp_path / "t.xlsx", {"Front": front, "Patients": records(place)})
    for said in checked_and_joined(place, table):
        assert "if another sheet is the table (Patients), say so in silo.yaml, or before you join in a file" in words(
            said
        )
    (tmp_path / "own.yaml").write_text("table: {sheet: Patients}\n")
    fingerprint = place.run("study", "show", place.study, "--json", passphrase=False).json["fingerprint"]
    again = ("-C", tmp_path / "new", "--key", place.key("north"), "--data", table, "--fingerprint", fingerprint)
    done = place.run("join", place.study, *again, "--mapping", tmp_path / "own.yaml", "--json")
    assert done.json["unplaced"] == []


def headless(town: Town, path: Path) -> Path:
    path.write_text(town.table("north").read_text().partition("\n")[2])
    return path


def test_a_table_without_a_header_is_known_by_its_numbers(town: Callable[..., Town], tmp_path: Path) -> None:
    place = town("joined")
    table = headless(place, tmp_path / "t.csv")
    checked, joined = checked_and_joined(place, table)
    for said in (checked, joined):
        assert (
            "the first line must name the columns, here it holds numbers: put a line with their names above"
            in words(said)
        )
    assert joined.status == 0


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("54", "2.3", "140", "no", "no"), "seems to hold a record, not the names of columns: 3 of its 5"),
        (("2024-02-29", "?", "no", "no"), "seems to hold a record, not the names of columns: 2 of its 4"),
        (("54", "male", "mild", "no", "no"), "one name for columns 4 and 5"),
    ],
)
def test_a_name_that_stands_twice_in_what_may_be_a_record_is_not_repeated(names: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadTable) as caught:
        clean_header(names, where="t.csv:1")
    assert says in str(caught.value)
    assert "put a line with the columns' names above it" in caught.value.hint
    assert not any(f"'{name}'" in str(caught.value) + caught.value.hint for name in names)


def test_a_name_of_a_query_that_stands_twice_is_no_record() -> None:
    with pytest.raises(BadTable, match="names column '1' 2 times"):
        clean_header(("1", "1"), where="visits", of_query=True)


def test_names_with_numbers_in_them_are_names() -> None:
    assert record_cells(["chol_2", "sbp 1", "unknown", "t0", "", "ALTER"]) == 0
    with pytest.raises(BadTable, match="names column 'no' 2 times"):
        clean_header(("yes", "no", "no"), where="t.csv:1")
