"""Third derivatives: one trip fewer, where columns are few and rows many.

Owns their sums, the minimum of the merged cubic, and how far it can be believed. Knows nothing of rounds, silos or
files. Internal.

A silo's expansion to third order about its own point ``b`` is, written about 0,

    T[x, x, x] / 6 + (H - T[b]) [x, x] / 2 - (H b - g - T[b, b] / 2) x

whose coefficients add over silos as those of second order do. A cubic has no minimum; near the minimum of its quadratic
part it has one that lies far nearer to the optimum, as long as it still curves upwards there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Protocol, runtime_checkable

import numpy as np

from fedcli.fileformat.statistics import Block, FloatArray, State, Total, pack_upper, pairs_once, unpack_upper
from fedcli.models.batch import Batch, Point, weighted_cross
from fedcli.models.steps import relative, remaining

# The cubic is believed where its Hessian keeps this share of the quadratic part's in every direction: without such a
# limit it was measured to diverge.
_TRUST = 0.2
_STEPS = 60
_CLOSE, _SHORTEST = 1e-13, 1e-6
# Where second and third order lie apart by less than this share of the coefficients, all silos expand at the minimum of
# third order next: it is nearer to the optimum than what a silo can find by itself with the others to second order.
NEAR = 0.2
# The prediction of what is left is multiplied by this. Over 290 studies it was then never too small,
# save by what sums are rounded.
_CAUTION = 10.0
# In place of a distance between second and third order that a trip does not have.
UNKNOWN = -1.0
# Beyond these columns, the intercept included, a trip would carry more than 3 MB for numbers that few silos may send.
MOST_COLUMNS = 100
# The block that says of how many rows a silo left them out.
WITHOUT = "third.without"
# Below this share of the curvature a sum of third derivatives is rounding.
_ROUNDING = 1e-12


@runtime_checkable
class Bending(Protocol):
    """A loss of single rows with a third derivative."""

    @property
    def rate(self) -> float:
        """How many times larger each further derivative may be; where rows may bend down, of outcomes as predicted."""

    def derivatives(self, eta: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """See `Loss.derivatives`."""

    def third(self, eta: FloatArray, y: FloatArray) -> FloatArray:
        """Return the third derivative in ``eta`` (n_samples,)."""

    def largest_third(self, largest_eta: float) -> float:
        """Return the largest absolute value of one row's where ``|eta| <= largest_eta``."""


def n_triples(n: int) -> int:
    """Return how many numbers a symmetric tensor of shape (n, n, n) has."""
    return math.comb(n + 2, 3)


def rows_needed(n: int, rows_per_column: float) -> int:
    """Return how many rows a silo must have to send third derivatives of ``n`` columns, the intercept included.

    Rows times columns, which is what somebody would solve for, must be at least ten times the numbers that tell of them
    at one point, curvature and right-hand side included; in a study with another rule than five rows per column, twice
    that many times.
    """
    numbers = n_triples(n) + n * (n + 1) // 2 + n
    return math.ceil(2.0 * rows_per_column * numbers / n)


def blocks(loss: object, state: State, n: int, rows: float, eta: float, max_rows: float) -> tuple[Block, ...]:
    """Lay down the blocks of third order.

    Parameters
    ----------
    loss : Bending
    state : State
        Where all silos expand at the point that it holds, the coordinator can carry the expansion to 0 itself. *Not*
        sent all the same: the bound of ``third.twice`` is so large that it may round off what is wanted.
    n : int
        Columns, the intercept included.
    rows : float
        Most rows of a silo, times the largest weight.
    eta : float
        The largest linear predictor.
    max_rows : float
    """
    assert isinstance(loss, Bending)  # noqa: S101 - what such an order is built with
    most = rows * loss.largest_third(eta)
    third = Block("third", (n_triples(n),), most, _THIRD, f"{n} x {n} x {n} with each triple once")
    without = Block(WITHOUT, (1,), max_rows, _WITHOUT)
    if is_near(state):
        return third, without
    return (
        third,
        Block("third.once", (n * (n + 1) // 2,), most * eta, _ONCE, pairs_once(n)),
        Block("third.twice", (n,), most * eta * eta, _TWICE, "one per column"),
        without,
    )


_THIRD = (
    "third derivatives of the log-likelihood where 'curvature' are the second: sums of products of three columns, each "
    "row by the third derivative of its own loss; of three levels, a cell of their cross table so weighted"
)
_ONCE = "'third' times this silo's own coefficients: what makes 'curvature' one of the coefficients 0"
_TWICE = "the same times them once more, for 'rhs'"
_WITHOUT = "of how many rows the third derivatives are left at 0: a silo leaves out those of all its rows, or of none"


def weights(loss: object, rows: Batch, coef: FloatArray) -> tuple[FloatArray, ...]:
    """Return what weighs each row (n_samples,) in third derivatives, and in curvature with them added or taken off.

    Parameters
    ----------
    loss : Bending
    rows : Batch
    coef : ndarray of shape (n,)
        The silo's own point.
    """
    assert isinstance(loss, Bending)  # noqa: S101 - what such an order is built with
    eta = rows.X @ coef + rows.offset
    second, third = loss.derivatives(eta, rows.y)[2], loss.third(eta, rows.y)
    # For classes the last two are twice what either class has of the curvature.
    found = (third, second + third, second - third)
    return tuple(rows.weight * np.where(np.abs(each) > _ROUNDING * second, each, 0.0) for each in found)


def sums(loss: object, rows: Batch, point: Point, state: State) -> dict[str, FloatArray]:
    """Return what a batch adds at a silo's own point; nothing but its rows where third derivatives are left out.

    Parameters
    ----------
    loss : Bending
    rows : Batch
    point : Point
    state : State
    """
    assert isinstance(loss, Bending)  # noqa: S101 - what such an order is built with
    X, n = rows.X, rows.X.shape[1]
    packed, once, twice = np.zeros(n_triples(n)), np.zeros((n, n)), np.zeros(n)
    if point.without_third:
        # The expansion is one of second order then.
        return _named(state, packed, once, twice, float(len(X)))
    eta = X @ point.coef
    weighted = rows.weight * loss.third(eta + rows.offset, rows.y)
    at = 0
    for i in range(n):
        # All pairs of columns from i on, times column i: each triple once, in the order of `unpack_third`.
        product = pack_upper(weighted_cross(X[:, i:], weighted * X[:, i]))
        packed[at : at + len(product)] = product
        at += len(product)
    return _named(state, packed, weighted_cross(X, weighted * eta), X.T @ (weighted * eta * eta), 0.0)


def _named(
    state: State, packed: FloatArray, once: FloatArray, twice: FloatArray, without: float
) -> dict[str, FloatArray]:
    found = {"third": packed, WITHOUT: np.array([without])}
    return found if is_near(state) else {**found, "third.once": pack_upper(once), "third.twice": twice}


def unpack_third(packed: FloatArray, n: int) -> FloatArray:
    """Return the symmetric tensor (n, n, n) of its triples ``i <= j <= k``, in order of i, then j, then k."""
    tensor = np.empty((n, n, n))
    triples = np.array(list(combinations_with_replacement(range(n), 3)))
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        tensor[tuple(triples[:, order].T)] = packed
    return tensor


@dataclass(frozen=True)
class Reached:
    """Where steps on a cubic ended, and whether that is its minimum."""

    point: FloatArray
    converged: bool


@dataclass(frozen=True)
class Cubic:
    """``T[b, b, b] / 6 + b.T @ A @ b / 2 - c @ b`` in the solver's own coordinates, counted from an origin.

    Parameters
    ----------
    T : ndarray of shape (n, n, n)
    A : ndarray of shape (n, n)
    c : ndarray of shape (n,)
    origin : ndarray of shape (n,)
    """

    T: FloatArray
    A: FloatArray
    c: FloatArray
    origin: FloatArray

    @classmethod
    def merged(cls, total: Total, state: State, basis: FloatArray, penalty: FloatArray, here: FloatArray) -> Cubic:
        """Read the sum of all silos' expansions: about the point that the state holds, if all are, else about 0.

        Parameters
        ----------
        total : Total
        state : State
            Which asked for them, with the curvature and right-hand side of ``total``.
        basis : ndarray of shape (n, n_free)
        penalty : ndarray of shape (n_free,)
        here : ndarray of shape (n_free,)
            That point in the solver's coordinates.
        """
        curvature, rhs = state.arrays["curvature"], state.arrays["rhs"]
        T = np.einsum("ijk,ia,jb,kc->abc", unpack_third(total["third"], len(rhs)), basis, basis, basis, optimize=True)
        if is_near(state):
            # Nothing is carried to 0, which would cost digits.
            A = basis.T @ curvature @ basis + np.diag(penalty)
            return cls(T, A, -basis.T @ total["gradients"][: len(rhs)] - penalty * here, here)
        A = basis.T @ (curvature - unpack_upper(total["third.once"])) @ basis + np.diag(penalty)
        return cls(T, A, basis.T @ (rhs - total["third.twice"] / 2.0), np.zeros_like(here))

    def value(self, b: FloatArray) -> float:
        """Return the cubic at ``b``, counted from the origin as below."""
        return float(b @ (self.T @ b) @ b / 6.0 + b @ self.A @ b / 2.0 - self.c @ b)

    def gradient(self, b: FloatArray) -> FloatArray:
        """Return the gradient at ``b``."""
        return np.asarray((self.T @ b) @ b / 2.0 + self.A @ b - self.c)

    def hessian(self, b: FloatArray) -> FloatArray:
        """Return the second derivatives at ``b``."""
        return np.asarray(self.T @ b + self.A)

    def minimum(self, start: FloatArray, reference: FloatArray) -> Reached:
        """Follow Newton's steps from ``start`` to where the cubic has its minimum, as far as it curves.

        Parameters
        ----------
        start : ndarray of shape (n_free,)
            The minimum to second order.
        reference : ndarray of shape (n_free, n_free)
            The Hessian to second order.
        """
        scale = 1.0 / np.sqrt(np.where(np.diagonal(reference) > 0, np.diagonal(reference), 1.0))
        values, vectors = np.linalg.eigh(reference * scale[:, None] * scale[None, :])
        kept = values > 1e-12 * values[-1] * len(values)
        # In these coordinates the reference is 1; directions that it does not determine are left as they are.
        whole = scale[:, None] * vectors[:, kept] / np.sqrt(values[kept])

        def curved(b: FloatArray) -> tuple[FloatArray, FloatArray] | None:
            found, directions = np.linalg.eigh(whole.T @ self.hessian(b) @ whole)
            return (found, directions) if found[0] >= _TRUST else None

        b = start - self.origin
        here = curved(b)
        for _ in range(_STEPS):
            if here is None:
                break
            found, directions = here
            slope = whole.T @ self.gradient(b)
            step = -whole @ (directions @ ((directions.T @ slope) / found))
            if np.linalg.norm(step) <= _CLOSE * np.linalg.norm(b + self.origin):
                return Reached(np.asarray(b + step + self.origin), converged=True)
            length, value, steep = 1.0, self.value(b), float(np.linalg.norm(slope))
            while length > _SHORTEST:
                trial = b + length * step
                there = curved(trial)
                # Near the minimum values differ by less than their rounding; slopes do not.
                falls = self.value(trial) < value or float(np.linalg.norm(whole.T @ self.gradient(trial))) < steep
                if there is not None and falls:
                    break
                length /= 2.0
            else:
                break
            b, here = np.asarray(trial), there
        return Reached(np.asarray(b + self.origin), converged=False)


def is_asked(state: State) -> bool:
    """Whether a state asks for third derivatives: not in a closing trip, nor after a silo has left them out."""
    go_on = "cubic" not in state.arrays or state.arrays["cubic"][0] > 0
    return bool(go_on and state.document.get("phase") != "closing")


def is_near(state: State) -> bool:
    """Whether all silos are asked to expand at the point that they receive."""
    return bool("near" in state.arrays and state.arrays["near"][0] > 0)


def bent(
    loss: object,
    total: Total,
    state: State,
    basis: FloatArray,
    penalty: FloatArray,
    start: FloatArray,
    here: FloatArray,
    *,
    fit_intercept: bool,
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return the minimum of the merged cubic in place of that of second order, and what the next trip must know.

    Parameters
    ----------
    loss : Bending
    total : Total
        Without third derivatives of all silos the minimum to second order stays.
    state : State
        With the curvature and right-hand side of ``total``, and whether silos expanded at a common point.
    basis : ndarray of shape (n, n_free)
    penalty : ndarray of shape (n_free,)
    start : ndarray of shape (n_free,)
        The minimum to second order.
    here : ndarray of shape (n_free,)
        The point that the state holds.
    fit_intercept : bool
    """
    assert isinstance(loss, Bending)  # noqa: S101 - what such an order is built with
    if "third" not in total:
        return start, far()
    if total[WITHOUT][0] > 0:
        # A cubic of some silos and parabolas of others was measured to save hardly a trip, and to cost one at times:
        # all go on to second order, and nobody sends what nobody needs.
        return start, {**far(), "cubic": np.zeros(1)}
    curvature = state.arrays["curvature"]
    cubic = Cubic.merged(total, state, basis, penalty, here)
    found = cubic.minimum(start, basis.T @ curvature @ basis + np.diag(penalty))
    if not found.converged:
        return found.point, far()
    apart = relative(found.point, start, fit_intercept=fit_intercept)
    common, near = is_near(state), apart < NEAR
    if common:
        # What a fourth order would move: third derivatives may cancel over rows, as where half are of one class.
        way = basis @ (found.point - here)
        spread = float(way @ curvature @ way) / max(float(curvature[0, 0]), 1e-300)
        apart = max(
            apart, relative(found.point, here, fit_intercept=fit_intercept) * loss.rate * np.sqrt(max(spread, 0.0))
        )
    flags = {"apart": apart, "near": float(near), "common": float(common)}
    return found.point, {name: np.array([value]) for name, value in flags.items()}


def far() -> dict[str, FloatArray]:
    """Return what the next trip must know where another point than the minimum of all silos' cubics was taken."""
    return {"apart": np.array([UNKNOWN]), "near": np.zeros(1), "common": np.zeros(1)}


def left(arrays: Mapping[str, FloatArray]) -> float:
    """Predict the relative coefficient error left after a state's last step.

    Where all silos expand at the point that they received, a step to second order leaves ``apart``, the first
    correction of a series of which third order has two terms: the next is about as much smaller again. Where some silo
    left its third derivatives out, the rule of second order holds.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of a state: ``steps``, relative, from the second trip on; ``apart``, the relative distance between the minima of
        second and third order, below 0 where it is not known; ``common``, whether all silos expanded at one point.
    """
    steps, apart, common = arrays["steps"], float(arrays["apart"][0]), arrays["common"][0] > 0
    linear = float(remaining(steps, cautious=apart >= 0))
    step = float(steps[-1]) if len(steps) else 0.0
    if not common or not 0.0 <= apart <= step / 2.0:
        return linear
    return min(linear, _CAUTION * apart * apart / step) if step > 0 else linear
