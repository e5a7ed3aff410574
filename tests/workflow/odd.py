"""One small table that every odd table is a variant of, and what is said of each: its rows, or how it is refused.

Must not know why a table is odd. What a table reads as is written down in agreed values and turned into arrays here,
without a line of the reader.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedcli.data.checking import RowReader, check_table
from fedcli.data.mapping import read_mapping
from fedcli.data.table import Table
from fedcli.errors import FedcliError
from fedcli.preparing.rows import Rows
from fedcli.study.document import Study
from fedcli.study.reading import read_study
from fedcli.workflow.silo import opened_table
from tests.workflow.play import snapshot

# Every column but age and sex may be missing, so that odd cells can be told from missing ones.
CLINIC = read_study("""
study: clinic
target: {column: ill, type: binary, positive: 1, negative: 0}
features:
  age: {type: number, unit: years, range: [18, 110]}
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700], impute: mean}
  income: {type: number, range: [-1000000, 10000000], impute: mean}
  visits: {type: count, range: [0, 5000], impute: mean}
  seen: {type: date, range: [2000-01-01, 2023-12-31], since: 2000-01-01, scale: days, impute: mean}
  sex: {type: category, levels: [female, male]}
  stage: {type: category, levels: [None, mild, größer], impute: mode}
  smoker: {type: boolean, impute: mode}
model: {estimator: LogisticRegression}
""")
NAMES = ("age", "chol", "income", "visits", "seen", "sex", "stage", "smoker", "ill")
Row = tuple[Any, ...]
CLEAN: tuple[Row, ...] = (
    (40.5, 200.0, 1250.0, 3, "2020-02-29", "female", "None", True, 1),
    (61.0, 181.25, 980.0, 0, "2001-12-31", "male", "größer", False, 0),
    (33.0, None, -52000.0, 12, "2014-01-01", "female", "mild", None, 0),
)
CELLS = {
    "age": ["40.5", "61", "33"],
    "chol": ["200", "181.25", ""],
    "income": ["1250", "980", "-52000"],
    "visits": ["3", "0", "12"],
    "seen": ["2020-02-29", "2001-12-31", "2014-01-01"],
    "sex": ["female", "male", "female"],
    "stage": ["None", "größer", "mild"],
    "smoker": ["yes", "no", ""],
    "ill": ["1", "0", "0"],
}

# The other roles that a column may have.
RATES = read_study("""
study: rates
target: {column: n, type: count, range: [0, 9], missing: [-1]}
features:
  age: {type: number, range: [18, 110]}
offset: {column: t, transform: log, range: [0.5, 10]}
weight: {column: w, range: [0, 5]}
model: {estimator: PoissonRegressor}
""")

# What a file holds, or what writes a table into a folder and says where.
Content = str | bytes | Callable[[Path], Path]


def text(sep: str = ",", end: str = "\n", more: Sequence[str] = (), **cells: Sequence[str]) -> str:
    """Write the clean table as text, some columns with other cells, and ``more`` lines behind it."""
    columns = {**CELLS, **cells}
    lines = [sep.join(columns), *(sep.join(record) for record in zip(*columns.values(), strict=True)), *more]
    return "".join(line + end for line in lines)


def comma(sep: str = ";", **cells: Sequence[str]) -> str:
    """Write the clean table with decimal commas."""
    return text(sep, **{"age": ["40,5", "61", "33"], "chol": ["200", "181,25", ""], **cells})


def whole(sep: str = ";", **cells: Sequence[str]) -> str:
    """Write the table with whole numbers alone, so that nothing shows the decimal sign; it reads as `WHOLE`."""
    return text(sep, **{"age": ["40", "61", "33"], "chol": ["200", "181", ""], **cells})


def noted(*notes: str) -> str:
    """Write the clean table with a column of free text, which the study does not read."""
    return "".join(f"{line},{note}\n" for line, note in zip(text().splitlines(), ("note", *notes), strict=True))


def but(row: int, **values: Any) -> tuple[Row, ...]:
    """Return the clean rows, one of them (from 0) with other values."""
    changed = dict(zip(NAMES, CLEAN[row], strict=True)) | values
    return (*CLEAN[:row], tuple(changed[name] for name in NAMES), *CLEAN[row + 1 :])


def column(name: str, *values: Any) -> tuple[Row, ...]:
    """Return the clean rows with other values in one column."""
    at = NAMES.index(name)
    return tuple((*row[:at], value, *row[at + 1 :]) for row, value in zip(CLEAN, values, strict=True))


HEAD, FIRST, SECOND, THIRD = text().splitlines()
WHOLE = tuple(
    (age, chol, *row[2:]) for age, chol, row in zip((40.0, 61.0, 33.0), (200.0, 181.0, None), CLEAN, strict=True)
)


@dataclass(frozen=True)
class Read:
    """A table that is read: exactly these rows come of it, in agreed values, and these counts."""

    table: Content
    rows: tuple[Row, ...] = CLEAN
    own: str = ""
    dropped: int = 0
    blank: int = 0
    fact: str = ""


@dataclass(frozen=True)
class Refused:
    """A table that is refused: by this error, with these words in its message and its hint, at this place."""

    table: Content
    error: type[FedcliError]
    says: str
    hint: str
    where: str = ""
    own: str = ""


def opened(folder: Path, content: Content, own: str, study: Study = CLINIC) -> tuple[Any, Table]:
    """Write a table, and open it with the silo's own file."""
    if callable(content):
        path = content(folder)
    else:
        path = folder / "t.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    mapping = read_mapping(own, study)
    return mapping, opened_table(path, mapping)


def agrees(folder: Path, case: Read) -> None:
    """Hold a table to the rows and counts that it must read as, to the bit."""
    mapping, table = opened(folder, case.table, case.own)
    reader = RowReader(CLINIC, mapping, table)
    (found,) = reader
    same_bits(found, *_arrays(case.rows))
    report, errors = check_table(CLINIC, mapping, table)
    assert errors == ()
    assert report == reader.report
    assert (report.rows_read, report.rows_used) == (len(case.rows) + case.dropped, len(case.rows))
    assert report.dropped == {"ill": case.dropped}
    assert report.blank == case.blank
    assert report.missing == {
        name: sum(row[i] is None for row in case.rows) for i, name in enumerate(NAMES) if name != "ill"
    }
    assert case.fact in table.facts or not case.fact


def refuses(folder: Path, case: Refused, study: Study = CLINIC) -> None:
    """Hold a table to the error that must come of it; nothing may be written."""
    before: dict[str, bytes | None] = {}

    def read() -> None:
        mapping, table = opened(folder, case.table, case.own, study)
        before.update(snapshot(folder))
        list(RowReader(study, mapping, table))

    with pytest.raises(case.error) as caught:
        read()
    error = caught.value
    assert type(error) is case.error
    assert case.says in str(error)
    assert case.hint in error.hint
    assert _place(error) == case.where or not case.where
    assert error.message[0].islower()
    assert not error.message.endswith(".")
    assert not before or snapshot(folder) == before


def _place(error: FedcliError) -> str | None:
    """Return where an error stands; rows are named apart, and the first of them is the place."""
    first = re.search("[0-9]+", error.rows)
    return f"{error.where}:{first[0]}" if first else error.where


def same_bits(found: Rows, *expected: Any) -> None:
    """Compare rows with arrays bit for bit; a NaN is one whatever its bits are."""
    for name, array in zip(("numbers", "codes", "target", "offset", "weight"), expected, strict=True):
        values = getattr(found, name)
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), np.nan, values)
        assert values.dtype == array.dtype, name
        assert values.tobytes() == array.tobytes(), (name, values, array)


def _arrays(rows: Sequence[Row]) -> tuple[Any, ...]:
    start = datetime.date(2000, 1, 1)
    numbers, codes, target = [], [], []
    for age, chol, income, visits, seen, sex, stage, smoker, ill in rows:
        days = None if seen is None else (datetime.date.fromisoformat(seen) - start).days
        numbers.append([np.nan if v is None else float(v) for v in (age, chol, income, visits, days)])
        places = (["female", "male"], ["None", "mild", "größer"], [False, True])
        codes.append([-1 if v is None else of.index(v) for v, of in zip((sex, stage, smoker), places, strict=True)])
        target.append(float(ill))
    n = len(rows)
    return np.array(numbers), np.array(codes, dtype=np.int32), np.array(target), np.zeros(n), np.ones(n)
