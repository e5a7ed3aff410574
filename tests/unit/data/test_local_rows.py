"""Rows as a table has them: the same whatever keeps or orders them, another for every cell that is another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedcli.data.local_rows import LocalRows

SECRET = b"s" * 32
FRAME = pl.DataFrame({"age": ["50", "61.5", None], "sex": ["m", "f", "f"], "id": ["a", "b", "c"]})
BOTH = ("age", "sex")


def hashed(frame: pl.DataFrame, columns: tuple[str, ...] = BOTH, *, secret: bytes = SECRET, comma: bool = False):
    with LocalRows([columns], secret, Path(), decimal_comma=comma) as local:
        local.add(frame)
        return local.hashes(columns).tolist()


@pytest.mark.parametrize(
    "other",
    [
        FRAME.with_columns(age=pl.Series([50.0, 61.5, None])),
        FRAME.with_columns(age=pl.Series(["50.0", " 6.15e1", ""])),
        FRAME.with_columns(age=pl.Series(["50", "61.5", "NA"]), sex=pl.Series([" m", "f", "f "])),
        FRAME.with_columns(sex=FRAME["sex"].cast(pl.Categorical)),
        FRAME.select("sex", "age"),
    ],
    ids=["typed", "spelt otherwise", "blanks", "category", "order of columns"],
)
def test_the_same_cells_are_the_same_rows_however_they_are_written(other):
    assert hashed(other) == hashed(FRAME)


def test_decimal_commas_are_numbers_where_the_table_writes_them():
    assert hashed(FRAME.with_columns(age=pl.Series(["50", "61,5", None])), comma=True) == hashed(FRAME)


@pytest.mark.parametrize("column", BOTH)
def test_every_cell_enters(column):
    changed = FRAME.with_columns(pl.Series(column, ["7", *FRAME[column].to_list()[1:]]))
    one, other = hashed(FRAME), hashed(changed)
    assert one[0] != other[0]
    assert one[1:] == other[1:]


def test_letters_are_compared_as_people_read_them():
    composed, apart = "\u00e9", "e\u0301"
    assert hashed(pl.DataFrame({"age": ["1"], "sex": [composed]})) == hashed(
        pl.DataFrame({"age": ["1"], "sex": [apart]})
    )


def test_batches_make_no_difference_and_each_set_of_columns_is_hashed_apart():
    sets = [BOTH, ("id",), ("age",)]
    with LocalRows(sets, SECRET, Path()) as local:
        for part in (FRAME[:1], FRAME[1:]):
            local.add(part)
        assert local.columns == ("age", "sex", "id")
        for columns in sets:
            assert local.hashes(columns).tolist() == hashed(FRAME, columns)
    assert not set(hashed(FRAME, ("age",))) & set(hashed(FRAME.rename({"age": "years"}), ("years",)))


def test_another_secret_gives_other_hashes():
    assert not set(hashed(FRAME)) & set(hashed(FRAME, secret=b"t" * 32))


def test_a_number_of_every_size_and_many_texts_differ():
    values = [0.0, 1.0, -1.0, 1e-300, 1e300, float(2**53), float(2**53 + 2)]
    frame = pl.DataFrame({"x": [*map(repr, values), *(f"text {i}" for i in range(2000))]})
    found = hashed(frame, ("x",))
    assert len(set(found)) == len(found)
    assert hashed(pl.DataFrame({"x": ["-0.0"]}), ("x",)) == hashed(pl.DataFrame({"x": ["0"]}), ("x",))
    assert np.array(found, np.uint64).max() > 2**62
