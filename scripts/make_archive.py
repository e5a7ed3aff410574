"""Write the files of one small study into tests/archive/VERSION: they must open for ever.

Run once per release that changes a format: ``.venv/bin/python scripts/make_archive.py v1``.
An archive that is there is never rewritten.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import fedcli
from fedcli.workflow.files import open_key

ROOT = Path(__file__).resolve().parents[1]
PASSPHRASE = "a passphrase that guards nothing"
SILOS = ("north", "south", "west")
STUDY = """\
study: archive
title: Files of format 1
target: {column: y, type: binary, positive: "yes", negative: "no"}
features:
  age: {type: number, unit: years, range: [18, 110], impute: mean}
  sex: {type: category, levels: [female, male]}
model: {estimator: LogisticRegression, params: {C: 1.0}}
rules: {aggregation: plain, min_silos: 3, min_cell: 1}
evaluation: {holdout: 0}
silos: []
"""


def main() -> None:
    """Write the archive named on the command line."""
    target = ROOT / "tests" / "archive" / sys.argv[1]
    if target.exists():
        sys.exit(f"{target} is there, and an archive is never rewritten")
    with tempfile.TemporaryDirectory() as name:
        play(Path(name))
        target.mkdir(parents=True)
        for path in sorted((Path(name) / "files").iterdir()):
            shutil.copy(path, target)


def play(root: Path) -> None:
    """Play the study and put its files into ``root/files``."""
    files = root / "files"
    files.mkdir()
    made = {name: fedcli.keys_new(name, passphrase=PASSPHRASE, out=root, log2_n=10) for name in ("registry", *SILOS)}
    keys = {name: open_key(made[name].secret, PASSPHRASE) for name in made}
    space = root / "registry-study"
    fedcli.study_init(space, key=made["registry"].secret)
    (space / "study.yaml").write_text(STUDY)
    prints = [made[name].fingerprint for name in SILOS]
    fedcli.study_add_silo([made[name].public for name in SILOS], workspace=space, fingerprints=prints)
    study = fedcli.study_freeze(workspace=space, key=keys["registry"])
    for number, name in enumerate(SILOS):
        table(root / f"{name}.csv", number)
        fedcli.join(
            study.file,
            key=keys[name],
            key_file=made[name].secret,
            data=root / f"{name}.csv",
            workspace=root / f"{name}-study",
            fingerprint=study.fingerprint,
        )
    result = None
    while result is None or not result.finished:
        model = None if result is None else result.model
        updates = []
        for name in SILOS:
            done = fedcli.train(model=model, workspace=root / f"{name}-study", key=keys[name], yes=True)
            assert done.update is not None
            updates.append(done.update)
        result = fedcli.aggregate(updates, workspace=space, key=keys["registry"])
        if result.round == 1:
            for path in (*updates, result.model, *(space / "archive").iterdir()):
                shutil.copy(path, files)
    exported = fedcli.export(result.model, format="json", out=root / "expected.json")
    facts = {
        "passphrase": PASSPHRASE,
        "study_fingerprint": study.fingerprint,
        "north_fingerprint": made["north"].fingerprint,
        "result": json.loads(exported.file.read_text()),
    }
    (files / "expected.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    for path in (made["registry"].secret, made["north"].public, made["north"].mask, study.file, result.model):
        shutil.copy(path, files)
    shutil.copy(root / "north-study" / "ledger.jsonl", files)


def table(path: Path, seed: int) -> None:
    """Write one silo's made-up table."""
    rows = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "sex", "y"])
        for _ in range(80):
            age, sex = rows.randint(30, 90), rows.choice(["female", "male"])
            sick = rows.random() < (age - 20) / 100 + (0.1 if sex == "male" else 0)
            writer.writerow(["" if rows.random() < 0.1 else age, sex, "yes" if sick else "no"])


if __name__ == "__main__":
    main()
