"""Plays a transcript: runs its commands in a fresh folder and compares every line that they print.

A transcript reads like a terminal::

    $ fedcli keys show north.fedpub        a command; `cp`, `cat`, `cd`, `mkdir` and `ls` work too
    name         north                     a line of stdout
    ! Next: send north.fedpub              a line of stderr
    ? 3                                    the exit status, where it is not 0

Fingerprints and hashes come from fresh random keys, so the digits in a transcript are stand-ins: the first time one is
met, it is bound to what the command really printed; from then on the two must go together, in commands as well as in
output.
Lines that begin with ``#`` are for the reader.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from fedcli.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
# Fingerprints, and hashes in hexadecimal: both follow from random keys.
DIGITS = re.compile(r"\b\d{5}(?: \d{5}){5}\b|\b[0-9a-f]{16,64}\b")
# As Python prints a float64 whole; one processor adds in another order than the next, and the last digits differ.
FULL_PRECISION = re.compile(r"-?\b\d+\.\d{14,}(?:e[-+]\d+)?")
_FILE_COMMANDS = {"cp", "cat", "cd", "mkdir", "ls", "rm"}


@dataclass
class Step:
    """One command with what it must print."""

    line: int
    command: str
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    status: int = 0


def prepare(folder: Path) -> Path:
    """Give a transcript its folder: the sample silos, and a passphrase in the file that the environment names."""
    shutil.copytree(ROOT / "sample_silos", folder / "sample_silos")
    passphrase = folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    os.environ["FEDCLI_PASSPHRASE_FILE"] = str(passphrase)
    return folder


def joined(text: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers; a command that ends with a backslash goes on in the next line."""
    found: list[tuple[int, str]] = []
    going_on = False
    for number, line in enumerate(text.splitlines(), start=1):
        if going_on:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            found.append((number, line))
        going_on = found[-1][1].startswith("$ ") and line.endswith("\\")
        if going_on:
            found[-1] = (found[-1][0], found[-1][1].removesuffix("\\").rstrip())
    return found


def read(text: str) -> list[Step]:
    """Read a transcript's steps."""
    steps: list[Step] = []
    for number, line in joined(text):
        if line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif line.startswith("#") or not steps:
            continue
        elif line.startswith("! "):
            steps[-1].err.append(line[2:])
        elif line == "!":
            steps[-1].err.append("")
        elif line.startswith("? "):
            steps[-1].status = int(line[2:])
        else:
            steps[-1].out.append(line)
    for step in steps:
        while step.out and not step.out[-1]:
            step.out.pop()
    return steps


@dataclass
class Player:
    """Plays steps in ``folder``."""

    folder: Path
    bound: dict[str, str] = field(default_factory=dict)

    def play(self, step: Step) -> None:
        """Run one step and compare."""
        command = self._real(step.command)
        out, err, status = self.run(shlex.split(command))
        expected = "\n".join(step.out), "\n".join(step.err), step.status
        found = self._shown(out, expected[0]), self._shown(err, expected[1]), status
        assert found == expected, (
            f"line {step.line}: $ {step.command}\n--- stdout\n{found[0]}\n--- stderr\n{found[1]}\n--- status {status}"
        )

    def run(self, words: list[str]) -> tuple[str, str, int]:
        """Run one command; return what it printed on stdout and stderr, and its exit status."""
        if words[0] in _FILE_COMMANDS:
            return self._file_command(words), "", 0
        assert words[0] == "fedcli", f"a transcript cannot run {words[0]}"
        out, err = _Utf8(), _Utf8()
        # Lines break as on a terminal of 80 columns; nothing else behaves as on one, so nothing is asked.
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch("fedcli.cli.wrapping.columns", return_value=80),
        ):
            status = run(words[1:])
        return out.getvalue(), err.getvalue(), status

    def _file_command(self, words: list[str]) -> str:
        name, *paths = [word for word in words if not word.startswith("-")]
        places = [self.folder / path for path in paths]
        if name == "cd":
            self.folder = places[0].resolve()
        elif name == "mkdir":
            places[0].mkdir(parents=True, exist_ok=True)
        elif name == "cp":
            for place in places[:-1]:
                shutil.copy(place, places[-1])
        elif name == "rm":
            places[0].unlink()
        elif name == "ls":
            return "\n".join(sorted(p.name for p in (places[0] if places else self.folder).iterdir()))
        else:
            return places[0].read_text()
        return ""

    def _real(self, command: str) -> str:
        return DIGITS.sub(lambda m: self.bound.get(m[0], m[0]), command)

    def _shown(self, found: str, expected: str) -> str:
        """Put stand-ins in place of real fingerprints, binding new ones in the order in which they are met."""
        for real, stand_in in zip(_all_digits(found), _all_digits(expected), strict=False):
            if stand_in not in self.bound and real not in self.bound.values():
                self.bound[stand_in] = real
        names = {real: stand_in for stand_in, real in self.bound.items()}
        text = DIGITS.sub(lambda m: names.get(m[0], m[0]), found)
        text = _same_up_to_rounding(text, expected)
        return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n")


class _Utf8(io.StringIO):
    """A stream that says what it can show, as a terminal's does."""

    encoding = "utf-8"


def _same_up_to_rounding(found: str, expected: str) -> str:
    """Write numbers of full precision as they are expected, where they differ in what processors round differently."""
    wanted = [m[0] for m in FULL_PRECISION.finditer(expected)]
    if len(wanted) != len(FULL_PRECISION.findall(found)):
        return found
    each = iter(wanted)

    def same(match: re.Match[str]) -> str:
        other = next(each)
        return other if math.isclose(float(match[0]), float(other), rel_tol=1e-12) else match[0]

    return FULL_PRECISION.sub(same, found)


def _all_digits(text: str) -> list[str]:
    return [m[0] for m in DIGITS.finditer(text)]
