"""Every transcript, played; and the README, which may show nothing that is not in one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedcli.workflow.keys import keys_new
from tests.transcripts.player import ROOT, Player, joined, prepare, read

FOLDER = Path(__file__).parent
TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FEDCLI_PASSPHRASE_FILE", "replaced by prepare")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    # Guessing these passphrases may be cheap: a transcript unlocks keys dozens of times. What it prints is the same.
    monkeypatch.setitem(keys_new.__kwdefaults__, "log2_n", 10)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript_is_what_the_commands_print(path, tmp_path):
    steps = read(path.read_text(encoding="utf-8"))
    assert len(steps) > 0
    player = Player(prepare(tmp_path))
    for step in steps:
        player.play(step)


def test_readme_shows_only_what_transcripts_hold():
    known = {}
    for path in TRANSCRIPTS:
        for step in read(path.read_text(encoding="utf-8")):
            known.setdefault(step.command, []).append([*step.out, *step.err])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", readme, flags=re.DOTALL)
    assert blocks, "the README shows no terminal"
    shown = 0
    for block in blocks:
        command, lines = None, []
        for _, line in [*joined(block), (0, "$ end")]:
            if line.startswith("$ "):
                if command is not None:
                    while lines and not lines[-1]:
                        lines.pop()
                    assert command in known, f"no transcript plays: {command}"
                    assert not lines or lines in known[command], f"no transcript prints this for: {command}"
                    shown += 1
                command, lines = line[2:], []
            elif not line.startswith("#"):
                lines.append(line)
    assert shown > 5
