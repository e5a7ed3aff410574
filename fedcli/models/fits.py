"""The likelihoods that one trip fits side by side, each seen from the columns and rows that all of them share.

Owns which columns and rows a fit sees, and its points in terms of all columns. Knows nothing of choices among fits,
silos or files. Internal. A `Cavity` is its own only fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.batch import Batch, Family, Source
from fedcli.models.cavity import Cavity
from fedcli.models.folds import Viewed, without


@dataclass(frozen=True)
class Fit:
    """One likelihood of a trip.

    Parameters
    ----------
    family : Cavity
        Over its own columns.
    state : State
        Its own.
    n_columns : int
        All columns of the study, the intercept included.
    columns : tuple of int, optional
        Which of them it has, the intercept first; None for all.
    fold : int, optional
        Which fold of a cross-validation it does not see.
    number : int
        Its place among all.
    """

    family: Cavity
    state: State
    n_columns: int
    columns: tuple[int, ...] | None = None
    fold: int | None = None
    number: int = 0

    def batch(self, rows: Batch) -> Batch:
        """Return what it sees of a batch."""
        seen = without(rows, self.fold)
        return seen if self.columns is None else replace(seen, X=seen.X[:, self.columns])

    def rows(self, rows: Source) -> Source:
        """Return what it sees of all rows."""
        return Viewed(rows, self.batch)

    def embedded(self, points: FloatArray) -> FloatArray:
        """Return points (..., n_parameters) in terms of all columns, 0 for those that the fit lacks."""
        if self.columns is None:
            return points
        k = self.family.form.n_predictors
        several = points.reshape(*points.shape[:-1], k, len(self.columns))
        whole = np.zeros((*points.shape[:-1], k, self.n_columns))
        whole[..., self.columns] = several
        return whole.reshape(*points.shape[:-1], k * self.n_columns)

    def own(self, point: FloatArray) -> FloatArray:
        """Return a point of all columns in terms of the fit's own."""
        if self.columns is None:
            return point
        k = self.family.form.n_predictors
        return np.ascontiguousarray(point.reshape(k, self.n_columns)[:, self.columns]).ravel()

    @property
    def embedded_state(self) -> State:
        """Its state with the points in terms of all columns, which is what a rule on points looks at."""
        points = {
            name: self.embedded(self.state.arrays[name]) for name in ("coef", "candidates") if name in self.state.arrays
        }
        return State(self.state.document, {**self.state.arrays, **points})


def fits_of(family: Family, state: State) -> tuple[Fit, ...]:
    """Return the fits that go on after a state; none of a family that chooses no point."""
    if isinstance(family, Cavity):
        return (Fit(family, state, family.n_columns),)
    fits = getattr(family, "fits", None)
    return tuple(fits(state)) if fits is not None else ()
