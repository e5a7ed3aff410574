"""Levels in an order, with proportional odds: ``OrdinalLogit``, an estimator of fedcli's own.

Owns the loss with its thresholds, its family and its entry in the table of estimators. Knows nothing of files or silos'
rows. Stable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fedcli.errors import OneClass, Separation
from fedcli.fileformat.statistics import Block, FloatArray, Layout, State, Statistics, Total
from fedcli.models.batch import Batch, Family, Point, Source
from fedcli.models.cavity import Cavity
from fedcli.models.generalized import cavity
from fedcli.models.losses import Logistic, OutcomeSums
from fedcli.models.nuisance import Beginning, Extra, JointLoss, Parts
from fedcli.models.point_form import PointForm
from fedcli.models.registry import Estimator, Parameters, check_number
from fedcli.models.setting import Setting

# The smallest distance of two neighbouring thresholds that is fitted: a level between them has a quarter of it at most.
SMALLEST_GAP = 1e-6
# A merged gap is believed down to this share of the one before.
_NEAR = 0.25
# Rows that a silo's first fit adds to its own of each level, so that one which it lacks has a place: this many, or this
# share of its rows in all if that is more. The point is nearer to the pool's then; what is sent is of its own rows.
_ADDED, _ADDED_SHARE = 0.5, 0.1

_SAYS = {"target": "how many rows there are, and the sum of the numbers of their levels, the first of which is 0"}
_CLASSES = "how many rows have each level of the outcome"


@dataclass(frozen=True)
class ProportionalOdds(JointLoss):
    """Minus the logarithm of a level's probability, ``P(level <= j) = 1 / (1 + exp(eta - threshold_j))``.

    For a level between the thresholds a < b it is ``softplus(eta - b) + softplus(a - eta) - log(1 - exp(a - b))``. The
    parameters are the first threshold and the gaps between neighbours, in which this is convex, as it is in the
    thresholds. *Not* the logarithms of the gaps: no gap could then be negative, but the loss would not be convex.
    Below `SMALLEST_GAP` the last term goes on as its own second-order expansion there, so that it exists everywhere.

    Parameters
    ----------
    n_classes : int
    reach : float
        The largest absolute value of the first threshold, and of a gap.
    added : float
        To each row's loss this many times that of one row of each level, at a predictor of 0.

    References
    ----------
    McCullagh (1980), Regression models for ordinal data. Burridge (1981) on its being convex.
    """

    n_classes: int
    reach: float
    added: float = 0.0

    @property
    def extras(self) -> tuple[Extra, ...]:
        """See `JointLoss.extras`."""
        first = Extra("the first threshold", -self.reach, self.reach, middle=0.0, unit=1.0)
        names = (f"the gap between thresholds {k} and {k + 1}" for k in range(1, self.n_classes - 1))
        return (first, *(Extra(name, SMALLEST_GAP, self.reach, middle=1.0, unit=1.0) for name in names))

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`."""
        return float(self.n_classes - 1)

    @property
    def convex(self) -> bool:
        """See `JointLoss.convex`."""
        return True

    def parts(self, eta: FloatArray, y: FloatArray, extras: FloatArray, *, softened: bool = False) -> Parts:
        """See `JointLoss.parts`."""
        value, slope, curve, by, bend = self._by_threshold(eta, y, extras)
        # Each threshold is the first one and all gaps up to it.
        sums = np.tril(np.ones((len(extras),) * 2))
        extra, cross = by @ sums, -bend @ sums
        square = np.einsum("ik,kp,kq->ipq", bend, sums, sums)
        level, gap = y.astype(np.int64), np.arange(1, len(extras))
        far, push, stiff = _gap_loss(extras[1:])
        inside = level[:, None] == gap
        value = value + inside @ far
        extra[:, 1:] += inside * push
        square[:, gap, gap] += inside * stiff
        if self.added:
            whole = replace(self, added=0.0)
            every = whole.parts(np.zeros(self.n_classes), np.arange(float(self.n_classes)), extras)
            value = value + self.added * every.value.sum()
            extra += self.added * every.extra.sum(axis=0)
            square += self.added * every.square.sum(axis=0)
        return Parts(value, slope, curve, extra, cross, square)

    def _by_threshold(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> tuple[FloatArray, ...]:
        """Return the parts that depend on eta, with first and minus mixed derivatives for each threshold itself."""
        logistic, level, q = Logistic(), y.astype(np.int64), len(extras)
        thresholds, rows = np.cumsum(extras), np.arange(len(y))
        value, slope, curve = (np.zeros(len(y)) for _ in range(3))
        by, bend = np.zeros((len(y), q)), np.zeros((len(y), q))
        for sign, place, there in ((1.0, level, level < q), (-1.0, level - 1, level > 0)):
            at = place[there]
            each, first, second = logistic.derivatives(sign * (eta[there] - thresholds[at]), np.zeros(len(at)))
            value[there] += each
            slope[there] += sign * first
            curve[there] += second
            by[rows[there], at] -= sign * first
            bend[rows[there], at] += second
        return value, slope, curve, by, bend

    def admits(self, extras: FloatArray) -> bool:
        """See `JointLoss.admits`: the loss exists everywhere."""
        return True

    def near(self, extras: FloatArray, before: FloatArray) -> FloatArray:
        """See `JointLoss.near`: a gap that is merged from silos that hardly know it may end below 0."""
        return np.append(extras[:1], np.maximum(extras[1:], np.maximum(_NEAR * before[1:], SMALLEST_GAP)))

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the linear predictor: the larger, the higher the level."""
        return eta

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`; the predictor's includes the thresholds, which are among a point's numbers."""
        far, push, stiff = (float(np.abs(each)) for each in _gap_loss(np.array(SMALLEST_GAP)))
        return 2.0 * (largest_eta + 1.0) + far, 2.0 + push, 0.5 + stiff

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`: there is no intercept."""
        return 0.0

    def begin(self, rows: Source, sums: OutcomeSums, intercept: float) -> Beginning:
        """See `JointLoss.begin`: thresholds that give each level its share of the silo's rows."""
        added = max(_ADDED, _ADDED_SHARE * sums.weight / self.n_classes)
        counts = np.full(self.n_classes, added)
        for batch in rows:
            counts += np.bincount(batch.y.astype(np.int64), weights=batch.weight, minlength=self.n_classes)
        share = np.cumsum(counts)[:-1] / counts.sum()
        thresholds = np.log(share / (1.0 - share))
        extras = np.append(thresholds[:1], np.diff(thresholds))
        return Beginning(extras, np.zeros(len(extras)), 1.0, replace(self, added=added / max(sums.weight, 1e-300)))

    def shown(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`: the curvature with the columns of each threshold, which those of the gaps add up."""
        *_, bend = self._by_threshold(eta, y, extras)
        return {f"curvature at threshold {k + 1}": bend[:, k] for k in range(bend.shape[1])}

    def probabilities(self, eta: FloatArray, extras: FloatArray) -> FloatArray:
        """Return the probability of each level, shape (n_samples, n_classes); rare ones keep their digits."""
        thresholds = np.cumsum(extras)
        above, below = (np.ones((len(eta), self.n_classes)) for _ in range(2))
        below[:, :-1] = Logistic().mean(thresholds - eta[:, None])
        above[:, 1:] = Logistic().mean(eta[:, None] - thresholds)
        # Between two thresholds: below the upper one, and above the lower, times 1 - exp(-gap).
        share = np.ones(self.n_classes)
        share[1:-1] = -np.expm1(-extras[1:])
        return np.asarray(below * above * share)

    def refuse_edge(self, extras: FloatArray) -> None:
        """See `JointLoss.refuse_edge`.

        Raises
        ------
        Separation
        """
        narrow = np.flatnonzero(extras[1:] <= SMALLEST_GAP)
        what = (
            f"level {narrow[0] + 2} of the {self.n_classes} agreed ones has so few rows that its thresholds coincide"
            if len(narrow)
            else f"a threshold would lie beyond {self.reach:g}: the columns tell the levels apart"
        )
        raise Separation(
            what, hint="agree on fewer levels, add a penalty (alpha), or leave the column out, in a new study"
        )

    def fitted(self, extras: FloatArray) -> dict[str, FloatArray]:
        """See `JointLoss.fitted`: the thresholds, for the columns as they are fitted."""
        return {"thresholds": np.cumsum(extras)}


def _gap_loss(gap: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ``-log(1 - exp(-gap))`` and two derivatives, a parabola below the smallest gap."""
    inside = np.maximum(gap, SMALLEST_GAP)
    left = -np.expm1(-inside)
    slope, curve = -(1.0 - left) / left, (1.0 - left) / (left * left)
    short = gap - inside
    return -np.log(left) + short * (slope + curve * short / 2.0), slope + curve * short, curve


@dataclass(frozen=True)
class OrderedLevels(Cavity):
    """The cavity family of proportional odds: it counts the levels, and has thresholds in an intercept's place.

    Parameters
    ----------
    centred : bool
        Whether the columns of the fit are centred.
    """

    centred: bool = True

    def layout(self, state: State) -> Layout:
        """See `Family.layout`."""
        found = tuple(replace(block, says=_SAYS.get(block.name, block.says)) for block in super().layout(state))
        if state.document["round"] > 0:
            return Layout(found)
        assert isinstance(self.loss, ProportionalOdds)  # noqa: S101 - it is built so
        n = self.loss.n_classes
        return Layout((*found, Block("classes", (n,), self.max_rows * self.largest_weight, _CLASSES, "one per level")))

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        found = super().statistics(rows, point, state)
        if state.document["round"] > 0:
            return found
        assert isinstance(self.loss, ProportionalOdds)  # noqa: S101 - it is built so
        levels = np.arange(self.loss.n_classes)
        return Statistics({**found.arrays, "classes": rows.weight @ (rows.y[:, None] == levels)})

    def advance(self, total: Total, state: State) -> State:
        """See `Cavity.advance`.

        Raises
        ------
        OneClass
            No row of any silo has one of the levels: its thresholds would be the same.
        """
        if "classes" in total:
            empty = [str(level + 1) for level, count in enumerate(total["classes"]) if not count > 0]
            if empty:
                raise OneClass(
                    f"no row of any silo has level {', '.join(empty)} of the {len(total['classes'])} agreed ones",
                    hint="check the target's levels in study.yaml and at the silos, or agree on fewer in a new study",
                )
        return super().advance(total, state)

    @property
    def form(self) -> PointForm:
        """See `Cavity.form`."""
        # Thresholds take up any shift: the middle of the ranges is as good as 0, and may lie far from it.
        return replace(super().form, shifted=self.centred)


def _ordinal(setting: Setting, params: Parameters) -> Family:
    loss = ProportionalOdds(setting.n_classes, setting.max_coefficient * setting.n_columns)
    family = cavity(setting, loss, float(params["alpha"]), per_weight=False, fit_intercept=False, kind=OrderedLevels)
    assert isinstance(family, OrderedLevels)  # noqa: S101 - the kind that was asked for
    return replace(family, centred=setting.standardize)


ESTIMATORS = {
    "OrdinalLogit": Estimator(
        module="",
        targets=("category",),
        defaults={"alpha": 0.0},
        trips=(4, 7),
        build=_ordinal,
        checks={"alpha": check_number(least=0.0)},
        offset=True,
        exact=1e-6,
        probabilities=True,
        intercept=False,
        deviance=lambda params: "ordinal",
    ),
}
