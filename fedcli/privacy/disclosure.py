"""The tests that an update must pass before it may leave a silo.

Owns the rules: enough rows, enough rows per column, no small cell; where agreed, no column of hardly anything but
levels, and no row that makes most of a sum. Knows nothing of tables, models or screens; it is handed counts. Internal.

References
----------
Small cells and parameters per row: DataSHIELD's ``nfilter.tab`` and ``nfilter.glm``; levels: its ``nfilter.levels.max``
and ``nfilter.levels.density``. Rows per column: two curvature matrices at different points, from a silo with no more
rows than columns, give every row back by generalised eigenvectors (measured by this project, errors of 1e-15 to 1e-9).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedcli.errors import CellTooSmall, DominantRow, RefusedError, TooFewRows, TooManyColumns

# What helps where a column of a map singles rows out.
_ANOTHER_MAP = (
    "ask the coordinator for fewer columns of the map or for another map (model.map: an RBFSampler's columns mix all "
    "rows everywhere), in a new study, without sending this screen"
)


@dataclass(frozen=True)
class Cell:
    """A group of training rows: ``says`` names its levels, ``count`` is how many rows it has."""

    says: str
    count: int


@dataclass(frozen=True)
class Merged:
    """A level of ``column`` that has too few training rows: its ``rows`` are counted as ``other``.

    ``again`` says that they are enough now, but that an earlier update of the study counted them so.
    """

    column: str
    level: str
    other: str
    rows: int
    again: bool = False

    def __str__(self) -> str:
        counted = "1 row of" if self.rows == 1 else f"{self.rows:,} rows of"
        verb, before = "is" if self.rows == 1 else "are", ", as in an earlier update" if self.again else ""
        return f"{counted} '{self.column} = {self.level}' {verb} counted as '{self.other}'{before}"


@dataclass(frozen=True)
class Levels:
    """What updates of a study have done with levels that may be counted as another: pairs of column and level.

    Parameters
    ----------
    merged : frozenset of (str, str)
        Counted as the other level.
    shown : frozenset of (str, str)
        Summed under their own name.
    """

    merged: frozenset[tuple[str, str]] = frozenset()
    shown: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, other: Levels) -> Levels:
        return Levels(self.merged | other.merged, self.shown | other.shown)


@dataclass(frozen=True)
class Largest:
    """The share of one row in one sum: ``share`` of what ``column`` adds up to.

    ``of`` says which sum, ``among`` which rows: empty for all.
    """

    column: str
    share: float
    of: str = "sum"
    among: str = ""

    @property
    def says(self) -> str:
        """The sum in words: ``the sum of 'income' among 'sex = male'``."""
        return f"the {self.of} of '{self.column}'" + (f" among '{self.among}'" if self.among else "")


@dataclass(frozen=True)
class Disclosure:
    """What was tested for one update, for the screen and the ledger.

    Parameters
    ----------
    n_rows, n_held_out : int
        Training rows, and rows held out.
    n_columns : int
        Columns whose products are summed, the intercept included.
    n_counted : int
        The same as the rule on rows per column counts them.
    smallest : Cell or None
        The smallest cell that is not empty.
    problems : tuple of RefusedError
        Empty when the update may leave.
    merged : tuple of Merged
        Levels that are counted as others.
    levels : Levels
        The same, and which are not, for the updates to come.
    largest : Largest or None
        The column in whose sum one row has most; None where the agreement has no rule on it.
    without_third : str
        Why third derivatives are left at zero; empty where they may leave, or the agreement asks for none.
    """

    n_rows: int
    n_held_out: int
    n_columns: int
    smallest: Cell | None
    problems: tuple[RefusedError, ...]
    merged: tuple[Merged, ...] = ()
    largest: Largest | None = None
    levels: Levels = Levels()
    without_third: str = ""
    n_counted: int = 0


def examine(
    cells: Sequence[Cell],
    *,
    n_rows: int,
    n_held_out: int,
    n_columns: int,
    min_rows: int,
    min_cell: int,
    rows_per_column: float,
    effective_rows: float = math.inf,
    parameters_per_row: float | None = None,
    n_coefficients: int = 0,
    levels: Mapping[str, int] | None = None,
    max_levels: int | None = None,
    levels_per_row: float | None = None,
    shares: Sequence[Largest] = (),
    largest_share: float | None = None,
    merged: tuple[Merged, ...] = (),
    mergeable: Sequence[str] = (),
    smallest_group: Cell | None = None,
    at_risk: int | None = None,
    n_counted: int | None = None,
    of_map: str = "",
    class_pairs: int = 1,
    n_fits: int = 1,
    n_counted_in_group: int | None = None,
) -> Disclosure:
    """Test an update that the coordinator will be able to read singly.

    Parameters
    ----------
    cells : sequence of Cell
        Every one-way and two-way cell of the agreed levels, missing indicators and classes, on training rows.
    n_rows, n_held_out, n_columns : int
    effective_rows : float
        How many equal rows the weighted sums are worth: 1 where one row has all the weight. Without weights, leave it.
    min_rows, min_cell, rows_per_column : int, int, float
        The study's rules. A cell is small when ``0 < count < min_cell``; zero passes.

    parameters_per_row, max_levels, levels_per_row, largest_share : optional
        Rules that only some studies have.
    n_coefficients : int
        The model's, the intercept included.
    levels : mapping of str to int
        How many levels each category has by the agreement.
    shares : sequence of Largest
        The largest of each column and kind of sum.
    merged : tuple of Merged
        What was done to the levels before ``cells`` were counted.
    mergeable : sequence of str
        Categories whose small levels are counted as another.
    smallest_group : Cell, optional
        The group of fewest rows whose products of columns are summed apart from those of others.
    at_risk : int, optional
        Of a survival study: rows that were at risk at some event. The others are in no sum.
    n_counted : int, optional
        Columns as the rule on rows per column counts them: more than there are where a map makes many of few, or where
        products are summed apart for each pair of classes.
    of_map : str
        With what names of a map's columns begin, where the study has a map.
    class_pairs : int
        Pairs of classes whose products are summed apart.
    n_fits : int
        Fits among which one is chosen, those without each fold included: products are summed for each.
    n_counted_in_group : int, optional
        As ``n_counted``, for ``smallest_group`` alone: of several fits only some tell a fold apart.

    Returns
    -------
    Disclosure
    """
    problems: list[RefusedError] = []
    if n_rows < min_rows:
        problems.append(
            TooFewRows(
                f"{n_rows:,} training row{'' if n_rows == 1 else 's'}, the study requires at least {min_rows:,}",
                hint="ask the coordinator whether this silo should take part (rules.min_rows)",
            )
        )
    elif effective_rows < min_rows:
        problems.append(
            TooFewRows(
                f"the weights of {n_rows:,} training rows are worth {effective_rows:.1f} equal rows, "
                f"the study requires at least {min_rows:,}: a few rows carry nearly all the weight",
                hint="check the weight column; ask the coordinator whether this silo should take part",
            )
        )
    elif at_risk is not None and at_risk < min_rows:
        problems.append(
            TooFewRows(
                f"{at_risk:,} of {n_rows:,} training rows were at risk at an event, the study requires at least "
                f"{min_rows:,}: no other row is in any sum",
                hint="ask the coordinator whether this silo should take part (rules.min_rows)",
            )
        )
    many = n_counted or n_columns
    counted, required, remedy = _columns_needed(
        n_columns, many, rows_per_column, class_pairs, n_fits, mapped=bool(of_map)
    )
    least = rows_per_column * many
    if min(n_rows, effective_rows) < least:
        worth = "" if effective_rows >= n_rows else f" (their weights are worth {effective_rows:.0f} equal ones)"
        problems.append(
            TooManyColumns(
                f"{n_rows:,} training rows{worth} for {counted}, the study requires {required}",
                hint=f"ask the coordinator to {remedy}, to lower rules.rows_per_column knowingly, or to wait "
                "for masked aggregation, in a new study",
            )
        )
    elif smallest_group is not None and smallest_group.count < rows_per_column * (n_counted_in_group or many):
        if n_counted_in_group is not None:
            counted, required, remedy = _columns_needed(
                n_columns, n_counted_in_group, rows_per_column, class_pairs, n_fits, mapped=bool(of_map)
            )
        problems.append(
            TooManyColumns(
                f"{smallest_group.count:,} training rows with {smallest_group.says} for {counted}, whose "
                f"products are summed apart; the study requires {required}",
                hint=f"ask the coordinator to {remedy}, to take fewer folds or another estimator, or to lower "
                "rules.rows_per_column knowingly, in a new study",
            )
        )
    elif at_risk is not None and at_risk < least:
        problems.append(
            TooManyColumns(
                f"{at_risk:,} training rows that were at risk at an event for {counted}, the study requires {required}",
                hint=f"ask the coordinator to {remedy} or to lower rules.rows_per_column knowingly, in a new study",
            )
        )
    worth_rows = min(n_rows, effective_rows)
    if parameters_per_row is not None and n_coefficients > parameters_per_row * worth_rows:
        problems.append(
            TooManyColumns(
                f"{n_coefficients} coefficients from {worth_rows:,.0f} training rows, the study allows "
                f"{parameters_per_row:g} per row ({math.floor(parameters_per_row * worth_rows):,})",
                hint="ask the coordinator to leave columns out or to raise rules.parameters_per_row, in a new study",
            )
        )
    problems += level_problems(levels or {}, max_levels=max_levels, levels_per_row=levels_per_row, n_rows=n_rows)
    largest = max(shares, key=lambda found: found.share, default=None)
    if largest is not None and largest_share is not None and largest.share > largest_share:
        # The share itself would say more of that row than its column does.
        problems.append(
            DominantRow(
                f"one row makes more than {largest_share:.0%} of {largest.says}, counted from an end, the middle or "
                "the zero of the range, or from the mean; that is the most that the study allows",
                hint=_ANOTHER_MAP
                if of_map and largest.column.startswith(of_map)
                else f"look for a mistake in the values of '{largest.column}' that lie far from all others; if they "
                "are right, ask the coordinator for a narrower range with outside: clip, in a new study",
            )
        )
    filled = [cell for cell in cells if cell.count > 0]
    small = sorted((cell for cell in filled if cell.count < min_cell), key=lambda cell: cell.count)
    if small:
        more = len(small) - 1
        others = f", and {more:,} more group{'' if more == 1 else 's'} below that" if more else ""
        rows = "row" if small[0].count == 1 else "rows"
        problems.append(
            CellTooSmall(
                f"the group '{small[0].says}' has {small[0].count} {rows}, "
                f"the study requires at least {min_cell}{others}",
                hint=_ANOTHER_MAP
                if of_map and of_map in small[0].says
                else _after_merging(small[0], mergeable)
                + "ask the coordinator to merge levels or to change rules.min_cell in a new study, "
                "without sending this screen",
            )
        )
    smallest = min(filled, key=lambda cell: cell.count, default=None)
    return Disclosure(
        n_rows, n_held_out, n_columns, smallest, tuple(problems), merged, largest, n_counted=n_counted or n_columns
    )


def _columns_needed(
    n_columns: int, n_counted: int, rows_per_column: float, class_pairs: int, n_fits: int, *, mapped: bool
) -> tuple[str, str, str]:
    """Return in words what rows are wanted for, how many, and what a coordinator can do."""
    why = "from fewer, sums of products can give single rows back"
    required = f"{rows_per_column:g} per column ({rows_per_column * n_counted:,.0f}): {why}"
    if n_counted == n_columns:
        return f"{n_columns} columns", required, "leave columns out"
    what, remedy = ", squares among them", "leave columns out, to name OAS instead"
    if class_pairs > 1:
        what, remedy = f" for each of {class_pairs} pairs of classes", "leave columns out, to merge classes"
    if mapped:
        what, remedy = (
            " that a map makes of few" + what * (class_pairs > 1),
            "let the map make fewer columns (model.map)",
        )
    if n_fits > 1:
        what = f"{what * (class_pairs > 1 or mapped)} in {n_fits} fits among which one is chosen"
        remedy = "let the study choose among fewer models, take fewer folds, or leave columns out"
    return f"{n_columns} columns{what}, which count as {n_counted:,}", required, remedy


def _after_merging(cell: Cell, mergeable: Sequence[str]) -> str:
    """Say that merging small levels into an agreed other one was tried, where it was and did not help."""
    tried = [name for name in mergeable if cell.says.startswith(f"{name} = ") or f" and {name} = " in cell.says]
    if not tried:
        return ""
    return (
        f"small levels of {' and '.join(tried)} are counted as the agreed other one already, and that is not enough: "
    )


def level_problems(
    levels: Mapping[str, int], *, max_levels: int | None, levels_per_row: float | None, n_rows: float = math.inf
) -> list[RefusedError]:
    """Return an error for each category with more levels than the agreement allows.

    Parameters
    ----------
    levels : mapping of str to int
        How many each category has.
    max_levels, levels_per_row : int or float, or None
        The study's rules; None where it has none.
    n_rows : float
        Training rows; infinite while no table is at hand.
    """
    problems: list[RefusedError] = []
    for name, count in levels.items():
        if max_levels is not None and count > max_levels:
            problems.append(
                TooManyColumns(
                    f"'{name}' has {count} levels, the study allows {max_levels}",
                    hint=f"merge levels of '{name}' or raise rules.max_levels, in a new study",
                )
            )
        elif levels_per_row is not None and count > levels_per_row * n_rows:
            problems.append(
                TooManyColumns(
                    f"'{name}' has {count} levels for {n_rows:,.0f} training rows, the study allows "
                    f"{levels_per_row:g} per row ({math.floor(levels_per_row * n_rows):,})",
                    hint=f"ask the coordinator to merge levels of '{name}' or to raise rules.levels_per_row, in a new "
                    "study",
                )
            )
    return problems
