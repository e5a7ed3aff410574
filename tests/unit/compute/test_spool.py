from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedcli.compute.spool import BLOCK_ROWS, Spool
from fedcli.preparing.rows import Rows


def table(n_rows: int, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n_rows, 3))
    numbers[::5, 1] = np.nan
    codes = rng.integers(-1, 4, (n_rows, 2)).astype(np.int32)
    return Rows(numbers, codes, *rng.normal(size=(3, n_rows)))


def whole(spool: Spool) -> Rows:
    blocks = [rows for _, rows in spool.blocks()]
    fields = ("numbers", "codes", "target", "offset", "weight", "times")
    return Rows(*(np.concatenate([getattr(rows, field) for rows in blocks]) for field in fields))


@pytest.mark.parametrize("memory_bytes", [2**30, 1000, 0])
def test_rows_come_back_as_they_went_in_any_number_of_times(tmp_path: Path, memory_bytes: int) -> None:
    rows = table(BLOCK_ROWS * 2 + 17)
    parts = [rows.take(slice(0, 5000)), rows.take(slice(5000, 5001)), rows.take(slice(5001, None))]
    with Spool(parts, tmp_path, memory_bytes=memory_bytes) as spool:
        assert len(spool) == len(rows)
        for _ in range(2):
            found = whole(spool)
            for field in ("numbers", "codes", "target", "offset", "weight"):
                np.testing.assert_array_equal(getattr(found, field), getattr(rows, field))
                assert getattr(found, field).dtype == getattr(rows, field).dtype


@pytest.mark.parametrize("memory_bytes", [2**30, 1000, 0])
def test_rows_that_lie_column_behind_column_in_memory_are_the_same_rows(tmp_path: Path, memory_bytes: int) -> None:
    rows = replace(table(300), numbers=np.asfortranarray(table(300).numbers), times=np.ones((300, 2)))
    beside = [part[:, None] for part in (rows.target, rows.offset, rows.weight)]
    np.testing.assert_array_equal(rows.table(), np.hstack([rows.numbers, rows.codes, *beside, rows.times]))
    with Spool([rows, rows], tmp_path, memory_bytes=memory_bytes) as spool:
        np.testing.assert_array_equal(whole(spool).numbers, np.vstack([table(300).numbers] * 2))
    for together in (Rows.together([rows]), Rows.together([rows, rows])):
        # Sums over rows round by how these lie.
        assert together.numbers.flags.c_contiguous


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_blocks_do_not_depend_on_how_rows_arrived(tmp_path: Path, memory_bytes: int) -> None:
    rows = table(BLOCK_ROWS + 500)
    with Spool([rows.take(slice(k, k + 700)) for k in range(0, len(rows), 700)], tmp_path) as spool:
        places = [where for where, _ in spool.blocks()]
    assert places == [slice(0, BLOCK_ROWS), slice(BLOCK_ROWS, BLOCK_ROWS + 500)]


FIELDS = ("numbers", "codes", "target", "offset", "weight")


@pytest.mark.parametrize("memory_bytes", [2**30, 1_000_000, 0])
def test_sorted_rows_are_the_same_in_the_same_order_however_they_came(tmp_path: Path, memory_bytes: int) -> None:
    n = BLOCK_ROWS * 3 + 17
    rows = table(n)
    # Copies of rows, on either side, and zeros of either sign.
    rows = rows.take(np.r_[0:n, 5:300, 40:60])
    rows.offset[::3] = 0.0
    last = np.random.default_rng(9).random(len(rows)) < 0.3
    found = []
    for seed in range(3):
        mixing = np.random.default_rng(seed).permutation(len(rows))
        mixed = rows.take(mixing)
        mixed.offset[mixed.offset == 0] = -0.0 if seed else 0.0
        with Spool([mixed], tmp_path, memory_bytes=memory_bytes) as spool:
            order = spool.sort(last[mixing])
            sorted_rows = whole(spool)
            found.append(sorted_rows)
            assert list(tmp_path.iterdir()) == []
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(sorted_rows, field), getattr(mixed.take(order), field))
        assert np.array_equal(np.sort(order), np.arange(len(rows)))
        assert np.array_equal(last[mixing][order], np.sort(last))
    for other in found[1:]:
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(other, field), getattr(found[0], field))


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_rows_relabelled_are_sorted_as_rows_written_so(tmp_path: Path, memory_bytes: int) -> None:
    rows = table(BLOCK_ROWS + 50)
    chosen = np.arange(len(rows)) % 4 > 0
    written = Rows(*(getattr(rows, field).copy() for field in FIELDS))
    written.codes[chosen & (written.codes[:, 1] == 2), 1] = 0
    found = []
    for one in (rows, written):
        with Spool([one], tmp_path, memory_bytes=memory_bytes) as spool:
            if one is rows:
                spool.relabel(chosen, {(1, 2): 0})
            order = spool.sort(~chosen)
            found.append((order, whole(spool)))
            # What was relabelled stays so, row for row.
            np.testing.assert_array_equal(whole(spool).codes, written.codes[order])
    np.testing.assert_array_equal(found[0][0], found[1][0])


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_no_row_and_one_row_are_sorted(tmp_path: Path, n: int, memory_bytes: int) -> None:
    with Spool([table(1)] if n else [], tmp_path, memory_bytes=memory_bytes) as spool:
        assert spool.sort(np.zeros(n, dtype=bool)).tolist() == list(range(n))
        assert len(spool) == n


def test_the_scratch_file_has_no_name(tmp_path: Path) -> None:
    with Spool([table(100)], tmp_path, memory_bytes=0) as spool:
        assert len(whole(spool)) == 100
        assert list(tmp_path.iterdir()) == []


def test_small_tables_write_no_file(tmp_path: Path) -> None:
    with Spool([table(100)], tmp_path / "nowhere") as spool:
        assert len(spool) == 100


def test_no_rows_are_no_blocks(tmp_path: Path) -> None:
    assert list(Spool([], tmp_path).blocks()) == []


def test_a_closed_spool_lets_its_rows_go(tmp_path: Path) -> None:
    spool = Spool([table(10)], tmp_path)
    spool.close()
    assert len(spool) == 0


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_rows_with_times_are_sorted_latest_first_however_they_came(tmp_path: Path, memory_bytes: int) -> None:
    n = BLOCK_ROWS + 500
    times = np.random.default_rng(2).integers(1, 50, n).astype(float)[:, None]
    rows = replace(table(n), times=times)
    last = np.random.default_rng(3).random(n) < 0.2
    found = []
    for seed in range(2):
        mixing = np.random.default_rng(seed).permutation(n)
        with Spool([rows.take(mixing)], tmp_path, memory_bytes=memory_bytes) as spool:
            order = mixing[spool.sort(last[mixing], latest_first=True)]
            found.append(whole(spool))
        assert np.array_equal(last[order], np.sort(last))
        for part in (times[order][~last[order]], times[order][last[order]]):
            assert (np.diff(part[:, 0]) <= 0).all()
    for field in (*FIELDS, "times"):
        np.testing.assert_array_equal(getattr(found[0], field), getattr(found[1], field))
