"""What `check` finds odd in a table that may still be right: each doubt appears where it should, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fedcli.data import checking
from fedcli.data.against_outcome import AgainstOutcome
from fedcli.data.checking import RowReader
from fedcli.data.copies import Copied, _may_be_copies
from fedcli.data.looking import look
from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.numbering import numbering
from fedcli.data.reading import open_table
from fedcli.data.thinned import Thinned
from fedcli.errors.doubts import (
    ConstantColumn,
    CopiedRows,
    Doubt,
    GroupOfOneOutcome,
    LevelWithoutRows,
    ManyDropped,
    ManyOutside,
    MostlyMissing,
    NumbersRows,
    OneOutcome,
    OtherUnit,
    SameColumn,
    TellsOutcome,
)
from fedcli.preparing.rows import Rows
from fedcli.study.reading import read_study

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"

FEATURES = """
  age: {type: number, unit: years, range: [18, 110]}
  weight: {type: number, unit: kg, range: [30, 250], outside: missing, impute: mean}
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700], missing: ["?"], impute: mean}
  income: {type: number, range: [0, 500]}
  visits: {type: count, range: [0, 100000000]}
  sex: {type: category, levels: [female, male], missing: ["?"], impute: mode}
  site: {type: category, levels: [a, b, c]}
"""
TARGETS = {
    "binary": "{column: y, type: binary, positive: 1, negative: 0}",
    "number": "{column: y, type: number, range: [-1000, 1000]}",
}
N = 400


def table(**changes: object) -> dict[str, object]:
    """Return an ordinary table of 400 people, with columns replaced."""
    rng = np.random.default_rng(5)
    columns: dict[str, object] = {
        "age": rng.normal(60, 10, N).clip(20, 100).round(1),
        "weight": rng.normal(80, 12, N).clip(40, 160).round(1),
        "chol": rng.normal(220, 40, N).clip(100, 400).round(),
        "income": rng.gamma(3, 15, N).clip(1, 400).round(2),
        "visits": rng.poisson(4, N),
        "sex": rng.choice(["female", "male"], N),
        "site": rng.choice(["a", "b", "c"], N),
        "y": (rng.random(N) < 0.4).astype(int),
    }
    return {**columns, **changes}


def doubts(
    tmp_path: Path, columns: dict[str, object], *, target: str = "binary", mapping: str = ""
) -> tuple[Doubt, ...]:
    """Write the columns, read them against the agreement, and look."""
    study = read_study(
        f"study: s\ntarget: {TARGETS[target]}\nfeatures:{FEATURES}model: {{estimator: LinearRegression}}\n"
    )
    path = tmp_path / "t.csv"
    pl.DataFrame({name: [None if v is None else str(v) for v in values] for name, values in columns.items()}).write_csv(  # type: ignore[attr-defined]
        path
    )
    own = read_mapping(mapping, study)
    reader = RowReader(study, own, open_table(path))
    batches = list(reader.batches(refuse=False))
    return look(study, own, reader.report, lambda: iter(batches))


def only(found: tuple[Doubt, ...], kind: type[Doubt], column: str) -> Doubt:
    """Return the one doubt, which must be of this kind and about this column."""
    assert [(type(doubt).code, doubt.column) for doubt in found] == [(kind.code, column)]
    return found[0]


def test_of_an_ordinary_table_nothing_is_said(tmp_path: Path) -> None:
    assert doubts(tmp_path, table()) == ()
    y = np.random.default_rng(3).normal(size=N).round(3)
    assert doubts(tmp_path, table(y=y), target="number") == ()


# ---- units ---------------------------------------------------------------------------------------------------------


def test_a_unit_is_named_although_every_cell_is_taken_for_missing(tmp_path: Path) -> None:
    found = doubts(tmp_path, table(weight=(np.asarray(table()["weight"]) * 1000).round()))
    kinds = [(type(doubt), doubt.column) for doubt in found]
    assert kinds == [(OtherUnit, "weight"), (ManyOutside, "weight"), (MostlyMissing, "weight")]
    assert "weight: {unit: g}" in found[0].hint
    assert "400 of 400 cells are taken for missing" in found[1].message


def test_a_middle_at_the_end_of_its_range_needs_a_unit_that_suits_better(tmp_path: Path) -> None:
    # 33 kg are within the range, and 33 stone would be heavy: nothing is nearer to ordinary but the stated unit.
    found = doubts(tmp_path, table(income=np.asarray(table()["income"]) / 100))
    assert found == (), "no unit is agreed: a low income may be one"


# ---- single columns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["age", "sex"])
def test_a_constant_column_is_named(tmp_path: Path, column: str) -> None:
    value = {"age": 55, "sex": "male"}[column]
    only(doubts(tmp_path, table(**{column: [value] * N})), ConstantColumn, column)


def test_a_level_that_no_row_has_is_named(tmp_path: Path) -> None:
    site = ["a" if i % 2 else "c" for i in range(N)]
    assert "no row has b" in only(doubts(tmp_path, table(site=site)), LevelWithoutRows, "site").message


def test_a_column_that_is_mostly_missing_is_named_with_its_count(tmp_path: Path) -> None:
    chol = [v if i % 25 == 0 else "?" for i, v in enumerate(np.asarray(table()["chol"]).tolist())]
    doubt = only(doubts(tmp_path, table(chol=chol)), MostlyMissing, "chol")
    assert "384 of 400 values are missing" in doubt.message


NUMBERINGS: dict[str, Callable[[], object]] = {
    "in_order": lambda: np.arange(N) * 3 + 7,
    "a_run_in_any_order": lambda: np.random.default_rng(1).permutation(N) + 1000,
    "long_numbers": lambda: np.random.default_rng(1).permutation(N) * 7919 + 20_000_000,
    "in_order_and_one_row_twice": lambda: repeated(np.arange(N) * 3 + 7),
    "in_order_with_gaps_and_one_row_twice": lambda: repeated(
        np.sort(np.random.default_rng(1).choice(90_000, N, replace=False))
    ),
    "downwards_and_one_row_twice": lambda: repeated(np.arange(N) * 3 + 7)[::-1],
    "a_run_in_any_order_and_one_row_twice": lambda: shuffled(repeated(np.arange(N) + 1000)),
    "long_numbers_and_one_row_twice": lambda: shuffled(repeated(np.arange(N) * 7919 + 20_000_000)),
    "two_visits_of_each": lambda: np.arange(N) // 2 + 1,
    "some_visits_of_each": lambda: np.sort(np.r_[np.arange(250), np.arange(150)]) + 4001,
    "four_visits_of_each": lambda: np.arange(N) // 4 + 1,
    "three_to_five_visits_of_each": lambda: np.repeat(np.arange(100) + 7, np.tile([3, 5, 4, 4], 25)),
    "four_visits_of_each_by_visit": lambda: np.tile(np.arange(100) + 1, 4),
    "four_visits_of_each_in_any_order": lambda: shuffled(np.arange(N) // 4 + 1),
    "four_visits_by_long_numbers": lambda: np.repeat(np.random.default_rng(1).choice(9_000_000, 100) + 10**6, 4),
    "two_visits_by_long_numbers": lambda: np.sort(np.random.default_rng(1).choice(9_000_000, N // 2)).repeat(2) + 10**6,
}


def repeated(numbers: np.ndarray) -> np.ndarray:
    numbers = numbers.copy()
    numbers[200] = numbers[199]
    return numbers


def shuffled(numbers: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).permutation(numbers)


@pytest.mark.parametrize("case", NUMBERINGS)
def test_a_number_that_names_rows_is_named(tmp_path: Path, case: str) -> None:
    only(doubts(tmp_path, table(visits=NUMBERINGS[case]())), NumbersRows, "visits")


def test_how_many_rows_each_number_has_is_said() -> None:
    three = np.repeat(np.arange(100.0) + 1, 3)
    assert numbering(three, 1, 100, 300) == "its whole numbers follow one another, each in 3 rows"
    assert numbering(np.r_[three, 100.0], 1, 100, 301) == "its whole numbers follow one another, each in about 3 rows"
    # Between weeks, hours and doses that a plan repeats, and numbers of persons, their number decides.
    assert numbering(three[:120], 1, 40, 120) is None
    assert numbering(np.repeat(np.arange(1950.0, 2020), 3), 1950, 2019, 210) is None


@pytest.mark.parametrize("rows", [2, 3, 6, 12])
def test_ages_in_order_with_few_rows_for_each_are_not_taken_for_identifiers(rows: int) -> None:
    for seed in range(200):
        ages = np.sort(np.random.default_rng(seed).integers(20, 90, 70 * rows)).astype(float)
        assert numbering(ages, ages[0], ages[-1], len(ages)) is None


def test_whole_numbers_that_repeat_or_measure_are_not_taken_for_identifiers(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    assert doubts(tmp_path, table(visits=np.sort(rng.poisson(30, N)))) == ()
    assert doubts(tmp_path, table(visits=rng.choice(90_000, N, replace=False))) == ()


ORDINARY: dict[str, Callable[[np.random.Generator], object]] = {
    "ages": lambda rng: rng.integers(18, 90, N),
    "ages_in_order": lambda rng: np.sort(rng.integers(18, 90, N)),
    "years_in_order": lambda rng: np.sort(rng.integers(1920, 2010, N)),
    "days_of_the_year_in_order": lambda rng: np.sort(rng.integers(1, 367, N)),
    "days_since_a_day_in_order": lambda rng: np.sort(rng.integers(0, 1200, N)),
    "days_as_numbers": lambda rng: rng.integers(1950, 2020, N) * 10_000 + rng.integers(1, 13, N) * 100 + 28,
    "days_as_numbers_in_order": lambda rng: np.sort(rng.integers(195, 202, N) * 100_000 + rng.integers(1, 13, N) * 100),
    "amounts": lambda rng: rng.gamma(2, 20_000, N).round(),
    "amounts_in_order": lambda rng: np.sort(repeated(rng.gamma(2, 20_000, N).round())),
    "large_amounts": lambda rng: shuffled(repeated(rng.gamma(2, 20_000_000, N).round() + 1_000_000)).clip(0, 10**8),
    "large_round_amounts": lambda rng: repeated(rng.integers(100, 999, N) * 10_000),
    "grades_in_order": lambda rng: np.sort(rng.integers(1, 60, N)),
}


@pytest.mark.parametrize("case", ORDINARY)
@pytest.mark.parametrize("seed", range(5))
def test_ages_years_days_and_amounts_are_not_taken_for_identifiers(case: str, seed: int) -> None:
    values = np.asarray(ORDINARY[case](np.random.default_rng(seed)), dtype=float)
    for n in (N, 100, 60):
        some = values[np.sort(np.random.default_rng(seed).choice(N, n, replace=False))]
        # Of few rows all may differ by chance: it is repeats that are tried here.
        some[n // 2] = some[n // 2 - 1]
        assert numbering(some, some.min(), some.max(), n) is None


# ---- against the outcome -------------------------------------------------------------------------------------------


def test_a_column_that_tells_the_outcome_is_named_with_its_area_under_the_curve(tmp_path: Path) -> None:
    y = np.asarray(table()["y"])
    age = (np.where(y, 70, 40) + np.random.default_rng(0).normal(0, 5.0, N)).clip(20, 100).round(2)
    area = roc_auc_score(y, age)
    assert 0.995 < area < 1
    doubt = only(doubts(tmp_path, table(age=age)), TellsOutcome, "age")
    assert f"(area under the curve {area:.4f})" in doubt.message
    assert "nearly every row" in doubt.message
    perfect = np.where(y, 70, 40)
    assert "of every row" in only(doubts(tmp_path, table(age=perfect)), TellsOutcome, "age").message


def test_a_good_predictor_is_not_taken_for_a_leak(tmp_path: Path) -> None:
    y = np.asarray(table()["y"])
    age = (np.where(y, 70, 45) + np.random.default_rng(0).normal(0, 10, N)).clip(20, 100).round(1)
    assert 0.9 < roc_auc_score(y, age) < 0.98
    assert doubts(tmp_path, table(age=age)) == ()


def test_a_column_whose_gaps_tell_the_outcome_is_named(tmp_path: Path) -> None:
    y = np.asarray(table()["y"])
    chol = [v if ill else "?" for v, ill in zip(np.asarray(table()["chol"]).tolist(), y, strict=True)]
    doubt = only(doubts(tmp_path, table(chol=chol)), TellsOutcome, "chol")
    assert "by whether it is missing" in doubt.message


def test_a_category_that_tells_the_outcome_is_named(tmp_path: Path) -> None:
    sex = np.where(np.asarray(table()["y"]), "male", "female")
    only(doubts(tmp_path, table(sex=sex)), TellsOutcome, "sex")


def test_a_number_that_is_made_of_the_outcome_is_named(tmp_path: Path) -> None:
    age = np.asarray(table()["age"])
    y = (2 * age + np.random.default_rng(0).normal(0, 0.5, N)).round(2)
    doubt = only(doubts(tmp_path, table(y=y), target="number"), TellsOutcome, "age")
    assert f"{np.corrcoef(age, y)[0, 1] ** 2:.4f}" in doubt.message
    noisy = (2 * age + np.random.default_rng(0).normal(0, 5, N)).round(2)
    assert doubts(tmp_path, table(y=noisy), target="number") == ()


def test_a_level_of_one_outcome_is_named_where_the_other_would_be_expected(tmp_path: Path) -> None:
    y = np.asarray(table()["y"]).copy()
    site = np.asarray(table()["site"])
    y[site == "b"] = 0
    doubt = only(doubts(tmp_path, table(y=y)), GroupOfOneOutcome, "site")
    assert f"all {(site == 'b').sum()} rows of 'b' have the same outcome" in doubt.message
    few = np.where(np.arange(N) < 8, "c", np.where(np.arange(N) % 2, "a", "b"))
    y = np.asarray(table()["y"]).copy()
    y[:8] = 0
    assert doubts(tmp_path, table(y=y, site=few)) == (), "of 8 rows 3 would be expected: chance"


# ---- the whole table -----------------------------------------------------------------------------------------------


def test_one_outcome_only_is_said_once(tmp_path: Path) -> None:
    only(doubts(tmp_path, table(y=np.ones(N, dtype=int))), OneOutcome, "y")


def test_many_rows_without_an_outcome_are_counted(tmp_path: Path) -> None:
    y = [v if i % 4 else None for i, v in enumerate(np.asarray(table()["y"]).tolist())]
    assert "100 of 400 rows are left out" in only(doubts(tmp_path, table(y=y)), ManyDropped, "y").message


def test_a_column_read_twice_is_named(tmp_path: Path) -> None:
    weight = (np.asarray(table()["age"]) * 1.5 + 10).round(1)
    doubt = only(doubts(tmp_path, table(weight=weight)), SameColumn, "weight")
    assert "column 'weight' says the same as column 'age'" in doubt.message


def test_copies_are_counted_and_their_places_known(tmp_path: Path) -> None:
    columns = {name: np.asarray(values).copy() for name, values in table().items()}
    for values in columns.values():
        values[[50, 399]] = values[7]
    (doubt,) = doubts(tmp_path, columns)
    assert isinstance(doubt, Copied)
    assert doubt.message.startswith("2 rows equal an earlier one")
    assert doubt.positions == (50, 399)
    assert isinstance(doubt, CopiedRows)


def test_a_table_that_was_pasted_twice_is_said(tmp_path: Path) -> None:
    columns = {name: np.tile(np.asarray(values), 2) for name, values in table().items()}
    (doubt,) = doubts(tmp_path, columns)
    assert doubt.message == "every row stands 2 times in the table"


def test_equal_rows_of_few_coarse_columns_are_ordinary(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    coarse = {name: rng.choice([40, 50, 60], N) for name in ("age", "weight", "income", "visits")}
    assert doubts(tmp_path, table(**coarse, chol=rng.choice([200, 300], N))) == ()


def test_rows_are_named_by_their_lines_behind_blank_lines_and_left_out_rows(tmp_path: Path) -> None:
    study = read_study(f"study: s\ntarget: {TARGETS['binary']}\nfeatures:{FEATURES}model: {{estimator: Ridge}}\n")
    columns = table()
    lines = [",".join(str(np.asarray(v)[i]) for v in columns.values()) for i in range(6)]
    left_out = lines[0].rpartition(",")[0] + ","
    (tmp_path / "t.csv").write_text("\n".join([",".join(columns), lines[0], "", left_out, *lines[1:]]) + "\n")
    reader = RowReader(study, read_mapping("", study), open_table(tmp_path / "t.csv"))
    assert sum(map(len, reader.batches(refuse=False))) == 6
    assert reader.places((0,)) == "line 2"
    assert reader.places((1, 5)) == "lines 5, 9"


# ---- what does not depend on how a table is read -------------------------------------------------------------------


def test_doubts_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.asarray(table()["y"])
    columns = table(age=np.where(y, 70, 40) + np.arange(N) % 7, weight=np.asarray(table()["weight"]) * 1000)
    whole = [(d.code, d.message) for d in doubts(tmp_path, columns)]
    monkeypatch.setattr(checking, "ROWS_PER_BATCH", 17)
    assert [(d.code, d.message) for d in doubts(tmp_path, columns)] == whole
    assert {code for code, _ in whole} == {"W101", "W102", "W103", "W107"}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_thinning_keeps_an_even_part_whatever_the_batches(size: int) -> None:
    thinned, chosen = Thinned(100), Thinned(100)
    values = np.arange(1000.0)
    for start in range(0, 1000, size):
        thinned.add(values[start : start + size])
        chosen.add(values[start : start + size], values[start : start + size] % 2 == 1)
    assert thinned.values().tolist() == list(range(0, 1000, 16))
    assert chosen.values().tolist() == list(range(1, 1000, 16))


@pytest.mark.skipif(not SHARED.exists(), reason="shared/data, the hospitals' own tables, is not beside the project")
def test_four_hospitals_as_they_are_raise_the_doubts_that_their_data_deserve() -> None:
    """Chol is 0 throughout in Switzerland, ca 96 to 99 % missing at three sites: as the data's own page says."""
    study = read_study("""
study: heart
target: {column: num, type: binary, positive: [1, 2, 3, 4], negative: 0}
features:
  age: {type: number, unit: years, range: [18, 110]}
  sex: {type: category, levels: [0, 1]}
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700], missing: [0, "?"], impute: mean}
  trestbps: {type: number, unit: mmHg, range: [60, 250], missing: [0, "?"], impute: mean}
  oldpeak: {type: number, range: [-5, 10], missing: ["?"], impute: mean}
  ca: {type: number, range: [0, 3], missing: ["?", -9], impute: mean}
model: {estimator: LogisticRegression}
""")
    found: dict[str, set[tuple[str, str]]] = {}
    for name in ("cleveland", "hungarian", "switzerland", "va"):
        reader = RowReader(study, read_mapping("", study), open_table(SHARED / "heart_uci" / f"{name}.csv"))
        batches = list(reader.batches(refuse=False))
        assert not reader.errors
        seen = look(study, read_mapping("", study), reader.report, lambda held=batches: iter(held))  # type: ignore[misc]
        found[name] = {(doubt.code, doubt.column) for doubt in seen}
    assert found == {
        "cleveland": set(),
        "hungarian": {("W103", "ca")},
        "switzerland": {("W103", "chol"), ("W103", "ca")},
        "va": {("W103", "ca")},
    }


@given(st.integers(0, 2**32 - 1), st.floats(0, 6), st.integers(0, 60), st.integers(1, 60))
def test_only_columns_that_do_not_tell_the_outcome_are_left_unranked(
    seed: int, apart: float, n: int, distinct: int
) -> None:
    rng = np.random.default_rng(seed)
    study = read_study(
        f"study: s\ntarget: {TARGETS['binary']}\nfeatures:{FEATURES}model: {{estimator: LinearRegression}}\n"
    )
    y = rng.integers(0, 2, n).astype(float)
    numbers = np.floor((rng.normal(size=(n, len(study.numbers))) + apart * y[:, None]) * distinct)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    codes = np.zeros((n, len(study.categories)), dtype=np.int32)
    side = AgainstOutcome(study, Mapping.identity(), 1)
    side.add(Rows(numbers, codes, y, np.zeros(n), np.ones(n)))
    for j, plain in enumerate(side._plain()):
        how, share = side._number(j, many=True)
        assert how == ""
        assert not plain or share < 0.995


@given(st.integers(0, 2**32 - 1), st.integers(2, 50), st.integers(0, 4))
def test_rows_that_are_alike_are_never_overlooked(seed: int, n: int, n_copies: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, 4))
    numbers[:, 0] = np.arange(n)
    numbers[:, 1] = np.nan
    numbers[:, 2] = 0.0
    source, place = rng.integers(0, n, n_copies), rng.permutation(n)
    numbers = np.vstack([numbers, numbers[source]])
    # A zero and no number are the same in all their spellings.
    numbers[n:, 1], numbers[n:, 2] = -np.nan, -0.0
    numbers = np.vstack([numbers[place], numbers[n:]])
    rest = len(numbers)
    rows = Rows(numbers, np.zeros((rest, 1), dtype=np.int32), np.zeros(rest), np.zeros(rest), np.ones(rest))
    parts = [rows.take(slice(0, 7)), rows.take(slice(7, None))]
    assert _may_be_copies(lambda: iter(parts)) == (n_copies > 0)
