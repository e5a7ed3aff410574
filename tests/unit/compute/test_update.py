"""One silo's sums: exact, complete, and silent where they must be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fedcli.compute.spool import Spool
from fedcli.compute.update import hash_rows, merge, rows_digest, sum_update
from fedcli.errors import GarbageSum, OutsideBound
from fedcli.fileformat.statistics import State
from fedcli.models.batch import empty_state
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from tests.equivalence.cases import TARGETS, agreement
from tests.equivalence.federation import enrolled

X = {"x": {"type": "number", "range": [-10, 10]}}
N = 50


def plan_of(estimator: str = "LogisticRegression", **parts: object) -> Plan:
    return Plan(enrolled(agreement(TARGETS[estimator], X, estimator, **parts), ["a", "b"]))


def table(seed: int = 0, n_rows: int = N) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 1))
    y = (rng.random(n_rows) < 1 / (1 + np.exp(-x[:, 0]))).astype(float)
    return Rows(x, np.empty((n_rows, 0), np.int32), y, np.zeros(n_rows), np.ones(n_rows))


def spool(rows: Rows) -> Spool:
    return Spool([rows], Path())


def nobody(n_rows: int = N) -> np.ndarray:
    return np.zeros(n_rows, dtype=bool)


def after_trip_1(plan: Plan) -> State:
    updates = [sum_update(plan, empty_state(), spool(table(seed)), nobody(), None).encoded for seed in (0, 1)]
    return plan.advance(merge(plan, empty_state(), updates), empty_state())


def test_an_update_holds_exactly_what_its_layout_says() -> None:
    plan = plan_of(evaluation={"holdout": 0.2})
    for state in (empty_state(), after_trip_1(plan)):
        sums = sum_update(plan, state, spool(table()), nobody(), None)
        assert {name: limbs.shape for name, limbs in sums.encoded.items()} == {
            block.name: (block.size, 2) for block in plan.layout(state)
        }
        assert all(block.says for block in sums.layout)


@pytest.mark.parametrize("estimator", ["LogisticRegression", "LinearRegression"])
def test_rows_held_out_leave_the_fit_as_if_they_were_not_there(estimator: str) -> None:
    plan, rows = plan_of(estimator, evaluation={"holdout": 0.2}), table()
    mask = np.arange(N) % 4 == 0
    held = sum_update(plan, empty_state(), spool(rows), mask, None)
    without = sum_update(plan, empty_state(), spool(rows.take(~mask)), nobody(int((~mask).sum())), None)
    for name in held.encoded:
        np.testing.assert_array_equal(held.encoded[name], without.encoded[name], err_msg=name)


def test_too_few_rows_held_out_say_nothing_of_themselves() -> None:
    plan = plan_of(evaluation={"holdout": 0.2})
    state, mask = after_trip_1(plan), np.arange(N) < 4
    silent = sum_update(plan, state, spool(table()), mask, None, silent=True)
    spoken = sum_update(plan, state, spool(table()), mask, None, silent=False)
    assert silent.silent_holdout
    assert not silent.total["evaluation"].any()
    assert not spoken.silent_holdout
    assert spoken.total["evaluation"][0] == 4


def test_without_a_holdout_there_is_no_evaluation() -> None:
    plan = plan_of()
    sums = sum_update(plan, after_trip_1(plan), spool(table()), nobody(), None, silent=True)
    assert "evaluation" not in sums.encoded
    assert not sums.silent_holdout


def test_more_rows_than_agreed_are_refused() -> None:
    with pytest.raises(OutsideBound):
        sum_update(plan_of(rules={"max_rows": N - 1}), empty_state(), spool(table()), nobody(), None)


def test_a_sum_that_silos_cannot_have_sent_is_refused() -> None:
    plan = plan_of()
    sums = sum_update(plan, empty_state(), spool(table()), nobody(), None)
    garbage = {name: limbs.copy() for name, limbs in sums.encoded.items()}
    garbage["curvature"][0, 1] = np.uint64(1) << np.uint64(60)
    with pytest.raises(GarbageSum, match="curvature"):
        merge(plan, empty_state(), [sums.encoded, garbage])


def test_the_same_rows_give_the_same_bytes() -> None:
    plan = plan_of()
    one, again = (sum_update(plan, empty_state(), spool(table()), nobody(), None).encoded for _ in range(2))
    assert all(one[name].tobytes() == again[name].tobytes() for name in one)


def test_the_scratch_file_changes_no_bit(tmp_path: Path) -> None:
    plan, rows = plan_of(), table(n_rows=9000)
    with Spool([rows], tmp_path, memory_bytes=0) as on_disk:
        one = sum_update(plan, empty_state(), on_disk, nobody(9000), None).encoded
    other = sum_update(plan, empty_state(), spool(rows), nobody(9000), None).encoded
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_a_digest_of_rows_knows_the_rows_and_not_their_order() -> None:
    rows, secret = table(), b"s" * 32
    digest = rows_digest(hash_rows(spool(rows), secret), secret)
    assert rows_digest(hash_rows(spool(rows.take(np.arange(N)[::-1])), secret), secret) == digest
    assert rows_digest(hash_rows(spool(rows.take(slice(1, None))), secret), secret) != digest
    assert rows_digest(hash_rows(spool(rows), b"t" * 32), b"t" * 32) != digest
    assert len(digest) == 64


def test_a_fit_reads_rows_block_by_block() -> None:
    class Counting(Spool):
        passes = 0

        def blocks(self) -> Iterator[tuple[slice, Rows]]:
            Counting.passes += 1
            return super().blocks()

    plan = plan_of()
    sum_update(plan, empty_state(), Counting([table()], Path()), nobody(), None)
    assert Counting.passes > 1
