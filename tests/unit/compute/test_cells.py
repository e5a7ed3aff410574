"""Every cell that the sums could show, counted as pandas counts it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.compute import spool as spool_module
from fedcli.compute.cells import count_cells, effective_rows, triple_cells, two_valued_columns
from fedcli.compute.spool import BLOCK_ROWS, Spool
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.study.reading import read_study
from tests.equivalence.cases import TARGETS, agreement

LOWER, HIGHER = "flag at the lower of its two values", "flag at the higher of its two values"
FEATURES = {
    "g": {"type": "category", "levels": ["x", "y", "z"], "impute": "mode"},
    "flag": {"type": "number", "range": [0, 10], "impute": "mean"},
    "age": {"type": "number", "range": [0, 100], "impute": "mean"},
    "dose": {"type": "number", "range": [0, 100]},
    "h": {"type": "category", "levels": ["u", "v"]},
}


def frame(n_rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "g": rng.choice(["x", "y", "z"], n_rows, p=[0.7, 0.25, 0.05]).astype(object),
            "flag": rng.choice([2.0, 7.0], n_rows, p=[0.9, 0.1]),
            "age": rng.normal(50, 10, n_rows).clip(0, 100),
            "dose": rng.uniform(0, 100, n_rows),
            "h": rng.choice(["u", "v"], n_rows).astype(object),
            "binary": rng.integers(0, 2, n_rows),
        }
    )
    for name in ("g", "flag", "age"):
        table.loc[rng.random(n_rows) < 0.05, name] = np.nan
    return table


def rows_of(table: pd.DataFrame) -> Rows:
    codes = [[FEATURES[name]["levels"].index(v) if isinstance(v, str) else -1 for v in table[name]] for name in "gh"]
    n = len(table)
    numbers = table[["flag", "age", "dose"]].to_numpy(float)
    return Rows(numbers, np.array(codes, dtype=np.int32).T, table["binary"].to_numpy(float), np.zeros(n), np.ones(n))


def counted(
    table: pd.DataFrame,
    mask: np.ndarray | None = None,
    estimator: str = "LogisticRegression",
    terms: dict[str, Any] | None = None,
    **parts: Any,
) -> dict:
    target = TARGETS.get(estimator, TARGETS["LogisticRegression"])
    text = agreement(target, FEATURES, estimator, terms=terms or {}, **parts)
    plan = Plan(read_study(text))
    spool = Spool([rows_of(table)], Path())
    cells = count_cells(plan, spool, np.zeros(len(table), dtype=bool) if mask is None else mask)
    assert len({cell.says for cell in cells}) == len(cells)
    return {cell.says: cell.count for cell in cells}


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The groups of each row in words, by pandas."""

    def word(name: str, value: object) -> str:
        if pd.isna(value):
            return f"{name} missing"
        return f"{name} = {value}"

    return pd.DataFrame(
        {
            "g": table["g"].map(lambda v: word("g", v)),
            "h": table["h"].map(lambda v: word("h", v)),
            "flag": table["flag"].map({2.0: LOWER, 7.0: HIGHER}).fillna("flag missing"),
            "age": np.where(table["age"].isna(), "age missing", "age present"),
            "binary": np.where(table["binary"] == 1, "binary positive", "binary negative"),
        }
    )


def crosstabs(table: pd.DataFrame) -> dict[str, int]:
    words = labelled(table)
    expected: dict[str, int] = {}
    for name in words:
        expected |= words[name].value_counts().to_dict()
    for a, b in combinations(words, 2):
        for (one, other), n in pd.crosstab(words[a], words[b]).stack().items():
            expected[f"{one} and {other}"] = int(n)
    return expected


@pytest.mark.parametrize("n_rows", [60, BLOCK_ROWS + 100])
def test_every_cell_of_every_two_way_table_is_counted(n_rows: int) -> None:
    table = frame(n_rows)
    found = counted(table)
    expected = crosstabs(table)
    assert {says: n for says, n in found.items() if n} == {says: n for says, n in expected.items() if n}


@pytest.mark.parametrize("n_rows", [60, BLOCK_ROWS + 100])
def test_every_cell_of_every_three_features_is_counted_where_products_of_three_columns_leave(n_rows: int) -> None:
    table, plan = (
        frame(n_rows),
        Plan(read_study(agreement(TARGETS["LogisticRegression"], FEATURES, "LogisticRegression"))),
    )
    mask = np.arange(n_rows) % 4 == 0
    found = {cell.says: cell.count for cell in triple_cells(plan, Spool([rows_of(table)], Path()), mask)}
    words = labelled(table[~mask]).drop(columns="binary")
    expected: dict[str, int] = {}
    for ways in (1, 2, 3):
        for names in combinations(words, ways):
            counts = words[list(names)].value_counts()
            expected |= {" and ".join(key): int(n) for key, n in counts.items()}
    # The words stand in the order of the features' kinds, not of the table.
    assert {frozenset(says.split(" and ")): n for says, n in found.items() if n} == {
        frozenset(says.split(" and ")): n for says, n in expected.items() if n
    }


@pytest.mark.parametrize(("estimator", "params"), [("GaussianNB", {}), ("SelectKBest", {"k": 2})])
def test_where_no_products_leave_levels_are_counted_singly_and_by_outcome(
    estimator: str, params: dict[str, Any]
) -> None:
    table = frame(300)
    expected = {
        says: n
        for says, n in crosstabs(table).items()
        if n and (" and " not in says or says.endswith(("binary positive", "binary negative")))
    }
    assert {says: n for says, n in counted(table, estimator=estimator, params=params).items() if n} == expected


def test_where_products_leave_for_correlations_pairs_are_counted_too() -> None:
    table = frame(300)
    found = counted(table, estimator="GaussianNB", profile={"correlation": True})
    assert {says: n for says, n in found.items() if n} == {says: n for says, n in crosstabs(table).items() if n}


def test_rows_held_out_are_not_counted() -> None:
    table = frame(200)
    mask = np.arange(200) % 3 == 0
    found = counted(table, mask)
    assert {says: n for says, n in found.items() if n} == {k: n for k, n in crosstabs(table[~mask]).items() if n}


def test_a_number_of_two_values_is_counted_as_a_category() -> None:
    found = counted(frame(200))
    assert found[LOWER] + found[HIGHER] + found["flag missing"] == 200
    assert not any(says.startswith("dose") for says in found)


def test_no_cell_says_a_value_which_may_be_that_of_a_single_row() -> None:
    table = frame(200).assign(age=4321.25)
    table.loc[0, "age"] = 8765.5
    says = " ".join(counted(table))
    assert "age at the higher of its two values" in says
    assert not {"4321.25", "8765.5"} & set(says.split())


def test_a_third_value_makes_it_a_number_again() -> None:
    table = frame(200)
    table.loc[0, "flag"] = 5.0
    assert LOWER not in counted(table)


def test_a_number_of_one_value_is_counted_once() -> None:
    table = frame(50).assign(dose=4.0)
    found = counted(table)
    assert [
        n for says, n in found.items() if says.startswith("dose at its only value") and " and " not in says and n
    ] == [50]


def test_a_count_target_has_no_classes() -> None:
    assert not any("negative" in says for says in counted(frame(50), estimator="PoissonRegressor"))


def test_numbers_alone_have_no_cells() -> None:
    text = agreement(TARGETS["LinearRegression"], {"dose": FEATURES["dose"]}, "LinearRegression")
    n = 20
    outcome = np.linspace(0, 1, n)
    rows = Rows(np.linspace(0, 9, n)[:, None], np.empty((n, 0), np.int32), outcome, np.zeros(n), np.ones(n))
    assert count_cells(Plan(read_study(text)), Spool([rows], Path()), np.zeros(n, dtype=bool)) == []


def test_a_number_target_with_two_values_counts_as_an_outcome() -> None:
    text = agreement(TARGETS["LinearRegression"], {"dose": FEATURES["dose"]}, "LinearRegression")
    n = 20
    outcome = np.where(np.arange(n) < 2, 1.0, 0.0)
    rows = Rows(np.linspace(0, 9, n)[:, None], np.empty((n, 0), np.int32), outcome, np.zeros(n), np.ones(n))
    cells = count_cells(Plan(read_study(text)), Spool([rows], Path()), np.zeros(n, dtype=bool))
    assert sorted(cell.count for cell in cells) == [2, 18]


def test_rows_are_counted_by_weight_too_and_one_heavy_row_is_worth_one() -> None:
    """Some sums are over all rows, others over rows of weight above 0: their difference is the rows of weight 0."""
    weight = {"column": "w", "range": [0, 1]}
    text = agreement(TARGETS["LinearRegression"], {"dose": FEATURES["dose"]}, "LinearRegression", weight=weight)
    n = 20
    outcome = np.where(np.arange(n) < 10, 1.0, 0.0)
    weights = np.where(np.arange(n) < 3, 1.0, 0.0)
    rows = Rows(np.linspace(0, 9, n)[:, None], np.empty((n, 0), np.int32), outcome, np.zeros(n), weights)
    nobody = np.zeros(n, dtype=bool)
    found = {cell.says: cell.count for cell in count_cells(Plan(read_study(text)), Spool([rows], Path()), nobody)}
    assert found == {
        "number at the lower of its two values": 10,
        "number at the higher of its two values": 10,
        "number at its only value, of weight above 0": 3,
        "number at the lower of its two values, of weight 0": 10,
        "number at the higher of its two values, of weight 0": 7,
    }
    assert effective_rows(Spool([rows], Path()), nobody) == 3.0


def triples(table: pd.DataFrame, *names: str) -> dict[str, int]:
    """The groups of several columns together, by pandas, in the order of the words."""
    words = labelled(table)
    order = [name for name in ("g", "h", "flag", "age", "binary") if name in names]
    return {" and ".join(key): int(n) for key, n in words.groupby(order).size().items()}


def test_a_product_of_two_categories_shows_them_with_every_third() -> None:
    table = frame(300)
    plain, found = counted(table), counted(table, terms={"t": {"type": "interaction", "columns": ["h", "g"]}})
    assert plain.items() <= found.items()
    expected: dict[str, int] = {}
    for third in ("flag", "age", "binary"):
        expected |= triples(table, "g", "h", third)
    assert {says: n for says, n in found.items() if n and says not in plain} == expected


def test_a_product_with_a_number_shows_its_gaps_and_its_two_values_only() -> None:
    table = frame(300)
    new = counted(table, terms={"t": {"type": "interaction", "columns": ["age", "g"]}}).keys() - counted(table).keys()
    assert {says for says in new if "age" not in says or "g " not in says} == set()
    assert counted(table, terms={"t": {"type": "interaction", "columns": ["age", "g"]}})[
        "g = x and age missing and binary positive"
    ] == triples(table, "g", "age", "binary").get("g = x and age missing and binary positive", 0)
    assert counted(table, terms={"t": {"type": "interaction", "columns": ["dose", "g"]}}) == counted(table)
    flagged = counted(table, terms={"t": {"type": "interaction", "columns": ["flag", "g"]}})
    assert flagged.items() >= triples(table, "g", "flag", "h").items()


def test_two_products_show_four_columns_together() -> None:
    table = frame(300)
    terms = {
        "s": {"type": "interaction", "columns": ["g", "h"]},
        "t": {"type": "interaction", "columns": ["flag", "age"]},
    }
    found = counted(table, terms=terms)
    expected = triples(table, "g", "h", "flag", "age")
    assert {says: n for says, n in found.items() if n and says.count(" and ") == 3} == expected


def test_a_spline_shows_the_rows_between_its_knots() -> None:
    table = frame(400)
    found = counted(table, terms={"c": {"type": "spline", "column": "age", "knots": [40, 60]}})
    bands = pd.cut(table["age"], [0, 40, 60, 100], right=False, labels=["0 to 40", "40 to 60", "60 to 100"])
    for band, n in bands.value_counts().items():
        assert found[f"age from {band}"] == n
    young = (bands == "0 to 40") & (table["binary"] == 1)
    assert found["binary positive and age from 0 to 40"] == int(young.sum())
    assert found["age missing"] == int(table["age"].isna().sum())
    assert not any("age from" in says and ("age missing" in says or "age present" in says) for says in found)


def test_tables_of_many_cells_are_counted_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = {"t": {"type": "interaction", "columns": ["h", "g"]}}
    dense = counted(frame(300), terms=terms)
    monkeypatch.setattr("fedcli.compute.cells._DENSE", 0)
    assert counted(frame(300), terms=terms) == {says: n for says, n in dense.items() if n}


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 3), st.booleans())
def test_columns_of_two_values_are_found_wherever_the_third_stands(
    seed: int, n: int, n_values: int, late: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice([3.0, 7.0, 5.0][:n_values], (n, 3))
    values[rng.random((n, 3)) < 0.2] = np.nan
    if late:
        values[-1, 0] = 4.0
    mask = rng.random(n) < 0.2
    rows = Rows(values, np.zeros((n, 2), dtype=np.int32), np.zeros(n), np.zeros(n), np.ones(n))
    plan = Plan(read_study(agreement(TARGETS["LogisticRegression"], FEATURES, "LogisticRegression")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool_module, "BLOCK_ROWS", 4)
        found = two_valued_columns(plan, Spool([rows], Path()), mask)
    distinct = [np.unique(column[~mask & ~np.isnan(column)]) for column in values.T]
    assert found == {j: (each[0], each[-1]) for j, each in enumerate(distinct) if 1 <= len(each) <= 2}
