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
from fedcli.models.risk_sets import Observed, event_times, observed, over_stay, times_of
from fedcli.models.time_windows import AtTimes, windows

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
    events : float
        Weight of all events.
    means : ndarray of shape (n_columns, n_columns)
        Products of the means of the columns over the rows at risk, summed over all events, and of how these means
        differ between the events of one time. Zeros where nobody asks for curvature.
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
    events: float
    means: FloatArray


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

    def around(self, rows: Source, coef: FloatArray, *, curved: bool = True) -> Around | None:
        """See `StratumLoss.around`: three passes, and more where times are many and rows come in no order."""
        times, extent = event_times(rows), _extent(rows, coef)
        shift, centre = extent.shift, extent.centre
        if shift is None:
            return None

        def values(batch: Batch) -> FloatArray:
            counted = np.where(batch.weight > 0, batch.weight, 0.0)
            hazard = (counted * _hazard(batch, coef, shift))[:, None]
            return np.hstack([hazard, hazard * (batch.X - centre)]) if curved else hazard

        n = len(coef)
        means, increments, events = np.zeros((n, n)), np.empty((5, len(times))), 0.0
        for found in windows(
            rows,
            times,
            values,
            1 + n * curved,
            delayed=extent.delayed,
            latest_first=extent.latest_first,
        ):
            increments[:, found.where], product, weight = self._at(found)
            events += weight
            if curved:
                means += product
        increments[0] += shift
        means = (means + means.T) / 2.0
        log_total, baseline, squares, own_baseline, own_squares = increments
        return Around(
            times=times,
            delayed=extent.delayed,
            shift=shift,
            centre=centre,
            log_total=log_total,
            baseline=baseline,
            squares=squares,
            own_baseline=own_baseline,
            own_squares=own_squares,
            events=events,
            means=means,
        )

    def _at(self, found: AtTimes) -> tuple[FloatArray, FloatArray, float]:
        """Form increments and means from sums over the rows at risk, those with an event apart.

        Returns
        -------
        increments : ndarray of shape (5, n_times)
            See `Around`, from ``log_total`` on; that lacks ``shift``.
        means : ndarray of shape (n_columns, n_columns)
        events : float
        """
        rest, dying, n_times = found.rest, found.dying, len(found.rest)
        weight, events = dying[:, -2], dying[:, -1].astype(np.int64)
        which = np.repeat(np.arange(n_times), events)
        number = np.arange(len(which)) - np.repeat(np.cumsum(events) - events, events)
        part = 1.0 - number / events[which] if self.ties == "efron" else np.ones(len(which))
        total = rest[which, 0] + part * dying[which, 0]
        share, each = part * dying[which, 0] / total, (weight / np.maximum(events, 1))[which]

        def add(values: FloatArray) -> FloatArray:
            return np.asarray(np.bincount(which, weights=values, minlength=n_times), dtype=np.float64)

        count = np.maximum(events, 1)
        increments = np.array(
            [
                add(np.log(total)) / count,
                add(each / total),
                add(each / total**2),
                add(each * part / total),
                add(each * part**2 / total**2),
            ]
        )
        mean_share = add(share) / count
        deviation = np.sqrt(np.maximum(add((share - mean_share[which]) ** 2) / count, 0.0))
        # A mean lies on the line between that of the rows that go on and that of the rows with an event.
        staying = rest[:, 1:] / np.where(rest[:, :1] > 0, rest[:, :1], 1.0)
        apart = dying[:, 1:-2] / np.where(dying[:, :1] > 0, dying[:, :1], 1.0) - staying
        means = np.zeros((apart.shape[1],) * 2)
        for columns in (staying + mean_share[:, None] * apart, deviation[:, None] * apart):
            means += (columns * weight[:, None]).T @ columns
        return increments, means, float(weight.sum())

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
        # Of each batch in proportion to its events: it is their sum over the stratum that counts, and to know it of
        # each time by itself would take a row of numbers for every event.
        own = float(rows.weight[(rows.y > 0) & (rows.weight > 0)].sum())
        return around.means * (own / (around.events or 1.0))

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


@dataclass(frozen=True)
class _Extent:
    """What the first pass over a stratum finds: ``shift`` is None where predictors lie too far apart."""

    shift: float | None
    delayed: bool
    latest_first: bool
    centre: FloatArray


def _extent(rows: Source, coef: FloatArray) -> _Extent:
    """Find the largest predictor, whether rows enter late, in which order they come, and mean columns."""
    low, high, delayed = np.inf, -np.inf, False
    earliest, latest_first = np.inf, True
    total, sums = 0.0, np.zeros(len(coef))
    for batch in rows:
        counted, own = batch.weight > 0, times_of(batch)
        eta = (batch.X @ coef + batch.offset)[counted]
        low, high = min(low, float(eta.min(initial=np.inf))), max(high, float(eta.max(initial=-np.inf)))
        delayed |= own.shape[1] > 1
        latest_first &= bool((np.diff(own[:, 0], prepend=earliest) <= 0).all())
        earliest = own[-1, 0] if len(own) else earliest
        total += float(batch.weight.sum())
        sums += batch.weight @ batch.X
    if not high >= low:
        high = low = 0.0
    centre = sums / (total or 1.0)
    centre[0] = 1.0
    return _Extent(high if high - low <= FARTHEST else None, delayed, latest_first, centre)


def _hazard(rows: Batch, coef: FloatArray, shift: float) -> FloatArray:
    """Return each row's hazard beside the largest (n_samples,); a row of weight 0 may have a larger one."""
    return np.exp(np.minimum(rows.X @ coef + rows.offset - shift, 0.0))


def _over(around: Around, place: Observed, increments: FloatArray, own: FloatArray) -> FloatArray:
    """Return the sum of increments over each row's stay, with its own part at its own event (n_samples,)."""
    found = over_stay(increments, place.start, place.stop, delayed=around.delayed)
    found[place.dies] += own[place.stop[place.dies]]
    return found
