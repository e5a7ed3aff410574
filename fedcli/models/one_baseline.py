"""Proportional hazards with one baseline for all silos, on agreed intervals: ``CoxPH`` with ``strata: null``.

Owns which intervals are one for want of events, and what the intervals cost. Knows nothing of files or silos' rows.
Stable.

References
----------
See `piecewise_hazard`, which has the loss.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import Block, FloatArray, Layout, State, Statistics, Total
from fedcli.models.batch import Batch, Point, Reason
from fedcli.models.cavity import Cavity
from fedcli.models.closed import FITTED
from fedcli.models.losses import refuse_no_event
from fedcli.models.objective import observed
from fedcli.models.piecewise_hazard import PiecewiseHazard
from fedcli.models.point_form import PointForm
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


@dataclass(frozen=True)
class JoinedIntervals(PointForm):
    """The form of a point where the hazards of some neighbouring intervals are one.

    Parameters
    ----------
    joined : tuple of int
        Which hazard each interval has; see `joined_intervals`.
    """

    joined: tuple[int, ...] = ()

    @property
    def _n_slopes(self) -> int:
        return self.n_free - len(self.extras)

    @property
    def _first(self) -> list[int]:
        """The first interval of each hazard."""
        return [self.joined.index(k) for k in range(self.joined[-1] + 1)]

    def basis(self, columns: FloatArray) -> FloatArray:
        """See `PointForm.basis`."""
        whole, n = super().basis(columns), self._n_slopes
        together = np.eye(self.joined[-1] + 1)[list(self.joined)]
        return np.hstack([whole[:, :n], whole[:, n:] @ together])

    def coordinates(self, basis: FloatArray, point: FloatArray) -> FloatArray:
        """See `PointForm.coordinates`."""
        n = self.n_columns
        own = coordinates(basis[:n, : self._n_slopes], point[:n])
        return np.concatenate([own, point[n:][self._first]])

    def relative(self, new: FloatArray, old: FloatArray, *, at: FloatArray) -> float:
        """See `PointForm.relative`."""
        first, n = self._first, self.n_columns
        alone = PointForm(n, 1, tuple(self.extras[k] for k in first), self.fit_intercept, self.shifted)
        return alone.relative(new, old, at=np.concatenate([at[:n], at[n:][first]]))

    def free(self, penalty: FloatArray) -> FloatArray:
        """See `PointForm.free`: hazards have none."""
        return super().free(penalty)[: self._n_slopes + self.joined[-1] + 1]


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
        shapes = dict(super().shapes(state, final=final)) | {"interval": (len(self.intervals.extras),)}
        # As many coordinates as there are intervals with events.
        return shapes | {name: (None,) for name in ("lowest.coef", "lowest.gradient") if name in shapes}

    def layout(self, state: State) -> Layout:
        """See `Family.layout`."""
        blocks = [replace(block, says=_SAYS.get(block.name, block.says)) for block in super().layout(state)]
        if state.document["round"] == 0:
            most = self.max_rows * self.largest_weight
            blocks.append(Block("interval_events", (len(self.intervals.extras),), most, _EVENTS, "one per interval"))
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
        model, n = self._merged(state), self.n_columns - 1
        hessian, rhs = model.A, model.c
        pairs = np.arange(len(rhs) - n) // 2
        coarser = np.zeros((len(rhs), n + int(pairs[-1]) + 1))
        coarser[:n, :n] = np.eye(n)
        coarser[n + np.arange(len(pairs)), n + pairs] = 1.0
        fine, _ = solve_symmetric(hessian, rhs)
        coarse, _ = solve_symmetric(coarser.T @ hessian @ coarser, coarser.T @ rhs)
        error = np.array([unit @ solve_symmetric(hessian, unit)[0] for unit in np.eye(len(rhs))[:n]])
        return float(np.max(np.abs(coarse[:n] - fine[:n]) / np.sqrt(np.where(error > 0, error, np.inf)), initial=0.0))

    def form_in(self, state: State) -> PointForm:
        """See `Cavity.form_in`."""
        if "interval" not in state.arrays:
            return self.form
        own = {field.name: getattr(self.form, field.name) for field in fields(self.form)}
        return JoinedIntervals(**own, joined=tuple(state.arrays["interval"].astype(int).tolist()))


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
