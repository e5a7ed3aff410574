"""One batch of records to `Rows`: names, units, spellings, missing codes and ranges, column by column.

Owns which rows count and what is missing, and notes every error without stopping. Must not know files or passes.
Internal. Codes for a missing value are compared with the cell as written, before any conversion of units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedcli.data.cells import MISSING, UNKNOWN, BoolArray, Codes, LevelReader, read_numbers
from fedcli.data.dates import Spelling, read_days
from fedcli.data.findings import Finding, Findings
from fedcli.data.mapping import Mapping, agreed_columns
from fedcli.data.own_spellings import agreed_spellings
from fedcli.data.reading_report import ReadingReport
from fedcli.data.table import Records
from fedcli.data.thousands import THOUSANDS, shape
from fedcli.data.typed import as_text
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
from fedcli.fileformat.statistics import FloatArray
from fedcli.preparing.rows import Rows
from fedcli.study.document import (
    BooleanColumn,
    ClassTarget,
    CountTarget,
    DateColumn,
    NoTarget,
    NumberFeature,
    Offset,
    Study,
    Weight,
)

# Numbers whose thousands are parted by some sign; 1,250 may also be a decimal.
_PARTED = "^[-+]?[1-9][0-9]{0,2}([.,' \u00a0\u2009\u202f][0-9]{3})+([.,][0-9]+)?$"


@dataclass(frozen=True)
class _Kept:
    """The records of a batch that are still looked at, and where each stood in it."""

    batch: Records
    frame: pl.DataFrame
    records: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.records)

    def only(self, mask: BoolArray) -> _Kept:
        if mask.all():
            return self
        return _Kept(self.batch, self.frame.filter(pl.Series(mask)), self.records[mask])


class Converter:
    """Turns batches into rows, counting in ``report`` and noting errors in ``findings``.

    Parameters
    ----------
    study : Study
    mapping : Mapping
    decimal_comma : bool
        Whether its numbers are written 1,5.
    features_only : bool
        Read neither target nor weights, and keep every record, so that each gets its prediction: the target is 0 then,
        and a missing offset NaN.
    """

    def __init__(self, study: Study, mapping: Mapping, *, decimal_comma: bool, features_only: bool = False) -> None:
        self._study = study
        self._features_only = features_only
        self._mapping = mapping
        self._decimal_comma = decimal_comma
        self._missing = {column: missing_codes(study, column, mapping) for column in agreed_columns(study)}
        self.report = ReadingReport(
            missing=dict.fromkeys(study.features, 0),
            levels={name: dict.fromkeys(column.levels, 0) for name, column in study.categories.items()},
        )
        if isinstance(study.target, ClassTarget):
            self.report.levels[study.target.column] = dict.fromkeys(study.target.class_names, 0)
        named = [*study.categories, *([study.target.column] if isinstance(study.target, ClassTarget) else [])]
        self._levels = {name: level_reader(study, name, mapping) for name in named}
        self.findings = Findings(study, mapping)
        self.records: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def rows(self, batch: Records) -> Rows:
        """Turn one batch into the rows that can be used; meaningless where ``findings`` has grown.

        ``records`` then holds where each stood in the batch.
        """
        kept, target, offset, weight, times = self._used(batch)
        self.records = kept.records
        self._count_target(target)
        for part, values in zip(self._study.times, times.T, strict=False):
            self._extend(part.column, values)
        study = self._study
        # Column behind column, as they are read: to write them row by row takes longer than to read them.
        numbers = np.empty((len(study.numbers), len(kept))).T
        for j, (name, column) in enumerate(study.numbers.items()):
            numbers[:, j] = self._number(kept, name, column)
        codes = np.empty((len(kept), len(study.categories)), dtype=np.int32)
        for j, name in enumerate(study.categories):
            codes[:, j] = self._category(kept, name)
        return Rows(numbers, codes, target, offset, weight, times)

    def used(self, batch: Records) -> NDArray[np.int64]:
        """Return which records (n_rows,) of a batch become rows, in their order."""
        return self._used(batch)[0].records

    def _used(self, batch: Records) -> tuple[_Kept, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the records that can be used, with target, offset, weight (n_rows,) and times (n_rows, n) of each."""
        filled = np.ones(batch.frame.height, dtype=np.bool_)
        # A blank record needs a gap in every column, which few batches have.
        if not self._features_only and all(column.null_count() for column in batch.frame):
            filled = ~batch.frame.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
        kept = _Kept(batch, batch.frame, np.arange(batch.frame.height)).only(filled)
        self.report.blank += int((~filled).sum())
        self.report.rows_read += len(kept)
        target, offset, weight = self._target(kept), self._offset(kept), self._weight(kept)
        times = self._times(kept)
        present = self._drop(kept, target, offset, weight, times)
        kept = kept.only(present)
        self.report.rows_used += len(kept)
        if not present.all():
            target, offset, weight, times = target[present], offset[present], weight[present], times[present]
        return kept, target, offset, weight, times

    def _target(self, kept: _Kept) -> FloatArray:
        """Return the target (n,), NaN where missing."""
        target = self._study.target
        if self._features_only or isinstance(target, NoTarget):
            return np.zeros(len(kept))
        if isinstance(target, ClassTarget):
            codes = self._read_levels(kept, target.column, BadTarget)
            return np.where(codes == MISSING, np.nan, codes)
        values, bad = self._read_numbers(kept, target.column)
        if isinstance(target, CountTarget):
            self._note(kept, BadTarget, target.column, np.isfinite(values) & (values != np.floor(values)))
        self.report.seen[target.column].add(values)
        self._note_outside(kept, target.column, values, target.range)
        return _with_bad_as_present(values, bad)

    def _times(self, kept: _Kept) -> FloatArray:
        """Return a survival target's times (n, n_time_columns), NaN where missing."""
        columns = () if self._features_only else self._study.times
        times = np.empty((len(kept), len(columns)))
        wrong = np.zeros(len(kept), dtype=np.bool_)
        for j, column in enumerate(columns):
            values, bad = self._read_numbers(kept, column.column)
            self.report.seen[column.column].add(values)
            self._note_outside(kept, column.column, values, column.range)
            times[:, j] = _with_bad_as_present(values, bad)
            wrong |= bad
        if len(columns) > 1:
            # A comparison with a missing time is false, and a cell that is no number has its own finding.
            self._note(kept, EntryTooLate, columns[1].column, (times[:, 1] >= times[:, 0]) & ~wrong)
        return times

    def _offset(self, kept: _Kept) -> FloatArray:
        """Return the offset (n,) on the scale of the linear predictor, NaN where missing; zeros without one."""
        offset = self._study.offset
        if offset is None:
            return np.zeros(len(kept))
        values = self._beside(kept, offset)
        if offset.transform == "identity":
            return values
        # A value at or below 0 has been noted as outside the range.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(values)

    def _weight(self, kept: _Kept) -> FloatArray:
        """Return the weights (n,), NaN where missing; ones without any."""
        weight = self._study.weight
        return np.ones(len(kept)) if weight is None or self._features_only else self._beside(kept, weight)

    def _beside(self, kept: _Kept, part: Offset | Weight) -> FloatArray:
        values, bad = self._read_numbers(kept, part.column)
        self.report.seen[part.column].add(values)
        self._note_outside(kept, part.column, values, part.range)
        return _with_bad_as_present(values, bad)

    def _drop(
        self, kept: _Kept, target: FloatArray, offset: FloatArray, weight: FloatArray, times: FloatArray
    ) -> BoolArray:
        """Return which rows have all that a row needs; a dropped one counts under the first that it lacks."""
        study = self._study
        present = np.ones(len(kept), dtype=np.bool_)
        if self._features_only:
            return present
        outcome = None if isinstance(study.target, NoTarget) else study.target
        clocks = zip(study.times, times.T, strict=True)
        for part, values in ((outcome, target), *clocks, (study.offset, offset), (study.weight, weight)):
            if part is not None:
                absent = present & np.isnan(values)
                self.report.dropped[part.column] = self.report.dropped.get(part.column, 0) + int(absent.sum())
                present &= ~absent
        return present

    def _count_target(self, target: FloatArray) -> None:
        outcome = self._study.target
        if isinstance(outcome, ClassTarget):
            counts = self.report.levels[outcome.column]
            for code, name in enumerate(counts):
                counts[name] += int((target == code).sum())
        elif not isinstance(outcome, NoTarget):
            self._extend(outcome.column, target)

    def _number(self, kept: _Kept, name: str, column: NumberFeature) -> FloatArray:
        """Return a feature (n,) in agreed units, NaN where missing."""
        if isinstance(column, DateColumn):
            values, bad = self._read_days(kept, name, column)
        else:
            values, bad = self._read_numbers(kept, name)
        self.report.seen[name].add(values)
        if column.whole:
            self._note(kept, NotWhole, name, np.isfinite(values) & (values != np.floor(values)))
        if column.outside == "error":
            self._note_outside(kept, name, values, column.interval)
        else:
            low, high = column.interval
            outside = (values < low) | (values > high)
            self.report.outside[name] = self.report.outside.get(name, 0) + int(outside.sum())
            values = np.clip(values, low, high) if column.outside == "clip" else np.where(outside, np.nan, values)
        self._count_missing(kept, name, np.isnan(values) & ~bad, imputed=column.impute is not None)
        self._extend(name, values)
        return values

    def _category(self, kept: _Kept, name: str) -> NDArray[np.int32]:
        """Return a feature's codes (n,), -1 where missing."""
        codes = self._read_levels(kept, name, UnknownLevel)
        column = self._study.categories[name]
        self._count_missing(kept, name, codes == MISSING, imputed=column.impute is not None)
        counts = np.bincount(codes[codes >= 0], minlength=len(column.levels))
        for level, count in zip(column.levels, counts, strict=True):
            self.report.levels[name][level] += int(count)
        return codes

    def _read_numbers(self, kept: _Kept, column: str) -> tuple[FloatArray, BoolArray]:
        """Return a column in agreed units (n,), NaN where missing or no number, and where it is no number."""
        cells = kept.frame.get_column(self._mapping.local(column))
        values, bad = read_numbers(
            cells, self._missing[column], decimal_comma=self._decimal_comma, thousands=self._mapping.thousands or ""
        )
        if bad.any():
            finding = self.findings.add(NotANumber, column, kept.batch, kept.records, bad)
            text = as_text(cells.filter(pl.Series(bad))).str.strip_chars()
            finding.add_cells(_counted(text))
            finding.other_decimal &= bool(text.str.contains(r"^[-+]?[0-9]*[.,][0-9]+$").all())
            finding.parted |= {word for word, signs in THOUSANDS.items() if text.str.contains(shape(signs)).any()}
        conversion = self._mapping.of(column)
        if conversion.multiply != 1.0 or conversion.add != 0.0:
            values = values * conversion.multiply + conversion.add
        return values, bad

    def _read_days(self, kept: _Kept, name: str, column: DateColumn) -> tuple[FloatArray, BoolArray]:
        """Return a day on the agreed scale (n,), NaN where missing or no day, and where it is no day."""
        cells = kept.frame.get_column(self._mapping.local(name))
        stated = self._mapping.of(name).date
        spelling = Spelling.ISO if stated is None else Spelling.parse(stated)
        days, bad = read_days(cells, self._missing[name], spelling, column.since)
        if bad.any():
            finding = self.findings.add(NotADate, name, kept.batch, kept.records, bad)
            finding.add_days(as_text(cells.filter(pl.Series(bad))).unique().to_list())
        return days / column.days_per_unit, bad

    def _read_levels(self, kept: _Kept, column: str, kind: type[FedcliError]) -> NDArray[np.int32]:
        cells = kept.frame.get_column(self._mapping.local(column))
        codes = self._levels[column].read(cells)
        unknown = codes == UNKNOWN
        if unknown.any():
            finding = self.findings.add(kind, column, kept.batch, kept.records, unknown)
            finding.add_labels(as_text(cells.filter(pl.Series(unknown))).str.strip_chars().unique().to_list())
        return codes

    def _note(self, kept: _Kept, kind: type[FedcliError], column: str, wrong: BoolArray) -> Finding | None:
        return self.findings.add(kind, column, kept.batch, kept.records, wrong) if wrong.any() else None

    def _note_outside(self, kept: _Kept, column: str, values: FloatArray, span: tuple[float, float]) -> None:
        low, high = _extent(values)
        if span[0] <= low and high <= span[1]:
            return
        outside = (values < span[0]) | (values > span[1])
        finding = self._note(kept, OutOfRange, column, outside)
        if finding is not None:
            cells = kept.frame.get_column(self._mapping.local(column)).filter(pl.Series(outside))
            finding.add_cells(_counted(as_text(cells).str.strip_chars()))

    def _count_missing(self, kept: _Kept, name: str, missing: BoolArray, *, imputed: bool) -> None:
        self.report.missing[name] += int(missing.sum())
        if not imputed:
            self._note(kept, MissingValue, name, missing)

    def _extend(self, column: str, values: FloatArray) -> None:
        low, high = _extent(values)
        if low <= high:
            before = self.report.extent.get(column, (low, high))
            self.report.extent[column] = (min(low, before[0]), max(high, before[1]))


def _extent(values: FloatArray) -> tuple[float, float]:
    """Return the smallest and the largest value, infinity and its negative where all are missing."""
    return float(np.fmin.reduce(values, initial=np.inf)), float(np.fmax.reduce(values, initial=-np.inf))


def missing_codes(study: Study, column: str, mapping: Mapping) -> Codes:
    """Return what means 'not known' in an agreed column, by the study and by the silo."""
    part = study.part(column)
    own = Codes.of(mapping.of(column).missing, thousands=mapping.thousands or "")
    return Codes.of(getattr(part, "missing", ())) | own


def level_reader(study: Study, column: str, mapping: Mapping) -> LevelReader:
    """Return the reader of a category's levels, or of an outcome's classes."""
    pairs = agreed_spellings(study, column)
    if not pairs:
        raise ValueError(f"{column} has no levels")
    spellings, missing = mapping.of(column).levels, missing_codes(study, column, mapping)
    any_case = isinstance(study.features.get(column), BooleanColumn)
    return LevelReader(pairs, missing, spellings, any_case=any_case, thousands=mapping.thousands or "")


def _counted(text: pl.Series) -> list[tuple[str, int]]:
    return [(str(cell), int(count)) for cell, count in text.value_counts().iter_rows()]


def _with_bad_as_present(values: FloatArray, bad: BoolArray) -> FloatArray:
    """Keep rows whose target, offset or weight is wrong, not missing: their other cells are checked too."""
    return np.where(bad, 0.0, values)
