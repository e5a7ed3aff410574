"""How much of a column's sums one row makes at most: dominance, as official statistics test their tables for it.

Owns which sums are looked at, and the shares. Knows nothing of rules, files or screens. Internal.

What leaves is a sum of distances from the middle of a column's agreed range. Number of rows and range are known, so
whoever reads it can move it to any other point, and learns the value of a row that makes nearly all of the distances
from there. So shares are taken about both ends, the middle and the zero of the range; of squares also about the mean,
where they are the variance, and of fourth powers, where these leave. Sums by class, level or fold leave too, and are
sums of fewer rows. Groups of fewer than `min_cell` are left to the rule on groups; where that allows a single row, its
values may show, and only all rows together, or all of a fold, are looked at.

References
----------
The (1, k) dominance rule: Hundepool et al., Handbook on Statistical Disclosure Control (ESSNet SDC), chapter 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fedcli.compute.cells import Codes, Labels, training_rows, two_valued_columns, variables
from fedcli.compute.share_bounds import Bound, Bounds, Kind
from fedcli.compute.spool import Spool
from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.privacy.disclosure import Largest
from fedcli.study.document import ClassTarget, CountTarget, NumberTarget

SUM, SQUARES, FOURTH = "sum", "sum of squares", "sum of fourth powers"
# Blocks of an update that are products of the columns, and those whose sums and squares are looked at here; of a class
# apart the same, see `preparing.profile.of_all_rows`.
MULTIPLIED = frozenset({"gram", "products", "correlation"})
SUMMED = MULTIPLIED | {"sums", "squares", "target", "contrast", "class_sums"}
# Blocks that count rows.
COUNTED = frozenset({"rows", "present", "levels", "below", "third.without"})
# Shares that nobody needs to know exactly: a row that has no more shows nowhere.
FLOOR = 0.05
# Distances on the reference scale, where a range is -1 to 1: below this they are rounding.
_ROUNDING = 1e-12
# A share that is exact may be written too large by the bounds' slack.
_CERTAIN = 0.98
# Most values of one step.
_STEP = 1 << 21
# Those that are still in a processor's cache when they are looked at for the tenth time.
_CACHED = 1 << 16
# Blocks after which to ask which groups are settled.
_LOOKED_AT = (2, 8, 32)


def largest_shares(
    plan: Plan,
    spool: Spool,
    mask: NDArray[np.bool_],
    folds: NDArray[np.int64] | None = None,
    *,
    floor: float = FLOOR,
) -> list[Largest]:
    """Return the most that one row has of any column's sum, and of any column's sum of squares.

    Columns are numbers, derived columns and a number or count target. Those of two values are left out: their sums are
    counts, which `count_cells` tests.

    Parameters
    ----------
    plan : Plan
    spool : Spool
        After small levels were merged.
    mask : ndarray of bool (n_rows,)
        Rows held out.
    folds : ndarray of int of shape (n_rows,), optional
        Of a cross-validation, where sums leave by fold.
    floor : float
        Only what is above this share is returned: to find smaller ones exactly takes several times as long.
    """
    with threadpool_limits(limits=1):
        found = _Shares(plan, spool, mask).largest(floor)
        found += _Shares(plan, spool, mask).fourth_powers(floor)
        for number in range(plan.study.model.cv or 0) if folds is not None else ():
            found += _Shares(plan, spool, mask | (folds != number), f"fold {number + 1}").largest(floor)
    return found


@dataclass(frozen=True)
class _Groups:
    """One way to tell rows apart: ``codes`` gives the position of each row among ``labels``."""

    labels: Labels
    codes: Callable[[Rows], Codes]
    squares: bool


@dataclass(frozen=True)
class _Shares:
    """The sums of one set of rows."""

    plan: Plan
    spool: Spool
    mask: NDArray[np.bool_]
    among: str = ""

    @cached_property
    def columns(self) -> list[tuple[str, list[float]]]:
        """Name of each column that is summed, and the points from which its distances are taken."""
        columns, target, scale = self.plan.columns, self.plan.study.target, self.plan.target
        found = [(name, _points(number.interval, number.middle, number.half)) for name, number in columns.numbers]
        for derived in columns.derived:
            found += [(derived.name, [-1.0, 1.0, 0.0, origin]) for origin in derived.origins]
        if isinstance(target, (NumberTarget, CountTarget)):
            found.append((target.column, _points(target.range, scale.middle, scale.half)))
        return found

    @cached_property
    def groups(self) -> list[_Groups]:
        """All ways in which sums of columns are told apart; all rows together first."""
        plan, grouping = self.plan, self.plan.grouping
        target = plan.study.target
        # Of squares alone, products with an outcome that is a number still tell it apart by level.
        products = plan.crosses or (grouping is not None and grouping.target)
        by_class = plan.profile.by_target or (grouping is not None and grouping.products and grouping.by_class)
        found = [_Groups(("",), lambda rows: np.zeros(len(rows), dtype=np.int64), squares=True)]
        if plan.study.rules.min_cell == 1:
            return found
        for variable in variables(plan, two_valued_columns(plan, self.spool, self.mask)):
            is_target = variable.feature == target.column
            # Rows where a count is 0 are told apart in no sum: it is multiplied as the number that it is.
            if is_target and isinstance(target, CountTarget):
                continue
            of_classes = is_target and isinstance(target, ClassTarget)
            if of_classes or (products and variable.multiplied):
                squares = (of_classes and by_class) or self._fourth
                found.append(_Groups(variable.labels, variable.codes, squares=squares))
        return found

    @property
    def _fourth(self) -> bool:
        """Whether products with squares leave, of levels and of other squares."""
        return self.plan.grouping is not None and self.plan.grouping.fourth

    def fourth_powers(self, floor: float) -> list[Largest]:
        """Return the largest share of a sum of fourth powers, where these leave and it is above ``floor``."""
        if not self._fourth or not self.columns:
            return []
        bounds = self._bounds(floor)
        points = np.vstack([np.array([places for _, places in self.columns]).T, bounds.middle])
        total, most = np.zeros(points.shape), np.zeros(points.shape)
        for rows in self._portions(_STEP):
            values = self._values(rows, for_sums=True)
            for at, point in enumerate(points):
                size = _distances(values, point) ** 4
                total[at] += size.sum(axis=0)
                most[at] = np.maximum(most[at], size.max(axis=0, initial=0.0))
        shares = (bounds.between * most / np.where(total > 0, total, 1.0)).max(axis=0)
        column = int(np.argmax(shares))
        if shares[column] <= floor:
            return []
        return [Largest(self.columns[column][0], float(shares[column]), FOURTH, self.among)]

    def largest(self, floor: float) -> list[Largest]:
        """Return the largest share of a sum, and that of a sum of squares, where they are above ``floor``."""
        if not self.columns:
            return []
        wanted = self._screened(floor)
        tallies: dict[Kind, _Tally] = {}
        for rows in self._portions(_STEP) if wanted else ():
            values = self._values(rows, for_sums=True)
            weights = self._weights(rows)
            for i in sorted({bound.kind.group for bound in wanted}):
                codes = self.groups[i].codes(rows)
                order = _Order(codes)
                for bound in wanted:
                    if bound.kind.group == i:
                        columns = np.flatnonzero(bound.share.any(axis=0))
                        points = bound.points[codes] if bound.points.ndim == 2 else bound.points
                        size = _distances(values[:, columns], points[..., columns])
                        size = size * size if bound.kind.squares else size
                        tally = tallies.setdefault(bound.kind, _Tally(bound.share, columns))
                        tally.add(order, weights[bound.kind.weight] * size)
        return self._worst(tallies, floor)

    def _screened(self, floor: float) -> list[Bound]:
        """Return where some row may have more than ``floor``; bounds that are no more are 0.

        Among all rows, of equal weights, a bound is exact, and what is below the largest of these is not looked at.
        """
        bounds = self._bounds(floor)
        fewest = self.plan.study.rules.min_cell
        found = [
            bound for i, group in enumerate(self.groups) for bound in bounds.of(i, squares=group.squares, fewest=fewest)
        ]
        squared = np.array([self._squared(j) for j in range(len(self.columns))])
        useful = {False: bounds.between, True: bounds.between & squared}
        wanted = []
        for squares, columns in useful.items():
            shares = [(bound, bound.share * columns) for bound in found if bound.kind.squares == squares]
            exact = [float(share.max()) for bound, share in shares if (bound.kind.group, bound.kind.weight) == (0, 0)]
            least = max([floor, *(_CERTAIN * share for share in exact)])
            for bound, share in shares:
                if (share > least).any():
                    wanted.append(replace(bound, share=np.where(share > least, share, 0.0)))
        return wanted

    def _bounds(self, floor: float) -> Bounds:
        """Pass over the rows twice: for where they lie, and for the totals.

        In most tables a few thousand rows show that none has more than ``floor`` of its groups' sums. From then on only
        rows of other groups are added; bounds of the groups left out stay too large, and below ``floor``.
        """
        n, n_rows, scale = len(self.columns), 0, self.plan.columns
        # Numbers are looked at as they are: on another scale they lie in the same order.
        alone = n == len(scale.numbers)
        low, high, count, total = np.full(n, np.inf), np.full(n, -np.inf), np.zeros(n), np.zeros(n)
        for rows in self._portions(_CACHED):
            values = scale.in_order(rows) if alone else self._values(rows, for_sums=False)
            n_rows += len(values)
            low = np.fmin(low, np.fmin.reduce(values, axis=0, initial=np.inf))
            high = np.fmax(high, np.fmax.reduce(values, axis=0, initial=-np.inf))
            sums = values.sum(axis=0)
            if np.isnan(sums).any():
                count += (~np.isnan(values)).sum(axis=0)
                total += np.nansum(values, axis=0)
            else:
                count += len(values)
                total += sums
        points = np.array([places for _, places in self.columns]).T
        sizes = [len(group.labels) for group in self.groups]
        gaps = bool((count < n_rows).any())
        places = [low, high, total / np.maximum(count, 1)]
        low, high, centre = ((place - scale.middle) / scale.half for place in places) if alone else places
        found = Bounds(points, low, high, centre, sizes, self._n_weights, gaps=gaps)
        left: list[NDArray[np.bool_]] | None = None
        for number, (where, rows) in enumerate(self.spool.blocks(), 1):
            chosen = ~self.mask[where]
            if left is not None:
                told = zip(left, self.groups, strict=True)
                chosen &= np.any([unsettled[group.codes(rows)] for unsettled, group in told], axis=0)
            for part in self._cut(rows if chosen.all() else rows.take(chosen), _CACHED):
                values = self._values(part, for_sums=False)
                found.add(values, [group.codes(part) for group in self.groups], self._weights(part))
            if number in _LOOKED_AT:
                left = [found.unsettled(i, squares=g.squares, floor=floor) for i, g in enumerate(self.groups)]
        return found

    def _worst(self, tallies: Mapping[Kind, _Tally], floor: float) -> list[Largest]:
        """Return the largest of all shares of a sum, and of a sum of squares."""
        worst: dict[bool, Largest] = {}
        for kind, tally in tallies.items():
            share, label, column = tally.largest()
            if share > max(floor, worst[kind.squares].share if kind.squares in worst else 0.0):
                among = ", ".join(word for word in (self.groups[kind.group].labels[label], self.among) if word)
                of = SQUARES if kind.squares else SUM
                worst[kind.squares] = Largest(self.columns[column][0], share, of, among)
        return list(worst.values())

    def _squared(self, column: int) -> bool:
        """Return whether a column's squares leave: a target's only where it is multiplied by itself."""
        is_target = self.columns[column][0] == self.plan.study.target.column
        return not is_target or (self.plan.grouping is not None and self.plan.grouping.target)

    def _portions(self, most: int) -> Iterator[Rows]:
        """Pass over training rows, ``most`` values at a time."""
        for rows in training_rows(self.spool, self.mask):
            yield from self._cut(rows, most)

    def _cut(self, rows: Rows, most: int) -> Iterator[Rows]:
        length = max(most // len(self.columns), 64)
        for start in range(0, len(rows), length):
            yield rows.take(slice(start, start + length))

    def _values(self, rows: Rows, *, for_sums: bool) -> FloatArray:
        """Return what is summed of rows, NaN where there is nothing."""
        values = self.plan.columns.reference(rows, for_sums=for_sums)
        if isinstance(self.plan.study.target, (NumberTarget, CountTarget)):
            values = np.hstack([values, self.plan.target.reference(rows.target)[:, None]])
        return values

    @property
    def _n_weights(self) -> int:
        return 1 if self.plan.study.weight is None else 2

    def _weights(self, rows: Rows) -> list[FloatArray]:
        """Return the weights (n_rows, 1) with which sums leave: all equal, and the study's own where it has some."""
        return [np.ones((len(rows), 1)), rows.weight[:, None]][: self._n_weights]


class _Order:
    """A batch's rows by group, so that each group's lie side by side."""

    def __init__(self, codes: Codes) -> None:
        self._order = np.argsort(codes, kind="stable")
        ranked = codes[self._order]
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self.groups = ranked[self._starts]

    def of(self, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return total and largest of ``sizes`` (n_rows, n_columns) by group."""
        ranked = sizes[self._order]
        return np.add.reduceat(ranked, self._starts, axis=0), np.maximum.reduceat(ranked, self._starts, axis=0)


class _Tally:
    """Total and largest distance by group and column, of those groups and columns where ``wanted`` is above 0."""

    def __init__(self, wanted: FloatArray, columns: NDArray[np.int64]) -> None:
        self._columns, self._wanted = columns, wanted[:, columns] > 0
        self._total, self._most = np.zeros(self._wanted.shape), np.zeros(self._wanted.shape)

    def add(self, order: _Order, sizes: FloatArray) -> None:
        """Add a batch's distances (n_rows, n_columns)."""
        total, most = order.of(sizes)
        self._total[order.groups] += total
        self._most[order.groups] = np.maximum(self._most[order.groups], most)

    def largest(self) -> tuple[float, int, int]:
        """Return the largest share, its group and its column."""
        shares = self._wanted * self._most / np.where(self._total > 0, self._total, 1.0)
        label, place = np.unravel_index(int(np.argmax(shares)), shares.shape)
        return float(shares[label, place]), int(label), int(self._columns[place])


def _points(interval: tuple[float, float], middle: float, half: float) -> list[float]:
    """Return both ends of a range, its middle and its zero (else the middle again) on the scale that is summed."""
    low, high = interval
    places = (low, high, (low + high) / 2, 0.0 if low < 0 < high else (low + high) / 2)
    return [(place - middle) / half for place in places]


def _distances(values: FloatArray, point: FloatArray) -> FloatArray:
    """Return how far each value (n_rows, n_columns) is from ``point``: 0 where there is none."""
    found = np.abs(values - point)
    # What is not a number is not larger either.
    return np.where(found > _ROUNDING, found, 0.0)
