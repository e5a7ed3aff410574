"""How two sets of rows differ, and when a difference is too small to be shown."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.privacy.differencing import Difference, compare, compare_sorted, nearest, too_few_differ

ROWS = st.lists(st.integers(0, 6) | st.integers(2**64 - 4, 2**64 - 1), max_size=30)


@given(now=ROWS, then=ROWS)
def test_sets_of_rows_are_compared_as_multisets_in_any_order(now, then):
    found = compare(np.array(now, np.uint64), np.array(then, np.uint64))
    one, other = Counter(now), Counter(then)
    assert found == Difference((one - other).total(), (other - one).total())


@given(now=ROWS, then=ROWS, cuts=st.lists(st.integers(0, 30), max_size=8))
def test_a_set_that_is_read_in_portions_is_compared_the_same(now, then, cuts):
    ranked = np.sort(np.array(then, np.uint64))
    portions = np.split(ranked, np.sort([min(cut, len(ranked)) for cut in cuts]).astype(int))
    whole = compare(np.array(now, np.uint64), ranked)
    assert compare_sorted(np.sort(np.array(now, np.uint64)), portions) == whole


@pytest.mark.parametrize(
    ("added", "removed", "few"),
    [(0, 0, False), (1, 0, True), (9, 9, True), (9, 500, False), (0, 10, False), (10, 10, False)],
)
def test_rows_are_few_in_all_only_where_both_those_new_and_those_gone_are(added, removed, few):
    assert Difference(added, removed).shows_few_in_all(10) == few


@pytest.mark.parametrize(
    ("added", "removed", "refused"),
    [(0, 0, False), (1, 0, True), (0, 9, True), (9, 500, True), (500, 9, True), (10, 0, False), (10, 10, False)],
)
def test_new_rows_and_gone_rows_are_none_or_enough_each_for_itself(added, removed, refused):
    assert (too_few_differ([Difference(500, 500), Difference(added, removed)], 10) is not None) == refused


def test_the_refusal_counts_and_never_names_a_row():
    problem = too_few_differ([Difference(2, 1)], 10)
    assert "differ from those of an earlier update of this study by 3" in problem.message
    assert "2 new, 1 gone" in problem.message
    assert "at least 10" in problem.message


def test_the_nearest_earlier_set_is_the_one_to_tell_of():
    assert nearest([Difference(50, 0), Difference(12, 0), Difference(20, 20)]) == Difference(12, 0)
    assert nearest([]) is None
