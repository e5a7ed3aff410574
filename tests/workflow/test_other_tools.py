"""Every file opens with tools that know nothing of fedcli: tar, ssh-keygen, age, sha256sum and safetensors."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyrage
import pytest
import safetensors.numpy

from fedcli.crypto.keys import SecretKey
from fedcli.workflow.models import open_final
from tests.workflow.forging import opened
from tests.workflow.play import PASSPHRASE, command

MEMBERS = ["manifest.json", "manifest.json.sig", "manifest.json.mldsa65", "payload.age"]


def needed(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed here")
    return found


@pytest.fixture
def unpacked(town, tmp_path) -> tuple[object, Path]:
    """Return a town with its updates, and north's, unpacked by tar."""
    place = town("collected")
    folder = tmp_path / "unpacked"
    folder.mkdir()
    subprocess.run([needed("tar"), "xf", place.update("north"), "-C", folder], check=True)
    return place, folder


def test_tar_unpacks_an_update_into_four_files(unpacked):
    place, folder = unpacked
    listed = subprocess.run([needed("tar"), "tf", place.update("north")], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == MEMBERS
    assert sorted(path.name for path in folder.iterdir()) == sorted(MEMBERS)


def test_sha256sum_of_the_payload_is_the_one_in_the_manifest(unpacked):
    _, folder = unpacked
    payload = json.loads((folder / "manifest.json").read_text())["payload"]
    assert payload["name"] == "payload.age"
    assert (folder / "payload.age").stat().st_size == payload["size"]
    done = subprocess.run([needed("sha256sum"), folder / "payload.age"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == payload["sha256"]


def verified(folder: Path, signers: Path, name: str, namespace: str = "update@fedcli-v1") -> bool:
    words = ["-Y", "verify", "-f", signers, "-I", name, "-n", namespace, "-s", folder / "manifest.json.sig"]
    with (folder / "manifest.json").open("rb") as manifest:
        return subprocess.run([needed("ssh-keygen"), *words], stdin=manifest, capture_output=True).returncode == 0


def test_ssh_keygen_verifies_an_update_against_the_exported_signers(unpacked):
    place, folder = unpacked
    needed("ssh-keygen")
    signers = place.root / "signers"
    assert command("export", place.study, "--format", "allowed-signers", "-o", signers).status == 0
    assert verified(folder, signers, "north")
    assert not verified(folder, signers, "south")
    assert not verified(folder, signers, "north", "model@fedcli-v1")
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"round":1', b'"round":2'))
    assert not verified(folder, signers, "north")
    assert signers.read_bytes() == (place.silo("north") / "allowed_signers").read_bytes()


def test_age_opens_a_key_file_with_its_passphrase(town):
    place = town("keys")
    plain = pyrage.passphrase.decrypt(place.key("north").read_bytes(), PASSPHRASE)
    assert SecretKey.from_bytes(plain) == place.secrets["north"]
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(place.key("north").read_bytes(), PASSPHRASE + "!")


def test_safetensors_loads_the_numbers_of_an_update(town):
    from fedcli.fileformat.tensors import TensorFile

    place = town("collected")
    arrays, metadata = opened(place, place.update("north"))
    found = safetensors.numpy.load(b"".join(TensorFile(arrays, metadata).chunks()))
    assert found.keys() == arrays.keys()
    assert all(array.dtype == np.uint64 for array in found.values())
    # One number is easily read by eye: the count of rows, low limb first, on its grid.
    low, high = (int(limb) for limb in found["rows"].ravel())
    assert ((high << 64 | low) / 80).is_integer()


def test_safetensors_loads_the_public_numbers_of_a_final_model(stages, tmp_path):
    place = stages("finished")
    final = sorted((place.registry / "outbox").glob("*.fedmodel"))[-1]
    subprocess.run([needed("tar"), "xf", final, "-C", tmp_path], check=True)
    held = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    arrays = open_final(final)[1].state.arrays
    assert held.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(held[name], array), name
    text = (tmp_path / "model.safetensors").read_bytes()
    assert hashlib.sha256(text).hexdigest() == json.loads((tmp_path / "manifest.json").read_text())["payload"]["sha256"]
