"""What describes the columns alone, in one trip: scikit-learn's own fit of the pooled rows, up to signs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import OAS, EmpiricalCovariance, GraphicalLasso, LedoitWolf, ShrunkCovariance
from sklearn.decomposition import PCA, FactorAnalysis, TruncatedSVD
from sklearn.preprocessing import StandardScaler

from fedcli.models.batch import empty_state
from fedcli.preparing.plan import Plan
from fedcli.study.reading import read_study
from tests.estimators.comparing import agreement, beside
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


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("params", [{}, {"assume_centered": True}], ids=str)
@pytest.mark.parametrize("standardize", [True, False])
def test_shrinkage_is_the_pooled_one(world: str, split: str, params: dict[str, Any], standardize: bool) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), "LedoitWolf", LedoitWolf, params, standardize=standardize)
    assert found.federation.trips == 1
    for attribute in ("shrinkage_", "covariance_", lambda e: e.mahalanobis(found.X)):
        assert found.error(attribute) <= 1e-8, attribute


def test_a_range_far_wider_than_the_values_costs_no_digit_of_shrinkage() -> None:
    made = unlabelled("wine")
    features = {c: {**column, "range": [-1e5, 1e5]} for c, column in made.features.items()}
    wide = replace(made, features=features)
    found = beside(wide, SPLITS["by label"](made), "LedoitWolf", LedoitWolf)
    assert found.error("shrinkage_") <= 1e-8
    assert found.error("covariance_") <= 1e-8


def test_fourth_moments_ask_for_ten_times_as_many_numbers_as_are_sent() -> None:
    made = unlabelled("wine")
    plan = Plan(read_study(agreement(made, "LedoitWolf")))
    (gram,) = (block for block in plan.layout(empty_state()) if block.name == "gram")
    # 1, eight columns and their squares.
    assert gram.size == 17 * 18 // 2
    assert "the square of each number is one of the columns" in gram.says
    assert plan.n_summed == 17
    assert 8 * 5 * plan.n_counted >= 10 * gram.size > 8 * 5 * (plan.n_counted - 1)
    least = Plan(read_study(agreement(made, "OAS")))
    assert (least.n_summed, least.n_counted) == (9, 9)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("cls", "params"), [(OAS, {}), (ShrunkCovariance, {"shrinkage": 0.3})])
def test_shrinkage_by_second_moments_is_the_pooled_one(
    world: str, split: str, cls: type, params: dict[str, Any]
) -> None:
    made = WORLDS[world]()
    found = beside(made, SPLITS[split](made), cls.__name__, cls, params)
    assert found.federation.trips == 1
    for attribute in ("covariance_", "precision_", *(["shrinkage_"] if cls is OAS else [])):
        assert found.error(attribute) <= 1e-8, attribute


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
