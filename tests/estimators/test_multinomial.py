"""Logistic regression of several classes: scikit-learn's own fit of the pooled rows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from fedcli.errors import ContradictoryStudy, DominantRow, OneClass, Separation, TooManyColumns
from fedcli.fileformat.statistics import State
from fedcli.models.arrangement import read_curvature, read_slopes, sent_curvature, sent_slope
from fedcli.models.batch import Batch, Point, empty_state
from fedcli.models.guard import Guard
from fedcli.models.objective import around, sums_at, value, weights_at
from fedcli.models.softmax import Softmax
from fedcli.models.spread import LARGEST_SHARE, Spread
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import examine
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.equivalence.federation import enrolled
from tests.estimators.comparing import OPEN_RULES, Beside, agreement, beside
from tests.estimators.worlds import SPLITS, Rows, World, classes, even, leanings, levels

# The agreed rules: a silo with fewer rows than they ask for is here to test the mathematics alone, and is not guarded.
RULES = {"aggregation": "plain"}
WORLDS = {"iris": lambda: classes("iris"), "wine": lambda: classes("wine", 8), "leanings": leanings}
PARAMS: dict[str, dict[str, Any]] = {"default": {}, "weak": {"C": 10.0}}
TIGHT = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}


def by_class(world: World) -> list[Rows]:
    """Each silo has a single class."""
    y = world.frame["y"].to_numpy()
    return [np.flatnonzero(y == label) for label in sorted(set(y))]


EVERY = {**SPLITS, "by class": by_class}


def fit(made: World, rows: list[Rows], params: dict[str, Any] | None = None, **parts: Any) -> Beside:
    tight = {**TIGHT, **({"penalty": "l2", "C": np.inf} if (params or {}).get("penalty", "") is None else {})}
    return beside(
        made, rows, "LogisticRegression", LogisticRegression, params, tight=tight, **{"rules": RULES, **parts}
    )


@cache
def played(params: str, world: str, split: str) -> Beside:
    made = WORLDS[world]()
    return fit(made, EVERY[split](made), PARAMS[params])


def error(found: Beside) -> float:
    return max(found.error("coef_"), found.error("intercept_"))


def needed(found: Beside) -> int:
    """The first trip after which the result is within 1e-6."""
    ours = (fitted_estimator(found.federation.plan, state) for state in found.federation.states)
    return next(trip for trip, each in enumerate(ours, start=1) if error(replace(found, ours=each)) <= 1e-6)


@pytest.mark.parametrize("split", EVERY)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", PARAMS)
def test_several_classes_get_the_pooled_fit(params: str, world: str, split: str) -> None:
    found = played(params, world, split)
    assert error(found) <= 1e-6
    assert found.federation.trips <= (6 if params == "default" else 8)
    assert (found.ours.predict(found.X) == found.theirs.predict(found.X)).all()
    assert found.error(lambda e: e.predict_proba(found.X)) <= 1e-6


def test_four_trips_are_typical() -> None:
    default = [needed(played("default", world, split)) for world in WORLDS for split in EVERY]
    assert np.median(default) <= 4
    assert max(default) <= 5


@pytest.mark.parametrize(
    "params",
    [{"penalty": None}, {"C": 0.3, "fit_intercept": False}, {"penalty": None, "fit_intercept": False}],
    ids=str,
)
def test_without_penalty_or_intercept_it_is_the_pooled_fit(params: dict[str, Any]) -> None:
    made = leanings()
    found = fit(made, SPLITS["by label"](made), params)
    assert error(found) <= 1e-6
    # The gauge: of all fits that say the same, the one whose coefficients and intercepts add up to 0 over the classes.
    assert np.abs(found.ours.coef_.sum(axis=0)).max() <= 1e-12
    assert abs(found.ours.intercept_.sum()) <= 1e-12


def test_weights_are_those_of_the_pooled_fit() -> None:
    made = leanings()
    made = World(made.frame.assign(w=1.0 + np.arange(len(made.frame)) % 3), made.target, made.features)
    rows = SPLITS["even"](made)
    found = fit(made, rows, {"C": 0.1}, weight={"column": "w", "range": [0, 4]})
    pooled = made.frame.iloc[np.concatenate(rows)]
    theirs = LogisticRegression(C=0.1, **TIGHT).fit(found.X, pooled["y"], sample_weight=pooled["w"])
    assert error(replace(found, theirs=theirs)) <= 1e-6


def test_classes_keep_their_names_whatever_their_order_and_two_are_yes_and_no() -> None:
    made = leanings()
    turned = World(made.frame, {**made.target, "levels": ["right", "left", "middle"]}, made.features)
    assert error(fit(turned, SPLITS["even"](turned))) <= 1e-6
    two = World(made.frame[made.frame["y"] != "middle"], {**made.target, "levels": ["right", "left"]}, made.features)
    found = fit(two, SPLITS["even"](two))
    assert found.ours.coef_.shape == (1, 5)
    assert error(found) <= 1e-6


@pytest.mark.parametrize("case", ["constant", "copy", "scale 1e8", "one site"])
def test_hard_columns_get_the_pooled_fit(case: str) -> None:
    made = classes("iris")
    split = SPLITS["even"](made)
    there = np.isin(np.arange(len(made.frame)), split[0]).astype(float)
    first = made.frame["sepal_length_cm"]
    more = {"constant": 7.5, "copy": first, "scale 1e8": first**2 * 1e6, "one site": there}[case]
    frame = made.frame.assign(more=more)
    low, high = float(frame["more"].min()), float(frame["more"].max())
    column = {"type": "number", "range": [low - abs(low) / 10 - 1, high + abs(high) / 10 + 1]}
    world = World(frame, made.target, {**made.features, "more": column})
    assert error(fit(world, split)) <= 1e-6


def test_the_order_of_silos_changes_no_bit_and_one_silo_gets_its_own_fit() -> None:
    made = leanings()
    split = SPLITS["by label"](made)
    there, back = (fit(made, rows).federation.state for rows in (split, split[::-1]))
    assert (there.arrays["coef"] == back.arrays["coef"]).all()
    alone = fit(made, [np.arange(len(made.frame))])
    assert error(alone) <= 1e-6


def test_a_class_without_rows_and_separation_are_refused_by_name() -> None:
    made = classes("iris")
    more = World(made.frame, {**made.target, "levels": ["c0", "c1", "c2", "c3"]}, made.features)
    with pytest.raises(OneClass, match="class 4 of the 4 agreed ones"):
        fit(more, SPLITS["even"](more))
    with pytest.raises(Separation, match="separates the classes"):
        fit(made, SPLITS["even"](made), {"penalty": None}, rules={**RULES, "max_coefficient": 10})


def test_several_classes_have_no_l1() -> None:
    for params in ({"l1_ratio": 0.5}, {"penalty": "l1"}):
        with pytest.raises(ContradictoryStudy, match="several classes has no L1"):
            _ = Plan(read_study(agreement(leanings(), "LogisticRegression", params))).family


def test_an_offset_is_refused_since_it_says_nothing_of_classes() -> None:
    text = agreement(leanings(), "LogisticRegression", offset={"column": "o", "range": [0, 1]})
    with pytest.raises(ContradictoryStudy, match="several classes takes no offset"):
        _ = Plan(read_study(text)).family


def test_rows_held_out_are_counted_right_or_wrong_and_by_their_log_loss() -> None:
    made = leanings()
    split = SPLITS["even"](made)
    found = fit(made, split, evaluation={"holdout": 0.3, "closing_trip": True})
    masks = np.concatenate(list(found.federation.masks.values()))
    rows = np.concatenate(split)
    held, kept = made.frame.iloc[rows[masks]], made.frame.iloc[rows[~masks]]
    numbers = list(made.features)
    X = ((held[numbers] - kept[numbers].mean()) / kept[numbers].std(ddof=0)).to_numpy()
    p = found.ours.predict_proba(X)
    assert found.federation.state.document["evaluation"] == "n_samples,accuracy,log_loss"
    figures = found.federation.state.arrays["evaluation"].tolist()
    right = (found.ours.classes_[p.argmax(axis=1)] == held["y"]).mean()
    assert figures == pytest.approx([len(held), right, log_loss(held["y"], p, labels=found.ours.classes_)], rel=1e-6)


@pytest.mark.parametrize("split", ["even", "by covariate", "by class"])
def test_curvature_that_pairs_share_may_cost_trips_and_no_accuracy(split: str) -> None:
    made = WORLDS["wine"]()
    found = fit(made, EVERY[split](made), rules=OPEN_RULES)
    assert error(found) <= 1e-6
    assert found.federation.trips >= played("default", "wine", split).federation.trips


# ---- what leaves ---------------------------------------------------------------------------------------------------


def test_rows_are_counted_for_each_pair_of_classes() -> None:
    made = leanings()
    plan = Plan(read_study(agreement(made, "LogisticRegression")))
    assert (plan.class_pairs, plan.n_summed, plan.n_counted) == (3, 6, 3 * 6)
    narrow = Plan(read_study(agreement(binary_of(made), "LogisticRegression")))
    assert (narrow.class_pairs, narrow.n_summed, narrow.n_counted) == (1, 6, 6)


def binary_of(made: World) -> World:
    return World(
        made.frame.assign(y=(made.frame["y"] == "left").astype(int)), {"column": "y", "type": "binary"}, made.features
    )


def test_too_few_rows_for_the_pairs_are_refused_in_words() -> None:
    given = {"n_rows": 80, "n_held_out": 0, "min_rows": 10, "min_cell": 5, "rows_per_column": 5.0}
    (problem,) = examine([], n_columns=6, n_counted=18, class_pairs=3, **given).problems  # type: ignore[arg-type]
    assert isinstance(problem, TooManyColumns)
    assert "6 columns for each of 3 pairs of classes, which count as 18, the study requires 5 per column (90)" in str(
        problem
    )


def test_a_point_at_which_one_row_stands_out_is_refused() -> None:
    # Nobody at this silo is of the first class, and one row is far nearer to it than all others.
    made = classes("iris")
    rest = np.flatnonzero(made.frame["y"] != "c0")
    split = [np.flatnonzero(made.frame["y"] == "c0"), rest[::2], rest[1::2]]
    with pytest.raises(DominantRow, match=r"class 1|classes 1"):
        fit(made, split, {"C": 100.0}, rules=OPEN_RULES)


@pytest.mark.parametrize("split", ["even", "by label"])
def test_small_silos_are_refused_at_the_fit_itself_and_a_stronger_penalty_helps(split: str) -> None:
    made = classes("wine")
    rows = EVERY[split](made)
    with pytest.raises(DominantRow, match="of class") as caught:
        fit(made, rows, rules=OPEN_RULES)
    assert "a stronger penalty (a smaller C)" in caught.value.hint
    X = StandardScaler().fit_transform(made.frame[list(made.features)])
    y = made.frame["y"].astype("category").cat.codes.to_numpy(dtype=float)
    assert refused_at_fit(X, y, rows, C=1.0)
    assert not refused_at_fit(X, y, rows, C=0.1)
    found = fit(made, rows, {"C": 0.1}, rules=OPEN_RULES)
    assert error(found) <= 1e-6
    assert found.federation.trips <= 5


def refused_at_fit(X: np.ndarray, y: np.ndarray, silos: list[Rows], C: float) -> bool:
    """Whether a silo would refuse to sum at scikit-learn's own fit of all rows."""
    theirs = LogisticRegression(C=C, **TIGHT).fit(X, y)
    loss, design = Softmax(3, fewest=1.0), np.column_stack([np.ones(len(X)), X])
    point = loss.of_classes(np.column_stack([theirs.intercept_, theirs.coef_]))
    state = State({"round": 1}, {"coef": point, "candidates": np.empty((0, len(point)))})
    for rows in silos:
        batch = Batch(design[rows], y[rows], np.zeros(len(rows)), np.ones(len(rows)))
        try:
            Guard(loss, 1.0).admit([batch], state)
        except DominantRow:
            return True
    return False


def test_curvature_of_pairs_with_few_rows_is_hidden_in_that_of_others() -> None:
    loss, rows = Softmax(4, fewest=5.0), [apart(seed=1)]
    point = 12.0 * np.random.default_rng(1).normal(size=9)
    alone = {what: Spread.of(size) for what, size in weights_at(loss, rows[0], point).items() if "between" in what}
    assert min(spread.worth for spread in alone.values()) < 5.0
    sharing = around(loss, rows, point)
    shared = weights_at(loss, rows[0], point, sharing)
    hidden = {what: Spread.of(size) for what, size in shared.items() if "between" in what}
    for what, spread in hidden.items():
        assert spread.worth >= 5.0
        assert spread.share <= LARGEST_SHARE
        assert spread.total == pytest.approx(alone[what].total, rel=1e-12)
    # What a reader can add up is within the rule too: slopes are those of the loss itself.
    exact, sent = (sums_at(loss, rows[0], point, near) for near in (None, sharing))
    assert (exact.gradient == sent.gradient).all()
    # Nearly the same, since it is small pairs that are hidden.
    apart_by = np.abs(exact.hessian - sent.hessian).max()
    assert 0 < apart_by <= 1e-3 * np.abs(exact.hessian).max()


def test_a_row_that_alone_is_near_another_class_is_named_at_a_point_of_the_coordinator() -> None:
    loss, rows = Softmax(3), apart(seed=3, n_classes=2)
    rows.X[:, 2] = np.where(np.arange(60) == 7, 1.0, rows.X[:, 2] / 10 - 0.9)
    # Of the third class nobody is here; at this point row 7 is predicted to be.
    by_class = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 9.0]])
    arrays = {"coef": loss.of_classes(by_class), "candidates": np.empty((0, 6))}
    with pytest.raises(DominantRow, match="of class 3"):
        Guard(loss, 5.0).admit([rows], State({"round": 1}, arrays))
    Guard(loss, 5.0).admit([rows], State({"round": 1}, {**arrays, "coef": arrays["coef"] / 20}))


# ---- the loss ------------------------------------------------------------------------------------------------------


def apart(seed: int, n: int = 60, n_classes: int = 4) -> Batch:
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.uniform(-1, 1, (n, 2))])
    return Batch(X, rng.integers(0, n_classes, n).astype(float), np.zeros(n), rng.uniform(0.5, 2, n))


def test_value_and_derivatives_are_those_of_the_sum() -> None:
    loss, rows = Softmax(4), apart(seed=0)
    at = np.random.default_rng(7).normal(size=9)
    found = sums_at(loss, rows, at)
    p = loss.mean(loss.predictors(rows, at))
    assert found.value == pytest.approx(log_loss(rows.y, p, sample_weight=rows.weight, normalize=False), rel=1e-12)
    assert found.value == pytest.approx(value(loss, [rows], at), rel=1e-14)
    np.testing.assert_allclose(found.gradient, approx_fprime(at, lambda b: sums_at(loss, rows, b)[0], 1e-7), atol=1e-4)
    slopes = [approx_fprime(at, lambda b, k=k: sums_at(loss, rows, b)[1][k], 1e-7) for k in range(9)]  # type: ignore[misc]
    np.testing.assert_allclose(found.hessian, slopes, atol=1e-4)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 2**31))
def test_what_is_sent_is_read_back_and_a_penalty_is_the_same_in_both(n_classes: int, n: int, seed: int) -> None:
    loss, rng = Softmax(n_classes), np.random.default_rng(seed)
    point = rng.normal(size=(n_classes - 1) * n)
    (back,) = read_slopes(loss, sent_slope(loss, point), 1)
    np.testing.assert_allclose(back, point, atol=1e-14)
    assert (sent_slope(loss, point) ** 2).sum() == pytest.approx((point**2).sum(), rel=1e-13)
    root = rng.normal(size=(len(loss.pairs[0]), n, n))
    whole = loss.whole(root @ root.transpose(0, 2, 1))
    sent = sent_curvature(loss, whole)
    assert sent.shape == (n_classes * (n_classes - 1) // 2 * n * (n + 1) // 2,)
    np.testing.assert_allclose(read_curvature(loss, sent), whole, atol=1e-12 * np.abs(whole).max())


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.integers(1, 59), st.booleans())
def test_sums_add_over_rows_and_weight_two_is_the_row_twice(seed: int, cut: int, shared: bool) -> None:
    plan = Plan(enrolled(agreement(leanings(), "LogisticRegression"), ["a", "b", "c"]))
    rng, n = np.random.default_rng(seed), plan.columns.n_columns
    X = np.column_stack([np.ones(60), rng.uniform(-1, 1, (60, n - 1))])
    whole = Batch(X, rng.integers(0, 3, 60).astype(float), np.zeros(60), rng.integers(1, 3, 60).astype(float))
    sharing = np.full((3, 3), 1.0 / 3.0) if shared else None
    point = Point(rng.normal(size=2 * n), around=(sharing, None, sharing))
    candidates = rng.normal(size=(1, 2 * n))
    later = State({"round": 1, "phase": "solving"}, {"coef": rng.normal(size=2 * n), "candidates": candidates})
    parts = [taken(whole, slice(None, cut)), taken(whole, slice(cut, None))]
    twice = taken(whole, np.repeat(np.arange(60), whole.weight.astype(int)))
    twice = replace(twice, weight=np.ones(len(twice.y)))
    for state in (empty_state(), later):
        expected = plan.family.statistics(whole, point, state)
        added = plan.family.statistics(parts[0], point, state) + plan.family.statistics(parts[1], point, state)
        assert {block.name for block in plan.family.layout(state)} == expected.arrays.keys()
        for block in plan.family.layout(state):
            found = expected[block.name]
            assert found.shape == block.shape
            assert np.abs(found).max() <= block.bound
            np.testing.assert_allclose(added[block.name], found, atol=1e-12 * max(np.abs(found).max(), 1.0))
            doubled = plan.family.statistics(twice, point, state)[block.name]
            np.testing.assert_allclose(doubled, found, atol=1e-11 * max(np.abs(found).max(), 1.0))


def taken(rows: Batch, index: Any) -> Batch:
    return Batch(rows.X[index], rows.y[index], rows.offset[index], rows.weight[index])


def test_no_row_exceeds_the_bounds_shared_or_not() -> None:
    loss = Softmax(4, fewest=5.0)
    eta = np.array(list(combinations(np.linspace(-40, 40, 9), 4)))
    top, slope, curve = loss.bounds(40.0)
    p = loss.mean(eta)
    for y in range(4):
        assert loss.value(eta, np.full(len(eta), float(y))).max() <= top
        assert np.abs(loss.residuals(eta, np.full(len(eta), float(y)))).max() <= slope
    whole = np.ones((6, 6)) * np.array([0.9, 0.02, 0.02, 0.02, 0.02, 0.02])[:, None]
    for sharing in (None, whole):
        assert loss.between(p, sharing).max() <= curve


def test_levels_and_a_rare_one_get_the_pooled_fit() -> None:
    made = levels("wine")

    def prepare(pooled: Any) -> np.ndarray:
        columns = [(pooled[c] == level) for c, f in made.features.items() for level in f["levels"][1:]]
        return np.column_stack(columns).astype(float)

    found = fit(made, even(made, 4), prepare=prepare)
    assert error(found) <= 1e-6
