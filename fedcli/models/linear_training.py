"""``SGDClassifier``, ``SGDRegressor`` and ``Perceptron`` trained at one silo by their own ``partial_fit``.

Owns how their parameters are set, steered and read. Knows nothing of rounds, other silos or files. Internal.

Nothing but the rows moves the parameters in FedAvg, in the first trip, and wherever there is one silo: then an epoch is
one call of ``partial_fit`` on each block of rows, shuffled by scikit-learn. SCAFFOLD's correction and FedProx's term
are no part of these classes' losses, so they are taken in own steps of the same length, after every few rows that
``partial_fit`` has seen. To put them off to an epoch's end is tempting and wrong: a step as long as the sum of an
epoch's learning rates overshoots whatever it corrects.

References
----------
McMahan et al., Communication-efficient learning of deep networks from decentralized data (2017): FedAvg.
Li et al., Federated optimization in heterogeneous networks (2020): FedProx.
Karimireddy et al., SCAFFOLD: stochastic controlled averaging for federated learning (2020), option II.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch, Source
from fedcli.models.local_training import PartialFit, Task, Trained, apart, check_trained, side_by_side, weights_of

# Rows between two own steps.
ROWS_PER_STEP = 32


@dataclass(frozen=True)
class LinearTrainer(PartialFit):
    """One of the three classes."""

    module: ClassVar[str] = "sklearn.linear_model"
    runaway: ClassVar[str] = "overflow"
    linear = True

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """See `Trainer.shapes`."""
        n_outputs = self.n_classes if self.n_classes > 2 else 1
        return (n_outputs, self.n_features), (n_outputs,)

    @property
    def arrangement(self) -> str:
        """See `Trainer.arrangement`."""
        n_outputs, n_columns = self.shapes[0][0], self.n_features + 1
        return f"{n_outputs} classes x {n_columns} columns" if n_outputs > 1 else "one per column"

    def train(self, rows: Source, task: Task) -> Trained:
        """See `Trainer.train`."""
        random = np.random.RandomState(task.seed)
        model = self.new(random_state=random, shuffle=not task.steered)
        start = task.start if task.start is not None else np.zeros(sum(int(np.prod(s)) for s in self.shapes))
        if task.start is not None:
            self._give(model, start)
            # Schedules of learning rates go on where the last trip left off.
            model.t_ = 1.0 + task.epochs_before * sum(len(batch.y) for batch in rows)
        travelled = 0.0
        for _ in range(task.epochs):
            for batch in rows:
                for part in self._parts(batch, random, whole=not task.steered):
                    before = float(getattr(model, "t_", 1.0))
                    self.fit_part(model, part.X, part.y, **weights_of(part))
                    length = self.length(before, len(part.y))
                    travelled += length
                    if task.steered:
                        self._steer(model, task, start, length)
        end = side_by_side([model.coef_, model.intercept_])
        check_trained(end)
        correction = task.correction if task.correction is not None else 0.0
        # What the rows did is the way, less what the corrections did.
        return Trained(end, (start - end) / travelled - correction)

    def length(self, t: float, n_steps: int) -> float:
        """Return the sum of the learning rates of ``n_steps`` steps from the ``t``-th on, as scikit-learn has them."""
        schedule = self.params.get("learning_rate", "constant")
        if schedule == "constant":
            return n_steps * float(self.params["eta0"])
        steps = t + np.arange(n_steps)
        if schedule == "invscaling":
            return float((self.params["eta0"] / steps ** self.params["power_t"]).sum())
        alpha = self.params["alpha"]
        # Bottou's heuristic: the first rate is that of a typical weight; a loss falls where the class is missed by it.
        first = np.sqrt(1.0 / np.sqrt(alpha))
        return float((1.0 / (alpha * (1.0 / (first * alpha) + steps - 1.0))).sum())

    def scores(self, parameters: FloatArray, Z: FloatArray) -> FloatArray:
        """See `Trainer.scores`."""
        slopes, intercepts = apart(parameters, self.shapes)
        found = Z @ slopes.T + intercepts
        return np.asarray(found if self.n_classes > 2 else found[:, 0])

    def _parts(self, batch: Batch, random: np.random.RandomState, *, whole: bool) -> Iterator[Batch]:
        if whole:
            yield batch
            return
        order = random.permutation(len(batch.y))
        for at in range(0, len(order), ROWS_PER_STEP):
            some = order[at : at + ROWS_PER_STEP]
            yield Batch(batch.X[some], batch.y[some], batch.offset[some], batch.weight[some])

    def _steer(self, model: Any, task: Task, start: FloatArray, length: float) -> None:
        here = side_by_side([model.coef_, model.intercept_])
        if task.correction is not None:
            here = here - length * task.correction
        if task.proximal:
            # The backward step, which is stable however long it is.
            pull = length * task.proximal
            here = (here + pull * start) / (1.0 + pull)
        self._give(model, here)

    def _give(self, model: Any, parameters: FloatArray) -> None:
        slopes, model.intercept_ = apart(parameters, self.shapes)
        model.coef_ = slopes if self.n_classes else slopes[0]
