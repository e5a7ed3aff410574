from __future__ import annotations

import pytest

from fedcli.crypto import xwing
from fedcli.errors import WeakKey

SEED = bytes(range(32))


def test_sealed_secret_opens_with_its_seed_and_its_purpose_alone() -> None:
    encapsulated, ciphertext = xwing.seal(b"sixteen bytes ..", xwing.public_key(SEED), b"purpose")
    assert (len(encapsulated), len(ciphertext)) == (xwing.ENCAPSULATED_BYTES, 32)
    assert xwing.open_sealed(encapsulated, ciphertext, SEED, b"purpose") == b"sixteen bytes .."
    assert xwing.open_sealed(encapsulated, ciphertext, SEED, b"another") is None
    assert xwing.open_sealed(encapsulated, ciphertext, bytes(32), b"purpose") is None


def test_low_order_share_is_told_from_a_share_for_somebody_else() -> None:
    encapsulated, ciphertext = xwing.seal(b"x", xwing.public_key(SEED), b"purpose")
    with pytest.raises(xwing.LowOrderShare):
        xwing.open_sealed(encapsulated[:-32] + bytes(32), ciphertext, SEED, b"purpose")


def test_public_key_whose_halves_no_key_generation_makes_is_refused() -> None:
    public = xwing.public_key(SEED)
    xwing.check_public(public)
    with pytest.raises(WeakKey, match="ML-KEM"):
        xwing.check_public(b"\xff" * 1152 + public[1152:])
    with pytest.raises(WeakKey, match="X25519"):
        xwing.check_public(public[:-32] + bytes(32))
