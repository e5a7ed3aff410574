"""The studies that are compared with pooling, by name: `outcome` runs one and keeps its result."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from fedcli.study.document import Study
from fedcli.study.reading import read_study
from tests.equivalence.federation import SHARED, Federation, federate
from tests.equivalence.pooled import Pooled, fit_pooled

SAMPLES = Path(__file__).resolve().parents[2] / "sample_silos"

Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Outcome:
    """A federated study beside the pooled fit of the same training rows."""

    study: Study
    federation: Federation
    train: pd.DataFrame
    held_out: pd.DataFrame
    pooled: Pooled

    @property
    def errors(self) -> list[float]:
        """Relative coefficient error after each trip."""
        return [self.pooled.error(self.federation.coefficients(trip)) for trip in range(self.federation.trips)]


def compared(study: Study, federation: Federation, frames: Frames) -> Outcome:
    """Set a federated study beside the pooled fit of its training rows, ``frames`` in the order of the tables."""
    whole = pd.concat(frames.values(), ignore_index=True)
    mask = np.concatenate([federation.masks[name] for name in frames])
    train, held_out = whole[~mask].reset_index(drop=True), whole[mask].reset_index(drop=True)
    return Outcome(study, federation, train, held_out, fit_pooled(study, train))


def agreement(
    target: dict[str, Any],
    features: dict[str, Any],
    estimator: str,
    params: dict[str, Any] | None = None,
    *,
    standardize: bool = True,
    order: int | None = None,
    **parts: Any,
) -> str:
    """Write a ``study.yaml``; JSON is YAML."""
    model = {"estimator": estimator, "params": params or {}, "standardize": standardize}
    model |= {"order": order} if order else {}
    document = {"study": "case", "target": target, "features": features, "model": model}
    return json.dumps({**document, "evaluation": {"holdout": 0}, **parts})


def run(text: str, frames: Frames, **options: Any) -> Outcome:
    """Write each silo's frame as a table, federate, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        tables = {name: Path(folder) / f"{name}.csv" for name in frames}
        for name, frame in frames.items():
            frame.to_csv(tables[name], index=False)
        federation = federate(text, tables, **options)
    return compared(federation.plan.study, federation, frames)


# ---- the sample studies --------------------------------------------------------------------------------------------


def _sample(folder: str, name: str) -> Outcome:
    study = read_study((SAMPLES / folder / name).read_text("utf-8"))
    tables = {path.stem: path for path in sorted((SAMPLES / folder).glob("*.csv"))}
    mappings = {path.name.partition(".")[0]: path.read_text("utf-8") for path in (SAMPLES / folder).glob("*.silo.yaml")}
    federation = federate(study, tables, mappings=mappings)
    frames = {silo: _agreed(study, path, mappings.get(silo, "")) for silo, path in tables.items()}
    return compared(study, federation, frames)


def _agreed(study: Study, path: Path, mapping: str) -> pd.DataFrame:
    """Read a table in the study's own terms, by a second, simpler reading of the mapping."""
    own = (yaml.safe_load(mapping) or {}).get("columns", {})
    text = pd.read_csv(path, dtype=str)
    columns = {study.target.column: text[study.target.column]}
    for name, feature in study.features.items():
        how = own.get(name, {})
        cells = text[how.get("column", name)]
        cells = cells.where(~cells.isin(how.get("missing", [])))
        if feature.type == "number":
            columns[name] = cells.astype(float) * float(how.get("multiply", 1))
        else:
            columns[name] = cells.replace(how.get("levels", {}))
    return pd.DataFrame(columns)


# ---- four real hospitals -------------------------------------------------------------------------------------------

HEART_TARGET = {"column": "num", "type": "binary", "positive": [1, 2, 3, 4], "negative": 0}
HEART = {
    "age": {"type": "number", "range": [18, 110]},
    "sex": {"type": "category", "levels": [0, 1]},
    "cp": {"type": "category", "levels": [1, 2, 3, 4]},
    "trestbps": {"type": "number", "range": [50, 250], "missing": [0, "?"], "impute": "mean"},
    "chol": {"type": "number", "range": [50, 700], "missing": [0, "?"], "impute": "mean"},
    "fbs": {"type": "category", "levels": [0, 1], "missing": "?", "impute": "mode"},
    "restecg": {"type": "category", "levels": [0, 1, 2], "missing": "?", "impute": "mode"},
    "thalach": {"type": "number", "range": [40, 220], "missing": "?", "impute": "mean"},
    "exang": {"type": "category", "levels": [0, 1], "missing": "?", "impute": "mode"},
    "oldpeak": {"type": "number", "range": [-5, 10], "missing": "?", "impute": "mean"},
    "slope": {"type": "category", "levels": [1, 2, 3], "missing": "?", "impute": "mode"},
    "ca": {"type": "number", "range": [0, 4], "missing": "?", "impute": "mean"},
    "thal": {"type": "category", "levels": [3, 6, 7], "missing": "?", "impute": "mode"},
}
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
SIX = ("age", "sex", "thalach", "exang", "oldpeak", "cp")


def heart_paths() -> dict[str, Path]:
    """The hospitals' own files; skips where they are missing."""
    folder = SHARED / "data" / "heart_uci"
    if not folder.is_dir():
        pytest.skip("the hospitals' tables are not here: ../shared/data/heart_uci is missing")
    return {name: folder / f"{name}.csv" for name in HOSPITALS}


@cache
def heart_tables() -> Frames:
    """The hospitals' tables as text, as they are; skips where they are missing."""
    return {name: pd.read_csv(path, dtype=str) for name, path in heart_paths().items()}


def heart_frames() -> Frames:
    """The same in agreed terms: numbers as floats, categories as text, missing codes gone."""
    frames = {}
    for name, table in heart_tables().items():
        columns: dict[str, pd.Series] = {"num": table["num"].astype(int)}
        for column, feature in HEART.items():
            codes = feature.get("missing", [])
            values = pd.to_numeric(table[column].where(table[column] != "?"))
            if isinstance(codes, list) and 0 in codes:
                values = values.where(values != 0)
            if feature["type"] == "category":
                values = values.map(lambda value: None if pd.isna(value) else str(int(value))).astype(object)
            columns[column] = values
        frames[name] = pd.DataFrame(columns)
    return frames


def heart_complete(columns: tuple[str, ...] = SIX) -> Frames:
    """Rows without a missing value in ``columns``."""
    frames = {name: frame[["num", *columns]].dropna() for name, frame in heart_frames().items()}
    return {name: frame.reset_index(drop=True) for name, frame in frames.items()}


def heart_agreement(columns: tuple[str, ...], params: dict[str, Any], *, impute: bool = True, **parts: Any) -> str:
    """Write the hospitals' agreement over some columns."""
    chosen = {name: dict(HEART[name]) for name in columns}
    if not impute:
        for feature in chosen.values():
            feature.pop("impute", None)
    rules = {"min_cell": 1, "rows_per_column": 0}
    return agreement(HEART_TARGET, chosen, "LogisticRegression", params, rules=rules, **parts)


def _heart_as_it_is(columns: tuple[str, ...], params: dict[str, Any], **parts: Any) -> Outcome:
    """The hospitals' own files, quirks and all."""
    federation = federate(heart_agreement(columns, params, **parts), heart_paths())
    return compared(federation.plan.study, federation, heart_frames())


def _heart_complete(params: dict[str, Any]) -> Outcome:
    return run(heart_agreement(SIX, params, impute=False), heart_complete())


# ---- another project's three sites ---------------------------------------------------------------------------------


def vantage6_frames(model: str) -> Frames:
    """Its three sites; skips where they are missing."""
    folder = SHARED / "data" / "vantage6_glm" / model
    if not folder.is_dir():
        pytest.skip(f"the sites' tables are not here: ../shared/data/vantage6_glm/{model} is missing")
    return {site: pd.read_csv(folder / f"{site}.csv", dtype={"rank": str}) for site in ("a", "b", "c")}


def vantage6(model: str, *, without_rank_4_at_a: bool = False, **parts: Any) -> Outcome:
    """Fit one of its three models, unpenalised as there."""
    frames = vantage6_frames(model)
    if without_rank_4_at_a:
        frames["a"] = frames["a"][frames["a"]["rank"] != "4"].reset_index(drop=True)
    if model == "gaussian":
        target = {"column": "Volume", "type": "number", "range": [0, 100]}
        features = {"Girth": {"type": "number", "range": [5, 25]}}
        return run(agreement(target, features, "LinearRegression", **parts), frames)
    if model == "poisson":
        target = {"column": "num_awards", "type": "count", "range": [0, 20]}
        features = {
            "prog": {"type": "category", "levels": ["General", "Academic", "Vocational"]},
            "math": {"type": "number", "range": [0, 100]},
        }
        return run(agreement(target, features, "PoissonRegressor", {"alpha": 0.0}, **parts), frames)
    target = {"column": "admit", "type": "binary", "positive": 1}
    features = {
        "gre": {"type": "number", "range": [200, 800]},
        "gpa": {"type": "number", "range": [0, 4]},
        "rank": {"type": "category", "levels": ["1", "2", "3", "4"]},
    }
    return run(agreement(target, features, "LogisticRegression", {"penalty": None}, **parts), frames)


# ---- other targets, and everything that a study can switch ---------------------------------------------------------

BREAST = ("mean radius", "mean texture", "mean smoothness", "mean symmetry", "mean fractal dimension")


def _wide(values: pd.Series) -> list[float]:
    """A range as people would agree on: wider than the values."""
    low, high = float(values.min()), float(values.max())
    return [low - 0.1 * (high - low) - 1e-6, high + 0.3 * (high - low) + 1e-6]


def _breast_area(estimator: str, params: dict[str, Any], **parts: Any) -> Outcome:
    """A number target: the mean area of a mass from its other measures."""
    data = load_breast_cancer(as_frame=True).frame
    features = {name: {"type": "number", "range": _wide(data[name])} for name in BREAST}
    target = {"column": "mean area", "type": "number", "range": [0, 4000]}
    frame = data[[*BREAST, "mean area"]]
    frames = {str(k): frame.iloc[part] for k, part in enumerate(np.array_split(np.arange(len(frame)), 4))}
    return run(agreement(target, features, estimator, params, **parts), frames)


MIXED = {
    "a": {"type": "number", "range": [0, 200]},
    "b": {"type": "number", "range": [0, 50], "impute": "mean"},
    "g": {"type": "category", "levels": ["x", "y", "z"], "impute": "mode"},
    "h": {"type": "category", "levels": ["u", "v"]},
}
TARGETS = {
    "LinearRegression": {"column": "number", "type": "number", "range": [-40, 60]},
    "Ridge": {"column": "number", "type": "number", "range": [-40, 60]},
    "LogisticRegression": {"column": "binary", "type": "binary", "positive": 1},
    "PoissonRegressor": {"column": "count", "type": "count", "range": [0, 80]},
    "GammaRegressor": {"column": "amount", "type": "number", "range": [0.5, 5000]},
    "TweedieRegressor": {"column": "amount", "type": "number", "range": [0, 5000]},
}


@cache
def mixed_frames(n_rows: int = 600) -> Frames:
    """Numbers and categories with holes, three targets, exposure and weights, over silos of 100, 250 and the rest."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "a": rng.normal(50, 3, n_rows),
            "b": rng.exponential(2, n_rows),
            "g": rng.choice(["x", "y", "z"], n_rows, p=[0.5, 0.3, 0.2]).astype(object),
            "h": rng.choice(["u", "v"], n_rows).astype(object),
        }
    )
    g, a, b = frame["g"], frame["a"], frame["b"]
    frame["exposure"] = rng.uniform(0.5, 4, n_rows)
    frame["weight"] = rng.integers(0, 4, n_rows)
    frame["number"] = 0.3 * a - b + 1.5 * (g == "y") + rng.normal(size=n_rows)
    odds = np.exp((a - 50) / 3 + b / 4 - (g == "z"))
    frame["binary"] = (rng.random(n_rows) < odds / (1 + odds)).astype(int)
    frame["count"] = rng.poisson(frame["exposure"] * np.exp(0.1 * (a - 50) - 0.2 * b + 0.5 * (g == "y")))
    frame.loc[rng.random(n_rows) < 0.1, "b"] = np.nan
    frame.loc[rng.random(n_rows) < 0.07, "g"] = None
    frame["h"] = frame["h"].astype(object)
    cuts = [frame.iloc[:100], frame.iloc[100:350], frame.iloc[350:]]
    return {str(k): part.reset_index(drop=True) for k, part in enumerate(cuts)}


def mixed(estimator: str, params: dict[str, Any] | None = None, **parts: Any) -> Outcome:
    """Fit the mixed columns."""
    return run(agreement(TARGETS[estimator], MIXED, estimator, params, **parts), mixed_frames())


EXPOSURE = {"column": "exposure", "transform": "log", "range": [0.1, 10]}
WEIGHT = {"column": "weight", "range": [0, 4]}


@cache
def exposed_frames() -> Frames:
    """Three insurers' claims: most policies run for hours, four for years and hardly any claim; at most 5 each."""
    rng = np.random.default_rng(0)
    n_rows, shortest, longest, most = 2000, 1e-3, 1e2, 5
    frame = pd.DataFrame({"x": rng.normal(size=n_rows), "z": rng.normal(size=n_rows)})
    frame["exposure"] = np.exp(rng.uniform(np.log(shortest), np.log(100 * shortest), n_rows))
    mean = frame["exposure"] / shortest * 0.2 * np.exp(0.5 * frame["x"] - 0.3 * frame["z"])
    frame["count"] = np.minimum(rng.poisson(np.minimum(mean, most)), most)
    long = rng.choice(n_rows, 4, replace=False)
    frame.loc[long, "exposure"], frame.loc[long, "count"] = longest, [0, 1, 3, 4]
    return {str(k): frame.iloc[part] for k, part in enumerate(np.array_split(np.arange(n_rows), 3))}


def _exposed(params: dict[str, Any]) -> Outcome:
    features = {name: {"type": "number", "range": [-6, 6]} for name in ("x", "z")}
    target = {"column": "count", "type": "count", "range": [0, 5]}
    offset = {"column": "exposure", "transform": "log", "range": [1e-3, 1e2]}
    return run(agreement(target, features, "PoissonRegressor", params, offset=offset), exposed_frames())


# ---- harder splits of scikit-learn's own data ----------------------------------------------------------------------


@cache
def _binary_data(name: str) -> pd.DataFrame:
    if name == "breast":
        return load_breast_cancer(as_frame=True).frame
    if name == "wine":
        data = load_wine(as_frame=True).frame
        return data.assign(target=(data["target"] == 1).astype(int))
    data = load_digits(as_frame=True).frame
    return data.assign(target=(data["target"] % 2).astype(int))


def split_rows(frame: pd.DataFrame, how: str, n_silos: int = 5) -> list[np.ndarray]:
    """Cut the rows of ``frame`` (its last column is a 0/1 target) into silos."""
    rng = np.random.default_rng(7)
    shuffled = rng.permutation(len(frame))
    y = frame["target"].to_numpy()
    if how == "iid":
        return np.array_split(shuffled, n_silos)
    if how == "sorted":
        X = frame.drop(columns="target").to_numpy()
        spread = X.std(axis=0)
        z = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        return np.array_split(np.argsort(np.linalg.svd(z, full_matrices=False)[0][:, 0]), n_silos)
    if how == "label-skewed":
        silos: list[list[int]] = [[] for _ in range(n_silos)]
        for label in (0, 1):
            share = rng.dirichlet(np.full(n_silos, 0.5))
            rows = rng.permutation(np.flatnonzero(y == label))
            for k, part in enumerate(np.split(rows, (np.cumsum(share)[:-1] * len(rows)).astype(int))):
                silos[k].extend(part)
        return [np.array(rows) for rows in silos if rows]
    if how == "tiny":
        return [shuffled[:15], *np.array_split(shuffled[15:], n_silos - 1)]
    # Every silo holds one class only.
    return [*np.array_split(np.flatnonzero(y == 0), 3), *np.array_split(np.flatnonzero(y == 1), 2)]


def _split(data: str, how: str) -> Outcome:
    frame = _binary_data(data)
    features = {name: {"type": "number", "range": _wide(frame[name])} for name in frame.columns[:-1]}
    text = agreement({"column": "target", "type": "binary", "positive": 1}, features, "LogisticRegression")
    return run(text, {str(k): frame.iloc[rows] for k, rows in enumerate(split_rows(frame, how))})


SPLITS = ("iid", "sorted", "label-skewed", "tiny", "one-class")
ELEVEN = tuple(name for name in HEART if name not in ("ca", "thal"))

# Name to study. Closed forms, then likelihoods on real and mixed columns, then the splits.
CLOSED: dict[str, Callable[[], Outcome]] = {
    "vantage6 gaussian": lambda: vantage6("gaussian"),
    "breast area, linear": lambda: _breast_area("LinearRegression", {}),
    "breast area, ridge": lambda: _breast_area("Ridge", {"alpha": 3.0}, evaluation={"holdout": 0.3}),
    "breast area, ridge, own units": lambda: _breast_area("Ridge", {"alpha": 3.0}, standardize=False),
    "mixed, linear": lambda: mixed("LinearRegression"),
    "mixed, linear, weights": lambda: mixed("LinearRegression", weight=WEIGHT),
    "mixed, linear, no intercept": lambda: mixed("LinearRegression", {"fit_intercept": False}),
    "mixed, ridge": lambda: mixed("Ridge", {"alpha": 3.0}),
    "mixed, ridge, weights, no intercept": lambda: mixed(
        "Ridge", {"alpha": 3.0, "fit_intercept": False}, weight=WEIGHT
    ),
    "mixed, ridge, own units": lambda: mixed("Ridge", {"alpha": 3.0}, standardize=False),
}
LIKELIHOODS: dict[str, Callable[[], Outcome]] = {
    "sample breast cancer": lambda: _sample("breast_cancer", "study.yaml"),
    "sample breast cancer, thirty": lambda: _sample("breast_cancer", "study-thirty.yaml"),
    "sample card fraud": lambda: _sample("card_fraud", "study.yaml"),
    "heart, six columns, unpenalised": lambda: _heart_complete({"penalty": None}),
    "heart, six columns, C=1": lambda: _heart_complete({"C": 1.0}),
    "heart, eleven imputed": lambda: _heart_as_it_is(ELEVEN, {"C": 1.0}),
    "heart, thirteen imputed": lambda: _heart_as_it_is(tuple(HEART), {"C": 0.1}, evaluation={"holdout": 0.2}),
    "heart, chol alone": lambda: _heart_as_it_is(("chol",), {"penalty": None}),
    "vantage6 binomial": lambda: vantage6("binomial"),
    "vantage6 binomial, absent level": lambda: vantage6("binomial", without_rank_4_at_a=True),
    "vantage6 poisson": lambda: vantage6("poisson"),
    "mixed, logistic": lambda: mixed("LogisticRegression", {"C": 1.0}),
    "mixed, logistic, unpenalised": lambda: mixed("LogisticRegression", {"penalty": None}),
    "mixed, logistic, no intercept": lambda: mixed("LogisticRegression", {"C": 0.1, "fit_intercept": False}),
    "mixed, logistic, weights": lambda: mixed("LogisticRegression", {"C": 1.0}, weight=WEIGHT),
    "mixed, logistic, own units": lambda: mixed("LogisticRegression", {"C": 1.0}, standardize=False),
    "mixed, poisson": lambda: mixed("PoissonRegressor", {"alpha": 0.5}),
    "mixed, poisson, exposure": lambda: mixed("PoissonRegressor", {"alpha": 0.0}, offset=EXPOSURE),
    "mixed, poisson, exposure, ridge": lambda: mixed("PoissonRegressor", {"alpha": 0.5}, offset=EXPOSURE),
    "mixed, poisson, exposure, weights": lambda: mixed(
        "PoissonRegressor", {"alpha": 0.1}, offset=EXPOSURE, weight=WEIGHT
    ),
    "claims, exposures of five orders": lambda: _exposed({"alpha": 0.0}),
    "claims, exposures of five orders, ridge": lambda: _exposed({"alpha": 0.1}),
    "mixed, poisson, own units": lambda: mixed("PoissonRegressor", {"alpha": 0.5}, standardize=False),
    "mixed, poisson, no intercept": lambda: mixed("PoissonRegressor", {"alpha": 0.1, "fit_intercept": False}),
}
HARD: dict[str, Callable[[], Outcome]] = {
    f"{data}, {how}": lambda data=data, how=how: _split(data, how)  # type: ignore[misc]
    for data in ("breast", "wine", "digits")
    for how in SPLITS
}


@cache
def outcome(name: str) -> Outcome:
    """Run the study of this name, once."""
    return {**CLOSED, **LIKELIHOODS, **HARD}[name]()
