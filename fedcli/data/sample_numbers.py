"""Columns of numbers in a sample: which are counts, codes or identifiers, and how far the agreed range should reach.

Owns these guesses. Must not know rows, nor other kinds of column. Internal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedcli.study.draft import SampleColumn

# Negative codes are noticed only where no other value is negative.
_CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, -8.0, -88.0)
# Whole numbers from 0 on are taken for counts up to here; beyond, they are rather sums of money or measurements.
_MOST_COUNTED = 1000


def identifier(numbers: Sequence[float], *, all_differ: bool) -> str:
    """Say why a column of numbers seems to name the rows; nothing when it does not.

    Parameters
    ----------
    numbers : sequence of float
        Sorted, each once.
    all_differ : bool
        Whether no two rows have the same.
    """
    if not all_differ or any(n != math.floor(n) for n in numbers):
        return ""
    if numbers[-1] - numbers[0] == len(numbers) - 1:
        return "it numbers the rows"
    return "every row has a large number of its own: an identifier" if numbers[0] > 9999 else ""


def guess_number(
    name: str, numbers: Sequence[float], codes: tuple[str, ...], *, incomplete: bool, decimal_comma: bool
) -> SampleColumn:
    """Return the draft of a column of numbers: a number, a count, or a category where there are two values only.

    Parameters
    ----------
    name : str
    numbers : sequence of float
        Its different values, sorted.
    codes : tuple of str
        Cells that seem to mean 'not known'.
    incomplete : bool
        Whether it has empty cells.
    decimal_comma : bool
        Whether numbers are written 1,5.
    """
    sentinels = [code for code in _CODES if code in numbers]
    if sentinels and len(numbers) - len(sentinels) >= 2 and all(n >= 0 or n in sentinels for n in numbers):
        numbers = [n for n in numbers if n not in sentinels]
        codes = (*codes, *(f"{code:g}" for code in sentinels))
    incomplete = incomplete or bool(codes)
    noticed = f"{', '.join(codes)} taken for missing" if codes else ""
    whole = all(n == math.floor(n) for n in numbers)
    if len(numbers) == 1:
        return SampleColumn(name, "left out", note="it has one value only in the sample")
    # As levels, 1,5 and 2,5 would have to be spelled so by every silo.
    if len(numbers) == 2 and (whole or not decimal_comma):
        levels = tuple(_shortest(n) for n in numbers)
        return SampleColumn(
            name, "category", levels=levels, missing=codes, incomplete=incomplete, whole=numbers[0] >= 0, note=noticed
        )
    notes = [noticed, f"seen {numbers[0]:g} to {numbers[-1]:g}, widened: put what can be true"]
    codes_perhaps = whole and len(numbers) <= 10 and numbers[-1] < 20
    # Blood pressure 0, cholesterol 0: far from every other value.
    far = not codes_perhaps and numbers[0] == 0 and len(numbers) > 2 and numbers[1] > (numbers[-1] - numbers[1]) / 4
    if codes_perhaps:
        listed = ", ".join(f"{n:g}" for n in numbers)
        notes.append(f"if these are codes: {{type: category, levels: [{listed}]}}")
    if far:
        notes.append("0 stands far off: if it means 'not known', add it to missing")
    return SampleColumn(
        name,
        "count" if whole and not far and numbers[0] == 0 and numbers[-1] <= _MOST_COUNTED else "number",
        range=padded(numbers[0], numbers[-1]),
        missing=codes,
        incomplete=incomplete,
        whole=whole and 0 <= numbers[0] <= 1,
        note="\n".join(note for note in notes if note),
    )


def _shortest(number: float) -> str:
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)


def padded(low: float, high: float) -> tuple[float, float]:
    """Widen by a tenth on either side, then outward to a multiple of the power of ten below half the width.

    A range of values that are never negative stays so.

    Examples
    --------
    >>> padded(29.0, 77.0)
    (20.0, 90.0)
    """
    width = high - low
    step = 10.0 ** math.floor(math.log10(width / 2))
    wide_low, wide_high = math.floor((low - width / 10) / step), math.ceil((high + width / 10) / step)
    if low >= 0:
        wide_low = max(wide_low, 0)
    # Multiples of 0.1 are not exact: the shortest decimal is, if it keeps what tells large numbers apart.
    for digits in (12, 15, 17):
        wide = float(f"{wide_low * step:.{digits}g}"), float(f"{wide_high * step:.{digits}g}")
        if wide[0] <= low < high <= wide[1]:
            break
    return wide
