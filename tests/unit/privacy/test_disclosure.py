from __future__ import annotations

from typing import Any

import pytest

from fedcli.errors import CellTooSmall, DominantRow, RefusedError, TooFewRows, TooManyColumns
from fedcli.privacy.disclosure import Cell, Disclosure, Largest, examine


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
    (problem,) = examined([Cell("sex = a", 1), Cell("sex = b", 2)]).problems
    assert "has 1 row, the study requires at least 5, and 1 more group below that" in problem.message


def test_a_study_may_allow_cells_of_one_row() -> None:
    assert examined([Cell("a", 1)], min_cell=1).problems == ()


def test_every_problem_is_found_at_once_and_says_what_to_do() -> None:
    found = examined([Cell("a", 1)], n_rows=4)
    assert kinds(found) == [TooFewRows, TooManyColumns, CellTooSmall]
    assert all(problem.hint for problem in found.problems)


@pytest.mark.parametrize(("n_coefficients", "refused"), [(10, False), (11, True)])
def test_more_coefficients_than_agreed_per_row_are_refused(n_coefficients: int, refused: bool) -> None:
    found = examined(parameters_per_row=0.1, n_coefficients=n_coefficients)
    assert (kinds(found) == [TooManyColumns]) == refused
    if refused:
        assert "11 coefficients from 100 training rows" in str(found.problems[0])
        assert "rules.parameters_per_row" in found.problems[0].hint


@pytest.mark.parametrize(
    ("rules", "rule"),
    [
        ({"max_levels": 40}, "rules.max_levels"),
        ({"levels_per_row": 0.33}, "rules.levels_per_row"),
    ],
)
def test_a_category_of_hardly_anything_but_levels_is_refused(rules: dict[str, Any], rule: str) -> None:
    found = examined(levels={"ward": 41, "sex": 2}, **rules)
    assert kinds(found) == [TooManyColumns]
    assert "'ward' has 41 levels" in str(found.problems[0])
    assert rule in found.problems[0].hint
    assert kinds(examined(levels={"ward": 33, "sex": 2}, **rules)) == []


def test_a_row_that_makes_most_of_a_sum_is_refused_without_its_share() -> None:
    shares = [Largest("age", 0.02), Largest("income", 0.4321)]
    found = examined(shares=shares, largest_share=0.4)
    assert kinds(found) == [DominantRow]
    assert "'income'" in str(found.problems[0])
    assert "43" not in str(found.problems[0])
    assert kinds(examined(shares=shares, largest_share=0.5)) == []
    assert found.largest == shares[1]
