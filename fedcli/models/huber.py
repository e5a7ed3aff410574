"""Least squares for small residuals, absolute ones for large: scikit-learn's ``HuberRegressor``.

Owns the loss with its scale, and the entry in the table of estimators. Knows nothing of sums, files or silos. Stable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.batch import Family, Source
from fedcli.models.generalized import cavity
from fedcli.models.losses import OutcomeSums
from fedcli.models.nuisance import Beginning, Extra, JointLoss, Parts
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_number
from fedcli.models.setting import Setting

# Ends of the scale on the target's reference scale, on which the agreed range is 2 wide.
SMALLEST_SCALE, LARGEST_SCALE = 1e-6, 4.0
# A merged scale's logarithm is believed so far below and above the one before: below the optimum steps are too long.
_NEAR_BELOW, _NEAR_ABOVE = 2.5, 0.7
# So far down the slope where no minimum is near. Staying was measured to stay for ever with silos sorted by the outcome
# (6 of 48 studies); a whole one saves a trip in some and lets a row stand out in others.
_DOWN = 0.5
# Of a silo's first fit: the scale is held to the spread of its own outcomes as by this many rows.
_ROWS_AT_THE_START = 1.0


@dataclass(frozen=True)
class Huber(JointLoss):
    """``s + s H((y - eta) / s)``: ``H(z)`` is ``z**2`` up to ``epsilon`` and ``2 epsilon |z| - epsilon**2`` beyond.

    The scale ``s`` is fitted along, as its logarithm. In the scale itself the function is convex, but where a residual
    and the scale shrink together it does not bend, so that quadratics lose their hold and steps end below 0; in the
    logarithm no step is long, and at the optimum of least squares it does not depend on the coefficients' steps.

    Parameters
    ----------
    epsilon : float
    target_half : float
        What is 1 on the target's reference scale.

    References
    ----------
    Owen (2007), A robust hybrid of lasso and ridge regression.
    """

    epsilon: float
    target_half: float = 1.0

    @property
    def extras(self) -> tuple[Extra, ...]:
        """See `JointLoss.extras`."""
        return (Extra("the scale", float(np.log(SMALLEST_SCALE)), float(np.log(LARGEST_SCALE)), middle=-1.0, unit=0.5),)

    @property
    def largest_y(self) -> float:
        """See `Loss.largest_y`."""
        return 1.0

    @property
    def convex(self) -> bool:
        """See `JointLoss.convex`."""
        return False

    @property
    def needs_intercept(self) -> bool:
        """See `JointLoss.needs_intercept`: without one no residual would be small."""
        return True

    @property
    def softens(self) -> bool:
        """See `JointLoss.softens`."""
        return True

    def parts(self, eta: FloatArray, y: FloatArray, extras: FloatArray, *, softened: bool = False) -> Parts:
        """See `JointLoss.parts`; softened, a row beyond epsilon curves like one that lies just there."""
        scale, e = float(np.exp(extras[0])), self.epsilon
        z = (y - eta) / scale
        held = np.clip(z, -e, e)
        near = (np.abs(z) <= e) | softened
        return Parts(
            value=scale * (1.0 + held * (2.0 * z - held)),
            slope=-2.0 * held,
            curve=np.where(near, 2.0 / scale, 0.0),
            extra=(scale * (1.0 - held * held))[:, None],
            cross=np.where(near, 2.0 * held, 0.0)[:, None],
            square=(scale * (1.0 - held * held + np.where(near, 2.0 * held * held, 0.0)))[:, None, None],
        )

    def near(self, extras: FloatArray, before: FloatArray) -> FloatArray:
        """See `JointLoss.near`."""
        return np.clip(extras, before - _NEAR_BELOW, before + _NEAR_ABOVE)

    def descend(self, before: FloatArray, slope: FloatArray) -> FloatArray:
        """See `JointLoss.descend`."""
        return self.near(before - _DOWN * np.sign(slope), before)

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the predicted outcome."""
        return eta

    def bounds(self, largest_eta: float) -> tuple[float, float, float]:
        """See `Loss.bounds`."""
        far, e = largest_eta + 1.0, self.epsilon
        most = LARGEST_SCALE * (1.0 + 3.0 * e * e) + 2.0 * e
        return LARGEST_SCALE + 2.0 * e * far, most, most + 2.0 / SMALLEST_SCALE

    def start(self, sums: OutcomeSums) -> float:
        """See `Loss.start`: the mean."""
        return sums.target / max(sums.weight, 1e-300)

    def begin(self, rows: Source, sums: OutcomeSums, intercept: float) -> Beginning:
        """See `JointLoss.begin`: the spread of the silo's own outcomes about the intercept."""
        squares = 0.0
        for batch in rows:
            squares += float(batch.weight @ (batch.y - intercept) ** 2)
        scale = np.clip(np.sqrt(squares / max(sums.weight, 1e-300)), 1e3 * SMALLEST_SCALE, LARGEST_SCALE / 2)
        return Beginning(np.log([scale]), np.array([2.0 * _ROWS_AT_THE_START * scale]), 2.0 / float(scale))

    def shown(self, eta: FloatArray, y: FloatArray, extras: FloatArray) -> dict[str, FloatArray]:
        """See `Loss.shown`: curvature counts the rows within epsilon, so that those beyond are what it leaves."""
        beyond = np.abs(y - eta) > self.epsilon * np.exp(extras[0])
        return {"rows beyond epsilon": beyond.astype(np.float64)}

    def refuse_edge(self, extras: FloatArray) -> None:
        """See `JointLoss.refuse_edge`.

        Raises
        ------
        Separation
        """
        scale = np.exp(extras[0]) * self.target_half
        raise Separation(
            f"the scale of the residuals would be {scale:.1e}: less than a millionth of half the target's range, or "
            "more than twice it",
            hint="if the columns tell the target exactly, use LinearRegression; else narrow the target's range",
        )

    def fitted(self, extras: FloatArray) -> dict[str, FloatArray]:
        """See `JointLoss.fitted`."""
        return {"scale": np.exp(extras) * self.target_half}


def _huber(setting: Setting, params: Parameters) -> Family:
    loss = Huber(float(params["epsilon"]), setting.target_half)
    # The target's unit divides the loss, and the coefficients twice.
    penalty = 2.0 * float(params["alpha"]) * setting.target_half
    return cavity(setting, loss, penalty, per_weight=False, fit_intercept=params["fit_intercept"])


ESTIMATORS = {
    "HuberRegressor": Estimator(
        module="sklearn.linear_model",
        targets=("number",),
        defaults={"epsilon": 1.35, "alpha": 0.0001, "fit_intercept": True},
        trips=(5, 9),
        build=_huber,
        checks={
            "epsilon": check_number(least=1.0),
            "alpha": check_number(least=0.0),
            "fit_intercept": check_intercept,
        },
        exact=1e-6,
        tight={"tol": 1e-12, "max_iter": 10000},
    ),
}
