"""Counts below edges: they add, they show no small group, and the interval printed holds the pooled quantile."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.preparing.histogram import Bounds, Grid, runs

LAW = settings(max_examples=60, deadline=None, derandomize=True)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
GRIDS = {
    "measured": Grid.over((-3.0, 17.3), 32),
    "whole, a bin per value": Grid.over((0, 9), 64, whole=True),
    "whole, several values per bin": Grid.over((5, 1000), 16, whole=True),
}


def drawn(grid: Grid, seed: int, n: int) -> np.ndarray:
    """Values in the range: clumped, so that empty, small and large bins all occur; some on edges, some missing."""
    rng = np.random.default_rng(seed)
    values = grid.low + (grid.high - grid.low) * rng.beta(rng.uniform(0.2, 4), rng.uniform(0.2, 4), n)
    values = np.round(values) if grid.whole else np.where(rng.random(n) < 0.2, rng.choice(grid.edges, n), values)
    return np.where(rng.random(n) < 0.1, np.nan, values)


def counts(grid: Grid, values: np.ndarray) -> np.ndarray:
    return grid.count(values).astype(np.int64)


def present(values: np.ndarray) -> int:
    return int((~np.isnan(values)).sum())


def shown(grid: Grid, values: np.ndarray, min_cell: int) -> np.ndarray:
    return grid.shown(present(values), counts(grid, values), min_cell)


def in_bins(grid: Grid, values: np.ndarray) -> np.ndarray:
    return np.diff(np.concatenate([[0], counts(grid, values)[: grid.bins - 1], [present(values)]]))


grids = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


@grids
@given(seed=st.integers(0, 999), n=st.integers(0, 60), m=st.integers(0, 60))
@LAW
def test_counts_add(grid: Grid, seed: int, n: int, m: int) -> None:
    a, b = drawn(grid, seed, n), drawn(grid, seed + 1, m)
    assert (counts(grid, a) + counts(grid, b) == counts(grid, np.concatenate([a, b]))).all()


@grids
@given(seed=st.integers(0, 999), n=st.integers(0, 120), min_cell=st.integers(1, 9))
@LAW
def test_nothing_small_is_shown_nor_is_any_difference(grid: Grid, seed: int, n: int, min_cell: int) -> None:
    values = drawn(grid, seed, n)
    if 0 < present(values) < min_cell:
        return  # such a group is refused before anything is counted
    said = np.concatenate([[0], shown(grid, values, min_cell), [present(values)]])
    differences = np.abs(said[:, None] - said)
    assert ((differences == 0) | (differences >= min_cell)).all()


@grids
@given(seed=st.integers(0, 999), n=st.integers(1, 120), min_cell=st.integers(2, 9))
@LAW
def test_no_run_can_be_solved_by_the_sums_that_leave_besides(grid: Grid, seed: int, n: int, min_cell: int) -> None:
    """A run has no small bin, or rows in more bins than there are equations; if not, it is the whole range."""
    bins = in_bins(grid, drawn(grid, seed, n))
    edges = runs(bins, min_cell)
    assert edges == sorted(set(edges))
    assert (edges[0], edges[-1]) == (0, grid.bins)
    for start, end in pairwise(edges):
        filled = bins[start:end][bins[start:end] > 0]
        solved = len(filled) <= 3 and (filled < min_cell).any()
        assert not solved or (start, end) == (0, grid.bins)


@grids
@given(seed=st.integers(0, 999), sizes=st.lists(st.integers(0, 90), min_size=1, max_size=4), k=st.integers(1, 8))
@LAW
def test_the_pooled_quantile_lies_in_the_interval(grid: Grid, seed: int, sizes: list[int], k: int) -> None:
    silos = [drawn(grid, seed + i, n) for i, n in enumerate(sizes)]
    pooled = np.concatenate(silos)
    pooled = pooled[~np.isnan(pooled)]
    if not len(pooled):
        return
    shown_by_all = np.sum([shown(grid, values, k) for values in silos], axis=0)
    found = Bounds(grid, len(pooled), shown_by_all, float(pooled.mean()))
    slack = 1e-13 * (grid.high - grid.low)
    for share in SHARES:
        said = found.quantile(share)
        assert said.lower - slack <= np.quantile(pooled, share) <= said.upper + slack
        assert said.lower <= said.estimate <= said.upper
    least, most = found.below
    true = (pooled[:, None] < grid.edges).sum(axis=0)
    assert (least[:-1] <= true[:-1]).all()
    assert (true[:-1] <= most[:-1]).all()


@given(seed=st.integers(0, 999), n=st.integers(1, 200))
@LAW
def test_whole_numbers_with_a_bin_each_give_exact_quantiles(seed: int, n: int) -> None:
    grid = GRIDS["whole, a bin per value"]
    values = np.round(np.random.default_rng(seed).uniform(0, 9, n))
    found = Bounds(grid, n, counts(grid, values), float(values.mean()))
    for share in SHARES:
        said = found.quantile(share)
        assert said.lower == said.estimate == said.upper == np.quantile(values, share)


def test_a_bin_holds_its_lower_edge_and_the_last_bin_both() -> None:
    grid = Grid.over((0.0, 0.8), 8)
    assert in_bins(grid, grid.edges).tolist() == [1, 1, 1, 1, 1, 1, 1, 2]
    assert grid.edges.tolist() == [float(Fraction(0.8) * i / 8) for i in range(9)]
    assert in_bins(grid, np.nextafter(grid.edges[1:-1], 0)).tolist() == [1, 1, 1, 1, 1, 1, 1, 0]


def test_edges_of_whole_numbers_lie_between_them() -> None:
    assert GRIDS["whole, a bin per value"].edges[:3].tolist() == [-0.5, 0.5, 1.5]
    assert GRIDS["whole, a bin per value"].bins == 16, "no more bins than values need"
    assert set(GRIDS["whole, several values per bin"].edges % 1) == {0.5}


def test_where_every_bin_has_rows_enough_the_interval_is_one_bin() -> None:
    grid = Grid.over((0.0, 64.0), 64)
    values = np.repeat(np.arange(64) + 0.25, 5)
    said = Bounds(grid, len(values), shown(grid, values, 5), float(values.mean())).quantile(0.5)
    assert said.upper - said.lower == 1


def test_a_thin_tail_costs_the_tail_only() -> None:
    """Three rows far out: the median stays as sharp as its bin, and the largest value is not shown."""
    grid = Grid.over((0.0, 64.0), 64)
    values = np.concatenate([np.repeat(np.arange(20) + 0.25, 8), [40.0, 50.0, 60.0]])
    found = Bounds(grid, len(values), shown(grid, values, 5), float(values.mean()))
    assert found.quantile(0.5).upper - found.quantile(0.5).lower == 1
    assert found.ranked(len(values)).upper == 64


def test_two_values_of_which_one_is_rare_are_not_told_apart_by_leaving_them_together() -> None:
    """17 rows of 0 and 3 of 1: their sum would say so, if the run that holds both stood by itself."""
    assert runs(np.array([17, 3, 0, 0, 9, 9, 9, 9]), 5) == [0, 1, 7, 8]
    assert runs(np.array([3, 17, 0, 0, 9, 9, 9, 9]), 5) == [0, 6, 7, 8]
    assert runs(np.array([3, 17, 9, 9, 9]), 5) == [0, 4, 5]


def test_neither_the_smallest_nor_the_largest_value_shows() -> None:
    assert runs(np.array([0, 0, 9, 9, 9, 0, 0]), 5) == [0, 3, 4, 7]


def test_the_mean_says_at_which_end_of_a_run_its_rows_lie() -> None:
    """Many zeros with three larger values, and the mirror of it: one run each, and yet a good estimate."""
    grid = Grid.over((0, 15), 16, whole=True)
    low = np.concatenate([np.zeros(60), [7.0, 9.0, 15.0]])
    for values in (low, 15 - low):
        said = Bounds(grid, 63, shown(grid, values, 5), float(values.mean())).quantile(0.5)
        assert (said.lower, said.upper) == (0, 15)
        assert abs(said.estimate - np.median(values)) <= 0.5
