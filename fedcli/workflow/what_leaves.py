"""What would leave a silo, as `train` shows it: classes of numbers, tests, rows that are not used, and who is told.

Owns the dataclasses. Knows nothing of how they are printed or found. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedcli.study.document import Study

if TYPE_CHECKING:
    from fedcli.report.sheet import SheetTest


@dataclass(frozen=True)
class ReleaseBlock:
    """One class of numbers that would leave.

    ``shape`` is the array's as it is sent, ``form`` says how people read it: ``13 x 13 with each pair once``. ``rows``
    are those behind the numbers; ``singly`` says who can read them for this silo alone, ``in_sum`` who cannot.
    """

    name: str
    count: int
    says: str
    shape: tuple[int, ...] = ()
    form: str = ""
    rows: str = ""
    singly: str = ""
    in_sum: str = ""


@dataclass(frozen=True)
class RowsDropped:
    """Rows that are not used, since they lack a column: the ``role`` is ``outcome``, ``offset`` or ``weight``."""

    role: str
    column: str
    rows: int

    def __str__(self) -> str:
        return f"{self.rows:,} without {self.column} ({self.role})"


def rows_dropped(study: Study, counts: Mapping[str, int]) -> tuple[RowsDropped, ...]:
    """Return which rows are not used, by what they lack; a row counts once.

    Parameters
    ----------
    study : Study
    counts : mapping of str to int
        By column.
    """
    roles = (("outcome", study.target), ("offset", study.offset), ("weight", study.weight))
    found = (RowsDropped(role, part.column, counts.get(part.column, 0)) for role, part in roles if part is not None)
    return tuple(dropped for dropped in found if dropped.rows)


@dataclass(frozen=True)
class SheetKept:
    """The sheet of a release as files in ``review/``: its text, which is what is approved, and its page."""

    text: Path
    page: Path
    digest: str


@dataclass(frozen=True)
class Release:
    """What would leave a silo, shown before it does.

    ``columns`` are those that are summed, after the intercept; ``dropped`` counts rows that are not used by what they
    lack; ``sheet`` is None as long as it is not a file.
    """

    silo: str
    study: str
    title: str
    round: int
    attempt: int
    rows: int
    rows_held_out: int
    rows_dropped: int
    blocks: tuple[ReleaseBlock, ...]
    columns: tuple[str, ...]
    n_columns: int
    smallest: tuple[str, int] | None
    recipient: str
    recipient_fingerprint: str
    update: Path
    size: int
    again: bool
    warnings: tuple[str, ...]
    tests: tuple[SheetTest, ...] = ()
    dropped: tuple[RowsDropped, ...] = ()
    sheet: SheetKept | None = None
