from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedcli.crypto import base64_strict, sshsig
from fedcli.errors import BadSignature

NAMESPACE = "update@fedcli-v1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
MESSAGE = b'{"type":"fedcli-update/1"}'
needs_openssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed here")


def signed(message: bytes = MESSAGE, namespace: str = NAMESPACE) -> bytes:
    return sshsig.armour(PUBLIC, namespace, KEY.sign(sshsig.to_be_signed(namespace, message)))


def run(*command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)


@needs_openssh
@pytest.mark.parametrize("message", [MESSAGE, b"", bytes(100_000)])
@pytest.mark.parametrize("namespace", [NAMESPACE, "a@b"])
def test_signature_is_byte_for_byte_that_of_ssh_keygen(tmp_path: Path, message: bytes, namespace: str) -> None:
    key, file = tmp_path / "key", tmp_path / "message"
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.chmod(0o600)
    file.write_bytes(message)
    result = run("ssh-keygen", "-Y", "sign", "-f", str(key), "-n", namespace, str(file))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "message.sig").read_bytes() == signed(message, namespace)


@needs_openssh
def test_ssh_keygen_verifies_with_the_line_for_allowed_signers(tmp_path: Path) -> None:
    allowed, signature = tmp_path / "allowed_signers", tmp_path / "manifest.json.sig"
    allowed.write_text(sshsig.allowed_signers_line("north", PUBLIC, [NAMESPACE, "model@fedcli-v1"]), "ascii")
    signature.write_bytes(signed())

    def verifies(who: str, namespace: str, message: bytes) -> bool:
        command = ("ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", who, "-n", namespace, "-s", str(signature))
        return run(*command, stdin=message).returncode == 0

    assert verifies("north", NAMESPACE, MESSAGE)
    assert not verifies("south", NAMESPACE, MESSAGE)
    assert not verifies("north", "model@fedcli-v1", MESSAGE)
    assert not verifies("north", NAMESPACE, MESSAGE + b"\n")
    signature.write_bytes(signed(namespace="key@fedcli-v1"))
    assert not verifies("north", "key@fedcli-v1", MESSAGE)


def test_key_and_signature_come_back_out_of_the_armour() -> None:
    assert sshsig.embedded_key(signed()) == PUBLIC
    assert sshsig.split(signed(), NAMESPACE) == (PUBLIC, KEY.sign(sshsig.to_be_signed(NAMESPACE, MESSAGE)))


def test_every_flipped_byte_breaks_the_form_or_changes_key_or_signature() -> None:
    armoured = signed()
    for place in range(len(armoured)):
        for flip in (1, 0x20, 0x80):
            altered = bytearray(armoured)
            altered[place] ^= flip
            try:
                parts = sshsig.split(bytes(altered), NAMESPACE)
            except BadSignature:
                continue
            assert parts != sshsig.split(armoured, NAMESPACE)


def blob() -> bytes:
    return base64_strict.decode(b"".join(signed().splitlines()[1:-1]))


def rearmoured(data: bytes) -> bytes:
    text = base64_strict.encode(data)
    lines = "".join(text[i : i + 70] + "\n" for i in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n".encode()


@pytest.mark.parametrize(
    "armoured",
    [
        b"",
        b"-----BEGIN SSH SIGNATURE-----\n",
        b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        signed()[:-1],
        signed() + b"\n",
        b"\n" + signed(),
        signed().replace(b"\n", b"\r\n"),
        signed().replace(b"\n", b"\n\n", 1),
        b"-----BEGIN SSH SIGNATURE-----\n" + b"".join(signed().splitlines()[1:-1]) + b"\n-----END SSH SIGNATURE-----\n",
        rearmoured(blob() + b"\x00"),
        rearmoured(blob()[:-1]),
        rearmoured(blob().replace(b"sha512", b"sha256")),
        rearmoured(blob().replace(b"SSHSIG\x00\x00\x00\x01", b"SSHSIG\x00\x00\x00\x02")),
        rearmoured(blob().replace(b"ssh-ed25519", b"ssh-ed25518")),
        rearmoured(blob().replace(NAMESPACE.encode(), b"Update@fedcli-v1")),
        rearmoured(bytes(4000)),
    ],
)
def test_second_form_of_a_signature_is_refused(armoured: bytes) -> None:
    with pytest.raises(BadSignature) as raised:
        sshsig.split(armoured, NAMESPACE)
    assert raised.value.code == "E401"


def test_signature_for_another_namespace_is_refused() -> None:
    with pytest.raises(BadSignature, match="model@fedcli-v1"):
        sshsig.split(signed(), "model@fedcli-v1")


@pytest.mark.parametrize("name", ["", "north,south", "north namespaces=*", "*", "Nörd", "north\n"])
def test_name_that_would_break_out_of_its_field_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        sshsig.allowed_signers_line(name, PUBLIC, [NAMESPACE])


@pytest.mark.parametrize("namespace", ["", "update", 'a@b",', "a@b,c@d", "a b@c", "a@b\n", "a@" + "b" * 300])
def test_namespace_that_is_not_of_the_form_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        sshsig.to_be_signed(namespace, MESSAGE)
