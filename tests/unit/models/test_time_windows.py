"""Event times a window at a time: the same sums as all at once, and memory that does not grow with their number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.models import time_windows
from fedcli.models.batch import Batch
from fedcli.models.objective import around, sums_at
from fedcli.models.partial_likelihood import Around, PartialLikelihood, Ties

LAW = settings(max_examples=40, deadline=None, derandomize=True)


@dataclass
class Stratum:
    """Rows in batches, counting the passes made over them."""

    batches: list[Batch]
    passes: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Batch]:
        self.passes.append(1)
        yield from self.batches


def stratum(seed: int, n: int, *, width: int, n_times: int, delayed: bool, latest_first: bool) -> Stratum:
    rng = np.random.default_rng(seed)
    until = rng.integers(1, n_times + 1, n).astype(float)
    if latest_first:
        until = np.sort(until)[::-1]
    times = np.column_stack([until, until - rng.integers(1, n_times + 1, n)]) if delayed else until[:, None]
    X = np.hstack([np.ones((n, 1)), rng.uniform(-1, 1, (n, width))])
    y, weight = (rng.random(n) < 0.6).astype(float), rng.choice([0.0, 0.5, 1.0, 3.0], n)
    parts = np.array_split(np.arange(n), 5)
    return Stratum([Batch(X[i], y[i], np.zeros(len(i)), weight[i], times=times[i]) for i in parts])


def found_at(rows: Stratum, ties: Ties, width: int) -> tuple[Around, np.ndarray]:
    loss = PartialLikelihood(ties, max_rows=1000, largest_weight=3.0)
    coef = np.r_[0.0, np.linspace(-1, 1, width)]
    nearby = around(loss, rows, coef)
    assert isinstance(nearby, Around)
    return nearby, np.sum([sums_at(loss, batch, coef, nearby).hessian for batch in rows], axis=0)


@given(
    seed=st.integers(0, 9999),
    n=st.integers(5, 60),
    n_times=st.integers(1, 40),
    delayed=st.booleans(),
    latest_first=st.booleans(),
    ties=st.sampled_from(("efron", "breslow")),
    step=st.integers(1, 9),
)
@LAW
def test_windows_of_any_size_give_the_same_sums(
    seed: int, n: int, n_times: int, delayed: bool, latest_first: bool, ties: Ties, step: int
) -> None:
    rows = stratum(seed, n, width=2, n_times=n_times, delayed=delayed, latest_first=latest_first)
    whole, hessian = found_at(rows, ties, 2)
    with patch.object(time_windows, "WINDOW", 6 * step):
        parted, other = found_at(rows, ties, 2)
    for name in ("log_total", "baseline", "squares", "own_baseline", "own_squares", "means", "events"):
        np.testing.assert_allclose(getattr(parted, name), getattr(whole, name), rtol=1e-12, atol=1e-13, err_msg=name)
    np.testing.assert_allclose(other, hessian, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("latest_first", "delayed", "passes"), [(True, False, 3), (False, False, 9), (True, True, 9)])
def test_rows_that_come_latest_first_take_one_pass_for_all_windows(
    latest_first: bool, delayed: bool, passes: int
) -> None:
    rows = stratum(3, 500, width=2, n_times=70, delayed=delayed, latest_first=latest_first)
    loss = PartialLikelihood("efron", max_rows=1000, largest_weight=3.0)
    with patch.object(time_windows, "WINDOW", 6 * 10):
        nearby = around(loss, rows, np.zeros(3))
    assert isinstance(nearby, Around)
    # Seven windows of ten times.
    assert 60 < len(nearby.times) <= 70
    assert len(rows.passes) == passes


@pytest.mark.parametrize("delayed", [False, True])
def test_memory_holds_no_row_of_columns_for_each_time(delayed: bool) -> None:
    n, width = 10_000, 60

    def peak(n_times: int) -> tuple[int, int]:
        rows = stratum(1, n, width=width, n_times=n_times, delayed=delayed, latest_first=True)
        loss = PartialLikelihood("efron", max_rows=n, largest_weight=3.0)
        tracemalloc.start()
        try:
            nearby = around(loss, rows, np.zeros(1 + width))
            assert isinstance(nearby, Around)
            return tracemalloc.get_traced_memory()[1], len(nearby.times)
        finally:
            tracemalloc.stop()

    with patch.object(time_windows, "WINDOW", 1 << 15):
        # Both fill a window and more.
        few, n_few = peak(600)
        many, n_many = peak(100 * n)
    assert n_many > 7 * n_few
    # A dozen numbers for each time, of which one stands for each row's place, but none for each column.
    assert many - few < 20 * 8 * (n_many - n_few) < width * 8 * (n_many - n_few)
