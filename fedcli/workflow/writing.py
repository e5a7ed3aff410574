"""The coordinator's files: the model that goes to everybody, and the sums that stay.

Owns their manifests and names. Knows nothing of mathematics or rounds' rules. Internal.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fedcli.crypto.keys import SecretKey
from fedcli.fileformat import tensors
from fedcli.fileformat.statistics import State, Total
from fedcli.models.batch import empty_state
from fedcli.protocol.payloads import BINDING, ModelDocument, model_payload
from fedcli.workflow.coordinator import CoordinatorSide
from fedcli.workflow.files import write_signed
from fedcli.workflow.models import OpenedModel
from fedcli.workflow.workspace import all_or_nothing, check_free, make_folder, write_bytes


def _file_name(study: str, number: int, attempt: int) -> str:
    return f"{study}-r{number}{f'-a{attempt}' if attempt > 1 else ''}"


def model_place(side: CoordinatorSide, number: int, attempt: int, out: Path | str | None) -> Path:
    """Return where `write_model` writes.

    Parameters
    ----------
    side, number, attempt, out
        See `write_model`.
    """
    name = _file_name(side.study.study.study, number, attempt)
    return Path(out) if out is not None else side.workspace.outbox / f"{name}.fedmodel"


def write_model(
    side: CoordinatorSide,
    secret: SecretKey,
    current: OpenedModel,
    state: State,
    document: ModelDocument,
    *,
    number: int,
    attempt: int,
    final: bool,
    out: Path | str | None,
    force: bool,
) -> Path:
    """Write the model of ``number`` rounds, encrypted to all members, or public when it is the final one.

    Parameters
    ----------
    side, secret
        The coordinator's.
    current : OpenedModel
        What it continues.
    state, document
        What it says.
    number, attempt : int
    final : bool
    out : path, optional
        Where to write a copy, besides ``outbox/``.
    force : bool
    """
    study = side.study
    members = study.roster.members
    manifest = study.manifest(
        "model",
        study.roster.coordinator.name,
        round=number,
        attempt=attempt,
        parent=current.parent,
        recipients=[] if final else sorted(members),
        final=final,
    )
    payload = model_payload(state if number else empty_state(), document, manifest)
    kept = model_place(side, number, attempt, None)
    for place in {kept, model_place(side, number, attempt, out)}:
        check_free(place, force=force)
    write_signed(
        kept,
        manifest,
        payload.chunks(),
        payload.size,
        key=secret,
        recipients=None if final else [members[name] for name in sorted(members)],
        payload_name="model.safetensors" if final else "payload.age",
        force=force,
    )
    if out is None:
        return kept
    # The next round starts from what lies in outbox/, wherever a copy was wanted.
    return write_bytes(Path(out), kept.read_bytes(), force=force)


def write_round(
    side: CoordinatorSide,
    secret: SecretKey,
    current: OpenedModel,
    state: State,
    document: ModelDocument,
    total: Total,
    *,
    number: int,
    attempt: int,
    final: bool,
    out: Path | str | None,
    force: bool,
) -> Path:
    """Write the model of a round, as `write_model`, and its sums into the archive: both, or nothing.

    Parameters
    ----------
    side, secret, current, state, document, number, attempt, final, out, force
        See `write_model`.
    total : Total
        The round's exact sums.
    """
    places = {model_place(side, number, attempt, None), model_place(side, number, attempt, out)}
    for place in places:
        check_free(place, force=force)
    sums = side.workspace.archive / f"{_file_name(side.study.study.study, number, attempt)}.fedstate"
    make_folder(sums.parent)
    with all_or_nothing(sums, *places):
        # The sums first: what is killed in between leaves no model, and the round is aggregated again.
        _archive_sums(sums, side, secret, number, attempt, current, total)
        return write_model(
            side,
            secret,
            current,
            state,
            document,
            number=number,
            attempt=attempt,
            final=final,
            out=out,
            force=force,
        )


def _archive_sums(
    path: Path,
    side: CoordinatorSide,
    secret: SecretKey,
    number: int,
    attempt: int,
    current: OpenedModel,
    total: Total,
) -> None:
    """Keep the round's exact sums, encrypted to the coordinator alone: nobody else is shown a sum of few silos."""
    study = side.study
    name = study.roster.coordinator.name
    manifest = study.manifest("state", name, round=number, attempt=attempt, parent=current.parent, recipients=[name])
    arrays = {block: _limbs(values) for block, values in total.integers.items()}
    payload = tensors.TensorFile(arrays, {BINDING: manifest.binding()})
    write_signed(
        path,
        manifest,
        payload.chunks(),
        payload.size,
        key=secret,
        recipients=[study.roster.members[name]],
        payload_name="payload.age",
        force=True,
    )


def _limbs(values: np.ndarray) -> np.ndarray:
    mask = (1 << 64) - 1
    flat = [int(v) & ((1 << 128) - 1) for v in values.ravel()]
    return np.array([[v & mask, v >> 64] for v in flat], dtype=np.uint64).reshape(-1, 2)
