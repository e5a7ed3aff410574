"""The command ``fedcli``: registers the commands, and turns every outcome into an exit status.

Owns the top level. Knows nothing of what commands do; each is in a file of its own group. Imports neither NumPy nor
scikit-learn nor cryptography: a command imports its workflow when it runs. Internal.

Exit status: 0 everything asked was done; 1 the answer is no, or the person declined; 2 wrong command line; 3 to 7 the
family of the error; 70 a bug in fedcli; 130 interrupted.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import typer

from fedcli import __version__
from fedcli.cli import anyone, coordinator, keys, planning, results, review, silo, study
from fedcli.cli.commands import in_workspace, workspace_of
from fedcli.cli.grouped import GroupedCommands
from fedcli.cli.options import AT_THE_COORDINATOR, FIRST
from fedcli.cli.screen import complain, plain
from fedcli.cli.wrapping import tell
from fedcli.data.source import holds_password, may_be_address, torn_password, unsaid
from fedcli.errors import FedcliError, PasswordInAddress

# What the machine refuses is no bug: long names, missing rights, a full or broken disk.
_OF_THE_MACHINE = frozenset(
    {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}
)

app = typer.Typer(
    name="fedcli",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    cls=GroupedCommands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train one scikit-learn model with other institutions by exchanging files. No row ever leaves.",
    epilog="A study, step by step: fedcli explain journey",
)
app.add_typer(keys.app, name="keys", rich_help_panel=FIRST)
app.add_typer(study.app, name="study", rich_help_panel=AT_THE_COORDINATOR)
for group in (silo, review, coordinator, anyone, planning, results):
    group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fedcli {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Train one scikit-learn model with other institutions by exchanging files. No row ever leaves."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    # What a command makes early are classes and functions, which stay: to look through them for cycles over and over
    # takes a tenth of the time in which they are loaded.
    gc.set_threshold(50_000)
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status; every outcome ends here."""
    try:
        _refuse_passwords(arguments)
        outcome = app(args=arguments, prog_name="fedcli", standalone_mode=False)
    except FedcliError as error:
        return _failed(error, arguments)
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted(arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        show, status = getattr(error, "show", None), getattr(error, "exit_code", None)
        if callable(show) and isinstance(status, int):
            # A wrong command line; its class lives in click or in typer, by version.
            message = getattr(error, "format_message", error.__str__)()
            safe = unsaid(message, arguments)
            _object(arguments, None, safe, "see the help page: --help")
            if safe == message:
                show()
            else:
                tell(f"fedcli: {safe}", indent=8)
            return status
        if type(error).__name__ == "Declined":
            return _declined(arguments)
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            return _failed(_from_the_machine(error), arguments)
        return _bug(error, arguments)
    # Typer answers a Ctrl-C by itself, without a word.
    return _interrupted(arguments) if outcome == 130 else outcome if isinstance(outcome, int) else 0


def _refuse_passwords(arguments: list[str]) -> None:
    """Refuse a password wherever it stands in the command line, before any message can repeat it.

    A query may well say ``token = 'x'``, and a title ``Token: what it buys``; whatever else does, an address in the
    wrong place too, is shown by no message. What a shell made two words of, ``password: x`` without quotes, is one.
    """
    for before, word in pairwise(["", *arguments]):
        option, _, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if "--query" in (before, option) or option == "--passphrase-file":
            continue
        if "--title" in (before, option):
            value = word = value.replace(": ", " ")
        if torn_password(before, word) or holds_password(value) or holds_password(word.removeprefix("--")):
            raise PasswordInAddress("an address on this command line holds a password")


def _interrupted(arguments: list[str]) -> int:
    _object(arguments, None, "interrupted", "run the command again")
    typer.echo("fedcli: interrupted: nothing was left half-written", err=True)
    return 130


def _object(
    arguments: list[str], code: str | None, message: str, hint: str, where: str | None = None, **fields: object
) -> None:
    """Print a failure as one JSON object, if that was asked for."""
    if "--json" in arguments:
        said = {"code": code, "message": message, "hint": hint, "where": where}
        document = {"schema": 1, "command": _command(arguments), "ok": False, "error": said, **fields}
        typer.echo(json.dumps(plain(document)))


def _from_the_machine(error: OSError) -> FedcliError:
    from fedcli.errors import CannotWrite

    named = f"'{error.filename}': " if error.filename else ""
    return CannotWrite(
        f"{named}{(error.strerror or type(error).__name__).lower()}",
        hint="check the name, the rights of the folder and the space on the disk",
    )


def _failed(error: FedcliError, arguments: list[str]) -> int:
    found = getattr(error, "found", ())
    first = getattr(error, "first", error)
    files = [
        {"file": str(item.path), "code": item.problem.code, "message": item.problem.message}
        for item in found
        if item.problem is not None
    ]
    more = {"files": files} if files else {}
    where = None if first.where is None else unsaid(first.where, arguments)
    message, hint = unsaid(first.message, arguments), unsaid(first.hint, arguments)
    _object(arguments, first.code, message, hint, where, **more, **error.details)
    for item in found:
        if item.problem is not None and item.problem is not first:
            complain(item.problem.code, str(item.problem))
    hint = in_workspace(first.hint, workspace_of(arguments))
    complain(first.code, unsaid(str(first), arguments), unsaid(hint, arguments))
    return int(first.exit_status)


def _declined(arguments: list[str]) -> int:
    if "--json" in arguments:
        typer.echo(json.dumps({"schema": 1, "command": _command(arguments), "ok": False, "declined": True}))
    typer.echo("You said no: no update was written.", err=True)
    return 1


def _command(arguments: list[str]) -> str:
    words = [word for word in arguments if not word.startswith("-") and not may_be_address(word)]
    return " ".join(words[:2]) if words[:1] in (["keys"], ["study"]) else "".join(words[:1])


def _bug(error: Exception, arguments: list[str]) -> int:
    """Save the traceback without the values of any variable, and say where it is."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="fedcli-bug-", delete=False, encoding="utf-8") as file:
        file.write(f"fedcli {__version__}, Python {sys.version}\n{text}")
    said = f"this is a bug in fedcli: {type(error).__name__}"
    _object(arguments, FedcliError.code, said, f"the details are in {file.name}")
    tell(f"fedcli: {said}", indent=8)
    tell(
        f"fedcli: hint: the details are in {file.name}; read it before you send it to anybody: a message in it may "
        "quote a value",
        indent=8,
    )
    return 70
