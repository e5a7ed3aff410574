"""Real data and ways to spread it over silos, for the comparison of every estimator with its pooled fit.

A world is a table with an outcome, and how an agreement describes its columns. A split gives each silo its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from sklearn import datasets

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """A table and its agreement: the outcome's part of a study and the features'."""

    frame: pd.DataFrame
    target: dict[str, Any]
    features: dict[str, Any]

    @property
    def numbers(self) -> list[str]:
        return [name for name, column in self.features.items() if column["type"] == "number"]


def weighted_and_repeated(made: World) -> tuple[World, World]:
    """Return the rows with weights 1, 2, 3, 1, ... in a column ``w``, and each row as often as it weighs."""
    weight = 1 + np.arange(len(made.frame)) % 3
    often = made.frame.loc[np.repeat(made.frame.index, weight)].reset_index(drop=True)
    return World(made.frame.assign(w=weight), made.target, made.features), World(often, made.target, made.features)


def ranged(frame: pd.DataFrame) -> dict[str, Any]:
    """Describe number columns, with ranges a little wider than their values."""
    found = {}
    for name in frame:
        low, high = float(frame[name].min()), float(frame[name].max())
        pad = (high - low or 1.0) / 10
        found[str(name)] = {"type": "number", "range": [low - pad, high + pad]}
    return found


@cache
def classes(name: str, columns: int | None = None) -> World:
    """A table with classes: ``iris``, ``wine`` or ``breast_cancer``."""
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = data.data.iloc[:, :columns]
    frame = frame.rename(columns={c: str(c).replace(" ", "_").replace("(", "").replace(")", "") for c in frame})
    labels = [f"c{k}" for k in range(len(data.target_names))]
    target = {"column": "y", "type": "category", "levels": labels}
    return World(frame.assign(y=[labels[k] for k in data.target]), target, ranged(frame))


@cache
def binary(name: str = "breast_cancer", columns: int | None = None) -> World:
    """A table with a yes-or-no outcome."""
    world = classes(name, columns)
    yes = (world.frame["y"] == "c1").astype(int)
    return World(world.frame.assign(y=yes), {"column": "y", "type": "binary", "positive": 1}, world.features)


@cache
def levels(name: str, n_levels: int = 3) -> World:
    """The same with each measurement cut into levels, of which the last column has one that few rows have."""
    world = classes(name, 5)
    frame = world.frame[["y"]].copy()
    for column in world.features:
        cut = pd.qcut(world.frame[column], n_levels, labels=False, duplicates="drop")
        frame[column] = [f"l{k}" for k in cut]
    last = list(world.features)[-1]
    frame.loc[frame.index[:4], last] = "rare"
    features = {c: {"type": "category", "levels": sorted(set(frame[c]), reverse=True)} for c in world.features}
    return World(frame, world.target, features)


@cache
def counts() -> World:
    """Handwritten digits as counts from 0 to 16, the borders that are always 0 left out."""
    data = datasets.load_digits(as_frame=True)
    chosen = data.data.columns[[2, 10, 18, 20, 27, 34, 36, 42, 43, 60]]
    frame = data.data[chosen].astype(int).rename(columns=str)
    target = {"column": "y", "type": "category", "levels": [str(k) for k in range(10)]}
    features = {str(c): {"type": "count", "range": [0, 16]} for c in chosen}
    return World(frame.assign(y=data.target), target, features)


@cache
def numbers(name: str) -> World:
    """A table with a number as outcome: ``diabetes``, or a measurement predicted from others."""
    if name == "diabetes":
        data = datasets.load_diabetes(as_frame=True)
        frame, y = data.data, data.target
    else:
        table = classes(name).frame.drop(columns="y")
        frame, y = table.iloc[:, 1:], table.iloc[:, 0]
    low, high = float(y.min()), float(y.max())
    target = {"column": "y", "type": "number", "range": [low - 1, high + 1]}
    return World(frame.assign(y=y.to_numpy()), target, ranged(frame))


@cache
def amounts(name: str) -> World:
    """A table with an amount as outcome.

    Above 0: ``diabetes``, ``engel`` (what a household spends on food), ``area`` (of a mass); with many zeros: ``fair``
    (time spent on affairs) and ``visits`` (to a doctor, per year of a health plan).
    """
    if name == "diabetes":
        data = datasets.load_diabetes(as_frame=True)
        frame, y = data.data, data.target
    elif name == "area":
        table = datasets.load_breast_cancer(as_frame=True).data.rename(columns=lambda c: str(c).replace(" ", "_"))
        y, frame = table["mean_area"], table[["mean_texture", "mean_smoothness", "mean_symmetry"]]
    else:
        module, outcome = {"engel": ("engel", "foodexp"), "fair": ("fair", "affairs"), "visits": ("randhie", "mdvis")}[
            name
        ]
        table = getattr(sm.datasets, module).load_pandas().data.astype(float)
        # Of the largest table a tenth: twenty silos of it still have a hundred rows each.
        table = table.iloc[:: 10 if name == "visits" else 1].reset_index(drop=True)
        frame, y = table.drop(columns=outcome), table[outcome]
    low, high = float(y.min()), float(y.max())
    target = {"column": "y", "type": "number", "range": [low / 2, 1.2 * high]}
    return World(frame.assign(y=y.to_numpy()), target, ranged(frame))


@cache
def leanings() -> World:
    """Voters who lean to the left, the middle or the right, which their age and income hardly tell."""
    table = sm.datasets.anes96.load_pandas().data
    frame = table[["logpopul", "selfLR", "age", "educ", "income"]].astype(float)
    side = np.array(["left", "left", "middle", "middle", "middle", "right", "right"])[table["PID"].astype(int)]
    target = {"column": "y", "type": "category", "levels": ["left", "middle", "right"]}
    return World(frame.assign(y=side), target, ranged(frame))


def yes_or_no(name: str) -> World:
    """A table of `amounts` with two outcomes that overlap: more than the median, or any at all where many have none."""
    world = amounts(name)
    frame = world.frame.iloc[:: 6 if name == "fair" else 1].reset_index(drop=True)
    yes = (frame["y"] > frame["y"].median()).astype(int)
    return World(frame.assign(y=yes), {"column": "y", "type": "binary", "positive": 1}, world.features)


# ---- splits --------------------------------------------------------------------------------------------------------


def even(world: World, n_silos: int = 5) -> list[Rows]:
    """Rows dealt out at random."""
    order = np.random.default_rng(1).permutation(len(world.frame))
    return [np.sort(part) for part in np.array_split(order, n_silos)]


def by_label(world: World, n_silos: int = 4) -> list[Rows]:
    """Each silo has its own mix of outcomes: sorted by it, then dealt unevenly."""
    rng = np.random.default_rng(2)
    y = world.frame["y"]
    rank = (y if pd.api.types.is_numeric_dtype(y) else y.astype("category").cat.codes).to_numpy(dtype=float)
    order = np.argsort(rank + rng.normal(scale=0.5 * rank.std(), size=len(rank)), kind="stable")
    return [np.sort(part) for part in np.array_split(order, n_silos)]


def by_covariate(world: World, n_silos: int = 3) -> list[Rows]:
    """Sorted along the first principal component of the numbers."""
    X = pd.get_dummies(world.frame.drop(columns="y"), dtype=float).to_numpy()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    order = np.argsort(X @ np.linalg.svd(X, full_matrices=False)[2][0], kind="stable")
    return [np.sort(part) for part in np.array_split(order, n_silos)]


def pathological(world: World) -> list[Rows]:
    """One silo of 15 rows, one of a single class (or of the lowest outcomes), one in which a column is constant."""
    rng = np.random.default_rng(3)
    rest = rng.permutation(len(world.frame))
    small, rest = rest[:15], rest[15:]
    y = world.frame["y"].to_numpy()
    few = y[rest] == y[rest[0]] if len(set(y)) < 10 else y[rest] <= np.quantile(y, 0.2)
    single, rest = rest[few][: len(rest) // 4], np.concatenate([rest[few][len(rest) // 4 :], rest[~few]])
    column = world.frame[next(iter(world.features))]
    column = (column.round(1) if pd.api.types.is_numeric_dtype(column) else column).to_numpy()
    constant = rest[column[rest] == pd.Series(column[rest]).mode()[0]]
    rest = np.setdiff1d(rest, constant)
    return [np.sort(part) for part in (small, single, constant, *np.array_split(rng.permutation(rest), 2)) if len(part)]


def many(world: World) -> list[Rows]:
    """Twenty silos."""
    return even(world, 20)


SPLITS: dict[str, Callable[[World], list[Rows]]] = {
    "even": even,
    "by label": by_label,
    "by covariate": by_covariate,
    "pathological": pathological,
    "twenty silos": many,
}
