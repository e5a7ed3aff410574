"""`aggregate`: verify every update, sum, advance, write the next model.

Owns the order: nothing is summed before everything is verified, nothing is written before the mathematics is done.
Knows nothing of formulas or screens. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedcli.compute.update import merge
from fedcli.crypto.keys import SecretKey
from fedcli.errors import FedcliError, FileMissing, NotAFedcliFile, OtherSilo, RoundError, StudyFinished
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.fileformat.statistics import State
from fedcli.models.steps import remaining
from fedcli.preparing.plan import Plan
from fedcli.protocol.intake import Expected, Intake
from fedcli.protocol.payloads import ModelDocument, read_update
from fedcli.study.canonical_form import to_json
from fedcli.workflow.coordinator import CoordinatorSide, open_coordinator
from fedcli.workflow.files import Passphrase, open_file, open_key, verified_manifest
from fedcli.workflow.models import OpenedModel, newest, open_model, start_of
from fedcli.workflow.results import Aggregated, UpdateCounted
from fedcli.workflow.workspace import check_free
from fedcli.workflow.writing import archive_sums, model_place, write_model


@dataclass(frozen=True)
class Found:
    """One file that is an update of this round, verified; or one that is not, with the reason."""

    path: Path
    manifest: Manifest | None
    problem: FedcliError | None = None


class UpdatesRefused(RoundError):
    """One or more files cannot be used; ``found`` says which. Its code and status are those of the first problem."""

    def __init__(self, found: Sequence[Found], first: FedcliError) -> None:
        super().__init__(first.message, hint=first.hint, where=first.where)
        self.code, self.exit_status = first.code, first.exit_status  # type: ignore[misc]
        self.found = tuple(found)
        self.first = first


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
    found = collect(side, expected, [Path(path) for path in updates])
    intake, skipped = _admit(found, expected, named=bool(updates), without=tuple(without))
    present = intake.complete(without=tuple(without))
    tell("opening updates")
    plan = Plan(side.study.study)
    layout = plan.layout(current.state)
    # By what was accepted, not by sender: an inbox also holds updates of earlier rounds and attempts.
    paths = {item.manifest.digest(): item.path for item in reversed(found) if item.manifest}
    files = {name: paths[intake.accepted[name].digest()] for name in present}
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
        reason=reason.says if reason else "",
    )
    if reason:
        coefficients = plan.coefficients(state)
        state = State(state.document, {**state.arrays, "coefficients": coefficients})
    tell("writing the model")
    for place in {model_place(side, number, attempt, None), model_place(side, number, attempt, out)}:
        check_free(place, force=force)
    archive_sums(side, secret, number, attempt, current, total, force=True)
    path = write_model(
        side,
        secret,
        current,
        state,
        document,
        number=number,
        attempt=attempt,
        final=reason is not None,
        out=out,
        force=force,
    )
    steps = state.arrays.get("steps", np.empty(0))
    names = str(state.document.get("evaluation", ""))
    figures = dict(zip(names.split(","), state.arrays["evaluation"].tolist(), strict=True)) if names else {}
    warnings = () if not state.arrays["null"].shape[1] else (_collinear(plan, state),)
    return Aggregated(
        round=number,
        attempt=attempt,
        finished=reason is not None,
        reason=reason.says if reason else "",
        model=path,
        updates=tuple(UpdateCounted(name, files[name], intake.copies[name]) for name in present),
        without=tuple(without),
        n_samples=plan.preparation(state).n_samples,
        step=float(steps[-1]) if steps.size else None,
        remaining=remaining(steps) if steps.size else None,
        evaluation=figures,
        skipped=skipped,
        warnings=warnings,
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


def collect(side: CoordinatorSide, expected: Expected, paths: Sequence[Path]) -> list[Found]:
    """Verify every file; one that cannot be used is returned with its problem.

    In the inbox, what is no fedcli file and does not call itself an update is somebody else's (a folder's thumbnails, a
    letter) and is passed over.
    """
    named = bool(paths)
    found = []
    for path in paths or sorted(p for p in side.workspace.inbox.iterdir() if not p.name.startswith(".")):
        try:
            with open_file(path) as file:
                envelope = read_envelope(file)
                if envelope.kind != "update":
                    if not named:
                        continue
                    raise NotAFedcliFile(
                        f"'{path.name}' is a fedcli {envelope.kind} file, not an update", hint="leave it out"
                    )
                manifest = verified_manifest(envelope, side.study.roster, path)
                envelope.verified_as(manifest)
                found.append(Found(path, manifest))
        except FedcliError as error:
            foreign = isinstance(error, (NotAFedcliFile, FileMissing)) and path.suffix != ".fedupdate"
            if named or not foreign:
                found.append(Found(path, None, error))
    return found


def _admit(
    found: list[Found], expected: Expected, *, named: bool, without: tuple[str, ...]
) -> tuple[Intake, tuple[str, ...]]:
    """Admit what fits; updates of earlier rounds that still lie in the inbox are passed over, all else is refused."""
    intake, skipped, refused = Intake(expected), [], []
    for place, item in enumerate(found):
        manifest = item.manifest
        if manifest is None:
            refused.append(item)
            continue
        if manifest.sender in without:
            skipped.append(item.path.name)
            continue
        earlier = (manifest.attempt, manifest.round) < (expected.attempts.get(manifest.sender, 1), expected.round)
        if not named and manifest.study == expected.digest and earlier:
            skipped.append(item.path.name)
            continue
        try:
            intake.add(manifest, what=f"'{item.path.name}'")
        except FedcliError as error:
            found[place] = Found(item.path, manifest, error)
            refused.append(found[place])
    if refused:
        first = refused[0].problem
        assert first is not None  # noqa: S101 - every refused item carries its problem
        raise UpdatesRefused(found, first)
    return intake, tuple(skipped)


def check_own(side: CoordinatorSide, secret: SecretKey) -> None:
    """Refuse a key that is not the coordinator's."""
    name = side.study.roster.own_name(secret.public_identity())
    if name != side.study.roster.coordinator.name:
        raise OtherSilo(f"the key of '{name}' is not the coordinator's", hint="use the key given to 'study init'")


def _collinear(plan: Plan, state: State) -> str:
    names = ("the intercept", *plan.columns.names)
    weight = np.abs(state.arrays["null"]).max(axis=1)
    offset = len(names) - len(weight)
    involved = [names[j + offset] for j in np.flatnonzero(weight > 1e-6)]
    return (
        f"the pool does not tell {', '.join(involved)} apart (constant, or one a combination of the others): "
        "their coefficients are the smallest that fit, as scikit-learn's least squares gives"
    )
