"""Cutting a delimited file into blocks of whole records, and parsing each as text.

Owns record ends, cell counts, encodings and line numbers. Must not know names or types of columns. Internal.
A file whose records differ in length is refused rather than padded: a cut-off line would else lose cells in silence.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, NoReturn

import polars as pl

from fedcli.data.csv_quotes import count, last_record_end, lines_before, shape, swallowed, takes_turns
from fedcli.data.text_file import UNREADABLE, damaged
from fedcli.errors import BadTable

# Measured: 4 to 32 MB differ little in time, memory grows with it.
BLOCK_BYTES = 8 << 20
_LONGEST_RECORD = 64 << 20
MARKS_HINT = "look for a quotation mark that is never closed, or for one inside a quoted cell that is not doubled"


@dataclass(frozen=True)
class Block:
    """Whole records, UTF-8, one per line unless a quoted cell holds a line break.

    Parameters
    ----------
    data : bytes
    first_line : int
        Line in the file of the first record.
    delimiter : str
    width : int
        Number of cells of each record.
    name : str
        The file's name, for messages.
    """

    data: bytes
    first_line: int
    delimiter: str
    width: int
    name: str

    @cached_property
    def marked(self) -> bool:
        """Whether there are quotation marks."""
        return b'"' in self.data

    @cached_property
    def n_lines(self) -> int:
        """How many lines there are, the last one with or without an end."""
        return count(self.data, "\n") + (not self.data.endswith(b"\n"))

    def records(
        self, places: Sequence[int], numbers: Collection[int] = ()
    ) -> tuple[pl.DataFrame, Callable[[int], int]]:
        """Parse the cells at ``places``; columns are named by their place.

        Parameters
        ----------
        places : sequence of int
        numbers : collection of int
            Places that are parsed as float64 where every cell is a number or empty; all else is text.

        Returns
        -------
        frame : polars.DataFrame
        line : callable
            Gives the line in the file on which a record, from 0, begins.

        Raises
        ------
        BadTable
            A record has more or fewer cells than the header, or takes in others by a quotation mark.
        """
        if self.marked:
            n_records, n_delimiters = shape(self.data, self.delimiter)
            tidy = takes_turns(self.data, self.delimiter)
            # Where no line break is within a cell each line stands for itself, whatever its marks mean.
            apart = n_records == self.n_lines
            if not (tidy and apart):
                self._refuse_swallowed()
            whole = (tidy or apart) and n_delimiters == n_records * (self.width - 1)
        else:
            n_records = self.n_lines
            whole = count(self.data, self.delimiter) == n_records * (self.width - 1)
        data = self.data if whole else self._without_blank_lines()
        if data is not None:
            frame = self._parse(data, places, numbers)
            if frame is None and numbers:
                frame = self._parse(data, places, ())
                frame = None if frame is None else _with_numbers(frame, numbers)
            if frame is not None and frame.height == n_records:
                return frame.select([str(i) for i in places]), self._line
        return self._slow_records(places)

    def _parse(self, data: bytes, places: Sequence[int], numbers: Collection[int]) -> pl.DataFrame | None:
        schema = {str(i): pl.Float64 if i in numbers else pl.String for i in range(self.width)}
        try:
            return pl.read_csv(
                data,
                has_header=False,
                separator=self.delimiter,
                schema=schema,
                columns=list(dict.fromkeys(places)),
                infer_schema=False,
                raise_if_empty=False,
            )
        except pl.exceptions.PolarsError:
            return None

    def _line(self, record: int) -> int:
        return self.first_line + lines_before(self.data, record)

    def _refuse_swallowed(self) -> None:
        found = swallowed(self.data, self.delimiter, self.width)
        if found is not None:
            before, n = found
            raise BadTable(
                f"a quoted cell that begins here takes in what looks like {n:,} record{'' if n == 1 else 's'}",
                hint="look for a quotation mark that stands for itself: take it out or double it; or leave the column "
                "of free text out of the export",
                where=self._at(self.first_line + before),
            )

    def _without_blank_lines(self) -> bytes | None:
        """Return the data with the right number of cells in each line, or None when a closer look is needed."""
        if self.marked:
            return None
        separator = self.delimiter.encode()
        # Blank lines, as editors and Excel leave them: a record without any cell, so that lines keep their numbers.
        lines = self.data.split(b"\n")
        trailing = lines.pop() if not lines[-1] else None
        for i, line in enumerate(lines):
            if line.count(separator) != self.width - 1:
                if line.strip():
                    self._refuse(self.first_line + i, line.count(separator) + 1)
                lines[i] = separator * (self.width - 1)
        return b"\n".join(lines) + (b"\n" if trailing is not None else b"")

    def _slow_records(self, places: Sequence[int]) -> tuple[pl.DataFrame, Callable[[int], int]]:
        """Parse with Python's own reader, which takes a quotation mark within an unquoted cell as itself."""
        cells: list[list[str | None]] = [[] for _ in places]
        nothing: list[str | None] = [None] * self.width
        lines: list[int] = []
        # Lines end by a line feed alone, as everywhere in this file.
        text = io.StringIO(self.data.decode("utf-8"), newline="\n")
        reader = csv.reader(text, delimiter=self.delimiter, strict=True)
        line = self.first_line
        try:
            for record in reader:
                if len(record) != self.width and any(cell.strip() for cell in record):
                    self._refuse(line, len(record))
                # A blank line is a record without any cell.
                whole = record if len(record) == self.width else nothing
                for column, place in zip(cells, places, strict=True):
                    column.append(whole[place])
                lines.append(line)
                line = self.first_line + reader.line_num
        except csv.Error as exc:
            raise BadTable("this record cannot be read", hint=MARKS_HINT, where=self._at(line)) from exc
        columns = {str(i): pl.Series(column, dtype=pl.String) for i, column in zip(places, cells, strict=True)}
        return pl.DataFrame(columns), lines.__getitem__

    def _at(self, line: int) -> str:
        return f"{self.name}:{line}"

    def _refuse(self, line: int, found: int) -> NoReturn:
        raise BadTable(
            f"this line has {found} cell{'' if found == 1 else 's'}, the header has {self.width}",
            hint="was the file cut off, or does a cell hold a line break without quotation marks?"
            if found < self.width
            else "does a cell hold the delimiter without quotation marks? If every line has a cell more, a row number "
            "or a delimiter at its end, let the header have one too",
            where=self._at(line),
        )


def _with_numbers(frame: pl.DataFrame, numbers: Collection[int]) -> pl.DataFrame:
    """Turn those columns of text into float64 in which every cell is a number or empty."""
    found = []
    for column in frame:
        if int(column.name) in numbers:
            parsed = column.cast(pl.Float64, strict=False)
            column = parsed if parsed.null_count() == column.null_count() else column
        found.append(column)
    return pl.DataFrame(found)


def blocks(
    stream: BinaryIO,
    *,
    name: str,
    delimiter: str,
    width: int,
    encoding: str | None,
    skip: int,
    bare_returns: bool = False,
) -> Generator[Block, None, None]:
    """Cut a stream into blocks, the header left off.

    Parameters
    ----------
    stream : binary stream
    name : str
        The file's name, for messages.
    delimiter : str
    width : int
        Number of cells of each record.
    encoding : str, optional
        Without one, UTF-8 until the first bytes that are not, then Windows' Western European.
    skip : int
        Lines of the header.
    bare_returns : bool
        Whether lines end as on old Macintoshes, without a line feed.

    Raises
    ------
    BadTable
        The bytes are neither, or change from one to the other.
    """
    # A larger piece let go tells the C library to keep the pieces that follow for one another: it would give each back
    # to the system, and clearing new memory takes longer than reading the file.
    bytearray(3 * BLOCK_BYTES)
    rest, line = b"", 1
    decoder = _Decoder(name, encoding)
    try:
        while True:
            data = stream.read(BLOCK_BYTES)
            if line == 1:
                data = data.removeprefix(b"\xef\xbb\xbf")
            if bare_returns:
                data = data.replace(b"\r", b"\n")
            block, rest = _cut(rest, data, delimiter)
            if len(rest) > max(_LONGEST_RECORD, BLOCK_BYTES):
                at = line + block.count(b"\n")
                raise BadTable(
                    "no record ends here for many megabytes",
                    hint=MARKS_HINT,
                    where=f"{name}:{at}",
                )
            if not block and not data:
                return
            if skip and block:
                at = 0
                while skip and at < len(block):
                    at = (block.find(b"\n", at) + 1) or len(block)
                    skip, line = skip - 1, line + 1
                block = block[at:]
            if block:
                found = Block(decoder.utf8(block, line), line, delimiter, width, name)
                yield found
                line += found.n_lines
    except UNREADABLE as exc:
        raise damaged(exc, name) from exc


def _cut(rest: bytes, data: bytes, delimiter: str) -> tuple[bytes, bytes]:
    """Return the whole records of ``rest`` and ``data`` behind it, and what is left over; all at the end of the file.

    Each copy of a block takes memory that is new to the process, and longer than reading it: without marks the last
    line break is seen in ``data`` alone, and its two ends are copied once.
    """
    if not data:
        return rest, b""
    if b'"' in data or b'"' in rest:
        data, rest = rest + data, b""
        end = last_record_end(data, delimiter)
    else:
        end = data.rfind(b"\n") + 1
        if not end:
            return b"", rest + data
    return b"".join((rest, memoryview(data)[:end])), data[end:]


class _Decoder:
    """Turns blocks into UTF-8 and holds on to the encoding that the first non-ASCII block showed."""

    def __init__(self, name: str, encoding: str | None) -> None:
        self.name = name
        self.encoding = encoding

    def utf8(self, block: bytes, line: int) -> bytes:
        if block.isascii() and self.encoding is None:
            return block
        for encoding in [self.encoding] if self.encoding else ["utf-8", "cp1252"]:
            try:
                text = block.decode(encoding)
            except UnicodeDecodeError as exc:
                at = line + block.count(b"\n", 0, exc.start)
            else:
                self.encoding = encoding
                return block if encoding == "utf-8" else text.encode("utf-8")
        raise BadTable(
            f"these bytes are not {self.encoding or 'text'}",
            hint="save the table as CSV (UTF-8)",
            where=f"{self.name}:{at}",
        )
