"""Proportional hazards over strata of silos: the pooled fits of R, statsmodels and lifelines in three to five trips."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.duration.tests.results as printed
from lifelines import CoxPHFitter, CoxTimeVaryingFitter
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.tests.results import survival_r_results

from fedcli.errors import ContradictoryStudy, OneClass, Separation, UnsupportedModel
from fedcli.report.estimator import fitted_estimator, standardised_coefficients
from tests.estimators.surviving import (
    ENTRY,
    TIME,
    Floats,
    federated,
    institutions,
    pooled_fit,
    relative_error,
    standardised,
    survival,
    world,
)
from tests.estimators.worlds import SPLITS, Rows, World, even

SIZES = ((20, 1), (50, 1), (50, 2), (100, 5), (1000, 10))
TIES = ("efron", "breslow")
# Silos of fewer rows take part without the rule on rows that stand out: what is compared is the mathematics.
SMALL_SILOS = {"aggregation": "plain", "min_rows": 20, "min_cell": 1, "rows_per_column": 5}
# Here a column does not vary within any silo that has both values at risk together: no finite optimum.
SEPARATED = {("rossi", "pathological"), ("gbsg2", "pathological")}


def printed_world(n: int, p: int, *, entry: bool) -> World:
    """A table that ships with statsmodels, for which R printed its coefficients."""
    folder = Path(next(iter(printed.__path__)))
    names = [TIME, "y", ENTRY, *(f"x{j}" for j in range(p))]
    frame = pd.DataFrame(np.loadtxt(folder / f"survival_data_{n}_{p}.csv"), columns=names)
    return survival(frame if entry else frame.drop(columns=ENTRY), TIME, "y", entry=ENTRY if entry else None)


@pytest.mark.parametrize("strata", [True, False], ids=["five silos", "one silo"])
@pytest.mark.parametrize("entry", [True, False], ids=["delayed entry", "from the beginning"])
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize(("n", "p"), SIZES)
def test_the_coefficients_are_those_that_r_printed(n: int, p: int, ties: str, entry: bool, strata: bool) -> None:
    made = printed_world(n, p, entry=entry)
    split = np.array_split(np.arange(n), 5) if strata else [np.arange(n)]
    found = federated(made, split, {"ties": ties}, rules=SMALL_SILOS | {"min_rows": 2000})
    theirs = getattr(survival_r_results, f"coef_{n}_{p}_{'et_' * entry}{'st_' * strata}{ties[:3]}")
    # R printed seven digits.
    np.testing.assert_allclose(list(found.coefficients().values())[1:], theirs, rtol=1e-6)
    assert found.trips <= 5


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["rossi", "gbsg2", "lung", "kidney"])
def test_the_fit_is_the_pooled_one_with_silos_as_strata(name: str, split: str, ties: str) -> None:
    made = world(name)
    silos = SPLITS[split](made)
    if (name, split) in SEPARATED:
        with pytest.raises(Separation, match="no finite coefficient"):
            federated(made, silos, {"ties": ties}, rules=SMALL_SILOS)
        return
    found = federated(made, silos, {"ties": ties}, rules=SMALL_SILOS)
    assert relative_error(found, pooled_fit(made, silos, ties)) <= 1e-6
    assert found.trips <= 5


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["rossi", "gbsg2", "lung"])
def test_a_penalty_gives_the_pooled_penalised_fit(name: str, split: str, ties: str) -> None:
    made = world(name)
    silos = SPLITS[split](made)
    found = federated(made, silos, {"ties": ties, "alpha": 2.0}, rules=SMALL_SILOS)
    assert relative_error(found, pooled_fit(made, silos, ties, alpha=2.0)) <= 1e-6
    assert found.trips <= 5


def test_eighteen_hospitals_of_two_to_thirty_six_patients_are_eighteen_strata() -> None:
    made, silos = world("lung"), institutions()
    assert len(silos) == 18
    assert min(map(len, silos)) == 2
    found = federated(made, silos, rules=SMALL_SILOS)
    assert relative_error(found, pooled_fit(made, silos)) <= 1e-6
    assert found.trips <= 5


def lifelines_frame(made: World, silos: list[Rows], **more: Floats) -> pd.DataFrame:
    X, pooled, strata = standardised(made, silos)
    frame = pd.DataFrame(X, columns=list(made.features)).assign(stratum=strata, event=pooled["y"].to_numpy(), **more)
    return frame.assign(until=pooled[TIME].to_numpy())


@pytest.mark.parametrize("split", SPLITS)
def test_delayed_entry_is_that_of_lifelines(split: str) -> None:
    made = world("transplants")
    silos = SPLITS[split](made)
    found = federated(made, silos, rules=SMALL_SILOS)
    frame = lifelines_frame(made, silos)
    frame["since"] = made.frame.iloc[np.concatenate(silos)][ENTRY].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # lifelines' CoxPHFitter takes entry times as well; of the two this one takes them exactly.
        fitter = CoxTimeVaryingFitter().fit(
            frame.assign(id=range(len(frame))),
            id_col="id",
            event_col="event",
            start_col="since",
            stop_col="until",
            strata="stratum",
            fit_options={"precision": 1e-14},
        )
    assert relative_error(found, fitter.params_.to_numpy()) <= 1e-6
    assert found.trips <= 5


@pytest.mark.parametrize("split", ["even", "by label", "by covariate"])
def test_weights_under_efrons_ties_are_those_of_lifelines(split: str) -> None:
    made = world("rossi")
    silos = SPLITS[split](made)
    weight = np.random.default_rng(5).choice([0.5, 1.0, 1.7, 3.0], size=len(made.frame))
    weighted = World(made.frame.assign(w=weight), made.target, made.features)
    found = federated(weighted, silos, weight={"column": "w", "range": [0, 4]})
    # The columns are standardised without weights, as scikit-learn does; lifelines gets them so.
    frame = lifelines_frame(made, silos, w=weight[np.concatenate(silos)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = CoxPHFitter().fit(
            frame, "until", "event", strata="stratum", weights_col="w", fit_options={"precision": 1e-14}
        )
    assert relative_error(found, fitter.params_.to_numpy()) <= 1e-6
    assert found.trips <= 5


def test_an_offset_is_that_of_statsmodels() -> None:
    made = world("kidney")
    silos = even(made)
    shift = np.random.default_rng(1).normal(size=len(made.frame))
    beside = World(made.frame.assign(o=shift), made.target, made.features)
    found = federated(beside, silos, offset={"column": "o", "range": [-9, 9]})
    X, pooled, strata = standardised(made, silos)
    model = PHReg(
        pooled[TIME].to_numpy(),
        X,
        pooled["y"].to_numpy(),
        strata=strata,
        offset=shift[np.concatenate(silos)],
        ties="efron",
    )
    ours, _ = standardised_coefficients(found.plan, found.state)
    step = np.linalg.solve(model.hessian(ours), model.score(ours))
    assert np.linalg.norm(step) <= 1e-6 * np.linalg.norm(ours)


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 2, 0]])
def test_the_order_of_silos_and_rows_does_not_matter(order: list[int]) -> None:
    made = world("gbsg2")
    silos = even(made, 3)
    rng = np.random.default_rng(0)
    mixed = [rng.permutation(silos[place]) for place in order]
    one, other = federated(made, silos), federated(made, mixed)
    np.testing.assert_allclose(
        list(one.coefficients().values()), list(other.coefficients().values()), rtol=1e-9, atol=1e-15
    )


def test_not_standardised_the_fit_is_the_same_without_a_penalty() -> None:
    made = world("rossi")
    one, other = federated(made, even(made)), federated(made, even(made), standardize=False)
    slopes = [np.array(list(found.coefficients().values())[1:]) for found in (one, other)]
    np.testing.assert_allclose(*slopes, rtol=1e-6)


# ---- hard cases ----------------------------------------------------------------------------------------------------


def changed(made: World, **columns: Any) -> World:
    frame = made.frame.assign(**columns)
    low, high = frame[list(columns)].min().min() - 1, frame[list(columns)].max().max() + 1
    features = {**made.features, **{name: {"type": "number", "range": [low, high]} for name in columns if name != "y"}}
    return World(frame, made.target, features)


def test_a_column_that_is_constant_or_a_copy_gets_the_smallest_coefficients_and_leaves_the_others_alone() -> None:
    made = world("rossi")
    plain = federated(made, even(made)).coefficients()
    constant = federated(changed(made, same=7.0), even(made)).coefficients()
    assert constant.pop("same") == 0
    assert all(constant[name] == pytest.approx(plain[name], rel=1e-7) for name in plain if name != "intercept")
    copied = federated(changed(made, twin=3 * made.frame["age"] + 1), even(made))
    found = copied.coefficients()
    assert copied.state.arrays["null"].shape[1] == 1
    assert found["age"] + 3 * found["twin"] == pytest.approx(plain["age"], rel=1e-6)


def test_a_column_that_differs_between_silos_only_tells_nothing_within_strata() -> None:
    made = world("rossi")
    silos = even(made)
    site = np.zeros(len(made.frame))
    for number, rows in enumerate(silos):
        site[rows] = number
    found = federated(changed(made, site=site), silos)
    assert abs(found.coefficients()["site"]) < 1e-12
    assert found.state.arrays["null"].shape[1] == 1


def test_a_column_of_scale_1e8_is_no_obstacle() -> None:
    made = world("rossi")
    plain = federated(made, even(made)).coefficients()
    wide = federated(changed(made, income=1e8 * made.frame["age"]), even(made))
    assert wide.state.arrays["null"].shape[1] == 1
    found = wide.coefficients()
    assert found["age"] + 1e8 * found["income"] == pytest.approx(plain["age"], rel=1e-6)


def test_silos_without_an_event_change_nothing() -> None:
    made = world("rossi")
    died, alive = (np.flatnonzero(made.frame["y"] == value) for value in (1, 0))
    silos = [np.concatenate([died[:60], alive[:100]]), np.concatenate([died[60:], alive[100:200]]), alive[200:]]
    found = federated(made, silos)
    assert relative_error(found, pooled_fit(made, silos)) <= 1e-6


def test_a_study_without_any_event_is_refused_by_name() -> None:
    made = changed(world("rossi"), y=0.0)
    with pytest.raises(OneClass, match="no row of any silo has an event"):
        federated(World(made.frame, made.target, world("rossi").features), even(made))


def test_rows_of_weight_zero_are_as_if_they_were_not_there() -> None:
    made = world("rossi")
    silos = even(made)
    weight = (np.arange(len(made.frame)) % 5 > 0).astype(float)
    weighted = World(made.frame.assign(w=weight), made.target, made.features)
    found = federated(weighted, silos, weight={"column": "w", "range": [0, 1]}, standardize=False)
    kept = federated(made, [rows[weight[rows] > 0] for rows in silos], standardize=False)
    np.testing.assert_allclose(
        list(found.coefficients().values())[1:], list(kept.coefficients().values())[1:], rtol=1e-7
    )


@pytest.mark.parametrize("params", [{"ties": "exact"}, {"alpha": -1.0}, {"strata": "sex"}, {"l1_ratio": 0.5}], ids=str)
def test_parameters_that_it_does_not_have_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel):
        federated(world("rossi"), even(world("rossi")), params)


def test_holding_rows_out_for_nothing_is_refused() -> None:
    with pytest.raises(ContradictoryStudy, match="no figures of rows held out, and 20% are"):
        federated(world("rossi"), even(world("rossi")), evaluation={"holdout": 0.2})


@pytest.mark.parametrize("absent", [{2: ["s0"]}, {3: ["s1"]}, {2: ["s0"], 3: ["s2"]}], ids=str)
def test_silos_that_miss_a_trip_and_come_back_are_in_the_result(absent: dict[int, list[str]]) -> None:
    made, silos = world("gbsg2"), even(world("gbsg2"))
    found = federated(made, silos, absent=absent)
    assert found.plan.n_samples(found.state) == len(made.frame)
    assert relative_error(found, pooled_fit(made, silos)) <= 1e-6


def test_scikit_learn_has_no_such_class() -> None:
    found = federated(world("rossi"), even(world("rossi")))
    with pytest.raises(UnsupportedModel, match="scikit-learn has no class for CoxPH"):
        fitted_estimator(found.plan, found.state)
