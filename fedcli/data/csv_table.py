"""Delimited text as a table: what it is written in, found out from its first megabyte.

Owns delimiters, encodings, decimal commas and the header; `csv_blocks` owns records and lines. Must not know what a
column means: cells stay text until `checking` meets them with the study. Internal.

A block of whole records is cut from the file and parsed by Polars: as numbers where the caller takes a column for
numbers and all its cells are, else as text, so that a cell which is wrong can be named.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from fedcli.data.csv_blocks import blocks
from fedcli.data.table import Records
from fedcli.errors import BadTable, EmptyTable

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE_BYTES = 1 << 20
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+([eE][-+]?[0-9]+)?")
_DECIMAL_POINT = re.compile(r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?")


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
    facts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    def batches(self, columns: Sequence[str], numbers: Collection[str] = ()) -> Iterator[Records]:
        """Read the table once, from the start, only these columns; see `Table.batches`.

        Raises
        ------
        BadTable
            A record has too many or too few cells, or the bytes are not text.
        """
        names = {str(self.columns.index(column)): column for column in columns}
        # With decimal commas Polars cannot parse numbers itself.
        parsed = set() if self.decimal_comma else {self.columns.index(column) for column in numbers}
        with open_text(self.path) as stream:
            for block in blocks(
                stream,
                name=self.name,
                delimiter=self.delimiter,
                width=len(self.columns),
                encoding=self.encoding,
                skip=self.first_line,
                bare_returns=self.bare_returns,
            ):
                frame = block.frame([int(place) for place in names], parsed).rename(names)
                # A column that held something else once would be parsed in vain in each block.
                parsed = {place for place in parsed if frame.schema[self.columns[place]] == pl.Float64}
                yield Records(frame, block.line, self.name)


def open_csv(
    path: Path, sample: bytes, *, delimiter: str | None, decimal: str | None, encoding: str | None
) -> CsvTable:
    """Read the header of a delimited text file.

    Parameters
    ----------
    path : Path
    sample : bytes
        Its first megabyte, as `open_text` gives it.
    delimiter, decimal, encoding : str, optional
        Stated by the silo; what is not stated is found out from the sample.

    Raises
    ------
    BadTable
        It is not text, or its header names a column twice.
    EmptyTable
        It has no header.
    """
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
    header = clean_header(next(records), where=f"{path.name}:1")
    first_line += blank + records.line_num
    comma = decimal == "," if decimal else delimiter != "," and _guess_decimal_comma(records)
    bare_returns = b"\r" in sample and b"\n" not in sample
    facts = _facts(path, sample, delimiter, encoding, comma)
    return CsvTable(path, header, delimiter, comma, encoding, first_line, bare_returns, facts)


def clean_header(names: Sequence[str | None], *, where: str) -> tuple[str, ...]:
    """Return the names of the columns in one form, blank where there is none.

    Raises
    ------
    BadTable
        A name stands twice.
    """
    header = tuple(unicodedata.normalize("NFC", (name or "").strip()) for name in names)
    # A blank name (a row number, a trailing delimiter) can be no study's column, so it may stand twice.
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        numbers = all(column.replace(".", "", 1).isdigit() for column in header if column)
        raise BadTable(
            f"the header names column '{twice[0]}' {header.count(twice[0])} times",
            hint="the first line must name the columns, here it holds numbers"
            if numbers
            else "rename all but one, so that it is clear which is meant",
            where=where,
        )
    return header


def _facts(path: Path, sample: bytes, delimiter: str, encoding: str | None, comma: bool) -> tuple[str, ...]:
    with path.open("rb") as stream:
        start = stream.read(4)
    facts = ["gzip"] if start.startswith(b"\x1f\x8b") else []
    facts.append(f"{DELIMITERS.get(delimiter, repr(delimiter))}-delimited")
    whole = len(sample) < SAMPLE_BYTES
    if encoding:
        facts.append(encoding)
    elif start.startswith((b"\xff\xfe", b"\xfe\xff")):
        facts.append("UTF-16 with a byte order mark")
    elif sample.startswith(b"\xef\xbb\xbf"):
        facts.append("UTF-8 with a byte order mark")
    elif not sample.isascii():
        facts.append("UTF-8" if _is_utf8(sample) else "Windows-1252")
    elif whole:
        facts.append("ASCII")
    # Of a larger file that begins in ASCII nothing is known yet: other letters may follow.
    return (*facts, "decimal comma") if comma else tuple(facts)


def _is_utf8(sample: bytes) -> bool:
    try:
        _whole_lines(sample).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _whole_lines(sample: bytes) -> bytes:
    """Leave off the last line: its last character may be cut."""
    return sample[: sample.rfind(b"\n") + 1 or len(sample)]


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
    return _whole_lines(sample).decode("utf-8") if _is_utf8(sample) else sample.decode("cp1252", "replace")


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


def open_text(path: Path) -> BinaryIO:
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
