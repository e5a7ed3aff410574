"""Changes to one key of a YAML text that a person wrote, every other character left as it stands.

Owns where in the text an item or a value belongs: in block and flow style, beside comments, before the end of the
document, with the file's own line ends. Knows nothing of what the keys mean. Internal. Every change is read back and
compared with what it should say; a text that cannot be changed so is left to the person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml as pyyaml

from fedcli.errors import BadStudy, BadYaml
from fedcli.study.yaml import MAX_BYTES, load, scalar

# What ends a line of YAML.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_COMMENT = re.compile("(?m)(?:^|(?<=[\\s,{\\[]))#.*$")
_NOTHING = re.compile(r"\[ *\]|~|null|Null|NULL|")

Item = Mapping[str, str]


def append_items(text: str, key: str, items: Sequence[Item], *, name: str) -> str:
    """Add items at the end of a top-level list, which may be empty or not yet there.

    Parameters
    ----------
    text : str
        A mapping as strict YAML.
    key : str
    items : sequence of mapping
        Texts by key; each becomes one line.
    name : str
        The file's name, for messages.

    Raises
    ------
    BadYaml
        The text is not strict YAML, or would grow past its limit.
    BadStudy
        It is no mapping, ``key`` is no list, or the place for an item cannot be found.
    """
    value = load(text, name=name).value
    if not isinstance(value, dict):
        raise BadStudy("the file is not a study", hint="write a draft with: fedcli study init DIR", where=name)
    before = value.get(key)
    if before is not None and not isinstance(before, list):
        raise BadStudy(f"'{key}' is not a list", hint=f"write '{key}: []' and enrol again", where=name)
    wanted = {**value, key: [*(before or []), *(dict(item) for item in items)]}
    written = [f"{{{', '.join(f'{scalar(k)}: {scalar(v)}' for k, v in item.items())}}}" for item in items]
    return _first_that_reads(_appended(_Text(text), key, written), wanted, key, name)


def clear_list(text: str, key: str, *, name: str) -> str:
    """Empty a top-level list; a text without it stays as it is.

    Parameters
    ----------
    text, key, name
        As `append_items`.

    Raises
    ------
    BadYaml, BadStudy
    """
    value = load(text, name=name).value
    if not isinstance(value, dict) or not value.get(key):
        return text
    return _first_that_reads(_cleared(_Text(text), key), {**value, key: []}, key, name)


def set_values(text: str, values: Mapping[str, str], *, name: str) -> str:
    """Give top-level keys other texts as values, in place, or at the top where they are not yet there.

    Parameters
    ----------
    text : str
        A mapping as strict YAML, or nothing but comments.
    values : mapping of str to str
    name : str
        The file's name, for messages.

    Raises
    ------
    BadYaml, BadStudy
    """
    value = load(text, name=name).value
    if value is None:
        newline = _newline(text)
        return "".join(f"{key}: {scalar(said)}{newline}" for key, said in values.items()) + text
    # The last one first: each goes to the top.
    for key, said in reversed(list(values.items())):
        if value.get(key) != said:
            value = {**value, key: said}
            text = _first_that_reads(_set(_Text(text), key, scalar(said)), value, key, name)
    return text


def _newline(text: str) -> str:
    found = _BREAK.search(text)
    return found[0] if found else "\n"


def _first_that_reads(attempts: Iterator[str], wanted: dict[str, Any], key: str, name: str) -> str:
    for attempt in attempts:
        try:
            if load(attempt, name=name).value == wanted:
                return attempt
        except BadYaml as exc:
            size = len(attempt.encode("utf-8", "surrogatepass"))
            if size > MAX_BYTES:
                raise BadYaml(
                    f"with this in '{key}' the file would have {size:,} bytes, at most {MAX_BYTES:,} are read",
                    hint="shorten its comments, and try again",
                    where=name,
                ) from exc
    raise BadStudy(
        f"'{key}' is written in a way that cannot be changed here",
        hint=f"take '{key}' and what belongs to it out of the file, and try again",
        where=name,
    )


@dataclass(frozen=True)
class _Node:
    """One node: where its text begins and ends, in characters, and the nodes in it (of a mapping, keys and values).

    ``said`` is where the last character stands that says something: a block ends only where the next node begins.
    ``text`` is what a scalar says.
    """

    text: str
    start: int
    end: int
    said: int
    column: int
    collection: bool
    flow: bool
    inner: tuple[_Node, ...] = ()


class _Text:
    """A text with its nodes, and what every change of it needs."""

    def __init__(self, text: str) -> None:
        self.text = text
        events = pyyaml.parse(text, Loader=pyyaml.SafeLoader)
        while not isinstance(next(events), pyyaml.DocumentStartEvent):
            pass
        self.root = _node(next(events), events)
        self.newline = _newline(text)

    def pair(self, key: str) -> tuple[_Node, _Node] | None:
        """Return a top-level key and its value."""
        nodes = iter(self.root.inner)
        for name, value in zip(nodes, nodes, strict=True):
            if name.text == key:
                return name, value
        return None

    def line_start(self, at: int) -> int:
        """Return where the line of ``at`` begins."""
        ends = [found.end() for found in _BREAK.finditer(self.text, 0, at)]
        return ends[-1] if ends else 0

    def with_lines(self, at: int, lines: Sequence[str], *, cut: tuple[int, int] = (0, 0)) -> str:
        """Write whole lines behind the line of ``at``, or before it where ``at`` begins one; leave out ``cut``."""
        found = _BREAK.search(self.text, at)
        if at != self.line_start(at) or at == 0:
            at = found.end() if found else len(self.text)
        head = self.text[: cut[0]] + self.text[cut[1] : at]
        if head and not _BREAK.match(head, len(head) - 1):
            head += self.newline
        return head + "".join(line + self.newline for line in lines) + self.text[at:]

    def inside(self, node: _Node, items: Sequence[str]) -> str:
        """Write items at the end of a collection in flow style, on lines of their own where its bracket has one."""
        close, text = node.end - 1, self.text
        if not node.inner:
            return text[:close] + ", ".join(items) + text[close:]
        said, line = node.inner[-1].said, self.line_start(close)
        gap = _COMMENT.sub("", text[said:close])
        comma = "" if "," in gap else ","
        if line > said and not text[line:close].strip():
            indent = " " * node.inner[0].column if self.line_start(node.inner[0].start) > node.start else "  "
            lines = [f"{indent}{item}" for item in items]
            return text[:said] + comma + text[said:line] + f",{self.newline}".join(lines) + self.newline + text[line:]
        if comma:
            return text[:said] + ", " + ", ".join(items) + text[said:]
        return text[:close].rstrip(" ") + " " + ", ".join(items) + text[close:]


def _node(event: Any, events: Iterator[Any]) -> _Node:
    start, end = event.start_mark, event.end_mark
    if not isinstance(event, pyyaml.CollectionStartEvent):
        return _Node(event.value, start.index, end.index, end.index, start.column, False, False)
    inner = []
    for event_inside in events:
        if isinstance(event_inside, pyyaml.CollectionEndEvent):
            end = event_inside.end_mark
            break
        inner.append(_node(event_inside, events))
    flow = bool(event.flow_style)
    said = end.index if flow or not inner else inner[-1].said
    return _Node("", start.index, end.index, said, start.column, True, flow, tuple(inner))


def _appended(text: _Text, key: str, items: Sequence[str]) -> Iterator[str]:
    """Return the ways to write items at the end of the list, the one that reads best first."""
    pair, root, whole = text.pair(key), text.root, text.text
    if pair is None:
        if root.flow:
            yield text.inside(root, [f"{key}: [{', '.join(items)}]"])
        else:
            indent = " " * root.column
            yield text.with_lines(root.end, [f"{indent}{key}:", *(f"{indent}  - {item}" for item in items)])
        return
    _, value = pair
    if value.collection and not value.flow:
        yield text.with_lines(value.said, [f"{' ' * value.column}- {item}" for item in items])
    if _NOTHING.fullmatch(whole[value.start : value.end]) and not root.flow:
        # One line for each, as a person would write it; what stands behind the brackets stays there.
        start = len(whole[: value.start].rstrip(" "))
        lines = [f"{' ' * (root.column + 2)}- {item}" for item in items]
        yield text.with_lines(max(value.end, start), lines, cut=(start, value.end))
    if value.flow:
        yield text.inside(value, items)
    if not value.collection:
        for colon in (" ", ": "):
            yield whole[: value.start].rstrip(" ") + f"{colon}[{', '.join(items)}]" + whole[value.end :]


def _cleared(text: _Text, key: str) -> Iterator[str]:
    pair, whole = text.pair(key), text.text
    if pair is None:
        return
    name, value = pair
    head = whole[: value.start] if value.flow else whole[: whole.index(":", name.end) + 1] + " "
    yield head + "[]" + whole[value.said :]


def _set(text: _Text, key: str, said: str) -> Iterator[str]:
    pair, whole, root = text.pair(key), text.text, text.root
    if pair is not None:
        _, value = pair
        head, tail = whole[: value.start].rstrip(" "), whole[value.end :]
        # A key without its colon, and text over several lines, whose end is the next line's beginning.
        for colon, end in ((" ", ""), (": ", ""), (" ", text.newline)):
            yield head + colon + said + end + tail
    elif root.flow:
        at = root.start + 1
        yield f"{whole[:at]}{key}: {said}{', ' if root.inner else ''}{whole[at:]}"
    else:
        at = text.line_start(root.start)
        yield f"{whole[:at]}{' ' * root.column}{key}: {said}{text.newline}{whole[at:]}"
