"""Table 1 of a study: who is in the pool, and what their columns look like, by outcome.

Owns the finished table as numbers and names, in the study's own order and units. Knows nothing of how it is printed
(`table_text`), nor of files. Stable: the JSON form is that of these dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.preparing.plan import Plan
from fedcli.preparing.profile_table import COMBINATION, CONSTANT, PREFIX, SMALL
from fedcli.study.document import CategoryTarget, ClassTarget

# A number of rows; "<5" where it is small; None where it would give a small one away.
Count = int | str | None


@dataclass(frozen=True)
class Point:
    """A quantile of the pool: ``estimate``, and the interval in which it surely lies."""

    estimate: float
    lower: float
    upper: float

    @property
    def error(self) -> float:
        """How far the quantile may be from the estimate."""
        return max(self.upper - self.estimate, self.estimate - self.lower)


@dataclass(frozen=True)
class Interval:
    """Where the lowest or the highest value surely lies: one row's, so that nothing between is likelier."""

    lower: float
    upper: float


@dataclass(frozen=True)
class NumberGroup:
    """A number column in one group of rows; None where no row has a value or the group is not shown.

    ``deviation`` is that of a sample (divided by one less than the rows).
    """

    present: Count
    missing: Count
    mean: float | None
    deviation: float | None
    lowest: Interval | None
    q1: Point | None
    median: Point | None
    q3: Point | None
    highest: Interval | None


@dataclass(frozen=True)
class CategoryGroup:
    """A category in one group of rows."""

    missing: Count
    levels: dict[str, Count]


@dataclass(frozen=True)
class Described:
    """One column, in each of the table's groups."""

    name: str
    unit: str
    groups: tuple[NumberGroup | CategoryGroup, ...]


@dataclass(frozen=True)
class Filled:
    """What a pooled median fills missing cells with."""

    name: str
    value: Point


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation of the imputed design columns, and their variance inflation factors.

    ``inflation`` is infinite for a column that is a combination of others, and None for a constant one.
    """

    columns: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    inflation: tuple[float | None, ...]


@dataclass(frozen=True)
class HeldOut:
    """Rows that are kept out of the fit to measure it, and which the table does not describe.

    Parameters
    ----------
    share : float
        Of each silo's rows, as agreed.
    rows : int or str, optional
        How many there were when they were measured; None before.
    """

    share: float
    rows: Count | None


@dataclass(frozen=True)
class TableOne:
    """The pool that a model was fitted on.

    Parameters
    ----------
    study, title : str
    groups : tuple of (str, Count)
        Name and rows: all, and by outcome where that was agreed.
    columns : tuple of Described
    medians : tuple of Filled
    correlation : Correlation or None
    held_out : HeldOut, optional
        None where the study holds no rows out.
    """

    study: str
    title: str
    groups: tuple[tuple[str, Count], ...]
    columns: tuple[Described, ...]
    medians: tuple[Filled, ...]
    correlation: Correlation | None
    held_out: HeldOut | None = None


def table_one(plan: Plan, state: State) -> TableOne:
    """Read the table out of a model's arrays.

    Parameters
    ----------
    plan : Plan
        Of a study that asks for a profile, or fills a column by its median.
    state : State
        After trip 1 or later.
    """
    arrays = {name.removeprefix(PREFIX): array for name, array in state.arrays.items() if name.startswith(PREFIX)}
    names = [name for name, _ in plan.columns.numbers]
    medians = [Filled(names[j], _point(row)) for j, row in zip(plan.profile.grids.medians, _rows(arrays), strict=True)]
    return TableOne(
        study=plan.study.study,
        title=plan.study.title,
        groups=_groups(plan, arrays) if "rows" in arrays else (),
        columns=_columns(plan, arrays) if "rows" in arrays else (),
        medians=tuple(medians),
        correlation=_correlation(plan, arrays) if "correlation" in arrays else None,
        held_out=_held_out(plan, state),
    )


def _held_out(plan: Plan, state: State) -> HeldOut | None:
    share = plan.study.evaluation.holdout
    if not share:
        return None
    # Of every kind of figures the first is how many rows they are of.
    measured = state.arrays.get("evaluation")
    return HeldOut(share, None if measured is None else _count(float(measured[0]), plan.study.rules.min_cell))


def _rows(arrays: dict[str, FloatArray]) -> list[FloatArray]:
    return list(arrays.get("medians", ()))


def _groups(plan: Plan, arrays: dict[str, FloatArray]) -> tuple[tuple[str, Count], ...]:
    k = plan.study.rules.min_cell
    return tuple((name, _count(rows, k)) for name, rows in zip(group_names(plan), arrays["rows"], strict=True))


def group_names(plan: Plan) -> tuple[str, ...]:
    """Name the table's groups: all, and each class by the outcome's values that make it."""
    target = plan.study.target
    if not plan.profile.by_target or not isinstance(target, ClassTarget):
        return ("all",)
    if not isinstance(target, CategoryTarget):
        classes = [", ".join(map(str, values)) for values in (target.negative, target.positive)]
    else:
        classes = list(target.levels)
    return ("all", *(f"{target.column} {values}" for values in classes))


def _columns(plan: Plan, arrays: dict[str, FloatArray]) -> tuple[Described, ...]:
    k, groups = plan.study.rules.min_cell, range(len(arrays["rows"]))
    found: dict[str, Described] = {}
    for j, (name, column) in enumerate(plan.columns.numbers):
        numbers = []
        for g in groups:
            present, points = arrays["present"][g, j], arrays["points"][g, j]
            lowest, q1, median, q3, highest = (_point(row) if present > 0 else None for row in points)
            numbers.append(
                NumberGroup(
                    present=_count(present, k),
                    missing=_count(arrays["missing"][g, j], k),
                    mean=float(arrays["mean"][g, j]) if present > 0 else None,
                    deviation=float(arrays["deviation"][g, j]) if present > 1 else None,
                    lowest=_interval(lowest),
                    q1=q1,
                    median=median,
                    q3=q3,
                    highest=_interval(highest),
                )
            )
        unit = f"{column.scale} since {column.since}" if column.type == "date" else column.unit
        found[name] = Described(name, unit or "", tuple(numbers))
    at = 0
    for name, category in plan.columns.categories:
        end = at + 1 + len(category.levels)
        counts = [[_count(n, k) for n in arrays["levels"][g, at:end]] for g in groups]
        levels = [CategoryGroup(row[0], dict(zip(category.levels, row[1:], strict=True))) for row in counts]
        found[name] = Described(name, "", tuple(levels))
        at = end
    return tuple(found[name] for name in plan.study.features)


def _correlation(plan: Plan, arrays: dict[str, FloatArray]) -> Correlation:
    inflation = arrays["inflation"]
    constant = inflation == CONSTANT
    factors = [
        None if value == CONSTANT else float("inf") if value == COMBINATION else float(value) for value in inflation
    ]
    matrix = tuple(
        tuple(None if constant[i] or constant[j] else float(r) for j, r in enumerate(row))
        for i, row in enumerate(arrays["correlation"])
    )
    return Correlation(plan.columns.names, matrix, tuple(factors))


def _count(value: float, min_cell: int) -> Count:
    if value >= 0:
        return int(value)
    return f"<{min_cell}" if value == SMALL else None


def _point(row: FloatArray) -> Point:
    return Point(*(float(value) for value in row))


def _interval(point: Point | None) -> Interval | None:
    return None if point is None else Interval(point.lower, point.upper)
