"""What would leave a silo, for the screen, the sheet and the ledger.

Owns the three forms of one release, so that they cannot say different things. Knows nothing of tables, keys or of
asking. Internal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedcli.compute.update import Sums
from fedcli.crypto.keys import PublicKey
from fedcli.data.reading_report import ReadingReport
from fedcli.models.averaging import Averaging
from fedcli.models.third_order import WITHOUT
from fedcli.preparing.estimators import most_rounds
from fedcli.preparing.plan import Plan
from fedcli.privacy.differencing import Difference
from fedcli.privacy.disclosure import Disclosure
from fedcli.report.sheet import Sheet, SheetBlock, SheetContext, SheetTest, number_of
from fedcli.report.sheet_rules import ROUND
from fedcli.study.document import ClassTarget
from fedcli.workflow.approve import PAGE_ENDING, SHEET_ENDING
from fedcli.workflow.files import SOFTWARE
from fedcli.workflow.held_to import EVALUATION, THIRD, held_out_tests, histogram_tests, third_order_tests
from fedcli.workflow.release_rules import (
    TRAINED,
    agreed_limits,
    not_covered,
    rows_and_groups,
    rows_that_differ,
    share_of_one_row,
    warnings_elsewhere,
    weights_at_points,
)
from fedcli.workflow.releases import Compared
from fedcli.workflow.silo import SiloSide
from fedcli.workflow.what_leaves import Release, ReleaseBlock, SheetKept, rows_dropped
from fedcli.workflow.workspace import make_folder, write_bytes

PLAIN_WARNING = "aggregation is plain: the coordinator can read this update singly, not only the sum over silos"
CHANGED_WARNING = (
    "the table is not the one of your earlier update of this study{counted}: whoever can read both updates can "
    "subtract them, and sees the sum of the rows that differ; with few such rows that is nearly the rows themselves"
)
INTERRUPTED_WARNING = (
    "the last line of ledger.jsonl is of another update, by a run that stopped before it was finished: it did not leave"
)
RESUMED_WARNING = (
    "an earlier run recorded this update in ledger.jsonl and stopped before it was finished: this one finishes it, and "
    "nothing is recorded again"
)


AVERAGING_WARNING = (
    "what leaves is a model trained on this silo's rows alone: it can be asked whether it has seen a row, and less the "
    "model that it began at it shows where these rows pull. No test says how few rows do; a model made to find out can "
    "let it be one"
)


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
    changed, interrupted, resumed : bool
        Whether the table is another than before, whether the run that wrote the ledger's last line stopped half-way,
        and whether it is this update that it did not finish.
    differs : Difference or None
        From the most similar set of rows that was summed before; None before the first.
    few_held_out : bool
        Whether a group among the rows held out is too small to be evaluated.
    evaluated_differs : Difference or None
        As ``differs``, of the rows held out.
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
    resumed: bool
    differs: Difference | None
    few_held_out: bool
    evaluated_differs: Difference | None
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
    if isinstance(found.plan.family, Averaging) and TRAINED in sums.total:
        warnings.append(AVERAGING_WARNING)
    if sums.silent_holdout:
        warnings.append(
            f"of {number_of(disclosure.n_held_out, 'row')} held out, fewer than {found.plan.study.rules.min_cell} "
            "are in all or in one class, or few differ from those evaluated before: their evaluation is not sent"
        )
    if sums.without_third:
        warnings.append(f"third derivatives are not sent, 0 stands for each: {sums.without_third}")
    if found.changed:
        differs = found.differs
        counted = f" ({differs.added:,} new and {differs.removed:,} gone in the sums)" if differs is not None else ""
        warnings.append(CHANGED_WARNING.format(counted=counted))
    warnings += warnings_elsewhere(found.elsewhere, side.study.digest, found.least)
    if found.resumed:
        warnings.append(RESUMED_WARNING)
    elif found.interrupted:
        warnings.append(INTERRUPTED_WARNING)
    for column, count in found.report.outside.items():
        if count:
            clipped = side.study.study.numbers[column].outside == "clip"
            became = "clipped to it" if clipped else "taken for missing"
            lie = "lies outside the agreed range and is" if count == 1 else "lie outside the agreed range and are"
            warnings.append(f"{number_of(count, 'value')} of '{column}' {lie} {became}")
    warnings += map(str, disclosure.merged)
    plain = side.study.study.rules.aggregation == "plain"
    singly, in_sum = readers(coordinator.name, plain=plain, n_silos=len(side.study.study.silos))
    return Release(
        silo=found.silo,
        study=side.study.study.study,
        title=side.study.study.title,
        round=found.round,
        attempt=found.attempt,
        rows=disclosure.n_rows,
        rows_held_out=disclosure.n_held_out,
        rows_dropped=found.report.rows_read - found.report.rows_used,
        blocks=tuple(
            ReleaseBlock(
                block.name,
                block.size,
                block.says,
                block.shape,
                block.form,
                rows=_rows_behind(block.name, found),
                singly=singly,
                in_sum=in_sum,
            )
            for block in sums.layout
        ),
        columns=found.plan.summed_names,
        n_columns=disclosure.n_columns,
        smallest=(disclosure.smallest.says, disclosure.smallest.count) if disclosure.smallest else None,
        recipient=coordinator.name,
        recipient_fingerprint=coordinator.fingerprint,
        update=target,
        size=sums.layout.size * 16,
        again=again,
        warnings=tuple(warnings),
        tests=_tests(found),
        dropped=rows_dropped(side.study.study, found.report.dropped),
    )


def readers(coordinator: str, *, plain: bool, n_silos: int) -> tuple[str, str]:
    """Return who can read a silo's numbers singly, and who only in a sum over silos.

    Parameters
    ----------
    coordinator : str
    plain : bool
        Whether updates are summed as they are, not masked.
    n_silos : int
        Of the study.
    """
    singly = [coordinator] if plain else []
    if n_silos == 2:
        singly.append("the other silo, which can take its own off a sum that a model holds")
    in_sum = "the other silos and whoever gets the final model"
    return "; ".join(singly) or "nobody", in_sum if plain else f"{coordinator}, {in_sum}"


def _rows_behind(block: str, found: Computed) -> str:
    """Say which rows a class of numbers is summed over."""
    if block == EVALUATION:
        held = f"{number_of(found.disclosure.n_held_out, 'row')} held out of the fit"
        return f"none of {held}; 0 is sent for each number" if found.sums.silent_holdout else held
    train = number_of(found.disclosure.n_rows, "training row")
    if found.sums.without_third and block.startswith(THIRD) and block != WITHOUT:
        return f"none of {train}; 0 is sent for each number"
    target = found.plan.study.target
    for prefix, code in found.plan.profile.apart:
        if block.startswith(prefix) and isinstance(target, ClassTarget):
            which = target.class_names[code]
            named = which if target.type == "binary" else f"with {target.column} = {which}"
            return f"{round(found.sums.total[f'{prefix}rows'][0]):,} {named} of {train}"
    return train


def _tests(found: Computed) -> tuple[SheetTest, ...]:
    """Return every rule that this release was held to. One that failed ended the run before there was a release."""
    rules, disclosure = found.plan.study.rules, found.disclosure
    tests = [
        *rows_and_groups(found.plan, disclosure),
        weights_at_points(found.sums),
        share_of_one_row(rules, disclosure),
        *not_covered(found.sums, rules),
        *rows_that_differ(found.differs, found.elsewhere, found.least),
        SheetTest(ROUND, f"at most {most_rounds(found.plan.study)}", str(found.round)),
        *agreed_limits(found.plan, disclosure),
        *histogram_tests(found.plan, found.sums),
        *third_order_tests(found.plan, found.sums),
        *held_out_tests(
            found.plan,
            found.sums,
            found.disclosure.n_held_out,
            few=found.few_held_out,
            differs=found.evaluated_differs,
            least=found.least,
        ),
    ]
    return tuple(tests)


def sheet_of(side: SiloSide, found: Computed, release: Release) -> Sheet:
    """Return the egress sheet: the release, and what ties it to one set of numbers and one update."""
    held = f"{number_of(release.rows_held_out, 'row')} held out of the fit"
    lacking = ", ".join(map(str, release.dropped))
    dropped = f"; {release.rows_dropped:,} not used: {lacking}" if release.rows_dropped else ""
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
            ("rows", f"{number_of(release.rows, 'training row')}, {held}{dropped}"),
            ("size", number_of(sum(block.count for block in release.blocks), "number")),
            ("numbers", found.content),
            ("table", found.table),
            ("silo.yaml", side.mapping_digest),
        ),
        blocks=tuple(
            SheetBlock(
                block.name,
                block.shape,
                block.form,
                block.says,
                block.rows,
                f"singly by {block.singly}; only in sum by {block.in_sum}",
            )
            for block in release.blocks
        ),
        columns=release.columns,
        tests=release.tests,
        warnings=release.warnings,
    )


def write_sheet(side: SiloSide, found: Computed, sheet: Sheet) -> SheetKept:
    """Write both forms of a sheet into ``review/``."""
    text, page = _sheet_files(side, found)
    make_folder(text.parent)
    write_bytes(text, sheet.to_text(), force=True)
    write_bytes(page, sheet.to_html().encode("utf-8"), force=True)
    return SheetKept(text, page, sheet.digest())


def kept_sheet(side: SiloSide, found: Computed) -> SheetKept | None:
    """Return the sheet of an update that has left: the ledger holds its hash, so that it is never written again."""
    text, page = _sheet_files(side, found)
    return SheetKept(text, page, hashlib.sha256(text.read_bytes()).hexdigest()) if text.is_file() else None


def _sheet_files(side: SiloSide, found: Computed) -> tuple[Path, Path]:
    stem = found.file_name.removesuffix(".fedupdate")
    return side.workspace.review / f"{stem}{SHEET_ENDING}", side.workspace.review / f"{stem}{PAGE_ENDING}"


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
        "recipient_fingerprint": release.recipient_fingerprint,
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
