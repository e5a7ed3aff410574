"""The manifest: strict in every field, and friendly only to newer versions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from fedcli.errors import BadDocument, NewerFormat
from fedcli.fileformat import canonical
from fedcli.fileformat.manifest import Manifest, Payload
from tests.sealing import MANIFEST

UPDATE = replace(MANIFEST, payload=Payload("payload.age", 2500, "ef" * 32, 800))


def document() -> dict:
    return json.loads(UPDATE.to_bytes())


def test_a_manifest_reads_back_equal():
    assert Manifest.from_bytes(UPDATE.to_bytes()) == UPDATE
    assert UPDATE.to_bytes() == canonical.dumps(document())


def test_the_keys_are_the_documented_ones():
    keys = "type study name roster round attempt parent from to previous ledger final software payload"
    assert sorted(document()) == sorted(keys.split())
    assert sorted(document()["payload"]) == ["name", "plain_size", "sha256", "size"]


def test_kind_and_namespace_follow_from_the_type():
    assert (UPDATE.kind, UPDATE.namespace) == ("update", "update@fedcli-v1")


def test_the_binding_leaves_the_payload_out_and_nothing_else():
    assert replace(UPDATE, payload=None).binding() == UPDATE.binding()
    assert replace(UPDATE, sender="south").binding() != UPDATE.binding()
    assert replace(UPDATE, round=2).binding() != UPDATE.binding()


def test_the_digest_is_the_hash_of_the_signed_bytes():
    assert UPDATE.digest() == hashlib.sha256(UPDATE.to_bytes()).hexdigest()


CHANGES = {
    "an_unknown_key": {"extra": 1},
    "a_round_as_text": {"round": "1"},
    "a_round_as_yes": {"round": True},
    "a_negative_round": {"round": -1},
    "an_upper_case_hash": {"study": "AB" * 32},
    "a_short_hash": {"study": "ab" * 31},
    "no_study": {"study": ""},
    "a_hash_with_a_newline": {"parent": "ab" * 32 + "\n"},
    "a_name_with_a_path": {"from": "../north"},
    "a_name_with_capitals": {"from": "North"},
    "an_empty_sender": {"from": ""},
    "a_name_of_41_letters": {"name": "a" * 41},
    "a_control_character": {"software": "fedcli \x1b[2J"},
    "recipients_as_text": {"to": "registry"},
    "a_recipient_twice": {"to": ["registry", "registry"]},
    "no_recipient_of_an_encrypted_file": {"to": []},
    "a_final_update": {"final": True},
    "final_as_a_number": {"final": 0},
    "no_payload": {"payload": None},
    "an_unknown_payload": {"payload": {"name": "x", "size": 1, "sha256": "ef" * 32, "plain_size": 1}},
    "a_public_update": {"payload": {"name": "model.safetensors", "size": 1, "sha256": "ef" * 32, "plain_size": 1}},
    "a_payload_of_8_gib": {"payload": {"name": "payload.age", "size": 2**33, "sha256": "ef" * 32, "plain_size": 1}},
    "a_payload_with_more": {
        "payload": {"name": "payload.age", "size": 9, "sha256": "ef" * 32, "plain_size": 1, "x": 1}
    },
    "a_type_of_nothing": {"type": "update"},
    "a_type_as_number": {"type": 1},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_manifest_that_breaks_its_schema_is_refused(change):
    with pytest.raises(BadDocument):
        Manifest.from_bytes(canonical.dumps({**document(), **change}))


@pytest.mark.parametrize("key", sorted(json.loads(UPDATE.to_bytes())))
def test_a_manifest_without_one_of_its_keys_is_refused(key):
    changed = document()
    del changed[key]
    with pytest.raises(BadDocument):
        Manifest.from_bytes(canonical.dumps(changed))


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b"{}"])
def test_a_document_that_is_no_manifest_is_refused(text):
    with pytest.raises(BadDocument):
        Manifest.from_bytes(text)


@pytest.mark.parametrize("kind", ["fedcli-update/2", "fedcli-study/17", "fedcli-withdraw/1"])
def test_a_newer_type_is_named_whatever_else_the_manifest_holds(kind):
    text = canonical.dumps({"type": kind, "something": ["new"]})
    with pytest.raises(NewerFormat, match=kind):
        Manifest.from_bytes(text)


def test_a_key_belongs_to_no_study():
    nothing = {"study": "", "name": "", "roster": "", "parent": "", "ledger": "", "recipients": [], "round": 0}
    payload = Payload("key.json", 900, "ef" * 32, 900)
    key = replace(UPDATE, type="fedcli-key/1", payload=payload, **nothing)
    assert Manifest.from_bytes(key.to_bytes()) == key
    with pytest.raises(ValueError, match="'study'"):
        replace(key, study="ab" * 32).to_bytes()


def test_a_public_model_is_a_final_one_and_the_other_way_round():
    payload = Payload("model.safetensors", 900, "ef" * 32, 900)
    final = replace(UPDATE, type="fedcli-model/1", final=True, recipients=(), payload=payload)
    assert Manifest.from_bytes(final.to_bytes()) == final
    with pytest.raises(ValueError, match="'final'"):
        replace(final, final=False).to_bytes()
    with pytest.raises(ValueError, match="'final'"):
        replace(UPDATE, type="fedcli-model/1", final=True).to_bytes()


def test_a_public_payload_has_one_size():
    payload = Payload("model.safetensors", 900, "ef" * 32, 901)
    with pytest.raises(ValueError, match="plain_size"):
        replace(UPDATE, type="fedcli-model/1", final=True, recipients=(), payload=payload).to_bytes()
