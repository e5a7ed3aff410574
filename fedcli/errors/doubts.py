"""What `check` finds odd in a table that may still be right: nothing is refused for it.

Owns the codes W1xx; each class is one. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from typing import ClassVar


class Doubt:
    """Base of everything that a person should look at before a table is used.

    Parameters
    ----------
    message : str
        What was seen, with names and counts. Lower case, no full stop, never a row's value.
    hint : str
        What to do if it is wrong.
    column : str
        The agreed name of the column, empty where the whole table is meant.
    rows : str
        Where to look, for the local screen alone.
    """

    code: ClassVar[str] = "W000"

    def __init__(self, message: str, *, hint: str, column: str = "", rows: str = "") -> None:
        self.message = message
        self.hint = hint
        self.column = column
        self.rows = rows

    def __str__(self) -> str:
        return f"{self.message}, {self.rows}" if self.rows else self.message


class OtherUnit(Doubt):
    """A column's typical value would suit another unit, and does not suit the agreed one."""

    code = "W101"


class ManyOutside(Doubt):
    """Many cells lie outside the agreed range, and are clipped or taken for missing."""

    code = "W102"


class MostlyMissing(Doubt):
    """Most cells of a column are missing."""

    code = "W103"


class ConstantColumn(Doubt):
    """All rows have the same value."""

    code = "W104"


class LevelWithoutRows(Doubt):
    """An agreed level is that of no row here."""

    code = "W105"


class NumbersRows(Doubt):
    """A column's numbers seem to name the rows instead of measuring something."""

    code = "W106"


class TellsOutcome(Doubt):
    """A column tells the outcome of nearly every row: it may have been written down after it."""

    code = "W107"


class GroupOfOneOutcome(Doubt):
    """All rows of a level, or all in which a column is missing, have the same outcome."""

    code = "W108"


class SameColumn(Doubt):
    """Two columns say the same."""

    code = "W109"


class CopiedRows(Doubt):
    """Rows stand in the table more than once."""

    code = "W110"


class ManyDropped(Doubt):
    """Many rows are left out because their outcome, weight or offset is missing."""

    code = "W111"


class OneOutcome(Doubt):
    """All rows have the same outcome."""

    code = "W112"


def all_doubts() -> dict[str, type[Doubt]]:
    """Return every class of doubt by its code."""
    return {cls.code: cls for cls in sorted(Doubt.__subclasses__(), key=lambda cls: cls.code)}
