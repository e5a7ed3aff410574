"""`study init`, `add-silo`, `freeze` and `show`: the agreement from draft to signature.

Owns the cross-checks of the agreement against what fedcli can do, which `freeze` makes. Knows nothing of screens.
Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fedcli.crypto.keys import PublicKey, SecretKey, same_fingerprint
from fedcli.data.profile import profile
from fedcli.data.reading import open_table
from fedcli.errors import (
    AlreadyEnrolled,
    FileMissing,
    FingerprintMismatch,
    KeyChanged,
    NotConfirmed,
    OtherSilo,
    StudyFrozen,
    TooFewSilos,
    WorkspaceExists,
)
from fedcli.models.batch import empty_state
from fedcli.preparing.estimators import ESTIMATORS, trips_of
from fedcli.preparing.plan import Plan
from fedcli.protocol.roster import Roster
from fedcli.study.canonical_form import study_id, study_payload
from fedcli.study.document import Member, Study
from fedcli.study.draft import draft, outcome_said
from fedcli.study.reading import read_study
from fedcli.study.yaml import decode, scalar
from fedcli.study.yaml_edit import append_items
from fedcli.workflow.coordinator import open_workspace
from fedcli.workflow.files import (
    OpenedStudy,
    Passphrase,
    open_key,
    open_study,
    read_public_key,
    write_signed,
)
from fedcli.workflow.limits import cross_check
from fedcli.workflow.naming import refuse_another_kind
from fedcli.workflow.results import SiloAdded, StudyDrafted, StudyShown
from fedcli.workflow.results import StudyFrozen as Frozen
from fedcli.workflow.silo import agreement_warnings
from fedcli.workflow.workspace import (
    COORDINATOR_FILE,
    SILO_FILE,
    Workspace,
    all_or_nothing,
    find_workspace,
    make_folders,
    need_file,
    write_bytes,
)

Confirm = Callable[[str, str], bool]


def study_init(
    directory: Path | str,
    *,
    key: Path | str,
    data: Path | str | None = None,
    target: str | None = None,
    name: str | None = None,
    title: str = "",
) -> StudyDrafted:
    """Make the coordinator's workspace with a commented ``study.yaml``.

    Parameters
    ----------
    directory : path
        The new folder; its name is the study's unless ``name`` is given.
    key : path
        The coordinator's secret key file; its place is recorded, not its contents.
    data : path or str, optional
        A sample table (a file, a folder of parts, a pattern), from which columns, levels and ranges are filled in. It
        need not hold real rows.
    target : str, optional
        The sample's outcome column; the last one by default.

    Raises
    ------
    WorkspaceExists, FileMissing, FileError
    """
    root = Path(directory)
    key_path = need_file(Path(key), what="key file")
    refuse_another_kind(key_path, "a secret key")
    if (root / COORDINATOR_FILE).exists() or (root / SILO_FILE).exists() or (root / "study.yaml").exists():
        raise WorkspaceExists(
            f"'{root}' already holds a study", hint="name another folder, or go on with: fedcli study show"
        )
    sample = profile(open_table(data), target=target) if data is not None else None
    text = draft(name or _name_from(root), title, sample)
    workspace = Workspace(root, "coordinator")
    make_folders(workspace)
    settings = (
        "# The coordinator's own settings. This file stays here.\n"
        f"key: {scalar(_relative(key_path, root))}   # the secret key file; its passphrase is never written down\n"
    )
    write_bytes(workspace.draft, text.encode("utf-8"))
    write_bytes(workspace.settings, settings.encode("utf-8"), mode=0o600)
    left_out = tuple(f"{c.name}: {c.note}" for c in sample.features if c.role == "left out") if sample else ()
    return StudyDrafted(root, workspace.draft, left_out, outcome_said(sample.target) if sample else "")


def study_add_silo(
    public_keys: Sequence[Path | str],
    *,
    workspace: Path | str = ".",
    fingerprints: Sequence[str] = (),
    confirm: Confirm | None = None,
) -> tuple[SiloAdded, ...]:
    """Enrol silos, each after its fingerprint was compared over the phone.

    Parameters
    ----------
    public_keys : sequence of paths
        The ``.fedpub`` files.
    fingerprints : sequence of str
        As heard on the phone; each answers for the key that has it.
    confirm : callable, optional
        Asked with name and fingerprint for every key that no ``fingerprints`` answered for.

    Raises
    ------
    FingerprintMismatch, NotConfirmed, KeyChanged, AlreadyEnrolled, StudyFrozen
        Nobody is enrolled then.
    """
    space, key_path = open_workspace(workspace)
    _not_frozen(space)
    text = _text(space.draft)
    study = read_study(text, name=space.draft.name)
    known = {silo.name: silo.fingerprint for silo in study.silos}
    added: list[tuple[PublicKey, Path]] = []
    for path in map(Path, public_keys):
        key = read_public_key(path)
        if key.name in known and not same_fingerprint(known[key.name], key.fingerprint):
            raise KeyChanged(
                f"'{key.name}' is already enrolled with another key",
                hint=f"call {key.name}: if the key is really new, remove its line from study.yaml and "
                f"keys/{key.name}.fedpub, then enrol again",
            )
        if key.name in known or key.name in {other.name for other, _ in added}:
            raise AlreadyEnrolled(f"'{key.name}' is already enrolled", hint="leave it out; see: fedcli study show")
        if key.name == key_path.stem:
            raise AlreadyEnrolled(
                f"'{key.name}' is the coordinator's own name", hint="a silo needs a name and a key of its own"
            )
        _confirm(key.name, key.fingerprint, fingerprints, confirm, what="silo")
        added.append((key, path))
    unused = [f for f in fingerprints if not any(same_fingerprint(f, key.fingerprint) for key, _ in added)]
    if unused:
        raise FingerprintMismatch(
            f"the fingerprint {unused[0]} is of none of these keys", hint="compare it again; nobody was enrolled"
        )
    # The keys themselves stay in keys/: a post-quantum one alone is 2.6 kB.
    entries = [{"name": key.name, "fingerprint": key.fingerprint} for key, _ in added]
    new_text = append_items(text, "silos", entries, name=space.draft.name)
    read_study(new_text, name=space.draft.name)
    copies = {space.keys / f"{key.name}.fedpub": path.read_bytes() for key, path in added}
    with all_or_nothing(space.draft, *copies):
        for place, content in copies.items():
            write_bytes(place, content, force=True)
        write_bytes(space.draft, new_text.encode("utf-8"), force=True)
    return tuple(SiloAdded(key.name, key.fingerprint) for key, _ in added)


def study_freeze(
    *, workspace: Path | str = ".", key: SecretKey | Path | str | None = None, passphrase: Passphrase | None = None
) -> Frozen:
    """Check the whole agreement, sign it and fix it: writes ``outbox/NAME.fedstudy``.

    Raises
    ------
    MaskedUnavailable
        The study asks for masked aggregation.
    TooFewSilos, UnsupportedModel, ContradictoryStudy, BadStudy, StudyFrozen
    """
    space, key_path = open_workspace(workspace)
    _not_frozen(space)
    draft_study = read_study(_text(space.draft), name=space.draft.name)
    cross_check(draft_study)
    if len(draft_study.silos) < draft_study.rules.min_silos:
        raise TooFewSilos(
            f"{len(draft_study.silos)} silos are enrolled, rules.min_silos asks for {draft_study.rules.min_silos}",
            hint="enrol the others: fedcli study add-silo NAME.fedpub",
        )
    members = []
    for silo in draft_study.silos:
        path = space.keys / f"{silo.name}.fedpub"
        if not path.exists():
            raise FileMissing(f"there is no 'keys/{silo.name}.fedpub'", hint="enrol the silo: fedcli study add-silo")
        public = read_public_key(path)
        if public.name != silo.name or not same_fingerprint(public.fingerprint, silo.fingerprint):
            raise FingerprintMismatch(
                f"keys/{silo.name}.fedpub is not the key that was enrolled as '{silo.name}'",
                hint="put the enrolled file back, or enrol the silo again",
            )
        members.append(Member(name=silo.name, fingerprint=public.fingerprint, key=public.to_document()))
    secret = open_key(key if key is not None else key_path, passphrase)
    own = secret.public_identity()
    if own.name in {member.name for member in members}:
        raise OtherSilo(f"'{own.name}' is both coordinator and silo", hint="the coordinator needs a key of its own")
    coordinator = Member(name=own.name, fingerprint=own.fingerprint, key=own.to_document())
    study = Study.model_validate({**draft_study.model_dump(), "silos": members, "coordinator": coordinator})
    payload = study_payload(study)
    digest = study_id(payload)
    opened = OpenedStudy(study, digest, Roster(study))
    manifest = opened.manifest("study", own.name)
    out = space.outbox / f"{study.study}.fedstudy"
    write_signed(
        out, manifest, [payload], len(payload), key=secret, recipients=None, payload_name="study.json", force=True
    )
    write_bytes(space.root / out.name, out.read_bytes())
    write_bytes(space.root / "allowed_signers", opened.roster.allowed_signers().encode("ascii"), force=True)
    first = Plan(study).layout(empty_state())
    known = ESTIMATORS[study.model.estimator]
    blocks = tuple((b.name, b.size) for b in first)
    return Frozen(study, out, opened.fingerprint, trips_of(study), blocks, known.advice)


def study_show(path: Path | str | None = None, *, workspace: Path | str = ".") -> StudyShown:
    """Return the agreement: a ``.fedstudy`` file, or the workspace's frozen study or draft."""
    if path is None:
        space = find_workspace(workspace)
        if space.study_file is None:
            study = read_study(_text(space.draft), name=space.draft.name)
            known = ESTIMATORS.get(study.model.estimator)
            return StudyShown(study, "", "", trips_of(study) if known else (0, 0), agreement_warnings(study))
        path = space.study_file
    opened = open_study(Path(path))
    known = ESTIMATORS.get(opened.study.model.estimator)
    trips = trips_of(opened.study) if known else (0, 0)
    return StudyShown(opened.study, opened.digest, opened.fingerprint, trips, agreement_warnings(opened.study))


def _confirm(name: str, fingerprint: str, heard: Sequence[str], confirm: Confirm | None, *, what: str) -> None:
    if any(same_fingerprint(digits, fingerprint) for digits in heard):
        return
    if heard and confirm is None:
        raise FingerprintMismatch(
            f"the fingerprint of {what} '{name}' is {fingerprint}, not the one given",
            hint="call them and compare again; if it still differs, somebody exchanged the file",
        )
    if confirm is None:
        raise NotConfirmed(
            f"the fingerprint of {what} '{name}' was not compared: it is {fingerprint}",
            hint="call them, let them read theirs, and give it: --fingerprint DIGITS (--yes never answers this)",
        )
    if not confirm(name, fingerprint):
        raise FingerprintMismatch(
            f"the fingerprint of {what} '{name}' is not what you heard",
            hint="ask for the file again over another way, and compare again",
        )


def _not_frozen(space: Workspace) -> None:
    if space.study_file is not None:
        raise StudyFrozen(
            f"the study is frozen: '{space.study_file.name}'",
            hint="a frozen study never changes; begin a new one with 'fedcli study init' to change anything",
        )


def _text(path: Path) -> str:
    return decode(need_file(path, what="draft").read_bytes(), name=path.name)


def _name_from(root: Path) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in root.resolve().name.lower()).strip("-")
    return kept[:40].rstrip("-") or "study"


def _relative(path: Path, root: Path) -> str:
    import os

    return os.path.relpath(path.resolve(), root.resolve())
