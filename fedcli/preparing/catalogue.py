"""Where each estimator is: by its name, the module that knows it.

Owns that list alone. Knows nothing of studies, files or rows. Internal. A command about one study imports the module of
its estimator and no other: importing all of them takes longer than reading a small table.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from fedcli.models.registry import Estimator

MODULES: dict[str, tuple[str, ...]] = {
    "fedcli.models.least_squares": (
        "LinearRegression",
        "Ridge",
    ),
    "fedcli.models.ridge": (
        "RidgeCV",
        "RidgeClassifier",
    ),
    "fedcli.models.sparse": (
        "Lasso",
        "ElasticNet",
        "LassoCV",
        "ElasticNetCV",
    ),
    "fedcli.models.greedy": (
        "Lars",
        "OrthogonalMatchingPursuit",
    ),
    "fedcli.models.stepwise": ("StepwiseRegression",),
    "fedcli.models.bayesian": (
        "BayesianRidge",
        "ARDRegression",
    ),
    "fedcli.models.discriminant_analysis": (
        "LinearDiscriminantAnalysis",
        "QuadraticDiscriminantAnalysis",
    ),
    "fedcli.models.naive_bayes": (
        "GaussianNB",
        "NearestCentroid",
        "MultinomialNB",
        "ComplementNB",
        "BernoulliNB",
        "CategoricalNB",
    ),
    "fedcli.models.decomposition": (
        "PCA",
        "TruncatedSVD",
        "FactorAnalysis",
    ),
    "fedcli.models.covariance": (
        "EmpiricalCovariance",
        "GraphicalLasso",
        "LedoitWolf",
        "OAS",
        "ShrunkCovariance",
        "StandardScaler",
    ),
    "fedcli.preparing.encoders": (
        "OneHotEncoder",
        "SimpleImputer",
    ),
    "fedcli.preparing.bins": ("KBinsDiscretizer",),
    "fedcli.models.selection": ("SelectKBest",),
    "fedcli.models.generalized": (
        "LogisticRegression",
        "PoissonRegressor",
    ),
    "fedcli.models.negative_binomial": ("NegativeBinomial",),
    "fedcli.models.ordinal": ("OrdinalLogit",),
    "fedcli.models.cox": ("CoxPH",),
    "fedcli.models.life_table": ("KaplanMeier",),
    "fedcli.models.tweedie": (
        "GammaRegressor",
        "TweedieRegressor",
    ),
    "fedcli.models.huber": ("HuberRegressor",),
    "fedcli.models.squared_hinge": ("LinearSVC",),
    "fedcli.models.trained_locally": (
        "SGDClassifier",
        "SGDRegressor",
        "Perceptron",
        "MLPClassifier",
        "MLPRegressor",
    ),
}


class Catalogue(Mapping[str, Estimator]):
    """Every estimator by its name, in the order of the pages; what knows one is imported when it is asked for."""

    def __init__(self) -> None:
        self._where = {name: module for module, names in MODULES.items() for name in names}

    def __getitem__(self, name: str) -> Estimator:
        """Return an estimator's entry.

        Raises
        ------
        KeyError
            There is no such estimator.
        """
        found: Estimator = importlib.import_module(self._where[name]).ESTIMATORS[name]
        return found

    def __contains__(self, name: object) -> bool:
        """Whether there is such an estimator: nothing is imported for the answer."""
        return name in self._where

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._where)

    def __len__(self) -> int:
        """Return how many estimators there are."""
        return len(self._where)
