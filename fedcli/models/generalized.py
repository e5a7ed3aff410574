"""Generalised linear models of the cavity solver: scikit-learn's ``LogisticRegression`` and ``PoissonRegressor``.

Owns their entries in the table of estimators. Knows nothing of sums, files or silos. Stable.
"""

from __future__ import annotations

import numpy as np

from fedcli.errors import ContradictoryStudy
from fedcli.models.batch import Family
from fedcli.models.cavity import Cavity
from fedcli.models.losses import Logistic, Poisson
from fedcli.models.objective import AnyLoss
from fedcli.models.penalty import Strength
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number, check_one_of, check_share
from fedcli.models.setting import Setting
from fedcli.models.softmax import Softmax


def cavity(
    setting: Setting,
    loss: AnyLoss,
    penalty: float,
    *,
    per_weight: bool,
    fit_intercept: bool,
    lasso: float = 0.0,
    kind: type[Cavity] = Cavity,
    order: int = 2,
) -> Cavity:
    """Build the cavity family of one loss.

    Parameters
    ----------
    setting : Setting
    loss : AnyLoss
    penalty : float
        On scikit-learn's scale of sums.
    per_weight : bool
        Whether the penalty is multiplied by the sum of weights.
    fit_intercept : bool
    lasso : float
        The L1 penalty, on the same scale.
    kind : type of Cavity
    order : int
        See `Cavity`.
    """
    return kind(
        loss=loss,
        names=setting.names,
        penalty=Strength(penalty, lasso, per_weight),
        fit_intercept=fit_intercept,
        n_silos=max(setting.n_silos, 1),
        max_rows=setting.max_rows,
        largest_weight=setting.largest_weight,
        largest_offset=setting.largest_offset,
        max_coefficient=setting.max_coefficient,
        tolerance=setting.tolerance,
        max_rounds=setting.max_rounds,
        closing_trip=setting.closing_trip,
        weighted=setting.weighted,
        order=order,
    )


def _logistic(setting: Setting, params: Parameters) -> Family:
    ratio, strength = l1_share(params), 0.0 if _unpenalised(params) else 1.0 / float(params["C"])
    ridge, lasso = strength * (1.0 - ratio), strength * ratio
    loss: AnyLoss = Logistic()
    if setting.n_classes > 2:
        if ratio:
            raise ContradictoryStudy(
                "LogisticRegression of several classes has no L1: which coefficients of which class are 0 is not said",
                hint="remove l1_ratio (and penalty) from study.yaml, or write target: {type: binary, ...}",
            )
        loss = Softmax(setting.n_classes, setting.min_cell)
    # Neither an absolute value nor several predictors of a row have a cubic.
    order = 2 if lasso or setting.n_classes > 2 else setting.order
    intercept = params["fit_intercept"]
    return cavity(setting, loss, ridge, per_weight=False, fit_intercept=intercept, lasso=lasso, order=order)


_LOGISTIC_DEFAULTS = {"C": 1.0, "l1_ratio": 0.0, "penalty": "deprecated", "fit_intercept": True}


def _unpenalised(params: Parameters) -> bool:
    return params["penalty"] in (None, "none") or bool(np.isinf(params["C"]))


def l1_share(params: Parameters) -> float:
    """Return the share of L1 in the penalty of a logistic regression, whichever way its parameters spell it.

    scikit-learn 1.8 spells all penalties by ``l1_ratio`` and ``C``, and keeps the old word for reading.
    """
    return 1.0 if params["penalty"] == "l1" else float(params["l1_ratio"])


def _at_odds(params: Parameters) -> str:
    """Refuse a word for the penalty beside a share that it does not have: scikit-learn ignores one of them."""
    word, ratio = params["penalty"], params["l1_ratio"]
    if word in ("l2", None, "none") and ratio != 0:
        return f"penalty: {'null' if word is None else word} has no share of L1, and l1_ratio is {ratio:g}"
    if word == "l1" and ratio not in (0, 1):
        return f"penalty: l1 is L1 alone, and l1_ratio is {ratio:g}"
    if word == "elasticnet" and ratio == 0:
        return "penalty: elasticnet needs l1_ratio, a share of L1 above 0"
    return ""


def _as_its_class(given: Parameters) -> dict[str, object]:
    """Spell the penalty by ``l1_ratio`` and ``C`` alone, with the one solver that knows L1."""
    params = {**_LOGISTIC_DEFAULTS, **given}
    own = {name: value for name, value in given.items() if name != "penalty"}
    if _unpenalised(params):
        own["C"] = np.inf
    return {**own, "l1_ratio": l1_share(params), "solver": "saga"} if l1_share(params) else own


def _logistic_tight(params: Parameters) -> dict[str, object]:
    if l1_share(params):
        return {"tol": 1e-11, "max_iter": 100_000}
    return {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}


def _poisson(setting: Setting, params: Parameters) -> Family:
    loss = Poisson(setting.largest_y, setting.pool_rows)
    penalty, intercept = float(params["alpha"]), params["fit_intercept"]
    return cavity(setting, loss, penalty, per_weight=True, fit_intercept=intercept, order=setting.order)


ESTIMATORS = {
    "LogisticRegression": Estimator(
        module="sklearn.linear_model",
        targets=("binary", "category"),
        defaults=_LOGISTIC_DEFAULTS,
        trips=(4, 6),
        build=_logistic,
        checks={
            "C": check_number(least=0.0, open_end=True),
            "l1_ratio": check_share,
            "penalty": check_one_of("deprecated", "l1", "l2", "elasticnet", None, "none"),
            "fit_intercept": check_intercept,
        },
        conflicts=_at_odds,
        path=("C", "l1_ratio"),
        likelihood=True,
        offset=True,
        exact=1e-6,
        third=3,
        probabilities=True,
        as_its_class=_as_its_class,
        tight=_logistic_tight,
    ),
    "PoissonRegressor": Estimator(
        module="sklearn.linear_model",
        targets=("count",),
        defaults={"alpha": 1.0, "fit_intercept": True},
        trips=(3, 5),
        build=_poisson,
        checks={"alpha": check_number(least=0.0), "fit_intercept": check_intercept},
        path=("alpha",),
        likelihood=True,
        offset=True,
        exact=1e-6,
        third=2,
        tight={"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000},
    ),
}
