"""What a sample table suggests for the agreement: types, ranges, levels, missing codes.

Owns the guesses and the reason given for each. Must not know rows: a column is its `Summary`. The draft that comes of
it is checked by a person: a guess is said, never hidden, and what could be two things is not guessed. Internal.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fedcli.data.cells import NO_VALUE, number_of
from fedcli.data.sample_days import guess_days, not_quite_days
from fedcli.data.sample_numbers import guess_number, identifier
from fedcli.data.summary import Summary, summarise
from fedcli.data.table import Table
from fedcli.data.typed import OTHER
from fedcli.errors import EmptyTable, MissingColumn, UnsupportedModel
from fedcli.study.draft import Sample, SampleColumn
from fedcli.study.spelling import YES_OR_NO

MAX_LEVELS = 20
_TEXT_CODES = ("?", ".", "-", "--", "unknown", "unk", "missing", "not known", "none", "*")
_YES_OR_NO = dict(YES_OR_NO)
# Which spellings of yes and no go together. T and N, say, do not: they are stages of a tumour.
_TOGETHER = (
    frozenset({"yes", "no", "true", "false", "1", "0"}),
    frozenset({"yes", "no", "y", "n", "1", "0"}),
    frozenset({"true", "false", "t", "f", "1", "0"}),
)


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
        Numbers have their extent widened by a tenth on either side to round numbers, days to whole years; text and
        two-valued columns have their spellings as levels, sorted; columns that look like names or numbers of persons
        are left out.

    Raises
    ------
    MissingColumn
        The table has no column ``target``.
    EmptyTable
        It has no rows, or no column beside the target can be used.
    UnsupportedModel
        The target is text with one value, with more than `MAX_LEVELS` or without any that repeats, or days.
    """
    names = [name for name in table.columns if name]
    if target is not None and target not in names:
        near = difflib.get_close_matches(target, names, n=1)
        hint = f"did you mean '{near[0]}'" if near else f"its columns are: {', '.join(names[:20])}"
        raise MissingColumn(f"the table has no column '{target}' for the outcome", hint=hint, where=table.name)
    chosen = target or names[-1]
    unread = _unread(table)
    summaries = summarise(table, [name for name in names if name not in unread or name == chosen])
    if not summaries[chosen].rows:
        raise EmptyTable("the sample has no rows", hint="name a table with rows, or leave --data out", where=table.name)
    features = tuple(
        SampleColumn(name, "left out", note="it holds lists, structures, durations or bytes")
        if name in unread
        else _column(name, summaries[name], table.decimal_comma)
        for name in names
        if name != chosen
    )
    if all(column.role == "left out" for column in features):
        raise EmptyTable(
            f"no column beside '{chosen}' can be used", hint="name another table, or leave --data out", where=table.name
        )
    return Sample(table.name, _target(chosen, summaries[chosen], table), features)


def _unread(table: Table) -> frozenset[str]:
    """Return the columns whose cells are no single values, where the format says so."""
    kinds: Sequence[str] = getattr(table, "kinds", ())
    return frozenset(name for name, kind in zip(table.columns, kinds, strict=False) if kind == OTHER)


def _column(name: str, summary: Summary, decimal_comma: bool, *, outcome: bool = False) -> SampleColumn:
    codes = tuple(sorted(text for text in summary.spellings if text.lower() in _TEXT_CODES))
    values = sorted(summary.spellings.difference(codes))
    if not values:
        note = f"it holds nothing but {', '.join(codes)} in the sample" if codes else "it is empty in the sample"
        return SampleColumn(name, "left out", note=note)
    incomplete = bool(summary.empty)
    days = None if summary.full else guess_days(name, values, codes, incomplete=incomplete)
    if days is not None:
        return days
    yes = _yes(values)
    if yes:
        note = f"{', '.join(codes)} taken for missing" if codes else ""
        column = SampleColumn(name, "boolean", levels=tuple(values), yes=yes, missing=codes, note=note)
        return replace(column, incomplete=incomplete or bool(codes))
    numbers = _numbers(values, decimal_comma)
    if numbers is None or summary.typed:
        return _category(name, summary)
    why = "" if outcome else identifier(numbers, all_differ=summary.all_differ)
    if why:
        return SampleColumn(name, "left out", note=why)
    return guess_number(name, numbers, codes, incomplete=incomplete, decimal_comma=decimal_comma)


def _numbers(values: Iterable[str], decimal_comma: bool) -> list[float] | None:
    """Return the different numbers that are written, sorted; None where anything else is. 1 and 1.0 are one."""
    found = set()
    for text in values:
        # Where a comma ends the whole number, a point may only divide its thousands: such a cell is no number.
        number = None if decimal_comma and "." in text else number_of(text.replace(",", ".", int(decimal_comma)))
        if number is None or not math.isfinite(number):
            return None
        found.add(number)
    return sorted(found)


def _yes(values: Iterable[str]) -> tuple[str, ...]:
    """Return the spellings that mean yes in a column of yes and no; none where it is another column.

    0 and 1 alone are not told from codes, and T and N not from what else two letters may stand for.
    """
    folded = {text.casefold() for text in values}
    if folded <= {"0", "1"} or not any(folded <= together for together in _TOGETHER):
        return ()
    yes = tuple(text for text in values if _YES_OR_NO[text.casefold()])
    return yes if len(yes) < len(list(values)) else ()


def _category(name: str, summary: Summary) -> SampleColumn:
    """Return the draft of a column of levels: in the order that the file declares, of the numbers, or of the words."""
    # Among words, none may be one of them: of pain, say.
    codes = tuple(sorted(text for text in summary.spellings if text.lower() in _TEXT_CODES and text.lower() != "none"))
    values = _once(summary.spellings.difference(codes))
    if len(values) < 2:
        return SampleColumn(name, "left out", note="it has one value only in the sample")
    if summary.declared:
        values = tuple(text for text in summary.declared if text not in codes and text.lower() not in NO_VALUE)
    if len(values) > MAX_LEVELS or (summary.all_differ and not summary.typed):
        return SampleColumn(name, "left out", note=_why_no_levels(summary, values))
    notes = [f"{', '.join(codes)} taken for missing"] if codes else []
    notes += [f"if {text} means 'not known', move it to missing" for text in values if text.lower() == "none"]
    column = SampleColumn(name, "category", levels=values, missing=codes, note="\n".join(notes))
    return replace(column, incomplete=bool(summary.empty or codes))


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the levels in order, of spellings of one number (1, 1.0) the shortest: levels are compared by value."""
    found: dict[str | float, str] = {}
    for text in sorted(texts, key=lambda text: (len(text), text)):
        number = number_of(text)
        found.setdefault(text if number is None else number, text)
    values = found.values()
    return tuple(sorted(values, key=float if all(number_of(text) is not None for text in values) else None))


def _why_no_levels(summary: Summary, values: Sequence[str]) -> str:
    why = not_quite_days(values)
    if not why and summary.all_differ:
        return "every row differs: a name or an identifier"
    return why or f"{len(values):,} different texts"


def _target(name: str, summary: Summary, table: Table) -> SampleColumn:
    column = _column(name, summary, table.decimal_comma, outcome=True)
    if column.role in ("number", "count"):
        assert column.range is not None  # noqa: S101 - a number has one
        note = "\n".join(line for line in column.note.splitlines() if not line.startswith("if these are codes"))
        if column.whole:
            high = max(column.range[1], 1.0)
            column = replace(column, range=(0.0, high))
            note += "\nif some values mean yes: {type: binary, positive: [1, 2 ...], negative: 0}"
        return replace(column, role="count" if column.whole else "number", note=note)
    if column.role == "boolean":
        return column
    if column.several:
        note = "coefficients follow this order; if the classes have one, from low to high, write them in it and "
        return replace(column, note=f"{note}estimator: OrdinalLogit, params: {{}}\n{column.note}")
    if column.role == "category" and len(column.levels) == 2:
        note = f"'{column.levels[1]}' is taken for yes\n{column.note}"
        return replace(column, yes=column.levels[1:], note=note)
    what = f"is text with {len(summary.spellings):,} values" + (", of which none repeats" if summary.all_differ else "")
    if column.role == "date":
        what = "holds days"
    elif len(summary.spellings) < 2:
        what = "has one value only in the sample"
    raise UnsupportedModel(
        f"the outcome '{name}' {what}; it must be a number, or have from 2 to {MAX_LEVELS} values that repeat",
        hint="name the outcome's column with --target",
    )
