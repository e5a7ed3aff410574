"""What the sums of a map's columns would show of few rows: counted as pandas counts it, and refused."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls

from fedcli.compute.cells import count_cells
from fedcli.compute.spool import BLOCK_ROWS, Spool
from fedcli.models.maps import Fourier
from fedcli.preparing.plan import Plan
from fedcli.preparing.rows import Rows
from fedcli.study.maps import LARGEST_GAMMA
from fedcli.study.reading import read_study

FEATURES = {
    "age": {"type": "number", "range": [0, 100]},
    "dose": {"type": "number", "range": [0, 10]},
    "g": {"type": "category", "levels": ["x", "y", "z"]},
    "h": {"type": "category", "levels": ["u", "v"]},
    "k": {"type": "category", "levels": ["p", "q"]},
}


def frame(n_rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(n_rows)
    return pd.DataFrame(
        {
            "age": rng.normal(50, 15, n_rows).clip(0, 100),
            "dose": rng.uniform(0, 10, n_rows),
            **{name: rng.integers(0, 3 if name == "g" else 2, n_rows) for name in "ghk"},
            "y": rng.integers(0, 2, n_rows),
        }
    )


def plan_of(chosen: dict[str, Any], **rules: Any) -> Plan:
    document = {
        "study": "case",
        "target": {"column": "y", "type": "binary"},
        "features": FEATURES,
        "model": {"estimator": "RidgeClassifier", "map": chosen},
        "rules": {"aggregation": "plain", **rules},
    }
    return Plan(read_study(json.dumps(document)))


def counted(plan: Plan, table: pd.DataFrame, mask: np.ndarray | None = None) -> dict[str, int]:
    """Every cell that is not empty."""
    n = len(table)
    codes = table[["g", "h", "k"]].to_numpy(np.int32)
    rows = Rows(table[["age", "dose"]].to_numpy(float), codes, table["y"].to_numpy(float), np.zeros(n), np.ones(n))
    cells = count_cells(plan, Spool([rows], Path()), np.zeros(n, dtype=bool) if mask is None else mask)
    return {cell.says: cell.count for cell in cells if cell.count}


def sides(plan: Plan, table: pd.DataFrame) -> pd.DataFrame:
    """On which side of each border every row lies, in words."""
    made = plan.columns.mapped.map
    given = np.column_stack([table["age"] / 50 - 1, table["dose"] / 5 - 1])
    above = given @ made.weights + made.offset > 0
    names = [f"RandomReLU[{i}]" for i in range(above.shape[1])]
    return pd.DataFrame({n: np.where(above[:, i], f"{n} above 0", f"{n} at 0") for i, n in enumerate(names)})


@pytest.mark.parametrize("n_rows", [150, BLOCK_ROWS + 100])
def test_every_small_cell_of_borders_with_borders_and_levels_is_found(n_rows: int) -> None:
    table, plan = frame(n_rows), plan_of({"type": "RandomReLU", "n_components": 12}, min_cell=40)
    mask = np.arange(n_rows) % 4 == 0
    found = {says: n for says, n in counted(plan, table, mask).items() if "RandomReLU" in says}
    words = sides(plan, table)[~mask]
    levels = {
        name: table[name].map(lambda v, n=name: f"{n} = {FEATURES[n]['levels'][v]}")[~mask] for name in ("g", "h", "k")
    }
    levels["y"] = table["y"].map({0: "y negative", 1: "y positive"})[~mask]
    expected: dict[str, int] = {}
    for name in words:
        expected |= words[name].value_counts().to_dict()
        for level in levels.values():
            for (one, other), n in pd.crosstab(level, words[name]).stack().items():
                expected[f"{one} and {other}"] = int(n)
    for a, b in combinations(words, 2):
        for (one, other), n in pd.crosstab(words[a], words[b]).stack().items():
            expected[f"{one} and {other}"] = int(n)
    small = {says: n for says, n in expected.items() if 0 < n < 40}
    if small:
        assert found == small
    else:
        assert list(found.values()) == [min(n for n in expected.values() if n)]


def test_a_map_of_levels_shows_every_combination_of_them() -> None:
    table = frame(400)
    cells = counted(plan_of({"type": "RBFSampler", "columns": ["age", "g", "h", "k"]}), table)
    three = table.groupby(["g", "h", "k", "y"]).size()
    for (g, h, k, y), n in three.items():
        levels = [f"{name} = {FEATURES[name]['levels'][v]}" for name, v in (("g", g), ("h", h), ("k", k))]
        assert cells[" and ".join([*levels, "y positive" if y else "y negative"])] == n
    apart = counted(plan_of({"type": "RBFSampler"}), table)
    assert not any(says.count(" and ") > 1 for says in apart)


def test_rows_between_a_splines_knots_are_counted() -> None:
    table = frame(400)
    cells = counted(plan_of({"type": "SplineTransformer", "n_knots": 3}), table)
    young, much = table["age"] < 50, table["dose"] >= 5
    assert cells["age from 0 to 50"] == young.sum()
    assert cells["age from 0 to 50 and dose from 5 to 10"] == (young & much).sum()
    assert cells["y positive and dose from 0 to 5"] == ((table["y"] == 1) & ~much).sum()


@pytest.mark.parametrize(("gamma", "shown"), [(500.0, True), (LARGEST_GAMMA, False)])
def test_a_kernel_narrower_than_allowed_would_give_every_value_back(gamma: float, shown: bool) -> None:
    """Three hundred ages in whole years: five rows for each of 60 cosines, and their products count each age."""
    ages = np.random.default_rng(0).normal(50, 20, 300).clip(0, 100).round().astype(int)
    made = Fourier(bytes(32), 1, 60, gamma)
    columns = made.values(np.linspace(-1, 1, 101)[:, None])
    first, second = np.triu_indices(60)
    products = columns[:, first] * columns[:, second]
    found, _ = nnls(products.T, products[ages].sum(axis=0), maxiter=10**5)
    there = np.bincount(ages, minlength=101)
    right = np.mean(found[there > 0].round() == there[there > 0])
    assert (right == 1.0) if shown else (right < 0.2)
