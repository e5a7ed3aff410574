"""What a command prints, and where: results to stdout; narration, prompts, warnings and errors to stderr.

Owns the streams, the look of a line, and the questions. Knows nothing of what is said. Internal.

With ``--json`` stdout carries one object and nothing else. Without a terminal nothing is asked. Text that came from a
file is shown with its control characters escaped: a name is hostile input to a terminal.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from fedcli.cli.commands import in_workspace
from fedcli.cli.wrapping import tell

_LONGEST = 65_536


@dataclass
class Screen:
    """The streams of one command.

    Parameters
    ----------
    command : str
        Its name, for ``--json``.
    as_json, quiet, verbose : bool
    workspace : path
        As the person named it: the commands that are proposed name it too.
    """

    command: str
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    workspace: Path = Path()

    # ---- results ---------------------------------------------------------------------------------------------------

    def result(self, text: str, *, indent: int = 0) -> None:
        """Print a line of the result to stdout, unless the result is an object."""
        if not self.as_json:
            tell(clean(text), err=False, indent=indent)

    def object(self, *, ok: bool = True, **fields: Any) -> None:
        """Print the result as one JSON object, if it was asked for."""
        if self.as_json:
            document = {"schema": 1, "command": self.command, "ok": ok, **fields}
            typer.echo(json.dumps(plain(document), allow_nan=False))

    # ---- narration -------------------------------------------------------------------------------------------------

    def say(self, text: str, *, indent: int = 0) -> None:
        """Tell the person something."""
        if not self.quiet and not self.as_json:
            tell(clean(text), indent=indent)

    def doing(self, text: str) -> None:
        """Tell what is being done (``-v``)."""
        if self.verbose and not self.as_json:
            tell(f"... {clean(text)}", indent=4)

    def done(self, text: str) -> None:
        """Tell what was written."""
        self.say(f"{mark(True)} {text}", indent=2)

    def next(self, *steps: str) -> None:
        """Tell the next step, or one for each of several people."""
        for number, step in enumerate(steps):
            self.say(f"{'Next:' if number == 0 else '     '} {in_workspace(step, self.workspace)}", indent=6)

    def warn(self, text: str) -> None:
        """Show a warning, also when quiet."""
        if not self.as_json:
            tell(f"warning: {clean(text)}", indent=9)

    def table(self, rows: Sequence[tuple[str, str]], *, to_stdout: bool = True) -> None:
        """Print names and values in two columns; long values wrap under themselves."""
        if self.as_json or (self.quiet and not to_stdout):
            return
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            tell(f"{clean(name):<{width}}  {clean(value)}".rstrip(), err=not to_stdout, indent=width + 2)

    # ---- questions -------------------------------------------------------------------------------------------------

    @property
    def interactive(self) -> bool:
        """Whether somebody can answer."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.as_json

    def ask(self, question: str) -> bool:
        """Ask a yes-or-no question on stderr; no is the default."""
        _hear_ctrl_c()
        return bool(typer.confirm(clean(question), default=False, err=True))

    def ask_secret(self, question: str, *, optional: bool = False) -> str:
        """Ask for a passphrase, which the terminal does not show."""
        _hear_ctrl_c()
        default = "" if optional else None
        return str(typer.prompt(clean(question), default=default, show_default=False, hide_input=True, err=True))

    def ask_fingerprint(self, who: str, digits: str) -> bool:
        """Ask whether somebody reads these digits on the phone: typed as heard, or compared by eye and said yes or no.

        Parameters
        ----------
        who : str
            Whom to call.
        digits : str
            The fingerprint of what is here.

        Returns
        -------
        bool
            Whether they are the same; thirty typed digits that differ are a no.
        """
        tell(clean(f"Call {who} on a number you know and let them read the digits to you."))
        while True:
            _hear_ctrl_c()
            typed = typer.prompt("Type what you hear, or y if it is the same, n if not", default="n", err=True)
            answer = str(typed).strip()
            if answer.casefold() in ("y", "yes", "n", "no"):
                return answer.casefold() in ("y", "yes")
            verdict = _compared(answer, digits)
            if verdict is not None:
                return verdict


def _compared(typed: str, digits: str) -> bool | None:
    """Return whether typed digits are the expected ones, and say what differs; None where they are no fingerprint."""
    from fedcli.crypto.fingerprint import same_fingerprint

    if same_fingerprint(typed, digits):
        return True
    heard, here = (("".join(c for c in text if c.isdecimal())) for text in (typed, digits))
    if not same_fingerprint(heard, typed):
        count = f"{len(heard)} digits" if heard else "no digits"
        tell(f"That holds {count}; a fingerprint has {len(here)}. Please type all of them, or y, or n.")
        return None
    groups = [n // 5 + 1 for n in range(0, len(here), 5) if heard[n : n + 5] != here[n : n + 5]]
    tell(
        f"They differ in group {', '.join(map(str, groups))} of {len(here) // 5}. "
        "If you mistyped, run the command again: nothing was written."
    )
    return False


def _hear_ctrl_c() -> None:
    """Let Ctrl-C end a question at once.

    Polars, once imported, has a SIGINT handler of its own that restarts a read from the terminal: Ctrl-C would wait
    for Enter.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if hasattr(signal, "siginterrupt"):
            signal.siginterrupt(signal.SIGINT, True)


def complain(code: str, message: str, hint: str = "") -> None:
    """Print an error and what to do about it, on stderr."""
    _said("error", code, message, hint)


def look_at(code: str, message: str, hint: str = "") -> None:
    """Print what looks odd and what to do if it is wrong, on stderr."""
    _said("warning", code, message, hint)


def _said(what: str, code: str, message: str, hint: str) -> None:
    tell(f"fedcli: {what}[{code}]: {clean(message)}", indent=8)
    if hint:
        tell(f"fedcli: hint: {clean(hint)} (fedcli explain {code})", indent=8)


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


def _can_show(character: str) -> bool:
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    try:
        character.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def plain(value: Any) -> Any:
    """Return a value as JSON has it: paths as text, and null for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
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
    return lambda name: screen.ask_secret(f"Passphrase for {name}")
