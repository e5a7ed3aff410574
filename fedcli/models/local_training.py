"""Training at one silo by scikit-learn itself: what a trainer is handed, and what it hands back.

Owns the dataclasses, the protocol that every trainer keeps, and the standardised view of a silo's rows. Knows nothing
of rounds, other silos or files. Internal.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from fedcli.errors import Diverged
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch, Source

# Below this, on a scale that the agreed range gives, a column counts as constant at a silo.
_CONSTANT = 1e-8
# The largest `max_coefficient` that an agreement can have.
LARGEST_TRAINED = 2.0**20


@dataclass(frozen=True)
class Task:
    """What a silo trains from, and for how long.

    Parameters
    ----------
    start : ndarray of shape (n_parameters,), optional
        Where to begin; without it where scikit-learn does.
    correction : ndarray of shape (n_parameters,), optional
        Added to every gradient: SCAFFOLD's control of all silos less this silo's own.
    proximal : float
        Strength of ``proximal / 2 * ||parameters - start||**2``, FedProx's term; 0 for none.
    epochs, epochs_before : int
        Passes over the rows, and those of earlier trips, which a schedule of learning rates counts on from.
    seed : int
        Of numpy's ``RandomState``, which is scikit-learn's ``random_state``.
    """

    start: FloatArray | None
    correction: FloatArray | None
    proximal: float
    epochs: int
    epochs_before: int
    seed: int

    @property
    def steered(self) -> bool:
        """Whether anything but the silo's own rows moves the parameters."""
        return self.correction is not None or self.proximal > 0


@dataclass(frozen=True)
class Trained:
    """Parameters after training, and the mean gradient on the way there, both (n_parameters,).

    The gradient is that of the silo's own objective alone, without correction and proximal term.
    """

    parameters: FloatArray
    gradient: FloatArray


class Trainer(Protocol):
    """One class of scikit-learn, trained by its own ``partial_fit``."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of its arrays, in the order in which they are laid side by side as parameters."""

    @property
    def arrangement(self) -> str:
        """How parameters are arranged, as people read it."""

    @property
    def linear(self) -> bool:
        """Whether its arrays are slopes (n_outputs, n_features) and intercepts (n_outputs,)."""

    def new(self, **more: Any) -> Any:
        """Return an unfitted object of the class, for a number outcome on the scale that its range gives."""

    def train(self, rows: Source, task: Task) -> Trained:
        """Train on rows of standardised columns.

        Raises
        ------
        Diverged
        """

    def scores(self, parameters: FloatArray, Z: FloatArray) -> FloatArray:
        """Return what the model says of standardised columns, before any link or choice of a class.

        Shape (n_samples,), or (n_samples, n_classes) above two classes.
        """


@dataclass(frozen=True)
class PartialFit:
    """What the trainers have in common: a class of scikit-learn, and rows handed to its ``partial_fit``.

    Parameters
    ----------
    estimator : str
        scikit-learn's name.
    params : mapping of str to object
        Its own parameters.
    n_features, n_classes : int
        ``n_classes`` is 0 for a number.
    """

    estimator: str
    params: Mapping[str, Any]
    n_features: int
    n_classes: int

    module: ClassVar[str]
    # What scikit-learn's message has where numbers run away.
    runaway: ClassVar[str]

    def new(self, **more: Any) -> Any:
        """See `Trainer.new`."""
        return getattr(importlib.import_module(self.module), self.estimator)(**{**self.params, **more})

    def fit_part(self, model: Any, X: FloatArray, y: FloatArray, **more: Any) -> None:
        """Take some rows' steps; all classes are named, since a silo may lack some.

        Raises
        ------
        Diverged
        """
        told = {"classes": np.arange(self.n_classes)} if self.n_classes else {}
        try:
            model.partial_fit(X, targets_of(y, self.n_classes), **told, **more)
        except ValueError as exc:
            if self.runaway in str(exc):
                raise diverged() from exc
            raise


@dataclass(frozen=True)
class Standardised:
    """A silo's rows as scikit-learn's classes see them: standardised columns without the intercept's.

    Rows of weight 0 are left out: in a sum of losses they are none, and so no step may follow from them.
    """

    rows: Source
    mean: FloatArray
    scale: FloatArray

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.rows:
            kept = batch.weight > 0
            X, y, weight = batch.X[kept, 1:], batch.y[kept], batch.weight[kept]
            if len(y):
                Z = np.ascontiguousarray((X - self.mean) / self.scale)
                yield replace(batch, X=Z, y=y, weight=weight, offset=batch.offset[kept], fold=None, times=None)


def own_scale(rows: Source, scaled: Sequence[bool]) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation (n_columns - 1,) of a silo's own columns; 0 and 1 of those left unscaled.

    Parameters
    ----------
    rows : Source
    scaled : sequence of bool
        Which columns after the intercept are standardised.
    """
    n, total = 0, np.zeros(len(scaled))
    for batch in rows:
        n += len(batch.y)
        total = total + batch.X[:, 1:].sum(axis=0)
    mean = np.where(scaled, total / max(n, 1), 0.0)
    squares = np.zeros(len(scaled))
    for batch in rows:
        squares = squares + ((batch.X[:, 1:] - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / max(n, 1))
    return mean, np.where(np.asarray(scaled) & (deviation > _CONSTANT), deviation, 1.0)


def seed_of(study: str, number: int) -> int:
    """Return the seed of a round (from 1): the same at every silo, so that all begin from the same random weights.

    Parameters
    ----------
    study : str
        The study's id.
    number : int
    """
    return int.from_bytes(hashlib.sha256(f"fedcli local training {study} {number}".encode("ascii")).digest()[:4], "big")


def side_by_side(arrays: Sequence[FloatArray]) -> FloatArray:
    """Return the numbers of several arrays as one, (n_parameters,)."""
    return np.concatenate([np.ravel(array) for array in arrays])


def apart(parameters: FloatArray, shapes: Sequence[tuple[int, ...]]) -> list[FloatArray]:
    """Return copies of the arrays that `side_by_side` joined."""
    found, at = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        found.append(parameters[at : at + size].reshape(shape).copy())
        at += size
    return found


def check_trained(parameters: FloatArray) -> None:
    """Refuse parameters that are no numbers, or larger than any agreement allows: no direction is left in them.

    Raises
    ------
    Diverged
    """
    if not (np.abs(parameters) <= LARGEST_TRAINED).all():
        raise diverged()


def diverged() -> Diverged:
    """Return the error."""
    return Diverged(
        "training at this silo grew without end: its steps overshoot, each farther than the last",
        hint="ask the coordinator for a smaller learning rate (eta0 or learning_rate_init), in a new study",
    )


def targets_of(y: FloatArray, n_classes: int) -> Any:
    """Return the outcome as scikit-learn wants it: numbers of classes as integers."""
    return y.astype(np.int64) if n_classes else y


def weights_of(batch: Batch) -> Mapping[str, FloatArray]:
    """Return ``sample_weight`` where rows differ in it."""
    return {} if bool((batch.weight == 1.0).all()) else {"sample_weight": batch.weight}
