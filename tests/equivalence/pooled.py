"""What pooling the rows would have given: scikit-learn alone, run to its optimum.

The oracle of the equivalence tests. It reads the agreement as a document and shares no arithmetic with the package:
preparation and fit are scikit-learn's own classes on one pandas frame.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from fedcli.study.document import Study

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """A pooled fit on the scale on which scikit-learn fitted.

    ``coef`` is (1 + n_columns,), intercept first; ``centre`` and ``unit`` carry each column to the scale of the fit.
    """

    names: tuple[str, ...]
    coef: Vector
    centre: Vector
    unit: Vector

    def on_its_scale(self, coefficients: Mapping[str, float]) -> Vector:
        """Carry coefficients on the columns' own scale to the scale of this fit."""
        own = np.array([coefficients[name] for name in self.names])
        return np.concatenate([[coefficients["intercept"] + own @ self.centre], own * self.unit])

    def error(self, coefficients: Mapping[str, float]) -> float:
        """Relative error of coefficients on the columns' own scale: of the slopes and of all, the larger."""
        found = self.on_its_scale(coefficients)
        slopes = np.linalg.norm(found[1:] - self.coef[1:]) / np.linalg.norm(self.coef[1:])
        return float(max(slopes, np.linalg.norm(found - self.coef) / np.linalg.norm(self.coef)))

    @property
    def original(self) -> dict[str, float]:
        """The coefficients on the columns' own scale, intercept first."""
        slopes = self.coef[1:] / self.unit
        values = [self.coef[0] - slopes @ self.centre, *slopes]
        return dict(zip(("intercept", *self.names), map(float, values), strict=True))


def fit_pooled(study: Study, frame: pd.DataFrame, *, prepared_on: pd.DataFrame | None = None) -> Pooled:
    """Fit the study's model on the pooled training rows.

    Parameters
    ----------
    study : Study
    frame : DataFrame
        Agreed names and units, NaN or None where missing; categories are text.
    prepared_on : DataFrame, optional
        Other rows to impute and standardise by: those of the silos of trip 1, where some fell silent later.
    """
    numbers, categories = list(study.numbers), list(study.categories)
    levels = [list(column.levels) for column in study.categories.values()]
    scaler = StandardScaler() if study.model.standardize else FunctionTransformer()
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(keep_empty_features=True), scaler), numbers),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent", missing_values=None),
                    OneHotEncoder(categories=levels, drop="first", sparse_output=False),
                ),
                categories,
            ),
        ],
        sparse_threshold=0,
    )
    whole = frame if prepared_on is None else prepared_on
    prepare.fit(_with_none(whole[numbers + categories], categories))
    X = prepare.transform(_with_none(frame[numbers + categories], categories))
    estimator = _fitted(study, X, frame)
    dummies = [f"{name}[{level}]" for name, of in zip(categories, levels, strict=True) for level in of[1:]]
    rest = len(dummies)
    scaled = numbers and study.model.standardize
    fitted = prepare.named_transformers_["numbers"][1] if scaled else None
    return Pooled(
        (*numbers, *dummies),
        np.concatenate([np.ravel(estimator.intercept_), np.ravel(estimator.coef_)]),
        np.concatenate([fitted.mean_ if scaled else np.zeros(len(numbers)), np.zeros(rest)]),
        np.concatenate([fitted.scale_ if scaled else np.ones(len(numbers)), np.ones(rest)]),
    )


def target_of(study: Study, frame: pd.DataFrame) -> Vector:
    """Return the target as numbers: 0 and 1 for a binary one."""
    column = frame[study.target.column]
    if study.target.type == "binary":
        return column.map(str).isin([str(value) for value in study.target.positive]).to_numpy(float)
    return column.to_numpy(float)


def _with_none(frame: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    """One spelling of a missing category, so that the imputer sees it."""
    text = {name: frame[name].astype(object).where(frame[name].notna(), None) for name in categories}
    return frame.assign(**{name: pd.Series(column, dtype=object) for name, column in text.items()})


def _fitted(study: Study, X: Vector, frame: pd.DataFrame) -> LinearRegression:
    y = target_of(study, frame)
    weight = frame[study.weight.column].to_numpy(float) if study.weight else np.ones(len(frame))
    params = dict(study.model.params)
    tight = {"solver": "newton-cholesky", "tol": 1e-14, "max_iter": 1000}
    name = study.model.estimator
    if name == "LinearRegression":
        return LinearRegression(**params).fit(X, y, sample_weight=weight)
    if name == "Ridge":
        return Ridge(**params).fit(X, y, sample_weight=weight)
    if name == "LogisticRegression":
        if params.pop("penalty", "l2") is None:
            params["C"] = np.inf
        if params.get("l1_ratio"):
            tight = {"solver": "saga", "tol": 1e-11, "max_iter": 100_000, "random_state": 0}
        model = LogisticRegression(**params, **tight)
    else:
        exposure = np.ones(len(frame))
        if study.offset:
            value = frame[study.offset.column].to_numpy(float)
            exposure = value if study.offset.transform == "log" else np.exp(value)
        # A log exposure as offset is the weighted fit of rates; alpha is per weight of row, not of exposure.
        alpha = params.pop("alpha", 1.0) * weight.sum() / (weight * exposure).sum()
        y, weight = y / exposure, weight * exposure
        model = PoissonRegressor(alpha=alpha, **params, **tight)
    with warnings.catch_warnings():
        # It turns to another solver where the Hessian is singular, and rounding may stop its line search before the
        # 1e-14 that is asked for. With 1e-12 its own error was 2e-10.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", LinAlgWarning)
        return model.fit(X, y, sample_weight=weight)
