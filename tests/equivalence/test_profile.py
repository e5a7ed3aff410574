"""The profile of the pool is what NumPy, scikit-learn and statsmodels say of the pooled rows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from statsmodels.stats.outliers_influence import variance_inflation_factor

from fedcli.fileformat.statistics import State
from fedcli.preparing.plan import Plan
from fedcli.report.pipeline import build_pipeline
from fedcli.study.reading import read_study
from tests.equivalence.cases import HEART, HEART_TARGET, agreement, heart_frames, heart_paths
from tests.equivalence.federation import Federation, federate

SHARES = {1: 0.25, 2: 0.5, 3: 0.75}


@cache
def heart(min_cell: int) -> tuple[Federation, pd.DataFrame]:
    """Four hospitals, their files as they are: 0 and ? for missing, whole numbers and decimals."""
    text = agreement(
        HEART_TARGET,
        HEART,
        "LogisticRegression",
        rules={"min_cell": min_cell, "rows_per_column": 0},
        profile={"bins": 128, "by_target": True, "correlation": True},
    )
    found = federate(text, heart_paths())
    return found, pd.concat(heart_frames().values(), ignore_index=True)


def groups_of(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """All, negative, positive."""
    return [frame, frame[frame.num == 0], frame[frame.num > 0]]


@pytest.mark.parametrize("min_cell", [1, 5, 10])
def test_four_hospitals_are_described_as_numpy_describes_their_pooled_rows(min_cell: int) -> None:
    found, pooled = heart(min_cell)
    columns, arrays = found.plan.columns, found.state.arrays
    for g, frame in enumerate(groups_of(pooled)):
        assert arrays["profile.rows"][g] == len(frame)
        for j, (name, _) in enumerate(columns.numbers):
            values = frame[name].dropna().to_numpy(float)
            missing = len(frame) - len(values)
            if 0 < missing < min_cell:
                # Of all rows, 8 lack slightly more than one column; of negative ones fewer than 10 may.
                assert arrays["profile.missing"][g, j] < 0
                continue
            if arrays["profile.present"][g, j] < 0:
                continue  # it would give the other class's small count away
            assert arrays["profile.present"][g, j] == len(values)
            assert arrays["profile.missing"][g, j] == missing
            assert arrays["profile.mean"][g, j] == pytest.approx(np.mean(values), rel=1e-12)
            assert arrays["profile.deviation"][g, j] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
            points = arrays["profile.points"][g, j]
            for k, share in SHARES.items():
                estimate, lower, upper = points[k]
                assert lower <= np.quantile(values, share) <= upper
                assert lower <= estimate <= upper
            assert points[0, 1] <= values.min() <= points[0, 2]
            assert points[4, 1] <= values.max() <= points[4, 2]
        at = 0
        for name, column in columns.categories:
            said = arrays["profile.levels"][g, at : at + 1 + len(column.levels)]
            true = [frame[name].isna().sum(), *((frame[name] == level).sum() for level in column.levels)]
            assert all(a == b or (a < 0 and min_cell > 1) for a, b in zip(said, true, strict=True))
            at += 1 + len(column.levels)


@pytest.mark.parametrize("min_cell", [1, 5])
def test_each_of_several_classes_is_described_as_numpy_describes_its_pooled_rows(min_cell: int) -> None:
    """The five degrees of disease, at four hospitals; of the first class by subtraction."""
    degrees = {"column": "num", "type": "category", "levels": [0, 1, 2, 3, 4]}
    features = {name: HEART[name] for name in ("age", "chol", "sex", "cp")}
    rules = {"min_cell": min_cell, "rows_per_column": 0}
    text = agreement(degrees, features, "LinearDiscriminantAnalysis", rules=rules, profile={"bins": 128})
    found = federate(text, heart_paths())
    pooled, arrays = pd.concat(heart_frames().values(), ignore_index=True), found.state.arrays
    frames = [pooled, *(pooled[pooled.num == degree] for degree in range(5))]
    assert arrays["profile.rows"].tolist() == [len(frame) for frame in frames]
    for g, frame in enumerate(frames):
        for j, (name, _) in enumerate(found.plan.columns.numbers):
            values = frame[name].dropna().to_numpy(float)
            assert arrays["profile.present"][g, j] == len(values)
            assert arrays["profile.mean"][g, j] == pytest.approx(np.mean(values), rel=1e-12)
            assert arrays["profile.deviation"][g, j] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
            for point, share in zip(arrays["profile.points"][g, j], (0, 0.25, 0.5, 0.75, 1), strict=True):
                assert point[1] <= np.quantile(values, share) <= point[2]
        at = 0
        for name, column in found.plan.columns.categories:
            said = arrays["profile.levels"][g, at : at + 1 + len(column.levels)]
            true = [frame[name].isna().sum(), *((frame[name] == level).sum() for level in column.levels)]
            assert all(a == b or (a < 0 and min_cell > 1) for a, b in zip(said, true, strict=True))
            at += 1 + len(column.levels)


@pytest.mark.parametrize(("min_cell", "bins"), [(1, 1), (5, 8)])
def test_the_quartiles_of_four_hospitals_are_known_to_a_few_bins(min_cell: int, bins: int) -> None:
    """One bin is a 128th of the range, 5 mg/dl of cholesterol; where one row may be shown, it is one bin for each."""
    found, _ = heart(min_cell)
    points = found.state.arrays["profile.points"]
    for j, (name, column) in enumerate(found.plan.columns.numbers):
        if min_cell > 1 and name == "ca":
            continue  # four values in all: a quartile is where many rows are equal, its neighbour far off
        widths = points[0, j, 1:4, 2] - points[0, j, 1:4, 1]
        assert (widths <= bins * 2 * column.half / 128 * (1 + 1e-9)).all(), name


@pytest.mark.parametrize("min_cell", [1, 5])
@pytest.mark.parametrize(
    ("column", "values", "exact"),
    [
        ({"type": "count", "range": [0, 60]}, (3, 4), True),
        ({"type": "number", "range": [0, 60]}, (10, 12), False),
        ({"type": "number", "range": [0, 20]}, (1, 3), False),
    ],
)
def test_a_median_is_a_value_that_rows_have(
    column: dict[str, Any], values: tuple[float, float], exact: bool, min_cell: int, tmp_path: Path
) -> None:
    """Two values far from the ends of the range, one cell in ten missing: what fills is the commoner one."""
    rng, tables = np.random.default_rng(1), {}
    for silo in ("north", "east", "south"):
        v = rng.choice([*values, np.nan], 400, p=[0.6, 0.3, 0.1])
        frame = pd.DataFrame({"v": v, "y": rng.integers(0, 2, 400)})
        tables[silo] = tmp_path / f"{silo}.csv"
        frame.to_csv(tables[silo], index=False)
    pooled = pd.concat([pd.read_csv(path) for path in tables.values()]).v
    text = agreement(
        BINARY, {"v": {**column, "impute": "median"}}, "LogisticRegression", rules={"min_cell": min_cell}, profile={}
    )
    found = federate(text, tables)
    bin_width = 0 if exact else column["range"][1] / 64
    estimate = found.state.arrays["profile.medians"][0, 0]
    assert fills(found.plan, found.state)["v"] == pytest.approx(estimate, abs=1e-12)
    assert abs(estimate - pooled.median()) <= bin_width
    for (said, low, high), share in zip(found.state.arrays["profile.points"][0, 0, 1:4], SHARES.values(), strict=True):
        assert low <= np.quantile(pooled.dropna(), share) <= high
        assert low <= said <= high <= low + bin_width * (1 + 1e-9)


def design_of(frame: pd.DataFrame, plan: Plan, fill: dict[str, float]) -> Any:
    """The pooled imputed design by scikit-learn, in the order of the study's design."""
    parts = []
    for name, _ in plan.columns.numbers:
        imputer = SimpleImputer(strategy="constant", fill_value=fill[name])
        parts.append(imputer.fit_transform(frame[[name]].astype(float)))
    for name, column in plan.columns.categories:
        text = frame[[name]].astype(object).where(frame[[name]].notna(), None)
        full = SimpleImputer(strategy="most_frequent", missing_values=None).fit_transform(text)
        parts.append(
            OneHotEncoder(categories=[list(column.levels)], drop="first", sparse_output=False).fit_transform(full)
        )
    return np.hstack(parts)


def fills(plan: Plan, state: State) -> dict[str, float]:
    values = plan.preparation(state).fill * plan.columns.half + plan.columns.middle
    return dict(zip([name for name, _ in plan.columns.numbers], values.tolist(), strict=True))


def assert_correlated(found: Federation, frame: pd.DataFrame) -> None:
    arrays, plan = found.state.arrays, found.plan
    X = design_of(frame, plan, fills(plan, found.state))
    assert np.abs(arrays["profile.correlation"] - np.corrcoef(X, rowvar=False)).max() <= 1e-10
    with_one = np.column_stack([np.ones(len(X)), X])
    theirs = [variance_inflation_factor(with_one, i) for i in range(1, with_one.shape[1])]
    assert arrays["profile.inflation"] == pytest.approx(np.array(theirs), rel=1e-8)


def test_correlation_and_inflation_of_a_likelihood_are_those_of_the_pooled_design() -> None:
    found, pooled = heart(1)
    assert_correlated(found, pooled)


FEATURES = {
    "age": {"type": "number", "range": [20, 90]},
    "crp": {"type": "number", "range": [0, 200], "impute": "median"},
    "weeks": {"type": "number", "range": [0, 64], "impute": "median", "indicator": True},
    "sex": {"type": "category", "levels": ["female", "male"], "impute": "mode"},
}
SILOS = {"north": 150, "east": 90, "south": 201}


def made_up() -> pd.DataFrame:
    rng = np.random.default_rng(20260606)
    n = sum(SILOS.values())
    age = rng.uniform(25, 85, n).round(1)
    crp = (np.exp(rng.normal(1.5, 1, n)) + age / 20).clip(0, 200).round(2)
    frame = pd.DataFrame({"age": age, "crp": crp, "weeks": rng.poisson(9, n).astype(float)})
    frame["sex"] = rng.choice(["female", "male"], n)
    frame["z"] = (0.3 * age + crp + 0.5 * frame.weeks + 4 * (frame.sex == "male") + rng.normal(0, 3, n)).round(3)
    frame["y"] = ((frame.z > frame.z.median()) ^ (rng.random(n) < 0.2)).astype(int)
    frame["w"] = rng.uniform(0, 3, n).round(2)
    for name, share in (("crp", 0.2), ("weeks", 0.15), ("sex", 0.1)):
        frame.loc[rng.random(n) < share, name] = None
    frame["silo"] = np.repeat(list(SILOS), list(SILOS.values()))
    return frame


def federated(
    tmp_path: Path, target: dict[str, Any], estimator: str, features: dict[str, Any], **parts: Any
) -> Federation:
    frame, tables = made_up(), {}
    for silo in SILOS:
        tables[silo] = tmp_path / f"{silo}.csv"
        frame[frame.silo == silo].drop(columns="silo").to_csv(tables[silo], index=False)
    rules = {"aggregation": "plain", "min_cell": 5, "rows_per_column": 0}
    return federate(agreement(target, features, estimator, rules=rules, **parts), tables)


NUMBER = {"column": "z", "type": "number", "range": [-50, 300]}
BINARY = {"column": "y", "type": "binary", "positive": 1, "negative": 0}


@pytest.mark.parametrize("weighted", [False, True])
def test_correlation_of_a_closed_form_is_unweighted_and_costs_a_block_only_where_weights_are(
    weighted: bool, tmp_path: Path
) -> None:
    parts: dict[str, Any] = {"weight": {"column": "w", "range": [0, 4]}} if weighted else {}
    features = {name: {k: v for k, v in column.items() if k != "indicator"} for name, column in FEATURES.items()}
    found = federated(tmp_path, NUMBER, "Ridge", features, profile={"bins": 64, "correlation": True}, **parts)
    assert ("correlation" in [block.name for block in found.plan.profile.layout()]) is weighted
    assert_correlated(found, made_up())


def pooled_fit(frame: pd.DataFrame, estimator: Any, imputers: dict[str, SimpleImputer], target: str) -> Any:
    """Fit on the pooled rows with scikit-learn's own imputation; coefficients on the standardised scale."""
    names = ["crp", "weeks", "age"]
    steps = [(name, make_pipeline(imputers.get(name, "passthrough"), StandardScaler()), [name]) for name in names]
    text = frame.assign(sex=frame.sex.astype(object).where(frame.sex.notna(), None))
    mode = SimpleImputer(strategy="most_frequent", missing_values=None)
    encode = OneHotEncoder(categories=[["female", "male"]], drop="first", sparse_output=False)
    prepare = ColumnTransformer([*steps, ("sex", make_pipeline(mode, encode), ["sex"])], sparse_threshold=0)
    X = np.column_stack([prepare.fit_transform(text), frame.weeks.isna()])
    fitted = estimator.fit(X, frame[target])
    scalers = [prepare.named_transformers_[name][-1] for name in names]
    return (
        np.concatenate([np.ravel(fitted.intercept_), np.ravel(fitted.coef_)]),
        np.array([*(scaler.mean_[0] for scaler in scalers), 0, 0]),
        np.array([*(scaler.scale_[0] for scaler in scalers), 1, 1]),
    )


@pytest.mark.parametrize("with_profile", [False, True])
@pytest.mark.parametrize("kind", ["LinearRegression", "LogisticRegression"])
def test_a_median_fills_as_scikit_learn_does_with_that_value(kind: str, with_profile: bool, tmp_path: Path) -> None:
    target = NUMBER if kind == "LinearRegression" else BINARY
    parts: dict[str, Any] = {"profile": {"bins": 64}} if with_profile else {}
    found = federated(tmp_path, target, kind, FEATURES, **parts)
    frame, plan = made_up(), found.plan
    value = fills(plan, found.state)
    medians = found.state.arrays["profile.medians"]
    for (estimate, lower, upper), name in zip(medians, ["crp", "weeks"], strict=True):
        assert lower <= frame[name].median() <= upper
        assert estimate == pytest.approx(value[name], rel=1e-14)
    imputers = {name: SimpleImputer(strategy="constant", fill_value=value[name]) for name in ("crp", "weeks")}
    linear = kind == "LinearRegression"
    estimator = LinearRegression() if linear else LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000)
    coef, centre, unit = pooled_fit(frame, estimator, imputers, target["column"])
    own = found.coefficients()
    slopes = np.array([own[name] for name in ("crp", "weeks", "age", "sex[male]", "weeks[missing]")])
    ours = np.concatenate([[own["intercept"] + slopes @ centre], slopes * unit])
    assert np.linalg.norm(ours - coef) / np.linalg.norm(coef) <= (1e-8 if linear else 1e-6)
    assert found.trips == 1 or not linear


def test_a_median_of_whole_numbers_is_scikit_learns_own(tmp_path: Path) -> None:
    """A bin for each whole number: the median is exact, and so is the fit with strategy median."""
    count = {"type": "count", "range": [0, 40], "impute": "median"}
    features = {"weeks": count, "age": FEATURES["age"]}
    found = federated(tmp_path, NUMBER, "LinearRegression", features)
    frame = made_up()
    estimate, lower, upper = found.state.arrays["profile.medians"][0]
    assert estimate == lower == upper == frame.weeks.median()
    full = SimpleImputer(strategy="median").fit_transform(frame[["weeks", "age"]])
    fitted = LinearRegression().fit(StandardScaler().fit_transform(full), frame.z)
    scale = full.std(axis=0)
    own = found.coefficients()
    assert np.array([own["weeks"], own["age"]]) == pytest.approx(fitted.coef_ / scale, rel=1e-8)


def test_a_study_without_profile_has_the_layout_of_earlier_versions() -> None:
    features = {"age": FEATURES["age"], "sex": FEATURES["sex"]}
    plan = Plan(read_study(agreement(BINARY, features, "LogisticRegression")))
    assert not plan.profile.layout().blocks
    with_profile = json.loads(agreement(BINARY, features, "LogisticRegression", profile={}))
    assert with_profile["profile"] == {}
    assert [b.name for b in Plan(read_study(json.dumps(with_profile))).profile.layout()] == [
        "positive.rows",
        "positive.present",
        "positive.sums",
        "positive.squares",
        "positive.levels",
        "below",
        "positive.below",
    ]


def test_the_exported_pipeline_fills_the_median_and_predicts_as_the_study_does(tmp_path: Path) -> None:
    features = {name: {k: v for k, v in column.items() if k != "indicator"} for name, column in FEATURES.items()}
    found = federated(tmp_path, NUMBER, "Ridge", features)
    frame, plan = made_up(), found.plan
    X = design_of(frame, plan, fills(plan, found.state))
    own = found.coefficients()
    by_hand = own["intercept"] + X @ np.array([own[name] for name in plan.columns.names])
    table = frame[list(features)].assign(sex=frame.sex.astype(object).where(frame.sex.notna(), None))
    assert build_pipeline(plan, found.state).predict(table) == pytest.approx(by_hand, rel=1e-10)
