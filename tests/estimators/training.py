"""Studies of models that scikit-learn trains at each silo: agreements, runs in memory, scikit-learn's own objects."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import linear_model, neural_network

from fedcli.models.averaging import Averaging
from fedcli.models.local_training import Task, side_by_side
from fedcli.preparing.plan import Plan
from tests.equivalence.federation import Federation, enrolled, federate
from tests.estimators.comparing import agreement
from tests.estimators.worlds import Rows, World, binary, classes, numbers

Floats = NDArray[np.float64]
SMALL = {"hidden_layer_sizes": [6]}
CASES: dict[str, tuple[str, dict[str, Any], World]] = {
    "hinge": ("SGDClassifier", {}, binary(columns=8)),
    "log odds of three classes": ("SGDClassifier", {"loss": "log_loss"}, classes("iris")),
    "inverse scaling": ("SGDClassifier", {"learning_rate": "invscaling", "eta0": 0.1}, classes("wine", 5)),
    "squares": ("SGDRegressor", {}, numbers("diabetes")),
    "perceptron": ("Perceptron", {}, classes("iris")),
    "network": ("MLPClassifier", {**SMALL, "batch_size": 20}, binary(columns=8)),
    "network of three classes": (
        "MLPClassifier",
        {**SMALL, "solver": "sgd", "learning_rate_init": 0.1},
        classes("iris"),
    ),
    "network of a number": ("MLPRegressor", {"hidden_layer_sizes": [5, 4]}, numbers("diabetes")),
}


def text_of(
    world: World, estimator: str, params: Mapping[str, Any] | None = None, *, averaging: Any = None, **parts: Any
) -> str:
    """Write an agreement, with what it says of averaging."""
    document = json.loads(agreement(world, estimator, params, **parts))
    if averaging is not None:
        document["model"]["averaging"] = averaging
    return json.dumps(document)


def play(text: str, world: World, split: list[Rows], *, absent: Any = None, backwards: bool = False) -> Federation:
    """Run a study over a split, the rows of each table in the opposite order where ``backwards``."""
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"s{number}": Path(folder) / f"s{number}.csv" for number in range(len(split))}
        for path, rows in zip(tables.values(), split, strict=True):
            frame = world.frame.iloc[rows]
            (frame[::-1] if backwards else frame).to_csv(path, index=False)
        return federate(text, tables, absent=absent)


def family_of(text: str) -> Averaging:
    family = Plan(enrolled(text, ["a", "b"])).family
    assert isinstance(family, Averaging)
    return family


def theirs(estimator: str, params: Mapping[str, Any], half: float = 1.0, **more: Any) -> Any:
    """Return scikit-learn's own object."""
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
    module = neural_network if estimator.startswith("MLP") else linear_model
    return getattr(module, estimator)(**{**given, **more})


def read(model: Any) -> Floats:
    """Return what an object of scikit-learn's has learnt, side by side."""
    if hasattr(model, "coefs_"):
        return side_by_side([*model.coefs_, *model.intercepts_])
    return side_by_side([model.coef_, model.intercept_])


def linear_task(**parts: Any) -> Task:
    given = {"start": None, "correction": None, "proximal": 0.0, "epochs": 1, "epochs_before": 0, "seed": 1}
    return Task(**{**given, **parts})
