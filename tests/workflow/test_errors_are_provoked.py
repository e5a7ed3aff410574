"""Every error that fedcli can raise is met by a test: no code is promised that nobody has seen."""

from __future__ import annotations

import re
from pathlib import Path

from fedcli.errors import all_errors

TESTS = Path(__file__).resolve().parents[1]


def test_every_error_is_provoked_by_a_test():
    words: set[str] = set()
    for path in (*TESTS.rglob("*.py"), *TESTS.rglob("*.txt")):
        if path != Path(__file__).resolve():
            text = re.sub(r"from fedcli\.errors import (?:\([^)]*\)|[^\n]*)", "", path.read_text("utf-8"))
            words |= set(re.findall(r"\w+", text))
    lacking = {code: error.__name__ for code, error in all_errors().items() if not {code, error.__name__} & words}
    assert not lacking
