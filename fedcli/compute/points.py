"""Where a silo sums in one trip: points that it chooses and points that it is asked for, none of which shows a row.

Owns the order: test what was asked, choose, move nearer where a row would stand out, and look around. Knows nothing of
files, keys or screens. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedcli.fileformat.statistics import FloatArray, State
from fedcli.models.batch import Family, Memory, Point, Source
from fedcli.models.cavity import Cavity
from fedcli.models.fits import Fit, fits_of
from fedcli.models.guard import Earlier, Guard, asked
from fedcli.models.nuisance import JointLoss
from fedcli.models.objective import surround
from fedcli.models.path import Path, together
from fedcli.models.softmax import Softmax
from fedcli.models.third_order import is_near
from fedcli.preparing.plan import Plan

_ANOTHER_FIT = "one of another fit"


@dataclass(frozen=True)
class Trail:
    """The states that a silo has answered, each with its points then, and its rows as they were prepared for one."""

    states: Sequence[State]
    prepared: Callable[[State], Source]


def choose_point(
    plan: Plan, source: Source, state: State, memory: Memory | None, trail: Trail | None, without_third: str
) -> tuple[Point, str]:
    """Choose where to sum, and return it with why third derivatives are left at zero; empty where they are not.

    Parameters
    ----------
    plan : Plan
    source : Source
        The training rows.
    state : State
    memory : Memory or None
        The silo's own last update, if the state counts it in.
    trail : Trail, optional
        Without it, which is for sums that do not leave, no point is tested.
    without_third : str
        Why third derivatives are to be left at zero, where the study asks for them; empty where nothing forbids them.

    Raises
    ------
    DominantRow
        At a point of the state, or between two, one row stands out.
    """
    fits = fits_of(plan.family, state)
    begun = state.document["round"] > 0
    guards: list[Guard] = []
    if fits and trail is not None:
        earlier = _earlier(state, trail)
        others = [_others(fits, fit, begun) for fit in fits]
        fewest = plan.study.rules.min_cell
        guards = [
            Guard(fit.family.loss, fewest, (*earlier, *apart), fit.fold)
            for fit, apart in zip(fits, others, strict=True)
        ]
        for fit, rule in zip(fits, guards, strict=True) if begun else ():
            rule.admit(source, fit.embedded_state)
    point = plan.family.locate(source, state, memory)
    if not fits:
        return point, ""
    several = isinstance(plan.family, Path)
    found: list[Point] = []
    settled: list[Earlier] = []
    for number, (fit, own) in enumerate(zip(fits, point.each if several else (point,), strict=True)):
        chosen = own
        guard: Guard | None = guards[number] if guards else None
        stays = begun and fit.state.document["phase"] == "closing" and not isinstance(plan.loss, JointLoss | Softmax)
        if guard is not None and not stays:
            guard = replace(guard, earlier=(*guard.earlier, *settled))
            chosen = guard.settle(source, replace(own, coef=fit.embedded(own.coef)), fit.embedded_state)
            chosen = replace(chosen, coef=fit.own(chosen.coef))
        if several:
            settled.append(Earlier(None, fit.embedded(chosen.coef)[None, :], fit.fold, _ANOTHER_FIT))
        else:
            without_third = _without_third(fit.family, source, chosen, state, guard, without_third)
            chosen = replace(chosen, without_third=bool(without_third))
        leaves = guard is not None
        found.append(surround(fit.family.loss, fit.rows(source), chosen, fit.state, leaves=leaves))
    return (together(found), "") if several else (found[0], without_third)


def points_of(family: Family, state: State, point: Point) -> Mapping[str, FloatArray]:
    """Return where a trip's sums are, for the trips to come; nothing of the first, whose point nobody else chose.

    Parameters
    ----------
    family : Family
    state : State
    point : Point
        The silo's own.
    """
    fits = fits_of(family, state)
    if not fits or state.document["round"] == 0:
        return {}
    if not isinstance(family, Path):
        return {"coef": state.arrays["coef"], "candidates": state.arrays["candidates"], "own": point.coef}
    places, folds = [], []
    for fit, own in zip(fits, point.each, strict=True):
        both = np.vstack([asked(fit.embedded_state), fit.embedded(own.coef)])
        places.append(both)
        folds += [-1 if fit.fold is None else fit.fold] * len(both)
    return {"points": np.vstack(places), "folds": np.array(folds, dtype=np.float64)}


def _others(fits: Sequence[Fit], own: Fit, begun: bool) -> list[Earlier]:
    """Return the points that other fits of the same trip are asked for.

    A fit without a fold sums over that fold there too (``held``): both together are sums over all rows.
    """
    return [
        Earlier(None, asked(fit.embedded_state), fold, _ANOTHER_FIT)
        for fit in fits
        for fold in dict.fromkeys((fit.fold, None))
        if begun and fit.number != own.number
    ]


def _earlier(state: State, trail: Trail) -> list[Earlier]:
    """Return the points of earlier trips, together where rows were prepared alike and the same fold left out."""
    groups: list[list[State]] = []
    for then in trail.states:
        for group in groups:
            if _same_preparation(group[0], then):
                group.append(then)
                break
        else:
            groups.append([then])
    found = []
    for group in groups:
        rows = None if _same_preparation(group[0], state) else trail.prepared(group[0])
        points = np.vstack([_points(then)[0] for then in group])
        folds = np.concatenate([_points(then)[1] for then in group])
        for fold in dict.fromkeys(folds.tolist()):
            found.append(Earlier(rows, points[folds == fold], None if fold < 0 else int(fold)))
        if (folds >= 0).any():
            # As in `_others`: what lacks a fold was summed over it, too.
            found.append(Earlier(rows, points[folds >= 0]))
    return found


def _points(then: State) -> tuple[FloatArray, FloatArray]:
    """Return the points of one trip, and the fold that each left out; -1 for none."""
    if "points" in then.arrays:
        return then.arrays["points"], then.arrays["folds"]
    points = np.vstack([asked(then), then.arrays["own"]])
    return points, np.full(len(points), -1.0)


def _same_preparation(one: State, other: State) -> bool:
    """Return whether two states prepare every row alike."""
    names = [name for name in one.arrays if name.startswith("preparation.")]
    return all(name in other.arrays and np.array_equal(one.arrays[name], other.arrays[name]) for name in names)


def _without_third(family: Cavity, source: Source, point: Point, state: State, guard: Guard | None, reason: str) -> str:
    """Return why third derivatives are left at zero at a silo's own point; empty where they are not, or not sent."""
    if not family.cubic(state):
        return ""
    if is_near(state) and not np.array_equal(point.coef, state.arrays["coef"]):
        # The predicted error of third order would be another point's.
        return reason or "at the point that all silos were asked for one row would stand out"
    if not reason and guard is not None and guard.bends(source, point.coef):
        return "one row would stand out in them"
    return reason
