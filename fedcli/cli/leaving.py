"""What ``train`` shows before anything leaves: every class of numbers, the tests, and who can read it. Internal.

One screen for people, one object for machines. What holds for several classes is said once, above them; what holds for
all of them once, below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedcli.cli.screen import Screen

if TYPE_CHECKING:
    from fedcli.workflow.what_leaves import Release, ReleaseBlock


def show_release(screen: Screen, release: Release) -> None:
    """Print what would leave, in the order in which a person asks: what, of whom, to whom, and is it safe."""
    screen.say(f"This is everything that would leave {release.silo}, round {release.round}:")
    width = max(len(block.name) for block in release.blocks)
    alike = len({(block.singly, block.in_sum) for block in release.blocks}) == 1
    for blocks in _grouped(release):
        first = blocks[0]
        who = "" if alike else f"; read singly by {first.singly}, only in sum by {first.in_sum}"
        screen.say(f"over {first.rows}{who}:")
        screen.table([(f"  {block.name:<{width}}", _numbers(block)) for block in blocks], to_stdout=False)
    screen.say("about all of it:")
    screen.table([(f"  {name}", value) for name, value in _facts(release, alike=alike)], to_stdout=False)
    screen.say("tests:")
    screen.table(
        [(f"  {test.outcome}", f"{test.rule}: {test.found}; required {test.required}") for test in release.tests],
        to_stdout=False,
    )
    for warning in release.warnings:
        screen.warn(warning)
    if release.sheet is not None and not release.again:
        screen.say(f"As a page: {release.sheet.page}", indent=2)


def release_object(release: Release) -> dict[str, Any]:
    """Return the same for machines."""
    sheet = release.sheet
    return {
        "rows": release.rows,
        "rows_held_out": release.rows_held_out,
        "dropped": [vars(dropped) for dropped in release.dropped],
        "blocks": [vars(block) for block in release.blocks],
        "columns": release.columns,
        "tests": [vars(test) for test in release.tests],
        "recipient": {"name": release.recipient, "fingerprint": release.recipient_fingerprint},
        "sheet": None if sheet is None else {"text": sheet.text, "page": sheet.page, "sha256": sheet.digest},
        "warnings": release.warnings,
    }


def _grouped(release: Release) -> list[list[ReleaseBlock]]:
    """Return the classes by the rows behind them and by who can read them, in the order in which they are met."""
    found: dict[tuple[str, str, str], list[ReleaseBlock]] = {}
    for block in release.blocks:
        found.setdefault((block.rows, block.singly, block.in_sum), []).append(block)
    return list(found.values())


def _numbers(block: ReleaseBlock) -> str:
    from fedcli.report.sheet import how_many

    return f"{how_many(block.count, block.form)}: {block.says}"


def _facts(release: Release, *, alike: bool) -> list[tuple[str, str]]:
    from fedcli.report.sheet import NEVER, SCALE, number_of

    first = release.blocks[0]
    rows = [
        ("columns", f"the intercept, {', '.join(release.columns)}; {SCALE}"),
        ("goes to", f"{release.recipient}, fingerprint {release.recipient_fingerprint}"),
    ]
    if alike:
        rows += [("read singly", f"by {first.singly}"), ("only in sum", f"by {first.in_sum}")]
    rows.append(("not included", NEVER))
    if release.rows_held_out and not any(block.name == "evaluation" for block in release.blocks):
        rows.append(("held out", f"{number_of(release.rows_held_out, 'more row')}, for evaluation"))
    if release.dropped:
        rows.append(("not used", ", ".join(map(str, release.dropped))))
    return rows
