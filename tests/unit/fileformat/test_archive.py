"""The outer shape: written byte for byte as tar writes it, and nothing else is read."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess

import pytest

from fedcli.errors import BadArchive, FileError, MangledInTransit, NotAFedcliFile, Truncated, TrustError
from fedcli.fileformat.archive import PAYLOAD_LIMITS, header, read_archive, write_archive

SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
TAR = shutil.which("tar")


def packed(payload: bytes = bytes(range(256)) * 5, name: str = "payload.age", **members: bytes) -> bytes:
    out = io.BytesIO()
    members = {"manifest": b"{}", "sshsig": SIGNATURE, "mldsa65": b"QUJD\n", **members}
    write_archive(out, **members, payload_name=name, payload_size=len(payload), payload=[payload[:7], payload[7:]])
    return out.getvalue()


def read(data: bytes):
    return read_archive(io.BytesIO(data))


@pytest.mark.parametrize("name", PAYLOAD_LIMITS)
@pytest.mark.parametrize("size", [1, 511, 512, 513, 60_000])
def test_the_members_are_read_back(name, size):
    payload = bytes(i % 251 for i in range(size))
    archive = read(packed(payload, name))
    assert (archive.manifest, archive.sshsig, archive.mldsa65) == (b"{}", SIGNATURE, b"QUJD\n")
    assert (archive.payload_name, b"".join(archive.payload_chunks())) == (name, payload)


@pytest.mark.skipif(TAR is None, reason="there is no tar on this machine")
def test_tar_opens_the_file_and_writes_it_back_byte_for_byte(tmp_path):
    data = packed()
    (tmp_path / "heart.fedupdate").write_bytes(data)
    subprocess.run([TAR, "xf", "heart.fedupdate"], cwd=tmp_path, check=True)
    members = ["manifest.json", "manifest.json.sig", "manifest.json.mldsa65", "payload.age"]
    assert (tmp_path / "payload.age").read_bytes() == bytes(range(256)) * 5
    options = ["--format=ustar", "-b1", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--mode=0644"]
    done = subprocess.run([TAR, *options, "-cf", "again", *members], cwd=tmp_path, check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this tar is not GNU tar")
    assert (tmp_path / "again").read_bytes() == data


def test_two_readers_of_one_payload_do_not_disturb_each_other():
    archive = read(packed(bytes(range(256)) * 3000))
    a, b = archive.payload_chunks(), archive.payload_chunks()
    assert next(a) == next(b)
    assert b"".join(a) == b"".join(b)


def test_every_truncation_is_refused():
    data = packed()
    for size in range(len(data)):
        with pytest.raises((FileError, TrustError)):
            read(data[:size])


@pytest.mark.parametrize(
    ("missing", "words"), [(1, "1 byte missing"), (212, "212 bytes missing"), (1030, "1,030 bytes")]
)
def test_the_error_says_how_many_bytes_are_missing_at_the_end(missing, words):
    with pytest.raises(Truncated, match=words):
        read(packed()[:-missing])


def test_a_file_cut_before_its_payload_says_how_many_bytes_are_missing_at_least():
    with pytest.raises(Truncated, match="at least 12 bytes missing"):
        read(packed()[: 4 * 512 - 12])


@pytest.mark.parametrize("tail", [b"\0", bytes(512), b"x" * 7])
def test_bytes_after_the_end_are_refused(tail):
    with pytest.raises(Truncated, match=f"{len(tail)} bytes? added at the end"):
        read(packed() + tail)


def test_every_changed_byte_outside_the_members_is_refused():
    data = packed()
    inside = {range(512, 514), range(1536, 1536 + len(SIGNATURE)), range(2560, 2565), range(3584, 3584 + 1280)}
    for at in range(len(data)):
        if any(at in part for part in inside):
            continue
        for bit in (1, 0x20, 0x80):
            with pytest.raises((FileError, TrustError)):
                read(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])


def pax(name: str, content: bytes) -> bytes:
    return header(name, len(content)) + content + bytes(-len(content) % 512)


FRONT = (
    pax("manifest.json", b"{}"),
    pax("manifest.json.sig", SIGNATURE),
    pax("manifest.json.mldsa65", b"QUJD\n"),
)
END = bytes(1024)


@pytest.mark.parametrize(
    "data",
    [
        b"".join(FRONT) + pax("../payload.age", b"x") + END,
        b"".join(FRONT) + pax("payload.txt", b"x") + END,
        b"".join(FRONT) + pax("payload.age", b"x") + pax("payload.age", b"y") + END,
        b"".join(FRONT) + END,
        FRONT[0] + FRONT[0] + FRONT[1] + FRONT[2] + pax("payload.age", b"x") + END,
        FRONT[0] + FRONT[2] + FRONT[1] + pax("payload.age", b"x") + END,
        FRONT[1] + FRONT[0] + FRONT[2] + pax("payload.age", b"x") + END,
        b"".join(FRONT) + header("payload.age", 0) + END,
        b"".join(FRONT) + pax("key.json", bytes(2**16 + 1)) + END,
        pax("manifest.json", bytes(2**16 + 1)) + FRONT[1] + FRONT[2] + pax("payload.age", b"x") + END,
        FRONT[0] + pax("manifest.json.sig", bytes(2**14 + 1)) + FRONT[2] + pax("payload.age", b"x") + END,
        pax("././@LongLink", b"manifest.json\0") + b"".join(FRONT) + pax("payload.age", b"x") + END,
    ],
    ids=[
        "a_path_upwards",
        "another_name",
        "a_second_payload",
        "no_payload",
        "a_member_twice",
        "another_order",
        "signature_first",
        "an_empty_payload",
        "a_large_key",
        "a_large_manifest",
        "a_large_signature",
        "a_long_name_extension",
    ],
)
def test_members_in_any_other_form_are_refused(data):
    with pytest.raises((FileError, TrustError)):
        read(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (slice(100, 107), b"0000755"),
        (slice(108, 115), b"0001750"),
        (slice(136, 147), b"14522300000"),
        (slice(156, 157), b"2"),
        (slice(157, 168), b"/etc/passwd"),
        (slice(257, 265), b"ustar  \0"),
        (slice(265, 269), b"root"),
        (slice(124, 128), b"\x80\0\0\0"),
    ],
    ids=["mode", "owner", "time", "link", "link_name", "gnu_magic", "owner_name", "binary_size"],
)
def test_a_header_with_any_other_field_is_refused_though_its_checksum_is_right(field, value):
    head = bytearray(header("payload.age", 1))
    head[field] = value
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    with pytest.raises(BadArchive):
        read(b"".join(FRONT) + bytes(head) + b"x" + bytes(511) + END)


def test_one_zero_block_at_the_end_is_not_enough():
    with pytest.raises(Truncated, match="512 bytes missing"):
        read(packed()[:-512])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: d.replace(b"\n", b"\r\n"), "line ends"),
        (lambda d: b"\xef\xbb\xbf" + d, "byte order mark"),
        (lambda d: d.decode("latin-1").encode("utf-16"), "UTF-16"),
        (lambda d: d.decode("latin-1").encode("utf-16-be"), "UTF-16"),
        (lambda d: d.decode("latin-1").encode("utf-16-le"), "UTF-16"),
        (lambda d: d.decode("utf-8", errors="replace").encode(), "UTF-8"),
        (base64.b64encode, "base64"),
        (base64.encodebytes, "base64"),
        (lambda d: d.replace(b"\0", b""), "zero bytes"),
        (lambda d: d.replace(b"\0", b" "), "zero bytes"),
        (lambda d: d.replace(b"\0", b"=00"), "zero bytes"),
    ],
)
def test_a_file_rewritten_as_text_is_recognised(damage, words):
    with pytest.raises(MangledInTransit, match=words) as caught:
        read(damage(packed()))
    assert "attachment" in caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_byte_order_mark_before_a_table_makes_it_none_of_ours(encoding):
    with pytest.raises(NotAFedcliFile):
        read("age,sex\n41,male\n".encode(encoding))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04....", "zip"),
        (b"\x1f\x8b\x08....", "gzip"),
        (b"age,sex,chol\n63,male,233\n", "a table or another text"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b'{"study": 1}', "JSON"),
        (b"age-encryption.org/v1\n-> scrypt", "age file"),
        (bytes(10_000), "does not begin"),
    ],
)
def test_a_file_of_another_kind_is_named(data, words):
    with pytest.raises(NotAFedcliFile, match=words) as caught:
        read(data)
    assert caught.value.hint


def test_a_member_that_no_reader_takes_is_not_written():
    with pytest.raises(ValueError, match=r"manifest\.json has 0 bytes"):
        packed(manifest=b"")
    with pytest.raises(ValueError, match="announced with 3"):
        write_archive(
            io.BytesIO(),
            manifest=b"{}",
            sshsig=b"s",
            mldsa65=b"m",
            payload_name="key.json",
            payload_size=3,
            payload=[b"ab"],
        )
