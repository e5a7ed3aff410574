"""The tests of what leaves beside the usual sums: counts in a histogram, third derivatives, figures of rows held out.

Owns what the person is told of them. Knows nothing of tables, keys or files. Internal.
"""

from __future__ import annotations

from fedcli.compute.update import Sums
from fedcli.errors import CellTooSmall
from fedcli.models.third_order import rows_needed
from fedcli.preparing.plan import Plan
from fedcli.privacy.differencing import Difference
from fedcli.report import sheet_rules as named
from fedcli.report.sheet import SheetTest, number_of
from fedcli.report.sheet_rules import NO_RULE, NOT_SENT, PASSED
from fedcli.study.document import BinaryTarget

EVALUATION, HISTOGRAM, THIRD = "evaluation", "below", "third"


def histogram_tests(plan: Plan, sums: Sums) -> list[SheetTest]:
    """Return what the counts below edges were held to, where there are any.

    Raises
    ------
    CellTooSmall
        Two counts that differ do so by too few rows: a mistake in fedcli, since bins are joined until none do.
    """
    if HISTOGRAM not in sums.total:
        return []
    least, min_cell = plan.profile.smallest_step(sums.total), plan.study.rules.min_cell
    if least is not None and least < min_cell:
        raise CellTooSmall(
            f"two counts of the histogram lie less than {number_of(min_cell, 'row')} apart",
            hint="send nothing; this is a mistake in fedcli, please report it",
        )
    return [
        SheetTest(
            named.HISTOGRAM,
            f"equal, or at least {number_of(min_cell, 'row')} apart",
            "all are equal" if least is None else f"at least {number_of(least, 'row')} apart",
            PASSED if min_cell > 1 else NO_RULE,
        )
    ]


def third_order_tests(plan: Plan, sums: Sums) -> list[SheetTest]:
    """Return what third derivatives were held to, where they ride on the trip.

    As with rows held out, zeros leave in their place where they fail.
    """
    if THIRD not in sums.total:
        return []
    rules = plan.study.rules
    needed = rows_needed(plan.columns.n_columns, rules.rows_per_column)
    return [
        SheetTest(
            f"{named.THIRD}: rows, groups of three features, one row standing out",
            f"at least {number_of(max(needed, 1), 'row')}, groups of at least {rules.min_cell} if any, and no such row",
            sums.without_third or "all of it is so",
            NOT_SENT if sums.without_third else PASSED,
        )
    ]


def held_out_tests(
    plan: Plan, sums: Sums, n_held_out: int, *, few: bool, differs: Difference | None, least: int
) -> list[SheetTest]:
    """Return what the figures of rows held out were held to, where they ride on the trip.

    One that fails stops no release: zeros leave in place of the figures.

    Parameters
    ----------
    plan : Plan
    sums : Sums
    n_held_out : int
    few : bool
        Whether all of them, or those of one outcome, are some but too few.
    differs : Difference or None
        From the most similar set of rows that was evaluated before.
    least : int
        By how many rows two such sets must differ, if they do.
    """
    if EVALUATION not in sums.total:
        return []
    min_cell, binary = plan.study.rules.min_cell, isinstance(plan.study.target, BinaryTarget)
    found = number_of(n_held_out, "row")
    if few and n_held_out >= min_cell:
        found += ", of one outcome too few"
    elif binary and not sums.silent_holdout:
        found += f", {round(sums.total[EVALUATION][1]):,} of them positive"
    near = differs is not None and differs.shows_few(least)
    return [
        SheetTest(
            f"{named.HELD_OUT}{', in all and of either outcome' if binary else ''}",
            f"none, or at least {min_cell}",
            found,
            NOT_SENT if few else PASSED if min_cell > 1 else NO_RULE,
        ),
        SheetTest(
            named.HELD_OUT_DIFFER,
            f"none, or at least {least:,}",
            "none was evaluated before" if differs is None else f"{differs.added:,} new, {differs.removed:,} gone",
            NOT_SENT if near else PASSED,
        ),
    ]
