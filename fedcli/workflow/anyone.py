"""`status`, `inspect` and `verify`: what anybody may ask of files.

Owns what is said of a file before and after its signatures are checked. Knows nothing of mathematics or screens.
Stable: part of the Python API.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from fedcli.crypto.keys import SecretKey
from fedcli.errors import FedcliError, FileError, NotAFedcliFile, OtherStudy, UnknownSigner
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.protocol.roster import Roster
from fedcli.study.reading import read_study
from fedcli.study.yaml import decode
from fedcli.workflow.aggregate import Found, collect, expected_updates
from fedcli.workflow.coordinator import CoordinatorSide, open_coordinator, open_workspace
from fedcli.workflow.files import (
    Passphrase,
    kind_of,
    open_file,
    open_key,
    open_study,
    read_public_key,
    verified_manifest,
)
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import OpenedModel, model_manifest, newest, open_final, start_of
from fedcli.workflow.naming import SEALED, SECRET_KEY, what_it_is
from fedcli.workflow.results import Inspected, Status, Verdict, Verified
from fedcli.workflow.silo import open_silo
from fedcli.workflow.workspace import find_workspace, need_file


def inspect(path: Path | str) -> Inspected:
    """Say what a file says of itself; no key is needed and nothing is verified.

    Raises
    ------
    FileMissing, NotAFedcliFile, FileError
    """
    path = need_file(Path(path))
    found = what_it_is(path)
    if found in (SECRET_KEY, SEALED):
        kind = "secret key, behind a passphrase" if found == SECRET_KEY else "mask secret, or another encrypted file"
        return Inspected(path, "age", path.stat().st_size, {"kind": kind, "to": "nobody: it stays with its owner"})
    with open_file(path) as file:
        envelope = read_envelope(file)
        manifest = Manifest.from_bytes(envelope.manifest_bytes)
        facts = {
            "type": manifest.type,
            "from": manifest.sender,
            "to": ", ".join(manifest.recipients) or "everybody",
        }
        if manifest.study:
            facts["study"] = f"{manifest.name} ({manifest.study[:16]})"
        if envelope.kind in ("update", "model", "state"):
            facts["round"] = str(manifest.round)
            facts["attempt"] = str(manifest.attempt)
        if envelope.kind == "model":
            facts["final"] = "yes" if manifest.final else "no"
        payload = manifest.payload
        if payload is not None:
            sealed = "encrypted" if envelope.encrypted else "public"
            facts["payload"] = f"{payload.name}, {payload.size:,} bytes, {sealed}"
            facts["sha256"] = payload.sha256
        facts["software"] = manifest.software
        return Inspected(path, envelope.kind, path.stat().st_size, facts)


def verify(paths: Sequence[Path | str], *, workspace: Path | str = ".") -> Verified:
    """Say of each file whether it is genuine.

    Keys and studies verify by the keys inside them: genuine then means unchanged, and the fingerprint says whose. Other
    files verify against a study: one among ``paths``, else the workspace's; a final model carries its own.

    Returns
    -------
    Verified
        ``ok`` only if every file is.
    """
    files = [Path(path) for path in paths]
    rosters = _rosters(files, Path(workspace))
    verdicts = []
    for path in files:
        try:
            verdicts.append(Verdict(path, True, _genuine(path, rosters)))
        except FedcliError as error:
            verdicts.append(Verdict(path, False, error.message, error))
    return Verified(all(verdict.ok for verdict in verdicts), tuple(verdicts))


def _rosters(files: Sequence[Path], workspace: Path) -> dict[str, Roster]:
    """Return rosters by study id: of the studies named, and of the workspace's."""
    found: dict[str, Roster] = {}
    places = [path for path in files if path.is_file()]
    places += sorted(workspace.glob("*.fedstudy")) if workspace.is_dir() else []
    for path in places:
        try:
            if kind_of(path) == "study":
                opened = open_study(path)
                found[opened.digest] = opened.roster
        except FedcliError:
            continue
    return found


def _genuine(path: Path, rosters: dict[str, Roster]) -> str:
    found = what_it_is(path)
    if found == SECRET_KEY:
        raise NotAFedcliFile(
            f"'{path.name}' is a secret key: nobody signs it, there is nothing to verify",
            hint=f"keep it to yourself; its fingerprint: fedcli keys show {shlex.quote(str(path))}",
        )
    if found == SEALED:
        raise NotAFedcliFile(
            f"'{path.name}' is an encrypted file that nobody signed: there is nothing to verify",
            hint="a .fedmask stays with its owner, beside the .fedkey",
        )
    with open_file(need_file(path)) as file:
        envelope = read_envelope(file)
        kind = envelope.kind
        encrypted = envelope.encrypted
    if kind == "key":
        key = read_public_key(path)
        return f"public key of {key.name}, unchanged; fingerprint {key.fingerprint}"
    if kind == "study":
        opened = open_study(path)
        return f"study {opened.study.study}, unchanged; fingerprint {opened.fingerprint}"
    if kind == "model" and not encrypted:
        study, model = open_final(path)
        if rosters and study.digest not in rosters:
            raise _of_another_study(OtherStudy, path, study.study.study, study.digest, rosters)
        known = "" if rosters else f"; its own study's fingerprint is {study.fingerprint}"
        return f"final model of {study.study.study}, round {model.round}, from {study.roster.coordinator.name}{known}"
    if not rosters:
        raise UnknownSigner(
            f"nothing says who may sign '{path.name}'",
            hint="name the .fedstudy file as well, or go to the workspace with -C DIR",
        )
    stranger: UnknownSigner | None = None
    signed = False
    for digest, roster in rosters.items():
        try:
            with open_file(path) as file:
                manifest = verified_manifest(read_envelope(file), roster, path)
        except UnknownSigner as error:
            stranger = error
            continue
        if manifest.study == digest:
            return f"{kind} from {manifest.sender}, round {manifest.round}, attempt {manifest.attempt}"
        signed = True
    with open_file(path) as file:
        claimed = Manifest.from_bytes(read_envelope(file).manifest_bytes)
    if signed or stranger is None:
        raise _of_another_study(OtherStudy, path, claimed.name, claimed.study, rosters)
    # Not verified, so this only explains the refusal.
    if claimed.study not in rosters:
        raise _of_another_study(UnknownSigner, path, claimed.name, claimed.study, rosters)
    raise stranger


def _of_another_study(
    kind: type[OtherStudy] | type[UnknownSigner], path: Path, name: str, digest: str, rosters: dict[str, Roster]
) -> FedcliError:
    here = ", ".join(f"'{roster.study.study}' ({known[:8]})" for known, roster in rosters.items())
    return kind(
        f"'{path.name}' says it is of study '{name}' ({digest[:8]}), here is {here}",
        hint=f"name the .fedstudy file of '{name}' as well, if you hold it and compared its fingerprint",
    )


def status(
    *,
    workspace: Path | str = ".",
    key: SecretKey | Path | str | None = None,
    passphrase: Passphrase | None = None,
) -> Status:
    """Say what is here, who is missing and what to do next. No key is needed, and nothing is written.

    Raises
    ------
    NoWorkspace, FileError, TrustError
    """
    space = find_workspace(workspace)
    if space.role == "silo":
        return _silo_status(workspace)
    if space.study_file is None:
        return _draft_status(workspace)
    side = open_coordinator(workspace)
    return _coordinator_status(side, key, passphrase)


def _draft_status(workspace: Path | str) -> Status:
    space, key = open_workspace(workspace)
    try:
        study = read_study(decode(space.draft.read_bytes(), name=space.draft.name), name=space.draft.name)
    except FileError as error:
        return Status(
            "coordinator",
            key.stem,
            "",
            "",
            False,
            0,
            1,
            False,
            (),
            (),
            ((space.draft.name, str(error)),),
            f"mend {space.draft}, then: fedcli study show",
        )
    lacking = study.rules.min_silos - len(study.silos)
    step = f"enrol {lacking} more silos: fedcli study add-silo NAME.fedpub" if lacking > 0 else "fedcli study freeze"
    return Status("coordinator", key.stem, study.study, study.title, False, 0, 1, False, study.silo_names, (), (), step)


def _coordinator_status(
    side: CoordinatorSide, key: SecretKey | Path | str | None, passphrase: Passphrase | None
) -> Status:
    study = side.study.study
    name = side.study.roster.coordinator.name
    current = _current_without_key(side, key, passphrase)
    if current.final:
        return Status(
            "coordinator",
            name,
            study.study,
            study.title,
            True,
            current.round,
            1,
            True,
            (),
            (),
            (),
            f"the study is finished: send {current.path} to everybody; fedcli export {current.path} --format json",
        )
    expected = expected_updates(side, current)
    found: list[Found] = collect(side, expected, [])
    here, problems = [], []
    for item in found:
        if item.problem is not None:
            problems.append((item.path.name, item.problem.message))
            continue
        try:
            assert item.manifest is not None  # noqa: S101 - verified when there is no problem
            expected.check(item.manifest, what=item.path.name)
            here.append(item.manifest.sender)
        except FedcliError:
            continue
    present = tuple(silo for silo in study.silo_names if silo in here)
    missing = tuple(silo for silo in study.silo_names if silo not in here)
    sent = current.path or side.workspace.outbox / f"{study.study}.fedstudy"
    step = "fedcli aggregate" if not missing else f"wait for {', '.join(missing)}; they continue from {sent}"
    return Status(
        "coordinator",
        name,
        study.study,
        study.title,
        True,
        current.round + 1,
        max(expected.attempts.values()),
        False,
        present,
        missing,
        tuple(problems),
        step,
    )


def _current_without_key(
    side: CoordinatorSide, key: SecretKey | Path | str | None, passphrase: Passphrase | None
) -> OpenedModel:
    """Return the newest model; without a key its attempts are read off its manifest."""
    from fedcli.workflow.aggregate import current_model

    if passphrase is not None:
        return current_model(side, open_key(key if key is not None else side.key, passphrase))
    found = newest(side.workspace.outbox.iterdir(), side.study, strict=False)
    if found is None:
        return start_of(side.study)
    manifest = model_manifest(found, side.study)
    document = None
    if not manifest.final:
        from fedcli.protocol.payloads import ModelDocument

        expects = dict.fromkeys(side.study.study.silo_names, manifest.attempt)
        document = ModelDocument({"round": manifest.round}, {}, {}, (), expects, "")
    return OpenedModel(found, manifest, start_of(side.study).state, document, manifest.digest())


def _silo_status(workspace: Path | str) -> Status:
    side = open_silo(workspace, None)
    study = side.study.study
    memory = SiloMemory(side.workspace.private)
    found = newest(side.workspace.inbox.iterdir(), side.study, strict=False)
    manifest = model_manifest(found, side.study) if found else None
    parent = manifest.digest() if manifest else side.study.digest
    number = (manifest.round if manifest else 0) + 1
    problems = []
    for path in sorted(side.workspace.inbox.iterdir()):
        try:
            if kind_of(path) == "model":
                model_manifest(path, side.study)
            elif kind_of(path) is None:
                problems.append((path.name, "not a fedcli file"))
        except FedcliError as error:
            problems.append((path.name, error.message))
    name = memory.name()
    if manifest is not None and manifest.final:
        return Status(
            "silo",
            name,
            study.study,
            study.title,
            True,
            manifest.round,
            manifest.attempt,
            True,
            (),
            (),
            tuple(problems),
            f"the study is finished: fedcli predict TABLE --model {found}",
        )
    sent = memory.sent_after(parent)
    step = (
        f"send {side.workspace.outbox}/{sent} to {side.study.roster.coordinator.name}, then wait for the next model"
        if sent
        else "fedcli train"
    )
    attempt = manifest.attempt if manifest else 1
    return Status("silo", name, study.study, study.title, True, number, attempt, False, (), (), tuple(problems), step)
