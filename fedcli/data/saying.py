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


def silo_line(mapping: Mapping, column: str, key: str, value: str) -> str:
    """Return the line for ``silo.yaml``, under ``columns:``, that adapts a column.

    Parameters
    ----------
    mapping : Mapping
    column : str
        The agreed name.
    key, value : str
        What the line adds, the value as it is written in YAML.
    """
    local = mapping.of(column).column
    name = f"column: {scalar(local)}, " if local else ""
    return f"{comment(scalar(column))}: {{{comment(name)}{key}: {value}}}"


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
