"""A likelihood of strata keeps the law: blocks of a silo's rows and silos add up, whatever their order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedcli.compute.spool import BLOCK_ROWS, Spool
from fedcli.compute.update import Sums, merge, sum_update
from fedcli.fileformat.statistics import State, unpack_upper
from fedcli.models.batch import Batch, empty_state
from fedcli.models.local_fit import expand
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from tests.equivalence.federation import enrolled

AGREED = """
study: law
target: {type: survival, time: until, event: event, entry: since, range: [0, 100]}
features: {x: {type: number, range: [-4, 4]}, z: {type: number, range: [-4, 4]}}
weight: {column: w, range: [0, 4]}
model: {estimator: CoxPH}
rules: {aggregation: plain}
evaluation: {holdout: 0}
"""


def rows(seed: int, n: int) -> Rows:
    rng = np.random.default_rng(seed)
    until = rng.integers(1, 60, n).astype(float)
    since = np.maximum(until - rng.integers(1, 40, n), 0.0)
    numbers = rng.uniform(-4, 4, (n, 2))
    return Rows(
        numbers,
        np.empty((n, 0), np.int32),
        rng.integers(0, 2, n).astype(float),
        np.zeros(n),
        rng.choice([0.0, 0.5, 1.0, 3.0], n),
        np.column_stack([until, since]),
    )


def plan() -> Plan:
    return Plan(enrolled(AGREED, ["a", "b", "c"]))


def summed(made: Rows, state: State) -> Sums:
    with Spool([made], Path()) as spool:
        return sum_update(plan(), state, spool, np.zeros(len(made), dtype=bool), None)


def second_state() -> State:
    """The state after trip 1 of three silos."""
    agreed = plan()
    parts = [summed(rows(seed, 300), empty_state()).encoded for seed in (1, 2, 3)]
    return agreed.advance(merge(agreed, empty_state(), parts), empty_state())


def test_blocks_of_a_silo_make_the_sums_of_its_whole_stratum() -> None:
    made, state, agreed = rows(4, 2 * BLOCK_ROWS + 500), second_state(), plan()
    sums = summed(made, state)
    batch = agreed.later_batch(made, agreed.preparation(state))
    whole = Batch(batch.X, batch.y, batch.offset, batch.weight, times=batch.times)
    value, gradient, _ = expand([whole], agreed.family.loss, state.arrays["coef"])
    _, own_gradient, own_hessian = expand([whole], agreed.family.loss, sums.own)
    assert sums.total["values"][0] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(sums.total["gradients"], gradient, atol=1e-8)
    np.testing.assert_allclose(unpack_upper(sums.total["curvature"]), own_hessian, atol=1e-8)
    np.testing.assert_allclose(sums.total["rhs"], own_hessian @ sums.own - own_gradient, atol=1e-8)


def test_silos_add_to_the_bit_whatever_their_order() -> None:
    state, agreed = second_state(), plan()
    parts = [summed(rows(seed, 200), state).encoded for seed in (5, 6, 7)]
    one, other = merge(agreed, state, parts), merge(agreed, state, parts[::-1])
    assert all((one.integers[name] == other.integers[name]).all() for name in one.integers)


def test_the_order_of_rows_moves_a_sum_by_its_rounding_only() -> None:
    state, made = second_state(), rows(8, 500)
    order = np.random.default_rng(0).permutation(500)
    one, other = summed(made, state), summed(made.take(order), state)
    for name in one.encoded:
        np.testing.assert_allclose(one.total[name], other.total[name], rtol=1e-9, atol=1e-9)


def test_a_row_of_weight_zero_moves_no_sum_but_the_number_of_rows() -> None:
    state, made = second_state(), rows(9, 300)
    kept = made.take(made.weight > 0)
    one, other = summed(made, state), summed(kept, state)
    for name in {"curvature", "rhs", "values", "gradients", "target"}:
        np.testing.assert_allclose(one.total[name], other.total[name], rtol=1e-9, atol=1e-9)
