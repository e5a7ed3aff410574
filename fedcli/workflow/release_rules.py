"""What a sheet says of the rules on rows: how many, single ones, those that differ; what was looked at, and what not.

Owns these lines' words. Knows nothing of tables, files or screens. Internal.
"""

from __future__ import annotations

from fedcli.compute.shares import FLOOR
from fedcli.compute.update import Sums
from fedcli.preparing.plan import Plan
from fedcli.privacy.differencing import Difference
from fedcli.privacy.disclosure import Disclosure
from fedcli.report import sheet_rules as named
from fedcli.report.sheet import SheetTest, number_of
from fedcli.report.sheet_rules import NO_RULE, NOT_TESTED, PASSED
from fedcli.study.document import Rules
from fedcli.workflow.releases import Compared

_FEW = 3
# The block of a model that was trained at a silo.
TRAINED = "parameters"


def rows_and_groups(plan: Plan, disclosure: Disclosure) -> tuple[SheetTest, ...]:
    """Return the rules on how many rows there are: in all, for each column, and in the smallest group."""
    rules, smallest = plan.study.rules, disclosure.smallest
    count = f"{disclosure.n_columns} multiplied columns"
    count += f", which count as {disclosure.n_counted:,}" if disclosure.n_counted > disclosure.n_columns else ""
    pairs = "pairs of levels" if plan.crosses else "levels by outcome"
    return (
        SheetTest(named.ROWS, f"at least {rules.min_rows:,}", f"{disclosure.n_rows:,}"),
        SheetTest(
            named.PER_COLUMN,
            f"at least {rules.rows_per_column:g} for each of {count}",
            f"{disclosure.n_rows / disclosure.n_counted:.1f}",
            PASSED if rules.rows_per_column else NO_RULE,
        ),
        SheetTest(
            f"{named.SMALLEST}, {pairs} and outcomes",
            f"none, or at least {number_of(rules.min_cell, 'row')}",
            f"{smallest.says}: {smallest.count:,}" if smallest else "there are no groups",
            PASSED if rules.min_cell > 1 else NO_RULE,
        ),
    )


def agreed_limits(plan: Plan, disclosure: Disclosure) -> list[SheetTest]:
    """Return the rules that only some studies have."""
    rules = plan.study.rules
    tests = []
    if rules.parameters_per_row is not None:
        required = f"at most {rules.parameters_per_row:g} for each row"
        tests.append(SheetTest(named.COEFFICIENTS, required, f"{plan.n_coefficients / disclosure.n_rows:.2g}"))
    most = max((len(column.agreed) for column in plan.study.categories.values()), default=0)
    if rules.max_levels is not None:
        tests.append(SheetTest(named.LEVELS, f"at most {rules.max_levels}", f"{most}"))
    if rules.levels_per_row is not None:
        required = f"at most {rules.levels_per_row:g} for each row"
        tests.append(SheetTest(named.LEVELS_PER_ROW, required, f"{most / disclosure.n_rows:.2g}"))
    return tests


def weights_at_points(sums: Sums) -> SheetTest:
    """Return the rule on weights at points, and which kinds of sums were held to it."""
    rule, required = named.AT_A_POINT, "no row with most of the weight at any point"
    if TRAINED in sums.total:
        said = f"{TRAINED}: trained from the model received, by no known weights of rows"
        return SheetTest(rule, required, said, NOT_TESTED)
    if not sums.guarded:
        return SheetTest(rule, required, "no sum of this round is at one", NOT_TESTED)
    return SheetTest(rule, required, f"{', '.join(sums.guarded)}: none has one")


def share_of_one_row(rules: Rules, disclosure: Disclosure) -> SheetTest:
    """Return the rule on dominance, also where the study has none: then nobody has looked."""
    rule, most, largest = named.SHARE, rules.largest_share, disclosure.largest
    if most is None:
        return SheetTest(rule, "anything", "not measured", NO_RULE)
    required = f"at most {most:.0%}"
    here = f"{largest.share:.1%} of {largest.says}" if largest else f"none has more than {min(FLOOR, most):.0%}"
    return SheetTest(rule, required, here)


def not_covered(sums: Sums, rules: Rules) -> list[SheetTest]:
    """Return which kinds of sums neither of these two looks at; counts are held to the rule on groups."""
    blocks = [block.name for block in sums.layout]
    names = named.uncovered(blocks, sums.guarded, shares=rules.largest_share is not None)
    return [SheetTest(named.UNCOVERED, "nothing", ", ".join(names), NOT_TESTED)] if names else []


def rows_that_differ(differs: Difference | None, elsewhere: Compared, least: int) -> tuple[SheetTest, SheetTest]:
    """Return the rule on rows that differ, for this workspace and for all others with this key.

    Parameters
    ----------
    differs : Difference or None
        From the nearest release of this workspace; None before the first.
    elsewhere : Compared
    least : int
    """
    required = f"none, or at least {least:,}"
    said = "there is no earlier one" if differs is None else _counted(differs)
    own = SheetTest(named.DIFFER_HERE, required, said)
    if elsewhere.nearest is None:
        said = f"none of these columns in {elsewhere.folder}"
    else:
        kept, nearest = elsewhere.nearest
        said = f"{len(elsewhere.found):,} in {elsewhere.folder}; nearest, of '{kept.name}': {_counted(nearest)}"
    if elsewhere.unknown:
        said += f"; {len(elsewhere.unknown):,} could not be compared"
    if elsewhere.lost:
        said += f"; {elsewhere.lost:,} of this workspace are gone from there"
    required += " of each; between studies, new or gone"
    return own, SheetTest(named.DIFFER_ELSEWHERE, required, said, PASSED if elsewhere.complete else NOT_TESTED)


def warnings_elsewhere(elsewhere: Compared, study: str, least: int) -> list[str]:
    """Return what a person should know of other releases of some of the same columns.

    Parameters
    ----------
    elsewhere : Compared
    study : str
        Digest of this study.
    least : int
    """
    warnings = [
        f"less the release of study '{kept.name}' this one shows the sums of {_counted(difference)} rows: "
        "whoever reads both, and knows the many, sees the few"
        for kept, difference in elsewhere.found
        if kept.study != study and difference.shows_few(max(least, kept.least))
    ]
    if elsewhere.unknown:
        names = sorted({f"'{kept.name}'" for kept in elsewhere.unknown})
        some = ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW:,} more" if len(names) > _FEW else "")
        studies = "study" if len(names) == 1 else "studies"
        warnings.append(
            f"rows not compared with those released to {studies} {some}, which read other columns too, or had another "
            "key"
        )
    if elsewhere.lost:
        warnings.append(
            f"{elsewhere.folder} lacks {number_of(elsewhere.lost, 'release')} that this workspace recorded: put the "
            "folder back beside the key"
        )
    return warnings


def _counted(difference: Difference) -> str:
    return f"{difference.added:,} new, {difference.removed:,} gone"
