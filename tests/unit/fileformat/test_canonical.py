"""One value, one text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.errors import BadDocument
from fedcli.fileformat.canonical import MAX_DEPTH, dumps, loads

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)

# Texts that some reader of JSON takes, or that Python's does: none is the one text of its value.
OTHERS = {
    "a_space": b'{"a": 1}',
    "a_newline_at_the_end": b"{}\n",
    "a_space_before": b" {}",
    "unsorted_keys": b'{"b":1,"a":2}',
    "a_duplicate_key": b'{"a":1,"a":1}',
    "a_float": b"[1.0]",
    "an_exponent": b"[1e2]",
    "an_overflowing_exponent": b"[1e999]",
    "nan": b"[NaN]",
    "infinity": b"[-Infinity]",
    "minus_zero": b"[-0]",
    "a_leading_zero": b"[01]",
    "a_plus_sign": b"[+1]",
    "hexadecimal": b"[0x1]",
    "an_integer_of_54_bits": b"[9007199254740992]",
    "an_integer_of_5000_digits": b"[" + b"9" * 5000 + b"]",
    "half_of_a_character": b'["\\ud800"]',
    "half_of_a_character_as_a_key": b'{"\\udfff":1}',
    "an_upper_case_escape": b'["\\u00E9"]',
    "an_escape_that_is_not_needed": b'["\\u0061"]',
    "an_escaped_slash": b'["\\/"]',
    "utf8": '["é"]'.encode(),
    "a_byte_order_mark": b"\xef\xbb\xbf{}",
    "utf16": "{}".encode("utf-16"),
    "invalid_utf8": b'["\xff"]',
    "a_raw_newline_in_a_text": b'["a\nb"]',
    "a_trailing_comma": b"[1,]",
    "a_comment": b"[1]//",
    "single_quotes": b"['a']",
    "a_bare_word": b"[True]",
    "an_unquoted_key": b"{a:1}",
    "two_documents": b"{}{}",
    "nothing": b"",
    "an_unclosed_list": b"[",
    "an_unclosed_text": b'["a',
    "a_closed_list_more": b"[]]",
    "a_bad_escape": b'["\\x41"]',
    "a_nul": b'["a\x00b"]',
    "nesting_of_17": b"[" * 17 + b"]" * 17,
    "nesting_without_end": b"[" * 100_000,
    "nested_tables_without_end": b'{"a":' * 50_000,
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
def test_any_other_text_of_a_value_is_refused(text):
    with pytest.raises(BadDocument):
        loads(text, limit=10**6)


@given(VALUES)
@settings(max_examples=80, deadline=None)
def test_every_value_has_a_text_that_reads_back(value):
    text = dumps(value)
    again = loads(text, limit=10**6)
    assert again == value
    assert dumps(again) == text
    assert json.loads(text) == value


@given(st.binary(max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_back_the_same_or_refused(data):
    try:
        value = loads(data, limit=100)
    except BadDocument:
        return
    assert dumps(value) == data


def test_a_document_beyond_its_limit_is_not_looked_at():
    with pytest.raises(BadDocument, match="at most 3"):
        loads(b"null", limit=3)


def test_nesting_of_16_is_read():
    text = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert dumps(loads(text, limit=100)) == text


@pytest.mark.parametrize("value", [1.0, float("nan"), 2**53, (1,), {1: 2}, b"a", {"a": object()}, "\ud800"])
def test_a_value_without_a_canonical_form_is_a_programming_error(value):
    with pytest.raises(ValueError, match=r"holds|key"):
        dumps(value)


def test_the_message_names_the_first_byte_that_differs():
    with pytest.raises(BadDocument, match="at byte 5"):
        loads(b'{"a": 1}', limit=100)
