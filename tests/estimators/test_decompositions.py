"""What describes the columns alone, in one trip: scikit-learn's own fit of the pooled rows, up to signs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance, GraphicalLasso
from sklearn.decomposition import PCA, FactorAnalysis, TruncatedSVD
from sklearn.preprocessing import StandardScaler

from tests.estimators.comparing import beside
from tests.estimators.worlds import SPLITS, World, classes


def unlabelled(name: str) -> World:
    """A table without an outcome; it keeps one that splits may use, and that nobody is asked for."""
    return replace(classes(name, 8), target={})


WORLDS = {name: partial(unlabelled, name) for name in ("iris", "wine", "breast_cancer")}


def turned(name: str) -> Any:
    """An attribute whose rows may turn their sign: their outer products may not."""
    return lambda e: np.array([np.outer(row, row) for row in getattr(e, name)])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", [{}, {"n_components": 2, "whiten": True}, {"n_components": 0.9}], ids=str)
@pytest.mark.parametrize("standardize", [True, False])
def test_principal_components_are_the_pooled_ones(
    world: str, split: str, params: dict[str, Any], standardize: bool
) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "PCA", PCA, params, tight={"svd_solver": "full"}, standardize=standardize)
    assert found.federation.trips == 1
    assert found.ours.n_components_ == found.theirs.n_components_
    read = ["explained_variance_", "explained_variance_ratio_", "singular_values_", "noise_variance_"]
    read += [turned("components_"), lambda e: np.abs(e.transform(found.X))]
    if not standardize:
        read.append("mean_")
    for attribute in read:
        assert found.error(attribute) <= 1e-8, attribute


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
def test_truncated_singular_values_are_the_pooled_ones(world: str, split: str) -> None:
    made = WORLDS[world]()
    params = {"n_components": 3, "algorithm": "arpack"}
    found = beside(made, SPLITS[split](made), "TruncatedSVD", TruncatedSVD, params, standardize=False)
    for attribute in (
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
        turned("components_"),
        lambda e: np.abs(e.transform(found.X)),
    ):
        assert found.error(attribute) <= 1e-8, attribute


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", [{"n_components": 2}, {"n_components": 3, "tol": 1e-3}], ids=str)
def test_factors_are_the_pooled_ones(world: str, split: str, params: dict[str, Any]) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "FactorAnalysis", FactorAnalysis, params, tight={"svd_method": "lapack"})
    for attribute in ("noise_variance_", "loglike_", turned("components_"), lambda e: e.get_covariance()):
        assert found.error(attribute) <= 1e-8, attribute


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", [{}, {"assume_centered": True}], ids=str)
def test_covariances_are_the_pooled_ones(world: str, split: str, params: dict[str, Any]) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "EmpiricalCovariance", EmpiricalCovariance, params, standardize=False)
    for attribute in ("covariance_", "location_", lambda e: e.mahalanobis(found.X)):
        assert found.error(attribute) <= 1e-8, attribute
    # A condition of a million takes as many digits from the inverse, whoever forms it.
    assert found.error("precision_") <= 1e-7


@pytest.mark.parametrize("split", ["even", "by label", "pathological"])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_graphical_lassos_are_the_pooled_ones_with_the_same_zeros(world: str, split: str, alpha: float) -> None:
    made = WORLDS[world]()
    tight = {"tol": 1e-11, "enet_tol": 1e-14, "max_iter": 5000}
    found = beside(made, SPLITS[split](made), "GraphicalLasso", GraphicalLasso, {"alpha": alpha}, tight=tight)
    for attribute in ("covariance_", "precision_"):
        assert found.error(attribute) <= 1e-8, attribute
    assert ((found.ours.precision_ == 0) == (np.abs(found.theirs.precision_) < 1e-12)).all()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
def test_scales_are_the_pooled_ones(world: str, split: str) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "StandardScaler", StandardScaler, standardize=False)
    for attribute in ("mean_", "var_", "scale_", "n_samples_seen_", lambda e: e.transform(found.X)):
        assert found.error(attribute) <= 1e-10, attribute
