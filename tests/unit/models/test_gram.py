from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from fedcli.errors import SingularHessian
from tests.equivalence.cases import Frames, agreement, run

TARGET = {"column": "y", "type": "number", "range": [-1e5, 1e5]}


def silos(frame: pd.DataFrame) -> Frames:
    parts = np.array_split(np.arange(len(frame)), 3)
    return {str(k): frame.iloc[rows].reset_index(drop=True) for k, rows in enumerate(parts)}


def numbers(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.normal(size=90), "z": rng.normal(size=90)})
    return frame.assign(y=2 + frame["x"] - 3 * frame["z"] + rng.normal(size=90)).assign(**columns)


def features(**ranges: list[float]) -> dict[str, Any]:
    return {name: {"type": "number", "range": span} for name, span in ranges.items()}


def test_columns_that_copy_each_other_get_the_fit_of_least_norm() -> None:
    frame = numbers(z=lambda f: f["x"])
    text = agreement(TARGET, features(x=[-5, 5], z=[-5, 5]), "LinearRegression", standardize=False)
    found = run(text, silos(frame))
    pooled = LinearRegression().fit(frame[["x", "z"]], frame["y"])
    got = found.federation.coefficients()
    assert [got["x"], got["z"]] == pytest.approx(pooled.coef_.tolist(), rel=1e-9)
    assert got["intercept"] == pytest.approx(pooled.intercept_, rel=1e-9)
    assert found.federation.state.arrays["null"].shape[1] == 1


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("value", [2.0, 0.1])
@pytest.mark.parametrize("estimator", ["LinearRegression", "Ridge"])
def test_a_constant_column_gets_the_coefficient_0(estimator: str, value: float, standardize: bool, holes: bool) -> None:
    frame, columns = numbers(z=value), features(x=[-5, 5], z=[-5, 5])
    if holes:
        columns["z"]["impute"] = "mean"
        frame.loc[::7, "z"] = np.nan
    found = run(agreement(TARGET, columns, estimator, standardize=standardize), silos(frame))
    assert found.federation.coefficients()["z"] == 0.0
    assert found.errors[-1] <= 1e-8


def test_a_column_without_a_value_at_any_silo_gets_the_coefficient_0() -> None:
    columns = features(x=[-5, 5], z=[-5, 5])
    columns["z"]["impute"] = "mean"
    found = run(agreement(TARGET, columns, "LinearRegression"), silos(numbers(z=np.nan)))
    assert found.federation.coefficients()["z"] == 0.0
    assert found.errors[-1] <= 1e-8


@pytest.mark.parametrize("level", ["u", "v"])
def test_a_level_that_everybody_has_gets_the_coefficient_0(level: str) -> None:
    columns = features(x=[-5, 5]) | {"h": {"type": "category", "levels": ["u", "v"]}}
    weights = np.random.default_rng(1).uniform(0.1, 3, 90)
    weight = {"column": "w", "range": [0, 4]}
    found = run(agreement(TARGET, columns, "LinearRegression", weight=weight), silos(numbers(h=level, w=weights)))
    assert found.federation.coefficients()["h[v]"] == pytest.approx(0.0, abs=1e-12)
    assert found.errors[-1] <= 1e-8


def test_a_spread_of_a_millionth_of_the_range_costs_no_digit() -> None:
    rng = np.random.default_rng(0)
    frame = numbers(x=5e5 + rng.normal(size=90))
    frame["y"] = frame["x"] - 5e5 + frame["z"] + rng.normal(size=90)
    text = agreement(TARGET, features(x=[-1e6, 1e6], z=[-5, 5]), "LinearRegression")
    assert run(text, silos(frame)).errors[-1] <= 1e-8


def test_weights_that_are_all_0_are_refused() -> None:
    weight = {"column": "w", "range": [0, 4]}
    with pytest.raises(SingularHessian, match="weights of all rows are 0"):
        run(agreement(TARGET, features(x=[-5, 5]), "Ridge", weight=weight), silos(numbers(w=0)))


def test_the_residual_is_the_pooled_sum_of_squares() -> None:
    frame = numbers()
    found = run(agreement(TARGET, features(x=[-5, 5], z=[-5, 5]), "LinearRegression"), silos(frame))
    pooled = LinearRegression().fit(frame[["x", "z"]], frame["y"])
    expected = ((frame["y"] - pooled.predict(frame[["x", "z"]])) ** 2).sum()
    assert found.federation.state.arrays["residual"][0] == pytest.approx(expected, rel=1e-6)


def test_a_ridge_of_0_is_least_squares() -> None:
    text = [
        agreement(TARGET, features(x=[-5, 5], z=[-5, 5]), *spec)
        for spec in (("Ridge", {"alpha": 0.0}), ("LinearRegression",))
    ]
    ridge, plain = (run(each, silos(numbers())).federation.coefficients() for each in text)
    assert ridge == pytest.approx(plain, rel=1e-12)


def test_a_closed_form_names_itself() -> None:
    found = run(agreement(TARGET, features(x=[-5, 5]), "Ridge"), silos(numbers()))
    assert found.federation.reason.code == "closed-form"


def test_one_row_at_every_silo_is_enough_to_sum() -> None:
    frame = numbers().iloc[:3]
    frames = {str(k): frame.iloc[[k]] for k in range(3)}
    assert run(agreement(TARGET, features(x=[-5, 5]), "LinearRegression"), frames).errors[-1] <= 1e-8
