"""Which rows are held out depends on the rows and the silo's secret, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.preparing.holdout import held_out, row_hashes
from fedcli.preparing.rows import Rows

LAW = settings(max_examples=25, deadline=None, derandomize=True)
SECRET = b"0" * 32


def table(n_rows: int, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n_rows, 2))
    numbers[rng.random(n_rows) < 0.1, 0] = np.nan
    codes = rng.integers(-1, 3, (n_rows, 1)).astype(np.int32)
    return Rows(numbers, codes, rng.integers(0, 2, n_rows).astype(float), np.zeros(n_rows), np.ones(n_rows))


def mask_of(rows: Rows, share: float = 0.2, secret: bytes = SECRET) -> np.ndarray:
    return held_out(row_hashes(rows, secret), share, secret)


@given(seed=st.integers(0, 999), n=st.integers(1, 60))
@LAW
def test_the_order_of_the_file_plays_no_part(seed: int, n: int) -> None:
    rows, order = table(n, seed), np.random.default_rng(seed).permutation(n)
    assert (mask_of(rows.take(order)) == mask_of(rows)[order]).all()


@given(seed=st.integers(0, 999), n=st.integers(2, 40))
@LAW
def test_equal_rows_are_held_out_in_equal_number_whatever_their_order(seed: int, n: int) -> None:
    doubled = table(n, seed).take(np.repeat(np.arange(n), 3))
    order = np.random.default_rng(seed).permutation(3 * n)
    straight = np.bincount(np.repeat(np.arange(n), 3), weights=mask_of(doubled), minlength=n)
    mixed = np.bincount(np.repeat(np.arange(n), 3)[order], weights=mask_of(doubled.take(order)), minlength=n)
    assert (straight == mixed).all()


@given(n=st.integers(1, 40), more=st.integers(1, 40))
@LAW
def test_rows_that_join_move_no_other_row(n: int, more: int) -> None:
    rows = table(n + more, 3)
    assert (mask_of(rows)[:n] == mask_of(rows.take(slice(0, n)))).all()


def test_the_same_rows_are_held_out_in_every_trip() -> None:
    assert (mask_of(table(200)) == mask_of(table(200))).all()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_the_share_is_kept(share: float) -> None:
    held = mask_of(table(20_000), share).mean()
    assert held == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 20_000))


def test_rows_that_all_equal_each_other_are_split_too() -> None:
    one = table(1).take(np.zeros(2000, dtype=np.int64))
    assert mask_of(one).mean() == pytest.approx(0.2, abs=0.04)


def test_another_secret_holds_out_other_rows() -> None:
    rows = table(500)
    assert (mask_of(rows) != mask_of(rows, secret=b"1" * 32)).any()


def test_a_share_of_0_holds_out_nobody() -> None:
    assert not mask_of(table(100), 0.0).any()


def test_spellings_of_one_value_are_one_value() -> None:
    rows = table(3)
    zero, minus = (np.full((3, 2), value) for value in (0.0, -0.0))
    odd_nan = np.full((3, 2), np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff", dtype="<f8")[0])
    for a, b in ((zero, minus), (np.full((3, 2), np.nan), odd_nan)):
        one, other = (Rows(x, rows.codes, rows.target, rows.offset, rows.weight) for x in (a, b))
        assert (row_hashes(one, SECRET) == row_hashes(other, SECRET)).all()
