"""Design rows as a family sees them, and the protocol that every family keeps.

Owns `Batch`, `Source` and `Family`. Knows nothing of columns' meaning, files, keys or screens. Stable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray, Layout, State, Statistics, Total


@dataclass(frozen=True)
class Batch:
    """Rows of the design on the reference scale.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Column 0 is 1; all others lie in [-1, 1].
    y : ndarray of shape (n_samples,)
    offset : ndarray of shape (n_samples,)
        Added to the linear predictor.
    weight : ndarray of shape (n_samples,)
        scikit-learn's ``sample_weight``.
    fold : ndarray of int of shape (n_samples,), optional
        Which part of a cross-validation each row belongs to; None without one.
    times : ndarray of shape (n_samples, n_time_columns), optional
        Of a survival study, in which ``y`` says whether an event happened: until when each row was seen, and from when
        on if that is agreed.
    """

    X: FloatArray
    y: FloatArray
    offset: FloatArray
    weight: FloatArray
    fold: NDArray[np.int64] | None = None
    times: FloatArray | None = None


class Source(Protocol):
    """A silo's training rows; every iteration is a fresh pass in the same order."""

    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Point:
    """Where a silo expands: everything `Family.statistics` needs besides rows and state.

    Parameters
    ----------
    coef : ndarray of shape (n_columns,)
        The silo's own point of expansion (or centre of its sums). It never leaves the silo.
    around : tuple
        What rows must know of each other there, and at each point that the state asks for; nothing for most families.
    softened : bool
        Whether curvature is taken that hides what rows a loss leaves out; slopes stay exact.
    without_third : bool
        Whether third derivatives are left out where a study asks for them: too few rows stand behind them.
    each : tuple of Point
        Where a trip fits several likelihoods: the point of each, and ``coef`` holds them one after the other.
    """

    coef: FloatArray
    around: tuple[Any, ...] = ()
    softened: bool = False
    without_third: bool = False
    each: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Memory:
    """What a silo remembers of its own last update, as floats; ``None`` when the parent does not count it in.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        The blocks of that update; none when the silo has lost them although the parent counts them in.
    """

    arrays: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Reason:
    """Why a study ends.

    Parameters
    ----------
    code : str
        ``closed-form``, ``converged`` or ``closed``.
    says : str
        The same for people, with the figures.
    """

    code: str
    says: str


class Family(Protocol):
    """Models fitted the same way. At a given point ``statistics(A) + statistics(B) == statistics(A and B)``."""

    @property
    def expanded(self) -> bool:
        """Whether it sums expanded columns: then imputation and standardisation are decided from the same sums."""

    @property
    def linear(self) -> bool:
        """Whether `coefficients` are its result; else a fitted estimator's attributes in the state, ``fitted.*``."""

    def shapes(self, state: State, *, final: bool) -> Mapping[str, tuple[int | None, ...]]:
        """Return the arrays that a state of at least one round must have, None where a size is free.

        Parameters
        ----------
        state : State
        final : bool
            Whether the study has ended: no sums are in the model then.
        """

    def layout(self, state: State) -> Layout:
        """Lay down the next update's blocks."""

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """At a silo: choose where to expand. May pass over the rows several times; each pass is a sum."""

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """At a silo: sum one batch at ``point``."""

    def settle(self, total: Total, point: Point, state: State) -> Total:
        """At a silo: carry its own exact sum to the point that all silos share."""

    def advance(self, total: Total, state: State) -> State:
        """At the coordinator: the next state. Penalties live here only."""

    def finished(self, state: State) -> Reason | None:
        """Return why no further trip is needed, or None."""

    def coefficients(self, state: State) -> FloatArray:
        """Return the coefficients (n_columns,) on the reference scale, intercept first."""


def document(state: State, **changes: Any) -> dict[str, Any]:
    """Return the state's document with ``changes``."""
    return {**state.document, **changes}


def empty_state() -> State:
    """Return the state before trip 1."""
    return State({"round": 0}, {})


def weighted_cross(X: FloatArray, weight: FloatArray) -> FloatArray:
    """Return ``X.T @ diag(weight) @ X``, symmetric to the bit, shape (n_columns, n_columns)."""
    product = (X * weight[:, None]).T @ X
    return np.asarray((product + product.T) / 2.0)
