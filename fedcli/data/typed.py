"""Cells that have a type, as Parquet files and databases keep them: what each means, as text and as a number.

Owns one law: a typed cell means what its text means, so that the same rows give the same numbers to the bit in every
format. Must not know the study, files or reports. Internal.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedcli.errors import BadTable

# Kinds of cells; columns of one kind mean the same whatever their exact type.
NUMBER, TEXT, BOOLEAN, TIME, NOTHING, OTHER = "numbers", "text", "true or false", "dates or times", "nothing", "other"
_MIDNIGHT = "[T ]00:00:00(\\.0+)?$"


def kind_of(dtype: pl.DataType) -> str:
    """Return the kind of a column's cells; `OTHER` is what fedcli does not read (lists, structures, bytes)."""
    if dtype.is_numeric():
        return NUMBER
    if dtype == pl.Boolean:
        return BOOLEAN
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return TEXT
    if dtype in (pl.Date, pl.Datetime, pl.Time):
        return TIME
    return NOTHING if dtype == pl.Null else OTHER


def as_text(cells: pl.Series) -> pl.Series:
    """Return what each cell (n,) is in a text table; null stays null.

    Floats are the shortest decimal that gives the same float, of their own width: a 32-bit 0.1 is ``0.1``, as every
    program shows it, and not the 0.10000000149 that it becomes on the way to 64 bits. Dates are ISO 8601; a time at
    midnight is the day alone.

    Examples
    --------
    >>> as_text(pl.Series([0.1, 16777216.0], dtype=pl.Float32)).to_list()
    ['0.1', '16777216.0']
    >>> from datetime import datetime
    >>> as_text(pl.Series([datetime(2024, 2, 29), datetime(2024, 2, 29, 12, 30)])).to_list()
    ['2024-02-29', '2024-02-29T12:30:00']
    """
    dtype = cells.dtype
    if dtype == pl.String:
        return cells
    if isinstance(dtype, pl.Datetime):
        zone = "%:z" if dtype.time_zone else ""
        text = cells.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.f{zone}")
        return text if zone else days_alone(text)
    return cells.cast(pl.String)


def days_alone(text: pl.Series) -> pl.Series:
    """Take the time off moments at midnight: a program without a type for days writes them so."""
    return text.str.replace(f"^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}){_MIDNIGHT}", "$1")


def told_apart(texts: pl.Series) -> tuple[pl.Series, NDArray[np.intp]]:
    """Return the distinct ones among texts (n,) without nulls, and the place of each text among them (n,).

    What a text means is looked up once for each spelling: cells of levels and days have few.

    Examples
    --------
    >>> distinct, places = told_apart(pl.Series(["m", "f", "m"]))
    >>> distinct.gather(places).to_list()
    ['m', 'f', 'm']
    """
    distinct = texts.unique()
    return distinct, texts.cast(pl.Enum(distinct)).to_physical().to_numpy().astype(np.intp)


def as_floats(cells: pl.Series) -> pl.Series | None:
    """Return typed cells (n,) as float64, exactly as their text would read; None for a type that has no numbers.

    True is 1 and false 0. Null stays null, which NumPy takes for NaN.

    Notes
    -----
    Whole numbers beyond 2**53 round to the nearest float64, as their digits would. Decimals go through their digits:
    dividing by a power of ten would round twice.
    """
    if kind_of(cells.dtype) not in (NUMBER, BOOLEAN, NOTHING):
        return None
    if cells.dtype.is_decimal() or (cells.dtype.is_float() and cells.dtype != pl.Float64):
        cells = as_text(cells)
    return cells.cast(pl.Float64)


def unreadable(column: str, name: str) -> BadTable:
    """Return the error for a column whose cells are no single values."""
    error = BadTable(
        f"column '{column}' holds lists, structures, durations or bytes, not single values",
        hint="give it one number or text per row, or leave it out of the table",
        where=name,
    )
    error.column = column
    return error
