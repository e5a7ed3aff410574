"""Reading a table's columns as text, batch by batch, at constant memory.

Owns files, delimiters, encodings and line numbers. Must not know what a column means: cells stay text until
`checking` meets them with the study. CSV is the one format; another joins by offering what `Table` offers. Internal.

A block of whole records is cut from the file and parsed by Polars as text. Measured on a 196 MB table of 200,000 x 50
numbers: 1.4 s and 200 MB, against 1.6 s and 560 MB for ``scan_csv``; parsing floats natively saves nothing, and would
read the file a second time to name the cell that is wrong.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl

from fedcli.data.csv_blocks import Block, blocks
from fedcli.errors import BadTable, EmptyTable, FileMissing

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE_BYTES = 1 << 20
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?")
_DECIMAL_POINT = re.compile(r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?")
_NOT_TABLES = {
    b"PK\x03\x04": ("an Excel file or a zip archive", "save the sheet as CSV (UTF-8), or unpack the archive"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "save the sheet as CSV (UTF-8)"),
    b"PAR1": ("a Parquet file", "save the table as CSV"),
    b"SQLite format 3": ("a database", "save the table as CSV"),
    b"%PDF": ("a PDF", "ask for the table as CSV"),
    b"age-encryption.org": ("a secret key or another encrypted file", "name the table itself"),
    b"manifest.json\x00": ("a fedcli file", "name the table itself"),
}


@dataclass(frozen=True)
class TextBatch:
    """Some records of a table, as text.

    Parameters
    ----------
    frame : polars.DataFrame
        One text column per column asked for, under the table's own names; null where nothing is written.
    block : Block
        Knows the line of each record.
    """

    frame: pl.DataFrame
    block: Block

    def line(self, record: int) -> int:
        """Return the line on which ``record`` (from 0) of this batch begins."""
        return self.block.line(record)


class Table(Protocol):
    """What reading needs of a table, whatever its format."""

    @property
    def name(self) -> str:
        """The file's name, for messages."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the table's order."""

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers are written 1,5."""

    def batches(self, columns: Sequence[str]) -> Iterator[TextBatch]:
        """Read the table once, from the start, only these columns."""


@dataclass(frozen=True)
class CsvTable:
    """A delimited text file. The file is opened anew for each pass; nothing of it is kept."""

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    decimal_comma: bool
    encoding: str | None
    first_line: int
    bare_returns: bool = False

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    def batches(self, columns: Sequence[str]) -> Iterator[TextBatch]:
        """Read the table once, from the start, only these columns.

        Raises
        ------
        BadTable
            A record has too many or too few cells, or the bytes are not text.
        """
        names = {str(self.columns.index(column)): column for column in columns}
        with _open(self.path) as stream:
            for block in blocks(
                stream,
                name=self.name,
                delimiter=self.delimiter,
                width=len(self.columns),
                encoding=self.encoding,
                skip=self.first_line,
                bare_returns=self.bare_returns,
            ):
                yield TextBatch(block.frame([int(place) for place in names]).rename(names), block)


def open_table(
    path: Path | str, *, delimiter: str | None = None, decimal: str | None = None, encoding: str | None = None
) -> Table:
    """Open a table and read its header.

    Parameters
    ----------
    path : path
        A CSV file, delimited by comma, semicolon, tab or bar; may be compressed with gzip. UTF-8 with or without a
        byte order mark, UTF-16 with one, or the Western European of Windows.
    delimiter, decimal, encoding : str, optional
        Stated by the silo where the guess from the first megabyte is wrong.

    Raises
    ------
    FileMissing
        There is no such file, or it may not be read.
    BadTable
        It is not a text table, or its header names a column twice.
    EmptyTable
        It has no header.
    """
    path = Path(path)
    try:
        with _open(path) as stream:
            sample = stream.read(_SAMPLE_BYTES)
    except FileNotFoundError as exc:
        raise FileMissing(f"there is no table '{path}'", hint="check the path; DATA names a CSV file") from exc
    except IsADirectoryError as exc:
        raise FileMissing(f"'{path}' is a folder, not a table", hint="name the CSV file inside it") from exc
    except PermissionError as exc:
        raise FileMissing(f"'{path}' may not be read by you", hint="ask its owner for read access") from exc
    except (OSError, EOFError) as exc:
        raise BadTable(f"the file cannot be read: {type(exc).__name__}", hint="copy it again", where=path.name) from exc
    for magic, (what, hint) in _NOT_TABLES.items():
        if sample.startswith(magic):
            raise BadTable(f"this is {what}, not a CSV table", hint=hint, where=path.name)
    if b"\x00" in sample:
        raise BadTable("the file is not text", hint="save the table as CSV (UTF-8)", where=path.name)
    text = _decoded(sample, encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    # Excel's own first line, which names the delimiter.
    stated = re.match(r"sep=(.)\n", text)
    first_line = 1 if stated else 0
    text = text[stated.end() :] if stated else text
    if not text.strip():
        raise EmptyTable("the table is empty", hint="export it again", where=path.name)
    blank = len(text) - len(text.lstrip("\n"))
    delimiter = delimiter or (stated.group(1) if stated else _guess_delimiter(text))
    records = csv.reader(io.StringIO(text[blank:]), delimiter=delimiter)
    header = tuple(unicodedata.normalize("NFC", cell.strip()) for cell in next(records))
    _check_header(header, path.name)
    first_line += blank + records.line_num
    comma = decimal == "," if decimal else delimiter != "," and _guess_decimal_comma(records)
    bare_returns = b"\r" in sample and b"\n" not in sample
    return CsvTable(path, header, delimiter, comma, encoding, first_line, bare_returns)


def _check_header(header: tuple[str, ...], name: str) -> None:
    # A blank name (a row number, a trailing delimiter) can be no study's column, so it may stand twice.
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        numbers = all(column.replace(".", "", 1).isdigit() for column in header if column)
        raise BadTable(
            f"the header names column '{twice[0]}' {header.count(twice[0])} times",
            hint="the first line must name the columns, here it holds numbers"
            if numbers
            else "rename all but one, so that it is clear which is meant",
            where=f"{name}:1",
        )


def _guess_delimiter(text: str) -> str:
    """Return the delimiter that splits the first lines into equally many cells, the most of them."""
    lines = [line for line in re.sub(r'"[^"]*"', "", text).split("\n")[:50] if line.strip()]
    # The last line of the sample may be cut.
    lines = lines[:-1] if len(lines) > 2 else lines
    best, score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        if counts and counts[0]:
            score, best = max((score, best), ((counts.count(counts[0]) / len(counts), counts[0]), delimiter))
    return best


def _guess_decimal_comma(records: Iterator[list[str]]) -> bool:
    """Say whether numbers are written 1,5: some are, and none is written 1.5."""
    commas = 0
    try:
        for record in records:
            for cell in record:
                cell = cell.strip()
                if _DECIMAL_POINT.fullmatch(cell):
                    return False
                commas += _DECIMAL_COMMA.fullmatch(cell) is not None
    except csv.Error:
        # A damaged record is reported, with its line, when the table is read.
        return commas > 0
    return commas > 0


def _decoded(sample: bytes, encoding: str | None) -> str:
    if encoding:
        return sample.decode(encoding, "replace")
    try:
        # The last character may be cut.
        return sample[: sample.rfind(b"\n") + 1 or len(sample)].decode("utf-8")
    except UnicodeDecodeError:
        return sample.decode("cp1252", "replace")


class _Utf8From(io.RawIOBase):
    """A stream of UTF-8 bytes over a stream of UTF-16 ones."""

    def __init__(self, stream: BinaryIO) -> None:
        self.text = io.TextIOWrapper(stream, encoding="utf-16", newline="")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.text.read(size).encode("utf-8")

    def close(self) -> None:
        self.text.close()
        super().close()


def _open(path: Path) -> BinaryIO:
    """Open the file as bytes, uncompressed, UTF-16 turned into UTF-8."""
    stream: BinaryIO = path.open("rb")
    if stream.read(2) == b"\x1f\x8b":
        stream.close()
        stream = gzip.open(path, "rb")  # type: ignore[assignment]  # noqa: SIM115 - closed by the caller
        stream.read(2)
    stream.seek(0)
    mark = stream.read(2)
    stream.seek(0)
    return _Utf8From(stream) if mark in (b"\xff\xfe", b"\xfe\xff") else stream  # type: ignore[return-value]
