"""Delimited text as a table: what it is written in, found out from its first megabyte.

Owns delimiters, encodings and the header; `csv_blocks` owns records and lines, `decimal_sign` how numbers are written.
Must not know what a column means: cells stay text until `checking` meets them with the study. Internal.

A block of whole records is cut from the file and parsed by Polars as text. Measured on a 196 MB table of 200,000 x 50
numbers: 1.4 s and 200 MB, against 1.6 s and 560 MB for ``scan_csv``; parsing floats natively saves nothing, and would
read the file a second time to name the cell that is wrong.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from fedcli.data.ahead import ahead
from fedcli.data.cells import STRIPPED
from fedcli.data.csv_blocks import MARKS_HINT, Block, blocks
from fedcli.data.decimal_sign import left_open, may_be_open, open_cell, shown_sign
from fedcli.data.header import clean_header
from fedcli.data.table import Records
from fedcli.data.text_file import GZIP, SAMPLE_BYTES, UTF_16, first_bytes, open_text, wide_encoding
from fedcli.data.thousands import THOUSANDS
from fedcli.errors import BadTable, EmptyTable

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True)
class CsvTable:
    """A delimited text file. The file is opened anew for each pass; nothing of it is kept.

    Parameters
    ----------
    path : Path
    columns : tuple of str
    delimiter : str
    decimal_comma : bool
        Whether numbers are written 1,5: stated by the silo, or shown by some of them.
    sign_open : bool
        Whether neither is so: a number such as 1.234 is refused then.
    encoding : str, optional
        Stated by the silo.
    wide : str, optional
        UTF-16, see `text_file.wide_encoding`; ``encoding`` is not looked at then.
    first_line : int
        Lines above the records.
    bare_returns : bool
    facts : tuple of str
    """

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    decimal_comma: bool
    sign_open: bool
    encoding: str | None
    wide: str | None
    first_line: int
    bare_returns: bool = False
    facts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    def settled(self) -> CsvTable:
        """Return the table as one of several whose numbers another has shown how to read."""
        return replace(self, sign_open=False)

    def batches(self, columns: Sequence[str], numbers: Collection[str] = ()) -> Iterator[Records]:
        """Read the table once, from the start, only these columns; see `Table.batches`.

        Raises
        ------
        BadTable
            A record has too many or too few cells, the bytes are not text, or a number may be read in two ways.
        """
        return ahead(self._batches(columns, numbers))

    def _batches(self, columns: Sequence[str], numbers: Collection[str]) -> Generator[Records, None, None]:
        names = {str(self.columns.index(column)): column for column in columns}
        # With decimal commas Polars cannot parse numbers itself.
        parsed = set() if self.decimal_comma else {self.columns.index(column) for column in numbers}
        with open_text(self.path, self.wide) as stream:
            found = blocks(
                stream,
                name=self.name,
                delimiter=self.delimiter,
                width=len(self.columns),
                encoding=None if self.wide else self.encoding,
                skip=self.first_line,
                bare_returns=self.bare_returns,
            )
            # One block is cut while another is parsed and the one before is worked on.
            with closing(ahead(found)) as cut:
                yield from self._parsed(cut, names, parsed)

    def _parsed(self, cut: Iterator[Block], names: Mapping[str, str], parsed: set[int]) -> Iterator[Records]:
        for block in cut:
            # A number that may be read in two ways must be seen as it is written.
            doubtful = self.sign_open and may_be_open(block.data, self.delimiter)
            frame, line = block.records([int(place) for place in names], () if doubtful else parsed)
            records = Records(frame.rename(names), line, self.name)
            if doubtful:
                self._refuse_open_signs(records)
            else:
                # A column that held something else once would be parsed in vain in each block.
                parsed = {place for place in parsed if frame.schema[str(place)] == pl.Float64}
            yield records

    def _refuse_open_signs(self, records: Records) -> None:
        for cells in records.frame:
            place = open_cell(cells, self.delimiter)
            if place is not None:
                raise left_open(cells.name, str(cells[place]), f"{self.name}:{records.number(place)}")


def open_csv(
    path: Path,
    sample: bytes,
    *,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
    thousands: str = "",
) -> CsvTable:
    """Read the header of a delimited text file.

    Parameters
    ----------
    path : Path
    sample : bytes
        Its first megabyte, see `text_file.first_bytes`.
    delimiter, decimal, encoding : str, optional
        Stated by the silo; what is not stated is found out from the sample.
    thousands : str
        Signs that part thousands, as the silo states them.

    Raises
    ------
    BadTable
        It is not text, or its header cannot be read, is a title, or names a column twice.
    EmptyTable
        It has no header.
    """
    wide = wide_encoding(path, encoding)
    if wide and wide == encoding:
        # Nothing but the silo's word says that it is UTF-16.
        sample = first_bytes(path, encoding)
    if b"\x00" in sample:
        raise _no_text(path, sample)
    text = _decoded(sample, None if wide else encoding).removeprefix("\ufeff").replace("\r\n", "\n")
    bare_returns = "\r" in text and "\n" not in text
    text = text.replace("\r", "\n") if bare_returns else text
    # Excel's own first line, which names the delimiter.
    stated = re.match(r'sep=((?!["\w])[\t -~])\n', text)
    first_line = 1 if stated else 0
    text = text[stated.end() :] if stated else text
    if not text.strip():
        raise EmptyTable("the table is empty", hint="export it again", where=path.name)
    blank = len(text) - len(text.lstrip("\n"))
    delimiter = delimiter or (stated.group(1) if stated else _guess_delimiter(text))
    # Lines end by a line feed alone, as in `csv_blocks`: what is taken for the header here is skipped there.
    lines = io.StringIO(text[blank:], newline="\n")
    header, height = _header(lines, delimiter, f"{path.name}:{first_line + blank + 1}")
    first_line += blank + height
    _refuse_title(header, lines, delimiter, f"{path.name}:{first_line}")
    sign = shown_sign(csv.reader(lines, delimiter=delimiter), delimiter, thousands)
    comma = (decimal or sign) == ","
    # Who quotes 2,5 between commas may mean two answers, and a thousand by 1,250.
    sign_open = decimal is None and not thousands and (sign is None or (comma and delimiter == ","))
    facts = (*_facts(path, sample, delimiter, encoding, comma), *_parted(thousands))
    return CsvTable(path, header, delimiter, comma, sign_open, encoding, wide, first_line, bare_returns, facts)


def _no_text(path: Path, sample: bytes) -> BadTable:
    # Every second byte of Latin letters in UTF-16 is 0; without its mark nothing says that it is UTF-16.
    wide = [
        name
        for name, half in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2]))
        if half.count(0) * 2 > len(half)
    ]
    if wide:
        return BadTable(
            "the file is UTF-16 without a byte order mark",
            hint=f"save the table as CSV (UTF-8), or write in silo.yaml: table: {{encoding: {wide[0]}}}",
            where=path.name,
        )
    return BadTable("the file is not text", hint="save the table as CSV (UTF-8)", where=path.name)


def _header(lines: io.StringIO, delimiter: str, where: str) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns, and how many lines they take."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        names = next(reader)
    except csv.Error as exc:
        raise BadTable(
            "the header cannot be read", hint=f"{MARKS_HINT}; all lines must end alike", where=where
        ) from exc
    return clean_header(names, where=where), reader.line_num


def _refuse_title(header: Sequence[str], lines: io.StringIO, delimiter: str, where: str) -> None:
    """Refuse a line that names one column at most, above one with more cells; ``lines`` stay where they stand."""
    named = [name for name in header if name]
    if len(named) > 1:
        return
    at = lines.tell()
    below = next((line for line in lines if line.strip(STRIPPED + delimiter)), "")
    lines.seek(at)
    sign = delimiter if len(header) > 1 else _guess_delimiter(below)
    cells = [cell for cell in below.split(sign) if cell.strip(STRIPPED)]
    # A column of row numbers has no name.
    if len(cells) > len(named) + (len(header) > 1):
        raise BadTable(
            f"this line names {len(named)} column{'' if named else 's'}, the one below it has {len(cells)} cells",
            hint="the first line must name the columns: take out titles and notes above it",
            where=where,
        )


def _facts(path: Path, sample: bytes, delimiter: str, encoding: str | None, comma: bool) -> tuple[str, ...]:
    with path.open("rb") as stream:
        start = stream.read(4)
        stream.seek(-min(4, path.stat().st_size), io.SEEK_END)
        end = stream.read(4)
    packed = start.startswith(GZIP)
    facts = ["gzip"] if packed else []
    facts.append(f"{DELIMITERS.get(delimiter, repr(delimiter))}-delimited")
    whole = len(sample) < SAMPLE_BYTES
    if start.startswith(UTF_16):
        facts.append("UTF-16 with a byte order mark")
    elif encoding:
        facts.append(encoding)
    elif sample.startswith(codecs.BOM_UTF8):
        facts.append("UTF-8 with a byte order mark")
    elif not sample.isascii():
        facts.append("UTF-8" if _is_utf8(sample) else "Windows-1252")
    elif whole:
        facts.append("ASCII")
    # Of a larger file that begins in ASCII nothing is known yet: other letters may follow.
    facts += ["decimal comma"] if comma else []
    # A copy that was cut within its last cell shows it by nothing else; what is packed has a sum of its own.
    facts += (
        ["no line break at its end: is it whole?"]
        if not packed and not end.strip(b"\0").endswith((b"\n", b"\r"))
        else []
    )
    return tuple(facts)


def _parted(thousands: str) -> list[str]:
    words = [word for word, signs in THOUSANDS.items() if signs == thousands]
    return [f"thousands parted by a{'n' if word[0] in 'aeiou' else ''} {word}" for word in words]


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


def _decoded(sample: bytes, encoding: str | None) -> str:
    if encoding:
        return sample.decode(encoding, "replace")
    return _whole_lines(sample).decode("utf-8") if _is_utf8(sample) else sample.decode("cp1252", "replace")
