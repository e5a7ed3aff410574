"""Naive Bayes of every kind and nearest centroids, in one trip: scikit-learn's own fit of the pooled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from fedcli.errors import ContradictoryStudy, OneClass
from fedcli.preparing.plan import Plan
from fedcli.study.reading import read_study
from tests.estimators.comparing import agreement, beside
from tests.estimators.worlds import SPLITS, World, binary, classes, counts, levels

WORLDS = {"iris": lambda: classes("iris"), "wine": lambda: classes("wine"), "cancer": binary}
LEVELS = {name: (lambda name=name: levels(name)) for name in ("iris", "wine", "breast_cancer")}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", [{}, {"var_smoothing": 1e-3}], ids=str)
def test_gaussian_bayes_is_the_pooled_one(world: str, split: str, params: dict[str, Any]) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "GaussianNB", GaussianNB, params)
    assert found.federation.trips == 1
    read = ("theta_", "var_", "class_prior_", "class_count_", "epsilon_", lambda e: e.predict_proba(found.X))
    for attribute in read:
        assert found.error(attribute) <= 1e-8, attribute


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", [{}, {"shrink_threshold": 0.4, "priors": "empirical"}], ids=str)
def test_nearest_centroids_are_the_pooled_ones(world: str, split: str, params: dict[str, Any]) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "NearestCentroid", NearestCentroid, params)
    assert found.federation.trips == 1
    read = (
        "centroids_",
        "deviations_",
        "within_class_std_dev_",
        "class_prior_",
        lambda e: e.decision_function(found.X),
    )
    for attribute in read:
        assert found.error(attribute) <= 1e-8, attribute
    assert (found.ours.predict(found.X) == found.theirs.predict(found.X)).all()


def encoded(world: World, *, ordinal: bool) -> Any:
    of = [column["levels"] for column in world.features.values()]
    make = OrdinalEncoder(categories=of) if ordinal else OneHotEncoder(categories=of, drop="first", sparse_output=False)
    return lambda frame: make.fit_transform(frame[list(world.features)].to_numpy(dtype=object))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", LEVELS)
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (CategoricalNB, {"alpha": 0.5}),
        (BernoulliNB, {"fit_prior": False}),
        (MultinomialNB, {}),
        (ComplementNB, {"norm": True}),
    ],
    ids=str,
)
def test_counts_of_levels_are_exact(cls: type, params: dict[str, Any], world: str, split: str) -> None:
    made = LEVELS[world]()
    prepare = encoded(made, ordinal=cls is CategoricalNB)
    found = beside(made, SPLITS[split](made), cls.__name__, cls, params, standardize=False, prepare=prepare)
    assert found.federation.trips == 1
    name = "category_count_" if cls is CategoricalNB else "feature_count_"
    for ours, theirs in zip(getattr(found.ours, name), getattr(found.theirs, name), strict=True):
        assert (np.asarray(ours) == np.asarray(theirs)).all()
    assert (found.ours.class_count_ == found.theirs.class_count_).all()
    assert found.error(lambda e: e.predict_proba(found.X)) <= 1e-10


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("cls", [MultinomialNB, ComplementNB])
def test_counts_of_counts_are_exact(cls: type, split: str) -> None:
    made = counts()
    found = beside(made, SPLITS[split](made), cls.__name__, cls, standardize=False)
    assert (found.ours.feature_count_ == found.theirs.feature_count_).all()
    assert found.error(lambda e: e.predict_proba(found.X)) <= 1e-10


@pytest.mark.parametrize(
    ("estimator", "made", "standardize", "says"),
    [
        ("MultinomialNB", counts, True, "the study standardises them"),
        ("MultinomialNB", lambda: classes("iris"), False, None),
        ("CategoricalNB", lambda: classes("iris"), False, "takes categories alone"),
        ("BernoulliNB", counts, False, "takes categories alone"),
    ],
)
def test_columns_that_cannot_be_counted_are_refused(estimator: str, made: Any, standardize: bool, says: str) -> None:
    world = made()
    if says is None:
        world = World(world.frame, world.target, {n: {**c, "range": [-1, 10]} for n, c in world.features.items()})
        says = "takes no values below 0"
    with pytest.raises(ContradictoryStudy, match=says):
        _ = Plan(read_study(agreement(world, estimator, standardize=standardize))).family


def test_a_class_that_no_row_has_is_refused_by_its_number() -> None:
    made = classes("iris")
    target = {**made.target, "levels": [*made.target["levels"], "c3"]}
    world = World(pd.DataFrame(made.frame), target, made.features)
    with pytest.raises(OneClass, match="no row of any silo has class 4 of the 4 agreed ones"):
        beside(world, SPLITS["even"](world), "GaussianNB", GaussianNB)
