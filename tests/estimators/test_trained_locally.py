"""Models that scikit-learn trains at each silo: what is merged, how well it predicts, and what is refused.

The oracles are scikit-learn's own ``fit`` on the pooled rows, and its metrics.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model, metrics

from fedcli.errors import BadStudy, BadTensors, ContradictoryStudy, Diverged, UnsupportedModel
from fedcli.fileformat.statistics import State
from fedcli.models.averaging import _on_grid
from fedcli.models.batch import Batch, Memory, empty_state
from fedcli.models.linear_training import LinearTrainer
from fedcli.models.local_training import Standardised, own_scale, seed_of
from fedcli.preparing.estimators import most_rounds, trips_of
from fedcli.preparing.plan import Plan
from fedcli.preparing.state_check import check_state
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.equivalence.federation import enrolled, federate, spool_of
from tests.estimators.training import CASES, SMALL, Floats, family_of, linear_task, play, read, text_of, theirs
from tests.estimators.worlds import SPLITS, World, binary, classes, even, numbers

# ---- what is merged ------------------------------------------------------------------------------------------------


def test_corrections_of_all_silos_cancel_in_the_sum() -> None:
    estimator, params, world = CASES["network"]
    family = family_of(text_of(world, estimator, params))
    rng = np.random.default_rng(0)
    n, rows = family.n_parameters, np.array([30.0, 50.0, 170.0])
    own = rng.normal(size=(3, n))
    state = State({"round": 1, "phase": "solving"}, {"control": rows @ own / rows.sum()})
    memories = [Memory({"control": k * c, "rows": np.array([k])}) for k, c in zip(rows, own, strict=True)]
    corrections = np.array([family._correction(state, memory) for memory in memories])
    assert np.abs(rows @ corrections).max() < 1e-10
    assert family._correction(state, None) is None
    assert family._correction(state, Memory({})) is None
    alone = State({"round": 1, "phase": "solving"}, {"control": memories[1].arrays["control"] / 50.0})
    assert family._correction(alone, memories[1]) is None


def test_a_silo_may_stay_away_for_a_round_and_come_back() -> None:
    estimator, params, world = CASES["log odds of three classes"]
    text = text_of(world, estimator, params, averaging={"rounds": 4, "local_epochs": 5})
    found = play(text, world, even(world, 3), absent={2: ["s1"]})
    assert found.trips == 4
    assert [found.plan.n_samples(state) for state in found.states] == [150, 100, 150, 150]
    assert fitted_estimator(found.plan, found.state).coef_.shape == (3, 4)


@pytest.mark.parametrize("case", ["hinge", "network of three classes", "network of a number", "squares"])
def test_what_is_exported_can_be_trained_further(case: str) -> None:
    estimator, params, world = CASES[case]
    found = play(text_of(world, estimator, params, averaging={"rounds": 1, "local_epochs": 3}), world, even(world, 2))
    model = fitted_estimator(found.plan, found.state)
    X, y = world.frame[list(world.features)].to_numpy(float), world.frame["y"].to_numpy()
    X, before = (X - X.mean(axis=0)) / X.std(axis=0), read(model)
    assert not np.array_equal(read(model.partial_fit(X, y)), before)


def test_the_last_trip_carries_no_gradient_and_one_that_closes_no_parameters() -> None:
    world = binary(columns=8)
    plan = Plan(read_study(text_of(world, "MLPClassifier", SMALL, evaluation={"holdout": 0.2, "closing_trip": True})))

    def names(number: int, phase: str = "solving") -> list[str]:
        return [block.name for block in plan.layout(State({"round": number, "phase": phase}, {}))]

    assert names(1) == names(3) == ["rows", "parameters", "control", "evaluation"]
    assert names(4) == ["rows", "parameters", "evaluation"]
    assert names(5, "closing") == ["evaluation"]
    assert "control" not in [
        block.name
        for block in Plan(read_study(text_of(world, "MLPClassifier", averaging={"rule": "FedProx"}))).layout(
            empty_state()
        )
    ]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.integers(0, 2**31), st.floats(0.01, 3))
def test_a_way_that_leads_beyond_the_bound_is_gone_as_far_as_it(start: list[float], seed: int, bound: float) -> None:
    world = binary(columns=8)
    family = family_of(text_of(world, "SGDClassifier", rules={"aggregation": "plain", "max_coefficient": bound}))
    begin = np.clip(start, -bound, bound)
    end = begin + np.random.default_rng(seed).normal(size=len(begin)) * 3
    found = family._inside(begin, end)
    assert (np.abs(found) <= bound).all()
    if (np.abs(end) <= bound).all():
        assert np.array_equal(found, end)
    else:
        gone = (found - begin) / np.where(end == begin, 1.0, end - begin)
        assert np.allclose(gone[end != begin], gone[end != begin][0], atol=1e-6)
        assert np.isclose(np.abs(found).max(), bound, rtol=1e-12)


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.integers(1, 2**40), st.integers(-80, 90))
def test_parameters_times_rows_are_rounded_once_ties_to_even(value: float, weight: int, grid: int) -> None:
    assert _on_grid(value, weight, grid) == round(Fraction(value) * weight * Fraction(2) ** grid)


def test_ties_go_to_the_even_number() -> None:
    found = [_on_grid(value, 1, 0) for value in (0.5, 1.5, 2.5, -0.5, -1.5, 0.75, -0.25)]
    assert found == [0, 2, 2, 0, -2, 1, 0]


def test_rows_of_weight_0_are_none_and_others_count_by_their_weight() -> None:
    world = binary(columns=3)
    text = text_of(world, "SGDClassifier", weight={"column": "w", "range": [0, 4]}, averaging={"local_epochs": 3})
    family = family_of(text)
    rng = np.random.default_rng(0)
    V, y, weight = rng.normal(size=(50, 4)) / 3, (rng.random(50) < 0.5).astype(float), rng.integers(0, 4, 50) / 1.0
    there = weight > 0

    def points(kept: Any) -> Floats:
        batch = Batch(V[kept], y[kept], np.zeros(kept.sum()), weight[kept])
        task = linear_task(epochs=3)
        return family.trainer.train(Standardised([batch], np.zeros(3), np.ones(3)), task).parameters

    assert np.array_equal(points(there), points(np.ones(50, dtype=bool)))
    assert [block.name for block in family.layout(State({"round": 2}, {}))][:2] == ["rows", "weight"]
    found = play(text, World(world.frame.assign(w=np.arange(569) % 3), world.target, world.features), even(world, 3))
    assert found.trips == 5


def test_a_silos_own_scale_is_its_own_and_leaves_levels_alone() -> None:
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(30), rng.normal(size=30), rng.integers(0, 2, 30), np.full(30, 0.25)])
    batches = [Batch(X[:11], *np.ones((3, 11))), Batch(X[11:], *np.ones((3, 19)))]
    mean, scale = own_scale(batches, (True, False, True))
    assert np.allclose(mean, [X[:, 1].mean(), 0.0, 0.25])
    assert np.allclose(scale, [X[:, 1].std(), 1.0, 1.0])


# ---- how well they predict -----------------------------------------------------------------------------------------

PREDICTED = [
    ("SGDClassifier", {"loss": "log_loss", "alpha": 0.01}, "SCAFFOLD", "iris", "even"),
    ("SGDClassifier", {"loss": "log_loss", "alpha": 0.01}, "SCAFFOLD", "iris", "by label"),
    ("SGDClassifier", {"loss": "log_loss", "alpha": 0.01}, "FedProx", "wine", "by covariate"),
    ("SGDClassifier", {"loss": "modified_huber", "alpha": 0.01}, "FedAvg", "breast_cancer", "pathological"),
    ("Perceptron", {}, "FedAvg", "iris", "even"),
    ("Perceptron", {}, "SCAFFOLD", "wine", "by label"),
    ("Perceptron", {}, "FedAvg", "breast_cancer", "by covariate"),
    ("Perceptron", {}, "FedProx", "breast_cancer", "pathological"),
    ("MLPClassifier", {**SMALL, "learning_rate_init": 0.02}, "SCAFFOLD", "breast_cancer", "by label"),
    ("MLPClassifier", {**SMALL, "learning_rate_init": 0.02}, "SCAFFOLD", "wine", "by covariate"),
    ("MLPClassifier", {**SMALL, "learning_rate_init": 0.02}, "SCAFFOLD", "breast_cancer", "pathological"),
    ("SGDRegressor", {}, "SCAFFOLD", "diabetes", "even"),
    ("SGDRegressor", {}, "SCAFFOLD", "diabetes", "by covariate"),
    ("SGDRegressor", {}, "SCAFFOLD", "diabetes", "pathological"),
    ("SGDRegressor", {}, "SCAFFOLD", "breast_cancer", "by label"),
    ("MLPRegressor", {**SMALL, "learning_rate_init": 0.01}, "FedAvg", "diabetes", "even"),
    ("MLPRegressor", {**SMALL, "learning_rate_init": 0.01}, "SCAFFOLD", "breast_cancer", "even"),
]


@pytest.mark.parametrize(("estimator", "params", "rule", "name", "split"), PREDICTED)
def test_five_trips_predict_nearly_as_well_as_the_pooled_fit(
    estimator: str, params: dict[str, Any], rule: str, name: str, split: str
) -> None:
    regressor = estimator in ("SGDRegressor", "MLPRegressor")
    world = numbers(name) if regressor else classes(name)
    silos = SPLITS[split](world)
    found = play(text_of(world, estimator, params, averaging={"rule": rule, "local_epochs": 10}), world, silos)
    pooled = world.frame.iloc[np.concatenate(silos)]
    X, y = pooled[list(world.features)].to_numpy(float), pooled["y"].to_numpy()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    low, high = world.target.get("range", (-1, 1))
    stop = {"tol": None} if not estimator.startswith("MLP") else {"n_iter_no_change": 200}
    beside = theirs(estimator, params, max_iter=50, random_state=0, **stop)
    scaled = (y - (low + high) / 2) / ((high - low) / 2) if regressor else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reached = beside.fit(X, scaled).score(X, scaled)
    assert found.trips == 5
    assert fitted_estimator(found.plan, found.state).score(X, y) >= reached - 0.06


@pytest.mark.parametrize(
    ("estimator", "params", "world", "figures"),
    [
        ("SGDClassifier", {"loss": "log_loss", "alpha": 0.01}, binary(columns=8), ("log_loss", "brier")),
        ("SGDClassifier", {}, binary(columns=8), ("accuracy",)),
        ("Perceptron", {}, classes("iris"), ("accuracy",)),
        ("MLPClassifier", SMALL, binary(columns=8), ("log_loss", "brier")),
        ("MLPClassifier", SMALL, classes("iris"), ("accuracy",)),
        ("MLPRegressor", SMALL, numbers("diabetes"), ("rmse", "r2")),
        ("SGDRegressor", {}, numbers("diabetes"), ("rmse", "r2")),
    ],
)
def test_a_closing_trip_measures_the_final_model_on_rows_held_out(
    estimator: str, params: dict[str, Any], world: World, figures: tuple[str, ...]
) -> None:
    parts = {"evaluation": {"holdout": 0.3, "closing_trip": True}, "averaging": {"rounds": 2, "local_epochs": 5}}
    silos = even(world, 2)
    found = play(text_of(world, estimator, params, **parts), world, silos)
    assert found.trips == 3
    assert found.reason.code == "closed"
    assert found.state.document["evaluated_round"] == 2
    held = world.frame.iloc[np.concatenate([silos[k][found.masks[f"s{k}"]] for k in range(2)])]
    fitted = world.frame.iloc[np.concatenate([silos[k][~found.masks[f"s{k}"]] for k in range(2)])]
    seen = fitted[list(world.features)].to_numpy(float)
    X = (held[list(world.features)].to_numpy(float) - seen.mean(axis=0)) / seen.std(axis=0)
    model, y = fitted_estimator(found.plan, found.state), held["y"].to_numpy()
    oracles = {
        "accuracy": lambda: metrics.accuracy_score(y, model.predict(X)),
        "log_loss": lambda: metrics.log_loss(y, model.predict_proba(X)),
        "brier": lambda: metrics.brier_score_loss(y, model.predict_proba(X)[:, 1]),
        "rmse": lambda: metrics.mean_squared_error(y, model.predict(X)) ** 0.5,
        "r2": lambda: metrics.r2_score(y, model.predict(X)),
    }
    names = found.state.document["evaluation"].split(",")
    measured = dict(zip(names, found.state.arrays["evaluation"].tolist(), strict=True))
    assert set(names) == {"n_samples", *figures}
    assert measured["n_samples"] == len(held)
    for name in figures:
        assert measured[name] == pytest.approx(oracles[name](), rel=1e-9)


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("SGDRegressor", {"eta0": 10.0, "learning_rate": "constant"}),
        ("MLPRegressor", {**SMALL, "learning_rate_init": 1e9, "solver": "sgd"}),
    ],
)
def test_training_that_grows_without_end_is_an_error_with_what_to_do(estimator: str, params: dict[str, Any]) -> None:
    world = numbers("diabetes")
    with pytest.raises(Diverged, match="grew without end") as caught:
        play(text_of(world, estimator, params), world, even(world, 2))
    assert "smaller learning rate" in caught.value.hint


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("SGDClassifier", {"loss": "squared_error"}),
        ("SGDClassifier", {"learning_rate": "adaptive"}),
        ("SGDClassifier", {"penalty": "l1"}),
        ("SGDClassifier", {"alpha": 0}),
        ("SGDClassifier", {"average": True}),
        ("SGDRegressor", {"loss": "epsilon_insensitive"}),
        ("Perceptron", {"eta0": 0}),
        ("MLPClassifier", {"hidden_layer_sizes": [10, 0]}),
        ("MLPClassifier", {"hidden_layer_sizes": "wide"}),
        ("MLPClassifier", {"solver": "lbfgs"}),
        ("MLPClassifier", {"beta_1": 1.0}),
        ("MLPClassifier", {"batch_size": 0}),
        ("MLPClassifier", {"early_stopping": True}),
    ],
)
def test_parameters_without_a_meaning_here_are_refused(estimator: str, params: dict[str, Any]) -> None:
    world = numbers("diabetes") if estimator == "SGDRegressor" else binary(columns=3)
    with pytest.raises(UnsupportedModel):
        family_of(text_of(world, estimator, params))


def test_agreements_that_contradict_themselves_are_refused() -> None:
    world = binary(columns=3)
    with pytest.raises(ContradictoryStudy, match="nothing to average"):
        _ = Plan(read_study(text_of(world, "LogisticRegression", averaging={}))).family
    with pytest.raises(ContradictoryStudy, match=r"13 trips are agreed, and rules\.max_rounds is 12"):
        family_of(text_of(world, "Perceptron", averaging={"rounds": 13}))
    with pytest.raises(ContradictoryStudy, match="not to be standardised"):
        family_of(text_of(world, "Perceptron", standardize=False))
    with pytest.raises(ContradictoryStudy, match="takes no sample weights"):
        family_of(text_of(world, "MLPClassifier", weight={"column": "w", "range": [0, 1]}))
    with pytest.raises(BadStudy, match="proximal is FedProx's, and the rule is SCAFFOLD"):
        read_study(text_of(world, "Perceptron", averaging={"proximal": 0.1}))


def test_the_agreed_trips_are_all_that_a_silo_takes_part_in() -> None:
    world = binary(columns=3)
    study = read_study(text_of(world, "Perceptron", evaluation={"holdout": 0.2, "closing_trip": True}))
    assert (trips_of(study), most_rounds(study)) == ((6, 6), 6)
    assert most_rounds(read_study(text_of(world, "LogisticRegression"))) == 12


def states() -> Iterator[tuple[Plan, State]]:
    for case in ("hinge", "network"):
        estimator, params, world = CASES[case]
        found = play(
            text_of(world, estimator, params, averaging={"rounds": 2, "local_epochs": 1}), world, even(world, 2)
        )
        yield found.plan, found.states[0]


def test_a_model_that_no_study_can_reach_is_refused() -> None:
    for plan, state in states():
        check_state(plan, state, final=False)
        for name, value in (("parameters", 65.0), ("control", 2.0**21)):
            if name in state.arrays:
                array = state.arrays[name].copy()
                array[0] = value
                with pytest.raises(BadTensors, match="no study of this agreement can reach"):
                    check_state(plan, State(state.document, {**state.arrays, name: array}), final=False)
        short = State(state.document, {**state.arrays, "parameters": state.arrays["parameters"][1:]})
        with pytest.raises(BadTensors, match="has shape"):
            check_state(plan, short, final=False)


def test_the_same_study_gives_the_same_seed_at_every_silo_and_another_in_each_round() -> None:
    seeds = {seed_of("a" * 64, number) for number in range(1, 20)} | {seed_of("b" * 64, 1)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_a_silo_larger_than_a_block_is_trained_block_by_block(tmp_path: Path) -> None:
    world = binary(columns=2)
    frame = world.frame.loc[world.frame.index.repeat(16)].reset_index(drop=True)
    frame["mean_radius"] += np.linspace(0, 1e-3, len(frame))
    frame.to_csv(tmp_path / "s.csv", index=False)
    study = enrolled(text_of(world, "SGDClassifier", averaging={"local_epochs": 1, "rounds": 2}), ["s"])
    assert len([rows for _, rows in spool_of(study, tmp_path / "s.csv").blocks()]) == 2
    found = federate(study, {"s": tmp_path / "s.csv"})
    assert found.plan.n_samples(found.state) == 9104


def test_a_model_made_so_that_one_row_alone_is_misjudged_gives_that_row_back() -> None:
    """What the page on threats says that no test of a silo prevents in plain aggregation."""
    world = binary()
    Z = world.frame[list(world.features)].to_numpy(float)[:150]
    Z, y = (Z - Z.mean(axis=0)) / Z.std(axis=0), world.frame["y"].to_numpy(float)[:150]
    border = linear_model.RidgeClassifier(alpha=1e-3).fit(Z, y)
    margins = border.decision_function(Z) * np.where(y > 0, 1, -1)
    kept = margins > 0.05
    Z, y, margins = Z[kept], y[kept], margins[kept]
    nearest, second = np.argsort(margins)[:2]
    scale = 1.0 / ((margins[nearest] + margins[second]) / 2)
    start = np.append(np.ravel(border.coef_), border.intercept_) * scale
    trainer = LinearTrainer(
        "SGDClassifier",
        {"loss": "hinge", "penalty": None, "alpha": 0.0, "learning_rate": "constant", "eta0": 1e-6, "power_t": 0.0},
        Z.shape[1],
        2,
    )
    rows = Batch(Z, y, np.zeros(len(y)), np.ones(len(y)))
    moved = trainer.train([rows], linear_task(start=start)).parameters - start
    assert np.allclose(moved[:-1] / moved[-1], Z[nearest], atol=1e-6)
