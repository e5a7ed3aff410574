"""The door to a silo's table, whatever it is kept in: one file, its parts, a workbook, a database.

Owns telling formats apart, by content and never by name. Must not know what a column means, nor how a format is read.
Internal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedcli.data.csv_table import open_csv
from fedcli.data.foreign import recognised
from fedcli.data.parquet_table import open_parquet
from fedcli.data.parts import find_parts, together
from fedcli.data.source import is_address, is_pattern, refuse_mistyped, shown
from fedcli.data.table import Table
from fedcli.data.text_file import first_bytes
from fedcli.errors import BadQuery, BadTable, FileMissing

_DATABASE = b"SQLite format 3"
_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
# What a workbook's archive holds near its beginning; OpenDocument says so in its first member.
_WORKBOOK = (b"[Content_Types].xml", b"xl/", b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet")


@dataclass(frozen=True)
class Written:
    """How a table is written or kept, as the silo states it where nothing can be found out or the guess is wrong.

    Parameters
    ----------
    delimiter, decimal, thousands, encoding : str, optional
        Of text.
    sheet : str, optional
        Of a workbook; the first one without it. Other tables have none, and it is not looked at.
    query : str, optional
        Of a database: one SELECT.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    query: str | None = None
    thousands: str | None = None


def open_table(
    data: Path | str,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
    thousands: str | None = None,
) -> Table:
    """Open a table and read the names of its columns.

    Parameters
    ----------
    data : path or str
        One of: a file (CSV delimited by comma, semicolon, tab or bar, plain or gzip; Parquet; Excel); a folder of CSV
        or Parquet parts; a pattern that names parts, such as ``visits-*.parquet``; a database's address, such as
        ``postgresql://user@host/database``.
    delimiter, decimal, encoding, sheet, query, thousands : str, optional
        See `Written`.

    Raises
    ------
    FileMissing
        There is no such file, or it may not be read.
    BadTable
        It is not a table, its header names a column twice, or its parts do not fit together.
    EmptyTable
        It has no header.
    ExtraMissing, NoDatabase, BadQuery, PasswordInAddress
        Of workbooks and databases, and of what looks like a database's address and is none.
    """
    written = Written(delimiter, decimal, encoding, sheet, query, thousands)
    if is_address(data):
        from fedcli.data.sql_table import open_sql

        return open_sql(str(data), query, decimal=decimal)
    refuse_mistyped(data)
    path = Path(data)
    if query is not None:
        # Not repeated: who asks a query means a database, and its address may hold a secret however it is written.
        raise BadQuery(
            "the table that is named is no database: a query has nothing to ask",
            hint="name the database by its address, such as sqlite:///FILE, or leave the query out",
        )
    if not path.is_dir() and not is_pattern(path):
        return _open_file(path, written)
    files = find_parts(path)
    return together(path, files, [_open_file(file, written) for file in files])


def read_query(query: str | None, folder: Path) -> str | None:
    """Return a query's text; one that ends in ``.sql`` names the file, seen from ``folder``, that holds it.

    Raises
    ------
    FileMissing
        There is no such file, or it may not be read.
    """
    if query is None or not query.endswith(".sql") or "\n" in query:
        return query
    path = folder / query
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise FileMissing(
            f"the query file {shown(path, 'of that name')} cannot be read: {type(exc).__name__}",
            hint="check the path in silo.yaml or behind --query; it is seen from the workspace",
        ) from exc


def _open_file(path: Path, written: Written) -> Table:
    sample = first_bytes(path)
    if sample.startswith(b"PAR1"):
        return open_parquet(path, decimal=written.decimal)
    if _is_workbook(sample):
        from fedcli.data.excel_table import open_excel

        return open_excel(path, sheet=written.sheet, decimal=written.decimal)
    if sample.startswith(_DATABASE):
        raise BadTable(
            "this is a SQLite database",
            hint=f"name it by its address, with a query: --data sqlite:///{path} --query 'SELECT ...'",
            where=path.name,
        )
    found = recognised(sample)
    if found is not None:
        what, hint = found
        raise BadTable(f"this is {what}, not a table", hint=hint, where=path.name)
    return open_csv(
        path,
        sample,
        delimiter=written.delimiter,
        decimal=written.decimal,
        encoding=written.encoding,
        thousands=written.thousands or "",
    )


def _is_workbook(sample: bytes) -> bool:
    return sample.startswith(_OLD_EXCEL) or (sample.startswith(_ZIP) and any(mark in sample for mark in _WORKBOOK))
