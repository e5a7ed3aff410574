"""Everything that is wrong with a table, found in one run and said one by one.

Owns the counts, the first few line numbers and the sentences. A sentence may name columns, lines, counts and, for a
category, at most three unknown labels; of numbers only a well-known code for a missing value that repeats. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.data.cells import BoolArray
from fedcli.data.codes import known_code
from fedcli.data.dates import BLANK, candidates
from fedcli.data.mapping import Mapping, agreed_columns
from fedcli.data.other_unit import seeming
from fedcli.data.saying import called, said_places, silo_line
from fedcli.data.table import Records
from fedcli.data.thinned import Thinned
from fedcli.errors import (
    BadTarget,
    EntryTooLate,
    FedcliError,
    MissingValue,
    NotADate,
    NotANumber,
    NotWhole,
    OutOfRange,
    UnknownLevel,
)
from fedcli.study.document import Category, ClassTarget, DateColumn, Study
from fedcli.study.yaml import comment, scalar

_LINES = 5
_LABELS = 3
# A value that stands in one row is that row's.
_REPEATS = 2
_LABEL_LENGTH = 40
# With more spellings than this the column is no category, and its text may name people.
_FEW_SPELLINGS = 20


@dataclass
class Finding:
    """One kind of error in one column."""

    kind: type[FedcliError]
    column: str
    rows: int = 0
    places: list[tuple[str, str, int]] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    other_decimal: bool = True
    parted: set[str] = field(default_factory=set)
    codes: dict[str, int] = field(default_factory=dict)
    same: set[str] = field(default_factory=set)
    spellings: tuple[str, ...] | None = None

    def add(self, batch: Records, records: Iterable[int], count: int) -> None:
        """Count ``count`` rows; note file, unit and number of the first few ``records``."""
        self.rows += count
        for record in records:
            if len(self.places) >= _LINES:
                break
            self.places.append((batch.name, batch.unit, batch.number(int(record))))

    def add_cells(self, cells: Iterable[tuple[str, int]]) -> None:
        """Note which codes for a missing value wrong cells hold; each spelling with its count."""
        for text, count in cells:
            if len(self.same) < 2:
                self.same.add(text)
            code = known_code(text)
            if code is not None:
                self.codes[code] = self.codes.get(code, 0) + count

    def add_days(self, texts: list[str]) -> None:
        """Note in which spellings every cell so far that is no date would be one."""
        found = candidates(texts)
        self.spellings = found if self.spellings is None else tuple(s for s in self.spellings if s in found)

    def add_labels(self, labels: Iterable[str]) -> None:
        """Note unknown spellings of a category, as many as decide whether it is one."""
        for label in sorted(labels):
            if len(self.labels) <= _FEW_SPELLINGS:
                self.labels.add(label)


class Findings:
    """Collects what is wrong, per column and kind, over all batches."""

    def __init__(self, study: Study, mapping: Mapping) -> None:
        self._study = study
        self._mapping = mapping
        self._found: dict[tuple[str, type[FedcliError]], Finding] = {}
        self._seen: MappingOf[str, Thinned] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(
        self, kind: type[FedcliError], column: str, batch: Records, records: NDArray[np.int64], wrong: BoolArray
    ) -> Finding:
        """Note that the rows where ``wrong`` are so; ``records`` gives each row's place in the batch."""
        finding = self._found.setdefault((column, kind), Finding(kind, column))
        finding.add(batch, records[wrong][:_LINES], int(wrong.sum()))
        return finding

    def errors(self, seen: MappingOf[str, Thinned]) -> tuple[FedcliError, ...]:
        """Return one error per finding, in the study's order of columns.

        Parameters
        ----------
        seen : mapping of str to Thinned
            Values of each number, agreed units.
        """
        self._seen = seen
        order = {column: i for i, column in enumerate(agreed_columns(self._study))}
        return tuple(self._error(f) for f in sorted(self._found.values(), key=lambda f: (order[f.column], f.kind.code)))

    def _error(self, finding: Finding) -> FedcliError:
        say: dict[type[FedcliError], Callable[[Finding], tuple[str, str]]] = {
            NotADate: self._not_a_date,
            NotANumber: self._not_a_number,
            NotWhole: self._not_whole,
            OutOfRange: self._out_of_range,
            UnknownLevel: self._unknown_level,
            MissingValue: self._missing_value,
            BadTarget: self._bad_target,
            EntryTooLate: self._entry_too_late,
        }
        message, hint = say[finding.kind](finding)
        where, more = finding.places[0][0], finding.rows > len(finding.places)
        return finding.kind(message, hint=hint, where=where, rows=said_places(finding.places, more=more))

    def _called(self, column: str) -> str:
        return called(self._mapping, column)

    def _line(self, column: str, key: str, value: str | Sequence[str]) -> str:
        return silo_line(self._mapping, column, key, value)

    def _not_a_number(self, f: Finding) -> tuple[str, str]:
        message = f"{self._called(f.column)} is not a number in {_count(f.rows, 'row')}"
        if f.parted:
            word = min(f.parted)
            decimal = f"; if it is the decimal sign: table: {{decimal: {word}}}" if f.other_decimal else ""
            return (
                message,
                f"if the {word} parts thousands here, write in silo.yaml: table: {{thousands: {word}}}{decimal}; else "
                "correct the cells",
            )
        # A point or comma that parts thousands settles the decimal sign.
        if f.other_decimal and self._mapping.thousands not in (".", ","):
            return (
                message,
                "numbers here seem to use another decimal sign: in silo.yaml, table: {decimal: comma} or point",
            )
        code, _ = self._code(f)
        if code:
            return message, f"{code}; else correct the cells"
        line = self._line(f.column, "missing", ['"CODE"'])
        return message, f"correct the cells; if they mean 'not known', write in silo.yaml under columns: {line}"

    def _not_a_date(self, f: Finding) -> tuple[str, str]:
        stated = self._mapping.of(f.column).date or "YYYY-MM-DD"
        message = f"{self._called(f.column)} is not a day written {stated} in {_count(f.rows, 'row')}"
        ways = [way for way in f.spellings or () if way != stated]
        if ways:
            lines = " or ".join(self._line(f.column, "date", way) for way in ways)
            which = (
                "write in silo.yaml under columns" if len(ways) == 1 else "nobody can tell which from the cells alone"
            )
            if any(BLANK in way for way in ways):
                which = f"{which}, with the first of the hundred years that are meant for {BLANK}"
            return message, f"all of them are days in another spelling; if it is meant, {which}: {lines}"
        line = self._line(f.column, "date", "DD.MM.YYYY")
        missing = self._line(f.column, "missing", ['"CODE"'])
        return message, (
            f"say in silo.yaml under columns how days are written here, such as {line} or excel for serial days; "
            f"codes that mean 'not known': {missing}; days that no calendar has, correct in the table"
        )

    def _not_whole(self, f: Finding) -> tuple[str, str]:
        return (
            f"{self._called(f.column)} is not a whole number in {_count(f.rows, 'row')}",
            "a count is 0, 1, 2 ...: correct the cells, or ask the coordinator for type: number",
        )

    def _out_of_range(self, f: Finding) -> tuple[str, str]:
        part: Any = self._study.part(f.column)
        low, high = part.range
        unit = f" {comment(part.unit)}" if getattr(part, "unit", None) else ""
        span = f"{low} to {high}" if isinstance(part, DateColumn) else f"{low:g} to {high:g}{unit}"
        message = f"{self._called(f.column)} lies outside {span} in {_count(f.rows, 'row')}"
        values = self._seen[f.column].values() if f.column in self._seen else np.empty(0)
        seems = seeming(self._study, self._mapping, f.column, values)
        most = seems is not None and seems.outside
        code, explained = self._code(f)
        # Among values in another unit some number repeats, and is no code.
        if code and (not most or 2 * explained > f.rows):
            return message, f"{code}; else correct the cells"
        if isinstance(part, DateColumn):
            line = self._line(f.column, "missing", ['"CODE"'])
            return message, (
                f"correct the cells; if they mean 'not known', write in silo.yaml under columns: {line}; "
                "or ask the coordinator for a wider range"
            )
        if getattr(part, "type", "") == "count":
            return message, "correct the cells, or ask the coordinator for a wider range"
        if seems is not None and most and seems.units:
            return message, f"most values would lie inside in {seems.named}: {seems.write}"
        if seems is not None and most and seems.factors:
            return (
                message,
                f"multiplied by {' or '.join(seems.factors)}, most values would lie inside: {seems.write}",
            )
        if unit:
            how = f", with the unit it has here for UNIT: {self._line(f.column, 'unit', 'UNIT')}"
        else:
            how = f": {self._line(f.column, 'multiply', 'FACTOR')}"
        first = f"this looks like another unit than the agreed{unit}: " if most else "if it is in another unit, "
        return message, f"{first}write in silo.yaml under columns{how}; else correct the cells"

    def _code(self, f: Finding) -> tuple[str, int]:
        """Say that wrong cells may hold a code for a missing value, if the same one repeats, and how many they are."""
        code, count = max(f.codes.items(), key=lambda item: item[1], default=("", 0))
        if count >= _REPEATS:
            line = self._line(f.column, "missing", [code])
            said = (
                f"{code} stands in {count:,} of them: if it means 'not known', write in silo.yaml under columns: {line}"
            )
            return said, count
        if len(f.same) == 1 and f.rows >= _REPEATS:
            line = self._line(f.column, "missing", ["CODE"])
            return f"all hold the same value: if it means 'not known', write in silo.yaml under columns: {line}", f.rows
        return "", 0

    def _unknown_level(self, f: Finding) -> tuple[str, str]:
        feature = self._study.features[f.column]
        levels = feature.agreed if isinstance(feature, Category) else ()
        return self._spellings(f, "level", levels)

    def _bad_target(self, f: Finding) -> tuple[str, str]:
        target = self._study.target
        if not isinstance(target, ClassTarget):
            return (
                f"target {self._called(f.column)} is not a whole number in {_count(f.rows, 'row')}",
                "a count is 0, 1, 2 ...: correct the cells, or ask the coordinator for type: number",
            )
        return self._spellings(f, "value", [value for value, _ in target.spellings])

    def _entry_too_late(self, f: Finding) -> tuple[str, str]:
        time = self._called(self._study.times[0].column)
        return (
            f"{self._called(f.column)} is not before {time} in {_count(f.rows, 'row')}",
            "nobody was seen for no time: correct the cells, or leave these rows out; are both columns in the same "
            "unit, counted from the same day?",
        )

    def _spellings(self, f: Finding, what: str, agreed: Iterable[str]) -> tuple[str, str]:
        agreed = list(agreed)
        known = ", ".join(comment(level) for level in agreed[:6]) + (" ..." if len(agreed) > 6 else "")
        message = f"{self._called(f.column)} holds a {what} that is not agreed ({known}) in {_count(f.rows, 'row')}"
        if len(f.labels) > _FEW_SPELLINGS:
            line = self._line(f.column, "column", "NAME")
            return message, f"it has many spellings; is it another column? Name it in silo.yaml under columns: {line}"
        shown = [_short(label) for label in sorted(f.labels)][:_LABELS]
        more = f" and {len(f.labels) - len(shown)} more" if len(f.labels) > len(shown) else ""
        # Never a guess of which level it is: a hint that is copied unread would turn one group into another.
        line = self._line(f.column, "levels", [f"{scalar(label)}: LEVEL" for label in shown])
        missing = self._line(f.column, "missing", [scalar(label) for label in shown])
        labels = ", ".join(f"'{label}'" for label in shown)
        return (
            f"{message}: {labels}{more}",
            f"write in silo.yaml under columns what each is here, an agreed {what} for each LEVEL: {line}; "
            f"or, where they mean 'not known': {missing}",
        )

    def _missing_value(self, f: Finding) -> tuple[str, str]:
        way = "mode" if isinstance(self._study.features[f.column], Category) else "mean"
        return (
            f"{self._called(f.column)} is missing in {_count(f.rows, 'row')} and the study does not impute it",
            f"fill the cells or leave the rows out, or ask the coordinator for 'impute: {way}'",
        )


def _short(label: str) -> str:
    """Make a label fit for a screen: control characters escaped, at most 40 characters."""
    return comment(label if len(label) <= _LABEL_LENGTH else label[: _LABEL_LENGTH - 3] + "...")


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"
