"""Several files as one table: the parts of an export, in the order of their names.

Owns which files belong together and whether they fit. Must not know a format. Internal.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fedcli.data.source import shown
from fedcli.data.table import Records, Table
from fedcli.data.typed import NOTHING
from fedcli.errors import BadTable, FileMissing

TABLE_ENDINGS = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class PartedTable:
    """A table whose rows lie in several files with the same columns.

    Parameters
    ----------
    name : str
        The folder or the pattern that names them.
    parts : tuple of Table
        At least one.
    constants : tuple of dict of str to (str or None)
        For each part, the columns that its folders' names hold: ``year=2024`` is a column ``year``.
    """

    name: str
    parts: tuple[Table, ...]
    constants: tuple[dict[str, str | None], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the first part's order; those of folders last."""
        return (*self.parts[0].columns, *self.constants[0])

    @property
    def decimal_comma(self) -> bool:
        """Whether any part writes numbers 1,5: one export does not change in between."""
        return any(part.decimal_comma for part in self.parts)

    @property
    def facts(self) -> tuple[str, ...]:
        """What is true of any part, and how many there are."""
        n = len(self.parts)
        found = dict.fromkeys(fact for part in self.parts for fact in part.facts)
        return (f"{n:,} file{'' if n == 1 else 's'}", *found)

    def batches(self, columns: Sequence[str], numbers: Collection[str] = ()) -> Iterator[Records]:
        """Read the parts one after the other, only these columns."""
        for part, constants in zip(self.parts, self.constants, strict=True):
            own = [column for column in columns if column not in constants]
            # Something must be read to know how many rows there are.
            for batch in part.batches(own or part.columns[:1], [c for c in numbers if c in own]):
                added = [pl.lit(constants[c], dtype=pl.String).alias(c) for c in columns if c in constants]
                yield Records(batch.frame.with_columns(added).select(columns), batch.number, batch.name, batch.unit)


def find_parts(path: Path) -> list[Path]:
    """Return the files that a folder or a pattern names, sorted by name.

    Parameters
    ----------
    path : Path
        A folder, with or without folders named ``KEY=VALUE`` in it, or a pattern with ``*``, ``?`` or ``[...]``. Names
        that begin with a point or an underscore are no tables: programs leave notes of their own so.

    Raises
    ------
    FileMissing
        There is none.
    BadTable
        Text and Parquet lie side by side in the folder.
    """
    if path.is_dir():
        found = sorted(file for file in _below(path) if file.name.lower().endswith(TABLE_ENDINGS))
        if not found:
            raise FileMissing(
                f"the folder '{path}' holds no CSV or Parquet file", hint="name the folder that holds the parts"
            )
        kinds = {file.name.lower().endswith((".parquet", ".pq")) for file in found}
        if len(kinds) > 1:
            raise BadTable(
                f"the folder '{path}' holds both text and Parquet files",
                hint=f"say which are the table: '{path}/*.parquet' or '{path}/*.csv', in quotes",
            )
        return found
    matched = (Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - its patterns go beyond
    found = sorted(file for file in matched if file.is_file() and not file.name.startswith((".", "_")))
    if not found:
        raise FileMissing(
            f"no file fits {shown(path, 'that pattern')}",
            hint="check the folder and the pattern, and put it in quotes: 'visits-*.csv'",
        )
    return found


def together(path: Path, files: Sequence[Path], tables: Sequence[Table]) -> PartedTable:
    """Make one table of several.

    Parameters
    ----------
    path : Path
        The folder or pattern.
    files : sequence of Path
    tables : sequence of Table
        One for each file.

    Raises
    ------
    BadTable
        Their columns, or the kinds of a column's cells, differ: the first file that does not fit is named.
    """
    constants = tuple(_constants(file, path) for file in files)
    first = tables[0]
    for file, table, constant in zip(files, tables, constants, strict=True):
        lacking = sorted({*first.columns, *constants[0]} - {*table.columns, *constant})
        more = sorted({*table.columns, *constant} - {*first.columns, *constants[0]})
        if lacking or more:
            what = f"lacks column '{lacking[0]}' of" if lacking else f"has a column '{more[0]}' more than"
            raise BadTable(
                f"this part {what} '{first.name}'",
                hint="parts of one table have the same columns: export them anew, or name those that belong together",
                where=_shown(file, path),
            )
        both = set(constant) & set(table.columns)
        if both:
            raise BadTable(
                f"column '{min(both)}' stands in the file and in the name of its folder",
                hint="rename one of the two",
                where=_shown(file, path),
            )
    _check_kinds(path, files, tables)
    return PartedTable(path.name, _with_one_sign(tables), constants)


def _with_one_sign(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Let a part whose numbers leave the decimal sign open take it from the others: one export has one."""
    doubtful = [getattr(table, "sign_open", False) for table in tables]
    if all(doubtful):
        return tuple(tables)
    return tuple(table.settled() if hasattr(table, "settled") else table for table in tables)


def _check_kinds(path: Path, files: Sequence[Path], tables: Sequence[Table]) -> None:
    known: dict[str, tuple[str, str]] = {}
    for file, table in zip(files, tables, strict=True):
        for column, kind in zip(table.columns, getattr(table, "kinds", ()), strict=False):
            before, name = known.setdefault(column, (kind, table.name))
            if before == NOTHING:
                known[column] = (kind, table.name)
            elif kind not in (before, NOTHING):
                raise BadTable(
                    f"column '{column}' holds {kind} here and {before} in '{name}'",
                    hint="let every part have the same types: write them anew by the same program",
                    where=_shown(file, path),
                )


def _below(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_file():
            yield entry
        elif entry.is_dir() and "=" in entry.name:
            yield from _below(entry)


def _constants(file: Path, path: Path) -> dict[str, str | None]:
    if not path.is_dir():
        return {}
    pairs = [name.partition("=") for name in file.relative_to(path).parts[:-1]]
    return {_plain(key): None if value == _NO_VALUE else _plain(value) for key, _, value in pairs}


def _plain(text: str) -> str:
    """Put back the signs that a folder's name cannot have, written ``%20``."""
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode("utf-8"))
    return plain.decode("utf-8", "replace")


def _shown(file: Path, path: Path) -> str:
    return str(file.relative_to(path)) if path.is_dir() else file.name
