"""Two signatures on every file, Ed25519 and ML-DSA-65, over the same bytes; both must verify.

Owns making and checking the pair. Knows nothing of rosters, files or what the message says. Stable: the members of an
archive hold these bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from fedcli.crypto import base64_strict, sshsig
from fedcli.crypto.keys import PublicKey, SecretKey
from fedcli.errors import BadSignature

_MLDSA65_BYTES: Final = 3309
_HINT = "do not use the file; call the sender and ask for it again"


@dataclass(frozen=True)
class Signatures:
    """The two signatures of a file, as its members hold them.

    Parameters
    ----------
    sshsig : bytes
        Armoured SSHSIG signature; ``ssh-keygen -Y verify`` reads it.
    mldsa65 : bytes
        Base64 of the ML-DSA-65 signature on one line, with its line end.
    """

    sshsig: bytes
    mldsa65: bytes


def sign(secret: SecretKey, namespace: str, message: bytes) -> Signatures:
    """Sign a message with both keys.

    Both cover the blob of SSHSIG, which holds the namespace and the SHA-512 of the message; ML-DSA gets the namespace
    as its context besides, so that the half stands by itself.

    Parameters
    ----------
    namespace : str
        What kind of file this is, ``update@fedcli-v1``: a signature for one kind never verifies for another.
    message : bytes
        The signed document, byte for byte.

    References
    ----------
    OpenSSH, PROTOCOL.sshsig; FIPS 204, algorithm 2 (context), hedged.
    """
    blob = sshsig.to_be_signed(namespace, message)
    ed25519 = Ed25519PrivateKey.from_private_bytes(secret.ed25519_seed)
    public = ed25519.public_key().public_bytes_raw()
    mldsa65 = MLDSA65PrivateKey.from_seed_bytes(secret.mldsa65_seed).sign(blob, namespace.encode("ascii"))
    return Signatures(
        sshsig=sshsig.armour(public, namespace, ed25519.sign(blob)),
        mldsa65=(base64_strict.encode(mldsa65) + "\n").encode("ascii"),
    )


def verify(public: PublicKey, namespace: str, message: bytes, signatures: Signatures) -> None:
    """Verify both signatures of a message.

    Parameters
    ----------
    public : PublicKey
        Whose signatures they should be.
    namespace : str
        What was signed: ``update@fedcli-v1`` ...
    message : bytes
    signatures : Signatures

    Raises
    ------
    BadSignature
        A signature is not in its one form, names another key, or does not verify. One good half is not enough:
        whoever breaks one algorithm must still break the other.
    """
    embedded, ed25519 = sshsig.split(signatures.sshsig, namespace)
    if embedded != public.ed25519:
        raise BadSignature(f"the file is signed by another key than that of '{public.name}'", hint=_HINT)
    mldsa65 = _mldsa65_bytes(signatures.mldsa65)
    blob = sshsig.to_be_signed(namespace, message)
    if not verify_ed25519(public.ed25519, blob, ed25519):
        raise BadSignature(f"the Ed25519 signature of '{public.name}' does not verify", hint=_HINT)
    if not verify_mldsa65(public.mldsa65, blob, namespace.encode("ascii"), mldsa65):
        raise BadSignature(f"the ML-DSA-65 signature of '{public.name}' does not verify", hint=_HINT)


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature verifies; the key was checked when it was enrolled."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_mldsa65(public: bytes, message: bytes, context: bytes, signature: bytes) -> bool:
    """Return whether an ML-DSA-65 signature verifies.

    Parameters
    ----------
    public : bytes
        1952 bytes.
    message : bytes
    context : bytes
        At most 255 bytes (FIPS 204, section 5.3).
    signature : bytes
        3309 bytes.
    """
    try:
        MLDSA65PublicKey.from_public_bytes(public).verify(signature, message, context)
    except (InvalidSignature, ValueError):
        return False
    return True


def _mldsa65_bytes(member: bytes) -> bytes:
    text, end = member[:-1], member[-1:]
    try:
        signature = base64_strict.decode(text)
    except ValueError as error:
        raise BadSignature("the ML-DSA-65 signature is not canonical base64", hint=_HINT) from error
    if end != b"\n" or len(signature) != _MLDSA65_BYTES:
        raise BadSignature(f"the ML-DSA-65 signature is not one line of {_MLDSA65_BYTES} bytes in base64", hint=_HINT)
    return signature
