"""``silo.yaml``: how this silo's own names, units and spellings become the agreed ones.

Owns the file's shape and its sentences when it is wrong. Must not know rows. Nothing in it leaves the silo. Internal.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fedcli.data.csv_table import DELIMITERS
from fedcli.data.dates import Spelling
from fedcli.data.own_spellings import Contradiction, check_own
from fedcli.data.thousands import THOUSANDS
from fedcli.data.units import QUANTITIES, Conversion, UnknownConversion, conversion
from fedcli.errors import BadMapping
from fedcli.study.document import (
    BooleanColumn,
    Category,
    Cell,
    ClassTarget,
    CountColumn,
    CountTarget,
    DateColumn,
    NumberColumn,
    NumberTarget,
    Study,
    TimeColumn,
)
from fedcli.study.spelling import identity
from fedcli.study.yaml import Path, Tree, load

# Of names: below it are such pairs as smoker and Schmerz.
_ALIKE = 0.7
_TOP = ("key", "data", "query", "reviewer", "columns", "table")
_COLUMN = ("column", "unit", "multiply", "add", "date", "levels", "missing")
_TABLE = ("delimiter", "decimal", "thousands", "encoding", "sheet")
_TRUTH = {"yes": "true", "no": "false", "1": "true", "0": "false", "true": "true", "false": "false"}
_DELIMITERS = {word: sign for sign, word in DELIMITERS.items()} | {sign: sign for sign in DELIMITERS}


@dataclass(frozen=True)
class ColumnMapping:
    """How one agreed column is found in the silo's table.

    Parameters
    ----------
    column : str, optional
        Its local name; the agreed one where none is given.
    multiply, add : float
        ``agreed = local * multiply + add``, written out or by the unit. Missing codes are compared before.
    levels : mapping of str to str
        Local spelling to agreed level (or to the agreed value of a binary target).
    missing : tuple
        Local codes for a missing value, besides the study's.
    unit : str, optional
        The local unit, where ``multiply`` and ``add`` follow from it.
    date : str, optional
        How days are written, ``DD.MM.YYYY``; ISO 8601 where nothing is said.
    """

    column: str | None = None
    multiply: float = 1.0
    add: float = 0.0
    levels: MappingOf[str, str] = field(default_factory=dict)
    missing: tuple[Cell, ...] = ()
    unit: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class Mapping:
    """The silo's own file.

    Parameters
    ----------
    key, data : str, optional
        Where the secret key and the table are, relative to the workspace; never the passphrase. A database is named by
        its address, which never holds a password.
    reviewer : str, optional
        Where the public key is of whom this silo asks to approve each release.
    query : str, optional
        What to ask a database: one SELECT, or the path of a ``.sql`` file that holds it.
    columns : mapping of str to ColumnMapping
        By agreed name.
    delimiter, decimal, encoding : str, optional
        How the table is written, where the guess is wrong.
    thousands : str, optional
        The signs that part thousands, see `thousands`; without them such numbers are refused.
    sheet : str, optional
        Which sheet of a workbook; the first one without it.
    """

    key: str | None = None
    data: str | None = None
    columns: MappingOf[str, ColumnMapping] = field(default_factory=dict)
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    query: str | None = None
    reviewer: str | None = None
    sheet: str | None = None
    thousands: str | None = None

    @classmethod
    def identity(cls) -> Mapping:
        """Return the mapping of a table that already follows the study."""
        return cls()

    def of(self, column: str) -> ColumnMapping:
        """Return how the agreed ``column`` is found."""
        return self.columns.get(column, ColumnMapping())

    def local(self, column: str) -> str:
        """Return the local name of the agreed ``column``."""
        return self.of(column).column or column


def agreed_columns(study: Study, *, features_only: bool = False) -> tuple[str, ...]:
    """Return every column that the study reads: target, times, offset, weight, then the features in their order.

    With ``features_only``, those that a prediction needs: the offset and the features.
    """
    parts = (study.offset,) if features_only else study.roles
    return (*(part.column for part in parts if part is not None), *study.features)


def read_mapping(text: str, study: Study, *, name: str = "silo.yaml") -> Mapping:
    """Read ``silo.yaml`` against the study it serves.

    Parameters
    ----------
    text : str
        The YAML, at most 64 KiB.
    study : Study
    name : str
        The file's name, for messages.

    Raises
    ------
    BadYaml
        The text is not YAML, or not the strict kind.
    BadMapping
        It names a column or level that the study lacks, or a conversion that does not suit the column.
    """
    reader = _Reader(load(text, name=name), study)
    return reader.mapping()


class _Reader:
    """Walks the tree; each method reads one part and refuses what does not belong."""

    def __init__(self, tree: Tree, study: Study) -> None:
        self.tree = tree
        self.study = study
        self.thousands = ""

    def refuse(self, path: Path, message: str, hint: str) -> BadMapping:
        return BadMapping(message, hint=hint, where=self.tree.where(path))

    def section(self, value: Any, path: Path, known: Sequence[str]) -> dict[str, Any]:
        if value is None:
            return {}
        place = ".".join(str(part) for part in path) or "silo.yaml"
        if not isinstance(value, dict):
            raise self.refuse(path, f"{place} must be a section with keys of its own", f"known: {', '.join(known)}")
        for key in value:
            if key not in known:
                raise self.refuse((*path, key), f"'{key}' is not known in {place}", _near(key, known))
        return value

    def text(self, value: Any, path: Path) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return str(value).lower()
        # A column called 2024: YAML reads a number, the table's header is text.
        if isinstance(value, (int, float)):
            return str(value)
        raise self.refuse(path, f"{path[-1]} must be text", "write one name")

    def mapping(self) -> Mapping:
        top = self.section(self.tree.value, (), _TOP)
        table = self.section(top.get("table"), ("table",), _TABLE)
        columns = self.section(top.get("columns"), ("columns",), agreed_columns(self.study))
        decimal, thousands = self.signs(table)
        self.thousands = thousands or ""
        return Mapping(
            key=self.text(top.get("key"), ("key",)),
            data=self.text(top.get("data"), ("data",)),
            columns={column: self.column(column, value) for column, value in columns.items()},
            delimiter=self.choice(table, "delimiter", _DELIMITERS),
            decimal=decimal,
            encoding=self.encoding(table),
            query=self.text(top.get("query"), ("query",)),
            reviewer=self.text(top.get("reviewer"), ("reviewer",)),
            sheet=self.text(table.get("sheet"), ("table", "sheet")),
            thousands=thousands,
        )

    def signs(self, table: dict[str, Any]) -> tuple[str | None, str | None]:
        """Return the decimal sign and those of thousands; a point or comma that parts thousands settles the other."""
        decimal = self.choice(table, "decimal", {",": ",", ".": ".", "comma": ",", "point": "."})
        thousands = self.choice(table, "thousands", THOUSANDS | {signs[0]: signs for signs in THOUSANDS.values()})
        if thousands is not None and thousands == decimal:
            word = "point" if decimal == "." else "comma"
            raise self.refuse(
                ("table", "thousands"),
                f"the {word} cannot both part thousands and begin the decimals",
                f"leave decimal out: it follows from thousands: {word}",
            )
        return decimal or {".": ",", ",": "."}.get(thousands or ""), thousands

    def choice(self, table: dict[str, Any], key: str, choices: MappingOf[str, str]) -> str | None:
        value = table.get(key)
        if value is None:
            return None
        if str(value) not in choices:
            words = ", ".join(word for word in choices if word.isalpha())
            raise self.refuse(
                ("table", key), f"table.{key} must be one of {words}", f"write {key}: {words.split(',')[0]}"
            )
        return choices[str(value)]

    def encoding(self, table: dict[str, Any]) -> str | None:
        value = self.text(table.get("encoding"), ("table", "encoding"))
        try:
            if value is not None:
                "".encode(value)
        except LookupError as exc:
            raise self.refuse(
                ("table", "encoding"), f"encoding '{value}' is not known", "write encoding: latin-1, or utf-8"
            ) from exc
        return value

    def column(self, column: str, value: Any) -> ColumnMapping:
        path: Path = ("columns", column)
        # `chol: cholesterol` is short for `chol: {column: cholesterol}`.
        if isinstance(value, str):
            return ColumnMapping(column=value)
        found = self.section(value, path, _COLUMN)
        category = self._is_category(column)
        measured = not (category or self._is_count(column) or self._is_date(column))
        for key in ("unit", "multiply", "add"):
            if key in found and not measured:
                raise self.refuse(
                    (*path, key), f"{column} is not a measured number: no unit to convert", f"remove {key}"
                )
        if "levels" in found and not category:
            raise self.refuse((*path, "levels"), f"{column} has no levels", "use unit, or multiply and add")
        way = self.conversion(column, found, path)
        levels = self.levels(column, found.get("levels"), (*path, "levels"))
        missing = self.cells(found.get("missing", []), (*path, "missing"))
        try:
            check_own(self.study, column, levels, missing, thousands=self.thousands)
        except Contradiction as exc:
            raise self.refuse((*path, *exc.path), f"{column}: {exc}", exc.hint) from exc
        return ColumnMapping(
            column=self.text(found.get("column"), (*path, "column")),
            multiply=way.multiply,
            add=way.add,
            levels=levels,
            missing=missing,
            unit=self.text(found.get("unit"), (*path, "unit")),
            date=self.date(column, found.get("date"), (*path, "date")),
        )

    def conversion(self, column: str, found: dict[str, Any], path: Path) -> Conversion:
        """Return how the column's numbers become the agreed ones."""
        if found.get("unit") is None:
            multiply = self.number(found.get("multiply", 1.0), (*path, "multiply"))
            if multiply == 0:
                raise self.refuse((*path, "multiply"), f"{column}: multiply is 0", "write the factor between the units")
            return Conversion(multiply, self.number(found.get("add", 0.0), (*path, "add")))
        for key in ("multiply", "add"):
            if key in found:
                raise self.refuse(
                    (*path, key), f"{column} has both unit and {key}: two conversions", f"remove unit or {key}"
                )
        part = self.study.part(column)
        measured = part if isinstance(part, (NumberColumn, NumberTarget, TimeColumn)) else None
        agreed, quantity = (measured.unit, measured.quantity) if measured else (None, None)
        write = "write the factor: multiply: FACTOR (agreed = local * multiply + add)"
        if agreed is None:
            raise self.refuse((*path, "unit"), f"the study names no unit of {column} to convert to", write)
        try:
            return conversion(str(self.text(found["unit"], (*path, "unit"))), agreed, quantity)
        except UnknownConversion as exc:
            more = "" if quantity is not None else f"; a study that names a quantity ({', '.join(QUANTITIES)}) converts"
            raise self.refuse((*path, "unit"), f"{column}: {exc}", write + more) from exc

    def date(self, column: str, value: Any, path: Path) -> str | None:
        if value is None:
            return None
        if not self._is_date(column):
            raise self.refuse(path, f"{column} is no date", "remove date")
        text = str(self.text(value, path))
        try:
            return Spelling.parse(text).text
        except ValueError as exc:
            raise self.refuse(
                path, f"{column}: '{text}' is no spelling of days: {exc}", "write date: DD.MM.YYYY"
            ) from exc

    def number(self, value: Any, path: Path) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise self.refuse(path, f"{path[-1]} must be a number", "write agreed = local * multiply + add")

    def cells(self, value: Any, path: Path) -> tuple[Cell, ...]:
        values = value if isinstance(value, list) else [value]
        if any(v is None or isinstance(v, (dict, list)) for v in values):
            raise self.refuse(path, "missing must be a list of codes", 'write missing: [9, "?"]')
        return tuple(str(v).lower() if isinstance(v, bool) else v for v in values)

    def levels(self, column: str, value: Any, path: Path) -> dict[str, str]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.refuse(path, "levels must map local spellings to agreed ones", "write levels: {M: male}")
        allowed = self._allowed(column)
        # 1 is the agreed 1.0.
        known = {identity(text): text for text in allowed}
        levels = {}
        for local, agreed in value.items():
            level = self.text(agreed, (*path, local)) or ""
            if isinstance(self.study.features.get(column), BooleanColumn):
                level = _TRUTH.get(level.casefold(), level)
            if identity(level) not in known:
                raise self.refuse((*path, local), f"'{level}' is not a level of {column}", _near(level, allowed))
            levels[local] = level if level in allowed else known[identity(level)]
        return levels

    def _is_category(self, column: str) -> bool:
        return isinstance(self.study.part(column), (Category, ClassTarget))

    def _is_count(self, column: str) -> bool:
        return isinstance(self.study.part(column), (CountColumn, CountTarget))

    def _is_date(self, column: str) -> bool:
        return isinstance(self.study.part(column), DateColumn)

    def _allowed(self, column: str) -> tuple[str, ...]:
        feature, target = self.study.features.get(column), self.study.target
        if isinstance(feature, Category):
            return feature.agreed
        if isinstance(target, ClassTarget) and column == target.column:
            return tuple(value for value, _ in target.spellings)
        return ()


def _near(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean '{near[0]}'" if near else f"known: {', '.join(known)}"


def nearest(column: str, columns: Sequence[str]) -> str | None:
    """Return the name among ``columns`` that looks most like ``column``, case aside; None when none does."""
    folded = {name.casefold().strip(): name for name in columns if name}
    wanted = column.casefold()
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=_ALIKE)
    # 'chol' for 'cholesterol_mmol': too different in length for the ratio, and the commonest case.
    inside = [name for name in folded if wanted in name or (len(name) > 2 and name in wanted)]
    found = near or inside[:1]
    return folded[found[0]] if found else None
