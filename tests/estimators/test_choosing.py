"""One of several models, chosen on the trips that fit them all: scikit-learn and statsmodels choose the same one."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from sklearn.linear_model import GammaRegressor, LogisticRegression, LogisticRegressionCV, PoissonRegressor
from sklearn.metrics import log_loss, mean_gamma_deviance, mean_poisson_deviance
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import StandardScaler

from fedcli.errors import ContradictoryStudy, DominantRow, FedcliError, Separation, UnsupportedModel
from fedcli.preparing.plan import Plan
from fedcli.preparing.state_check import check_state
from fedcli.report.choice import choice_of
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.equivalence.federation import Federation
from tests.estimators.comparing import OPEN_RULES, agreement, federated
from tests.estimators.worlds import SPLITS, World, amounts, binary, classes, numbers, yes_or_no

CS, ALPHAS, FOLDS = [0.01, 0.1, 1.0], [0.001, 0.1, 1.0], 4
# A silo whose folds hold a handful of rows, or of one class hardly any, would be refused: this rule exempts it here,
# and the mathematics is compared.
RULES = {**OPEN_RULES, "rows_per_column": 2}
# Here every point of every silo passes the rules on single rows.
TESTED = {(world, split) for world in ("diabetes", "fair") for split in ("even", "by label", "by covariate")}
TIGHT: dict[str, Any] = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}


def counts() -> World:
    made = numbers("diabetes")
    frame = made.frame.assign(y=np.round(made.frame["y"] / 20).astype(int))
    return World(frame, {"type": "count", "column": "y", "range": [0, 20]}, made.features)


WORLDS = {
    "diabetes": lambda: yes_or_no("diabetes"),
    "fair": lambda: yes_or_no("fair"),
    "cancer": lambda: binary(columns=8),
}


@cache
def chosen(world: str, split: str, **parts: Any) -> tuple[World, Federation]:
    made = WORLDS[world]()
    rules = OPEN_RULES if (world, split) in TESTED else RULES
    text = agreement(made, "LogisticRegression", {"C": CS}, rules=rules, choose="cv", cv=FOLDS, **parts)
    return made, federated(text, made, SPLITS[split](made))


def pooled(made: World, split: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    frame = made.frame.iloc[np.concatenate(SPLITS[split](made))]
    X = StandardScaler().fit_transform(frame[list(made.features)].to_numpy(dtype=float))
    return X, frame["y"].to_numpy()


def folds_of(found: Federation) -> NDArray[np.int64]:
    return np.concatenate(list(found.folds.values()))


def coefficients(fitted: Any) -> NDArray[np.float64]:
    return np.append(np.ravel(fitted.intercept_), np.ravel(fitted.coef_))


def their_choice(Cs: list[float], fold: NDArray[np.int64], X: NDArray[np.float64], y: NDArray[Any], **more: Any) -> Any:
    """Let scikit-learn choose on the same folds, by the log loss."""
    said = {"scoring": "neg_log_loss", "l1_ratios": (0.0,), "use_legacy_attributes": False, **TIGHT, **more}
    return LogisticRegressionCV(Cs=Cs, cv=PredefinedSplit(fold), **said).fit(X, y)


def far(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", WORLDS)
def test_a_penalty_is_chosen_as_scikit_learn_does_on_the_pooled_rows(world: str, split: str) -> None:
    made, found = chosen(world, split)
    X, y = pooled(made, split)
    theirs = their_choice(CS, folds_of(found), X, y)
    ours = fitted_estimator(found.plan, found.state)
    assert float(np.ravel(theirs.C_)[0]) == ours.C
    assert far(coefficients(ours), coefficients(theirs)) <= 1e-6
    want = -np.asarray(theirs.scores_).reshape(FOLDS, len(CS))
    np.testing.assert_allclose(found.plan.family.scores(found.state), want, rtol=0, atol=1e-6)


def test_a_choice_takes_the_trips_of_one_fit() -> None:
    trips = sorted(chosen(world, split)[1].trips for world in WORLDS for split in SPLITS)
    assert trips[len(trips) // 2] <= 4
    assert trips[-1] <= 6


@pytest.mark.parametrize("split", ["even", "by covariate"])
@pytest.mark.parametrize("family", ["counts", "amounts"])
def test_penalties_of_counts_and_amounts_are_chosen_by_their_deviance(family: str, split: str) -> None:
    made = counts() if family == "counts" else amounts("diabetes")
    name, cls, deviance = {
        "counts": ("PoissonRegressor", PoissonRegressor, mean_poisson_deviance),
        "amounts": ("GammaRegressor", GammaRegressor, mean_gamma_deviance),
    }[family]
    text = agreement(made, name, {"alpha": ALPHAS}, rules=RULES, choose="cv", cv=FOLDS)
    found = federated(text, made, SPLITS[split](made))
    X, y = pooled(made, split)
    fold, want = folds_of(found), np.zeros((FOLDS, len(ALPHAS)))
    for k, alpha in enumerate(ALPHAS):
        for f in range(FOLDS):
            one = cls(alpha=alpha, **TIGHT).fit(X[fold != f], y[fold != f])
            want[f, k] = deviance(y[fold == f], one.predict(X[fold == f])) / 2.0
    scores = found.plan.family.scores(found.state)
    # A constant of each fold's rows apart, which no choice depends on.
    np.testing.assert_allclose(scores - scores[:, :1], want - want[:, :1], rtol=0, atol=1e-5)
    best = int(want.mean(axis=0).argmin())
    ours = fitted_estimator(found.plan, found.state)
    assert ours.alpha == ALPHAS[best]
    assert far(coefficients(ours), coefficients(cls(alpha=ALPHAS[best], **TIGHT).fit(X, y))) <= 1e-6


@pytest.mark.parametrize("by", ["aic", "bic"])
@pytest.mark.parametrize("family", ["yes or no", "counts"])
def test_nested_models_are_chosen_as_statsmodels_says(family: str, by: str) -> None:
    made = yes_or_no("diabetes") if family == "yes or no" else counts()
    names = list(made.features)
    nested = {"three": names[:3], "five": names[2:7]}
    name, params, glm = {
        "yes or no": ("LogisticRegression", {"penalty": None}, sm.families.Binomial()),
        "counts": ("PoissonRegressor", {"alpha": 0}, sm.families.Poisson()),
    }[family]
    found = federated(agreement(made, name, params, choose=by, nested=nested), made, SPLITS["even"](made))
    X, y = pooled(made, "even")
    fits, want = [], []
    # The agreement keeps its own order of them.
    for label in found.plan.family.labels:
        columns = [names.index(column) for column in nested.get(label, names)]
        fit = sm.GLM(y, sm.add_constant(X[:, columns]), family=glm).fit(tol=1e-12, maxiter=200)
        fits.append((columns, fit))
        want.append(fit.aic if by == "aic" else fit.bic_llf)
    scores = found.plan.family.scores(found.state)[0]
    np.testing.assert_allclose(scores - scores[0], np.array(want) - want[0], rtol=0, atol=1e-4)
    best = int(np.argmin(want))
    assert found.state.document["chosen"] == best
    columns, fit = fits[best]
    theirs = np.zeros(1 + len(names))
    theirs[[0, *(1 + k for k in columns)]] = fit.params
    assert far(coefficients(fitted_estimator(found.plan, found.state)), theirs) <= 1e-6


def test_nested_models_and_penalties_are_crossed_and_validated() -> None:
    made = yes_or_no("diabetes")
    names = list(made.features)
    nested = {"few": names[:3]}
    text = agreement(made, "LogisticRegression", {"C": [0.1, 1.0]}, rules=RULES, choose="cv", cv=3, nested=nested)
    found = federated(text, made, SPLITS["by label"](made))
    X, y = pooled(made, "by label")
    fold = folds_of(found)
    assert found.plan.family.labels == ("all columns, C=0.1", "all columns, C=1", "few, C=0.1", "few, C=1")
    want = np.zeros((3, 4))
    for k, (columns, C) in enumerate([(slice(None), 0.1), (slice(None), 1.0), (slice(3), 0.1), (slice(3), 1.0)]):
        for f in range(3):
            one = LogisticRegression(C=C, **TIGHT).fit(X[fold != f][:, columns], y[fold != f])
            want[f, k] = log_loss(y[fold == f], one.predict_proba(X[fold == f][:, columns]))
    np.testing.assert_allclose(found.plan.family.scores(found.state), want, rtol=0, atol=1e-6)
    assert found.state.document["chosen"] == want.mean(axis=0).argmin()


@pytest.mark.parametrize("split", ["even", "by covariate"])
def test_a_penalty_of_several_classes_is_chosen(split: str) -> None:
    made = classes("wine", 6)
    text = agreement(made, "LogisticRegression", {"C": CS}, rules=RULES, choose="cv", cv=3)
    found = federated(text, made, SPLITS[split](made))
    X, y = pooled(made, split)
    theirs = their_choice(CS, folds_of(found), X, y, solver="lbfgs", max_iter=20_000)
    ours = fitted_estimator(found.plan, found.state)
    assert float(np.ravel(theirs.C_)[0]) == ours.C
    assert float(np.abs(ours.predict_proba(X) - theirs.predict_proba(X)).max()) <= 1e-5


def test_shares_of_l1_are_chosen_and_what_is_zero_with_them() -> None:
    made = yes_or_no("diabetes")
    text = agreement(made, "LogisticRegression", {"C": [0.02, 0.1], "l1_ratio": 1.0}, rules=RULES, choose="cv", cv=3)
    found = federated(text, made, SPLITS["even"](made))
    X, y = pooled(made, "even")
    ours = fitted_estimator(found.plan, found.state)
    theirs = LogisticRegression(C=ours.C, l1_ratio=1.0, solver="saga", tol=1e-11, max_iter=50_000, random_state=0)
    theirs.fit(X, y)
    assert far(coefficients(ours), coefficients(theirs)) <= 1e-6
    assert ((ours.coef_ == 0) == (theirs.coef_ == 0)).all()


def test_a_candidate_without_a_fit_is_left_out_by_name() -> None:
    made = yes_or_no("diabetes")
    flag = (made.frame["y"] == made.frame["y"].iloc[0]) & (np.arange(len(made.frame)) % 7 == 0)
    frame = made.frame.assign(flag=flag.astype(float))
    world = World(frame, made.target, {**made.features, "flag": {"type": "number", "range": [0, 1]}})
    nested = {"without the flag": list(made.features)}
    text = agreement(world, "LogisticRegression", {"penalty": None}, rules=RULES, choose="aic", nested=nested)
    found = federated(text, world, SPLITS["even"](world))
    choice = choice_of(found.plan, found.state)
    assert choice is not None
    first, second = choice.candidates
    assert (first.candidate, first.chosen, first.score) == ("all columns", False, None)
    assert "flag" in first.failed
    assert second.chosen
    X, y = pooled(world, "even")
    theirs = LogisticRegression(C=np.inf, **TIGHT).fit(X[:, :-1], y)
    ours = coefficients(fitted_estimator(found.plan, found.state))
    assert ours[-1] == 0
    assert far(ours[:-1], coefficients(theirs)) <= 1e-6


def test_without_any_fit_the_study_ends_by_name() -> None:
    made = yes_or_no("diabetes")
    flag = (made.frame["y"] == made.frame["y"].iloc[0]).astype(float)
    world = World(
        made.frame.assign(flag=flag), made.target, {**made.features, "flag": {"type": "number", "range": [0, 1]}}
    )
    nested = {"flag alone": ["flag"]}
    text = agreement(world, "LogisticRegression", {"penalty": None}, rules=RULES, choose="aic", nested=nested)
    with pytest.raises(Separation):
        federated(text, world, SPLITS["even"](world))


def test_a_closing_trip_measures_the_chosen_model_alone() -> None:
    made = yes_or_no("diabetes")
    text = agreement(
        made,
        "LogisticRegression",
        {"C": CS},
        rules=RULES,
        choose="cv",
        cv=3,
        evaluation={"holdout": 0.2, "closing_trip": True},
    )
    found = federated(text, made, SPLITS["even"](made))
    last = found.plan.layout(found.states[-2])
    alone = {block.name: block.size for block in last}
    assert alone["curvature"] == 11 * 12 // 2
    assert "held" not in alone
    assert found.state.document["phase"] == "closed"
    assert found.state.document["evaluated_round"] == found.trips - 1


@pytest.mark.parametrize("last", [2, 3])
def test_a_silo_that_leaves_takes_its_rows_out_of_every_fit(last: int) -> None:
    # With the strongest penalty a fit converges first: after trip 3, before this silo leaves.
    wide = [0.001, 1.0, 100.0]
    made = yes_or_no("diabetes")
    split = SPLITS["by label"](made)
    text = agreement(made, "LogisticRegression", {"C": wide}, rules={**RULES, "min_silos": 3}, choose="cv", cv=3)
    found = federated(text, made, split, absent={trip: ("s0",) for trip in range(last + 1, 13)})
    ended = [state.document["phases"].count("converged") for state in found.states[:-1]]
    assert (ended[last - 1] > 0) == (last == 3)
    for state in found.states[:-1]:
        check_state(found.plan, state, final=False)
    check_state(found.plan, found.state, final=True)
    rows = np.concatenate(split[1:])
    whole = made.frame.iloc[np.concatenate(split)][list(made.features)].to_numpy(dtype=float)
    # The preparation stays that of trip 1.
    X = StandardScaler().fit(whole).transform(made.frame.iloc[rows][list(made.features)].to_numpy(dtype=float))
    y, fold = made.frame.iloc[rows]["y"].to_numpy(), np.concatenate([found.folds[f"s{k}"] for k in range(1, 4)])
    theirs = their_choice(wide, fold, X, y)
    ours = fitted_estimator(found.plan, found.state)
    assert float(np.ravel(theirs.C_)[0]) == ours.C
    assert far(coefficients(ours), coefficients(theirs)) <= 1e-6
    want = -np.asarray(theirs.scores_).reshape(3, len(wide))
    np.testing.assert_allclose(found.plan.family.scores(found.state), want, rtol=0, atol=1e-6)


def test_a_fold_of_few_rows_is_refused_where_a_row_would_stand_out() -> None:
    made = binary(columns=8)
    text = agreement(made, "LogisticRegression", {"C": [0.1, 10.0]}, choose="cv", cv=5)
    with pytest.raises(DominantRow, match="fold that is left out"):
        federated(text, made, SPLITS["even"](made))


def study_of(params: dict[str, Any], estimator: str = "LogisticRegression", **parts: Any) -> Plan:
    made = yes_or_no("diabetes") if estimator == "LogisticRegression" else numbers("diabetes")
    return Plan(read_study(agreement(made, estimator, params, **parts), name="study.yaml"))


@pytest.mark.parametrize(
    ("params", "parts", "error", "says"),
    [
        ({"C": [0.1, 1.0]}, {}, UnsupportedModel, "does not say how one is chosen"),
        ({}, {"nested": {"few": ["age"]}}, ContradictoryStudy, "does not say how one is chosen"),
        ({"C": [0.1, 1.0]}, {"choose": "cv"}, ContradictoryStudy, "names no folds"),
        ({"C": [0.1, 1.0]}, {"choose": "aic", "cv": 3}, ContradictoryStudy, "needs no folds"),
        ({"C": 0.1}, {"choose": "cv", "cv": 3}, ContradictoryStudy, "has one only"),
        ({"C": [0.1, 0.1]}, {"choose": "cv", "cv": 3}, ContradictoryStudy, "C=0.1' is listed twice"),
        ({"C": [0.1 + k for k in range(51)]}, {"choose": "aic"}, ContradictoryStudy, "50 are the most"),
        ({"C": [0.1, -1.0]}, {"choose": "cv", "cv": 3}, UnsupportedModel, "above 0"),
        ({"C": [0.1, 1.0]}, {"choose": "cv", "cv": 3, "order": 3}, ContradictoryStudy, "second order only"),
        ({}, {"choose": "aic", "nested": {"few": ["nobody"]}}, ContradictoryStudy, "no column of the model"),
    ],
)
def test_what_contradicts_itself_is_said_before_any_trip(
    params: dict[str, Any], parts: dict[str, Any], error: type[FedcliError], says: str
) -> None:
    with pytest.raises(error, match=says):
        _ = study_of(params, **parts).family


def test_a_model_of_all_columns_is_not_nested() -> None:
    names = list(yes_or_no("diabetes").features)
    with pytest.raises(ContradictoryStudy, match="has all columns"):
        _ = study_of({}, choose="bic", nested={"every": names}).family


def test_a_model_of_one_trip_chooses_by_its_own_class() -> None:
    with pytest.raises(ContradictoryStudy, match="nothing that a study chooses"):
        _ = study_of({"alpha": 1.0}, "Ridge", choose="cv", cv=3).family


def test_amounts_have_no_information_criterion() -> None:
    made = amounts("diabetes")
    text = agreement(made, "GammaRegressor", {"alpha": ALPHAS}, choose="aic")
    with pytest.raises(ContradictoryStudy, match="no aic"):
        _ = Plan(read_study(text, name="study.yaml")).family


def test_each_fit_counts_in_the_rows_that_a_silo_needs() -> None:
    one, many = study_of({"C": 1.0}), study_of({"C": CS}, choose="cv", cv=4)
    assert many.n_counted == one.n_counted * len(CS) * (1 + 4)
    assert many.n_counted_in_fold == one.n_counted * len(CS)
