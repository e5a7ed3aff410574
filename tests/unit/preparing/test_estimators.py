from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
import pytest
from sklearn.utils import all_estimators

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.models.cavity import Cavity
from fedcli.models.closed import Closed
from fedcli.models.elsewhere import NOT_FEDERABLE
from fedcli.preparing.estimators import ESTIMATORS, parameters
from fedcli.preparing.plan import Plan
from fedcli.study.reading import read_study
from tests.equivalence.cases import TARGETS, agreement

X = {"x": {"type": "number", "range": [-10, 10]}}


def plan_of(estimator: str, params: dict[str, Any] | None = None, target: str | None = None, **parts: Any) -> Plan:
    return Plan(read_study(agreement(TARGETS[target or estimator], X, estimator, params, **parts)))


@pytest.mark.parametrize("estimator", [n for n, of in ESTIMATORS.items() if of.module and not of.stands_for])
def test_defaults_are_scikit_learns(estimator: str) -> None:
    theirs = getattr(importlib.import_module(ESTIMATORS[estimator].module), estimator)().get_params()
    ours = dict(ESTIMATORS[estimator].defaults)
    if estimator == "TruncatedSVD":
        # Its random algorithm approximates what the exact one finds.
        assert ours.pop("algorithm") == "arpack"
    if estimator == "SelectKBest":
        assert ours.pop("score_func") == theirs["score_func"].__name__
    # scikit-learn 1.8 spells the L2 penalty as l1_ratio = 0 and keeps the old word for reading.
    ours.pop("penalty", None)
    assert ours == {name: theirs[name] for name in ours}


def test_an_unknown_estimator_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnsupportedModel, match="not one that fedcli fits") as caught:
        parameters(plan_of("LogisticRegresion", target="LogisticRegression").study)
    assert "LogisticRegression" in caught.value.hint


def test_an_unknown_parameter_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnsupportedModel, match="no parameter 'class_weight' here; known: C"):
        parameters(plan_of("LogisticRegression", {"class_weight": "balanced"}).study)


@pytest.mark.parametrize("name", ["tol", "solver", "max_iter"])
def test_what_only_steers_a_solver_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedModel, match="has no meaning here"):
        parameters(plan_of("LogisticRegression", {name: 1}).study)


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("LogisticRegression", {"C": 0}),
        ("LogisticRegression", {"C": -1.0}),
        ("LogisticRegression", {"C": "much"}),
        ("LogisticRegression", {"C": True}),
        ("LogisticRegression", {"penalty": "l3"}),
        ("LogisticRegression", {"l1_ratio": 1.5}),
        ("LogisticRegression", {"l1_ratio": "half"}),
        ("LogisticRegression", {"penalty": "l2", "l1_ratio": 0.5}),
        ("LogisticRegression", {"penalty": None, "l1_ratio": 0.5}),
        ("LogisticRegression", {"penalty": "l1", "l1_ratio": 0.5}),
        ("LogisticRegression", {"penalty": "elasticnet"}),
        ("Ridge", {"alpha": -0.5}),
        ("PoissonRegressor", {"alpha": "none"}),
        ("Ridge", {"fit_intercept": "yes"}),
    ],
)
def test_values_without_a_meaning_are_refused(estimator: str, params: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel):
        parameters(plan_of(estimator, params).study)


@pytest.mark.parametrize(
    ("estimator", "target"),
    [("LogisticRegression", "Ridge"), ("Ridge", "PoissonRegressor"), ("PoissonRegressor", "Ridge")],
)
def test_a_target_of_another_type_is_refused(estimator: str, target: str) -> None:
    with pytest.raises(ContradictoryStudy, match=f"{estimator} needs a target of type"):
        parameters(plan_of(estimator, target=target).study)


def test_least_squares_take_no_offset() -> None:
    offset = {"column": "exposure", "range": [0.5, 4]}
    with pytest.raises(ContradictoryStudy, match="takes no offset"):
        _ = plan_of("Ridge", offset=offset).family


@pytest.mark.parametrize("params", [{"penalty": None}, {"penalty": "none"}, {"C": np.inf}, {"C": float("inf")}])
def test_every_spelling_of_no_penalty_is_none(params: dict[str, Any]) -> None:
    study = plan_of("LogisticRegression").study
    model = study.model.model_copy(update={"params": params})
    family = Plan(study.model_copy(update={"model": model})).family
    assert isinstance(family, Cavity)
    assert family.penalty.ridge == 0.0


def test_penalties_are_on_scikit_learns_scale() -> None:
    logistic, ridge, poisson = (
        plan_of("LogisticRegression", {"C": 0.25}).family,
        plan_of("Ridge", {"alpha": 3.0}).family,
        plan_of("PoissonRegressor", {"alpha": 0.5}).family,
    )
    assert isinstance(logistic, Cavity)
    assert isinstance(ridge, Closed)
    assert isinstance(poisson, Cavity)
    assert (logistic.penalty.ridge, logistic.penalty.per_weight) == (4.0, False)
    assert ridge.form.alpha == 3.0
    assert (poisson.penalty.ridge, poisson.penalty.per_weight) == (0.5, True)
    net = plan_of("LogisticRegression", {"C": 0.25, "l1_ratio": 0.75}).family
    assert isinstance(net, Cavity)
    assert (net.penalty.ridge, net.penalty.lasso) == (1.0, 3.0)


def test_a_linear_regression_has_no_penalty() -> None:
    family = plan_of("LinearRegression").family
    assert isinstance(family, Closed)
    assert family.form.alpha == 0.0


@pytest.mark.parametrize("name", ["KNeighborsClassifier", "SVC", "DBSCAN", "TSNE", "GaussianProcessRegressor"])
def test_what_needs_rows_is_refused_with_what_comes_nearest(name: str) -> None:
    said = rf"{name} cannot be fitted without pooling rows: it (keeps|compares)"
    with pytest.raises(UnsupportedModel, match=said) as caught:
        parameters(plan_of(name, target="Ridge").study)
    named = re.findall(r"\w+", caught.value.hint)
    assert set(named) & set(ESTIMATORS)


def test_every_class_that_is_refused_for_its_rows_is_scikit_learns_own() -> None:
    assert set(NOT_FEDERABLE) <= {name for name, _ in all_estimators()}
    assert not set(NOT_FEDERABLE) & set(ESTIMATORS)
