from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedcli.data import csv_blocks
from fedcli.data.checking import RowReader, check_table
from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.reading import open_table
from fedcli.errors import (
    BadTarget,
    EmptyTable,
    FedcliError,
    MissingColumn,
    MissingValue,
    NotANumber,
    OutOfRange,
    UnknownLevel,
)
from fedcli.preparing.rows import Rows
from fedcli.study.document import Study
from fedcli.study.reading import read_study

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")

HEART = read_study("""
study: heart
target: {column: num, type: binary, positive: [1, 2, 3, 4], negative: 0}
features:
  age: {type: number, range: [18, 110]}
  cp: {type: category, levels: [1, 2, 3, 4]}
  chol: {type: number, range: [50, 700], missing: [0, "?"], impute: mean}
  sex: {type: category, levels: [0, 1]}
  oldpeak: {type: number, range: [-5, 10], missing: ["?"], impute: mean}
  fbs: {type: category, levels: [0, 1], missing: ["?"], impute: mode}
model: {estimator: LogisticRegression}
""")

SMALL = read_study("""
study: small
target: {column: y, type: binary, positive: "yes", negative: "no"}
features:
  age: {type: number, unit: years, range: [18, 110]}
  sex: {type: category, levels: [female, male]}
  chol: {type: number, unit: mg/dl, range: [50, 700], missing: [0], impute: mean}
model: {estimator: LogisticRegression}
""")
HEADER = "age,sex,chol,y\n"
GOOD = "40,male,200,yes\n50,female,0,no\n"


def read(folder: Path, text: str, study: Study = SMALL, mapping: str = "", **options: str) -> Rows:
    path = folder / "t.csv"
    path.write_text(text)
    (rows,) = RowReader(study, read_mapping(mapping, study), open_table(path, **options))
    return rows


def refused(folder: Path, text: str, kind: type[FedcliError], study: Study = SMALL, mapping: str = "") -> FedcliError:
    with pytest.raises(kind) as caught:
        read(folder, text, study, mapping)
    assert caught.value.hint
    assert caught.value.message[0].islower()
    return caught.value


@pytest.fixture(params=HOSPITALS)
def hospital(request: pytest.FixtureRequest) -> Path:
    path = SHARED / "heart_uci" / f"{request.param}.csv"
    if not path.exists():
        pytest.skip("the shared heart disease tables are not here")
    return path


def test_one_study_reads_every_hospital_as_pandas_does(hospital: Path) -> None:
    (rows,) = RowReader(HEART, Mapping.identity(), open_table(hospital))
    expected = pd.read_csv(hospital, na_values="?")
    expected["chol"] = expected["chol"].replace(0, np.nan)
    assert np.array_equal(rows.numbers, expected[["age", "chol", "oldpeak"]], equal_nan=True)
    codes = np.column_stack([expected["cp"] - 1, expected["sex"], expected["fbs"].fillna(-1)])
    assert np.array_equal(rows.codes, codes)
    assert np.array_equal(rows.target, expected["num"] > 0)
    assert rows.offset.sum() == 0
    assert rows.weight.sum() == len(expected)


def test_the_report_counts_what_was_met(hospital: Path) -> None:
    report, errors = check_table(HEART, Mapping.identity(), open_table(hospital))
    expected = pd.read_csv(hospital, na_values="?")
    assert errors == ()
    assert report.rows_read == report.rows_used == len(expected)
    assert report.missing["chol"] == int((expected["chol"].fillna(0) == 0).sum())
    assert report.levels["num"]["positive"] == int((expected["num"] > 0).sum())
    assert report.levels["cp"] == {str(k): int((expected["cp"] == k).sum()) for k in (1, 2, 3, 4)}
    assert report.extent["age"] == (expected["age"].min(), expected["age"].max())


def test_another_projects_counts_read_as_a_count_target() -> None:
    path = SHARED / "vantage6_glm" / "poisson" / "a.csv"
    if not path.exists():
        pytest.skip("the shared tables of the other project are not here")
    study = read_study("""
study: awards
target: {column: num_awards, type: count, range: [0, 20]}
features:
  prog: {type: category, levels: [General, Academic, Vocational]}
  math: {type: number, range: [0, 100]}
model: {estimator: PoissonRegressor}
""")
    (rows,) = RowReader(study, Mapping.identity(), open_table(path))
    expected = pd.read_csv(path)
    assert np.array_equal(rows.target, expected["num_awards"])
    assert np.array_equal(rows.numbers[:, 0], expected["math"])


def test_a_silo_with_its_own_names_units_and_spellings_reads_the_same(tmp_path: Path) -> None:
    own = "Krank;Chol mmol;Geschlecht;Alter;extra\n1;5,0;M;40;x\n0;0;W;50;y\n"
    mapping = """
columns:
  y: {column: Krank, levels: {1: yes, 0: no}}
  chol: {column: Chol mmol, multiply: 40}
  sex: {column: Geschlecht, levels: {M: male, W: female}}
  age: Alter
"""
    rows = read(tmp_path, own, mapping=mapping)
    same = read(tmp_path, HEADER + GOOD)
    for name in ("numbers", "codes", "target", "offset", "weight"):
        assert np.array_equal(getattr(rows, name), getattr(same, name), equal_nan=True)


def test_the_order_of_columns_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    rows = read(tmp_path, "y,extra,chol,sex,age\n\nyes,1,200,male,40\n,,,,\nno,2,0,female,50\n\n")
    assert rows.target.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("rule", "expected"), [("missing", [np.nan, 40.0]), ("clip", [110.0, 40.0])])
def test_a_value_outside_the_range_is_missing_or_clipped_as_agreed(
    tmp_path: Path, rule: str, expected: list[float]
) -> None:
    study = read_study(f"""
study: small
target: {{column: y, type: number, range: [0, 1]}}
features:
  age: {{type: number, range: [18, 110], outside: {rule}, impute: mean}}
model: {{estimator: Ridge}}
""")
    assert np.array_equal(read(tmp_path, "age,y\n999,1\n40,0\n", study).numbers[:, 0], expected, equal_nan=True)


def test_text_in_a_number_column_is_refused_by_line_and_never_shown(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER + GOOD + "secret,male,1,yes\n41,male,whisper,no\n", NotANumber)
    assert error.where == "t.csv"
    assert "column 'age' is not a number in 1 row, line 4" in str(error)
    assert "secret" not in error.message + error.hint


def test_values_outside_the_range_are_counted_and_never_shown(tmp_path: Path) -> None:
    text = HEADER + "".join(f"40,male,{v},yes\n" for v in (5.217, 6.1, 200, 3.9, 5, 5, 5, 5))
    error = refused(tmp_path, text, OutOfRange)
    assert "lies outside 50 to 700 mg/dl in 7 rows, lines 2, 3, 5, 6, 7 ..." in str(error)
    assert "between mg/dl and mmol/l fedcli converts only where the study names the quantity" in error.hint
    assert "for UNIT: chol: {unit: UNIT}" in error.hint
    assert "5.217" not in error.message + error.hint


def test_an_unknown_level_is_shown_with_the_line_to_write(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER + GOOD + "40,M,200,yes\n40,W\x1b[2J,200,yes\n", UnknownLevel)
    assert "'M'" in error.message
    assert "\x1b" not in error.message + error.hint
    assert "sex: {levels: {M: LEVEL" in error.hint
    assert "female" not in error.hint, "a guess that is copied unread would turn one group into another"


def test_labels_of_a_column_that_is_no_category_are_not_shown(tmp_path: Path) -> None:
    text = HEADER + "".join(f"40,patient {i},200,yes\n" for i in range(30))
    error = refused(tmp_path, text, UnknownLevel)
    assert "patient" not in error.message + error.hint
    assert "30 rows" in error.message


def test_a_missing_cell_without_imputation_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER + GOOD + ",male,200,yes\nNA,male,200,no\n", MissingValue)
    assert "column 'age' is missing in 2 rows" in error.message
    assert "impute: mean" in error.hint
    assert "impute: mode" in refused(tmp_path, HEADER + "40,,200,yes\n", MissingValue).hint


def test_a_target_that_is_neither_value_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER + GOOD + "40,male,200,perhaps\n", BadTarget)
    assert "'perhaps'" in error.message
    assert "{levels: {perhaps: " in error.hint


def test_a_missing_column_names_the_nearest_and_the_line_to_write(tmp_path: Path) -> None:
    error = refused(tmp_path, "age,sex,cholesterol_mmol,y\n40,male,5,yes\n", MissingColumn)
    assert "no column 'chol'" in error.message
    assert "chol: {column: cholesterol_mmol}" in error.hint
    error = refused(tmp_path, HEADER + GOOD, MissingColumn, mapping="columns: {chol: c2}")
    assert "no column 'c2' (silo.yaml names it for 'chol')" in error.message


@pytest.mark.parametrize("rows", ["", "40,male,200,\n50,male,100,NA\n"])
def test_a_table_without_a_usable_row_is_refused(tmp_path: Path, rows: str) -> None:
    refused(tmp_path, HEADER + rows, EmptyTable)


def test_every_error_is_found_in_one_run(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "x,male,200,yes\n,M,9000,no\n200,male,200,perhaps\n" + GOOD)
    # The last row's label drops nothing else: each error stands for itself.
    _, errors = check_table(SMALL, Mapping.identity(), open_table(path))
    assert [type(error) for error in errors] == [
        BadTarget,
        NotANumber,
        OutOfRange,
        MissingValue,
        UnknownLevel,
        OutOfRange,
    ]
    path.write_text("sex,y\nmale,yes\n")
    _, errors = check_table(SMALL, Mapping.identity(), open_table(path))
    assert [error.message for error in errors] == ["the table has no column 'age'", "the table has no column 'chol'"]


@pytest.fixture
def long_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 100)
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "".join(f"{20 + i % 80},male,{100 + i},{'yes' if i % 2 else ''}\n" for i in range(200)))
    return path


def test_batches_depend_on_the_rows_alone(long_table: Path) -> None:
    packed = long_table.with_suffix(".gz")
    packed.write_bytes(gzip.compress(long_table.read_bytes().replace(b",male,", b',"male",')))
    sizes = []
    for path in (long_table, packed):
        reader = RowReader(SMALL, Mapping.identity(), open_table(path))
        batches = list(reader.batches(size=30))
        sizes.append([len(rows) for rows in batches])
        assert np.concatenate([rows.numbers for rows in batches])[:, 1].tolist() == [101.0 + 2 * i for i in range(100)]
    assert sizes == [[30, 30, 30, 10]] * 2


def test_rows_as_the_file_was_read_are_those_of_the_batches(long_table: Path) -> None:
    reader = RowReader(SMALL, Mapping.identity(), open_table(long_table))
    (whole,) = reader.batches()
    parts = list(reader.batches(None))
    assert len(parts) > 10
    np.testing.assert_array_equal(Rows.together(parts).table(), whole.table())


def test_a_second_pass_counts_nothing_twice(long_table: Path) -> None:
    reader = RowReader(SMALL, Mapping.identity(), open_table(long_table))
    first = [rows.numbers.tolist() for rows in reader]
    report = reader.report
    assert [rows.numbers.tolist() for rows in reader] == first
    assert reader.report == report
    assert report.dropped == {"y": 100}


def test_an_error_late_in_the_table_is_counted_over_all_of_it(long_table: Path) -> None:
    with long_table.open("a") as file:
        file.write("x,male,100,yes\n" * 50)
    reader = RowReader(SMALL, Mapping.identity(), open_table(long_table))
    with pytest.raises(NotANumber, match=r"in 50 rows, lines 202, 203"):
        list(reader)


def test_for_predictions_neither_target_nor_weight_is_needed(tmp_path: Path) -> None:
    study = read_study("""
study: rates
target: {column: n, type: count, range: [0, 9]}
features:
  age: {type: number, range: [0, 100]}
offset: {column: t, transform: log, range: [0.5, 10]}
weight: {column: w, range: [0, 5]}
model: {estimator: PoissonRegressor}
""")
    path = tmp_path / "t.csv"
    path.write_text("age,t\n40,1\n50,2\n")
    (rows,) = RowReader(study, Mapping.identity(), open_table(path), features_only=True)
    assert rows.numbers[:, 0].tolist() == [40.0, 50.0]
    assert rows.offset.tolist() == [0.0, np.log(2.0)]
    assert rows.weight.tolist() == [1.0, 1.0]
    path.write_text("age,sex,chol\n40,male,200\n")
    assert len(next(iter(RowReader(SMALL, Mapping.identity(), open_table(path), features_only=True)))) == 1
