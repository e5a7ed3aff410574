"""The page of estimators names each of them, with what it says of itself."""

from __future__ import annotations

import re

from fedcli.models.elsewhere import NOT_FEDERABLE
from fedcli.preparing.estimators import ESTIMATORS
from tests.estimators.page import PAGE, written


def test_the_table_is_what_the_estimators_say_of_themselves() -> None:
    text = PAGE.read_text("utf-8")
    assert text == written(text), "write it again: python tests/estimators/page.py"


def test_every_estimator_is_explained_below_a_heading() -> None:
    headings = " ".join(re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE))
    assert not [name for name in ESTIMATORS if not re.search(rf"\b{name}\b", headings)]


def test_what_needs_rows_is_listed() -> None:
    text = PAGE.read_text("utf-8")
    assert not [name for name in NOT_FEDERABLE if name not in text]
