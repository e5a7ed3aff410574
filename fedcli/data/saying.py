"""How a column, and the line of ``silo.yaml`` that adapts it, are said to the silo's people.

Owns the words that every message about a column shares. Must not know what is wrong with it. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedcli.data.mapping import Mapping
from fedcli.study.yaml import comment, scalar


def called(mapping: Mapping, column: str) -> str:
    """Return the agreed name of a column, with the local one where that differs."""
    local = mapping.local(column)
    return f"column '{comment(column)}'" + (f" (here '{comment(local)}')" if local != column else "")


def silo_line(mapping: Mapping, column: str, key: str, value: str | Sequence[str]) -> str:
    """Return the line for ``silo.yaml``, under ``columns:``, that adapts a column: with all that it says already.

    Parameters
    ----------
    mapping : Mapping
    column : str
        The agreed name.
    key : str
        What the line adds.
    value : str or sequence of str
        Written in YAML: of ``levels`` and ``missing`` what is added to those that are there, of other keys all of it.
    """
    own = mapping.of(column)
    parts = {
        "column": None if own.column is None else scalar(own.column),
        "unit": None if own.unit is None else scalar(own.unit),
        "multiply": None if own.unit is not None or own.multiply == 1.0 else _number(own.multiply),
        "add": None if own.unit is not None or own.add == 0.0 else _number(own.add),
        "date": None if own.date is None else scalar(own.date),
    }
    if key in ("unit", "multiply"):
        parts |= {"unit": None, "multiply": None, "add": None}
    lists = {
        "levels": [f"{_text(local)}: {_text(level)}" for local, level in own.levels.items()],
        "missing": [scalar(code) if isinstance(code, str) else _number(code) for code in own.missing],
    }
    if isinstance(value, str):
        parts[key] = value
    else:
        lists[key] += value
    parts["levels"] = f"{{{', '.join(lists['levels'])}}}" if lists["levels"] else None
    parts["missing"] = f"[{', '.join(lists['missing'])}]" if lists["missing"] else None
    said = ", ".join(f"{name}: {part}" for name, part in parts.items() if part is not None)
    return comment(f"{scalar(column)}: {{{said}}}")


def _text(text: str) -> str:
    """Write a spelling: whole numbers bare, as people do."""
    return text if text.isascii() and text.isdigit() and str(int(text)) == text and len(text) < 16 else scalar(text)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def said_places(places: Sequence[tuple[str, str, int]], *, more: bool = False) -> str:
    """Say where rows stand: ``lines 4, 17 of b.csv``.

    Parameters
    ----------
    places : sequence of (str, str, int)
        File, what is counted in it (lines of a text file, rows of another), and the number. The first file is not
        named: it is that of the message.
    more : bool
        Whether these are only the first ones.
    """
    first, unit, _ = places[0]
    by_file: dict[str, list[str]] = {}
    for name, _, number in places:
        by_file.setdefault(name, []).append(str(number))
    said = [", ".join(numbers) + ("" if name == first else f" of {name}") for name, numbers in by_file.items()]
    return f"{unit}{'' if len(places) == 1 and not more else 's'} {', '.join(said)}{' ...' if more else ''}"
