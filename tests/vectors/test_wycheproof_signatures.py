"""Wycheproof's vectors for both signature algorithms, through the functions that fedcli verifies with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedcli.crypto.lowpoints import check_ed25519
from fedcli.crypto.signing import verify_ed25519, verify_mldsa65

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "vectors"
missing = pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared test vectors are not beside the project")


def groups(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text("utf-8"))["testGroups"]
    return found


@missing
def test_ed25519_signatures_of_wycheproof_verify_or_not_as_they_say() -> None:
    count = 0
    for group in groups("ed25519_test.json"):
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            verified = verify_ed25519(key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
            assert verified == (test["result"] == "valid"), (test["tcId"], test["comment"])
            count += 1
    assert count == 151


@missing
def test_mldsa65_signatures_of_wycheproof_verify_or_not_as_they_say() -> None:
    count = 0
    for group in groups("mldsa_65_verify_test.json"):
        key = bytes.fromhex(group["publicKey"])
        for test in group["tests"]:
            context = bytes.fromhex(test.get("ctx", ""))
            verified = verify_mldsa65(key, bytes.fromhex(test["msg"]), context, bytes.fromhex(test["sig"]))
            assert verified == (test["result"] == "valid"), (test["tcId"], test["comment"])
            count += 1
    assert count == 210


@missing
def test_honest_ed25519_keys_of_wycheproof_may_be_enrolled() -> None:
    for group in groups("ed25519_test.json"):
        if any(test["result"] == "valid" for test in group["tests"]):
            check_ed25519(bytes.fromhex(group["publicKey"]["pk"]))
