"""Values as database drivers give them, as columns of one type.

Owns which Python types are cells. Must not know databases or queries. Internal. A column may hold several types from
row to row (SQLite does not mind): numbers stay numbers where all are, everything else becomes its text.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from fedcli.data.typed import days_alone, unreadable

_INT64, _EXACT, _DIGITS = 1 << 63, 1 << 53, 38
_AS_THEY_ARE: dict[type, Any] = {
    bool: pl.Boolean,
    str: pl.String,
    float: pl.Float64,
    datetime.date: pl.Date,
    datetime.time: pl.Time,
}


def series(column: str, values: Sequence[Any], name: str) -> pl.Series:
    """Return one batch of a column's values (n,).

    Parameters
    ----------
    column : str
    values : sequence
        None where there is nothing.
    name : str
        The table's name, for messages.

    Raises
    ------
    BadTable
        They are lists, structures, durations or bytes.

    Examples
    --------
    >>> series("dose", [Decimal("1.5"), 2, None], "db").to_list()
    [Decimal('1.5'), Decimal('2.0'), None]
    >>> series("dose", [1, "?"], "db").to_list()
    ['1', '?']
    """
    types = set(map(type, values)) - {type(None)}
    if not types:
        return pl.Series(column, values, dtype=pl.Null)
    if len(types) == 1 and (known := _AS_THEY_ARE.get(next(iter(types)))):
        return pl.Series(column, values, dtype=known)
    if types == {int} and all(v is None or -_INT64 <= v < _INT64 for v in values):
        return pl.Series(column, values, dtype=pl.Int64)
    if types == {int, float} and all(not isinstance(v, int) or abs(v) <= _EXACT for v in values):
        return pl.Series(column, values, dtype=pl.Float64, strict=False)
    if types <= {int, Decimal} and (exact := _decimals(column, values)) is not None:
        return exact
    texts = pl.Series(column, [None if v is None else _text(column, v, name) for v in values], dtype=pl.String)
    return days_alone(texts) if datetime.datetime in types else texts


def _decimals(column: str, values: Sequence[Any]) -> pl.Series | None:
    """Return decimals with as many places as the longest of them; None where they need more than 38 digits."""
    found = [None if v is None else Decimal(v) for v in values]
    if any(v is not None and not v.is_finite() for v in found):
        # PostgreSQL's numeric has NaN, which is no value, and infinity, which is refused as text.
        return None
    places = max(-int(v.as_tuple().exponent) for v in found if v is not None)
    whole = max(v.adjusted() + 1 for v in found if v is not None)
    if max(places, 0) + max(whole, 1) > _DIGITS:
        return None
    return pl.Series(column, found, dtype=pl.Decimal(_DIGITS, max(places, 0)))


def _text(column: str, value: Any, name: str) -> str:
    if isinstance(value, (str, uuid.UUID)):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise unreadable(column, name)
