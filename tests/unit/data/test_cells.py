from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.data.cells import MISSING, UNKNOWN, Codes, LevelReader, read_numbers


def numbers(
    cells: list[str | None], *missing: str | int | float, comma: bool = False
) -> tuple[list[float], list[bool]]:
    values, bad = read_numbers(pl.Series(cells, dtype=pl.String), Codes.of(missing), decimal_comma=comma)
    return values.tolist(), bad.tolist()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_read_to_the_last_bit(values: list[float]) -> None:
    assert numbers([repr(v) for v in values]) == (values, [False] * len(values))


def test_spellings_of_a_number_are_understood() -> None:
    assert numbers(["7", "7.0", " 7 ", "+7", "7e0", "7."])[0] == [7.0] * 6
    assert numbers([".7", "-.5"])[0] == [0.7, -0.5]


@pytest.mark.parametrize("cell", [None, "", "  ", "NA", "N/A", "NaN", "nan", "null", "NULL", "?", "0", "0.0", "-9.00"])
def test_empty_cells_and_codes_are_missing(cell: str | None) -> None:
    values, bad = numbers(["1", cell], "?", 0, -9)
    assert np.isnan(values).tolist() == [False, True]
    assert bad == [False, False]


@pytest.mark.parametrize("cell", ["x", "inf", "-Infinity", "1,5", "1_000", "0x1f", "1 2", "1e999", "12:30", "<5"])
def test_what_is_no_number_is_marked(cell: str) -> None:
    values, bad = numbers(["1", cell])
    assert bad == [False, True]
    assert np.isnan(values[1])


def test_with_a_decimal_comma_a_point_is_no_number() -> None:
    values, bad = numbers(["1,5", "2", "1.234", "1.234,5", None, "-,5"], comma=True)
    assert bad == [False, False, True, True, False, False]
    assert np.array_equal(values, [1.5, 2.0, np.nan, np.nan, np.nan, -0.5], equal_nan=True)


def test_no_cells_are_no_numbers() -> None:
    assert numbers([]) == ([], [])


def codes(cells: list[str | None], levels: list[str], missing: tuple[str | int, ...] = (), **local: str) -> list[int]:
    reader = LevelReader([(level, i) for i, level in enumerate(levels)], Codes.of(missing), local)
    return reader.read(pl.Series(cells, dtype=pl.String)).tolist()


def test_a_level_matches_by_text_then_by_number() -> None:
    assert codes(["1", "1.0", "01", " 2 ", "2e0", "3"], ["1", "2"]) == [0, 0, 0, 1, 1, UNKNOWN]
    assert codes([".7", "0.70"], ["0.7", "x"]) == [0, 0]


def test_a_number_that_two_levels_write_matches_by_text_only() -> None:
    assert codes(["1", "01", "1.0"], ["1", "01"]) == [0, 1, UNKNOWN]


def test_the_silos_own_spelling_wins() -> None:
    assert codes(["M", "male", "0"], ["female", "male"], (0,), M="male", **{"0": "female"}) == [1, 1, 0]


def test_a_level_that_looks_like_no_value_is_a_level() -> None:
    assert codes(["NA", "US", "", None, "nan"], ["NA", "US"]) == [0, 1, MISSING, MISSING, MISSING]


def test_a_code_for_missing_wins_over_a_level() -> None:
    assert codes(["9", "9.0"], ["1", "9"], (9,)) == [MISSING, MISSING]


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert codes(["Gro\u0308ße"], ["x", "Größe"]) == [1]


def test_case_is_part_of_a_level() -> None:
    assert codes(["Male"], ["female", "male"]) == [UNKNOWN]
