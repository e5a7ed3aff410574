"""Bad tables of text: by which error, which words and which next step each is refused, and that nothing is written."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fedcli.errors import (
    BadTable,
    BadTarget,
    EmptyTable,
    MissingColumn,
    MissingValue,
    NotADate,
    NotANumber,
    NotWhole,
    OutOfRange,
    UnknownLevel,
)
from tests.workflow.odd import FIRST, HEAD, THIRD, Refused, comma, noted, refuses, text, whole

NOT_KNOWN = "if they mean 'not known', write in silo.yaml under columns: "
REFUSED: dict[str, Refused] = {
    # ---- files that are no tables ----------------------------------------------------------------------------------
    "an empty file": Refused("", EmptyTable, "the table is empty", "export it again", "t.csv"),
    "a header and no rows": Refused(HEAD + "\n", EmptyTable, "a header and no rows", "export it again", "t.csv"),
    "a zip": Refused(b"PK\x03\x04" + text().encode(), BadTable, "this is a zip archive", "unpack it", "t.csv"),
    "a PDF": Refused(b"%PDF-1.7\n", BadTable, "this is a PDF", "ask for the table as CSV"),
    "a web page named as a table": Refused(
        "\n<HTML><body><table>", BadTable, "this is a web page", "save it as .xlsx or CSV"
    ),
    "an XML file": Refused('\ufeff<?xml version="1.0"?><Workbook>', BadTable, "an XML file", "save it as .xlsx or CSV"),
    "a JSON file": Refused('[\n {"age": 40}]', BadTable, "this is a JSON file", "write CSV (UTF-8) or Parquet"),
    "an SPSS file": Refused(b"$FL2@(#) SPSS", BadTable, "this is an SPSS file", "in SPSS, save it as CSV"),
    "an R object": Refused(gzip.compress(b"X\n\x00\x00\x00\x03"), BadTable, "this is an R object", "write.csv"),
    "a SAS data set": Refused(b"\0" * 12 + b"\xc2\xea\x81\x60", BadTable, "this is a SAS data set", "dbms=csv"),
    "an Arrow file": Refused(b"ARROW1\0\0", BadTable, "this is an Arrow file", "write it as Parquet"),
    "gzip that is cut": Refused(
        gzip.compress(text().encode())[:-9], BadTable, "is packed, and cut off or damaged", "copy it again", "t.csv"
    ),
    "gzip with wrong bytes behind the first megabyte": Refused(
        lambda folder: spoiled(folder / "t.csv.gz"), BadTable, "cut off or damaged", "copy it again", "t.csv.gz"
    ),
    "UTF-16 that is cut": Refused(
        text("\t").encode("utf-16")[:-1], BadTable, "is not UTF-16 to its end", "copy it again", "t.csv"
    ),
    "UTF-16 without its mark": Refused(
        text("\t").encode("utf-16-le"), BadTable, "UTF-16 without a byte order mark", "{encoding: utf-16-le}", "t.csv"
    ),
    "bytes that are no text": Refused(text().encode() + b"\0", BadTable, "is not text", "save the table as CSV"),
    "another encoding than stated": Refused(
        text().encode("cp1252"),
        BadTable,
        "these bytes are not utf-8",
        "save the table as CSV (UTF-8)",
        "t.csv:3",
        own="table: {encoding: utf-8}",
    ),
    "an encoding that nothing tells": Refused(
        text().encode("cp850"), UnknownLevel, "not agreed (None, mild, größer) in 1 row", "stage: {levels:", "t.csv:3"
    ),
    # ---- headers ---------------------------------------------------------------------------------------------------
    "a name twice": Refused(
        HEAD.replace("income", "age"),
        BadTable,
        "the header names column 'age' 2 times",
        "rename all but one",
        "t.csv:1",
    ),
    "a name twice but for blanks and accents": Refused(
        HEAD.replace("age", "ä").replace("income", " a\u0308 ") + "\n", BadTable, "'ä' 2 times", "rename all but one"
    ),
    "no header": Refused(
        FIRST.replace("1250", "200"),
        BadTable,
        "the first line seems to hold a record",
        "must name the columns: put a line",
    ),
    "no header, numbers alone": Refused("1,2,3\n4,5,6\n", MissingColumn, "none of the", "here it holds numbers"),
    "a title above the header": Refused(
        "Export of May\n\n" + text(";"),
        BadTable,
        "this line names 1 column, the one below it has 9 cells",
        "take out titles and notes above it",
        "t.csv:1",
    ),
    "a title as Excel saves it": Refused(
        "Export;;;;;;;;\n" + text(";"), BadTable, "names 1 column", "take out titles", "t.csv:1"
    ),
    "empty cells above the header": Refused(
        ";;;;;;;;\n" + text(";"), BadTable, "names 0 columns", "take out titles", "t.csv:1"
    ),
    "a name that is nearly right": Refused(
        text().replace("chol", "Cholesterol mg", 1),
        MissingColumn,
        "the table has no column 'chol'",
        "chol: {column: Cholesterol mg}",
        "t.csv",
    ),
    "a header in several quotation marks": Refused(
        '"' + text(), BadTable, "the header cannot be read", "a quotation mark that is never closed", "t.csv:1"
    ),
    "a header that ends by a return among feeds": Refused(
        text().replace("\n", "\r", 1), BadTable, "the header cannot be read", "all lines must end alike", "t.csv:1"
    ),
    "the header once more, from a file behind it": Refused(
        text() + text(),
        BadTarget,
        "not agreed (1, 0) in 1 row: 'ill', line 5",
        "ill: {levels: {ill: LEVEL}}",
        "t.csv:5",
    ),
    # ---- lines -----------------------------------------------------------------------------------------------------
    "a cut last line": Refused(
        text().replace(THIRD, THIRD[:18]), BadTable, "this line has 5 cells, the header has 9", "cut off", "t.csv:4"
    ),
    "a delimiter at the end of each line but the first": Refused(
        text(end=",\n").replace(",\n", "\n", 1),
        BadTable,
        "this line has 10 cells, the header has 9",
        "a row number or a delimiter at its end, let the header have one too",
        "t.csv:2",
    ),
    "a delimiter in a cell without quotation marks": Refused(
        noted("a", "b, c", "d"), BadTable, "this line has 11 cells, the header has 10", "hold the delimiter", "t.csv:3"
    ),
    "a quotation mark that is never closed": Refused(
        noted("a", '"b', "d"), BadTable, "takes in what looks like 1 record", "take it out or double it", "t.csv:3"
    ),
    "a quotation mark that another closes many lines below": Refused(
        noted('"a', "b", 'd"'),
        BadTable,
        "that begins here takes in what looks like 2 records",
        "leave the column of free text out of the export",
        "t.csv:2",
    ),
    "a mark in a quoted cell that is not doubled": Refused(
        noted("a", '"b "c, d" e"', "f"),
        BadTable,
        "this record cannot be read",
        "quoted cell that is not doubled",
        "t.csv:3",
    ),
    "a footer": Refused(
        text(more=["(3 rows)"]), BadTable, "this line has 1 cell, the header has 9", "was the file cut off", "t.csv:5"
    ),
    # ---- numbers ---------------------------------------------------------------------------------------------------
    "points that may part thousands": Refused(
        whole(income=["1.250", "980", "-52.000"]),
        BadTable,
        "whether the point in numbers of column 'income' is",
        "if it parts thousands, table: {thousands: point}",
        "t.csv:2",
    ),
    "points that may part thousands, where other columns show both signs": Refused(
        whole(income=["1.250", "980", "-52.000"], code=["1.2", "2.1", ""], height=["1,5", "", "1,7"]),
        BadTable,
        "whether the point in numbers of column 'income' is",
        "write in silo.yaml: table: {decimal: point}",
        "t.csv:2",
    ),
    "commas that may part thousands": Refused(
        whole("\t", income=["980", "1,250", "-52,000"]),
        BadTable,
        "whether the comma in numbers of column 'income'",
        "write in silo.yaml: table: {decimal: comma}",
        "t.csv:3",
    ),
    "quoted commas that may part thousands": Refused(
        whole(",", income=['"1,250"', "980", '"-52,000"']),
        BadTable,
        "whether the comma in numbers of column 'income'",
        "if it parts thousands, table: {thousands: comma}",
        "t.csv:2",
    ),
    "quoted commas that may part thousands, beside decimal commas": Refused(
        text(age=['"40,5"', "61", "33"], chol=["200", '"181,25"', ""], income=['"1,250"', "980", '"-52,000"']),
        BadTable,
        "whether the comma in numbers of column 'income'",
        "write in silo.yaml: table: {decimal: comma}",
        "t.csv:2",
    ),
    "points that part thousands, beside decimal commas": Refused(
        comma(income=["1.250", "980", "-52.000"]),
        NotANumber,
        "column 'income' is not a number in 2 rows, lines 2, 4",
        "write in silo.yaml: table: {thousands: point}; if it is the decimal sign: table: {decimal: point}",
        "t.csv:2",
    ),
    "commas that part thousands, beside decimal points": Refused(
        text(income=['"1,250"', "980", '"-52,000"']),
        NotANumber,
        "'income' is not a number in 2 rows, lines 2, 4",
        "write in silo.yaml: table: {thousands: comma}; if it is the decimal sign: table: {decimal: comma}",
        "t.csv:2",
    ),
    "points that part millions": Refused(
        whole(income=["1.250.000", "980", "1"]),
        NotANumber,
        "'income' is not a number in 1 row, line 2",
        "table: {thousands: point}; else correct the cells",
    ),
    "blanks that part thousands": Refused(
        text(income=["1250", "980", "-52\u202f000"]),
        NotANumber,
        "not a number in 1 row, line 4",
        "table: {thousands: space}; else correct the cells",
    ),
    "points that part thousands, one of them astray": Refused(
        comma(income=["1.250,5", "98.0", "-52.000"]),
        NotANumber,
        "'income' is not a number in 1 row, line 3",
        "correct the cells",
        "t.csv:3",
        own="table: {thousands: point}",
    ),
    "points before decimals, where points part thousands": Refused(
        text(";", income=["1.250", "980", "-52.000"]),
        NotANumber,
        "'age' is not a number in 1 row, line 2",
        "correct the cells",
        "t.csv:2",
        own="table: {thousands: point}",
    ),
    "a decimal comma where others have a point": Refused(
        text(";", chol=["200", "181,25", ""]),
        NotANumber,
        "'chol' is not a number in 1 row, line 3",
        "another decimal sign: in silo.yaml, table: {decimal: comma}",
        "t.csv:3",
    ),
    "a minus that is none": Refused(
        text(income=["1250", "980", "\u221252000"]), NotANumber, "not a number in 1 row, line 4", "correct the cells"
    ),
    "infinity": Refused(
        text(chol=["200", "inf", ""]), NotANumber, "not a number in 1 row, line 3", "correct the cells"
    ),
    "a number beyond all floats": Refused(
        text(chol=["200", "1e999", ""]), NotANumber, "not a number in 1 row", "correct the cells"
    ),
    "a number that is written Yes": Refused(
        text(visits=["3", "Yes", "12"]), NotANumber, "'visits' is not a number in 1 row, line 3", NOT_KNOWN + "visits"
    ),
    "a number with its unit": Refused(
        text(chol=["200 mg/dl", "181.25", ""]), NotANumber, "'chol' is not a number in 1 row", "correct the cells"
    ),
    "below a limit": Refused(
        text(chol=["<50", "181.25", ""]), NotANumber, "'chol' is not a number", NOT_KNOWN + "chol"
    ),
    "an error of Excel": Refused(
        text(chol=["#DIV/0!", "200", ""]), NotANumber, "'chol' is not a number", NOT_KNOWN + "chol"
    ),
    "a day that was a number before Excel": Refused(
        text(visits=["3", "2012-01-01", "0"]), NotANumber, "'visits' is not a number in 1 row", "correct the cells"
    ),
    "another unit, not stated": Refused(
        text(chol=["5.2", "4.5", ""]),
        OutOfRange,
        "'chol' lies outside 50 to 700 mg/dl in 2 rows, lines 2, 3",
        "inside in mmol/l or g/l: if it is one of them, write in silo.yaml under columns, with it for UNIT: chol: "
        "{unit: UNIT}",
        "t.csv:2",
    ),
    "-999 for no value, not stated": Refused(
        text(age=["40.5", "-999", "-999"]),
        OutOfRange,
        "'age' lies outside 18 to 110 years in 2 rows, lines 3, 4",
        "-999 stands in 2 of them: " + NOT_KNOWN.replace("they mean", "it means") + "age: {missing: [-999]}",
        "t.csv:3",
    ),
    "'?' for no value, not stated": Refused(
        text(chol=["?", "?", ""]), NotANumber, "'chol' is not a number in 2 rows", 'chol: {missing: ["?"]}', "t.csv:2"
    ),
    "half a visit": Refused(
        text(visits=["3", "2.5", "12"]),
        NotWhole,
        "'visits' is not a whole number in 1 row",
        "correct the cells",
        "t.csv:3",
    ),
    "no value where none may lack": Refused(
        text(age=["40.5", " ", "NA"]),
        MissingValue,
        "'age' is missing in 2 rows",
        "coordinator for 'impute: mean'",
        "t.csv:3",
    ),
    # ---- levels ----------------------------------------------------------------------------------------------------
    "codes for sexes": Refused(
        text(sex=["1", "2", "1"]),
        UnknownLevel,
        "not agreed (female, male) in 3 rows: '1', '2'",
        'sex: {levels: {"1": LEVEL, "2": LEVEL}}',
        "t.csv:2",
    ),
    "a level in other letters": Refused(
        text(sex=["female", "Male", "female"]),
        UnknownLevel,
        "not agreed (female, male) in 1 row: 'Male', line 3",
        "sex: {levels: {Male: LEVEL}}",
        "t.csv:3",
    ),
    "none for None": Refused(text(stage=["none", "mild", "mild"]), UnknownLevel, "in 1 row: 'none'", "{none: LEVEL}"),
    "a yes with its code": Refused(
        text(smoker=["1_yes", "0_no", ""]),
        UnknownLevel,
        "not agreed (false, true) in 2 rows: '0_no', '1_yes'",
        "an agreed level for each LEVEL",
        "t.csv:2",
    ),
    "an outcome of three values": Refused(
        text(ill=["1", "0", "2"]), BadTarget, "not agreed (1, 0) in 1 row: '2', line 4", "ill: {levels: ", "t.csv:4"
    ),
    "an outcome of TRUE and FALSE": Refused(
        text(ill=["TRUE", "FALSE", "FALSE"]), BadTarget, "in 3 rows: 'FALSE', 'TRUE'", '"TRUE": LEVEL', "t.csv:2"
    ),
    "an outcome that nobody has": Refused(
        text(ill=["", "NA", " "]),
        EmptyTable,
        "none of the 3 rows can be used: 3 without 'ill'",
        "another column",
        "t.csv",
    ),
    # ---- days ------------------------------------------------------------------------------------------------------
    "days in three spellings": Refused(
        text(seen=["29.02.2020", "12/31/2001", "2014-01-01"]),
        NotADate,
        "'seen' is not a day written YYYY-MM-DD in 2 rows, lines 2, 3",
        "how days are written here",
        "t.csv:2",
    ),
    "days in one other spelling": Refused(
        text(seen=["29.02.2020", "31.12.2001", "01.01.2014"]),
        NotADate,
        "in 3 rows, lines 2, 3, 4",
        "write in silo.yaml under columns: seen: {date: DD.MM.YYYY}",
        "t.csv:2",
    ),
    "the 30th of February": Refused(
        text(seen=["2020-02-30", "2001-12-31", ""]), NotADate, "in 1 row, line 2", "days that no calendar has, correct"
    ),
    "years of two digits": Refused(
        text(seen=["29.02.20", "31.12.01", ""]),
        NotADate,
        "written DD.MM.YYYY in 2 rows",
        "with the first of the hundred years that are meant for YEAR: seen: {date: DD.MM.YY since YEAR}",
        own="columns: {seen: {date: DD.MM.YYYY}}",
    ),
    "days as Excel counts them": Refused(
        text(seen=["43890", "37256", ""]), NotADate, "in 2 rows, lines 2, 3", "seen: {date: excel}"
    ),
    "a day outside the agreed years": Refused(
        text(seen=["2024-02-29", "2001-12-31", ""]),
        OutOfRange,
        "outside 2000-01-01 to 2023-12-31 in 1 row",
        "wider range",
    ),
}


def spoiled(path: Path) -> Path:
    """Write a packed table of more than a megabyte that is damaged near its end."""
    packed = bytearray(gzip.compress(text(more=[f"{20 + i % 80}{FIRST[4:]}" for i in range(40_000)]).encode()))
    packed[-3000:-2900] = bytes(100)
    path.write_bytes(packed)
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_table_is_refused_by_words_that_say_what_to_do(name: str, tmp_path: Path) -> None:
    refuses(tmp_path, REFUSED[name])
