"""What a pass over a table met: for this silo's own screen, nothing in it leaves.

Owns the dataclass. Must not know how it is shown. Internal.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from fedcli.data.thinned import Thinned


@dataclass
class ReadingReport:
    """What one pass over a table met.

    Parameters
    ----------
    rows_read : int
        Records with anything in the study's columns.
    rows_used : int
    blank : int
        Records with nothing in any of them.
    dropped : dict of str to int
        Rows left out, by the column (target, times, offset, weight) that is missing; a row counts once.
    missing : dict of str to int
        Missing cells of each feature among the rows used, those taken out by ``outside: missing`` included.
    outside : dict of str to int
        Cells clipped or taken for missing because they lie outside the range.
    levels : dict of str to dict of str to int
        Rows of each level of each category, and of the target's classes, ``positive`` and ``negative``
        where it says yes or no.
    extent : dict of str to (float, float)
        Smallest and largest value of each number among the rows used, agreed units.
    seen : dict of str to Thinned
        Values of each number, agreed units, before any is clipped or taken for missing; NaN where there is none.
    """

    rows_read: int = 0
    rows_used: int = 0
    blank: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)
    levels: dict[str, dict[str, int]] = field(default_factory=dict)
    extent: dict[str, tuple[float, float]] = field(default_factory=dict)
    seen: dict[str, Thinned] = field(default_factory=lambda: defaultdict(Thinned), compare=False)
