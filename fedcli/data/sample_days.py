"""Columns of days in a sample: in which spellings they are days, and which years they span.

Owns these guesses. Must not know rows, nor other kinds of column. Internal. Where several spellings fit, none is
chosen: the range is of whole years, which all of them share.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection

import polars as pl

from fedcli.data.dates import KNOWN, Spelling
from fedcli.study.draft import SampleColumn

# What programs write for an open end or for nothing.
_CODES = frozenset(
    datetime.date.fromisoformat(day)
    for day in ("9999-12-31", "9999-01-01", "9999-09-09", "2999-12-31", "3000-01-01", "1111-11-11", "0001-01-01")
)
_NO_DAY = re.compile(r"0[0./-]*")
# Eight digits may be any number; as days of these years they are days.
_LIKELY = range(1800, 2200)
_FAR_YEARS = 30
_TWO_DIGITS = re.compile(r"[0-9]{1,2}([-./])[0-9]{1,2}\1[0-9]{2}(\s.*)?")
_MOST = 0.9


def guess_days(name: str, values: Collection[str], codes: tuple[str, ...], *, incomplete: bool) -> SampleColumn | None:
    """Return the draft of a column of days; None where its cells are not all days in one spelling.

    Parameters
    ----------
    name : str
    values : collection of str
        Its different cells, empty ones and ``codes`` aside.
    codes : tuple of str
        Cells that seem to mean 'not known'.
    incomplete : bool
        Whether it has empty cells.
    """
    nothing = sorted(text for text in values if _NO_DAY.fullmatch(text))
    found = _readings(sorted(set(values) - set(nothing)))
    if not found:
        return None
    ends = sorted({day for days in found.values() for day in days if day in _CODES})
    found = {way: days for way, days in ((w, [d for d in ds if d not in _CODES]) for w, ds in found.items()) if days}
    if not found or all(len(set(days)) < 2 for days in found.values()):
        return SampleColumn(name, "left out", note="it has one value only in the sample")
    codes = (*codes, *nothing, *(day.isoformat() for day in ends))
    years = sorted({day.year for days in found.values() for day in days})
    notes = [f"{', '.join(codes)} taken for missing" if codes else ""]
    notes.append(f"seen {years[0]} to {years[-1]}, widened to whole years: put what can be true")
    notes += [f"{day} stands far off: if it means 'not known', add it to missing" for day in _far(found)]
    return SampleColumn(
        name,
        "date",
        days=(f"{years[0]:04}-01-01", f"{years[-1]:04}-12-31"),
        spellings=tuple(way for way in found if way != Spelling.ISO.text),
        missing=codes,
        incomplete=incomplete or bool(codes),
        note="\n".join(note for note in notes if note),
    )


def not_quite_days(values: Collection[str]) -> str:
    """Say why a column that seems to hold days cannot be read as such; nothing where it does not seem to."""
    if values and all(_TWO_DIGITS.fullmatch(text) for text in values):
        return (
            "days whose years have two digits, of which nobody can tell the century: export them with four, or let the "
            "silos state it (date: DD.MM.YY since 1930)"
        )
    cells = pl.Series(sorted(values), dtype=pl.String)
    read = [spelling.days(cells).is_not_null() for spelling in KNOWN]
    best, together = max(int(one.sum()) for one in read), int(pl.DataFrame(read).max_horizontal().sum())
    if best >= _MOST * len(cells):
        return f"all but {len(cells) - best:,} of its {len(cells):,} texts are days: name the others in missing"
    return "days, but not all in one spelling" if together >= _MOST * len(cells) else ""


def _readings(texts: list[str]) -> dict[str, list[datetime.date]]:
    """Return the days that the texts are, for each known spelling in which all are that are not ISO 8601.

    A workbook's true dates stand beside those that were typed, and are read with any spelling but the one that they
    could be mistaken for.
    """
    cells = pl.Series(texts, dtype=pl.String)
    iso = Spelling.ISO.days(cells)
    if texts and iso.null_count() == 0:
        return {Spelling.ISO.text: iso.to_list()}
    found = {}
    for spelling in KNOWN if texts else ():
        days = spelling.days(cells)
        if spelling.beside_iso and days.null_count() < len(days):
            days = days.fill_null(iso)
        if days.null_count() == 0 and (not spelling.text.isalpha() or _likely(days.to_list())):
            found[spelling.text] = days.to_list()
    return found


def _likely(days: list[datetime.date]) -> bool:
    return all(day.year in _LIKELY or day in _CODES for day in days)


def _far(found: dict[str, list[datetime.date]]) -> list[datetime.date]:
    """Return the first and the last day where they stand alone, and the spelling leaves no doubt which they are."""
    if len(found) > 1:
        return []
    days = sorted({day for days in found.values() for day in days})
    if len(days) < 3:
        return []
    ends = ((days[0], days[1]), (days[-1], days[-2]))
    return [end for end, near in ends if abs(end.year - near.year) >= _FAR_YEARS]
