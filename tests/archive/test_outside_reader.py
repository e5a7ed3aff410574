"""The archived files by the text of docs/format.md alone: a reader that shares no line with the package.

Standard library, `ssh-keygen`, and `cryptography` for ML-DSA. What it checks, the text must have said.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

V1 = Path(__file__).parent / "v1"
FILES = sorted(path for path in V1.iterdir() if path.suffix[4:] in ("pub", "study", "update", "model", "state"))
FRONT = ("manifest.json", "manifest.json.sig", "manifest.json.mldsa65")


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def string(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def header(name: str, size: int) -> bytes:
    found = bytearray(512)
    fields = {0: name.encode(), 100: b"0000644\0", 108: b"0000000\0" * 2, 124: b"%011o\0" % size, 136: b"0" * 11}
    fields |= {148: b" " * 8, 156: b"0", 257: b"ustar\x0000", 329: b"0000000\0" * 2}
    for at, content in fields.items():
        found[at : at + len(content)] = content
    found[148:156] = b"%06o\0 " % sum(found)
    return bytes(found)


def members(path: Path) -> dict[str, bytes]:
    data, at, found = path.read_bytes(), 0, {}
    for _ in range(4):
        name, size = data[at : at + 100].rstrip(b"\0").decode(), int(data[at + 124 : at + 135], 8)
        assert data[at : at + 512] == header(name, size)
        end = at + 512 + size
        found[name], at = data[at + 512 : end], end + -size % 512
        assert not any(data[end:at])
    assert data[at:] == bytes(1024)
    assert tuple(found)[:3] == FRONT
    return found


STUDY = members(V1 / "archive.fedstudy")["study.json"]
KEYS = {member["name"]: member["key"] for member in [*json.loads(STUDY)["silos"], json.loads(STUDY)["coordinator"]]}
ROSTER = canonical([{"key": KEYS[name], "name": name} for name in sorted(KEYS)])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_manifest_says_what_the_text_says(path):
    found = members(path)
    manifest, (name, payload) = json.loads(found["manifest.json"]), list(found.items())[3]
    keys = "attempt final from ledger name parent payload previous roster round software study to type"
    assert sorted(manifest) == keys.split()
    assert canonical(manifest) == found["manifest.json"]
    assert manifest["type"] == f"fedcli-{ {'.fedpub': 'key'}.get(path.suffix, path.suffix[4:]) }/1"
    size, plain, recipients = len(payload), manifest["payload"]["plain_size"], len(manifest["to"])
    digest = hashlib.sha256(payload).hexdigest()
    assert manifest["payload"] == {"name": name, "plain_size": plain, "sha256": digest, "size": size}
    sealed = 22 + 1557 * recipients + 48 + 16 + plain + 16 * max(1, math.ceil(plain / 65536))
    assert size == (sealed if recipients else plain)
    assert (name == "payload.age") == (recipients > 0)
    assert payload.count(b"-> mlkem768x25519 ") == recipients
    of_study = (hashlib.sha256(STUDY).hexdigest(), hashlib.sha256(ROSTER).hexdigest())
    assert (manifest["study"], manifest["roster"]) == (("", "") if path.suffix == ".fedpub" else of_study)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen on this machine")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_both_signatures_are_what_the_text_says(path, tmp_path):
    found = members(path)
    manifest = json.loads(found["manifest.json"])
    key, namespace = KEYS[manifest["from"]], f"{manifest['type'][7:-2]}@fedcli-v1".encode()
    public = string(b"ssh-ed25519") + string(base64.b64decode(key["ed25519"]))
    (tmp_path / "signers").write_text(f"x ssh-ed25519 {base64.b64encode(public).decode()}\n")
    (tmp_path / "sig").write_bytes(found["manifest.json.sig"])
    words = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "x", "-s", "sig", "-n", namespace.decode()]
    assert subprocess.run(words, cwd=tmp_path, input=found["manifest.json"], capture_output=True).returncode == 0
    lines = found["manifest.json.sig"].decode().split("\n")
    start = b"SSHSIG\0\0\0\1" + string(public) + string(namespace) + string(b"") + string(b"sha512")
    assert base64.b64decode("".join(lines[1:-2])).startswith(start)
    assert {len(line) for line in lines[1:-3]} == {70}
    digest = hashlib.sha512(found["manifest.json"]).digest()
    signed = b"SSHSIG" + b"".join(map(string, (namespace, b"", b"sha512", digest)))
    signature = found["manifest.json.mldsa65"]
    assert (len(signature), signature[-1:]) == (4413, b"\n")
    verifier = MLDSA65PublicKey.from_public_bytes(base64.b64decode(key["mldsa65"]))
    verifier.verify(base64.b64decode(signature), signed, namespace)


def fingerprint(label: bytes, data: bytes) -> str:
    h = seed = hashlib.sha512(b"fedcli fingerprint 1\0" + label + b"\0" + data).digest()
    for _ in range(5200):
        h = hashlib.sha512(h + seed).digest()
    return " ".join(f"{int.from_bytes(h[5 * i : 5 * i + 5], 'big') % 100000:05d}" for i in range(6))


def test_fingerprints_are_what_the_text_says():
    expected = json.loads((V1 / "expected.json").read_text())
    key = json.loads(members(V1 / "north.fedpub")["key.json"])
    parts = b"".join(base64.b64decode(key[part]) for part in ("ed25519", "mldsa65", "mlkem768x25519"))
    assert fingerprint(b"key", b"north\0" + parts) == expected["north_fingerprint"]
    assert fingerprint(b"study", hashlib.sha256(STUDY).digest()) == expected["study_fingerprint"]
    assert fingerprint(b"study", b"abc") == "82735 64222 37538 53622 83037 80132"


def test_the_final_model_is_bound_and_laid_out_as_the_text_says():
    found = members(V1 / "archive-r3.fedmodel")
    data, manifest = found["model.safetensors"], json.loads(found["manifest.json"])
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    metadata = table.pop("__metadata__")
    assert data[8 : 8 + length] == canonical({**table, "__metadata__": metadata}).ljust(length)
    assert length % 8 == 0
    at = 0
    for name in sorted(table):
        size = 8 * math.prod(table[name]["shape"])
        assert (table[name]["dtype"], table[name]["data_offsets"]) == ("F64", [at, at + size])
        at += size
    assert at == len(data) - 8 - length
    del manifest["payload"]
    assert metadata["fedcli.binding"] == hashlib.sha256(canonical(manifest)).hexdigest()
    assert canonical(json.loads(metadata["fedcli.document"])["study"]) == STUDY


def test_the_ledger_is_chained_as_the_text_says():
    previous = "0" * 64
    for number, line in enumerate((V1 / "ledger.jsonl").read_bytes().splitlines(), start=1):
        entry = json.loads(line)
        assert (canonical(entry), entry["previous"], entry["sequence"]) == (line, previous, number)
        previous = hashlib.sha256(line).hexdigest()
