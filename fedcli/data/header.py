"""The names over a table's columns: their one form, and whether the line that should hold them seems to be a record.

Owns both. Must not know files or what a column means. Internal. A cell of what may be a record is repeated by no
message.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from fedcli.data.dates import candidates
from fedcli.errors import BadTable
from fedcli.study.spelling import STRIPPED, number_of

# Of the codes for a missing value, those that are no word: a column may be called 'unknown'.
_SIGNS = frozenset({"?", ".", "-", "--", "*"})
_ABOVE = "put a line with the columns' names above it"


def clean_header(names: Sequence[str | None], *, where: str, of_query: bool = False) -> tuple[str, ...]:
    """Return the names of the columns in one form, blank where there is none.

    Parameters
    ----------
    names : sequence of (str or None)
    where : str
        File and line, for messages.
    of_query : bool
        A database gave them, so that they are no record.

    Raises
    ------
    BadTable
        A name stands twice.
    """
    header = tuple(unicodedata.normalize("NFC", (name or "").strip().strip(STRIPPED)) for name in names)
    # A blank name (a row number, a trailing delimiter) can be no study's column, so it may stand twice.
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if not twice:
        return header
    cells, filled = 0 if of_query else record_cells(header), sum(map(bool, header))
    if 2 * cells >= filled:
        raise BadTable(
            f"the first line seems to hold a record, not the names of columns: {cells} of its {filled} cells are "
            "numbers or days, and some stand there twice",
            hint=f"the first line must name the columns: {_ABOVE}",
            where=where,
        )
    if cells:
        places = " and ".join(str(place) for place, name in enumerate(header, 1) if name == twice[0])
        raise BadTable(
            f"the header has one name for columns {places}",
            hint=f"rename all but one; or if the first line holds a record, as {cells} of its {filled} cells would be, "
            f"{_ABOVE}",
            where=where,
        )
    raise BadTable(
        f"the header names column '{twice[0]}' {header.count(twice[0])} times",
        hint="rename all but one, so that it is clear which is meant",
        where=where,
    )


def record_cells(names: Sequence[str]) -> int:
    """Return how many names are none: numbers, days, or signs that stand for a missing value.

    Examples
    --------
    >>> record_cells(["54", "male", "2024-02-29", "?"]), record_cells(["age", "sex", "chol_2"])
    (3, 0)
    """
    return sum(number_of(name) is not None or name in _SIGNS or bool(candidates([name])) for name in names if name)
