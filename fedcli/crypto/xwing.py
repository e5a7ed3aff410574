"""X-Wing: the hybrid of ML-KEM-768 and X25519 that age calls ``mlkem768x25519``, used through HPKE.

Owns the way from a 32-byte seed to keys, and sealing of small secrets. Knows nothing of age files or names. Internal;
the only module to touch when the algorithm is replaced.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from fedcli.crypto.lowpoints import check_x25519
from fedcli.errors import WeakKey

SEED_BYTES: Final = 32
PUBLIC_BYTES: Final = 1184 + 32
ENCAPSULATED_BYTES: Final = 1088 + 32
_MLKEM_PUBLIC, _MLKEM_CIPHERTEXT = 1184, 1088
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


class LowOrderShare(ValueError):
    """The X25519 half of an encapsulation is a low-order point, so its shared secret is zero."""


def public_key(seed: bytes) -> bytes:
    """Return the public key of a seed.

    Parameters
    ----------
    seed : bytes
        32 random bytes.

    Returns
    -------
    bytes
        1216 bytes: the ML-KEM-768 encapsulation key (1184), then the X25519 public key (32).

    References
    ----------
    draft-connolly-cfrg-xwing-kem, section 5.2; draft-ietf-hpke-pq, MLKEM768-X25519 (KEM 0x647A).
    """
    mlkem, x25519 = _private(seed)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def check_public(public: bytes) -> None:
    """Refuse a public key whose halves are not ones that key generation makes.

    Raises
    ------
    WeakKey
        Coefficients of the ML-KEM half are not reduced (FIPS 203, section 7.2), or the X25519 half is of low order.
    """
    try:
        MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC])
    except ValueError as error:
        raise WeakKey(
            "the ML-KEM half of the encryption key is not a valid one",
            hint="have the owner make a new key with: fedcli keys new NAME",
        ) from error
    check_x25519(public[_MLKEM_PUBLIC:])


def seal(secret: bytes, public: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Encrypt a small secret to a public key with HPKE SealBase (HKDF-SHA256, ChaCha20-Poly1305, no aad).

    Returns
    -------
    encapsulated : bytes of length 1120
    ciphertext : bytes, 16 longer than `secret`
    """
    key = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
        X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
    )
    sealed = _SUITE.encrypt(secret, key, info)
    return sealed[:ENCAPSULATED_BYTES], sealed[ENCAPSULATED_BYTES:]


def open_sealed(encapsulated: bytes, ciphertext: bytes, seed: bytes, info: bytes) -> bytes | None:
    """Decrypt what `seal` made, or return None if it was made for another key.

    Parameters
    ----------
    encapsulated : bytes
        The ML-KEM ciphertext and the X25519 share, 1120 bytes.
    ciphertext : bytes
    seed : bytes
        The recipient's secret, 32 bytes.
    info : bytes
        HPKE's ``info``.

    Raises
    ------
    LowOrderShare
        HPKE must abort on a zero shared secret (RFC 9180, section 7.1.4). The backend reports it as a wrong tag, which
        reads as "for somebody else", so it is looked for here.
    """
    mlkem, x25519 = _private(seed)
    try:
        x25519.exchange(X25519PublicKey.from_public_bytes(encapsulated[_MLKEM_CIPHERTEXT:]))
    except ValueError as error:
        raise LowOrderShare from error
    try:
        return _SUITE.decrypt(encapsulated + ciphertext, hpke.MLKEM768X25519PrivateKey(mlkem, x25519), info)
    except InvalidTag:
        return None


def _private(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    # SHAKE256. An early draft of X-Wing expanded with SHAKE128, and its test vectors still circulate.
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
