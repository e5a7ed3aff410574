"""What the columns of a sample hold, found out in one pass: how many cells, and which spellings.

Owns the pass and its bound on memory. Must not know what is made of it, nor the agreement. Internal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from fedcli.data.cells import NO_VALUE, STRIPPED, number_of
from fedcli.data.table import Table
from fedcli.data.typed import as_text

# Enough to tell levels from free text, and to see whether every row is different.
MOST_SPELLINGS = 100_000
# Of what is no number in a column of more spellings than that, a few say enough.
_FEW = 100
_TIME_OF_DAY = re.compile(r"(?<=[0-9])(?:[Tt]|\s+)[0-9]{1,2}:[0-9]{2}.*$")


@dataclass
class Summary:
    """One column.

    Parameters
    ----------
    rows, empty : int
        Its cells, and how many of them are `NO_VALUE`.
    spellings : set of str
        Its different cells, stripped, in Unicode's composed form. Of more than `MOST_SPELLINGS` a part, in which the
        smallest and the largest number are.
    full : bool
        Whether it is a part only.
    all_differ : bool
        Whether no two filled cells are alike; of a part, as far as that was looked at.
    typed : bool
        Whether the file itself says that the column has levels, as Parquet can.
    declared : tuple of str
        The levels that it names, in its order.
    """

    rows: int = 0
    empty: int = 0
    spellings: set[str] = field(default_factory=set)
    full: bool = False
    typed: bool = False
    declared: tuple[str, ...] = ()
    _differed: bool = False

    @property
    def all_differ(self) -> bool:
        """See the class."""
        return self._differed if self.full else len(self.spellings) == self.rows - self.empty > 2

    def add(self, cells: pl.Series) -> None:
        """Take in one batch of the column."""
        dtype = cells.dtype
        self.typed = isinstance(dtype, (pl.Categorical, pl.Enum)) and (self.typed or not self.rows)
        self.declared = tuple(dtype.categories) if self.typed and isinstance(dtype, pl.Enum) else ()
        if isinstance(dtype, pl.Datetime):
            # The day is all that an agreement can ask of a moment.
            cells = cells.dt.date()
        texts = as_text(cells).fill_null("").str.strip_chars(STRIPPED)
        self.rows += len(texts)
        self.empty += int(texts.str.to_lowercase().is_in(list(NO_VALUE)).sum())
        found = (unicodedata.normalize("NFC", text) for text in texts.unique().to_list())
        self._keep(text for text in found if text.lower() not in NO_VALUE)

    def _keep(self, texts: Iterable[str]) -> None:
        if self.full:
            numbers, others = _apart(texts)
            texts = (*numbers, *others[:_FEW])
        self.spellings.update(texts)
        if not self.full and len(self.spellings) > MOST_SPELLINGS:
            self._differed = len(self.spellings) == self.rows - self.empty
            # Moments are many, days are few.
            self.spellings = {_TIME_OF_DAY.sub("", text) for text in self.spellings}
            self.full = len(self.spellings) > MOST_SPELLINGS


def summarise(table: Table, names: Sequence[str]) -> dict[str, Summary]:
    """Read a table once and return what each of these columns holds."""
    found = {name: Summary() for name in names}
    for batch in table.batches(names):
        for name, summary in found.items():
            summary.add(batch.frame.get_column(name))
    return found


def _apart(texts: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the spellings that decide about numbers (smallest, largest, one that is not whole), and what is none."""
    numbers: dict[float, str] = {}
    others = []
    for text in texts:
        number = number_of(text.replace(",", ".", 1))
        if number is None:
            others.append(text)
        else:
            numbers[number] = text
    if not numbers:
        return (), others
    parts = next((n for n in numbers if n % 1), min(numbers))
    return tuple(numbers[n] for n in (min(numbers), max(numbers), parts)), others
