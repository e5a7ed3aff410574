"""Odd tables that are kept in other formats or in parts: what each reads as to the bit, or how it is refused."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xlsxwriter

from fedcli.data.checking import RowReader, check_table
from fedcli.errors import BadTable, BadTarget, EmptyTable, NotADate, NotANumber, OutOfRange, UnknownLevel
from fedcli.study.reading import read_study
from tests.workflow.odd import (
    CELLS,
    CLEAN,
    RATES,
    Content,
    Read,
    Refused,
    agrees,
    but,
    column,
    comma,
    noted,
    opened,
    refuses,
    same_bits,
    text,
    whole,
)

NAMES = tuple(CELLS)
DAYS = [datetime.date(2020, 2, 29), datetime.date(2001, 12, 31), datetime.date(2014, 1, 1)]
MOMENTS = [datetime.datetime(2020, 2, 29, 23, 59), datetime.datetime(2001, 12, 31), datetime.datetime(2014, 1, 1, 8)]
TYPED: dict[str, Any] = {
    "age": [40.5, 61.0, 33.0],
    "chol": [200.0, 181.25, None],
    "income": [1250, 980, -52000],
    "visits": [3, 0, 12],
    "seen": DAYS,
    "sex": ["female", "male", "female"],
    "stage": ["None", "größer", "mild"],
    "smoker": [True, False, None],
    "ill": [1, 0, 0],
}


def parquet(**columns: Any) -> Callable[[Path], Path]:
    """Write the clean table as Parquet, some columns as given."""

    def write(folder: Path) -> Path:
        pl.DataFrame(TYPED | columns).write_parquet(folder / "t.parquet")
        return folder / "t.parquet"

    return write


def sheet(*above: list[Any], epoch_1904: bool = False, **columns: Any) -> Callable[[Path], Path]:
    """Write the clean table as a workbook, some columns as given, rows ``above`` its header."""

    def write(folder: Path) -> Path:
        path = folder / "t.xlsx"
        cells = TYPED | columns
        with xlsxwriter.Workbook(path, {"date_1904": epoch_1904, "default_date_format": "dd.mm.yyyy"}) as book:
            page, share = book.add_worksheet("Visits"), book.add_format({"num_format": "0%"})
            for r, record in enumerate([*above, list(cells), *map(list, zip(*cells.values(), strict=True))]):
                for c, value in enumerate(record):
                    if isinstance(value, str) and value.startswith("="):
                        page.write_formula(r, c, value, None, "#N/A")
                    elif isinstance(value, str):
                        page.write_string(r, c, value)
                    elif value is not None:
                        page.write(r, c, value, *([share] if isinstance(value, float) and 0 < value < 1 else []))
        return path

    return write


def parts(**files: Content) -> Callable[[Path], Path]:
    """Write parts of a table, in the order of their names."""

    def write(folder: Path) -> Path:
        path = folder / "parts"
        path.mkdir()
        for name, content in files.items():
            if callable(content):
                made = content(folder)
                made.rename(path / f"{name}{made.suffix}")
            else:
                (path / f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def backwards(sep: str = ",") -> str:
    return "".join(sep.join(line.split(",")[::-1]) + "\n" for line in text().splitlines())


READ: dict[str, Read] = {
    # ---- Parquet ---------------------------------------------------------------------------------------------------
    "Parquet": Read(parquet(), fact="Parquet"),
    "Parquet of small integers": Read(
        parquet(
            income=pl.Series([125, 98, -52], dtype=pl.Int8),
            visits=pl.Series([3, 0, 12], dtype=pl.UInt16),
            ill=pl.Series([1, 0, 0], dtype=pl.Int8),
        ),
        column("income", 125.0, 98.0, -52.0),
    ),
    "Parquet of narrow floats": Read(
        parquet(chol=pl.Series([200.1, 181.3, None], dtype=pl.Float32), ill=pl.Series([1, 0, 0], dtype=pl.Float32)),
        column("chol", 200.1, 181.3, None),
    ),
    "Parquet of decimals": Read(
        parquet(
            age=pl.Series([Decimal("40.50"), Decimal("61.00"), Decimal("33.00")], dtype=pl.Decimal(9, 2)),
            chol=pl.Series([Decimal("200.1"), Decimal("181.3"), None], dtype=pl.Decimal(20, 1)),
        ),
        column("chol", 200.1, 181.3, None),
    ),
    "Parquet of categories": Read(
        parquet(
            sex=pl.Series(TYPED["sex"], dtype=pl.Categorical),
            stage=pl.Series(TYPED["stage"], dtype=pl.Enum(["mild", "größer", "None"])),
        )
    ),
    "Parquet of truth values": Read(
        parquet(ill=[True, False, False], visits=[True, False, None]), column("visits", 1, 0, None)
    ),
    "Parquet of yes and no as numbers": Read(parquet(smoker=[1.0, 0.0, None])),
    "Parquet of moments": Read(parquet(seen=MOMENTS)),
    "Parquet of moments with their zone": Read(
        parquet(seen=[moment.replace(tzinfo=datetime.UTC) for moment in MOMENTS])
    ),
    "Parquet of days whatever is stated": Read(parquet(), own="columns: {seen: {date: DD.MM.YYYY}}"),
    "Parquet of text": Read(parquet(**{name: [cell or None for cell in cells] for name, cells in CELLS.items()})),
    "Parquet with gaps": Read(
        parquet(chol=[None] * 3, stage=["None", None, "mild"], ill=[1, 0, None], smoker=[None] * 3),
        tuple(
            (*row[:1], None, *row[2:6], stage, None, row[8])
            for row, stage in zip(CLEAN[:2], ("None", None), strict=True)
        ),
        dropped=1,
    ),
    "Parquet with a value that is NaN": Read(parquet(chol=[200.0, float("nan"), None]), but(1, chol=None)),
    # ---- workbooks -------------------------------------------------------------------------------------------------
    "a workbook": Read(sheet(), fact="workbook"),
    "a workbook whose days begin in 1904": Read(sheet(epoch_1904=True)),
    "a workbook of days and of days that are text": Read(
        sheet(seen=[DAYS[0], "31.12.2001", "1.1.2014 8:00"]), own="columns: {seen: {date: DD.MM.YYYY}}"
    ),
    "a workbook of moments": Read(sheet(seen=MOMENTS)),
    "a workbook of TRUE and FALSE": Read(sheet(ill=[True, False, False])),
    "a workbook of numbers that are text": Read(sheet(chol=["200", " 181.25 ", None], visits=["3", "0", "12"])),
    "a workbook of decimal commas that are text": Read(
        sheet(age=["40,5", 61, 33], chol=[200, 181.25, None], income=[1.25, 980, "-52000"]),
        but(0, income=1.25),
        own="table: {decimal: comma}",
    ),
    "a workbook of thousands that are text": Read(
        sheet(age=["40,5", 61, 33], chol=[200, 181.25, None], income=["1.250", 980, "-52.000,0"]),
        own="table: {thousands: point}",
    ),
    "a workbook of three digits behind the point, and thousands that are text": Read(
        sheet(income=[1.25, "1.000.000", -52]),
        column("income", 1.25, 1000000.0, -52.0),
        own="table: {thousands: point}",
    ),
    "Parquet of thousands that are text": Read(
        parquet(income=["1,250", "980", "-52,000.0"]), own="table: {thousands: comma}"
    ),
    "a workbook of three digits behind the point": Read(
        sheet(income=[1.25, 980.125, -52]), column("income", 1.25, 980.125, -52.0)
    ),
    "a workbook of a formula in error": Read(sheet(chol=[200, "=NA()", None]), but(1, chol=None)),
    "a workbook of shares that look like percents": Read(
        sheet(income=[0.125, 0.98, -52]), column("income", 0.125, 0.98, -52.0)
    ),
    "a workbook with empty rows": Read(sheet([], [], [])),
    # ---- parts -----------------------------------------------------------------------------------------------------
    "parts whose columns stand in another order": Read(parts(a=text(), b=backwards()), CLEAN * 2, fact="2 files"),
    "parts of several encodings and delimiters": Read(
        parts(a=text(), b=text("\t").encode("utf-16"), c=text("|").encode("cp1252")), CLEAN * 3
    ),
    "parts of which one shows the decimal sign for all": Read(
        parts(a=whole(income=["1,250", "980", "-52000"], chol=["200", "181", ""]), b=comma()),
        (
            *(
                (float(age), chol, income, *row[3:])
                for age, chol, income, row in zip(
                    (40, 61, 33), (200.0, 181.0, None), (1.25, 980.0, -52000.0), CLEAN, strict=True
                )
            ),
            *CLEAN,
        ),
        fact="decimal comma",
    ),
    "parts of Parquet of several widths": Read(
        parts(a=parquet(), b=parquet(visits=pl.Series([3, 0, 12], dtype=pl.Int8), smoker=[None] * 3)),
        (*CLEAN, *((*row[:7], None, row[8]) for row in CLEAN)),
    ),
    "an empty part": Read(parts(a=text(), b=text().splitlines()[0] + "\n"), CLEAN),
}
REFUSED: dict[str, Refused] = {
    "Parquet that is cut": Refused(
        lambda folder: cut(parquet()(folder)), BadTable, "the Parquet file cannot be read", "copy it again", "t.parquet"
    ),
    "Parquet without rows": Refused(
        parquet(**{name: pl.Series([], dtype=pl.Int8) for name in NAMES}), EmptyTable, "a header and no rows", "again"
    ),
    "Parquet of lists": Refused(
        parquet(age=[[40.5], [61.0], [33.0]]), BadTable, "column 'age' holds lists", "one number or text per row"
    ),
    "Parquet of durations": Refused(
        parquet(visits=[datetime.timedelta(days=3)] * 3),
        BadTable,
        "column 'visits' holds lists, structures, durations",
        "one number or text per row",
        "t.parquet",
    ),
    "Parquet of days in a column of numbers": Refused(
        parquet(age=DAYS),
        NotANumber,
        "'age' is not a number in 3 rows, rows 1, 2, 3",
        "correct the cells",
        "t.parquet:1",
    ),
    "Parquet of infinity": Refused(
        parquet(chol=[200.0, float("inf"), None]), NotANumber, "in 1 row, row 2", "correct the cells", "t.parquet:2"
    ),
    "Parquet of numbers in a column of levels": Refused(
        parquet(sex=[1.0, 2.0, 1.0]),
        UnknownLevel,
        "in 3 rows: '1.0', '2.0'",
        'sex: {levels: {"1.0": LEVEL',
        "t.parquet:1",
    ),
    "Parquet of decimal commas": Refused(
        parquet(chol=["200", "181,25", None]), NotANumber, "'chol' is not a number in 1 row", "{decimal: comma}"
    ),
    "a workbook of text that may be thousands": Refused(
        sheet(income=["1.250", 980.125, -52000]),
        BadTable,
        "whether the point in numbers of column 'income' is",
        "if it parts thousands, table: {thousands: point}",
        "t.xlsx:2",
    ),
    "a workbook with a title": Refused(
        sheet(["Export of May"]), BadTable, "row 1 of sheet 'Visits' names only 1 of the 9 columns", "take out titles"
    ),
    "a workbook of numbers where there are days": Refused(
        sheet(seen=[43890, 37256, 41640]), NotADate, "in 3 rows, rows 2, 3, 4", "seen: {date: excel}", "t.xlsx:2"
    ),
    "a workbook of sexes as codes": Refused(
        sheet(sex=[1, 2, 1]), UnknownLevel, "in 3 rows: '1', '2'", 'sex: {levels: {"1": LEVEL, "2": LEVEL}}', "t.xlsx:2"
    ),
    "a workbook of an outcome with a third value": Refused(
        sheet(ill=[True, False, "maybe"]), BadTarget, "in 3 rows: 'false', 'maybe', 'true'", "ill: {levels:", "t.xlsx:2"
    ),
    "a workbook that is cut": Refused(
        lambda folder: cut(sheet()(folder)), BadTable, "the workbook cannot be read", "save it anew as .xlsx or as CSV"
    ),
    "a sheet that is not there": Refused(
        sheet(), BadTable, "the workbook has no sheet 'Visit'", "its sheets are Visits", own="table: {sheet: Visit}"
    ),
    "parts of several kinds": Refused(
        parts(a=parquet(), b=parquet(visits=["3", "0", "12"])),
        BadTable,
        "column 'visits' holds text here and numbers in 'a.parquet'",
        "write them anew by the same program",
        "b.parquet",
    ),
    "a part that lacks a column": Refused(
        parts(a=text(), b=text().replace("chol", "Chol", 1)),
        BadTable,
        "lacks column 'chol' of 'a.csv'",
        "export them anew",
    ),
    "a part with a column more": Refused(
        parts(a=text(), b=noted("1", "2", "3")),
        BadTable,
        "has a column 'note' more than 'a.csv'",
        "export them anew",
        "b.csv",
    ),
    "parts of text and of Parquet": Refused(
        parts(a=parquet(), b=text()), BadTable, "holds both text and Parquet files", "say which are the table"
    ),
    "a part whose numbers have the other sign": Refused(
        parts(a=comma(), b=text()), NotANumber, "'age' is not a number in 1 row, line 2", "decimal", "b.csv:2"
    ),
    "parts of which none shows the decimal sign": Refused(
        parts(a=whole(), b=whole(income=["1.250", "980", ""])),
        BadTable,
        "whether the point in numbers of column 'income'",
        "write in silo.yaml: table: {decimal: point}",
        "b.csv:2",
    ),
}


def cut(path: Path) -> Path:
    """Leave off the last bytes of a file."""
    path.write_bytes(path.read_bytes()[:-40])
    return path


@pytest.mark.parametrize("name", READ)
def test_an_odd_table_reads_as_agreed_to_the_bit(name: str, tmp_path: Path) -> None:
    agrees(tmp_path, READ[name])


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_table_is_refused_by_words_that_say_what_to_do(name: str, tmp_path: Path) -> None:
    refuses(tmp_path, REFUSED[name])


# ---- keys, exposures and weights, which the clinic has not ---------------------------------------------------------


def test_a_key_of_sites_that_became_a_narrow_float_finds_its_levels(tmp_path: Path) -> None:
    study = read_study("""
study: sites
target: {column: ill, type: binary, positive: 1, negative: 0}
features:
  site: {type: category, levels: [1.1, 1.2, 103, 16777216]}
model: {estimator: LogisticRegression}
""")
    for dtype in (pl.Float32, pl.Float64):
        cells = pl.Series([1.1, 103.0, 1.2, 16777216.0], dtype=dtype)
        pl.DataFrame({"site": cells, "ill": [1, 0, 1, 0]}).write_parquet(tmp_path / "t.parquet")
        mapping, table = opened(tmp_path, lambda folder: folder / "t.parquet", "", study)
        (rows,) = RowReader(study, mapping, table)
        assert rows.codes[:, 0].tolist() == [0, 2, 1, 3]


def test_exposures_weights_and_counts_are_read_to_the_bit(tmp_path: Path) -> None:
    lines = "n,age,t,w\n3.0,40,2,1\n,bad,2,1\n-1,40,,1\n2,50,,1\n1,60,1,NA\n0,70,0.5,0\n4,71,10,2.5\n"
    mapping, table = opened(tmp_path, lines, "", RATES)
    (rows,) = RowReader(RATES, mapping, table)
    same_bits(
        rows,
        np.array([[40.0], [70.0], [71.0]]),
        np.empty((3, 0), dtype=np.int32),
        np.array([3.0, 0.0, 4.0]),
        np.log(np.array([2.0, 0.5, 10.0])),
        np.array([1.0, 0.0, 2.5]),
    )
    report, errors = check_table(RATES, mapping, table)
    assert errors == ()
    assert (report.rows_read, report.rows_used, report.dropped) == (7, 3, {"n": 2, "t": 1, "w": 1})


@pytest.mark.parametrize(
    ("line", "error", "says", "hint"),
    [
        ("1,40,0,1", OutOfRange, "'t' lies outside 0.5 to 10 in 1 row, line 3", "else correct the cells"),
        ("1,40,-2,1", OutOfRange, "'t' lies outside 0.5 to 10", "else correct the cells"),
        ("1,40,1,-1", OutOfRange, "'w' lies outside 0 to 5 in 1 row, line 3", "else correct the cells"),
        ("2.5,40,1,1", BadTarget, "target column 'n' is not a whole number in 1 row", "a count is 0, 1, 2"),
        ("-2,40,1,1", OutOfRange, "'n' lies outside 0 to 9", "correct the cells, or ask the coordinator"),
        ("1,40,forever,1", NotANumber, "'t' is not a number in 1 row, line 3", "t: {missing:"),
    ],
)
def test_an_exposure_weight_or_count_that_cannot_be_is_refused(
    line: str, error: type[Exception], says: str, hint: str, tmp_path: Path
) -> None:
    refuses(tmp_path, Refused(f"n,age,t,w\n1,40,2,1\n{line}\n", error, says, hint, "t.csv:3"), RATES)
