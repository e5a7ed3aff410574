"""Table 1 on a terminal: it fits, and says all that the wide one says."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from fedcli.report.table_layout import in_columns
from fedcli.report.table_one import (
    CategoryGroup,
    Correlation,
    Described,
    Filled,
    Interval,
    NumberGroup,
    Point,
    TableOne,
)
from fedcli.report.table_text import as_text

LONG = "ST-elevation myocardial infarction of the anterior wall, treated within two hours"


def number(scale: float) -> NumberGroup:
    def about(value: float, share: float = 0.01) -> Point:
        return Point(scale * value, scale * (value - share), scale * (value + share))

    return NumberGroup(
        present=12_345_678,
        missing=23_456,
        mean=1.2345 * scale,
        deviation=0.4567 * scale,
        lowest=Interval(0.0123 * scale, 0.0234 * scale),
        q1=about(0.9),
        median=about(1.1, 0.003),
        q3=about(1.6, 0.02),
        highest=Interval(7.8 * scale, 8.9 * scale),
    )


def table(
    n_groups: int, *, n_correlated: int = 12, names: tuple[str, ...] = ("all", "num 0", "num 1, 2, 3, 4")
) -> TableOne:
    groups = tuple((names[g] if g < len(names) else f"num {g}", 12_369_134 + g) for g in range(n_groups))
    category = CategoryGroup(missing=1_234, levels={"no": 8_765_432, LONG: 3_602_468, "x" * 70: "<5"})
    columns = tuple(f"a_column_with_a_long_name_{i}" for i in range(n_correlated))
    matrix = tuple(tuple(-0.01 * (i + 10 * j) for j in range(n_correlated)) for i in range(n_correlated))
    return TableOne(
        study="heart",
        title="",
        groups=groups,
        columns=(
            Described(
                "income", "euro per year, before taxes and after all that may be deducted", (number(1e6),) * n_groups
            ),
            Described("diagnosis", "", (category,) * n_groups),
            Described("ph", "", (number(1.0),) * n_groups),
        ),
        medians=(Filled("income", Point(1.1e6, 1.09e6, 1.11e6)),),
        correlation=Correlation(columns, matrix, tuple(1.5 + i for i in range(n_correlated))) if n_correlated else None,
    )


def numbers_in(text: str) -> Counter[str]:
    return Counter(re.findall(r"-?\d[\d,.]*\d|\d", text))


@pytest.mark.parametrize("width", [100, 80, 60, 40, 20])
@pytest.mark.parametrize("n_groups", [1, 3, 6])
@pytest.mark.parametrize("n_correlated", [0, 4, 12, 13])
def test_every_line_fits_the_terminal(width: int, n_groups: int, n_correlated: int) -> None:
    text = as_text(table(n_groups, n_correlated=n_correlated), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.endswith("\n")


@pytest.mark.parametrize("width", [80, 60, 40])
@pytest.mark.parametrize("n_groups", [1, 3, 6])
def test_no_number_of_the_table_is_lost_where_it_is_folded(width: int, n_groups: int) -> None:
    """What stands in a cell stands in it once, whole, wherever the column went."""
    wide = as_text(table(n_groups, names=("all",), n_correlated=0))
    folded = as_text(table(n_groups, names=("all",), n_correlated=0), width=width)
    cells = [cell for cell in numbers_in(wide) if len(cell) > 2]
    assert len(cells) > 20
    for cell in cells:
        assert numbers_in(folded)[cell] >= numbers_in(wide)[cell], cell


def test_a_table_that_fits_is_laid_out_as_without_a_terminal() -> None:
    short = table(1, n_correlated=4)
    assert max(map(len, as_text(short).splitlines()[:4])) < 200
    assert as_text(short, width=500) == as_text(short)


def test_the_whole_matrix_stands_below_itself_where_it_is_too_wide() -> None:
    """Each pair once, under the number of its column."""
    head = ("correlation", "VIF", *map(str, range(1, 8)))
    lines = [head, *((f"{i + 1} x", "1.00", *(f"0.{i}{j}" for j in range(i))) for i in range(8))]
    text = in_columns(lines, 40)
    found = numbers_in(text)
    assert all(found[f"0.{i}{j}"] == 1 for i in range(8) for j in range(i))
    parts = text.split("\n\n")
    assert len(parts) > 1
    assert all(part.startswith("correlation") for part in parts)
    assert parts[0].splitlines()[2].split() == ["2", "x", "1.00", "0.10"]
    assert max(map(len, text.splitlines())) <= 40


def test_a_long_label_wraps_under_itself_beside_its_numbers() -> None:
    lines = [("", "all", "well"), ("diagnosis",), (f"  {LONG}", "3,602,468 (29.1%)", "1,234"), ("  no", "7", "8")]
    text = in_columns(lines, 60).splitlines()
    assert max(map(len, text)) <= 60
    first, *more = [line for line in text if not line.startswith(("diagnosis", "  no", " " * 10))]
    assert first.startswith("  ST-elevation")
    assert first.split()[-3:] == ["3,602,468", "(29.1%)", "1,234"]
    assert all(line.startswith("    ") for line in more)
    assert " ".join(" ".join([first.split("3,602")[0], *more]).split()) == LONG


def test_a_long_class_wraps_at_the_head_of_its_column() -> None:
    lines = [("", "all", "num 1, 2, 3, 4 and five more"), ("rows", "1", "2")]
    text = in_columns(lines, 30).splitlines()
    assert max(map(len, text)) <= 30
    assert " ".join(" ".join(text[:-1]).split()) == "all num 1, 2, 3, 4 and five more"


def test_what_fills_missing_cells_is_said_with_its_bounds() -> None:
    said = as_text(table(1, n_correlated=0)).splitlines()
    assert (
        "income: missing values are filled with the pooled median 1,100,000, which lies from 1,090,000 to 1,110,000"
        in said
    )
    exact = TableOne("heart", "", (), (), (Filled("visits", Point(3.0, 3.0, 3.0)),), None)
    assert as_text(exact) == "visits: missing values are filled with the pooled median 3, which is exact\n"


def test_three_groups_of_millions_stand_side_by_side_on_80_columns() -> None:
    text = as_text(table(3, n_correlated=0), width=80)
    assert text.splitlines()[0].split() == ["all", "num", "0", "num", "1,", "2,", "3,", "4"]
    assert "  highest from" in text
    assert "    to" in text
