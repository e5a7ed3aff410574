"""`aggregate`: verify every update, sum, advance, write the next model.

Owns the order: nothing is summed before everything is verified, nothing is written before the mathematics is done.
Knows nothing of formulas or screens. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fedcli.compute.update import merge
from fedcli.crypto.keys import SecretKey
from fedcli.errors import OtherSilo, StudyFinished
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.statistics import State
from fedcli.models.cavity import Cavity
from fedcli.models.path import Path as FitPath
from fedcli.models.third_order import WITHOUT
from fedcli.preparing.plan import Plan
from fedcli.protocol.intake import Expected
from fedcli.protocol.payloads import ModelDocument, read_update
from fedcli.report.choice import choice_of
from fedcli.report.members import rests_on
from fedcli.study.canonical_form import to_json
from fedcli.workflow.coordinator import CoordinatorSide, open_coordinator
from fedcli.workflow.files import Passphrase, open_file, open_key
from fedcli.workflow.inbox import by_reason, sort_inbox
from fedcli.workflow.models import OpenedModel, newest, open_model, start_of
from fedcli.workflow.results import Aggregated, UpdateCounted
from fedcli.workflow.writing import write_round


def aggregate(
    updates: Sequence[Path | str] = (),
    *,
    workspace: Path | str = ".",
    key: SecretKey | Path | str | None = None,
    passphrase: Passphrase | None = None,
    without: Sequence[str] = (),
    out: Path | str | None = None,
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Aggregated:
    """Merge one round's updates and write the next model.

    Parameters
    ----------
    updates : sequence of paths
        The files; without any, everything in ``inbox/``.
    workspace : path
        The coordinator's workspace.
    key, passphrase : optional
        The coordinator's secret key; without ``key`` the one that `study_init` recorded.
    without : sequence of str
        Silos that stay silent this round. The model records them.
    out : path, optional
        Where to write a copy, besides ``outbox/``.
    force : bool
    progress : callable, optional

    Raises
    ------
    UpdatesRefused, SilosMissing, TooFewSilos, NumericError
        Nothing is written.
    """
    tell = progress or (lambda _: None)
    side = open_coordinator(workspace)
    secret = open_key(key if key is not None else side.key, passphrase)
    check_own(side, secret)
    current = current_model(side, secret)
    if current.final:
        raise StudyFinished(
            f"study '{side.study.study.study}' is finished: round {current.round} was the last",
            hint=f"the result is {current.path}",
        )
    expected = expected_updates(side, current)
    tell("verifying updates")
    inbox = sort_inbox(side, expected, [Path(path) for path in updates], without=tuple(without))
    present = inbox.complete(without=tuple(without))
    intake = inbox.intake
    tell("opening updates")
    plan = Plan(side.study.study)
    layout = plan.layout(current.state)
    files = {name: inbox.file_of(name) for name in present}
    opened = []
    for name in present:
        with open_file(files[name]) as file:
            envelope = read_envelope(file)
            manifest = envelope.verified_as(intake.accepted[name])
            opened.append(read_update(envelope.decrypted(secret.mlkem768x25519_seed), layout, manifest))
    tell("summing")
    total = merge(plan, current.state, opened)
    before = set(current.document.members) if current.document and current.document.members else set(present)
    state = plan.advance(total, current.state, same_silos=before == set(present))
    reason = plan.finished(state)
    number = current.round + 1
    attempt = max((manifest.attempt for manifest in intake.accepted.values()), default=1)
    attempt = max(attempt, current.manifest.attempt if current.manifest else 1)
    silent = current.document.without if current.document else ()
    document = ModelDocument(
        state=state.document,
        study=to_json(side.study.study),
        members={name: intake.accepted[name].digest() for name in present},
        without=(*silent, *(f"{name} (round {number})" for name in without)),
        expects={name: attempt for name in side.study.study.silo_names},
        reason="",
    )
    basis = rests_on(plan, document)
    if reason:
        document = replace(document, reason="; ".join(part for part in (reason.says, basis.says) if part))
        if plan.family.linear:
            state = State(state.document, {**state.arrays, "coefficients": plan.coefficients(state)})
    tell("writing the model")
    path = write_round(
        side,
        secret,
        current,
        state,
        document,
        total,
        number=number,
        attempt=attempt,
        final=reason is not None,
        out=out,
        force=force,
    )
    steps = state.arrays.get("steps", np.empty(0))
    names = str(state.document.get("evaluation", ""))
    figures = dict(zip(names.split(","), state.arrays["evaluation"].tolist(), strict=True)) if names else {}
    warnings = [] if reason or not basis.says else [f"were this the last round: {basis.says}"]
    if WITHOUT in total and total[WITHOUT][0] > 0:
        warnings.append(
            f"{round(total[WITHOUT][0]):,} training rows are without third derivatives: their silos have too few rows "
            "or too small groups for them, or one row that would stand out; the study goes on to second order"
        )
    if "null" in state.arrays and state.arrays["null"].shape[1]:
        warnings.append(_collinear(plan, state))
    return Aggregated(
        round=number,
        attempt=attempt,
        finished=reason is not None,
        reason=document.reason,
        model=path,
        updates=tuple(UpdateCounted(name, files[name], intake.copies[name]) for name in present),
        without=tuple(without),
        n_samples=plan.n_samples(state),
        fit=basis.fit,
        step=float(steps[-1]) if steps.size else None,
        remaining=plan.remaining(state),
        evaluation=figures,
        skipped=tuple(item.path.name for item in inbox.passed),
        passed=by_reason(inbox.unusual),
        warnings=tuple(warnings),
        choice=choice_of(plan, state) if reason else None,
    )


def current_model(side: CoordinatorSide, secret: SecretKey) -> OpenedModel:
    """Return the newest model that this coordinator wrote, or the start of the study."""
    found = newest(side.workspace.outbox.iterdir(), side.study)
    return open_model(found, side.study, secret) if found else start_of(side.study)


def expected_updates(side: CoordinatorSide, current: OpenedModel) -> Expected:
    """Return what the coordinator waits for after ``current``."""
    study = side.study
    return Expected(
        study=study.study,
        digest=study.digest,
        roster=study.roster.digest,
        round=current.round + 1,
        attempts={name: current.attempt_of(name) for name in study.study.silo_names},
        parents=side.parents(current),
    )


def check_own(side: CoordinatorSide, secret: SecretKey) -> None:
    """Refuse a key that is not the coordinator's."""
    name = side.study.roster.own_name(secret.public_identity())
    if name != side.study.roster.coordinator.name:
        raise OtherSilo(f"the key of '{name}' is not the coordinator's", hint="use the key given to 'study init'")


def _collinear(plan: Plan, state: State) -> str:
    names = ("the intercept", *plan.columns.names)
    null, family = state.arrays["null"], plan.family
    # Parameters beside the coefficients are no columns.
    weight = family.form.columns_in(null) if isinstance(family, Cavity | FitPath) else np.abs(null).max(axis=1)
    offset = len(names) - len(weight)
    involved = [names[j + offset] for j in np.flatnonzero(weight > 1e-6)]
    return (
        f"the pool does not tell {', '.join(involved)} apart (constant, or one a combination of the others): "
        "their coefficients are the smallest that fit, as scikit-learn's least squares gives"
    )
