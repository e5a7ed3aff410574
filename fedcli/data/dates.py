"""Days as silos write them: what a spelling is, and which day a cell names.

Owns the spellings (of DD, MM, YYYY and separators) and the reading of cells. Must not know files, reports or what a
day is for. Internal. Nothing is guessed: a cell is read in the one spelling that was stated, or as ISO 8601, which no
other spelling can be taken for: a workbook's true dates stand in one column with those that were typed as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedcli.data.cells import NO_VALUE, STRIPPED, BoolArray, Codes
from fedcli.data.typed import as_text, told_apart
from fedcli.fileformat.statistics import FloatArray

_PARTS = ("YYYY", "MM", "DD")
_SEPARATOR = r"[-./ _,年月日]{0,3}"
# A time behind the day is dropped, whatever its precision and zone: the day is the one that is written.
_TIME = r"(?:[Tt]|\s+)\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[AaPp]\.?[Mm]\.?)?\s*(?:Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?"


@dataclass(frozen=True)
class Spelling:
    """How a silo writes days.

    Parameters
    ----------
    text : str
        As in ``silo.yaml``: ``DD.MM.YYYY``.

    Examples
    --------
    >>> Spelling.parse("DD.MM.YYYY").matches("1.2.2024 12:30")
    True
    >>> Spelling.parse("YYYYMMDD").matches("20240229")
    True
    """

    text: str
    pattern: str

    ISO: ClassVar[Spelling]

    @classmethod
    def parse(cls, text: str) -> Spelling:
        """Read a spelling.

        Raises
        ------
        ValueError
            With the sentence that a silo reads.
        """
        found = re.split("(YYYY|MM|DD)", text.strip().upper())
        parts, between = found[1::2], [found[0], *found[2::2]]
        if sorted(parts) != sorted(_PARTS) or not all(re.fullmatch(_SEPARATOR, sign) for sign in between):
            if sorted(parts) == ["DD", "MM"] and "YY" in "".join(between):
                raise ValueError("years have four digits, YYYY: of two nobody can tell the century")
            raise ValueError("a spelling is made of DD, MM and YYYY, each once, with signs or nothing between them")
        # Where a sign ends the number, 1.2.2024 is as clear as 01.02.2024.
        loose = all(between[1:3])
        width = {"YYYY": r"(\d{4})", "MM": r"(\d{1,2})" if loose else r"(\d{2})"}
        width["DD"] = width["MM"]
        body = "".join(re.escape(sign) + width[part] for sign, part in zip(between, parts, strict=False))
        # Numbers of a column with gaps come back from some programs as 20240229.0.
        end = re.escape(between[3]) + ("" if any(between) else r"(?:\.0)?")
        return cls(text.strip(), f"^{body}{end}(?:{_TIME})?$")

    @property
    def beside_iso(self) -> bool:
        """Whether no cell can be a day both in this spelling and in ISO 8601, and not the same."""
        return self.order != (1, 3, 2)

    @property
    def order(self) -> tuple[int, int, int]:
        """Which groups of ``pattern`` are year, month and day, from 1."""
        parts = re.findall("YYYY|MM|DD", self.text.upper())
        return parts.index("YYYY") + 1, parts.index("MM") + 1, parts.index("DD") + 1

    def days(self, texts: pl.Series) -> pl.Series:
        """Return the day of each stripped text (n,) as a date; null where it is none in this spelling."""
        year, month, day = (texts.str.extract(self.pattern, group) for group in self.order)
        iso = year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
        # Not strict: 30 February is no day.
        return iso.str.to_date("%Y-%m-%d", strict=False)

    def matches(self, text: str) -> bool:
        """Return whether ``text`` is a day in this spelling."""
        return self.days(pl.Series([text])).null_count() == 0


Spelling.ISO = Spelling.parse("YYYY-MM-DD")

# What is proposed to a silo whose days are not spelled as agreed. The common ones; any other may be stated.
KNOWN = tuple(
    Spelling.parse(text)
    for text in (
        "YYYY-MM-DD",
        "DD.MM.YYYY",
        "DD/MM/YYYY",
        "MM/DD/YYYY",
        "DD-MM-YYYY",
        "MM-DD-YYYY",
        "YYYY/MM/DD",
        "YYYY.MM.DD",
        "YYYYMMDD",
        "DDMMYYYY",
        "MMDDYYYY",
    )
)


def candidates(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the known spellings in which every text is a day; none where there are no texts."""
    cells = pl.Series([text.strip(STRIPPED) for text in texts], dtype=pl.String)
    if not len(cells):
        return ()
    return tuple(spelling.text for spelling in KNOWN if spelling.days(cells).null_count() == 0)


def read_days(cells: pl.Series, missing: Codes, spelling: Spelling, since: str) -> tuple[FloatArray, BoolArray]:
    """Read cells as days.

    Parameters
    ----------
    cells : polars.Series
        Text, or typed cells: dates and moments are what they are, whatever the spelling.
    missing : Codes
        Besides the empty cell. A code that writes a day, in this spelling or in ISO 8601, is that day however written.
    spelling : Spelling
        Beside it ISO 8601 is read, save where the two could be mistaken for each other.
    since : str
        The day that counts as 0, ISO 8601.

    Returns
    -------
    days : ndarray of float64 (n,)
        Whole days since ``since``; NaN where missing.
    bad : ndarray of bool (n,)
        Cells that are neither a day nor missing; NaN in ``days``.
    """
    if cells.dtype in (pl.Date, pl.Datetime):
        spelling = Spelling.ISO
    # Each day is written in many rows: it is read once.
    distinct, places = told_apart(as_text(cells).fill_null(""))
    texts = distinct.str.strip_chars(STRIPPED)
    found = spelling.days(texts)
    if spelling.beside_iso and found.null_count():
        found = found.fill_null(Spelling.ISO.days(texts))
    codes = pl.Series(sorted(missing.texts), dtype=pl.String)
    marks: set[object] = set()
    for way in (spelling, Spelling.ISO):
        marks |= set(way.days(codes).drop_nulls().to_list())
    absent = (
        texts.str.to_lowercase().is_in(list(NO_VALUE))
        | texts.is_in(list(missing.texts))
        | found.is_in(list(marks)).fill_null(False)
    ).to_numpy()
    numbers: NDArray[np.float64] = found.to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy(writable=True)
    bad = np.isnan(numbers) & ~absent
    numbers[absent] = np.nan
    origin = np.datetime64(since, "D").astype(np.int64)
    return (numbers - float(origin))[places], np.asarray(bad)[places]
