"""Cox's partial likelihood of one stratum, with ties after Breslow or Efron, delayed entry and weights.

Owns the formulas. Knows nothing of silos, rounds or files. Internal.

At each event time the rows at risk share the events among them in proportion to their hazards. Written by rows, the
gradient is ``-X.T @ (w * m)`` with martingale residuals ``m``, events less expected events; the Hessian is ``X.T @
diag(w * expected) @ X`` less what belongs to the means of the rows at risk.

References
----------
Therneau & Grambsch, Modeling Survival Data (2000), chapter 3; weights under Efron's ties as in R's ``coxph``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Batch, Source
from fedcli.models.objective import StratumLoss
from fedcli.models.risk_sets import Observed, add_at, event_times, observed, over_stay, risk_sets, times_of

Ties = Literal["efron", "breslow"]
# Hazards further apart than exp(300) are not added up: squares of the smallest would be no floats beside the largest.
FARTHEST = 300.0


@dataclass(frozen=True)
class Around:
    """What the rows of a stratum must know of each other at a point; it never leaves the silo.

    Parameters
    ----------
    times : ndarray of shape (n_times,)
        Distinct times of events.
    delayed : bool
        Whether rows enter at times of their own.
    shift : float
        The largest linear predictor: hazards are relative to it.
    centre : ndarray of shape (n_columns,)
        Mean of the columns over the stratum. Columns are centred there, which changes nothing but rounding.
    log_total : ndarray of shape (n_times,)
        Mean logarithm of the summed hazards over the events of each time.
    baseline, squares : ndarray of shape (n_times,)
        Increments of the baseline hazard, and sums of the squares of their parts.
    own_baseline, own_squares : ndarray of shape (n_times,)
        The same for the rows with an event then: under Efron's ties they are at risk in part.
    mean, spread : ndarray of shape (n_times, n_columns)
        Mean of the columns over the rows at risk, averaged over the events of each time, and how it differs between
        these events.
    """

    times: FloatArray
    delayed: bool
    shift: float
    centre: FloatArray
    log_total: FloatArray
    baseline: FloatArray
    squares: FloatArray
    own_baseline: FloatArray
    own_squares: FloatArray
    mean: FloatArray
    spread: FloatArray


@dataclass(frozen=True)
class PartialLikelihood(StratumLoss):
    """Minus the logarithm of the partial likelihood; a stratum is all that a silo has.

    Parameters
    ----------
    ties : "efron" or "breslow"
    max_rows, largest_weight : float
        Of one silo, as agreed.
    """

    ties: Ties
    max_rows: float
    largest_weight: float

    def around(self, rows: Source, coef: FloatArray) -> Around | None:
        """See `StratumLoss.around`: three passes."""
        times = event_times(rows)
        shift, delayed, centre = _extent(rows, coef)
        if shift is None:
            return None
        n_times, n = len(times), len(coef)
        beside, dying = risk_sets(n_times, 1 + n, delayed=delayed), np.zeros((n_times, 3 + n))
        for batch in rows:
            place = observed(batch, times)
            counted = np.where(batch.weight > 0, batch.weight, 0.0)
            hazard = counted * _hazard(batch, coef, shift)
            values = np.hstack([hazard[:, None], hazard[:, None] * (batch.X - centre)])
            beside.add(place.start, place.stop, values)
            dies = place.dies
            own = np.hstack([values[dies], counted[dies, None], np.ones((int(dies.sum()), 1))])
            add_at(dying, place.stop[dies], own)
        return self._around(times, delayed, shift, centre, beside.sums(), dying)

    def _around(
        self, times: FloatArray, delayed: bool, shift: float, centre: FloatArray, rest: FloatArray, dying: FloatArray
    ) -> Around:
        """Form means and baseline from sums over the rows at risk, those with an event apart."""
        weight, events = dying[:, -2], dying[:, -1].astype(np.int64)
        which = np.repeat(np.arange(len(times)), events)
        number = np.arange(len(which)) - np.repeat(np.cumsum(events) - events, events)
        part = 1.0 - number / events[which] if self.ties == "efron" else np.ones(len(which))
        total = rest[which, 0] + part * dying[which, 0]
        share, each = part * dying[which, 0] / total, (weight / np.maximum(events, 1))[which]

        def add(values: FloatArray) -> FloatArray:
            return np.asarray(np.bincount(which, weights=values, minlength=len(times)), dtype=np.float64)

        count = np.maximum(events, 1)
        mean_share = add(share) / count
        deviation = np.sqrt(np.maximum(add((share - mean_share[which]) ** 2) / count, 0.0))
        # A mean lies on the line between that of the rows that go on and that of the rows with an event.
        staying = rest[:, 1:] / np.where(rest[:, :1] > 0, rest[:, :1], 1.0)
        apart = dying[:, 1:-2] / np.where(dying[:, :1] > 0, dying[:, :1], 1.0) - staying
        return Around(
            times=times,
            delayed=delayed,
            shift=shift,
            centre=centre,
            log_total=add(np.log(total)) / count + shift,
            baseline=add(each / total),
            squares=add(each / total**2),
            own_baseline=add(each * part / total),
            own_squares=add(each * part**2 / total**2),
            mean=staying + mean_share[:, None] * apart,
            spread=deviation[:, None] * apart,
        )

    def derivatives(self, rows: Batch, coef: FloatArray, around: Around) -> tuple[FloatArray, FloatArray, FloatArray]:
        """See `StratumLoss.derivatives`: the slope is minus the martingale residual, the curvature expected events."""
        place, eta = observed(rows, around.times), rows.X @ coef + rows.offset
        expected = _over(around, place, around.baseline, around.own_baseline) * _hazard(rows, coef, around.shift)
        value = np.zeros(len(eta))
        value[place.dies] = around.log_total[place.stop[place.dies]] - eta[place.dies]
        return value, expected - place.dies, expected

    def design(self, rows: Batch, around: Around) -> FloatArray:
        """See `StratumLoss.design`: the centred columns; the intercept's are 0, since no hazard depends on it."""
        return rows.X - around.centre

    def shared(self, rows: Batch, around: Around) -> FloatArray:
        """See `StratumLoss.shared`."""
        place = observed(rows, around.times)
        events = np.bincount(place.stop[place.dies], weights=rows.weight[place.dies], minlength=len(around.times))
        here = np.flatnonzero(events)
        product = np.zeros((around.mean.shape[1],) * 2)
        for columns in (around.mean[here], around.spread[here]):
            product += (columns * events[here, None]).T @ columns
        return np.asarray((product + product.T) / 2.0)

    def weights(self, rows: Batch, coef: FloatArray, around: Around) -> dict[str, FloatArray]:
        """See `StratumLoss.weights`.

        Where one row has nearly all the hazard of those at risk with it, the sums over that time tell its columns, and
        its curvature is nearly 0: a share ``p`` curves by ``p * (1 - p)``.
        """
        place = observed(rows, around.times)
        hazard = rows.weight * _hazard(rows, coef, around.shift)
        expected = hazard * _over(around, place, around.baseline, around.own_baseline)
        squares = hazard**2 * _over(around, place, around.squares, around.own_squares)
        return {
            "curvature": np.maximum(expected - squares, 0.0),
            "residuals": rows.weight * place.dies - expected,
            "expected events": expected,
        }

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `StratumLoss.bounds`.

        Expected events add up to the events, of which there are ``max_rows`` at most; centred columns reach from -2 to
        2. An event's value is the logarithm of the hazards at risk less its own predictor: below by its own hazard and
        a share of 1 in ``max_rows`` of its weight, of which the smallest costs less than 1.
        """
        most = math.log(self.max_rows * max(self.largest_weight, 1.0))
        return 2.0 * largest_eta + most + 1.0 / min(self.largest_weight, 1.0), 4.0, 8.0


def _extent(rows: Source, coef: FloatArray) -> tuple[float | None, bool, FloatArray]:
    """Return the largest predictor, None where they lie too far apart; whether rows enter late; mean columns."""
    low, high, delayed = np.inf, -np.inf, False
    total, sums = 0.0, np.zeros(len(coef))
    for batch in rows:
        counted = batch.weight > 0
        eta = (batch.X @ coef + batch.offset)[counted]
        low, high = min(low, float(eta.min(initial=np.inf))), max(high, float(eta.max(initial=-np.inf)))
        delayed |= times_of(batch).shape[1] > 1
        total += float(batch.weight.sum())
        sums += batch.weight @ batch.X
    if not high >= low:
        high = low = 0.0
    centre = sums / (total or 1.0)
    centre[0] = 1.0
    return (high if high - low <= FARTHEST else None), delayed, centre


def _hazard(rows: Batch, coef: FloatArray, shift: float) -> FloatArray:
    """Return each row's hazard beside the largest (n_samples,); a row of weight 0 may have a larger one."""
    return np.exp(np.minimum(rows.X @ coef + rows.offset - shift, 0.0))


def _over(around: Around, place: Observed, increments: FloatArray, own: FloatArray) -> FloatArray:
    """Return the sum of increments over each row's stay, with its own part at its own event (n_samples,)."""
    found = over_stay(increments, place.start, place.stop, delayed=around.delayed)
    found[place.dies] += own[place.stop[place.dies]]
    return found
