"""Closed forms: one trip, exact sums, and whatever can be computed from them at the coordinator.

Owns the trip and the state. Each estimator is a `ClosedForm` in a module of its own. Knows nothing of columns' meaning,
files, keys or screens. Stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from fedcli.errors import SingularHessian
from fedcli.fileformat.statistics import FloatArray, Layout, State, Statistics, Total
from fedcli.models.batch import Batch, Memory, Point, Reason, Source, document
from fedcli.models.moments import GroupedSums, Grouping, Moments

# Begins the names of arrays that are attributes of scikit-learn's own fitted estimator.
FITTED = "fitted."


class ClosedForm(Protocol):
    """One estimator, or several that share their arithmetic."""

    @property
    def grouping(self) -> Grouping:
        """Which sums it needs."""

    @property
    def linear(self) -> bool:
        """Whether its result is coefficients."""

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """Compute the result from the pooled moments of the standardised columns.

        Returns
        -------
        mapping of str to ndarray
            ``coef`` (n_columns,) or (n_outputs, n_columns), intercept first, where `linear`, for a target in its own
            unit less the middle of its range; ``fitted.NAME`` for each attribute ``NAME_`` of scikit-learn's estimator
            that people read; more, under names of its own.
        """


@dataclass(frozen=True)
class Closed:
    """The family of all closed forms.

    Parameters
    ----------
    form : ClosedForm
    n_expanded : int
        Expanded columns, the intercept included.
    max_rows, largest_weight : float
        Bounds from the agreement.
    closing_trip : bool
        Whether a second trip evaluates the model on the rows held out.
    target_half : float
        What is 1 on the target's reference scale: a form sees the target in its own unit, less the middle of its range.
    within : tuple of (int, int)
        See `GroupedSums.within`.
    squared : tuple of int
        See `GroupedSums.squared`.
    """

    form: ClosedForm
    n_expanded: int
    max_rows: float
    largest_weight: float
    closing_trip: bool
    target_half: float = 1.0
    within: tuple[tuple[int, int], ...] = ()
    squared: tuple[int, ...] = ()

    @property
    def expanded(self) -> bool:
        """See `Family.expanded`."""
        return True

    @property
    def linear(self) -> bool:
        """See `Family.linear`."""
        return self.form.linear

    @property
    def whole_products(self) -> bool:
        """Whether its sums hold the products of all rows, the target's included, in one block."""
        return self.form.grouping == Grouping(target=True)

    @cached_property
    def sums(self) -> GroupedSums:
        """What leaves, as a whole."""
        largest = self.max_rows * self.largest_weight
        return GroupedSums(self.form.grouping, self.n_expanded, largest, self.within, self.squared)

    def layout(self, state: State) -> Layout:
        """See `Family.layout`: the second trip carries no sums of its own."""
        return Layout(()) if state.document["round"] > 0 else self.sums.layout()

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """See `Family.locate`: the centre is the silo's mean, on a coarse grid; a second trip has none."""
        if state.document["round"] > 0:
            return Point(np.zeros(self.sums.width))
        return Point(self.sums.centre(rows))

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        return Statistics({}) if state.document["round"] > 0 else self.sums.statistics(rows, point.coef)

    def settle(self, total: Total, point: Point, state: State) -> Total:
        """See `Family.settle`."""
        return total if state.document["round"] > 0 else self.sums.settle(total, point.coef)

    def advance(self, total: Total, state: State) -> State:
        """See `Family.advance`.

        Raises
        ------
        SingularHessian
            No row has a positive weight.
        """
        if state.document["round"] > 0:
            return State(document(state, round=2, phase="closed"), state.arrays)
        unit = state.arrays["preparation.scale"]
        if self.form.grouping.target:
            unit = np.append(unit, 1.0 / self.target_half)
        moments = self.sums.read(total, state.arrays["design_from_expanded"], unit)
        if not moments.weights.sum() > 0:
            raise SingularHessian("the weights of all rows are 0", hint="check the weight column at the silos")
        found = dict(self.form.fit(moments))
        if self.linear:
            # One row for each output; a single output has none.
            found["coef"] = np.asarray((state.arrays["to_reference"] @ found["coef"].T).T) / self.target_half
        arrays = {**state.arrays, **found}
        arrays.pop("design_from_expanded")
        return State(document(state, round=1, phase="closing" if self.closing_trip else "converged"), arrays)

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`."""
        if state.document.get("phase") == "converged":
            return Reason("closed-form", "the closed form of the pooled sums: nothing is left to iterate")
        if state.document.get("phase") == "closed":
            return Reason("closed", "the closed form of the pooled sums, evaluated on the rows held out")
        return None

    def coefficients(self, state: State) -> FloatArray:
        """See `Family.coefficients`."""
        return np.asarray(state.arrays["coef"])

    def shapes(self, state: State, *, final: bool) -> Mapping[str, tuple[int | None, ...]]:
        """See `Family.shapes`."""
        # What else a form computes is read by nobody but people and exports.
        n = len(state.arrays["preparation.scale"]) + 1 if "preparation.scale" in state.arrays else None
        if not self.linear:
            return {}
        outputs = self.form.grouping.n_classes
        return {"coef": (n,) if outputs <= 2 else (None, n)}


def listed_attributes(state: State) -> dict[str, Any]:
    """Return the same as lists of numbers, for people and exports."""
    return {
        name: [part.tolist() for part in value] if isinstance(value, list) else value.tolist()
        for name, value in fitted_attributes(state).items()
    }


def fitted_attributes(state: State) -> dict[str, FloatArray | list[FloatArray]]:
    """Return what the estimator has learnt, by scikit-learn's names without the last ``_``.

    An attribute that is a list of arrays stands in the state as ``fitted.NAME.0``, ``fitted.NAME.1`` and so on.
    """
    found: dict[str, FloatArray | list[FloatArray]] = {}
    lists: dict[str, dict[int, FloatArray]] = {}
    for key, array in state.arrays.items():
        if key.startswith(FITTED):
            name, _, place = key.removeprefix(FITTED).partition(".")
            if place:
                lists.setdefault(name, {})[int(place)] = array
            else:
                found[name] = array
    return {**found, **{name: [places[k] for k in sorted(places)] for name, places in lists.items()}}
