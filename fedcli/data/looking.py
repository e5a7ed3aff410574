"""What is odd about a table that `train` would not refuse: each a doubt for a person to settle, none an error.

Owns the doubts that follow from what reading counted, and their order. Must not know rules of disclosure or screens.
Internal. A sentence names columns, levels and counts, never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fedcli.data.against_outcome import against_outcome
from fedcli.data.copies import copied_rows, same_columns
from fedcli.data.mapping import Mapping
from fedcli.data.numbering import numbering
from fedcli.data.other_unit import seeming
from fedcli.data.plausible import ENOUGH
from fedcli.data.reading_report import ReadingReport
from fedcli.data.saying import called, silo_line
from fedcli.errors.doubts import (
    ConstantColumn,
    Doubt,
    LevelWithoutRows,
    ManyDropped,
    ManyOutside,
    MostlyMissing,
    NumbersRows,
    OneOutcome,
    OtherUnit,
)
from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.rows import Rows
from fedcli.study.document import ClassTarget, CountColumn, NoTarget, NumberColumn, Study
from fedcli.study.yaml import comment

_MOSTLY = 0.9
_MANY = 0.05
_MANY_DROPPED = 0.1


def look(
    study: Study, mapping: Mapping, report: ReadingReport, passes: Callable[[], Iterator[Rows]]
) -> tuple[Doubt, ...]:
    """Return everything that a person should look at, by column in the study's order, then of the whole table.

    Parameters
    ----------
    study : Study
    mapping : Mapping
    report : ReadingReport
        Of a finished pass.
    passes : callable
        Gives the rows of that pass once more, each time it is called; wrong cells may be among them.
    """
    if not report.rows_used:
        return ()
    found = [
        *_numbers(study, mapping, report),
        *_levels(study, mapping, report),
        *_missing(study, mapping, report),
        *_outcome(study, report),
        *_dropped(report),
    ]
    found += [*against_outcome(study, mapping, passes), *same_columns(study, mapping, passes), *copied_rows(passes)]
    times = (part.column for part in study.times)
    order = {name: i for i, name in enumerate((*study.features, study.target.column, *times))}
    return tuple(sorted(found, key=lambda doubt: (order.get(doubt.column, len(order)), doubt.code)))


def _numbers(study: Study, mapping: Mapping, report: ReadingReport) -> Iterator[Doubt]:
    for name, thinned in report.seen.items():
        part: Any = study.part(name)
        values = thinned.values()
        present = values[np.isfinite(values)]
        if len(present) < ENOUGH:
            continue
        # Most rows are usually seen from the beginning: an entry at the end of the range says nothing of its unit.
        if name != getattr(study.target, "entry", None):
            yield from _unit(study, name, mapping, present)
        if name in study.features and isinstance(part, (NumberColumn, CountColumn)):
            yield from _numbering(name, mapping, present, report)
    for name, outside in report.outside.items():
        if outside > _MANY * report.rows_used:
            what = "clipped to" if study.numbers[name].outside == "clip" else "taken for missing outside"
            yield ManyOutside(
                f"{called(mapping, name)}: {outside:,} of {report.rows_used:,} cells are {what} the agreed range",
                hint="is the column in the agreed unit? If it is, ask the coordinator whether the range is right",
                column=name,
            )
    for name, (low, high) in report.extent.items():
        if low == high and name in study.features and report.missing[name] <= _MOSTLY * report.rows_used:
            yield _constant(name, mapping)


def _unit(study: Study, name: str, mapping: Mapping, present: FloatArray) -> Iterator[Doubt]:
    part: Any = study.part(name)
    seems = seeming(study, mapping, name, present)
    # Where most values are refused the error says the same.
    if seems is None or (seems.outside and getattr(part, "outside", "error") == "error"):
        return
    unit = f" {comment(part.unit)}" if getattr(part, "unit", None) else ""
    agreed = f"{part.range[0]:g} to {part.range[1]:g}{unit}"
    quantity = comment(str(getattr(part, "quantity", "")))
    where = {
        "outside": f"outside {agreed}",
        "end": f"at the end of {agreed}",
        "elsewhere": f"within {agreed}, but not where that of {quantity} usually does",
    }
    said = f"{called(mapping, name)}: the middle value lies {where[seems.where]}"
    if seems.units:
        would = {"outside": "and would lie inside", "end": "and would lie well inside", "elsewhere": "as it would"}
        said += f", {would[seems.where]} in {seems.named}"
    elif seems.factors:
        said += f", and multiplied by {' or '.join(seems.factors)} it would not"
    else:
        hint = f"is it another column, or in another unit? Then write in silo.yaml under columns: {seems.line}"
        yield OtherUnit(said, hint=hint, column=name)
        return
    yield OtherUnit(said, hint=seems.write, column=name)


def _numbering(name: str, mapping: Mapping, present: FloatArray, report: ReadingReport) -> Iterator[Doubt]:
    low, high = report.extent.get(name, (0.0, 0.0))
    said = numbering(present, low, high, report.rows_used - report.missing.get(name, 0))
    if said is not None:
        yield NumbersRows(
            f"{called(mapping, name)}: {said}",
            hint="does it number rows or persons? Then name the right column in silo.yaml under columns: "
            f"{silo_line(mapping, name, 'column', 'NAME')}",
            column=name,
        )


def _levels(study: Study, mapping: Mapping, report: ReadingReport) -> Iterator[Doubt]:
    for name, column in study.categories.items():
        counts = {level: n for level, n in report.levels[name].items() if level != column.small_level}
        filled = [level for level, n in counts.items() if n]
        empty = [comment(level) for level, n in counts.items() if not n]
        if len(filled) == 1:
            yield _constant(name, mapping)
        elif empty and filled:
            yield LevelWithoutRows(
                f"{called(mapping, name)}: no row has {' or '.join(empty)}",
                hint="right if this silo has none; else look for another spelling among its values",
                column=name,
            )


def _constant(name: str, mapping: Mapping) -> Doubt:
    return ConstantColumn(
        f"{called(mapping, name)}: all values are the same",
        hint="right if this silo is like that: others then decide its coefficient; else name the right column",
        column=name,
    )


def _missing(study: Study, mapping: Mapping, report: ReadingReport) -> Iterator[Doubt]:
    for name in study.features:
        missing = report.missing.get(name, 0)
        if missing > _MOSTLY * report.rows_used:
            every = "all" if missing == report.rows_used else f"{missing:,} of"
            yield MostlyMissing(
                f"{called(mapping, name)}: {every} {report.rows_used:,} values are missing",
                hint="is it another column, or are codes taken for missing that mean something? If it is so, ask the "
                "coordinator whether the study should do without the column",
                column=name,
            )


def _outcome(study: Study, report: ReadingReport) -> Iterator[Doubt]:
    target = study.target
    if isinstance(target, NoTarget):
        return
    if isinstance(target, ClassTarget):
        one = sum(n > 0 for n in report.levels[target.column].values()) == 1
    else:
        low, high = report.extent.get(target.column, (0.0, 1.0))
        one = low == high
    if one:
        yield OneOutcome(
            "the only row has one outcome"
            if report.rows_used == 1
            else f"all {report.rows_used:,} rows have the same outcome",
            hint="right if this silo is like that, and it may take part; else look whether '"
            f"{comment(target.column)}' is the right column, and read as it is meant",
            column=target.column,
        )


def _dropped(report: ReadingReport) -> Iterator[Doubt]:
    for name, dropped in report.dropped.items():
        if dropped > _MANY_DROPPED * report.rows_read:
            yield ManyDropped(
                f"{dropped:,} of {report.rows_read:,} rows are left out, since '{comment(name)}' is missing",
                hint="rows without it may differ from the others: tell the coordinator, if the share surprises you",
                column=name,
            )
