"""Who was asked once more: the coordinator's own note, since a request says so to its addressees' keys only.

Owns ``archive/asked.json``. It is a convenience for `status`, never trusted for what is merged: that is read from the
request itself, with the key. Knows nothing of mathematics or screens. Internal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fedcli.errors import FedcliError
from fedcli.fileformat import canonical
from fedcli.protocol.payloads import ModelDocument
from fedcli.workflow.coordinator import CoordinatorSide
from fedcli.workflow.models import OpenedModel, model_manifest, start_of
from fedcli.workflow.workspace import make_folder, write_bytes

_NOTE = "asked.json"
_LIMIT = 1 << 20


def note_asked(side: CoordinatorSide, model: str, expects: Mapping[str, int]) -> None:
    """Record which attempt the newest request wants of whom.

    Parameters
    ----------
    side : CoordinatorSide
    model : str
        Digest of the request's manifest.
    expects : mapping of str to int
        The attempt wanted of each silo.
    """
    make_folder(side.workspace.archive)
    write_bytes(side.workspace.archive / _NOTE, canonical.dumps({"model": model, "expects": dict(expects)}), force=True)


def closed_model(side: CoordinatorSide, path: Path) -> tuple[OpenedModel, bool]:
    """Return a model as far as it can be known without a key, and whether it is known what it asks of whom.

    What `aggregate` writes asks the same attempt of everybody; a request may not, and then only the note tells.
    """
    manifest = model_manifest(path, side.study)
    everybody = side.study.study.silo_names
    expects, known = dict.fromkeys(everybody, max(manifest.attempt, 1)), True
    model = OpenedModel(path, manifest, start_of(side.study).state, None, manifest.digest())
    if side.is_request(model):
        noted = _noted(side, model.parent)
        expects, known = noted or expects, noted is not None
    document = ModelDocument({"round": manifest.round}, {}, {}, (), expects, "")
    return OpenedModel(path, manifest, model.state, document, model.parent), known


def asked_again(side: CoordinatorSide, current: OpenedModel) -> tuple[str, ...]:
    """Return whom the current model asks once more; nobody when it is not a request."""
    if current.manifest is None or current.document is None or not side.is_request(current):
        return ()
    wanted = current.document.expects
    return tuple(name for name in side.study.study.silo_names if wanted.get(name) == current.manifest.attempt)


def _noted(side: CoordinatorSide, model: str) -> dict[str, int] | None:
    try:
        found = canonical.loads((side.workspace.archive / _NOTE).read_bytes(), limit=_LIMIT)
    except (OSError, FedcliError):
        return None
    if not isinstance(found, dict) or found.get("model") != model or not isinstance(found.get("expects"), dict):
        return None
    expects = found["expects"]
    good = expects.keys() == set(side.study.study.silo_names) and all(type(n) is int for n in expects.values())
    return expects if good else None
