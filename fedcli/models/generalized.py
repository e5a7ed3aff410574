"""Generalised linear models of the cavity solver: scikit-learn's ``LogisticRegression`` and ``PoissonRegressor``.

Owns their entries in the table of estimators. Knows nothing of sums, files or silos. Stable.
"""

from __future__ import annotations

import numpy as np

from fedcli.models.batch import Family
from fedcli.models.cavity import Cavity
from fedcli.models.losses import Logistic, Poisson
from fedcli.models.objective import AnyLoss
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number, check_one_of
from fedcli.models.setting import Setting
from fedcli.models.softmax import Softmax


def cavity(
    setting: Setting,
    loss: AnyLoss,
    penalty: float,
    *,
    per_weight: bool,
    fit_intercept: bool,
    kind: type[Cavity] = Cavity,
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
    kind : type of Cavity
    """
    return kind(
        loss=loss,
        names=setting.names,
        penalty=penalty,
        penalty_per_weight=per_weight,
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
    )


def _logistic(setting: Setting, params: Parameters) -> Family:
    unpenalised = params["penalty"] in (None, "none") or np.isinf(params["C"])
    penalty = 0.0 if unpenalised else 1.0 / float(params["C"])
    loss = Softmax(setting.n_classes, setting.min_cell) if setting.n_classes > 2 else Logistic()
    return cavity(setting, loss, penalty, per_weight=False, fit_intercept=params["fit_intercept"])


def _poisson(setting: Setting, params: Parameters) -> Family:
    loss = Poisson(setting.largest_y, setting.pool_rows)
    return cavity(setting, loss, float(params["alpha"]), per_weight=True, fit_intercept=params["fit_intercept"])


ESTIMATORS = {
    "LogisticRegression": Estimator(
        module="sklearn.linear_model",
        targets=("binary", "category"),
        defaults={"C": 1.0, "penalty": "l2", "fit_intercept": True},
        trips=(4, 6),
        build=_logistic,
        checks={
            "C": check_number(least=0.0, open_end=True),
            "penalty": check_one_of("l2", None, "none"),
            "fit_intercept": check_intercept,
        },
        offset=True,
        exact=1e-6,
        probabilities=True,
        tight={"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000},
    ),
    "PoissonRegressor": Estimator(
        module="sklearn.linear_model",
        targets=("count",),
        defaults={"alpha": 1.0, "fit_intercept": True},
        trips=(3, 5),
        build=_poisson,
        checks={"alpha": check_number(least=0.0), "fit_intercept": check_intercept},
        offset=True,
        exact=1e-6,
        tight={"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000},
    ),
}
