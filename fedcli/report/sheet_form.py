"""Whether a sheet agrees with itself: its parts, its counts of numbers and rows, its readers, its tests.

Owns what a reviewer's program can see without the table. Knows nothing of keys or files. Internal. Who edits a sheet
with care is not caught here, and need not be: `train` takes an approval of the sheet that it wrote, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fedcli.errors import BadDocument
from fedcli.report.sheet_lines import KNOWN, PARTS, ReadBlock, number, read_blocks, read_facts, read_tests
from fedcli.report.sheet_tests import contradiction

_SIZE = re.compile(r"(\d[\d,]*) numbers?")
_TITLE = re.compile(r"What would leave (\S+) in round (\d[\d,]*) of '")
_ROWS = re.compile(r"(\d[\d,]*) training rows?, (\d[\d,]*) rows? held out of the fit\b")
_TRAINED, _HELD = re.compile(r"(?:.* )?(\d[\d,]*) training rows?\b"), re.compile(r"(?:.* )?(\d[\d,]*) rows? held out\b")
_OF_A_CLASS = re.compile(r"(?:the )?(\d[\d,]*) (.+) of [\d,]+ training rows?")


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
    if [line for line in lines if line in PARTS] != list(PARTS):
        raise _edited(f"its parts are not {', '.join(PARTS)}, each once and in this order")
    at = [lines.index(part) for part in PARTS]
    end = lines.index(KNOWN) if KNOWN in lines else len(lines)
    head, facts = lines[: at[0]], read_facts(lines[: at[0]])
    blocks = read_blocks(lines[at[0] + 1 : at[1]])
    if [block.place for block in blocks] != list(range(1, len(blocks) + 1)):
        raise _edited("the kinds of numbers that would leave are not counted from 1 on")
    _check_size(facts, blocks)
    title = _TITLE.match(head[1])
    if title is not None and (facts.get("silo"), facts.get("round")) != (title[1], title[2].replace(",", "")):
        raise _edited("its title is of another silo or round than its lines")
    rows, held_out = _check_rows(facts, blocks)
    _check_readers(facts, blocks)
    said = contradiction(
        read_tests(lines[at[3] + 1 : end]), blocks, rows=rows, held_out=held_out, round_=number(facts.get("round", "0"))
    )
    if said:
        raise _edited(said)


def _check_size(facts: Mapping[str, str], blocks: Sequence[ReadBlock]) -> None:
    total = sum(block.count for block in blocks)
    size = _SIZE.fullmatch(facts.get("size", ""))
    if size is None or number(size[1]) != total:
        said = f"it says {size[1]} numbers" if size is not None else "it does not say how many numbers"
        raise _edited(f"{said}, and those that it lists are {total:,}")


def _check_rows(facts: Mapping[str, str], blocks: Sequence[ReadBlock]) -> tuple[int, int]:
    """Return how many rows are trained on and held out, if every kind of number says the same of them."""
    match = _ROWS.match(facts.get("rows", ""))
    if match is None:
        raise _edited("it does not say how many rows")
    rows, held_out = number(match[1]), number(match[2])
    classes: dict[str, int] = {}
    for block in blocks:
        trained, held = _TRAINED.match(block.rows), _HELD.match(block.rows)
        if trained is None and held is None:
            raise _edited(f"'{block.name}' does not say of which rows it is")
        if trained is not None and number(trained[1]) != rows:
            raise _edited(f"it says {rows:,} training rows, and {trained[1]} behind '{block.name}'")
        if trained is None and held is not None and number(held[1]) != held_out:
            raise _edited(f"it says {held_out:,} rows held out, and {held[1]} behind '{block.name}'")
        part = _OF_A_CLASS.fullmatch(block.rows)
        if part is not None and classes.setdefault(part[2], number(part[1])) != number(part[1]):
            raise _edited(f"it says both {classes[part[2]]:,} and {part[1]} rows '{part[2]}'")
    if sum(classes.values()) > rows:
        raise _edited(f"the rows of its classes are {sum(classes.values()):,}, more than its {rows:,} training rows")
    return rows, held_out


def _check_readers(facts: Mapping[str, str], blocks: Sequence[ReadBlock]) -> None:
    """Refuse numbers that the recipient reads singly although they are masked, and the other way round."""
    recipient, plain = facts.get("recipient", "").partition(",")[0], facts.get("aggregation") == "plain"
    for block in blocks:
        singly, _, _ = block.readable.removeprefix("singly by ").partition("; only in sum by ")
        if not block.readable.startswith("singly by ") or (recipient in singly.split("; ")) != plain:
            by = "not by its recipient" if plain else f"by '{singly}'"
            raise _edited(
                f"its aggregation is {facts.get('aggregation', 'not said')}, and '{block.name}' is readable singly {by}"
            )


def _edited(what: str) -> BadDocument:
    return BadDocument(
        f"the sheet contradicts itself: {what}", hint="let 'fedcli train' write it again; a sheet is never edited"
    )
