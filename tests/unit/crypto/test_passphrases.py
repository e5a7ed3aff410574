from __future__ import annotations

import re

import pytest

from fedcli.crypto.keys import check_passphrase, new_passphrase
from fedcli.errors import WeakPassphrase


def test_new_passphrase_is_five_pronounceable_words_and_accepted() -> None:
    made = {new_passphrase() for _ in range(200)}
    assert len(made) == 200
    word = "[bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]"
    assert all(re.fullmatch(rf"{word}(-{word}){{4}}", passphrase) for passphrase in made)
    for passphrase in made:
        check_passphrase(passphrase)


def test_passphrase_of_thirteen_characters_is_refused_and_of_fourteen_accepted() -> None:
    with pytest.raises(WeakPassphrase, match="13 characters, at least 14") as raised:
        check_passphrase("abcdefghijklm")
    assert raised.value.code == "E511"
    assert "abcdefghijklm" not in str(raised.value)
    check_passphrase("abcdefghijklmn")
    check_passphrase("épinards à la crème")


def test_passphrase_that_has_no_bytes_is_refused_and_not_quoted() -> None:
    with pytest.raises(WeakPassphrase, match="UTF-8") as raised:
        check_passphrase("some secret words \udcff")
    assert "secret words" not in str(raised.value)
    assert raised.value.__cause__ is None
