"""What reading offers, whatever a table is kept in: its columns, and its records batch by batch.

Owns the two interfaces between formats and what is done with cells. Must not know a format, a path or the study.
Internal; a further format joins by offering what `Table` does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl


@dataclass(frozen=True)
class Records:
    """Some records of a table.

    Parameters
    ----------
    frame : polars.DataFrame
        One column per column asked for, under the table's own names: text where the format has nothing else, else the
        type that it was kept in (see `typed`); null where there is nothing.
    number : callable
        Gives the number of a record (from 0 in this batch) as the person can find it: its line, or its row.
    name : str
        The file that holds them, for messages.
    unit : str
        What ``number`` counts: ``line`` or ``row``.
    """

    frame: pl.DataFrame
    number: Callable[[int], int]
    name: str
    unit: str = "line"


class Table(Protocol):
    """What reading needs of a table, whatever its format."""

    @property
    def name(self) -> str:
        """The table's name, for messages."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the table's order."""

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers that are text are written 1,5."""

    @property
    def facts(self) -> tuple[str, ...]:
        """What was found out about the table, or stated of it, in words for the silo's own screen."""

    def batches(self, columns: Sequence[str], numbers: Collection[str] = ()) -> Iterator[Records]:
        """Read the table once, from the start, only these columns.

        Parameters
        ----------
        columns : sequence of str
        numbers : collection of str
            Those that the caller reads as numbers alone. A format of text may hand these out as float64 where every
            cell is a number or empty, which saves half of the time; others pay no heed.
        """
