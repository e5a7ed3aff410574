"""Proportional hazards with one baseline for all silos, on agreed intervals: ``CoxPH`` with ``strata: null``.

Owns which intervals are one for want of events, and what the intervals cost. Knows nothing of files or silos' rows.
Stable.

References
----------
See `piecewise_hazard`, which has the loss.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import Block, FloatArray, Layout, State, Statistics, Total
from fedcli.models.batch import Batch, Point, Reason
from fedcli.models.cavity import Cavity
from fedcli.models.closed import FITTED
from fedcli.models.losses import refuse_no_event
from fedcli.models.nuisance import beside
from fedcli.models.objective import observed
from fedcli.models.piecewise_hazard import PiecewiseHazard
from fedcli.models.solve import solve_symmetric
from fedcli.models.steps import coordinates

_EVENTS = "sum of weights of rows with an event, in each agreed interval of time"
_SAYS = {
    "target": "sum of weights, and of those of rows with an event",
    "curvature": "second derivatives of the log-likelihood: products of two columns, each row by the events expected "
    "of it; for each interval the columns' sums, each row by the events expected of it there, and their number",
    "gradients": "first derivatives of 'values': sums of products of the column with expected less real events; for "
    "each interval expected less real events",
}


class OneBaseline(Cavity):
    """The cavity family of a hazard that is constant between agreed times; ``loss`` is a `PiecewiseHazard`.

    An interval in which no silo has an event would have the hazard 0, whose logarithm is nowhere: it is one with the
    interval after it, the last ones with the interval before. Which they are is known after trip 1.
    """

    @property
    def intervals(self) -> PiecewiseHazard:
        """The loss."""
        assert isinstance(self.loss, PiecewiseHazard)  # noqa: S101 - what this class is built with
        return self.loss

    def shapes(self, state: State, *, final: bool) -> dict[str, tuple[int | None, ...]]:
        """See `Family.shapes`."""
        shapes = dict(super().shapes(state, final=final)) | {"interval": (self.n_extra,)}
        # As many coordinates as there are intervals with events.
        return shapes | {name: (None,) for name in ("lowest.coef", "lowest.gradient") if name in shapes}

    def layout(self, state: State) -> Layout:
        """See `Family.layout`."""
        blocks = [replace(block, says=_SAYS.get(block.name, block.says)) for block in super().layout(state)]
        if state.document["round"] == 0:
            most = self.max_rows * self.largest_weight
            blocks.append(Block("interval_events", (self.n_extra,), most, _EVENTS, "one per interval"))
        return Layout(tuple(blocks))

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        found = super().statistics(rows, point, state)
        if state.document["round"] > 0:
            return found
        return Statistics({**found.arrays, "interval_events": rows.weight @ self.intervals.happens(observed(rows))})

    def advance(self, total: Total, state: State) -> State:
        """See `Cavity.advance`.

        Raises
        ------
        OneClass
            No row of any silo has an event.
        """
        refuse_no_event(total["target"][1])
        if state.document["round"] == 0:
            joined = joined_intervals(total["interval_events"])
            state = State(state.document, {**state.arrays, "interval": joined.astype(np.float64)})
        state = super().advance(total, state)
        if state.document["phase"] == "solving":
            return state
        effect = {f"{FITTED}grid_effect": np.array([self._effect_of_the_grid(state)])}
        return State(state.document, {**state.arrays, **effect})

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`; with what the intervals cost."""
        reason = super().finished(state)
        if reason is None:
            return None
        effect = float(state.arrays[f"{FITTED}grid_effect"][0])
        says = f"on a grid half as fine no coefficient would differ by more than about {effect:.2g} standard errors"
        return Reason(reason.code, f"{reason.says}; {says}")

    def _effect_of_the_grid(self, state: State) -> float:
        """Return by how many standard errors a coefficient changes at most where every two intervals become one.

        From the merged expansion, which is the likelihood's own near its optimum; a fit of the coarser grid would take
        trips of its own. What is left between this grid and exact times was measured to be of the same size.
        """
        basis, n = self._free(state), self.n_columns - 1
        hessian = basis.T @ state.arrays["curvature"] @ basis + np.diag(self._free_penalty(state))
        rhs = basis.T @ state.arrays["rhs"]
        pairs = np.arange(len(rhs) - n) // 2
        coarser = np.zeros((len(rhs), n + int(pairs[-1]) + 1))
        coarser[:n, :n] = np.eye(n)
        coarser[n + np.arange(len(pairs)), n + pairs] = 1.0
        fine, _ = solve_symmetric(hessian, rhs)
        coarse, _ = solve_symmetric(coarser.T @ hessian @ coarser, coarser.T @ rhs)
        error = np.array([unit @ solve_symmetric(hessian, unit)[0] for unit in np.eye(len(rhs))[:n]])
        return float(np.max(np.abs(coarse[:n] - fine[:n]) / np.sqrt(np.where(error > 0, error, np.inf)), initial=0.0))

    def _free(self, state: State) -> FloatArray:
        slopes = state.arrays["to_reference"][:, 1:]
        if "interval" not in state.arrays:
            return beside(slopes, self.n_extra)
        interval = state.arrays["interval"].astype(np.int64)
        n, free = slopes.shape
        basis = np.zeros((n + self.n_extra, free + int(interval.max()) + 1))
        basis[:n, :free] = slopes
        basis[n + np.arange(self.n_extra), free + interval] = 1.0
        return basis

    def _coordinates(self, basis: FloatArray, point: FloatArray) -> FloatArray:
        n = self.n_columns
        first = np.argmax(basis[n:, n - 1 :] > 0, axis=0)
        return np.concatenate([coordinates(basis[:n, : n - 1], point[:n]), point[n:][first]])

    def _free_penalty(self, state: State) -> FloatArray:
        slopes = state.arrays["penalty"][1 : self.n_columns]
        return np.concatenate([slopes, np.zeros(self._free(state).shape[1] - len(slopes))])

    def _units(self, state: State, point: FloatArray) -> list[float]:
        return super()._units(state, point)[: self._free(state).shape[1] - self.n_columns + 1]


def joined_intervals(events: FloatArray) -> NDArray[np.int64]:
    """Return a number for each interval (n_intervals,): without an event it is the next one's, or at the end the last.

    Parameters
    ----------
    events : ndarray of shape (n_intervals,)
        Weighted, of the pool; at least one is above 0.
    """
    seen = np.cumsum(events > 0)
    # Those before an event count with it; what comes after the last has no next one.
    return np.asarray(np.minimum(seen - (events > 0), seen[-1] - 1), dtype=np.int64)
