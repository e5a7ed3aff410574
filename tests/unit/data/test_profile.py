from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedcli.data.checking import check_table
from fedcli.data.mapping import Mapping
from fedcli.data.profile import _padded, profile
from fedcli.data.reading import open_table
from fedcli.errors import EmptyTable, MissingColumn, UnsupportedModel
from fedcli.study.document import Study
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
    with pytest.raises(UnsupportedModel, match="text with 3 values"):
        drafted(tmp_path, "x,y\n1,a\n2.5,b\n3,c\n")
    with pytest.raises(MissingColumn) as caught:
        drafted(tmp_path, "x,yy\n1,0\n2,1\n", "y")
    assert caught.value.hint == "did you mean 'yy'"
    with pytest.raises(EmptyTable):
        drafted(tmp_path, "x,y\n")
    with pytest.raises(EmptyTable):
        drafted(tmp_path, "x,y\n1,0\n1,1\n")


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_padded_range_holds_all_values_and_is_round(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-6))
    wide = _padded(low, high)
    assert wide[0] <= low < high <= wide[1]
    assert wide[1] - wide[0] < 4 * (high - low)
    assert math.isfinite(wide[0])
    assert low < 0 or wide[0] >= 0
