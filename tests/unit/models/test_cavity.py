"""What the solver does with pools that are hard, or that have no answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fedcli.errors import NotConverged, OneClass, Separation
from tests.equivalence.cases import TARGETS, Frames, Outcome, agreement, mixed_frames, run

X_AND_Z = {"x": {"type": "number", "range": [-5, 5]}, "z": {"type": "number", "range": [-5, 5]}}
UNPENALISED = {"penalty": None}


def silos(frame: pd.DataFrame, n_silos: int = 3) -> Frames:
    parts = np.array_split(np.arange(len(frame)), n_silos)
    return {str(k): frame.iloc[rows].reset_index(drop=True) for k, rows in enumerate(parts)}


def numbers(n_rows: int = 240, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n_rows)).clip(-4, 4)
    odds = np.exp(0.5 * x - z)
    return pd.DataFrame(
        {"x": x, "z": z, "binary": (rng.random(n_rows) < odds / (1 + odds)).astype(int), "count": rng.poisson(odds)}
    )


def logistic(frames: Frames, features: dict[str, Any], params: dict[str, Any] | None = None, **parts: Any) -> Outcome:
    return run(agreement(TARGETS["LogisticRegression"], features, "LogisticRegression", params, **parts), frames)


def test_a_separated_pool_is_refused_by_the_column_that_separates_it() -> None:
    frame = numbers()
    frame["binary"] = (frame["x"] > 0).astype(int)
    with pytest.raises(Separation, match="column 'x'") as caught:
        logistic(silos(frame), X_AND_Z, UNPENALISED)
    assert "penalty" in caught.value.hint


def test_a_penalty_makes_a_separated_pool_a_fit_like_any_other() -> None:
    frame = numbers()
    frame["binary"] = (frame["x"] > 0).astype(int)
    found = logistic(silos(frame), X_AND_Z, {"C": 1.0})
    assert found.errors[-1] <= 1e-6


def test_a_pool_of_one_class_is_refused() -> None:
    with pytest.raises(OneClass, match="the same class"):
        logistic(silos(numbers().assign(binary=1)), X_AND_Z)


def test_counts_that_are_all_0_are_refused() -> None:
    text = agreement(TARGETS["PoissonRegressor"], X_AND_Z, "PoissonRegressor", {"alpha": 0.0})
    with pytest.raises(OneClass, match="0 in every row"):
        run(text, silos(numbers().assign(count=0)))


@pytest.mark.parametrize("rounds", [1, 2])
def test_too_few_rounds_are_said(rounds: int) -> None:
    with pytest.raises(NotConverged, match="the study asks for 1e-06") as caught:
        logistic(silos(numbers()), X_AND_Z, rules={"max_rounds": rounds})
    assert "max_rounds" in caught.value.hint


def test_columns_that_copy_each_other_get_the_penalised_fit_of_the_pool() -> None:
    frame = numbers().assign(z=lambda f: f["x"])
    found = logistic(silos(frame), X_AND_Z)
    assert found.errors[-1] <= 1e-6
    assert found.federation.coefficients()["x"] == pytest.approx(found.federation.coefficients()["z"])


def test_columns_that_copy_each_other_share_an_unpenalised_coefficient() -> None:
    alone = logistic(silos(numbers()), {"x": X_AND_Z["x"]}, UNPENALISED)
    both = logistic(silos(numbers().assign(z=lambda f: f["x"])), X_AND_Z, UNPENALISED)
    got = both.federation.coefficients()
    assert got["x"] + got["z"] == pytest.approx(alone.federation.coefficients()["x"], rel=1e-6)
    assert got["x"] == pytest.approx(got["z"], rel=1e-6)
    assert both.federation.state.arrays["null"].shape[1] == 1


@pytest.mark.parametrize("params", [{"C": 1.0}, UNPENALISED])
def test_a_level_that_nobody_has_gets_the_coefficient_0(params: dict[str, Any]) -> None:
    features = {"x": X_AND_Z["x"], "g": {"type": "category", "levels": ["a", "b", "c"]}}
    frame = numbers().assign(g=lambda f: np.where(f["z"] > 0, "a", "b"))
    found = logistic(silos(frame), features, params)
    assert found.federation.coefficients()["g[c]"] == pytest.approx(0.0, abs=1e-12)
    assert found.errors[-1] <= 1e-6


@pytest.mark.parametrize("value", [0.1, 4.9999])
@pytest.mark.parametrize("params", [{"C": 1.0}, UNPENALISED, {"penalty": None, "fit_intercept": False}])
def test_a_constant_column_gets_the_coefficient_0(params: dict[str, Any], value: float) -> None:
    found = logistic(silos(numbers().assign(z=value)), X_AND_Z, params)
    assert found.federation.coefficients()["z"] == 0.0
    assert found.errors[-1] <= 1e-6


def test_a_silo_of_one_row_takes_part_like_any_other() -> None:
    frame = numbers()
    found = logistic({"one": frame.iloc[:1], "two": frame.iloc[1:120], "three": frame.iloc[120:]}, X_AND_Z)
    assert found.errors[-1] <= 1e-6
    assert found.federation.trips <= 5


def test_two_silos_that_hold_one_class_each_reach_the_pooled_fit() -> None:
    frame = numbers().sort_values("binary")
    found = logistic(silos(frame, 2), X_AND_Z, UNPENALISED)
    assert found.errors[-1] <= 1e-6


def test_a_closing_trip_ends_in_a_certificate() -> None:
    found = logistic(silos(numbers()), X_AND_Z, evaluation={"holdout": 0, "closing_trip": True})
    assert found.federation.reason.code == "closed"
    assert found.federation.reason.says.startswith("certified")
    assert found.errors[-1] <= 1e-11


# ---- silos that send nothing in a round ----------------------------------------------------------------------------


def without(name: str, rounds: range, estimator: str = "LogisticRegression") -> Outcome:
    text = agreement(
        TARGETS[estimator], X_AND_Z, estimator, {"penalty": None} if "Log" in estimator else {"alpha": 0.1}
    )
    return run(text, silos(numbers()), absent={number: (name,) for number in rounds})


@pytest.mark.parametrize("estimator", ["LogisticRegression", "PoissonRegressor"])
def test_a_silo_that_never_takes_part_is_not_in_the_fit(estimator: str) -> None:
    frames = silos(numbers())
    left = {name: frames[name] for name in ("0", "1")}
    text = agreement(TARGETS[estimator], X_AND_Z, estimator)
    two = run(text, left).federation
    three = run(text, frames, absent={number: ("2",) for number in range(1, 13)}).federation
    expected = np.array(list(two.coefficients().values()))
    assert np.linalg.norm(np.array(list(three.coefficients().values())) - expected) <= 1e-6 * np.linalg.norm(expected)


def test_a_silo_that_leaves_after_trip_1_leaves_its_columns_scale_behind() -> None:
    # An unpenalised fit does not depend on the scale, so it is that of the silos that stay, in every digit.
    left = without("2", range(2, 13))
    frames = silos(numbers())
    text = agreement(TARGETS["LogisticRegression"], X_AND_Z, "LogisticRegression", UNPENALISED)
    two = run(text, {name: frames[name] for name in ("0", "1")}).federation
    expected = np.array(list(two.coefficients().values()))
    found = np.array(list(left.federation.coefficients().values()))
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)
    # The scale of trip 1 stays that of all three: a penalty keeps acting on it, and so do imputed values.
    assert int(left.federation.state.arrays["preparation.n_samples"][0]) == 240
    assert int(two.state.arrays["preparation.n_samples"][0]) == 160


def test_a_silo_that_misses_one_trip_is_in_the_final_fit() -> None:
    found = without("2", range(2, 3))
    assert found.federation.trips <= 6
    assert found.errors[-1] <= 1e-6


def test_no_study_ends_on_the_first_step_after_a_silo_left() -> None:
    # All three silos would end here. What their steps promised says nothing of the two that are left.
    assert without("2", range(0)).federation.trips == 3
    found = without("2", range(3, 13))
    assert found.federation.trips > 3
    assert len(found.federation.state.arrays["steps"]) == found.federation.trips - 2


def test_rows_of_weight_0_are_in_nobodys_fit() -> None:
    frames = mixed_frames()
    features = {"a": {"type": "number", "range": [0, 200]}}
    weight = {"column": "weight", "range": [0, 4]}
    text = agreement(
        TARGETS["LogisticRegression"], features, "LogisticRegression", UNPENALISED, standardize=False, weight=weight
    )
    every = run(text, frames).federation.coefficients()
    some = run(text, {k: f[f["weight"] > 0].reset_index(drop=True) for k, f in frames.items()}).federation
    assert every == pytest.approx(some.coefficients(), rel=1e-6)
