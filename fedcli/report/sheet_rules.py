"""The rules that stand on every sheet, by the names under which its tests say them, and which sums none of them covers.

Owns these words, so that who writes a sheet and who checks one mean the same. Knows nothing of how rows are tested.
Internal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fedcli.compute.shares import COUNTED, MULTIPLIED, SUMMED
from fedcli.preparing.profile import of_all_rows

ROWS, PER_COLUMN, SMALLEST = "rows in the sums", "rows per column", "smallest group of levels"
AT_A_POINT, SHARE = "one row standing out at a point", "one row's share of a column's sums"
DIFFER = "rows that differ from"
DIFFER_HERE = f"{DIFFER} an earlier release of this workspace"
DIFFER_ELSEWHERE = f"{DIFFER} releases of other studies and workspaces with this key"
ROUND, UNCOVERED = "round", "sums that no test on one row looks at"
COEFFICIENTS, LEVELS, LEVELS_PER_ROW = "coefficients per row", "levels of a category", "levels per row"
HISTOGRAM, THIRD = "neighbouring counts of the histogram", "third derivatives"
HELD_OUT, HELD_OUT_DIFFER = "rows held out", "rows held out that differ from those evaluated before"
# The others stand there where the study has the rule, or the kind of number rides on the trip.
ALWAYS = (ROWS, PER_COLUMN, SMALLEST, AT_A_POINT, SHARE, DIFFER_HERE, DIFFER_ELSEWHERE, ROUND)

PASSED, NO_RULE, NOT_TESTED, NOT_SENT = "passed", "no rule", "not tested", "not sent"
OUTCOMES = (PASSED, NO_RULE, NOT_TESTED, NOT_SENT)


def uncovered(blocks: Iterable[str], guarded: Collection[str], *, shares: bool) -> list[str]:
    """Return which kinds of sums no test on one row looks at; counts are held to the rule on groups.

    Parameters
    ----------
    blocks : iterable of str
        The kinds of numbers that would leave.
    guarded : collection of str
        Those whose rows' weights at a point are tested.
    shares : bool
        Whether the study has a rule on one row's share of a column's sums.
    """
    names = [name for name in blocks if name not in guarded and of_all_rows(name) not in COUNTED]
    if shares:
        mixed = [name for name in names if of_all_rows(name) in MULTIPLIED]
        names = [name for name in names if of_all_rows(name) not in SUMMED]
        names += [f"products of two columns ({', '.join(mixed)})"] if mixed else []
    return names
