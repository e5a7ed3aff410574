from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.crypto import age
from fedcli.crypto.base64_strict import encode
from fedcli.crypto.fingerprint import fingerprint_of
from fedcli.crypto.keys import PublicKey, SecretKey, generate, lock, mask_public, unlock
from fedcli.errors import (
    BadDocument,
    BadKeyFile,
    FedcliError,
    NewerFormat,
    WeakKey,
    WeakPassphrase,
    WrongPassphrase,
)

SECRET = SecretKey("north", bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34)))
MASK_SECRET = bytes(range(3, 35))
PUBLIC = SECRET.public(MASK_SECRET)
PASSPHRASE = "correct horse battery staple"
seeds = st.binary(min_size=32, max_size=32)


def test_public_key_comes_back_from_its_document() -> None:
    document = PUBLIC.to_document()
    assert set(document) == {"name", "ed25519", "mldsa65", "mlkem768x25519", "mask_x25519"}
    assert PublicKey.from_document(document) == PUBLIC
    assert PublicKey.from_document(json.loads(json.dumps(document))) == PUBLIC


def test_coordinator_has_no_mask_key() -> None:
    identity = SECRET.public_identity()
    assert identity == replace(PUBLIC, mask_x25519=None)
    assert "mask_x25519" not in identity.to_document()
    assert PublicKey.from_document(identity.to_document()) == identity


def test_lengths_are_those_of_the_algorithms() -> None:
    assert PUBLIC.mask_x25519 == mask_public(MASK_SECRET)
    lengths = [len(PUBLIC.ed25519), len(PUBLIC.mldsa65), len(PUBLIC.mlkem768x25519), len(PUBLIC.mask_x25519 or b"")]
    assert lengths == [32, 1952, 1216, 32]


def test_fingerprint_stays_when_only_the_mask_key_changes() -> None:
    assert replace(PUBLIC, mask_x25519=mask_public(bytes(32))).fingerprint == PUBLIC.fingerprint
    assert SECRET.public_identity().fingerprint == PUBLIC.fingerprint


def test_fingerprint_changes_with_the_name_and_each_key_of_the_identity() -> None:
    other = SecretKey("north", *(bytes([i]) * 32 for i in range(3))).public(MASK_SECRET)
    variants = [
        replace(PUBLIC, name="south"),
        replace(PUBLIC, ed25519=other.ed25519),
        replace(PUBLIC, mldsa65=other.mldsa65),
        replace(PUBLIC, mlkem768x25519=other.mlkem768x25519),
    ]
    assert len({PUBLIC.fingerprint, *(variant.fingerprint for variant in variants)}) == 5


def test_fingerprint_is_the_written_rule_and_stays_what_people_wrote_down() -> None:
    framed = b"north\x00" + PUBLIC.ed25519 + PUBLIC.mldsa65 + PUBLIC.mlkem768x25519
    assert PUBLIC.fingerprint == fingerprint_of(framed, "key") == "10328 18826 91364 68882 31222 97160"


@pytest.mark.parametrize(
    "name", ["", "-north", "North", "north hospital", "n" * 41, "north\n", "nörd", "a/b", "\x1b[31m"]
)
def test_name_of_a_foreign_form_is_refused_without_printing_it(name: str) -> None:
    with pytest.raises(BadDocument) as raised:
        replace(PUBLIC, name=name)
    assert raised.value.code == "E319"
    assert not name or name not in raised.value.message
    with pytest.raises(BadDocument):
        generate(name)


@pytest.mark.parametrize("kind", ["ed25519", "mldsa65", "mlkem768x25519", "mask_x25519"])
def test_document_with_a_damaged_part_is_refused(kind: str) -> None:
    document = PUBLIC.to_document()
    value = document[kind]
    for damaged in ("", value[:-4], value + "AAAA", value.rstrip("="), value + "\n", " " + value, "é" + value[1:]):
        with pytest.raises(BadDocument):
            PublicKey.from_document({**document, kind: damaged})


def test_document_with_missing_or_unknown_parts_is_refused() -> None:
    document = PUBLIC.to_document()
    for kind in document.keys() - {"mask_x25519"}:
        with pytest.raises(BadDocument):
            PublicKey.from_document({other: value for other, value in document.items() if other != kind})
    with pytest.raises(BadDocument):
        PublicKey.from_document({**document, "comment": "QQ=="})


def test_weak_part_of_a_key_is_refused_and_its_owner_named() -> None:
    zero = encode(bytes(32))
    low_order_half = encode(PUBLIC.mlkem768x25519[:-32] + bytes(32))
    for change in ({"ed25519": zero}, {"mask_x25519": zero}, {"mlkem768x25519": low_order_half}):
        with pytest.raises(WeakKey, match="the key of 'north'") as raised:
            PublicKey.from_document({**PUBLIC.to_document(), **change})
        assert raised.value.code == "E407"
        assert raised.value.hint


def test_generated_keys_differ_in_everything() -> None:
    first, first_mask = generate("north")
    second, second_mask = generate("north")
    assert len({first_mask, second_mask, *vars(first).values(), *vars(second).values()}) == 9


def test_secrets_do_not_show_in_what_is_printed() -> None:
    for text in (repr(SECRET), str(SECRET), f"{SECRET}", repr([SECRET])):
        assert "north" in text
        assert "x01" not in text
        assert SECRET.ed25519_seed.hex() not in text


@given(seeds, seeds, seeds)
def test_secret_key_comes_back_from_its_bytes(a: bytes, b: bytes, c: bytes) -> None:
    secret = SecretKey("north-2", a, b, c)
    assert SecretKey.from_bytes(secret.to_bytes()) == secret


@given(st.binary(max_size=80) | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
@settings(max_examples=60)
def test_bytes_of_another_form_are_no_secret_key(data: bytes) -> None:
    with pytest.raises(BadKeyFile) as raised:
        SecretKey.from_bytes(data)
    assert raised.value.code == "E307"


def test_secret_key_in_a_second_spelling_is_refused_without_quoting_it() -> None:
    data = SECRET.to_bytes()
    document = json.loads(data)
    for damaged in (
        data + b"\n",
        json.dumps(document).encode(),
        data.replace(b"{", b'{"name":"north",', 1),
        data.replace(b"north", b"North"),
        json.dumps({**document, "mldsa65_seed": encode(bytes(31))}, separators=(",", ":")).encode(),
        json.dumps({**document, "more": ""}, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps({**document, "name": 7}, sort_keys=True, separators=(",", ":")).encode(),
        data[:-3],
        b"[" * 100_000,
    ):
        with pytest.raises(BadKeyFile) as raised:
            SecretKey.from_bytes(damaged)
        assert raised.value.__cause__ is None
        assert document["mldsa65_seed"] not in str(raised.value)


def test_secret_key_of_a_newer_fedcli_says_so() -> None:
    with pytest.raises(NewerFormat, match="fedcli-secret/2"):
        SecretKey.from_bytes(SECRET.to_bytes().replace(b"fedcli-secret/1", b"fedcli-secret/2"))


def test_locked_key_opens_with_its_passphrase_alone() -> None:
    data = lock(SECRET, PASSPHRASE, log2_n=4)
    assert unlock(data, PASSPHRASE) == SECRET
    with pytest.raises(WrongPassphrase) as raised:
        unlock(data, PASSPHRASE + " ")
    assert raised.value.code == "E309"
    assert PASSPHRASE not in str(raised.value)
    assert "backup" in raised.value.hint


def test_locked_key_shows_nothing_of_the_secret() -> None:
    data = lock(SECRET, PASSPHRASE, log2_n=4)
    assert data.startswith(b"age-encryption.org/v1\n-> scrypt ")
    for secret in (SECRET.ed25519_seed, encode(SECRET.mldsa65_seed).encode(), b"north", PASSPHRASE.encode()):
        assert secret not in data


def test_every_flipped_byte_of_a_locked_key_is_refused_as_damage_where_it_can_be_told() -> None:
    data = lock(SECRET, PASSPHRASE, log2_n=4)
    lines = data.split(b"\n")
    # Salt and wrapped key: age cannot tell a flipped bit in them from a wrong passphrase.
    like_a_passphrase = range(len(lines[0]) + 1, sum(len(line) + 1 for line in lines[:3]))
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= 1
        with pytest.raises(FedcliError) as raised:
            unlock(bytes(altered), PASSPHRASE)
        wanted = {"E307", "E309"} if place in like_a_passphrase else {"E307"}
        assert raised.value.code in wanted, place


def test_file_that_is_no_locked_key_is_refused() -> None:
    for data in (
        b"",
        b"PK\x03\x04",
        SECRET.to_bytes(),
        age.encrypt_with_passphrase(b"not a key", PASSPHRASE, log2_n=4),
        lock(SECRET, PASSPHRASE, log2_n=4)[:-20],
    ):
        with pytest.raises(BadKeyFile):
            unlock(data, PASSPHRASE)


def test_key_is_not_locked_under_a_short_passphrase() -> None:
    with pytest.raises(WeakPassphrase):
        lock(SECRET, "thirteen char", log2_n=4)
