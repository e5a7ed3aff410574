"""Lines of a table as text in columns, within the width of who reads it.

Owns alignment and folding: long labels and heads wrap, and columns that find no room stand below the others, with the
labels again. Knows nothing of what the cells say. Internal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

Line = tuple[str, ...]
_GAP = 2
# A label is never given less, on a terminal wide enough, and a head's words are broken where they are longer.
_LABEL, _HEAD = 18, 16


def in_columns(lines: Sequence[Line], width: int | None = None) -> str:
    """Lay lines out, labels to the left and cells to the right.

    Parameters
    ----------
    lines : sequence of tuple of str
        Label and cells; the first is the head. A label alone is a heading: it may be wider than the others.
    width : int, optional
        Most characters of a line; without it each line is as long as it needs to be.
    """
    cells = _padded(lines)
    wide = [_natural(cells, k) for k in range(1, len(cells[0]))]
    label = _label(cells)
    longest = max(len(line[0]) for line in cells)
    if width is None or max(label + sum(_GAP + w for w in wide), longest) <= width:
        return _block(cells, label, wide, width=longest)
    return "\n\n".join(_folded(cells, columns, width) for columns in _blocks(cells, width))


def in_one_block(lines: Sequence[Line], width: int) -> bool:
    """Return whether all columns find room side by side."""
    return len(_blocks(_padded(lines), width)) <= 1


def _padded(lines: Sequence[Line]) -> list[Line]:
    n = max(map(len, lines))
    return [(*line, *[""] * (n - len(line))) for line in lines]


def _natural(cells: list[Line], k: int) -> int:
    return max(len(line[k]) for line in cells)


def _label(cells: list[Line]) -> int:
    return max((len(line[0]) for line in cells if any(line[1:])), default=0)


def _least(cells: list[Line], width: int) -> int:
    return min(_label(cells), _LABEL, width // 2)


def _needed(cells: list[Line], k: int, width: int) -> int:
    """Return how wide a column is at least: its head wraps; other cells only where one alone is too wide."""
    head, *body = (line[k] for line in cells)
    word = max(map(len, head.split()), default=0)
    return min(max(min(word, _HEAD), *map(len, body), 1), width - _GAP - _least(cells, width))


def _blocks(cells: list[Line], width: int) -> list[list[int]]:
    """Return which columns stand side by side."""
    blocks: list[list[int]] = []
    room = 0
    for k in range(1, len(cells[0])):
        needed = _GAP + _needed(cells, k, width)
        if not blocks or needed > room:
            blocks.append([])
            room = width - _least(cells, width)
        blocks[-1].append(k)
        room -= needed
    return blocks


def _folded(cells: list[Line], columns: list[int], width: int) -> str:
    wide = [_needed(cells, k, width) for k in columns]
    room = width - sum(_GAP + w for w in wide)
    # A line whose cells all stand in other columns has nothing to say here.
    chosen = [(line[0], *(line[k] for k in columns)) for line in cells]
    kept = [some for some, line in zip(chosen, cells, strict=True) if any(some[1:]) or not any(line[1:])]
    label = min(_label(kept), room)
    for i, line in enumerate(zip(*kept, strict=True)):
        if i:
            more = min(max(len(line[0]) - wide[i - 1], 0), room - label)
            wide[i - 1] += more
            room -= more
    return _block(kept, label, wide, width=width)


def _block(cells: list[Line], label: int, wide: list[int], *, width: int) -> str:
    out = []
    for name, *values in cells:
        alone = not any(values)
        parts = [
            _wrapped(name, width if alone else label),
            *(_wrapped(v, w) for v, w in zip(values, wide, strict=True)),
        ]
        for row in range(max(map(len, parts))):
            texts = [part[row] if row < len(part) else "" for part in parts]
            right = [f"{text:>{w}}" for text, w in zip(texts[1:], wide, strict=True)]
            out.append((" " * _GAP).join([f"{texts[0]:<{label}}", *right]).rstrip())
    return "\n".join(out)


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text between its words, and a word where it is too long; what follows stands deeper than it began."""
    if len(text) <= width:
        return [text]
    lead = text[: len(text) - len(text.lstrip(" "))][: width // 4]
    deeper = lead + "  " if lead else ""
    return textwrap.wrap(
        text.strip(), max(width, 1), initial_indent=lead, subsequent_indent=deeper, break_on_hyphens=False
    )
