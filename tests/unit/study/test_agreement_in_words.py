"""What a silo agrees to is said in full: whatever key of the agreement changes, the words change."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fedcli.cli.agreement import plain_words
from fedcli.study import columns, document, maps, targets, terms
from fedcli.study.document import Study
from fedcli.study.part import Part

NUMBER = {"type": "number", "range": [0, 10], "unit": "mg/dl", "impute": "constant", "fill_value": 5}
DATE = {"type": "date", "range": ["2010-01-01", "2020-01-01"], "impute": "constant", "fill_value": "2015-01-01"}
LEVELS = {"type": "category", "levels": ["a", "b", "c"], "impute": "level", "fill_value": "b"}
BASE: dict[str, Any] = {
    "study": "heart",
    "title": "Heart disease",
    "target": {"type": "binary", "column": "ill", "positive": ["1"], "negative": ["0"]},
    "features": {
        "crp": NUMBER,
        "visits": {**NUMBER, "type": "count", "unit": None},
        "born": DATE,
        "kind": LEVELS,
        "smoker": {"type": "boolean", "impute": "level", "fill_value": "false"},
        "age": {"type": "number", "range": [18, 100]},
    },
    "terms": {
        "both": {"type": "interaction", "columns": ["crp", "age"]},
        "curve": {"type": "spline", "column": "age", "knots": [30, 60], "keep": True},
        "bend": {"type": "log", "column": "age", "keep": True},
    },
    "offset": {"column": "exposure", "range": [1, 10]},
    "weight": {"column": "w", "range": [0, 2]},
    "model": {"estimator": "LogisticRegression", "params": {"C": 1.0}},
    "rules": {"aggregation": "plain"},
    "evaluation": {"holdout": 0.2},
    "profile": {"bins": 64},
    "silos": [{"name": "north", "fingerprint": "1" * 5}, {"name": "east", "fingerprint": "2" * 5}],
    "coordinator": {"name": "registry", "fingerprint": "3" * 5},
}
FEATURES = {
    columns.NumberColumn: "crp",
    columns.CountColumn: "visits",
    columns.DateColumn: "born",
    columns.CategoryColumn: "kind",
    columns.BooleanColumn: "smoker",
}
TERMS = {terms.Interaction: "both", terms.Spline: "curve", terms.Log: "bend"}
MAPS: dict[type[Part], dict[str, Any]] = {
    maps.RBFSampler: {"type": "RBFSampler", "typical": {"crp": [5, 1]}},
    maps.RandomReLU: {"type": "RandomReLU"},
    maps.PolynomialFeatures: {"type": "PolynomialFeatures"},
    maps.SplineTransformer: {"type": "SplineTransformer"},
}
TARGETS = {
    targets.BinaryTarget: BASE["target"],
    targets.CategoryTarget: {"type": "category", "column": "ill", "levels": ["a", "b"]},
    targets.NumberTarget: {"type": "number", "column": "ill", "range": [0, 1], "unit": "mg/dl"},
    targets.CountTarget: {"type": "count", "column": "ill", "range": [0, 1]},
    targets.SurvivalTarget: {"type": "survival", "time": "days", "event": "ill", "range": [0, 1], "negative": ["0"]},
}
PARTS = {
    document.Offset: "offset",
    document.Weight: "weight",
    document.Model: "model",
    document.Rules: "rules",
    document.Evaluation: "evaluation",
    document.Profile: "profile",
}
# What a key becomes, where it stands in every class that has it.
OTHER: dict[str, Any] = {
    "unit": "g/l",
    "missing": ["9", 77],
    "impute": None,
    "outside": "clip",
    "indicator": True,
    "quantity": "cholesterol",
    "column": "exercise",
    "title": "Hearts",
    "study": "hearts",
    "positive": ["yes"],
    "negative": ["no"],
    "transform": "log",
    "estimator": "PoissonRegressor",
    "params": {"C": 2.0},
    "standardize": False,
    "cv": 7,
    "choose": "bic",
    "nested": {"few": ["age"]},
    "order": 3,
    "averaging": {"rule": "FedAvg"},
    "rule": "FedAvg",
    "local_epochs": 3,
    "rounds": 4,
    "proximal": 0.0123456789,
    "aggregation": "masked",
    "min_rows": 11,
    "min_cell": 6,
    "rows_per_column": 4.5,
    "max_rows": 12345,
    "min_silos": 2,
    "max_rounds": 9,
    "max_coefficient": 32.5,
    "tolerance": 1e-5,
    "preset": "vantage6",
    "parameters_per_row": 0.125,
    "max_levels": 17,
    "levels_per_row": 0.25,
    "largest_share": 0.375,
    "holdout": 0.2125,
    "closing_trip": True,
    "bins": 128,
    "by_target": False,
    "correlation": True,
    "columns": ["crp", "visits"],
    "knots": [30.25, 60],
    "degree": 2,
    "keep": False,
    "name": "west",
    "fingerprint": "4" * 5,
    "since": "2001-01-01",
    "time": "weeks",
    "event": "died",
    "entry": "from",
    "scale": "days",
    "other": "c",
    "levels": ["a", "c", "b"],
    "range": [0, 9.123456789],
    "map": {"type": "RBFSampler"},
    "typical": {"crp": [5.123456789, 2]},
    "gamma": 0.123456789,
    "n_components": 77,
    "interaction_only": True,
    "n_knots": 6,
    "extrapolation": "linear",
}
SPECIAL: dict[tuple[type[Part], str], Any] = {
    (columns.CountColumn, "range"): [0, 12345678],
    (columns.DateColumn, "range"): ["2010-01-01", "2020-01-02"],
    (columns.NumberColumn, "fill_value"): 6.123456789,
    (columns.CountColumn, "fill_value"): 6,
    (columns.DateColumn, "fill_value"): "2016-01-01",
    (columns.CategoryColumn, "fill_value"): "c",
    (columns.BooleanColumn, "fill_value"): "true",
    (terms.Spline, "column"): "older",
    (terms.Log, "column"): "older",
    (document.Offset, "range"): [1, 9],
    (maps.PolynomialFeatures, "degree"): 3,
    (maps.PolynomialFeatures, "include_bias"): True,
    (maps.SplineTransformer, "include_bias"): False,
    (document.Study, "coordinator"): {"name": "office", "fingerprint": "3" * 5},
}
# No outcome has no key, and a column of times is what a survival outcome says of it.
NOT_WRITTEN = (targets.NoTarget, targets.TimeColumn)
# A key's own field follows from its fingerprint; a type has words of its own.
NOT_WORDS = {"type", "key"}


def classes() -> list[type[Part]]:
    """Every class of the agreement that has no class below it."""

    def below(kind: type[Part]) -> list[type[Part]]:
        return [leaf for child in kind.__subclasses__() for leaf in below(child)] if kind.__subclasses__() else [kind]

    return [kind for kind in dict.fromkeys(below(Part)) if kind not in NOT_WRITTEN]


def words(agreement: dict[str, Any]) -> list[tuple[str, str]]:
    return plain_words(Study.model_validate(agreement), (3, 5))


def place(kind: type[Part], agreement: dict[str, Any]) -> dict[str, Any]:
    """Return where a class stands in an agreement."""
    if kind in FEATURES:
        return agreement["features"][FEATURES[kind]]
    if kind in TERMS:
        return agreement["terms"][TERMS[kind]]
    if kind in MAPS:
        agreement["model"]["map"] = copy.deepcopy(MAPS[kind])
        return agreement["model"]["map"]
    if kind in TARGETS:
        agreement["target"] = copy.deepcopy(TARGETS[kind])
        return agreement["target"]
    if kind is document.AveragingRule:
        agreement["model"].setdefault("averaging", {"rule": "FedProx"})
        return agreement["model"]["averaging"]
    if kind is document.Member:
        return agreement["silos"][1]
    return agreement if kind is Study else agreement[PARTS[kind]]


KEYS = [
    (kind, name)
    for kind in classes()
    for name in kind.model_fields
    if name not in NOT_WORDS and not (kind is Study and name in BASE and isinstance(BASE[name], (dict, list)))
]


@pytest.mark.parametrize(("kind", "name"), KEYS, ids=[f"{kind.__name__}-{name}" for kind, name in KEYS])
def test_every_key_of_the_agreement_is_said(kind: type[Part], name: str) -> None:
    before, after = copy.deepcopy(BASE), copy.deepcopy(BASE)
    here = place(kind, before)
    if kind in (terms.Log, terms.Spline):
        # Not every column will do: there is one more that does.
        for agreement in (before, after):
            agreement["features"]["older"] = {"type": "number", "range": [18, 100]}
    if name in ("impute", "other"):
        here.pop("fill_value", None)
        here.pop("impute", None)
        if name == "impute":
            here["impute"] = (
                "mean" if kind in (columns.NumberColumn, columns.CountColumn, columns.DateColumn) else "mode"
            )
    changed = place(kind, after)
    changed.clear()
    changed.update(copy.deepcopy(here))
    changed[name] = SPECIAL.get((kind, name), OTHER.get(name))
    said = words(after)
    assert said != words(before)
    assert all(isinstance(value, str) and value for _, value in said)


def test_no_digit_of_a_number_is_lost() -> None:
    agreement = copy.deepcopy(BASE)
    agreement["features"]["crp"] = {"type": "number", "range": [0.123456789, 12345678.9]}
    agreement["rules"]["tolerance"] = 1.25e-7
    agreement["evaluation"]["holdout"] = 0.07
    said = " ".join(value for _, value in words(agreement))
    for digits in ("0.123456789 to 12345678.9", "of 1.25e-07", "7% of each"):
        assert digits in said


def test_what_holds_where_nothing_is_said_is_said_once() -> None:
    said = " ".join(value for _, value in words(BASE))
    assert said.count("a missing value, or one outside its range, is an error") == 1


def test_codes_and_what_is_outside_are_said_at_the_column() -> None:
    agreement = copy.deepcopy(BASE)
    agreement["features"]["age"] |= {"missing": [0, "?"], "outside": "missing", "impute": "median", "indicator": True}
    line = next(value for _, value in words(agreement) if value.startswith("age:"))
    assert line == (
        "age: 18 to 100; 0, ? mean missing; outside the range is missing; missing values get the pooled median, "
        "and a column says where"
    )
