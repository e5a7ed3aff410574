"""Support vectors with a squared hinge: scikit-learn's ``LinearSVC``.

Owns the loss and its entry in the table of estimators. Knows nothing of sums, files or silos. Stable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Family, Source
from fedcli.models.generalized import cavity
from fedcli.models.losses import OutcomeSums, refuse_one_class
from fedcli.models.nuisance import Beginning, Extra, JointLoss, Parts
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number, check_one_of
from fedcli.models.setting import Setting


@dataclass(frozen=True)
class SquaredHinge(JointLoss):
    """``max(0, 1 - s eta)**2``, ``s`` 1 for the positive class and -1 for the other, ``y`` in {0, 1}.

    A piecewise quadratic: its second derivative jumps where a row comes within its margin, so that steps shrink by a
    factor until the last such row is settled, and are exact from there on. It has no parameters beside the
    coefficients, only the softened curvature of such losses.
    """

    @property
    def extras(self) -> tuple[Extra, ...]:
        """See `JointLoss.extras`: none, but it has a softened curvature."""
        return ()

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`."""
        return 1.0

    @property
    def convex(self) -> bool:
        """See `JointLoss.convex`."""
        return True

    @property
    def softens(self) -> bool:
        """See `JointLoss.softens`."""
        return True

    def parts(self, eta: FloatArray, y: FloatArray, extras: FloatArray, *, softened: bool = False) -> Parts:
        """See `JointLoss.parts`; softened, rows beyond their margin curve like those within."""
        sign, n = 2.0 * y - 1.0, len(y)
        short = np.maximum(1.0 - sign * eta, 0.0)
        curve = np.where((short > 0) | softened, 2.0, 0.0)
        none = np.empty((n, 0))
        return Parts(short * short, -2.0 * sign * short, curve, none, none, np.empty((n, 0, 0)))

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return 1 where the positive class is predicted."""
        return (eta > 0).astype(np.float64)

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`."""
        return (1.0 + largest_eta) ** 2, 2.0 * (1.0 + largest_eta), 2.0

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`."""
        return 0.0

    def begin(self, rows: Source, sums: OutcomeSums, intercept: float) -> Beginning:
        """See `JointLoss.begin`."""
        return Beginning(np.empty(0), np.empty(0), 2.0)

    def shown(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`: curvature counts the rows within their margin, and leaves those beyond of the whole."""
        return {"rows beyond their margin": ((2.0 * y - 1.0) * eta >= 1.0).astype(np.float64)}

    def check_pool(self, weight: float, target: float) -> None:
        """See `Loss.check_pool`.

        Raises
        ------
        OneClass
        """
        refuse_one_class(weight, target)


def _linear_svc(setting: Setting, params: Parameters) -> Family:
    family = cavity(
        setting, SquaredHinge(), 1.0 / float(params["C"]), per_weight=False, fit_intercept=params["fit_intercept"]
    )
    # liblinear's intercept is the coefficient of a column of this size, and penalised like the others.
    return replace(family, penalty=replace(family.penalty, intercept=1.0 / float(params["intercept_scaling"]) ** 2))


ESTIMATORS = {
    "LinearSVC": Estimator(
        module="sklearn.svm",
        targets=("binary",),
        defaults={
            "C": 1.0,
            "penalty": "l2",
            "loss": "squared_hinge",
            "fit_intercept": True,
            "intercept_scaling": 1,
        },
        trips=(5, 12),
        build=_linear_svc,
        checks={
            "C": check_number(least=0.0, open_end=True),
            "penalty": check_one_of("l2"),
            "loss": check_one_of("squared_hinge"),
            "fit_intercept": check_intercept,
            "intercept_scaling": check_number(least=0.0, open_end=True),
        },
        exact=1e-6,
        deviance=lambda params: "accuracy",
        tight={"dual": False, "tol": 1e-12, "max_iter": 100_000},
        advice="LinearSVC gives no probabilities, and its loss has a second derivative that jumps, which costs trips: "
        "LogisticRegression separates as well and takes fewer",
    ),
}
