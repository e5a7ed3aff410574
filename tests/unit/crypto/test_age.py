from __future__ import annotations

import io
import os
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.crypto import age, xwing
from fedcli.crypto.age_header import HEADER_CAP, Stanza, make_header, read_header
from fedcli.crypto.age_stream import CHUNK, TAG, open_stream, payload_size, seal_stream
from fedcli.errors import Altered, FedcliError, WrongPassphrase, WrongRecipient

SEED, OTHER = bytes(range(32)), bytes(range(1, 33))
PUBLIC, OTHER_PUBLIC = xwing.public_key(SEED), xwing.public_key(OTHER)
PASSPHRASE = "correct horse battery staple"


def encrypted(plain: bytes, *recipients: bytes) -> bytes:
    out = io.BytesIO()
    age.encrypt([plain], out, recipients or [PUBLIC])
    return out.getvalue()


def decrypted(data: bytes, seed: bytes = SEED) -> bytes:
    return b"".join(age.decrypt(io.BytesIO(data), seed))


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_plaintext_comes_back_however_it_was_cut(pieces: list[bytes], n_recipients: int) -> None:
    out = io.BytesIO()
    written = age.encrypt(pieces, out, [OTHER_PUBLIC] * (n_recipients - 1) + [PUBLIC])
    assert decrypted(out.getvalue()) == b"".join(pieces)
    assert written == len(out.getvalue()) == age.encrypted_size(sum(map(len, pieces)), n_recipients)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK])
def test_sizes_around_the_chunk_are_exact_and_come_back(size: int) -> None:
    plain = os.urandom(size)
    for step in (max(1, size), 40_000, CHUNK):
        out = io.BytesIO()
        written = age.encrypt((plain[i : i + step] for i in range(0, size, step)), out, [PUBLIC])
        assert written == out.tell() == age.encrypted_size(size, 1)
        assert decrypted(out.getvalue()) == plain


def test_every_recipient_opens_the_file_and_nobody_else() -> None:
    data = encrypted(b"sums", OTHER_PUBLIC, PUBLIC)
    assert decrypted(data) == decrypted(data, OTHER) == b"sums"
    with pytest.raises(WrongRecipient) as raised:
        decrypted(data, bytes(32))
    assert raised.value.code == "E403"
    assert "2 recipients" in raised.value.message


def test_number_of_recipients_that_no_header_holds_is_refused() -> None:
    for recipients in ([], [PUBLIC] * (age.MAX_RECIPIENTS + 1)):
        with pytest.raises(ValueError, match="recipients"):
            age.encrypt([b""], io.BytesIO(), recipients)
    largest = age.encrypted_size(0, age.MAX_RECIPIENTS) - payload_size(0)
    assert largest <= HEADER_CAP < largest + 1557


def test_two_encryptions_of_one_plaintext_share_nothing_but_the_form() -> None:
    assert encrypted(b"sums")[60:] != encrypted(b"sums")[60:]


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_flipped_byte_of_a_file_is_refused(flip: int) -> None:
    data = encrypted(b"ten bytes.")
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= flip
        with pytest.raises((Altered, WrongRecipient)):
            decrypted(bytes(altered))


def test_every_truncation_of_a_file_is_refused() -> None:
    data = encrypted(b"ten bytes.")
    for length in range(len(data)):
        with pytest.raises(Altered):
            decrypted(data[:length])


@pytest.mark.parametrize("extra", [b"\x00", b"\n", bytes(CHUNK)])
@pytest.mark.parametrize("size", [10, CHUNK])
def test_bytes_added_behind_a_file_are_refused(size: int, extra: bytes) -> None:
    with pytest.raises(age.PayloadFailure):
        decrypted(encrypted(bytes(size)) + extra)


def test_chunks_that_changed_places_are_refused() -> None:
    data = encrypted(os.urandom(3 * CHUNK))
    start = len(data) - 3 * (CHUNK + TAG)
    first, second, third = (data[start + i * (CHUNK + TAG) : start + (i + 1) * (CHUNK + TAG)] for i in range(3))
    for chunks in ((second, first, third), (first, third), (first, first, third), (first, second), (third,)):
        with pytest.raises(age.PayloadFailure):
            decrypted(data[:start] + b"".join(chunks))


def test_stanza_taken_over_from_another_file_is_refused() -> None:
    data, other = encrypted(b"mine"), encrypted(b"theirs")
    end = data.index(b"\n---")
    with pytest.raises(age.HmacFailure):
        decrypted(other[: other.index(b"\n---")] + data[end:])


def test_recipient_added_behind_the_senders_back_is_refused() -> None:
    data = encrypted(b"sums")
    end = data.index(b"\n---") + 1
    with pytest.raises(age.HmacFailure):
        decrypted(data[:end] + bytes(Stanza(("grease",), b"")) + data[end:])


def test_header_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    line = b"A" * 64 + b"\n"
    source = io.BytesIO(b"age-encryption.org/v1\n-> x\n" + line * 10_000)
    with pytest.raises(age.HeaderFailure, match="512 KiB"):
        read_header(source)
    assert source.tell() <= HEADER_CAP + 2
    with pytest.raises(age.HeaderFailure, match="512 KiB"):
        read_header(io.BytesIO(b"age-encryption.org/v1\n-> " + b"x" * HEADER_CAP * 2))


@given(
    st.lists(
        st.tuples(
            st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), min_size=1, max_size=3),
            st.binary(max_size=150),
        ),
        min_size=1,
        max_size=4,
    ),
    st.binary(min_size=16, max_size=16),
)
def test_headers_come_back_to_the_byte(parts: list[tuple[list[str], bytes]], file_key: bytes) -> None:
    stanzas = [Stanza(("x", *arguments), body) for arguments, body in parts]
    header = make_header(stanzas, file_key)
    again = read_header(io.BytesIO(bytes(header) + b"payload"))
    assert again == header
    again.check_mac(file_key)


def test_memory_does_not_grow_with_the_payload() -> None:
    class Counter:
        def __init__(self) -> None:
            self.data = io.BytesIO()

        def write(self, data: bytes) -> int:
            return len(data)

    block = bytes(2**20)
    tracemalloc.start()
    age.encrypt((block for _ in range(16)), Counter(), [PUBLIC])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**19


class _Dribble(io.RawIOBase):
    """A source that gives less than it is asked for, as pipes do."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        chunk = self._source.read(min(len(buffer), 1000))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def test_source_that_returns_less_than_asked_is_read_to_the_end() -> None:
    plain = os.urandom(CHUNK + 5)
    assert b"".join(age.decrypt(_Dribble(encrypted(plain)), SEED)) == plain  # type: ignore[arg-type]


def test_nothing_of_an_altered_chunk_is_released() -> None:
    data = bytearray(encrypted(bytes(2 * CHUNK)))
    data[-1] ^= 1
    chunks: Iterator[bytes] = age.decrypt(io.BytesIO(bytes(data)), SEED)
    assert next(chunks) == bytes(CHUNK)
    with pytest.raises(age.PayloadFailure, match="chunk 2"):
        next(chunks)


def test_file_key_alone_opens_a_stream() -> None:
    out = io.BytesIO()
    written = seal_stream([b"a", b"", b"bc"], out, bytes(16), bytes(16))
    assert written == payload_size(3)
    source = io.BytesIO(out.getvalue()[16:])
    assert b"".join(open_stream(source, bytes(16), bytes(16))) == b"abc"


# ---- passphrases -------------------------------------------------------------------------------------------------


def test_secret_under_a_passphrase_comes_back() -> None:
    data = age.encrypt_with_passphrase(b"seeds", PASSPHRASE, log2_n=4)
    assert age.decrypt_with_passphrase(data, PASSPHRASE) == b"seeds"


def test_wrong_passphrase_is_told_from_a_damaged_file() -> None:
    data = age.encrypt_with_passphrase(b"seeds", PASSPHRASE, log2_n=4)
    with pytest.raises(WrongPassphrase) as raised:
        age.decrypt_with_passphrase(data, "Correct horse battery staple")
    assert raised.value.code == "E309"
    with pytest.raises(age.PayloadFailure):
        age.decrypt_with_passphrase(data[:-1], PASSPHRASE)


def test_every_flipped_byte_under_a_passphrase_is_refused() -> None:
    data = age.encrypt_with_passphrase(b"seeds", PASSPHRASE, log2_n=4)
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= 1
        with pytest.raises(FedcliError):
            age.decrypt_with_passphrase(bytes(altered), PASSPHRASE)


def test_work_factor_above_the_limit_costs_nothing() -> None:
    data = age.encrypt_with_passphrase(b"seeds", PASSPHRASE, log2_n=4)
    with pytest.raises(age.HeaderFailure, match="from 1 to 20"):
        age.decrypt_with_passphrase(data.replace(b" 4\n", b" 21\n", 1), PASSPHRASE)
    with pytest.raises(age.HeaderFailure, match="from 1 to 3"):
        age.decrypt_with_passphrase(data, PASSPHRASE, max_log2_n=3)


def test_file_for_a_key_has_no_passphrase() -> None:
    with pytest.raises(age.NoMatch):
        age.decrypt_with_passphrase(encrypted(b"sums"), PASSPHRASE)
    with pytest.raises(age.NoMatch):
        decrypted(age.encrypt_with_passphrase(b"seeds", PASSPHRASE, log2_n=4))


def test_passphrase_that_has_no_bytes_is_wrong_and_not_quoted() -> None:
    data = age.encrypt_with_passphrase(b"seeds", PASSPHRASE, log2_n=4)
    with pytest.raises(WrongPassphrase) as raised:
        age.decrypt_with_passphrase(data, "secret words \udc80")
    assert raised.value.__cause__ is None
    assert "secret words" not in str(raised.value)


def test_another_age_reads_our_passphrase_file() -> None:
    pyrage = pytest.importorskip("pyrage", reason="pyrage, another age implementation, is not installed")
    ours = age.encrypt_with_passphrase(b"seeds", PASSPHRASE)
    assert b" 18\n" in ours[:80]
    assert pyrage.passphrase.decrypt(ours, PASSPHRASE) == b"seeds"


@pytest.mark.slow
def test_we_read_the_passphrase_file_of_another_age() -> None:
    pyrage = pytest.importorskip("pyrage", reason="pyrage, another age implementation, is not installed")
    plain = b"seeds" * 20_000
    # It chooses the work factor by the speed of the machine.
    assert age.decrypt_with_passphrase(pyrage.passphrase.encrypt(plain, PASSPHRASE), PASSPHRASE, max_log2_n=22) == plain
