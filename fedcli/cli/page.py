"""A page of the documentation on a terminal: paragraphs, lists and tables fitted to its width.

Owns the layout of the Markdown that fedcli brings along, and no other. Code stays as it is written. Internal.
"""

from __future__ import annotations

import re
import textwrap

from fedcli.cli.wrapping import wrap

_ITEM = re.compile(r"( *(?:[-*]|\d+\.) +)")
_LABELLED = re.compile(r"( +\S+ {2,})\S")
_REMARK = re.compile(r"(.*\S) {2,}(# .*)$")
_RULE = re.compile(r"\|[\s|:-]+\|?$")
# A column narrower than this is a column of broken words.
_NARROW = 9


def fitted(text: str, width: int) -> str:
    """Lay a page out at ``width`` columns."""
    out: list[str] = []
    held: list[str] = []
    code = False
    for line in [*text.split("\n"), ""]:
        fence = line.lstrip().startswith("```")
        kind = "code" if code or fence else _kind(line)
        if held and kind != _continues(held):
            out += _block(held, width)
            held = []
        code ^= fence
        if kind == "text" and _ITEM.match(line) and held:
            out += _block(held, width)
            held = []
        if kind in ("table", "text"):
            held.append(line)
        elif kind == "label":
            out.append(_labelled(line, width))
        else:
            out += _code(line, width) if kind == "code" else [line]
    return "\n".join(out[:-1])


def _code(line: str, width: int) -> list[str]:
    """Put a remark that does not fit above its line; the code itself is never broken."""
    remark = _REMARK.match(line)
    if remark is None or len(line) <= width:
        return [line]
    lead = line[: len(line) - len(line.lstrip())]
    return [*wrap(f"{lead}{remark[2]}", width, indent=len(lead) + 2).split("\n"), remark[1]]


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if line.startswith("|"):
        return "table"
    if line.startswith("#"):
        return "heading"
    return "label" if _LABELLED.match(line) and not _ITEM.match(line) else "text"


def _continues(held: list[str]) -> str:
    return "table" if held[0].startswith("|") else "text"


def _labelled(line: str, width: int) -> str:
    match = _LABELLED.match(line)
    return wrap(line, width, indent=len(match[1]) if match else 0)


def _block(lines: list[str], width: int) -> list[str]:
    if lines[0].startswith("|"):
        return lines if max(map(len, lines)) <= width else _table(lines, width)
    item = _ITEM.match(lines[0])
    indent = len(item[1]) if item else len(lines[0]) - len(lines[0].lstrip())
    joined = " ".join([lines[0].rstrip(), *(line.strip() for line in lines[1:])])
    return wrap(joined, width, indent=indent).split("\n")


def _table(lines: list[str], width: int) -> list[str]:
    """Set a table in columns whose cells wrap."""
    rows = [_cells(line) for line in lines if not _RULE.match(line)]
    count = max(map(len, rows))
    rows = [row + [""] * (count - len(row)) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(count)]
    room = max(width - 2 * (count - 1), _NARROW * count)
    while sum(widths) > room:
        widest = max(range(count), key=widths.__getitem__)
        widths[widest] -= 1
    out = []
    for number, row in enumerate(rows):
        parts = [textwrap.wrap(cell, size) if cell else [""] for cell, size in zip(row, widths, strict=True)]
        for line in range(max(map(len, parts))):
            cells = (part[line] if line < len(part) else "" for part in parts)
            out.append("  ".join(f"{cell:<{size}}" for cell, size in zip(cells, widths, strict=True)).rstrip())
        if number == 0:
            out.append("  ".join("-" * size for size in widths))
    return out


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", inner)]
