"""Codes that people write where a value is not known, such as ``?`` or 999.

Owns the list. A number outside its range that is on it and repeats may be said aloud, because it is nobody's value; no
other may. Must not know columns or rows. Internal.
"""

from __future__ import annotations

from fedcli.data.cells import number_of

_TEXT = frozenset({"?", ".", "-", "--", "*", "unknown", "unk", "missing", "not known", "none", "n/k", "nk"})
_NUMBERS = frozenset(
    {0, -1, 9, -8, -9, 77, 88, 99, -77, -88, -99, 777, 888, 999, -777, -888, -999, 7777, 8888, 9999, -9999, 99999}
)


def known_code(text: str) -> str | None:
    """Return the code that a cell holds, as it is written in YAML; None where it holds none of the list.

    Examples
    --------
    >>> known_code("-9.0"), known_code("Unk"), known_code("612.5")
    ('-9', '"Unk"', None)
    """
    number = number_of(text)
    if number is not None:
        return str(int(number)) if number in _NUMBERS else None
    return f'"{text.strip()}"' if text.strip().casefold() in _TEXT else None
