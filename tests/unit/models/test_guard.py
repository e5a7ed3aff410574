"""One row that stands out at a point: how it is measured, what is refused, and how a silo's own point is shortened."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fedcli.errors import DominantRow
from fedcli.fileformat.statistics import State
from fedcli.models.batch import Batch, Point
from fedcli.models.guard import Earlier, Guard, asked
from fedcli.models.losses import Logistic, Loss, Poisson
from fedcli.models.objective import weights_at
from fedcli.models.spread import Spread

N = 40


def table(*, weight: np.ndarray | None = None, counts: bool = False) -> list[Batch]:
    """Two batches of rows; column 2 is 0 for all but the last row, and the classes alternate in pairs."""
    x = np.resize([1.0, -1.0], N)
    last = np.zeros(N)
    last[-1] = 1.0
    y = np.resize([2.0, 1.0, 0.0, 1.0] if counts else [1.0, 1.0, 0.0, 0.0], N)
    X = np.column_stack([np.ones(N), x, last])
    weight = np.ones(N) if weight is None else weight
    cut = N // 4
    return [Batch(X[part], y[part], np.zeros(N)[part], weight[part]) for part in (slice(cut), slice(cut, None))]


def state(coef: list[float], *candidates: list[float]) -> State:
    arrays = {"coef": np.array(coef), "candidates": np.array(candidates).reshape(-1, 3)}
    return State({"round": 1, "phase": "solving"}, arrays)


def admit(given: State, rows: list[Batch] | None = None, loss: Loss | None = None, **options: object) -> None:
    Guard(loss or Logistic(), **{"fewest": 5.0, **options}).admit(rows or table(), given)


def test_equal_weights_are_worth_their_number_and_one_weight_is_worth_one() -> None:
    equal = Spread.of(np.full(12, -0.3))
    assert equal.worth == pytest.approx(12)
    assert equal.share == pytest.approx(1 / 12)
    single = Spread.of(np.array([0.0, 2.0, 0.0]))
    assert (single.worth, single.share) == (1.0, 1.0)


def test_a_spread_adds_over_batches() -> None:
    size = np.random.default_rng(3).exponential(size=30)
    whole, parts = Spread.of(size), Spread.of(size[:7]) + Spread.of(size[7:])
    assert parts.worth == pytest.approx(whole.worth)
    assert parts.share == pytest.approx(whole.share)
    assert (Spread().worth, Spread().share) == (math.inf, 0.0)
    assert Spread.of(np.empty(0)) == Spread()


def test_the_weights_are_those_of_the_sums_that_leave() -> None:
    batch = table(weight=np.arange(1.0, N + 1))[1]
    coef = np.array([0.3, -0.8, 2.0])
    found = weights_at(Logistic(), batch, coef)
    p = 1 / (1 + np.exp(-batch.X @ coef))
    assert found["curvature"] == pytest.approx(batch.weight * p * (1 - p))
    assert found["residuals"] == pytest.approx(batch.weight * (p - batch.y))
    assert found["predictions"] == pytest.approx(batch.weight * p)
    assert found["predictions of the other class"] == pytest.approx(batch.weight * (1 - p))
    assert found["rows that it fits"] == pytest.approx(batch.weight * np.where(batch.y > 0, p, 1 - p))


def test_a_point_like_that_of_an_honest_fit_is_admitted() -> None:
    admit(state([0.2, 0.5, -0.4], [0.1, 0.3, 0.2]))
    admit(state([0.2, 0.5, -0.4]), table(counts=True), Poisson(9.0))


@pytest.mark.parametrize(
    ("what", "coef"),
    [
        ("predictions", [-20.0, 0.0, 40.0]),
        ("predictions of the other class", [20.0, 0.0, -40.0]),
        ("curvature", [-20.0, 0.0, 20.0]),
    ],
)
def test_a_point_at_which_one_row_is_unlike_all_others_is_refused(what: str, coef: list[float]) -> None:
    with pytest.raises(DominantRow, match=rf"\({what}\)"):
        admit(state(coef))
    with pytest.raises(DominantRow, match="its candidate point"):
        admit(state([0.0, 0.0, 0.0], coef))


def test_a_point_that_misfits_one_row_only_is_refused() -> None:
    rows = [Batch(b.X, (b.X[:, 1] > 0).astype(float), b.offset, b.weight) for b in table()]
    with pytest.raises(DominantRow, match="residuals"):
        admit(state([0.0, 20.0, 40.0]), rows)
    flipped = [Batch(b.X, 1.0 - b.y, b.offset, b.weight) for b in rows]
    with pytest.raises(DominantRow, match="rows that it fits"):
        admit(state([0.0, 20.0, 40.0]), flipped)


def test_a_poisson_point_that_predicts_one_large_count_is_refused() -> None:
    with pytest.raises(DominantRow, match=r"predictions|curvature"):
        admit(state([-5.0, 0.0, 9.0]), table(counts=True), Poisson(9.0))


def test_a_few_rows_that_share_a_sum_are_refused_below_the_agreed_smallest_cell() -> None:
    weight = np.full(N, 1e-6)
    weight[:4] = 1.0
    given, rows = state([0.0, 0.0, 0.0]), table(weight=weight)
    with pytest.raises(DominantRow, match=r"worth 4 equal rows, the study requires at least 5"):
        admit(given, rows)
    admit(given, rows, fewest=3.0)


def test_points_that_differ_in_one_row_are_refused_within_a_trip_and_over_trips() -> None:
    one, other = [0.0, 0.5, 3.0], [0.0, 0.5, -3.0]
    admit(state(one))
    admit(state(other))
    with pytest.raises(DominantRow, match="between both points of this trip"):
        admit(state(one, other))
    before = Earlier(None, asked(state(one)))
    with pytest.raises(DominantRow, match="between the incoming model's point and one of an earlier trip"):
        admit(state(other), earlier=(before,))


def test_an_earlier_point_is_weighed_with_the_rows_as_they_were_prepared_then() -> None:
    rows = table()
    then = [Batch(b.X * [1.0, 1.0, -1.0], b.y, b.offset, b.weight) for b in rows]
    point = state([0.0, 0.5, 3.0])
    admit(point, rows, earlier=(Earlier(None, asked(point)),))
    with pytest.raises(DominantRow):
        admit(point, rows, earlier=(Earlier(then, asked(point)),))


def test_near_points_are_admitted_even_where_one_row_alone_moves() -> None:
    admit(state([0.2, 0.5, -0.4], [0.2, 0.5 + 1e-15, -0.4 - 1e-13]))
    admit(state([0.2, 0.5, -0.4], [0.2, 0.5, -0.49]))
    with pytest.raises(DominantRow, match="80 % is the most allowed"):
        admit(state([0.2, 0.5, -0.4], [0.2, 0.5, -0.51]))


def test_a_point_that_predicts_alike_for_all_rows_but_one_is_refused() -> None:
    with pytest.raises(DominantRow, match="predictions beside their mean"):
        admit(state([0.4, 0.0, -3.0]))


def test_the_refusal_names_neither_row_nor_value() -> None:
    with pytest.raises(DominantRow) as refused:
        admit(state([-20.0, 0.0, 40.0]))
    assert str(refused.value).endswith("one row has 99 % of the sum, 50 % is the most allowed")
    assert "--without" in refused.value.hint


# ---- the silo's own point ------------------------------------------------------------------------------------------


def settled(coef: list[float], **options: object) -> np.ndarray:
    guard = Guard(Logistic(), **{"fewest": 5.0, **options})
    return guard.settle(table(), Point(np.array(coef)), state([0.0, 0.0, 0.0])).coef


def test_an_own_point_at_which_no_row_stands_out_stays() -> None:
    assert settled([0.2, 0.5, -0.4]).tolist() == [0.2, 0.5, -0.4]


def test_an_own_point_at_which_a_row_stands_out_is_halved_until_none_does() -> None:
    found = settled([-20.0, 0.0, 40.0])
    halvings = math.log2(-20.0 / found[0])
    assert halvings == int(halvings) > 0
    assert found[2] == -2 * found[0]
    with pytest.raises(DominantRow):
        admit(state((2 * found).tolist()))
    admit(state(found.tolist()))


def test_an_own_point_may_not_differ_from_an_earlier_own_one_in_one_row() -> None:
    before = Earlier(None, np.array([[0.0, 4.0, 3.0]]))
    assert settled([0.0, 4.0, -3.0]).tolist() == [0.0, 4.0, -3.0]
    assert settled([0.0, 4.0, -3.0], earlier=(before,)).tolist() != [0.0, 4.0, -3.0]


def test_a_silo_whose_every_point_shows_a_row_sends_nothing() -> None:
    weight = np.full(N, 1e-3)
    weight[0] = 1.0
    guard = Guard(Logistic(), 5.0)
    with pytest.raises(DominantRow, match="every point that this silo could choose"):
        guard.settle(table(weight=weight), Point(np.zeros(3)), State({"round": 0}, {}))
