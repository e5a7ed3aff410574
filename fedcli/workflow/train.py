"""`train`: what a silo computes, is shown, and lets go.

Owns the order: read, test, sum, show, ask, record, write. Knows nothing of mathematics or of how things are printed.
Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedcli.compute.cells import small_outcome
from fedcli.compute.spool import Spool
from fedcli.compute.update import Sums, hash_rows, rows_digest, sum_update
from fedcli.crypto.keys import SecretKey
from fedcli.data.checking import RowReader
from fedcli.errors import NotConfirmed, OtherSilo
from fedcli.preparing.holdout import held_out
from fedcli.preparing.plan import Plan
from fedcli.privacy.differencing import Difference, nearest, too_few_differ
from fedcli.privacy.disclosure import Disclosure
from fedcli.protocol.payloads import update_payload
from fedcli.workflow.files import SOFTWARE, OpenedStudy, Passphrase, open_key, write_signed
from fedcli.workflow.limits import (
    examine_rows,
    least_difference,
    other_numbers,
    rows_changed,
    spread_problems,
    study_finished,
    within_rules,
)
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import OpenedModel, open_model, start_of
from fedcli.workflow.released import EVALUATED, SUMMED, Released
from fedcli.workflow.results import Release, ReleaseBlock, Trained
from fedcli.workflow.silo import SiloSide, open_silo
from fedcli.workflow.trail import points_before, remember_points
from fedcli.workflow.workspace import check_free, write_file

CHANGED_WARNING = (
    "the table is not the one of your earlier update of this study{counted}: whoever can read both updates can "
    "subtract them, and sees the sum of the rows that differ; with few such rows that is nearly the rows themselves"
)
INTERRUPTED_WARNING = (
    "the last line of ledger.jsonl was written by a run that stopped before its update was: that update never left"
)
PLAIN_WARNING = "aggregation is plain: the coordinator can read this update singly, not only the sum over silos"


def train(
    data: Path | str | None = None,
    *,
    model: Path | str | None = None,
    workspace: Path | str = ".",
    key: SecretKey | Path | str | None = None,
    passphrase: Passphrase | None = None,
    query: str | None = None,
    confirm: Callable[[Release], bool] | None = None,
    yes: bool = False,
    dry_run: bool = False,
    out: Path | str | None = None,
    force: bool = False,
    now: Callable[[], str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Trained:
    """Compute this silo's update for the next round, show what would leave, ask, and write it.

    Parameters
    ----------
    data : path or str, optional
        The table; without it the one that `join` recorded.
    model : path, optional
        The model to continue; without it the newest in ``inbox/``, or the study itself before the first.
    workspace : path
    key, passphrase : optional
        The silo's secret key; without ``key`` the one that `join` recorded.
    query : str, optional
        What to ask where the table is a database; without it what ``silo.yaml`` says.
    confirm : callable, optional
        Shown the `Release`; the update is written only if it returns True.
    yes : bool
        Answer the question in advance.
    dry_run : bool
        Stop after showing what would leave.
    out : path, optional
        Where to write instead of ``outbox/``.
    force : bool
        Replace a file of that name.
    now : callable, optional
        Returns the time for the ledger, as text.
    progress : callable, optional
        Told what is being done.

    Raises
    ------
    FileError, TrustError, RefusedError, RoundError
        Each with what to do next; nothing is written.
    NotConfirmed
        Nobody could be asked and ``yes`` is false.
    """
    tell = progress or (lambda _: None)
    side = open_silo(workspace, data, query)
    secret = open_key(key if key is not None else side.key, passphrase)
    memory = SiloMemory(side.workspace.private)
    name = side.study.roster.own_name(secret.public_identity())
    if name != memory.name():
        raise OtherSilo(
            f"the key is that of '{name}', this workspace is that of '{memory.name()}'",
            hint="name the right key with --key, or go to the other workspace with -C DIR",
        )
    interrupted = side.interrupted()
    parent = _parent(side, model, secret)
    if parent.final:
        raise study_finished(side.study.study.study, parent.round, parent.path)
    number, attempt = parent.round + 1, parent.attempt_of(name)
    within_rules(side.study.study.rules.max_rounds, memory, number, attempt, parent.parent)
    plan = Plan(side.study.study)
    tell("reading and checking the table")
    reader = side.reader()
    with Spool(reader, side.workspace.private) as spool:
        tell("testing what would leave")
        for problem in spread_problems(side.study.study, reader.report.extent):
            raise problem
        hashes = hash_rows(spool, memory.secret())
        mask = held_out(hashes, side.study.study.evaluation.holdout, memory.secret())
        disclosure = examine_rows(plan, spool, mask)
        if disclosure.problems:
            raise disclosure.problems[0]
        digest = rows_digest(hashes, memory.secret())
        changed = rows_changed(memory, digest, number)
        summed, evaluated = Released(memory.folder, SUMMED), Released(memory.folder, EVALUATED)
        rules = side.study.study.rules
        least = least_difference(rules)
        tell("summing over the rows")
        own = memory.recall(parent.document.members.get(name)) if parent.document else None
        silent = int(mask.sum()) < rules.min_cell
        if plan.study.target.type == "binary":
            silent = silent or small_outcome(spool, mask, rules.min_cell)
        silent = silent or any(found.shows_few(least) for found in evaluated.differences(hashes[mask]))
        trail = points_before(memory.folder, _update(parent, number, attempt))
        sums = sum_update(plan, parent.state, spool, mask, own, silent=silent, trail=trail)
    sent = memory.sent(number, attempt, parent.parent)
    again = sent is not None
    if sent is not None and sent.content != memory.content_digest(sums.encoded):
        raise other_numbers(number, attempt, name)
    differences = summed.differences(hashes[~mask])
    if sent is None and (refusal := too_few_differ(differences, least)) is not None:
        raise refusal
    differs = nearest(differences)
    target = Path(out) if out is not None else side.workspace.outbox / _file_name(side.study, name, number, attempt)
    release = _release(side, name, parent, number, attempt, plan, sums, disclosure, reader, target, again=again)
    if changed:
        counted = f" ({differs.added:,} new and {differs.removed:,} gone in the sums)" if differs is not None else ""
        release = replace(release, warnings=(*release.warnings, CHANGED_WARNING.format(counted=counted)))
    if interrupted:
        release = replace(release, warnings=(*release.warnings, INTERRUPTED_WARNING))
    result = Trained(number, attempt, None, disclosure.n_rows, release.size, release, again)
    if dry_run:
        return result
    if not yes and confirm is None:
        raise NotConfirmed(
            "train asks before anything leaves, and nobody is here to answer",
            hint="run it in a terminal, or add --yes once you know what leaves (fedcli train --dry-run shows it)",
        )
    if not yes and confirm is not None and not confirm(release):
        raise Declined()
    tell("signing and encrypting")
    if sent is None:
        check_free(target, force=force)
        sealed, made = _write_sealed(side, secret, name, parent, number, attempt, sums, memory)
        remember_points(memory.folder, _update(parent, number, attempt), parent.state, sums)
        # The ledger before the memory: a run that stops in between is recorded twice, never not at all.
        _record(side, made, release, digest, differs, now)
        memory.remember_rows(digest, attempt)
        summed.remember(hashes[~mask])
        if number > 1 and mask.any() and not sums.silent_holdout:
            evaluated.remember(hashes[mask])
        sent = memory.record(
            number,
            attempt,
            parent.parent,
            made,
            sealed,
            sums,
            name=_file_name(side.study, name, number, attempt),
        )
    stored = memory.sealed(sent)
    if not (target.exists() and target.read_bytes() == stored):
        write_file(target, lambda file: file.write(stored), force=force)
    return replace(result, update=target, size=len(stored))


class Declined(Exception):
    """The person said no: nothing was written."""


def _parent(side: SiloSide, model: Path | str | None, secret: SecretKey) -> OpenedModel:
    if model is not None:
        return open_model(Path(model), side.study, secret)
    found = side.continued()
    return open_model(found, side.study, secret) if found is not None else start_of(side.study)


def _update(parent: OpenedModel, number: int, attempt: int) -> str:
    return f"r{number}-a{attempt}-{parent.parent}"


def _file_name(study: OpenedStudy, name: str, number: int, attempt: int) -> str:
    return f"{study.study.study}-{name}-r{number}{f'-a{attempt}' if attempt > 1 else ''}.fedupdate"


def _release(
    side: SiloSide,
    name: str,
    parent: OpenedModel,
    number: int,
    attempt: int,
    plan: Plan,
    sums: Sums,
    disclosure: Disclosure,
    reader: RowReader,
    target: Path,
    *,
    again: bool,
) -> Release:
    coordinator = side.study.roster.coordinator
    warnings = [PLAIN_WARNING]
    if sums.silent_holdout:
        warnings.append(
            f"of {disclosure.n_held_out} rows held out, fewer than {side.study.study.rules.min_cell} are in all or in "
            "one class, or few differ from those evaluated before: their evaluation is not sent"
        )
    return Release(
        silo=name,
        study=side.study.study.study,
        title=side.study.study.title,
        round=number,
        attempt=attempt,
        rows=disclosure.n_rows,
        rows_held_out=disclosure.n_held_out,
        rows_dropped=reader.report.rows_read - reader.report.rows_used,
        blocks=tuple(ReleaseBlock(block.name, block.size, block.says) for block in sums.layout),
        columns=plan.columns.names,
        n_columns=disclosure.n_columns,
        smallest=(disclosure.smallest.says, disclosure.smallest.count) if disclosure.smallest else None,
        recipient=coordinator.name,
        recipient_fingerprint=coordinator.fingerprint,
        update=target,
        size=sums.layout.size * 16,
        again=again,
        warnings=tuple(warnings),
    )


def _write_sealed(
    side: SiloSide,
    secret: SecretKey,
    name: str,
    parent: OpenedModel,
    number: int,
    attempt: int,
    sums: Sums,
    memory: SiloMemory,
) -> tuple[Path, str]:
    study = side.study
    coordinator = study.roster.coordinator.name
    manifest = study.manifest(
        "update",
        name,
        round=number,
        attempt=attempt,
        parent=parent.parent,
        recipients=[coordinator],
        previous=memory.last_digest(),
        ledger=side.ledger().head,
    )
    payload = update_payload(sums.encoded, manifest)
    path = memory.sealed_path(number, attempt, parent.parent)
    path.unlink(missing_ok=True)  # a run that stopped before it was recorded: it never left
    done = write_signed(
        path,
        manifest,
        payload.chunks(),
        payload.size,
        key=secret,
        recipients=[study.roster.members[coordinator]],
        payload_name="payload.age",
        mode=0o600,
    )
    return path, done.digest()


def _record(
    side: SiloSide,
    update: str,
    release: Release,
    digest: str,
    differs: Difference | None,
    now: Callable[[], str] | None,
) -> None:
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
        "table": digest,
        "software": SOFTWARE,
    }
    if now is not None:
        entry["time"] = now()
    if differs is not None and differs.size:
        entry |= {"rows_added": differs.added, "rows_removed": differs.removed}
    side.append(entry)
