"""What is inside an update, a model and a state file: named arrays and one canonical document, bound to the manifest.

Owns the names of arrays and metadata. Knows nothing of disk, keys or rules. Stable: the form is documented in
``docs/format.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.errors import BadDocument, BadTensors, BindingMismatch
from fedcli.fileformat import canonical, tensors
from fedcli.fileformat.manifest import Manifest
from fedcli.fileformat.statistics import FloatArray, Layout, State

BINDING = "fedcli.binding"
DOCUMENT = "fedcli.document"
DOCUMENT_LIMIT = 8 * 2**20
# Arrays of a running state that are sums over silos: the final model, which is public, does not carry them.
SUMS = (
    "curvature",
    "rhs",
    "lowest",
    "lowest.coef",
    "lowest.gradient",
    "candidates",
    "parent.candidates",
    "taken",
    "edge",
    "ahead",
    "blind",
)


@dataclass(frozen=True)
class ModelDocument:
    """What a model says besides its arrays.

    Parameters
    ----------
    state : mapping
        The state's own document.
    study : mapping
        The frozen study in its JSON form, so that the final model stands alone.
    members : mapping of str to str
        Digest of the update of each silo that is in this model's sums.
    without : tuple of str
        Silos that were silent in some round, as ``NAME (round N)``.
    expects : mapping of str to int
        The attempt that is wanted of each silo next.
    reason : str
        Why the study ended, for people; empty while it runs.
    """

    state: Mapping[str, Any]
    study: Mapping[str, Any]
    members: Mapping[str, str]
    without: tuple[str, ...]
    expects: Mapping[str, int]
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the canonical form."""
        return {
            "state": dict(self.state),
            "study": dict(self.study),
            "members": dict(self.members),
            "without": list(self.without),
            "expects": dict(self.expects),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, document: Any) -> ModelDocument:
        """Read the canonical form.

        Raises
        ------
        BadDocument
        """
        wanted = {"state": dict, "study": dict, "members": dict, "without": list, "expects": dict, "reason": str}
        good = isinstance(document, dict) and document.keys() == wanted.keys()
        if not good or not all(isinstance(document[key], kind) for key, kind in wanted.items()):
            raise BadDocument(
                "the model's document is not in fedcli's form", hint="ask the coordinator to send it again"
            )
        good = all(type(v) is int and 0 < v <= 10**6 for v in document["expects"].values())
        good &= all(isinstance(v, str) for v in document["without"])
        good &= all(isinstance(v, str) and re.fullmatch("[0-9a-f]{64}", v) for v in document["members"].values())
        if not good:
            raise BadDocument(
                "the model's document is not in fedcli's form", hint="ask the coordinator to send it again"
            )
        return cls(
            document["state"],
            document["study"],
            document["members"],
            tuple(document["without"]),
            document["expects"],
            document["reason"],
        )


def update_payload(encoded: Mapping[str, NDArray[np.uint64]], manifest: Manifest) -> tensors.TensorFile:
    """Form an update's payload: one uint64 array (size, 2) per block of the layout."""
    return tensors.TensorFile(dict(encoded), {BINDING: manifest.binding()})


def read_update(chunks: Iterable[bytes], layout: Layout, manifest: Manifest) -> dict[str, NDArray[np.uint64]]:
    """Read an update's payload: exactly the layout's arrays, bound to this manifest.

    Raises
    ------
    BadTensors, BindingMismatch
    """
    expected = {block.name: ("U64", (block.size, 2)) for block in layout}
    found = tensors.decode(chunks, expected)
    _check_metadata(found.metadata, manifest, {BINDING})
    return {name: np.asarray(array, dtype=np.uint64) for name, array in found.arrays.items()}


def model_payload(state: State, document: ModelDocument, manifest: Manifest) -> tensors.TensorFile:
    """Form a model's payload; a final one leaves out everything that is a sum."""
    arrays = {name: array for name, array in state.arrays.items() if not (manifest.final and name in SUMS)}
    return tensors.TensorFile(
        {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()},
        {BINDING: manifest.binding(), DOCUMENT: canonical.dumps(document.to_json()).decode("ascii")},
    )


def read_model(chunks: Iterable[bytes], manifest: Manifest) -> tuple[State, ModelDocument]:
    """Read a model's payload.

    Raises
    ------
    BadTensors, BadDocument, BindingMismatch
    """
    found = tensors.decode(chunks, None)
    _check_metadata(found.metadata, manifest, {BINDING, DOCUMENT})
    text = found.metadata.get(DOCUMENT)
    if text is None:
        raise BadTensors("the model holds no document", hint="ask the coordinator to send it again")
    document = ModelDocument.from_json(canonical.loads(text.encode("utf-8"), limit=DOCUMENT_LIMIT))
    for name, array in found.arrays.items():
        if array.dtype != np.float64:
            raise BadTensors(
                f"the model's array '{name}' is not of float64", hint="do not use it; call the coordinator"
            )
    arrays: dict[str, FloatArray] = {name: np.asarray(array, np.float64) for name, array in found.arrays.items()}
    return State(document.state, arrays), document


def _check_metadata(metadata: Mapping[str, str], manifest: Manifest, known: set[str]) -> None:
    if not metadata.keys() <= known:
        raise BadTensors(
            f"the contents carry {len(metadata.keys() - known)} entries beside the numbers that fedcli does not write",
            hint=f"do not use it; call {manifest.sender}",
        )
    if metadata.get(BINDING) != manifest.binding():
        raise BindingMismatch(
            "the contents were made for another file than the one they came in",
            hint="do not use it: somebody may have signed another's contents as their own; call the sender",
        )
