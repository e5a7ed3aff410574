"""Questions on a real terminal: Ctrl-C ends each at once, and a fingerprint may be typed as it is heard."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workflow.play import PASSPHRASE, Town, added, command, sheets, snapshot

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are those of POSIX")

# Polars comes first, as it does before the question of `train`: its SIGINT handler restarts reads.
_PROGRAM = "import polars, sys; from fedcli.cli.main import main; main(sys.argv[1:])"
_PATIENCE = 30.0


@dataclass
class Terminal:
    """One command on a terminal of its own."""

    process: subprocess.Popen[bytes]
    terminal: int
    seen: str = ""

    def until(self, words: str) -> None:
        """Wait until the screen shows ``words``."""
        end = time.monotonic() + _PATIENCE
        while words not in self.seen:
            assert time.monotonic() < end, f"never asked: {self.seen}"
            self._look(0.1)

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode("utf-8"))

    def ends(self, *, within: float = _PATIENCE) -> int:
        """Return the exit status; fail if the command still waits."""
        end = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still waiting: {self.seen}"
            self._look(0.05)
        self._look(0.05)
        return self.process.returncode

    @property
    def echoes(self) -> bool:
        import termios

        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    def _look(self, seconds: float) -> None:
        while select.select([self.terminal], [], [], seconds)[0]:
            try:
                found = os.read(self.terminal, 65_536)
            except OSError:  # Linux's word for: the other side is closed
                return
            if not found:
                return
            self.seen += found.decode("utf-8", "replace")
            seconds = 0.0


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Return what starts a command on a terminal."""
    import fcntl
    import pty
    import termios

    begun: list[tuple[Terminal, int]] = []

    def start(*words: object) -> Terminal:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *map(str, words)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal there
            cwd=Path(__file__).resolve().parents[2],
        )
        begun.append((Terminal(process, ours), theirs))
        return begun[-1][0]

    yield start
    for one, theirs in begun:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        os.close(one.terminal)
        os.close(theirs)


def _joining(place: Town) -> tuple[object, ...]:
    folder = place.root / "new"
    words = ("join", place.study, "--key", place.key("north"), "--data", place.table("north"), "-C", folder)
    return (*words, "--passphrase-file", place.passphrase)


def _digits(place: Town) -> str:
    return str(command("study", "show", place.study, "--json").json["fingerprint"])


@pytest.mark.parametrize(
    ("stage", "words", "asked"),
    [
        ("keys", lambda place: ("keys", "new", "west", "-o", place.root), "Enter takes this one"),
        ("keys", lambda place: ("keys", "show", place.key("north")), "Passphrase for"),
        ("joined", _joining, "Type what you hear"),
        (
            "joined",
            lambda place: ("train", "-C", place.silo("north"), "--passphrase-file", place.passphrase),
            "Write this update?",
        ),
    ],
    ids=["a_new_passphrase", "a_passphrase", "a_fingerprint", "yes_or_no"],
)
def test_ctrl_c_ends_at_once_the_question_for(stage, words, asked, town, terminal):
    place = town(stage)
    before = snapshot(place.root)
    screen = terminal(*words(place))
    screen.until(asked)
    time.sleep(0.1)  # the words stand on the screen a moment before the read begins
    screen.type("\x03")
    assert screen.ends(within=5) == 130
    assert "interrupted: nothing was left half-written" in screen.seen
    assert screen.echoes
    assert added(place.root, before) == (sheets("north") if "train" in words(place) else set())


def test_a_fingerprint_typed_as_heard_is_the_answer(town, terminal):
    place = town("joined")
    screen = terminal(*_joining(place))
    screen.until("Type what you hear")
    # Half of it is asked for again; dashes or blanks are as good as nothing.
    screen.type(_digits(place)[:17] + "\n")
    screen.until("a fingerprint has 30")
    screen.type(_digits(place).replace(" ", "-") + "\n")
    assert screen.ends() == 0
    assert (place.root / "new" / "silo.yaml").exists()


def test_a_fingerprint_typed_otherwise_is_refused_with_what_to_do(town, terminal):
    place = town("joined")
    before = snapshot(place.root)
    digits = _digits(place)
    screen = terminal(*_joining(place))
    screen.until("Type what you hear")
    screen.type(digits[:6] + str((int(digits[6]) + 1) % 10) + digits[7:] + "\n")
    assert screen.ends() == 4
    seen = " ".join(screen.seen.split())
    assert "They differ in group 2 of 6" in seen
    assert "error[E406]" in seen
    assert "over another way" in seen
    assert snapshot(place.root) == before


@pytest.mark.parametrize(
    ("typed", "verdict"),
    [("y", True), ("YES", True), ("n", False), ("", False), ("maybe\nno", False), ("12345\ny", True)],
)
def test_a_fingerprint_compared_by_eye_is_answered_yes_or_no(typed, verdict, monkeypatch, capsys):
    from fedcli.cli.screen import Screen

    answers = iter(typed.split("\n"))
    monkeypatch.setattr("typer.prompt", lambda text, default, err: next(answers) or default)
    digits = "11111 22222 33333 44444 55555 66666"
    assert Screen("join").ask_fingerprint("north", digits) is verdict
    assert "Call north" in capsys.readouterr().err


def test_nothing_in_a_question_shows_the_passphrase(town, terminal):
    place = town("keys")
    screen = terminal("keys", "show", place.key("north"))
    screen.until("Passphrase for")
    time.sleep(0.1)
    screen.type(PASSPHRASE + "\n")
    assert screen.ends() == 0
    assert PASSPHRASE not in screen.seen
    assert "fingerprint" in screen.seen
