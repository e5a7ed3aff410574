"""Survival on an agreed grid of times: ``KaplanMeier``, an estimator of fedcli's own, with log-rank test and mean.

Owns the counts and what is made of them. Knows nothing of files or silos. Stable.

Times are rounded up to the grid, so that no time but the agreed ones is told: a silo counts who is at risk at each of
them and who has the event by then. Counts add, and the pooled table is exact on the grid.

References
----------
Klein & Moeschberger, Survival Analysis (2003), sections 4.2 (Greenwood), 4.5 (restricted mean) and 7.3 (log-rank).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import Block, FloatArray, Layout, State, Statistics, Total
from fedcli.models.batch import Batch, Family, Memory, Point, Reason, Source, document
from fedcli.models.closed import FITTED
from fedcli.models.registry import Estimator, Parameters, check_list, check_number
from fedcli.models.risk_sets import times_of
from fedcli.models.setting import Setting

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Stay:
    """Where rows stand on the grid: at risk at the points from ``start`` to ``stop``, the last included.

    Parameters
    ----------
    start, stop : ndarray of int of shape (n_samples,)
        ``stop`` is the number of points where a row stays beyond the last. A row that comes and goes between two points
        is at risk at none: ``stop`` is below ``start``.
    event : ndarray of bool of shape (n_samples,)
        Whether the row has its event at the point number ``stop``.
    group : ndarray of int of shape (n_samples,)
    """

    start: Whole
    stop: Whole
    event: NDArray[np.bool_]
    group: Whole


@dataclass(frozen=True)
class LifeTable:
    """The family that counts on a grid.

    Parameters
    ----------
    grid : tuple of float
        Ascending.
    origin : float
        The lower end of the agreed range: observation begins there.
    groups : tuple of int
        Design columns of the levels after the first of the category that tells groups apart; none without one.
    max_rows : float
    """

    grid: tuple[float, ...]
    origin: float
    groups: tuple[int, ...]
    max_rows: float

    @property
    def expanded(self) -> bool:
        """See `Family.expanded`."""
        return False

    @property
    def linear(self) -> bool:
        """See `Family.linear`."""
        return False

    @property
    def shape(self) -> tuple[int, int]:
        """Groups, and points of the grid."""
        return 1 + len(self.groups), len(self.grid)

    def shapes(self, state: State, *, final: bool) -> Mapping[str, tuple[int | None, ...]]:
        """See `Family.shapes`."""
        tables = ("at_risk", "events", "survival", "standard_error")
        return {"fitted.grid": (len(self.grid),), **{f"{FITTED}{name}": self.shape for name in tables}}

    def layout(self, state: State) -> Layout:
        """See `Family.layout`: counts travel once."""
        if state.document["round"] > 0:
            return Layout(())
        n, (groups, times) = math.prod(self.shape), self.shape
        form = f"{groups} groups x {times} times" if groups > 1 else f"one for each of {times} times"
        return Layout(
            (
                Block("at_risk", (n,), self.max_rows, "rows at risk at each agreed time, per group", form),
                Block("events", (n,), self.max_rows, "rows with the event by each agreed time, per group", form),
            )
        )

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """See `Family.locate`: counts need no point."""
        return Point(np.zeros(1))

    def stay(self, rows: Batch) -> Stay:
        """Round rows' times up to the grid."""
        grid, times = np.array(self.grid), times_of(rows)
        stop = np.searchsorted(grid, times[:, 0], side="left")
        start = np.zeros_like(stop)
        if times.shape[1] > 1:
            start = np.where(times[:, 1] > self.origin, 1 + np.searchsorted(grid, times[:, 1], side="left"), 0)
        group = np.zeros(len(stop), dtype=np.int64)
        for number, column in enumerate(self.groups):
            group[rows.X[:, column] > 0] = number + 1
        event = (rows.y > 0) & (stop < len(grid)) & (start <= stop)
        return Stay(start, stop, event, group)

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        if state.document["round"] > 0:
            return Statistics({})
        found, size = self.stay(rows), math.prod(self.shape)
        at = np.arange(len(self.grid))
        inside = (found.start[:, None] <= at) & (at <= found.stop[:, None])
        at_risk = np.zeros(self.shape)
        np.add.at(at_risk, found.group, inside)
        cell = (found.group * len(self.grid) + found.stop)[found.event]
        return Statistics(
            {
                "at_risk": at_risk.reshape(size),
                "events": np.bincount(cell, minlength=size).astype(np.float64),
            }
        )

    def settle(self, total: Total, point: Point, state: State) -> Total:
        """See `Family.settle`."""
        return total

    def advance(self, total: Total, state: State) -> State:
        """See `Family.advance`."""
        at_risk, events = (np.round(total[name]).reshape(self.shape) for name in ("at_risk", "events"))
        grid = np.array(self.grid)
        survival, error = kaplan_meier(at_risk, events)
        mean, mean_error = restricted_mean(at_risk, events, grid - self.origin)
        found = {
            "grid": grid,
            "at_risk": at_risk,
            "events": events,
            "survival": survival,
            "standard_error": error,
            "restricted_mean": mean,
            "restricted_mean_error": mean_error,
        }
        if self.groups:
            chi2, degrees, p = log_rank(at_risk, events)
            found |= {"chi2": np.array(chi2), "degrees_of_freedom": np.array(float(degrees)), "p_value": np.array(p)}
        arrays = {**state.arrays, **{f"{FITTED}{name}": np.atleast_1d(array) for name, array in found.items()}}
        return State(document(state, round=1, phase="converged"), arrays)

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`."""
        return Reason("closed-form", "the counts of the pool on the agreed grid: nothing is left to iterate")

    def coefficients(self, state: State) -> FloatArray:
        """See `Family.coefficients`: there are none."""
        raise ValueError("a table of survival has no coefficients")


def kaplan_meier(at_risk: FloatArray, events: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return survival and Greenwood's standard error, each (n_groups, n_times); 0 where nobody survives.

    Parameters
    ----------
    at_risk, events : ndarray of shape (n_groups, n_times)
    """
    share = np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)
    survival = np.asarray(np.cumprod(1.0 - share, axis=1), dtype=np.float64)
    return survival, survival * np.sqrt(np.cumsum(_greenwood(at_risk, events), axis=1))


def restricted_mean(at_risk: FloatArray, events: FloatArray, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean time survived up to the last of ``times``, counted from 0, with its standard error (n_groups,).

    Parameters
    ----------
    at_risk, events : ndarray of shape (n_groups, n_times)
    times : ndarray of shape (n_times,)
    """
    survival, _ = kaplan_meier(at_risk, events)
    before = np.hstack([np.ones((len(survival), 1)), survival[:, :-1]])
    areas = before * np.diff(times, prepend=0.0)
    # What is left of the area after each time.
    later = areas.sum(axis=1, keepdims=True) - np.cumsum(areas, axis=1)
    return areas.sum(axis=1), np.sqrt((later**2 * _greenwood(at_risk, events)).sum(axis=1))


def log_rank(at_risk: FloatArray, events: FloatArray) -> tuple[float, int, float]:
    """Return chi-squared, degrees of freedom and p of the hypothesis that all groups have the same hazard.

    Parameters
    ----------
    at_risk, events : ndarray of shape (n_groups, n_times)
    """
    n, d = at_risk.sum(axis=0), events.sum(axis=0)
    share = np.divide(at_risk, n, out=np.zeros_like(at_risk), where=n > 0)
    scale = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1), 0.0)
    covariance = np.diag((share * scale).sum(axis=1)) - (share * scale) @ share.T
    difference = events.sum(axis=1) - (share * d).sum(axis=1)
    # The groups' differences add up to 0, and a group that nobody was in has none.
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-9 * max(float(values[-1]), 1e-300)
    chi2 = float(((vectors[:, kept].T @ difference) ** 2 / values[kept]).sum())
    degrees = int(kept.sum())
    return chi2, degrees, chi_squared_tail(chi2, degrees)


def chi_squared_tail(value: float, degrees: int) -> float:
    """Return the probability that chi-squared of some degrees of freedom exceeds ``value``.

    By the finite sums that whole degrees have: of exponentials for even ones, and beside the normal tail for odd ones.
    """
    half = value / 2
    if degrees < 1 or half <= 0:
        return 1.0
    odd = degrees % 2
    found = math.erfc(math.sqrt(half)) if odd else 0.0
    term = math.sqrt(half / math.pi) * 2 * math.exp(-half) if odd else math.exp(-half)
    for k in range(degrees // 2):
        found += term
        term *= half / (k + 1 + odd / 2)
    return min(found, 1.0)


def _greenwood(at_risk: FloatArray, events: FloatArray) -> FloatArray:
    """Return ``d / (n (n - d))`` (n_groups, n_times); 0 where nobody survives, which makes survival 0."""
    rest = at_risk * (at_risk - events)
    return np.divide(events, rest, out=np.zeros_like(events), where=rest > 0)


def check_grid(value: object) -> str:
    """Check a list of ascending times."""
    wrong = check_list(check_number(least=-math.inf))(value)
    if wrong:
        return wrong
    assert isinstance(value, tuple)  # noqa: S101 - the check above says so
    return "" if all(a < b for a, b in pairwise(value)) else "must ascend"


def _life_table(setting: Setting, params: Parameters) -> Family:
    by = params["by"]
    return LifeTable(
        grid=tuple(map(float, params["grid"])),
        origin=setting.first_time,
        groups=setting.dummies[by] if by is not None else (),
        max_rows=setting.max_rows,
    )


ESTIMATORS = {
    "KaplanMeier": Estimator(
        module="",
        targets=("survival",),
        defaults={"grid": None, "by": None},
        trips=(1, 1),
        build=_life_table,
        checks={"grid": check_grid},
        weights=False,
        exact=1e-12,
        intercept=False,
    )
}
