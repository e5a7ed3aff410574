"""Table 1 as text, Markdown and JSON.

Owns which lines there are, how many digits, and what stands below. Knows nothing of how lines are folded
(`table_layout`), of sums, files or screens. Internal.
"""

from __future__ import annotations

import dataclasses
import json
import math
import textwrap
from collections.abc import Sequence
from typing import Any

from fedcli.report.table_layout import Line, in_columns, in_one_block
from fedcli.report.table_one import (
    CategoryGroup,
    Correlation,
    Count,
    Described,
    Interval,
    NumberGroup,
    Point,
    TableOne,
)

# A correlation matrix of more columns does not fit a terminal: the strongest pairs are shown instead.
_WIDEST = 12
_STRONGEST = 10
_NONE = "-"


def as_text(table: TableOne, *, width: int | None = None) -> str:
    """Lay the table out for a terminal.

    Parameters
    ----------
    table : TableOne
    width : int, optional
        Most characters of a line. Where columns find no room side by side, each number of a cell gets a line of its
        own; where they still find none, some stand below the others. Without it lines are as long as they need to be.
    """
    parts, single = [], False
    for (_, lines), (_, narrow) in zip(_sections(table), _sections(table, single=True), strict=True):
        folds = width is not None and not in_one_block(lines, width)
        parts.append(in_columns(narrow if folds else lines, width))
        single |= folds and narrow != lines
    remarks = _remarks(table, single=single)
    if width is not None:
        remarks = [textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False) for line in remarks]
    return "\n\n".join([*parts, "\n".join(remarks)]).rstrip() + "\n"


def as_markdown(table: TableOne) -> str:
    """Write the table for a document."""
    out = [f"# {_escaped(table.title or table.study)}", ""]
    for title, lines in _sections(table, whole_matrix=True):
        head, *body = lines
        out += [f"## {title}", "", f"|{'|'.join(f' {_escaped(cell)} ' for cell in head)}|"]
        out.append("|---|" + "---:|" * (len(head) - 1))
        for line in body:
            label = _escaped(line[0].strip())
            indent = "&nbsp;&nbsp;" if line[0].startswith(" ") else ""
            cells = [*line[1:], *[""] * (len(head) - len(line))]
            out.append(f"| {indent}{label} |{''.join(f' {_escaped(cell)} |' for cell in cells)}")
        out.append("")
    return "\n".join([*out, *(f"- {line}" for line in _remarks(table))]).rstrip() + "\n"


def as_document(table: TableOne) -> dict[str, Any]:
    """Return the table as JSON values; an inflation factor without end is ``"infinite"``."""
    document = dataclasses.asdict(table)
    document["groups"] = [{"name": name, "rows": rows} for name, rows in table.groups]
    if table.correlation is not None:
        factors = ["infinite" if f is not None and math.isinf(f) else f for f in table.correlation.inflation]
        document["correlation"]["inflation"] = factors
    return document


def as_json(table: TableOne) -> str:
    """Write `as_document` for other programs."""
    return json.dumps({"schema": 1, **as_document(table)}, indent=2, allow_nan=False) + "\n"


def _sections(table: TableOne, *, whole_matrix: bool = False, single: bool = False) -> list[tuple[str, list[Line]]]:
    """Return titles and lines; with ``single`` a cell of the table holds one number and its bounds."""
    found: list[tuple[str, list[Line]]] = []
    if table.groups:
        lines: list[Line] = [("", *(name for name, _ in table.groups))]
        lines.append(("rows", *(_number_of(rows) for _, rows in table.groups)))
        for column in table.columns:
            lines += _described(column, [rows for _, rows in table.groups], single=single)
        found.append(("Rows and columns", lines))
    if table.correlation is not None:
        matrix = whole_matrix or len(table.correlation.columns) <= _WIDEST
        found.append(("Correlation of the imputed columns", _correlations(table.correlation, matrix=matrix)))
    return found


def _described(column: Described, rows: Sequence[Count], *, single: bool) -> list[Line]:
    lines: list[Line] = [(f"{column.name}, {column.unit}" if column.unit else column.name,)]
    numbers = [group for group in column.groups if isinstance(group, NumberGroup)]
    if numbers:
        digits = _digits(numbers[0].deviation)
        lines += _one_by_one(numbers, digits) if single else _together(numbers, digits)
        lines += _end("lowest", [group.lowest for group in numbers], digits, single=single)
        lines += _end("highest", [group.highest for group in numbers], digits, single=single)
        missing = [group.missing for group in numbers]
    else:
        levels = [group for group in column.groups if isinstance(group, CategoryGroup)]
        lines += [
            (f"  {name}", *(_share(group.levels[name], _with_level(group)) for group in levels))
            for name in levels[0].levels
        ]
        missing = [group.missing for group in levels]
    if any(n != 0 for n in missing):
        lines.append(("  missing", *(_share(n, whole) for n, whole in zip(missing, rows, strict=True))))
    return lines


def _together(numbers: Sequence[NumberGroup], digits: int) -> list[Line]:
    lines: list[Line] = [("  mean (sd)", *(_mean(group, digits) for group in numbers))]
    lines.append(("  median [q1, q3]", *(_quartiles(group, digits) for group in numbers)))
    bounds = [_bounds(group, digits) for group in numbers]
    return [*lines, ("    within", *bounds)] if any(bounds) else lines


def _one_by_one(numbers: Sequence[NumberGroup], digits: int) -> list[Line]:
    def quartile(point: Point | None) -> str:
        if point is None:
            return _NONE
        return _estimate(point, digits) + (f" {_bound(point, digits)}" if point.error else "")

    return [
        ("  mean", *(_rounded(group.mean, digits) for group in numbers)),
        ("  sd", *(_rounded(group.deviation, digits) for group in numbers)),
        ("  q1", *(quartile(group.q1) for group in numbers)),
        ("  median", *(quartile(group.median) for group in numbers)),
        ("  q3", *(quartile(group.q3) for group in numbers)),
    ]


def _end(name: str, found: Sequence[Interval | None], digits: int, *, single: bool) -> list[Line]:
    said = [_interval(interval, digits) for interval in found]
    if all(len(ends) < 2 for ends in said):
        return [(f"  {name}", *(ends[0] for ends in said))]
    if single:
        return [(f"  {name} from", *(ends[0] for ends in said)), ("    to", *(ends[-1] for ends in said))]
    return [(f"  {name} in", *(" to ".join(ends) for ends in said))]


def _with_level(group: CategoryGroup) -> Count:
    counts = [count for count in group.levels.values() if isinstance(count, int)]
    return sum(counts) if len(counts) == len(group.levels) else None


def _correlations(found: Correlation, *, matrix: bool) -> list[Line]:
    def factor(value: float | None) -> str:
        return _NONE if value is None else "infinite" if math.isinf(value) else f"{value:.2f}"

    def r(value: float | None) -> str:
        return _NONE if value is None else f"{_positive_zero(value, 2):.2f}"

    n = len(found.columns)
    if matrix:
        lines: list[Line] = [("correlation", "VIF", *(str(i + 1) for i in range(n - 1)))]
        for i, name in enumerate(found.columns):
            lines.append((f"{i + 1} {name}", factor(found.inflation[i]), *(r(found.matrix[i][j]) for j in range(i))))
        return lines
    lines = [("column", "VIF")]
    lines += [(name, factor(value)) for name, value in zip(found.columns, found.inflation, strict=True)]
    pairs = [(i, j, found.matrix[i][j]) for i in range(n) for j in range(i)]
    known = sorted(((i, j, v) for i, j, v in pairs if v is not None), key=lambda pair: -abs(pair[2]))
    lines.append(("strongest correlations",))
    return lines + [(f"  {found.columns[j]}, {found.columns[i]}", r(v)) for i, j, v in known[:_STRONGEST]]


def _remarks(table: TableOne, *, single: bool = False) -> list[str]:
    lines = []
    for filled in table.medians:
        point = filled.value
        digits = _digits(point.upper - point.lower) + 2
        ends = " to ".join(_interval(Interval(point.lower, point.upper), digits))
        bounds = f"which lies from {ends}" if point.error else "which is exact"
        value = _shortest(point.estimate, digits)
        lines.append(f"{filled.name}: missing values are filled with the pooled median {value}, {bounds}")
    if table.groups and table.held_out is not None:
        share = f"{100 * table.held_out.share:.3g} % of each silo's rows"
        rows = table.held_out.rows
        how_many = f"about {share} are" if rows is None else f"{_number_of(rows)} more, about {share}, are"
        lines.append(f"rows: those of the fit; {how_many} held out to measure it, and not described here")
    if table.groups:
        mark = "±" if single else "within"
        lines.append(f"{mark}: how far each quantile may be from what is printed; without it, all are exact")
        small = [cell for column in table.columns for group in column.groups for cell in _counts(group)]
        if any(isinstance(cell, str) for cell in small):
            lines.append("<: a count too small to show; with it, '-' stands for counts from which it would follow")
    return lines


def _counts(group: NumberGroup | CategoryGroup) -> list[Count]:
    if isinstance(group, NumberGroup):
        return [group.present, group.missing]
    return [group.missing, *group.levels.values()]


def _mean(group: NumberGroup, digits: int) -> str:
    deviation = "" if group.deviation is None else f" ({_rounded(group.deviation, digits)})"
    return f"{_rounded(group.mean, digits)}{deviation}"


def _rounded(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{_positive_zero(value, digits):,.{digits}f}"


def _quartiles(group: NumberGroup, digits: int) -> str:
    if group.median is None or group.q1 is None or group.q3 is None:
        return _NONE
    q1, median, q3 = (_estimate(point, digits) for point in (group.q1, group.median, group.q3))
    return f"{median} [{q1}, {q3}]"


def _estimate(point: Point, digits: int) -> str:
    if not point.error:
        return _shortest(point.estimate, 6)
    return _rounded(point.estimate, digits)


def _bounds(group: NumberGroup, digits: int) -> str:
    """Return how far each of the three quartiles may be off, laid out as they are; nothing if all are exact."""
    if group.median is None or group.q1 is None or group.q3 is None:
        return ""
    if not any(point.error for point in (group.q1, group.median, group.q3)):
        return ""
    q1, median, q3 = (_bound(point, digits) for point in (group.q1, group.median, group.q3))
    return f"{median} [{q1}, {q3}]"


def _bound(point: Point, digits: int) -> str:
    """Return the error of one quantile with the rounding of what is printed, rounded up."""
    if not point.error:
        return "±0"
    widest = point.error + abs(round(point.estimate, digits) - point.estimate)
    # Decimal fractions are no floats: without the slack, 0.3 would be rounded up to 0.4.
    steps = math.ceil(widest * 10**digits * (1 - 1e-9))
    return f"±{steps / 10**digits:,.{digits}f}"


def _interval(found: Interval | None, digits: int) -> tuple[str, ...]:
    """Return both ends of an interval, rounded outwards, or the one number that it holds."""
    if found is None:
        return (_NONE,)
    if found.lower == found.upper:
        return (_shortest(found.lower, 6),)
    # The slack is for bounds that are decimal fractions, which are no floats.
    lower = math.floor(found.lower * 10**digits + 1e-6) / 10**digits
    upper = math.ceil(found.upper * 10**digits - 1e-6) / 10**digits
    return _shortest(lower, digits), _shortest(upper, digits)


def _shortest(value: float, digits: int) -> str:
    """Return a number without zeros at its end."""
    text = f"{_positive_zero(value, digits):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digits(spread: float | None) -> int:
    """Return how many decimals show a column whose values differ by about ``spread``."""
    return min(max(2 - math.ceil(math.log10(spread)), 0), 9) if spread else 1


def _positive_zero(value: float, digits: int) -> float:
    return round(value, digits) + 0.0


def _number_of(count: Count) -> str:
    return _NONE if count is None else count if isinstance(count, str) else f"{count:,}"


def _share(count: Count, whole: Count) -> str:
    shown = _number_of(count)
    if isinstance(count, int) and isinstance(whole, int) and whole:
        return f"{shown} ({100 * count / whole:.1f}%)"
    return shown


def _escaped(text: str) -> str:
    # What people wrote into the agreement is text, never markup.
    return "".join(f"\\{c}" if c in "\\|*_`[]<>#" else c for c in text)
