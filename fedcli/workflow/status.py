"""`status`: what is here, who is missing, what to do next. Nothing is written, and no key is needed.

Owns saying only what can be known: whom a request asks stands encrypted in it, so it is told from the coordinator's own
note, from its key, or not at all. Knows nothing of mathematics or screens. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fedcli.crypto.keys import SecretKey
from fedcli.errors import FedcliError, FileError, OtherStudy, TrustError, UnknownSigner
from fedcli.fileformat.manifest import Manifest
from fedcli.study.reading import read_study
from fedcli.study.yaml import decode
from fedcli.workflow.aggregate import expected_updates
from fedcli.workflow.asked import asked_again, closed_model
from fedcli.workflow.coordinator import CoordinatorSide, open_coordinator, open_workspace
from fedcli.workflow.files import OpenedStudy, Passphrase, kind_of, open_key
from fedcli.workflow.inbox import by_reason, foreign, sort_inbox
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import OpenedModel, model_manifest, newest, open_final, open_model, start_of
from fedcli.workflow.results import Status
from fedcli.workflow.silo import SiloSide, open_silo
from fedcli.workflow.unfinished import is_unfinished
from fedcli.workflow.workspace import find_workspace


def status(
    *,
    workspace: Path | str = ".",
    key: SecretKey | Path | str | None = None,
    passphrase: Passphrase | None = None,
) -> Status:
    """Say what is here, who is missing and what to do next. No key is needed, and nothing is written.

    Parameters
    ----------
    workspace : path
        The coordinator's or a silo's.
    key, passphrase : optional
        The member's secret key; without ``key`` the recorded one. With a passphrase the newest model is opened, which
        says who was asked for what.

    Raises
    ------
    NoWorkspace, FileError, TrustError
    """
    space = find_workspace(workspace)
    if space.role == "silo":
        return _silo_status(workspace, key, passphrase)
    if space.study_file is None:
        return _draft_status(workspace)
    return _coordinator_status(open_coordinator(workspace), key, passphrase)


# ---- at the coordinator --------------------------------------------------------------------------------------------


def _draft_status(workspace: Path | str) -> Status:
    space, key = open_workspace(workspace)
    begun = Status(role="coordinator", name=key.stem, round=0, attempt=1)
    try:
        study = read_study(decode(space.draft.read_bytes(), name=space.draft.name), name=space.draft.name)
    except FileError as error:
        problem = ((space.draft.name, str(error)),)
        return replace(begun, problems=problem, next_step=f"mend {space.draft}, then: fedcli study show")
    lacking = study.rules.min_silos - len(study.silos)
    step = f"enrol {lacking} more silos: fedcli study add-silo NAME.fedpub" if lacking > 0 else "fedcli study freeze"
    return replace(begun, study=study.study, title=study.title, here=study.silo_names, next_step=step)


def _coordinator_status(
    side: CoordinatorSide, key: SecretKey | Path | str | None, passphrase: Passphrase | None
) -> Status:
    study = side.study.study
    looked = _look(side.workspace.outbox.glob("*.fedmodel"), side.study)
    current, known = _current(side, key, passphrase)
    begun = Status(
        role="coordinator",
        name=side.study.roster.coordinator.name,
        study=study.study,
        title=study.title,
        frozen=True,
        round=current.round,
        attempt=1,
        problems=tuple(looked.problems),
    )
    if current.final:
        step = f"the study is finished: send {current.path} to everybody; fedcli export {current.path} --format json"
        return replace(begun, finished=True, next_step=step)
    expected = expected_updates(side, current)
    inbox = sort_inbox(side, expected)
    missing = tuple(name for name in study.silo_names if name not in inbox.here)
    attempt = max(expected.attempts.values())
    refused = tuple((item.path.name, item.problem.message) for item in inbox.refused if item.problem is not None)
    sent = current.path or side.workspace.outbox / f"{study.study}.fedstudy"
    if looked.problems:
        step = "put a whole copy of that model into outbox/ (silos have one in inbox/): aggregate refuses until then"
    elif refused:
        names = ", ".join(name for name, _ in refused)
        step = f"take {names} out of inbox/ and ask for it again: aggregate refuses until then, and says more"
    elif not missing:
        step = "fedcli aggregate"
    elif not known:
        step = f"who was asked again stands encrypted in {sent}: fedcli status --passphrase-file FILE"
    else:
        step = f"wait for {', '.join(missing)}; they continue from {sent}"
        if len(inbox.here) >= study.rules.min_silos:
            step += "; or go on without: fedcli aggregate " + " ".join(f"--without {name}" for name in missing)
    return replace(
        begun,
        round=current.round + 1,
        attempt=attempt,
        here=inbox.here,
        missing=missing,
        asked=asked_again(side, current) if known else (),
        problems=(*looked.problems, *refused),
        passed=by_reason(inbox.passed),
        next_step=step,
    )


def _current(
    side: CoordinatorSide, key: SecretKey | Path | str | None, passphrase: Passphrase | None
) -> tuple[OpenedModel, bool]:
    """Return the newest model, and whether it is known what it asks of whom."""
    found = newest(side.workspace.outbox.iterdir(), side.study, strict=False)
    if found is None:
        return start_of(side.study), True
    if passphrase is not None:
        return open_model(found, side.study, open_key(key if key is not None else side.key, passphrase)), True
    return closed_model(side, found)


# ---- at a silo -----------------------------------------------------------------------------------------------------


def _silo_status(workspace: Path | str, key: SecretKey | Path | str | None, passphrase: Passphrase | None) -> Status:
    side = open_silo(workspace, None)
    study, coordinator = side.study.study, side.study.roster.coordinator.name
    memory = SiloMemory(side.workspace.private)
    name = memory.name()
    looked = _look(side.workspace.inbox.iterdir(), side.study)
    found = newest(side.workspace.inbox.iterdir(), side.study, strict=False)
    manifest = model_manifest(found, side.study) if found else None
    begun = Status(
        role="silo",
        name=name,
        study=study.study,
        title=study.title,
        frozen=True,
        round=manifest.round if manifest else 0,
        attempt=manifest.attempt if manifest else 1,
        problems=tuple(looked.problems),
        passed=looked.passed,
    )
    broken = side.ledger_problem()
    if broken is None and found is not None and manifest is not None:
        broken = _unrecorded(side, found, manifest, key, passphrase)
    if broken is not None:
        begun = replace(begun, problems=((side.workspace.ledger.name, broken.message), *looked.problems), ledger=broken)
    if manifest is not None and manifest.final:
        return replace(begun, finished=True, next_step=f"the study is finished: fedcli predict TABLE --model {found}")
    number = begun.round + 1
    begun = replace(begun, round=number)
    if broken is not None:
        return replace(begun, next_step=broken.hint or "")
    if looked.problems:
        names = ", ".join(name for name, _ in looked.problems)
        return replace(begun, next_step=f"ask {coordinator} to send {names} again: train refuses until then")
    parent = manifest.digest() if manifest else side.study.digest
    sent = memory.sent_after(parent)
    waits = (
        f"wait for {coordinator}'s next model and put it into inbox/ (only a final one ends the study); "
        f"{side.workspace.outbox}/{{}} is what {coordinator} needs of you"
    )
    if sent and not is_unfinished(memory.folder, parent):
        return replace(begun, next_step=waits.format(sent))
    if sent or found is None or not memory.sent_in(number):
        return replace(begun, next_step="fedcli train" + _may_be_older(memory, manifest, passphrase is not None))
    # It made an update of this round from another file: the newest one here repeats the round.
    if passphrase is not None:
        model = open_model(found, side.study, open_key(key if key is not None else side.key, passphrase))
        still = memory.sent_from_another(number, model.attempt_of(name), "")
        begun = replace(begun, attempt=model.attempt_of(name))
        return replace(begun, next_step=waits.format(still) if still else "fedcli train")
    return replace(
        begun,
        next_step=f"{found.name} asks some or all silos for round {number} again; whether you, it tells your key only: "
        "fedcli status --passphrase-file FILE",
    )


def _unrecorded(
    side: SiloSide, found: Path, manifest: Manifest, key: SecretKey | Path | str | None, passphrase: Passphrase | None
) -> TrustError | None:
    """Return the refusal of a model that rests on an update which the ledger does not hold, where it can be read.

    A final model is closed to nobody; any other names the updates that it rests on to the members' keys only.
    """
    if manifest.final:
        try:
            model = open_final(found)[1]
        except FileError:
            # `predict` says what is wrong with it.
            return None
    elif passphrase is not None:
        model = open_model(found, side.study, open_key(key if key is not None else side.key, passphrase))
    else:
        return None
    name = SiloMemory(side.workspace.private).name()
    try:
        side.record().must_hold(model.document.members.get(name) if model.document else None, name, found)
    except TrustError as error:
        return error
    return None


def _may_be_older(memory: SiloMemory, manifest: Manifest | None, opened: bool) -> str:
    """Say that the model may rest on an update of which this workspace knows nothing, where only the key can tell."""
    if manifest is None or opened or manifest.round == 0 or memory.sent_in(manifest.round):
        return ""
    return (
        f"; this workspace made no update of round {manifest.round}: if one was sent, it is an older copy, and train "
        "refuses; to see it now: fedcli status --passphrase-file FILE"
    )


# ---- at both -------------------------------------------------------------------------------------------------------


@dataclass
class _Looked:
    """What a folder of models holds beside good ones."""

    problems: list[tuple[str, str]] = field(default_factory=list)
    passed: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _look(paths: Iterable[Path], study: OpenedStudy) -> _Looked:
    """Sort as `newest` does: a damaged model stops the next step, somebody else's file does not."""
    looked = _Looked()

    def leave(path: Path, why: str) -> None:
        looked.passed[why] = (*looked.passed.get(why, ()), path.name)

    for path in sorted(path for path in paths if not path.name.startswith(".")):
        try:
            kind = kind_of(path) if path.is_file() else None
            if kind == "model" or path.suffix == ".fedmodel":
                model_manifest(path, study)
            else:
                leave(path, f"a fedcli {kind} file, not a model" if kind else foreign(path))
        except (OtherStudy, UnknownSigner) as error:
            leave(path, error.message)
        except FedcliError as error:
            looked.problems.append((path.name, error.message))
    return looked
