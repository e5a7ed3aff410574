"""The tests that an update must pass before it may leave a silo.

Owns the rules: enough rows, enough rows per column, no small cell. Knows nothing of tables, models or screens; it is
handed counts. Internal.

References
----------
Small cells and parameters per row: DataSHIELD's ``nfilter.tab`` and ``nfilter.glm``. Rows per column: two curvature
matrices at different points, from a silo with no more rows than columns, give every row back by generalised
eigenvectors (measured by this project, errors of 1e-15 to 1e-9).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedcli.errors import CellTooSmall, RefusedError, TooFewRows, TooManyColumns


@dataclass(frozen=True)
class Cell:
    """A group of training rows: ``says`` names its levels, ``count`` is how many rows it has."""

    says: str
    count: int


@dataclass(frozen=True)
class Disclosure:
    """What was tested for one update, for the screen and the ledger.

    Parameters
    ----------
    n_rows, n_held_out : int
        Training rows, and rows held out.
    n_columns : int
        Columns whose products are summed, the intercept included.
    smallest : Cell or None
        The smallest cell that is not empty.
    problems : tuple of RefusedError
        Empty when the update may leave.
    """

    n_rows: int
    n_held_out: int
    n_columns: int
    smallest: Cell | None
    problems: tuple[RefusedError, ...]


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

    Returns
    -------
    Disclosure
    """
    problems: list[RefusedError] = []
    if n_rows < min_rows:
        problems.append(
            TooFewRows(
                f"{n_rows:,} training rows, the study requires at least {min_rows:,}",
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
    if min(n_rows, effective_rows) < rows_per_column * n_columns:
        worth = "" if effective_rows >= n_rows else f" (their weights are worth {effective_rows:.0f} equal ones)"
        problems.append(
            TooManyColumns(
                f"{n_rows:,} training rows{worth} for {n_columns} columns, the study requires {rows_per_column:g} per "
                f"column ({rows_per_column * n_columns:,.0f}): from fewer, sums of products can give single rows back",
                hint="ask the coordinator to leave columns out, to lower rules.rows_per_column knowingly, or to wait "
                "for masked aggregation, in a new study",
            )
        )
    filled = [cell for cell in cells if cell.count > 0]
    small = sorted((cell for cell in filled if cell.count < min_cell), key=lambda cell: cell.count)
    if small:
        others = f", and {len(small) - 1} more groups below that" if len(small) > 1 else ""
        rows = "row" if small[0].count == 1 else "rows"
        problems.append(
            CellTooSmall(
                f"the group '{small[0].says}' has {small[0].count} {rows}, "
                f"the study requires at least {min_cell}{others}",
                hint="ask the coordinator to merge levels or to change rules.min_cell in a new study, "
                "without sending this screen",
            )
        )
    smallest = min(filled, key=lambda cell: cell.count, default=None)
    return Disclosure(n_rows, n_held_out, n_columns, smallest, tuple(problems))
