"""What prepares columns, in one trip: scikit-learn's own fit of the pooled rows, exactly or within stated bounds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder

from fedcli.errors import ContradictoryStudy, SingularHessian, UnsupportedModel
from fedcli.fileformat.statistics import State
from fedcli.models.batch import empty_state
from fedcli.preparing.bins import METHODS, quantile_places
from fedcli.preparing.plan import Plan
from fedcli.report.coefficients import coefficient_table
from fedcli.study.reading import read_study
from tests.estimators.comparing import OPEN_RULES, Beside, agreement, beside
from tests.estimators.worlds import SPLITS, World, classes, counts, levels

NAMES = ("iris", "wine", "breast_cancer")
FOUR = ("even", "by label", "by covariate", "pathological")


def text_of(world: World) -> Any:
    return lambda frame: frame[list(world.features)].to_numpy(dtype=object)


@cache
def grouped(name: str) -> World:
    """Levels, one of which few rows have and one of which none."""
    made = levels(name)
    features = {c: {**column, "levels": [*column["levels"], "never"]} for c, column in made.features.items()}
    return World(made.frame, {}, features)


@cache
def gappy(name: str, impute: str) -> World:
    """Numbers, or levels, of which a tenth is missing."""
    made = classes(name, 5) if impute in ("mean", "median", "constant") else levels(name)
    frame, rng = made.frame.copy(), np.random.default_rng(4)
    for number, column in enumerate(made.features):
        frame.loc[rng.random(len(frame)) < 0.04 * (number + 1), column] = np.nan
    features = {c: {**column, "impute": impute} for c, column in made.features.items()}
    return World(frame, {}, features)


def gaps_of(world: World) -> Any:
    numbers = bool(world.numbers)
    return lambda frame: frame[list(world.features)].to_numpy(dtype=float if numbers else object)


# ---- OneHotEncoder -------------------------------------------------------------------------------------------------

RARE = {"min_frequency": 5, "handle_unknown": "infrequent_if_exist"}
ENCODERS = [
    *((name, split, params) for name in NAMES for split in FOUR for params in ({}, RARE)),
    ("wine", "even", {"drop": "first", "sparse_output": False}),
    ("wine", "even", {"drop": "if_binary", "handle_unknown": "ignore"}),
    ("wine", "even", {"min_frequency": 0.3, "drop": "first"}),
    ("wine", "even", {"max_categories": 2}),
]


@pytest.mark.parametrize(("world", "split", "params"), ENCODERS, ids=str)
def test_levels_are_encoded_as_in_the_pool(world: str, split: str, params: dict[str, Any]) -> None:
    made = grouped(world)
    found = beside(made, SPLITS[split](levels(world)), "OneHotEncoder", OneHotEncoder, params, prepare=text_of(made))
    assert found.federation.trips == 1
    same_encoder(found)


def same_encoder(found: Beside) -> None:
    for ours, theirs in zip(found.ours.categories_, found.theirs.categories_, strict=True):
        assert ours.tolist() == theirs.tolist()
    names = found.theirs.get_feature_names_out()
    assert found.ours.get_feature_names_out().tolist() == names.tolist()
    if found.theirs.drop is not None:
        assert [*found.ours.drop_idx_] == [*found.theirs.drop_idx_]
    if found.theirs.min_frequency or found.theirs.max_categories:
        rare = [[] if of is None else of.tolist() for of in found.theirs.infrequent_categories_]
        assert [[] if of is None else of.tolist() for of in found.ours.infrequent_categories_] == rare
    made, wanted = (each.transform(found.X) for each in (found.ours, found.theirs))
    assert type(made) is type(wanted)
    assert (made != wanted).sum() == 0


def test_agreed_levels_are_categories_in_their_order_if_so_asked() -> None:
    made = grouped("wine")
    params = {"categories": "agreed"}
    wanted = [column["levels"] for column in made.features.values()]
    found = beside(
        made,
        SPLITS["even"](levels("wine")),
        "OneHotEncoder",
        lambda **given: OneHotEncoder(categories=wanted),  # type: ignore[arg-type]
        params,
        prepare=text_of(made),
    )
    same_encoder(found)
    assert [own.tolist() for own in found.ours.categories_] == wanted


def test_missing_levels_count_as_the_commonest_one() -> None:
    made = gappy("iris", "mode")

    def prepare(frame: pd.DataFrame) -> Any:
        return SimpleImputer(strategy="most_frequent").fit_transform(gaps_of(made)(frame))

    found = beside(made, SPLITS["even"](made), "OneHotEncoder", OneHotEncoder, {"min_frequency": 50}, prepare=prepare)
    same_encoder(found)


def test_an_encoder_sends_no_more_than_every_study() -> None:
    plan = Plan(read_study(agreement(grouped("iris"), "OneHotEncoder")))
    assert [block.name for block in plan.layout(empty_state())] == ["rows", "levels"]


def test_an_export_names_levels_counts_and_columns() -> None:
    made = grouped("iris")
    params = {"min_frequency": 5, "drop": "first"}
    found = beside(made, SPLITS["even"](levels("iris")), "OneHotEncoder", OneHotEncoder, params, prepare=text_of(made))
    table = coefficient_table(found.federation.plan, found.federation.state)
    assert json.loads(json.dumps(table.attributes)) == table.attributes
    assert table.columns == tuple(made.features)
    last = made.frame[table.columns[-1]].value_counts()
    names = dict(zip(table.attributes["categories"][-1], table.attributes["counts"][-1], strict=True))
    assert names == last.to_dict()
    assert table.attributes["infrequent_categories"][-1] == ["rare"]
    assert len(table.attributes["feature_names"]) == len(found.theirs.get_feature_names_out())
    assert ("categories_[0, 0]", "l0") in table.lines()


# ---- SimpleImputer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", FOUR)
@pytest.mark.parametrize("world", NAMES)
@pytest.mark.parametrize(
    ("impute", "params", "more"),
    [
        ("mean", {"strategy": "mean"}, {}),
        ("mode", {"strategy": "most_frequent"}, {}),
        ("constant", {"strategy": "constant", "fill_value": 2.0}, {"fill_value": 2.0, "range": [-100, 3000]}),
        ("level", {"strategy": "constant", "fill_value": "l1"}, {"fill_value": "l1"}),
    ],
)
def test_gaps_are_filled_as_in_the_pool(
    world: str, split: str, impute: str, params: dict[str, Any], more: dict[str, Any]
) -> None:
    made = gappy(world, impute)
    made = replace(made, features={c: {**column, **more} for c, column in made.features.items()})
    dealt = SPLITS[split](classes(world, 5) if made.numbers else levels(world))
    found = beside(made, dealt, "SimpleImputer", SimpleImputer, params, standardize=False, prepare=gaps_of(made))
    assert found.federation.trips == 1
    ours, theirs = (each.transform(found.X) for each in (found.ours, found.theirs))
    if made.numbers:
        assert found.error("statistics_") <= 1e-13
        assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max()
    else:
        assert found.ours.statistics_.tolist() == found.theirs.statistics_.tolist()
        assert (ours == theirs).all()


@pytest.mark.parametrize("split", FOUR)
@pytest.mark.parametrize("world", NAMES)
@pytest.mark.parametrize("min_cell", [1, 5])
def test_medians_lie_within_the_bounds_that_are_said(world: str, split: str, min_cell: int) -> None:
    made = gappy(world, "median")
    found = beside(
        made,
        SPLITS[split](classes(world, 5)),
        "SimpleImputer",
        SimpleImputer,
        {"strategy": "median"},
        standardize=False,
        prepare=gaps_of(made),
        rules={**OPEN_RULES, "min_cell": min_cell},
    )
    learnt = found.federation.state.arrays
    low, high = learnt["fitted.statistics_lower"], learnt["fitted.statistics_upper"]
    assert ((low <= found.theirs.statistics_) & (found.theirs.statistics_ <= high)).all()
    assert ((low <= found.ours.statistics_) & (found.ours.statistics_ <= high)).all()
    if min_cell == 1:
        # Nothing is hidden: no more than one bin of 256.
        spans = np.array([column["range"][1] - column["range"][0] for column in made.features.values()])
        assert ((high - low) / spans).max() <= (1 + 1e-9) / 256


def test_a_column_of_gaps_alone_is_refused() -> None:
    made = gappy("iris", "mean")
    frame = made.frame.assign(**{next(iter(made.features)): np.nan})
    with pytest.raises(SingularHessian, match="has no value in any row of any silo"):
        beside(
            replace(made, frame=frame),
            SPLITS["even"](made),
            "SimpleImputer",
            SimpleImputer,
            standardize=False,
            prepare=gaps_of(made),
        )


# ---- KBinsDiscretizer ----------------------------------------------------------------------------------------------


UNIFORM = {"strategy": "uniform", "n_bins": 4, "encode": "ordinal"}
LINEAR = {"quantile_method": "linear", "n_bins": 3, "encode": "onehot-dense"}
CUT = [
    *((name, split, params, 1) for name in NAMES for split in FOUR for params in ({}, UNIFORM)),
    *((name, split, params, 5) for name in ("iris", "wine") for split in FOUR for params in (LINEAR, UNIFORM)),
]


def cut(made: World, split: str, params: dict[str, Any], **parts: Any) -> Beside:
    rows = SPLITS[split](made)
    tight = {"subsample": None}
    return beside(made, rows, "KBinsDiscretizer", KBinsDiscretizer, params, tight=tight, standardize=False, **parts)


@pytest.mark.parametrize(("world", "split", "params", "min_cell"), CUT, ids=str)
def test_edges_lie_within_the_bounds_that_are_said(
    world: str, split: str, params: dict[str, Any], min_cell: int
) -> None:
    made = replace(classes(world, 5), target={})
    found = cut(made, split, params, rules={**OPEN_RULES, "min_cell": min_cell}, profile={"bins": 512})
    assert found.federation.trips == 1
    same_bins(found)


def same_bins(found: Beside) -> None:
    ours = found.ours
    assert ours.n_bins_.tolist() == found.theirs.n_bins_.tolist()
    for j, theirs in enumerate(found.theirs.bin_edges_):
        low, high = ours.bin_edges_lower_[j], ours.bin_edges_upper_[j]
        # Rounding of the table's own numbers.
        slack = 1e-12 * np.abs(theirs).max()
        assert (low - slack <= theirs).all()
        assert (theirs <= high + slack).all()
        assert (low <= ours.bin_edges_[j]).all()
        assert (ours.bin_edges_[j] <= high).all()
    made, wanted = (each.transform(found.X) for each in (ours, found.theirs))
    assert type(made) is type(wanted)
    # A value between no edge's bounds is in the same bin.
    made, wanted = (each.set_params(encode="ordinal").transform(found.X) for each in (ours, found.theirs))
    for j, (low, high) in enumerate(zip(ours.bin_edges_lower_, ours.bin_edges_upper_, strict=True)):
        near = ((low[1:-1] <= found.X[:, [j]]) & (found.X[:, [j]] <= high[1:-1])).any(axis=1)
        assert (made[~near, j] == wanted[~near, j]).all()
        assert not near.all()


@pytest.mark.parametrize("split", FOUR)
@pytest.mark.parametrize(
    "params", [{"n_bins": 4}, {"strategy": "uniform"}, {"quantile_method": "inverted_cdf"}], ids=str
)
def test_edges_of_whole_numbers_are_exact(split: str, params: dict[str, Any]) -> None:
    made = replace(counts(), target={})
    found = cut(made, split, params)
    assert found.ours.n_bins_.tolist() == found.theirs.n_bins_.tolist()
    for ours, theirs in zip(found.ours.bin_edges_, found.theirs.bin_edges_, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-14 * np.abs(theirs).max()
    assert (found.ours.transform(found.X) != found.theirs.transform(found.X)).sum() == 0


def test_a_column_of_one_value_is_one_bin() -> None:
    made = counts()
    frame = made.frame.assign(**{next(iter(made.features)): 3})
    found = cut(World(frame, {}, made.features), "even", {})
    assert found.ours.n_bins_.tolist() == found.theirs.n_bins_.tolist()
    assert found.ours.bin_edges_[0].tolist() == found.theirs.bin_edges_[0].tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize("method", METHODS)
def test_places_of_quantiles_are_numpys(method: str) -> None:
    for n in [*range(1, 60), 997, 1000]:
        for parts in (2, 3, 5, 7, 10):
            wanted = np.percentile(np.arange(1.0, n + 1), np.linspace(0, 100, parts + 1), method=method)  # type: ignore[call-overload]
            assert np.allclose([rank + part for rank, part in quantile_places(n, parts, method)], wanted, atol=1e-9)


# ---- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "world", "params", "standardize", "says"),
    [
        ("OneHotEncoder", lambda: classes("iris"), {}, True, "takes categories alone"),
        ("SimpleImputer", lambda: gappy("iris", "mean"), {}, True, "standardised already"),
        ("SimpleImputer", lambda: gappy("iris", "mean"), {"strategy": "median"}, False, "says impute: mean"),
        ("SimpleImputer", lambda: classes("iris"), {}, False, "says impute: nothing"),
        ("SimpleImputer", lambda: gappy("iris", "mode"), {}, False, "takes numbers alone"),
        ("SimpleImputer", lambda: gappy("iris", "mean"), {"strategy": "most_frequent"}, False, "no sum tells that"),
        ("KBinsDiscretizer", lambda: classes("iris"), {}, True, "standardised already"),
        ("KBinsDiscretizer", lambda: grouped("iris"), {}, False, "takes numbers alone"),
        ("KBinsDiscretizer", lambda: gappy("iris", "mean"), {}, False, "cuts values that are there"),
    ],
)
def test_columns_that_do_not_suit_are_refused(
    estimator: str, world: Any, params: dict[str, Any], standardize: bool, says: str
) -> None:
    made = replace(world(), target={})
    with pytest.raises(ContradictoryStudy, match=re.escape(says)):
        _ = Plan(read_study(agreement(made, estimator, params, standardize=standardize))).family


@pytest.mark.parametrize(
    ("estimator", "params", "says"),
    [
        ("KBinsDiscretizer", {"strategy": "kmeans"}, "trip after trip"),
        ("KBinsDiscretizer", {"quantile_method": "hazen"}, "not one that fedcli fits"),
        ("OneHotEncoder", {"min_frequency": 1.5}, "a share of them between 0 and 1"),
        ("OneHotEncoder", {"handle_unknown": "infrequent_if_exist"}, "needs min_frequency or max_categories"),
        ("SimpleImputer", {"strategy": "constant"}, "needs a fill_value"),
        ("SimpleImputer", {"fill_value": 1.0}, "takes no fill_value"),
    ],
)
def test_parameters_that_do_not_suit_are_refused(estimator: str, params: dict[str, Any], says: str) -> None:
    made = replace(classes("iris"), target={})
    with pytest.raises(UnsupportedModel, match=re.escape(says)):
        _ = Plan(read_study(agreement(made, estimator, params, standardize=False))).family


def test_a_later_trip_carries_nothing() -> None:
    plan = Plan(read_study(agreement(grouped("iris"), "OneHotEncoder")))
    assert plan.layout(State({"round": 1, "phase": "converged"}, {})).size == 0
