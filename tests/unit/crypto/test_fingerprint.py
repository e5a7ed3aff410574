from __future__ import annotations

import doctest
import hashlib
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.crypto.fingerprint import fingerprint_of, same_fingerprint

DIGITS = "82735 64222 37538 53622 83037 80132"


@pytest.mark.parametrize("module", ["age", "fingerprint", "sshsig"])
def test_examples_in_the_docstrings_are_true(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"fedcli.crypto.{module}"))
    assert results.attempted >= 1
    assert results.failed == 0


def test_digits_are_those_of_the_written_rule() -> None:
    seed = digest = hashlib.sha512(b"fedcli fingerprint 1\x00study\x00abc").digest()
    for _ in range(5200):
        digest = hashlib.sha512(digest + seed).digest()
    groups = [int.from_bytes(digest[i : i + 5], "big") % 100_000 for i in range(0, 30, 5)]
    assert fingerprint_of(b"abc", "study") == " ".join(f"{group:05d}" for group in groups) == DIGITS


def test_label_and_data_both_count() -> None:
    assert len({fingerprint_of(data, label) for data in (b"a", b"b") for label in ("key", "study")}) == 4


@pytest.mark.parametrize(
    "heard", [DIGITS, DIGITS.replace(" ", ""), DIGITS.replace(" ", "-"), f"  {DIGITS}\n", DIGITS.replace(" ", "\u00a0")]
)
def test_grouping_does_not_matter_to_the_comparison(heard: str) -> None:
    assert same_fingerprint(heard, DIGITS)
    assert same_fingerprint(DIGITS, heard)


@given(st.integers(0, 29), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(place: int, step: int) -> None:
    digits = DIGITS.replace(" ", "")
    wrong = digits[:place] + str((int(digits[place]) + step) % 10) + digits[place + 1 :]
    assert not same_fingerprint(wrong, DIGITS)


@pytest.mark.parametrize("text", ["", DIGITS[:-1], DIGITS + "0", "yes", DIGITS.replace("8", "\u0668"), "x" * 30])
def test_what_is_no_fingerprint_equals_nothing_not_even_itself(text: str) -> None:
    assert not same_fingerprint(text, DIGITS)
    assert not same_fingerprint(text, text)
