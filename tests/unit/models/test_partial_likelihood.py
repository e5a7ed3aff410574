"""Sums over risk sets, and the partial likelihood beside one that is written out event by event."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.errors import DominantRow, Separation
from fedcli.fileformat.statistics import State
from fedcli.models.batch import Batch
from fedcli.models.guard import Guard
from fedcli.models.local_fit import expand
from fedcli.models.objective import around, sums_at, value, weights_at
from fedcli.models.partial_likelihood import PartialLikelihood, Ties
from fedcli.models.risk_sets import event_times, observed, over_stay, risk_sets

LAW = settings(max_examples=40, deadline=None, derandomize=True)
TIES: tuple[Ties, ...] = ("efron", "breslow")


def loss_of(ties: Ties, weight: float = 3.0) -> PartialLikelihood:
    return PartialLikelihood(ties, max_rows=1000, largest_weight=weight)


def table(seed: int, n: int, *, delayed: bool, n_batches: int = 3) -> list[Batch]:
    """Rows with many ties, some of weight 0, in batches."""
    rng = np.random.default_rng(seed)
    X = np.hstack([np.ones((n, 1)), rng.uniform(-1, 1, (n, 2))])
    until = rng.integers(1, 8, n).astype(float)
    since = until - rng.integers(1, 6, n)
    times = np.column_stack([until, since]) if delayed else until[:, None]
    y, weight = rng.integers(0, 2, n).astype(float), rng.choice([0.0, 0.5, 1.0, 3.0], n)
    offset = rng.normal(size=n)
    cuts = np.array_split(np.arange(n), n_batches)
    return [Batch(X[i], y[i], offset[i], weight[i], times=times[i]) for i in cuts]


def together(batches: list[Batch]) -> Batch:
    times = np.concatenate([b.times for b in batches if b.times is not None])
    parts = (np.concatenate([getattr(b, name) for b in batches]) for name in ("X", "y", "offset", "weight"))
    return Batch(*parts, times=times)


def written_out(rows: Batch, coef: np.ndarray, ties: Ties) -> tuple[float, np.ndarray, np.ndarray]:
    """Return value, gradient and Hessian by the textbook: one event after the other, no matrix algebra."""
    assert rows.times is not None
    n = len(coef)
    total, gradient, hessian = 0.0, np.zeros(n), np.zeros((n, n))
    kept = rows.weight > 0
    X, eta, w = rows.X[kept], (rows.X @ coef + rows.offset)[kept], rows.weight[kept]
    y, times = rows.y[kept], rows.times[kept]
    for time in sorted(set(times[y > 0, 0])):
        there = (times[:, 0] >= time) & ((times[:, 1] < time) if times.shape[1] > 1 else True)
        dying = np.flatnonzero((times[:, 0] == time) & (y > 0))
        total -= float((w[dying] * eta[dying]).sum())
        gradient -= w[dying] @ X[dying]
        for number in range(len(dying)):
            part = np.ones(len(w))
            if ties == "efron":
                part[dying] = 1 - number / len(dying)
            hazard = part * w * np.exp(eta) * there
            each, mean = w[dying].mean(), hazard @ X / hazard.sum()
            total += each * math.log(hazard.sum())
            gradient += each * mean
            hessian += each * ((X.T * hazard) @ X / hazard.sum() - np.outer(mean, mean))
    return total, gradient, hessian


@given(seed=st.integers(0, 9999), n=st.integers(1, 40), delayed=st.booleans(), ties=st.sampled_from(TIES))
@LAW
def test_value_gradient_and_hessian_are_those_of_the_textbook(seed: int, n: int, delayed: bool, ties: Ties) -> None:
    batches = table(seed, n, delayed=delayed)
    coef = np.random.default_rng(seed).normal(size=3)
    found = expand(batches, loss_of(ties), coef)
    expected = written_out(together(batches), coef, ties)
    assert found[0] == pytest.approx(expected[0], rel=1e-10, abs=1e-10)
    # The intercept has no part in it, and is left at 0.
    np.testing.assert_allclose(found[1][1:], expected[1][1:], atol=1e-10)
    np.testing.assert_allclose(found[2][1:, 1:], expected[2][1:, 1:], atol=1e-10)
    assert not found[1][0]
    assert not found[2][0].any()


@given(seed=st.integers(0, 9999), delayed=st.booleans(), ties=st.sampled_from(TIES), cut=st.integers(0, 30))
@LAW
def test_at_a_point_a_stratum_is_the_sum_of_its_batches(seed: int, delayed: bool, ties: Ties, cut: int) -> None:
    rows = together(table(seed, 30, delayed=delayed))
    coef, loss = np.array([0.0, 0.7, -0.4]), loss_of(ties)
    nearby = around(loss, [rows], coef)
    assert rows.times is not None
    halves = [
        Batch(rows.X[i], rows.y[i], rows.offset[i], rows.weight[i], times=rows.times[i])
        for i in (slice(0, cut), slice(cut, None))
    ]
    whole = sums_at(loss, rows, coef, nearby)
    one, other = (sums_at(loss, half, coef, nearby) for half in halves)
    assert one.value + other.value == pytest.approx(whole.value, rel=1e-11, abs=1e-11)
    np.testing.assert_allclose(one.gradient + other.gradient, whole.gradient, atol=1e-11)
    np.testing.assert_allclose(one.hessian + other.hessian, whole.hessian, atol=1e-11)


@given(seed=st.integers(0, 9999), delayed=st.booleans())
@LAW
def test_under_breslows_ties_weight_two_is_a_row_twice(seed: int, delayed: bool) -> None:
    rows = together(table(seed, 20, delayed=delayed))
    assert rows.times is not None
    often = np.random.default_rng(seed).integers(0, 4, 20)
    weighted = Batch(rows.X, rows.y, rows.offset, often.astype(float), times=rows.times)
    again = np.repeat(np.arange(20), often)
    repeated = Batch(rows.X[again], rows.y[again], rows.offset[again], np.ones(len(again)), times=rows.times[again])
    coef, loss = np.array([0.0, 0.3, 0.9]), loss_of("breslow")
    for one, other in zip(expand([weighted], loss, coef), expand([repeated], loss, coef), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@given(seed=st.integers(0, 9999), n_times=st.integers(0, 20))
@LAW
def test_a_tree_of_intervals_adds_what_counting_adds(seed: int, n_times: int) -> None:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, n_times + 1, 50)
    stop = rng.integers(start, n_times + 1)
    values, increments = rng.normal(size=(50, 2)), rng.random(n_times)
    tree = risk_sets(n_times, 2, delayed=True)
    tree.add(start, stop, values)
    at = np.arange(n_times)[:, None]
    inside = (start <= at) & (at < stop)
    np.testing.assert_allclose(tree.sums(), inside @ values, atol=1e-12)
    np.testing.assert_allclose(over_stay(increments, start, stop, delayed=True), increments @ inside, atol=1e-12)
    from_zero = risk_sets(n_times, 2, delayed=False)
    from_zero.add(start, stop, values)
    np.testing.assert_allclose(from_zero.sums(), (at < stop) @ values, atol=1e-12)
    np.testing.assert_allclose(over_stay(increments, start, stop, delayed=False), increments @ (at < stop), atol=1e-12)


def test_a_row_is_at_risk_after_its_entry_up_to_and_with_its_own_time() -> None:
    times = np.array([[3.0, 1.0], [2.0, 0.0], [4.0, 2.0], [5.0, 3.0]])
    batch = Batch(np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]), np.zeros(4), np.ones(4), times=times)
    place = observed(batch, event_times([batch]))
    assert event_times([batch]).tolist() == [2.0, 3.0, 4.0]
    # The row that enters at 2 is not at risk at 2.
    assert list(zip(place.start.tolist(), (place.stop + place.dies).tolist(), strict=True)) == [
        (0, 2),
        (0, 1),
        (1, 3),
        (2, 3),
    ]


@pytest.mark.parametrize("ties", TIES)
def test_a_row_of_giant_hazard_leaves_no_rounding_in_times_at_which_it_is_not_at_risk(ties: Ties) -> None:
    x = np.array([-1.0, -0.9, -0.7, -0.6, 1.0, 1.0])
    times = np.array([[9.0, 5.0], [8.0, 5.0], [9.0, 5.0], [10.0, 5.0], [4.0, 0.0], [3.0, 0.0]])
    y = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    whole = Batch(np.column_stack([np.ones(6), x]), y, np.zeros(6), np.ones(6), times=times)
    late = Batch(whole.X[:4], y[:4], np.zeros(4), np.ones(4), times=times[:4])
    early = Batch(whole.X[4:], y[4:], np.zeros(2), np.ones(2), times=times[4:])
    # Hazards of e^60 beside others of e^-60: nothing of theirs would be left after a subtraction.
    coef, loss = np.array([0.0, 60.0]), loss_of(ties)
    for of_whole, of_late, of_early in zip(*(expand([b], loss, coef) for b in (whole, late, early)), strict=True):
        np.testing.assert_allclose(of_whole, of_late + of_early, rtol=1e-11, atol=1e-14)


def test_predictors_too_far_apart_are_refused_by_name_and_never_a_wrong_number() -> None:
    rows = table(1, 20, delayed=False)
    far, loss = np.array([0.0, 400.0, 0.0]), loss_of("efron")
    assert value(loss, rows, far) == np.inf
    with pytest.raises(Separation, match="so far apart"):
        expand(rows, loss, far)


def test_a_stratum_without_events_adds_nothing() -> None:
    rows = together(table(3, 15, delayed=True))
    silent = Batch(rows.X, np.zeros(15), rows.offset, rows.weight, times=rows.times)
    total, gradient, hessian = expand([silent], loss_of("efron"), np.array([0.0, 0.5, 0.5]))
    assert (total, gradient.any(), hessian.any()) == (0.0, False, False)


@given(seed=st.integers(0, 9999), delayed=st.booleans(), ties=st.sampled_from(TIES), size=st.floats(0.0, 20.0))
@LAW
def test_no_batch_goes_beyond_the_bounds(seed: int, delayed: bool, ties: Ties, size: float) -> None:
    batches = table(seed, 30, delayed=delayed)
    rng = np.random.default_rng(seed)
    coef = np.concatenate([[0.0], size * rng.uniform(-1, 1, 2)])
    loss = PartialLikelihood(ties, max_rows=30, largest_weight=3.0)
    largest = float(np.abs(coef).sum()) + max(float(np.abs(b.offset).max()) for b in batches)
    most = [30 * 3.0 * bound for bound in loss.bounds(largest)]
    nearby = around(loss, batches, coef)
    for batch in batches:
        part = sums_at(loss, batch, coef, nearby)
        sizes = abs(part.value), np.abs(part.gradient).max(), np.abs(part.hessian).max()
        assert all(size <= bound for size, bound in zip(sizes, most, strict=True))


# ---- what one row may make of a sum --------------------------------------------------------------------------------


def followed(n: int = 60) -> list[Batch]:
    """Rows of distinct times, all with an event; column 2 tells the last row alone, column 1 alternates."""
    last = np.zeros(n)
    last[-1] = 1.0
    X = np.column_stack([np.ones(n), np.resize([1.0, -1.0, 0.3], n), last])
    return [Batch(X, np.ones(n), np.zeros(n), np.ones(n), times=np.arange(1.0, n + 1)[:, None])]


def asked_at(*coef: float) -> State:
    return State({"round": 1, "phase": "solving"}, {"coef": np.array(coef), "candidates": np.empty((0, len(coef)))})


@pytest.mark.parametrize("ties", TIES)
def test_the_weights_are_those_of_the_sums_that_leave(ties: Ties) -> None:
    rows, coef, loss = followed(), np.array([0.0, 0.4, -1.0]), loss_of(ties, 1.0)
    nearby = around(loss, rows, coef)
    found = weights_at(loss, rows[0], coef, nearby)
    gradient = sums_at(loss, rows[0], coef, nearby).gradient
    assert -(rows[0].X.T @ found["residuals"])[1:] == pytest.approx(gradient[1:], abs=1e-10)
    # Everyone has an event, and expected events add up to events.
    assert found["expected events"].sum() == pytest.approx(60)
    hazard = np.exp(rows[0].X @ coef)
    shares = [hazard / hazard[k:].sum() * (np.arange(60) >= k) for k in range(60)]
    assert found["curvature"] == pytest.approx(sum(p * (1 - p) for p in shares), abs=1e-10)


def test_a_point_like_that_of_an_honest_fit_is_admitted() -> None:
    Guard(loss_of("efron", 1.0), 5.0).admit(followed(), asked_at(0.0, 0.6, -0.5))


def test_a_point_at_which_one_row_has_nearly_all_the_hazard_is_refused() -> None:
    with pytest.raises(DominantRow, match=r"worth 3\.9 equal rows"):
        Guard(loss_of("efron", 1.0), 5.0).admit(followed(), asked_at(0.0, 0.0, 30.0))


def test_a_point_at_which_only_the_last_two_rows_at_risk_share_a_hazard_is_refused() -> None:
    n = 60
    # Each row's hazard dwarfs that of all who stay longer, but for the last two: every sum is theirs.
    column = np.linspace(1.0, -1.0, n)
    column[-2:] = column[-3] - 2 / n
    X = np.column_stack([np.ones(n), column, np.resize([1.0, -1.0], n)])
    rows = [Batch(X, np.ones(n), np.zeros(n), np.ones(n), times=np.arange(1.0, n + 1)[:, None])]
    with pytest.raises(DominantRow, match="worth 2 equal rows"):
        Guard(loss_of("efron", 1.0), 5.0).admit(rows, asked_at(0.0, 140.0, 0.0))


def test_a_difference_of_points_in_which_one_row_alone_moves_is_refused() -> None:
    state = asked_at(0.0, 0.1, 0.0)
    state = State(state.document, {**state.arrays, "candidates": np.array([[0.0, 0.1, 3.0]])})
    with pytest.raises(DominantRow, match="between both points"):
        Guard(loss_of("efron", 1.0), 1.0).admit(lonely(), state)


def lonely(n: int = 200) -> list[Batch]:
    """Only the last row has column 2, and it is at risk at the last few events only."""
    rows = followed(n)[0]
    since = np.zeros(n)
    since[-1] = n - 30
    assert rows.times is not None
    return [Batch(rows.X, rows.y, rows.offset, rows.weight, times=np.column_stack([rows.times[:, 0], since]))]
