"""From the scikit-learn class and parameters named in a study to the family that fits them.

Owns the table of estimators and their parameters. Knows nothing of files or rows. Internal; the names are public.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.models.batch import Family
from fedcli.models.cavity import Cavity
from fedcli.models.gram import Gram
from fedcli.models.losses import Logistic, Poisson
from fedcli.preparing.columns import Columns
from fedcli.study.document import BinaryTarget, CountTarget, NumberTarget, Study

# Parameters that steer scikit-learn's own optimiser: here the optimum is reached whatever they say.
_SOLVER_ONLY = {"tol", "solver", "max_iter", "warm_start", "verbose", "n_jobs", "random_state", "copy_X", "dual"}


@dataclass(frozen=True)
class Estimator:
    """What a study may say of one estimator.

    Parameters
    ----------
    target : type
        The target it needs.
    defaults : dict
        Its parameters and scikit-learn's defaults for them.
    trips : tuple of int
        Typical and largest number of trips seen on the project's reference data.
    """

    target: type
    defaults: dict[str, Any]
    trips: tuple[int, int]


ESTIMATORS = {
    "LinearRegression": Estimator(NumberTarget, {"fit_intercept": True}, (1, 1)),
    "Ridge": Estimator(NumberTarget, {"alpha": 1.0, "fit_intercept": True}, (1, 1)),
    "LogisticRegression": Estimator(BinaryTarget, {"C": 1.0, "penalty": "l2", "fit_intercept": True}, (4, 6)),
    "PoissonRegressor": Estimator(CountTarget, {"alpha": 1.0, "fit_intercept": True}, (3, 5)),
}


def parameters(study: Study) -> dict[str, Any]:
    """Return the estimator's parameters, defaults filled in and checked.

    Raises
    ------
    UnsupportedModel
        The estimator, a parameter or a value is not one that fedcli fits.
    ContradictoryStudy
        The target does not suit the estimator.
    """
    name = study.model.estimator
    if name not in ESTIMATORS:
        near = difflib.get_close_matches(name, ESTIMATORS, n=1)
        raise UnsupportedModel(
            f"estimator '{name}' is not one that fedcli fits: {', '.join(ESTIMATORS)}",
            hint=f"did you mean {near[0]}?" if near else "name one of these in study.yaml under model: estimator:",
        )
    known = ESTIMATORS[name]
    if not isinstance(study.target, known.target):
        wanted = "binary" if known.target is BinaryTarget else "number" if known.target is NumberTarget else "count"
        raise ContradictoryStudy(
            f"{name} needs a target of type {wanted}, the study's is {study.target.type}",
            hint=f"write target: {{type: {wanted}, ...}} in study.yaml, or name another estimator",
        )
    values = dict(known.defaults)
    for key, value in study.model.params.items():
        if key in _SOLVER_ONLY:
            raise UnsupportedModel(
                f"parameter '{key}' steers scikit-learn's own solver and has no meaning here",
                hint="remove it: the optimum is reached to rules.tolerance",
            )
        if key not in known.defaults:
            raise UnsupportedModel(
                f"{name} has no parameter '{key}' here; known: {', '.join(known.defaults)}",
                hint="remove it from model: params: in study.yaml",
            )
        values[key] = value
    _check_values(name, values)
    return values


def _check_values(name: str, values: dict[str, Any]) -> None:
    for key, least in (("C", 0.0), ("alpha", 0.0)):
        if key in values:
            value = values[key]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not value >= least or (key == "C" and value == 0):
                above = "above 0" if key == "C" else "0 or above"
                raise UnsupportedModel(f"{name}: {key} must be a number {above}", hint=f"mend {key} in study.yaml")
    if "penalty" in values and values["penalty"] not in ("l2", None, "none"):
        raise UnsupportedModel(
            f"{name}: penalty '{values['penalty']}' is not one that fedcli fits", hint="write penalty: l2, or null"
        )
    if not isinstance(values["fit_intercept"], bool):
        raise UnsupportedModel(f"{name}: fit_intercept must be true or false", hint="mend it in study.yaml")


def pool_rows(study: Study) -> float:
    """Return how many rows all silos may have together."""
    return float(study.rules.max_rows * max(len(study.silos), study.rules.min_silos))


def family_of(study: Study, columns: Columns) -> Family:
    """Build the family that fits the study's estimator."""
    values = parameters(study)
    weight = study.weight.range[1] if study.weight else 1.0
    if study.model.estimator in ("LinearRegression", "Ridge"):
        if study.offset is not None:
            raise ContradictoryStudy(
                f"{study.model.estimator} takes no offset", hint="subtract it from the target before the study"
            )
        return Gram(
            n_expanded=1 + len(columns.expanded_names),
            alpha=float(values.get("alpha", 0.0)),
            fit_intercept=values["fit_intercept"],
            max_rows=study.rules.max_rows,
            largest_weight=weight,
            closing_trip=study.evaluation.closing_trip,
        )
    if isinstance(study.target, CountTarget):
        loss: Logistic | Poisson = Poisson(study.target.range[1], pool_rows(study))
        penalty = float(values["alpha"])
    else:
        loss = Logistic()
        unpenalised = values["penalty"] in (None, "none") or np.isinf(values["C"])
        penalty = 0.0 if unpenalised else 1.0 / float(values["C"])
    return Cavity(
        loss=loss,
        names=columns.names,
        penalty=penalty,
        penalty_per_weight=isinstance(loss, Poisson),
        fit_intercept=values["fit_intercept"],
        n_silos=max(len(study.silos), 1),
        max_rows=study.rules.max_rows,
        largest_weight=weight,
        largest_offset=max(map(abs, study.offset.interval)) if study.offset else 0.0,
        max_coefficient=study.rules.max_coefficient,
        tolerance=study.rules.tolerance,
        max_rounds=study.rules.max_rounds,
        closing_trip=study.evaluation.closing_trip,
        weighted=study.weight is not None,
    )
