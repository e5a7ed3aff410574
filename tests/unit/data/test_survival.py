"""A survival outcome: what an agreement may say of it, and how a silo's table is read and checked against that."""

from __future__ import annotations

import hmac
import struct
from pathlib import Path

import numpy as np
import pytest

from fedcli.cli.agreement import plain_words
from fedcli.compute.cells import count_cells
from fedcli.compute.spool import Spool
from fedcli.data.checking import RowReader, check_table
from fedcli.data.looking import look
from fedcli.data.mapping import Mapping, agreed_columns, read_mapping
from fedcli.data.proposing import propose
from fedcli.data.reading import open_table
from fedcli.errors import BadMapping, BadStudy, BadTarget, EntryTooLate, NotANumber, OutOfRange
from fedcli.preparing.holdout import row_hashes
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.study.canonical_form import from_json, to_json
from fedcli.study.document import Study
from fedcli.study.reading import read_study

AGREED = """
study: lung
target: {type: survival, time: days, event: status, positive: died, negative: alive, entry: from, range: [0, 2000],
         unit: days, missing: [9999]}
features:
  age: {type: number, range: [18, 110]}
model: {estimator: CoxPH}
evaluation: {holdout: 0}
"""
STUDY = read_study(AGREED)
HEADER = "age,days,status,from\n"


def reader(folder: Path, text: str, mapping: str = "", study: Study = STUDY) -> RowReader:
    path = folder / "t.csv"
    path.write_text(text)
    own = read_mapping(mapping, study) if mapping else Mapping.identity()
    return RowReader(study, own, open_table(path))


def test_a_table_is_read_into_events_and_times(tmp_path: Path) -> None:
    (rows,) = reader(tmp_path, HEADER + "60,310,died,10\n70,400.5,alive,0\n").batches()
    np.testing.assert_array_equal(rows.target, [1.0, 0.0])
    np.testing.assert_array_equal(rows.times, [[310.0, 10.0], [400.5, 0.0]])


def test_without_entry_there_is_one_column_of_times(tmp_path: Path) -> None:
    study = read_study(AGREED.replace(" entry: from,", ""))
    (rows,) = reader(tmp_path, "age,days,status\n60,310,died\n", study=study).batches()
    assert rows.times.tolist() == [[310.0]]
    assert agreed_columns(study) == ("status", "days", "age")


def test_a_silo_maps_its_own_names_units_and_codes(tmp_path: Path) -> None:
    mapping = """
columns:
  days: {column: weeks, unit: weeks}
  from: {column: since, multiply: 7}
  status: {column: tod, levels: {ja: died, nein: alive}}
"""
    (rows,) = reader(tmp_path, "age,weeks,tod,since\n60,10,ja,2\n70,20,nein,0\n", mapping).batches()
    np.testing.assert_allclose(rows.times, [[70.0, 14.0], [140.0, 0.0]])
    np.testing.assert_array_equal(rows.target, [1.0, 0.0])
    with pytest.raises(BadMapping, match="no levels"):
        read_mapping("columns: {days: {levels: {a: b}}}", STUDY)


def test_an_entry_that_is_not_before_the_time_is_an_error_with_its_count(tmp_path: Path) -> None:
    text = HEADER + "60,310,died,310\n70,400,alive,0\n65,20,died,30\n"
    with pytest.raises(EntryTooLate, match=r"'from' is not before column 'days' in 2 rows, lines 2, 4"):
        list(reader(tmp_path, text).batches())


def test_wrong_cells_are_found_in_every_column_of_the_outcome(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "60,310,dead,1\n70,2500,alive,0\n65,soon,died,3\n")
    _, errors = check_table(STUDY, Mapping.identity(), open_table(path))
    assert [type(error) for error in errors] == [BadTarget, NotANumber, OutOfRange]


@pytest.mark.parametrize(("row", "column"), [("60,,died,1", "days"), ("60,9999,died,1", "days"), ("60,9,,1", "status")])
def test_a_row_that_lacks_a_part_of_its_outcome_is_left_out(tmp_path: Path, row: str, column: str) -> None:
    source = reader(tmp_path, HEADER + f"{row}\n70,400,alive,0\n")
    (rows,) = source.batches()
    assert len(rows) == 1
    assert source.report.dropped[column] == 1


def test_a_table_without_events_is_a_doubt(tmp_path: Path) -> None:
    source = reader(tmp_path, HEADER + "".join(f"{40 + i},{100 + i},alive,0\n" for i in range(30)))
    list(source.batches())
    doubts = look(STUDY, Mapping.identity(), source.report, source.batches)
    assert "all 30 rows have the same outcome" in [str(doubt.message) for doubt in doubts]


def test_times_in_another_unit_are_a_doubt(tmp_path: Path) -> None:
    source = reader(
        tmp_path, HEADER + "".join(f"{40 + i},{1 + i / 40},{'died' if i % 2 else 'alive'},0\n" for i in range(60))
    )
    list(source.batches())
    doubts = look(STUDY, Mapping.identity(), source.report, source.batches)
    assert any(doubt.column == "days" and "years" in doubt.message for doubt in doubts)


def test_join_proposes_the_columns_of_the_outcome() -> None:
    proposed = propose(STUDY, ["age", "Days", "status", "from"], "k.fedkey", "t.csv")
    assert "days: {column: Days}" in proposed.text


def test_the_event_is_a_variable_of_small_cells(tmp_path: Path) -> None:
    text = HEADER + "".join(f"{40 + i},{100 + i},{'died' if i < 3 else 'alive'},0\n" for i in range(30))
    spool = Spool(reader(tmp_path, text).batches(), tmp_path)
    cells = {cell.says: cell.count for cell in count_cells(Plan(STUDY), spool, np.zeros(30, dtype=bool))}
    assert cells["status positive"] == 3
    assert cells["status negative"] == 27


@pytest.mark.parametrize("memory_bytes", [2**20, 0])
def test_times_survive_the_spool(tmp_path: Path, memory_bytes: int) -> None:
    rng = np.random.default_rng(0)
    ones = np.ones(9000)
    rows = Rows(rng.normal(size=(9000, 2)), np.zeros((9000, 1), np.int32), ones, ones, ones, rng.random((9000, 2)))
    with Spool([rows], tmp_path, memory_bytes=memory_bytes) as spool:
        found = Rows.together([part for _, part in spool.blocks()])
    np.testing.assert_array_equal(found.times, rows.times)


def test_a_row_hash_covers_the_times_and_stays_what_it_was_for_other_outcomes() -> None:
    one = np.ones(1)
    plain = Rows(np.array([[2.0]]), np.array([[3]], np.int32), one, 0 * one, one)
    laid_out = struct.pack(">5d", 2.0, 3.0, 1.0, 0.0, 1.0)
    assert row_hashes(plain, b"k")[0] == int.from_bytes(hmac.digest(b"k", laid_out, "sha256")[:8], "big")
    timed = [Rows(*plain_parts(plain), np.array([[time, 1.0]])) for time in (5.0, 6.0)]
    assert len({int(row_hashes(rows, b"k")[0]) for rows in (plain, *timed)}) == 3


def plain_parts(rows: Rows) -> tuple[np.ndarray, ...]:
    return rows.numbers, rows.codes, rows.target, rows.offset, rows.weight


def test_the_agreement_survives_its_frozen_form_and_is_said_in_plain_words() -> None:
    assert from_json(to_json(STUDY)) == STUDY
    words = dict(plain_words(STUDY, (4, 5)))
    assert (
        words["outcome"]
        == "status: yes (died) or no (alive), seen from from until days (0 to 2000 days); 9999 means missing"
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("time: days, event: days, range: [0, 9]", "different columns"),
        ("time: age, event: dead, range: [0, 9]", "two roles"),
        ("event: dead, range: [0, 9]", "lacks 'time'"),
        ("time: days, event: dead", "lacks 'range'"),
        ("time: days, event: dead, range: [0, 9], positive: yes", "which value is the other one"),
    ],
)
def test_a_survival_target_that_makes_no_sense_is_refused(line: str, says: str) -> None:
    with pytest.raises(BadStudy, match=says):
        read_study(
            f"study: x\ntarget: {{type: survival, {line}}}\nfeatures: {{age: {{type: number, range: [0, 9]}}}}\n"
            "model: {estimator: CoxPH}\n"
        )
