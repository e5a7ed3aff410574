"""Quotation marks in delimited text: which line breaks end a record, and which are part of a cell.

Owns the counting of marks over bytes, without parsing. Must not know files, names or types of columns. Internal. A mark
opens a cell only at the cell's beginning: the one in ``5' 6" tall`` stands for itself. Polars, asked for other columns
only, takes all rows from one such cell to the next for one record, without a word.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(rb'\s*"?[-+]?[0-9]+([.,][0-9]+)?"?\s*')

_PORTION = 1 << 17


def last_record_end(data: bytes, delimiter: str) -> int:
    """Return where the last whole record of ``data`` ends: behind a line break outside quoted cells."""
    end = data.rfind(b"\n") + 1
    if b'"' not in data:
        return end
    if takes_turns(data, delimiter):
        inside, at = data.count(b'"', 0, end) % 2, end
        while inside and at:
            before = data.rfind(b"\n", 0, at - 1) + 1
            inside ^= data.count(b'"', before, at) % 2
            at = before
        return at
    last, behind = 0, 0
    for cell in _quoted(delimiter).finditer(data, 0, end):
        last = max(last, data.rfind(b"\n", behind, cell.start()) + 1)
        behind = cell.end()
        if not cell.group(1):
            return last
    return max(last, data.rfind(b"\n", behind, end) + 1)


@cache
def _quoted(delimiter: str) -> re.Pattern[bytes]:
    """Return the pattern of a quoted cell; its group is empty where the cell does not end."""
    return re.compile(rb"(?<![^\n" + re.escape(delimiter.encode()) + rb'])"[^"]*(?:""[^"]*)*("|\Z)')


def takes_turns(data: bytes, delimiter: str) -> bool:
    """Say whether marks open and close cells by turns, none of them standing for itself; ``data`` begins a record."""
    letters = np.frombuffer(data, dtype=np.uint8)
    marks = np.flatnonzero(letters == ord('"'))
    opening, closing = marks[::2], marks[1::2]
    # Two marks in a quoted cell close and open it again, which comes to the same.
    fits = np.zeros(256, dtype=np.bool_)
    fits[[ord(sign) for sign in (delimiter, "\n", '"')]] = True
    before = fits[letters[opening - 1]] | (opening == 0)
    fits[ord("\r")] = True
    behind = fits[letters[np.minimum(closing + 1, len(letters) - 1)]]
    return bool(before.all() and behind.all())


def shape(data: bytes, delimiter: str) -> tuple[int, int]:
    """Count records and delimiters outside quotation marks, as if these took turns."""
    outside = _outside(data)
    letters = np.frombuffer(data, dtype=np.uint8)
    lines = int(((letters == ord("\n")) & outside).sum())
    delimiters = int(((letters == ord(delimiter)) & outside).sum())
    return lines + (not data.endswith(b"\n")), delimiters


def count(data: bytes, letter: str) -> int:
    """Count one letter: twice as fast as ``bytes.count``, which stops at each; in portions that fit the cache."""
    letters, sign = np.frombuffer(data, dtype=np.uint8), ord(letter)
    return sum(int(np.count_nonzero(letters[at : at + _PORTION] == sign)) for at in range(0, len(letters), _PORTION))


def lines_before(data: bytes, record: int) -> int:
    """Count the lines of ``data`` before ``record``, from 0, as if marks took turns."""
    if record == 0 or b'"' not in data:
        return record
    ends = np.flatnonzero((np.frombuffer(data, dtype=np.uint8) == ord("\n")) & _outside(data))
    return data.count(b"\n", 0, int(ends[record - 1]) + 1)


def swallowed(data: bytes, delimiter: str, width: int) -> tuple[int, int] | None:
    """Find a quoted cell whose every further line looks like a record of its own.

    A mark that opens a cell by mistake and another that happens to close it, many lines below, take all records between
    them into one cell: they would be lost in silence. Lines look like records when each has as many cells as there are
    columns, and a number where the record that holds them has one before the cell.

    Returns
    -------
    tuple of (int, int), or None
        Lines of ``data`` before the cell, and the lines that it takes in.
    """
    separator = delimiter.encode()
    for cell in _quoted(delimiter).finditer(data):
        if b"\n" not in cell.group():
            continue
        end = data.find(b"\n", cell.end())
        lines = data[cell.start() : end if end >= 0 else len(data)].split(b"\n")[1:]
        lines = [line for line in lines if line.strip()]
        if not lines or any(line.count(separator) != width - 1 for line in lines):
            continue
        start = data.rfind(b"\n", 0, cell.start()) + 1
        before = data[start : cell.start()].split(separator)[:-1]
        places = [i for i, text in enumerate(before) if _NUMBER.fullmatch(text)]
        if places and all(any(_NUMBER.fullmatch(line.split(separator)[i]) for i in places) for line in lines):
            return data.count(b"\n", 0, start), len(lines)
    return None


def _outside(data: bytes) -> NDArray[np.bool_]:
    """Return for each byte whether an even number of marks stands before it."""
    letters = np.frombuffer(data, dtype=np.uint8)
    # The count wraps at 256, which keeps what is even even.
    outside: NDArray[np.bool_] = np.cumsum(letters == ord('"'), dtype=np.uint8) & 1 == 0
    return outside
