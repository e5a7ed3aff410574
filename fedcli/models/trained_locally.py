"""scikit-learn's stochastic linear models and networks, trained at each silo.

Owns their entries: which of their parameters mean something here. Knows nothing of training or merging. Internal.
"""

from __future__ import annotations

import math
from typing import Any

from fedcli.errors import ContradictoryStudy
from fedcli.models.averaging import averaged
from fedcli.models.batch import Family
from fedcli.models.linear_training import LinearTrainer
from fedcli.models.network_training import NetworkTrainer
from fedcli.models.registry import (
    Check,
    Estimator,
    Parameters,
    check_intercept,
    check_number,
    check_one_of,
    check_share,
    check_whole,
)
from fedcli.models.setting import Setting

_ADVICE = (
    "averaging is not the pooled fit, and says nothing of how far from it it is. LogisticRegression ends at the pooled "
    "fit, and Ridge and RidgeClassifier do in one trip"
)


def _linear(name: str) -> Any:
    def build(setting: Setting, params: Parameters) -> Family:
        _check_standardised(setting, name)
        own = dict(params)
        if "epsilon" in own:
            # It is in the outcome's unit, and training is on the scale of its range.
            own["epsilon"] = own["epsilon"] / setting.target_half
        n_classes = setting.n_classes
        measured = "number" if not n_classes else "classes" if n_classes > 2 else "accuracy"
        if measured == "accuracy" and params.get("loss") == "log_loss":
            measured = "binary"
        return averaged(setting, LinearTrainer(name, own, setting.n_columns - 1, n_classes), measured)

    return build


def _network(name: str) -> Any:
    def build(setting: Setting, params: Parameters) -> Family:
        _check_standardised(setting, name)
        n_classes = setting.n_classes
        measured = "number" if not n_classes else "classes" if n_classes > 2 else "binary"
        return averaged(setting, NetworkTrainer(name, dict(params), setting.n_columns - 1, n_classes), measured)

    return build


def _check_standardised(setting: Setting, name: str) -> None:
    if not setting.standardize:
        raise ContradictoryStudy(
            f"{name} takes steps of one length for all columns, and they are not to be standardised",
            hint="remove standardize: false from study.yaml",
        )


def _check_layers(value: Any) -> str:
    sizes = value if isinstance(value, tuple) else (value,)
    good = bool(sizes) and all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= 10_000 for n in sizes)
    return "" if good else "must be a whole number from 1, or several in square brackets"


def _check_batch(value: Any) -> str:
    return "" if value == "auto" else check_whole(1)(value)


def _check_below_one(value: Any) -> str:
    return check_share(value) or ("" if value < 1 else "must be below 1")


def _rate(params: Parameters) -> str:
    """Say which parameters a schedule of learning rates needs."""
    if params["learning_rate"] == "optimal" and not params["alpha"] > 0:
        return "learning_rate optimal divides by alpha, which is 0"
    return ""


_STEPS: dict[str, Check] = {
    "penalty": check_one_of("l2", None),
    "alpha": check_number(least=0.0),
    "fit_intercept": check_intercept,
    "eta0": check_number(least=0.0, open_end=True),
}
_SCHEDULE: dict[str, Check] = {
    **_STEPS,
    "learning_rate": check_one_of("optimal", "constant", "invscaling"),
    "power_t": check_number(least=0.0),
}
_LAYERS: dict[str, Check] = {
    "hidden_layer_sizes": _check_layers,
    "activation": check_one_of("relu", "tanh", "logistic", "identity"),
    "solver": check_one_of("adam", "sgd"),
    "alpha": check_number(least=0.0),
    "batch_size": _check_batch,
    "learning_rate_init": check_number(least=0.0, open_end=True),
    "momentum": check_share,
    "nesterovs_momentum": check_intercept,
    "beta_1": _check_below_one,
    "beta_2": _check_below_one,
    "epsilon": check_number(least=0.0, open_end=True),
}
_NETWORK = {
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "solver": "adam",
    "alpha": 1e-4,
    "batch_size": "auto",
    "learning_rate_init": 1e-3,
    "momentum": 0.9,
    "nesterovs_momentum": True,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
}


def _entry(module: str, target: tuple[str, ...], **more: Any) -> Estimator:
    return Estimator(
        module=f"sklearn.{module}", targets=target, trips=(5, 5), averaged=True, exact=math.inf, advice=_ADVICE, **more
    )


ESTIMATORS = {
    "SGDClassifier": _entry(
        "linear_model",
        ("binary", "category"),
        defaults={
            "loss": "hinge",
            "penalty": "l2",
            "alpha": 1e-4,
            "fit_intercept": True,
            "learning_rate": "optimal",
            "eta0": 0.01,
            "power_t": 0.5,
        },
        build=_linear("SGDClassifier"),
        checks={
            **_SCHEDULE,
            "loss": check_one_of("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"),
        },
        conflicts=_rate,
        probabilities=lambda params: params["loss"] == "log_loss",
    ),
    "SGDRegressor": _entry(
        "linear_model",
        ("number",),
        defaults={
            "loss": "squared_error",
            "penalty": "l2",
            "alpha": 1e-4,
            "fit_intercept": True,
            "epsilon": 0.1,
            "learning_rate": "invscaling",
            "eta0": 0.01,
            "power_t": 0.25,
        },
        build=_linear("SGDRegressor"),
        # Steps of epsilon_insensitive are as long whatever the outcome's unit: on another scale they are another fit's.
        checks={
            **_SCHEDULE,
            "loss": check_one_of("squared_error", "huber", "squared_epsilon_insensitive"),
            "epsilon": check_number(least=0.0),
        },
        conflicts=_rate,
    ),
    "Perceptron": _entry(
        "linear_model",
        ("binary", "category"),
        defaults={"penalty": None, "alpha": 1e-4, "fit_intercept": True, "eta0": 1.0},
        build=_linear("Perceptron"),
        checks=_STEPS,
    ),
    "MLPClassifier": _entry(
        "neural_network",
        ("binary", "category"),
        defaults=_NETWORK,
        build=_network("MLPClassifier"),
        checks=_LAYERS,
        probabilities=True,
        weights=False,
    ),
    "MLPRegressor": _entry(
        "neural_network",
        ("number",),
        defaults=_NETWORK,
        build=_network("MLPRegressor"),
        checks=_LAYERS,
        weights=False,
    ),
}
