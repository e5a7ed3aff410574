"""A model's arrays against the study: names, shapes and ranges, before anything is computed from them.

Owns what a state may look like. Knows nothing of files or signatures. Internal. A coordinator signs its models, so this
is not about trust: a damaged or foreign state must be named, and a point outside the agreed box could carry more of a
silo's rows than the bounds of its sums allow for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedcli.errors import BadTensors
from fedcli.fileformat.statistics import State
from fedcli.models.cavity import Cavity
from fedcli.preparing.plan import Plan
from fedcli.preparing.profile_table import profile_shapes

_PHASES = ("solving", "closing", "closed", "converged")
_HINT = "ask the coordinator to send the model again; both sides should use the same version of fedcli"


def check_state(plan: Plan, state: State, *, final: bool) -> None:
    """Check a state that a model file carried.

    Parameters
    ----------
    plan : Plan
    state : State
    final : bool
        Whether the model is the final one, which carries no sums.

    Raises
    ------
    BadTensors
    """
    number = state.document.get("round")
    if number == 0 and not state.arrays:
        return
    if not isinstance(number, int) or number < 1 or state.document.get("phase") not in _PHASES:
        raise BadTensors("the model does not say where its study stands", hint=_HINT)
    n, numbers = plan.columns.n_columns, len(plan.columns.numbers)
    shapes: dict[str, tuple[int | None, ...]] = {
        "coef": (n,),
        "to_reference": (n, n),
        "preparation.n_samples": (1,),
        "preparation.fill": (numbers,),
        "preparation.modes": (len(plan.columns.categories),),
        "preparation.mean": (n - 1,),
        "preparation.scale": (n - 1,),
    }
    shapes |= profile_shapes(plan.profile)
    cavity = isinstance(plan.family, Cavity)
    if cavity:
        shapes |= {"steps": (None,), "penalty": (n,)}
        if not final:
            shapes |= {"curvature": (n, n), "rhs": (n,), "candidates": (None, n), "taken": (1,)}
            if "parent.candidates" in state.arrays:
                shapes["parent.candidates"] = (None, n)
    for name, shape in shapes.items():
        if name not in state.arrays:
            raise BadTensors(f"the model lacks its array '{name}'", hint=_HINT)
        found = state.arrays[name].shape
        if len(found) != len(shape) or any(
            want is not None and have != want for have, want in zip(found, shape, strict=True)
        ):
            raise BadTensors(f"the model's array '{name}' has shape {found}, the study makes it {shape}", hint=_HINT)
    _check_ranges(plan, state)


def _check_ranges(plan: Plan, state: State) -> None:
    arrays: Mapping[str, np.ndarray] = state.arrays
    modes = arrays["preparation.modes"]
    levels = [len(column.levels) for _, column in plan.columns.categories]
    good = bool((arrays["preparation.scale"] > 0).all()) and bool(
        (np.abs(arrays["preparation.fill"]) <= 1.0 + 1e-9).all()
    )
    good &= all(0 <= mode < count and mode == int(mode) for mode, count in zip(modes, levels, strict=True))
    if isinstance(plan.family, Cavity):
        box = plan.family.box * (1 + 1e-9)
        points = [arrays["coef"], *arrays.get("candidates", np.empty((0, len(box))))]
        good &= all(bool((np.abs(point) <= box).all()) for point in points)
        good &= arrays.get("candidates", np.empty((0, len(box)))).shape[0] <= 1
        taken = arrays["taken"][0] if "taken" in arrays else 0.0
        good &= taken == 0 or (taken == 1 and arrays.get("parent.candidates", np.empty((0, 0))).shape[0] == 1)
    if not good:
        raise BadTensors("the model holds numbers that no study of this agreement can reach", hint=_HINT)
