"""Numbers whose thousands are parted by a sign, such as 1.234,5 or 1 234.5: read only where the silo states the sign.

Owns the signs and the one shape that is read. Must not know files or columns. Internal. Groups behind the first have
three digits, the first one to three and no leading zero, decimals none: all else is a damaged number, or one that means
something else, and stays what it is.
"""

from __future__ import annotations

import re
from functools import cache

import polars as pl

from fedcli.study.spelling import number_of

# As they are stated, with the signs that people and programs write for each.
THOUSANDS = {"point": ".", "comma": ",", "space": " \u00a0\u2007\u2009\u202f", "apostrophe": "'\u2019"}


def shape(signs: str, decimals: str = "") -> str:
    """Return the pattern of a whole number with at least one of ``signs``, and perhaps decimals.

    Parameters
    ----------
    signs : str
        Any of them parts thousands.
    decimals : str
        What may begin the decimals; whatever of point and comma is left where nothing is said.
    """
    decimals = decimals or "".join(sign for sign in ".," if sign not in signs)
    return f"^[-+]?[1-9][0-9]{{0,2}}([{signs}][0-9]{{3}})+([{decimals}][0-9]+)?$"


def joined(cells: pl.Series, signs: str, decimals: str) -> pl.Series:
    """Return text cells (n,) with the signs taken out of numbers that they part; others stay as they are.

    Examples
    --------
    >>> joined(pl.Series(["1.234,5", "1.23", "-12.345.678"]), ".", ",").to_list()
    ['1234,5', '1.23', '-12345678']
    """
    parted = cells.str.contains(shape(signs, decimals)).fill_null(False)
    if not parted.any():
        return cells
    return cells.str.replace_all(f"[{signs}]", "").zip_with(parted, cells)


def number_parted(text: str, signs: str) -> float | None:
    """Return the number that ``text`` writes, with thousands or without; None when it writes none.

    Examples
    --------
    >>> number_parted("1.234,5", "."), number_parted("12.5", "."), number_parted("x", ".")
    (1234.5, 12.5, None)
    """
    if not _compiled(signs).match(text):
        return number_of(text)
    return float(re.sub(f"[{signs}]", "", text).replace(",", "."))


@cache
def _compiled(signs: str) -> re.Pattern[str]:
    return re.compile(shape(signs))
