from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.data import csv_blocks
from fedcli.data.reading import open_table
from fedcli.errors import BadTable, EmptyTable, FileMissing


def write(folder: Path, data: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def cells(path: Path, *columns: str) -> list[tuple[object, ...]]:
    table = open_table(path)
    return pl.concat([b.frame for b in table.batches(columns or table.columns)]).rows()


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised(tmp_path: Path, sign: str) -> None:
    path = write(tmp_path, "a,b,c\n1,2,3\n4,,x y\n".replace(",", sign))
    assert open_table(path).columns == ("a", "b", "c")
    assert cells(path) == [("1", "2", "3"), ("4", None, "x y")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_the_encoding_is_recognised(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "Größe;b\nMünchen;1\n".encode(encoding))
    assert open_table(path).columns == ("Größe", "b")
    assert cells(path) == [("München", "1")]


def test_only_the_columns_asked_for_are_read_in_the_order_asked(tmp_path: Path) -> None:
    assert cells(write(tmp_path, "a,b,c\n1,2,3\n"), "c", "a") == [("3", "1")]


def test_header_names_are_stripped_and_composed(tmp_path: Path) -> None:
    assert open_table(write(tmp_path, ' a , "b" ,Gro\u0308ße\n1,2,3\n')).columns == ("a", '"b"', "Größe")


def test_the_first_line_of_excel_names_the_delimiter(tmp_path: Path) -> None:
    path = write(tmp_path, "sep=;\na;b\n1,5;2\n")
    assert cells(path) == [("1,5", "2")]
    (batch,) = open_table(path).batches(["a"])
    assert batch.number(0) == 3


@pytest.mark.parametrize("text", ['sep="\na,b\n', "sep=§\na,b\n", "sep=x\na,b\n"])
def test_a_first_line_that_names_no_delimiter_is_a_header(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadTable, match=r"the header cannot be read|names 1 column"):
        open_table(write(tmp_path, text))


def test_one_column_beside_row_numbers_has_no_title(tmp_path: Path) -> None:
    assert cells(write(tmp_path, ",a\n0,40\n1,50\n"), "a") == [("40",), ("50",)]


@pytest.mark.parametrize(
    ("text", "comma"),
    [
        ("a;b\n1,5;2\n", True),
        ("a;b\n1.5;2\n", False),
        ("a;b\n1,5;2.5\n", False),
        ("a;b\n1;2\n", False),
        ('a,b\n"1,5",2\n', True),
        ('a,b\n"1,5",2.5\n', False),
        # A point between commas is the decimal sign, whatever follows it.
        ('a,b\n"1,5",2.125\n', False),
        ('a,b\n"1,5",2\n' + '"1,7",3\n' * 300 + "4,2.5\n", False),
        ('a,b\n"1,5",2\n"1,5,7",2\n', False),
        ('a,b\n"1,5",2\n"5, as I said",2\n', False),
        ('a,b\n"1,250",2\n', False),
    ],
)
def test_a_decimal_comma_is_recognised(tmp_path: Path, text: str, comma: bool) -> None:
    assert open_table(write(tmp_path, text)).decimal_comma is comma


def test_what_the_silo_states_wins_over_the_guess(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "a;b\n1;2\n"), delimiter=";", decimal=",", encoding="latin-1")
    assert table.decimal_comma
    assert table.columns == ("a", "b")


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_blocks_of_any_size_give_the_same_cells_and_lines(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", block)
    text = 'a,b\n1,"x, ""y"""\n\n2,"two\nlines"\n3,5\' 6" tall\n4,plain\n'
    path = write(tmp_path, text)
    found = [(b.number(i), *row) for b in open_table(path).batches(["a", "b"]) for i, row in enumerate(b.frame.rows())]
    assert [row for row in found if row[1]] == [
        (2, "1", 'x, "y"'),
        (4, "2", "two\nlines"),
        (6, "3", "5' 6\" tall"),
        (7, "4", "plain"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "id,x,y\n1,2.5,a\n2,-.5,b\n3,1e-7,c\n4,,\n",
        'id,x,y\r\n1,"2.5","a,b"\r\n2,3,"c ""d"""\r\n',
        "id;x;y\n1;2;ä\n2;3;\n",
    ],
)
def test_cells_equal_those_of_pandas(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    expected = pd.read_csv(path, dtype=str, sep=None, engine="python", keep_default_na=False)
    assert [tuple(c or "" for c in row) for row in cells(path)] == list(expected.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a,b\n1,2\n3\n", 3, "1 cell, the header has 2"),
        ("a,b\n1,2\n\n3,4,5\n", 4, "3 cells, the header has 2"),
        ('a,b\n1,"x"\n3,4,5\n', 3, "3 cells, the header has 2"),
        ('a,b\n1,"never closed\n3\n5\n', 2, "cannot be read"),
        ("a,b,a\n1,2,3\n", 1, "names column 'a' 2 times"),
    ],
)
def test_a_misshapen_table_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(BadTable) as caught:
        cells(write(tmp_path, text))
    assert caught.value.where == f"t.csv:{line}"
    assert words in caught.value.message


def test_bytes_of_two_encodings_are_refused_with_their_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 9)
    with pytest.raises(BadTable) as caught:
        cells(write(tmp_path, "a,b\nä,1\n".encode() + "ö,2\n".encode("latin-1")))
    assert caught.value.where == "t.csv:3"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04[Content_Types].xml", "the workbook cannot be read"),
        (b"PAR1rest", "the Parquet file cannot be read"),
        (b"SQLite format 3\x00", "a SQLite database"),
        (b"manifest.json\x00\x00", "a fedcli file"),
        (b"\x1f\x8bnot gzip at all", "packed, and cut off or damaged"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(BadTable, match=words):
        open_table(write(tmp_path, data))


def test_a_gzip_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 5_000_000)
    with pytest.raises(BadTable):
        cells(write(tmp_path, packed[: len(packed) // 2]))


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(EmptyTable):
        open_table(write(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        open_table(tmp_path / "no.csv")
    with pytest.raises(FileMissing, match="holds no CSV or Parquet file"):
        open_table(tmp_path)


# Without digits: lines within a cell that look like records are refused, see the odd tables.
CELL = st.text(st.sampled_from('abc ,;"\n\r.é'), max_size=5)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12), st.sampled_from([1, 13, 1 << 20]), st.booleans())
def test_whatever_python_writes_is_read_back(records: list[tuple[str, ...]], block: int, quote_all: bool) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    writer.writerows([("x", "y", "z"), *records])
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", block)
        found = cells(write(Path(folder), text.getvalue()))
    assert [tuple(cell or "" for cell in row) for row in found] == records


# A mark within an unquoted cell stands for itself; a quoted cell may hold anything.
LOOSE = st.text(st.sampled_from('ab "'), max_size=4).filter(lambda cell: not cell.startswith('"'))
QUOTED = CELL.map(lambda cell: '"' + cell.replace('"', '""') + '"')


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(LOOSE | QUOTED, LOOSE | QUOTED), min_size=1, max_size=10), st.sampled_from([1, 13, 1 << 20]))
def test_marks_that_stand_for_themselves_lose_no_row(records: list[tuple[str, ...]], block: int) -> None:
    text = "".join(",".join(record) + "\n" for record in [("x", "y"), *records])
    expected = list(csv.reader(io.StringIO(text, newline="\n"), strict=True))[1:]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", block)
        path = write(Path(folder), text)
        found = cells(path)
        # What is behind the last cell that is asked for counts too.
        first = cells(path, "x")
    assert [[cell or "" for cell in row] for row in found] == expected
    assert [cell or "" for (cell,) in first] == [row[0] for row in expected]
