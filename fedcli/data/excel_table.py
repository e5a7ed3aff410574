"""A sheet of an Excel or OpenDocument workbook as a table.

Owns finding the sheet, its header and its last row. Must not know what a column means. Internal. A workbook is read as
a whole (a sheet has at most 1,048,576 rows), and every cell as the text that Excel would save as CSV in full precision:
with a decimal comma where the silo states one, since numbers that were typed as text stand in one column with others.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fedcli.data.decimal_sign import left_open, open_cell
from fedcli.data.header import clean_header
from fedcli.data.table import Records
from fedcli.data.typed import days_alone
from fedcli.errors import BadTable, EmptyTable, ExtraMissing

BATCH_ROWS = 65_536
_TRUTH = ("true", "false")
# Of a sheet that is only looked at.
_HEADER_WITHIN = 100


@dataclass(frozen=True)
class ExcelTable:
    """One sheet of a workbook. It is opened anew for each pass; nothing of it is kept.

    Parameters
    ----------
    path : Path
    sheet : str
    columns : tuple of str
    places : tuple of int
        Where in the sheet each column stands, from 0.
    first_row : int
        Row of the sheet, from 1, on which the records begin.
    decimal : str, optional
        How numbers that were typed as text are written, as the silo states it.
    facts : tuple of str
    """

    path: Path
    sheet: str
    columns: tuple[str, ...]
    places: tuple[int, ...]
    first_row: int
    decimal: str | None
    facts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers are written 1,5."""
        return self.decimal == ","

    def batches(self, columns: Sequence[str], numbers: Collection[str] = ()) -> Iterator[Records]:
        """Read the sheet once, only these columns; rows without any cell at its end are no rows.

        Raises
        ------
        BadTable
            The workbook is damaged, or a number that was typed as text may be read in two ways.
        """
        workbook = _workbook(self.path)
        frame = _cells(workbook, self.sheet, self.name)[self.first_row - 1 :]
        filled = (~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
        frame = frame.head(int(filled[-1]) + 1 if len(filled) else 0)
        asked = [frame.to_series(self.places[self.columns.index(column)]).alias(column) for column in columns]
        if any(self._needs_kinds(cells) for cells in asked):
            kinds = _cells(workbook, self.sheet, self.name, "boolean")[self.first_row - 1 :].head(frame.height)
            places = [self.places[self.columns.index(column)] for column in columns]
            asked = [self._kept(cells, kinds.to_series(at)) for cells, at in zip(asked, places, strict=True)]
        frame = pl.DataFrame([days_alone(cells) if cells.dtype == pl.String else cells for cells in asked])
        for start in range(0, frame.height, BATCH_ROWS):
            first = self.first_row + start
            part = frame.slice(start, BATCH_ROWS)
            yield Records(part, lambda record, first=first: first + record, self.name, "row")  # type: ignore[misc]

    def better_sheet(self, columns: Sequence[str]) -> tuple[str, int] | None:
        """Return the sheet that names most of some columns, and how many; None where this one names as many.

        One that names fewer than half of them is another table.
        """
        workbook, here = _workbook(self.path), len(set(self.columns) & set(columns))
        found = {sheet: len(_names(workbook, sheet) & set(columns)) for sheet in workbook.sheet_names}
        best = max(found, key=lambda sheet: found[sheet])
        return (best, found[best]) if found[best] > here and 2 * found[best] >= len(columns) else None

    def _needs_kinds(self, cells: pl.Series) -> bool:
        """Say whether it matters which cells of a column are numbers or truth values, and which were typed as text."""
        return (
            self.decimal_comma
            or bool(cells.is_in(_TRUTH).any())
            or (self.decimal is None and open_cell(cells) is not None)
        )

    def _kept(self, cells: pl.Series, kinds: pl.Series) -> pl.Series:
        """Return a column as its cells are kept; ``kinds`` are null where a cell is neither number nor truth value."""
        truth = kinds.is_not_null() & cells.is_in(_TRUTH)
        number = kinds.is_not_null() & ~truth
        if truth.any() and (truth | cells.is_null()).all():
            return kinds.alias(cells.name)
        if self.decimal_comma:
            return cells.zip_with(~number, cells.str.replace(".", ",", literal=True))
        text = cells.set(number, None)
        place = open_cell(text) if self.decimal is None else None
        if place is not None:
            raise left_open(cells.name, str(text[place]), f"{self.name}:{self.first_row + place}")
        return cells


def open_excel(path: Path, *, sheet: str | None, decimal: str | None) -> ExcelTable:
    """Find a sheet and its header: the first row with anything in it.

    Parameters
    ----------
    path : Path
    sheet : str, optional
        Its name; the first one where none is given.
    decimal : str, optional
        Stated by the silo, for numbers that were typed as text.

    Raises
    ------
    ExtraMissing
        The package that reads workbooks is not installed.
    BadTable
        There is no such sheet, or its first row does not name the columns.
    EmptyTable
        The sheet is empty.
    """
    workbook = _workbook(path)
    names = list(workbook.sheet_names)
    if sheet is not None and sheet not in names:
        raise BadTable(
            f"the workbook has no sheet '{sheet}'",
            hint=f"its sheets are {', '.join(names)}: in silo.yaml, table: {{sheet: NAME}}",
            where=path.name,
        )
    sheet = sheet or names[0]
    frame = _cells(workbook, sheet, path.name)
    filled = (~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
    if not len(filled):
        raise EmptyTable(
            f"sheet '{sheet}' is empty",
            hint=f"is it the right workbook?{_another(names, sheet)}",
            where=path.name,
        )
    at = int(filled[0])
    row = frame.row(at)
    used = [place for place in range(frame.width) if frame.to_series(place).null_count() < frame.height]
    try:
        columns = clean_header([row[place] for place in used], where=f"{path.name}:{at + 1}")
        _check_header(columns, sheet, at + 1, path.name)
    except BadTable as error:
        error.hint += _another(names, sheet)
        raise
    others = "" if len(names) == 1 else f" of {len(names)}"
    facts = ("workbook", f"sheet '{sheet}'{others}")
    return ExcelTable(path, sheet, columns, tuple(used), at + 2, decimal, facts)


def _another(names: Sequence[str], sheet: str) -> str:
    """Return how to name another sheet: who joins has no silo.yaml yet, but may write one beforehand."""
    others = ", ".join(name for name in names if name != sheet)
    where = "in silo.yaml, or before you join in a file for --mapping"
    return f"; if another sheet is the table ({others}), say so {where}: table: {{sheet: NAME}}" if others else ""


def _names(workbook: Any, sheet: str) -> set[str]:
    """Return what stands in the first row of a sheet with anything in it; nothing of one that cannot be read."""
    try:
        frame = _cells(workbook, sheet, "", most=_HEADER_WITHIN)
    except BadTable:
        return set()
    filled = (~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
    row = frame.row(int(filled[0])) if len(filled) else ()
    return {unicodedata.normalize("NFC", str(name).strip()) for name in row if name is not None}


def _check_header(columns: tuple[str, ...], sheet: str, row: int, name: str) -> None:
    """Refuse a title, or a header of merged cells: all but the first of merged cells are empty."""
    blank = columns.count("")
    # One may be: a column of row numbers has no name.
    if blank > 1 or (blank and len(columns) == 2):
        raise BadTable(
            f"row {row} of sheet '{sheet}' names only {len(columns) - blank} of the {len(columns)} columns below it",
            hint="leave one header row with a name over each column: take out titles above it, and unmerge its cells",
            where=f"{name}:{row}",
        )


def _workbook(path: Path) -> Any:
    try:
        import fastexcel
    except ImportError as exc:
        raise ExtraMissing(
            "reading Excel needs a package that is not installed here",
            hint='pip install "fedcli[excel]"; or save the sheet as CSV (UTF-8)',
            where=path.name,
        ) from exc
    try:
        return fastexcel.read_excel(path)
    except (fastexcel.FastExcelError, OSError) as exc:
        raise _damaged(path.name) from exc


def _cells(workbook: Any, sheet: str, name: str, dtype: str = "string", most: int | None = None) -> pl.DataFrame:
    """Return all cells of a sheet as text, from its row 1 on, or of the first ``most`` rows.

    As booleans, cells that were typed as text are null.
    """
    import fastexcel

    try:
        loaded = workbook.load_sheet(sheet, header_row=None, skip_rows=0, n_rows=most, dtypes=dtype)
        frame: pl.DataFrame = loaded.to_polars()
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as exc:
        raise _damaged(name) from exc
    return frame


def _damaged(name: str) -> BadTable:
    return BadTable(
        "the workbook cannot be read",
        hint="is it protected by a password, or damaged? Open it, and save it anew as .xlsx or as CSV (UTF-8)",
        where=name,
    )
