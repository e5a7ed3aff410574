"""A file is read as it was sealed, or refused in words: never anything between, and never a traceback."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from fedcli.crypto.signing import verify
from fedcli.errors import (
    Altered,
    BadDocument,
    BadSignature,
    FedcliError,
    FileError,
    NewerFormat,
    Truncated,
    TrustError,
    WrongRecipient,
)
from fedcli.fileformat import canonical
from fedcli.fileformat.archive import read_archive, write_archive
from fedcli.fileformat.envelope import Envelope, read_envelope
from fedcli.fileformat.manifest import Manifest, Payload
from fedcli.fileformat.sealing import seal
from fedcli.fileformat.tensors import TensorFile, decode
from tests.sealing import MANIFEST, person, signer

BINDING = "fedcli.binding"
ARRAYS = {"gradient": np.arange(20.0), "n": np.array([[1187, 0]], dtype=np.uint64)}


def checker(name: str) -> Callable:
    return lambda namespace, message, signatures: verify(person(name)[1], namespace, message, signatures)


def sealed(manifest: Manifest = MANIFEST, by: str = "north", arrays: dict | None = None) -> bytes:
    """Seal an update, or with no recipients a final model."""
    file = TensorFile(arrays or ARRAYS, {BINDING: manifest.binding()})
    out = io.BytesIO()
    done = seal(
        out,
        manifest,
        file.chunks(),
        file.size,
        sign=signer(by),
        recipients=[person(name)[1].mlkem768x25519 for name in manifest.recipients] or None,
        scratch=io.BytesIO(),
        payload_name="payload.age" if manifest.recipients else "model.safetensors",
    )
    assert done == replace(manifest, payload=done.payload)
    return out.getvalue()


def opened(data: bytes, by: str = "north", to: str = "registry") -> tuple[Manifest, TensorFile]:
    """Read a file as a coordinator does, up to the binding."""
    envelope = read_envelope(io.BytesIO(data))
    manifest = envelope.verified(checker(by))
    envelope.check_payload()
    chunks = envelope.decrypted(person(to)[0].mlkem768x25519_seed) if envelope.encrypted else envelope.payload_chunks()
    found = decode(chunks, None)
    assert found.metadata[BINDING] == manifest.binding()
    return manifest, found


@cache
def update() -> bytes:
    return sealed()


FINAL = replace(MANIFEST, type="fedcli-model/1", final=True, recipients=(), sender="registry")


@cache
def final_model() -> bytes:
    return sealed(FINAL, by="registry")


def repacked(data: bytes, **members: bytes) -> bytes:
    """Pack a file again with other members."""
    archive = read_archive(io.BytesIO(data))
    out = io.BytesIO()
    payload = members.pop("payload", b"".join(archive.payload_chunks()))
    name = members.pop("name", archive.payload_name)
    parts = {"manifest": archive.manifest, "sshsig": archive.sshsig, "mldsa65": archive.mldsa65, **members}
    write_archive(out, **parts, payload_name=name, payload_size=len(payload), payload=[payload])
    return out.getvalue()


def resigned(data: bytes, text: bytes, namespace: str = "update@fedcli-v1", by: str = "north") -> bytes:
    """Put another manifest into a file and sign it validly."""
    signatures = signer(by)(namespace, text)
    return repacked(data, manifest=text, sshsig=signatures.sshsig, mldsa65=signatures.mldsa65)


def manifest_text(data: bytes) -> bytes:
    return read_archive(io.BytesIO(data)).manifest


# ---- what is sealed is read ----------------------------------------------------------------------------------------


def test_what_was_sealed_is_read():
    manifest, found = opened(update())
    assert replace(manifest, payload=None) == MANIFEST
    for name, array in ARRAYS.items():
        assert (found.arrays[name] == array).all()


def test_every_recipient_reads_an_encrypted_file_and_nobody_else():
    data = sealed(replace(MANIFEST, type="fedcli-model/1", recipients=("north", "south", "west")))
    for name in ("north", "south", "west"):
        assert opened(data, to=name)[1].arrays.keys() == ARRAYS.keys()
    with pytest.raises(WrongRecipient):
        opened(data, to="east")


def test_a_public_file_is_read_without_a_key():
    assert opened(final_model(), by="registry")[0].final


def test_an_encrypted_file_shows_no_plain_number():
    assert np.arange(5.0, 15.0).tobytes() not in update()
    assert np.arange(5.0, 15.0).tobytes() in final_model()


def test_the_kind_and_the_signer_are_known_before_anything_is_verified():
    envelope = read_envelope(io.BytesIO(update()))
    assert (envelope.kind, envelope.encrypted) == ("update", True)
    assert envelope.signer == person("north")[1].ed25519
    with pytest.raises(ValueError, match="before its signatures are verified"):
        _ = envelope.manifest
    with pytest.raises(ValueError, match="before its signatures are verified"):
        next(envelope.decrypted(bytes(32)))


# ---- every other file is refused -----------------------------------------------------------------------------------


def positions(data: bytes) -> list[int]:
    """Return every byte of headers, manifest, SSHSIG, padding ends and file end; of the rest every eleventh."""
    at, dense = 0, set(range(len(data) - 1024, len(data)))
    archive = read_archive(io.BytesIO(data))
    for content in (archive.manifest, archive.sshsig):
        dense |= set(range(at, at + 512 + len(content) + 8))
        at += 512 + -(-len(content) // 512) * 512
    dense |= set(range(at, at + 512)) | set(range(archive.payload_offset - 520, archive.payload_offset + 64))
    return sorted(dense | set(range(0, len(data), 11)))


@pytest.mark.parametrize("make", [update, final_model])
def test_any_changed_bit_is_refused(make):
    data = make()
    by = "north" if make is update else "registry"
    for number, at in enumerate(positions(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << number % 8
        with pytest.raises((FileError, TrustError)):
            opened(bytes(changed), by=by)


def test_any_truncation_is_refused():
    data = update()
    for size in [*range(0, len(data), 13), *range(len(data) - 1100, len(data))]:
        with pytest.raises((FileError, TrustError)):
            opened(data[:size])


@pytest.mark.parametrize("tail", [b"\0", b"\n", bytes(512), bytes(10240), b"x" * 100])
def test_any_extension_is_refused(tail):
    with pytest.raises(Truncated, match="added"):
        opened(update() + tail)


def test_members_of_two_valid_files_do_not_mix():
    other = sealed(replace(MANIFEST, round=2))
    first, second = read_archive(io.BytesIO(update())), read_archive(io.BytesIO(other))
    swaps = [
        {"manifest": second.manifest},
        {"sshsig": second.sshsig},
        {"mldsa65": second.mldsa65},
        {"payload": b"".join(second.payload_chunks())},
        {"sshsig": second.sshsig, "mldsa65": second.mldsa65},
        {"manifest": second.manifest, "sshsig": second.sshsig},
        {"manifest": second.manifest, "mldsa65": second.mldsa65},
        {"manifest": second.manifest, "sshsig": second.sshsig, "mldsa65": second.mldsa65},
    ]
    assert opened(repacked(update())) is not None
    assert first.manifest != second.manifest
    for members in swaps:
        with pytest.raises(TrustError):
            opened(repacked(update(), **members))


def test_a_ciphertext_signed_by_another_does_not_carry_their_binding():
    stolen = replace(Manifest.from_bytes(manifest_text(update())), sender="south")
    data = resigned(update(), stolen.to_bytes(), by="south")
    envelope = read_envelope(io.BytesIO(data))
    manifest = envelope.verified(checker("south"))
    found = decode(envelope.decrypted(person("registry")[0].mlkem768x25519_seed), None)
    assert found.metadata[BINDING] != manifest.binding()


def test_the_signature_of_another_person_is_refused():
    with pytest.raises(TrustError):
        opened(update(), by="south")


def test_both_signatures_are_needed():
    data = update()
    other = signer("south")("update@fedcli-v1", manifest_text(data))
    for members in ({"sshsig": other.sshsig}, {"mldsa65": other.mldsa65}):
        with pytest.raises(BadSignature):
            opened(repacked(data, **members))


# ---- validly signed, and still refused -----------------------------------------------------------------------------


RESERIALISED = {
    "spaces": lambda text: text.replace(b'":', b'": '),
    "a_newline": lambda text: text + b"\n",
    "a_duplicate_key": lambda text: text.replace(b'"round":1', b'"round":1,"round":1'),
    "a_later_duplicate": lambda text: text.replace(b'"round":1', b'"round":2,"round":1'),
    "a_float": lambda text: text.replace(b'"round":1', b'"round":1.0'),
    "an_exponent": lambda text: text.replace(b'"round":1', b'"round":1e0'),
    "an_escape": lambda text: text.replace(b'"north"', b'"\\u006eorth"'),
    "another_order": lambda text: b'{"type":"fedcli-update/1",' + text[1:].replace(b',"type":"fedcli-update/1"', b""),
    "an_unknown_key": lambda text: canonical.dumps({**canonical.loads(text, limit=10**5), "note": "hello"}),
    "nesting": lambda text: b"[" * 60_000,
    "no_json": lambda text: b"hello",
}


@pytest.mark.parametrize("change", RESERIALISED.values(), ids=RESERIALISED.keys())
def test_a_manifest_spelt_otherwise_is_refused_though_validly_signed(change):
    text = change(manifest_text(update()))
    assert text != manifest_text(update())
    with pytest.raises(BadDocument):
        opened(resigned(update(), text))


def test_a_manifest_signed_as_another_kind_of_file_is_refused():
    text = manifest_text(sealed(replace(MANIFEST, type="fedcli-model/1")))
    with pytest.raises(BadSignature, match="fedcli-model/1 and was signed as update"):
        opened(resigned(update(), text))


def test_a_file_of_a_newer_fedcli_is_named():
    with pytest.raises(NewerFormat, match="fedcli-update/2"):
        read_envelope(io.BytesIO(resigned(update(), b"{}", "update@fedcli-v2")))
    text = canonical.dumps({"type": "fedcli-update/2", "anything": True})
    with pytest.raises(NewerFormat, match="fedcli-update/2"):
        opened(resigned(update(), text))


def test_a_signature_for_something_else_is_refused():
    with pytest.raises(BadSignature):
        read_envelope(io.BytesIO(resigned(update(), manifest_text(update()), "git@example.org")))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"size": -16, "plain_size": -16}, Altered),
        ({"plain_size": 1}, Altered),
        ({"plain_size": -8}, Altered),
        ({"sha256": "00" * 32}, Altered),
    ],
)
def test_a_payload_other_than_the_manifest_says_is_refused_though_validly_signed(change, error):
    manifest = Manifest.from_bytes(manifest_text(update()))
    values = vars(manifest.payload) | {
        key: vars(manifest.payload)[key] + value if key != "sha256" else value for key, value in change.items()
    }
    text = replace(manifest, payload=Payload(**values)).to_bytes()
    with pytest.raises(error):
        opened(resigned(update(), text))


def test_a_payload_name_that_does_not_suit_the_kind_is_refused():
    with pytest.raises(BadDocument, match=r"model\.safetensors"):
        read_envelope(io.BytesIO(repacked(update(), name="model.safetensors")))


# ---- a file that changes while it is read --------------------------------------------------------------------------


def accepted(data: bytearray) -> tuple[io.BytesIO, Envelope]:
    file = io.BytesIO(bytes(data))
    envelope = read_envelope(file)
    return file, envelope


def test_a_file_that_was_replaced_since_it_was_verified_is_refused():
    manifest, _ = opened(update())
    assert read_envelope(io.BytesIO(update())).verified_as(manifest) == manifest
    with pytest.raises(Altered, match="a moment ago"):
        read_envelope(io.BytesIO(sealed())).verified_as(manifest)


def test_a_payload_read_before_verification_counts_at_the_check():
    data = bytearray(final_model())
    at = read_archive(io.BytesIO(data)).payload_offset + 200
    data[at] ^= 1
    file, envelope = accepted(data)
    b"".join(envelope.payload_chunks())
    file.seek(at)
    file.write(bytes([data[at] ^ 1]))
    envelope.verified(checker("registry"))
    with pytest.raises(Altered, match="hash"):
        envelope.check_payload()


def test_a_payload_that_changes_after_the_check_is_refused_at_its_end():
    file, envelope = accepted(bytearray(final_model()))
    envelope.verified(checker("registry"))
    envelope.check_payload()
    at = envelope.archive.payload_offset + 200
    file.seek(at)
    file.write(b"\xff")
    with pytest.raises(Altered, match="hash"):
        b"".join(envelope.payload_chunks())


def test_an_error_of_a_changed_file_tells_the_next_step():
    for data in (update()[:-1], update() + b"\0", repacked(update(), payload=b"x" * 2000)):
        with pytest.raises(FedcliError) as caught:
            opened(data)
        assert caught.value.hint


# ---- and a large one -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_large_file_is_sealed_and_read_at_constant_memory(tmp_path):
    import tracemalloc

    array = np.zeros((2**24, 2), dtype=np.uint64)  # 256 MiB
    file = TensorFile({"x": array}, {BINDING: MANIFEST.binding()})
    keys = [person("registry")[1].mlkem768x25519]
    tracemalloc.start()
    with (tmp_path / "out").open("wb") as out, (tmp_path / "scratch").open("w+b") as scratch:
        seal(out, MANIFEST, file.chunks(), file.size, sign=signer("north"), recipients=keys, scratch=scratch)
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    with (tmp_path / "out").open("rb") as source:
        envelope = read_envelope(source)
        envelope.verified(checker("north"))
        envelope.check_payload()
        found = decode(envelope.decrypted(person("registry")[0].mlkem768x25519_seed), {"x": ("U64", array.shape)})
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.arrays["x"].shape == array.shape
    assert written < 2**24
    assert read < array.nbytes + 2**24
