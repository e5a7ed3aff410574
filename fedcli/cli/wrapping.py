"""Sentences on a terminal: broken between words at its width, a command never.

Owns widths and line ends. Where no terminal reads, a message stays one line, so that `grep` finds it whole. Knows
nothing of what is said. Internal.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

import typer

from fedcli.cli.commands import spans

# Longer lines are hard to read, however wide the terminal is.
_WIDEST, _NARROWEST = 100, 20
# A fingerprint is compared group by group: its groups stay together too.
_FINGERPRINT = re.compile(r"\b\d{5}(?: \d{5}){5}\b")
_GLUE = "\x00"


def columns(stream: TextIO) -> int | None:
    """Return the width to wrap at; None where no terminal reads the stream."""
    if not stream.isatty():
        return None
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdecimal() and int(asked) > 0:
        found = int(asked)
    else:
        try:
            found = os.get_terminal_size(stream.fileno()).columns or 80
        except (OSError, ValueError):
            found = 80
    return max(min(found, _WIDEST), _NARROWEST)


def tell(text: str, *, err: bool = True, indent: int = 0) -> None:
    """Print one message, wrapped to the terminal that reads it.

    Parameters
    ----------
    text : str
        One line, clean of control characters.
    err : bool
        To stderr; else to stdout.
    indent : int
        Of the lines after the first.
    """
    width = columns(sys.stderr if err else sys.stdout)
    typer.echo(text if width is None else wrap(text, width, indent=indent), err=err)


def wrap(text: str, width: int, *, indent: int = 0) -> str:
    """Break a line between words; a command that does not fit gets a line of its own, whole, to be copied.

    Parameters
    ----------
    text : str
        One line.
    width : int
        Of the terminal. A command longer than that is left to the terminal to break, which copies well.
    indent : int
        Of the lines after the first.
    """
    lead = text[: len(text) - len(text.lstrip(" "))]
    lines, current, alone = [], lead, False
    margin = " " * min(indent or len(lead), width // 2)
    for gap, word in re.findall(r"( *)(\S+)", _glued(text.strip(" "))):
        fits = len(current) + len(gap) + len(word) <= width
        if current.strip() and (alone or not fits):
            lines.append(current)
            current, alone = margin + word, _GLUE in word
            # What stands on its own line because it had to is copied from there: nothing may follow it.
            alone = alone and not fits and not _FINGERPRINT.search(word.replace(_GLUE, " "))
        else:
            current += gap + word
    return "\n".join([*lines, current]).replace(_GLUE, " ")


def _glued(text: str) -> str:
    """Put glue for the blanks inside commands and fingerprints."""
    kept = [*spans(text), *((m.start(), m.end()) for m in _FINGERPRINT.finditer(text))]
    letters = list(text)
    for start, end in kept:
        for place in range(start, end):
            if letters[place] == " ":
                letters[place] = _GLUE
    return "".join(letters)
