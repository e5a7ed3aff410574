"""A sheet's text read back: its parts, what would leave, and the tests, each line put together again.

Owns where a line of the text begins and goes on. Knows nothing of what they should say. Internal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

PARTS = ("WHAT WOULD LEAVE", "OF THESE COLUMNS", "WHAT DOES NOT LEAVE", "TESTS")
KNOWN = "TO BE KNOWN"
_BLOCK = re.compile(r" {2,}(\d+)\. (.*?): (\d[\d,]*) numbers?\b")
_OF_BLOCK = re.compile(r" {6}(meaning|rows|readable) +(.*)")
_TEST = re.compile(r"  (\S.*?) {2,}(\S.*)")


@dataclass(frozen=True)
class ReadBlock:
    """One kind of number as a sheet has it: its place, name, count, and what is said of it."""

    place: int
    name: str
    count: int
    rows: str
    readable: str


@dataclass(frozen=True)
class ReadTest:
    """One line of a sheet's tests: ``outcome  rule: required ...; here ...``."""

    outcome: str
    rule: str
    required: str
    found: str


def number(text: str) -> int:
    """Return a whole number that was written with commas."""
    return int(text.replace(",", ""))


def read_facts(head: Sequence[str]) -> dict[str, str]:
    """Return the lines before the first part by their names, values on several lines in one.

    Examples
    --------
    >>> read_facts(["silo         north", "rows         80 training rows, 0 rows held out", "             of the fit"])
    {'silo': 'north', 'rows': '80 training rows, 0 rows held out of the fit'}
    """
    found: dict[str, str] = {}
    name = ""
    for line in head:
        if match := re.fullmatch(r"([a-z][a-z. ]*?) {2,}(\S.*)", line):
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith("  ") and line.strip():
            found[name] += f" {line.strip()}"
    return found


def read_blocks(lines: Sequence[str]) -> list[ReadBlock]:
    """Return the kinds of numbers that would leave, from the lines of that part."""
    blocks: list[tuple[re.Match[str], dict[str, str]]] = []
    name = ""
    for line in lines:
        if match := _BLOCK.match(line):
            blocks.append((match, {}))
            name = ""
        elif blocks and (said := _OF_BLOCK.fullmatch(line)):
            name = said[1]
            blocks[-1][1][name] = said[2]
        elif blocks and name:
            blocks[-1][1][name] += f" {line.strip()}"
    return [
        ReadBlock(int(match[1]), match[2], number(match[3]), said.get("rows", ""), said.get("readable", ""))
        for match, said in blocks
    ]


def read_tests(lines: Sequence[str]) -> list[ReadTest]:
    """Return the tests, from the lines of that part."""
    joined: list[list[str]] = []
    for line in lines:
        if match := _TEST.fullmatch(line):
            joined.append([match[1], match[2]])
        elif joined and line.strip():
            joined[-1][1] += f" {line.strip()}"
    tests = []
    for outcome, said in joined:
        rule, _, rest = said.partition(": required ")
        required, _, found = rest.partition("; here ")
        tests.append(ReadTest(outcome, rule, required, found))
    return tests
