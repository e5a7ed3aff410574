"""Discriminant analysis, centroids and Gaussian naive Bayes in one trip: scikit-learn's own fit of the pooled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB

from tests.estimators.comparing import beside
from tests.estimators.worlds import SPLITS, World, binary, classes

WORLDS = {"iris": lambda: classes("iris"), "wine": lambda: classes("wine"), "cancer": lambda: binary(columns=8)}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    "params",
    [{}, {"solver": "lsqr", "shrinkage": 0.2}, {"solver": "eigen"}, {"solver": "svd", "store_covariance": True}],
    ids=str,
)
def test_linear_discriminants_are_the_pooled_ones(world: str, split: str, params: dict[str, Any]) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "LinearDiscriminantAnalysis", LinearDiscriminantAnalysis, params)
    assert found.federation.trips == 1
    read = ["coef_", "intercept_", "means_", "priors_", lambda e: e.predict_proba(found.X)]
    if params.get("solver") != "lsqr":
        read += ["explained_variance_ratio_", lambda e: e.scalings_ @ e.scalings_.T]
    if params.get("store_covariance"):
        read.append("covariance_")
    for attribute in read:
        assert found.error(attribute) <= 1e-8, attribute
    assert (found.ours.predict(found.X) == found.theirs.predict(found.X)).all()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", ["iris", "wine", "cancer"])
@pytest.mark.parametrize(
    "params", [{"reg_param": 0.1}, {"solver": "eigen", "shrinkage": 0.3, "store_covariance": True}], ids=str
)
def test_quadratic_discriminants_are_the_pooled_ones(world: str, split: str, params: dict[str, Any]) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "QuadraticDiscriminantAnalysis", QuadraticDiscriminantAnalysis, params)
    assert found.federation.trips == 1

    def covariance(each: Any) -> np.ndarray:
        pairs = zip(each.rotations_, each.scalings_, strict=True)
        return np.array([(rotation * scaling) @ rotation.T for rotation, scaling in pairs])

    for attribute in ("means_", "priors_", covariance, lambda e: e.predict_proba(found.X)):
        assert found.error(attribute) <= 1e-8, attribute
    if params.get("store_covariance"):
        assert found.error("covariance_") <= 1e-8


def test_agreed_priors_go_with_their_classes_whatever_their_order() -> None:
    made = classes("iris")
    turned = World(made.frame, {**made.target, "levels": ["c2", "c0", "c1"]}, made.features)
    params = {"priors": [0.5, 0.2, 0.3]}
    for name, cls in (
        ("LinearDiscriminantAnalysis", LinearDiscriminantAnalysis),
        ("QuadraticDiscriminantAnalysis", QuadraticDiscriminantAnalysis),
        ("GaussianNB", GaussianNB),
    ):
        # scikit-learn sorts the classes: c0, c1, c2.
        found = beside(turned, SPLITS["even"](turned), name, cls, params, tight={"priors": np.array([0.2, 0.3, 0.5])})
        assert found.ours.priors.tolist() == [0.2, 0.3, 0.5]
        assert found.error(lambda e: e.predict_proba(found.X)) <= 1e-8, name  # noqa: B023
