"""A model's arrays against the study: names, shapes and ranges, before anything is computed from them.

Owns what a state may look like. Knows nothing of files or signatures. Internal. A coordinator signs its models, so this
is not about trust: a damaged or foreign state must be named, and a point outside the agreed box could carry more of a
silo's rows than the bounds of its sums allow for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedcli.errors import BadTensors
from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.averaging import DONE, Averaging
from fedcli.models.cavity import Cavity
from fedcli.models.fits import fits_of
from fedcli.models.path import Path
from fedcli.preparing.evaluation import FIGURES
from fedcli.preparing.plan import Plan
from fedcli.preparing.profile_table import profile_shapes

_RUNNING, _DONE = ("solving", "closing"), ("closed", "converged", DONE)
# Share of a curvature's size by which rounding may take an eigenvalue below 0: measured at most 1e-13.
_NEGATIVE = 1e-8
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
    number, phase = state.document.get("round"), state.document.get("phase")
    if type(number) is int and number == 0 and not state.arrays and not final:
        return
    if type(number) is not int or number < 1 or phase not in (_DONE if final else _RUNNING):
        raise BadTensors("the model does not say where its study stands", hint=_HINT)
    if isinstance(plan.family, Path) and not plan.family.holds(state):
        raise BadTensors("the model does not say where its choice stands", hint=_HINT)
    _check_evaluation(plan, state)
    n, numbers = plan.columns.n_columns, len(plan.columns.numbers)
    shapes: dict[str, tuple[int | None, ...]] = {
        "to_reference": (n, n),
        "preparation.n_samples": (1,),
        "preparation.fill": (numbers,),
        "preparation.modes": (len(plan.columns.categories),),
        "preparation.mean": (n - 1,),
        "preparation.scale": (n - 1,),
    }
    shapes |= profile_shapes(plan.profile)
    shapes |= {name: (1,) for name in ("n_samples",) if name in state.arrays}
    shapes |= plan.family.shapes(state, final=final)
    for name, shape in shapes.items():
        if name not in state.arrays:
            raise BadTensors(f"the model lacks its array '{name}'", hint=_HINT)
        found = state.arrays[name].shape
        if len(found) != len(shape) or any(
            want is not None and have != want for have, want in zip(found, shape, strict=True)
        ):
            raise BadTensors(f"the model's array '{name}' has shape {found}, the study makes it {shape}", hint=_HINT)
    _check_ranges(plan, state)


def _check_evaluation(plan: Plan, state: State) -> None:
    """Check that each figure in the array has a name in the document, of those that are ever formed."""
    names, figures = state.document.get("evaluation", ""), state.arrays.get("evaluation", np.empty(0))
    good = isinstance(names, str) and figures.ndim == 1
    listed = names.split(",") if good and names else []
    good &= len(listed) == len(figures) and set(listed) <= set(FIGURES.get(plan.measured, ()))
    good &= type(state.document.get("evaluated_round", 0)) is int
    if not good:
        raise BadTensors("the model's figures of held-out rows are not those that the study makes", hint=_HINT)


def _is_curvature(matrix: FloatArray, *, convex: bool) -> bool:
    """Whether a matrix can be a sum of losses' second derivatives: symmetric, of convex ones never clearly below 0."""
    if not np.array_equal(matrix, matrix.T):
        return False
    if not convex:
        return True
    diagonal = np.diagonal(matrix)
    if diagonal.min() < 0:
        return False
    scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values = np.linalg.eigvalsh(matrix * scale[:, None] * scale[None, :])
    return bool(values[0] >= -_NEGATIVE * max(values[-1], 1.0))


def _check_ranges(plan: Plan, state: State) -> None:
    arrays: Mapping[str, np.ndarray] = state.arrays
    modes = arrays["preparation.modes"]
    levels = [len(column.levels) for _, column in plan.columns.categories]
    good = bool((arrays["preparation.scale"] > 0).all()) and bool(
        (np.abs(arrays["preparation.fill"]) <= 1.0 + 1e-9).all()
    )
    good &= all(0 <= mode < count and mode == int(mode) for mode, count in zip(modes, levels, strict=True))
    counts = [arrays[name][0] for name in ("preparation.n_samples", "n_samples") if name in arrays]
    good &= all(1 <= count <= 2**53 and count == int(count) for count in counts)
    if isinstance(plan.family, Averaging):
        good &= plan.family.holds(state)
    if isinstance(plan.family, Path):
        good &= plan.family.box.holds(arrays["coef"])
    good &= all(_is_reachable(fit.family, fit.state.arrays) for fit in fits_of(plan.family, state))
    if not good:
        raise BadTensors("the model holds numbers that no study of this agreement can reach", hint=_HINT)


def _is_reachable(family: Cavity, arrays: Mapping[str, FloatArray]) -> bool:
    """Whether a fit can stand where its state says."""
    none = np.empty((0, len(arrays["coef"])))
    points = [arrays["coef"], *arrays.get("candidates", none)]
    good = all(family.box.holds(point) for point in points)
    good &= arrays.get("candidates", none).shape[0] <= 1
    taken = arrays["taken"][0] if "taken" in arrays else 0.0
    good &= bool((arrays["penalty"] >= 0).all()) and bool((arrays["steps"] >= 0).all())
    good &= "curvature" not in arrays or _is_curvature(arrays["curvature"], convex=family.loss.convex)
    return bool(good and (taken == 0 or (taken == 1 and arrays.get("parent.candidates", none[:, :0]).shape[0] == 1)))
