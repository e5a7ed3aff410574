"""A member's secrets, derived from its key: the same wherever and whenever they are derived.

Owns the derivation of one for each study, and of one for all. Knows nothing of what they are used for, of disks or of
studies beyond their identity. Stable: another derivation would choose other held-out rows.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedcli.crypto.keys import SecretKey

_LABEL: Final = b"fedcli/study-secret/1\x00"
_RELEASES: Final = b"fedcli/releases-secret/1\x00"


def study_secret(key: SecretKey, study: str) -> bytes:
    """Return 32 secret bytes that belong to one key and one study.

    ``HKDF-SHA-256(ikm = ed25519_seed || mldsa65_seed || mlkem768x25519_seed, salt = none, info = label || study)``.

    Parameters
    ----------
    key : SecretKey
    study : str
        The study's identity, 64 hexadecimal digits.

    References
    ----------
    RFC 5869. The label keeps this use of the seeds apart from every other.
    """
    return _derived(key, _LABEL + study.encode("ascii"))


def releases_secret(key: SecretKey) -> bytes:
    """Return 32 secret bytes that belong to one key and to all its studies: what has left is compared under them.

    Derived as `study_secret`, with ``fedcli/releases-secret/1`` and a zero byte as all of the info.
    """
    return _derived(key, _RELEASES)


def _derived(key: SecretKey, info: bytes) -> bytes:
    seeds = key.ed25519_seed + key.mldsa65_seed + key.mlkem768x25519_seed
    return HKDF(hashes.SHA256(), 32, None, info).derive(seeds)
