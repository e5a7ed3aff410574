from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.crypto import base64_strict


@given(st.binary(max_size=100))
def test_bytes_come_back_with_and_without_padding(data: bytes) -> None:
    assert base64_strict.decode(base64_strict.encode(data)) == data
    assert base64_strict.decode_unpadded(base64_strict.encode_unpadded(data)) == data


@pytest.mark.parametrize("text", ["QQ", "QR==", "QQ=", "QQ==\n", " QQ==", "QQ==QQ==", "Q", "Q-==", "QQ==="])
def test_second_spelling_of_padded_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        base64_strict.decode(text)


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "QQ=", "Q Q", "QQé"])
def test_second_spelling_of_unpadded_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        base64_strict.decode_unpadded(text)
