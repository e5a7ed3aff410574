"""Values outside the agreed range: another unit where most are, a code where few are, and each said once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedcli.data.checking import RowReader
from fedcli.data.looking import look
from fedcli.data.mapping import read_mapping
from fedcli.data.reading import open_table
from fedcli.errors import FedcliError, OutOfRange
from fedcli.errors.doubts import Doubt, OtherUnit
from fedcli.study.reading import read_study

FEATURES = """
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700], impute: mean}
  income: {type: number, range: [0, 500]}
  visits: {type: count, range: [0, 50]}
  seen: {type: date, range: [2000-01-01, 2023-12-31]}
  weight: {type: number, unit: kg, range: [30, 250], outside: OUTSIDE, impute: mean}
"""
N = 400
RNG = np.random.default_rng(8)
MMOL = [f"{v:.1f}" for v in RNG.normal(5.5, 1, N)]


def looked(
    folder: Path, *, own: str = "", outside: str = "error", **cells: list[str]
) -> tuple[tuple[FedcliError, ...], tuple[Doubt, ...]]:
    """Read an ordinary table with other cells, and return what is wrong and what is odd about its numbers."""
    rng = np.random.default_rng(8)
    columns = {
        "chol": [f"{v:.0f}" for v in rng.normal(210, 30, N)],
        "income": [f"{v:.1f}" for v in rng.gamma(3, 15, N)],
        "visits": [str(v) for v in rng.poisson(4, N)],
        "seen": [f"20{int(v):02}-01-31" for v in rng.integers(1, 23, N)],
        "weight": [f"{v:.1f}" for v in rng.normal(80, 10, N)],
        "y": [str(v) for v in rng.integers(0, 2, N)],
        **cells,
    }
    study = read_study(
        "study: s\ntarget: {column: y, type: binary, positive: 1}\nfeatures:"
        f"{FEATURES.replace('OUTSIDE', outside)}model: {{estimator: LogisticRegression}}\n"
    )
    path = folder / "t.csv"
    path.write_text("\n".join([",".join(columns), *map(",".join, zip(*columns.values(), strict=False))]) + "\n")
    mapping = read_mapping(own and f"columns: {{{own}}}", study)
    reader = RowReader(study, mapping, open_table(path))
    batches = list(reader.batches(refuse=False))
    return reader.errors, look(study, mapping, reader.report, lambda: iter(batches))


def refused(folder: Path, **changes: str | list[str]) -> str:
    """Return the hint of the only error, for values outside a range; nothing else may be said of its column."""
    errors, doubts = looked(folder, **changes)  # type: ignore[arg-type]
    assert [type(error) for error in errors] == [OutOfRange]
    assert doubts == ()
    return errors[0].hint


def test_of_an_ordinary_table_nothing_is_said(tmp_path: Path) -> None:
    assert looked(tmp_path) == ((), ())


def test_a_code_among_values_in_another_unit_is_not_taken_for_what_is_wrong(tmp_path: Path) -> None:
    hint = refused(tmp_path, chol=["99"] * 6 + MMOL[6:])
    assert "99 stands" not in hint
    assert hint.startswith(
        "most values would lie inside in mmol/l or g/l: if it is one of them, write in silo.yaml under columns, "
        "with it for UNIT: chol: {unit: UNIT}"
    )


def test_the_line_that_is_proposed_mends_it(tmp_path: Path) -> None:
    assert looked(tmp_path, own="chol: {unit: mmol/l}", chol=MMOL) == ((), ())


def test_a_code_that_is_most_of_what_lies_outside_is_named(tmp_path: Path) -> None:
    ordinary = [f"{v:.0f}" for v in RNG.normal(210, 30, N)]
    for n in (6, 300):
        hint = refused(tmp_path, chol=["999"] * n + ordinary[n:])
        assert f"999 stands in {n} of them" in hint
        assert "chol: {missing: [999]}" in hint


def test_a_few_values_outside_are_no_unit(tmp_path: Path) -> None:
    hint = refused(tmp_path, chol=MMOL[:9] + [f"{v:.0f}" for v in RNG.normal(210, 30, N - 9)])
    assert hint.startswith("if it is in another unit, write in silo.yaml under columns, with the unit it has here")


def test_most_values_of_many_missing_ones_are_most(tmp_path: Path) -> None:
    assert "inside in mmol/l or g/l" in refused(tmp_path, chol=[""] * 300 + MMOL[:100])


def test_a_unit_that_nothing_suggests_is_left_to_a_person(tmp_path: Path) -> None:
    hint = refused(tmp_path, chol=[f"{-v:.0f}" for v in RNG.normal(210, 30, N)])
    assert "this looks like another unit than the agreed mg/dl: write" in hint
    assert "for UNIT: chol: {unit: UNIT}" in hint


def test_a_plain_factor_is_named_where_no_unit_is_agreed(tmp_path: Path) -> None:
    hint = refused(tmp_path, income=[f"{v:.0f}" for v in RNG.gamma(3, 15000, N)])
    assert hint.startswith("multiplied by 0.001, most values would lie inside: if that is the unit here, write")
    assert "income: {multiply: 0.001}" in hint


def test_the_values_as_they_are_written_decide_where_a_unit_is_stated(tmp_path: Path) -> None:
    milligrams = [f"{v:.0f}" for v in RNG.normal(210, 30, N)]
    hint = refused(tmp_path, own="chol: {unit: mmol/l}", chol=milligrams)
    assert "most values would lie inside in mg/dl" in hint
    assert "chol: {unit: mg/dl}" in hint
    hint = refused(tmp_path, own="income: {multiply: 1000}", income=[f"{v:.1f}" for v in RNG.gamma(3, 15, N)])
    assert "income: {multiply: 1}" in hint


def test_counts_and_days_have_no_unit(tmp_path: Path) -> None:
    for changes in ({"visits": [str(v) for v in RNG.poisson(500, N)]}, {"seen": ["1950-01-01", "1951-02-03"] * 200}):
        hint = refused(tmp_path, **changes)
        assert "unit" not in hint
        assert "multiply" not in hint


@pytest.mark.parametrize("outside", ["missing", "clip"])
def test_where_nothing_is_refused_the_warning_names_the_unit(outside: str, tmp_path: Path) -> None:
    errors, doubts = looked(tmp_path, outside=outside, weight=[f"{v:.0f}" for v in RNG.normal(80000, 9000, N)])
    assert errors == ()
    assert isinstance(doubts[0], OtherUnit)
    assert "would lie inside in g" in doubts[0].message
    assert "weight: {unit: g}" in doubts[0].hint


def test_a_middle_at_the_end_of_its_range_is_said_beside_the_few_values_outside(tmp_path: Path) -> None:
    stones = [f"{v:.1f}" for v in RNG.normal(31.5, 1, N - 5)] + ["600.5"] * 5
    errors, doubts = looked(tmp_path, weight=stones)
    assert [type(error) for error in errors] == [OutOfRange]
    assert [type(doubt) for doubt in doubts] == [OtherUnit]
    assert "the middle value lies at the end of 30 to 250 kg, and would lie well inside in st" in doubts[0].message
