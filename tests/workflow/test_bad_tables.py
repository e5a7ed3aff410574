"""A table that does not fit the agreement stops its silo, names the place, and nothing leaves or is written."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fedcli.errors import (
    AlreadyReleased,
    BadTable,
    BadTarget,
    CellTooSmall,
    EmptyTable,
    FedcliError,
    FileMissing,
    MissingColumn,
    MissingValue,
    NotANumber,
    OutOfRange,
    OutsideBound,
    TooFewRows,
    TooManyColumns,
    UnknownLevel,
)
from fedcli.workflow.models import open_final
from tests.workflow.play import SILOS, Town, agreement, command, rows, table_text


def with_cell(column: str, value: str, line: int = 8) -> Callable[[str], str]:
    """Change one cell of a table; the header is line 1."""

    def change(text: str) -> str:
        lines = [line.split(",") for line in text.splitlines()]
        lines[line - 1][lines[0].index(column)] = value
        return "\n".join(map(",".join, lines)) + "\n"

    return change


BAD: dict[str, tuple[Callable[[str], str], type[FedcliError], str]] = {
    "without_a_column": (lambda t: t.replace("chol,", "cholesterin,", 1), MissingColumn, "'chol'"),
    "with_text_in_a_number_column": (with_cell("age", "Maria"), NotANumber, "line 8"),
    "with_a_value_outside_its_range": (with_cell("age", "612.5"), OutOfRange, "line 8"),
    "with_infinity": (with_cell("chol", "inf"), NotANumber, "line 8"),
    "with_nan_where_nothing_is_imputed": (with_cell("chol", "nan"), MissingValue, "line 8"),
    "with_an_unknown_level": (with_cell("sex", "divers"), UnknownLevel, "line 8"),
    "with_a_missing_value_and_no_imputation": (with_cell("chol", ""), MissingValue, "line 8"),
    "with_an_outcome_that_is_neither": (with_cell("disease", "maybe"), BadTarget, "line 8"),
    "that_is_empty": (lambda t: "", EmptyTable, "empty"),
    "with_a_header_only": (lambda t: t.splitlines()[0] + "\n", EmptyTable, "no rows"),
    "without_any_outcome": (
        lambda t: t.replace(",ill", ",").replace(",well", ","),
        EmptyTable,
        "none of the 80 rows",
    ),
    "with_a_line_too_short": (lambda t: t + "50,200\n", BadTable, "table.csv:82"),
    "that_names_a_column_twice": (lambda t: t.replace("sex", "age", 1), BadTable, "2 times"),
    "that_is_no_text": (lambda t: "PK\x03\x04" + t, BadTable, "a zip archive"),
    "with_too_few_rows": (lambda t: "\n".join(t.splitlines()[:9]) + "\n", TooFewRows, "8 training rows"),
    "with_too_few_rows_per_column": (
        lambda t: "\n".join(t.splitlines()[:16]) + "\n",
        TooManyColumns,
        "15 training rows for 4 columns",
    ),
    "with_a_small_group": (
        lambda t: (
            "\n".join([t.splitlines()[0], *(f"{30 + i},2{i:02},male,well" for i in range(60)), "40,200,female,ill"])
            + "\n"
        ),
        CellTooSmall,
        "1 row",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_table_is_refused(case, town):
    change, error, place_named = BAD[case]
    place: Town = town()
    place.table("north").write_text(change(place.table("north").read_text()))
    said = place.refuses(error, "train", "-C", place.silo("north"), "--yes")
    assert place_named in said
    for secret in ("Maria", "612.5"):
        assert secret not in said


@pytest.mark.parametrize("case", BAD)
def test_check_says_no_and_why_before_train_does(case, town):
    change, error, _ = BAD[case]
    place: Town = town()
    place.table("north").write_text(change(place.table("north").read_text()))
    found = command("check", "-C", place.silo("north"), "--json")
    if found.json["ok"] is False and "problems" in found.json:
        assert found.status == 1
        assert error.code in {problem["code"] for problem in found.json["problems"]}
        assert all(problem["hint"] for problem in found.json["problems"])
    else:
        # The file cannot be read as a table at all.
        assert (found.status, found.json["error"]["code"]) == (3, error.code)
    assert not list((place.silo("north") / "outbox").iterdir())


def test_a_table_that_is_not_there_is_named(town):
    place = town()
    place.table("north").unlink()
    assert "table.csv" in place.refuses(FileMissing, "train", "-C", place.silo("north"), "--yes")


def test_more_rows_than_agreed_are_refused(town):
    place = town(text=agreement(rules="max_rows: 50"))
    said = place.refuses(OutsideBound, "train", "-C", place.silo("north"), "--yes")
    assert "max_rows" in said


def test_columns_in_another_order_change_no_bit(town):
    records = {name: rows(name) for name in SILOS}
    found = []
    for order in (["age", "chol", "sex", "disease"], ["disease", "sex", "age", "chol"]):
        place = town(tables={name: table_text(r, order) for name, r in records.items()})
        _, final = open_final(place.finish().model)
        found.append(final.state.arrays)
    assert found[0].keys() == found[1].keys()
    for name, values in found[0].items():
        assert np.array_equal(values, found[1][name]), name


def test_rows_in_another_order_give_the_same_model_to_a_rounding(town):
    found = []
    for step in (1, -1):
        place = town(tables={name: table_text(rows(name)[::step]) for name in SILOS})
        found.append(open_final(place.finish().model)[1].state.arrays["coefficients"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


# ---- between trips -------------------------------------------------------------------------------------------------


def test_a_table_that_changed_after_its_update_left_is_refused(town):
    place = town("collected")
    place.table("north").write_text(with_cell("age", "44.4")(place.table("north").read_text()))
    said = place.refuses(AlreadyReleased, "train", "-C", place.silo("north"), "--yes")
    assert "--new-attempt --ask north" in said


def test_a_table_that_changed_between_rounds_is_refused(town):
    place = town("second")
    place.table("north").write_text(with_cell("age", "44.4")(place.table("north").read_text()))
    said = place.refuses(AlreadyReleased, "train", "-C", place.silo("north"), "--yes")
    assert "round 1" in said
    assert "--from-start" in said


def test_rows_that_only_changed_places_are_the_same_table(town):
    place = town("second")
    header, *lines = place.table("north").read_text().splitlines()
    place.table("north").write_text("\n".join([header, *reversed(lines)]) + "\n")
    assert place.run("train", "-C", place.silo("north"), "--yes").status == 0


@pytest.mark.parametrize(
    ("column", "cells", "hint"),
    [
        ("age", ["999", "999", "612.5"], "999 stands in 2 of them: if it means 'not known'"),
        ("age", ["-9.0", "-9"], "age: {missing: [-9]}"),
        ("chol", ["?", "?", "?"], 'chol: {missing: ["?"]}'),
        ("age", ["612.5", "612.5"], "age: {missing: [CODE]}"),
    ],
)
def test_a_code_for_not_known_is_recognised_when_it_repeats(column, cells, hint, town):
    place = town("joined")
    lines = rows("north")
    for line, cell in zip(lines, cells, strict=False):
        line[column] = cell
    place.table("north").write_text(table_text(lines))
    done = command("check", "-C", place.silo("north"))
    assert (done.status, hint in done.err) == (1, True), done.err
    assert "612" not in done.err


def test_a_value_that_stands_once_is_no_code(town):
    place = town("joined")
    lines = rows("north")
    lines[3]["age"], lines[5]["age"] = "999", "888"
    place.table("north").write_text(table_text(lines))
    said = command("check", "-C", place.silo("north")).err
    assert "999" not in said
    assert "888" not in said
    assert "missing" not in said
