"""The largest share of one row in every sum of a column that leaves, as NumPy finds it group by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedcli.compute.share_bounds import Bounds
from fedcli.compute.shares import FOURTH, SQUARES, SUM, largest_shares
from fedcli.compute.spool import BLOCK_ROWS, Spool
from fedcli.models.moments import Grouping
from fedcli.models.registry import Estimator, closed
from fedcli.preparing import estimators
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.privacy.disclosure import Largest
from fedcli.study.reading import read_study
from tests.equivalence.cases import agreement

INCOME = {"type": "number", "range": [0, 1000]}
DEBT = {"type": "number", "range": [-200, 1000], "impute": "mean"}
AREA = {"type": "category", "levels": ["town", "country"]}
FEATURES = {"income": INCOME, "debt": DEBT, "area": AREA}
BINARY = {"column": "ill", "type": "binary", "positive": 1}
NUMBER = {"column": "cost", "type": "number", "range": [0, 100]}


def plan_of(target: dict[str, Any] = BINARY, estimator: str = "LogisticRegression", **parts: Any) -> Plan:
    return Plan(read_study(agreement(target, parts.pop("features", FEATURES), estimator, **parts)))


def drawn(n: int = 400, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    numbers = np.column_stack([rng.uniform(100, 300, n), rng.uniform(-150, 300, n)])
    numbers[rng.random(n) < 0.1, 1] = np.nan
    codes = rng.integers(0, 2, (n, 1)).astype(np.int32)
    return Rows(numbers, codes, rng.integers(0, 2, n).astype(float), np.zeros(n), np.ones(n))


def found(plan: Plan, rows: Rows, mask: np.ndarray | None = None, **options: Any) -> list[Largest]:
    mask = np.zeros(len(rows), dtype=bool) if mask is None else mask
    return largest_shares(plan, Spool([rows], Path()), mask, **options)


@dataclass(frozen=True)
class Form:
    """A closed form that needs some sums, and is never fitted."""

    grouping: Grouping
    linear: bool = True

    def fit(self, moments: Any) -> dict[str, np.ndarray]:
        raise NotImplementedError


@pytest.fixture
def grouped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that gives the estimator ``Grouped`` these sums."""

    def of(grouping: Grouping, *, cv: bool = False) -> None:
        build = closed(lambda setting, params: Form(grouping))
        entry = Estimator("", ("binary", "category"), {}, (1, 1), build, cv=cv)
        monkeypatch.setattr(estimators, "ESTIMATORS", {"Grouped": entry})

    return of


def worst(found: list[Largest]) -> Largest:
    return max(found, key=lambda largest: largest.share)


def by_hand(values: np.ndarray, points: list[float], groups: list[np.ndarray], power: int = 1) -> float:
    """The largest share over all points and groups, the straightforward way."""
    shares = []
    for group in groups:
        inside = values[group]
        inside = inside[~np.isnan(inside)]
        for point in [*points, *([inside.mean()] if power == 2 else [])]:
            sizes = np.abs(inside - point) ** power
            shares.append(sizes.max() / sizes.sum())
    return max(shares)


@pytest.mark.parametrize("profile", [None, {"bins": 8}])
@pytest.mark.parametrize("seed", range(6))
def test_the_largest_share_is_that_of_numpy_over_all_columns_points_and_groups(profile, seed):
    rows = drawn(60, seed)
    every = np.ones(len(rows), dtype=bool)
    classes = [rows.target == 0, rows.target == 1]
    missing = np.isnan(rows.numbers[:, 1])
    groups = [every, *classes, *(rows.codes[:, 0] == k for k in (0, 1)), missing, ~missing]
    squared = [every, *classes] if profile else [every]
    income, debt = rows.numbers.T
    income_points, debt_points = [0.0, 1000.0, 500.0], [-200.0, 1000.0, 400.0, 0.0]
    large = [group for group in groups if group.sum() >= 5]
    present = [group for group in groups if (group & ~missing).sum() >= 5]
    of_sums = max(by_hand(income, income_points, large), by_hand(debt, debt_points, present))
    of_squares = max(by_hand(income, income_points, squared, 2), by_hand(debt, debt_points, squared, 2))
    shares = {largest.of: largest.share for largest in found(plan_of(profile=profile), rows, floor=0.0)}
    np.testing.assert_allclose([shares[SUM], shares[SQUARES]], [of_sums, of_squares], rtol=1e-12)


@pytest.mark.parametrize("heavy", [0.0, 3.0, 30.0])
@pytest.mark.parametrize("seed", range(4))
def test_groups_that_are_settled_early_change_no_share(monkeypatch, heavy, seed):
    """Rows of groups in which no row can have much are left out once that is known: late and rare ones are found."""
    rng = np.random.default_rng(seed)
    rows = drawn(3_000, seed)
    late = rng.integers(2_000, 3_000, 3)
    rows.numbers[late, rng.integers(0, 2, 3)] += heavy * 20
    # A level that the first blocks lack, and one that is rare.
    rows.codes[:, 0] = np.where(np.arange(3_000) < 2_500, 0, rng.random(3_000) < 0.1)
    mask, floor, plan = rng.random(3_000) < 0.2, 0.03, plan_of(profile={"bins": 8})
    monkeypatch.setattr("fedcli.compute.spool.BLOCK_ROWS", 200)
    added: list[int] = []

    def counted(bounds: Bounds, values: np.ndarray, codes: Any, weights: Any) -> None:
        added.append(len(values))
        add(bounds, values, codes, weights)

    add = Bounds.add
    monkeypatch.setattr(Bounds, "add", counted)
    monkeypatch.setattr("fedcli.compute.shares._LOOKED_AT", ())
    whole, all_rows = found(plan, rows, mask, floor=floor), sum(added)
    added.clear()
    monkeypatch.setattr("fedcli.compute.shares._LOOKED_AT", (2, 4, 8))
    parted = found(plan, rows, mask, floor=floor)
    assert whole
    assert all_rows == int((~mask).sum())
    # Where one row reaches far, no group is settled before it has many rows.
    assert sum(added) < all_rows or heavy > 10
    assert [(one.column, one.of, one.among) for one in parted] == [(one.column, one.of, one.among) for one in whole]
    np.testing.assert_allclose([one.share for one in parted], [one.share for one in whole], rtol=1e-12)


def test_shares_up_to_the_floor_are_not_looked_for():
    rows = drawn()
    exact = worst(found(plan_of(), rows, floor=0.0)).share
    assert found(plan_of(), rows, floor=exact) == []
    assert worst(found(plan_of(), rows, floor=0.99 * exact)).share == exact


@pytest.mark.parametrize(
    ("others", "rich"),
    [(0.0, 900.0), (1000.0, 20.0), (500.0, 700.0)],
    ids=["lower end", "upper end", "middle"],
)
def test_a_row_far_from_others_that_crowd_at_an_end_or_the_middle_is_found(others, rich):
    rows = drawn()
    rows.numbers[:, 0] = others + np.random.default_rng(1).choice([0, 0.01, -0.01 if others else 0.02], len(rows))
    rows.numbers[:, 0] = rows.numbers[:, 0].clip(0, 1000)
    rows.numbers[7, 0] = rich
    largest = worst(found(plan_of(), rows))
    assert (largest.column, largest.of) == ("income", SQUARES)
    assert largest.share > 0.99
    assert max(s.share for s in found(plan_of(), rows) if s.of == SUM and s.column == "income") > 0.9


def test_a_row_far_from_zero_is_found_where_zero_lies_inside_the_range():
    rows = drawn()
    rows.numbers[:, 1] = np.random.default_rng(1).choice([0.0, 0.001, -0.001], len(rows))
    rows.numbers[3, 1] = 150.0
    largest = worst([s for s in found(plan_of(), rows) if s.of == SUM])
    assert largest.column == "debt"
    assert largest.share > 0.99


def test_a_row_that_makes_the_variance_is_found_though_its_sums_are_those_of_all():
    rows = drawn()
    rows.numbers[:, 0] = 400 + np.random.default_rng(1).uniform(-1, 1, len(rows))
    rows.numbers[5, 0] = 600.0
    shares = {s.of: s for s in found(plan_of(), rows, floor=0.0)}
    assert shares[SUM].share < 0.1
    assert shares[SQUARES].column == "income"
    assert shares[SQUARES].share > 0.99


def only_rich_in(group: np.ndarray, rows: Rows) -> None:
    """Let one row of a group be rich and the others of it poor, and many others rich as well."""
    rows.numbers[:, 0] = np.where(group, 0.01 * np.arange(len(rows)) / len(rows), 500.0 + np.arange(len(rows)))
    rows.numbers[np.flatnonzero(group)[2], 0] = 990.0


def test_a_row_that_is_rich_in_its_class_alone_is_found():
    rows = drawn()
    only_rich_in(rows.target == 1, rows)
    largest = worst([s for s in found(plan_of(), rows) if s.of == SUM])
    assert (largest.column, largest.among) == ("income", "ill positive")
    assert largest.share > 0.99


@pytest.mark.parametrize(("products", "by_class"), [(False, False), (True, False), (True, True)])
def test_every_class_of_several_is_looked_at_and_its_squares_where_they_leave(products, by_class, grouped):
    rows = drawn()
    target = {"column": "stage", "type": "category", "levels": ["one", "two", "three"]}
    rows.target[:] = np.arange(len(rows)) % 3
    rows.numbers[rows.target == 2, 0] = 400.0 + np.arange(133) / 133
    rows.numbers[8, 0] = 600.0
    grouped(Grouping(3, products=products, by_class=by_class))
    squares = worst([s for s in found(plan_of(target, "Grouped"), rows, floor=0.0) if s.of == SQUARES])
    assert (squares.share > 0.99) == by_class
    assert squares.among == ("stage = three" if by_class else "")
    only_rich_in(rows.target == 2, rows)
    largest = worst([s for s in found(plan_of(target, "Grouped"), rows) if s.of == SUM])
    assert (largest.column, largest.among) == ("income", "stage = three")
    only_rich_in(rows.codes[:, 0] == 1, rows)
    in_level = [s for s in found(plan_of(target, "Grouped"), rows) if s.of == SUM and s.share > 0.9]
    assert [s.among for s in in_level] == (["area = country"] if products else [])


def test_a_row_that_is_rich_in_its_level_alone_is_found():
    rows = drawn()
    only_rich_in(rows.codes[:, 0] == 1, rows)
    largest = worst([s for s in found(plan_of(), rows) if s.of == SUM])
    assert (largest.column, largest.among) == ("income", "area = country")


def test_a_row_that_is_rich_in_its_fold_alone_is_found(grouped):
    rows = drawn()
    folds = np.arange(len(rows)) % 3
    only_rich_in(folds == 1, rows)
    grouped(Grouping(folds=3, target=True), cv=True)
    plan = plan_of(model={"estimator": "Grouped", "cv": 3})
    largest = worst([s for s in found(plan, rows, folds=folds) if s.of == SUM])
    assert largest.column == "income"
    assert largest.among.endswith("fold 2")
    assert largest.share > 0.99
    assert all(s.share < 0.5 for s in found(plan, rows) if s.of == SUM)


def test_sums_leave_with_and_without_weights_and_both_are_looked_at():
    plan = plan_of(weight={"column": "w", "range": [0, 100]})
    rows = drawn()
    rows.weight[:] = 0.01
    rows.weight[4] = 100.0
    assert worst([s for s in found(plan, rows) if s.of == SUM]).share > 0.9
    rows = drawn()
    rows.numbers[:, 0] = 0.001 * np.arange(len(rows)) / len(rows)
    rows.numbers[4, 0], rows.weight[4] = 900.0, 0.0
    assert worst([s for s in found(plan, rows) if s.of == SUM]).share > 0.99


def test_a_number_outcome_is_summed_and_squared_too():
    rows = drawn()
    rows.target[:] = np.random.default_rng(2).uniform(0, 0.01, len(rows))
    rows.target[9] = 90.0
    shares = {(s.column, s.of): s.share for s in found(plan_of(NUMBER, "LinearRegression"), rows)}
    assert shares["cost", SUM] > 0.97
    assert shares["cost", SQUARES] > 0.99


def test_a_count_outcome_is_summed_and_not_squared():
    target = {"column": "visits", "type": "count", "range": [0, 200]}
    rows = drawn()
    rows.target[:] = (np.arange(len(rows)) % 40 == 0).astype(float)
    rows.target[9] = 190.0
    shares = {(s.column, s.of): s.share for s in found(plan_of(target, "PoissonRegressor"), rows, floor=0.0)}
    same = rows.target[rows.codes[:, 0] == rows.codes[9, 0]]
    assert shares["visits", SUM] == pytest.approx(190 / same.sum())
    assert ("visits", SQUARES) not in shares


def test_a_column_of_a_spline_that_one_row_reaches_is_found():
    terms = {"curve": {"type": "spline", "column": "income", "knots": [400, 980], "degree": 1}}
    rows = drawn()
    rows.numbers[11, 0], rows.numbers[12, 0] = 999.0, 401.0
    largest = worst([s for s in found(plan_of(terms=terms), rows) if s.of == SUM])
    assert largest.column.startswith("curve")
    assert largest.share > 0.9


@pytest.mark.parametrize(("min_cell", "looked_at"), [(5, False), (4, True), (1, False)])
def test_groups_that_are_too_small_or_may_be_single_rows_are_left_to_the_rule_on_groups(min_cell, looked_at):
    rows = drawn()
    rows.codes[:, 0] = np.arange(len(rows)) < 4
    only_rich_in(rows.codes[:, 0] == 1, rows)
    plan = plan_of(rules={"min_cell": min_cell})
    assert any(s.share > 0.99 for s in found(plan, rows) if s.of == SUM) == looked_at


def test_a_column_of_two_values_is_a_count_and_left_to_the_rule_on_groups():
    rows = drawn()
    rows.numbers[:, 0] = 0.0
    rows.numbers[3, 0] = 900.0
    assert {s.column for s in found(plan_of(), rows, floor=0.0)} == {"debt"}


def test_rows_held_out_do_not_count():
    rows = drawn()
    rows.numbers[:, 0] = np.random.default_rng(1).uniform(0, 0.1, len(rows))
    rows.numbers[3, 0] = 900.0
    mask = np.zeros(len(rows), dtype=bool)
    mask[3] = True
    assert all(s.share < 0.1 for s in found(plan_of(), rows, mask))
    assert worst(found(plan_of(), rows)).share > 0.9


def test_equal_values_at_an_odd_end_are_no_rounding_noise():
    rows = drawn()
    features = {"income": {"type": "number", "range": [0.1, 0.7]}, "debt": DEBT, "area": AREA}
    rows.numbers[:, 0] = np.where(rows.target == 1, 0.1, 0.1 + 0.3 * np.arange(len(rows)) / len(rows))
    rows.numbers[np.flatnonzero(rows.target == 1)[0], 0] = 0.1 + 1e-16
    assert all(s.share < 0.2 for s in found(plan_of(features=features), rows))


def test_blocks_of_rows_make_no_difference():
    many, small = drawn(2 * BLOCK_ROWS + 5), np.array([0, 9_000, 2 * BLOCK_ROWS + 5])
    parts = [many.take(slice(a, b)) for a, b in pairwise(small)]
    mask = np.zeros(len(many), dtype=bool)
    together = {s.of: s for s in found(plan_of(), many, floor=0.0)}
    apart = largest_shares(plan_of(), Spool(parts, Path()), mask, floor=0.0)
    assert len(apart) == 2
    for part in apart:
        assert part.share == pytest.approx(together[part.of].share, rel=1e-12)
        assert part.column == together[part.of].column


def test_fourth_powers_are_looked_at_where_they_leave() -> None:
    rows = drawn(300)
    rows.numbers[7, 0] = 900.0
    plan = plan_of({"type": "none"}, "LedoitWolf")
    (share,) = [one for one in found(plan, rows) if one.of == FOURTH]
    values = (rows.numbers[:, 0] - 500.0) / 500.0
    wanted = by_hand(values, [-1.0, 1.0, 0.0, float(values.mean())], [np.ones(300, dtype=bool)], power=4)
    assert (share.column, share.among) == ("income", "")
    assert share.share == pytest.approx(wanted, rel=1e-12)
    assert share.share > max(one.share for one in found(plan, rows) if one.of != FOURTH)
    assert not [one for one in found(plan_of({"type": "none"}, "OAS"), rows) if one.of == FOURTH]


def test_squares_by_level_leave_with_fourth_moments() -> None:
    rows = drawn(300)
    rows.codes[:12, 0], rows.codes[12:, 0] = 0, 1
    rows.numbers[:12, 0] = 500.0
    rows.numbers[0, 0] = 900.0
    rows.numbers[1, 0] = 510.0
    among = [one for one in found(plan_of({"type": "none"}, "LedoitWolf"), rows) if one.among]
    assert worst(among).of == SQUARES
    assert worst(among).among == "area = town"
