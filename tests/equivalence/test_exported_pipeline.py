"""The exported Pipeline on the raw tables, missing codes and all: what pooled scikit-learn predicts on clean ones."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io

from fedcli.report.coefficients import class_labels
from fedcli.report.pipeline import build_pipeline, pipeline_limits
from fedcli.study.reading import read_study
from tests.equivalence.cases import ELEVEN, HOSPITALS, Outcome, agreement, heart_frames, outcome
from tests.equivalence.federation import SHARED, Federation, federate


def exported(found: Federation) -> Any:
    """The Pipeline as a person has it: saved and loaded, no type trusted that is not scikit-learn's own."""
    data = skops.io.dumps(build_pipeline(found.plan, found.state))
    assert set(skops.io.get_untrusted_types(data=data)) <= {"numpy.dtype"}
    return skops.io.loads(data, trusted=["numpy.dtype"])


def pooled_probability(found: Outcome, rows: pd.DataFrame) -> np.ndarray:
    """What the pooled fit predicts for clean rows, gaps filled from its training rows."""
    at, train = found.pooled.original, found.train
    eta = np.full(len(rows), at["intercept"])
    for name in found.study.numbers:
        eta += at[name] * rows[name].fillna(train[name].mean()).to_numpy(float)
    for name, column in found.study.categories.items():
        text = rows[name].where(rows[name].notna(), train[name].mode()[0])
        for level in column.levels[1:]:
            eta += at[f"{name}[{level}]"] * (text == level).to_numpy(float)
    return 1 / (1 + np.exp(-eta))


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_the_pipeline_takes_the_hospitals_own_tables(hospital: str) -> None:
    found = outcome("heart, eleven imputed")
    raw = pd.read_csv(SHARED / "data" / "heart_uci" / f"{hospital}.csv", na_values=["?"])
    if hospital == "switzerland":
        assert (raw["chol"] == 0).all()
    wanted = pooled_probability(found, heart_frames()[hospital])
    pipeline = exported(found.federation)
    got = pipeline.predict_proba(raw)[:, pipeline.classes_.tolist().index(class_labels(found.federation.plan)[1])]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_a_text_code_among_numbers_is_refused_by_the_pipeline_and_named_at_export() -> None:
    found = outcome("heart, eleven imputed")
    (said,) = pipeline_limits(found.study)
    assert said.endswith("read the table with pandas.read_csv(FILE, na_values=['?'])")
    raw = pd.read_csv(SHARED / "data" / "heart_uci" / "hungarian.csv", usecols=list(ELEVEN))
    with pytest.raises(ValueError, match=r"\?"):
        exported(found.federation).predict(raw)


CODED = {
    "a": {"type": "number", "range": [0, 50], "missing": [0, -9, "NA"], "impute": "mean"},
    "b": {"type": "number", "range": [0, 50], "impute": "mean"},
    "c": {"type": "number", "range": [0, 10], "missing": [-1], "outside": "clip"},
    "g": {"type": "category", "levels": ["x", "y"], "missing": ["none", 9], "impute": "mode"},
    "h": {"type": "category", "levels": [1, 2], "missing": [-8, 99], "impute": "mode"},
}


def coded_frames() -> dict[str, pd.DataFrame]:
    """Three silos, codes of every kind; 0 is a code of ``a`` and a value of ``b``."""
    rng = np.random.default_rng(3)
    frames = {}
    for silo in ("north", "east", "south"):
        a = rng.integers(5, 40, 80)
        frame = pd.DataFrame({"a": a, "b": rng.integers(0, 5, 80), "c": rng.uniform(0, 13, 80)})
        frame["g"], frame["h"] = rng.choice(["x", "y", "none", "9"], 80), rng.choice([1, 2, -8, 99], 80)
        frame["y"] = (rng.random(80) < 1 / (1 + np.exp(-(a - 20) / 5 - (frame["g"] == "y")))).astype(int)
        frame.loc[rng.random(80) < 0.15, "a"], frame.loc[rng.random(80) < 0.15, "a"] = 0, -9
        frames[silo] = frame
    return frames


@cache
def coded() -> Federation:
    """Fit them."""
    target = {"column": "y", "type": "binary", "positive": 1}
    with tempfile.TemporaryDirectory() as folder:
        tables = {name: Path(folder) / f"{name}.csv" for name in coded_frames()}
        for name, frame in coded_frames().items():
            frame.to_csv(tables[name], index=False)
        return federate(agreement(target, CODED, "LogisticRegression"), tables)


def cleaned(frame: pd.DataFrame) -> pd.DataFrame:
    """The same in agreed terms, by pandas."""
    h = frame["h"].map({1: "1", 2: "2"})
    clean = {"a": frame["a"].where(frame["a"] > 0), "c": frame["c"].clip(0, 10), "h": h.astype(object)}
    return frame.assign(**clean, g=frame["g"].where(frame["g"].isin(["x", "y"])))


def test_codes_of_every_kind_are_gaps_in_the_pipeline_as_in_the_study() -> None:
    found = coded()
    clean = {name: cleaned(frame) for name, frame in coded_frames().items()}
    whole = pd.concat(clean.values(), ignore_index=True)
    raw = pd.concat(coded_frames().values(), ignore_index=True)
    prepared = found.plan.preparation(found.state)
    by_name = {name: i for i, (name, _) in enumerate(found.plan.columns.numbers)}
    assert prepared.fill[by_name["a"]] * 25 + 25 == pytest.approx(whole["a"].mean())
    at = found.coefficients()
    eta = at["intercept"] + at["a"] * whole["a"].fillna(whole["a"].mean()) + at["b"] * whole["b"] + at["c"] * whole["c"]
    for name, level in (("g", "y"), ("h", "2")):
        eta += at[f"{name}[{level}]"] * (whole[name].fillna(whole[name].mode()[0]) == level)
    pipeline = exported(found)
    np.testing.assert_allclose(pipeline.predict_proba(raw)[:, 1], 1 / (1 + np.exp(-eta)), rtol=1e-9)
    assert pipeline_limits(found.plan.study) == ()


def test_a_code_in_a_column_that_is_not_imputed_is_no_value_to_the_pipeline() -> None:
    pipeline = exported(coded())
    raw = coded_frames()["north"].head(3)
    pipeline.predict(raw)
    with pytest.raises(ValueError, match="NaN"):
        pipeline.predict(raw.assign(c=-1.0))


def test_what_lies_outside_a_range_and_is_missing_by_agreement_is_named_at_export() -> None:
    features = {"a": {"type": "number", "range": [0, 9], "outside": "missing", "impute": "mean"}}
    study = read_study(agreement({"column": "y", "type": "binary", "positive": 1}, features, "LogisticRegression"))
    assert "in the study they are missing: a" in pipeline_limits(study)[0]
