"""Real survival data as worlds, and the stratified fit of the pooled rows by somebody else's arithmetic.

The oracle is statsmodels' ``PHReg`` with the silos as strata, taken to its own optimum by its own score and Hessian.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines import datasets
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg

from fedcli.report.estimator import standardised_coefficients
from tests.equivalence.federation import Federation, federate
from tests.estimators.comparing import agreement
from tests.estimators.worlds import Rows, World, ranged

TIME, ENTRY = "time until", "time from"
Floats = NDArray[np.float64]


def survival(frame: pd.DataFrame, time: str, event: str, *, entry: str | None = None) -> World:
    """Make a world of number columns; ``y`` is the event, as splits expect."""
    named = {time: TIME, event: "y"} | ({entry: ENTRY} if entry else {})
    frame = frame.rename(columns=named).astype(float)
    span = [float(frame[[TIME, *([ENTRY] if entry else [])]].min().min()) - 1, float(frame[TIME].max()) + 1]
    target = {"type": "survival", "time": TIME, "event": "y", "range": span} | ({"entry": ENTRY} if entry else {})
    return World(frame, target, ranged(frame.drop(columns=list(named.values()))))


@cache
def world(name: str) -> World:
    """Read a table that lifelines ships: ``rossi``, ``gbsg2``, ``lung``, ``kidney`` or ``transplants``."""
    if name == "rossi":
        return survival(datasets.load_rossi(), "week", "arrest")
    if name == "kidney":
        return survival(datasets.load_kidney_transplant().astype(float), "time", "death")
    if name == "gbsg2":
        table = datasets.load_gbsg2()
        table = table.assign(
            horTh=table["horTh"] == "yes",
            menostat=table["menostat"] == "Post",
            tgrade=table["tgrade"].map({"I": 1, "II": 2, "III": 3}),
        )
        return survival(table, "time", "cens")
    if name == "lung":
        table = datasets.load_lung()[["inst", "time", "status", "age", "sex", "ph.ecog", "pat.karno"]].dropna()
        # R's own codes: 1 censored, 2 dead. lifelines ships 0 and 1 in some versions.
        table["status"] -= table["status"].min()
        return survival(table.drop(columns="inst").reset_index(drop=True), "time", "status")
    table = datasets.load_stanford_heart_transplants().drop(columns="id")
    return survival(table, "stop", "event", entry="start")


def institutions() -> list[Rows]:
    """Return lung's rows by institution: 18 hospitals, the smallest of one patient."""
    table = datasets.load_lung()[["inst", "time", "status", "age", "sex", "ph.ecog", "pat.karno"]].dropna()
    return [np.flatnonzero(table["inst"].to_numpy() == inst) for inst in sorted(set(table["inst"]))]


def federated(
    made: World,
    split: Sequence[Rows],
    params: Mapping[str, Any] | None = None,
    *,
    absent: Mapping[int, list[str]] | None = None,
    **parts: Any,
) -> Federation:
    """Run the study in memory over real tables."""
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"s{number}": Path(folder) / f"{number}.csv" for number in range(len(split))}
        for path, rows in zip(tables.values(), split, strict=True):
            made.frame.iloc[rows].to_csv(path, index=False)
        return federate(agreement(made, "CoxPH", params, **parts), tables, absent=absent)


def standardised(made: World, split: Sequence[Rows]) -> tuple[Floats, pd.DataFrame, NDArray[np.int64]]:
    """Return the pooled columns as scikit-learn standardises them, the pooled table, and each row's silo."""
    pooled = made.frame.iloc[np.concatenate(split)]
    X = pooled[list(made.features)].to_numpy(dtype=float)
    strata = np.repeat(np.arange(len(split)), [len(rows) for rows in split])
    return (X - X.mean(axis=0)) / X.std(axis=0), pooled, strata


def pooled_fit(made: World, split: Sequence[Rows], ties: str = "efron", *, alpha: float = 0.0) -> Floats:
    """Return the stratified optimum (n_columns - 1,) on standardised columns."""
    X, pooled, strata = standardised(made, split)
    entry = pooled[ENTRY].to_numpy() if ENTRY in pooled else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PHReg(pooled[TIME].to_numpy(), X, pooled["y"].to_numpy(), strata=strata, entry=entry, ties=ties)
    coef = np.zeros(X.shape[1])
    for _ in range(60):
        score, hessian = model.score(coef) - alpha * coef, model.hessian(coef) - alpha * np.eye(len(coef))
        step = np.linalg.solve(hessian, score)
        # Far steps are shortened: the oracle has to arrive, not to be fast.
        coef = coef - step * min(1.0, 2.0 / np.abs(step).max(initial=1e-300))
        if np.abs(step).max() < 1e-12:
            break
    return np.asarray(coef)


def relative_error(found: Federation, expected: Floats) -> float:
    """Return the relative error of the slopes on the scale of the fit."""
    ours, _ = standardised_coefficients(found.plan, found.state)
    return float(np.linalg.norm(ours - expected) / np.linalg.norm(expected))
