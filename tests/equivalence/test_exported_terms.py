"""The exported Pipeline of a study with terms, indicators and typed columns: the same predictions as fedcli's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io

from fedcli.data.checking import RowReader
from fedcli.data.mapping import Mapping
from fedcli.data.reading import open_table
from fedcli.report.coefficients import coefficient_table
from fedcli.report.pipeline import build_pipeline, pipeline_limits
from fedcli.report.pooled import compare_pooled
from tests.equivalence.federation import Federation, federate

SILOS = {"north": 120, "east": 90, "south": 150}
STUDY = """\
study: typed
target: {target}
features:
  age: {{type: number, range: [20, 90], outside: clip, missing: [-9]{mean}}}
  crp: {{type: number, range: [0.1, 200]{constant}}}
  visits: {{type: count, range: [0, 40], missing: [99]{mean}}}
  admitted: {{type: date, range: [2010-01-01, 2023-12-31], missing: [9999-12-31]{date}}}
  sex: {{type: category, levels: [female, male]{mode}}}
  grade: {{type: category, levels: [1, 2, 3], missing: [9]{level}}}
  smoker: {{type: boolean, missing: [9]{mode}}}
terms:
{terms}
model: {{estimator: {estimator}, params: {{}}, standardize: {standardize}}}
rules: {{aggregation: plain, min_cell: 1, rows_per_column: 0}}
evaluation: {{holdout: 0}}
"""
FULL = dict.fromkeys(("mean", "constant", "date", "mode", "level"), "")
GAPS = {
    "mean": ", impute: mean, indicator: true",
    "constant": ", impute: constant, fill_value: 2.5",
    "date": ", impute: constant, fill_value: 2015-06-01, indicator: true",
    "mode": ", impute: mode, indicator: true",
    "level": ", impute: level, fill_value: 3, indicator: true",
}
TERMS = """\
  age by visits: {type: interaction, columns: [age, visits]}
  age by grade: {type: interaction, columns: [age, grade]}
  smoker by admitted: {type: interaction, columns: [smoker, admitted]}
  sex by grade: {type: interaction, columns: [sex, grade]}
  log crp: {type: log, column: crp}
"""
SPLINE = "  curve: {type: spline, column: age, knots: [40, 60], degree: 2, keep: true}\n"
BINARY = {"target": "{column: y, type: binary, positive: 1, negative: 0}", "estimator": "LogisticRegression"}
NUMBER = {"target": "{column: z, type: number, range: [-50, 60]}", "estimator": "Ridge"}


def frame(silo: str, gaps: bool) -> pd.DataFrame:
    """One silo's raw table, codes for missing values among the gaps."""
    rng = np.random.default_rng([ord(c) for c in silo])
    n = SILOS[silo]
    age = rng.uniform(15, 95, n).round(1)
    table = pd.DataFrame({"age": age, "crp": np.exp(rng.normal(1, 1, n)).clip(0.1, 200).round(2)})
    table["visits"] = rng.poisson(4, n)
    days = rng.integers(0, 5000, n).astype("timedelta64[D]")
    table["admitted"] = (np.datetime64("2010-01-01") + days).astype(str)
    table["sex"] = rng.choice(["female", "male"], n)
    table["grade"] = rng.choice([1, 2, 3], n)
    table["smoker"] = rng.choice([0, 1], n)
    odds = 0.04 * (age - 55) + 0.5 * table["smoker"] - 0.1 * table["visits"] + 0.3 * (table["grade"] == 2)
    table["y"] = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    table["z"] = (5 * odds + rng.normal(0, 2, n)).round(3)
    if gaps:
        codes = {"age": -9, "visits": 99, "admitted": "9999-12-31", "sex": None, "grade": 9, "smoker": 9}
        for name, code in {**codes, "crp": None}.items():
            # A gap is sometimes empty and sometimes a code.
            table[name] = table[name].astype(object)
            table.loc[rng.random(n) < 0.1, name] = code
            table.loc[rng.random(n) < 0.05, name] = None
    return table


def trained(folder: Path, kind: dict[str, str], gaps: bool, terms: str, standardize: bool = True) -> Federation:
    ways = GAPS if gaps else FULL
    study = STUDY.format(**kind, **ways, terms=terms, standardize=str(standardize).lower())
    tables = {silo: folder / f"{silo}.csv" for silo in SILOS}
    for silo, path in tables.items():
        frame(silo, gaps).to_csv(path, index=False)
    return federate(study, tables)


def own_scores(found: Federation, path: Path) -> np.ndarray:
    """The linear predictor as `predict` forms it."""
    plan, state = found.plan, found.state
    (rows,) = RowReader(plan.study, Mapping.identity(), open_table(path), features_only=True)
    return np.asarray(plan.preparation(state).matrix(rows) @ state.arrays["coef"])


def as_expected(table: Any) -> Any:
    """The table as the export's words have it: a date as years since 2000, by pandas or polars."""
    day = np.array(["NaT" if v in (None, "9999-12-31") or v != v else v for v in table["admitted"]], "datetime64[D]")
    years = np.where(np.isnat(day), np.nan, (day - np.datetime64("2000-01-01")).astype(float) / 365.25)
    if isinstance(table, pd.DataFrame):
        return table.assign(admitted=years)
    return table.with_columns(pl.Series("admitted", years))


@pytest.mark.parametrize(
    ("kind", "gaps", "terms", "standardize", "trusted"),
    [
        (NUMBER, True, TERMS, True, {"numpy.dtype"}),
        (NUMBER, True, TERMS, False, {"numpy.dtype"}),
        (BINARY, True, TERMS, True, {"numpy.dtype"}),
        (NUMBER, False, TERMS, True, {"numpy.dtype"}),
        (NUMBER, True, TERMS + SPLINE, True, None),
    ],
)
def test_the_pipeline_predicts_what_fedcli_predicts(
    kind: dict[str, str], gaps: bool, terms: str, standardize: bool, trusted: set[str] | None, tmp_path: Path
) -> None:
    found = trained(tmp_path, kind, gaps, terms, standardize)
    data = skops.io.dumps(build_pipeline(found.plan, found.state))
    asked = skops.io.get_untrusted_types(data=data)
    if trusted is None:
        # scikit-learn keeps a spline as SciPy's object.
        assert all(name.startswith(("numpy.", "scipy.")) for name in asked)
    else:
        assert set(asked) <= trusted
    pipeline = skops.io.loads(data, trusted=asked)
    eta = own_scores(found, tmp_path / "east.csv")
    raw = pd.read_csv(tmp_path / "east.csv")
    for table in (raw, pl.read_csv(tmp_path / "east.csv")):
        if kind is BINARY:
            ours = 1 / (1 + np.exp(-eta))
            theirs = pipeline.predict_proba(as_expected(table))[:, 1]
        else:
            ours = found.plan.target.middle + found.plan.target.half * eta
            theirs = pipeline.predict(as_expected(table))
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-9)


def test_the_export_says_how_dates_and_answers_arrive(tmp_path: Path) -> None:
    said = pipeline_limits(trained(tmp_path, NUMBER, False, TERMS).plan.study)
    assert "the Pipeline expects 'admitted' as a number: years since 2000-01-01 (days / 365.25)" in said
    assert "the Pipeline expects yes and no as the numbers 1 and 0: smoker" in said
    assert not any("9999" in sentence for sentence in said)


def test_the_coefficient_table_lists_indicators_and_terms_behind_the_features(tmp_path: Path) -> None:
    found = trained(tmp_path, NUMBER, True, TERMS)
    assert list(coefficient_table(found.plan, found.state).coefficients) == [
        *("age", "visits", "admitted", "sex[male]", "grade[2]", "grade[3]", "smoker[true]"),
        *("age[missing]", "visits[missing]", "admitted[missing]", "sex[missing]", "grade[missing]", "smoker[missing]"),
        *("age by visits", "age by grade[2]", "age by grade[3]", "smoker by admitted[true]"),
        *("sex by grade[male, 2]", "sex by grade[male, 3]", "log crp"),
    ]


@pytest.mark.parametrize(("kind", "gaps"), [(NUMBER, True), (BINARY, True), (BINARY, False)])
def test_a_simulation_compares_with_the_same_parts_fitted_on_the_pooled_rows(
    kind: dict[str, str], gaps: bool, tmp_path: Path
) -> None:
    found = trained(tmp_path, kind, gaps, TERMS + SPLINE)
    rows = {}
    for silo in SILOS:
        (rows[silo],) = RowReader(found.plan.study, Mapping.identity(), open_table(tmp_path / f"{silo}.csv"))
    compared = compare_pooled(found.plan, found.state, rows)
    limit = 1e-6 if kind is BINARY else 1e-9
    assert compared.relative_error <= limit
    ours, theirs = (np.array(values) for values in list(zip(*compared.numbers, strict=True))[1:])
    assert np.linalg.norm(ours - theirs) <= limit * np.linalg.norm(theirs)
