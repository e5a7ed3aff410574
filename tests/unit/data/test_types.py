"""A count, a date, a yes or no: each type read good, odd and bad, from text and from typed columns."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedcli.data.cells import Codes
from fedcli.data.checking import RowReader, check_table
from fedcli.data.dates import Spelling, candidates, read_days
from fedcli.data.mapping import read_mapping
from fedcli.data.reading import open_table
from fedcli.errors import FedcliError, MissingValue, NotADate, NotANumber, NotWhole, OutOfRange, UnknownLevel
from fedcli.preparing.rows import Rows
from fedcli.study.document import Study
from fedcli.study.reading import read_study

STUDY = """\
study: types
target: {{column: y, type: binary, positive: 1}}
features:
  x: {{{feature}}}
model: {{estimator: LogisticRegression}}
"""
COUNT = "type: count, range: [0, 50]"
DATE = "type: date, range: [2000-01-01, 2023-12-31], scale: days"
BOOLEAN = "type: boolean"


def study_of(feature: str) -> Study:
    return read_study(STUDY.format(feature=feature))


def read(folder: Path, feature: str, cells: list[str], mapping: str = "") -> Rows:
    path = folder / "t.csv"
    path.write_text("x;y\n" + "".join(f"{cell};1\n" for cell in cells))
    study = study_of(feature)
    (rows,) = RowReader(study, read_mapping(mapping and f"columns: {{x: {mapping}}}", study), open_table(path))
    return rows


def errors(folder: Path, feature: str, cells: list[str], mapping: str = "") -> tuple[FedcliError, ...]:
    path = folder / "t.csv"
    path.write_text("x;y\n" + "".join(f"{cell};1\n" for cell in cells))
    study = study_of(feature)
    found = check_table(study, read_mapping(mapping and f"columns: {{x: {mapping}}}", study), open_table(path))[1]
    for error in found:
        assert error.hint
        shown = error.message + error.hint
        # Labels of a category may be shown, a few; numbers and days never.
        assert isinstance(error, UnknownLevel) or not any(len(cell) > 3 and cell in shown for cell in cells)
    return found


def days(*dates: str) -> list[float]:
    return [float((datetime.date.fromisoformat(day) - datetime.date(2000, 1, 1)).days) for day in dates]


# ---- counts --------------------------------------------------------------------------------------------------------


def test_whole_numbers_are_counts_however_they_are_written(tmp_path: Path) -> None:
    assert read(tmp_path, COUNT, ["0", "3", "3.0", " 4", "5e0"]).numbers[:, 0].tolist() == [0, 3, 3, 4, 5]


@pytest.mark.parametrize(
    ("cells", "kind", "says"),
    [
        (["3", "3.5"], NotWhole, "is not a whole number in 1 row, line 3"),
        (["3", "many"], NotANumber, "is not a number in 1 row, line 3"),
        (["3", "-1"], OutOfRange, "lies outside 0 to 50 in 1 row, line 3"),
        (["3", "51"], OutOfRange, "lies outside 0 to 50"),
        (["3", ""], MissingValue, "is missing in 1 row"),
    ],
)
def test_what_is_no_count_is_an_error_by_row(
    cells: list[str], kind: type[FedcliError], says: str, tmp_path: Path
) -> None:
    (error,) = errors(tmp_path, COUNT, cells)
    assert isinstance(error, kind)
    assert says in str(error)


def test_codes_of_a_count_are_gaps(tmp_path: Path) -> None:
    rows = read(tmp_path, f"{COUNT}, impute: mean, missing: 99", ["1", "99", "88.0", ""], "{missing: 88}")
    assert np.isnan(rows.numbers[:, 0]).tolist() == [False, True, True, True]


# ---- dates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "mapping"),
    [
        (["2020-02-29", "2001-12-31"], ""),
        (["2020-02-29T23:59:59.999+02:00", "2001-12-31 08:15"], ""),
        (["2020-02-29 00:00:00", "2001-12-31T12:00Z"], ""),
        (["29.02.2020", "31.12.2001"], "{date: DD.MM.YYYY}"),
        (["29.2.2020", "31.12.2001 7:30"], "{date: dd.mm.yyyy}"),
        (["02/29/2020", "12/31/2001 11:30 PM"], "{date: MM/DD/YYYY}"),
        (["29-02-2020", "31-12-2001"], "{date: DD-MM-YYYY}"),
        (["20200229", "20011231.0"], "{date: YYYYMMDD}"),
        (["2020/02/29", "2001/12/31"], "{date: YYYY/MM/DD}"),
        (["29 02 2020", "31 12 2001"], '{date: "DD MM YYYY"}'),
        (["29.02.2020", "2001-12-31"], "{date: DD.MM.YYYY}"),
    ],
)
def test_one_day_has_many_spellings_and_one_meaning(cells: list[str], mapping: str, tmp_path: Path) -> None:
    assert read(tmp_path, DATE, cells, mapping).numbers[:, 0].tolist() == days("2020-02-29", "2001-12-31")


def test_days_are_years_on_the_scale_of_years(tmp_path: Path) -> None:
    feature = "type: date, range: [1990-01-01, 2023-12-31], since: 2010-01-01"
    numbers = read(tmp_path, feature, ["2010-01-01", "2014-01-01", "1990-01-01"]).numbers[:, 0]
    assert numbers.tolist() == [0.0, 4.0, -7305 / 365.25]


@pytest.mark.parametrize(
    ("cells", "mapping", "says"),
    [
        (["2020-02-30"], "", "is not a day written YYYY-MM-DD in 1 row, line 2"),
        (["2021-02-29"], "", "is not a day"),
        (["2020-2-30"], "", "is not a day"),
        (["20-02-29"], "", "is not a day"),
        (["29.02.20"], "{date: DD.MM.YYYY}", "is not a day written DD.MM.YYYY"),
        (["2020-29-02"], "{date: DD.MM.YYYY}", "is not a day written DD.MM.YYYY"),
        (["2020-02-29"], "{date: YYYY-DD-MM}", "is not a day written YYYY-DD-MM"),
        (["1022020"], "{date: DDMMYYYY}", "is not a day written DDMMYYYY"),
        (["yesterday"], "", "is not a day"),
        (["2020-02-29x"], "", "is not a day"),
        (["43890"], "", "is not a day"),
    ],
)
def test_what_is_no_day_in_the_stated_spelling_is_an_error_by_row(
    cells: list[str], mapping: str, says: str, tmp_path: Path
) -> None:
    (error,) = errors(tmp_path, DATE, cells, mapping)
    assert isinstance(error, NotADate)
    assert says in str(error)


@pytest.mark.parametrize(
    ("cells", "hint"),
    [
        (["03/04/2020", "05/06/2021"], "nobody can tell which from the cells alone: x: {date: DD/MM/YYYY} or x: "),
        (["03/04/2020", "25/06/2021"], "write in silo.yaml under columns: x: {date: DD/MM/YYYY}"),
        (["03.04.2020", "05/06/2021"], "say in silo.yaml under columns how days are written here"),
    ],
)
def test_the_hint_names_spellings_and_never_chooses(cells: list[str], hint: str, tmp_path: Path) -> None:
    (error,) = errors(tmp_path, DATE, cells)
    assert hint in error.hint


def test_days_outside_the_range_obey_the_agreement(tmp_path: Path) -> None:
    (error,) = errors(tmp_path, DATE, ["1999-12-31", "2024-01-01", "2023-12-30"])
    assert isinstance(error, OutOfRange)
    assert "lies outside 2000-01-01 to 2023-12-31 in 2 rows, lines 2, 3" in str(error)
    clipped = read(tmp_path, f"{DATE}, outside: clip", ["1999-12-31", "2030-01-01"])
    assert clipped.numbers[:, 0].tolist() == days("2000-01-01", "2023-12-31")
    gone = read(tmp_path, f"{DATE}, outside: missing, impute: mean", ["1999-12-31", "2000-01-01"])
    assert np.isnan(gone.numbers[:, 0]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("missing", "cells", "mapping"),
    [
        ('[9999-12-31, "0000-00-00"]', ["9999-12-31", "0000-00-00", "", "NA", "9999-12-31 00:00:00"], ""),
        ("9999-12-31", ["31.12.9999", "31.12.9999 00:00"], "{date: DD.MM.YYYY}"),
        ("unknown", ["01.01.1900", "unknown"], '{date: DD.MM.YYYY, missing: "01.01.1900"}'),
        ("99991231", ["99991231", "99991231.0"], "{date: YYYYMMDD}"),
    ],
)
def test_codes_of_a_date_are_gaps_in_either_spelling(
    missing: str, cells: list[str], mapping: str, tmp_path: Path
) -> None:
    rows = read(tmp_path, f"{DATE}, impute: mean, missing: {missing}", cells, mapping)
    assert np.isnan(rows.numbers[:, 0]).all()


def test_typed_days_and_moments_need_no_spelling(tmp_path: Path) -> None:
    study = study_of(f"{DATE}, impute: mean, missing: 9999-12-31")
    day = datetime.date(2020, 2, 29)
    for x in (
        pl.Series([day, None, datetime.date(9999, 12, 31)]),
        pl.Series([datetime.datetime(2020, 2, 29, 23, 59), None, datetime.datetime(9999, 12, 31)]),
        pl.Series(["2020-02-29", None, "9999-12-31"]),
    ):
        for mapping in ("", "{date: DD.MM.YYYY}") if x.dtype != pl.String else ("",):
            pl.DataFrame({"x": x, "y": [1, 1, 1]}).write_parquet(tmp_path / "t.parquet")
            own = read_mapping(mapping and f"columns: {{x: {mapping}}}", study)
            (rows,) = RowReader(study, own, open_table(tmp_path / "t.parquet"))
            assert rows.numbers[0, 0] == days("2020-02-29")[0]
            assert np.isnan(rows.numbers[1:, 0]).all()


def test_whole_numbers_are_days_where_the_spelling_has_no_signs(tmp_path: Path) -> None:
    study = study_of(f"{DATE}, impute: mean")
    own = read_mapping("columns: {x: {date: YYYYMMDD}}", study)
    for x in ([20200229, 20011231], [20200229.0, None]):
        pl.DataFrame({"x": x, "y": [1, 1]}).write_parquet(tmp_path / "t.parquet")
        (rows,) = RowReader(study, own, open_table(tmp_path / "t.parquet"))
        assert rows.numbers[0, 0] == days("2020-02-29")[0]


@pytest.mark.parametrize(
    ("spelling", "cells"),
    [
        ("DD.MM.YY since 1930", ["29.02.20", "1.3.30", "28.02.29", "", "30.02.20"]),
        ("YYMMDD since 1930", ["200229", "300301", "290228", "", "200230"]),
        ("DD-MON-YYYY", ["29-Feb-2020", "1-MAR-1930", "28-february-2029", "", "30-Feb-2020"]),
        ("MON DD, YYYY", ["Feb. 29, 2020", "March 1, 1930", "Feb 28, 2029", "", "Fev 28, 2029"]),
        ("DD MON YY since 1930", ["29 Feb 20", "1 Mar 30", "28 Feb 29", "", "28 Feb 2029"]),
        ("excel", ["43890", "11018.75", "47177", "", "60"]),
    ],
)
def test_days_with_names_of_months_two_digits_or_serial_numbers_are_what_they_say(
    spelling: str, cells: list[str], tmp_path: Path
) -> None:
    way = Spelling.parse(spelling)
    numbers, bad = read_days(pl.Series(cells), Codes(frozenset(), frozenset()), way, "1970-01-01")
    meant = [datetime.date(2020, 2, 29), datetime.date(1930, 3, 1), datetime.date(2029, 2, 28)]
    assert [datetime.date(1970, 1, 1) + datetime.timedelta(n) for n in numbers[:3]] == meant
    assert bad.tolist() == [False, False, False, False, True]
    # A workbook's true dates stand beside them.
    assert read_days(pl.Series(["2020-02-29"]), Codes(frozenset(), frozenset()), way, "2020-02-29")[0] == [0.0]


@pytest.mark.parametrize(
    ("cells", "ways"),
    [
        (["29.02.20", "31.12.99"], ("DD.MM.YY since YEAR",)),
        (["29-Feb-2020", "1-Mar-2021"], ("DD-MON-YYYY",)),
        (["29-Feb-20"], ("DD-MON-YY since YEAR",)),
        (["43890", "37256"], ("excel",)),
        (["2019", "2020"], ()),
        (["7", "43890"], ()),
    ],
)
def test_what_a_silo_may_mean_is_proposed_with_the_century_left_open(cells: list[str], ways: tuple[str, ...]) -> None:
    assert candidates(cells) == ways


@pytest.mark.parametrize(
    "text", ["DD.MM.YY", "YY-MM-DD", "DD.MM", "DD.MM.YYYY.DD", "D.M.YYYY", "ddth MM YYYY", "", "x"]
)
def test_a_spelling_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nobody can tell the century|each once"):
        Spelling.parse(text)


def test_candidates_are_those_in_which_every_text_is_a_day() -> None:
    assert candidates(["01.02.2020"]) == ("DD.MM.YYYY",)
    assert candidates(["01/02/2020"]) == ("DD/MM/YYYY", "MM/DD/YYYY")
    assert candidates(["01/02/2020", "13/02/2020"]) == ("DD/MM/YYYY",)
    assert candidates(["01/02/20"]) == ("DD/MM/YY since YEAR", "MM/DD/YY since YEAR")
    assert candidates([]) == ()


# ---- yes or no -----------------------------------------------------------------------------------------------------


def test_yes_and_no_are_read_in_any_case(tmp_path: Path) -> None:
    yes = ["true", "True", "TRUE", "yes", "Yes", "t", "T", "y", "Y", "1", "1.0", " yes "]
    no = ["false", "FALSE", "no", "No", "f", "F", "n", "N", "0", "0.0"]
    assert read(tmp_path, BOOLEAN, yes + no).codes[:, 0].tolist() == [1] * len(yes) + [0] * len(no)


def test_a_silo_says_yes_in_its_own_language(tmp_path: Path) -> None:
    rows = read(tmp_path, BOOLEAN, ["ja", "nein", "x", "1"], "{levels: {ja: true, nein: no, x: yes}}")
    assert rows.codes[:, 0].tolist() == [1, 0, 1, 1]


def test_a_silo_may_mean_the_contrary(tmp_path: Path) -> None:
    assert read(tmp_path, BOOLEAN, ["1", "2"], "{levels: {1: false, 2: true}}").codes[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("cell", ["ja", "2", "-1", "maybe", "on", "x", "0.5", "tr"])
def test_nothing_else_is_yes_or_no(cell: str, tmp_path: Path) -> None:
    (error,) = errors(tmp_path, BOOLEAN, ["yes", cell])
    assert isinstance(error, UnknownLevel)
    assert "not agreed (false, true) in 1 row" in error.message
    assert "LEVEL" in error.hint


def test_codes_of_a_yes_or_no_are_gaps_before_they_are_answers(tmp_path: Path) -> None:
    own = "{levels: {no: no}, missing: [n]}"
    rows = read(tmp_path, f"{BOOLEAN}, impute: mode, missing: [9]", ["9", "n", "N", "", "na", "no"], own)
    assert rows.codes[:, 0].tolist() == [-1, -1, 0, -1, -1, 0]


def test_typed_truth_values_are_read(tmp_path: Path) -> None:
    study = study_of(f"{BOOLEAN}, impute: mode")
    for x in ([True, False, None], [1, 0, None], [1.0, 0.0, None]):
        pl.DataFrame({"x": x, "y": [1, 1, 1]}).write_parquet(tmp_path / "t.parquet")
        (rows,) = RowReader(study, read_mapping("", study), open_table(tmp_path / "t.parquet"))
        assert rows.codes[:, 0].tolist() == [1, 0, -1]


# ---- units ---------------------------------------------------------------------------------------------------------


def test_a_unit_converts_before_the_range_is_looked_at_and_after_codes(tmp_path: Path) -> None:
    feature = "type: number, unit: mg/dl, quantity: cholesterol, range: [50, 700], missing: 9, impute: mean"
    numbers = read(tmp_path, feature, ["5.2", "9", "2"], "{unit: mmol/l}").numbers[:, 0]
    assert numbers[0] == 5.2 * 38.665
    assert np.isnan(numbers[1])
    assert numbers[2] == 2 * 38.665
    (error,) = errors(tmp_path, feature, ["5.2", "1"], "{unit: mmol/l}")
    assert "lies outside 50 to 700 mg/dl in 1 row, line 3" in str(error)
