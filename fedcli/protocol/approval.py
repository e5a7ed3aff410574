"""A reviewer's approval of an egress sheet: what it covers, and whether an update really has it.

Owns the check. Knows nothing of disk, screens or how a sheet is made. Stable: the form travels in an update's manifest.

An approval is a file of its own, signed by somebody outside the roster: the institution's output checker. Its payload
is the text of the sheet, so its manifest holds the sheet's SHA-256; that manifest, its signatures and the reviewer's
key go into the update's manifest, where anybody can verify them without the sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedcli.crypto.keys import PublicKey
from fedcli.crypto.signing import Signatures, verify
from fedcli.errors import BadApproval
from fedcli.fileformat.manifest import MAJOR, Manifest

NAMESPACE = f"approval@fedcli-v{MAJOR}"
_SAME = ("study", "name", "roster", "round", "attempt", "parent")
_HINT = "do not use the file; ask the silo to have its sheet approved again"


def embedded(manifest: bytes, signatures: Signatures, reviewer: PublicKey) -> dict[str, Any]:
    """Return an approval as an update's manifest carries it."""
    key = {part: text for part, text in reviewer.to_document().items() if part != "mask_x25519"}
    return {
        "key": key,
        "manifest": manifest.decode("ascii"),
        "sshsig": signatures.sshsig.decode("ascii"),
        "mldsa65": signatures.mldsa65.decode("ascii"),
    }


def verified_approval(found: Mapping[str, Any], update: Manifest) -> tuple[PublicKey, str]:
    """Verify the approval in an update's manifest.

    Parameters
    ----------
    found : mapping
        As `embedded` made it.
    update : Manifest
        Of the update, whose study, roster, round, attempt and parent the approval must name too.

    Returns
    -------
    reviewer : PublicKey
        By its own word: whether that is the institution's reviewer is for who knows the fingerprint.
    sheet : str
        SHA-256 of the sheet's text, 64 hexadecimal digits.

    Raises
    ------
    BadApproval
        It is not of its form, or is of another study, round, attempt or parent.
    BadSignature
        A signature does not verify.
    """
    try:
        reviewer = PublicKey.from_document(dict(found["key"]))
        text = found["manifest"].encode("ascii")
        signatures = Signatures(found["sshsig"].encode("ascii"), found["mldsa65"].encode("ascii"))
    except UnicodeEncodeError as exc:
        raise BadApproval("the reviewer's approval is not ASCII", hint=_HINT) from exc
    verify(reviewer, NAMESPACE, text, signatures)
    manifest = Manifest.from_bytes(text)
    for name in _SAME:
        if getattr(manifest, name) != getattr(update, name):
            raise BadApproval(f"the reviewer approved another {name} than that of this update", hint=_HINT)
    if manifest.kind != "approval" or manifest.sender != reviewer.name or manifest.payload is None:
        raise BadApproval("what the reviewer signed is no approval of a sheet", hint=_HINT)
    return reviewer, manifest.payload.sha256
