"""Bounds of shares against every group, point and row looked at one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.compute.share_bounds import Bounds

POINTS = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray], list[int], np.ndarray, np.ndarray]:
    """Values with or without gaps, groups of few and of many labels, weights, and the points between the ends."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 60))
    values = rng.uniform(-1, 1, (n, 3)) ** draw(st.sampled_from([1, 5]))
    values[rng.random((n, 3)) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = np.nan
    sizes = [1, draw(st.integers(1, 4)), draw(st.integers(65, 70))]
    codes = [rng.integers(0, size, n) for size in sizes]
    # One point between the ends, or two.
    other = draw(st.sampled_from([0.0, -0.4]))
    weights = rng.choice([0.0, 0.5, 3.0], (n, 1))
    return values, codes, sizes, weights, np.vstack([POINTS, np.full(3, other)])


def bounds_of(
    values: np.ndarray,
    codes: list[np.ndarray],
    sizes: list[int],
    weights: list[np.ndarray],
    points: np.ndarray,
    step: int,
) -> Bounds:
    low = np.fmin.reduce(values, axis=0, initial=np.inf)
    high = np.fmax.reduce(values, axis=0, initial=-np.inf)
    there = ~np.isnan(values)
    centre = np.where(there, values, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    bounds = Bounds(points, low, high, centre, sizes, len(weights), gaps=not there.all())
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        bounds.add(values[part], [code[part] for code in codes], [weight[part] for weight in weights])
    return bounds


@given(tables(), st.integers(1, 60))
def test_no_row_of_any_group_has_more_than_its_bound(table, step):
    values, codes, sizes, weight, points = table
    weights = [np.ones_like(weight), weight]
    bounds = bounds_of(values, codes, sizes, weights, points, step)
    for group, size in enumerate(sizes):
        for bound in bounds.of(group, squares=True, fewest=0):
            for label in range(size):
                inside = codes[group] == label
                point = bound.points if bound.points.ndim == 1 else bound.points[label]
                far = np.nan_to_num(np.abs(values[inside] - point), nan=0.0) ** (2 if bound.kind.squares else 1)
                weighed = weights[bound.kind.weight][inside] * np.where(far > 1e-12, far, 0.0)
                total = weighed.sum(axis=0)
                share = weighed.max(axis=0, initial=0.0) / np.where(total > 0, total, 1.0)
                assert (share <= bound.share[label] * (1 + 1e-9)).all()


@given(tables(), st.integers(1, 60))
def test_among_all_rows_of_equal_weights_a_bound_is_the_share_itself_with_its_slack(table, step):
    values, codes, sizes, weight, points = table
    bounds = bounds_of(values, codes, sizes, [np.ones_like(weight)], points, step)
    for bound in bounds.of(0, squares=True, fewest=0):
        point = bound.points if bound.points.ndim == 1 else bound.points[0]
        far = np.nan_to_num(np.abs(values - point), nan=0.0) ** (2 if bound.kind.squares else 1)
        total = far.sum(axis=0)
        # Of a single value the squares about the mean are rounding, and the bound is 1.
        clear = total > 1e-9
        share = far.max(axis=0) / np.where(clear, total, 1.0)
        np.testing.assert_allclose(bound.share[0][clear], np.minimum(1.01 * share, 1.0)[clear], rtol=1e-6)


@given(tables(), st.integers(1, 60), st.integers(0, 20))
def test_groups_of_too_few_rows_have_no_bound_and_columns_with_a_third_value_are_told(table, step, fewest):
    values, codes, sizes, weight, points = table
    bounds = bounds_of(values, codes, sizes, [np.ones_like(weight)], points, step)
    there = ~np.isnan(values)
    for group, size in enumerate(sizes):
        count = np.array([there[codes[group] == label].sum(axis=0) for label in range(size)])
        for bound in bounds.of(group, squares=False, fewest=fewest):
            assert not bound.share[count < fewest].any()
    distinct = [len(np.unique(column[~np.isnan(column)])) for column in values.T]
    assert bounds.between.tolist() == [n > 2 for n in distinct]


def test_many_groups_are_added_up_as_few_are():
    rng = np.random.default_rng(0)
    values, code = rng.uniform(-1, 1, (500, 3)), rng.integers(0, 60, 500)
    points = np.vstack([POINTS, np.zeros(3)])
    few = bounds_of(values, [code], [60], [np.ones((500, 1))], points, 77)
    many = bounds_of(values, [code], [65], [np.ones((500, 1))], points, 77)
    for one, other in zip(few.of(0, squares=True, fewest=1), many.of(0, squares=True, fewest=1), strict=True):
        assert one.share.any()
        np.testing.assert_allclose(one.share, other.share[:60], rtol=1e-9)
        assert not other.share[60:].any()


@pytest.mark.parametrize("power", [1, 2])
def test_a_weight_that_one_row_alone_has_makes_it_the_whole_sum(power):
    values, weight = np.full((4, 3), 0.5), np.array([[0.0], [0.0], [2.0], [0.0]])
    points = np.vstack([POINTS, np.zeros(3)])
    bounds = bounds_of(values, [np.zeros(4, dtype=np.int64)], [1], [np.ones((4, 1)), weight], points, 4)
    found = [b for b in bounds.of(0, squares=True, fewest=1) if b.kind.weight == 1 and b.kind.squares == (power == 2)]
    assert all((bound.share == 1.0).all() for bound in found[:4])
