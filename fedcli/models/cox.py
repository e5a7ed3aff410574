"""Proportional hazards: ``CoxPH``, an estimator of fedcli's own.

Owns its entry in the table of estimators and what its sums are called. Knows nothing of files or silos' rows. Stable.

By default each silo is a stratum with a baseline hazard of its own, so the partial likelihoods add over silos and no
time of an event leaves one: only value, gradient and curvature of a sum over its event times do. With one baseline for
all silos it is on agreed intervals of time; see `one_baseline`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray, Layout, State, Total
from fedcli.models.batch import Family
from fedcli.models.cavity import Cavity
from fedcli.models.generalized import cavity
from fedcli.models.life_table import check_grid
from fedcli.models.losses import refuse_no_event
from fedcli.models.one_baseline import OneBaseline
from fedcli.models.partial_likelihood import PartialLikelihood
from fedcli.models.piecewise_hazard import PiecewiseHazard
from fedcli.models.registry import Estimator, Parameters, check_number, check_one_of, check_optional
from fedcli.models.setting import Setting

_SAYS = {
    "target": "sum of weights, and of those of rows with an event",
    "curvature": "products of the columns among rows at risk together, summed over the events",
    "rhs": "columns of rows with an event against those at risk with them, summed over the events",
    "values": "minus the logarithm of the partial likelihood at each point of the incoming model",
    "gradients": "first derivatives of 'values': each event's columns less the mean of those at risk with it, summed",
}

# A direction on the scale of the fit that curves less than this share of the steepest one curves no more.
_FADED = 1e-10


@dataclass(frozen=True)
class ProportionalHazards(Cavity):
    """The cavity family whose loss is the partial likelihood of each silo."""

    def layout(self, state: State) -> Layout:
        """See `Family.layout`."""
        blocks = super().layout(state)
        return Layout(tuple(replace(block, says=_SAYS.get(block.name, block.says)) for block in blocks))

    def advance(self, total: Total, state: State) -> State:
        """See `Cavity.advance`.

        Raises
        ------
        OneClass
            No row of any silo has an event.
        """
        refuse_no_event(total["target"][1])
        return super().advance(total, state)

    def _minimum(self, state: State, before: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Refuse where the likelihood has become flat in a direction that it was not in trip 1: its optimum is nowhere.

        A column that is constant within every silo, or copies others, is flat from the start, and gets the smallest
        coefficients that fit. Where all events are on one side of a column, steps lead to where nothing curves any
        more, and the step is then 0: without a word it would pass for the optimum.
        """
        coef, null = super()._minimum(state, before)
        first = state.arrays["null"] if state.document["round"] else null
        # Not `null` itself, which is found on a unit diagonal: a column that fades as a whole stays 1 there until its
        # curvature rounds to 0, and whether it does within the trips is chance.
        values, vectors = np.linalg.eigh(self._merged(state).A)
        faded = vectors[:, values < _FADED * values[-1]]
        if faded.shape[1] > first.shape[1]:
            flat = np.abs(faded).max(axis=1) - np.abs(first).max(axis=1, initial=0.0)
            raise Separation(
                f"column '{self.names[int(np.argmax(flat))]}' has no finite coefficient: in every silo its values "
                "alone tell which of the rows at risk has the event",
                hint="add a penalty (alpha), or leave the column out, in a new study",
            )
        return coef, null


def _cox(setting: Setting, params: Parameters) -> Family:
    if params["strata"] is None:
        edges = sorted({setting.first_time, *map(float, params["grid"]), setting.last_time})
        hazard = PiecewiseHazard(tuple(edges), setting.pool_rows)
        alpha = float(params["alpha"])
        return cavity(setting, hazard, alpha, per_weight=False, fit_intercept=False, kind=OneBaseline)
    loss = PartialLikelihood(params["ties"], setting.max_rows, setting.largest_weight)
    penalty = float(params["alpha"])
    return cavity(setting, loss, penalty, per_weight=False, fit_intercept=False, kind=ProportionalHazards)


def _conflict(params: Parameters) -> str:
    if params["strata"] is None and params["grid"] is None:
        return "one baseline for all silos (strata: null) needs a grid of times, where its hazard may change"
    if params["strata"] is not None and params["grid"] is not None:
        return "with silos as strata no time is agreed: a grid belongs to strata: null"
    return ""


ESTIMATORS = {
    "CoxPH": Estimator(
        module="",
        targets=("survival",),
        defaults={"ties": "efron", "alpha": 0.0, "strata": "silo", "grid": None},
        trips=(4, 5),
        build=_cox,
        checks={
            "ties": check_one_of("efron", "breslow"),
            "alpha": check_number(least=0.0),
            "strata": check_one_of("silo", None),
            "grid": check_optional(check_grid),
        },
        conflicts=_conflict,
        slower=lambda params: (5, 7) if params["strata"] is None else None,
        offset=True,
        exact=1e-6,
        intercept=False,
    )
}
