"""A typed cell means what its text means, to the bit."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.data.cells import MISSING, UNKNOWN, Codes, LevelReader, read_numbers
from fedcli.data.sql_values import series
from fedcli.data.typed import as_text
from fedcli.errors import BadTable

NOTHING = Codes.of([])


def numbers(cells: pl.Series, missing: Codes = NOTHING) -> list[float]:
    return read_numbers(cells, missing)[0].tolist()


CELLS = [
    pl.Series([0.1, 1.0, None, float("nan"), -0.0, 1e300, float("inf")], dtype=pl.Float64),
    pl.Series([0.1, 16777217.0, None, float("nan"), 1e-40, 3.4e38, float("-inf")], dtype=pl.Float32),
    pl.Series([2**53 + 1, -(2**63), None, 0], dtype=pl.Int64),
    pl.Series([2**64 - 1, None], dtype=pl.UInt64),
    pl.Series([2**100 + 1, None], dtype=pl.Int128),
    pl.Series([Decimal("0.10"), Decimal("12345678901234567.89"), None], dtype=pl.Decimal(38, 2)),
    pl.Series(["1", " 2.50 ", "n/a", None, "x"], dtype=pl.Categorical),
    pl.Series([None, None]),
]


@pytest.mark.parametrize("cells", CELLS, ids=lambda cells: str(cells.dtype))
def test_typed_numbers_read_as_their_text_does(cells: pl.Series) -> None:
    values, bad = read_numbers(cells, NOTHING)
    as_csv, bad_in_csv = read_numbers(cells.cast(pl.String) if cells.dtype != pl.Float32 else as_text(cells), NOTHING)
    assert values.tobytes() == as_csv.tobytes()
    assert bad.tolist() == bad_in_csv.tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_a_32_bit_float_is_the_decimal_that_numpy_shows_of_it(values: list[float]) -> None:
    narrow = np.array(values, dtype=np.float32)
    assert numbers(pl.Series(narrow)) == [float(str(value)) for value in narrow]


def test_a_32_bit_tenth_is_a_tenth() -> None:
    assert numbers(pl.Series([0.1], dtype=pl.Float32)) == [0.1]


def test_codes_for_missing_apply_to_typed_numbers() -> None:
    found = numbers(pl.Series([9, 1, 0], dtype=pl.Int8), Codes.of([9, "0.0"]))
    assert np.isnan(found).tolist() == [True, False, True]


def test_infinity_is_no_number_and_not_missing() -> None:
    values, bad = read_numbers(pl.Series([float("inf"), float("nan"), None]), NOTHING)
    assert bad.tolist() == [True, False, False]
    assert np.isnan(values).all()


def test_a_truth_value_is_one_or_nought() -> None:
    assert numbers(pl.Series([True, False])) == [1.0, 0.0]


def test_a_stated_decimal_comma_does_not_touch_typed_numbers() -> None:
    values, bad = read_numbers(pl.Series([1.5, float("inf")]), NOTHING, decimal_comma=True)
    assert values[0] == 1.5
    assert bad.tolist() == [False, True]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Float32, pl.Float64, pl.Decimal(10, 2)], ids=str)
def test_a_level_is_found_by_its_number_in_every_type(dtype: pl.DataType) -> None:
    reader = LevelReader([("1", 0), ("2.0", 1)], Codes.of([9]), {})
    assert reader.read(pl.Series([1, 2, 9, None, 3, 1]).cast(dtype)).tolist() == [0, 1, MISSING, MISSING, UNKNOWN, 0]


def test_not_a_number_is_no_level_but_missing() -> None:
    reader = LevelReader([("1", 0)], NOTHING, {})
    assert reader.read(pl.Series([float("nan"), 1.0, None])).tolist() == [MISSING, 0, MISSING]


def test_a_truth_value_is_its_word_first_and_then_its_digit() -> None:
    cells = pl.Series([True, False, None])
    assert LevelReader([("false", 0), ("true", 1)], NOTHING, {}).read(cells).tolist() == [1, 0, MISSING]
    assert LevelReader([("0", 0), ("1", 1)], NOTHING, {}).read(cells).tolist() == [1, 0, MISSING]
    assert LevelReader([("ill", 1), ("well", 0)], NOTHING, {"true": "ill"}).read(cells).tolist() == [
        1,
        UNKNOWN,
        MISSING,
    ]


def test_days_and_times_are_iso_8601() -> None:
    assert as_text(pl.Series([date(2024, 2, 29), None])).to_list() == ["2024-02-29", None]
    assert as_text(pl.Series([time(7, 5)])).to_list() == ["07:05:00"]
    moments = [datetime(2024, 2, 29), datetime(2024, 2, 29, 12, 30), datetime(2024, 2, 29, 0, 0, 0, 500)]
    assert as_text(pl.Series(moments)).to_list() == ["2024-02-29", "2024-02-29T12:30:00", "2024-02-29T00:00:00.000500"]
    assert as_text(pl.Series([datetime(2024, 2, 29, tzinfo=UTC)])).to_list() == ["2024-02-29T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, None, 2**53 + 1], ["1", None, "9007199254740993"]),
        ([2**70, 1], ["1180591620717411303424", "1"]),
        ([1, 2.5], ["1.0", "2.5"]),
        ([1, "?"], ["1", "?"]),
        ([Decimal("1.50"), 2], ["1.50", "2.00"]),
        ([Decimal("NaN"), Decimal("1.5")], ["NaN", "1.5"]),
        ([Decimal("1e30"), Decimal("1e-30")], ["1" + "0" * 30, "0." + "0" * 29 + "1"]),
        ([True, None], ["true", None]),
        ([datetime(2024, 2, 29), datetime(2024, 3, 1, 8)], ["2024-02-29", "2024-03-01T08:00:00"]),
        ([None, None], [None, None]),
    ],
)
def test_values_of_a_driver_keep_what_they_say(values: list[object], texts: list[str | None]) -> None:
    assert as_text(series("c", values, "db")).to_list() == texts


@pytest.mark.parametrize("value", [b"\x00", [1, 2], {"a": 1}])
def test_what_is_no_single_value_is_refused(value: object) -> None:
    with pytest.raises(BadTable, match="not single values"):
        series("c", [value], "db")
