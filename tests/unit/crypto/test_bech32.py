from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.crypto import bech32, xwing
from fedcli.errors import BadKeyFile

# The example identity of the age specification, and how the recipient that it prints for it begins and ends. The last
# six characters are a checksum over all of it.
IDENTITY = "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR"
RECIPIENT_START = "age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5zrqtzdxz95paef6c"
RECIPIENT_END = "ttsn09508k0c55zfnegrm9efhxpfqdkmhh6gjtqmwze9pyyzk3tlhl53k2ykx3qheyty7saeq0d3fzv49zc0k"
SEED = bytes(range(32))


def test_identity_of_the_age_specification_gives_its_recipient() -> None:
    recipient = bech32.recipient_string(xwing.public_key(bech32.identity_bytes(IDENTITY)))
    assert recipient.startswith(RECIPIENT_START)
    assert recipient.endswith(RECIPIENT_END)
    assert bech32.identity_string(bech32.identity_bytes(IDENTITY)) == IDENTITY


@given(st.binary(max_size=200))
def test_bytes_come_back(data: bytes) -> None:
    assert bech32.decode(bech32.encode("age", data)) == ("age", data)
    assert bech32.decode(bech32.encode("age", data).upper()) == ("age", data)


@pytest.mark.parametrize("text", ["A12UEL5L", "a12uel5l", "?1ezyfcl", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"])
def test_valid_strings_of_bip_173_decode(text: str) -> None:
    prefix, _ = bech32.decode(text)
    assert text.lower().startswith(prefix)


@pytest.mark.parametrize(
    "text",
    [
        " 1nwldj5",
        "\x7f1axkwrx",
        "pzry9x0s0muk",
        "1pzry9x0s0muk",
        "x1b4n0q5v",
        "li1dgmt3",
        "A1G7SGD8",
        "10a06t8",
        "1qzzfhee",
        "a12UEL5L",
        "",
        "é12uel5l",
        "a" * 5000,
    ],
)
def test_invalid_strings_of_bip_173_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        bech32.decode(text)


@given(st.integers(0, 57), st.characters(codec="ascii"))
def test_one_wrong_character_is_noticed(place: int, character: str) -> None:
    text = bech32.encode("age", SEED)
    place %= len(text)
    if text[place] == character:
        return
    with pytest.raises(ValueError, match=r"."):
        bech32.decode(text[:place] + character + text[place + 1 :])


def test_string_of_another_kind_is_refused_without_quoting_it() -> None:
    secret = bech32.identity_string(SEED)
    with pytest.raises(BadKeyFile) as raised:
        bech32.recipient_bytes(secret)
    assert secret not in str(raised.value)
    with pytest.raises(BadKeyFile):
        bech32.identity_bytes(secret.lower())
    with pytest.raises(BadKeyFile) as raised:
        bech32.identity_bytes(secret[:-1] + ("Q" if secret[-1] != "Q" else "P"))
    assert secret[:-1] not in str(raised.value)
    with pytest.raises(BadKeyFile, match="31 bytes instead of 32"):
        bech32.identity_bytes(bech32.identity_string(SEED[:-1]))


@pytest.mark.parametrize("values", [[0], [0] * 3, [0, 1], [0] * 6])
def test_superfluous_characters_and_bits_are_refused(values: list[int]) -> None:
    checksum = bech32._polymod([*bech32._expand("a"), *values, *[0] * 6]) ^ 1
    characters = [*values, *((checksum >> 5 * (5 - place)) & 31 for place in range(6))]
    with pytest.raises(ValueError, match="whole number of bytes"):
        bech32.decode("a1" + "".join(bech32._CHARSET[value] for value in characters))
