"""The table of estimators in ``docs/estimators.md``, made from what each says of itself.

Write it again after a change: ``python tests/estimators/page.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "fedcli" / "docs" / "estimators.md"
BEGIN, END = "| estimator | target |", "\n\n"


def lines() -> Iterator[str]:
    """Yield the table's lines."""
    from fedcli.preparing.estimators import ESTIMATORS

    yield "| estimator | target | parameters (defaults) | trips: typical, at most | equal to the pooled fit within |"
    yield "|---|---|---|---|---|"
    for name, known in ESTIMATORS.items():
        targets = ", ".join(known.targets)
        given = ", ".join(f"`{key}` ({_said(value)})" for key, value in known.defaults.items()) or "none"
        few, many = known.trips
        extra = "; `cv: K` beside them" if known.cv else ""
        extra += "; `averaging` beside them" if known.averaged else ""
        within = "bounds that it states" if known.stated(known.defaults) else f"{known.exact:.0e}"
        within = "not equal" if known.averaged else within
        yield f"| {name} | {targets} | {given}{extra} | {few}, {many} | {within} |".replace("e-0", "e-")


def _said(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_said, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def written(text: str) -> str:
    """Return the page's text with the table as it should be."""
    start = text.index(BEGIN)
    return text[:start] + "\n".join(lines()) + text[text.index(END, start) :]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
