"""What a command prints, and where: results to stdout; narration, prompts, warnings and errors to stderr.

Owns the streams, the look of a line, and the questions. Knows nothing of what is said. Internal.

With ``--json`` stdout carries one object and nothing else. Without a terminal nothing is asked. Text that came from a
file is shown with its control characters escaped: a name is hostile input to a terminal.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

_LONGEST = 65_536


@dataclass
class Screen:
    """The streams of one command.

    Parameters
    ----------
    command : str
        Its name, for ``--json``.
    as_json, quiet, verbose : bool
    """

    command: str
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    # ---- results ---------------------------------------------------------------------------------------------------

    def result(self, text: str) -> None:
        """Print a line of the result to stdout, unless the result is an object."""
        if not self.as_json:
            typer.echo(clean(text))

    def object(self, *, ok: bool = True, **fields: Any) -> None:
        """Print the result as one JSON object, if it was asked for."""
        if self.as_json:
            document = {"schema": 1, "command": self.command, "ok": ok, **fields}
            typer.echo(json.dumps(_plain(document), allow_nan=False))

    # ---- narration -------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell the person something, wrapped to the terminal."""
        if not self.quiet and not self.as_json:
            typer.echo(wrap(clean(text)), err=True)

    def doing(self, text: str) -> None:
        """Tell what is being done (``-v``)."""
        if self.verbose and not self.as_json:
            typer.echo(f"... {clean(text)}", err=True)

    def done(self, text: str) -> None:
        """Tell what was written."""
        self.say(f"{mark(True)} {text}")

    def next(self, text: str) -> None:
        """Tell the next step."""
        self.say(f"Next: {text}")

    def warn(self, text: str) -> None:
        """Show a warning, also when quiet."""
        if not self.as_json:
            typer.echo(wrap(f"warning: {clean(text)}", indent=9), err=True)

    def table(self, rows: Sequence[tuple[str, str]], *, to_stdout: bool = True) -> None:
        """Print names and values in two columns; long values wrap under themselves."""
        if self.as_json or (self.quiet and not to_stdout):
            return
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            typer.echo(wrap(f"{clean(name):<{width}}  {clean(value)}", indent=width + 2), err=not to_stdout)

    # ---- questions -------------------------------------------------------------------------------------------------

    @property
    def interactive(self) -> bool:
        """Whether somebody can answer."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.as_json

    def ask(self, question: str) -> bool:
        """Ask a yes-or-no question on stderr; no is the default."""
        return bool(typer.confirm(clean(question), default=False, err=True))

    def ask_digits(self, question: str) -> str:
        """Ask for digits heard on the phone."""
        return str(typer.prompt(clean(question), default="", show_default=False, err=True))


def mark(good: bool) -> str:
    """Return a tick or a cross where stderr can show it, else a word."""
    sign, word = ("✓", "OK") if good else ("✗", "NO")
    return sign if _can_show(sign) else word


def clean(text: str, *, lines: bool = False) -> str:
    """Escape control characters, so that no name from a file can steer the terminal or pass for a line of ours.

    With ``lines``, line ends stay: for pages that fedcli brings along.
    """
    kept = "\n" if lines else ""
    return "".join(c if c.isprintable() or c in kept else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    # File names that are no UTF-8 arrive as lone surrogates, which no stream can print.
    return character.encode("unicode_escape").decode("ascii")


def wrap(text: str, *, indent: int = 0) -> str:
    """Wrap each line to the terminal's width."""
    width = max(min(shutil.get_terminal_size((80, 24)).columns, 100), 40)
    lines = []
    for line in text.split("\n"):
        lead = len(line) - len(line.lstrip())
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * (indent or lead),
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
            drop_whitespace=True,
        ) or [""]
    return "\n".join(lines)


def _can_show(character: str) -> bool:
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    try:
        character.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: paths as text, and null for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_passphrase_file(path: Path) -> str:
    """Return the first line of a passphrase file."""
    from fedcli.errors import BadKeyFile
    from fedcli.workflow.workspace import need_file

    try:
        line = need_file(path, what="passphrase file").read_bytes()[:_LONGEST].split(b"\n")[0]
        text = line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError:
        # from None: the original error carries the passphrase.
        raise BadKeyFile(f"'{path}' is not UTF-8 text", hint="save it again with the encoding UTF-8") from None
    except PermissionError as exc:
        raise BadKeyFile(f"'{path}' may not be read by you", hint="ask its owner for read access") from exc
    if not text:
        raise BadKeyFile(f"'{path}' is empty", hint="write the passphrase on its first line")
    return text


def passphrase_source(path: Path | None, screen: Screen) -> Any:
    """Return the passphrase, what asks for it, or None when nobody can be asked."""
    named = path or (Path(os.environ["FEDCLI_PASSPHRASE_FILE"]) if os.environ.get("FEDCLI_PASSPHRASE_FILE") else None)
    if named is not None:
        return read_passphrase_file(named)
    if not screen.interactive:
        return None
    return lambda name: str(typer.prompt(f"Passphrase for {name}", hide_input=True, err=True))
