"""The secret of a study, derived from a key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest

from fedcli.crypto.keys import SecretKey
from fedcli.crypto.studysecret import releases_secret, study_secret

KEY = SecretKey("north", b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
STUDY = "ab" * 32


def test_the_derivation_is_hkdf_of_the_seeds_under_its_own_label() -> None:
    # RFC 5869 by hand: extract with a salt of zeros, expand one block.
    seeds = KEY.ed25519_seed + KEY.mldsa65_seed + KEY.mlkem768x25519_seed
    extracted = hmac.digest(b"\x00" * 32, seeds, hashlib.sha256)
    info = b"fedcli/study-secret/1\x00" + STUDY.encode()
    assert study_secret(KEY, STUDY) == hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def test_what_has_left_is_compared_under_a_secret_of_its_own_from_the_whole_key() -> None:
    seeds = KEY.ed25519_seed + KEY.mldsa65_seed + KEY.mlkem768x25519_seed
    extracted = hmac.digest(b"\x00" * 32, seeds, hashlib.sha256)
    expected = hmac.digest(extracted, b"fedcli/releases-secret/1\x00" + b"\x01", hashlib.sha256)
    assert releases_secret(KEY) == expected
    assert releases_secret(KEY) != study_secret(KEY, "")


def test_another_study_has_another_secret() -> None:
    assert study_secret(KEY, STUDY) != study_secret(KEY, "ac" * 32)


@pytest.mark.parametrize("seed", ["ed25519_seed", "mldsa65_seed", "mlkem768x25519_seed"])
def test_every_part_of_the_key_enters(seed: str) -> None:
    assert study_secret(replace(KEY, **{seed: b"\x09" * 32}), STUDY) != study_secret(KEY, STUDY)
