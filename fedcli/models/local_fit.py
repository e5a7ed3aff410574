"""Newton's method inside one silo: its own exact loss plus a quadratic, minimised over several passes of the rows.

Owns the local minimisation. Knows nothing of rounds, other silos or files. Internal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.arrangement import read_curvature, read_slopes
from fedcli.models.batch import Memory, Source
from fedcli.models.losses import OutcomeSums
from fedcli.models.nuisance import Beginning, JointLoss, beside
from fedcli.models.objective import AnyLoss, around, sums_at, value
from fedcli.models.penalty import Strength
from fedcli.models.quadratic import Quadratic
from fedcli.models.softmax import Softmax
from fedcli.models.steps import repeated

MAX_STEPS = 50
# Half the squared Newton decrement below which the local point is good: the expansion is exact wherever it is taken,
# so more digits here would buy nothing.
DECREMENT = 1e-14
# Damping of a silo's first fit, per standardised coefficient: the least, that of a model without a penalty, and the
# most on the intercept.
LEAST_DAMPING, DAMPING_WITHOUT_PENALTY, INTERCEPT_DAMPING = 0.1, 1.0, 1.0


def expand(
    rows: Source, loss: AnyLoss, coef: FloatArray, *, safe: bool = False
) -> tuple[float, FloatArray, FloatArray]:
    """Sum value, gradient (n,) and Hessian (n, n) of the loss over all rows.

    Parameters
    ----------
    rows : Source
    loss : AnyLoss
    coef : ndarray of shape (n,)
        The point.
    safe : bool
        See `sums_at`.
    """
    total, gradient, hessian = 0.0, np.zeros(coef.shape[0]), np.zeros((coef.shape[0],) * 2)
    found = around(loss, rows, coef, leaves=False)
    for batch in rows:
        part = sums_at(loss, batch, coef, found, safe=safe)
        total += part.value
        gradient += part.gradient
        hessian += part.hessian
    return total, gradient, hessian


def minimise(rows: Source, loss: AnyLoss, quadratic: Quadratic, basis: FloatArray, start: FloatArray) -> FloatArray:
    """Minimise the silo's loss plus ``quadratic`` over ``b``, with coefficients ``basis @ b``.

    Parameters
    ----------
    rows : Source
    loss : AnyLoss
    quadratic : Quadratic
        In the coordinates ``b`` (n_free,).
    basis : ndarray of shape (n_columns, n_free)
        A well-conditioned basis: the standardised columns, the intercept left out when the model has none.
    start : ndarray of shape (n_free,)

    Returns
    -------
    ndarray of shape (n_free,)
        The minimiser, or the last point at which the objective still fell: convex, so there is no other basin.

    References
    ----------
    Boyd & Vandenberghe, Convex Optimization (2004), section 9.5.
    """
    b = start
    for _ in range(MAX_STEPS):
        here, gradient, hessian = expand(rows, loss, basis @ b)
        here += quadratic.value(b)
        slope = basis.T @ gradient + quadratic.gradient(b)
        model = Quadratic(basis.T @ hessian @ basis + quadratic.A, quadratic.c, quadratic.l1)
        step, null = model.step(b, slope)
        if null.shape[1] and not loss.convex:
            # A direction that curves downwards would be left out.
            _, _, upwards = expand(rows, loss, basis @ b, safe=True)
            step, _ = Quadratic(basis.T @ upwards @ basis + quadratic.A, quadratic.c).step(b, slope)
        decrement = model.gain(b, slope, step)
        if decrement <= DECREMENT * (1.0 + abs(here)):
            # The last step costs nothing more: the objective is its own quadratic here.
            return np.asarray(b + step)
        length = 1.0
        while length > 1e-8:
            trial = b + length * step
            if value(loss, rows, basis @ trial) + quadratic.value(trial) <= here - 0.2 * length * decrement:
                break
            length /= 2.0
        else:
            return b
        b = trial
    return b


def first_fit(
    rows: Source, loss: AnyLoss, penalty: Callable[[float], Strength], *, fit_intercept: bool
) -> tuple[FloatArray, FloatArray]:
    """Fit the silo alone, damped on its own standardised scale so that one class or few rows do no harm.

    Parameters
    ----------
    rows : Source
    loss : AnyLoss
    penalty : callable
        From the silo's sum of weights to its share of the model's penalty; its ridge becomes the damping. The expansion
        that is sent is of the loss alone, so that neither biases anything.
    fit_intercept : bool

    Returns
    -------
    basis : ndarray of shape (n_columns, n_free)
    coef : ndarray of shape (n_free,)
        The fit is ``basis @ coef`` on the reference scale.
    """
    n, total, weighted = 0, 0.0, np.zeros(2)
    sums: FloatArray = np.zeros(1)
    squares: FloatArray = np.zeros(1)
    for batch in rows:
        n += batch.X.shape[0]
        sums = sums + batch.X.sum(axis=0)
        total += float(batch.weight.sum())
        weighted += np.array([batch.weight @ batch.y, batch.weight @ np.exp(np.minimum(batch.offset, 300.0))])
    mean = sums / max(n, 1)
    for batch in rows:
        squares = squares + ((batch.X - mean) ** 2).sum(axis=0)
    scale = np.sqrt(squares / max(n, 1))
    scale[scale < 1e-8] = 1.0
    basis = np.diag(1.0 / scale)
    basis[0, 0] = 1.0
    basis[0, 1:] = -mean[1:] / scale[1:]
    if isinstance(loss, Softmax):
        return _first_fit_of_classes(rows, loss, basis, penalty(total).ridge, fit_intercept=fit_intercept)
    start = np.zeros(basis.shape[0])
    outcomes = OutcomeSums(total, *weighted.tolist())
    start[0] = loss.start(outcomes)
    if isinstance(loss, JointLoss):
        # A silo may expand anywhere: here with an intercept in any case, so that the other parameters begin near.
        fit_intercept = fit_intercept or loss.needs_intercept
        begun = loss.begin(rows, outcomes, float(start[0]) if fit_intercept else 0.0)
    else:
        begun = Beginning(np.empty(0), np.empty(0), loss.stiffness(start[0]))
    share, unit = penalty(total), begun.stiffness
    penalised = share.ridge or share.lasso
    damping = max(share.ridge, unit * LEAST_DAMPING) if penalised else unit * DAMPING_WITHOUT_PENALTY
    ridge, l1 = np.full(basis.shape[0], damping), np.full(basis.shape[0], share.lasso)
    ridge[0], l1[0] = min(ridge[0], unit * INTERCEPT_DAMPING), 0.0
    centre = np.zeros(basis.shape[0])
    centre[0] = start[0]
    if not fit_intercept:
        basis, ridge, l1, centre, start = basis[:, 1:], ridge[1:], l1[1:], centre[1:], start[1:]
    basis, ridge = beside(basis, len(begun.extras)), np.concatenate([ridge, begun.held])
    centre, start = np.concatenate([centre, begun.extras]), np.concatenate([start, begun.extras])
    l1 = np.concatenate([l1, np.zeros(len(begun.extras))])
    held = Quadratic(np.diag(ridge), ridge * centre, l1 if share.lasso else None)
    return basis, minimise(rows, begun.loss or loss, held, basis, start)


def _first_fit_of_classes(
    rows: Source, loss: Softmax, basis: FloatArray, share: float, *, fit_intercept: bool
) -> tuple[FloatArray, FloatArray]:
    """Fit the silo alone as `first_fit` does, each predictor damped as the one of other losses is."""
    m, n = loss.n_predictors, len(basis)
    ridge = np.full((m, n), max(share, LEAST_DAMPING) if share else DAMPING_WITHOUT_PENALTY)
    ridge[:, 0] = np.minimum(ridge[:, 0], INTERCEPT_DAMPING)
    centre = np.zeros((m, n))
    centre[:, 0] = loss.starts(rows)
    if not fit_intercept:
        basis, ridge, centre = basis[:, 1:], ridge[:, 1:], centre[:, 1:]
    basis, held, start = repeated(basis, m), ridge.ravel(), centre.ravel()
    return basis, minimise(rows, loss, Quadratic(np.diag(held), held * start), basis, start)


def own_part(loss: AnyLoss, state: State, memory: Memory) -> tuple[FloatArray, FloatArray]:
    """Return what a silo itself put into the state's curvature and right-hand side."""
    taken = int(state.arrays["taken"][0])
    if not taken:
        (rhs,) = read_slopes(loss, memory.arrays["rhs"], 1)
        return read_curvature(loss, memory.arrays["curvature"]), rhs
    curvature = read_curvature(loss, memory.arrays["candidate"])
    gradient = read_slopes(loss, memory.arrays["gradients"], 1 + len(state.arrays["parent.candidates"]))[taken]
    return curvature, curvature @ state.arrays["parent.candidates"][taken - 1] - gradient
