"""Columns chosen by their scores, in one trip: scikit-learn's own fit of the pooled rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.feature_selection import SelectKBest, chi2, f_classif, f_regression
from sklearn.preprocessing import OneHotEncoder

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.models.batch import empty_state
from fedcli.models.tails import f_tail
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.report.coefficients import coefficient_table
from fedcli.report.pooled import compare_pooled
from fedcli.study.reading import read_study
from tests.equivalence.federation import federate, spool_of
from tests.estimators.comparing import Beside, agreement, beside
from tests.estimators.worlds import SPLITS, World, binary, classes, counts, levels, numbers

CLASSES = {"iris": lambda: classes("iris"), "wine": lambda: classes("wine", 8), "cancer": lambda: binary(columns=10)}
NUMBERS = {name: (lambda name=name: numbers(name)) for name in ("diabetes", "wine", "iris")}


def scored(found: Beside) -> None:
    assert found.federation.trips == 1
    # Cancellation in scikit-learn's own sums is more than 1e-12 where a column hardly varies beside its mean.
    assert np.allclose(found.ours.scores_, found.theirs.scores_, rtol=1e-8, atol=1e-9)
    tiny = found.theirs.pvalues_ < 1e-250
    assert (found.ours.pvalues_[tiny] < 1e-249).all()
    assert np.allclose(np.log(found.ours.pvalues_[~tiny]), np.log(found.theirs.pvalues_[~tiny]), rtol=1e-7, atol=1e-9)
    assert (found.ours.get_support() == found.theirs.get_support()).all()
    assert (found.ours.transform(found.X) == found.theirs.transform(found.X)).all()


def scoring(function: Any, k: int) -> Any:
    return lambda **given: SelectKBest(function, k=k)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", CLASSES)
def test_ratios_of_classes_are_the_pooled_ones(world: str, split: str) -> None:
    made = CLASSES[world]()
    scored(beside(made, SPLITS[split](made), "SelectKBest", scoring(f_classif, 3), {"k": 3}))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", NUMBERS)
def test_ratios_of_slopes_are_the_pooled_ones(world: str, split: str) -> None:
    made = NUMBERS[world]()
    params = {"score_func": "f_regression", "k": 2}
    scored(beside(made, SPLITS[split](made), "SelectKBest", scoring(f_regression, 2), params, standardize=False))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("world", ["iris", "wine", "digits"])
def test_chi_squared_is_the_pooled_one(world: str, split: str) -> None:
    made = counts() if world == "digits" else levels(world)
    of = [column.get("levels") for column in made.features.values()]

    def prepare(frame: pd.DataFrame) -> Any:
        X = frame[list(made.features)]
        if world == "digits":
            return X.to_numpy(dtype=float)
        make = OneHotEncoder(categories=of, drop="first", sparse_output=False)
        return make.fit_transform(X.to_numpy(dtype=object))

    params = {"score_func": "chi2", "k": 4}
    dealt = SPLITS[split](made)
    scored(beside(made, dealt, "SelectKBest", scoring(chi2, 4), params, standardize=False, prepare=prepare))


def test_a_column_that_says_nothing_and_one_that_says_all_have_finite_scores() -> None:
    made = numbers("diabetes")
    first, second, *_ = made.features
    frame = made.frame.assign(**{first: 0.01, second: (made.frame["y"] - 150) / 1e4})
    world = World(frame, made.target, {**made.features, first: {"type": "number", "range": [0, 1]}})
    found = beside(world, SPLITS["even"](made), "SelectKBest", scoring(f_regression, 2), {"score_func": "f_regression"})
    assert (found.ours.scores_[0], found.ours.pvalues_[0]) == (0.0, 1.0)
    assert (found.theirs.scores_[0], found.theirs.pvalues_[0]) == (0.0, 1.0)
    assert found.ours.scores_[1] > 1e12
    assert found.ours.pvalues_[1] == 0.0


def test_an_export_says_which_columns_are_chosen() -> None:
    made = classes("iris")
    found = beside(made, SPLITS["even"](made), "SelectKBest", scoring(f_classif, 2), {"k": 2})
    chosen = np.array(list(made.features))[found.theirs.get_support()].tolist()
    assert coefficient_table(found.federation.plan, found.federation.state).attributes["selected"] == chosen


def test_no_product_of_two_columns_leaves() -> None:
    sizes = {}
    for name, params, target in (("f", {}, "binary"), ("r", {"score_func": "f_regression"}, "number")):
        made = binary(columns=10) if target == "binary" else numbers("diabetes")
        plan = Plan(read_study(agreement(made, "SelectKBest", params)))
        sizes[name] = {block.name: block.size for block in plan.layout(empty_state())}
    # Sums, squares and products with the outcome of 10 columns; of classes the sums of each.
    assert sizes["f"] == {"rows": 1, "present": 10, "sums": 10, "squares": 10, "gram": 21, "class_sums": 22}
    assert sizes["r"] == {"rows": 1, "present": 10, "sums": 10, "squares": 10, "gram": 33}


@pytest.mark.parametrize(
    ("world", "params", "standardize", "error", "says"),
    [
        (binary, {"score_func": "f_regression"}, True, ContradictoryStudy, "write score_func: f_classif"),
        (lambda: numbers("diabetes"), {}, True, ContradictoryStudy, "write score_func: f_regression"),
        (binary, {"score_func": "mutual_info_classif"}, True, UnsupportedModel, "each row's nearest others"),
        (binary, {"score_func": "r_regression"}, True, UnsupportedModel, "not one that fedcli computes"),
        (binary, {"k": 31}, True, ContradictoryStudy, "keep 31 columns of 30"),
        (binary, {"k": 0}, True, UnsupportedModel, "1 or above, or all"),
        (counts, {"score_func": "chi2"}, True, ContradictoryStudy, "the study standardises them"),
        (binary, {"score_func": "chi2"}, False, ContradictoryStudy, "takes no values below 0"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    world: Any, params: dict[str, Any], standardize: bool, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        _ = Plan(read_study(agreement(world(), "SelectKBest", params, standardize=standardize))).family
    assert re.search(re.escape(says), f"{caught.value} {getattr(caught.value, 'hint', '')}")


def test_tails_are_scipys() -> None:
    for below in (2, 5, 50, 500, 20001, 10**6):
        for above in (1, 2, 9, 50):
            for value in (1e-6, 0.1, 1.0, 2.0, 5.0, 20.0, 100.0, 1000.0):
                wanted = special.fdtrc(above, below, value)
                assert f_tail(value, above, below) == pytest.approx(wanted, rel=1e-8, abs=1e-290)


TERMS = {
    "both": {"type": "interaction", "columns": ["alcohol", "malic_acid"]},
    "curve": {"type": "spline", "column": "ash", "knots": [2.2, 2.6]},
    "bend": {"type": "log", "column": "magnesium"},
    "crossed": {"type": "interaction", "columns": ["kind", "ash"]},
}


@pytest.mark.parametrize("estimator", ["GaussianNB", "SelectKBest", "LedoitWolf"])
@pytest.mark.parametrize("standardize", [True, False])
def test_filled_gaps_and_derived_columns_have_the_squares_of_the_pool(
    estimator: str, standardize: bool, tmp_path: Path
) -> None:
    made = classes("wine", 5)
    frame, rng = made.frame.copy(), np.random.default_rng(5)
    frame["kind"] = np.array(["a", "b", "c"])[rng.integers(0, 3, len(frame))]
    for column in ("alcohol", "malic_acid", "ash", "magnesium", "kind"):
        frame.loc[rng.random(len(frame)) < 0.1, column] = np.nan
    features = {c: {**column, "impute": "mean", "indicator": c == "ash"} for c, column in made.features.items()}
    features["magnesium"]["impute"] = "median"
    features["kind"] = {"type": "category", "levels": ["b", "a", "c"], "impute": "mode"}
    target = {} if estimator == "LedoitWolf" else made.target
    text = agreement(World(frame, target, features), estimator, standardize=standardize, terms=TERMS)
    tables = {}
    for number, rows in enumerate(SPLITS["by label"](made)):
        tables[f"s{number}"] = tmp_path / f"s{number}.csv"
        frame.iloc[rows].to_csv(tables[f"s{number}"], index=False)
    found = federate(text, tables)
    spools = {name: spool_of(found.plan.study, path) for name, path in tables.items()}
    pooled = {name: Rows.together([rows for _, rows in spool.blocks()]) for name, spool in spools.items()}
    compared = compare_pooled(found.plan, found.state, pooled)
    assert len(compared.numbers) >= 2 * len(found.plan.columns.names)
    if estimator == "LedoitWolf":
        assert {name: abs(ours - theirs) <= 1e-9 for name, ours, theirs in compared.numbers if "shrink" in name} == {
            "shrinkage_": True
        }
    assert compared.relative_error <= 1e-9
