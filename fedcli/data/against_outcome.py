"""A column against the outcome: does it tell it almost alone, and has a group of rows only one.

Owns these two questions, for every kind of outcome; of survival, also whether a column tells the times of the events.
Must not know files, rules or how much one column tells of another. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fedcli.data.mapping import Mapping
from fedcli.data.saying import called
from fedcli.data.telling import (
    ALMOST,
    area,
    explained,
    line_share,
    rank_share,
    surely_many_values,
    surely_not_by_order,
    surely_not_by_rank,
    value_groups,
)
from fedcli.data.thinned import Thinned
from fedcli.errors.doubts import Doubt, GroupOfOneOutcome, TellsOutcome
from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.rows import Rows
from fedcli.study.document import ClassTarget, NoTarget, Study

# So many rows of the outcome that a group lacks would be expected in it.
_EXPECTED = 5.0
# Values that are held of each outcome, over all columns.
_HELD = 1 << 21
# Of rows that are held of an outcome, how many show whether a column has many values.
_HEAD = 200
_BY_RANK, _BY_VALUES = ", by its order,", ", by which of its values a row has,"
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
    sides += [EventTimes(study, mapping, since_entry) for since_entry in range(len(study.times))]
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

    _what = "the outcome"

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
        self._hold(rows, y)

    def _hold(self, rows: Rows, y: FloatArray) -> None:
        if self._binary:
            self._held[1].add(rows.numbers, y == 1)
            self._held[0].add(rows.numbers, y == 0)
        else:
            self._held[0].add(np.hstack([rows.numbers, y[:, None]]))

    def doubts(self) -> Iterator[Doubt]:
        """Return what the rows counted so far show."""
        study = self._study
        plain, many = self._plain(), self._many()
        for j, name in enumerate(study.numbers):
            how, share = self._number(j, plain=bool(plain[j]), many=bool(many[j]))
            if share >= ALMOST:
                yield self._tells(name, how, share)
            yield from self._groups(name, self._gaps[j], ("there", "missing"))
        for sums, (name, column) in zip(self._by_level, study.categories.items(), strict=True):
            yield from self._groups(name, sums, ("missing", *column.levels))

    def _groups(self, name: str, sums: FloatArray, labels: tuple[str, ...]) -> Iterator[Doubt]:
        """Return the doubts about rows told apart by ``labels``, from (n_labels, 3) sums."""
        count, total = sums[:, 0], sums[:, 1]
        share = explained(sums, binary=self._binary)
        if share is not None and share >= ALMOST:
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

    def _plain(self) -> NDArray[np.bool_]:
        """Return which numbers (n_numbers,) surely do not tell the outcome by their order."""
        held = [values for _, values in self._filled()]
        if len(held) < 1 + self._binary:
            return np.zeros(len(self._study.numbers), dtype=np.bool_)
        if self._binary:
            return surely_not_by_order((held[0], held[1]))
        return surely_not_by_rank(held[0][:, :-1], held[0][:, -1])

    def _many(self) -> NDArray[np.bool_]:
        """Return which numbers (n_numbers,) surely have more values than make groups."""
        heads = [values[:_HEAD, : len(self._study.numbers)] for _, values in self._filled()]
        return surely_many_values(np.vstack(heads)) if heads else np.ones(len(self._study.numbers), dtype=np.bool_)

    def _number(self, j: int, *, plain: bool = False, many: bool = False) -> tuple[str, float]:
        """Return by what column ``j`` tells the outcome, and how much; 0 where nothing can be said.

        The order of a ``plain`` one need not be looked at, and the groups of one with ``many`` values are none.
        """
        ways: list[tuple[str, Callable[[FloatArray, FloatArray], float | None]]] = []
        if not plain:
            ways.append(("", self._in_order) if self._binary else (_BY_RANK, rank_share))
        if not self._binary:
            ways.insert(0, ("", line_share))
        if not many:
            ways.append((_BY_VALUES, self._by_value))
        x, y = self._column(j) if ways else (np.empty(0), np.empty(0))
        told = ((how, way(x, y) or 0.0) for how, way in ways)
        return next(((how, share) for how, share in told if share >= ALMOST), ("", 0.0))

    @staticmethod
    def _in_order(x: FloatArray, y: FloatArray) -> float | None:
        return area(x[y == 0], x[y == 1])

    def _by_value(self, x: FloatArray, y: FloatArray) -> float | None:
        groups = value_groups(x, y)
        return None if groups is None else explained(groups, binary=self._binary)

    def _column(self, j: int) -> tuple[FloatArray, FloatArray]:
        """Return what is held of a column (n,), and the outcome of the same rows (n,)."""
        # Of classes, either is thinned by itself, which changes no order of the groups' rates.
        sides = [(x[:, j], x[:, -1] if not self._binary else np.full(len(x), float(k))) for k, x in self._filled()]
        if not sides:
            return np.empty(0), np.empty(0)
        x, y = (np.concatenate(parts) for parts in zip(*sides, strict=True))
        there = np.isfinite(x)
        return x[there], y[there]

    def _filled(self) -> Iterator[tuple[int, FloatArray]]:
        return ((k, side.values()) for k, side in enumerate(self._held) if len(side.values()))

    def _tells(self, name: str, how: str, share: float) -> Doubt:
        measure = "area under the curve" if self._binary else "share of its variance"
        measure = "share of the variance of its ranks" if how == _BY_RANK else measure
        # A share is computed up to rounding.
        every = "every row" if share > 1 - 1e-12 else "nearly every row"
        return TellsOutcome(
            f"{called(self._mapping, name)}{how} alone tells {self._what} of {every} ({measure} {share:.4f})",
            hint=_HINT,
            column=name,
        )


class EventTimes(AgainstOutcome):
    """The same of when an event happened, over the rows that had one: the others were only seen until then.

    Of all rows, a day of entry tells the times wherever a study ends on one day for everybody, and is no leak.

    Parameters
    ----------
    study : Study
        Its target is a survival target.
    mapping : Mapping
    since_entry : int
        1 counts the numbers from the row's entry too, as the times are counted: it may be time itself that is told.
    """

    _what = "the time"

    def __init__(self, study: Study, mapping: Mapping, since_entry: int) -> None:
        super().__init__(study, mapping, None)
        self._since_entry = bool(since_entry)

    def add(self, rows: Rows) -> None:
        """Count a batch of rows; those without an event, or with wrong times, are left out."""
        happened = rows.take(rows.target == 1)
        entry = happened.times[:, 1] if happened.times.shape[1] > 1 else np.zeros(len(happened))
        numbers = happened.numbers - entry[:, None] if self._since_entry else happened.numbers
        super().add(replace(happened, numbers=numbers, target=happened.times[:, 0] - entry))
