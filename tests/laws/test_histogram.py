"""The tree of counts: it adds, it shows no small group, and the interval that it prints holds the pooled quantile."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.preparing.histogram import Tree

LAW = settings(max_examples=60, deadline=None, derandomize=True)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
TREES = {
    "measured": Tree.over((-3.0, 17.3), 32),
    "whole, a leaf per value": Tree.over((0, 9), 64, whole=True),
    "whole, several values per leaf": Tree.over((5, 1000), 16, whole=True),
}


def drawn(tree: Tree, seed: int, n: int) -> np.ndarray:
    """Values in the range: clumped, so that empty, small and large parts all occur; some on edges, some missing."""
    rng = np.random.default_rng(seed)
    values = tree.low + (tree.high - tree.low) * rng.beta(rng.uniform(0.2, 4), rng.uniform(0.2, 4), n)
    values = np.round(values) if tree.whole else np.where(rng.random(n) < 0.2, rng.choice(tree.edges, n), values)
    return np.where(rng.random(n) < 0.1, np.nan, values)


def counts(tree: Tree, values: np.ndarray) -> np.ndarray:
    return tree.count(values).astype(np.int64)


def levels(tree: Tree, nodes: np.ndarray) -> list[np.ndarray]:
    return [nodes[2**d - 2 : 2 ** (d + 1) - 2] for d in range(1, tree.depth + 1)]


trees = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)


@trees
@given(seed=st.integers(0, 999), n=st.integers(0, 60), m=st.integers(0, 60))
@LAW
def test_counts_add(tree: Tree, seed: int, n: int, m: int) -> None:
    a, b = drawn(tree, seed, n), drawn(tree, seed + 1, m)
    assert (counts(tree, a) + counts(tree, b) == counts(tree, np.concatenate([a, b]))).all()


@trees
@given(seed=st.integers(0, 999), n=st.integers(0, 120), min_cell=st.integers(1, 9))
@LAW
def test_nothing_small_is_shown_nor_is_any_difference(tree: Tree, seed: int, n: int, min_cell: int) -> None:
    values = drawn(tree, seed, n)
    positive = np.random.default_rng(seed).random(n) < 0.3
    groups = [counts(tree, values[~positive]), counts(tree, values[positive])]
    shown = tree.shown(groups, min_cell)
    said = [np.where(shown, group, 0) for group in groups]
    said.append(said[0] + said[1])
    for nodes in said:
        below = [np.array([0]), *levels(tree, nodes)]
        assert not ((nodes > 0) & (nodes < min_cell)).any()
        for above, halves in pairwise(below[1:]):
            rest = above - halves.reshape(-1, 2).sum(axis=1)
            assert ((rest == 0) | (rest >= min_cell)).all(), "what is left when the halves are taken away"
            assert ((rest == 0) | (rest == above)).all(), "both halves or none"


@trees
@given(seed=st.integers(0, 999), n=st.integers(1, 120), min_cell=st.integers(2, 9))
@LAW
def test_no_undivided_part_can_be_solved_by_the_sums_that_leave_besides(
    tree: Tree, seed: int, n: int, min_cell: int
) -> None:
    """A part that is shown and not divided has no small leaf, or rows in more leaves than there are equations."""
    values = drawn(tree, seed, n)
    nodes = counts(tree, values)
    shown = levels(tree, tree.shown([nodes], min_cell))
    leaves = levels(tree, nodes)[-1]
    for d, flags in enumerate(shown[:-1], start=1):
        for i, flag in enumerate(flags):
            if flag and not shown[d][2 * i]:
                inside = leaves.reshape(2**d, -1)[i]
                small = ((inside > 0) & (inside < min_cell)).any()
                assert not small or np.count_nonzero(inside) > 3


@trees
@given(seed=st.integers(0, 999), sizes=st.lists(st.integers(0, 90), min_size=1, max_size=4), k=st.integers(1, 8))
@LAW
def test_the_pooled_quantile_lies_in_the_interval(tree: Tree, seed: int, sizes: list[int], k: int) -> None:
    silos = [drawn(tree, seed + i, n) for i, n in enumerate(sizes)]
    pooled = np.concatenate(silos)
    pooled = pooled[~np.isnan(pooled)]
    if not len(pooled):
        return
    nodes = [counts(tree, values) for values in silos]
    total = sum(np.where(tree.shown([own], k), own, 0) for own in nodes)
    found = tree.bounds(len(pooled), total)
    slack = 1e-13 * (tree.high - tree.low)
    for share in SHARES:
        said = found.quantile(share)
        assert said.lower - slack <= np.quantile(pooled, share) <= said.upper + slack
        assert said.lower <= said.estimate <= said.upper
    least, most = found.below
    true = (pooled[:, None] < tree.edges).sum(axis=0)
    assert (least[:-1] <= true[:-1]).all()
    assert (true[:-1] <= most[:-1]).all()
    assert least[-1] == most[-1] == len(pooled)


@given(seed=st.integers(0, 999), n=st.integers(1, 200))
@LAW
def test_whole_numbers_with_a_leaf_each_give_exact_quantiles(seed: int, n: int) -> None:
    tree = TREES["whole, a leaf per value"]
    values = np.round(np.random.default_rng(seed).uniform(0, 9, n))
    found = tree.bounds(n, counts(tree, values))
    for share in SHARES:
        said = found.quantile(share)
        assert said.lower == said.estimate == said.upper == np.quantile(values, share)


def test_a_leaf_holds_its_lower_edge_and_the_last_leaf_both() -> None:
    tree = Tree.over((0.0, 0.8), 8)
    leaves = levels(tree, counts(tree, tree.edges))[-1]
    assert leaves.tolist() == [1, 1, 1, 1, 1, 1, 1, 2]
    assert tree.edges.tolist() == [float(Fraction(0.8) * i / 8) for i in range(9)]
    just_below = np.nextafter(tree.edges[1:-1], 0)
    assert levels(tree, counts(tree, just_below))[-1].tolist() == [1, 1, 1, 1, 1, 1, 1, 0]


def test_edges_of_whole_numbers_lie_between_them() -> None:
    assert TREES["whole, a leaf per value"].edges[:3].tolist() == [-0.5, 0.5, 1.5]
    assert TREES["whole, a leaf per value"].bins == 16, "no more leaves than values need"
    assert set(TREES["whole, several values per leaf"].edges % 1) == {0.5}


def test_without_small_groups_the_interval_is_one_leaf() -> None:
    tree = Tree.over((0.0, 64.0), 64)
    values = np.repeat(np.arange(64) + 0.25, 5)
    nodes = counts(tree, values)
    assert tree.shown([nodes], 5).all()
    said = tree.bounds(len(values), nodes).quantile(0.5)
    assert said.upper - said.lower == 1


def test_two_values_of_which_one_is_rare_are_not_told_apart_by_leaving_them_together() -> None:
    """17 rows of 0 and 3 of 1: their sum would say so, if the part that holds both were shown by itself."""
    tree = Tree.over((0, 7), 8, whole=True)
    nodes = counts(tree, np.repeat([0.0, 1, 4, 5, 6, 7], [17, 3, 9, 9, 9, 9]))
    shown = tree.shown([nodes], 5)
    assert levels(tree, shown)[0].tolist() == [False, False]
    spread = counts(tree, np.repeat([0.0, 1, 2, 3, 4, 5, 6, 7], [17, 3, 4, 6, 9, 9, 9, 9]))
    assert levels(tree, tree.shown([spread], 5))[0].tolist() == [True, True]
