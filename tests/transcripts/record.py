"""Rewrite transcripts from what the commands print now: ``python tests/transcripts/record.py FILE...``.

Look at the difference before you commit it: a transcript is what the README promises.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.transcripts.player import DIGITS, Player, prepare, read


def stand_ins(text: str, known: dict[str, str]) -> str:
    """Put recognisable digits in place of real fingerprints."""

    def one(match: object) -> str:
        real = match[0]  # type: ignore[index]
        if " " not in real:
            return real  # a hash stands for itself
        if real not in known:
            n = len(known) + 1
            known[real] = " ".join(f"{(n * 11111 + 12345 * i) % 100000:05d}" for i in range(6))
        return known[real]

    return DIGITS.sub(one, text)


def record(path: Path) -> None:
    """Play ``path`` and write what it prints."""
    lines = path.read_text(encoding="utf-8").splitlines()
    steps = read(path.read_text(encoding="utf-8"))
    known: dict[str, str] = {}
    out: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        player = Player(prepare(Path(name)))
        comments: dict[int, list[str]] = {}
        held: list[str] = []
        for number, line in enumerate(lines, start=1):
            if line.startswith("$ "):
                comments[number], held = held, []
            elif line.startswith("#"):
                held.append(line)
        for step in steps:
            real = {shown: digits for digits, shown in known.items()}
            command = DIGITS.sub(lambda m, real=real: real.get(m[0], m[0]), step.command)
            found = player.run(shlex.split(command))
            if out:
                out.append("")
            out += comments[step.line]
            last = step.line - 1
            while lines[last].endswith("\\"):
                last += 1
            out += lines[step.line - 1 : last + 1]
            out += [line.rstrip() for line in stand_ins(found[0], known).rstrip("\n").split("\n")] if found[0] else []
            err = stand_ins(found[1], known).rstrip("\n")
            out += [f"! {line.rstrip()}".rstrip() for line in err.split("\n")] if err else []
            if found[2]:
                out.append(f"? {found[2]}")
    path.write_text("\n".join([*out, *held]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ["COLUMNS"] = "80"
    for argument in sys.argv[1:]:
        record(Path(argument))
        sys.stdout.write(f"{argument} rewritten\n")
