from __future__ import annotations

from dataclasses import replace

import pytest

from fedcli.crypto import base64_strict, sshsig
from fedcli.crypto.keys import SecretKey
from fedcli.crypto.signing import Signatures, sign, verify
from fedcli.errors import BadSignature

NORTH = SecretKey("north", bytes(32), bytes([1]) * 32, bytes([2]) * 32)
SOUTH = SecretKey("south", bytes([3]) * 32, bytes([4]) * 32, bytes([5]) * 32)
PUBLIC, OTHER = NORTH.public_identity(), SOUTH.public_identity()
NAMESPACE = "update@fedcli-v1"
MESSAGE = b'{"type":"fedcli-update/1"}'


def refused(signatures: Signatures, *, message: bytes = MESSAGE, namespace: str = NAMESPACE) -> str:
    with pytest.raises(BadSignature) as raised:
        verify(PUBLIC, namespace, message, signatures)
    assert raised.value.code == "E401"
    assert raised.value.hint
    return raised.value.message


def test_both_signatures_of_a_message_verify() -> None:
    signatures = sign(NORTH, NAMESPACE, MESSAGE)
    verify(PUBLIC, NAMESPACE, MESSAGE, signatures)
    assert sshsig.embedded_key(signatures.sshsig) == PUBLIC.ed25519
    assert len(signatures.mldsa65) == 4413
    assert signatures.mldsa65.endswith(b"\n")


def test_signature_of_another_message_or_kind_is_refused() -> None:
    signatures = sign(NORTH, NAMESPACE, MESSAGE)
    refused(signatures, message=MESSAGE + b" ")
    refused(signatures, namespace="model@fedcli-v1")


def test_signature_by_somebody_else_is_refused() -> None:
    assert "another key" in refused(sign(SOUTH, NAMESPACE, MESSAGE))


def test_one_good_half_is_not_enough() -> None:
    ours, theirs = sign(NORTH, NAMESPACE, MESSAGE), sign(SOUTH, NAMESPACE, MESSAGE)
    assert "ML-DSA-65" in refused(replace(ours, mldsa65=theirs.mldsa65))
    forged = sshsig.armour(PUBLIC.ed25519, NAMESPACE, bytes(64))
    assert "Ed25519" in refused(replace(ours, sshsig=forged))


def test_signature_named_for_our_key_but_made_by_another_is_refused() -> None:
    theirs = sshsig.split(sign(SOUTH, NAMESPACE, MESSAGE).sshsig, NAMESPACE)[1]
    claimed = sshsig.armour(PUBLIC.ed25519, NAMESPACE, theirs)
    assert "Ed25519" in refused(replace(sign(NORTH, NAMESPACE, MESSAGE), sshsig=claimed))


def test_every_flipped_byte_of_either_signature_is_refused() -> None:
    signatures = sign(NORTH, NAMESPACE, MESSAGE)
    for place in range(len(signatures.sshsig)):
        altered = bytearray(signatures.sshsig)
        altered[place] ^= 1
        refused(replace(signatures, sshsig=bytes(altered)))
    for place in range(len(signatures.mldsa65)):
        altered = bytearray(signatures.mldsa65)
        altered[place] ^= 1
        refused(replace(signatures, mldsa65=bytes(altered)))


def test_ml_dsa_member_in_a_second_form_is_refused() -> None:
    signatures = sign(NORTH, NAMESPACE, MESSAGE)
    text = signatures.mldsa65
    for member in (
        b"",
        b"\n",
        text[:-1],
        text + b"\n",
        text[:-1] + b"\r\n",
        b" " + text,
        text[:70] + b"\n" + text[70:],
    ):
        refused(replace(signatures, mldsa65=member))
    short = base64_strict.decode(text[:-1])[:-1]
    refused(replace(signatures, mldsa65=base64_strict.encode(short).encode() + b"\n"))
