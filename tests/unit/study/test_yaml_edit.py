from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.errors import BadStudy, BadYaml
from fedcli.study.draft import draft
from fedcli.study.reading import read_study
from fedcli.study.yaml import MAX_BYTES, load
from fedcli.study.yaml_edit import append_items, clear_list, set_values

NORTH = {"name": "north", "fingerprint": "12345 67890 11111 22222 33333 44444"}
EAST = {"name": "east", "fingerprint": "55555 67890 11111 22222 33333 44444"}
LINE = '{name: north, fingerprint: "12345 67890 11111 22222 33333 44444"}'
REST = {"study": "heart", "title": "Heart"}

# Each text says REST and the silos that are named, somehow.
STYLES = {
    "an empty list": ("study: heart\nsilos: []  # nobody yet\ntitle: Heart\n# end\n", []),
    "an empty list at the end, without a line's end": ("study: heart\ntitle: Heart\nsilos: []", []),
    "an empty list first": ("silos: []\nstudy: heart\ntitle: Heart\n", []),
    "an empty list below its key": ("study: heart\nsilos:\n  []  # nobody yet\ntitle: Heart\n", []),
    "an empty list over lines": ("study: heart\ntitle: Heart\nsilos: [\n  # nobody yet\n]  # end\n", []),
    "nothing behind the key": ("study: heart\nsilos:  # nobody yet\ntitle: Heart\n", []),
    "nothing behind the last key": ("study: heart\ntitle: Heart\nsilos:", []),
    "null": ("study: heart\nsilos: null # nobody yet\ntitle: Heart\n", []),
    "NULL": ("study: heart\nsilos: NULL\ntitle: Heart\n", []),
    "no key": ("study: heart\ntitle: Heart  # no more\n# end\n", []),
    "no key and no line's end": ("study: heart\ntitle: Heart", []),
    "no key and a comment without a line's end": ("study: heart\ntitle: Heart\n# end", []),
    "no key and an indented whole": ("  study: heart\n  title: Heart\n", []),
    "no key before the document's end": ("---\nstudy: heart\ntitle: Heart\n# end\n...\n# after\n", []),
    "a quoted key": ('"study": heart\ntitle: Heart\n"silos": []\n', []),
    "an explicit key": ("study: heart\ntitle: Heart\n? silos\n: []  # nobody yet\n", []),
    "entries": (
        "study: heart\nsilos:\n  # ours\n  - {name: old, fingerprint: x}  # of old\n\n# on\ntitle: Heart\n",
        ["old"],
    ),
    "entries at the margin": (
        "silos:\n- name: old  # of old\n  fingerprint: x # y\n# on\nstudy: heart\ntitle: Heart\n",
        ["old"],
    ),
    "entries at the end": ("study: heart\ntitle: Heart\nsilos:\n  -\n    name: old\n    fingerprint: 'x'", ["old"]),
    "entries with folded text": (
        "study: heart\nsilos:\n  - name: old\n    fingerprint: >-\n      x\n\n# on\ntitle: Heart\n",
        ["old"],
    ),
    "entries in brackets": ("study: heart\nsilos: [{name: old, fingerprint: x}]  # of old\ntitle: Heart\n", ["old"]),
    "entries in brackets with a comma": (
        "silos: [{name: old, fingerprint: x}, ]\nstudy: heart\ntitle: Heart\n",
        ["old"],
    ),
    "entries in brackets over lines": (
        "study: heart\nsilos: [\n    {name: old, fingerprint: x},  # of old, new\n"
        "    {name: two, fingerprint: x}  # two\n  # last\n]\ntitle: Heart\n",
        ["old", "two"],
    ),
    "entries in brackets over lines with a comma": (
        "study: heart\nsilos: [\n  {name: old, fingerprint: x},\n  {name: two, fingerprint: x},  # two\n]\n"
        "title: Heart\n",
        ["old", "two"],
    ),
    "entries in brackets broken anywhere": (
        "study: heart\nsilos: [{name: old,\n  fingerprint: x}, {name: two, # of\n  fingerprint: x}]\ntitle: Heart\n",
        ["old", "two"],
    ),
    "all in braces": ("{study: heart, title: Heart, silos: []}\n", []),
    "all in braces without the key": ("{study: heart, title: Heart}\n", []),
    "all in braces without the key, with a comma": ("{study: heart, title: Heart, }  # end\n", []),
    "all in braces, nothing behind the key": ("{study: heart, silos: , title: Heart}\n", []),
    "all in braces, the key alone": ("{study: heart, title: Heart, silos}\n", []),
    "all in braces, null": ("{study: heart, silos: ~, title: Heart}", []),
    "all in braces, entries": ("{silos: [{name: old, fingerprint: x}], study: heart, title: Heart}\n", ["old"]),
    "all in braces over lines": (
        "# all\n{\n  study: heart,  # a, b\n  title: Heart  # c\n}\n# end\n",
        [],
    ),
    "all in braces over lines with a comma": ("{\n  study: heart,\n  silos: [],  # none\n  title: Heart,\n}\n", []),
    "JSON": ('{\n\t"study": "heart",\n\t"title": "Heart",\n\t"silos": []\n}\n'.replace("\t", "  "), []),
}


def comments(text: str) -> list[str]:
    return re.findall(r"(?:^|(?<=\s))#[^\r\n]*", text, re.MULTILINE)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_silos_are_added_in_any_style_and_no_comment_is_lost(style: str, end: str) -> None:
    text, old = STYLES[style]
    text = text.replace("\n", end)
    once = append_items(text, "silos", [NORTH], name="x")
    twice = append_items(once, "silos", [EAST], name="x")
    together = append_items(text, "silos", [NORTH, EAST], name="x")
    known = [{"name": name, "fingerprint": "x"} for name in old]
    assert load(once, name="x").value == {**REST, "silos": [*known, NORTH]}
    assert load(twice, name="x").value == load(together, name="x").value == {**REST, "silos": [*known, NORTH, EAST]}
    for found in (once, twice, together):
        assert comments(found) == comments(text)
        assert end != "\r\n" or "\n" not in found.replace("\r\n", "")
        assert end != "\r" or "\n" not in found


@pytest.mark.parametrize("style", STYLES)
def test_a_list_is_emptied_in_any_style(style: str) -> None:
    text, old = STYLES[style]
    found = load(clear_list(text, "silos", name="x"), name="x").value
    assert not found.pop("silos", None)
    assert found == REST
    assert old or clear_list(text, "silos", name="x") == text


def test_a_block_gets_a_line_for_each_silo() -> None:
    text = "study: heart\nsilos: []  # by add-silo\n"
    assert append_items(text, "silos", [NORTH], name="x") == f"study: heart\nsilos:  # by add-silo\n  - {LINE}\n"
    text = "silos:\n- name: old\n  fingerprint: x\n\n# about the study\nstudy: heart\n"
    changed = append_items(text, "silos", [NORTH], name="x")
    assert changed == text.replace("  fingerprint: x\n", f"  fingerprint: x\n- {LINE}\n")


def test_brackets_over_lines_get_a_line_for_each_silo() -> None:
    text = "silos: [\n    {name: old, fingerprint: x}  # of old\n]\n"
    expected = f"silos: [\n    {{name: old, fingerprint: x}},  # of old\n    {LINE}\n]\n"
    assert append_items(text, "silos", [NORTH], name="x") == expected


PLACES = {"key": "../north.fedkey", "data": "my table.csv"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "columns: {age: {column: alter}}  # ours\n",
        "# ours\n  columns:\n    age: {column: alter}\n",
        "# ours\nkey: old.fedkey  # of north\ncolumns:\n  age: {column: alter}\ndata:   # to come\n",
        "---\ncolumns: {age: {column: alter}}\ndata: >-\n  old\n\n# ours\n",
        "{columns: {age: {column: alter}}}\n",
        "{key: old, data: old.csv, columns: {age: {column: alter}}}",
        "{\n  data: old.csv,  # ours\n  columns: {age: {column: alter}},\n}\n",
        "{}\n",
        "{key, data: , columns: {}}\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_values_are_set_in_any_style_and_no_comment_is_lost(text: str, end: str) -> None:
    text = text.replace("\n", end)
    found = set_values(text, PLACES, name="x")
    assert load(found, name="x").value == {**(load(text, name="x").value or {}), **PLACES}
    assert comments(found) == comments(text)
    assert end == "\n" or not re.search("(?<!\r)\n", found) or not text


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
            lambda key: key != "silos"
        ),
        st.recursive(
            st.one_of(st.integers(-9, 9), st.text(max_size=8), st.booleans(), st.none()),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    ),
    st.sampled_from([None, False, True]),
    st.integers(0, 4),
    st.integers(0, 3),
)
def test_whatever_else_a_document_says_it_still_says(rest: object, flow: bool | None, place: int, silos: int) -> None:
    import yaml

    pairs = list(rest.items())  # type: ignore[attr-defined]
    pairs.insert(place, ("silos", [{"name": f"s{i}", "fingerprint": "1"} for i in range(silos)]))
    text = yaml.safe_dump(dict(pairs), default_flow_style=flow, sort_keys=False, allow_unicode=True)
    try:
        before = load(text, name="x").value
    except BadYaml:
        return  # tags and the like, which the reader does not take
    after = load(append_items(text, "silos", [NORTH], name="x"), name="x").value
    assert after == {**before, "silos": [*before["silos"], NORTH]}


def test_silos_cannot_be_added_to_what_is_no_study() -> None:
    with pytest.raises(BadStudy):
        append_items("- a", "silos", [NORTH], name="x")
    with pytest.raises(BadStudy, match="'silos' is not a list"):
        append_items("silos: none", "silos", [NORTH], name="x")


@pytest.mark.parametrize("text", ["study: heart\n\tsilos: []\n", "study: heart\nsilos:\t[]\n", "silos:\n\t- a\n"])
def test_a_tab_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(BadYaml, match="a tab cannot indent"):
        append_items(text, "silos", [NORTH], name="x")


def test_a_text_that_would_grow_past_the_limit_is_refused_as_too_large() -> None:
    text = "study: heart\n#" + "x" * (MAX_BYTES - 50) + "\n"
    with pytest.raises(BadYaml, match="at most 65,536 are read"):
        append_items(text, "silos", [NORTH], name="x")


def test_a_hundred_silos_fit_in_a_draft() -> None:
    silos = [{**NORTH, "name": f"silo-{i}"} for i in range(100)]
    assert len(read_study(append_items(draft("heart", ""), "silos", silos, name="x")).silos) == 100
