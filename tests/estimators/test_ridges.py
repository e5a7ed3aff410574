"""Ridge, its choice by cross-validation, ridge for classes and the Bayesian ridges: scikit-learn's own pooled fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import ARDRegression, BayesianRidge, RidgeClassifier, RidgeCV

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.preparing.plan import Plan
from fedcli.study.reading import read_study
from tests.estimators.comparing import agreement, beside
from tests.estimators.worlds import SPLITS, binary, classes, numbers

NUMBERS = {"diabetes": lambda: numbers("diabetes"), "wine": lambda: numbers("wine"), "iris": lambda: numbers("iris")}
CLASSES = {"iris": lambda: classes("iris"), "wine": lambda: classes("wine"), "cancer": binary}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", NUMBERS)
@pytest.mark.parametrize(
    "params", [{}, {"alphas": [0.01, 1, 100], "scoring": "neg_mean_squared_error", "fit_intercept": False}], ids=str
)
def test_a_cross_validated_ridge_is_the_pooled_one(world: str, split: str, params: dict[str, Any]) -> None:
    made = NUMBERS[world]()
    found = beside(made, SPLITS[split](made), "RidgeCV", RidgeCV, params, cv=4)
    assert found.federation.trips == 1
    for attribute in ("coef_", "intercept_", "alpha_", "best_score_"):
        assert found.error(attribute) <= 1e-8, attribute


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", CLASSES)
@pytest.mark.parametrize("params", [{}, {"alpha": 20.0, "fit_intercept": False}], ids=str)
def test_a_ridge_for_classes_is_the_pooled_one(world: str, split: str, params: dict[str, Any]) -> None:
    made = CLASSES[world]()
    tight = {"solver": "cholesky"}
    found = beside(made, SPLITS[split](made), "RidgeClassifier", RidgeClassifier, params, tight=tight)
    assert found.federation.trips == 1
    for attribute in ("coef_", "intercept_", lambda e: e.decision_function(found.X)):
        assert found.error(attribute) <= 1e-8, attribute
    assert (found.ours.predict(found.X) == found.theirs.predict(found.X)).all()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", NUMBERS)
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (BayesianRidge, {}),
        (BayesianRidge, {"tol": 1e-9, "alpha_init": 0.5, "lambda_1": 0.1}),
        (BayesianRidge, {"fit_intercept": False}),
        (ARDRegression, {}),
        (ARDRegression, {"tol": 1e-8, "max_iter": 50, "threshold_lambda": 100.0}),
    ],
    ids=str,
)
def test_bayesian_ridges_are_the_pooled_ones(cls: type, params: dict[str, Any], world: str, split: str) -> None:
    made = NUMBERS[world]()
    found = beside(made, SPLITS[split](made), cls.__name__, cls, params)
    assert found.federation.trips == 1
    for attribute in ("coef_", "intercept_", "alpha_", "lambda_", "sigma_"):
        assert found.error(attribute) <= 1e-8, attribute
    _, ours = found.ours.predict(found.X, return_std=True)
    _, theirs = found.theirs.predict(found.X, return_std=True)
    assert np.allclose(ours, theirs, rtol=1e-8, atol=0)


def test_folds_are_asked_for_where_they_are_needed_and_refused_elsewhere() -> None:
    world = numbers("diabetes")
    with pytest.raises(ContradictoryStudy, match="RidgeCV chooses by cross-validation") as caught:
        _ = Plan(read_study(agreement(world, "RidgeCV"))).family
    assert "cv: 5" in caught.value.hint
    with pytest.raises(ContradictoryStudy, match="Ridge chooses nothing by cross-validation"):
        _ = Plan(read_study(agreement(world, "Ridge", cv=5))).family
    with pytest.raises(UnsupportedModel, match="alphas has an entry that must be a number"):
        _ = Plan(read_study(agreement(world, "RidgeCV", {"alphas": [1.0, -1.0]}, cv=5))).family


def test_every_row_is_in_one_fold_and_folds_are_about_alike() -> None:
    made = numbers("diabetes")
    found = beside(made, SPLITS["even"](made), "RidgeCV", RidgeCV, cv=5)
    assert found.folds is not None
    sizes = np.bincount(found.folds, minlength=5)
    assert sizes.sum() == 442
    assert (np.abs(sizes - 442 / 5) < 4 * np.sqrt(442 * 0.16)).all()
