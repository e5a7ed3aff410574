"""Every age file of the Community Cryptography Test Vectors, with its expected outcome and the bytes released."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedcli.crypto import age, bech32
from fedcli.crypto.age_header import make_header, read_header
from fedcli.crypto.age_stream import NONCE_BYTES, seal_stream
from fedcli.errors import Altered, WrongPassphrase, WrongRecipient

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "vectors" / "age_cctv"
N_FILES = 143
missing = pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared test vectors are not beside the project")

ARMOUR = "ASCII armour is not implemented: a payload is a binary member of an archive"
X25519 = "the fault is in an X25519 stanza, a recipient that fedcli neither writes nor opens"
SKIPPED_PREFIXES = {"armor_": ARMOUR}
SKIPPED = {
    "hybrid_x25519_arg": X25519,
    "x25519_bad_tag": X25519,
    "x25519_extra_argument": X25519,
    "x25519_identity": X25519,
    "x25519_long_file_key": X25519,
    "x25519_long_share": X25519,
    "x25519_low_order": X25519,
    "x25519_lowercase": X25519,
    "x25519_no_match": X25519,
    "x25519_not_canonical_share": X25519,
    "x25519_short_share": X25519,
}
OUTCOMES = {
    "header failure": age.HeaderFailure,
    "HMAC failure": age.HmacFailure,
    "payload failure": age.PayloadFailure,
    "no match": (age.NoMatch, WrongPassphrase),
}
OTHER_SEED = bytes(range(32))


@dataclass(frozen=True)
class Vector:
    fields: dict[str, list[str]]
    data: bytes

    @property
    def expected(self) -> str:
        return self.fields["expect"][0]

    @property
    def payload_hash(self) -> str:
        return self.fields["payload"][0]

    @property
    def file_key(self) -> bytes:
        return bytes.fromhex(self.fields["file key"][0])


def load(name: str) -> Vector:
    head, _, data = (FOLDER / name).read_bytes().partition(b"\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.decode("utf-8").split("\n"):
        key, _, value = line.partition(": ")
        fields.setdefault(key, []).append(value)
    return Vector(fields, zlib.decompress(data) if "compressed" in fields else data)


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir()) if FOLDER.is_dir() else []


def reason_to_skip(name: str) -> str | None:
    for prefix, reason in SKIPPED_PREFIXES.items():
        if name.startswith(prefix):
            return reason
    return SKIPPED.get(name)


def opened(vector: Vector) -> Iterator[bytes]:
    """Open with the secret of the vector: ours where it is of a kind of ours, its file key where it is X25519."""
    if "passphrase" in vector.fields:
        yield age.decrypt_with_passphrase(vector.data, vector.fields["passphrase"][0])
        return
    hybrid = [text for text in vector.fields.get("identity", []) if text.startswith("AGE-SECRET-KEY-PQ-1")]
    source = io.BytesIO(vector.data)
    if hybrid:
        yield from age.decrypt(source, bech32.identity_bytes(hybrid[0]))
    else:
        yield from age.decrypt_with_file_key(source, vector.file_key)


@missing
@pytest.mark.parametrize("name", names())
def test_age_file_has_its_expected_outcome_and_releases_nothing_else(name: str) -> None:
    if reason := reason_to_skip(name):
        pytest.skip(reason)
    vector = load(name)
    released = hashlib.sha256()

    def consume() -> None:
        for chunk in opened(vector):
            released.update(chunk)

    if vector.expected == "success":
        consume()
    else:
        with pytest.raises(OUTCOMES[vector.expected]) as raised:
            consume()
        wanted = {"E405"} if vector.expected != "no match" else {"E403", "E309"}
        assert raised.value.code in wanted
        assert isinstance(raised.value, Altered | WrongRecipient | WrongPassphrase)
    nothing = hashlib.sha256().hexdigest()
    expected = vector.payload_hash if "payload" in vector.fields else nothing
    assert released.hexdigest() == expected


@missing
def test_every_file_is_run_or_skipped_for_a_written_reason() -> None:
    assert len(names()) == N_FILES
    assert set(names()) >= SKIPPED.keys()
    assert sum(reason_to_skip(name) is None for name in names()) == 99


@missing
@pytest.mark.parametrize("name", [name for name in names() if name.startswith("armor_")])
def test_armoured_file_is_refused_and_not_guessed_at(name: str) -> None:
    with pytest.raises(age.HeaderFailure):
        age.decrypt(io.BytesIO(load(name).data), OTHER_SEED)


@missing
@pytest.mark.parametrize("name", sorted(SKIPPED))
def test_file_for_an_x25519_recipient_alone_is_for_somebody_else(name: str) -> None:
    with pytest.raises(age.NoMatch):
        age.decrypt(io.BytesIO(load(name).data), OTHER_SEED)


@missing
def test_header_of_every_sound_file_is_written_again_to_the_byte() -> None:
    checked = 0
    for name in names():
        vector = load(name)
        if name.startswith("armor_") or vector.expected in ("header failure", "HMAC failure"):
            continue
        header = read_header(io.BytesIO(vector.data))
        again = make_header(header.stanzas, vector.file_key)
        assert bytes(header) == vector.data[: len(bytes(header))], name
        assert again.authenticated == header.authenticated, name
        checked += 1
    assert checked > 40


@missing
def test_payload_of_every_sound_file_is_written_again_to_the_byte() -> None:
    checked = 0
    for name in names():
        vector = load(name)
        if name.startswith("armor_") or vector.expected != "success":
            continue
        plain = b"".join(age.decrypt_with_file_key(io.BytesIO(vector.data), vector.file_key))
        source = io.BytesIO(vector.data)
        read_header(source)
        payload, out = source.read(), io.BytesIO()
        seal_stream([plain], out, vector.file_key, payload[:NONCE_BYTES])
        assert out.getvalue() == payload, name
        checked += 1
    assert checked == 19
