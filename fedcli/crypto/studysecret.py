"""A member's secret for one study, derived from its key: the same wherever and whenever it is derived.

Owns the derivation. Knows nothing of what the secret is used for, of disks or of studies beyond their identity. Stable:
another derivation would choose other held-out rows.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedcli.crypto.keys import SecretKey

_LABEL: Final = b"fedcli/study-secret/1\x00"


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
    seeds = key.ed25519_seed + key.mldsa65_seed + key.mlkem768x25519_seed
    return HKDF(hashes.SHA256(), 32, None, _LABEL + study.encode("ascii")).derive(seeds)
