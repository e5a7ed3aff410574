"""The fitted scikit-learn estimator of a finished study, as it stands behind the prepared columns.

Owns bringing pooled results into an object of scikit-learn's own class. Knows nothing of columns, files or silos.
Internal. The object is fitted by its own class on a few made-up rows, so that every attribute that the installed
version expects is there, and is then given the pooled values.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from fedcli.errors import UnsupportedModel
from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.averaging import Averaging
from fedcli.models.closed import fitted_attributes
from fedcli.preparing.by_column import ByColumn
from fedcli.preparing.estimators import estimator_of, parameters
from fedcli.preparing.plan import Plan
from fedcli.report import by_column
from fedcli.report.coefficients import class_labels
from fedcli.study.document import Study

# What an estimator remembers of the course of a fit, its own optimiser's memory included.
_OF_A_FIT = (
    *("n_iter_", "rank_", "singular_", "loss_", "best_loss_", "loss_curve_", "validation_scores_"),
    *("best_validation_score_", "_optimizer", "_best_coefs", "_best_intercepts", "_no_improvement_count"),
)


def fitted_estimator(plan: Plan, state: State) -> Any:
    """Return the estimator, fitted as on the pooled rows.

    Raises
    ------
    UnsupportedModel
        The installed scikit-learn lacks the class.
    """
    labels = class_labels(plan)
    levels = by_column.spoken(plan)
    estimator = new_estimator(plan.chosen(state), labels, **by_column.own_parameters(plan.study, levels))
    if isinstance(plan.family, ByColumn):
        learnt = fitted_attributes(state)
        if plan.study.model.estimator == "OneHotEncoder":
            by_column.fit_encoder(estimator, levels, learnt)
        elif plan.study.model.estimator == "SimpleImputer":
            by_column.fit_imputer(estimator, plan, levels, learnt)
        else:
            by_column.fit_bins(estimator, learnt)
        return estimator
    _fit_on_made_up_rows(estimator, plan, labels)
    if isinstance(plan.family, Averaging) and not plan.family.linear:
        state = State(state.document, {**state.arrays, **plan.family.fitted(state.arrays["parameters"])})
    if plan.family.linear:
        _give_coefficients(estimator, *standardised_coefficients(plan, state), labels)
    known = estimator_of(plan.study)
    if known.stand_in:
        # What the class is called in scikit-learn is the penalty's strength; the study calls that l2.
        estimator.set_params(alpha=parameters(plan.study)["l2"])
    by_class = known.by_class if labels else frozenset()
    order = _sorted_classes(estimator, labels) if by_class else []
    for name, value in fitted_attributes(state).items():
        if name in by_class:
            if isinstance(value, list):
                # A list is one array for each class; of counted categories one for each column, by class inside.
                value = [part[order] for part in value] if known.ordinal else [value[k] for k in order]
            else:
                value = value[order]
        scalar = not isinstance(value, list) and np.ndim(getattr(estimator, f"{name}_", value)) == 0
        scalar |= bool(known.stand_in) and len(value) == 1
        setattr(estimator, f"{name}_", float(np.ravel(value)[0]) if scalar else value)
    if isinstance(plan.family, Averaging):
        _as_if_begun(estimator, linear=plan.family.linear)
        if labels and not plan.family.linear:
            _order_outputs(estimator, labels)
    return estimator


def standardised_coefficients(plan: Plan, state: State) -> tuple[FloatArray, FloatArray]:
    """Return slopes (n_columns - 1,) and intercept (), or a row for each output, on the scale of the fit."""
    preparation, coef = plan.preparation(state), plan.family.coefficients(state)
    slopes = coef[..., 1:] * preparation.scale
    intercept = coef[..., 0] + coef[..., 1:] @ preparation.mean
    if plan.study.model.params.get("fit_intercept", True) is False:
        intercept = np.zeros_like(intercept)
    return slopes * plan.target.half, np.asarray(intercept * plan.target.half + plan.target.middle)


def new_estimator(study: Study, labels: tuple[Any, ...] = (), **more: Any) -> Any:
    """Return an unfitted object of the study's class, with the study's parameters.

    Parameters
    ----------
    study : Study
    labels : tuple
        The classes as the object will meet them: it sorts them, and so must what is agreed for each.
    **more : object
        Further parameters, which have the last word.

    Raises
    ------
    UnsupportedModel
        The class is fedcli's own, or the installed scikit-learn lacks it.
    """
    name, known = study.model.estimator, estimator_of(study)
    if known.stand_in:
        return getattr(importlib.import_module("sklearn.linear_model"), known.stand_in)(
            fit_intercept=parameters(study)["fit_intercept"], **more
        )
    if not known.module:
        raise UnsupportedModel(
            f"scikit-learn has no class for {name}, which is fedcli's own",
            hint="export what it has learnt: --format json or csv",
        )
    cls = getattr(importlib.import_module(known.module), known.stands_for or name, None)
    if cls is None:
        raise UnsupportedModel(f"the installed scikit-learn has no {name}", hint="upgrade scikit-learn")
    given = {key: value for key, value in parameters(study).items() if key in study.model.params}
    if known.stands_for:
        given = {key: value for key, value in given.items() if key == "fit_intercept"}
    given = dict(known.as_its_class(given))
    if "l1_ratio" in given and getattr(cls(), "penalty", "") == "l2":
        # Before 1.8 the class looked at l1_ratio only beside this word.
        given["penalty"] = "elasticnet"
    for key in ("priors", "class_prior"):
        if labels and isinstance(given.get(key), tuple):
            given[key] = tuple(given[key][labels.index(label)] for label in sorted(labels))
    lists = {key: np.array(value) if isinstance(value, tuple) else value for key, value in given.items()}
    return cls(**{**lists, **more})


def _fit_on_made_up_rows(estimator: Any, plan: Plan, labels: tuple[Any, ...]) -> None:
    n_columns = plan.columns.n_columns - 1
    # Enough rows for a covariance of full rank in each class; a map's many columns only feed coefficients.
    n = max(len(labels), 2) * (6 if plan.columns.mapped is not None else n_columns + 6)
    if estimator_of(plan.study).ordinal:
        levels = np.array([len(column.levels) for _, column in plan.columns.categories])
        X = (np.arange(max(n, int(levels.max()) * max(len(labels), 1)))[:, None] // max(len(labels), 1)) % levels
        n = len(X)
    else:
        X = np.abs(np.random.default_rng(0).normal(size=(n, n_columns)))
    y = np.array(labels, dtype=object)[np.arange(n) % len(labels)] if labels else X.sum(axis=1) + np.arange(n) % 3
    y = np.array(y.tolist()) if labels else y
    most = {"max_iter": estimator.max_iter} if isinstance(plan.family, Averaging) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # One step of a network lays out as much as hundreds.
        estimator.set_params(**dict.fromkeys(most, 1))
        estimator.fit(X) if plan.study.target.type == "none" else estimator.fit(X, y)
        estimator.set_params(**most)
    for attribute in _OF_A_FIT:
        if attribute in vars(estimator):
            # They described the made-up fit.
            delattr(estimator, attribute)


def _give_coefficients(estimator: Any, slopes: FloatArray, intercept: FloatArray, labels: tuple[Any, ...]) -> None:
    if labels and slopes.ndim == 1:
        if estimator.classes_[0] != labels[0]:
            # scikit-learn sorts the classes, and its coefficients speak for the last.
            slopes, intercept = -slopes, -intercept
    elif labels:
        order = _sorted_classes(estimator, labels)
        slopes, intercept = slopes[order], intercept[order]
    # As the class itself has them: of two classes or without an intercept, forms differ from class to class.
    estimator.coef_ = slopes.reshape(np.shape(estimator.coef_))
    form = np.shape(estimator.intercept_)
    estimator.intercept_ = intercept.reshape(form) if form else float(np.ravel(intercept)[0])


def _as_if_begun(estimator: Any, *, linear: bool) -> None:
    """Let ``partial_fit`` go on from the pooled values, with no memory of the made-up fit."""
    if linear:
        estimator.t_ = 1.0
        return
    estimator.t_, estimator.loss_curve_, estimator.best_loss_, estimator._no_improvement_count = 0, [], np.inf, 0


def _order_outputs(estimator: Any, labels: tuple[Any, ...]) -> None:
    """Let the last layer speak for the classes in scikit-learn's order."""
    weights, intercepts = estimator.coefs_[-1], estimator.intercepts_[-1]
    if len(labels) > 2:
        order = _sorted_classes(estimator, labels)
        estimator.coefs_[-1], estimator.intercepts_[-1] = weights[:, order], intercepts[order]
    elif estimator.classes_[0] != labels[0]:
        estimator.coefs_[-1], estimator.intercepts_[-1] = -weights, -intercepts


def _sorted_classes(estimator: Any, labels: tuple[Any, ...]) -> list[int]:
    """Return the place among ``labels`` of each class in scikit-learn's order."""
    places = {label: place for place, label in enumerate(labels)}
    return [places[label.item() if isinstance(label, np.generic) else label] for label in estimator.classes_]
