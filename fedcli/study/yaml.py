"""Strict YAML for the two files that people write: ``study.yaml`` and ``silo.yaml``.

Owns the reading of text into plain values with the line of every key, and the quoting of text on the way out. Knows
nothing of what the keys mean. Of YAML 1.2 it takes block and flow collections and scalars; aliases, anchors, tags,
duplicate and merge keys are refused, because a signed agreement must read the same to everybody. Internal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml as pyyaml

from fedcli.errors import BadYaml

MAX_BYTES = 64 * 1024
# Deep enough for any agreement, shallow enough that a page of brackets cannot exhaust the stack.
MAX_DEPTH = 12

Path = tuple[str | int, ...]

# YAML 1.2's core schema, less octal, hexadecimal and .inf: `on`, `017`, `12:30` and `1_000` are text, `1e-3` a number.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_WORDS |= {"FALSE": False, "null": None, "Null": None, "NULL": None, "~": None, "": None}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*")
# A reader of YAML 1.1 takes these for booleans: quoted on the way out, so that every tool agrees.
_AMBIGUOUS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

_IN_WORDS = {
    "mapping values are not allowed here": "a colon stands where none belongs",
    "found character '\\t' that cannot start any token": "a tab cannot indent",
    "found unexpected end of stream": "a quotation mark is never closed",
    "could not find expected ':'": "a key without a colon after it",
}
_HINTS = {
    "a colon stands where none belongs": "indent keys of one section equally, and quote text that holds ': '",
    "a tab cannot indent": "use spaces",
    "a quotation mark is never closed": "close it with the same mark",
    "a key without a colon after it": "write 'key: value'",
}


@dataclass(frozen=True)
class Tree:
    """A YAML text as plain values, with the line on which each stands.

    Parameters
    ----------
    value : dict, list, str, bool, int, float or None
        Keys of mappings are always text, as written: ``levels: {1.0: low}`` has the key ``"1.0"``.
    lines : mapping of path to int
        Line of each key and list item, counted from 1.
    name : str
        The file's name, for messages.
    """

    value: Any
    lines: Mapping[Path, int]
    name: str

    def line(self, path: Path) -> int:
        """Return the line of ``path``, or of its nearest ancestor that exists; 1 when none does."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path) -> str:
        """Return ``study.yaml:12`` for ``path``."""
        return f"{self.name}:{self.line(path)}"


def decode(data: bytes, *, name: str) -> str:
    """Turn a file's bytes into text.

    Raises
    ------
    BadYaml
        The file is larger than 64 KiB, or is not UTF-8.
    """
    _check_size(len(data), name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise BadYaml(
            "the file is not UTF-8 text", hint="save it again with the encoding UTF-8", where=f"{name}:{line}"
        ) from exc


def load(text: str, *, name: str) -> Tree:
    """Read one YAML document strictly.

    Parameters
    ----------
    text : str
        At most 64 KiB.
    name : str
        The file's name, for messages.

    Raises
    ------
    BadYaml
        The text is too large, is not YAML, or uses an anchor, alias, tag, duplicate key or second document.
    """
    _check_size(len(text.encode("utf-8", "surrogatepass")), name)
    try:
        return _Builder(pyyaml.parse(text.removeprefix("\ufeff"), Loader=pyyaml.SafeLoader), name).document()
    except pyyaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        problem = str(exc.problem)
        words = _IN_WORDS.get(problem, f"this is not YAML: {problem}")
        line = mark.line + 1 if mark is not None else 1
        hint = _HINTS.get(words, "compare this line and the one before it with the draft of 'fedcli study init'")
        raise BadYaml(words, hint=hint, where=f"{name}:{line}") from exc
    except pyyaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        words = f"the character U+{ord(exc.character) if isinstance(exc.character, str) else exc.character:04X}"
        raise BadYaml(
            f"{words} cannot stand in YAML", hint="delete it and type the line again", where=f"{name}:{line}"
        ) from exc


def scalar(text: str) -> str:
    """Write ``text`` so that it reads back as the same text: plain where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _AMBIGUOUS and _resolve(text) == text:
        return text
    return '"' + "".join(_escaped(c) for c in text) + '"'


def comment(text: str) -> str:
    """Make ``text`` safe inside a comment: one line, control characters escaped."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    if c.isprintable():
        return c
    return f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}"


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise BadYaml(
            f"the file has {size:,} bytes, at most {MAX_BYTES:,} are read",
            hint="this is far more than an agreement needs: is it the right file",
            where=name,
        )


def _resolve(text: str) -> str | bool | int | float | None:
    if text in _WORDS:
        return _WORDS[text]
    # An integer beyond 2**53 is an identifier, not a quantity: as text it keeps every digit.
    if _INT.fullmatch(text):
        return int(text) if len(text) < 16 else text
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else text
    return text


class _Builder:
    """Turns the parser's events into values and lines."""

    def __init__(self, events: Iterator[Any], name: str) -> None:
        self.events = events
        self.name = name
        self.lines: dict[Path, int] = {}

    def document(self) -> Tree:
        value: Any = None
        documents = 0
        for event in self.events:
            if isinstance(event, pyyaml.DocumentStartEvent):
                documents += 1
                if event.tags or event.version or documents > 1:
                    raise self._refuse(event, "a directive or a second document", "remove the lines '%' and '---'")
                value = self._node(next(self.events), (), 0)
        return Tree(value, self.lines, self.name)

    def _refuse(self, event: Any, what: str, hint: str) -> BadYaml:
        return BadYaml(f"{what} is not accepted", hint=hint, where=f"{self.name}:{event.start_mark.line + 1}")

    def _node(self, event: Any, path: Path, depth: int) -> Any:
        self.lines.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, pyyaml.AliasEvent):
            raise self._refuse(event, f"the alias '*{event.anchor}'", "write the value out, or put it in quotes")
        if event.anchor is not None:
            raise self._refuse(event, f"the anchor '&{event.anchor}'", "write the value out, or put it in quotes")
        if event.tag is not None:
            raise self._refuse(event, f"the tag '{event.tag}'", "put text that begins with '!' in quotes")
        if depth > MAX_DEPTH:
            raise self._refuse(event, f"nesting deeper than {MAX_DEPTH} levels", "close the brackets")
        if isinstance(event, pyyaml.ScalarEvent):
            return _resolve(event.value) if event.implicit[0] else event.value
        if isinstance(event, pyyaml.SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _sequence(self, path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        for event in self.events:
            if isinstance(event, pyyaml.SequenceEndEvent):
                break
            items.append(self._node(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, pyyaml.MappingEndEvent):
                break
            if not isinstance(event, pyyaml.ScalarEvent):
                raise self._refuse(event, "a list or mapping as a key", "a key is one word before the colon")
            self._node(event, (*path, event.value), depth)
            if event.value in found:
                first = self.lines[(*path, event.value)]
                raise self._refuse(event, f"a second '{event.value}' (the first is on line {first})", "remove one")
            if event.value == "<<" and event.implicit[0]:
                raise self._refuse(event, "the merge key '<<'", "write the keys out")
            found[event.value] = self._node(next(self.events), (*path, event.value), depth + 1)
        return found
