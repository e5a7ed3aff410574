"""Whether a sheet agrees with itself: its parts in their order, and as many numbers in all as its lines add up to.

Owns what a reviewer's program can see without the table. Knows nothing of keys or files. Internal. Who edits a sheet
with care is not caught here, and need not be: `train` takes an approval of the sheet that it wrote, byte for byte.
"""

from __future__ import annotations

import re

from fedcli.errors import BadDocument

_PARTS = ("WHAT WOULD LEAVE", "OF THESE COLUMNS", "WHAT DOES NOT LEAVE", "TESTS")
_BLOCK = re.compile(r" {2,}(\d+)\. .*?: ([\d,]+) numbers?\b")
_SIZE = re.compile(r"size {2,}([\d,]+) numbers?")
_TITLE = re.compile(r"What would leave (\S+) in round ([\d,]+) of '")


def check_form(text: bytes) -> None:
    """Refuse a sheet that contradicts itself, before anybody is asked to sign it.

    Parameters
    ----------
    text : bytes
        The text form, whose context can be read.

    Raises
    ------
    BadDocument
    """
    lines = text.decode("utf-8").split("\n")
    if [line for line in lines if line in _PARTS] != list(_PARTS):
        raise _edited(f"its parts are not {', '.join(_PARTS)}, each once and in this order")
    head, leaving = lines[: lines.index(_PARTS[0])], lines[lines.index(_PARTS[0]) : lines.index(_PARTS[1])]
    blocks = [match for line in leaving if (match := _BLOCK.match(line))]
    if [int(block[1]) for block in blocks] != list(range(1, len(blocks) + 1)):
        raise _edited("the kinds of numbers that would leave are not counted from 1 on")
    total = sum(int(block[2].replace(",", "")) for block in blocks)
    sizes = [int(match[1].replace(",", "")) for line in head if (match := _SIZE.match(line))]
    if sizes != [total]:
        said = f"it says {sizes[0]:,} numbers" if len(sizes) == 1 else "it does not say how many numbers"
        raise _edited(f"{said}, and those that it lists are {total:,}")
    title = _TITLE.match(head[1])
    if title is not None:
        facts = dict(re.split(" {2,}", line, maxsplit=1) for line in head if re.match(r"(?:silo|round) {2,}", line))
        if (facts.get("silo"), facts.get("round")) != (title[1], title[2].replace(",", "")):
            raise _edited("its title is of another silo or round than its lines")


def _edited(what: str) -> BadDocument:
    return BadDocument(
        f"the sheet contradicts itself: {what}", hint="let 'fedcli train' write it again; a sheet is never edited"
    )
