"""Columns chosen step by step, in one trip: R's printed path, and statsmodels' criterion along the path."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from fedcli.errors import ContradictoryStudy, SingularHessian
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.report.coefficients import coefficient_table
from fedcli.report.estimator import fitted_estimator
from fedcli.report.pooled import compare_pooled
from fedcli.study.reading import read_study
from tests.equivalence.federation import Federation, federate, spool_of
from tests.estimators.comparing import agreement
from tests.estimators.worlds import SPLITS, World, numbers, ranged

# Motor Trend, 1974; Henderson and Velleman, Biometrics 37 (1981): R's own mtcars.
MTCARS = """\
y,cyl,disp,hp,drat,wt,qsec,vs,am,gear,carb
21,6,160,110,3.9,2.62,16.46,0,1,4,4
21,6,160,110,3.9,2.875,17.02,0,1,4,4
22.8,4,108,93,3.85,2.32,18.61,1,1,4,1
21.4,6,258,110,3.08,3.215,19.44,1,0,3,1
18.7,8,360,175,3.15,3.44,17.02,0,0,3,2
18.1,6,225,105,2.76,3.46,20.22,1,0,3,1
14.3,8,360,245,3.21,3.57,15.84,0,0,3,4
24.4,4,146.7,62,3.69,3.19,20,1,0,4,2
22.8,4,140.8,95,3.92,3.15,22.9,1,0,4,2
19.2,6,167.6,123,3.92,3.44,18.3,1,0,4,4
17.8,6,167.6,123,3.92,3.44,18.9,1,0,4,4
16.4,8,275.8,180,3.07,4.07,17.4,0,0,3,3
17.3,8,275.8,180,3.07,3.73,17.6,0,0,3,3
15.2,8,275.8,180,3.07,3.78,18,0,0,3,3
10.4,8,472,205,2.93,5.25,17.98,0,0,3,4
10.4,8,460,215,3,5.424,17.82,0,0,3,4
14.7,8,440,230,3.23,5.345,17.42,0,0,3,4
32.4,4,78.7,66,4.08,2.2,19.47,1,1,4,1
30.4,4,75.7,52,4.93,1.615,18.52,1,1,4,2
33.9,4,71.1,65,4.22,1.835,19.9,1,1,4,1
21.5,4,120.1,97,3.7,2.465,20.01,1,0,3,1
15.5,8,318,150,2.76,3.52,16.87,0,0,3,2
15.2,8,304,150,3.15,3.435,17.3,0,0,3,2
13.3,8,350,245,3.73,3.84,15.41,0,0,3,4
19.2,8,400,175,3.08,3.845,17.05,0,0,3,2
27.3,4,79,66,4.08,1.935,18.9,1,1,4,1
26,4,120.3,91,4.43,2.14,16.7,0,1,5,2
30.4,4,95.1,113,3.77,1.513,16.9,1,1,5,2
15.8,8,351,264,4.22,3.17,14.5,0,1,5,4
19.7,6,145,175,3.62,2.77,15.5,0,1,5,6
15,8,301,335,3.54,3.57,14.6,0,1,5,8
21.4,4,121,109,4.11,2.78,18.6,1,1,4,2
"""


def played(world: World, split: str, params: dict[str, Any], folder: Path, **parts: Any) -> Federation:
    tables = {}
    for number, rows in enumerate(SPLITS[split](world)):
        tables[f"s{number}"] = folder / f"s{number}.csv"
        world.frame.iloc[rows].to_csv(tables[f"s{number}"], index=False)
    return federate(agreement(world, "StepwiseRegression", params, **parts), tables)


def words(found: Federation) -> dict[str, Any]:
    return coefficient_table(found.plan, found.state).attributes


def cars() -> World:
    frame = pd.read_csv(io.StringIO(MTCARS))
    target = {"column": "y", "type": "number", "range": [0, 50]}
    return World(frame, target, ranged(frame.drop(columns="y")))


@pytest.mark.parametrize("direction", ["backward", "both"])
@pytest.mark.parametrize("standardize", [True, False])
def test_the_path_is_that_which_r_prints(direction: str, standardize: bool, tmp_path: Path) -> None:
    found = played(cars(), "even", {"direction": direction}, tmp_path, standardize=standardize)
    assert found.trips == 1
    said = words(found)
    # step(lm(mpg ~ ., data = mtcars)): Start: AIC=70.9 ... Step: AIC=61.31, mpg ~ wt + qsec + am
    assert said["steps"] == ["- cyl", "- vs", "- carb", "- gear", "- drat", "- disp", "- hp"]
    assert [round(value, 2) for value in said["criterion"]] == [70.90, 68.92, 66.97, 65.12, 63.46, 62.16, 61.52, 61.31]
    assert said["selected"] == ["wt", "qsec", "am"]
    coef = found.coefficients()
    printed = {"intercept": 9.6178, "wt": -3.9165, "qsec": 1.2259, "am": 2.9358}
    assert {name: round(value, 4) for name, value in coef.items() if value} == printed


def grouped() -> World:
    """Diabetes with a category of four levels in the place of a number, and two of pure noise."""
    made = numbers("diabetes")
    frame, rng = made.frame.drop(columns="bp").copy(), np.random.default_rng(8)
    frame["pressure"] = [f"p{k}" for k in pd.qcut(made.frame["bp"], 4, labels=False)]
    frame["ward"] = rng.choice(["a", "b", "c"], len(frame))
    features = {name: column for name, column in made.features.items() if name != "bp"}
    features["pressure"] = {"type": "category", "levels": ["p0", "p1", "p2", "p3"]}
    features["ward"] = {"type": "category", "levels": ["a", "b", "c"]}
    return World(frame, made.target, features)


WORLDS = {"diabetes": grouped, "wine": lambda: numbers("wine"), "breast_cancer": lambda: numbers("breast_cancer")}


def design(world: World, names: list[str]) -> pd.DataFrame:
    parts = [pd.DataFrame({"const": np.ones(len(world.frame))}, index=world.frame.index)]
    for name in names:
        column = world.features[name]
        if column["type"] == "number":
            parts.append(world.frame[[name]])
        else:
            parts += [
                (world.frame[name] == level).astype(float).rename(f"{name}[{level}]") for level in column["levels"][1:]
            ]
    return pd.concat(parts, axis=1)


@pytest.mark.parametrize("split", ["even", "by label", "by covariate", "pathological"])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", [{"direction": "forward"}, {"criterion": "bic"}], ids=str)
def test_each_step_is_the_best_by_statsmodels(world: str, split: str, params: dict[str, Any], tmp_path: Path) -> None:
    made = WORLDS[world]()
    made = World(made.frame, made.target, dict(list(made.features.items())[-9:]))
    found = played(made, split, params, tmp_path)
    said, y, n = words(found), made.frame["y"], len(made.frame)
    forward, names = params.get("direction") == "forward", list(made.features)
    chosen = [] if forward else list(names)

    def value(some: list[str]) -> float:
        fit = sm.OLS(y, design(made, some)).fit()
        own = fit.bic if params.get("criterion") == "bic" else fit.aic
        return float(own - n * (math.log(2 * math.pi) + 1))

    assert said["criterion"][0] == pytest.approx(value(chosen), rel=1e-9)
    for step, after in zip([*said["steps"], None], [*said["criterion"][1:], None], strict=True):
        into = [] if params.get("direction") == "backward" else [name for name in names if name not in chosen]
        trials = {f"+ {name}": [*chosen, name] for name in into}
        trials |= {} if forward else {f"- {name}": [of for of in chosen if of != name] for name in chosen}
        values = {name: value(some) for name, some in trials.items()}
        if step is None:
            assert min(values.values(), default=math.inf) > value(chosen) - 1e-6
            break
        assert values[step] == pytest.approx(min(values.values()), rel=1e-9)
        assert after == pytest.approx(values[step], rel=1e-9)
        chosen = trials[step]
    assert sorted(said["selected"]) == sorted(chosen)
    wanted = sm.OLS(y, design(made, chosen)).fit().params.rename({"const": "intercept"})
    ours = pd.Series({name: v for name, v in found.coefficients().items() if name in wanted.index})
    assert set(ours.index) == set(wanted.index)
    assert np.linalg.norm(ours - wanted[ours.index]) <= 1e-8 * np.linalg.norm(wanted)
    assert not any(v for name, v in found.coefficients().items() if name not in wanted.index)


def test_the_result_is_a_linear_regression_and_a_simulation_compares_it(tmp_path: Path) -> None:
    made = grouped()
    terms = {"curve": {"type": "spline", "column": "bmi", "knots": [0.0, 0.05]}}
    found = played(made, "by label", {}, tmp_path, terms=terms)
    estimator = fitted_estimator(found.plan, found.state)
    assert type(estimator).__name__ == "LinearRegression"
    names = [name for name, _ in found.plan.columns.wholes]
    assert names == [*(n for n in made.features if n not in ("bmi", "pressure", "ward")), "pressure", "ward", "curve"]
    kept = {name: set(columns) for name, columns in found.plan.columns.wholes}
    # All of a category or a curve, or nothing of it.
    for name in ("pressure", "ward", "curve"):
        used = {bool(estimator.coef_[at - 1]) for at in kept[name]}
        assert used == {name in words(found)["selected"]}
    silos = {}
    for path in sorted(tmp_path.glob("s*.csv")):
        silos[path.stem] = Rows.together([rows for _, rows in spool_of(found.plan.study, path).blocks()])
    compared = compare_pooled(found.plan, found.state, silos)
    assert compared.relative_error <= 1e-8


def test_interactions_are_refused() -> None:
    text = agreement(cars(), "StepwiseRegression", terms={"both": {"type": "interaction", "columns": ["wt", "hp"]}})
    with pytest.raises(ContradictoryStudy, match="may not stay where its factors go"):
        _ = Plan(read_study(text)).family


def test_columns_that_tell_the_outcome_exactly_are_refused(tmp_path: Path) -> None:
    made = cars()
    frame = made.frame.assign(disp=10 * made.frame["y"])
    world = World(frame, made.target, {**made.features, "disp": {"type": "number", "range": [0, 500]}})
    with pytest.raises(SingularHessian, match="tell the outcome exactly"):
        played(world, "even", {}, tmp_path)
