"""The base of all errors, and the five families, one exit status each.

Owns the code, the exit status, the message and the hint. Knows nothing of files, keys, numbers or screens. Stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar


class FedcliError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message : str
        What is wrong, with numbers and names. Lower case, no full stop, never a secret or a row's value.
    hint : str
        The next thing to do: a command, or the person to call.
    where : path or str, optional
        The file, and the line where one is known (``study.yaml:12``).
    rows : str
        Which rows of a silo's table, in words: for its own screen alone, never for a file or an object that travels.
    """

    code: ClassVar[str] = "E000"
    exit_status: ClassVar[int] = 70
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", where: Path | str | None = None, rows: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.where = None if where is None else str(where)
        self.rows = rows
        # What an object on the screen holds besides, as JSON has it.
        self.details: Mapping[str, Any] = {}

    def __str__(self) -> str:
        said = f"{self.message}, {self.rows}" if self.rows else self.message
        return f"{self.where}: {said}" if self.where else said


class FileError(FedcliError):
    """A study, a table, a key or a fedcli file is wrong or cannot be read."""

    exit_status = 3


class TrustError(FedcliError):
    """A file is not from whom it says, or was changed on its way."""

    exit_status = 4


class RefusedError(FedcliError):
    """Fedcli could, but the rules say no."""

    exit_status = 5


class RoundError(FedcliError):
    """A file is genuine but does not fit this study, round or silo."""

    exit_status = 6


class NumericError(FedcliError):
    """The mathematics did not finish."""

    exit_status = 7
