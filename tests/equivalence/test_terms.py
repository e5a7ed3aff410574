"""Derived terms, indicators and every way to impute: the result is scikit-learn's on the pooled rows.

The oracle makes each column with scikit-learn's own classes on one pandas frame, then fits the same class.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, SplineTransformer, StandardScaler

from tests.equivalence.federation import federate

SILOS = {"north": 140, "east": 90, "south": 200}
LEVELS = {"sex": ["female", "male"], "cp": ["none", "mild", "severe"]}
STUDY = """\
study: terms
target: {target}
features:
  age: {{type: number, range: [20, 90]{age}}}
  crp: {{type: number, range: [0.1, 200]{crp}}}
  sex: {{type: category, levels: [female, male]{sex}}}
  cp: {{type: category, levels: [none, mild, severe]{cp}}}
terms:
{terms}
model: {{estimator: {estimator}, params: {params}, standardize: {standardize}}}
rules: {{aggregation: plain, min_cell: 1, rows_per_column: 0}}
evaluation: {{holdout: 0}}
"""
BINARY = ("{column: y, type: binary, positive: 1, negative: 0}", "LogisticRegression", "{C: 0.8}")
NUMBER = ("{column: z, type: number, range: [-200, 200]}", "LinearRegression", "{}")
RIDGE = ("{column: z, type: number, range: [-200, 200]}", "Ridge", "{alpha: 3.0}")
TERMS = {
    "product": "{type: interaction, columns: [age, crp]}",
    "age by sex": "{type: interaction, columns: [age, sex]}",
    "cp by age": "{type: interaction, columns: [cp, age]}",
    "sex by cp": "{type: interaction, columns: [sex, cp]}",
    "log crp": "{type: log, column: crp, keep: true}",
    "curve": "{type: spline, column: age, knots: [40, 55, 70]}",
}


def _frame(missing: bool) -> pd.DataFrame:
    rng = np.random.default_rng(20260101)
    n = sum(SILOS.values())
    silo = np.repeat(list(SILOS), list(SILOS.values()))
    age = (rng.uniform(25, 85, n) + 4 * (silo == "east")).clip(20, 90).round(1)
    crp = np.exp(rng.normal(1.5, 1, n)).clip(0.1, 200).round(2)
    sex, cp = rng.choice(LEVELS["sex"], n), rng.choice(LEVELS["cp"], n, p=[0.5, 0.3, 0.2])
    eta = 0.04 * (age - 55) + 0.5 * np.log(crp) * (sex == "male") + 0.02 * (age - 50) * (cp == "severe") - 0.5
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    frame = pd.DataFrame({"silo": silo, "age": age, "crp": crp, "sex": sex, "cp": cp, "y": y})
    frame["z"] = (10 * eta + rng.normal(0, 3, n)).round(3)
    if missing:
        for name, share in (("age", 0.1), ("crp", 0.2), ("sex", 0.07), ("cp", 0.15)):
            frame.loc[rng.random(n) < share, name] = None
    return frame


def _imputed(frame: pd.DataFrame, ways: dict[str, tuple[str, Any]]) -> pd.DataFrame:
    done = frame.copy()
    for name, (strategy, fill) in ways.items():
        gap = None if name in LEVELS else np.nan
        imputer = SimpleImputer(strategy=strategy, fill_value=fill, missing_values=gap)
        column = frame[[name]].astype(object).where(frame[[name]].notna(), None) if name in LEVELS else frame[[name]]
        done[name] = imputer.fit_transform(column)[:, 0]
    return done


def _dummies(frame: pd.DataFrame, name: str) -> Any:
    return OneHotEncoder(categories=[LEVELS[name]], drop="first", sparse_output=False).fit_transform(frame[[name]])


def _columns(frame: pd.DataFrame, ways: dict[str, tuple[str, Any]], flags: list[str], terms: list[str]) -> Any:
    """Return the pooled design before scaling, with its names and which columns are scaled."""
    full = _imputed(frame, ways)
    basis = SplineTransformer(degree=3, knots=np.array([[20.0], [40], [55], [70], [90]]), include_bias=False)
    product = PolynomialFeatures(2, interaction_only=True, include_bias=False)

    def times(a: Any, b: Any) -> Any:
        return np.column_stack([product.fit_transform(np.column_stack([u, v]))[:, 2] for u in a.T for v in b.T])

    number = {name: full[[name]].to_numpy(float) for name in ("age", "crp")}
    level = {name: _dummies(full, name) for name in LEVELS}
    found: list[tuple[list[str], Any, bool]] = []
    order = [name for name in ("age", "crp") if name in ways] + [n for n in ("age", "crp") if n not in ways]
    found += [([name], number[name], True) for name in order if not (name == "age" and "curve" in terms)]
    order = [name for name in LEVELS if name in ways] + [name for name in LEVELS if name not in ways]
    found += [([f"{name}[{v}]" for v in LEVELS[name][1:]], level[name], False) for name in order]
    for name in flags:
        gap = MissingIndicator(features="all", missing_values=np.nan)
        found.append(([f"{name}[missing]"], gap.fit_transform(frame[[name]].isna().replace(True, np.nan)), False))
    made: dict[str, tuple[list[str], Callable[[], Any], bool]] = {
        "product": (["product"], lambda: times(number["age"], number["crp"]), True),
        "age by sex": (["age by sex[male]"], lambda: times(number["age"], level["sex"]), True),
        "cp by age": (["cp by age[mild]", "cp by age[severe]"], lambda: times(level["cp"], number["age"]), True),
        "sex by cp": (
            ["sex by cp[male, mild]", "sex by cp[male, severe]"],
            lambda: times(level["sex"], level["cp"]),
            False,
        ),
        "log crp": (["log crp"], lambda: np.log(number["crp"]), True),
        "curve": ([f"curve[{k + 1}]" for k in range(6)], lambda: basis.fit_transform(number["age"]), True),
    }
    found += [(made[name][0], made[name][1](), made[name][2]) for name in terms]
    names = [name for part in found for name in part[0]]
    scaled = np.array([part[2] for part in found for _ in part[0]])
    return names, np.hstack([part[1] for part in found]).astype(float), scaled


WAYS: dict[str, tuple[str, dict[str, tuple[str, Any]]]] = {
    "complete": ("", {}),
    "mean and mode": (
        "impute: mean|impute: mean|impute: mode|impute: mode",
        {
            "age": ("mean", None),
            "crp": ("mean", None),
            "sex": ("most_frequent", None),
            "cp": ("most_frequent", None),
        },
    ),
    "constants": (
        "impute: constant, fill_value: 30|impute: mean|impute: level, fill_value: male|impute: mode",
        {
            "age": ("constant", 30.0),
            "crp": ("mean", None),
            "sex": ("constant", "male"),
            "cp": ("most_frequent", None),
        },
    ),
    "indicators": (
        "impute: mean, indicator: true|impute: constant, fill_value: 1.5|impute: mode|impute: mode, indicator: true",
        {
            "age": ("mean", None),
            "crp": ("constant", 1.5),
            "sex": ("most_frequent", None),
            "cp": ("most_frequent", None),
        },
    ),
}


@pytest.mark.parametrize(
    ("kind", "ways", "terms", "standardize"),
    [
        (NUMBER, "complete", list(TERMS), True),
        (NUMBER, "mean and mode", ["product", "age by sex", "sex by cp", "log crp"], True),
        (RIDGE, "mean and mode", list(TERMS), True),
        (RIDGE, "constants", list(TERMS), True),
        (RIDGE, "constants", list(TERMS), False),
        (RIDGE, "indicators", list(TERMS), True),
        (RIDGE, "indicators", [], True),
        (BINARY, "complete", ["product", "sex by cp", "curve"], True),
        (BINARY, "mean and mode", ["cp by age", "log crp"], True),
        (BINARY, "constants", ["curve", "age by sex"], True),
        (BINARY, "indicators", ["curve", "product"], True),
    ],
)
def test_terms_and_imputations_give_what_scikit_learn_gives_on_the_pooled_rows(
    kind: tuple[str, str, str], ways: str, terms: list[str], standardize: bool, tmp_path: Path
) -> None:
    target, estimator, params = kind
    said, strategies = WAYS[ways]
    parts = [f", {part}" for part in said.split("|")] if said else [""] * 4
    study = STUDY.format(
        target=target,
        age=parts[0],
        crp=parts[1],
        sex=parts[2],
        cp=parts[3],
        terms="\n".join(f"  {name}: {TERMS[name]}" for name in terms) or "  {}",
        estimator=estimator,
        params=params,
        standardize=str(standardize).lower(),
    )
    frame = _frame(bool(strategies))
    tables = {}
    for silo in SILOS:
        tables[silo] = tmp_path / f"{silo}.csv"
        frame[frame.silo == silo].drop(columns="silo").to_csv(tables[silo], index=False)
    found = federate(study, tables)
    flags = [name for name, part in zip(("age", "crp", "sex", "cp"), parts, strict=True) if "indicator" in part]
    names, raw, scaled = _columns(frame, strategies, flags, terms)
    scaler = StandardScaler().fit(raw)
    centre = np.where(scaled & standardize, scaler.mean_, 0.0)
    unit = np.where(scaled & standardize, scaler.scale_, 1.0)
    X = (raw - centre) / unit
    if estimator == "LogisticRegression":
        fitted = LogisticRegression(C=0.8, solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(X, frame.y)
    else:
        fitted = (LinearRegression() if estimator == "LinearRegression" else Ridge(3.0)).fit(X, frame.z)
    theirs = np.concatenate([np.ravel(fitted.intercept_), np.ravel(fitted.coef_)])
    own = found.coefficients()
    assert sorted(own) == sorted(["intercept", *names])
    values = np.array([own[name] for name in names])
    ours = np.concatenate([[own["intercept"] + values @ centre], values * unit])
    error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    assert error <= (1e-6 if estimator == "LogisticRegression" else 1e-8)
    assert found.trips <= (6 if estimator == "LogisticRegression" else 1)
