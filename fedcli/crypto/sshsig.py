"""SSHSIG: Ed25519 signatures over files in the form that ``ssh-keygen -Y`` writes and verifies.

Owns the encoding. Knows nothing of keys' names, rosters or ML-DSA. Stable: what this writes is, byte for byte, what
OpenSSH writes with the same key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from fedcli.crypto import base64_strict
from fedcli.errors import BadSignature

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
_COLUMNS = 70
_MAGIC, _HASH, _KEY_TYPE = b"SSHSIG", b"sha512", b"ssh-ed25519"
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
# Ours have about 310 characters; the namespace is the only part that varies.
_LONGEST = 4096
_NAMESPACE = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def _string(data: bytes) -> bytes:
    """Return an SSH string: a big-endian length of 4 bytes, then the bytes (RFC 4251, section 5)."""
    return len(data).to_bytes(4, "big") + data


# The first bytes of every blob of ours: magic, version 1, and a public key of the one type that is accepted.
_FRONT = _MAGIC + (1).to_bytes(4, "big") + (len(_string(_KEY_TYPE)) + 4 + _KEY_BYTES).to_bytes(4, "big")
_FRONT += _string(_KEY_TYPE) + _KEY_BYTES.to_bytes(4, "big")


def to_be_signed(namespace: str, message: bytes) -> bytes:
    """Return the bytes that both signatures of a file cover.

    The namespace is inside, so that a signature made for one kind of file never verifies for another.

    References
    ----------
    OpenSSH, PROTOCOL.sshsig, section 3.
    """
    digest = hashlib.sha512(message).digest()
    return _MAGIC + b"".join(_string(part) for part in (check_namespace(namespace), b"", _HASH, digest))


def armour(public: bytes, namespace: str, signature: bytes) -> bytes:
    """Return the armoured signature file.

    Parameters
    ----------
    public : bytes
        Ed25519 public key [32 bytes].
    signature : bytes
        Ed25519 over `to_be_signed` [64 bytes].
    """
    parts = (check_namespace(namespace), b"", _HASH, _string(_KEY_TYPE) + _string(signature))
    text = base64_strict.encode(_FRONT + public + b"".join(_string(part) for part in parts))
    lines = "".join(text[start : start + _COLUMNS] + "\n" for start in range(0, len(text), _COLUMNS))
    return (_BEGIN + lines + _END).encode("ascii")


def embedded_key(armoured: bytes) -> bytes:
    """Return the Ed25519 public key that a signature names, to look up whose it is. Nothing is verified.

    No length or offset is taken from the file: everything in front of the key is compared with what it must be.

    Raises
    ------
    BadSignature
        It is not an SSHSIG signature of an Ed25519 key.
    """
    blob = _blob(armoured)
    if not blob.startswith(_FRONT) or len(blob) < len(_FRONT) + _KEY_BYTES:
        raise BadSignature("the signature is not an SSHSIG signature of an Ed25519 key", hint=_HINT)
    return blob[len(_FRONT) : len(_FRONT) + _KEY_BYTES]


def split(armoured: bytes, namespace: str) -> tuple[bytes, bytes]:
    """Return key and signature of an armoured file that has the one form `armour` gives it.

    Returns
    -------
    public : bytes of length 32
    signature : bytes of length 64

    Raises
    ------
    BadSignature
        Written again from its parts it would differ: another namespace, hash or key type, other line lengths or line
        ends, anything before, between or behind.
    """
    public, signature = embedded_key(armoured), _blob(armoured)[-_SIGNATURE_BYTES:]
    if armour(public, namespace, signature) != armoured:
        raise BadSignature(f"the signature is not in its one form for '{namespace}'", hint=_HINT)
    return public, signature


def allowed_signers_line(name: str, ed25519_public: bytes, namespaces: Sequence[str]) -> str:
    """Return one line of an ``allowed_signers`` file, with its line end.

    Raises
    ------
    ValueError
        `name` or a namespace could break out of its field.

    Examples
    --------
    >>> allowed_signers_line("north", bytes(32), ["update@fedcli-v1"])[:58]
    'north namespaces="update@fedcli-v1" ssh-ed25519 AAAAC3NzaC'
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a name is 1 to 40 lower-case letters, digits and hyphens")
    listed = ",".join(check_namespace(namespace).decode("ascii") for namespace in namespaces)
    key = base64_strict.encode(_string(_KEY_TYPE) + _string(ed25519_public))
    return f'{name} namespaces="{listed}" {_KEY_TYPE.decode("ascii")} {key}\n'


def check_namespace(namespace: str) -> bytes:
    """Return a namespace as bytes.

    Raises
    ------
    ValueError
        It is not of the form ``kind@domain``, or longer than the 255 bytes that ML-DSA takes as context.
    """
    if not _NAMESPACE.fullmatch(namespace) or len(namespace) > 255:
        raise ValueError("a namespace has the form kind@domain and at most 255 characters")
    return namespace.encode("ascii")


_HINT = "ask the sender to send the file again; do not use this one"


def _blob(armoured: bytes) -> bytes:
    begin, end = _BEGIN.encode("ascii"), _END.encode("ascii")
    framed = armoured.startswith(begin) and armoured.endswith(end) and len(begin) + len(end) <= len(armoured)
    if not framed or len(armoured) > _LONGEST:
        raise BadSignature("the signature is not an armoured SSHSIG signature", hint=_HINT)
    try:
        return base64_strict.decode(armoured[len(begin) : -len(end)].replace(b"\n", b""))
    except ValueError as error:
        raise BadSignature("the signature is not canonical base64", hint=_HINT) from error
