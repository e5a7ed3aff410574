"""A federated study beside scikit-learn's own class on the pooled rows.

The oracle is scikit-learn alone: it reads the world's table, standardises and fits, and shares no arithmetic with the
package.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import StandardScaler

from fedcli.report.estimator import fitted_estimator
from tests.equivalence.federation import Federation, federate
from tests.estimators.worlds import Rows, World

# Rules are lowered openly: what is compared here is the mathematics, whatever a silo's size.
OPEN_RULES = {"aggregation": "plain", "min_rows": 1, "min_cell": 1, "rows_per_column": 0}


@dataclass(frozen=True)
class Beside:
    """Both fitted estimators, the standardised pooled design and the folds."""

    federation: Federation
    ours: Any
    theirs: Any
    X: NDArray[np.float64]
    folds: NDArray[np.int64] | None

    def error(self, read: str | Callable[[Any], Any]) -> float:
        """Return the relative difference of an attribute, or of what a function reads from either estimator."""
        ours, theirs = (
            np.asarray(getattr(each, read) if isinstance(read, str) else read(each), dtype=np.float64)
            for each in (self.ours, self.theirs)
        )
        assert ours.shape == theirs.shape
        return float(np.linalg.norm(ours - theirs) / (np.linalg.norm(theirs) or 1.0))


def agreement(
    world: World, estimator: str, params: Mapping[str, Any] | None = None, *, standardize: bool = True, **parts: Any
) -> str:
    """Write a ``study.yaml`` (JSON is YAML); what a model says of itself goes there."""
    model = {"estimator": estimator, "params": dict(params or {}), "standardize": standardize}
    model |= {key: parts.pop(key) for key in ("cv", "order", "choose", "nested") if key in parts}
    document = {"study": "case", "features": world.features, "model": model, "rules": OPEN_RULES}
    if world.target:
        document["target"] = world.target
    return json.dumps({**document, "evaluation": {"holdout": 0}, **parts})


def federated(text: str, world: World, split: list[Rows], **how: Any) -> Federation:
    """Run a study over a split of a world's rows, to silos ``s0``, ``s1`` and so on; ``how`` goes to `federate`."""
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"s{number}": Path(folder) / f"s{number}.csv" for number in range(len(split))}
        for table, rows in zip(tables.values(), split, strict=True):
            world.frame.iloc[rows].to_csv(table, index=False)
        return federate(text, tables, **how)


def beside(
    world: World,
    split: list[Rows],
    estimator: str,
    cls: type,
    params: Mapping[str, Any] | None = None,
    *,
    tight: Mapping[str, Any] | None = None,
    standardize: bool = True,
    prepare: Callable[[pd.DataFrame], NDArray[np.float64]] | None = None,
    **parts: Any,
) -> Beside:
    """Federate a world over a split, and fit the class on its rows together.

    Parameters
    ----------
    world : World
    split : list of arrays of row numbers
    estimator : str
        As a study names it.
    cls : type
        scikit-learn's class.
    params : mapping, optional
    tight : mapping, optional
        What makes scikit-learn reach its own optimum.
    standardize : bool
    prepare : callable, optional
        From the pooled table to what the class fits, where that is not its columns, standardised.
    """
    federation = federated(agreement(world, estimator, params, standardize=standardize, **parts), world, split)
    rows = np.concatenate(split)
    pooled = world.frame.iloc[rows]
    if prepare is not None:
        X = prepare(pooled)
    else:
        X = pooled[list(world.features)].to_numpy(dtype=float)
        X = StandardScaler().fit_transform(X) if standardize else X
    folds = np.concatenate(list(federation.folds.values())) if federation.folds else None
    given = {key: np.array(v) if isinstance(v, (list, tuple)) else v for key, v in (params or {}).items()}
    theirs = cls(**{**given, **(tight or {})})
    if folds is not None:
        theirs.set_params(cv=PredefinedSplit(folds))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if world.target:
            theirs.fit(X, pooled["y"].to_numpy())
        else:
            theirs.fit(X)
    return Beside(federation, fitted_estimator(federation.plan, federation.state), theirs, X, folds)
