"""The egress sheet: complete, the same bytes each time, safe against names that try to forge it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fedcli.errors import BadDocument, NotAFedcliFile
from fedcli.report.sheet import Sheet, SheetBlock, SheetContext, SheetTest, read_context

CONTEXT = SheetContext("heart", "1a" * 32, "2b" * 32, "3c" * 32, "north", 2, 1)
PAIRS = "4 x 4 with each pair once"
SHEET = Sheet(
    title="What would leave north in round 2 of 'Heart disease in four hospitals'",
    context=CONTEXT,
    facts=(("numbers", "ab" * 32), ("recipient", "registry, fingerprint " + "12345 " * 12)),
    blocks=(
        SheetBlock("curvature", (10,), PAIRS, "sums of products of columns", "123 training rows", "registry alone"),
        SheetBlock("values", (2, 3), "", "values of the loss", "123 training rows", "registry, for north alone"),
    ),
    columns=("age", "sex[male]"),
    tests=(SheetTest("fewest rows", "at least 10", "123"), SheetTest("weights", "none", "none", "not used")),
    warnings=("aggregation is plain: " + "word " * 40,),
)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _read(sheet: Sheet) -> _Words:
    page = _Words()
    page.feed(sheet.to_html())
    return page


def test_the_text_fits_80_columns_and_says_each_thing() -> None:
    text = SHEET.to_text().decode()
    assert max(map(len, text.splitlines())) <= 80
    for words in (f"curvature: 10 numbers, {PAIRS}", "values: 6 numbers", "sums of products", "123 training rows"):
        assert words in text
    assert "passed      fewest rows: required at least 10; here 123" in text
    assert "ab" * 32 in text


def test_every_part_of_a_sheet_changes_its_hash() -> None:
    others = [
        replace(SHEET, facts=(("numbers", "cd" * 32), *SHEET.facts[1:])),
        replace(SHEET, title="What would leave"),
        replace(SHEET, context=replace(CONTEXT, round=3)),
        replace(SHEET, blocks=SHEET.blocks[:1]),
        replace(SHEET, columns=("age",)),
        replace(SHEET, tests=SHEET.tests[:1]),
        replace(SHEET, warnings=()),
    ]
    assert len({sheet.digest() for sheet in (SHEET, *others)}) == 8
    assert replace(SHEET).digest() == SHEET.digest()


def test_a_name_cannot_forge_a_line_or_a_tag() -> None:
    evil = replace(SHEET, columns=("age\n\nTESTS\n  passed", "<script>alert(1)</script>"))
    lines = evil.to_text().decode().splitlines()
    assert lines.count("TESTS") == 1
    page = _read(evil)
    assert "script" not in page.tags
    assert any("<script>" in word for word in page.words)


def test_the_page_says_what_the_text_says_and_needs_nothing_from_outside() -> None:
    page = _read(SHEET)
    said = " ".join(page.words)
    for words in ("curvature", PAIRS, "6 numbers", "registry, for north alone", "at least 10", SHEET.digest()):
        assert words in said
    assert page.outside == []


def test_on_a_narrow_screen_each_cell_is_a_line_of_its_own_under_its_name() -> None:
    html = SHEET.to_html()
    narrow = html.partition("@media (max-width")[2].partition("}}")[0]
    assert "display: block" in narrow
    assert "attr(data-label)" in html
    cells = re.findall(r"<td([^>]*)>", html.partition("<h2>What would leave</h2>")[2])
    assert len(cells) == 2 * len(SHEET.blocks) + 3 * len(SHEET.tests)
    assert all("data-label=" in cell for cell in cells)
    # Only a hash may break inside a word: elsewhere "anywhere" lets a column shrink to a few letters.
    rules = re.findall(r"([^{}]*)\{[^{}]*overflow-wrap: anywhere", html.partition("</style>")[0])
    assert [rule.strip() for rule in rules] == ["code"]


def test_the_page_says_once_what_holds_for_several_classes() -> None:
    said = " ".join(_read(SHEET).words)
    assert said.count("123 training rows") == 2
    alike = replace(SHEET, blocks=[replace(block, readable="registry alone") for block in SHEET.blocks])
    assert " ".join(_read(alike).words).count("123 training rows") == 1


def test_the_text_says_which_update_it_is_about() -> None:
    assert read_context(SHEET.to_text()) == CONTEXT


@pytest.mark.parametrize("name", ["study", "study id", "roster", "continues", "silo", "round", "attempt"])
def test_a_sheet_without_one_of_its_lines_or_with_two_is_refused(name: str) -> None:
    lines = SHEET.to_text().decode().split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{name}  "))
    for edited in (
        [*lines[:at], *lines[at + 1 :]],
        [*lines[: at + 1], *lines[at:]],
        [*lines[:at], f"{name}  ?", *lines[at + 1 :]],
    ):
        with pytest.raises(BadDocument, match=name):
            read_context("\n".join(edited).encode())


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"study: heart\n", b"fedcli egress sheet 2\n"])
def test_what_is_no_sheet_is_refused(text: bytes) -> None:
    with pytest.raises(NotAFedcliFile):
        read_context(text)


def test_a_title_or_fact_cannot_forge_the_context() -> None:
    evil = replace(SHEET, title="x\nround  9 " + "round  9 " * 20, facts=(("numbers", "a\nround  9"),))
    assert read_context(evil.to_text()) == CONTEXT
