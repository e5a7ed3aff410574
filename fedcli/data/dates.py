"""Days as silos write them: what a spelling is, and which day a cell names.

Owns the spellings (of DD, MM or MON, YYYY or YY, and separators; serial days) and the reading of cells. Must not know
files, reports or what a day is for. Internal. Nothing is guessed: a cell is read in the one spelling that was stated,
or as ISO 8601, which no other spelling can be taken for: a workbook's true dates stand in one column with those that
were typed as text.
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

_PART = re.compile("(YYYY|YY|MON|MM|DD)")
_KINDS = {"YYYY": "year", "YY": "year", "MON": "month", "MM": "month", "DD": "day"}
_SINCE = re.compile(r"(.*?)\s+since\s+(\d{4})", re.IGNORECASE)
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november")
_NUMBER_OF = {
    text: f"{number:02}"
    for number, month in enumerate((*_MONTHS, "december"), 1)
    for text in (month, month[:3], *(["sept"] if month == "september" else []))
}
# Excel and its kin count days from here on; before 1 March 1900 they disagree, since Excel knows a 29 February 1900.
_SERIAL_DAY_0, _FIRST_SERIAL, _LAST_SERIAL = "1899-12-30", 61, 2_958_465
# What may pass for serial days unasked: of the years 1927 to 2118.
_LIKELY_SERIALS = (10_000, 80_000)
_SEPARATOR = r"[-./ _,年月日]{0,3}"
# A time behind the day is dropped, whatever its precision and zone: the day is the one that is written.
_TIME = r"(?:[Tt]|\s+)\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[AaPp]\.?[Mm]\.?)?\s*(?:Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?"


@dataclass(frozen=True)
class Spelling:
    """How a silo writes days.

    Parameters
    ----------
    text : str
        As in ``silo.yaml``: ``DD.MM.YYYY``, ``DD-MON-YYYY``, ``DD.MM.YY since 1930``, ``excel``.
    pattern : str
        Whose groups are its parts.
    first_year : int
        Of years of two digits, the first of the hundred that are meant; else 0.

    Examples
    --------
    >>> Spelling.parse("DD.MM.YYYY").matches("1.2.2024 12:30")
    True
    >>> Spelling.parse("YYYYMMDD").matches("20240229")
    True
    """

    text: str
    pattern: str
    first_year: int = 0

    ISO: ClassVar[Spelling]
    SERIAL: ClassVar[Spelling]

    @classmethod
    def parse(cls, text: str) -> Spelling:
        """Read a spelling.

        Raises
        ------
        ValueError
            With the sentence that a silo reads.
        """
        if text.strip().casefold() == "excel":
            return cls.SERIAL
        since = _SINCE.fullmatch(text.strip())
        found = _PART.split((since[1] if since else text.strip()).upper())
        parts, between = found[1::2], [found[0], *found[2::2]]
        kinds = sorted(_KINDS[part] for part in parts)
        if kinds != ["day", "month", "year"] or not all(re.fullmatch(_SEPARATOR, sign) for sign in between):
            raise ValueError(
                "a spelling is made of DD, MM (or MON: Jan, January) and YYYY (or YY), each once, with signs or nothing"
                " between them, or is excel"
            )
        if ("YY" in parts) != (since is not None):
            raise ValueError(
                "of two digits nobody can tell the century: say the first of the hundred years meant, such as "
                "DD.MM.YY since 1930"
                if since is None
                else "years of four digits need no 'since'"
            )
        # Where a sign ends the number, 1.2.2024 is as clear as 01.02.2024.
        loose = all(between[1:3])
        number = r"(\d{1,2})" if loose else r"(\d{2})"
        width = {"YYYY": r"(\d{4})", "YY": r"(\d{2})", "MON": r"([A-Za-z]{3,9})\.?", "MM": number, "DD": number}
        body = "".join(re.escape(sign) + width[part] for sign, part in zip(between, parts, strict=False))
        # Numbers of a column with gaps come back from some programs as 20240229.0.
        end = re.escape(between[3]) + ("" if any(between) else r"(?:\.0)?")
        return cls(text.strip(), f"^{body}{end}(?:{_TIME})?$", int(since[2]) if since else 0)

    @property
    def beside_iso(self) -> bool:
        """Whether no cell can be a day both in this spelling and in ISO 8601, and not the same."""
        return self is Spelling.SERIAL or self.order != (1, 3, 2)

    @property
    def order(self) -> tuple[int, int, int]:
        """Which groups of ``pattern`` are year, month and day, from 1."""
        kinds = [_KINDS[part] for part in _PART.findall(self.text.upper())]
        return kinds.index("year") + 1, kinds.index("month") + 1, kinds.index("day") + 1

    def days(self, texts: pl.Series) -> pl.Series:
        """Return the day of each stripped text (n,) as a date; null where it is none in this spelling."""
        if self.text.casefold() == "excel":
            serial = texts.str.extract(self.pattern, 1).cast(pl.Int64, strict=False)
            serial = serial.set(~serial.is_between(_FIRST_SERIAL, _LAST_SERIAL).fill_null(False), None)
            return (serial + int(np.datetime64(_SERIAL_DAY_0, "D").astype(np.int64))).cast(pl.Int32).cast(pl.Date)
        year, month, day = (texts.str.extract(self.pattern, group) for group in self.order)
        if "MON" in self.text.upper():
            month = month.str.to_lowercase().replace_strict(_NUMBER_OF, default=None, return_dtype=pl.String)
        if self.first_year:
            # The one year of the hundred from the stated one on that ends so.
            ending = year.cast(pl.Int64, strict=False)
            year = (self.first_year + (ending - self.first_year) % 100).cast(pl.String)
        iso = year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
        # Not strict: 30 February is no day.
        return iso.str.to_date("%Y-%m-%d", strict=False)

    def matches(self, text: str) -> bool:
        """Return whether ``text`` is a day in this spelling."""
        return self.days(pl.Series([text])).null_count() == 0


Spelling.ISO = Spelling.parse("YYYY-MM-DD")
# A fraction is a time of that day.
Spelling.SERIAL = Spelling("excel", r"^([1-9]\d{0,6})(?:\.\d+)?$")

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
        "DD-MON-YYYY",
        "DD MON YYYY",
        "MON DD, YYYY",
    )
)
# Those that need a word more, which a silo has to fill in, and the bare separators that they have.
_TWO_DIGITS = ("DD.MM.YY", "DD/MM/YY", "MM/DD/YY", "DD-MM-YY", "YY-MM-DD", "DD-MON-YY")
BLANK = "YEAR"


def candidates(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the spellings in which every text is a day, none where there are no texts.

    Years of two digits come with `BLANK` for the first of their hundred years; a column of serial days is one only
    where all are of likely years.
    """
    cells = pl.Series([text.strip(STRIPPED) for text in texts], dtype=pl.String)
    if not len(cells):
        return ()
    found = [spelling.text for spelling in KNOWN if spelling.days(cells).null_count() == 0]
    for text in _TWO_DIGITS:
        # Any hundred years with a leap day in each place of the cycle: which they are is for the silo to say.
        if Spelling.parse(f"{text} since 1930").days(cells).null_count() == 0:
            found.append(f"{text} since {BLANK}")
    serials = cells.str.extract(Spelling.SERIAL.pattern, 1).cast(pl.Int64, strict=False)
    if serials.is_between(*_LIKELY_SERIALS).fill_null(False).all():
        found.append(Spelling.SERIAL.text)
    return tuple(found)


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
