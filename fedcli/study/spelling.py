"""When two spellings are one cell: for agreed levels, codes for a missing value, and the cells of every table.

Owns the one comparison that agreements and the reading of tables share. Must not know columns or tables. Internal.
A level's own blanks and the encoding of its accents do not count, and a number goes by its value, because programs
change them without asking: an integer 1 becomes 1.0 as soon as another cell of its column is empty.
"""

from __future__ import annotations

import re
import unicodedata

# What pandas, R, SQL and Excel write for "no value"; compared without case.
NO_VALUE = frozenset({"", "na", "n/a", "nan", "null", "<na>", "#n/a"})
# How people and programs write no (0) and yes (1), in any case; a silo adds its own language.
YES_OR_NO = (
    ("false", 0),
    ("no", 0),
    ("f", 0),
    ("n", 0),
    ("0", 0),
    ("true", 1),
    ("yes", 1),
    ("t", 1),
    ("y", 1),
    ("1", 1),
)
# What may stand around a value without being part of it; Excel and R leave no-break spaces and byte order marks, web
# pages spaces of other widths and marks that nobody sees.
STRIPPED = " \t\r\n\f\v\u00a0\u2007\u2009\u202f\u3000\ufeff\u200b\u200c\u200d\u200e\u200f\u2060"

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")


def number_of(text: str) -> float | None:
    """Return the number that ``text`` writes, with a decimal point; None when it writes none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def plain(value: str | int | float) -> str:
    """Return the text of a cell in one form: accents composed, nothing around it that does not count."""
    return unicodedata.normalize("NFC", str(value)).strip(STRIPPED)


def identity(value: str | int | float) -> str | float:
    """Return what a cell is compared by: its number if it writes one, else its plain text.

    Examples
    --------
    >>> identity("07") == identity(7.0), identity(" a") == identity("a"), identity("a") == identity("A")
    (True, True, False)
    """
    text = plain(value)
    number = number_of(text)
    return text if number is None else number
