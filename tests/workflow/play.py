"""A town of three silos and a registry, for tests of the whole system: its files on disk and every step of a study.

All go through the command line in this process, or through the functions of the workflow. Keys are weakly locked, so
that a study takes a second.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedcli.cli.main import run as run_command_line
from fedcli.crypto.keys import SecretKey
from fedcli.errors import FedcliError
from fedcli.report.sheet_form import check_form
from fedcli.workflow.aggregate import aggregate
from fedcli.workflow.files import open_key
from fedcli.workflow.join import join
from fedcli.workflow.keys import keys_new
from fedcli.workflow.results import Aggregated, Trained
from fedcli.workflow.study import study_add_silo, study_freeze, study_init
from fedcli.workflow.train import train

PASSPHRASE = "correct horse battery staple"
SILOS = ("north", "east", "south")
REGISTRY = "registry"
STUDY = "heart"

AGREEMENT = """\
study: heart
title: Heart disease in three hospitals
target: {target}
features:
{features}
{extra}
model: {{estimator: {estimator}, params: {params}}}
rules: {{aggregation: plain{rules}}}
evaluation: {{holdout: {holdout}}}
silos: []
"""
BINARY = "{column: disease, type: binary, positive: ill, negative: well}"
FEATURES = """\
  age: {type: number, range: [20, 100]}
  chol: {type: number, range: [100, 400]}
  sex: {type: category, levels: [female, male]}
"""


def agreement(
    *,
    target: str = BINARY,
    features: str = FEATURES,
    estimator: str = "LogisticRegression",
    params: str = "{C: 1.0}",
    rules: str = "",
    holdout: float = 0,
    extra: str = "",
) -> str:
    """Write a study.yaml."""
    return AGREEMENT.format(
        target=target,
        features=features,
        estimator=estimator,
        params=params,
        rules=f", {rules}" if rules else "",
        holdout=holdout,
        extra=extra,
    )


def rows(name: str, n: int = 80) -> list[dict[str, str]]:
    """Draw a silo's rows: always the same for the same name."""
    rng = np.random.default_rng([ord(c) for c in name])
    age = rng.uniform(25, 95, n).round(1)
    chol = rng.normal(220 + 3 * len(name), 35, n).clip(110, 390).round(0)
    sex = rng.choice(["female", "male"], n)
    odds = 0.05 * (age - 60) + 0.01 * (chol - 220) + 0.5 * (sex == "male")
    ill = rng.random(n) < 1 / (1 + np.exp(-odds))
    return [
        {"age": str(a), "chol": str(c), "sex": str(s), "disease": "ill" if i else "well"}
        for a, c, s, i in zip(age, chol, sex, ill, strict=True)
    ]


def table_text(records: list[dict[str, str]], columns: list[str] | None = None) -> str:
    """Write rows as CSV."""
    names = columns or list(records[0])
    return "\n".join([",".join(names), *(",".join(record[name] for name in names) for record in records)]) + "\n"


@dataclass(frozen=True)
class Outcome:
    """What one command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command(*arguments: object) -> Outcome:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command_line([str(argument) for argument in arguments])
    return Outcome(status, out.getvalue(), err.getvalue())


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def sheets(name: str, number: int = 1) -> set[str]:
    """Return what a silo's sheet of one round adds to a snapshot of the town."""
    stem = f"{name}/study/review/{STUDY}-{name}-r{number}.sheet"
    return {f"{name}/study/review", f"{stem}.txt", f"{stem}.html"}


def added(root: Path, before: Mapping[str, bytes | None]) -> set[str]:
    """Return what is below a folder now and was not in its snapshot; whatever was must be the same still."""
    now = snapshot(root)
    assert {name: now.get(name) for name in before} == before
    return set(now) - set(before)


@dataclass(frozen=True)
class Town:
    """The folders of everybody, each as on a machine of its own."""

    root: Path
    secrets: Mapping[str, SecretKey]

    # ---- places ----------------------------------------------------------------------------------------------------

    @property
    def passphrase(self) -> Path:
        return self.root / "passphrase"

    @property
    def registry(self) -> Path:
        return self.root / REGISTRY / "study"

    @property
    def inbox(self) -> Path:
        return self.registry / "inbox"

    @property
    def study(self) -> Path:
        return self.registry / "outbox" / f"{STUDY}.fedstudy"

    def silo(self, name: str) -> Path:
        return self.root / name / "study"

    def table(self, name: str) -> Path:
        return self.root / name / "table.csv"

    def key(self, name: str) -> Path:
        return self.root / name / f"{name}.fedkey"

    def public(self, name: str) -> Path:
        return self.root / name / f"{name}.fedpub"

    def update(self, name: str, number: int = 1, suffix: str = "") -> Path:
        return self.inbox / f"{STUDY}-{name}-r{number}{suffix}.fedupdate"

    def model(self, number: int, suffix: str = "") -> Path:
        return self.registry / "outbox" / f"{STUDY}-r{number}{suffix}.fedmodel"

    # ---- steps -----------------------------------------------------------------------------------------------------

    def draft(self, text: str) -> None:
        """Begin the study at the registry, with all silos enrolled."""
        study_init(self.registry, key=self.key(REGISTRY))
        (self.registry / "study.yaml").write_text(text)
        prints = [self.secrets[name].public_identity().fingerprint for name in SILOS]
        study_add_silo([self.public(name) for name in SILOS], workspace=self.registry, fingerprints=prints)

    def freeze(self) -> None:
        frozen = study_freeze(workspace=self.registry, key=self.secrets[REGISTRY])
        for name in SILOS:
            join(
                frozen.file,
                key=self.secrets[name],
                key_file=self.key(name),
                data=self.table(name),
                workspace=self.silo(name),
                fingerprint=frozen.fingerprint,
            )

    def train(self, name: str, **options: Any) -> Trained:
        trained = train(workspace=self.silo(name), key=self.secrets[name], yes=True, **options)
        if trained.release.sheet is not None:
            check_form(trained.release.sheet.text.read_bytes())  # a reviewer could sign every sheet of every test
        return trained

    def collect(self, names: tuple[str, ...] = SILOS) -> None:
        """Let silos train and carry their updates to the registry."""
        for name in names:
            made = self.train(name).update
            assert made is not None
            shutil.copy(made, self.inbox)

    def aggregate(self, **options: Any) -> Aggregated:
        return aggregate(workspace=self.registry, key=self.secrets[REGISTRY], **options)

    def deliver(self, model: Path, names: tuple[str, ...] = SILOS) -> None:
        for name in names:
            shutil.copy(model, self.silo(name) / "inbox")

    def round(self) -> Aggregated:
        self.collect()
        result = self.aggregate()
        self.deliver(result.model)
        return result

    def finish(self) -> Aggregated:
        while not (result := self.round()).finished:
            pass
        return result

    # ---- commands --------------------------------------------------------------------------------------------------

    def run(self, *arguments: object, passphrase: bool = True) -> Outcome:
        """Run a command that may need the passphrase."""
        return command(*arguments, *(("--passphrase-file", self.passphrase) if passphrase else ()))

    def refuses(self, error: type[FedcliError], *arguments: object, passphrase: bool = True) -> str:
        """Run a command that must be refused with ``error``, and return what was said.

        Nothing may be written anywhere, stdout stays empty, and a hint names the next step.
        """
        before = snapshot(self.root)
        outcome = self.run(*arguments, passphrase=passphrase)
        assert (outcome.status, f"error[{error.code}]" in outcome.err) == (error.exit_status, True), outcome
        assert outcome.out == ""
        assert "fedcli: hint: " in outcome.err
        assert f"(fedcli explain {error.code})" in outcome.err
        assert "Traceback" not in outcome.err
        assert snapshot(self.root) == before
        return outcome.err


def found_town(root: Path, tables: Callable[[str], str] | None = None) -> Town:
    """Make everybody's keys and tables. ``stranger`` has a key too, and is in no study."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "passphrase").write_text(PASSPHRASE + "\n")
    secrets = {}
    for name in (REGISTRY, *SILOS, "stranger"):
        made = keys_new(name, passphrase=PASSPHRASE, out=root / name, log2_n=10)
        secrets[name] = open_key(made.secret, PASSPHRASE)
        if name in SILOS:
            (root / name / "table.csv").write_text((tables or (lambda n: table_text(rows(n))))(name))
    return Town(root, secrets)


def copied(town: Town, root: Path) -> Town:
    """Copy everybody's folders: paths in them are relative, so the copy is a town of its own."""
    shutil.copytree(town.root, root, dirs_exist_ok=True)
    return Town(root, town.secrets)
