"""Feature maps with a linear model behind them, one trip: scikit-learn's own pooled Pipeline of the same steps.

The oracle scales by the agreed ranges, maps with scikit-learn's classes, and fits; of the package it takes the random
weights alone, which a test of their own holds to what they should be.
"""

from __future__ import annotations

import json
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeCV,
)
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

from fedcli.preparing.mapped import Mapped
from fedcli.report.estimator import fitted_estimator
from tests.equivalence.federation import Federation
from tests.estimators.comparing import agreement, federated
from tests.estimators.worlds import SPLITS, Rows, World, binary, counts, numbers

MAPS: dict[str, dict[str, Any]] = {
    "RBFSampler": {"n_components": 40, "gamma": 0.05},
    "PolynomialFeatures": {"degree": 2},
    "SplineTransformer": {"n_knots": 4},
    "RandomReLU": {"n_components": 40},
}
WORLDS = {"diabetes": lambda: numbers("diabetes"), "cancer": lambda: binary("breast_cancer", 8), "digits": counts}


def designed(mapped: Mapped, kind: str, options: dict[str, Any], frame: pd.DataFrame, world: World) -> np.ndarray:
    """Return the mapped columns of a table, by scikit-learn."""
    X = frame[list(world.features)].to_numpy(dtype=float)
    low, high = np.array([column["range"] for column in world.features.values()], dtype=float).T
    scaled = 2 * (X - low) / (high - low) - 1
    if kind == "RBFSampler":
        sampler = RBFSampler(**options).fit(scaled)
        sampler.random_weights_, sampler.random_offset_ = mapped.map.weights, mapped.map.offset
        return sampler.transform(scaled)
    if kind == "RandomReLU":
        return np.maximum(scaled @ mapped.map.weights + mapped.map.offset, 0)
    if kind == "PolynomialFeatures":
        return PolynomialFeatures(**{"include_bias": False, **options}).fit_transform(scaled)
    n_knots = options.pop("n_knots", 5)
    return SplineTransformer(knots=np.linspace(low, high, n_knots), **options).fit_transform(X)


def beside(world: World, split: list[Rows], kind: str, theirs: Any, **more: Any) -> tuple[Federation, Any, Any, Any]:
    """Federate a map and a model over a split; fit the pooled rows with ``theirs``. Also return the pooled design."""
    options = {**MAPS[kind], **more.pop("options", {})}
    params = more.pop("params", {})
    text = json.loads(agreement(world, type(theirs).__name__, params, **more))
    text["model"]["map"] = {"type": kind, **options}
    found = federated(json.dumps(text), world, split)
    pooled = world.frame.iloc[np.concatenate(split)]
    X = designed(found.plan.columns.mapped, kind, dict(options), pooled, world)
    if found.folds:
        theirs.set_params(cv=PredefinedSplit(np.concatenate(list(found.folds.values()))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, pooled["y"].to_numpy())
    return found, fitted_estimator(found.plan, found.state), theirs, X


def error(ours: Any, theirs: Any, attribute: str) -> float:
    one, other = (np.asarray(getattr(each, attribute), dtype=float) for each in (ours, theirs))
    assert one.shape == other.shape
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("kind", MAPS)
def test_a_map_with_ridge_is_the_pooled_one_in_one_trip(kind: str, world: str, split: str) -> None:
    made = WORLDS[world]()
    theirs = Ridge(alpha=0.5) if world == "diabetes" else RidgeClassifier(alpha=0.5)
    found, ours, theirs, X = beside(made, SPLITS[split](made), kind, theirs, params={"alpha": 0.5})
    assert found.trips == 1
    assert error(ours, theirs, "coef_") <= 1e-7
    assert error(ours, theirs, "intercept_") <= 1e-7
    assert (ours.predict(X) == theirs.predict(X)).all() or world == "diabetes"


@pytest.mark.parametrize(
    ("kind", "theirs", "params", "exact"),
    [
        ("RBFSampler", RidgeCV(alphas=[0.01, 1.0]), {"alphas": [0.01, 1.0]}, 1e-7),
        ("SplineTransformer", BayesianRidge(), {}, 1e-7),
        ("PolynomialFeatures", ElasticNet(alpha=0.3, tol=1e-14, max_iter=10**6), {"alpha": 0.3}, 1e-7),
    ],
    ids=["RidgeCV", "BayesianRidge", "ElasticNet"],
)
def test_other_closed_forms_come_with_a_map_too(kind: str, theirs: Any, params: dict[str, Any], exact: float) -> None:
    made = numbers("diabetes")
    more = {"cv": 4} if isinstance(theirs, RidgeCV) else {}
    found, ours, theirs, _ = beside(made, SPLITS["pathological"](made), kind, theirs, params=params, **more)
    assert found.trips == 1
    assert error(ours, theirs, "coef_") <= exact
    assert error(ours, theirs, "intercept_") <= exact


def test_weights_are_scikit_learns_sample_weights() -> None:
    made = numbers("iris")
    weighted = made.frame.assign(w=np.random.default_rng(3).integers(0, 4, len(made.frame)))
    world, split = World(weighted, made.target, made.features), SPLITS["by covariate"](made)
    text = json.loads(agreement(world, "Ridge", {"alpha": 0.3}, weight={"column": "w", "range": [0, 5]}))
    text["model"]["map"] = {"type": "RBFSampler", **MAPS["RBFSampler"]}
    found = federated(json.dumps(text), world, split)
    pooled = weighted.iloc[np.concatenate(split)]
    X = designed(found.plan.columns.mapped, "RBFSampler", MAPS["RBFSampler"], pooled, world)
    theirs = Ridge(alpha=0.3).fit(X, pooled["y"], sample_weight=pooled["w"])
    assert error(fitted_estimator(found.plan, found.state), theirs, "coef_") <= 1e-7
    rows = pooled.loc[pooled.index.repeat(pooled["w"])]
    X = designed(found.plan.columns.mapped, "RBFSampler", MAPS["RBFSampler"], rows, world)
    assert error(fitted_estimator(found.plan, found.state), Ridge(alpha=0.3).fit(X, rows["y"]), "coef_") <= 1e-7


@pytest.mark.parametrize("split", ["even", "by label"])
def test_a_likelihood_takes_a_map_in_its_usual_trips(split: str) -> None:
    made = binary("breast_cancer", 6)
    found, ours, theirs, _ = beside(
        made,
        SPLITS[split](made),
        "RBFSampler",
        LogisticRegression(C=1.0, tol=1e-12, max_iter=10**4),
        options={"n_components": 15},
        params={"C": 1.0},
    )
    assert found.trips <= 6
    assert error(ours, theirs, "coef_") <= 1e-6


def test_counts_take_splines() -> None:
    rng = np.random.default_rng(4)
    x = rng.uniform(0, 10, (600, 2)).round(3)
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(y=rng.poisson(np.exp(np.sin(x[:, 0]) + 0.1 * x[:, 1])))
    target = {"column": "y", "type": "count", "range": [0, 40]}
    made = World(frame, target, {name: {"type": "number", "range": [0, 10]} for name in "ab"})
    theirs = PoissonRegressor(alpha=0.01, tol=1e-12, max_iter=10**4, solver="newton-cholesky")
    found, ours, theirs, _ = beside(
        made, SPLITS["by covariate"](made), "SplineTransformer", theirs, params={"alpha": 0.01}
    )
    assert found.trips <= 5
    assert error(ours, theirs, "coef_") <= 1e-6


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PolynomialFeatures", {"degree": 3, "interaction_only": True}),
        ("PolynomialFeatures", {"degree": 1, "include_bias": True}),
        ("SplineTransformer", {"n_knots": 2, "degree": 1, "include_bias": False}),
        ("SplineTransformer", {"degree": 2, "extrapolation": "linear"}),
    ],
    ids=str,
)
def test_every_parameter_of_a_map_means_what_it_means_to_scikit_learn(kind: str, options: dict[str, Any]) -> None:
    made = numbers("iris")
    found, ours, theirs, _ = beside(
        made, SPLITS["even"](made), kind, Ridge(alpha=0.1), options=options, params={"alpha": 0.1}
    )
    assert error(ours, theirs, "coef_") <= 1e-7
    names = (PolynomialFeatures if kind == "PolynomialFeatures" else SplineTransformer)(
        **{"include_bias": False, **MAPS[kind], **options}
        if kind == "PolynomialFeatures"
        else {**MAPS[kind], **options}
    )
    names = names.fit(made.frame[list(made.features)]).get_feature_names_out()
    assert found.plan.columns.names == tuple(f"{kind}[{name}]" for name in names)


@cache
def digits() -> tuple[World, list[Rows], Rows]:
    """All 64 pixels, dealt to silos of unlike digits; a fifth of the rows kept out."""
    data = datasets.load_digits(as_frame=True)
    target = {"column": "y", "type": "category", "levels": [str(k) for k in range(10)]}
    features = {str(name): {"type": "number", "range": [0, 16]} for name in data.data}
    world = World(data.data.rename(columns=str).assign(y=data.target), target, features)
    order = np.random.default_rng(7).permutation(len(world.frame))
    kept_out, train = order[:360], order[360:]
    train = train[np.argsort(world.frame["y"].to_numpy()[train] // 4, kind="stable")]
    return world, np.array_split(train, 4), kept_out


@pytest.mark.parametrize(
    ("kind", "options"), [("RandomReLU", {"n_components": 1000}), ("RBFSampler", {"n_components": 300, "gamma": 0.02})]
)
def test_one_trip_reads_handwriting(kind: str, options: dict[str, Any]) -> None:
    world, split, kept_out = digits()
    found, ours, theirs, _ = beside(
        world, split, kind, RidgeClassifier(alpha=0.5), options=options, params={"alpha": 0.5}
    )
    assert found.trips == 1
    assert error(ours, theirs, "coef_") <= 1e-7
    unseen = world.frame.iloc[kept_out]
    X = designed(found.plan.columns.mapped, kind, {**MAPS[kind], **options}, unseen, world)
    assert (ours.predict(X) == unseen["y"]).mean() >= 0.98
