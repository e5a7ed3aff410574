from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.errors import BadYaml
from fedcli.study.yaml import comment, decode, load, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("off", "off"),
        ("017", "017"),
        ("12:30", "12:30"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("2026-11-23", "2026-11-23"),
        ("12345678901234567890", "12345678901234567890"),
        ("true", True),
        ("False", False),
        ("1e-3", 0.001),
        ("1.0e-6", 1e-6),
        (".5", 0.5),
        ("-7", -7),
        ("~", None),
        ('"1"', "1"),
        ("1e999", "1e999"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = load(f"a: {text}", name="x").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_as_written() -> None:
    assert load("levels: {1.0: a, yes: b, true: c}", name="x").value == {
        "levels": {"1.0": "a", "yes": "b", "true": "c"}
    }


def test_every_key_and_item_has_its_line() -> None:
    tree = load("a: 1\nb:\n  c:\n    - 1\n    - 2\n", name="study.yaml")
    assert tree.where(("b", "c", 1)) == "study.yaml:5"
    assert tree.where(("b", "c", 7)) == "study.yaml:3"
    assert tree.where(("nowhere",)) == "study.yaml:1"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: &x 1\nb: *x", 1, "anchor"),
        ("a: 1\nb: *x", 2, "alias"),
        ("a: 1\nb: !!python/object:os.system x", 2, "tag"),
        ("a: !x 1", 1, "tag"),
        ("a: 1\nb: 2\na: 3", 3, "second 'a' (the first is on line 1)"),
        ("a: {b: 1}\n<<: {c: 1}", 2, "merge key"),
        ("a: 1\n---\nb: 1", 2, "second document"),
        ("%YAML 1.1\n---\na: 1", 1, "directive"),
        ("? [a, b]\n: 1", 1, "as a key"),
        ("a:\n\tb: 1", 2, "tab"),
        ("a: b: c", 1, "colon"),
        ("a: 'x\n", 2, "quotation mark"),
        ("a: 1\nb: \x07", 2, "U+0007"),
        ("a: " + "[" * 5000, 1, "nesting"),
        ("a: [1, 2", 1, "not YAML"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(BadYaml) as caught:
        load(text, name="study.yaml")
    assert caught.value.where == f"study.yaml:{line}"
    assert words in caught.value.message
    assert caught.value.hint


def test_a_quoted_double_arrow_is_an_ordinary_key() -> None:
    assert load('"<<": 1', name="x").value == {"<<": 1}


def test_a_file_above_64_kib_is_refused() -> None:
    with pytest.raises(BadYaml, match="65,537 bytes"):
        decode(b"#" * 65_537, name="study.yaml")
    with pytest.raises(BadYaml, match="at most 65,536"):
        load("#" * 65_537, name="study.yaml")


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    with pytest.raises(BadYaml) as caught:
        decode("a: 1\nb: Größe".encode("latin-1"), name="study.yaml")
    assert caught.value.where == "study.yaml:2"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert load(decode(b"\xef\xbb\xbfa: 1", name="x"), name="x").value == {"a": 1}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_written_as_a_scalar_reads_back_as_itself(text: str) -> None:
    assert load(f"a: {scalar(text)}\nb: {{{scalar(text)}: [{scalar(text)}]}}", name="x").value == {
        "a": text,
        "b": {text: [text]},
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_in_a_comment_stays_there(text: str) -> None:
    assert load(f"# {comment(text)}\na: 1", name="x").value == {"a": 1}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    with contextlib.suppress(BadYaml):
        load(text, name="x")
