"""The manifest: what a file says about itself, in the clear and signed.

Owns the fields, their patterns and the canonical form. Knows nothing of keys, payload contents or rounds; whether a
manifest fits is asked in ``protocol``. Stable: the form is documented in ``docs/format.md``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedcli.errors import BadDocument, NewerFormat
from fedcli.fileformat import canonical
from fedcli.fileformat.archive import FRONT_LIMITS, MANIFEST, PAYLOAD_LIMITS

MAJOR = 1
# The payloads that each kind of file may have. An encrypted one is always `payload.age`.
PAYLOADS = {
    "key": ("key.json",),
    "study": ("study.json",),
    "update": ("payload.age",),
    "model": ("payload.age", "model.safetensors"),
    "state": ("payload.age",),
    "approval": ("sheet.txt",),
}
NAMESPACES = {f"{kind}@fedcli-v{MAJOR}": kind for kind in PAYLOADS}
ENCRYPTED = "payload.age"

_HEX = r"[0-9a-f]{64}"
_NAME = r"[a-z0-9][a-z0-9-]{0,39}"
_PATTERNS = {
    "study": f"(?:{_HEX})?",
    "name": f"(?:{_NAME})?",
    "roster": f"(?:{_HEX})?",
    "parent": f"(?:{_HEX})?",
    "from": _NAME,
    "previous": f"(?:{_HEX})?",
    "ledger": f"(?:{_HEX})?",
    "software": r"[ -~]{1,64}",
}
_COUNTS = ("round", "attempt")
# What an update may carry besides: a reviewer's approval of its egress sheet, with what is needed to verify it.
_APPROVAL = {"key", "manifest", "sshsig", "mldsa65"}
_KEY_PARTS = {"name", "ed25519", "mldsa65", "mlkem768x25519"}
_KEYS = {"type", "to", "final", "payload", *_PATTERNS, *_COUNTS}
_MAX_COUNT = 10**6
_HINT = "ask the sender to make the file again with their fedcli"


@dataclass(frozen=True)
class Payload:
    """What the manifest says of the payload.

    Parameters
    ----------
    name : str
        Its member name in the archive.
    size : int
        Its size in the archive [bytes].
    sha256 : str
        Of the bytes in the archive. Never of the plain ones: that would confirm guesses of small counts.
    plain_size : int
        Its size once decrypted [bytes]; the same as ``size`` where it is not encrypted.
    """

    name: str
    size: int
    sha256: str
    plain_size: int


@dataclass(frozen=True)
class Manifest:
    """One file's context. In JSON `sender` is called ``from`` and `recipients` ``to``.

    Parameters
    ----------
    type : str
        ``fedcli-KIND/MAJOR``; the kinds are key, study, update, model, state and approval.
    study, roster : str
        Ids, 64 hexadecimal digits; empty in a key, which belongs to no study yet.
    name : str
        Name of the study; empty in a key.
    round, attempt : int
    parent : str
        Digest of the model's manifest that this continues, or the study's id; or empty.
    sender : str
    recipients : sequence of str
        Whom the payload is encrypted to, one age recipient each and in this order; empty when it is public.
    previous : str
        Digest of the sender's manifest before this one, or empty.
    ledger : str
        Hash of the last line of the sender's ledger, or empty.
    final : bool
        A model that ends its study: it is public.
    software : str
        For people; never trusted.
    payload : Payload or None
        None until the payload is made.
    approval : mapping or None
        In an update that a reviewer approved: the approval's ``manifest``, ``sshsig`` and ``mldsa65`` as their file
        holds them, and the reviewer's ``key``. Absent from the JSON otherwise.
    """

    type: str
    study: str
    name: str
    roster: str
    round: int
    attempt: int
    parent: str
    sender: str
    recipients: Sequence[str]
    previous: str
    ledger: str
    final: bool
    software: str
    payload: Payload | None = None
    approval: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipients", tuple(self.recipients))

    @property
    def kind(self) -> str:
        """``update``, ``model``, ``study``, ``key`` or ``state``."""
        return self.type.removeprefix("fedcli-").partition("/")[0]

    @property
    def namespace(self) -> str:
        """What the signatures are for: ``update@fedcli-v1``. A signature of one kind of file is none of another."""
        return f"{self.kind}@fedcli-v{self.type.partition('/')[2]}"

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, which are what is signed.

        Raises
        ------
        ValueError
            A field has no form that `from_bytes` would take back.
        """
        document = self._document()
        problem = _problem(document)
        if problem:
            raise ValueError(f"no manifest can be written: {problem}")
        return canonical.dumps(document)

    def binding(self) -> str:
        """Return the hash of the manifest without its payload: 64 hexadecimal digits.

        It is repeated inside the payload, so that nobody can sign another's ciphertext as their own.
        """
        document = self._document()
        del document["payload"]
        return hashlib.sha256(canonical.dumps(document)).hexdigest()

    def digest(self) -> str:
        """Return the hash of the canonical bytes: the identity of the file, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def _document(self) -> dict[str, Any]:
        document = {
            "type": self.type,
            "study": self.study,
            "name": self.name,
            "roster": self.roster,
            "round": self.round,
            "attempt": self.attempt,
            "parent": self.parent,
            "from": self.sender,
            "to": list(self.recipients),
            "previous": self.previous,
            "ledger": self.ledger,
            "final": self.final,
            "software": self.software,
            "payload": None if self.payload is None else vars(self.payload).copy(),
        }
        return document if self.approval is None else {**document, "approval": dict(self.approval)}

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest. Its signatures are verified before this is called.

        Raises
        ------
        NewerFormat
            Its type has a major version, or is of a kind, that this fedcli does not know.
        BadDocument
            It is not canonical, lacks a key, has one more, or a value is not of its form.
        """
        document = canonical.loads(data, limit=FRONT_LIMITS[MANIFEST])
        if not isinstance(document, dict):
            raise BadDocument("the manifest is no JSON object", hint=_HINT)
        _check_type(document.get("type"))
        problem = _problem(document)
        if problem:
            raise BadDocument(f"the manifest breaks its schema: {problem}", hint=_HINT)
        sender, recipients, payload = (document.pop(key) for key in ("from", "to", "payload"))
        return cls(sender=sender, recipients=recipients, payload=Payload(**payload), **document)


def _check_type(found: object) -> None:
    parts = re.fullmatch(r"fedcli-([a-z-]{1,20})/([1-9][0-9]{0,8})", found) if isinstance(found, str) else None
    if parts is None:
        raise BadDocument("the manifest does not say which type of file it is", hint=_HINT)
    if parts[1] not in PAYLOADS or int(parts[2]) > MAJOR:
        raise NewerFormat(
            f"the file is of type {parts[0]}, this fedcli knows {', '.join(PAYLOADS)} up to version {MAJOR}"
        )


def _problem(document: dict[str, Any]) -> str:
    """Return what is wrong with a manifest, or an empty text."""
    for key in sorted((document.keys() - {"approval"}) ^ _KEYS):
        return f"'{key}' is missing" if key in _KEYS else f"'{key[:40]}' is not a key that it has"
    for key, pattern in _PATTERNS.items():
        if not _matches(pattern, document[key]):
            return f"'{key}' is not of its form"
    for key in _COUNTS:
        if type(document[key]) is not int or not 0 <= document[key] <= _MAX_COUNT:
            return f"'{key}' is not a count"
    if not _matches(f"fedcli-(?:{'|'.join(PAYLOADS)})/{MAJOR}", document["type"]):
        return "'type' is unknown"
    kind = document["type"].removeprefix("fedcli-").partition("/")[0]
    for key in ("study", "name", "roster"):
        if bool(document[key]) == (kind == "key"):
            return f"'{key}' does not suit a file of type {document['type']}"
    to = document["to"]
    if type(to) is not list or not all(_matches(_NAME, name) for name in to) or len(set(to)) != len(to):
        return "'to' is no list of distinct names"
    payload = document["payload"]
    if type(payload) is not dict or payload.keys() != {"name", "size", "sha256", "plain_size"}:
        return "'payload' is not of its form"
    return _payload_problem(payload) or _fit_problem(kind, document, payload) or _approval_problem(kind, document)


def _payload_problem(payload: dict[str, Any]) -> str:
    if type(payload["name"]) is not str or payload["name"] not in PAYLOAD_LIMITS:
        return "'payload.name' is unknown"
    for key in ("size", "plain_size"):
        if type(payload[key]) is not int or not 0 < payload[key] <= PAYLOAD_LIMITS[payload["name"]]:
            return f"'payload.{key}' is not a size of {payload['name']}"
    return "" if _matches(_HEX, payload["sha256"]) else "'payload.sha256' is not of its form"


def _fit_problem(kind: str, document: dict[str, Any], payload: dict[str, Any]) -> str:
    if payload["name"] not in PAYLOADS[kind]:
        return f"a file of type {document['type']} has no payload '{payload['name']}'"
    if (payload["name"] == ENCRYPTED) != bool(document["to"]):
        return "'to' names recipients if and only if the payload is encrypted"
    if payload["name"] != ENCRYPTED and payload["size"] != payload["plain_size"]:
        return "'payload.plain_size' differs from 'payload.size' and nothing is encrypted"
    # Sums of few silos tell about single ones: only the end of a study is public.
    if type(document["final"]) is not bool or document["final"] != (payload["name"] == "model.safetensors"):
        return "'final' is true if and only if the payload is a public model"
    return ""


def _approval_problem(kind: str, document: dict[str, Any]) -> str:
    if "approval" not in document:
        return ""
    found = document["approval"]
    if kind != "update" or type(found) is not dict or found.keys() != _APPROVAL:
        return "'approval' is not of its form"
    key = found["key"]
    texts = [found[part] for part in sorted(_APPROVAL - {"key"})]
    if type(key) is not dict or key.keys() != _KEY_PARTS or any(type(t) is not str for t in (*texts, *key.values())):
        return "'approval' is not of its form"
    return ""


def _matches(pattern: str, value: object) -> bool:
    return type(value) is str and re.fullmatch(pattern, value) is not None
