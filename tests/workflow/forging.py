"""Updates and models made by hand with the real keys of their senders: what a lying member could send."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fedcli.crypto.keys import SecretKey
from fedcli.crypto.signing import sign
from fedcli.fileformat import canonical
from fedcli.fileformat.archive import read_archive, write_archive
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.fileformat.tensors import TensorFile, decode
from fedcli.protocol.payloads import BINDING
from fedcli.workflow.files import open_study, write_signed
from tests.workflow.play import REGISTRY, Town


def manifest_of(path: Path) -> Manifest:
    """Read a file's manifest without verifying anything."""
    return Manifest.from_bytes(read_archive(io.BytesIO(path.read_bytes())).manifest)


def opened(town: Town, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Decrypt a file for the registry and return its arrays and metadata."""
    study = open_study(town.study)
    with path.open("rb") as file:
        envelope = read_envelope(file)
        study.roster.verified(envelope)
        secret = town.secrets[REGISTRY].mlkem768x25519_seed
        found = decode(envelope.decrypted(secret) if envelope.encrypted else envelope.payload_chunks(), None)
    return {name: np.array(array) for name, array in found.arrays.items()}, dict(found.metadata)


def forge(
    town: Town,
    path: Path,
    *,
    by: str | None = None,
    arrays: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]] = dict,
    binding: str | None = None,
    document: Callable[[Any], Any] | None = None,
    beside: Mapping[str, str] | None = None,
    readable_by: str | None = None,
    spoilt: Callable[[bytes], bytes] = bytes,
    **changes: Any,
) -> None:
    """Replace an update or a model by one with other numbers or another context, signed with a member's real key."""
    held, metadata = opened(town, path)
    manifest = replace(manifest_of(path), payload=None, **changes)
    if document is not None:
        found = canonical.loads(metadata["fedcli.document"].encode(), limit=2**24)
        metadata["fedcli.document"] = canonical.dumps(document(found)).decode("ascii")
    metadata |= beside or {}
    metadata[BINDING] = manifest.binding() if binding is None else binding
    payload = TensorFile(dict(arrays(held)), metadata)
    members = open_study(town.study).roster.members
    public = manifest.kind == "model" and manifest.final
    write_signed(
        path,
        manifest,
        [spoilt(b"".join(payload.chunks()))],
        payload.size,
        key=town.secrets[by or manifest.sender],
        recipients=None if public else [members[readable_by or name] for name in manifest.recipients],
        payload_name="model.safetensors" if public else "payload.age",
        force=True,
    )


def resign(path: Path, key: SecretKey, text: bytes, namespace: str) -> None:
    """Put other manifest bytes into a file, with signatures that are good for them."""
    archive = read_archive(io.BytesIO(path.read_bytes()))
    signatures = sign(key, namespace, text)
    _repack(path, text, signatures.sshsig, signatures.mldsa65, archive.payload_name, archive.payload_chunks())


def _repack(path: Path, text: bytes, sshsig: bytes, mldsa65: bytes, name: str, chunks: Iterable[bytes]) -> None:
    payload = b"".join(chunks)
    out = io.BytesIO()
    write_archive(
        out,
        manifest=text,
        sshsig=sshsig,
        mldsa65=mldsa65,
        payload_name=name,
        payload_size=len(payload),
        payload=[payload],
    )
    path.write_bytes(out.getvalue())
