"""Models that scikit-learn trains at each silo: its own steps to the bit, SCAFFOLD's recursion, and what they predict.

The oracles are scikit-learn's own ``partial_fit`` and ``fit``, and SCAFFOLD's algorithm 1 written out for a network of
which every derivative is two lines.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import linear_model, metrics, neural_network

from fedcli.errors import BadStudy, BadTensors, ContradictoryStudy, Diverged, UnsupportedModel
from fedcli.fileformat.statistics import State
from fedcli.models.averaging import Averaging
from fedcli.models.batch import Batch, Memory, empty_state
from fedcli.models.linear_training import LinearTrainer
from fedcli.models.local_training import Standardised, Task, apart, own_scale, seed_of, side_by_side
from fedcli.models.network_training import NetworkTrainer
from fedcli.preparing.estimators import most_rounds, trips_of
from fedcli.preparing.plan import Plan
from fedcli.preparing.state_check import check_state
from fedcli.privacy.ring import fraction_bits
from fedcli.report.estimator import fitted_estimator
from fedcli.study.reading import read_study
from tests.equivalence.federation import Federation, enrolled, federate, spool_of
from tests.estimators.comparing import agreement
from tests.estimators.worlds import SPLITS, Rows, World, binary, by_label, classes, even, numbers

Floats = NDArray[np.float64]
SMALL = {"hidden_layer_sizes": [6]}
CASES: dict[str, tuple[str, dict[str, Any], World]] = {
    "hinge": ("SGDClassifier", {}, binary(columns=8)),
    "log odds of three classes": ("SGDClassifier", {"loss": "log_loss"}, classes("iris")),
    "inverse scaling": ("SGDClassifier", {"learning_rate": "invscaling", "eta0": 0.1}, classes("wine", 5)),
    "squares": ("SGDRegressor", {}, numbers("diabetes")),
    "perceptron": ("Perceptron", {}, classes("iris")),
    "network": ("MLPClassifier", {**SMALL, "batch_size": 20}, binary(columns=8)),
    "network of three classes": (
        "MLPClassifier",
        {**SMALL, "solver": "sgd", "learning_rate_init": 0.1},
        classes("iris"),
    ),
    "network of a number": ("MLPRegressor", {"hidden_layer_sizes": [5, 4]}, numbers("diabetes")),
}


def text_of(
    world: World, estimator: str, params: Mapping[str, Any] | None = None, *, averaging: Any = None, **parts: Any
) -> str:
    """Write an agreement, with what it says of averaging."""
    document = json.loads(agreement(world, estimator, params, **parts))
    if averaging is not None:
        document["model"]["averaging"] = averaging
    return json.dumps(document)


def play(text: str, world: World, split: list[Rows], *, absent: Any = None, backwards: bool = False) -> Federation:
    """Run a study over a split, the rows of each table in the opposite order where ``backwards``."""
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"s{number}": Path(folder) / f"s{number}.csv" for number in range(len(split))}
        for path, rows in zip(tables.values(), split, strict=True):
            frame = world.frame.iloc[rows]
            (frame[::-1] if backwards else frame).to_csv(path, index=False)
        return federate(text, tables, absent=absent)


def family_of(text: str) -> Averaging:
    family = Plan(enrolled(text, ["a", "b"])).family
    assert isinstance(family, Averaging)
    return family


def theirs(estimator: str, params: Mapping[str, Any], half: float = 1.0, **more: Any) -> Any:
    """Return scikit-learn's own object."""
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
    module = neural_network if estimator.startswith("MLP") else linear_model
    return getattr(module, estimator)(**{**given, **more})


def read(model: Any) -> Floats:
    """Return what an object of scikit-learn's has learnt, side by side."""
    if hasattr(model, "coefs_"):
        return side_by_side([*model.coefs_, *model.intercepts_])
    return side_by_side([model.coef_, model.intercept_])


# ---- one silo ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_one_silo_is_scikit_learns_own_partial_fit_to_the_bit_over_all_trips(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator, params, world = CASES[case]
    seen: list[tuple[list[Batch], Floats]] = []
    for trainer in (LinearTrainer, NetworkTrainer):

        def noted(self: Any, rows: Any, task: Task, own: Any = trainer.train) -> Any:
            found = own(self, rows, task)
            seen.append((list(rows), found.parameters))
            return found

        monkeypatch.setattr(trainer, "train", noted)
    text = text_of(world, estimator, params, averaging={"rounds": 3, "local_epochs": 4})
    found = play(text, world, [np.arange(len(world.frame))])
    family, plan = found.plan.family, found.plan
    assert isinstance(family, Averaging)
    labels = (
        {"classes": np.arange(len(set(world.frame["y"])))} if estimator not in ("SGDRegressor", "MLPRegressor") else {}
    )
    model = theirs(estimator, params)
    step = 2.0 ** -fraction_bits(family.max_rows * family.max_coefficient, 1)
    for number, ((rows, trained), state) in enumerate(zip(seen, found.states, strict=True), start=1):
        # A trip's shuffles, and nothing of what an optimiser remembered of the last.
        model.random_state = np.random.RandomState(seed_of(family.local.study, number))
        vars(model).pop("_optimizer", None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(4):
                for batch in rows:
                    model.partial_fit(batch.X, batch.y.astype(int) if labels else batch.y, **labels)
        assert np.array_equal(trained, read(model))
        merged = state.arrays["parameters"]
        assert np.abs(merged - trained).max() <= step
        # And what was trained on are the table's own columns, standardised.
        frame = world.frame[list(world.features)].to_numpy(float)
        expected = np.sort((frame - frame.mean(axis=0)) / frame.std(axis=0), axis=0)
        assert np.abs(np.sort(np.vstack([batch.X for batch in rows]), axis=0) - expected).max() < 1e-9
    assert found.trips == 3
    assert plan.finished(found.state) is not None


@pytest.mark.parametrize("loss", ["squared_error", "huber", "squared_epsilon_insensitive"])
def test_a_number_is_trained_on_as_in_its_own_unit(loss: str) -> None:
    """The scale of the range changes no step of the losses that are offered, with epsilon in the outcome's unit."""
    world = numbers("diabetes")
    params = {"loss": loss, "epsilon": 20.0, "alpha": 0.1, "eta0": 1e-3}
    family = family_of(text_of(world, "SGDRegressor", params))
    X = world.frame[list(world.features)].to_numpy(float)
    Z, y = (X - X.mean(axis=0)) / X.std(axis=0), world.frame["y"].to_numpy(float)
    middle, half = family.target
    rows = Batch(Z, (y - middle) / half, np.zeros(len(y)), np.ones(len(y)))
    ours = family.trainer.train([rows], linear_task(epochs=3, seed=4)).parameters * half
    model = linear_model.SGDRegressor(**params, random_state=np.random.RandomState(4))
    for _ in range(3):
        model.partial_fit(Z, y - middle)
    assert np.allclose(ours, read(model), rtol=1e-9)


def test_rows_in_another_order_change_no_bit() -> None:
    for estimator, params, world in (CASES["hinge"], CASES["network of three classes"]):
        text = text_of(world, estimator, params, averaging={"rounds": 3, "local_epochs": 2})
        one, other = (play(text, world, by_label(world), backwards=back).state for back in (False, True))
        assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


# ---- the rules -----------------------------------------------------------------------------------------------------


def rows_of(n: int, seed: int, *, shift: float = 0.0) -> Batch:
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 3)) + shift
    y = Z @ np.array([1.0, -0.5, 0.2]) + rng.normal(size=n) * 0.3 + shift
    return Batch(Z, y, np.zeros(n), np.ones(n))


class Network:
    """A network of three units without bends, all rows in each step: its loss and gradient in two lines."""

    ALPHA, RATE = 0.01, 0.05
    SHAPES = ((3, 3), (3, 1), (3,), (1,))

    def gradient(self, parameters: Floats, rows: Batch) -> Floats:
        A, B, a, b = apart(parameters, self.SHAPES)
        hidden = rows.X @ A + a
        error = ((hidden @ B + b)[:, 0] - rows.y)[:, None] / len(rows.y)
        below, n = error @ B.T, len(rows.y)
        return side_by_side(
            [rows.X.T @ below + self.ALPHA / n * A, hidden.T @ error + self.ALPHA / n * B, below.sum(0), error.sum(0)]
        )

    @property
    def trainer(self) -> NetworkTrainer:
        params = {"hidden_layer_sizes": (3,), "activation": "identity", "solver": "sgd", "alpha": self.ALPHA}
        params |= {"batch_size": 1000, "learning_rate_init": self.RATE, "momentum": 0.0, "nesterovs_momentum": False}
        return NetworkTrainer("MLPRegressor", params, 3, 0)


@pytest.mark.parametrize("proximal", [0.0, 0.7])
def test_a_network_takes_the_steps_that_the_papers_write(proximal: float) -> None:
    network, rows = Network(), rows_of(40, 1)
    rng = np.random.default_rng(0)
    start, correction = rng.normal(size=16) / 2, rng.normal(size=16) / 20
    trained = network.trainer.train([rows], Task(start, correction, proximal, epochs=7, epochs_before=0, seed=3))
    y, gradients = start.copy(), []
    for _ in range(7):
        gradients.append(network.gradient(y, rows))
        y = y - network.RATE * (gradients[-1] + correction + proximal * (y - start))
    assert np.allclose(trained.parameters, y, atol=1e-12)
    assert np.allclose(trained.gradient, np.mean(gradients, axis=0), atol=1e-12)
    if not proximal:
        # Option II: the way, divided by the sum of the learning rates, less what was corrected.
        way = (start - trained.parameters) / (7 * network.RATE) - correction
        assert np.allclose(trained.gradient, way, atol=1e-12)


def test_adam_takes_up_a_correction_and_without_one_is_left_alone() -> None:
    rows = rows_of(60, 2)
    trainer = NetworkTrainer("MLPRegressor", {**Network().trainer.params, "solver": "adam"}, 3, 0)
    start = np.random.default_rng(0).normal(size=16) / 2
    plain, zero, steered = (
        trainer.train([rows], Task(start, given, 0.0, epochs=3, epochs_before=0, seed=1)).parameters
        for given in (None, np.zeros(16), np.full(16, 0.1))
    )
    assert np.array_equal(plain, zero)
    # Adam's step is the learning rate's length, against the gradient's sign.
    assert (steered <= plain + 1e-12).all()
    assert (steered < plain - 0.01).any()


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "optimal"])
def test_lengths_are_the_learning_rates_that_scikit_learn_takes(schedule: str) -> None:
    """On rows of zeros only weight decay moves the slopes, by a factor that tells every learning rate."""
    alpha, n = 0.01, 50
    params = {"learning_rate": schedule, "eta0": 0.3, "power_t": 0.4, "alpha": alpha, "loss": "hinge", "penalty": "l2"}
    trainer = LinearTrainer("SGDClassifier", params, 2, 2)
    model = trainer.new(shuffle=False)
    model.coef_, model.intercept_, model.t_ = np.ones((1, 2)), np.zeros(1), 7.0
    shrunk = []
    for number in range(n):
        before = model.coef_[0, 0]
        model.partial_fit(np.zeros((1, 2)), np.array([number % 2]), classes=[0, 1])
        shrunk.append((1.0 - model.coef_[0, 0] / before) / alpha)
    assert trainer.length(7.0, n) == pytest.approx(sum(shrunk), rel=1e-9)


def linear_task(**parts: Any) -> Task:
    given = {"start": None, "correction": None, "proximal": 0.0, "epochs": 1, "epochs_before": 0, "seed": 1}
    return Task(**{**given, **parts})


def test_a_linear_model_goes_the_way_of_its_rows_and_of_its_correction() -> None:
    rows = rows_of(64, 4)
    params = {"loss": "squared_error", "penalty": None, "alpha": 0.0, "learning_rate": "constant", "eta0": 1e-7}
    trainer = LinearTrainer("SGDRegressor", {**params, "power_t": 0.0}, 3, 0)
    start, correction = np.array([0.3, -0.2, 0.1, 0.5]), np.array([2.0, -1.0, 0.5, 4.0])
    trained = trainer.train([rows], linear_task(start=start, correction=correction, epochs=2))
    # Steps so short that all are taken at the start: the gradient there is the mean over rows.
    error = rows.X @ start[:3] + start[3] - rows.y
    gradient = np.append(rows.X.T @ error, error.sum()) / len(error)
    assert np.allclose(trained.gradient, gradient, rtol=1e-4)
    assert np.allclose(start - trained.parameters, 128e-7 * (gradient + correction), rtol=1e-4)
    held = trainer.train([rows], linear_task(start=start, proximal=1e9, epochs=2))
    assert np.abs(held.parameters - start).max() < 1e-7


def drifting() -> list[Batch]:
    """Three silos of unlike sizes, whose rows lie apart and follow lines of their own."""
    found = []
    for number, (n, slope) in enumerate(((40, 1.0), (70, -0.5), (100, 0.4))):
        rng = np.random.default_rng(number)
        Z = rng.normal(size=(n, 2)) + np.array([number - 1.0, 0.0])
        y = slope * Z[:, 0] + 0.3 * Z[:, 1] + rng.normal(size=n) * 0.1 + number
        found.append(Batch(Z, y, np.zeros(n), np.ones(n)))
    return found


def averaged(rule: str, silos: list[Batch], rounds: int) -> Floats:
    """Play a rule with `LinearTrainer` alone: no files, no ring."""
    params = {"loss": "squared_error", "penalty": None, "alpha": 0.0, "learning_rate": "constant", "eta0": 5e-4}
    trainer = LinearTrainer("SGDRegressor", {**params, "power_t": 0.0}, 2, 0)
    weight = np.array([len(silo.y) for silo in silos], dtype=float)
    w, control, own = np.zeros(3), np.zeros(3), [np.zeros(3)] * len(silos)
    for number in range(rounds):
        trained = []
        for silo, mine in zip(silos, own, strict=True):
            given = control - mine if rule == "SCAFFOLD" and number else None
            trained.append(trainer.train([silo], linear_task(start=w, correction=given, epochs=10, seed=number)))
        w = weight @ np.array([each.parameters for each in trained]) / weight.sum()
        own = [each.gradient for each in trained]
        control = weight @ np.array(own) / weight.sum()
    return w


def test_scaffold_comes_to_the_pooled_optimum_where_fedavg_stays_beside_it() -> None:
    silos = drifting()
    X = np.vstack([np.column_stack([silo.X, np.ones(len(silo.y))]) for silo in silos])
    optimum = np.linalg.lstsq(X, np.concatenate([silo.y for silo in silos]), rcond=None)[0]
    missed = {rule: np.linalg.norm(averaged(rule, silos, 60) - optimum) for rule in ("FedAvg", "SCAFFOLD")}
    assert missed["SCAFFOLD"] < 0.02
    assert missed["FedAvg"] > 5 * missed["SCAFFOLD"]


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
        ("SGDRegressor", {"eta0": 1e6, "learning_rate": "constant"}),
        ("MLPRegressor", {**SMALL, "learning_rate_init": 1e9, "solver": "sgd"}),
    ],
)
def test_training_that_leaves_the_finite_numbers_is_an_error_with_what_to_do(
    estimator: str, params: dict[str, Any]
) -> None:
    world = numbers("diabetes")
    with pytest.raises(Diverged, match="left the finite numbers") as caught:
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
