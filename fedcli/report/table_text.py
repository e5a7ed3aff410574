"""Table 1 as text, Markdown and JSON.

Owns the layout: which lines, how many digits, what stands below. Knows nothing of sums, files or screens. Internal.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

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

Line = tuple[str, ...]
# A correlation matrix of more columns does not fit a terminal: the strongest pairs are shown instead.
_WIDEST = 12
_STRONGEST = 10
_NONE = "-"


def as_text(table: TableOne) -> str:
    """Lay the table out for a terminal; the columns are as wide as their widest cell."""
    parts = [_aligned(lines) for _, lines in _sections(table, matrix=len(_correlated(table)) <= _WIDEST)]
    return "\n\n".join([*parts, "\n".join(_remarks(table))]).rstrip() + "\n"


def as_markdown(table: TableOne) -> str:
    """Write the table for a document."""
    out = [f"# {_escaped(table.title or table.study)}", ""]
    for title, lines in _sections(table, matrix=True):
        head, *body = lines
        out += [f"## {title}", "", f"|{'|'.join(f' {_escaped(cell)} ' for cell in head)}|"]
        out.append("|---|" + "---:|" * (len(head) - 1))
        for line in body:
            label = _escaped(line[0].strip())
            indent = "&nbsp;&nbsp;" if line[0].startswith(" ") else ""
            out.append(f"| {indent}{label} |{''.join(f' {_escaped(cell)} |' for cell in _padded(line, len(head))[1:])}")
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


def _sections(table: TableOne, *, matrix: bool) -> list[tuple[str, list[Line]]]:
    found: list[tuple[str, list[Line]]] = []
    if table.groups:
        lines: list[Line] = [("", *(name for name, _ in table.groups))]
        lines.append(("rows", *(_number_of(rows) for _, rows in table.groups)))
        for column in table.columns:
            lines += _described(column, [rows for _, rows in table.groups])
        found.append(("Rows and columns", lines))
    if table.correlation is not None:
        found.append(("Correlation of the imputed columns", _correlations(table.correlation, matrix=matrix)))
    return found


def _described(column: Described, rows: Sequence[Count]) -> list[Line]:
    heading = f"{column.name}, {column.unit}" if column.unit else column.name
    numbers = [group for group in column.groups if isinstance(group, NumberGroup)]
    if numbers:
        digits = _digits(numbers[0].deviation)
        lines: list[Line] = [(heading,)]
        lines.append(("  mean (sd)", *(_mean(group, digits) for group in numbers)))
        lines.append(("  median [q1, q3]", *(_quartiles(group, digits) for group in numbers)))
        bounds = [_bounds(group, digits) for group in numbers]
        lines += [("    within", *bounds)] if any(bounds) else []
        for name, ends in (("lowest", [g.lowest for g in numbers]), ("highest", [g.highest for g in numbers])):
            label = f"  {name} in" if any(end is not None and end.lower < end.upper for end in ends) else f"  {name}"
            lines.append((label, *(_interval(end, digits) for end in ends)))
        missing = [group.missing for group in numbers]
    else:
        levels = [group for group in column.groups if isinstance(group, CategoryGroup)]
        lines = [(heading,)]
        lines += [
            (f"  {name}", *(_share(group.levels[name], _with_level(group)) for group in levels))
            for name in levels[0].levels
        ]
        missing = [group.missing for group in levels]
    if any(n != 0 for n in missing):
        lines.append(("  missing", *(_share(n, whole) for n, whole in zip(missing, rows, strict=True))))
    return lines


def _with_level(group: CategoryGroup) -> Count:
    counts = [count for count in group.levels.values() if isinstance(count, int)]
    return sum(counts) if len(counts) == len(group.levels) else None


def _correlated(table: TableOne) -> Sequence[str]:
    return table.correlation.columns if table.correlation is not None else ()


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


def _remarks(table: TableOne) -> list[str]:
    lines = []
    for filled in table.medians:
        point, digits = filled.value, _digits(filled.value.upper - filled.value.lower)
        bounds = f"which lies from {point.lower:.6g} to {point.upper:.6g}" if point.error else "which is exact"
        value = f"{point.estimate:.{digits + 2}f}"
        lines.append(f"{filled.name}: missing values are filled with the pooled median {value}, {bounds}")
    if table.groups:
        lines.append("within: how far each quantile may be from what is printed; without it, all are exact")
        small = [cell for column in table.columns for group in column.groups for cell in _counts(group)]
        if any(isinstance(cell, str) for cell in small):
            lines.append("<: a count too small to show; with it, '-' stands for counts from which it would follow")
    return lines


def _counts(group: NumberGroup | CategoryGroup) -> list[Count]:
    if isinstance(group, NumberGroup):
        return [group.present, group.missing]
    return [group.missing, *group.levels.values()]


def _mean(group: NumberGroup, digits: int) -> str:
    if group.mean is None:
        return _NONE
    deviation = "" if group.deviation is None else f" ({group.deviation:,.{digits}f})"
    return f"{_positive_zero(group.mean, digits):,.{digits}f}{deviation}"


def _quartiles(group: NumberGroup, digits: int) -> str:
    if group.median is None or group.q1 is None or group.q3 is None:
        return _NONE
    q1, median, q3 = (_estimate(point, digits) for point in (group.q1, group.median, group.q3))
    return f"{median} [{q1}, {q3}]"


def _estimate(point: Point, digits: int) -> str:
    if not point.error:
        return _shortest(point.estimate, 6)
    return f"{_positive_zero(point.estimate, digits):,.{digits}f}"


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


def _interval(found: Interval | None, digits: int) -> str:
    """Return an interval rounded outwards, or the one number that it holds."""
    if found is None:
        return _NONE
    if found.lower == found.upper:
        return _shortest(found.lower, 6)
    lower, upper = (found.lower * 10**digits, found.upper * 10**digits)
    # The slack is for bounds that are decimal fractions, which are no floats.
    lower, upper = math.floor(lower + 1e-6) / 10**digits, math.ceil(upper - 1e-6) / 10**digits
    return f"{_shortest(lower, digits)} to {_shortest(upper, digits)}"


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


def _padded(line: Line, width: int) -> Line:
    return (*line, *([""] * (width - len(line))))


def _aligned(lines: Sequence[Line]) -> str:
    width = max(map(len, lines))
    cells = [_padded(line, width) for line in lines]
    # A heading stands alone in its line and may be wider than the labels.
    wide = [max((len(line[k]) for line in cells if k or any(line[1:])), default=0) for k in range(width)]
    out = []
    for label, *values in cells:
        right = [f"{cell:>{w}}" for cell, w in zip(values, wide[1:], strict=True)]
        out.append("  ".join([f"{label:<{wide[0]}}", *right]).rstrip())
    return "\n".join(out)


def _escaped(text: str) -> str:
    # What people wrote into the agreement is text, never markup.
    return "".join(f"\\{c}" if c in "\\|*_`[]<>#" else c for c in text)
