"""Estimators that look at one column at a time, as scikit-learn's own objects, and what they say in the study's words.

Owns how levels and edges of the state become attributes, and rows become what these estimators take. Knows nothing of
files or silos. Internal. Each object is fitted by its own class on made-up rows that teach it what the pool has taught.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.closed import listed_attributes
from fedcli.preparing.encoders import infrequent_asked
from fedcli.preparing.estimators import estimator_of, parameters
from fedcli.preparing.plan import Plan
from fedcli.preparing.preparation import Preparation
from fedcli.preparing.rows import Rows
from fedcli.report.transformers import spoken_levels
from fedcli.study.document import Study

Learnt = dict[str, Any]


def input_names(plan: Plan) -> tuple[str, ...]:
    """Return the names of what the estimator takes: columns of a table where it takes levels, else of the design."""
    columns = plan.columns
    if not estimator_of(plan.study).spelled:
        return columns.names
    return tuple(name for name, _ in (*columns.numbers, *columns.categories))


def in_words(plan: Plan) -> bool:
    """Return whether an export names levels or columns that the state has as numbers."""
    return estimator_of(plan.study).spelled or plan.study.model.estimator == "SelectKBest"


def own_parameters(study: Study, levels: list[list[Any]]) -> dict[str, Any]:
    """Return parameters whose words in a study are not scikit-learn's.

    Parameters
    ----------
    study : Study
    levels : list of list
        Of each category in design order, as the rows to be fitted hold them.
    """
    values = parameters(study)
    if "score_func" in values:
        import sklearn.feature_selection

        return {"score_func": getattr(sklearn.feature_selection, values["score_func"])}
    if values.get("categories") == "agreed":
        kind = _kind(levels)
        return {"categories": [np.array(own, dtype=kind) for own in levels]}
    if values.get("fill_value") is not None and study.numbers:
        # A day that fills is a number of years by now.
        return {"fill_value": next(column.fill for column in study.numbers.values())}
    return {}


def spoken(plan: Plan) -> list[list[Any]]:
    """Return the levels of each category, as a table holds them, in design order."""
    return [spoken_levels(column) for _, column in plan.columns.categories]


def learnt_in_words(plan: Plan, state: State, estimator: Any) -> Learnt:
    """Return what an estimator has learnt, with levels and columns by their names, for an export.

    Parameters
    ----------
    plan : Plan
    state : State
    estimator : object
        scikit-learn's own, fitted.
    """
    found: Learnt = listed_attributes(state)
    agreed = [list(column.levels) for _, column in plan.columns.categories]
    estimator_name = plan.study.model.estimator
    if estimator_name == "OneHotEncoder":
        # In scikit-learn's order, which the indices that it drops count in.
        order = [_order(own, table) for own, table in zip(estimator.categories_, spoken(plan), strict=True)]
        counts = _by_place(found, agreed)
        found["categories"] = [[own[at] for at in places] for own, places in zip(agreed, order, strict=True)]
        found["counts"] = [[own[at] for at in places] for own, places in zip(counts, order, strict=True)]
        params = parameters(plan.study)
        if infrequent_asked(params):
            found["infrequent_categories"] = [_listed(own) for own in estimator.infrequent_categories_]
        if params["drop"] is not None:
            found["drop_idx"] = [None if at is None else int(at) for at in estimator.drop_idx_]
        found["feature_names"] = estimator.get_feature_names_out(list(input_names(plan))).tolist()
    elif estimator_name == "SimpleImputer" and plan.columns.categories:
        found["statistics"] = [own[int(at)] for own, at in zip(agreed, found["statistics"], strict=True)]
    elif estimator_name == "SelectKBest":
        found["selected"] = [str(of) for of in np.array(plan.columns.names)[estimator.get_support()]]
    return found


def as_learnt(plan: Plan, name: str, pooled: Any, own: Any) -> Any:
    """Return an attribute of the pooled fit, whose levels are in agreed words, in the form that the state has.

    Parameters
    ----------
    plan : Plan
    name : str
        Without its last ``_``.
    pooled, own : object
        The pooled attribute, and the state's.
    """
    agreed = [list(column.levels) for _, column in plan.columns.categories]
    if name == "categories":
        # The state has them in the agreed order, scikit-learn sorts.
        return [np.sort([levels.index(of) for of in found]) for levels, found in zip(agreed, pooled, strict=True)]
    if name == "statistics" and agreed:
        return np.array([levels.index(of) for levels, of in zip(agreed, pooled, strict=True)])
    if name == "bin_edges":
        # A column of one value has no ends there.
        return [np.where(np.isfinite(of), of, mine[: len(of)]) for of, mine in zip(pooled, own, strict=True)]
    return pooled


def _order(categories: Any, levels: list[Any]) -> list[int]:
    """Return the place of each of an encoder's categories among the agreed levels."""
    return [levels.index(level) for level in categories.tolist()]


def _by_place(found: Learnt, levels: list[list[str]]) -> list[list[float]]:
    """Return the count of each agreed level, 0 where no row has it."""
    counts = [[0.0] * len(own) for own in levels]
    for own, places, values in zip(counts, found["categories"], found["counts"], strict=True):
        for at, value in zip(places, values, strict=True):
            own[int(at)] = value
    return counts


def _listed(values: Any) -> list[Any]:
    return [] if values is None else np.asarray(values).tolist()


def fit_encoder(estimator: Any, levels: list[list[Any]], learnt: Learnt) -> None:
    """Fit a ``OneHotEncoder`` on rows that have the pool's levels, each as often as there where that matters.

    Parameters
    ----------
    estimator : object
    levels : list of list
        Of each category in design order.
    learnt : dict
        The state's attributes.
    """
    counts = [np.asarray(own, dtype=np.int64) for own in learnt["counts"]]
    if not infrequent_asked(estimator.get_params()):
        counts = [np.minimum(own, 1) for own in counts]
    n = max(int(own.sum()) for own in counts)
    X = np.empty((n, len(counts)), dtype=_kind(levels))
    for j, own in enumerate(counts):
        here = np.array(levels[j], dtype=X.dtype)[np.asarray(learnt["categories"][j], dtype=np.int64)]
        X[:, j] = np.resize(np.repeat(here, own), n)
    estimator.fit(X)


def fit_imputer(estimator: Any, plan: Plan, levels: list[list[Any]], learnt: Learnt) -> None:
    """Fit a ``SimpleImputer`` on made-up rows, and give it what fills.

    Parameters
    ----------
    estimator : object
    plan : Plan
    levels : list of list
        Of each category in design order.
    learnt : dict
        The state's attributes.
    """
    if plan.columns.numbers:
        estimator.fit(np.tile(np.arange(2.0)[:, None], (1, len(plan.columns.numbers))))
        estimator.statistics_ = learnt["statistics"]
        return
    X = np.array([own[:2] for own in levels], dtype=_kind(levels)).T
    estimator.fit(X)
    places = learnt["statistics"].astype(np.int64)
    estimator.statistics_ = np.array([own[at] for own, at in zip(levels, places, strict=True)], dtype=X.dtype)


def fit_bins(estimator: Any, learnt: Learnt) -> None:
    """Fit a ``KBinsDiscretizer`` on rows that have as many bins, and give it the edges with their bounds."""
    edges = learnt["bin_edges"]
    own = estimator.get_params()
    widths = np.array([len(values) - 1 for values in edges])
    ends = np.array([[0.0, 1.0 if n > 1 else 0.0] for n in widths]).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a column of one bin is a constant here
        estimator.set_params(strategy="uniform", n_bins=np.maximum(widths, 2)).fit(ends)
    estimator.set_params(strategy=own["strategy"], n_bins=own["n_bins"])
    found = np.empty(len(edges), dtype=object)
    for j, values in enumerate(edges):
        found[j] = values if values[0] < values[-1] else np.array([-np.inf, np.inf])
    estimator.bin_edges_ = found
    estimator.bin_edges_lower_, estimator.bin_edges_upper_ = learnt["bin_edges_lower"], learnt["bin_edges_upper"]


def table_of(
    plan: Plan, preparation: Preparation, rows: Rows, levels: list[list[Any]]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return rows as an estimator takes them that knows levels by their names, and which of them it can take.

    Parameters
    ----------
    plan : Plan
    preparation : Preparation
    rows : Rows
    levels : list of list
        Of each category in design order.
    """
    columns, fills = plan.columns, estimator_of(plan.study).fills
    X = np.empty((len(rows), len(columns.numbers) + len(levels)), dtype=_kind(levels))
    good = np.ones(len(rows), dtype=np.bool_)
    X[:, : len(columns.numbers)] = rows.numbers[:, columns.number_order]
    codes = rows.codes[:, columns.category_order]
    for j, (own, (_, column)) in enumerate(zip(levels, columns.categories, strict=True)):
        filled = codes[:, j]
        if column.impute is not None and not fills:
            filled = np.where(filled < 0, preparation.modes[j], filled)
        X[:, len(columns.numbers) + j] = np.array([*own, np.nan], dtype=X.dtype)[filled]
        good &= fills | (filled >= 0)
    return X, good


def known_levels(plan: Plan, X: NDArray[Any], estimator: Any) -> NDArray[np.bool_]:
    """Return which rows hold only levels that the encoder has met, or does not mind."""
    if plan.study.model.estimator != "OneHotEncoder" or estimator.handle_unknown != "error":
        return np.ones(len(X), dtype=np.bool_)
    met = [np.isin(X[:, j], own) for j, own in enumerate(estimator.categories_)]
    return np.asarray(np.all(met, axis=0))


def _kind(levels: list[list[Any]]) -> Any:
    return object if any(isinstance(level, str) for own in levels for level in own) else np.float64


def as_dense(made: Any) -> FloatArray:
    """Return what a transformer made, if need be out of its sparse form."""
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made)
