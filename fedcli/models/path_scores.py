"""What a fit of a path scores where it now stands: on the fold that it does not see, or by what its parameters cost.

Owns carrying what was measured at the incoming point to the one after the last step. Knows nothing of rounds, silos or
files. Internal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fedcli.fileformat.statistics import FloatArray, State, Statistics
from fedcli.models.arrangement import read_slopes
from fedcli.models.choosing import criterion, parameters_used
from fedcli.models.fits import Fit


def scored(fit: Fit, sums: Statistics, after: State, choose: str) -> State:
    """Add to a fit's state what it scores, as ``held`` or ``criterion``.

    Parameters
    ----------
    fit : Fit
        Before the trip.
    sums : Statistics
        Of the trip.
    after : State
        After it.
    choose : str
        See `choosing.CRITERIA`.
    """
    found: dict[str, FloatArray] = {}
    moved, loss = after.arrays["coef"] - fit.state.arrays["coef"], fit.family.loss
    if fit.fold is not None:
        (slope,) = read_slopes(loss, sums["held.gradients"], 1)
        # The last step is small, and the slope along it leaves an error of its square: 1e-7 where the value alone was
        # measured to be off by 9e-5. Curvature of the fold would cost its size, and buy a digit.
        found["held"] = sums["held"] + slope @ moved
    elif choose != "cv":
        slope = read_slopes(loss, sums["gradients"], 1 + len(fit.state.arrays["candidates"]))[0]
        curvature = after.arrays["curvature"]
        value = sums["values"][0] + slope @ moved + 0.5 * moved @ curvature @ moved
        form = fit.family.form
        basis = form.basis(fit.state.arrays["to_reference"])
        active = form.coordinates(basis, after.arrays["coef"]) != 0
        if not fit.family.penalty.lasso:
            active[:] = True
        used = parameters_used(basis.T @ curvature @ basis, form.free(after.arrays["penalty"]), active)
        found["criterion"] = np.array([value, used])
    return State(after.document, {**after.arrays, **found})


def scores_of(
    states: Mapping[int, State], seen: Sequence[tuple[int, int | None]], choose: str, weights: FloatArray, n: float
) -> FloatArray:
    """Return each candidate's score on each fold, or by its criterion: (n_folds or 1, n_candidates), NaN without one.

    Parameters
    ----------
    states : mapping of int to State
        Of fits, by their number.
    seen : sequence of (int, int or None)
        Candidate, and the fold that it does not see, of each fit.
    choose : str
    weights : ndarray of shape (n_folds,)
        Sum of the weights of each fold's rows.
    n : float
        Rows of all silos.
    """
    scores = np.full((len(weights) if choose == "cv" else 1, 1 + max(candidate for candidate, _ in seen)), np.nan)
    for number, own in states.items():
        candidate, fold = seen[number]
        if fold is not None and "held" in own.arrays and weights[fold] > 0:
            scores[fold, candidate] = own.arrays["held"][0] / weights[fold]
        if fold is None and "criterion" in own.arrays:
            loss, used = own.arrays["criterion"]
            scores[0, candidate] = criterion(choose, np.array([loss]), np.array([used]), n)[0]
    return scores
