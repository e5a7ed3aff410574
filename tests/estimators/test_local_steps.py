"""Training at a silo: scikit-learn's own steps to the bit, and the rules' own recursions.

The oracles are scikit-learn's ``partial_fit``, and SCAFFOLD's algorithm 1 written out for a network of which every
derivative is two lines.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model

from fedcli.models.averaging import Averaging
from fedcli.models.batch import Batch
from fedcli.models.linear_training import LinearTrainer
from fedcli.models.local_training import Task, apart, seed_of, side_by_side
from fedcli.models.network_training import NetworkTrainer
from fedcli.privacy.ring import fraction_bits
from tests.estimators.training import CASES, Floats, family_of, linear_task, play, read, text_of, theirs
from tests.estimators.worlds import by_label, numbers

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
