"""What DATA names: a file, a folder, a pattern, or the address of a database; and how it is written down.

Owns telling them apart, what of them no message may repeat, and making a path relative to a workspace. Must not open
anything, nor load Polars. Internal.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from fedcli.errors import NoDatabase, PasswordInAddress

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SQLITE = re.compile(r"(sqlite(?:\+[a-z]+)?:///)(?!/|:memory:|$)(.*)", re.IGNORECASE)

# USER:PASSWORD@ anywhere, also behind a kind that is mistyped: `postgresql:/ann:...@h`, `postgres:ann:...@h`. What
# begins with a blank or a slash is none ('North: it@north.org', 'postgresql:/ann@h'), and neither is a port.
_USER = re.compile(r"(?:^|[/\s:])[^/:@\s]+:(?!\d{1,5}(?:[/?]|$))[^\s@/:\\][^@]*@")
# Mistyped too: pasword. A word that only begins with pass, such as passengers, is none.
_WORD = r"(?:pas+w|pwd|passphrase|passcode|kennwort|secret|token|api.?key|(?<![a-z])pass(?![a-z]))"
_SECRET = re.compile(rf"{_WORD}[\w .\"'-]*(?:[=:]|%3[ad])\s*\S", re.IGNORECASE)
# `password x` is an address where another KEY=VALUE stands beside it; alone it may as well be a file's name.
_APART = re.compile(rf"{_WORD}\w*[\"']?\s+\S", re.IGNORECASE)
_AMONG_PAIRS = re.compile(
    rf"(?:^|[\s;,?&/\\])[\w ]*=[^/\\]*{_WORD}\w*[\"']?\s+\S|{_WORD}\w*[\"']?\s+[^/\\]*=", re.IGNORECASE
)
_TORN = re.compile(rf"{_WORD}[\w.-]*[\"']?[=:]$|^(?:passw(?:or[dt])?|passwd|pwd|passphrase|kennwort)$", re.IGNORECASE)
# host=h dbname=d, and Server=h;Database=d: two such, since one may be a folder of parts, `year=2024/`.
_KEYWORDS = re.compile(r"(?:^|[\s;])\w[\w ]*[=:]\s*[^\s;/]+[\s;]+\w[\w ]*[=:]")
_KIND = re.compile(
    r"(?:^|/)(?:jdbc|odbc|postgres|postgresql|mysql|mariadb|mssql|oracle|sqlite)(?:\+\w+)?:", re.IGNORECASE
)
_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/])")
_FILE = re.compile(r"\.(?:csv|tsv|txt|gz|parquet|pq|xls\w?|ods|db|sql|ya?ml|json|html|fed\w+)$", re.IGNORECASE)


def holds_password(text: str) -> bool:
    """Say whether an address that somebody wrote, well or not, holds a password: ``ann:...@host``, ``...;Pwd: ...``.

    Reading by shape alone, not by a parser: what no parser understands is just what would be repeated in a message.
    What is there under that name is a file.
    """
    shapes = (_USER, _SECRET, _AMONG_PAIRS)
    return any(shape.search(text) for shape in shapes) and not _is_there(text)


def names_secret(text: str) -> bool:
    """Say whether a text names a password, a token or the like, and something goes with it: ``Pwd=x``, ``token x``."""
    return (_SECRET.search(text) or _APART.search(text)) is not None


def torn_password(before: str, word: str) -> bool:
    """Say whether two words of a command line are a password and its name: ``password: x`` without quotes."""
    return _TORN.search(before) is not None and not word.startswith("-") and not _is_there(before)


def may_be_address(text: str) -> bool:
    """Say whether ``text`` looks like the address of a database more than like a file, and no such file is there."""
    rest = _DRIVE.sub("", text, count=1)
    at = "@" in rest and (":" in rest or _FILE.search(rest) is None)
    shapes = (_KIND, _KEYWORDS, _APART)
    like = at or "://" in rest or holds_password(rest) or any(shape.search(rest) for shape in shapes)
    return like and not _is_there(text)


def shown(given: Path | str, otherwise: str = "the name that was given") -> str:
    """Return how a message names what somebody gave as a path: in quotes, unless it may be an address.

    The one way to repeat it. Nothing of an address is: which part of one that no parser reads is secret, nobody knows.

    Examples
    --------
    >>> shown("north.csv")
    "'north.csv'"
    >>> shown("host=h password: x", "of that name")
    'of that name'
    """
    return otherwise if may_be_address(str(given)) else f"'{given}'"


def unsaid(text: str, words: Iterable[str]) -> str:
    """Return a message without those of the words on the command line that may be addresses."""
    for word in words:
        for part in (word, word.partition("=")[2]) if word.startswith("--") else (word,):
            if part.strip() and may_be_address(part):
                for form in (part, str(Path(part))):
                    text = text.replace(form, "...")
    return text


def refuse_mistyped(data: Path | str) -> None:
    """Refuse what looks like the address of a database and is none, in words that do not repeat it.

    Raises
    ------
    PasswordInAddress
        It holds a password.
    NoDatabase
        It may hold one.
    """
    if is_address(data):
        return
    if holds_password(str(data)):
        raise PasswordInAddress("the address of the database holds a password, and is none that can be read")
    if may_be_address(str(data)):
        raise NoDatabase(
            "there is no such file, and this is no address of a database (it is not repeated: it may hold a secret)",
            hint="write postgresql://USER@HOST/DATABASE or sqlite:///FILE; a file's name stands as it is",
        )


def is_address(data: Path | str) -> bool:
    """Say whether DATA is the address of a database: ``postgresql://...``, ``sqlite:///visits.db``."""
    return isinstance(data, str) and _ADDRESS.match(data) is not None


def is_pattern(path: Path) -> bool:
    """Say whether ``path`` is a pattern, and not the name of a file that has such signs in it."""
    return glob.has_magic(str(path)) and not path.exists()


def can_only_be_a_table(data: str) -> bool:
    """Say whether DATA is no single file: an address, a folder or a pattern."""
    return is_address(data) or may_be_address(data) or Path(data).is_dir() or is_pattern(Path(data))


def recorded(data: Path | str, root: Path) -> str:
    """Return DATA as ``silo.yaml`` in ``root`` records it: files relative to it, addresses as they are.

    A SQLite database is a file: its address holds a path, which is made relative too. `located` is the way back.
    """
    if is_address(data):
        match = _SQLITE.fullmatch(str(data))
        return match[1] + _relative(Path(match[2]), root) if match else str(data)
    return _relative(Path(data), root)


def located(data: str, root: Path) -> Path | str:
    """Return what ``silo.yaml`` in ``root`` records, as seen from the current folder."""
    if is_address(data):
        match = _SQLITE.fullmatch(data)
        return match[1] + str(root / match[2]) if match else data
    return root / data


def _is_there(text: str) -> bool:
    """Say whether a file or folder has this name, or some fit it as a pattern: ``token=*/part.parquet``."""
    try:
        return Path(text).exists() or (glob.has_magic(text) and any(True for _ in glob.iglob(text)))  # noqa: PTH207
    except (OSError, ValueError):
        # A name that no file can have.
        return False


def _relative(path: Path, root: Path) -> str:
    return os.path.relpath(path.resolve(), root.resolve())
