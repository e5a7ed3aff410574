"""``MLPClassifier`` and ``MLPRegressor`` trained at one silo by their own ``partial_fit``.

Owns how a network is begun, steered and read. Knows nothing of rounds, other silos or files. Internal.

scikit-learn's own loop asks its optimiser for each step. SCAFFOLD's correction and FedProx's term are added to the
gradient that the optimiser is handed, by an object that stands before it: so they reach every step, whatever the
solver, and where there is nothing to add each step is scikit-learn's to the bit. What solvers remember of earlier steps
(moments, momentum) begins anew in every trip: it described parameters that were merged away.

SCAFFOLD's option II takes the way that was gone, divided by the learning rate, for the silo's gradient. With plain
steps that is the mean of the gradients on the way; so this mean is taken, which means the same with Adam, whose way
does not.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Source
from fedcli.models.local_training import PartialFit, Task, Trained, apart, check_trained, side_by_side


@dataclass(frozen=True)
class NetworkTrainer(PartialFit):
    """One of the two classes."""

    module: ClassVar[str] = "sklearn.neural_network"
    runaway: ClassVar[str] = "non-finite"
    linear = False

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """See `Trainer.shapes`: the weights of each layer, then the intercepts of each."""
        sizes = self._units
        return (*itertools.pairwise(sizes), *((size,) for size in sizes[1:]))

    @property
    def arrangement(self) -> str:
        """See `Trainer.arrangement`."""
        *first, last = map(str, self._units)
        return f"weights and intercepts between layers of {', '.join(first)} and {last} units"

    @property
    def _units(self) -> list[int]:
        hidden = self.params["hidden_layer_sizes"]
        several = hidden if isinstance(hidden, tuple) else (hidden,)
        return [self.n_features, *several, self.n_classes if self.n_classes > 2 else 1]

    def train(self, rows: Source, task: Task) -> Trained:
        """See `Trainer.train`."""
        model = self.new(random_state=np.random.RandomState(task.seed))
        steps = _Steps(model, self.shapes, task)
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("ignore")  # of batches larger than a silo, which are cut to its rows
            if task.start is not None:
                self._begin(model, task)
            model._optimizer = steps
            for _ in range(task.epochs):
                for batch in rows:
                    self.fit_part(model, batch.X, batch.y)
        end = side_by_side([*model.coefs_, *model.intercepts_])
        check_trained(end)
        return Trained(end, side_by_side(steps.gradients) / steps.taken)

    def scores(self, parameters: FloatArray, Z: FloatArray) -> FloatArray:
        """See `Trainer.scores`."""
        arrays = apart(parameters, self.shapes)
        n_layers = len(arrays) // 2
        bend = _ACTIVATIONS[self.params["activation"]]
        here = Z
        for number, (weights, intercepts) in enumerate(zip(arrays[:n_layers], arrays[n_layers:], strict=True)):
            here = here @ weights + intercepts
            if number < n_layers - 1:
                here = bend(here)
        return np.asarray(here if self.n_classes > 2 else here[:, 0])

    def _begin(self, model: Any, task: Task) -> None:
        """Let scikit-learn lay out its arrays on made-up rows, and put the parameters that were received into them."""
        assert task.start is not None  # noqa: S101 - asked before
        model._optimizer = _Still()
        n = max(self.n_classes, 1)
        self.fit_part(model, np.zeros((n, self.n_features)), np.arange(float(n)))
        arrays = [*model.coefs_, *model.intercepts_]
        for own, received in zip(arrays, apart(task.start, self.shapes), strict=True):
            own[...] = received
        model.random_state = np.random.RandomState(task.seed)


class _Still:
    """Takes an optimiser's place, and no step."""

    def update_params(self, params: list[FloatArray], grads: list[FloatArray]) -> None:
        """Leave the parameters as they are."""

    def iteration_ends(self, time_step: int) -> None:
        """Nothing changes with the epochs."""

    def trigger_stopping(self, msg: str, verbose: bool) -> bool:
        """Return that nothing is to be stopped."""
        return False


class _Steps(_Still):
    """Stands before scikit-learn's optimiser: adds to the gradients what a rule adds, and sums them before.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    shapes : tuple of tuple of int
    task : Task
    """

    def __init__(self, model: Any, shapes: tuple[tuple[int, ...], ...], task: Task) -> None:
        self._model, self._proximal = model, task.proximal
        self._added = None if task.correction is None else apart(task.correction, shapes)
        self._start: list[FloatArray] = []
        self._optimiser: Any = None
        self.gradients = [np.zeros(shape) for shape in shapes]
        self.taken = 0

    def update_params(self, params: list[FloatArray], grads: list[FloatArray]) -> None:
        """Take one step."""
        if self._optimiser is None:
            self._optimiser = _optimiser(self._model, params)
            self._start = [array.copy() for array in params] if self._proximal else []
        self.taken += 1
        for total, gradient in zip(self.gradients, grads, strict=True):
            total += gradient
        if self._added is not None:
            grads = [gradient + more for gradient, more in zip(grads, self._added, strict=True)]
        if self._proximal:
            grads = [
                gradient + self._proximal * (array - start)
                for gradient, array, start in zip(grads, params, self._start, strict=True)
            ]
        self._optimiser.update_params(params, grads)


def _optimiser(model: Any, params: list[FloatArray]) -> Any:
    """Return the object that scikit-learn itself would make at the first step."""
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    if model.solver == "sgd":
        return SGDOptimizer(
            params, model.learning_rate_init, "constant", momentum=model.momentum, nesterov=model.nesterovs_momentum
        )
    return AdamOptimizer(params, model.learning_rate_init, model.beta_1, model.beta_2, model.epsilon)


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _bounded(x: FloatArray) -> FloatArray:
    return np.asarray(np.tanh(x))


def _positive(x: FloatArray) -> FloatArray:
    return np.maximum(x, 0.0)


def _same(x: FloatArray) -> FloatArray:
    return x


_ACTIVATIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "relu": _positive,
    "tanh": _bounded,
    "logistic": _logistic,
    "identity": _same,
}
