"""The README's Python, run as it stands."""

from __future__ import annotations

import re
import shutil

from fedcli.workflow.keys import keys_new
from tests.transcripts.player import ROOT


def test_the_study_in_python_runs_as_the_readme_shows_it(tmp_path, monkeypatch, capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    loading, code = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    passphrase = "correct horse battery staple"
    for name in ("registry", "alder", "birch", "cedar"):
        keys_new(name, passphrase=passphrase, out=tmp_path, log2_n=10)
    # The same table three times over: this is about the calls, and needs no mapping.
    sample = ROOT / "sample_silos" / "card_fraud"
    for name in ("alder", "birch", "cedar"):
        shutil.copy(sample / "alder.csv", tmp_path / f"{name}.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda _: passphrase)
    first, mark, rest = code.partition("# then edit fraud/study.yaml\n")
    assert mark
    scope: dict[str, object] = {}
    exec(first, scope)
    draft = tmp_path / "fraud" / "study.yaml"
    shutil.copy(sample / "study-all-rows.yaml", draft)
    exec(rest, scope)
    assert scope["result"].finished
    assert "card-fraud.skops" in capsys.readouterr().out
    # What it exported is what the few lines before load.
    exec(loading, scope)
    assert scope["pipeline"].predict_proba(scope["pandas"].read_csv("birch.csv")).shape == (12_000, 2)
