"""Feature maps of a study: what they are given, their random weights, their bounds, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.errors import BadStudy, ContradictoryStudy
from fedcli.models.drawn import normals, uniforms
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.study.canonical_form import from_json, study_id, study_payload, to_json
from fedcli.study.document import Study
from fedcli.study.reading import read_study

FEATURES: dict[str, Any] = {
    "sex": {"type": "category", "levels": ["f", "m"]},
    "age": {"type": "number", "range": [20, 80]},
    "crp": {"type": "number", "range": [0, 200], "impute": "constant", "fill_value": 10, "indicator": True},
    "grade": {"type": "category", "levels": ["a", "b", "c"], "impute": "level", "fill_value": "b"},
    "bmi": {"type": "number", "range": [10, 50], "impute": "mean"},
    "ward": {"type": "category", "levels": ["a", "b", "c"], "other": "c"},
}
MAPS = {
    "RBFSampler": {"n_components": 7, "gamma": 0.5},
    "RandomReLU": {"n_components": 7},
    "PolynomialFeatures": {"degree": 3},
    "SplineTransformer": {},
}
TAKEN = ["age", "crp"]


def study(kind: str, columns: list[str] | None = TAKEN, estimator: str = "Ridge", **more: Any) -> Study:
    chosen = {"type": kind, **MAPS.get(kind, {}), **({"columns": columns} if columns else {}), **more}
    document = {
        "study": "case",
        "target": {"column": "y", "type": "number", "range": [0, 1]},
        "features": FEATURES,
        "model": {"estimator": estimator, "map": chosen},
        "rules": {"aggregation": "plain"},
    }
    if estimator == "PCA":
        del document["target"]
    return read_study(json.dumps(document))


def rows(numbers: list[list[float]], codes: list[list[int]] | None = None) -> Rows:
    n = len(numbers)
    levels = codes or [[0, 0, 0]] * n
    return Rows(np.array(numbers, float), np.array(levels, np.int32), np.zeros(n), np.zeros(n), np.ones(n))


def test_inputs_are_on_agreed_scales_with_agreed_values_for_what_is_missing() -> None:
    mapped = Plan(study("RBFSampler", ["grade", "crp", "sex", "age"], typical={"crp": [20, 40]})).columns.mapped
    assert [one.name for one in mapped.inputs] == ["age", "crp", "sex[m]", "grade[b]", "grade[c]"]
    given = mapped.given(rows([[80, 60, 1], [50, np.nan, 1]], [[1, 2, 0], [0, -1, 0]]))
    assert given.tolist() == [[1.0, 1.0, 1.0, 0.0, 1.0], [0.0, -0.25, 0.0, 1.0, 0.0]]


def test_a_row_that_lacks_what_nothing_stands_for_has_no_columns() -> None:
    mapped = Plan(study("RBFSampler", ["age", "sex"])).columns.mapped
    assert np.isnan(mapped.values(rows([[np.nan, 0, 0], [30, 0, 0]], [[0, 0, 0], [-1, 0, 0]]))).all()


def test_without_columns_a_map_takes_all_numbers_and_leaves_levels_as_they_are() -> None:
    features = {name: FEATURES[name] for name in ("sex", "age", "crp")}
    text = study("RBFSampler").model_dump(mode="json") | {"features": features, "silos": []}
    text["model"]["map"]["columns"] = None
    columns = Plan(Study.model_validate({k: v for k, v in text.items() if v is not None})).columns
    assert columns.mapped.features == ("age", "crp")
    assert columns.names[:3] == ("sex[m]", "crp[missing]", "RBFSampler[0]")


def test_weights_follow_from_the_studys_id() -> None:
    agreed = study("RBFSampler")
    seed = bytes.fromhex(study_id(study_payload(agreed)))
    for read in (agreed, from_json(to_json(agreed))):
        made = Plan(read).columns.mapped.map
        drawn = normals(seed, "RBFSampler weights", 14).reshape(7, 2)
        # Of variance 2 gamma = 1.
        assert made.weights.T.tolist() == drawn.tolist()
        assert made.offset.tolist() == (uniforms(seed, "RBFSampler offset", 7) * (2 * math.pi)).tolist()
    other = Plan(agreed.model_copy(update={"title": "another"})).columns.mapped.map
    assert not np.isin(other.weights, made.weights).any()


def test_kernels_of_random_features_come_near_the_gaussian_one() -> None:
    made = Plan(study("RBFSampler", n_components=1000)).columns.mapped.map
    points = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    found = made.values(points) @ made.values(points).T
    kernel = np.exp(-0.5 * ((points[:, None] - points[None]) ** 2).sum(axis=2))
    # Four standard deviations of a mean of a thousand.
    assert np.abs(found - kernel).max() < 4 / math.sqrt(1000)


def test_borders_of_random_units_go_through_the_agreed_box() -> None:
    made = Plan(study("RandomReLU", n_components=200)).columns.mapped.map
    corners = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)])
    above = corners @ made.weights + made.offset
    assert ((above > 0).any(axis=0) & (above < 0).any(axis=0)).all()


@pytest.mark.parametrize("kind", MAPS)
@given(seed=st.integers(0, 10**6), edge=st.booleans())
@settings(max_examples=20, derandomize=True)
def test_no_column_leaves_its_bounds(kind: str, seed: int, edge: bool) -> None:
    typical = {} if kind == "SplineTransformer" else {"typical": {"age": [30, 3]}}
    mapped = Plan(study(kind, **typical)).columns.mapped
    rng = np.random.default_rng(seed)
    share = rng.integers(0, 2, (50, 3)) if edge else rng.random((50, 3))
    values = mapped.values(rows((np.array([20, 0, 10]) + share * np.array([60, 200, 40])).tolist()))
    assert np.abs(values).max() <= 1.0


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"kind": "RBFSampler", "columns": None}, "nobody knows its pooled mean in the first trip"),
        ({"kind": "RBFSampler", "columns": ["age", "height"]}, "there is no feature 'height'"),
        ({"kind": "RBFSampler", "columns": ["age", "age"]}, "named twice"),
        ({"kind": "RBFSampler", "columns": ["ward"]}, "'ward' merges small levels"),
        ({"kind": "RBFSampler", "gamma": "scale"}, "needs the pooled variance"),
        ({"kind": "RBFSampler", "gamma": 0}, "must be above 0"),
        ({"kind": "RBFSampler", "gamma": 10.5}, "must be at most 10"),
        ({"kind": "RBFSampler", "n_components": 1001}, "must be at most 1000"),
        ({"kind": "RBFSampler", "random_state": 3}, "'random_state' is not a key of model.map"),
        ({"kind": "RBFSampler", "typical": {"age": [50, 0]}}, "spread of 'age' must be above 0"),
        ({"kind": "RBFSampler", "typical": {"age": [90, 5]}}, "outside its range, 20 to 80"),
        ({"kind": "RBFSampler", "typical": {"bmi": [25, 5]}}, "'bmi' is no number that the map takes"),
        ({"kind": "SplineTransformer", "columns": ["sex"]}, "'sex' is no number, and has no spline"),
        ({"kind": "PolynomialFeatures", "columns": ["sex", "grade", "age"], "degree": 6}, "must be at most 5"),
        ({"kind": "Nystroem"}, "model.map.type must be RBFSampler, PolynomialFeatures, SplineTransformer or"),
    ],
    ids=str,
)
def test_a_map_that_does_not_fit_is_refused(chosen: dict[str, Any], says: str) -> None:
    with pytest.raises(BadStudy, match=says) as caught:
        study(**chosen)
    assert caught.value.hint


def test_more_columns_than_a_file_should_hold_are_refused() -> None:
    features = {f"x{k}": {"type": "number", "range": [0, 1]} for k in range(50)}
    text = study("PolynomialFeatures", ["age"], degree=2).model_dump(mode="json", exclude_none=True)
    text["features"] = features
    del text["model"]["map"]["columns"]
    with pytest.raises(ValueError, match="the map makes 1,325 columns, more than 1,000"):
        Study.model_validate(text)


def test_a_model_without_coefficients_takes_no_map() -> None:
    with pytest.raises(ContradictoryStudy, match="PCA has no coefficients") as caught:
        _ = Plan(study("RBFSampler", estimator="PCA")).family
    assert "Ridge" in caught.value.hint


def test_a_study_without_a_map_says_nothing_of_it() -> None:
    agreed = study("RBFSampler")
    silent = agreed.model_copy(update={"model": agreed.model.model_copy(update={"map": None})})
    assert "map" not in to_json(silent)["model"]


@pytest.mark.parametrize(("n_components", "counted"), [(100, 1352), (2, 7)])
def test_columns_of_a_map_count_by_the_numbers_that_rows_hold(n_components: int, counted: int) -> None:
    # Summed: 1, bmi, sex, ward (2), grade (2), three missing flags and the map's; a row holds age and crp instead.
    plan = Plan(study("RBFSampler", n_components=n_components))
    p = 1 + 1 + 1 + 2 + 2 + 3 + n_components
    assert plan.n_summed == p
    assert plan.n_counted == max(p, math.ceil(p * p / (p - n_components + 2)))
