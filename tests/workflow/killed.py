"""Play one command again and again, killed at each step that it takes on disk; run as a program by a test.

``python -m tests.workflow.killed TEMPLATE OUT NAME WORD...`` copies TEMPLATE to OUT/000, OUT/001 ... and runs
``fedcli WORD...`` in each, in a process of its own that kills itself before its n-th step, counted from the first one
about a file with NAME in its name. It stops after the run that was not killed. Unlike an error, a kill leaves no time
for cleaning up: what is on disk is what ``kill -9`` leaves.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fedcli.workflow.train  # noqa: F401 - loaded once, before the processes part
from fedcli.cli.main import run

# What is written lies on disk before the step that waits for it; a file that was only opened is empty or not yet there.
STEPS = ("fsync", "link", "replace", "unlink", "ftruncate")


def killed_before(step: int, name: str) -> None:
    """Let this process end before its n-th step: no handler runs, nothing is flushed."""
    left, begun = step, False

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **options: Any) -> Any:
            nonlocal left, begun
            begun = begun or any(name in str(argument) for argument in arguments)
            if begun and left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= begun
            return real(*arguments, **options)

        return stepping

    for step_name in STEPS:
        setattr(os, step_name, counted(getattr(os, step_name)))


def main(template: Path, out: Path, name: str, words: list[str]) -> int:
    """Play, and return the exit status of the run that was not killed."""
    step = 0
    while True:
        place = out / f"{step:03d}"
        shutil.copytree(template, place)
        child = os.fork()
        if child == 0:
            os.chdir(place)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            killed_before(step, name)
            os._exit(run(words))
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            return os.WEXITSTATUS(status)
        step += 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))
