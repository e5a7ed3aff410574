"""Linear regression whose columns are chosen step by step by AIC or BIC: ``StepwiseRegression``, fedcli's own.

Owns the steps, from pooled products alone. Knows nothing of sums, files or silos. Stable. A category enters and leaves
with all its levels, a spline with all its columns.

References
----------
Venables, Ripley, Modern Applied Statistics with S (2002), section 6.8; R's ``step``, whose order of trials and end are
taken here, with the criterion ``n log(RSS / n) + k p`` as it prints it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedcli.errors import ContradictoryStudy, SingularHessian
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.moments import Group, Grouping, Moments
from fedcli.models.registry import Estimator, Parameters, check_intercept, check_one_of, closed
from fedcli.models.setting import Setting
from fedcli.models.solve import solve_symmetric

# What R's step does not take for an improvement.
_SAME = 1e-7
# A residual that is no more than this share of the whole is rounding.
_NOTHING = 1e-13


@dataclass(frozen=True)
class Stepwise:
    """Steps forward from the intercept, backward from all columns, or both ways from all columns.

    Parameters
    ----------
    criterion : str
        ``aic`` or ``bic``.
    direction : str
        ``forward``, ``backward`` or ``both``.
    fit_intercept : bool
    wholes : tuple of tuple of int
        Positions, from 0 after the intercept, of what enters and leaves together.
    """

    criterion: str
    direction: str
    fit_intercept: bool
    wholes: tuple[tuple[int, ...], ...]

    grouping: ClassVar[Grouping] = Grouping(target=True)
    linear: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Mapping[str, FloatArray]:
        """See `ClosedForm.fit`: also the criterion at the start and after each step, and what each step did.

        A step is the number of what entered, from 1, or below 0 of what left.

        Raises
        ------
        SingularHessian
            Some columns tell the outcome exactly, so that a criterion has no value.
        """
        group = moments.group(centred=self.fit_intercept)
        chosen = frozenset[int]() if self.direction == "forward" else frozenset(range(len(self.wholes)))
        value, steps = self._value(group, chosen), list[float]()
        values = [value]
        while True:
            leaving = [-(k + 1) for k in sorted(chosen)]
            entering = [k + 1 for k in range(len(self.wholes)) if k not in chosen]
            trials = {"forward": entering, "backward": leaving, "both": [*leaving, *entering]}[self.direction]
            found = [(self._value(group, _changed(chosen, step)), step) for step in trials]
            best = min(found, key=lambda trial: trial[0], default=(value, 0))
            # As in R: at equal values nothing is done, and of equal ones the first.
            if best[0] >= value - _SAME:
                break
            value, chosen = best[0], _changed(chosen, best[1])
            steps.append(float(best[1]))
            values.append(value)
        coef = np.zeros(len(group.mean) - 1)
        slope, _, columns = self._solved(group, chosen)
        coef[columns] = slope
        return {
            "coef": group.with_intercept(coef, fit_intercept=self.fit_intercept),
            "fitted.criterion": np.array(values),
            "fitted.steps": np.array(steps),
            "fitted.selected": np.array([float(k in chosen) for k in range(len(self.wholes))]),
        }

    def _solved(self, group: Group, chosen: frozenset[int]) -> tuple[FloatArray, int, list[int]]:
        """Return the slopes of the chosen columns, how many of these are determined, and which columns they are."""
        gram, cross, _ = group.normal_equations
        columns = [j for k in sorted(chosen) for j in self.wholes[k]]
        if not columns:
            return np.empty(0), 0, columns
        slope, null = solve_symmetric(gram[np.ix_(columns, columns)], cross[columns])
        return slope, len(columns) - null.shape[1], columns

    def _value(self, group: Group, chosen: frozenset[int]) -> float:
        gram, cross, whole = group.normal_equations
        slope, rank, columns = self._solved(group, chosen)
        left = whole - 2.0 * float(slope @ cross[columns]) + float(slope @ gram[np.ix_(columns, columns)] @ slope)
        if left <= _NOTHING * whole:
            raise SingularHessian(
                "the columns tell the outcome exactly: no column is worth more than another",
                hint="leave out what follows from the outcome, or name LinearRegression, in a new study",
            )
        each = math.log(group.weight) if self.criterion == "bic" else 2.0
        return group.weight * math.log(left / group.weight) + each * (rank + self.fit_intercept)


def _changed(chosen: frozenset[int], step: int) -> frozenset[int]:
    return chosen | {step - 1} if step > 0 else chosen - {-step - 1}


def _stepwise(setting: Setting, params: Parameters) -> Stepwise:
    if setting.interacting:
        raise ContradictoryStudy(
            "StepwiseRegression takes columns in and out one by one, and a product may not stay where its factors go",
            hint="leave the interactions out of terms, or name Lasso, which knows no such order",
        )
    wholes = tuple(tuple(at - 1 for at in columns) for _, columns in setting.wholes)
    return Stepwise(params["criterion"], params["direction"], params["fit_intercept"], wholes)


ESTIMATORS = {
    "StepwiseRegression": Estimator(
        module="sklearn.linear_model",
        stands_for="LinearRegression",
        targets=("number",),
        defaults={"criterion": "aic", "direction": "both", "fit_intercept": True},
        trips=(1, 1),
        build=closed(_stepwise),
        checks={
            "criterion": check_one_of("aic", "bic"),
            "direction": check_one_of("forward", "backward", "both"),
            "fit_intercept": check_intercept,
        },
        weights=False,
        advice="after a choice by the same rows, errors, p-values and intervals of what stays are too small: LassoCV "
        "shrinks what it chooses, and rows held out show what the model is worth",
    ),
}
