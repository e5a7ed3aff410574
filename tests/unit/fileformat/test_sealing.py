"""Sealing: what a writer may not do, and that others' tools verify what it wrote."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from fedcli.crypto.sshsig import allowed_signers_line
from fedcli.fileformat.archive import read_archive
from fedcli.fileformat.sealing import seal
from tests.sealing import MANIFEST, person, signer


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen on this machine")
def test_ssh_keygen_verifies_the_unpacked_signature(tmp_path):
    out, key = io.BytesIO(), person("registry")[1].mlkem768x25519
    seal(out, MANIFEST, [b"numbers"], 7, sign=signer("north"), recipients=[key], scratch=io.BytesIO())
    archive = read_archive(out)
    (tmp_path / "sig").write_bytes(archive.sshsig)
    line = allowed_signers_line("north", person("north")[1].ed25519, ["update@fedcli-v1"])
    (tmp_path / "signers").write_text(line.rstrip("\n") + "\n", encoding="ascii")
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "north", "-s", "sig", "-n"]
    good = subprocess.run([*command, "update@fedcli-v1"], cwd=tmp_path, input=archive.manifest, capture_output=True)
    other = subprocess.run([*command, "model@fedcli-v1"], cwd=tmp_path, input=archive.manifest, capture_output=True)
    assert good.returncode == 0
    assert other.returncode != 0


def test_an_encrypted_file_needs_as_many_keys_as_names():
    with pytest.raises(ValueError, match="1 names with 0 keys"):
        seal(io.BytesIO(), MANIFEST, [b"x"], 1, sign=signer("north"), recipients=[], scratch=io.BytesIO())


def test_a_payload_of_another_length_than_announced_is_not_sealed():
    key = person("registry")[1].mlkem768x25519
    with pytest.raises(ValueError, match="announced with 3 bytes and has -1 more"):
        seal(io.BytesIO(), MANIFEST, [b"xx"], 3, sign=signer("north"), recipients=[key], scratch=io.BytesIO())
