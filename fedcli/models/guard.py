"""Whether one row stands out in the sums at a point: what a coordinator who chooses points could use.

Owns the weights that a point gives each row, how far they are from equal, and the rule. Knows nothing of files, silos
or screens, and never says which row. Internal; used at a silo only.

A sum over rows shows one row's values where that row has nearly all the weight. What leaves at a point are sums with
four kinds of weights, known or easily computed from what else is known: curvature, residuals, and predictions, which
are residuals plus the outcome, whose own sums trip 1 carries; for classes also those of the other class, and what the
residuals leave of a whole. Two points' gradients can be subtracted, so differences of residuals count as well; and from
a gradient of classes what the sums of trip 1 make of a constant prediction for each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fedcli.errors import DominantRow
from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models import third_order
from fedcli.models.batch import Batch, Point, Source
from fedcli.models.folds import all_only, all_without
from fedcli.models.losses import Logistic
from fedcli.models.nuisance import JointLoss
from fedcli.models.objective import AnyLoss, StratumLoss, around, slopes_at, split, weights_at
from fedcli.models.softmax import Softmax
from fedcli.models.spread import LARGEST_SHARE, Spread

# The same in what is left when one point's sums are subtracted from another's. Honest trips were measured to reach
# 0.65, and 0.73 where a column has a long tail: points lie close together, and hardly more than one row moves.
LARGEST_SHARE_APART = 0.8
# The same on one side of a stratum's residuals: the other side has as much, and its unknown mean is taken off. Honest
# trips were measured to reach 0.56, with offsets of a long tail 0.85; silos of fewer than five rows per column 0.97.
LARGEST_SHARE_SIDED = 0.9
_ABOVE, _BELOW = "residuals above 0", "residuals below 0"
_HALVINGS = 12
# Points whose linear predictors are nearer than this in every row: their gradients differ by curvature times the step,
# which tells nothing that curvature does not, and one row far from all others would always stand out.
NEAR = 0.1
_NAMES = ("the incoming model's point", "its candidate point")
# The blocks of an update that are sums at points, with these weights or differences of them.
GUARDED = frozenset(
    {"curvature", "rhs", "gradients", "candidate", "held.gradients", "third", "third.once", "third.twice"}
)


@dataclass(frozen=True)
class Finding:
    """The spread of one sum: where and what it is on a screen, and whether it is a difference of sums."""

    where: str
    what: str
    spread: Spread
    apart: bool

    @property
    def most(self) -> float:
        """The largest share that one row may have."""
        if self.what in (_ABOVE, _BELOW):
            return LARGEST_SHARE_SIDED
        return LARGEST_SHARE_APART if self.apart else LARGEST_SHARE


def asked(state: State) -> FloatArray:
    """Return the points that a state makes silos sum at (n_points, n_columns): the incoming one, then candidates."""
    return np.vstack([state.arrays["coef"], state.arrays["candidates"]])


@dataclass(frozen=True)
class Earlier:
    """Points at which this silo has summed before.

    Parameters
    ----------
    rows : Source or None
        The same rows in the same order as they were prepared then; None where nothing was prepared differently.
    points : ndarray of shape (n_points, n_columns)
        Those that the coordinator chose, and the silo's own, which a coordinator can steer, and so knows.
    fold : int, optional
        Which fold of a cross-validation these sums left out.
    says : str
        What each point is, on a screen.
    """

    rows: Source | None
    points: FloatArray
    fold: int | None = None
    says: str = "one of an earlier trip"

    def of_fold(self, fold: int) -> Earlier:
        """Return the same of the sums over one fold alone."""
        return replace(self, rows=None if self.rows is None else all_only(self.rows, fold), fold=None)


@dataclass(frozen=True)
class Guard:
    """The rule of one silo for one trip: sums at every point are worth enough rows, and no row has most of one.

    Parameters
    ----------
    loss : AnyLoss
    fewest : float
        Smallest number of equal rows that sums may be worth: the agreed smallest cell.
    earlier : tuple of Earlier
        What sums at other points may be subtracted: those of trips before, and of other fits of this trip.
    fold : int, optional
        Which fold of a cross-validation is left out of the sums. Others may hold it, and the difference is of its rows.
    """

    loss: AnyLoss
    fewest: float
    earlier: tuple[Earlier, ...] = ()
    fold: int | None = None

    def admit(self, rows: Source, state: State) -> None:
        """Test the points that the coordinator chose.

        Raises
        ------
        DominantRow
            At one of them, or in the difference between two, a row stands out.
        """
        points = asked(state)
        self._admit(rows, points)
        if self.fold is not None:
            # What the fold's own sums were at other points can be subtracted from them as well.
            same = tuple(one.of_fold(self.fold) for one in self.earlier if one.fold == self.fold)
            alone = replace(self, earlier=same, fold=None)
            alone._admit(all_only(rows, self.fold), points, " over the fold that is left out")
            # Both together are sums over all rows, from which those of other fits can be subtracted.
            everybody = replace(self, earlier=tuple(one for one in self.earlier if one.fold is None), fold=None)
            everybody._admit(rows, points, " over all rows")

    def _admit(self, rows: Source, points: FloatArray, over: str = "") -> None:
        mine = all_without(rows, self.fold)
        means = self._means(mine, points)
        nearby = [around(self.loss, mine, coef, leaves=number > 0) for number, coef in enumerate(points)]
        sums = _Sums(sided=isinstance(self.loss, StratumLoss))
        for batch, earlier in self._pass(mine, rows):
            seen: list[_Seen] = []
            for name, coef, mean, near in zip(_NAMES, points, means, nearby, strict=False):
                # No curvature leaves at the first of them, save where a silo takes it for its own: see `settle`.
                where = f"at {name}{over}"
                sums.add_point(where, self.loss, batch, coef, mean, near, curvature=bool(seen or over), softened=True)
                here = self._seen(batch, coef, near)
                sums.add_apart("between both points of this trip", here, seen)
                sums.add_apart(f"between {name}{over} and ", here, earlier)
                seen.append(here)
        for finding in sums.found():
            if self._stands_out(finding):
                raise self._refusal(finding)

    def settle(self, rows: Source, point: Point, state: State) -> Point:
        """Shorten the way from 0 to the silo's own point until no row stands out there: expansions are exact anywhere.

        At 0 all rows have the same prediction, up to offsets.

        Raises
        ------
        DominantRow
            Even there one does.
        """
        problem = None
        for nearer in self._nearer(point):
            problem = self._problem(rows, nearer, state)
            if problem is None:
                return nearer
        assert problem is not None  # noqa: S101 - there is at least one point
        raise self._refusal(replace(problem, where="at every point that this silo could choose itself"))

    def bends(self, rows: Source, coef: FloatArray) -> bool:
        """Return whether a row stands out in the third derivatives at the silo's own point, or beside its curvature.

        What is then left out is they alone: the point stays.
        """
        found = [Spread(), Spread(), Spread()]
        for batch in rows:
            several = third_order.weights(self.loss, batch, coef)
            found = [one + Spread.of(size) for one, size in zip(found, several, strict=True)]
        return any(self._stands_out(Finding("at", "third derivatives", spread, apart=False)) for spread in found)

    def _nearer(self, point: Point) -> Iterator[Point]:
        """Yield the silo's point, the same softened if the loss can be, and points ever nearer to 0."""
        yield point
        coef, extras = split(self.loss, point.coef)
        softened = isinstance(self.loss, JointLoss) and self.loss.softens
        for halvings in range(0 if softened else 1, _HALVINGS):
            yield Point(np.concatenate([coef / 2.0**halvings, extras]), softened=softened)
        yield Point(np.concatenate([np.zeros_like(coef), extras]), softened=softened)

    def _problem(self, rows: Source, point: Point, state: State) -> Finding | None:
        """Return a sum at the silo's own point in which a row stands out."""
        coef = point.coef
        now = asked(state) if "candidates" in state.arrays else np.empty((0, len(coef)))
        mine = all_without(rows, self.fold)
        near = around(self.loss, mine, coef)
        nearby = [around(self.loss, mine, other, leaves=False) for other in now]
        sums = _Sums(sided=isinstance(self.loss, StratumLoss))
        (mean,) = self._means(mine, coef[None, :])
        for batch, earlier in self._pass(mine, rows):
            sums.add_point("at", self.loss, batch, coef, mean, near, softened=point.softened)
            others = [self._seen(batch, other, there) for other, there in zip(now, nearby, strict=True)]
            sums.add_apart("between", self._seen(batch, coef, near), [*others, *earlier])
        if self.fold is not None:
            # Of this fold alone the same sums can be had: those of a fit that sees it, less these.
            alone = all_only(rows, self.fold)
            (mean,) = self._means(alone, coef[None, :])
            for batch in alone:
                sums.add_point("over the fold that is left out", self.loss, batch, coef, mean, near)
        return next((finding for finding in sums.found() if self._stands_out(finding)), None)

    def _stands_out(self, finding: Finding) -> bool:
        few = not finding.apart and finding.spread.worth < self.fewest
        return few or finding.spread.share > finding.most

    def _means(self, rows: Source, points: FloatArray) -> FloatArray:
        """Return the mean prediction of the rows of each class (n_points, n_classes, n_predictions).

        The row farthest from it is left out: it would draw the mean towards itself, and could never have more than half
        of what is left of it. 0 for a class of no more than one row; empty for other losses.
        """
        if not isinstance(self.loss, Logistic | Softmax):
            return np.zeros((len(points), 0, 0))
        n_classes, n_predictions = (self.loss.n_classes,) * 2 if isinstance(self.loss, Softmax) else (2, 1)
        found = np.zeros((len(points), n_classes, n_predictions))
        sums = np.zeros((*found.shape, 2))
        ends: dict[tuple[int, ...], list[tuple[float, float]]] = {key: [] for key in np.ndindex(found.shape)}
        for batch in rows:
            kept = [(batch.y == y) & (batch.weight > 0) for y in range(n_classes)]
            for number, coef in enumerate(points):
                p = _predictions(self.loss, batch, coef)
                for y, k in np.ndindex(n_classes, n_predictions):
                    if kept[y].any():
                        inside, weight = p[kept[y], k], batch.weight[kept[y]]
                        sums[number, y, k] += weight.sum(), weight @ inside
                        for at in (int(np.argmin(inside)), int(np.argmax(inside))):
                            ends[number, y, k].append((float(inside[at]), float(weight[at])))
        for key, several in ends.items():
            if several:
                whole, weighted = sums[key]
                p_far, weight_far = max(several, key=lambda end: abs(end[0] - weighted / whole))
                rest = whole - weight_far
                found[key] = (weighted - weight_far * p_far) / rest if rest > 1e-9 * whole else 0.0
        return found

    def _pass(self, mine: Source, rows: Source) -> Iterator[tuple[Batch, list[_Seen]]]:
        """Yield each batch with what was seen of it at all earlier points."""
        again = [all_without(rows if group.rows is None else group.rows, group.fold) for group in self.earlier]
        nearby = [
            [(coef, around(self.loss, source, coef, leaves=False)) for coef in group.points]
            for source, group in zip(again, self.earlier, strict=True)
        ]
        for batch, *before in zip(mine, *again, strict=True):
            groups = zip(before, nearby, self.earlier, strict=True)
            yield (
                batch,
                [
                    _Seen(*slopes_at(self.loss, then, coef, near), group.fold, group.says)
                    for then, points, group in groups
                    for coef, near in points
                ],
            )

    def _seen(self, batch: Batch, coef: FloatArray, near: Any | None) -> _Seen:
        return _Seen(*slopes_at(self.loss, batch, coef, near), self.fold)

    def _refusal(self, finding: Finding) -> DominantRow:
        spread, most = finding.spread, finding.most
        says = f"one row has {math.floor(100 * spread.share)} % of the sum, {100 * most:.0f} % is the most allowed"
        if spread.share <= most:
            worth = math.floor(10 * spread.worth) / 10
            says = f"the sum is worth {worth:g} equal rows, the study requires at least {self.fewest:g}"
        return DominantRow(
            f"a row would stand out {finding.where} ({finding.what}): {says}",
            hint="send nothing; call the coordinator: a crafted model does this, or a row far from all others. "
            "They can go on without this silo: fedcli aggregate --without NAME" + self._remedy,
        )

    @property
    def _remedy(self) -> str:
        """What else helps where classes are told apart so well that only few rows are not yet fitted."""
        if not isinstance(self.loss, Logistic | Softmax):
            return ""
        return "; or agree on a stronger penalty (a smaller C) in a new study, with which more rows have a say"


class _Seen(NamedTuple):
    """A batch at one point: linear predictors and weighted residuals, each (n_samples,) or (n_samples, n_classes)."""

    predictors: FloatArray
    residuals: FloatArray
    fold: int | None = None
    says: str = ""


def _predictions(loss: Logistic | Softmax, rows: Batch, coef: FloatArray) -> FloatArray:
    """Return the probability of the positive class (n_samples, 1), or of each of several (n_samples, n_classes)."""
    if isinstance(loss, Softmax):
        return loss.mean(loss.predictors(rows, coef))
    return loss.mean(rows.X @ coef + rows.offset)[:, None]


def _sides(residuals: FloatArray) -> dict[str, FloatArray]:
    return {_ABOVE: np.maximum(residuals, 0.0), _BELOW: np.minimum(residuals, 0.0)}


class _Sums:
    """Spreads by where, what and a number: 0 at a point, above it what is left when other sums are subtracted.

    Beside each is how far the linear predictor of a row moved at most. Residuals of a stratum add up to 0, and so do
    their differences: one row has half of them at most. So each side is looked at alone (``sided``).
    """

    def __init__(self, *, sided: bool) -> None:
        self._sided = sided
        self._found: dict[tuple[str, str, int], tuple[Spread, float]] = {}

    def add_point(
        self,
        where: str,
        loss: AnyLoss,
        rows: Batch,
        coef: FloatArray,
        mean: FloatArray,
        nearby: Any | None,
        **how: bool,
    ) -> None:
        """Add a batch at one point; for classes also beside a constant prediction of each, its ``mean``."""
        for what, size in weights_at(loss, rows, coef, nearby, **how).items():
            self._add((where, what, 0), size, np.inf)
            if self._sided and what == "residuals":
                for side, part in _sides(size).items():
                    self._add((where, side, 1), part, np.inf)
        if isinstance(loss, Logistic | Softmax):
            constant = mean[rows.y.astype(np.int64)]
            beside = _predictions(loss, rows, coef) - constant
            moved = np.abs(beside) / np.maximum(constant * (1.0 - constant), 1e-300)
            for k, size in enumerate(beside.T):
                what = "predictions beside their mean" + (f", class {k + 1}" if len(beside.T) > 1 else "")
                self._add((where, what, 1), rows.weight * size, moved[:, k].max(initial=0.0))

    def add_apart(self, where: str, here: _Seen, others: Iterable[_Seen]) -> None:
        """Add the differences between a batch at one point and at others.

        Where the fold that is left out is not the same, a difference is a sum over whole folds, and is held to what a
        sum at a point is.
        """
        for number, other in enumerate(others):
            apart, whole = here.residuals - other.residuals, here.fold != other.fold
            moved = np.inf if whole else np.abs(here.predictors - other.predictors).max(initial=0.0)
            place, at = -1 - number if whole else number + 1, where + other.says
            if apart.ndim > 1:
                for k, size in enumerate(apart.T):
                    self._add((at, f"residuals of class {k + 1}", place), size, moved)
                continue
            for what, size in (_sides(apart) if self._sided else {"residuals": apart}).items():
                self._add((at, what, place), size, moved)

    def found(self) -> Iterator[Finding]:
        """Yield what was found of sums that tell something of their own."""
        for (where, what, number), (spread, moved) in self._found.items():
            if moved > NEAR:
                yield Finding(where, what, spread, apart=number > 0)

    def _add(self, key: tuple[str, str, int], size: FloatArray, moved: float) -> None:
        spread, far = self._found.get(key, (Spread(), 0.0))
        self._found[key] = spread + Spread.of(size), max(far, float(moved))
