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
    "a narrow range far from 0": Grid.over((1e6, 1e6 + 1), 128),
    "whole, several values per bin": Grid.over((5, 1000), 16, whole=True),
}


def clumped(grid: Grid, rng: np.random.Generator, n: int) -> np.ndarray:
    """Empty, small and large bins all occur; some values on edges."""
    values = grid.low + (grid.high - grid.low) * rng.beta(rng.uniform(0.2, 4), rng.uniform(0.2, 4), n)
    return values if grid.whole else np.where(rng.random(n) < 0.2, rng.choice(grid.edges, n), values)


def few(grid: Grid, rng: np.random.Generator, n: int) -> np.ndarray:
    """Two to five distinct values, the last of them rare."""
    places = rng.uniform(grid.low, grid.high, rng.integers(2, 6))
    shares = 0.6 ** np.arange(len(places)) * rng.uniform(0.05, 1, len(places))
    return rng.choice(places, n, p=shares / shares.sum())


def equal(grid: Grid, rng: np.random.Generator, n: int) -> np.ndarray:
    """One value; rarely another."""
    one, other = rng.uniform(grid.low, grid.high, 2)
    return np.where(rng.random(n) < rng.choice([0, 0.02]), other, one)


def at_the_ends(grid: Grid, rng: np.random.Generator, n: int) -> np.ndarray:
    """Both ends of the range, and what lies just inside."""
    ends = [grid.low, np.nextafter(grid.low, grid.high), np.nextafter(grid.high, grid.low), grid.high]
    return rng.choice(ends, n, p=rng.dirichlet(np.ones(4)))


def tailed(grid: Grid, rng: np.random.Generator, n: int) -> np.ndarray:
    """Nearly all at one end, a few far away."""
    away = np.minimum(rng.pareto(rng.uniform(0.6, 3), n) * (grid.high - grid.low) / 60, grid.high - grid.low)
    return grid.low + away if rng.random() < 0.5 else grid.high - away


KINDS = (clumped, few, equal, at_the_ends, tailed)


def drawn(grid: Grid, seed: int, n: int) -> np.ndarray:
    """Values in the range, of a kind that the seed says; some missing."""
    rng = np.random.default_rng(seed)
    values = np.clip(KINDS[seed % len(KINDS)](grid, rng, n), grid.low, grid.high)
    values = np.round(values) if grid.whole else values
    return np.where(rng.random(n) < 0.1, np.nan, values)


def counts(grid: Grid, values: np.ndarray) -> np.ndarray:
    return grid.count(values).astype(np.int64)


def present(values: np.ndarray) -> int:
    return int((~np.isnan(values)).sum())


def shown(grid: Grid, values: np.ndarray, min_cell: int) -> np.ndarray:
    return grid.shown(present(values), counts(grid, values), min_cell)


def in_bins(grid: Grid, values: np.ndarray) -> np.ndarray:
    return np.diff(np.concatenate([[0], counts(grid, values)[: grid.bins - 1], [present(values)]]))


def pooled_bounds(grid: Grid, silos: list[np.ndarray], min_cell: int) -> tuple[np.ndarray, Bounds]:
    """The pooled values that are not missing, and what is said of them."""
    pooled = np.concatenate(silos)
    pooled = pooled[~np.isnan(pooled)]
    sums = np.sum([shown(grid, values, min_cell) for values in silos], axis=0)
    middle = (grid.low + grid.high) / 2
    mean, deviation = middle + float((pooled - middle).mean()), float((pooled - middle).std())
    return pooled, Bounds(grid, len(pooled), sums, mean, deviation)


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


def solutions(counts: np.ndarray, enough: int) -> int:
    """How many lists of counts have the number, sum and sum of squares of these, counted up to ``enough``."""
    places = np.arange(1, len(counts) + 1)

    def found(top: int, rows: int, total: int, squares: int, want: int) -> int:
        if not rows or not want:
            return int(not total and not squares) * bool(want)
        if top < 1 or not rows <= total <= rows * top or rows * squares < total * total:
            return 0
        if squares > (top + 1) * total - top * rows:  # all at both ends: no more is possible
            return 0
        known = 0
        for here in range(min(rows, total // top, squares // top**2), -1, -1):
            known += found(top - 1, rows - here, total - here * top, squares - here * top * top, want - known)
            if known >= want:
                break
        return known

    return found(len(counts), int(counts.sum()), int(counts @ places), int(counts @ places**2), enough)


def test_the_count_of_solutions_finds_all() -> None:
    assert solutions(np.array([1, 1, 1, 9]), 5) == 1
    assert solutions(np.array([0, 3, 0, 1]), 5) == 2
    assert solutions(np.array([1, 0, 0, 0, 1, 1, 0]), 5) == 2


WHOLE = {"a bin each": Grid.over((0, 11), 16, whole=True), "ten bins apart": Grid.over((0.0, 12.0), 128)}


@pytest.mark.parametrize("grid", WHOLE.values(), ids=WHOLE)
@given(seed=st.integers(0, 9999), n=st.integers(10, 70), min_cell=st.integers(2, 8))
@settings(LAW, max_examples=300)
def test_no_small_count_follows_where_all_other_runs_are_known(grid: Grid, seed: int, n: int, min_cell: int) -> None:
    """Whoever knows that all values are whole, and all other runs exactly, is left with more than one possibility."""
    rng = np.random.default_rng(seed)
    values = np.minimum(rng.negative_binomial(rng.uniform(0.5, 4), rng.uniform(0.2, 0.8), n), 11)
    places = np.searchsorted(grid.edges, np.arange(12), side="right") - 1
    bins = in_bins(grid, values.astype(float))
    for start, end in pairwise(runs(bins, min_cell)):
        run = bins[places[(places >= start) & (places < end)]]
        if ((run > 0) & (run < min_cell)).any() and (start, end) != (0, grid.bins):
            assert solutions(np.trim_zeros(run), 2) == 2


def test_whole_numbers_in_finer_bins_are_joined_as_in_bins_of_their_own() -> None:
    """Bins between, which no whole number can be in, neither keep a run together nor let it stand."""
    rng = np.random.default_rng(8)
    hours = rng.binomial(23, 0.6, 110).astype(float)
    coarse, fine = Grid.over((0, 23), 32, whole=True), Grid.over((0.0, 24.0), 256)
    one, other = (runs(in_bins(grid, hours), 5) for grid in (coarse, fine))
    below = (
        sorted({int((hours < grid.edges[cut]).sum()) for cut in cuts}) for grid, cuts in ((coarse, one), (fine, other))
    )
    assert next(below) == next(below)


@grids
@given(seed=st.integers(0, 999), sizes=st.lists(st.integers(0, 90), min_size=1, max_size=12), k=st.integers(1, 8))
@settings(LAW, max_examples=200)
def test_the_pooled_quantile_lies_in_the_interval(grid: Grid, seed: int, sizes: list[int], k: int) -> None:
    """Of silos of one kind, or of kinds of their own; to the last digit of NumPy's."""
    silos = [drawn(grid, seed + i * (seed % 2), n) for i, n in enumerate(sizes)]
    if np.isnan(np.concatenate(silos)).all():
        return
    pooled, found = pooled_bounds(grid, silos, k)
    for share in SHARES:
        said = found.quantile(share)
        assert said.lower <= np.quantile(pooled, share) <= said.upper
        assert grid.low <= said.lower <= said.estimate <= said.upper <= grid.high
        if grid.whole and int(said.lower) < int(said.upper):
            assert said.estimate == int(said.estimate)
    least, most = found.below
    true = (pooled[:, None] < grid.edges).sum(axis=0)
    assert (least[:-1] <= true[:-1]).all()
    assert (true[:-1] <= most[:-1]).all()


@grids
@given(seed=st.integers(0, 999), sizes=st.lists(st.integers(0, 90), min_size=1, max_size=6))
@LAW
def test_where_a_row_may_be_shown_every_count_is_exact(grid: Grid, seed: int, sizes: list[int]) -> None:
    """With a ``min_cell`` of 1 every bin is a run, and each value is known to its bin."""
    silos = [drawn(grid, seed + i, n) for i, n in enumerate(sizes)]
    if np.isnan(np.concatenate(silos)).all():
        return
    pooled, found = pooled_bounds(grid, silos, 1)
    least, most = found.below
    assert (least == most).all()
    bins = np.searchsorted(grid.edges, np.sort(pooled), side="right").clip(1, grid.bins)
    for rank, place in enumerate(bins.tolist(), 1):
        assert grid.edges[place - 1] <= found.ranked(rank).lower
        assert found.ranked(rank).upper <= grid.edges[place]


@given(seed=st.integers(0, 999), n=st.integers(1, 200))
@LAW
def test_whole_numbers_with_a_bin_each_give_exact_quantiles(seed: int, n: int) -> None:
    grid = GRIDS["whole, a bin per value"]
    values = np.round(np.random.default_rng(seed).uniform(0, 9, n))
    found = Bounds(grid, n, counts(grid, values), float(values.mean()), float(values.std()))
    for share in SHARES:
        said = found.quantile(share)
        assert said.lower == said.estimate == said.upper == np.quantile(values, share)


def test_two_frequent_whole_numbers_far_from_the_ends_have_an_exact_median() -> None:
    grid = Grid.over((0, 60), 256, whole=True)
    silo = np.array([3.0] * 240 + [4.0] * 120)
    for k in (1, 5):
        _, found = pooled_bounds(grid, [silo] * 3, k)
        assert [found.quantile(share).estimate for share in SHARES] == [3, 3, 3, 4, 4]
        assert all(found.quantile(share).lower == found.quantile(share).upper for share in SHARES)


def test_two_frequent_numbers_are_known_to_their_bins() -> None:
    grid = Grid.over((0.0, 60.0), 256)
    silo = np.array([10.0] * 240 + [12.0] * 120)
    _, found = pooled_bounds(grid, [silo] * 3, 5)
    for share, value in zip(SHARES, (10, 10, 10, 12, 12), strict=True):
        said = found.quantile(share)
        assert said.upper - said.lower <= 60 / 256
        assert abs(said.estimate - value) <= 60 / 256


def test_a_rare_third_value_costs_no_more_than_mean_and_deviation_leave_open() -> None:
    """Three values, one of them rare, are one run: then mean and deviation say where quantiles lie."""
    grid = Grid.over((0, 60), 64, whole=True)
    silo = np.array([3.0] * 240 + [4.0] * 120 + [6.0] * 2)
    _, found = pooled_bounds(grid, [silo] * 3, 5)
    median = found.quantile(0.5)
    assert (median.lower, median.estimate, median.upper) == (3, 3, 3)
    assert found.quantile(0.75).upper <= 4


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
    _, found = pooled_bounds(grid, [values], 5)
    assert found.quantile(0.5).upper - found.quantile(0.5).lower == pytest.approx(1)


def test_a_thin_tail_costs_the_tail_only() -> None:
    """Three rows far out: the median stays as sharp as its bin, and the largest value is not shown."""
    grid = Grid.over((0.0, 64.0), 64)
    values = np.concatenate([np.repeat(np.arange(20) + 0.25, 8), [40.0, 50.0, 60.0]])
    _, found = pooled_bounds(grid, [values], 5)
    assert found.quantile(0.5).upper - found.quantile(0.5).lower == pytest.approx(1)
    assert found.ranked(len(values)).upper == 64


def test_two_values_of_which_one_is_rare_are_not_told_apart_by_leaving_them_together() -> None:
    """17 rows of 0 and 3 of 1: their sum would say so, if the run that holds both stood by itself."""
    assert runs(np.array([17, 3, 0, 0, 9, 9, 9, 9]), 5) == [0, 1, 7, 8]
    assert runs(np.array([3, 17, 0, 0, 9, 9, 9, 9]), 5) == [0, 6, 7, 8]
    assert runs(np.array([3, 17, 9, 9, 9]), 5) == [0, 4, 5]


def test_an_end_shows_only_where_its_own_bin_may() -> None:
    """Cut at the outer edge of one row's bin, a run would say that somebody is there, and nobody beyond."""
    assert runs(np.array([0, 0, 9, 9, 9, 0, 0]), 5) == [0, 2, 3, 4, 5, 7]
    assert runs(np.array([0, 0, 4, 9, 9, 9, 9, 0, 0]), 5) == [0, 6, 7, 9]
    assert runs(np.array([0, 0, 9, 9, 9, 9, 4, 0, 0]), 5) == [0, 2, 3, 9]
    assert runs(np.array([0, 0, 1, 0, 2, 0, 0]), 1) == [0, 2, 3, 4, 5, 7]


def test_a_gap_before_a_large_bin_is_known_to_be_empty() -> None:
    assert runs(np.array([9, 0, 0, 0, 9]), 5) == [0, 1, 4, 5]


def test_the_mean_says_at_which_end_of_a_run_its_rows_lie() -> None:
    """Many zeros with three larger values, and the mirror of it: one run each, and yet a good estimate."""
    grid = Grid.over((0, 15), 16, whole=True)
    low = np.concatenate([np.zeros(60), [7.0, 9.0, 15.0]])
    for values in (low, 15 - low):
        _, found = pooled_bounds(grid, [values], 5)
        assert found.quantile(0.5).estimate == np.median(values)
        assert found.ranked(1).lower == 0
        assert found.ranked(63).upper == 15


def test_sums_that_cannot_be_true_still_give_an_interval() -> None:
    """A silo that sends what it likes: no number is lost, and the lower bound is not above the upper."""
    grid = Grid.over((0.0, 8.0), 8)
    for mean, deviation in ((7.9, 0.0), (0.1, 9.0)):
        said = Bounds(grid, 20, np.array([20] * 7 + [0] * 7), mean, deviation).quantile(0.5)
        assert 0 <= said.lower <= said.estimate <= said.upper <= 8
