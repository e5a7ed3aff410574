"""Columns that the pool does not tell apart are named, whatever else the model learns beside its coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workflow.conftest import At
from tests.workflow.play import SILOS, agreement, rows, table_text

FEATURES = """\
  age: {type: number, range: [20, 100]}
  chol: {type: number, range: [100, 400]}
  same: {type: number, range: [0, 10]}
"""
DAYS = "{column: days, type: number, range: [0, 100]}"


def table(name: str) -> str:
    rng = np.random.default_rng([ord(c) for c in name])
    return table_text([{**row, "same": "7", "days": str(round(rng.uniform(10, 90), 1))} for row in rows(name, 120)])


@pytest.mark.parametrize(
    ("estimator", "target", "params"),
    [
        ("HuberRegressor", DAYS, "{alpha: 0}"),
        ("HuberRegressor", DAYS, "{alpha: 0, fit_intercept: false}"),
        ("LogisticRegression", "{column: disease, type: binary, positive: ill, negative: well}", "{penalty: null}"),
        ("LinearRegression", DAYS, "{}"),
    ],
)
def test_a_constant_column_is_named(town: At, estimator: str, target: str, params: str) -> None:
    text = agreement(
        target=target, features=FEATURES, estimator=estimator, params=params, rules="min_cell: 1, largest_share: null"
    )
    place = town(text=text, tables={name: table(name) for name in SILOS})
    for name in SILOS:
        place.train(name)
    place.collect()
    said = [warning for warning in place.aggregate().warnings if "does not tell" in warning]
    assert len(said) == 1
    assert "the pool does not tell same apart" in said[0]
