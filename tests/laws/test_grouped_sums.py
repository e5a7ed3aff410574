"""Sums of squares and of fourth order: they add, wherever a silo's centre lies, and say what all products would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.fileformat.statistics import Total
from fedcli.models.batch import Batch
from fedcli.models.exact import CENTRE_BITS
from fedcli.models.moments import GroupedSums, Grouping, Moments

LAW = settings(max_examples=10, deadline=None, derandomize=True)
BITS = 90
GROUPINGS = {
    "by class": Grouping(n_classes=3, by_class=True),
    "beside classes": Grouping(n_classes=3),
    "with the target": Grouping(target=True),
}
# 1, a number and where it is missing, a level, a piece's values and its rows.
N, WITHIN, SQUARED = 6, ((4, 5),), (1, 4)
MAPPING = np.array(
    [
        [1, 0, 0, 0, 0, 0],
        [-0.25, 1, 0.5, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0.1, 0, 0, 0, 2.0, -0.3],
    ]
)
UNIT = np.array([0.5, 1.0, 2.0])


def rows(seed: int, n: int, *, classes: bool) -> Batch:
    rng = np.random.default_rng(seed)
    X = np.zeros((n, N))
    X[:, 0] = 1.0
    missing, piece = rng.random(n) < 0.3, rng.random(n) < 0.5
    X[:, 1] = np.where(missing, 0.0, rng.uniform(-1, 1, n))
    X[:, 2], X[:, 3], X[:, 5] = missing, rng.random(n) < 0.4, piece
    X[:, 4] = np.where(piece, rng.uniform(-1, 1, n), 0.0)
    y = rng.integers(0, 3, n).astype(float) if classes else rng.uniform(-1, 1, n)
    return Batch(X, y, np.zeros(n), np.ones(n))


def together(*parts: Batch) -> Batch:
    return Batch(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("X", "y", "offset", "weight")))


def total(sums: GroupedSums, parts: list[Batch]) -> Total:
    """Each part about a centre of its own, carried to 0 and added."""
    found: dict[str, np.ndarray] = {}
    for part in parts:
        centre = sums.centre([part])
        arrays = sums.statistics(part, centre).arrays
        integers = {k: np.array([round(v * 2.0**BITS) for v in a.tolist()], dtype=object) for k, a in arrays.items()}
        settled = sums.settle(Total(integers, dict.fromkeys(integers, BITS)), centre).integers
        found = {name: array + found.get(name, 0) for name, array in settled.items()}
    return Total(found, dict.fromkeys(found, BITS))


def read(sums: GroupedSums, parts: list[Batch]) -> Moments:
    target = sums.grouping.target
    # Without a target its column is left out; with one it is the last.
    mapping = np.zeros((len(MAPPING) + 1, N + 1))
    mapping[:-1, :-1], mapping[-1, -1] = MAPPING, 1.0
    return sums.read(total(sums, parts), mapping, np.append(UNIT, 1.0) if target else UNIT)


@pytest.mark.parametrize("name", GROUPINGS)
@given(seed=st.integers(0, 999), sizes=st.lists(st.integers(1, 20), min_size=2, max_size=4))
@LAW
def test_squares_are_those_of_all_products(name: str, seed: int, sizes: list[int]) -> None:
    whole = GROUPINGS[name]
    thin = Grouping(whole.n_classes, by_class=whole.by_class, target=whole.target, squares=True)
    parts = [rows(seed + k, n, classes=not whole.target) for k, n in enumerate(sizes)]
    full, few = (read(GroupedSums(grouping, N, 1e4, WITHIN), parts) for grouping in (whole, thin))
    for centred in (True, False):
        for kinds in [None, *([[0], [1, 2]] if whole.by_class else [])]:
            a, b = full.group(classes=kinds, centred=centred), few.group(classes=kinds, centred=centred)
            assert a.weight == b.weight
            assert (a.mean == b.mean).all()
            # What is 0 in every row is only nearly so in a float sum about a centre.
            np.testing.assert_allclose(np.diagonal(b.products), np.diagonal(a.products), rtol=1e-13, atol=1e-14)
            if whole.target:
                np.testing.assert_allclose(b.products[-1], a.products[-1], rtol=1e-13, atol=1e-14)
            known = np.diag(np.diagonal(b.products))
            assert np.count_nonzero(b.products[:3, :3] - known[:3, :3]) == 0


@given(seed=st.integers(0, 999), sizes=st.lists(st.integers(1, 20), min_size=1, max_size=4), centred=st.booleans())
@LAW
def test_fourth_order_is_that_of_the_rows_together(seed: int, sizes: list[int], centred: bool) -> None:
    parts = [rows(seed + k, n, classes=False) for k, n in enumerate(sizes)]
    found = read(GroupedSums(Grouping(fourth=True), N, 1e4, WITHIN, SQUARED), parts)
    V = (together(*parts).X @ MAPPING.T)[:, 1:]
    V = (V - V.mean(axis=0) if centred else V) / UNIT
    assert found.fourth is not None
    wanted = float(((V**2).sum(axis=1) ** 2).sum())
    assert found.fourth.squared_norms(centred=centred) == pytest.approx(wanted, rel=1e-11, abs=1e-14)
    group = found.group(centred=centred)
    np.testing.assert_allclose(group.products, V.T @ V, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "grouping",
    [Grouping(n_classes=3, by_class=True, squares=True), Grouping(target=True, squares=True), Grouping(fourth=True)],
    ids=["by class", "with the target", "fourth"],
)
@given(seed=st.integers(0, 999), n=st.integers(0, 20), m=st.integers(1, 20))
@LAW
def test_sums_add_at_a_centre(grouping: Grouping, seed: int, n: int, m: int) -> None:
    sums = GroupedSums(grouping, N, 1e4, WITHIN, SQUARED)
    a, b = (rows(seed + k, size, classes=not grouping.target) for k, size in enumerate((n, m)))
    centre = np.round(np.linspace(-0.5, 0.5, sums.width) * 2.0**CENTRE_BITS) / 2.0**CENTRE_BITS
    centre[0] = 0.0
    apart = sums.statistics(a, centre) + sums.statistics(b, centre)
    whole = sums.statistics(together(a, b), centre)
    assert apart.arrays.keys() == {block.name for block in sums.layout()}
    for block in sums.layout():
        assert whole[block.name].shape == (block.size,)
        np.testing.assert_allclose(apart[block.name], whole[block.name], rtol=0, atol=1e-12)
