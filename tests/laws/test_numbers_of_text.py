"""A cell of a text table means the same whether Polars parses it as a number or fedcli reads its text."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.data.cells import Codes, read_numbers
from fedcli.data.csv_blocks import Block

WORDS = ["", "NA", "nan", "NaN", "null", "?", ".", "inf", "-Infinity", "1_000", "0x10", "1e5", "1E-3", "+5", " 7", "7 "]
WORDS += ["-0", "0.0", ".5", "5.", "1,5", "1.234.567", "007", "1e400", "4.9e-324", "\u22125", "\u0661", "--", "1 2"]
WORDS += ['"8"', '""', "999", "-9.0", "16777217", "0.1", "9007199254740993", "1e", "e5", "True", "12abc"]
CELL = st.one_of(
    st.sampled_from(WORDS),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=30), st.booleans())
def test_parsed_as_numbers_or_as_text_cells_read_alike_to_the_bit(cells: list[tuple[str, str]], ends: bool) -> None:
    text = "\n".join(";".join(row) for row in cells) + ("\n" if ends else "")
    block = Block(text.encode(), 1, ";", 2, "t.csv")
    missing = Codes.of(["?", 999, "-9"])
    as_text, as_numbers = block.records([0, 1])[0], block.records([0, 1], {0, 1})[0]
    assert as_text.height == as_numbers.height
    for place in ("0", "1"):
        values, bad = read_numbers(as_text[place], missing)
        again, worse = read_numbers(as_numbers[place], missing)
        assert again.tobytes() == values.tobytes() or np.array_equal(again, values, equal_nan=True)
        assert np.array_equal(worse, bad)
