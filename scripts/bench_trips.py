"""Play one study of each family on five silos, and print trips, bytes and error beside federated averaging.

The silos share one of scikit-learn's tables, evenly or sorted by the outcome. Averaging is `SGDClassifier` or
`SGDRegressor` with the same loss and penalty, FedAvg's rule and twenty local epochs, beside the coefficients of the
pooled fit and, which is kinder to it where columns are alike, beside what these say of the pooled rows. Bytes are those
of all files that silos sent.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from fedcli.errors import RefusedError
from fedcli.preparing.plan import Plan
from fedcli.report.estimator import fitted_estimator
from fedcli.workflow.models import open_final
from fedcli.workflow.results import Simulated
from fedcli.workflow.simulate import simulate

SILOS = 5
# After so many trips averaging is looked at.
AVERAGED = (5, 20)
# Splits by the outcome leave silos with one class: no rule on groups lets those send.
RULES = {"min_rows": 10, "min_cell": 1, "rows_per_column": 0, "largest_share": 0.99, "max_rounds": 20}


@dataclass(frozen=True)
class Case:
    """One estimator on one outcome; ``sgd`` is the class, loss and penalty (per row) that averaging trains."""

    estimator: str
    outcome: str
    params: dict[str, Any] = field(default_factory=dict)
    sgd: tuple[str, dict[str, Any], float] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name for people."""
        kind = self.outcome if self.estimator == "LogisticRegression" else ""
        kind = "L1" if self.params.get("l1_ratio") else self.more["map"]["type"] if "map" in self.more else kind
        return f"{self.estimator}, {kind}" if kind else self.estimator


_LOG = ("SGDClassifier", {"loss": "log_loss"}, 1.0)
_SQUARES = ("SGDRegressor", {"loss": "squared_error"}, 1.0)
CASES = (
    Case("Ridge", "number", {"alpha": 1.0}, _SQUARES),
    Case("Lasso", "number", {"alpha": 0.1}),
    Case("Ridge", "number", {"alpha": 1.0}, more={"map": {"type": "RBFSampler", "n_components": 40, "gamma": 0.1}}),
    Case("LinearDiscriminantAnalysis", "classes"),
    Case("GaussianNB", "classes"),
    Case("PCA", "none", {"n_components": 3}),
    Case("LogisticRegression", "binary", {"C": 1.0}, _LOG),
    Case("LogisticRegression", "binary", {"C": 0.1, "l1_ratio": 1.0}),
    Case("LogisticRegression", "3-class", {"C": 1.0}),
    Case("OrdinalLogit", "3-class", {"alpha": 1.0}),
    Case("PoissonRegressor", "count"),
    Case("NegativeBinomial", "count"),
    Case("GammaRegressor", "number"),
    Case("HuberRegressor", "number"),
    Case("LinearSVC", "binary", {"C": 1.0}),
    Case("MLPClassifier", "binary", more={"averaging": {"rule": "SCAFFOLD", "rounds": 5}}),
)
# Survival, in the five centres of a made-up trial.
SURVIVAL = {
    "CoxPH": "study.yaml",
    "CoxPH, one baseline": "study-one-baseline.yaml",
    "KaplanMeier": "study-curves.yaml",
}
TRIAL = Path(__file__).resolve().parent.parent / "sample_silos/trial_survival"
SPLITS = ("even", "sorted")


def tables() -> dict[str, tuple[pd.DataFrame, dict[str, Any]]]:
    """Return a table for each kind of outcome, and the outcome as a study says it."""
    diabetes = datasets.load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "y"})
    cancer = datasets.load_breast_cancer(as_frame=True).frame.rename(columns={"target": "y"})
    cancer = cancer[[*cancer.columns[:10], "y"]].rename(columns=lambda name: name.replace(" ", "_"))
    wine = datasets.load_wine(as_frame=True).frame.rename(columns={"target": "y"})
    thirds = pd.qcut(diabetes["y"], 3, labels=["low", "middle", "high"]).astype(str)
    classes = wine.rename(columns=lambda name: name.replace("/", "_")).assign(y="c" + wine["y"].astype(str))
    return {
        "number": (diabetes, {"column": "y", "type": "number", "range": [20, 350]}),
        "count": (
            diabetes.assign(y=(diabetes["y"] // 8).astype(int)),
            {"column": "y", "type": "count", "range": [0, 60]},
        ),
        "3-class": (
            diabetes.assign(y=thirds),
            {"column": "y", "type": "category", "levels": ["low", "middle", "high"]},
        ),
        "none": (diabetes, {"type": "none"}),
        "binary": (cancer, {"column": "y", "type": "binary", "positive": 1}),
        "classes": (classes, {"column": "y", "type": "category", "levels": ["c0", "c1", "c2"]}),
    }


def play(folder: Path, outcome: str, split: str, model: dict[str, Any]) -> Simulated:
    """Write the silos' tables and the study, and simulate it."""
    frame, target = tables()[outcome]
    columns = [name for name in frame.columns if name != "y"]
    order = np.random.default_rng(0).permutation(len(frame))
    if split != "even":
        order = order[np.argsort(frame["y"].to_numpy()[order], kind="stable")]
    for number, rows in enumerate(np.array_split(order, SILOS)):
        frame.iloc[rows].to_csv(folder / f"silo{number}.csv", index=False)
    ends = {name: (float(frame[name].min()), float(frame[name].max())) for name in columns}
    study = {
        "study": "bench",
        "target": target,
        "features": {name: {"type": "number", "range": list(ends[name])} for name in columns},
        "model": model,
        "rules": {"aggregation": "plain", **RULES},
        "evaluation": {"holdout": 0},
        "silos": [],
    }
    (folder / "study.yaml").write_text(json.dumps(study), "utf-8")
    return simulate(folder, keep=folder / "played")


def coefficients(found: Simulated) -> np.ndarray:
    """Return the coefficients of a final model on the standardised columns."""
    assert found.model is not None
    opened, model = open_final(found.model)
    return np.ravel(fitted_estimator(Plan(opened.study), model.state).coef_)


def averaged(case: Case, split: str, exact: Simulated) -> Iterator[tuple[int, float, float]]:
    """Yield bytes, and relative differences of coefficients and of predictors, after each number of trips."""
    assert case.sgd is not None
    estimator, params, penalty = case.sgd
    frame, rows = tables()[case.outcome][0].drop(columns="y"), sum(exact.silos.values())
    X = ((frame - frame.mean()) / frame.std(ddof=0)).to_numpy()
    pooled = coefficients(exact)
    for rounds in AVERAGED:
        with tempfile.TemporaryDirectory(prefix="fedcli-bench-") as name:
            model = {
                "estimator": estimator,
                "params": {**params, "alpha": penalty / rows},
                "averaging": {"rule": "FedAvg", "rounds": rounds},
            }
            found = play(Path(name), case.outcome, split, model)
            apart = coefficients(found) - pooled
            yield (
                found.bytes_sent,
                float(np.linalg.norm(apart) / np.linalg.norm(pooled)),
                float(np.linalg.norm(X @ apart) / np.linalg.norm(X @ pooled)),
            )


def line(title: str, split: str, found: Simulated) -> str:
    """Return what is printed of a study."""
    trips = f"{title:<28}{split:<7}{found.trips:>5}{found.bytes_sent / 1000:>5.0f}"
    if found.relative_error is not None:
        return f"{trips}{found.relative_error:>7.0e}"
    said = ", ".join(f"{score.name} {score.federated:.3f} beside {score.pooled:.3f}" for score in found.scores[:1])
    return f"{trips}  {said}"


def trips_and_bytes() -> None:
    """Print all lines."""
    few, many = (f"{trips} trips" for trips in AVERAGED)
    print(f"{'FedAvg after':>52}{few:>8}{many:>20}")
    print(f"{'':<28}{'silos':<7}{'trips':>5}{'kB':>5}{'error':>7}{'said':>8}{'kB':>6}{'error':>7}{'said':>7}")
    for case in CASES:
        for split in SPLITS[: 1 if case.outcome == "none" else 2]:
            with tempfile.TemporaryDirectory(prefix="fedcli-bench-") as name:
                model = {"estimator": case.estimator, "params": case.params, **case.more}
                try:
                    found = play(Path(name), case.outcome, split, model)
                except RefusedError as why:
                    print(f"{case.title:<28}{split:<7} refused ({why.code})", flush=True)
                    continue
                print(line(case.title, split, found), end="", flush=True)
                if case.sgd is not None:
                    soon, late = averaged(case, split, found)
                    print(f"{soon[2]:>8.0e}{late[0] / 1000:>6.0f}{late[1]:>7.0e}{late[2]:>7.0e}", end="")
                print(flush=True)
    for title, study in SURVIVAL.items():
        print(line(title, "trial", simulate(TRIAL, study=TRIAL / study)), flush=True)
    print()


if __name__ == "__main__":
    trips_and_bytes()
