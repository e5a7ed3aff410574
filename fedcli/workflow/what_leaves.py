"""What would leave a silo, as `train` shows it: classes of numbers, tests, and who is told.

Owns the dataclasses. Knows nothing of how they are printed or found. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ReleaseBlock:
    """One class of numbers that would leave.

    ``shape`` is the array's as it is sent, ``form`` says how people read it: ``13 x 13 with each pair once``. ``rows``
    are those behind the numbers; ``singly`` says who can read them for this silo alone, ``in_sum`` who cannot.
    """

    name: str
    count: int
    says: str
    shape: tuple[int, ...] = ()
    form: str = ""
    rows: str = ""
    singly: str = ""
    in_sum: str = ""


@dataclass(frozen=True)
class ReleaseTest:
    """One rule that a release was held to, what it requires, what was found, and what became of it.

    ``passed``; ``no rule`` where the agreement has none; ``not sent`` where zeros leave in place of what failed it.
    """

    rule: str
    required: str
    found: str
    outcome: str = "passed"


@dataclass(frozen=True)
class SheetKept:
    """The sheet of a release as files in ``review/``: its text, which is what is approved, and its page."""

    text: Path
    page: Path
    digest: str


@dataclass(frozen=True)
class Release:
    """What would leave a silo, shown before it does.

    ``columns`` are those that are summed, after the intercept; ``dropped`` counts rows that are not used by the column
    that they lack; ``sheet`` is None as long as it is not a file.
    """

    silo: str
    study: str
    title: str
    round: int
    attempt: int
    rows: int
    rows_held_out: int
    rows_dropped: int
    blocks: tuple[ReleaseBlock, ...]
    columns: tuple[str, ...]
    n_columns: int
    smallest: tuple[str, int] | None
    recipient: str
    recipient_fingerprint: str
    update: Path
    size: int
    again: bool
    warnings: tuple[str, ...]
    tests: tuple[ReleaseTest, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    sheet: SheetKept | None = None
