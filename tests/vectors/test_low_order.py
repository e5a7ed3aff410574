"""The Ed25519 edge cases of CCTV: none of their weak keys may be enrolled, and no signature of theirs matters then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedcli.crypto.keys import PublicKey, generate
from fedcli.crypto.lowpoints import LOW_ORDER, check_ed25519
from fedcli.crypto.signing import verify_ed25519
from fedcli.errors import WeakKey

FILE = Path(__file__).resolve().parents[2] / ".." / "shared" / "vectors" / "ed25519vectors.json"
missing = pytest.mark.skipif(not FILE.is_file(), reason="the shared test vectors are not beside the project")
WEAK_FLAGS = {"low_order_A", "low_order_component_A", "non_canonical_A"}


def keys_and_flags() -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = {}
    for vector in json.loads(FILE.read_text("utf-8")):
        found.setdefault(bytes.fromhex(vector["key"]), set()).update(vector["flags"] or ())
    return found


def enrollable(key: bytes) -> bool:
    try:
        check_ed25519(key)
    except WeakKey:
        return False
    return True


@missing
def test_exactly_the_keys_that_the_vectors_flag_may_not_be_enrolled() -> None:
    flagged = {key: bool(flags & WEAK_FLAGS) for key, flags in keys_and_flags().items()}
    assert {key: not enrollable(key) for key in flagged} == flagged
    assert sum(flagged.values()) == 21
    assert len(flagged) == 22


@missing
def test_low_order_keys_of_the_vectors_are_exactly_the_blocklist() -> None:
    low = {key for key, flags in keys_and_flags().items() if "low_order_A" in flags}
    assert low == LOW_ORDER


@missing
def test_public_key_document_with_a_weak_ed25519_key_is_refused() -> None:
    good = generate("north")[0].public_identity()
    weak = [key for key, flags in keys_and_flags().items() if flags & WEAK_FLAGS]
    for key in weak:
        with pytest.raises(WeakKey, match="the key of 'north' is refused"):
            PublicKey("north", key, good.mldsa65, good.mlkem768x25519)


@missing
def test_signatures_of_the_edge_cases_that_the_backend_accepts_are_under_weak_keys() -> None:
    accepted = [
        bytes.fromhex(vector["key"])
        for vector in json.loads(FILE.read_text("utf-8"))
        if verify_ed25519(bytes.fromhex(vector["key"]), vector["msg"].encode(), bytes.fromhex(vector["sig"]))
    ]
    weak = sum(not enrollable(key) for key in accepted)
    # What is left are signatures under the one honest key: with no low-order part in it, or in R alone.
    assert weak > 100
    assert len(accepted) - weak <= 2
