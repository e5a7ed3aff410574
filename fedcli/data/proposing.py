"""The ``silo.yaml`` that ``join`` leaves: what the table's header and first rows say about the silo's own ways.

Owns the proposals. Must not know files or screens. Internal. A name that differs in writing alone is taken over;
everything else stands in a comment until a person confirms it, and which level a spelling is, is never guessed.
Nothing of it leaves the silo.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from fedcli.data.cells import UNKNOWN, read_numbers
from fedcli.data.codes import known_code
from fedcli.data.converting import level_reader, missing_codes
from fedcli.data.dates import BLANK, Spelling, candidates, read_days
from fedcli.data.mapping import Mapping, agreed_columns, nearest
from fedcli.data.other_unit import seeming
from fedcli.data.table import Table
from fedcli.data.typed import as_text
from fedcli.errors import BadTable, FedcliError
from fedcli.study.document import Category, ClassTarget, DateColumn, Study
from fedcli.study.yaml import comment, scalar

SAMPLE_ROWS = 5000
# More spellings than this, or longer ones, are no levels: the column is another one, or free text.
_FEW, _SHORT = 20, 40


@dataclass(frozen=True)
class Proposed:
    """A ``silo.yaml``, and what a person should know of it.

    Parameters
    ----------
    text : str
        YAML that `read_mapping` accepts as it stands.
    notes : tuple of str
        One sentence for each column that was taken over under another name, or that waits for a person's word.
    """

    text: str
    notes: tuple[str, ...]


@dataclass
class _Doubts:
    """What one column needs: keys for silo.yaml with their values as YAML, a remark, and a sentence for the screen."""

    keys: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, key: str, value: str, remark: str, note: str) -> None:
        self.keys.append((key, value))
        self.remarks.append(remark)
        self.notes.append(note)


def likely_columns(study: Study, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a table that are agreed ones, or may be by their names."""
    return tuple(dict.fromkeys(likely for _, likely in _found(study, columns).values() if likely is not None))


def unread(study: Study, mapping: Mapping, columns: Sequence[str], *, proposed: bool = False) -> tuple[str, ...]:
    """Return the columns of a table that serve nothing in a study, but for those without a name.

    Parameters
    ----------
    study : Study
    mapping : Mapping
    columns : sequence of str
        Of the silo's table.
    proposed : bool
        Whether those count as used that `propose` asks about.
    """
    used = {mapping.local(column) for column in agreed_columns(study)}
    used |= set(likely_columns(study, columns)) if proposed else set()
    return tuple(name for name in columns if name and name not in used)


def first_rows(table: Table, columns: Sequence[str]) -> pl.DataFrame | None:
    """Return the first rows of some columns of a table, but for those that cannot be read, which `check` explains.

    None where nothing can be read.
    """
    wanted = list(columns)
    while wanted:
        batches = table.batches(wanted)
        try:
            with closing(batches):  # type: ignore[type-var]
                for batch in batches:
                    return batch.frame.head(SAMPLE_ROWS)
            return None
        except BadTable as error:
            if error.column not in wanted:
                return None
            wanted.remove(error.column)
        except FedcliError:
            return None
    return None


def propose(
    study: Study,
    columns: Sequence[str],
    key: str,
    data: str,
    query: str | None = None,
    *,
    sample: pl.DataFrame | None = None,
    decimal_comma: bool = False,
) -> Proposed:
    """Write the ``silo.yaml`` that ``join`` leaves in the workspace.

    Parameters
    ----------
    study : Study
    columns : sequence of str
        The columns of the silo's table.
    key, data : str
        Paths as the silo gave them.
    query : str, optional
        What to ask a database.
    sample : polars.DataFrame, optional
        Some rows of the likely columns under the table's own names; without it names alone are compared.
    decimal_comma : bool
        Whether numbers are written 1,5.
    """
    lines = [
        f"# This silo's own file for the study '{study.study}'. Nothing in it leaves this silo.",
        f"key: {scalar(key)}  # the secret key; its passphrase is asked for, never written down",
        f"data: {scalar(data)}",
        *([f"query: {scalar(query)}"] if query is not None else []),
        "",
        "# Where the table differs from the agreement, by the agreed name. Columns that match need no line.",
        "#   chol: {column: cholesterol, unit: mmol/l}        or multiply: FACTOR (agreed = local * multiply + add)",
        '#   sex: {column: Geschlecht, levels: {M: male, W: female}, missing: ["9"]}   local spelling: agreed level',
        "#   admitted: {column: Aufnahme, date: DD.MM.YYYY}",
        "# If delimiter, decimal sign or encoding are guessed wrong:",
        "#   table: {delimiter: semicolon, decimal: comma, encoding: latin-1}",
        "# If 1.234 is more than a thousand:   table: {thousands: point}        or comma, space, apostrophe",
        "# Of a workbook, which sheet:   table: {sheet: NAME}",
    ]
    found: list[str] = []
    notes: list[str] = []
    for column, (name, likely) in _found(study, columns).items():
        doubts = _Doubts()
        if likely is not None and sample is not None:
            if likely in sample.columns:
                doubts = _look(study, column, sample.get_column(likely), decimal_comma)
            else:
                doubts.notes.append("its cells cannot be read, 'fedcli check' says why")
        found += _lines(column, name, likely, doubts)
        called = comment(column) + (f" (here '{comment(likely)}')" if likely not in (None, column) else "")
        if name is not None and name != column:
            notes.append(f"{comment(column)} is taken from '{comment(name)}', which differs in writing only")
        elif name is None and likely is not None:
            notes.append(
                f"{comment(column)}: is it your column '{comment(likely)}'? If so, remove the # before its line"
            )
        notes += [f"{called}: {note}" for note in doubts.notes]
    if not found:
        return Proposed("\n".join([*lines, "columns: {}"]) + "\n", tuple(notes))
    lines += ["columns:", "  # correct what stands behind a # and remove the # where it is right"]
    return Proposed("\n".join([*lines, *found]) + "\n", tuple(notes))


def _found(study: Study, columns: Sequence[str]) -> dict[str, tuple[str | None, str | None]]:
    """Return for each agreed column the one that surely is it, and the one that may be."""
    same = _same_letters(study, columns)
    free = [name for name in columns if name not in agreed_columns(study) and name not in same.values()]
    sure = {column: column if column in columns else same.get(column) for column in agreed_columns(study)}
    return {column: (name, name or nearest(column, free)) for column, name in sure.items()}


def _letters(name: str) -> str:
    """Return a name without what differs in writing only: case, accents, blanks, hyphens, dots, underscores."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in plain if c.isalnum())


def _same_letters(study: Study, columns: Sequence[str]) -> dict[str, str]:
    """Return the table's column for each agreed one that differs in writing only, where there is one such pair."""
    wanted = agreed_columns(study)
    found = {}
    for column in wanted:
        alike = [name for name in columns if _letters(name) == _letters(column)]
        rivals = [other for other in wanted if _letters(other) == _letters(column)]
        if column not in columns and len(alike) == len(rivals) == 1 and alike[0] not in wanted and _letters(column):
            found[column] = alike[0]
    return found


def _lines(column: str, name: str | None, likely: str | None, doubts: _Doubts) -> list[str]:
    """Return the lines of one column: active where ``name`` is sure, else in a comment with a guess or a blank."""
    remark = f"  # {comment('; '.join(doubts.remarks))}" if doubts.remarks else ""
    if name is not None and name != column:
        if not doubts.keys:
            return [f"  {scalar(column)}: {{column: {scalar(name)}}}"]
        inner = [
            f"    # {key}: {comment(value)}  # {comment(said)}"
            for (key, value), said in zip(doubts.keys, doubts.remarks, strict=True)
        ]
        return [f"  {scalar(column)}:", f"    column: {scalar(name)}", *inner]
    keys = list(doubts.keys)
    if name is None:
        keys.insert(0, ("column", scalar(likely) if likely is not None else "NAME_IN_YOUR_TABLE"))
    if not keys:
        return []
    body = ", ".join(f"{key}: {comment(value)}" for key, value in keys)
    return [f"  # {comment(scalar(column))}: {{{body}}}{remark}"]


def _look(study: Study, column: str, cells: pl.Series, decimal_comma: bool) -> _Doubts:
    """Compare a column's first rows with the agreement."""
    feature, target = study.features.get(column), study.target
    doubts = _Doubts()
    if isinstance(feature, Category) or (column == target.column and isinstance(target, ClassTarget)):
        _look_at_levels(study, column, cells, doubts)
    elif isinstance(feature, DateColumn):
        _look_at_days(study, column, feature, cells, doubts)
    else:
        _look_at_numbers(study, column, cells, decimal_comma, doubts)
    return doubts


def _look_at_levels(study: Study, column: str, cells: pl.Series, doubts: _Doubts) -> None:
    unknown = level_reader(study, column, Mapping.identity()).read(cells) == UNKNOWN
    spellings = sorted(set(as_text(cells.filter(pl.Series(unknown))).str.strip_chars().to_list()))
    if not spellings:
        return
    if len(spellings) > _FEW or max(map(len, spellings)) > _SHORT:
        doubts.notes.append("it holds many or long texts that are not agreed: is it another column?")
        return
    codes = [code for text in spellings if (code := known_code(text)) is not None and code.startswith('"')]
    # Numbers may well be levels, and so may 'none'.
    codes = [code for code in codes if code.casefold() != '"none"']
    if codes:
        listed = ", ".join(codes)
        note = f"{listed} is not agreed: does it mean 'not known'?"
        doubts.add("missing", f"[{listed}]", "if it means 'not known'", note)
    spellings = [text for text in spellings if known_code(text) not in codes]
    if not spellings:
        return
    feature, target = study.features.get(column), study.target
    agreed = list(feature.agreed) if isinstance(feature, Category) else []
    if isinstance(target, ClassTarget) and feature is None:
        agreed = [value for value, _ in target.spellings]
    pairs = ", ".join(f"{scalar(text)}: LEVEL" for text in spellings)
    count = "1 spelling is" if len(spellings) == 1 else f"{len(spellings)} spellings are"
    doubts.add(
        "levels",
        f"{{{pairs}}}",
        f"for each LEVEL one of: {', '.join(agreed)}",
        f"{count} not agreed: say which of {', '.join(map(comment, agreed))} each is",
    )


def _look_at_days(study: Study, column: str, feature: DateColumn, cells: pl.Series, doubts: _Doubts) -> None:
    codes = missing_codes(study, column, Mapping.identity())
    _, bad = read_days(cells, codes, Spelling.ISO, feature.since)
    if not bad.any():
        return
    ways = candidates(as_text(cells.filter(pl.Series(bad))).unique().to_list())
    if not ways:
        doubts.notes.append("days are not written 2024-02-29, nor all alike in another way that is known")
        return
    value, remark = _choice(ways, "SPELLING")
    if any(BLANK in way for way in ways):
        remark += f"; for {BLANK} the first of the hundred years that are meant"
    note = f"days are not written 2024-02-29; {' or '.join(ways)} would fit: say how they are"
    doubts.add("date", value, remark, note)


def _look_at_numbers(study: Study, column: str, cells: pl.Series, decimal_comma: bool, doubts: _Doubts) -> None:
    part: Any = study.part(column)
    values, bad = read_numbers(cells, missing_codes(study, column, Mapping.identity()), decimal_comma=decimal_comma)
    texts = sorted(set(as_text(cells.filter(pl.Series(bad))).str.strip_chars().to_list()))
    codes = [code for code in map(known_code, texts) if code is not None]
    if texts and len(codes) == len(texts):
        listed = ", ".join(codes)
        doubts.add(
            "missing", f"[{listed}]", "if it means 'not known'", f"{listed} is no number: does it mean 'not known'?"
        )
    seems = seeming(study, Mapping.identity(), column, values)
    if seems is None:
        return
    unit, (low, high) = comment(getattr(part, "unit", None) or ""), part.range
    ways = seems.units or seems.factors
    if not ways:
        doubts.notes.append(
            f"most values lie outside {low:g} to {high:g} {unit}".rstrip() + ": in which unit are they?"
        )
        return
    one = seems.value == (scalar(ways[0]) if seems.units else ways[0])
    remark = "is this right" if one else f"for {seems.value} one of: {', '.join(ways)}"
    if seems.units:
        note = f"values look like {seems.named}; agreed is {unit}: say which it is"
        doubts.add("unit", seems.value, remark, note)
    else:
        note = f"most values lie outside {low:g} to {high:g}, and inside if multiplied by {' or '.join(ways)}"
        doubts.add("multiply", seems.value, remark, f"{note}: say whether they are in another unit")


def _choice(ways: Sequence[str], blank: str) -> tuple[str, str]:
    """Return a value and a remark: the only way, or a blank to fill in, since an unread line must not choose."""
    if len(ways) == 1:
        return scalar(ways[0]), "is this right"
    return blank, f"for {blank} one of: {', '.join(ways)}"
