"""What `join` proposes: sure where only writing differs, else in a comment, and never which level a spelling is."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from fedcli.data.mapping import Mapping, read_mapping
from fedcli.data.proposing import Proposed, first_rows, likely_columns, propose, unread
from fedcli.data.reading import open_table
from fedcli.data.table import Table
from fedcli.errors import BadMapping
from fedcli.study.reading import read_study
from fedcli.study.yaml import load

STUDY = read_study("""
study: heart
target: {column: disease, type: binary, positive: ill, negative: well}
features:
  age: {type: number, unit: years, range: [18, 110]}
  sex: {type: category, levels: [female, male]}
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700]}
  admitted: {type: date, range: [2000-01-01, 2024-12-31]}
  smoker: {type: boolean}
model: {estimator: LogisticRegression}
""")
AGREED = {
    "disease": ["ill", "well", "ill"],
    "age": ["40", "50", "60"],
    "sex": ["female", "male", "male"],
    "chol": ["180", "210", "250"],
    "admitted": ["2020-01-31", "2021-05-06", ""],
    "smoker": ["Yes", "no", "1"],
}


def proposed(table: dict[str, list[str]], **options: bool) -> Proposed:
    found = propose(STUDY, list(table), "a key.fedkey", "../n.csv", sample=pl.DataFrame(table), **options)
    # What is written is read, as it stands and with every proposal taken over but the blanks.
    assert isinstance(read_mapping(found.text, STUDY), Mapping)
    return found


def taken(found: Proposed, *columns: str) -> Mapping:
    """Read the proposal with the # removed before the lines of some columns."""
    text = found.text
    for column in columns:
        text = text.replace(f"  # {column}:", f"  {column}:")
    return read_mapping(text.replace("    # ", "    "), STUDY)


def test_a_table_that_follows_the_agreement_gets_no_lines() -> None:
    found = proposed(AGREED)
    assert "\ncolumns: {}\n" in found.text
    assert found.notes == ()


def test_without_rows_names_alone_are_compared() -> None:
    found = propose(STUDY, ["Age ", "cholesterol_mmol", "DISEASE", "zzz"], "k", "d")
    mapping = read_mapping(found.text, STUDY)
    assert (mapping.local("age"), mapping.local("disease")) == ("Age ", "DISEASE")
    assert "  # chol: {column: cholesterol_mmol}" in found.text
    assert "  # sex: {column: NAME_IN_YOUR_TABLE}" in found.text
    assert mapping.local("chol") == "chol"
    assert any("is it your column 'cholesterol_mmol'?" in note for note in found.notes)


@pytest.mark.parametrize("name", ["Admitted", " ADMITTED", "ad_mitted", "ad-mitted", "Àdmittéd"])
def test_a_name_that_differs_in_writing_only_is_taken_over_and_said(name: str) -> None:
    found = proposed({(name if key == "admitted" else key): cells for key, cells in AGREED.items()})
    assert read_mapping(found.text, STUDY).local("admitted") == name
    assert found.notes == (f"admitted is taken from '{name}', which differs in writing only",)


def test_two_names_that_differ_in_writing_only_are_left_to_a_person() -> None:
    table = {key: cells for key, cells in AGREED.items() if key != "age"}
    found = proposed({**table, "AGE": AGREED["age"], "Age": AGREED["age"]})
    assert read_mapping(found.text, STUDY).local("age") == "age"
    assert "  # age: {column: " in found.text


def test_which_level_a_spelling_is_is_never_guessed() -> None:
    found = proposed({**AGREED, "sex": ["M", "F", "male"], "disease": ["1", "0", "ill"]})
    assert "  # sex: {levels: {F: LEVEL, M: LEVEL}}  # for each LEVEL one of: female, male" in found.text
    assert '  # disease: {levels: {"0": LEVEL, "1": LEVEL}}' in found.text
    assert read_mapping(found.text, STUDY).of("sex").levels == {}
    assert "sex: 2 spellings are not agreed: say which of female, male each is" in found.notes
    filled = found.text.replace("F: LEVEL, M: LEVEL", "F: female, M: male").replace("  # sex:", "  sex:")
    assert read_mapping(filled, STUDY).of("sex").levels == {"F": "female", "M": "male"}


def test_free_text_is_not_copied() -> None:
    names = [f"Person {i}" for i in range(30)]
    table = {key: (cells * 10)[:30] for key, cells in AGREED.items()}
    for cells in (names, ["a very long remark about somebody who came in on a Monday"] * 30):
        found = proposed({**table, "sex": cells})
        assert "Person" not in found.text
        assert "Monday" not in found.text
        assert "sex: it holds many or long texts that are not agreed: is it another column?" in found.notes


def test_values_in_another_unit_are_recognised_and_left_to_a_person() -> None:
    found = proposed({**AGREED, "chol": ["4.9", "5.6", "9.4"]})
    assert "  # chol: {unit: mmol/l}  # is this right\n" in found.text
    assert read_mapping(found.text, STUDY).of("chol").multiply == 1.0
    assert taken(found, "chol").of("chol").multiply == 38.665


def test_of_two_units_that_fit_none_is_written_down() -> None:
    found = proposed({**AGREED, "chol": ["4.9", "5.6", "6.4"]})
    assert "  # chol: {unit: UNIT}  # for UNIT one of: mmol/l, g/l\n" in found.text
    assert "chol: values look like mmol/l or g/l; agreed is mg/dl: say which it is" in found.notes
    with pytest.raises(BadMapping, match="'UNIT' is not in the table"):
        taken(found, "chol")


def test_a_decimal_comma_is_understood() -> None:
    found = proposed({**AGREED, "chol": ["4,9", "5,6", "9,4"]}, decimal_comma=True)
    assert "unit: mmol/l" in found.text


def test_values_that_fit_no_known_unit_are_said_only() -> None:
    found = proposed({**AGREED, "chol": ["-4", "-5", "-6"]})
    assert "  # chol" not in found.text
    assert "chol: most values lie outside 50 to 700 mg/dl: in which unit are they?" in found.notes


def test_a_known_code_among_numbers_is_proposed_as_missing() -> None:
    found = proposed({**AGREED, "chol": ["180", "?", "250"]})
    assert taken(found, "chol").of("chol").missing == ("?",)


def test_day_and_month_are_never_guessed() -> None:
    found = proposed({**AGREED, "admitted": ["03/04/2020", "05/06/2021", ""]})
    assert "  # admitted: {date: SPELLING}  # for SPELLING one of: DD/MM/YYYY, MM/DD/YYYY\n" in found.text
    assert read_mapping(found.text, STUDY).of("admitted").date is None
    found = proposed({**AGREED, "admitted": ["31/04/2020", "05/06/2021", ""]})
    assert "date:" not in found.text.partition("\ncolumns:")[2]
    found = proposed({**AGREED, "admitted": ["31.03.2020", "05.06.2021", ""]})
    assert taken(found, "admitted").of("admitted").date == "DD.MM.YYYY"


def test_a_renamed_column_keeps_its_doubts_in_comments_of_their_own() -> None:
    table = {("SEX" if key == "sex" else key): cells for key, cells in AGREED.items()}
    found = proposed({**table, "SEX": ["M", "male", "male"]})
    assert "  sex:\n    column: SEX\n    # levels: {M: LEVEL}  # for each LEVEL one of: female, male\n" in found.text
    assert read_mapping(found.text, STUDY).of("sex").column == "SEX"


@pytest.mark.parametrize("evil", ["a: b", "x\ny: z", "#", '"', "{", "- x", "\x1b[31m", "' # sex: {"])
def test_names_and_spellings_of_any_kind_are_written_safely(evil: str) -> None:
    table = {("Age" if key == "age" else key): cells for key, cells in AGREED.items()}
    found = proposed({**table, evil: ["1", "2", "3"], "sex": [evil, "male", "male"], f"chol{evil}": AGREED["chol"]})
    tree = load(found.text, name="silo.yaml").value
    assert set(tree) == {"key", "data", "columns"}
    assert tree["columns"] == {"age": {"column": "Age"}}


WANTED = tuple(AGREED)
OWN = {**AGREED, "sex": ["M", "F", "male"], "chol": ["4.9", "5.6", "9.4"]}
LISTS = pl.Series([[1], [2, 3], []])


def from_file(table: Table) -> Proposed:
    """Propose from what can be read of a table, as `join` does."""
    sample = first_rows(table, likely_columns(STUDY, table.columns))
    return propose(STUDY, table.columns, "k", "d", sample=sample)


def test_a_column_that_nobody_reads_does_not_spoil_what_the_others_show(tmp_path: Path) -> None:
    frame = pl.DataFrame({**OWN, "codes": LISTS, "scan": [b"x", b"y", b""], "took": [datetime.timedelta(days=1)] * 3})
    frame.write_parquet(tmp_path / "t.parquet")
    assert from_file(open_table(tmp_path / "t.parquet")).notes == proposed(OWN).notes
    with sqlite3.connect(tmp_path / "v.db") as database:
        database.execute(f"CREATE TABLE v ({', '.join(OWN)}, scan)")
        database.executemany(
            f"INSERT INTO v VALUES ({', '.join('?' * 7)})", zip(*OWN.values(), [b"x"] * 3, strict=True)
        )
    database.close()
    found = from_file(open_table(f"sqlite:///{tmp_path / 'v.db'}", query="SELECT * FROM v"))
    assert found.notes == proposed(OWN).notes
    assert any("spellings are not agreed" in note for note in found.notes)


def test_an_agreed_column_that_cannot_be_read_is_passed_over_and_said(tmp_path: Path) -> None:
    for name, cells in (("chol", LISTS), ("SEX", LISTS)):
        table = {(name if key == name.lower() else key): column for key, column in OWN.items()}
        pl.DataFrame({**table, name: cells}).write_parquet(tmp_path / "t.parquet")
        found = from_file(open_table(tmp_path / "t.parquet"))
        called = "sex (here 'SEX')" if name == "SEX" else "chol"
        assert f"{called}: its cells cannot be read, 'fedcli check' says why" in found.notes
        assert any(("sex: 2 spellings" if name == "chol" else "chol: values look like") in note for note in found.notes)


def test_numbers_that_may_be_thousands_leave_what_the_other_columns_show(tmp_path: Path) -> None:
    rows = zip(*{**OWN, "chol": ["180", "1.210", "250"]}.values(), strict=True)
    (tmp_path / "t.csv").write_text("\n".join([";".join(OWN), *map(";".join, rows)]))
    found = from_file(open_table(tmp_path / "t.csv"))
    assert "chol: its cells cannot be read, 'fedcli check' says why" in found.notes
    assert "sex: 2 spellings are not agreed: say which of female, male each is" in found.notes


def test_only_columns_that_may_be_meant_are_read() -> None:
    columns = ["AGE", "sex", "cholesterol_mmol", "ward", "", "disease", "note"]
    assert likely_columns(STUDY, columns) == ("disease", "AGE", "sex", "cholesterol_mmol")


def test_columns_that_serve_nothing_are_known() -> None:
    table = {**AGREED, "id": ["1", "2", "3"], "": ["", "", ""], "ward": ["a", "b", "c"]}
    assert unread(STUDY, read_mapping("", STUDY), tuple(table)) == ("id", "ward")
    own = read_mapping("columns: {age: id, sex: Sex}", STUDY)
    assert unread(STUDY, own, tuple(table)) == ("age", "sex", "ward")
    # What a person is asked about is no column without use.
    renamed = ["cholesterol_mmol" if name == "chol" else name for name in table]
    assert unread(STUDY, read_mapping("", STUDY), renamed, proposed=True) == ("id", "ward")
    assert unread(STUDY, read_mapping("", STUDY), renamed) == ("cholesterol_mmol", "id", "ward")


def test_the_first_rows_are_read_and_a_table_that_cannot_be_read_is_left_to_check(tmp_path: Path) -> None:
    good, torn = tmp_path / "good.csv", tmp_path / "torn.csv"
    good.write_text("a,b\n" + "1,2\n" * 6000)
    rows = first_rows(open_table(good), ["a", "b"])
    assert rows is not None
    assert (rows.height, rows.columns) == (5000, ["a", "b"])
    torn.write_text("a,b\n1,2\n1,2,3\n")
    assert first_rows(open_table(torn), ["a", "b"]) is None
    assert first_rows(open_table(good), []) is None


def test_a_false_likeness_is_not_proposed() -> None:
    found = propose(STUDY, ["Schmerz", "Sektor"], "k", "d")
    assert "Schmerz" not in found.text
    assert "# smoker: {column: NAME_IN_YOUR_TABLE}" in found.text


def test_a_dash_among_levels_is_proposed_as_missing() -> None:
    found = proposed({**AGREED, "sex": ["female", "-", "W"]})
    assert '# sex: {missing: ["-"], levels: {W: LEVEL}}' in found.text
    alone = proposed({**AGREED, "sex": ["female", "?", "-"]})
    assert taken(alone, "sex").of("sex").missing == ("-", "?")
    # 'None' may well be a level that is spelt otherwise.
    assert "None: LEVEL" in proposed({**AGREED, "sex": ["female", "None", "male"]}).text
