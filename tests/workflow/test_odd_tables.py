"""Odd tables of text that are read: what comes of each, to the bit, with its counts.

Those that are refused stand in ``test_odd_tables_refused.py``, other formats and parts in ``test_odd_formats.py``,
whole studies on odd tables in ``test_odd_studies.py``.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.workflow.odd import (
    CLEAN,
    FIRST,
    HEAD,
    SECOND,
    THIRD,
    WHOLE,
    Read,
    agrees,
    but,
    column,
    comma,
    noted,
    text,
    whole,
)


def no_value(word: str) -> Read:
    return Read(text(chol=["200", word, ""]), but(1, chol=None))


READ: dict[str, Read] = {
    # ---- bytes -----------------------------------------------------------------------------------------------------
    "as agreed": Read(text(), fact="UTF-8"),
    "a byte order mark": Read("\ufeff" + text(), fact="UTF-8 with a byte order mark"),
    "two byte order marks": Read("\ufeff\ufeff" + text()),
    "UTF-16, Excel's Unicode text": Read(text("\t", "\r\n").encode("utf-16"), fact="UTF-16 with a byte order mark"),
    "UTF-16, marked and stated": Read(text("\t").encode("utf-16"), own="table: {encoding: utf-16}"),
    "UTF-16 without its mark, stated": Read(text("\t").encode("utf-16-le"), own="table: {encoding: utf-16-le}"),
    "Windows-1252": Read(text().encode("cp1252"), fact="Windows-1252"),
    "an encoding that must be stated": Read(text().encode("cp850"), own="table: {encoding: cp850}"),
    "accents in two signs": Read(text().replace("ö", "o\u0308")),
    "gzip": Read(gzip.compress(text().encode()), fact="gzip"),
    # ---- lines -----------------------------------------------------------------------------------------------------
    "lines that end as on Windows": Read(text(end="\r\n")),
    "lines that end as on old Macintoshes": Read(text(end="\r")),
    "lines that end by two returns and a feed": Read(text(end="\r\r\n")),
    "blank lines in the middle and at the end": Read(
        "\n".join([HEAD, FIRST, "", SECOND, "  ", THIRD, "", ""]) + "\n", blank=4
    ),
    "blank lines above the header": Read("\n\n" + text()),
    "lines of delimiters alone": Read(text(more=[",,,,,,,,"] * 2), blank=2),
    "a line of spaces between delimiters": Read(text(more=[" , , , , , , , , "]), dropped=1),
    "no line break at the end": Read(text().rstrip(), fact="no line break at its end: is it whole?"),
    "Excel's sep= line": Read("sep=;\r\n" + comma().replace("\n", "\r\n"), fact="semicolon-delimited"),
    # ---- delimiters and quotation marks ----------------------------------------------------------------------------
    "semicolons and decimal commas": Read(comma(), fact="decimal comma"),
    "tabs": Read(text("\t"), fact="tab-delimited"),
    "tabs and decimal commas": Read(comma("\t"), fact="decimal comma"),
    "bars": Read(text("|"), fact="bar-delimited"),
    "quoted decimal commas between commas": Read(
        text(age=['"40,5"', "61", "33"], chol=["200", '"181,25"', ""]), fact="decimal comma"
    ),
    "quoted answers between commas": Read(whole(",", answers=['"1,2"', "3", '"1,2,3"']), WHOLE, fact="comma-delimited"),
    "quoted pairs between commas": Read(whole(",", answers=['"1,2"', "3", '"3,1"']), WHOLE),
    "quoted decimal commas between commas, as stated": Read(
        text(age=['"40,5"', "61", "33"], chol=["200", '"181,25"', ""]), own="table: {decimal: comma}"
    ),
    "a delimiter at the end of each line": Read(text(end=",\n")),
    "a first column without a name": Read(
        "".join(f"{i or ''},{line}\n" for i, line in enumerate([HEAD, FIRST, SECOND, THIRD]))
    ),
    "every cell quoted": Read("".join('"' + line.replace(",", '","') + '"\n' for line in [HEAD, FIRST, SECOND, THIRD])),
    "delimiters in quoted cells": Read(noted('"a, b"', '"c,"', ",".join(['"', '"']))),
    "quotation marks within cells": Read(noted("5' 6\" tall", '"says ""no"""', '3"')),
    "quotation marks behind a backslash": Read(noted('"says \\"no\\""', "b", "c")),
    "line breaks in quoted cells": Read(noted('"one\ntwo"', '"one,\r\n\r\ntwo, three"', "x")),
    "a carriage return in a quoted name": Read(noted("a", "b", "c").replace("note", '"no\rte"', 1)),
    "a line break in a quoted name": Read(noted("a", "b", "c").replace("note", '"no\nte"', 1)),
    # ---- names -----------------------------------------------------------------------------------------------------
    "blanks around names and values": Read(
        "".join(line.replace(",", " ,\t") + "  \n" for line in [HEAD, FIRST, SECOND, THIRD])
    ),
    "columns in another order and more of them": Read(
        "\n".join(",".join(["x", *line.split(",")[::-1]]) for line in [HEAD, FIRST, SECOND, THIRD])
    ),
    "its own names": Read(text().replace("age", "Alter (J)", 1), own='columns: {age: "Alter (J)"}'),
    # ---- numbers ---------------------------------------------------------------------------------------------------
    "integers among floats": Read(text(age=["40.5", "61.0", "33."], visits=["3.0", "0", "12.00"])),
    "powers of ten and plus signs": Read(text(income=["1.25e3", "+980", "-5.2E+04"], visits=["+3", "0e0", "1.2e1"])),
    "no-break spaces around values": Read(
        text(age=["\u00a040.5", "61\u00a0", "\u202f33\u2009"], sex=["female\u00a0", "male", "\u3000female"])
    ),
    "marks that nobody sees": Read(
        text(age=["\u200b40.5", "61", "33\u200e"], sex=["\ufefffemale", "male\u2060", "female"])
    ),
    "a point before three digits, stated": Read(
        whole(income=["1.250", "980", "-52.000"]),
        tuple((*row[:2], income, *row[3:]) for row, income in zip(WHOLE, (1.25, 980.0, -52.0), strict=True)),
        own="table: {decimal: point}",
    ),
    "a point before three digits, shown by another number": Read(
        text(";", income=["1.250", "980", "-52.000"]), column("income", 1.25, 980.0, -52.0)
    ),
    "a comma before three digits, shown by another number": Read(
        comma(income=["1,250", "980", "-52,000"]), column("income", 1.25, 980.0, -52.0)
    ),
    "a point before three digits between commas": Read(
        whole(",", income=["1.250", "980", "-52.000"]),
        tuple((*row[:2], income, *row[3:]) for row, income in zip(WHOLE, (1.25, 980.0, -52.0), strict=True)),
    ),
    "points that part thousands, as stated": Read(
        comma(income=["1.250", "980", "-52.000"]), own="table: {thousands: point}", fact="thousands parted by a point"
    ),
    "points that part thousands, and no decimals": Read(
        whole(income=["1.250", "980", "-52.000"]), WHOLE, own="table: {thousands: point}"
    ),
    "commas that part thousands, as stated": Read(
        text(income=['"1,250.00"', "980", '"-52,000"']), own="table: {thousands: comma}"
    ),
    "blanks that part thousands, as stated": Read(
        comma(income=["1 250", "980,00", "-52\u202f000,0"]), own="table: {thousands: space}", fact="decimal comma"
    ),
    "apostrophes that part thousands, as stated": Read(
        text(";", income=["1'250", "980", "-52\u2019000.0"]), own="table: {thousands: apostrophe}"
    ),
    "whole numbers alone": Read(whole(), WHOLE),
    "another unit": Read(
        text(chol=["5.2", "4.5", ""]),
        column("chol", 5.2 * 38.665, 4.5 * 38.665, None),
        own="columns: {chol: {unit: mmol/L}}",
    ),
    "a constant column": Read(text(age=["50"] * 3), column("age", 50.0, 50.0, 50.0)),
    "an empty column": Read(text(income=[""] * 3), column("income", None, None, None)),
    "a count with a decimal of zero": Read(text(visits=["3.0", "0.0", "12.0"])),
    # ---- no value --------------------------------------------------------------------------------------------------
    **{
        f"{word!r} for no value": no_value(word)
        for word in ("NaN", "nan", "NA", "n/a", "N/A", "NULL", "<NA>", "#N/A", "   ", '""')
    },
    "'?' for no value, stated": Read(
        text(chol=["200", "?", "?"]), but(1, chol=None), own='columns: {chol: {missing: "?"}}'
    ),
    "-999 for no value, stated": Read(
        text(age=["40.5", "61", "33"], chol=["200", "-999", "-999.0"], visits=["3", "-999", "12"]),
        but(1, chol=None, visits=None),
        own="columns: {chol: {missing: -999}, visits: {missing: [-999]}}",
    ),
    "no value of any kind": Read(
        text(
            chol=["200", "NULL", ""],
            stage=["None", "n/a", " "],
            smoker=["yes", "NaN", "NA"],
            seen=["2020-02-29", "", "#N/A"],
        ),
        (
            CLEAN[0],
            (61.0, None, 980.0, 0, None, "male", None, None, 0),
            (33.0, None, -52000.0, 12, None, "female", None, None, 0),
        ),
    ),
    # ---- levels ----------------------------------------------------------------------------------------------------
    "codes for sexes, stated": Read(text(sex=["1", "2", "1.0"]), own="columns: {sex: {levels: {1: female, 2: male}}}"),
    "a level in other letters, stated": Read(
        text(sex=["F", "MALE", "F"]), own="columns: {sex: {levels: {F: female, MALE: male}}}"
    ),
    "yes and no in many ways": Read(
        text(smoker=["1_yes", "No", "TRUE"]), but(2, smoker=True), own="columns: {smoker: {levels: {1_yes: yes}}}"
    ),
    "TRUE and FALSE": Read(text(smoker=["TRUE", "FALSE", "NA"])),
    "an outcome of 1.0 and 0.0": Read(text(ill=["1.0", "0.0", "0"])),
    "an outcome of 1,0 and 0,0, stated": Read(
        comma(ill=["1,0", "0,0", "0,0"]), own='columns: {ill: {levels: {"1,0": 1, "0,0": 0}}}'
    ),
    "rows without an outcome": Read(
        text(more=[FIRST[:-1], FIRST[:-1] + "NA", FIRST[:-1] + " ", "x,x,x,x,x,x,x,x,"]), dropped=4
    ),
    "a level that no row has": Read(text(stage=["None", "mild", "mild"]), but(1, stage="mild")),
    # ---- days ------------------------------------------------------------------------------------------------------
    "days with a time": Read(text(seen=["2020-02-29 23:59", "2001-12-31T00:00:00Z", "2014-01-01 00:00:00.000"])),
    "days as in Germany, stated": Read(
        text(seen=["29.2.2020", "31.12.2001", "01.01.2014 8:15"]), own="columns: {seen: {date: DD.MM.YYYY}}"
    ),
    "days as in America, stated": Read(
        text(seen=["2/29/2020", "12/31/2001", "01/01/2014"]), own="columns: {seen: {date: MM/DD/YYYY}}"
    ),
    "ISO days among others, stated": Read(
        text(seen=["29.2.2020", "2001-12-31", "2014-01-01"]), own="columns: {seen: {date: DD.MM.YYYY}}"
    ),
    # ---- few rows --------------------------------------------------------------------------------------------------
    "one row": Read("\n".join([HEAD, FIRST]) + "\n", CLEAN[:1]),
    "one class": Read(text(ill=["0"] * 3), but(0, ill=0)),
}


@pytest.mark.parametrize("name", READ)
def test_an_odd_table_reads_as_agreed_to_the_bit(name: str, tmp_path: Path) -> None:
    agrees(tmp_path, READ[name])
