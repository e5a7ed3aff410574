from __future__ import annotations

from typing import Any

import pytest

from fedcli.errors import CellTooSmall, RefusedError, TooFewRows, TooManyColumns
from fedcli.privacy.disclosure import Cell, Disclosure, examine


def examined(cells: list[Cell] | None = None, **changes: Any) -> Disclosure:
    given = {"n_rows": 100, "n_held_out": 20, "n_columns": 5, "min_rows": 10, "min_cell": 5, "rows_per_column": 5.0}
    return examine(cells or [], **(given | changes))


def kinds(found: Disclosure) -> list[type[RefusedError]]:
    return [type(problem) for problem in found.problems]


def test_enough_of_everything_passes() -> None:
    found = examined([Cell("sex = male", 60), Cell("sex = female", 40)])
    assert found.problems == ()
    assert found.smallest == Cell("sex = female", 40)
    assert (found.n_rows, found.n_held_out, found.n_columns) == (100, 20, 5)


@pytest.mark.parametrize(("n_rows", "refused"), [(9, True), (10, False)])
def test_too_few_rows_are_refused(n_rows: int, refused: bool) -> None:
    assert (TooFewRows in kinds(examined(n_rows=n_rows, rows_per_column=0))) == refused


@pytest.mark.parametrize(("n_rows", "refused"), [(24, True), (25, False)])
def test_too_many_columns_for_the_rows_are_refused(n_rows: int, refused: bool) -> None:
    assert (TooManyColumns in kinds(examined(n_rows=n_rows))) == refused


def test_rows_per_column_may_be_a_fraction() -> None:
    assert kinds(examined(n_rows=12, rows_per_column=2.5)) == [TooManyColumns]
    assert kinds(examined(n_rows=13, rows_per_column=2.5)) == []


@pytest.mark.parametrize(("count", "refused"), [(0, False), (1, True), (4, True), (5, False)])
def test_a_cell_is_small_when_it_has_rows_and_fewer_than_agreed(count: int, refused: bool) -> None:
    assert (CellTooSmall in kinds(examined([Cell("rank = 4", count)]))) == refused


def test_an_empty_cell_is_not_the_smallest() -> None:
    assert examined([Cell("a", 0), Cell("b", 7)]).smallest == Cell("b", 7)
    assert examined([]).smallest is None


def test_the_smallest_cell_is_named_and_the_others_are_counted() -> None:
    (problem,) = examined([Cell("a", 3), Cell("b", 1), Cell("c", 4), Cell("d", 9)]).problems
    assert "the group 'b' has 1 row, the study requires at least 5" in problem.message
    assert "2 more groups" in problem.message


def test_a_study_may_allow_cells_of_one_row() -> None:
    assert examined([Cell("a", 1)], min_cell=1).problems == ()


def test_every_problem_is_found_at_once_and_says_what_to_do() -> None:
    found = examined([Cell("a", 1)], n_rows=4)
    assert kinds(found) == [TooFewRows, TooManyColumns, CellTooSmall]
    assert all(problem.hint for problem in found.problems)
