"""A table against the study: one pass for its rows, or one for everything that is wrong with it.

Owns the pass, the size of batches and the search for columns. Must not know models or what is done with the rows.
Internal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fedcli.data.converting import Converter
from fedcli.data.local_rows import LocalRows
from fedcli.data.mapping import Mapping, agreed_columns, nearest
from fedcli.data.misplaced import where_they_are
from fedcli.data.reading_report import ReadingReport
from fedcli.data.saying import said_places, silo_line
from fedcli.data.table import Table
from fedcli.errors import EmptyTable, FedcliError, MissingColumn
from fedcli.preparing.rows import Rows
from fedcli.study.document import BooleanColumn, CategoryColumn, ClassTarget, DateColumn, Study
from fedcli.study.yaml import comment, scalar

ROWS_PER_BATCH = 65_536
_FEW = 5
_READ_AS_TEXT = (ClassTarget, BooleanColumn, CategoryColumn, DateColumn)


def missing_columns(
    study: Study, mapping: Mapping, table: Table, *, features_only: bool = False
) -> tuple[MissingColumn, ...]:
    """Return one error for each column of the study that the table lacks.

    Parameters
    ----------
    study, mapping, table
    features_only : bool
        Ask for what a prediction needs only.
    """
    errors = []
    wanted = agreed_columns(study, features_only=features_only)
    free = [name for name in table.columns if name not in {mapping.local(c) for c in agreed_columns(study)}]
    local_names = [mapping.local(column) for column in wanted]
    if set(local_names) <= set(table.columns):
        return ()
    elsewhere = where_they_are(local_names, table)
    likely = sum(nearest(name, free) is not None for name in local_names)
    none_found = not set(local_names) & set(table.columns)
    if len(wanted) > 1 and (elsewhere or (none_found and 2 * likely < len(wanted))):
        return (_most_missing(local_names, table, elsewhere),)
    for column in wanted:
        local = mapping.local(column)
        if local in table.columns:
            continue
        near = nearest(local, free)
        if elsewhere:
            hint = elsewhere
        elif near is not None:
            line = silo_line(mapping, column, "column", scalar(near))
            hint = f"if '{comment(near)}' is it, write in silo.yaml under columns: {line}"
        else:
            hint = f"say which column it is in silo.yaml under columns: {silo_line(mapping, column, 'column', 'NAME')}"
        named = f" (silo.yaml names it for '{comment(column)}')" if local != column else ""
        errors.append(MissingColumn(f"the table has no column '{comment(local)}'{named}", hint=hint, where=table.name))
    return tuple(errors)


def _most_missing(wanted: Sequence[str], table: Table, elsewhere: str) -> MissingColumn:
    """Return one error for a table that is another one, or another sheet, or lacks its header."""
    hint = elsewhere or (
        "is it the right table, and does its first line name the columns? Else say in silo.yaml under columns: "
        "what each is called here"
    )
    absent = [name for name in wanted if name not in table.columns]
    has = "none" if len(absent) == len(wanted) else f"{len(wanted) - len(absent):,}"
    named = ", ".join(f"'{comment(name)}'" for name in absent[:_FEW])
    more = f" and {len(absent) - _FEW:,} more" if len(absent) > _FEW else ""
    lacking = ":" if len(absent) == len(wanted) else ", without"
    message = f"the table has {has} of the {len(wanted):,} columns that the study reads{lacking} {named}{more}"
    return MissingColumn(message, hint=hint, where=table.name)


class RowReader:
    """Reads a table as rows of the study; may be iterated any number of times, each time from the file.

    Parameters
    ----------
    study : Study
    mapping : Mapping
    table : Table
    features_only : bool
        Read what a prediction needs, for every record; see `Converter`.
    local : LocalRows, optional
        Handed every row that is used, as the table has it; what it needs besides is read too.

    Attributes
    ----------
    report : ReadingReport
        Of the latest pass, complete once that has ended.

    Raises
    ------
    MissingColumn
        The table lacks a column of the study.
    """

    def __init__(
        self,
        study: Study,
        mapping: Mapping,
        table: Table,
        *,
        features_only: bool = False,
        local: LocalRows | None = None,
    ) -> None:
        absent = missing_columns(study, mapping, table, features_only=features_only)
        if absent:
            raise absent[0]
        self._study = study
        self._mapping = mapping
        self._table = table
        self._features_only = features_only
        self._local = local
        self._converter = self._fresh()

    @property
    def report(self) -> ReadingReport:
        """What the latest pass met."""
        return self._converter.report

    def __iter__(self) -> Iterator[Rows]:
        return self.batches()

    def batches(self, size: int | None = ROWS_PER_BATCH, *, refuse: bool = True) -> Iterator[Rows]:
        """Read the table once, in batches of ``size`` rows, the last one smaller.

        The batches depend on the rows alone, not on how the file is compressed, quoted or cut into blocks, so that
        the same rows give the same sums to the bit.

        Parameters
        ----------
        size : int, optional
            None for whoever cuts the rows anew: they come as the file was read then, which spares a copy.
        refuse : bool
            Otherwise what is wrong is left to whoever asks for `errors`, and wrong cells are among the rows: NaN, a
            value beyond the range, a level or an outcome of `UNKNOWN`.

        Raises
        ------
        BadTable
            The file itself cannot be read.
        NotANumber, OutOfRange, UnknownLevel, MissingValue, BadTarget
            The first error in the study's order of columns, counted over the whole table: from the first wrong row
            on nothing is yielded, but reading goes on.
        EmptyTable
            No row can be used.
        """
        converter = self._converter = self._fresh()
        waiting: list[Rows] = []
        held = 0
        wanted = self._wanted
        further = [name for name in self._local.columns if name not in wanted] if self._local is not None else []
        for whole in self._table.batches([*wanted, *further], self._numbers):
            # What only `local` looks at must not decide whether a record is blank.
            batch = replace(whole, frame=whole.frame.select(wanted)) if further else whole
            rows = converter.rows(batch)
            if self._local is not None and self._local.columns:
                used = converter.records
                self._local.add(whole.frame if len(used) == whole.frame.height else whole.frame[used])
            if refuse and converter.findings:
                waiting.clear()
                continue
            if size is None:
                yield rows
                continue
            waiting.append(rows)
            held += len(rows)
            if held >= size:
                together, at = Rows.together(waiting), 0
                while held - at >= size:
                    yield together.take(slice(at, at + size))
                    at += size
                waiting, held = [together.take(slice(at, None))], held - at
        if refuse and self.errors:
            raise self.errors[0]
        if held:
            yield Rows.together(waiting)

    @property
    def errors(self) -> tuple[FedcliError, ...]:
        """What the latest pass found wrong: one per column and kind, in the study's order of columns."""
        found = self._converter.findings.errors(self.report.seen)
        return found if found or self.report.rows_used else (self._empty(self.report),)

    def places(self, positions: Sequence[int]) -> str:
        """Say where some of the rows used stand in the table, which is read once more for it.

        Parameters
        ----------
        positions : sequence of int
            Ascending, from 0 over the rows that the latest pass yielded.

        Returns
        -------
        str
            ``lines 4, 17``, each file but one by name.
        """
        found: list[tuple[str, str, int]] = []
        converter, before = self._fresh(), 0
        for batch in self._table.batches(self._wanted, self._numbers):
            records = converter.used(batch)
            inside = [p - before for p in positions if before <= p < before + len(records)]
            found += [(batch.name, batch.unit, batch.number(int(records[p]))) for p in inside]
            before += len(records)
            if len(found) == len(positions):
                break
        return said_places(found)

    @property
    def _wanted(self) -> list[str]:
        return list(dict.fromkeys(self._mapping.local(column) for column in self._columns))

    @property
    def _numbers(self) -> list[str]:
        """Local columns that are read as numbers and as nothing else."""
        if self._table.decimal_comma:
            return []
        texts = {c for c in self._columns if isinstance(self._study.part(c), _READ_AS_TEXT)}
        as_text = {self._mapping.local(column) for column in texts}
        return [name for name in self._wanted if name not in as_text]

    @property
    def _columns(self) -> tuple[str, ...]:
        return agreed_columns(self._study, features_only=self._features_only)

    def _fresh(self) -> Converter:
        """Start counting anew, so that a second pass counts nothing twice."""
        return Converter(
            self._study,
            self._mapping,
            decimal_comma=self._table.decimal_comma,
            features_only=self._features_only,
        )

    def _empty(self, report: ReadingReport) -> EmptyTable:
        if not report.rows_read:
            return EmptyTable("the table has a header and no rows", hint="export it again", where=self._table.name)
        why = ", ".join(f"{n:,} without '{comment(column)}'" for column, n in report.dropped.items() if n)
        return EmptyTable(
            f"none of the {report.rows_read:,} rows can be used: {why}",
            hint="is it in another column? Name that in silo.yaml under columns",
            where=self._table.name,
        )


def check_table(study: Study, mapping: Mapping, table: Table) -> tuple[ReadingReport, tuple[FedcliError, ...]]:
    """Find everything that is wrong with a table in one run, and keep nothing of its rows.

    Returns
    -------
    report : ReadingReport
        Empty when a column is missing: nothing is read then.
    errors : tuple of FedcliError
        One per column and kind, in the study's order of columns; empty when the table fits.

    Raises
    ------
    BadTable
        The file itself cannot be read.
    """
    absent = missing_columns(study, mapping, table)
    if absent:
        return ReadingReport(), absent
    reader = RowReader(study, mapping, table)
    for _ in reader.batches(refuse=False):
        pass
    return reader.report, reader.errors
