"""What would leave a silo, for the screen, the sheet and the ledger.

Owns the three forms of one release, so that they cannot say different things. Knows nothing of tables, keys or of
asking. Internal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedcli.compute.update import Sums
from fedcli.crypto.keys import PublicKey
from fedcli.data.reading_report import ReadingReport
from fedcli.preparing.plan import Plan
from fedcli.preparing.profile import POSITIVE
from fedcli.privacy.differencing import Difference
from fedcli.privacy.disclosure import Disclosure
from fedcli.report.sheet import Sheet, SheetBlock, SheetContext, SheetTest
from fedcli.workflow.approve import PAGE_ENDING, SHEET_ENDING
from fedcli.workflow.files import SOFTWARE
from fedcli.workflow.release_rules import (
    not_covered,
    rows_that_differ,
    share_of_one_row,
    warnings_elsewhere,
    weights_at_points,
)
from fedcli.workflow.releases import Compared
from fedcli.workflow.results import Release, ReleaseBlock, ReleaseTest
from fedcli.workflow.silo import SiloSide
from fedcli.workflow.workspace import make_folder, write_bytes

PLAIN_WARNING = "aggregation is plain: the coordinator can read this update singly, not only the sum over silos"
CHANGED_WARNING = (
    "the table is not the one of your earlier update of this study{counted}: whoever can read both updates can "
    "subtract them, and sees the sum of the rows that differ; with few such rows that is nearly the rows themselves"
)
INTERRUPTED_WARNING = (
    "the last line of ledger.jsonl was written by a run that stopped before its update was: that update never left"
)
_EVALUATION = "evaluation"


@dataclass(frozen=True)
class Computed:
    """One silo's update for one trip, before anybody was asked.

    Parameters
    ----------
    silo : str
    round, attempt : int
    parent : str
        Digest of the model that it continues.
    plan : Plan
    sums : Sums
    disclosure : Disclosure
    report : ReadingReport
        Of the pass over the table.
    table : str
        Keyed hash of all rows.
    content : str
        Keyed hash of the numbers.
    changed, interrupted : bool
        Whether the table is another than before, and whether an earlier run stopped half-way.
    differs : Difference or None
        From the most similar set of rows that was summed before; None before the first.
    elsewhere : Compared
        The same for what other workspaces and studies of this silo have released.
    least : int
        In how many rows a later release must differ from an earlier one, if it does.
    """

    silo: str
    round: int
    attempt: int
    parent: str
    plan: Plan
    sums: Sums
    disclosure: Disclosure
    report: ReadingReport
    table: str
    content: str
    changed: bool
    interrupted: bool
    differs: Difference | None
    elsewhere: Compared
    least: int

    @property
    def file_name(self) -> str:
        """The update's name: ``heart-north-r1.fedupdate``."""
        attempt = f"-a{self.attempt}" if self.attempt > 1 else ""
        return f"{self.plan.study.study}-{self.silo}-r{self.round}{attempt}.fedupdate"


def release_of(side: SiloSide, found: Computed, target: Path, *, again: bool) -> Release:
    """Return what the person is shown.

    Parameters
    ----------
    side : SiloSide
    found : Computed
    target : Path
        Where the update would be written.
    again : bool
        Whether it left before, so that the same bytes are written again.
    """
    coordinator, disclosure, sums = side.study.roster.coordinator, found.disclosure, found.sums
    warnings = [PLAIN_WARNING]
    if sums.silent_holdout:
        warnings.append(
            f"of {disclosure.n_held_out} rows held out, fewer than {side.study.study.rules.min_cell} are in all or in "
            "one class, or few differ from those evaluated before: their evaluation is not sent"
        )
    if found.changed:
        differs = found.differs
        counted = f" ({differs.added:,} new and {differs.removed:,} gone in the sums)" if differs is not None else ""
        warnings.append(CHANGED_WARNING.format(counted=counted))
    warnings += warnings_elsewhere(found.elsewhere, side.study.digest, found.least)
    if found.interrupted:
        warnings.append(INTERRUPTED_WARNING)
    for column, count in found.report.outside.items():
        if count:
            clipped = side.study.study.numbers[column].outside == "clip"
            became = "clipped to it" if clipped else "taken for missing"
            warnings.append(f"{count:,} values of '{column}' lie outside the agreed range and are {became}")
    warnings += map(str, disclosure.merged)
    return Release(
        silo=found.silo,
        study=side.study.study.study,
        title=side.study.study.title,
        round=found.round,
        attempt=found.attempt,
        rows=disclosure.n_rows,
        rows_held_out=disclosure.n_held_out,
        rows_dropped=found.report.rows_read - found.report.rows_used,
        blocks=tuple(ReleaseBlock(block.name, block.size, block.says, block.shape) for block in sums.layout),
        columns=found.plan.columns.names,
        n_columns=disclosure.n_columns,
        smallest=(disclosure.smallest.says, disclosure.smallest.count) if disclosure.smallest else None,
        recipient=coordinator.name,
        recipient_fingerprint=coordinator.fingerprint,
        update=target,
        size=sums.layout.size * 16,
        again=again,
        warnings=tuple(warnings),
        tests=_tests(found),
    )


def _tests(found: Computed) -> tuple[ReleaseTest, ...]:
    """Return every rule that this release was held to. One that failed ended the run before there was a release."""
    rules, disclosure = found.plan.study.rules, found.disclosure
    smallest = disclosure.smallest
    per_column = disclosure.n_rows / disclosure.n_columns
    tests = [
        ReleaseTest("rows in the sums", f"at least {rules.min_rows:,}", f"{disclosure.n_rows:,}"),
        ReleaseTest(
            "rows per column",
            f"at least {rules.rows_per_column:g} for each of {disclosure.n_columns} columns that are multiplied",
            f"{per_column:.1f}",
            "passed" if rules.rows_per_column else "no rule",
        ),
        ReleaseTest(
            "smallest group of levels, pairs of levels and outcomes",
            f"none, or at least {rules.min_cell} rows",
            f"{smallest.says}: {smallest.count:,}" if smallest else "there are no groups",
            "passed" if rules.min_cell > 1 else "no rule",
        ),
        weights_at_points(found.sums),
        share_of_one_row(rules, disclosure),
        *not_covered(found.sums, rules),
        *rows_that_differ(found.differs, found.elsewhere, found.least),
        ReleaseTest("round", f"at most {rules.max_rounds}", str(found.round)),
        *_agreed_tests(found),
    ]
    return tuple(tests)


def _agreed_tests(found: Computed) -> list[ReleaseTest]:
    """Return the rules that only some studies have."""
    rules, disclosure, study = found.plan.study.rules, found.disclosure, found.plan.study
    tests = []
    if rules.parameters_per_row is not None:
        n = found.plan.columns.n_columns
        required = f"at most {rules.parameters_per_row:g} for each row"
        tests.append(ReleaseTest("coefficients per row", required, f"{n / disclosure.n_rows:.2g}"))
    most = max((len(column.agreed) for column in study.categories.values()), default=0)
    if rules.max_levels is not None:
        tests.append(ReleaseTest("levels of a category", f"at most {rules.max_levels}", f"{most}"))
    if rules.levels_per_row is not None:
        required = f"at most {rules.levels_per_row:g} for each row"
        tests.append(ReleaseTest("levels per row", required, f"{most / disclosure.n_rows:.2g}"))
    return tests


def sheet_of(side: SiloSide, found: Computed, release: Release) -> Sheet:
    """Return the egress sheet: the release, and what ties it to one set of numbers and one update."""
    plain = side.study.study.rules.aggregation == "plain"
    readable = f"{release.recipient}, {'for this silo alone' if plain else 'only in the sum over all silos'}"
    held = f"{release.rows_held_out:,} rows held out of the fit"
    rows = f"{release.rows:,} training rows"
    if f"{POSITIVE}rows" in found.sums.total:
        positive = f"the {round(found.sums.total[f'{POSITIVE}rows'][0]):,} positive ones of {rows}"
    else:
        positive = rows
    dropped = f"; {release.rows_dropped:,} not used, without outcome, weight or offset" if release.rows_dropped else ""
    return Sheet(
        title=f"What would leave {release.silo} in round {release.round} of '{release.title or release.study}'",
        context=SheetContext(
            study=release.study,
            study_id=side.study.digest,
            roster=side.study.roster.digest,
            continues=found.parent,
            silo=release.silo,
            round=release.round,
            attempt=release.attempt,
        ),
        facts=(
            ("recipient", f"{release.recipient}, fingerprint {release.recipient_fingerprint}"),
            ("aggregation", side.study.study.rules.aggregation),
            ("rows", f"{rows}, {held}{dropped}"),
            ("size", f"{sum(block.count for block in release.blocks):,} numbers"),
            ("numbers", found.content),
            ("table", found.table),
            ("silo.yaml", side.mapping_digest),
        ),
        blocks=tuple(
            SheetBlock(
                block.name,
                block.shape,
                block.says,
                held if block.name == _EVALUATION else positive if block.name.startswith(POSITIVE) else rows,
                readable,
            )
            for block in release.blocks
        ),
        columns=release.columns,
        tests=tuple(SheetTest(test.rule, test.required, test.found, test.outcome) for test in release.tests),
        warnings=release.warnings,
    )


def write_sheet(side: SiloSide, found: Computed, sheet: Sheet) -> Path:
    """Write both forms of a sheet into ``review/``, and return the text's path."""
    folder = side.workspace.review
    make_folder(folder)
    stem = found.file_name.removesuffix(".fedupdate")
    text = folder / f"{stem}{SHEET_ENDING}"
    write_bytes(text, sheet.to_text(), force=True)
    write_bytes(folder / f"{stem}{PAGE_ENDING}", sheet.to_html().encode("utf-8"), force=True)
    return text


def ledger_entry(
    side: SiloSide,
    found: Computed,
    release: Release,
    *,
    update: str,
    sheet: str,
    reviewer: PublicKey | None,
    now: Callable[[], str] | None,
) -> dict[str, Any]:
    """Return the line that is written before the update exists.

    Parameters
    ----------
    side : SiloSide
    found : Computed
    release : Release
    update : str
        Digest of the update's manifest.
    sheet : str
        SHA-256 of the sheet's text.
    reviewer : PublicKey or None
        Who approved it, where the silo's own rules ask for somebody.
    now : callable, optional
        Returns the time, as text.
    """
    entry: dict[str, Any] = {
        "event": "release",
        "study": side.study.digest,
        "name": release.study,
        "round": release.round,
        "attempt": release.attempt,
        "update": update,
        "rows": release.rows,
        "rows_held_out": release.rows_held_out,
        "numbers": {block.name: block.count for block in release.blocks},
        "smallest": list(release.smallest) if release.smallest else [],
        "aggregation": side.study.study.rules.aggregation,
        "recipient": release.recipient,
        "mapping": side.mapping_digest,
        "table": found.table,
        "sheet": sheet,
        "software": SOFTWARE,
    }
    if found.disclosure.merged:
        entry["merged"] = [[m.column, m.level, m.other, m.rows] for m in found.disclosure.merged]
    if reviewer is not None:
        entry["approved_by"] = f"{reviewer.name}, fingerprint {reviewer.fingerprint}"
    if now is not None:
        entry["time"] = now()
    if found.differs is not None and found.differs.size:
        entry |= {"rows_added": found.differs.added, "rows_removed": found.differs.removed}
    return entry
