"""The rows that a query gives, as a table: SQLite, PostgreSQL, and whatever else SQLAlchemy has a driver for.

Owns the connection, which only reads, and the types of values. Must not know what a column means. Internal. No secret
passes through here: an address that holds a password is refused, and drivers find theirs by their own means.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fedcli.data.header import clean_header
from fedcli.data.source import holds_password, names_secret
from fedcli.data.sql_values import series
from fedcli.data.table import Records
from fedcli.errors import BadQuery, ExtraMissing, NoDatabase, PasswordInAddress

BATCH_ROWS = 16_384
_SECRET = re.compile(r"passw|pwd|secret|token", re.IGNORECASE)
_KINDS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
_WEB = re.compile(r"(?:https?|s?ftp|ftps|s3|gs|abfss?|hdfs)://", re.IGNORECASE)
_PSYCOPG = ("postgresql", "postgres")
# What a database says of a query itself (SQL's class 42: names, syntax, rights); its other words may hold values.
_OF_THE_QUERY = "42"
_EXTRA = 'pip install "fedcli[sql]"'


@dataclass(frozen=True)
class SqlTable:
    """The result of a query. It is run anew for each pass, in a transaction of its own that only reads.

    Parameters
    ----------
    url : sqlalchemy.URL
        Without a password.
    query : str
    columns : tuple of str
    decimal_comma : bool
        Whether numbers in columns of text are written 1,5: only when the silo states it.
    """

    url: Any
    query: str
    columns: tuple[str, ...]
    decimal_comma: bool

    @property
    def name(self) -> str:
        """The database's name, for messages."""
        return _name(self.url)

    @property
    def facts(self) -> tuple[str, ...]:
        """Which kind of database it is."""
        kind, n = self.url.get_backend_name(), len(self.columns)
        return (_KINDS.get(kind, kind), f"a query of {n} column{'' if n == 1 else 's'}")

    def batches(self, columns: Sequence[str], numbers: Collection[str] = ()) -> Iterator[Records]:
        """Run the query once, and keep only these columns.

        Raises
        ------
        NoDatabase
            It cannot be reached (any more).
        BadQuery
            The query fails on the way.
        BadTable
            A column holds lists, structures or bytes.
        """
        places = [self.columns.index(column) for column in columns]
        with _result(self.url, self.query) as result:
            first = 1
            while rows := result.fetchmany(BATCH_ROWS):
                values = list(zip(*rows, strict=True))
                frame = pl.DataFrame([series(self.columns[i], values[i], self.name) for i in places])
                yield Records(frame, lambda record, first=first: first + record, self.name, "row")  # type: ignore[misc]
                first += len(rows)


def open_sql(address: str, query: str | None, *, decimal: str | None) -> SqlTable:
    """Connect to a database, and ask for the columns of a query.

    Parameters
    ----------
    address : str
        ``postgresql://user@host/database``, ``postgresql://?service=NAME``, ``sqlite:///visits.db``.
    query : str, optional
        One SELECT.
    decimal : str, optional
        Stated by the silo, for numbers that are text.

    Raises
    ------
    ExtraMissing
        SQLAlchemy or the database's driver is not installed.
    PasswordInAddress, NoDatabase, BadQuery
    """
    if _WEB.match(address):
        if holds_password(address) or names_secret(address):
            raise PasswordInAddress("the address holds a password")
        raise NoDatabase(
            "only files and databases are read, and this is an address of neither",
            hint="download the table, and name the file",
        )
    try:
        import sqlalchemy
    except ImportError as exc:
        raise ExtraMissing("reading a database needs packages that are not installed here", hint=_EXTRA) from exc
    try:
        url = sqlalchemy.make_url(address)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Not chained: the error repeats the address, which may hold a password.
        raise NoDatabase(
            "this is no address of a database", hint="write postgresql://USER@HOST/DATABASE or sqlite:///FILE"
        ) from None
    there = url.get_backend_name() == "sqlite" and Path(url.database or "").is_file()
    asked = any(_SECRET.search(f"{key}={value}") for key, value in url.query.items())
    if url.password is not None or asked or (names_secret(address) and not there):
        raise PasswordInAddress("the address of the database holds a password")
    if url.drivername in _PSYCOPG:
        url = url.set(drivername="postgresql+psycopg")
    if query is None or not query.strip():
        raise BadQuery(
            "a database needs a query", hint="--query 'SELECT ...', or in silo.yaml query: SELECT ...", where=_name(url)
        )
    query = query.strip().rstrip(";")
    with _result(url, query) as result:
        names = list(result.keys()) if result.returns_rows else []
    if not names:
        raise BadQuery("the query gives no table", hint="write one SELECT", where=_name(url))
    return SqlTable(url, query, clean_header(names, where=_name(url), of_query=True), decimal == ",")


@contextmanager
def _result(url: Any, query: str) -> Iterator[Any]:
    """Run a query in a transaction that only reads and sees one moment; rows stay in the database until fetched."""
    import sqlalchemy

    where = _name(url)
    try:
        engine = sqlalchemy.create_engine(_read_only(url), poolclass=sqlalchemy.pool.NullPool)
        connection = engine.connect()
        if url.get_backend_name() == "sqlite":
            # A connection to a file says nothing yet: only reading shows that it is a database.
            connection.exec_driver_sql("PRAGMA schema_version")
    except (sqlalchemy.exc.NoSuchModuleError, ImportError) as exc:
        raise ExtraMissing(
            f"there is no driver here for a database of kind '{url.drivername}'",
            hint=f"{_EXTRA} brings PostgreSQL's; SQLite needs none, others their own package",
            where=where,
        ) from exc
    except (sqlalchemy.exc.SQLAlchemyError, ValueError, TypeError) as exc:
        raise NoDatabase(
            f"the database cannot be reached{_said(exc, connecting=True)}",
            hint="check machine, database and user; a password belongs into ~/.pgpass or a service file, see "
            "fedcli explain tables",
            where=where,
        ) from exc
    try:
        options: dict[str, Any] = {"stream_results": True, "no_parameters": True, "max_row_buffer": BATCH_ROWS}
        if url.get_backend_name() == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        yield connection.execution_options(**options).exec_driver_sql(query)
    except sqlalchemy.exc.SQLAlchemyError as exc:
        # Not chained: what the database says may quote a row.
        raise BadQuery(
            f"the query fails{_said(exc)}", hint="try it with the database's own tool", where=where
        ) from None
    finally:
        connection.close()
        engine.dispose()


def _read_only(url: Any) -> Any:
    """Open a SQLite file for reading only: it would otherwise make a new one where there is none."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:") or url.database.startswith("file:"):
        return url
    path = re.sub("[%?#]", lambda sign: f"%{ord(sign[0]):02x}", url.database)
    return url.set(database=f"file:{path}").update_query_dict({"mode": "ro", "uri": "true"})


def _said(error: Exception, *, connecting: bool = False) -> str:
    """Return the database's own words where they are about the connection or the query, and can hold no value."""
    cause = getattr(error, "orig", None)
    if cause is None:
        return ""
    code, kind = str(getattr(cause, "sqlstate", None) or ""), type(cause).__name__
    of_sqlite = type(cause).__module__ == "sqlite3" and kind == "OperationalError"
    if connecting or of_sqlite or code.startswith(_OF_THE_QUERY):
        return ": " + " ".join(str(cause).split("\n")[0].split())[:200].rstrip(".")
    return f": {kind}{f' {code}' if code else ''}"


def _name(url: Any) -> str:
    name = str(url.database or url.query.get("service") or url.get_backend_name())
    return name.rpartition("/")[2]
