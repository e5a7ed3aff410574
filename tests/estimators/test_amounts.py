"""Amounts: gamma and Tweedie regressions are scikit-learn's own fit of the pooled rows."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import GammaRegressor, TweedieRegressor
from sklearn.metrics import mean_gamma_deviance, mean_tweedie_deviance

from fedcli.errors import ContradictoryStudy, FedcliError, OneClass, UnsupportedModel
from fedcli.preparing.plan import Plan
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.estimators.comparing import Beside, agreement, beside
from tests.estimators.worlds import SPLITS, World, amounts
from tests.workflow.play import command

TIGHT = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}
CASES: dict[str, tuple[type, dict[str, Any], tuple[str, ...]]] = {
    "gamma": (GammaRegressor, {"alpha": 0.0}, ("diabetes", "engel", "area")),
    "gamma, penalised": (GammaRegressor, {}, ("diabetes", "engel", "area")),
    "power 1": (TweedieRegressor, {"power": 1, "alpha": 0.01}, ("fair", "visits", "diabetes")),
    "power 1.2, penalised": (TweedieRegressor, {"power": 1.2, "alpha": 0.1}, ("fair", "visits", "diabetes")),
    "power 1.5": (TweedieRegressor, {"power": 1.5, "alpha": 0.0, "link": "log"}, ("fair", "visits", "area")),
    "power 1.9": (TweedieRegressor, {"power": 1.9, "alpha": 0.0}, ("fair", "visits", "engel")),
    "power 3": (TweedieRegressor, {"power": 3, "alpha": 0.0}, ("diabetes", "engel", "area")),
    "power 3, penalised": (TweedieRegressor, {"power": 3, "alpha": 1e-3}, ("diabetes", "engel", "area")),
}
RUNS = [(case, world, split) for case, (_, _, worlds) in CASES.items() for world in worlds for split in SPLITS]


@cache
def played(case: str, world: str, split: str) -> Beside:
    cls, params, _ = CASES[case]
    made = amounts(world)
    return beside(made, SPLITS[split](made), cls.__name__, cls, params, tight=TIGHT)


def errors(found: Beside) -> list[float]:
    """The relative error of the coefficients, or of the intercept where that is larger, after each trip."""
    federation = found.federation
    each = [replace(found, ours=fitted_estimator(federation.plan, state)) for state in federation.states]
    return [max(one.error("coef_"), one.error("intercept_")) for one in each]


@pytest.mark.parametrize(("case", "world", "split"), RUNS)
def test_amounts_are_fitted_as_on_the_pooled_rows_in_five_trips_at_most(case: str, world: str, split: str) -> None:
    found = played(case, world, split)
    assert found.federation.trips <= 5
    assert errors(found)[-1] <= 1e-6
    assert np.allclose(found.ours.predict(found.X), found.theirs.predict(found.X), rtol=1e-5, atol=0)


def test_three_trips_are_typical() -> None:
    needed = [
        next(trip for trip, error in enumerate(errors(played(*run)), start=1) if error <= 1e-6)
        for run in RUNS
        if "power 3" not in run[0]
    ]
    assert np.median(needed) == 3


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", ["diabetes", "fair", "area"])
@pytest.mark.parametrize(
    "params", [{}, {"alpha": 0.2, "link": "identity"}, {"power": 0.0, "alpha": 0.5, "fit_intercept": False}], ids=str
)
def test_power_0_is_a_closed_form_in_one_trip(params: dict[str, Any], world: str, split: str) -> None:
    made = amounts(world)
    found = beside(made, SPLITS[split](made), "TweedieRegressor", TweedieRegressor, params, tight=TIGHT)
    assert found.federation.trips == 1
    assert max(found.error("coef_"), found.error("intercept_")) <= 1e-8


# ---- exposure and weights ------------------------------------------------------------------------------------------


def married(positive: bool = False) -> World:
    """Time spent on affairs, beside the years that somebody has been married (0.5 to 23) and a weight."""
    world = amounts("fair")
    frame = world.frame[world.frame["y"] > 0] if positive else world.frame
    frame = frame.reset_index(drop=True).assign(counted=lambda f: 1.0 + f["children"] % 3)
    features = {name: part for name, part in world.features.items() if name not in ("yrs_married", "children")}
    low = float(frame["y"].min()) / 2 if positive else 0.0
    return World(frame, {**world.target, "range": [low, 80.0]}, features)


YEARS = {"column": "yrs_married", "transform": "log", "range": [0.25, 40]}
COUNTED = {"column": "counted", "range": [0, 5]}


# Silos of few rows, of unequal weights and exposures, are rightly refused: one row has more than half of their sums.
@pytest.mark.parametrize(
    ("split", "weighted"), [*((split, False) for split in list(SPLITS)[:4]), ("even", True), ("by label", True)]
)
@pytest.mark.parametrize(("power", "alpha"), [(1.0, 0.1), (1.5, 0.0), (1.5, 0.1), (2.0, 0.1), (2.0, 0.0)])
def test_an_exposure_is_the_weighted_fit_of_rates(power: float, alpha: float, weighted: bool, split: str) -> None:
    made = married(positive=power == 2.0)
    rows = SPLITS[split](made)
    name, cls = ("GammaRegressor", GammaRegressor) if power == 2.0 else ("TweedieRegressor", TweedieRegressor)
    params = {"alpha": alpha} | ({"power": power} if power != 2.0 else {})
    parts = {"offset": YEARS} | ({"weight": COUNTED} if weighted else {})
    found = beside(made, rows, name, cls, params, tight=TIGHT, **parts)
    pooled = made.frame.iloc[np.concatenate(rows)]
    years = pooled["yrs_married"].to_numpy()
    weight = pooled["counted"].to_numpy() if weighted else np.ones(len(pooled))
    rated = weight * years ** (2.0 - power)
    theirs = cls(**{**params, **TIGHT, "alpha": alpha * weight.sum() / rated.sum()})
    theirs.fit(found.X, pooled["y"].to_numpy() / years, sample_weight=rated)
    compared = replace(found, theirs=theirs)
    assert found.federation.trips <= 5
    assert max(compared.error("coef_"), compared.error("intercept_")) <= 1e-6


@pytest.mark.parametrize("power", [1.5, 2.0, 3.0])
def test_a_row_of_weight_2_is_the_row_twice_and_one_of_weight_0_none(power: float) -> None:
    made = amounts("diabetes")
    params = {"power": power, "alpha": 0.01}
    rng = np.random.default_rng(5)
    weighted = made.frame.assign(w=rng.integers(0, 3, len(made.frame)))
    twice = weighted.loc[weighted.index.repeat(weighted["w"])].reset_index(drop=True)
    fits = []
    for frame, parts in ((weighted, {"weight": {"column": "w", "range": [0, 2]}}), (twice, {})):
        world = World(frame, made.target, made.features)
        # Unscaled, since imputation and scaling count rows, not weights.
        split = [np.flatnonzero(np.arange(len(frame)) % 3 == k) for k in range(3)]
        found = beside(world, split, "TweedieRegressor", TweedieRegressor, params, standardize=False, **parts)
        fits.append(np.append(found.ours.coef_, found.ours.intercept_))
    assert np.linalg.norm(fits[0] - fits[1]) <= 1e-6 * np.linalg.norm(fits[1])


# ---- laws of a whole fit -------------------------------------------------------------------------------------------


def coefficients(world: World, split: list[Any], params: dict[str, Any]) -> pd.Series:
    federation = beside(world, split, "TweedieRegressor", TweedieRegressor, params, tight=TIGHT).federation
    return pd.Series(federation.coefficients())


@pytest.mark.parametrize("params", [{"power": 1.5, "alpha": 0.0}, {"power": 2.0, "alpha": 0.1}], ids=str)
def test_the_order_of_silos_rows_and_columns_is_irrelevant(params: dict[str, Any]) -> None:
    made = amounts("diabetes")
    split = SPLITS["by covariate"](made)
    expected = coefficients(made, split, params)
    turned = World(made.frame, made.target, dict(reversed(made.features.items())))
    rng = np.random.default_rng(0)
    for world, rows in (
        (made, split[::-1]),
        (made, [rng.permutation(part) for part in split]),
        (turned, split),
    ):
        found = coefficients(world, rows, params)[expected.index]
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def test_one_silo_alone_gets_its_own_fit() -> None:
    made = amounts("diabetes")
    found = beside(made, [np.arange(len(made.frame))], "GammaRegressor", GammaRegressor, {"alpha": 0.1}, tight=TIGHT)
    assert max(found.error("coef_"), found.error("intercept_")) <= 1e-8
    assert found.federation.trips <= 4


# ---- hard cases ----------------------------------------------------------------------------------------------------


def with_columns(**columns: Any) -> World:
    made = amounts("diabetes")
    frame = made.frame.assign(**columns)
    more = {}
    for name in columns:
        low, high = float(frame[name].min()), float(frame[name].max())
        more[name] = {"type": "number", "range": [low - abs(low) / 10 - 1, high + abs(high) / 10 + 1]}
    return World(frame, made.target, {**made.features, **more})


HARD = {
    "a constant column": lambda: with_columns(still=7.5),
    "a column that copies another": lambda: with_columns(copy=amounts("diabetes").frame["bmi"]),
    "a column that is a sum of others": lambda: with_columns(both=amounts("diabetes").frame[["bmi", "bp"]].sum(axis=1)),
    "a column of scale 1e8": lambda: with_columns(wide=amounts("diabetes").frame["s6"] * 1e9 + 1e8),
}


@pytest.mark.parametrize("power", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("case", HARD)
def test_hard_columns_get_the_pooled_penalised_fit(case: str, power: float) -> None:
    made = HARD[case]()
    params = {"power": power, "alpha": 1e-3}
    found = beside(made, SPLITS["even"](made), "TweedieRegressor", TweedieRegressor, params, tight=TIGHT)
    assert found.federation.trips <= 5
    assert max(found.error("coef_"), found.error("intercept_")) <= 1e-6


@pytest.mark.parametrize("case", HARD)
def test_hard_columns_without_a_penalty_predict_as_the_pooled_fit(case: str) -> None:
    made = HARD[case]()
    split = SPLITS["even"](made)
    found = beside(made, split, "GammaRegressor", GammaRegressor, {"alpha": 0.0}, tight=TIGHT)
    y = made.frame.iloc[np.concatenate(split)]["y"]
    # A column that says nothing new is left out of scikit-learn's own fit: it makes its solver stop at 1e-6.
    X = found.X if "scale" in case else found.X[:, :-1]
    theirs = GammaRegressor(alpha=0.0, **TIGHT).fit(X, y).predict(X)
    assert np.allclose(found.ours.predict(found.X), theirs, rtol=1e-8, atol=0)


def test_outcomes_that_are_all_0_are_refused() -> None:
    made = amounts("fair")
    nothing = World(made.frame.assign(y=0.0), {**made.target, "range": [0, 60]}, made.features)
    with pytest.raises(OneClass, match="0 in every row"):
        beside(nothing, SPLITS["even"](nothing), "TweedieRegressor", TweedieRegressor, {"power": 1.5})


@pytest.mark.parametrize(
    ("estimator", "params", "target", "parts", "error", "says"),
    [
        ("TweedieRegressor", {"power": 0.5}, {}, {}, UnsupportedModel, "power must be 0, or a number from 1 to 3"),
        ("TweedieRegressor", {"power": -1}, {}, {}, UnsupportedModel, "power must be 0, or a number from 1 to 3"),
        ("TweedieRegressor", {"power": 0, "link": "log"}, {}, {}, UnsupportedModel, "more than one minimum"),
        ("TweedieRegressor", {"power": 1.5, "link": "identity"}, {}, {}, UnsupportedModel, "amounts below 0"),
        ("TweedieRegressor", {"power": 2}, {"range": [0, 400]}, {}, ContradictoryStudy, "outcomes above 0"),
        ("TweedieRegressor", {"power": 1.5}, {"range": [-1, 400]}, {}, ContradictoryStudy, "of 0 and above"),
        ("GammaRegressor", {}, {"range": [0, 400]}, {}, ContradictoryStudy, "outcomes above 0"),
        ("GammaRegressor", {}, {"type": "count"}, {}, ContradictoryStudy, "needs a target of type number"),
        ("TweedieRegressor", {}, {}, {"offset": YEARS}, ContradictoryStudy, "identity link takes no offset"),
        ("GammaRegressor", {"power": 2}, {}, {}, UnsupportedModel, "no parameter 'power'"),
    ],
)
def test_what_is_not_fitted_is_refused_by_name(
    estimator: str,
    params: dict[str, Any],
    target: dict[str, Any],
    parts: dict[str, Any],
    error: type[FedcliError],
    says: str,
) -> None:
    made = amounts("diabetes")
    text = agreement(World(made.frame, {**made.target, **target}, made.features), estimator, params, **parts)
    with pytest.raises(error, match=says) as caught:
        _ = Plan(read_study(text)).family
    assert caught.value.hint


# ---- rows held out, and the commands -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "params", "figure"),
    [
        ("GammaRegressor", {}, "mean_gamma_deviance"),
        ("TweedieRegressor", {"power": 1.5}, "mean_tweedie_deviance"),
        ("TweedieRegressor", {"power": 3, "alpha": 1e-3}, "mean_tweedie_deviance"),
    ],
)
def test_rows_held_out_are_measured_by_the_loss_own_deviance(
    estimator: str, params: dict[str, Any], figure: str
) -> None:
    made = amounts("diabetes")
    split = SPLITS["even"](made)
    cls = GammaRegressor if estimator == "GammaRegressor" else TweedieRegressor
    evaluation = {"holdout": 0.3, "closing_trip": True}
    federation = beside(made, split, estimator, cls, params, evaluation=evaluation).federation
    out = np.concatenate([federation.masks[name] for name in federation.masks])
    held = made.frame.iloc[np.concatenate(split)[out]]
    coef = federation.coefficients()
    mean = np.exp(coef["intercept"] + sum(coef[name] * held[name] for name in made.features))
    power = params.get("power", 2.0)
    expected = (
        mean_gamma_deviance(held["y"], mean) if power == 2 else mean_tweedie_deviance(held["y"], mean, power=power)
    )
    state = federation.state
    figures = dict(zip(state.document["evaluation"].split(","), state.arrays["evaluation"], strict=True))
    assert figures == {"n_samples": len(held), figure: pytest.approx(expected, rel=1e-6)}


@pytest.mark.parametrize(
    ("name", "params"), [("TweedieRegressor", {"power": 1.5, "alpha": 0.1}), ("GammaRegressor", {})]
)
def test_a_simulated_study_with_exposure_meets_scikit_learns_fit(
    name: str, params: dict[str, Any], tmp_path: Path
) -> None:
    made = married(positive=name == "GammaRegressor")
    rules = {"aggregation": "plain"}
    text = agreement(made, name, params, offset=YEARS, rules=rules, evaluation={"holdout": 0.2})
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(json.loads(text)))
    for number, rows in enumerate(SPLITS["even"](made)):
        made.frame.iloc[rows].to_csv(tmp_path / f"s{number}.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = command("simulate", tmp_path, "--json")
    assert found.status == 0, found.err
    document = json.loads(found.out)
    assert document["relative_error"] <= 1e-6
    assert document["trips"] <= 5
