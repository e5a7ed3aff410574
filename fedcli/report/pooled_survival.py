"""The pooled fit of survival models, for a simulation to compare with: scikit-learn has none.

Owns Newton's method over all silos' rows at once, each silo a stratum or all with one baseline, and a table of survival
counted row by row. Knows nothing of trips or sums that travel. Internal. It shares the formulas of the likelihoods with
the federated fit, and nothing else; the formulas themselves are held to R's, statsmodels' and lifelines' by the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fedcli.errors import NotConverged
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch
from fedcli.models.life_table import LifeTable
from fedcli.models.local_fit import expand, minimise
from fedcli.models.objective import AnyLoss, observed, value
from fedcli.models.one_baseline import OneBaseline, joined_intervals
from fedcli.models.partial_likelihood import PartialLikelihood
from fedcli.models.quadratic import Quadratic
from fedcli.models.solve import solve_symmetric
from fedcli.preparing.rows import Rows

_STEPS = 100
_CLOSE = 1e-24


@dataclass(frozen=True)
class PooledHazards:
    """The fitted slopes, by scikit-learn's names; the intercept is always 0.

    Parameters
    ----------
    coef_ : ndarray of shape (n_columns - 1,)
    intercept_ : float
    """

    coef_: FloatArray
    intercept_: float = 0.0


def _batch(X: FloatArray, rows: Rows) -> Batch:
    """Return rows with their prepared columns (n_samples, n_columns - 1), behind the intercept's."""
    design = np.hstack([np.ones((len(rows), 1)), X])
    return Batch(design, rows.target, rows.offset, rows.weight, times=rows.times)


def pooled_hazards(X: FloatArray, silos: Sequence[Rows], loss: AnyLoss, penalty: float) -> PooledHazards:
    """Minimise the partial likelihoods of all silos together.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns - 1)
        The prepared columns of all silos, in their order.
    silos : sequence of Rows
    loss : StratumLoss
    penalty : float

    Raises
    ------
    NotConverged
    """
    edges = np.cumsum([0, *map(len, silos)])
    strata = [[_batch(X[a:b], rows)] for (a, b), rows in zip(pairwise(edges), silos, strict=True)]

    def objective(coef: FloatArray) -> float:
        return sum(value(loss, stratum, coef) for stratum in strata) + penalty * float(coef @ coef) / 2

    coef = np.zeros(1 + X.shape[1])
    for _ in range(_STEPS):
        parts = [expand(stratum, loss, coef) for stratum in strata]
        here = sum(part[0] for part in parts) + penalty * float(coef @ coef) / 2
        gradient = np.sum([part[1] for part in parts], axis=0) + penalty * coef
        hessian = np.sum([part[2] for part in parts], axis=0) + penalty * np.eye(len(coef))
        step = np.zeros(len(coef))
        step[1:] = solve_symmetric(hessian[1:, 1:], -gradient[1:])[0]
        if float(step @ step) <= _CLOSE * float(coef @ coef):
            return PooledHazards(coef[1:])
        length = 1.0
        while length > 1e-9 and objective(coef + length * step) > here + 1e-12 * (1.0 + abs(here)):
            length /= 2.0
        coef = coef + length * step
    raise NotConverged(
        "the pooled fit to compare with does not converge: an effect may have no finite value",
        hint="add a penalty (alpha) to the model",
    )


def pooled_on_a_grid(X: FloatArray, silos: Sequence[Rows], family: OneBaseline) -> PooledHazards:
    """Minimise the likelihood of one baseline on the agreed intervals over all silos' rows at once.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns - 1)
        The prepared columns of all silos, in their order.
    silos : sequence of Rows
    family : OneBaseline
    """
    rows, n = Rows.together(silos), X.shape[1]
    batch = _batch(X, rows)
    joined = joined_intervals(batch.weight @ family.intervals.happens(observed(batch)))
    basis = np.zeros((1 + n + len(joined), n + int(joined.max()) + 1))
    basis[1 : 1 + n, :n] = np.eye(n)
    basis[1 + n + np.arange(len(joined)), n + joined] = 1.0
    penalty = np.diag(np.where(np.arange(basis.shape[1]) < n, family.penalty.ridge, 0.0))
    start = np.where(np.arange(basis.shape[1]) < n, 0.0, family.box.middle[-1])
    found = minimise([batch], family.loss, Quadratic(penalty, np.zeros(len(penalty))), basis, start)
    return PooledHazards(found[:n])


def grid_bias(X: FloatArray, silos: Sequence[Rows], family: OneBaseline, coef: FloatArray) -> float:
    """Return by how many standard errors ``coef`` (n_columns - 1,) differs at most from a fit of the exact times.

    That is Cox's model over all silos' rows as one stratum, ties after Efron: no federated study has it.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns - 1)
        The prepared columns of all silos, in their order.
    silos : sequence of Rows
    family : OneBaseline
    coef : ndarray of shape (n_columns - 1,)
        On the prepared columns.
    """
    loss = PartialLikelihood("efron", family.max_rows, family.largest_weight)
    rows = Rows.together(silos)
    exact = pooled_hazards(X, [rows], loss, family.penalty.ridge).coef_
    hessian = expand([_batch(X, rows)], loss, np.append(0.0, exact))[2][1:, 1:]
    hessian = hessian + family.penalty.ridge * np.eye(len(exact))
    variance = np.array([unit @ solve_symmetric(hessian, unit)[0] for unit in np.eye(len(exact))])
    return float(np.max(np.abs(coef - exact) / np.sqrt(np.where(variance > 0, variance, np.inf)), initial=0.0))


@dataclass(frozen=True)
class PooledSurvival:
    """The pooled table of survival (n_groups, n_times), by the names of the federated one."""

    at_risk_: FloatArray
    events_: FloatArray
    survival_: FloatArray

    @classmethod
    def of(cls, family: LifeTable, X: FloatArray, silos: Sequence[Rows]) -> PooledSurvival:
        """Count all silos' rows at each time of the grid, with no regard to how the silos count.

        Parameters
        ----------
        family : LifeTable
        X : ndarray of shape (n_samples, n_columns - 1)
            The prepared columns of all silos, in their order.
        silos : sequence of Rows
        """
        rows = Rows.together(silos)
        group = np.zeros(len(rows))
        for number, column in enumerate(family.groups):
            group[X[:, column - 1] > 0] = number + 1
        grid = np.array([*family.grid, np.inf])
        until = grid[np.searchsorted(grid, rows.times[:, 0])]
        since = np.full(len(rows), -np.inf)
        if rows.times.shape[1] > 1:
            late = rows.times[:, 1] > family.origin
            since[late] = grid[np.searchsorted(grid, rows.times[late, 1])]
        at_risk, events, survival = np.zeros(family.shape), np.zeros(family.shape), np.ones(family.shape)
        for k, g in np.ndindex(len(family.grid), family.shape[0]):
            there = (since < grid[k]) & (until >= grid[k]) & (group == g)
            at_risk[g, k], events[g, k] = there.sum(), (there & (until == grid[k]) & (rows.target > 0)).sum()
            before = survival[g, k - 1] if k else 1.0
            survival[g, k] = before * (1 - events[g, k] / max(float(at_risk[g, k]), 1.0))
        return cls(at_risk, events, survival)
