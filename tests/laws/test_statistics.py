"""The law that carries the house: at a given point, statistics(A) + statistics(B) == statistics(A and B)."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedcli.compute.spool import Spool
from fedcli.compute.update import merge, sum_update
from fedcli.fileformat.statistics import State, Statistics, Total, pack_upper, unpack_upper
from fedcli.models.batch import Batch, Memory, Point, empty_state
from fedcli.models.closed import Closed
from fedcli.models.exact import CENTRE_BITS
from fedcli.models.least_squares import LeastSquares
from fedcli.models.objective import split
from fedcli.preparing.columns import Columns
from fedcli.preparing.evaluation import evaluate
from fedcli.preparing.plan import Plan
from fedcli.preparing.preparation import moments, settle_moments
from fedcli.preparing.profile import ProfileSums
from fedcli.preparing.rows import Rows
from fedcli.privacy import ring
from fedcli.study.document import Profile, Study
from tests.equivalence.cases import EXPOSURE, MIXED, TARGETS, WEIGHT, agreement
from tests.equivalence.federation import enrolled

LAW = settings(max_examples=15, deadline=None, derandomize=True)
FAMILIES = (
    "LinearRegression",
    "Ridge",
    "LogisticRegression",
    "LogisticRegression to third order",
    "PoissonRegressor",
    "GammaRegressor",
    "TweedieRegressor",
    "TweedieRegressor to third order",
    "HuberRegressor",
    "LinearSVC",
    "NegativeBinomial",
    "OrdinalLogit",
)
PARAMS = {"TweedieRegressor": {"power": 1.5}}
OFFSET = ("PoissonRegressor", "GammaRegressor", "NegativeBinomial", "OrdinalLogit")
LEVELS = {"column": "level", "type": "category", "levels": ["low", "middle", "high"]}
# What each adds to the outcomes of the common cases.
OUTCOMES = {
    **TARGETS,
    "HuberRegressor": TARGETS["LinearRegression"],
    "LinearSVC": TARGETS["LogisticRegression"],
    "NegativeBinomial": TARGETS["PoissonRegressor"],
    "OrdinalLogit": LEVELS,
}
N_SILOS = 3


@cache
def plan_of(estimator: str) -> Plan:
    estimator, _, third = estimator.partition(" to ")
    offset = EXPOSURE if estimator in OFFSET else None
    text = agreement(
        OUTCOMES[estimator],
        MIXED,
        estimator,
        PARAMS.get(estimator),
        order=3 if third else None,
        offset=offset,
        weight=WEIGHT,
    )
    return Plan(enrolled(text, [str(k) for k in range(N_SILOS)]))


def made(study: Study, seed: int, n_rows: int, *, whole_weights: bool = False) -> Rows:
    """Rows inside the agreed ranges, with holes where the study imputes."""
    rng = np.random.default_rng(seed)
    numbers = np.column_stack([rng.normal(50, 5, n_rows), rng.uniform(0, 50, n_rows)])
    numbers[rng.random(n_rows) < 0.2, 1] = np.nan
    codes = np.column_stack([rng.integers(-1, 3, n_rows), rng.integers(0, 2, n_rows)]).astype(np.int32)
    target = {
        "binary": rng.integers(0, 2, n_rows).astype(float),
        "category": rng.integers(0, 3, n_rows).astype(float),
        "count": rng.integers(0, 9, n_rows).astype(float),
        "number": rng.uniform(*study.target.range, n_rows) if study.target.type == "number" else None,
    }[study.target.type]
    offset = rng.normal(size=n_rows) if study.offset else np.zeros(n_rows)
    weight = rng.integers(0, 4, n_rows).astype(float) if whole_weights else rng.uniform(0, 4, n_rows)
    return Rows(numbers, codes, target, offset, weight)


def stacked(*parts: Rows) -> Rows:
    fields = ("numbers", "codes", "target", "offset", "weight")
    return Rows(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


@cache
def first_state(estimator: str) -> State:
    """The state after trip 1 of some silos."""
    plan = plan_of(estimator)
    spools = [Spool([made(plan.study, seed, 60)], Path()) for seed in range(N_SILOS)]
    state = empty_state()
    updates = [sum_update(plan, state, spool, np.zeros(60, dtype=bool), None).encoded for spool in spools]
    return plan.advance(merge(plan, state, updates), state)


def somewhere(plan: Plan) -> np.ndarray:
    """A point: coefficients, then the loss's other parameters where nothing is known of them."""
    n = plan.columns.n_columns
    return np.concatenate([np.linspace(-0.5, 0.5, n), plan.family.box.middle[n:]])


def statistics_of(estimator: str, rows: Rows, trip: int) -> Statistics:
    """Everything that one batch adds to an update of trip 1 or 2, at fixed points."""
    plan = plan_of(estimator)
    n_expanded = 1 + len(plan.columns.expanded_names)
    if trip == 1:
        centre = np.array([0.25, -0.5])
        gram = isinstance(plan.family, Closed)
        point = Point(np.linspace(-0.5, 0.5, n_expanded + 1) if gram else somewhere(plan))
        batch = plan.first_batch(rows, np.zeros(2), (0, 0))
        own = plan.family.statistics(batch, point, empty_state())
        return Statistics({**moments(rows, plan.columns, centre).arrays, **own.arrays})
    state = first_state(estimator)
    batch = plan.later_batch(rows, plan.preparation(state))
    place = np.linspace(-0.5, 0.5, plan.columns.n_columns) if plan.loss is None else somewhere(plan)
    own = plan.family.statistics(batch, Point(place), state)
    coef, extras = split(plan.loss, place) if plan.loss is not None else (place, place[:0])
    said = batch.X @ coef + batch.offset
    return Statistics({**own.arrays, **evaluate(plan.measured, batch, said, plan.loss, extras).arrays})


def assert_equal(a: Statistics, b: Statistics, *, skip: tuple[str, ...] = ()) -> None:
    assert a.arrays.keys() == b.arrays.keys()
    for name in a.arrays.keys() - set(skip):
        scale = max(float(np.abs(b[name]).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-13 * scale, err_msg=name)


@pytest.mark.parametrize("estimator", FAMILIES)
@given(seed=st.integers(0, 999), n=st.integers(0, 30), m=st.integers(1, 30))
@LAW
def test_what_describes_the_pool_adds(estimator: str, seed: int, n: int, m: int) -> None:
    plan = plan_of(estimator)
    profile = Profile(bins=16, correlation=True)
    sums = ProfileSums(Columns(plan.study.model_copy(update={"profile": profile})), own_products=True)
    products = np.linspace(-0.5, 0.5, 1 + len(sums.columns.expanded_names))
    products[0] = 0.0

    def of(rows: Rows) -> Statistics:
        return Statistics(sums.statistics(rows, np.array([0.25, -0.5]), products))

    a, b = made(plan.study, seed, n), made(plan.study, seed + 1, m)
    assert of(a).arrays.keys() == {block.name for block in sums.layout()}
    assert_equal(of(a) + of(b), of(stacked(a, b)))


@pytest.mark.parametrize("trip", [1, 2])
@pytest.mark.parametrize("estimator", FAMILIES)
@given(seed=st.integers(0, 999), n=st.integers(0, 30), m=st.integers(1, 30))
@LAW
def test_statistics_add(estimator: str, trip: int, seed: int, n: int, m: int) -> None:
    study = plan_of(estimator).study
    a, b = made(study, seed, n), made(study, seed + 1, m)
    together = statistics_of(estimator, stacked(a, b), trip)
    assert_equal(statistics_of(estimator, a, trip) + statistics_of(estimator, b, trip), together)


@pytest.mark.parametrize("estimator", FAMILIES)
@given(seed=st.integers(0, 999), cuts=st.lists(st.integers(0, 50), max_size=4), trip=st.sampled_from([1, 2]))
@LAW
def test_how_rows_are_cut_into_blocks_plays_no_part(estimator: str, seed: int, cuts: list[int], trip: int) -> None:
    rows = made(plan_of(estimator).study, seed, 50)
    edges = [0, *sorted(cuts), 50]
    parts = [rows.take(slice(a, b)) for a, b in pairwise(edges)]
    total = statistics_of(estimator, parts[0], trip)
    for part in parts[1:]:
        total = total + statistics_of(estimator, part, trip)
    assert_equal(total, statistics_of(estimator, rows, trip))


# Numbers of rows are counted, not weighed: as scikit-learn's imputer, scaler and metrics do.
COUNTED = ("rows", "present", "sums", "squares", "levels", "evaluation")


@pytest.mark.parametrize("trip", [1, 2])
@pytest.mark.parametrize("estimator", FAMILIES)
@given(seed=st.integers(0, 999))
@LAW
def test_weight_k_is_a_row_k_times(estimator: str, trip: int, seed: int) -> None:
    rows = made(plan_of(estimator).study, seed, 20, whole_weights=True)
    often = rows.take(np.repeat(np.arange(20), rows.weight.astype(int)))
    repeated = Rows(often.numbers, often.codes, often.target, often.offset, np.ones(len(often)))
    assert_equal(statistics_of(estimator, rows, trip), statistics_of(estimator, repeated, trip), skip=COUNTED)


@pytest.mark.parametrize("trip", [1, 2])
@pytest.mark.parametrize("estimator", FAMILIES)
def test_weight_0_is_no_row_at_all(estimator: str, trip: int) -> None:
    rows = made(plan_of(estimator).study, 5, 20)
    silent = Rows(rows.numbers, rows.codes, rows.target, rows.offset, np.where(np.arange(20) % 2, rows.weight, 0.0))
    odd = silent.take(np.arange(20) % 2 == 1)
    assert_equal(statistics_of(estimator, silent, trip), statistics_of(estimator, odd, trip), skip=COUNTED)


@pytest.mark.parametrize("estimator", FAMILIES)
@given(order=st.permutations(range(N_SILOS)))
@settings(LAW, max_examples=4)
def test_the_order_of_silos_changes_no_bit(estimator: str, order: list[int]) -> None:
    plan = plan_of(estimator)
    silos = [Spool([made(plan.study, seed, 40)], Path()) for seed in range(N_SILOS)]
    state = empty_state()
    updates = [sum_update(plan, state, silo, np.zeros(40, dtype=bool), None).encoded for silo in silos]
    found, again = merge(plan, state, updates), merge(plan, state, [updates[k] for k in order])
    assert all((found.integers[name] == again.integers[name]).all() for name in found.integers)
    one, other = plan.advance(found, state), plan.advance(again, state)
    assert all(one.arrays[name].tobytes() == other.arrays[name].tobytes() for name in one.arrays)


# ---- carrying sums to the common origin -----------------------------------------------------------------------------


def gram_family(n_expanded: int) -> Closed:
    return Closed(LeastSquares(0.0, True), n_expanded, max_rows=1e7, largest_weight=1.0, closing_trip=False)


@given(centre=arrays(np.float64, 4, elements=st.floats(-1, 1)), seed=st.integers(0, 99))
@settings(LAW, max_examples=40)
def test_a_gram_settles_from_any_centre_to_the_same_integers(centre: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centre = np.round(centre * 2.0**CENTRE_BITS) / 2.0**CENTRE_BITS
    centre[0] = 0.0
    # Values of few bits: the float sums are exact, so that settling alone is tested.
    X = np.column_stack([np.ones(12), rng.integers(-64, 65, (12, 2)) / 64.0])
    batch = Batch(X, rng.integers(-64, 65, 12) / 64.0, np.zeros(12), np.ones(12))
    family = gram_family(3)
    state, layout = empty_state(), family.layout(empty_state())
    bits = {"gram": ring.fraction_bits(layout["gram"].bound, N_SILOS)}

    def settled(at: np.ndarray) -> Total:
        columns = np.column_stack([X, batch.y])[:, :, None] * np.array(Fraction(1))
        columns = columns[:, :, 0] - np.array([Fraction(float(c)) for c in at], dtype=object)
        exact = columns.T @ columns
        integers = np.array([round(q * 2 ** bits["gram"]) for q in pack_upper(exact)], dtype=object)
        return family.settle(Total({"gram": integers}, bits), Point(at), state)

    found, plain = settled(centre), settled(np.zeros(4))
    # Each of up to four rounded sums that enter a number is half a grid unit off at most.
    assert max(abs(int(a) - int(b)) for a, b in zip(found.integers["gram"], plain.integers["gram"], strict=True)) <= 2
    assert np.allclose(family.statistics(batch, Point(centre), state)["gram"].shape, found["gram"].shape)


@given(centre=arrays(np.float64, 2, elements=st.integers(-(2**20), 2**20).map(lambda k: k / 2**20)))
@settings(LAW, max_examples=40)
def test_moments_settle_from_any_centre_to_the_same_integers(centre: np.ndarray) -> None:
    plan = plan_of("LinearRegression")
    rows = made(plan.study, 3, 25)
    # Values on a coarse grid of the reference scale, so that the float sums are exact.
    numbers = plan.columns.middle + plan.columns.half * np.round((rows.numbers - plan.columns.middle) / 50 * 64) / 64
    order = np.argsort(plan.columns.number_order)
    rows = Rows(numbers[:, order], rows.codes, rows.target, rows.offset, rows.weight)
    layout = plan.layout(empty_state())

    def settled(at: np.ndarray) -> Total:
        found = moments(rows, plan.columns, at)
        bits = {name: ring.fraction_bits(layout[name].bound, N_SILOS) for name in found.arrays}
        integers = {
            name: ring.decode_integers(ring.encode(found[name], layout[name].bound, bits[name], name=name))
            for name in found.arrays
        }
        return settle_moments(Total(integers, bits), at)

    found, plain = settled(centre), settled(np.zeros(2))
    for name in ("present", "sums", "squares"):
        assert (np.abs(found.integers[name] - plain.integers[name]) <= 2 ** (found.fraction_bits[name] - 44)).all()


@given(n=st.integers(1, 12), seed=st.integers(0, 99))
@LAW
def test_a_symmetric_matrix_survives_packing(n: int, seed: int) -> None:
    half = np.random.default_rng(seed).normal(size=(n, n))
    matrix = half + half.T
    assert (unpack_upper(pack_upper(matrix)) == matrix).all()
    assert pack_upper(matrix).shape == (n * (n + 1) // 2,)


def test_what_is_no_triangle_is_not_unpacked() -> None:
    with pytest.raises(ValueError, match="no triangle"):
        unpack_upper(np.zeros(5))


def test_silos_that_lost_their_memory_meet_the_same_optimum() -> None:
    plan = plan_of("LogisticRegression")
    spools = [Spool([made(plan.study, seed, 60)], Path()) for seed in range(N_SILOS)]
    found = []
    for keeps in (lambda own: own, lambda own: Memory({}), lambda own: None):
        state, memories = empty_state(), [None] * N_SILOS
        while plan.finished(state) is None:
            sums = [sum_update(plan, state, spools[k], np.zeros(60, dtype=bool), memories[k]) for k in range(N_SILOS)]
            memories = [keeps(Memory({block.name: s.total[block.name] for block in s.layout})) for s in sums]
            state = plan.advance(merge(plan, state, [s.encoded for s in sums]), state)
        found.append((int(state.document["round"]), plan.family.coefficients(state)))
    (trips, coef), (trips_lost, coef_lost), (_, coef_mistaken) = found
    assert trips_lost <= trips + 1
    for other in (coef_lost, coef_mistaken):
        assert np.linalg.norm(other - coef) <= 2e-6 * np.linalg.norm(coef)
