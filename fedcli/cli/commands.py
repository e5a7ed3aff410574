"""Commands inside sentences: where each begins and ends, and in which workspace it acts.

Owns the recognition, so that a command is never broken over two lines, and runs as it is printed from where the person
is. Knows nothing of streams or of what commands do. Internal.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

NAMES = frozenset(
    {
        "keys new",
        "keys show",
        "study init",
        "study add-silo",
        "study freeze",
        "study show",
        "join",
        "check",
        "train",
        "approve",
        "ledger",
        "aggregate",
        "status",
        "inspect",
        "plan",
        "verify",
        "simulate",
        "explain",
        "predict",
        "export",
        "report",
    }
)
_GROUPS = frozenset({"keys", "study"})
# Whose workspace a command that names none acts on; the others take files, or make a workspace.
_AT_THE_COORDINATOR = frozenset({"aggregate", "study add-silo", "study freeze", "study show", "status", "verify"})
_AT_A_SILO = frozenset({"check", "train", "ledger", "predict", "study show", "status", "verify"})
_OF_A_FILE = frozenset({"export", "report"})
_FLAGS = frozenset({"--yes", "--json", "--force", "--dry-run", "--new-attempt", "--from-start", "-q", "-v", "-h"})

_HEAD = re.compile(r"(?<![\w./-])(?:fedcli|chmod)(?= )")
# A shell's word with quotes inside it is several quoted pieces side by side.
_WORD = re.compile(r""" ((?:[^\s;,()'":]|:(?=\S))+|(?:'[^']*'|"[^"]*")+)""")


def spans(text: str) -> list[tuple[int, int]]:
    """Return where each command in ``text`` begins and ends."""
    found = []
    for head in _HEAD.finditer(text):
        end = _end(text, head.end(), head[0])
        if end > head.end():
            found.append((head.start(), end))
    return found


def _end(text: str, at: int, head: str) -> int:
    """Return where the command ends: before the first word that could be prose."""
    words: list[str] = [head]
    while match := _WORD.match(text, at):
        word = match[1]
        if not _belongs(word, words):
            break
        words.append(word)
        at = match.end()
    return at


def _belongs(word: str, before: list[str]) -> bool:
    if len(before) == 1 and before[0] == "fedcli":
        return word in _GROUPS or word in NAMES
    if len(before) == 2 and before[1] in _GROUPS:
        return f"{before[1]} {word}" in NAMES
    last = before[-1]
    if last == "explain" or (last.startswith("-") and last not in _FLAGS):
        return True
    return (
        word.startswith(("-", "'", '"'))
        or word.isupper()
        or any(c in "./_" or c.isdigit() for c in word)
        or (word.endswith("...") and word[:-3].isupper())
    )


def quoted(path: Path | str) -> str:
    """Return a path as it can be typed: in quotes where it holds a space."""
    return shlex.quote(str(path))


def named(data: str | None, query: str | None) -> list[str]:
    """Return the words that name a table, and what it is asked, as they were given: none for those of ``silo.yaml``."""
    words = [quoted(data)] if data else []
    return words + (["--query", quoted(query)] if query is not None else [])


def in_workspace(text: str, workspace: Path) -> str:
    """Name the workspace in each command of ``text`` that acts on one and names none.

    A silo's commands keep to silos' folders and the coordinator's to theirs: a sentence that says what the others run
    stays as it is.

    Parameters
    ----------
    text : str
    workspace : path
        As the person gave it with ``-C``; nothing is added for the current folder.
    """
    if str(workspace) in (".", ""):
        return text
    acting = _AT_THE_COORDINATOR if _is_the_coordinators(workspace) else _AT_A_SILO
    for start, end in reversed(spans(text)):
        words = text[start:end].split(" ")
        name = " ".join(words[1:3]) if words[1] in _GROUPS else words[1]
        of_a_file = name in _OF_A_FILE and len(words) > 2 and not words[2].startswith("-")
        if (name not in acting and (name not in _OF_A_FILE or of_a_file)) or {"-C", "--workspace"} & set(words):
            continue
        text = f"{text[:end]} -C {quoted(workspace)}{text[end:]}"
    return text


def _is_the_coordinators(workspace: Path) -> bool:
    try:
        return (workspace / "coordinator.yaml").exists()
    except OSError:
        # A name that no folder can have: the error that is being told is about just that.
        return False


def workspace_of(arguments: list[str]) -> Path:
    """Return the workspace that a command line names, the current folder if none."""
    for place, word in enumerate(arguments):
        if word in ("-C", "--workspace"):
            return Path(arguments[place + 1]) if place + 1 < len(arguments) else Path()
        if word.startswith("--workspace="):
            return Path(word.removeprefix("--workspace="))
        if word.startswith("-C"):
            return Path(word[2:])
    return Path()
