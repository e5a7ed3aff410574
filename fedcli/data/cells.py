"""What a cell's text means: a number, a level, or nothing.

Owns the reading of cells by `spelling`, the same for levels, targets and missing codes: the plain text first, then the
number it writes, so that one silo's ``1.0`` is another's ``1``. Must not know files or reports. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedcli.data.thousands import joined, number_parted
from fedcli.data.typed import NUMBER, as_floats, as_text, kind_of
from fedcli.fileformat.statistics import FloatArray
from fedcli.study.document import Cell
from fedcli.study.spelling import NO_VALUE, STRIPPED, number_of, plain

__all__ = [
    "MISSING",
    "NO_VALUE",
    "STRIPPED",
    "UNKNOWN",
    "BoolArray",
    "Codes",
    "LevelReader",
    "number_of",
    "read_numbers",
]

BoolArray = NDArray[np.bool_]

MISSING = -1
UNKNOWN = -2
# Levels and codes are few; free text in a wrongly chosen column is not, and is not kept.
_KEPT = 1_000


@dataclass(frozen=True)
class Codes:
    """A set of spellings: by text, and by number for those that write one."""

    texts: frozenset[str]
    numbers: frozenset[float]

    @classmethod
    def of(cls, values: Iterable[Cell], *, thousands: str = "") -> Codes:
        """Collect the study's or the silo's codes; in texts of the silo's, signs may part ``thousands``."""
        values = list(values)
        read = [
            number_parted(plain(v), thousands) if thousands and isinstance(v, str) else number_of(plain(v))
            for v in values
        ]
        return cls(frozenset(map(plain, values)), frozenset(number for number in read if number is not None))

    def __or__(self, other: Codes) -> Codes:
        return Codes(self.texts | other.texts, self.numbers | other.numbers)

    def hold(self, text: str, number: float | None) -> bool:
        """Say whether a cell is one of them, by its text or by the number that it writes."""
        return text in self.texts or number in self.numbers


def read_numbers(
    cells: pl.Series, missing: Codes, *, decimal_comma: bool = False, thousands: str = ""
) -> tuple[FloatArray, BoolArray]:
    """Read cells as numbers.

    Parameters
    ----------
    cells : polars.Series
        Text, or typed cells, which are read as their text would be; see `typed`.
    missing : Codes
        Besides the empty cell and `NO_VALUE`.
    decimal_comma : bool
        Whether text writes numbers 1,5; a point is then no number, since it may be a thousands separator.
    thousands : str
        Signs that part thousands in text, see `thousands`.

    Returns
    -------
    values : ndarray of float64 (n,)
        NaN where missing; infinity never. Not to be written to: it may be the cells' own memory.
    bad : ndarray of bool (n,)
        Cells that are neither number nor missing; NaN in ``values``.
    """
    parsed = None if cells.dtype == pl.String else as_floats(cells)
    if parsed is None:
        cells = as_text(cells)
        parsed = _parse(cells, decimal_comma, thousands)
    else:
        decimal_comma, thousands = False, ""
    values: FloatArray = parsed.to_numpy()
    bad = np.zeros(len(values), dtype=np.bool_)
    doubtful = np.flatnonzero(~np.isfinite(values))
    # A clean column is looked at where it lies: to copy all takes as long as the rest of this.
    if (doubtful.size or missing.numbers) and not values.flags.writeable:
        values = values.copy()
    if doubtful.size:
        # Only these cells are looked at as text: in a clean column there is none.
        text = as_text(cells.gather(doubtful)).fill_null("").str.strip_chars(STRIPPED)
        again: FloatArray = _parse(text, decimal_comma, thousands).to_numpy(writable=True)
        again[np.isinf(again)] = np.nan
        absent = text.str.to_lowercase().is_in(list(NO_VALUE)) | text.is_in(list(missing.texts))
        values[doubtful] = again
        bad[doubtful] = np.isnan(again) & ~absent.to_numpy()
    for code in missing.numbers:
        values[values == code] = np.nan
    return values, bad


def _parse(cells: pl.Series, decimal_comma: bool, thousands: str) -> pl.Series:
    if thousands:
        cells = joined(cells, thousands, "," if decimal_comma else ".")
    if decimal_comma:
        pointed = cells.str.contains(".", literal=True)
        cells = cells.str.replace(",", ".", literal=True)
        cells = cells.set(pointed.fill_null(False), None)
    # What does not parse becomes null, and null becomes NaN.
    return cells.cast(pl.Float64, strict=False).fill_null(float("nan"))


class LevelReader:
    """Reads cells as codes of levels; remembers the spellings it has met. A typed truth value is 1 or 0 as well.

    Parameters
    ----------
    levels : sequence of (str, int)
        Agreed spelling and its code.
    missing : Codes
    spellings : mapping of str to str
        The silo's own spelling to the agreed one; it wins over everything else.
    any_case : bool
        Whether agreed spellings, all in small letters, are found in capitals too.
    thousands : str
        Signs that part thousands in text.
    """

    def __init__(
        self,
        levels: Sequence[tuple[str, int]],
        missing: Codes,
        spellings: Mapping[str, str],
        *,
        any_case: bool = False,
        thousands: str = "",
    ) -> None:
        agreed = _Lookup(levels, number_of)
        self._any_case = any_case
        self._number_of = partial(number_parted, signs=thousands) if thousands else number_of
        local = [(spelling, agreed.find(level, number_of(level))) for spelling, level in spellings.items()]
        self._agreed = agreed
        self._local = _Lookup([(spelling, code) for spelling, code in local if code is not None], self._number_of)
        self._missing = missing
        # By whether the cells are numbers or text: a number 1.234 has no thousands.
        self._known: dict[bool, dict[str, int]] = {True: {}, False: {}}
        # Cells of text tables as they were written, and their codes.
        self._met = pl.Enum([]), np.empty(0, dtype=np.int32)

    def read(self, cells: pl.Series) -> NDArray[np.int32]:
        """Return the code of each cell (n,): `MISSING` or `UNKNOWN` where it is none."""
        if cells.is_empty():
            return np.empty(0, dtype=np.int32)
        yes_or_no = cells.dtype == pl.Boolean
        # Of numbers only the distinct ones are written out; decimals may differ in their width from batch to batch.
        typed = kind_of(cells.dtype) == NUMBER
        if cells.dtype == pl.String:
            return self._read_text(cells)
        if not typed or cells.dtype.is_decimal():
            cells = as_text(cells).fill_null("").str.strip_chars(STRIPPED)
        distinct = cells.unique()
        texts = as_text(distinct).fill_null("").to_list()
        codes = self._codes(texts, typed)
        if yes_or_no:
            codes = [
                self._code(str(int(t == "true")), typed) if c == UNKNOWN else c
                for t, c in zip(texts, codes, strict=True)
            ]
        replaced = cells.replace_strict(distinct, pl.Series(codes, dtype=pl.Int32), return_dtype=pl.Int32)
        return replaced.to_numpy(writable=True)

    def _read_text(self, cells: pl.Series) -> NDArray[np.int32]:
        """Return the code of each cell (n,) of a text table: by one look at each, where all were met before."""
        if cells.null_count():
            cells = cells.fill_null("")
        spelled, codes = self._met
        found = cells.cast(spelled, strict=False)
        if found.null_count():
            distinct = spelled.categories.append(cells.filter(found.is_null()).unique())
            spelled = pl.Enum(distinct)
            codes = np.array(self._codes([text.strip(STRIPPED) for text in distinct.to_list()], False), dtype=np.int32)
            found = cells.cast(spelled)
            if len(distinct) <= _KEPT:
                self._met = spelled, codes
        return np.asarray(codes[found.to_physical().to_numpy()])

    def _codes(self, texts: list[str], typed: bool) -> list[int]:
        """Return the code of each stripped text, and keep it."""
        known = self._known[typed]
        codes = [known[t] if t in known else self._code(t, typed) for t in texts]
        if len(texts) <= _KEPT:
            known |= dict(zip(texts, codes, strict=True))
        return codes

    def _code(self, text: str, typed: bool) -> int:
        text = plain(text)
        number = number_of(text) if typed else self._number_of(text)
        local = self._local.find(text, number)
        if local is not None:
            return local
        if self._missing.hold(text, number):
            return MISSING
        agreed = self._agreed.find(text.casefold() if self._any_case else text, number)
        if agreed is not None:
            return agreed
        return MISSING if text.lower() in NO_VALUE else UNKNOWN


class _Lookup:
    """Finds a code by text, else by number where that names one code only."""

    def __init__(self, pairs: Iterable[tuple[str, int]], number: Callable[[str], float | None]) -> None:
        self.by_text: dict[str, int] = {}
        by_number: dict[float, set[int]] = {}
        for spelling, code in pairs:
            text = plain(spelling)
            self.by_text[text] = code
            if (value := number(text)) is not None:
                by_number.setdefault(value, set()).add(code)
        self.by_number = {number: codes.pop() for number, codes in by_number.items() if len(codes) == 1}

    def find(self, text: str, number: float | None) -> int | None:
        if text in self.by_text:
            return self.by_text[text]
        return None if number is None else self.by_number.get(number)
