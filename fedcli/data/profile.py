"""What a sample table suggests for the agreement: types, ranges, levels, missing codes.

Owns the guesses and the reason given for each. Must not know rows beyond what a column's summary needs. The draft
that comes of it is checked by a person: a guess is said, never hidden. Internal.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field, replace

from fedcli.data.cells import NO_VALUE, number_of
from fedcli.data.table import Table
from fedcli.data.typed import as_text
from fedcli.errors import EmptyTable, MissingColumn, UnsupportedModel
from fedcli.study.draft import Sample, SampleColumn

MAX_LEVELS = 20
# Enough to tell levels from free text and to see whether every row is different.
_MAX_DISTINCT = 100_000
_TEXT_CODES = ("?", ".", "-", "--", "unknown", "unk", "missing", "not known", "none", "*")
# Negative codes are noticed only where no other value is negative.
_NUMBER_CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, -8.0, -88.0)


@dataclass
class _Summary:
    """One column: how often it is filled, and its different spellings up to a limit."""

    rows: int = 0
    empty: int = 0
    spellings: set[str] = field(default_factory=set)
    full: bool = False


def profile(table: Table, target: str | None = None) -> Sample:
    """Guess the agreement from a sample.

    Parameters
    ----------
    table : Table
        The coordinator's own sample, or an invented one: its levels and padded ranges go into the draft.
    target : str, optional
        The outcome's column; the last one where none is given.

    Returns
    -------
    Sample
        Numbers have their extent widened by a tenth on either side to round numbers; text and two-valued columns
        have their spellings as levels, sorted; columns that look like names or numbers of persons are left out.

    Raises
    ------
    MissingColumn
        The table has no column ``target``.
    EmptyTable
        It has no rows, or no column beside the target can be used.
    UnsupportedModel
        The target is text with other than two values.
    """
    names = [name for name in table.columns if name]
    if target is not None and target not in names:
        near = difflib.get_close_matches(target, names, n=1)
        hint = f"did you mean '{near[0]}'" if near else f"its columns are: {', '.join(names[:20])}"
        raise MissingColumn(f"the table has no column '{target}' for the outcome", hint=hint, where=table.name)
    chosen = target or names[-1]
    summaries = _summarise(table, names)
    if not summaries[chosen].rows:
        raise EmptyTable("the sample has no rows", hint="name a table with rows, or leave --data out", where=table.name)
    features = tuple(_column(name, summaries[name], table.decimal_comma) for name in names if name != chosen)
    if all(column.role == "left out" for column in features):
        raise EmptyTable(
            f"no column beside '{chosen}' can be used", hint="name another table, or leave --data out", where=table.name
        )
    return Sample(table.name, _target(chosen, summaries[chosen], table), features)


def _summarise(table: Table, names: list[str]) -> dict[str, _Summary]:
    found = {name: _Summary() for name in names}
    for batch in table.batches(names):
        for name, summary in found.items():
            cells = as_text(batch.frame.get_column(name)).fill_null("").str.strip_chars()
            summary.rows += len(cells)
            summary.empty += int(cells.str.to_lowercase().is_in(list(NO_VALUE)).sum())
            if not summary.full:
                summary.spellings.update(cells.unique().to_list())
                summary.full = len(summary.spellings) > _MAX_DISTINCT
    for summary in found.values():
        summary.spellings = {text for text in summary.spellings if text.lower() not in NO_VALUE}
    return found


def _column(name: str, summary: _Summary, decimal_comma: bool, *, outcome: bool = False) -> SampleColumn:
    texts = {text.replace(",", ".", 1) for text in summary.spellings} if decimal_comma else summary.spellings
    codes = tuple(sorted(text for text in texts if text.lower() in _TEXT_CODES))
    values = sorted(texts - set(codes))
    # The numbers that are written, whatever their spelling: 1 and 1.0 are one.
    numbers = sorted({n for n in map(number_of, values) if n is not None})
    if values and all(number_of(text) is not None for text in values):
        identifier = "" if outcome else _identifier(summary, numbers)
        if identifier:
            return SampleColumn(name, "left out", note=identifier)
        return _number(name, summary, numbers, codes)
    if not codes and not values:
        return SampleColumn(name, "left out", note="it is empty in the sample")
    if len(values) == 1:
        return SampleColumn(name, "left out", note="it has one value only in the sample")
    if len(values) > MAX_LEVELS or _all_differ(summary):
        why = (
            "every row differs: a name or an identifier" if _all_differ(summary) else f"{len(values):,} different texts"
        )
        return SampleColumn(name, "left out", note=why)
    return SampleColumn(name, "category", levels=tuple(values), missing=codes, incomplete=bool(summary.empty or codes))


def _identifier(summary: _Summary, numbers: list[float]) -> str:
    """Say why a column of numbers seems to name the rows; nothing when it does not."""
    if not _all_differ(summary) or any(n != math.floor(n) for n in numbers):
        return ""
    if numbers[-1] - numbers[0] == len(numbers) - 1:
        return "it numbers the rows"
    return "every row has a large number of its own: an identifier" if numbers[0] > 9999 else ""


def _number(name: str, summary: _Summary, numbers: list[float], codes: tuple[str, ...]) -> SampleColumn:
    sentinels = [code for code in _NUMBER_CODES if code in numbers]
    if sentinels and len(numbers) - len(sentinels) >= 2 and all(n >= 0 or n in sentinels for n in numbers):
        numbers = [n for n in numbers if n not in sentinels]
        codes = (*codes, *(f"{code:g}" for code in sentinels))
    incomplete = bool(summary.empty or codes)
    noticed = f"{', '.join(codes)} taken for missing" if codes else ""
    whole = all(n == math.floor(n) for n in numbers)
    if len(numbers) == 1:
        return SampleColumn(name, "left out", note="it has one value only in the sample")
    if len(numbers) == 2:
        levels = tuple(f"{n:g}" for n in numbers)
        return SampleColumn(
            name, "category", levels=levels, missing=codes, incomplete=incomplete, whole=numbers[0] >= 0, note=noticed
        )
    low, high = _padded(numbers[0], numbers[-1])
    notes = [noticed, f"seen {numbers[0]:g} to {numbers[-1]:g}, widened: put what can be true"]
    if whole and len(numbers) <= 10 and numbers[-1] < 20:
        listed = ", ".join(f"{n:g}" for n in numbers)
        notes.append(f"if these are codes: {{type: category, levels: [{listed}]}}")
    elif numbers[0] == 0 and len(numbers) > 2 and numbers[1] > (numbers[-1] - numbers[1]) / 4:
        # Blood pressure 0, cholesterol 0: far from every other value.
        notes.append("0 stands far off: if it means 'not known', add it to missing")
    note = "; ".join(note for note in notes if note)
    counts = whole and 0 <= numbers[0] <= 1
    return SampleColumn(
        name, "number", range=(low, high), missing=codes, incomplete=incomplete, whole=counts, note=note
    )


def _target(name: str, summary: _Summary, table: Table) -> SampleColumn:
    column = _column(name, summary, table.decimal_comma, outcome=True)
    if column.role == "number":
        assert column.range is not None  # noqa: S101 - a number has one
        note = column.note.split("; if these are codes")[0]
        if column.whole:
            high = max(column.range[1], 1.0)
            column = replace(column, range=(0.0, high))
            note += "; if some values mean yes: {type: binary, positive: [1, 2 ...], negative: 0}"
        return replace(column, note=note)
    if column.role == "category" and len(column.levels) == 2:
        return replace(column, note=f"'{column.levels[1]}' is taken for yes{'; ' if column.note else ''}{column.note}")
    raise UnsupportedModel(
        f"the outcome '{name}' is text with {len(summary.spellings):,} values; it must be a number or have two values",
        hint="name the outcome's column with --target",
    )


def _all_differ(summary: _Summary) -> bool:
    return summary.full or len(summary.spellings) == summary.rows - summary.empty > 2


def _padded(low: float, high: float) -> tuple[float, float]:
    """Widen by a tenth on either side, then outward to a multiple of the power of ten below half the width.

    A range of values that are never negative stays so.

    Examples
    --------
    >>> _padded(29.0, 77.0)
    (20.0, 90.0)
    """
    width = high - low
    step = 10.0 ** math.floor(math.log10(width / 2))
    wide_low, wide_high = math.floor((low - width / 10) / step), math.ceil((high + width / 10) / step)
    if low >= 0:
        wide_low = max(wide_low, 0)
    # Multiples of 0.1 are not exact: the shortest decimal is.
    return float(f"{wide_low * step:.12g}"), float(f"{wide_high * step:.12g}")
