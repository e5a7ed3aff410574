"""When a study of several trips ends, and what is said of it.

Owns the phases and their words. Knows nothing of losses, silos or files. Internal.
"""

from __future__ import annotations

from fedcli.errors import NotConverged
from fedcli.fileformat.statistics import State
from fedcli.models.batch import Reason


def phase_after(
    state: State,
    left: float,
    step: float,
    number: int,
    tolerance: float,
    max_rounds: int,
    closing_trip: bool,
    *,
    settled: bool,
) -> str:
    """Return the phase after a trip.

    Parameters
    ----------
    state : State
        Before it.
    left : float
        The relative coefficient error that is predicted to be left.
    step : float
        The relative size of the last step.
    number : int
        The trip's.
    tolerance, max_rounds, closing_trip
        As agreed; see `Cavity`.
    settled : bool
        Whether it is known which coefficients an L1 penalty makes 0; always without one.

    Raises
    ------
    NotConverged
        ``max_rounds`` are used up.
    """
    if state.document["phase"] == "closing":
        return "closed"
    if settled and left <= tolerance:
        return "closing" if closing_trip else "converged"
    if number >= max_rounds:
        raise NotConverged(
            f"after {number} rounds the last step is still {step:.1e} of the coefficients, "
            f"the study asks for {tolerance:.0e}",
            hint="raise rules.max_rounds, or add a penalty to the model, in a new study",
        )
    return "solving"


def refuse_standstill(number: int, value: float, gain: float) -> None:
    """Refuse to go on where the next trip would be this one again.

    Parameters
    ----------
    number : int
        The trip's.
    value, gain : float
        The objective at the point that went in, and what Newton's step from there promises.

    Raises
    ------
    NotConverged
    """
    raise NotConverged(
        f"round {number} leads back to where it began, and every other one would: the objective there is {value:.10g}, "
        f"and a step would lower it by about {max(gain, 0.0):.1e}",
        hint="add a penalty to the model, or leave columns out, in a new study; more rounds change nothing",
    )


def reason_of(state: State, left: float) -> Reason | None:
    """Return why a study ended, if it has.

    Parameters
    ----------
    state : State
    left : float
        As in `phase_after`.
    """
    phase, step = state.document.get("phase"), float(state.arrays["steps"][-1:].sum())
    if phase == "converged":
        return Reason("converged", f"last step {step:.1e}, remaining relative error about {min(left, step):.1e}")
    if phase == "closed":
        return Reason("closed", f"certified: the step left at the closing trip was {step:.1e}")
    return None
