"""Hard cases across all families: the pooled fit of those who wrote the class, or a refusal by name.

Each family's own page of tests has its splits and trips; here every family meets the same few bad tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import decomposition, discriminant_analysis, linear_model, naive_bayes, neighbors, svm

from fedcli.errors import BadStudy, OneClass, OutOfRange
from tests.estimators import surviving
from tests.estimators import test_cox_one_baseline as one_baseline
from tests.estimators import test_negative_binomial as negative_binomial
from tests.estimators import test_ordinal as ordinal
from tests.estimators.comparing import agreement, beside, federated
from tests.estimators.worlds import World, binary, classes, even, numbers, ranged

# Silos take part without the rule on rows that stand out: what is compared is the mathematics.
LARGE = {"aggregation": "plain", "min_rows": 100_000, "min_cell": 1, "rows_per_column": 0}
NEWTON = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}


@dataclass(frozen=True)
class Case:
    """A family with its pooled class: what it fits, and what is compared of it."""

    estimator: str
    cls: type
    outcome: str
    params: dict[str, Any] = field(default_factory=dict)
    tight: dict[str, Any] = field(default_factory=dict)
    read: tuple[str, ...] = ("coef_", "intercept_")
    trips: int = 1
    within: float = 1e-6


FAMILIES = {
    "logistic": Case("LogisticRegression", linear_model.LogisticRegression, "class", {"C": 0.5}, NEWTON, trips=6),
    "logistic, L1": Case(
        "LogisticRegression",
        linear_model.LogisticRegression,
        "class",
        {"C": 0.2, "l1_ratio": 1.0},
        {"solver": "saga", "tol": 1e-12, "max_iter": 200_000},
        trips=7,
    ),
    "several classes": Case(
        "LogisticRegression", linear_model.LogisticRegression, "classes", {"C": 0.3}, NEWTON, trips=6
    ),
    "counts": Case("PoissonRegressor", linear_model.PoissonRegressor, "count", {"alpha": 0.1}, NEWTON, trips=5),
    "gamma": Case("GammaRegressor", linear_model.GammaRegressor, "number", {"alpha": 0.1}, NEWTON, trips=5),
    "tweedie": Case(
        "TweedieRegressor", linear_model.TweedieRegressor, "number", {"power": 1.5, "alpha": 0.1}, NEWTON, trips=5
    ),
    "squared hinge": Case(
        "LinearSVC", svm.LinearSVC, "class", {"C": 0.1}, {"dual": False, "tol": 1e-12, "max_iter": 20000}, trips=8
    ),
    "ridge": Case("Ridge", linear_model.Ridge, "number", {"alpha": 2.0}, {"solver": "cholesky"}),
    "ridge of classes": Case("RidgeClassifier", linear_model.RidgeClassifier, "classes", {}, {"solver": "cholesky"}),
    "lasso": Case("Lasso", linear_model.Lasso, "number", {"alpha": 2.0}, {"tol": 1e-14, "max_iter": 100_000}),
    "elastic net": Case(
        "ElasticNet", linear_model.ElasticNet, "number", {"alpha": 1.0}, {"tol": 1e-14, "max_iter": 100_000}
    ),
    "bayesian ridge": Case("BayesianRidge", linear_model.BayesianRidge, "number", {}, {}),
    "naive Bayes": Case("GaussianNB", naive_bayes.GaussianNB, "classes", read=("theta_", "var_", "class_prior_")),
    "centroids": Case("NearestCentroid", neighbors.NearestCentroid, "classes", read=("centroids_",)),
    "components": Case(
        "PCA", decomposition.PCA, "none", {"n_components": 2}, read=("explained_variance_", "singular_values_")
    ),
    "discriminants": Case(
        "LinearDiscriminantAnalysis",
        discriminant_analysis.LinearDiscriminantAnalysis,
        "classes",
        {"solver": "lsqr", "shrinkage": 0.1},
    ),
}


@cache
def base(outcome: str) -> World:
    if outcome == "class":
        return binary(columns=4)
    if outcome in ("classes", "none"):
        made = classes("iris")
        return made if outcome == "classes" else World(made.frame, {}, made.features)
    made = numbers("diabetes")
    if outcome == "number":
        return made
    y = (made.frame["y"] / 25).astype(int)
    return World(made.frame.assign(y=y), {"column": "y", "type": "count", "range": [0, 20]}, made.features)


def more(made: World, values: Any) -> World:
    frame = made.frame.assign(more=values)
    low, high = float(frame["more"].min()), float(frame["more"].max())
    room = (high - low) / 10 or 1.0
    return World(frame, made.target, {**made.features, "more": {"type": "number", "range": [low - room, high + room]}})


def first(made: World) -> pd.Series[Any]:
    return made.frame[made.numbers[0]]


HARD: dict[str, Callable[[World], Any]] = {
    "a constant": lambda made: 7.5,
    "a copy": first,
    "a sum": lambda made: first(made) + 2 * made.frame[made.numbers[1]],
    "scale 1e8": lambda made: 1e8 * (1 + (first(made) - first(made).mean()) ** 2 / first(made).var()),
}
# scikit-learn leaves the share of two equal columns to rounding where only an absolute value tells them apart.
UNDETERMINED = {("a copy", "lasso"), ("a copy", "logistic, L1")}


@pytest.mark.parametrize(
    ("family", "case"), [(family, case) for family in FAMILIES for case in HARD if (case, family) not in UNDETERMINED]
)
def test_bad_columns_get_the_pooled_fit(family: str, case: str) -> None:
    known = FAMILIES[family]
    made = base(known.outcome)
    made = more(made, HARD[case](made))
    found = beside(made, even(made, 2), known.estimator, known.cls, known.params, tight=known.tight, rules=LARGE)
    assert max(found.error(name) for name in known.read) <= known.within
    assert found.federation.trips <= known.trips


# ---- more columns than rows ------------------------------------------------------------------------------------------

# All 500 in one study of several trips and in one of a single trip; in the others, which would be slow, there are
# twice as many columns as rows as well.
COLUMNS = {"logistic": 500, "ridge": 500}
# Their pooled fits differ by more between scikit-learn's own solvers, or are those of another family here.
NARROW = ("several classes", "bayesian ridge", "logistic, L1", "tweedie", "elastic net")


def wide(outcome: str, columns: int) -> World:
    """Rows half as many as columns, of which two tell something."""
    rng, n = np.random.default_rng(7), columns // 2
    X = rng.normal(size=(n, columns))
    score = X[:, 0] - X[:, 1] + rng.normal(size=n)
    y: dict[str, Any] = {
        "class": (score > 0).astype(int),
        "classes": np.array(["c0", "c1", "c2"])[np.digitize(score, [-0.8, 0.8])],
        "count": np.minimum(rng.poisson(np.exp(score / 3)), 20),
        "number": np.exp(score / 4) * 100,
        "none": np.zeros(n),
    }
    target = {**base(outcome).target, **({"range": [1.0, 1000.0]} if outcome == "number" else {})}
    frame = pd.DataFrame(X, columns=[f"c{k}" for k in range(columns)])
    return World(frame.assign(y=y[outcome]), target, ranged(frame))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in NARROW])
def test_more_columns_than_rows_get_the_pooled_fit(family: str) -> None:
    known = FAMILIES[family]
    made = wide(known.outcome, COLUMNS.get(family, 80))
    params = {**known.params, **({"C": 0.01} if "C" in known.params else {})}
    found = beside(made, even(made, 2), known.estimator, known.cls, params, tight=known.tight, rules=LARGE)
    assert max(found.error(name) for name in known.read) <= known.within
    assert found.federation.trips <= known.trips


# ---- rows of weight 0, exposure 0, counts of 0 -----------------------------------------------------------------------

UNWEIGHTED = ("bayesian ridge", "centroids", "components", "discriminants", "naive Bayes")


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in UNWEIGHTED])
def test_rows_of_weight_0_say_nothing(family: str) -> None:
    known = FAMILIES[family]
    made = base(known.outcome)
    weight = (np.arange(len(made.frame)) % 4 > 0).astype(float)
    # Rows that do not count may say anything: here the opposite of what the others say.
    y = made.frame["y"].to_numpy().copy()
    y[weight == 0] = y[weight == 0][::-1]
    silent = World(made.frame.assign(y=y, w=weight), made.target, made.features)
    kept = World(made.frame[weight > 0].reset_index(drop=True), made.target, made.features)
    parts: dict[str, Any] = {"standardize": False, "rules": LARGE}
    ours = federated(text(silent, known, weight={"column": "w", "range": [0, 1]}, **parts), silent, even(silent, 3))
    theirs = federated(text(kept, known, **parts), kept, even(kept, 2))
    a, b = ours.plan.coefficients(ours.state), theirs.plan.coefficients(theirs.state)
    assert np.linalg.norm(a - b) <= 2e-6 * np.linalg.norm(b)


def text(made: World, known: Case, **parts: Any) -> str:
    return agreement(made, known.estimator, known.params, **parts)


@pytest.mark.parametrize("family", ["counts", "gamma", "tweedie"])
def test_an_exposure_of_0_is_no_exposure(family: str) -> None:
    known = FAMILIES[family]
    made = base(known.outcome)
    zero = World(made.frame.assign(e=0.0), made.target, made.features)
    offset = {"column": "e", "transform": "log"}
    with pytest.raises(BadStudy, match="range above 0"):
        federated(text(zero, known, offset=offset | {"range": [0, 20]}), zero, even(zero, 2))
    with pytest.raises(OutOfRange, match="'e'"):
        federated(text(zero, known, offset=offset | {"range": [0.01, 20]}), zero, even(zero, 2))


def test_counts_that_are_0_at_a_silo_are_those_of_the_pool_and_everywhere_are_refused() -> None:
    known, made = FAMILIES["counts"], base("count")
    silos = even(made, 3)
    frame = made.frame.copy()
    frame.loc[silos[0], "y"] = 0
    some = World(frame, made.target, made.features)
    found = beside(some, silos, known.estimator, known.cls, known.params, tight=known.tight, rules=LARGE)
    assert max(found.error("coef_"), found.error("intercept_")) <= 1e-6
    none = World(made.frame.assign(y=0), made.target, made.features)
    with pytest.raises(OneClass, match="0 in every row"):
        federated(text(none, known, rules=LARGE), none, silos)


# ---- families that are not scikit-learn's ----------------------------------------------------------------------------

OWN = {name: values for name, values in HARD.items() if name != "a sum"}


@pytest.mark.parametrize("case", OWN)
def test_bad_columns_get_the_pooled_fit_of_statsmodels(case: str) -> None:
    counted = negative_binomial.world("made")
    levels = ordinal.world("wine")
    rows, others = even(counted, 3), even(levels, 3)
    if case == "a constant":
        # statsmodels has no fit with it: it leaves all other coefficients as they are without it.
        for made, split, fitted, params in (
            (counted, rows, negative_binomial.federated, {"l2": 1e-3}),
            (levels, others, ordinal.federated, {"alpha": 1.0}),
        ):
            plain, constant = (fitted(each, split, params).coefficients() for each in (made, more(made, 7.5)))
            assert constant.pop("more") == 0
            assert constant == pytest.approx(plain, rel=1e-7)
        return
    counted, levels = more(counted, OWN[case](counted)), more(levels, OWN[case](levels))
    found = negative_binomial.federated(counted, rows, {"l2": 1e-3})
    assert negative_binomial.errors(found, counted, rows, l2=1e-3)[-1] <= 1e-6
    at = ordinal.point(ordinal.federated(levels, others, {"alpha": 1.0}))
    best = ordinal.best(ordinal.likelihood(levels, np.concatenate(others)), at, alpha=1.0)
    assert np.linalg.norm(at - best) <= 1e-6 * np.linalg.norm(best)


@pytest.mark.parametrize("case", OWN)
def test_bad_columns_of_one_baseline_leave_the_others_as_they_are(case: str) -> None:
    made = surviving.world("rossi")
    grid, rows = one_baseline.grid_of(made, 4), even(made, 3)
    plain = one_baseline.fitted(made, rows, grid).coefficients()
    column = {"a constant": 7.5, "a copy": made.frame["age"], "scale 1e8": 1e8 * made.frame["age"]}[case]
    wider = more(made, column)
    found = one_baseline.fitted(wider, rows, grid)
    twin = found.coefficients()
    scale = {"a constant": 0.0, "a copy": 1.0, "scale 1e8": 1e8}[case]
    assert twin["age"] + scale * twin["more"] == pytest.approx(plain["age"], rel=1e-6)
    assert twin["prio"] == pytest.approx(plain["prio"], rel=1e-6)
    # The direction that nothing determines: the coordinator is warned of its columns.
    assert found.state.arrays["null"].shape[1] == 1
