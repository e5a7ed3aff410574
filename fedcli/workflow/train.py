"""`train`: what a silo computes, is shown, and lets go.

Owns the order: read, test, sum, show, ask, encrypt, record, sign, write. Knows nothing of mathematics or of how things
are printed. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedcli.compute.cells import small_outcome
from fedcli.compute.spool import Spool
from fedcli.compute.update import HashedAsRead, rows_digest, sum_update
from fedcli.crypto.keys import PublicKey, SecretKey
from fedcli.crypto.studysecret import releases_secret
from fedcli.data.checking import RowReader
from fedcli.errors import BadMapping, CannotWrite, FedcliError, NotApproved, NotConfirmed, OtherSilo
from fedcli.fileformat.manifest import Manifest
from fedcli.preparing.estimators import most_rounds
from fedcli.preparing.holdout import folds_of, held_out
from fedcli.preparing.plan import Plan
from fedcli.privacy.differencing import nearest, too_few_differ
from fedcli.protocol.payloads import update_payload
from fedcli.study.document import ClassTarget
from fedcli.workflow.approve import approval_of, approver_of
from fedcli.workflow.files import Passphrase, open_key
from fedcli.workflow.ledger_beside import LedgerBeside
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
from fedcli.workflow.recording import Record, append, confirm_last
from fedcli.workflow.release import Computed, kept_sheet, ledger_entry, release_of, sheet_of, write_sheet
from fedcli.workflow.release_records import keep_secret
from fedcli.workflow.released import EVALUATED, SUMMED, Released
from fedcli.workflow.releases import Releases, too_few_elsewhere
from fedcli.workflow.results import Trained
from fedcli.workflow.silo import SiloSide, open_silo
from fedcli.workflow.trail import points_before, remember_points
from fedcli.workflow.unfinished import Unfinished, all_unfinished, encrypt, find, forget
from fedcli.workflow.what_leaves import Release, SheetKept
from fedcli.workflow.workspace import check_free, write_file


def train(
    data: Path | str | None = None,
    *,
    model: Path | str | None = None,
    workspace: Path | str = ".",
    key: SecretKey | Path | str | None = None,
    passphrase: Passphrase | None = None,
    query: str | None = None,
    show: Callable[[Release], None] | None = None,
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
    show : callable, optional
        Shown the `Release` before anything is asked, and before an update is written.
    confirm : callable, optional
        Given the `Release`, whose sheet can be read by then; the update is written only if it returns True.
    yes : bool
        Answer the question in advance.
    dry_run : bool
        Stop after showing what would leave; its sheet is written into ``review/``.
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
        Each with what to do next; no update is written.
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
    record = side.record()
    parent = _parent(side, model, secret)
    if parent.final:
        raise study_finished(side.study.study.study, parent.round, parent.path)
    summed_before = parent.document.members.get(name) if parent.document else None
    record.must_hold(summed_before, name, parent.path)
    number, attempt = parent.round + 1, parent.attempt_of(name)
    rules = side.study.study.rules
    within_rules(most_rounds(side.study.study), memory, number, attempt, parent.parent)
    reviewer = side.reviewer()
    if reviewer is not None and reviewer.ed25519 == secret.public_identity().ed25519:
        raise BadMapping(
            "the reviewer's key is the silo's own: nobody approves their own release",
            hint="name the .fedpub file of somebody else, or remove the line 'reviewer:'",
            where=side.workspace.settings.name,
        )
    place = memory.sealed_path(number, attempt, parent.parent)
    # What an earlier run recorded and did not finish is finished by this one, with the manifest that the ledger names.
    begun = _begun(place, record, reviewer)
    plan = Plan(side.study.study)
    tell("reading and checking the table")
    table, least = side.table(), least_difference(rules)
    releases = Releases(side, releases_secret(secret), table.columns, least)
    with (
        releases.hasher(number, memory.rows_of_study(), decimal_comma=table.decimal_comma) as local,
        Spool(
            hashed := HashedAsRead(
                (reader := RowReader(plan.study, side.mapping, table, local=local)).batches(None), memory.secret()
            ),
            side.workspace.private,
        ) as spool,
    ):
        tell("testing what would leave")
        for problem in spread_problems(side.study.study, reader.report.extent):
            raise problem
        hashes = hashed.hashes()
        mask = held_out(hashes, side.study.study.evaluation.holdout, memory.secret())
        folds = folds_of(hashes, plan.study.model.cv, memory.secret()) if plan.study.model.cv else None
        disclosure = examine_rows(plan, spool, mask, folds, memory.levels())
        if disclosure.problems:
            raise disclosure.problems[0]
        # Hashes of the table's own cells stay in the order of the table: rows are chosen from them as it was read.
        as_read, order = mask, spool.sort(mask, folds, latest_first=plan.latest_first)
        hashes, mask, folds = hashes[order], mask[order], folds[order] if folds is not None else None
        digest = rows_digest(hashes, memory.secret())
        changed = rows_changed(memory, digest, number)
        summed, evaluated = Released(memory.folder, SUMMED), Released(memory.folder, EVALUATED)
        elsewhere = releases.look(local, as_read)
        tell("summing over the rows")
        own = memory.recall(summed_before)
        few = int(mask.sum()) < rules.min_cell
        if isinstance(plan.study.target, ClassTarget):
            few = few or small_outcome(spool, mask, rules.min_cell, plan.study.target.n_classes)
        before = [*evaluated.differences(hashes[mask]), *(pair[1] for pair in elsewhere.evaluated.found)]
        silent = few or any(found.shows_few(least) for found in before)
        trail = points_before(memory.folder, _update(parent, number, attempt))
        sums = sum_update(
            plan,
            parent.state,
            spool,
            mask,
            own,
            silent=silent,
            trail=trail,
            folds=folds,
            without_third=disclosure.without_third,
        )
    differences = summed.differences(hashes[~mask])
    found = Computed(
        silo=name,
        round=number,
        attempt=attempt,
        parent=parent.parent,
        plan=plan,
        sums=sums,
        disclosure=disclosure,
        report=reader.report,
        table=digest,
        content=memory.content_digest(sums.encoded),
        changed=changed,
        interrupted=not record.confirmed or record.last in all_unfinished(memory.folder),
        resumed=begun is not None,
        differs=nearest(differences),
        few_held_out=few,
        evaluated_differs=nearest(before),
        elsewhere=elsewhere.summed,
        least=least,
    )
    sent = memory.sent(number, attempt, parent.parent)
    again = sent is not None
    known = sent or begun
    if known is not None and known.content != found.content:
        raise other_numbers(number, attempt, name, begun=sent is None)
    if known is None:
        for refusal in (
            too_few_differ(differences, least),
            too_few_elsewhere(elsewhere.summed, side.study.digest, least),
        ):
            if refusal is not None:
                raise refusal
    target = Path(out) if out is not None else side.workspace.outbox / found.file_name
    release = release_of(side, found, target, again=again)
    sheet = sheet_of(side, found, release)
    if known is not None:
        release = replace(release, sheet=kept_sheet(side, found))
    elif dry_run or reviewer is not None or (confirm is not None and not yes):
        # Whoever is to agree can read it first. It is no release: it stays in review/, and holds no sum.
        release = replace(release, sheet=write_sheet(side, found, sheet))
    result = Trained(number, attempt, None, disclosure.n_rows, release.size, release, again)
    if show is not None:
        show(release)
    if dry_run:
        return result
    if sent is None:
        releases.check_place()
    manifest = _manifest(side, found, memory)
    if known is None and reviewer is not None and release.sheet is not None:
        manifest = replace(manifest, approval=_approved(side, release.sheet, reviewer, manifest))
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
        kinds = [SUMMED, EVALUATED] if number > 1 and mask.any() and not sums.silent_holdout else [SUMMED]
        # Before a line says that anything leaves: a run that stops in between remembers too much, not too little, and
        # another workspace's release meanwhile is met while there is nothing to take back.
        keep_secret(memory.folder, releases.secret)
        made = releases.record(elsewhere, {kind: as_read == (kind == EVALUATED) for kind in kinds}, digest)
        if begun is None:
            try:
                begun = _encrypted(side, found, place, manifest)
                result = replace(result, release=replace(release, sheet=write_sheet(side, found, sheet)))
                entry = ledger_entry(
                    side, found, release, update=begun.digest, sheet=sheet.digest(), reviewer=reviewer, now=now
                )
                _recorded(side, secret, entry, begun)
            except FedcliError:
                releases.withdraw(made)
                raise
        elif not record.confirmed:
            confirm_last(side.workspace, side.study, secret)
        # After the line: a run that stops in between is finished by the next one, and what is known is never too much.
        LedgerBeside(releases.folder, memory.folder).remember(side.record().ledger, side.study.digest)
        remember_points(memory.folder, _update(parent, number, attempt), parent.state, sums)
        memory.remember_rows(digest, attempt)
        memory.remember_levels(disclosure.levels)
        for kind in kinds:
            Released(memory.folder, kind).remember(hashes[mask == (kind == EVALUATED)])
        begun.finish(secret)
        sent = memory.record(number, attempt, parent.parent, begun.digest, place, sums, name=found.file_name)
    stored = memory.sealed(sent)
    if not (target.exists() and target.read_bytes() == stored):
        write_file(target, lambda file: file.write(stored), force=force)
    forget(place)
    return replace(result, update=target, size=len(stored))


class Declined(Exception):
    """The person said no: no update was written."""


def _parent(side: SiloSide, model: Path | str | None, secret: SecretKey) -> OpenedModel:
    if model is not None:
        return open_model(Path(model), side.study, secret)
    found = side.continued()
    return open_model(found, side.study, secret) if found is not None else start_of(side.study)


def _update(parent: OpenedModel, number: int, attempt: int) -> str:
    return f"r{number}-a{attempt}-{parent.parent}"


def _manifest(side: SiloSide, found: Computed, memory: SiloMemory) -> Manifest:
    return side.study.manifest(
        "update",
        found.silo,
        round=found.round,
        attempt=found.attempt,
        parent=found.parent,
        recipients=[side.study.roster.coordinator.name],
        previous=memory.last_digest(),
        ledger=side.record().ledger.head,
    )


def _approved(side: SiloSide, sheet: SheetKept, reviewer: PublicKey, manifest: Manifest) -> Mapping[str, Any]:
    """Return the reviewer's approval of the sheet that was written.

    Raises
    ------
    NotApproved
    """
    space = side.workspace
    try:
        return approval_of((space.inbox, space.review), sheet.digest, reviewer, manifest)
    except NotApproved as missing:
        raise NotApproved(
            f"{missing.message}; it is in {sheet.text} and, as a page, beside it",
            hint=f"they run: fedcli approve {sheet.text.name} --key {reviewer.name}.fedkey; put what that writes into "
            "inbox/, then run: fedcli train",
        ) from missing


def _begun(place: Path, record: Record, reviewer: PublicKey | None) -> Unfinished | None:
    """Return what an earlier run recorded in the ledger and did not finish, if it may be finished as it is."""
    kept = find(place)
    if kept is None or not record.holds(kept.digest):
        return None
    if kept.is_written():
        return kept
    approved = kept.signatures is not None or reviewer is None or approver_of(kept.manifest) == reviewer.ed25519
    return kept if approved and kept.is_whole() else None


def _encrypted(side: SiloSide, found: Computed, place: Path, manifest: Manifest) -> Unfinished:
    payload = update_payload(found.sums.encoded, manifest)
    roster = side.study.roster
    recipient = roster.members[roster.coordinator.name]
    return encrypt(place, manifest, payload.chunks(), payload.size, recipient, found.content)


def _recorded(side: SiloSide, secret: SecretKey, entry: Mapping[str, Any], made: Unfinished) -> None:
    try:
        append(side.workspace, side.study, secret, entry)
    except CannotWrite:
        if not side.record().holds(made.digest):
            forget(made.target)  # a full disk gets its room back
        raise
