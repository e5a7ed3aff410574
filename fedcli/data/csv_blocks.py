"""Cutting a delimited file into blocks of whole records, and parsing each as text.

Owns record ends, cell counts, encodings and line numbers. Must not know names or types of columns. Internal.
A file whose records differ in length is refused rather than padded: a cut-off line would else lose cells in silence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, NoReturn

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedcli.errors import BadTable

# Measured: 4 to 32 MB differ little in time, memory grows with it.
BLOCK_BYTES = 8 << 20
_LONGEST_RECORD = 64 << 20


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

    def frame(self, places: Sequence[int], numbers: Collection[int] = ()) -> pl.DataFrame:
        """Parse the cells at ``places``; columns are named by their place.

        Parameters
        ----------
        places : sequence of int
        numbers : collection of int
            Places that are parsed as float64 where every cell is a number or empty; all else is text.

        Raises
        ------
        BadTable
            A record has more or fewer cells than the header.
        """
        data, records = self._without_blank_lines()
        if data is not None:
            frame = self._parse(data, places, numbers)
            if frame is None and numbers:
                frame = self._parse(data, places, ())
                frame = None if frame is None else _with_numbers(frame, numbers)
            if frame is not None and frame.height == records:
                return frame.select([str(i) for i in places])
        return self._slow_frame(places)

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

    def line(self, record: int) -> int:
        """Return the line in the file on which ``record``, from 0, begins."""
        if b'"' not in self.data:
            return self.first_line + record
        reader = self._reader()
        for _ in range(record):
            next(reader)
        return self.first_line + int(reader.line_num)

    def _reader(self) -> Any:
        return csv.reader(io.StringIO(self.data.decode("utf-8"), newline=""), delimiter=self.delimiter, strict=True)

    def _without_blank_lines(self) -> tuple[bytes | None, int]:
        """Return the data with the right number of cells in each record, and how many records these are.

        None in place of the data when a closer look is needed.
        """
        separator = self.delimiter.encode()
        records, delimiters = _shape(self.data, self.delimiter)
        if delimiters == records * (self.width - 1):
            return self.data, records
        if b'"' in self.data:
            return None, records
        # Blank lines, as editors and Excel leave them: a record without any cell, so that lines keep their numbers.
        lines = self.data.split(b"\n")
        trailing = lines.pop() if not lines[-1] else None
        for i, line in enumerate(lines):
            if line.count(separator) != self.width - 1:
                if line.strip():
                    self._refuse(self.first_line + i, line.count(separator) + 1)
                lines[i] = separator * (self.width - 1)
        return b"\n".join(lines) + (b"\n" if trailing is not None else b""), records

    def _slow_frame(self, places: Sequence[int]) -> pl.DataFrame:
        """Parse with Python's own reader, which takes a quotation mark inside an unquoted cell as itself."""
        cells: list[list[str | None]] = [[] for _ in places]
        reader = self._reader()
        line = self.first_line
        try:
            for record in reader:
                if len(record) != self.width:
                    if any(cell.strip() for cell in record):
                        self._refuse(line, len(record))
                    record = [None] * self.width
                for column, place in zip(cells, places, strict=True):
                    column.append(record[place])
                line = self.first_line + reader.line_num
        except csv.Error as exc:
            raise BadTable(
                "this record cannot be read",
                hint="look for a quotation mark that is never closed",
                where=self._at(line),
            ) from exc
        return pl.DataFrame(
            {str(i): pl.Series(column, dtype=pl.String) for i, column in zip(places, cells, strict=True)}
        )

    def _at(self, line: int) -> str:
        return f"{self.name}:{line}"

    def _refuse(self, line: int, found: int) -> NoReturn:
        raise BadTable(
            f"this line has {found} cell{'' if found == 1 else 's'}, the header has {self.width}",
            hint="was the file cut off, or does a cell hold the delimiter without quotation marks",
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
) -> Iterator[Block]:
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
    rest, line = b"", 1
    decoder = _Decoder(name, encoding)
    try:
        while True:
            data = stream.read(BLOCK_BYTES)
            if line == 1:
                data = data.removeprefix(b"\xef\xbb\xbf")
            if bare_returns:
                data = data.replace(b"\r", b"\n")
            whole = rest + data if rest else data
            cut = _last_record_end(whole, delimiter) if data else len(rest)
            block, rest = whole[:cut], whole[cut:]
            if len(rest) > max(_LONGEST_RECORD, BLOCK_BYTES):
                at = line + block.count(b"\n")
                raise BadTable(
                    "no record ends here for many megabytes",
                    hint="look for a quotation mark that is never closed",
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
                yield Block(decoder.utf8(block, line), line, delimiter, width, name)
                line += _count(np.frombuffer(block, dtype=np.uint8), "\n")
    except (OSError, EOFError) as exc:
        raise BadTable(
            f"reading stopped after line {line}: {type(exc).__name__}", hint="copy the file again", where=name
        ) from exc


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


def _last_record_end(data: bytes, delimiter: str) -> int:
    """Return where the last whole record of ``data`` ends: behind a line break outside quoted cells."""
    end = data.rfind(b"\n") + 1
    if b'"' not in data:
        return end
    inside, at = data.count(b'"', 0, end) % 2, end
    while inside and at:
        before = data.rfind(b"\n", 0, at - 1) + 1
        inside ^= data.count(b'"', before, at) % 2
        at = before
    if at:
        return at
    # Odd from the first line on: either its cell is still open, or a mark there stands for itself.
    last, behind = 0, 0
    for cell in _quoted(delimiter).finditer(data, 0, end):
        last = max(last, data.rfind(b"\n", behind, cell.start()) + 1)
        behind = cell.end()
        if not cell.group(1):
            return last
    return max(last, data.rfind(b"\n", behind, end) + 1)


@cache
def _quoted(delimiter: str) -> re.Pattern[bytes]:
    """Return the pattern of a quoted cell; its group is empty where the cell does not end.

    A mark opens a cell only behind a delimiter or line break: the one in ``5' 6" tall`` stands for itself.
    """
    return re.compile(rb"(?<![^\n" + re.escape(delimiter.encode()) + rb'])"[^"]*(?:""[^"]*)*("|\Z)')


def _shape(data: bytes, delimiter: str) -> tuple[int, int]:
    """Count records and delimiters outside quotation marks, taking every mark for one that opens or closes a cell.

    Where a mark stands for itself the counts disagree with the parser's, and the slow reader decides.
    """
    letters = np.frombuffer(data, dtype=np.uint8)
    if b'"' not in data:
        lines, delimiters = _count(letters, "\n"), _count(letters, delimiter)
    else:
        # The count wraps at 256, which keeps what is even even.
        outside = np.cumsum(letters == ord('"'), dtype=np.uint8) & 1 == 0
        lines = int(((letters == ord("\n")) & outside).sum())
        delimiters = int(((letters == ord(delimiter)) & outside).sum())
    return lines + (not data.endswith(b"\n")), delimiters


def _count(letters: NDArray[np.uint8], letter: str) -> int:
    """Count one letter: twice as fast as ``bytes.count``, which stops at each."""
    return int(np.count_nonzero(letters == ord(letter)))
