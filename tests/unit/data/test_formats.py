"""Parquet, parts of a table and workbooks: the same rows whatever they are kept in, and each file named that is not."""

from __future__ import annotations

import builtins
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from fedcli.data import parquet_table
from fedcli.data.checking import RowReader, check_table, missing_columns
from fedcli.data.mapping import Mapping, agreed_columns
from fedcli.data.reading import open_table
from fedcli.data.source import located, recorded
from fedcli.errors import BadTable, EmptyTable, ExtraMissing, FileMissing
from fedcli.study.reading import read_study

STUDY = read_study("""
study: small
target: {column: y, type: binary, positive: 1, negative: 0}
features:
  age: {type: number, range: [18, 110]}
  sex: {type: category, levels: [1, 2]}
  chol: {type: number, range: [50, 700], missing: [0], impute: mean}
model: {estimator: LogisticRegression}
""")
FRAME = pl.DataFrame(
    {
        "age": pl.Series([40.1, 50.7, 61.3, 33.3] * 50, dtype=pl.Float32),
        "sex": pl.Series([1.0, 2.0, 1.0, 2.0] * 50),
        "chol": pl.Series([200, 0, None, 180] * 50, dtype=pl.Int16),
        "y": pl.Series([1, 0, 0, 1] * 50, dtype=pl.Int8),
    }
)


def rows(data: Path | str) -> list[bytes]:
    (read,) = RowReader(STUDY, Mapping.identity(), open_table(data))
    return [part.tobytes() for part in (read.numbers, read.codes, read.target)]


def cells(data: Path | str, *columns: str, **written: str) -> list[tuple[object, ...]]:
    table = open_table(data, **written)
    return pl.concat([b.frame for b in table.batches(columns or table.columns)]).rows()


def workbook(path: Path, records: list[list[Any]], *, sheet: str = "Visits", at: int = 0) -> Path:
    with xlsxwriter.Workbook(path) as book:
        page, day = book.add_worksheet(sheet), book.add_format({"num_format": "yyyy-mm-dd"})
        for r, record in enumerate(records, at):
            for c, value in enumerate(record):
                if isinstance(value, datetime):
                    page.write_datetime(r, c, value, day)
                elif value is not None:
                    (page.write_string if isinstance(value, str) else page.write)(r, c, value)
        page.write_blank(r + 5, 20, None, day)
        book.add_worksheet("Notes")
    return path


def test_the_same_rows_are_the_same_to_the_bit_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "_MOST_ROWS", 7)
    FRAME.write_csv(tmp_path / "t.csv")
    FRAME.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "parts").mkdir()
    for i, part in enumerate(FRAME.iter_slices(33)):
        part.write_parquet(tmp_path / f"parts/part-{i}.parquet")
    workbook(
        tmp_path / "t.xlsx",
        [FRAME.columns, *(list(r) for r in FRAME.with_columns(pl.col("age").cast(pl.String).cast(float)).rows())],
    )
    expected = rows(tmp_path / "t.csv")
    for name in ("t.parquet", "parts", "parts/part-*.parquet", "t.xlsx"):
        assert rows(tmp_path / name) == expected, name


def test_a_parquet_file_of_odd_types_is_read(tmp_path: Path) -> None:
    moment = datetime(2024, 2, 29, 12, 30)
    pl.DataFrame({" when ": [moment, None], "who": pl.Series(["a", "b"], dtype=pl.Categorical)}).write_parquet(
        tmp_path / "t"
    )
    assert open_table(tmp_path / "t").columns == ("when", "who")
    assert cells(tmp_path / "t") == [(moment, "a"), (None, "b")]


def test_a_column_of_lists_is_refused_only_when_it_is_read(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "b": [[1, 2]]}).write_parquet(tmp_path / "t.parquet")
    assert cells(tmp_path / "t.parquet", "a") == [(1,)]
    with pytest.raises(BadTable, match="column 'b' holds lists"):
        cells(tmp_path / "t.parquet", "b")


def test_a_wrong_row_is_named_with_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "_MOST_ROWS", 3)
    FRAME[:10].write_parquet(tmp_path / "v-1.parquet")
    FRAME[:10].with_columns(age=pl.Series([40.0] * 4 + [-1.0] + [40.0] * 5)).write_parquet(tmp_path / "v-2.parquet")
    _, (error,) = check_table(STUDY, Mapping.identity(), open_table(tmp_path / "v-*.parquet"))
    assert error.where == "v-2.parquet"
    assert str(error).endswith("in 1 row, row 5")


def test_wrong_rows_in_two_parts_are_told_apart(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("age,sex,chol,y\n40,1,200,1\n5,1,200,0\n")
    _, (error,) = check_table(STUDY, Mapping.identity(), open_table(tmp_path))
    assert str(error).startswith("a.csv: ")
    assert str(error).endswith("in 2 rows, lines 3, 3 of b.csv")


def test_the_names_of_folders_are_columns(tmp_path: Path) -> None:
    for year, value in (("2023", 1), ("__HIVE_DEFAULT_PARTITION__", 2), ("a%20b", 3)):
        (tmp_path / f"year={year}").mkdir()
        pl.DataFrame({"a": [value]}).write_parquet(tmp_path / f"year={year}/0.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    assert sorted(cells(tmp_path, "year", "a"), key=lambda r: r[1]) == [("2023", 1), (None, 2), ("a b", 3)]
    assert sorted(cells(tmp_path, "year"), key=str) == [("2023",), ("a b",), (None,)]


def test_a_pattern_that_fits_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="no file fits"):
        open_table(tmp_path / "v-*.csv")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "t[1].csv").write_text("a\n1\n")
    assert cells(tmp_path / "t[1].csv") == [("1",)]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "t.parquet")
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[4:60] = b"\xff" * 56
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(BadTable, match="cannot be read"):
        cells(tmp_path / "t.parquet")


def test_a_sheet_is_read_as_it_looks(tmp_path: Path) -> None:
    day = datetime(2024, 2, 29)
    records = [
        ["id", "when", "text", "mixed", None],
        [1.0, day, "1.50", 2, 7],
        [2.0, day, "x", "?", 8],
        [None, None, "", 0.1, 9],
    ]
    path = workbook(tmp_path / "t.xlsx", records, at=3)
    table = open_table(path)
    assert table.facts == ("workbook", "sheet 'Visits' of 2")
    assert table.columns == ("id", "when", "text", "mixed", "")
    (batch,) = table.batches(["id", "when", "text", "mixed"])
    assert batch.frame.rows()[:2] == [("1", "2024-02-29", "1.50", "2"), ("2", "2024-02-29", "x", "?")]
    assert batch.frame.height == 3
    assert (batch.unit, batch.number(0)) == ("row", 5)


@pytest.mark.parametrize(("sheet", "error"), [("Nots", BadTable), ("Notes", EmptyTable)])
def test_a_sheet_that_is_not_there_or_empty_is_refused(tmp_path: Path, sheet: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=sheet):
        open_table(workbook(tmp_path / "t.xlsx", [["a"], [1]]), sheet=sheet)


def test_a_header_of_merged_cells_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", [["Patient", None, None], ["age", "sex", "y"], [40, 1, 1]])
    with pytest.raises(BadTable, match="row 1 of sheet 'Visits' names only 1 of the 3 columns"):
        open_table(path)


def test_without_the_extra_a_workbook_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name in ("fastexcel", "sqlalchemy"):
            raise ImportError(name)
        return real(name, *rest)

    path = workbook(tmp_path / "t.xlsx", [["a"], [1]])
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExtraMissing) as caught:
        open_table(path)
    assert 'pip install "fedcli[excel]"' in caught.value.hint
    with pytest.raises(ExtraMissing) as caught:
        open_table("sqlite:///t.db", query="select 1")
    assert 'pip install "fedcli[sql]"' in caught.value.hint


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (b"a,b\n1,2\n", ("comma-delimited", "ASCII")),
        ("a;b\n1,5;ä\n".encode("cp1252"), ("semicolon-delimited", "Windows-1252", "decimal comma")),
        ("\ufeffa\tb\n1\t2\n".encode(), ("tab-delimited", "UTF-8 with a byte order mark")),
        ("a|b\nä|2\n".encode(), ("bar-delimited", "UTF-8")),
        ("a,b\n1,2\n".encode("utf-16"), ("comma-delimited", "UTF-16 with a byte order mark")),
    ],
)
def test_what_was_found_out_about_text_is_said(tmp_path: Path, data: bytes, facts: tuple[str, ...]) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    assert open_table(tmp_path / "t.csv").facts == facts


@pytest.mark.parametrize(
    "data", ["sqlite:///a/visits.db", "tables/v-*.csv", "sqlite:////srv/v.db", "postgresql://u@h/d"]
)
def test_what_is_recorded_leads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space").mkdir()
    written = recorded(data, Path("space"))
    back = located(written, Path("space"))
    if "tables" in data:
        assert (written, Path(back).resolve()) == ("../tables/v-*.csv", tmp_path / "tables/v-*.csv")
    elif "a/visits" in data:
        assert (written, back) == ("sqlite:///../a/visits.db", "sqlite:///space/../a/visits.db")
    else:
        assert (written, back) == (data, data)


def test_a_sheet_with_none_of_the_columns_is_said_once_and_the_right_one_named(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for name, header in (("Legend", ["Code", "Meaning"]), ("Notes", []), ("Visits 2024", agreed_columns(STUDY))):
            page = book.add_worksheet(name)
            for r in range(2 if header else 0):
                for c, word in enumerate(header):
                    page.write(r, c, word if r == 0 else 1)
    (problem,) = missing_columns(STUDY, Mapping.identity(), open_table(path))
    assert f"none of the {len(agreed_columns(STUDY))} columns that the study reads" in problem.message
    assert problem.hint == "sheet 'Visits 2024' has them: write in silo.yaml table: {sheet: Visits 2024}"
    assert missing_columns(STUDY, Mapping.identity(), open_table(path, sheet="Visits 2024")) == ()


def test_a_table_without_a_header_is_said_once_and_no_cell_of_it_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("63.5,Smith,1250\n41.5,Jones,1300\n")
    (problem,) = missing_columns(STUDY, Mapping.identity(), open_table(tmp_path / "t.csv"))
    assert "here it holds numbers: put a line with their names above it" in problem.hint
    assert "Smith" not in str(problem) + problem.hint
    (tmp_path / "u.csv").write_text("Smith,Miller\nJones,Cooper\n")
    (problem,) = missing_columns(STUDY, Mapping.identity(), open_table(tmp_path / "u.csv"))
    assert "is it the right table, and does its first line name the columns?" in problem.hint
