from __future__ import annotations

import csv
import datetime
import io
import math
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fedcli.data.checking import check_table
from fedcli.data.mapping import ColumnMapping, Mapping
from fedcli.data.profile import profile
from fedcli.data.reading import open_table
from fedcli.data.sample_numbers import padded
from fedcli.errors import EmptyTable, MissingColumn, UnsupportedModel
from fedcli.study.document import CategoryTarget, Study
from fedcli.study.draft import draft
from fedcli.study.reading import read_study

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
TABLE = """\
id,name,age,sex,smoker,bp,town,score,ward,empty,y
1,a b,63,f,0,120,Ulm,1.5,3,,yes
2,c d,41,m,1.0,-9,Köln,?,3,,no
3,e f,57,f,unknown,140,Ulm,2.25,3,,yes
4,g h,30,m,0,131,,0.5,3,,no
"""


def drafted(folder: Path, text: str, target: str | None = None) -> tuple[str, Study]:
    path = folder / "s.csv"
    path.write_text(text)
    written = draft("s", "", profile(open_table(path), target))
    return written, read_study(written)


def test_a_sample_fills_the_draft(tmp_path: Path) -> None:
    text, study = drafted(tmp_path, TABLE)
    assert list(study.features) == ["age", "sex", "smoker", "bp", "town", "score"]
    assert study.numbers["age"].range == (20.0, 70.0)
    assert study.categories["sex"].levels == ("f", "m")
    assert (study.categories["smoker"].levels, study.categories["smoker"].missing) == (("0", "1"), ("unknown",))
    assert (study.numbers["bp"].missing, study.numbers["bp"].impute) == (("-9",), "mean")
    assert (study.categories["town"].levels, study.categories["town"].impute) == (("Köln", "Ulm"), "mode")
    assert study.numbers["score"].missing == ("?",)
    assert study.model.estimator == "LogisticRegression"
    assert study.target.positive == ("yes",)  # type: ignore[union-attr]
    for why in ("id (it numbers the rows)", "ward (it has one value", "empty (it is empty"):
        assert f"# left out: {why}" in text


def test_free_text_is_left_out(tmp_path: Path) -> None:
    rows = "".join(f"p{i},{i % 25},{i % 2}\n" for i in range(50))
    text, study = drafted(tmp_path, "name,x,y\n" + rows)
    assert "left out: name (every row differs" in text
    assert list(study.features) == ["x"]


def test_the_sample_fits_the_study_that_it_suggests(tmp_path: Path) -> None:
    _, study = drafted(tmp_path, TABLE)
    _, errors = check_table(study, Mapping.identity(), open_table(tmp_path / "s.csv"))
    assert errors == ()


@pytest.mark.parametrize("name", ["cleveland", "hungarian", "switzerland", "va"])
def test_every_hospital_fits_the_study_that_it_suggests(name: str) -> None:
    path = SHARED / "heart_uci" / f"{name}.csv"
    if not path.exists():
        pytest.skip("the shared heart disease tables are not here")
    table = open_table(path)
    study = read_study(draft("heart", "", profile(table, "num")))
    _, errors = check_table(study, Mapping.identity(), table)
    assert errors == ()


@pytest.mark.parametrize(
    ("values", "kind", "estimator"),
    [
        ("0 1 0 1", "binary", "LogisticRegression"),
        ("no yes no yes", "binary", "LogisticRegression"),
        ("0 3 1 2", "count", "PoissonRegressor"),
        ("1.5 2.5 3.5 9", "number", "LinearRegression"),
        ("50 60 90 70", "number", "LinearRegression"),
    ],
)
def test_the_targets_type_is_guessed(tmp_path: Path, values: str, kind: str, estimator: str) -> None:
    rows = "".join(f"{v},{i * 1.5}\n" for i, v in enumerate(values.split()))
    _, study = drafted(tmp_path, "y,x\n" + rows, "y")
    assert (study.target.type, study.model.estimator) == (kind, estimator)


def test_a_target_that_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="text with 3 values, of which none repeats"):
        drafted(tmp_path, "x,y\n1,a\n2.5,b\n3,c\n")
    with pytest.raises(MissingColumn) as caught:
        drafted(tmp_path, "x,yy\n1,0\n2,1\n", "y")
    assert caught.value.hint == "did you mean 'yy'"
    with pytest.raises(EmptyTable):
        drafted(tmp_path, "x,y\n")
    with pytest.raises(EmptyTable):
        drafted(tmp_path, "x,y\n1,0\n1,1\n")


def days(way: str, n: int = 40, first: str = "2015-03-07", step: int = 37) -> list[str]:
    start = datetime.date.fromisoformat(first)
    found = [start + datetime.timedelta(days=step * i) for i in range(n)]
    form = way.replace("YYYY", "%Y").replace("MM", "%m").replace("DD", "%d")
    return [day.strftime(form) for day in found]


@pytest.mark.parametrize("n", [3, 20])
def test_an_outcome_of_several_texts_is_one_of_these_classes(tmp_path: Path, n: int) -> None:
    levels = [f"c{i:02}" for i in range(n)]
    cells = [*levels, *levels, "?"]
    rows = "".join(f"{i * 1.5},{cell}\n" for i, cell in enumerate(cells))
    text, study = drafted(tmp_path, f"x,y\n{rows}")
    assert study.target == CategoryTarget(type="category", column="y", levels=tuple(levels), missing=("?",))
    assert (study.model.estimator, study.model.params) == ("LogisticRegression", {"C": 1.0})
    assert "if the classes have one, from low to high, write them in it and estimator: OrdinalLogit" in " ".join(
        text.replace("#", " ").split()
    )
    _, errors = check_table(study, Mapping.identity(), open_table(tmp_path / "s.csv"))
    assert errors == ()


def test_the_classes_of_an_outcome_keep_the_order_that_a_file_declares(tmp_path: Path) -> None:
    stages = pl.Series(["III", "I", "II"] * 20, dtype=pl.Enum(["I", "II", "III"]))
    pl.DataFrame({"dose": [i / 7 for i in range(60)], "stage": stages}).write_parquet(tmp_path / "s.parquet")
    study = read_study(draft("s", "", profile(open_table(tmp_path / "s.parquet"))))
    assert study.target.levels == ("I", "II", "III")  # type: ignore[union-attr]


def test_an_outcome_of_many_texts_is_refused_and_none_of_them_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{i * 1.5},word{i % 21}\n" for i in range(42))
    with pytest.raises(
        UnsupportedModel, match="text with 21 values; it must be a number, or have from 2 to 20"
    ) as caught:
        drafted(tmp_path, f"x,y\n{rows}")
    assert "word" not in str(caught.value) + caught.value.hint


def with_column(folder: Path, cells: list[str], name: str = "c") -> tuple[str, Study]:
    """Draft from a table with one column beside a number and an outcome."""
    rows = "".join(f"{i * 1.5},{cell},{i % 2}\n" for i, cell in enumerate(cells))
    return drafted(folder, f"x,{name},y\n{rows}")


@pytest.mark.parametrize("way", ["YYYY-MM-DD", "DD.MM.YYYY", "MM/DD/YYYY", "YYYYMMDD", "DDMMYYYY"])
def test_days_become_a_date_of_whole_years(tmp_path: Path, way: str) -> None:
    text, study = with_column(tmp_path, days(way))
    column = study.features["c"]
    assert (column.type, column.range, column.since) == ("date", ("2015-01-01", "2019-12-31"), "2015-01-01")  # type: ignore[union-attr]
    assert ("each silo states its own" in text) == (way != "YYYY-MM-DD")
    if way != "YYYY-MM-DD":
        assert f"c: {{date: {way}}}" in text


def test_days_typed_beside_true_dates_are_of_one_spelling(tmp_path: Path) -> None:
    text, study = with_column(tmp_path, [*days("YYYY-MM-DD"), *days("DD.MM.YYYY", first="2021-01-01")])
    assert study.features["c"].range == ("2015-01-01", "2024-12-31")
    assert "c: {date: DD.MM.YYYY}" in text
    said = Mapping(columns={"c": ColumnMapping(date="DD.MM.YYYY")})
    _, errors = check_table(study, said, open_table(tmp_path / "s.csv"))
    assert errors == ()


def test_days_that_fit_two_spellings_are_not_guessed_and_both_are_named(tmp_path: Path) -> None:
    cells = [f"{1 + i % 12:02}/{1 + i % 7:02}/{2010 + i % 3}" for i in range(40)]
    text, study = with_column(tmp_path, cells)
    assert "can be read as DD/MM/YYYY or MM/DD/YYYY, which is never guessed" in " ".join(text.replace("#", " ").split())
    assert "c: {date: ...}" in text
    assert study.features["c"].range == ("2010-01-01", "2012-12-31")


def test_moments_become_days(tmp_path: Path) -> None:
    _, study = with_column(tmp_path, [f"{day}T08:{i % 60:02}:00" for i, day in enumerate(days("YYYY-MM-DD"))])
    assert study.features["c"].type == "date"


def test_days_of_nothing_and_of_an_open_end_are_missing(tmp_path: Path) -> None:
    cells = ["0000-00-00", "9999-12-31", "?", "", *days("YYYY-MM-DD")]
    text, study = with_column(tmp_path, cells)
    column = study.features["c"]
    assert column.missing == ("?", "0000-00-00", "9999-12-31")
    assert (column.range, column.impute) == (("2015-01-01", "2019-12-31"), "mean")
    assert "?, 0000-00-00, 9999-12-31 taken for missing" in text
    _, errors = check_table(study, Mapping.identity(), open_table(tmp_path / "s.csv"))
    assert errors == ()


def test_a_day_far_from_all_others_is_named(tmp_path: Path) -> None:
    text, study = with_column(tmp_path, ["1900-01-01", *days("YYYY-MM-DD")])
    assert "1900-01-01 stands far off" in text
    assert study.features["c"].range == ("1900-01-01", "2019-12-31")


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([day[:6] + day[8:] for day in days("DD.MM.YYYY")], "days whose years have two digits"),
        ([*days("YYYY-MM-DD"), "soon"], "all but 1 of its 41 texts are days"),
        ([*days("MM/DD/YYYY"), *days("DD.MM.YYYY")], "days, but not all in one spelling"),
        ([f"person {i}" for i in range(40)], "every row differs"),
    ],
)
def test_what_is_nearly_a_date_is_left_out_with_the_reason(tmp_path: Path, cells: list[str], why: str) -> None:
    text, study = with_column(tmp_path, cells)
    assert f"left out: c ({why}" in " ".join(text.replace("#", " ").split())
    assert list(study.features) == ["x"]


def test_eight_digits_that_are_no_days_stay_numbers(tmp_path: Path) -> None:
    _, study = with_column(tmp_path, [str(20150000 + 50 * (i // 2)) for i in range(40)])
    assert study.features["c"].type == "number"


@pytest.mark.parametrize(
    "words", ["yes no", "Yes No NO", "TRUE False", "y N", "T f", "yes no N", "yes no 1 0", "true f"]
)
def test_yes_and_no_become_a_boolean(tmp_path: Path, words: str) -> None:
    cells = words.split() * 10
    _, study = with_column(tmp_path, [*cells, ""])
    assert (study.features["c"].type, study.features["c"].impute) == ("boolean", "mode")
    _, errors = check_table(study, Mapping.identity(), open_table(tmp_path / "s.csv"))
    assert errors == ()


@pytest.mark.parametrize("words", ["T N", "f n", "y t", "yes no maybe", "1 0", "ja nein", "yes t no"])
def test_what_may_mean_something_else_than_yes_or_no_is_no_boolean(tmp_path: Path, words: str) -> None:
    _, study = with_column(tmp_path, words.split() * 10)
    assert study.features["c"].type == "category"


def test_an_outcome_of_yes_and_no_has_yes_for_positive_however_it_is_spelled(tmp_path: Path) -> None:
    spellings = ["No", "no", "YES", "Yes"]
    _, study = drafted(tmp_path, "x,y\n" + "".join(f"{i * 1.5},{spellings[i % 4]}\n" for i in range(20)))
    assert study.target.positive == ("YES", "Yes")  # type: ignore[union-attr]
    assert study.target.negative == ("No", "no")  # type: ignore[union-attr]
    _, errors = check_table(study, Mapping.identity(), open_table(tmp_path / "s.csv"))
    assert errors == ()


@pytest.mark.parametrize(
    ("cells", "kind", "span"),
    [
        (["0", "2", "5", "1.0"], "count", (0.0, 6.0)),
        (["0", "2.5", "5", "1"], "number", (0.0, 6.0)),
        (["1", "2", "5", "4"], "number", (0.0, 6.0)),
        (["0", "20000", "50000", "1000"], "number", (0.0, 60000.0)),
        (["0", "130", "150", "140"], "number", (0.0, 170.0)),
        (["-1", "0", "3", "4"], "count", (0.0, 5.0)),
    ],
)
def test_whole_numbers_from_0_are_counts(
    tmp_path: Path, cells: list[str], kind: str, span: tuple[float, float]
) -> None:
    _, study = with_column(tmp_path, cells * 5)
    assert (study.features["c"].type, study.features["c"].interval) == (kind, span)  # type: ignore[union-attr]


def test_typed_columns_say_what_they_are(tmp_path: Path) -> None:
    n = 60
    frame = pl.DataFrame(
        {
            "day": pl.date_range(datetime.date(2014, 5, 1), interval="1mo", end=datetime.date(2019, 4, 1), eager=True),
            "moment": pl.datetime_range(
                datetime.datetime(2014, 5, 1, 9), datetime.datetime(2019, 4, 1, 9), "1mo", eager=True
            ),
            "smoker": [i % 3 == 0 for i in range(n)],
            "grade": pl.Series([str(1 + i % 3) for i in range(n)], dtype=pl.Categorical),
            "stage": pl.Series(["I", "III"] * (n // 2), dtype=pl.Enum(["I", "II", "III"])),
            "visits": pl.Series([i % 7 for i in range(n)], dtype=pl.Int16),
            "dose": pl.Series([i / 7 for i in range(n)], dtype=pl.Float32),
            "scans": [[i] for i in range(n)],
            "ill": [i % 2 == 0 for i in range(n)],
        }
    )
    frame.write_parquet(tmp_path / "s.parquet")
    table = open_table(tmp_path / "s.parquet")
    text = draft("s", "", profile(table))
    study = read_study(text)
    kinds = {name: column.type for name, column in study.features.items()}
    expected = {"day": "date", "moment": "date", "smoker": "boolean", "grade": "category", "stage": "category"}
    assert kinds == {**expected, "visits": "count", "dose": "number"}
    assert study.categories["grade"].agreed == ("1", "2", "3")
    assert study.categories["stage"].agreed == ("I", "II", "III")
    assert "left out: scans (it holds lists" in text
    assert (study.target.positive, study.target.negative) == (("true",), ("false",))  # type: ignore[union-attr]
    _, errors = check_table(study, Mapping.identity(), table)
    assert errors == ()


def test_a_column_of_many_different_numbers_is_spanned_to_its_last_row(tmp_path: Path) -> None:
    n = 300_000
    frame = pl.DataFrame({"x": [i * 0.7 for i in range(n)], "k": [100_000 + i // 2 for i in range(n)]})
    frame.with_columns(y=pl.col("k") % 2).write_parquet(tmp_path / "s.parquet")
    table = open_table(tmp_path / "s.parquet")
    study = read_study(draft("s", "", profile(table)))
    assert list(study.features) == ["x", "k"]
    _, errors = check_table(study, Mapping.identity(), table)
    assert errors == ()


def test_a_table_with_decimal_commas_fits_the_study_that_it_suggests(tmp_path: Path) -> None:
    rows = "".join(
        f"{i},{i % 7};{('Ulm, Nord', 'Ulm, West')[i % 2]};{('1,5', '2,5')[i % 2]};{i % 2}\n" for i in range(40)
    )
    _, study = drafted(tmp_path, "x;town;dose;y\n" + rows)
    assert study.categories["town"].agreed == ("Ulm, Nord", "Ulm, West")
    _, errors = check_table(study, Mapping.identity(), open_table(tmp_path / "s.csv"))
    assert errors == ()


def test_a_draft_is_at_most_80_columns_wide(tmp_path: Path) -> None:
    towns = [f"Town of a long name {i % 12}" for i in range(48)]
    text, study = with_column(tmp_path, towns, "the town in which they live")
    assert max(map(len, text.splitlines())) <= 80
    assert study.categories["the town in which they live"].agreed == tuple(sorted(set(towns)))
    assert max(map(len, draft("heart", "").splitlines())) <= 80


_cells = st.one_of(
    st.lists(st.integers(-20, 20).map(str), min_size=2, max_size=5),
    st.lists(st.floats(-1e7, 1e7).map(repr), min_size=2, max_size=30),
    st.lists(st.sampled_from(["yes", "No", "Y", "n", "TRUE", "f", "0", "1", "?", "", "unknown"]), min_size=2),
    st.lists(
        st.sampled_from(["none", "None", "mild", "1", "1.0", "01", "K\u00f6ln", "Ko\u0308ln", " a", "a", "-"]),
        min_size=2,
    ),
    st.lists(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=6), min_size=2, max_size=8),
    st.tuples(
        st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%d%m%Y"]),
        st.lists(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), min_size=2, max_size=30),
        st.sampled_from(["", "?", "NA", "9999-12-31"]),
    ).map(lambda drawn: [drawn[2], *(day.strftime(drawn[0]) for day in drawn[1])]),
)


@given(st.lists(_cells, min_size=1, max_size=3), st.sampled_from([",", ";"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sample_fits_the_study_that_it_suggests(tmp_path: Path, columns: list[list[str]], sign: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign)
    writer.writerow(["x", *(f"c{j}" for j in range(len(columns))), "y"])
    for i in range(60):
        writer.writerow([i * 1.25, *(cells[i % len(cells)] for cells in columns), i % 2])
    (tmp_path / "s.csv").write_text(out.getvalue())
    table = open_table(tmp_path / "s.csv")
    sample = profile(table)
    study = read_study(draft("s", "", sample))
    said = {c.name: ColumnMapping(date=c.spellings[0]) for c in sample.features if c.spellings}
    _, errors = check_table(study, Mapping(columns=said), table)
    assert errors == (), (errors[0].message, draft("s", "", sample))


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_padded_range_holds_all_values_and_is_round(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-6))
    wide = padded(low, high)
    assert wide[0] <= low < high <= wide[1]
    assert wide[1] - wide[0] < 4 * (high - low)
    assert math.isfinite(wide[0])
    assert low < 0 or wide[0] >= 0
