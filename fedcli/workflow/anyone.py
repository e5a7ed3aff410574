"""`inspect` and `verify`: what anybody may ask of files.

Owns what is said of a file before and after its signatures are checked. Knows nothing of mathematics or screens.
Stable: part of the Python API.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedcli.crypto.keys import PublicKey
from fedcli.errors import FedcliError, NotAFedcliFile, OtherStudy, UnknownSigner
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.preparing.plan import Plan
from fedcli.protocol.approval import verified_approval
from fedcli.protocol.roster import Roster, verify_as
from fedcli.report.members import rests_on
from fedcli.workflow.files import (
    kind_of,
    open_file,
    open_study,
    read_public_key,
    verified_manifest,
)
from fedcli.workflow.models import open_final
from fedcli.workflow.naming import SEALED, SECRET_KEY, what_it_is
from fedcli.workflow.results import Inspected, Verdict, Verified
from fedcli.workflow.workspace import need_file


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
        if envelope.kind in ("update", "model", "state", "approval"):
            facts["round"] = str(manifest.round)
            facts["attempt"] = str(manifest.attempt)
        if manifest.approval is not None:
            facts["approved by"] = f"{_claimed_reviewer(manifest.approval)}, by its own word"
        if envelope.kind == "model":
            facts["final"] = "yes" if manifest.final else "no"
        payload = manifest.payload
        if payload is not None:
            sealed = "encrypted" if envelope.encrypted else "public"
            facts["payload"] = f"{payload.name}, {payload.size:,} bytes, {sealed}"
            facts["sha256"] = payload.sha256
        if manifest.final:
            facts |= _result_facts(path)
        facts["software"] = manifest.software
        return Inspected(path, envelope.kind, path.stat().st_size, facts)


def _claimed_reviewer(approval: Mapping[str, Any]) -> str:
    try:
        return _named(PublicKey.from_document(dict(approval["key"])))
    except FedcliError:
        return f"{approval['key']['name']}, with a key that is none"


def _named(reviewer: PublicKey) -> str:
    return f"{reviewer.name}, fingerprint {reviewer.fingerprint}"


def _result_facts(path: Path) -> dict[str, str]:
    """Say whose rows a final model rests on, and why it ended: it is public, and holds its own study."""
    try:
        study, model = open_final(path)
    except FedcliError:
        return {}  # whether it is genuine is not asked here
    if model.document is None:
        return {}
    basis = rests_on(Plan(study.study), model.document)
    facts = {"fit of": ", ".join(basis.fit)}
    if model.document.without:
        facts["without"] = ", ".join(model.document.without)
    return facts | {"finished": model.document.reason}


def verify(paths: Sequence[Path | str], *, workspace: Path | str = ".") -> Verified:
    """Say of each file whether it is genuine.

    Keys and studies verify by the keys inside them: genuine then means unchanged, and the fingerprint says whose. A
    reviewer's approval verifies with their public key, which is in no roster: one among ``paths``. Other files verify
    against a study: one among ``paths``, else the workspace's; a final model carries its own.

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
            verdicts.append(Verdict(path, True, _genuine(path, rosters, files)))
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


def _genuine(path: Path, rosters: dict[str, Roster], files: Sequence[Path]) -> str:
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
    if kind == "approval":
        return _approval(path, files)
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
            said = f"{kind} from {manifest.sender}, round {manifest.round}, attempt {manifest.attempt}"
            return said + _approved(manifest)
        signed = True
    with open_file(path) as file:
        claimed = Manifest.from_bytes(read_envelope(file).manifest_bytes)
    if signed or stranger is None:
        raise _of_another_study(OtherStudy, path, claimed.name, claimed.study, rosters)
    # Not verified, so this only explains the refusal.
    if claimed.study not in rosters:
        raise _of_another_study(UnknownSigner, path, claimed.name, claimed.study, rosters)
    raise stranger


def _approved(manifest: Manifest) -> str:
    """Say who approved an update; its approval was verified with it."""
    if manifest.kind != "update":
        return ""
    if manifest.approval is None:
        return "; no reviewer's approval"
    reviewer, sheet = verified_approval(manifest.approval, manifest)
    return f"; approved by {_named(reviewer)}, who signed sheet {sheet[:16]}"


def _approval(path: Path, files: Sequence[Path]) -> str:
    """Verify a reviewer's approval with the public keys among ``files``: reviewers are in no roster."""
    for other in files:
        try:
            key = read_public_key(other) if kind_of(other) == "key" else None
        except FedcliError:
            continue
        with open_file(path) as file:
            envelope = read_envelope(file)
            if key is None or key.ed25519 != envelope.signer:
                continue
            manifest = verify_as(envelope, key)
            envelope.check_payload()
            sheet = manifest.payload.sha256[:16] if manifest.payload else ""
            about = f"{manifest.name}, round {manifest.round}, attempt {manifest.attempt}"
            return f"approval of sheet {sheet} of {about}, by {_named(key)}"
    raise UnknownSigner(
        f"nothing says who may sign '{path.name}': reviewers are in no study",
        hint="name the reviewer's .fedpub file as well, if you compared its fingerprint",
    )


def _of_another_study(
    kind: type[OtherStudy] | type[UnknownSigner], path: Path, name: str, digest: str, rosters: dict[str, Roster]
) -> FedcliError:
    here = ", ".join(f"'{roster.study.study}' ({known[:8]})" for known, roster in rosters.items())
    return kind(
        f"'{path.name}' says it is of study '{name}' ({digest[:8]}), here is {here}",
        hint=f"name the .fedstudy file of '{name}' as well, if you hold it and compared its fingerprint",
    )
