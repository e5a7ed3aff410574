"""Whether the tests on a sheet are all there, and each outcome is what its own numbers give.

Owns the arithmetic of one line: what is required, what was found. Knows nothing of tables or keys. Internal. Numbers
stand there rounded, so that what only rounding may have moved is let pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fedcli.report import sheet_rules as rules
from fedcli.report.sheet_lines import ReadBlock, ReadTest, number

_LEAST = re.compile(r"at least (\d[\d,]*(?:\.\d+)?)")
_MOST = re.compile(r"at most (\d[\d,]*(?:\.\d+)?)")
_FIRST = re.compile(r"[^\d]*?(\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)")
_LAST = re.compile(r".*: (\d[\d,]*)")
_CHANGED = re.compile(r"(\d[\d,]*) new, (\d[\d,]*) gone")
_POSITIVE = re.compile(r"(\d[\d,]*) rows?, (\d[\d,]*) of them positive")
_COLUMNS = re.compile(r"for each of (\d[\d,]*) multiplied columns(?:, which count as (\d[\d,]*))?$")
_ROUNDED = 0.051
# Where numbers of these kinds leave, their tests stand there too.
_RIDERS = {"evaluation": (rules.HELD_OUT, rules.HELD_OUT_DIFFER), "below": (rules.HISTOGRAM,), "third": (rules.THIRD,)}


def contradiction(
    tests: Sequence[ReadTest], blocks: Sequence[ReadBlock], *, rows: int, held_out: int, round_: int
) -> str:
    """Return the first contradiction in words; empty where there is none.

    Parameters
    ----------
    tests : sequence of ReadTest
    blocks : sequence of ReadBlock
        What would leave.
    rows, held_out : int
        As the head of the sheet says.
    round_ : int
    """
    for rule in _expected(blocks):
        found = [test for test in tests if _is(test, rule)]
        if len(found) != 1:
            return f"it has {'no' if not found else 'more than one'} test '{rule}'"
    told = {rules.ROWS: rows, rules.HELD_OUT: held_out, rules.ROUND: round_}
    for test in tests:
        if test.outcome not in rules.OUTCOMES or not test.required or not test.found:
            return f"its test '{test.rule}' has no outcome that fedcli writes"
        for rule, count in told.items():
            said = _FIRST.match(test.found)
            if _is(test, rule) and (said is None or _value(said[1]) != count):
                return f"its test '{test.rule}' is of {test.found}, and the sheet is of {count:,}"
        if _fails(test, rows):
            return (
                f"a test is '{test.outcome}' of which it says: {test.rule}: required {test.required}; here {test.found}"
            )
    return _uncovered(tests, blocks) or _not_sent(tests, blocks)


def _expected(blocks: Sequence[ReadBlock]) -> Iterator[str]:
    yield from rules.ALWAYS
    for kind, names in _RIDERS.items():
        if any(block.name == kind for block in blocks):
            yield from names


def _is(test: ReadTest, rule: str) -> bool:
    """Return whether a test is of this rule: some say more behind its name, after a comma or a colon."""
    return re.match(rf"{re.escape(rule)}(?:[,:]|$)", test.rule) is not None


def _fails(test: ReadTest, rows: int) -> bool:
    """Return whether a test's own numbers are against its outcome."""
    least, most = _LEAST.search(test.required), _MOST.match(test.required)
    if test.outcome == rules.NO_RULE:
        # There is none only where nothing is asked: groups of one row, no row for each column.
        return most is not None or (least is not None and _value(least[1]) > 1)
    if test.outcome != rules.PASSED:
        return False
    if _is(test, rules.PER_COLUMN):
        return least is None or _too_few_for_columns(test, rows, _value(least[1]))
    if _is(test, rules.AT_A_POINT):
        return not test.found.endswith(": none has one")
    if _is(test, rules.THIRD):
        return test.found != "all of it is so"
    if _is(test, rules.DIFFER_ELSEWHERE):
        # Of other studies only the rows in all are held to the rule, of each of many releases: one line cannot say it.
        return False
    if least is not None:
        needed = _value(least[1])
        allowed = (0.0,) if test.required.startswith(("none, or", "equal, or")) else ()
        return any(count < needed and count not in allowed for count in _counts(test))
    first = _FIRST.match(test.found)
    if most is None or first is None:
        return False
    limit, slack = _value(most[1]), 0.5 + _ROUNDED if "%" in test.required else 0.06 * _value(most[1])
    return not test.found.startswith("none has more") and _value(first[1]) > limit + slack * (not _is_whole(test))


def _counts(test: ReadTest) -> list[float]:
    """Return the numbers of rows that a line says were found."""
    if changed := _CHANGED.search(test.found):
        return [_value(count) for count in changed.groups()]
    if positive := _POSITIVE.match(test.found):
        every, some = map(_value, positive.groups())
        return [every, some, every - some]
    if _is(test, rules.SMALLEST):
        last = _LAST.fullmatch(test.found)
        return [_value(last[1])] if last else []
    first = _LEAST.match(test.found) if _is(test, rules.HISTOGRAM) else re.match(r"(\d[\d,]*)", test.found)
    return [_value(first[1])] if first else []


def _too_few_for_columns(test: ReadTest, rows: int, needed: float) -> bool:
    columns, here = _COLUMNS.search(test.required), _FIRST.match(test.found)
    if columns is None or here is None:
        return True
    counted = max(number(columns[2] or columns[1]), 1)
    return abs(rows / counted - _value(here[1])) > _ROUNDED or _value(here[1]) < needed - _ROUNDED


def _is_whole(test: ReadTest) -> bool:
    return _is(test, rules.ROUND) or _is(test, rules.LEVELS)


def _uncovered(tests: Sequence[ReadTest], blocks: Sequence[ReadBlock]) -> str:
    """Say which kinds of numbers are said to be tested and are not, or the other way round."""
    point, share = (next(test for test in tests if _is(test, rule)) for rule in (rules.AT_A_POINT, rules.SHARE))
    if any(block.name == "parameters" for block in blocks):
        # Which of the numbers beside a model that was trained at the silo are at a point, its line does not say.
        return ""
    guarded = point.found.removesuffix(": none has one").split(", ") if point.outcome == rules.PASSED else []
    names = [block.name for block in blocks]
    if not set(guarded) <= set(names):
        return f"its test '{point.rule}' names numbers that would not leave"
    due = ", ".join(rules.uncovered(names, guarded, shares=share.outcome != rules.NO_RULE))
    said = ", ".join(test.found for test in tests if _is(test, rules.UNCOVERED))
    return "" if due == said else f"no test on one row looks at {due or 'nothing'}, and it says {said or 'nothing'}"


def _not_sent(tests: Sequence[ReadTest], blocks: Sequence[ReadBlock]) -> str:
    """Say where zeros are said to leave and the test does not, or the other way round."""
    for kind, names in _RIDERS.items():
        for block in blocks:
            zeros = any(test.outcome == rules.NOT_SENT for test in tests for rule in names if _is(test, rule))
            if block.name == kind and zeros != block.rows.startswith("none of "):
                return f"'{block.name}' is of {block.rows}, and its test says {'not ' if zeros else ''}that it is sent"
    return ""


def _value(text: str) -> float:
    return float(text.replace(",", ""))
