"""A column against the outcome: does it tell it almost alone, and has a group of rows only one.

Owns these two questions, for every kind of outcome. Must not know files or rules. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fedcli.data.mapping import Mapping
from fedcli.data.saying import called
from fedcli.data.thinned import Thinned
from fedcli.errors.doubts import Doubt, GroupOfOneOutcome, TellsOutcome
from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.rows import Rows
from fedcli.study.document import ClassTarget, NoTarget, Study

# Area under the curve, or share of the variance, from which on a column tells the outcome "almost perfectly".
_ALMOST = 0.995
# Of fewer rows on either side nothing is said.
_ENOUGH = 10
# So many rows of the outcome that a group lacks would be expected in it.
_EXPECTED = 5.0
# Values that are held of each outcome, over all columns.
_HELD = 1 << 21
_HINT = (
    "was it written down after the outcome, or made from it? Then the model will not work where it is needed: "
    "tell the coordinator"
)


def against_outcome(study: Study, mapping: Mapping, passes: Callable[[], Iterator[Rows]]) -> list[Doubt]:
    """Return what columns alone show of the outcome; of several classes each is held against all others.

    Parameters
    ----------
    study : Study
    mapping : Mapping
    passes : callable
        Gives the rows once more, each time it is called.
    """
    target = study.target
    if isinstance(target, NoTarget):
        return []
    # Of two classes the second stands for both.
    codes = sorted({code for _, code in target.spellings}) if isinstance(target, ClassTarget) else [None]
    sides = [AgainstOutcome(study, mapping, code) for code in (codes[1:] if len(codes) == 2 else codes)]
    for rows in passes():
        for side in sides:
            side.add(rows)
    found: dict[tuple[str, str], Doubt] = {}
    for side in sides:
        for doubt in side.doubts():
            found.setdefault((doubt.code, doubt.column), doubt)
    return list(found.values())


class AgainstOutcome:
    """Sums what is needed over all rows, and holds an evenly thinned part of the numbers.

    Parameters
    ----------
    study : Study
    mapping : Mapping
    positive : int, optional
        The class that is held against all others; None for an outcome that is a number.
    """

    def __init__(self, study: Study, mapping: Mapping, positive: int | None) -> None:
        self._study, self._mapping, self._positive = study, mapping, positive
        self._binary = positive is not None
        n_numbers = len(study.numbers)
        most = max(min(_HELD // max(n_numbers, 1), 20_000), 200)
        self._held = (Thinned(most), Thinned(most))
        # Rows, sum and sum of squares of the outcome, by level; the first entry is for rows where it is missing.
        self._by_level = [np.zeros((len(c.levels) + 1, 3)) for c in study.categories.values()]
        self._gaps = np.zeros((n_numbers, 2, 3))

    def add(self, rows: Rows) -> None:
        """Count a batch of rows; those whose outcome is wrong are left out."""
        good = rows.target >= 0 if self._binary else np.isfinite(rows.target)
        rows = rows if good.all() else rows.take(good)
        y = (rows.target == self._positive).astype(np.float64) if self._binary else rows.target
        powers = (np.ones(len(y)), y, y * y)
        for j, sums in enumerate(self._by_level):
            code = np.maximum(rows.codes[:, j], -1) + 1
            for k, power in enumerate(powers):
                sums[:, k] += np.bincount(code, weights=power, minlength=len(sums))
        gap = np.isnan(rows.numbers)
        if gap.any():
            gaps = gap.astype(np.float64)
            missing = np.stack([gaps.T @ power for power in powers], axis=1)
            self._gaps[:, 1] += missing
            self._gaps[:, 0] += np.array([power.sum() for power in powers]) - missing
        else:
            self._gaps[:, 0] += np.array([power.sum() for power in powers])
        if self._binary:
            self._held[1].add(rows.numbers, y == 1)
            self._held[0].add(rows.numbers, y == 0)
        else:
            self._held[0].add(np.hstack([rows.numbers, y[:, None]]))

    def doubts(self) -> Iterator[Doubt]:
        """Return what the rows counted so far show."""
        study = self._study
        plain = self._plain() if self._binary else np.zeros(len(study.numbers), dtype=np.bool_)
        for j, name in enumerate(study.numbers):
            share = None if plain[j] else self._number(j)
            if share is not None and share >= _ALMOST:
                yield self._tells(name, "", share)
            yield from self._groups(name, self._gaps[j], ("there", "missing"))
        for sums, (name, column) in zip(self._by_level, study.categories.items(), strict=True):
            yield from self._groups(name, sums, ("missing", *column.levels))

    def _groups(self, name: str, sums: FloatArray, labels: tuple[str, ...]) -> Iterator[Doubt]:
        """Return the doubts about rows told apart by ``labels``, from (n_labels, 3) sums."""
        count, total = sums[:, 0], sums[:, 1]
        share = self._explained(sums)
        if share is not None and share >= _ALMOST:
            yield self._tells(name, ", by whether it is missing," if labels[0] == "there" else "", share)
            return
        if not self._binary or not 0 < total.sum() < count.sum():
            return
        rate = total.sum() / count.sum()
        for label, n, positive in zip(labels, count, total, strict=True):
            absent = rate if positive == 0 else 1 - rate if positive == n else 0.0
            if n * absent >= _EXPECTED and label != "there":
                group = f"where it is {label}" if label == "missing" else f"of '{label}'"
                yield GroupOfOneOutcome(
                    f"{called(self._mapping, name)}: all {int(n):,} rows {group} have the same outcome",
                    hint="right if it is so here; where it is so at every silo, an unpenalised coefficient has no "
                    "finite value, which is E702 then",
                    column=name,
                )

    def _explained(self, sums: FloatArray) -> float | None:
        """Return the area under the curve of the groups' rates, or the share of variance between groups."""
        count, total, squares = sums.T
        n = count.sum()
        filled = count > 0
        if filled.sum() < 2:
            return None
        if not self._binary:
            mean = total.sum() / n
            within = (squares[filled] - total[filled] ** 2 / count[filled]).sum()
            whole = squares.sum() - n * mean**2
            return float(1 - within / whole) if whole > 0 and n >= _ENOUGH else None
        positive, negative = total, count - total
        if min(positive.sum(), negative.sum()) < _ENOUGH:
            return None
        order = np.argsort(positive[filled] / count[filled])
        p, q = positive[filled][order], negative[filled][order]
        below = np.cumsum(q) - q
        return float((p * (below + q / 2)).sum() / (p.sum() * q.sum()))

    def _plain(self) -> NDArray[np.bool_]:
        """Return which numbers (n_numbers,) surely do not tell the outcome, by one look at where each side lies.

        The area counts pairs of rows. Where so many pairs lie apart at some value in one direction, and so many in the
        other, neither direction reaches the limit, however the rest lies: to rank all values would tell no more.
        """
        sides = [held.values() for held in self._held]
        if not all(len(values) for values in sides):
            return np.zeros(len(self._study.numbers), dtype=np.bool_)
        there = [np.isfinite(values) for values in sides]
        counts = [np.maximum(present.sum(axis=0), 1) for present in there]
        at = sum(np.where(p, v, 0.0).sum(axis=0) / n for p, v, n in zip(there, sides, counts, strict=True)) / 2
        below = [(p & (v < at)).sum(axis=0) / n for p, v, n in zip(there, sides, counts, strict=True)]
        above = [(p & (v > at)).sum(axis=0) / n for p, v, n in zip(there, sides, counts, strict=True)]
        # Twice what is needed, so that rounding decides nothing.
        least = 2 * (1 - _ALMOST)
        return np.asarray((below[0] * above[1] > least) & (below[1] * above[0] > least))

    def _number(self, j: int) -> float | None:
        if not self._binary:
            held = self._held[0].values()
            x, y = held[:, j], held[:, -1]
            both = np.isfinite(x)
            if both.sum() < _ENOUGH or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
                return None
            return float(np.corrcoef(x[both], y[both])[0, 1] ** 2)
        negative, positive = (self._column(held, j) for held in self._held)
        if min(len(negative), len(positive)) < _ENOUGH:
            return None
        left, right = (np.searchsorted(negative, positive, side=side).mean() for side in ("left", "right"))
        area = float(left + right) / 2 / len(negative)
        return max(area, 1 - area)

    @staticmethod
    def _column(held: Thinned, j: int) -> NDArray[np.float64]:
        values = held.values()
        if not len(values):
            return values
        column = values[:, j]
        return np.sort(column[np.isfinite(column)])

    def _tells(self, name: str, how: str, share: float) -> Doubt:
        measure = "area under the curve" if self._binary else "share of its variance"
        every = "every row" if share >= 1 else "nearly every row"
        return TellsOutcome(
            f"{called(self._mapping, name)}{how} alone tells the outcome of {every} ({measure} {share:.4f})",
            hint=_HINT,
            column=name,
        )
