"""Models on disk: find the newest one that continues a study, open it, write the next.

Owns the order of models. Knows nothing of mathematics or screens. Internal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedcli.crypto.keys import SecretKey
from fedcli.errors import (
    BadArchive,
    BadTensors,
    FedcliError,
    NotAFedcliFile,
    NotFinal,
    OtherSilo,
    OtherStudy,
    UnknownSigner,
)
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.fileformat.statistics import State
from fedcli.models.batch import empty_state
from fedcli.preparing.plan import Plan
from fedcli.preparing.state_check import check_state
from fedcli.protocol.payloads import ModelDocument, read_model
from fedcli.protocol.roster import Roster
from fedcli.study.canonical_form import from_json, study_id, study_payload
from fedcli.workflow.files import OpenedStudy, kind_of, open_file

# A final model carries coefficients and the study: a million of them take 8 MB.
_PUBLIC_LIMIT = 256 * 2**20


@dataclass(frozen=True)
class OpenedModel:
    """A verified model, or the start of a study, which has none.

    Parameters
    ----------
    path : Path or None
    manifest : Manifest or None
    state : State
    document : ModelDocument or None
    parent : str
        What the next update continues: the model's digest, or the study's id before the first.
    """

    path: Path | None
    manifest: Manifest | None
    state: State
    document: ModelDocument | None
    parent: str

    @property
    def round(self) -> int:
        """Rounds that are in this model."""
        return self.manifest.round if self.manifest else 0

    @property
    def final(self) -> bool:
        """Whether the study is finished."""
        return bool(self.manifest and self.manifest.final)

    def attempt_of(self, silo: str) -> int:
        """Return the attempt that is asked of ``silo`` next."""
        return self.document.expects.get(silo, 1) if self.document else 1


def start_of(study: OpenedStudy) -> OpenedModel:
    """Return what stands for a model before the first round."""
    return OpenedModel(None, None, empty_state(), None, study.digest)


def model_manifest(path: Path, study: OpenedStudy) -> Manifest:
    """Verify a model file against the study and return its manifest.

    Raises
    ------
    NotAFedcliFile, OtherStudy, OtherSilo, TrustError
    """
    with open_file(path) as file:
        envelope = read_envelope(file)
        if envelope.kind != "model":
            raise NotAFedcliFile(
                f"'{path.name}' is a fedcli {envelope.kind} file, not a model", hint="name the .fedmodel file"
            )
        manifest = study.roster.verified(envelope, what=f"'{path.name}'")
        if manifest.study != study.digest or manifest.roster != study.roster.digest:
            raise OtherStudy(
                f"'{path.name}' belongs to study '{manifest.name}' ({manifest.study[:8]}), "
                f"this one is '{study.study.study}' ({study.digest[:8]})",
                hint="use the workspace of that study, or ask the coordinator for this study's model",
            )
        if manifest.sender != study.roster.coordinator.name:
            raise OtherSilo(f"'{path.name}' is not from the coordinator", hint="do not use it")
        envelope.check_payload()
        return manifest


def newest(paths: Iterable[Path], study: OpenedStudy, *, strict: bool = True) -> Path | None:
    """Return the newest of ``paths`` that is a model of this study; other files are passed over.

    A later attempt is newer than any earlier one, whatever its round: it may begin the study again.

    Parameters
    ----------
    paths : iterable of Path
    study : OpenedStudy
    strict : bool
        Raise what is wrong with a damaged file: it may be the newest model, and to continue an older one in its stead
        would repeat a round that is over. False passes over it, for whoever only looks.
    """
    best: tuple[tuple[int, int, bool], Path] | None = None
    for path in sorted(paths):
        try:
            # Known by content; a name that promises a model is only held to it.
            if not path.is_file() or (kind_of(path) != "model" and path.suffix != ".fedmodel"):
                continue
            manifest = model_manifest(path, study)
        except (OtherStudy, UnknownSigner):
            continue
        except FedcliError:
            if strict:
                raise
            continue
        rank = (manifest.attempt, manifest.round, manifest.final)
        if best is None or rank > best[0]:
            best = (rank, path)
    return best[1] if best else None


def open_model(path: Path, study: OpenedStudy, key: SecretKey | None) -> OpenedModel:
    """Open a verified model; one between trips needs the key of a member."""
    manifest = model_manifest(path, study)
    with open_file(path) as file:
        envelope = read_envelope(file)
        envelope.verified_as(manifest)
        if manifest.final:
            chunks = envelope.payload_chunks()
        elif key is None:
            raise NotFinal(
                f"'{path.name}' is the model after round {manifest.round}, not the final one",
                hint="wait until 'fedcli aggregate' says that the study is finished",
            )
        else:
            chunks = envelope.decrypted(key.mlkem768x25519_seed)
        state, document = read_model(chunks, manifest)
    if study_id(study_payload(from_json(dict(document.study)))) != study.digest:
        raise OtherStudy(
            f"'{path.name}' is signed for this study and carries another inside",
            hint="do not use it; call the coordinator",
        )
    _check(path, study, manifest, state)
    return OpenedModel(path, manifest, state, document, manifest.digest())


def _check(path: Path, study: OpenedStudy, manifest: Manifest, state: State) -> None:
    check_state(Plan(study.study), state, final=manifest.final)
    if state.document.get("round") != manifest.round:
        raise BadTensors(
            f"'{path.name}' is of round {manifest.round} and holds the state of another",
            hint="do not use it; call the coordinator",
        )


def open_final(path: Path) -> tuple[OpenedStudy, OpenedModel]:
    """Open a final model, which holds its own study and roster.

    Raises
    ------
    NotFinal
        The model is one between trips.
    """
    with open_file(path) as file:
        envelope = read_envelope(file)
        if envelope.kind != "model":
            raise NotAFedcliFile(
                f"'{path.name}' is a fedcli {envelope.kind} file, not a model", hint="name the .fedmodel file"
            )
        if envelope.encrypted:
            raise NotFinal(
                f"'{path.name}' is a model between trips, not the final one",
                hint="wait until 'fedcli aggregate' says that the study is finished",
            )
        if envelope.archive.payload_size > _PUBLIC_LIMIT:
            # It is read whole before it is verified: the key that must have signed it is inside.
            raise BadArchive(
                f"'{path.name}' holds {envelope.archive.payload_size:,} bytes, "
                f"a final model has {_PUBLIC_LIMIT:,} at most",
                hint="do not use it; ask the coordinator to send the model again",
            )
        payload = b"".join(envelope.payload_chunks())
        # The study inside says who may have signed; it is used for nothing else before the signature verifies.
        study = opened_from_model(payload)
        manifest = study.roster.verified(envelope, what=f"'{path.name}'")
        envelope.check_payload()
    model_manifest(path, study)
    state, document = read_model([payload], manifest)
    _check(path, study, manifest, state)
    return study, OpenedModel(path, manifest, state, document, manifest.digest())


def opened_from_model(payload: bytes) -> OpenedStudy:
    """Return the study that a final model carries, not yet verified."""
    from fedcli.fileformat import canonical, tensors
    from fedcli.protocol.payloads import DOCUMENT, DOCUMENT_LIMIT

    text = tensors.decode([payload], None).metadata.get(DOCUMENT, "")
    document = ModelDocument.from_json(canonical.loads(text.encode("utf-8"), limit=DOCUMENT_LIMIT))
    study = from_json(dict(document.study))
    return OpenedStudy(study, study_id(study_payload(study)), Roster(study))
