"""Files of every format that was ever released: they must open for ever, and say the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import fedcli
from fedcli.fileformat.envelope import read_envelope
from fedcli.models.batch import empty_state
from fedcli.preparing.plan import Plan
from fedcli.protocol.ledger import Ledger
from fedcli.protocol.payloads import read_update
from fedcli.workflow.files import open_key, open_study, read_public_key, verified_manifest
from fedcli.workflow.models import open_model

RELEASES = sorted(path for path in Path(__file__).parent.iterdir() if (path / "expected.json").exists())
SECRET = (".fedkey", ".fedmask")


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def archive(request, tmp_path):
    shutil.copytree(request.param, tmp_path / "archive")
    for path in (tmp_path / "archive").iterdir():
        if path.suffix in SECRET:
            path.chmod(0o600)  # version control does not keep who may read a file
    return tmp_path / "archive"


@pytest.fixture
def expected(archive):
    return json.loads((archive / "expected.json").read_text())


def test_there_is_an_archive_of_the_first_format():
    assert "v1" in [path.name for path in RELEASES]


def test_every_file_verifies(archive):
    files = [path for path in archive.iterdir() if path.suffix.startswith(".fed") and path.suffix not in SECRET]
    assert len(files) >= 8
    verified = fedcli.verify(files, workspace=archive)
    assert verified.ok, verified.verdicts


def test_fingerprints_are_the_same(archive, expected):
    assert open_study(archive / "archive.fedstudy").fingerprint == expected["study_fingerprint"]
    assert read_public_key(archive / "north.fedpub").fingerprint == expected["north_fingerprint"]


def test_the_secret_key_opens_updates_and_models(archive, expected):
    secret = open_key(archive / "registry.fedkey", expected["passphrase"])
    study = open_study(archive / "archive.fedstudy")
    layout = Plan(study.study).layout(empty_state())
    with (archive / "archive-north-r1.fedupdate").open("rb") as file:
        envelope = read_envelope(file)
        manifest = verified_manifest(envelope, study.roster, archive / "archive-north-r1.fedupdate")
        update = read_update(envelope.decrypted(secret.mlkem768x25519_seed), layout, manifest)
    assert sorted(update) == sorted(block.name for block in layout)
    model = open_model(archive / "archive-r1.fedmodel", study, secret)
    assert model.round == 1
    assert np.isfinite(model.state.arrays["coef"]).all()


def test_the_final_model_says_the_same(archive, expected, tmp_path):
    final = max(archive.glob("*.fedmodel"), key=lambda path: path.stem)
    exported = fedcli.export(final, format="json", out=tmp_path / "model.json")
    found = json.loads(exported.file.read_text())
    # A later version may say more of an old file, and nothing else.
    assert {name: found[name] for name in expected["result"]} == expected["result"]


def test_the_ledger_is_whole(archive):
    assert len(Ledger.from_text((archive / "ledger.jsonl").read_bytes()).entries) >= 3
