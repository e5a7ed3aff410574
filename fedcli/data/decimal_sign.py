"""Which sign stands before the decimals of numbers that are text: shown by the cells, or left open.

Owns the shapes of numbers. Must not know files or the study. Internal. A number such as 1.234 shows nothing: it may be
a little more than one, or more than a thousand. Taken for the wrong one it would pass in silence, so it is refused
unless other cells, or the silo, tell which it is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable

import polars as pl

from fedcli.data.thousands import shape
from fedcli.errors import BadTable
from fedcli.study.yaml import comment

_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?")
_POINT = re.compile(r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?")
_EITHER = r"^\s*[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}\s*$"
# In a table delimited by commas a point is the decimal sign: who writes 1.234 for a thousand delimits by semicolons.
_COMMA_ALONE = r"^\s*[-+]?[1-9][0-9]{0,2},[0-9]{3}\s*$"
_MORE_RECORDS = 200
_QUOTED = re.compile(rb'"\s*[-+]?[1-9][0-9]{0,2},[0-9]{3}\s*"')


def shown_sign(records: Iterable[list[str]], delimiter: str = ";", thousands: str = "") -> str | None:
    """Return the decimal sign that some cell shows; None where none does, or where cells show both.

    Between commas a quoted ``1,2`` may be two answers: it shows nothing where another cell of its column holds a comma
    and is no number. Where the silo states what parts ``thousands``, every number with the other sign shows it.

    Examples
    --------
    >>> shown_sign([["1.234", "950"], ["2,5", ""]])
    ','
    >>> shown_sign([["1.234", "950"]]) is None, shown_sign([["1.2", "2,5"]]) is None
    (True, True)
    >>> shown_sign([["1.234", "950"]], ","), shown_sign([["1,2"], ["1,2,3"]], ",")
    ('.', None)
    >>> shown_sign([["1 234,567"]], thousands=" "), shown_sign([["1,234"]], thousands=" ")
    (',', ',')
    """
    between_commas = delimiter == ","
    unclear = re.compile("(?!)" if thousands else _COMMA_ALONE if between_commas else _EITHER)
    parted = re.compile(shape(thousands)) if thousands else None
    shown: dict[str, set[int]] = {".": set(), ",": set()}
    lists: set[int] = set()
    more = _MORE_RECORDS
    try:
        for record in records:
            for place, cell in enumerate(record):
                if ("," not in cell and "." not in cell) or unclear.match(cell):
                    continue
                plain = cell.strip()
                if parted and parted.match(plain):
                    plain = plain.translate(dict.fromkeys(map(ord, thousands)))
                sign = _sign(plain)
                if sign is not None:
                    shown[sign].add(place)
                elif between_commas and "," in cell:
                    lists.add(place)
            # A few more, lest a column of codes such as 1.2 speaks for all; not all, for time. Commas between commas
            # are rarer, and pairs of answers commoner: there a point may still come.
            more -= bool(shown["."] or (shown[","] and not between_commas))
            if more < 0:
                break
    except csv.Error:
        # A damaged record is reported, with its line, when the table is read.
        pass
    signs = [sign for sign, places in shown.items() if places - lists]
    return signs[0] if len(signs) == 1 else None


def _sign(cell: str) -> str | None:
    return "." if _POINT.fullmatch(cell) else "," if _COMMA.fullmatch(cell) else None


def may_be_open(data: bytes, delimiter: str) -> bool:
    """Say, at a glance, whether a block of text may hold numbers whose sign is open."""
    if delimiter == ",":
        return b'"' in data and _QUOTED.search(data) is not None
    return b"." in data or b"," in data


def open_cell(cells: pl.Series, delimiter: str = "") -> int | None:
    """Return the place of the first of the text cells (n,) that may be a thousand or a decimal; None without any."""
    pattern = _COMMA_ALONE if delimiter == "," else _EITHER
    found = cells.str.contains(pattern).fill_null(False)
    return found.arg_max() if found.any() else None


def left_open(column: str, cell: str, where: str) -> BadTable:
    """Return the error for a number whose sign nobody can tell; of ``cell`` only its sign is said."""
    word = "comma" if "," in cell else "point"
    error = BadTable(
        f"nobody can tell whether the {word} in numbers of column '{comment(column)}' is the decimal sign or parts "
        "thousands",
        hint=f"if it is the decimal sign, write in silo.yaml: table: {{decimal: {word}}}; "
        f"if it parts thousands, table: {{thousands: {word}}}",
        where=where,
    )
    error.column = column
    return error
