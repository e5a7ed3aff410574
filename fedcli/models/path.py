"""Several likelihoods on the same trips: candidates to choose among, and for each fold left out one more of each.

Owns how fits share a trip: their points, blocks and states side by side, what each scores on rows that it does not see,
and when the choice is made. Knows nothing of columns' meaning, files, keys or screens. Internal.

Every fit is a `Cavity` of its own in lock-step with the others, so that all take the trips of the slowest. What is
summed at no point is the same for all of them: it is sent once for each fold, and a fit's is that of all folds less its
own. A fit that has converged sends nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fedcli.errors import NumericError
from fedcli.fileformat.statistics import FloatArray, Layout, State, Statistics, Total
from fedcli.models.arrangement import sent_slope
from fedcli.models.batch import Batch, Memory, Point, Reason, Source, document
from fedcli.models.box import Box
from fedcli.models.cavity import Cavity
from fedcli.models.choosing import winner
from fedcli.models.discriminant import class_moments
from fedcli.models.fits import Fit
from fedcli.models.folds import only
from fedcli.models.objective import AnyLoss, sums_at
from fedcli.models.path_layout import SHARED, cut, path_layout
from fedcli.models.path_scores import scored, scores_of
from fedcli.models.point_form import PointForm
from fedcli.models.softmax import Softmax

_DONE = ("converged", "closed", "failed")
# What a fit remembers of sums of other silos.
_REMEMBERED = ("lowest", "lowest.coef", "lowest.gradient", "curvature", "ahead", "blind")


@dataclass(frozen=True)
class Member:
    """One fit of a path.

    Parameters
    ----------
    candidate : int
        Which one it fits.
    fold : int or None
        Which fold it does not see; None for all rows.
    family : Cavity
        Over the columns that it has.
    columns : tuple of int, optional
        Which columns it has, the intercept first; None for all.
    """

    candidate: int
    fold: int | None
    family: Cavity
    columns: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Path:
    """Fits in lock-step, of which one candidate is chosen.

    Parameters
    ----------
    members : tuple of Member
        The fits on all rows first, one for each candidate in order; the first has all columns.
    labels : tuple of str
        What each candidate is called.
    choose : str
        One of `choosing.CRITERIA`.
    folds : int
        Folds of the cross-validation; 1 without one.
    closing_trip : bool
        Whether one more trip measures the model that was chosen.
    """

    members: tuple[Member, ...]
    labels: tuple[str, ...]
    choose: str
    folds: int = 1
    closing_trip: bool = False

    # ---- what it is ------------------------------------------------------------------------------------------------

    @property
    def whole(self) -> Cavity:
        """The first candidate's family, which has all columns."""
        return self.members[0].family

    @property
    def loss(self) -> AnyLoss:
        """The loss of all fits."""
        return self.whole.loss

    @property
    def form(self) -> PointForm:
        """What the numbers of a point of all columns are."""
        return self.whole.form

    @property
    def box(self) -> Box:
        """Where points of all columns lie."""
        return self.whole.box

    @property
    def expanded(self) -> bool:
        """See `Family.expanded`."""
        return False

    @property
    def linear(self) -> bool:
        """See `Family.linear`."""
        return True

    @property
    def n_columns_of_all(self) -> int:
        """Columns of all fits together, each as often as a fit has it."""
        return sum(member.family.n_columns for member in self.members)

    def fits(self, state: State) -> list[Fit]:
        """Return the fits that go on after a state."""
        phases = self._phases(state)
        return [self._fit(number, state, phase) for number, phase in enumerate(phases) if phase not in _DONE]

    def shapes(self, state: State, *, final: bool) -> Mapping[str, tuple[int | None, ...]]:
        """See `Family.shapes`."""
        n, m = self.form.n_parameters, len(self.labels)
        shapes: dict[str, tuple[int | None, ...]] = {"coef": (n,), "steps": (None,), "penalty": (n,)}
        scores = self.folds if self.choose == "cv" else 1, m
        shapes |= {"path.coef": (m, n), "path.scores": scores, "path.scored": scores}
        if final:
            return shapes
        shapes["path.sent"] = (len(self.members),)
        for fit in self.fits(state):
            own = fit.family.shapes(fit.state, final=False)
            shapes |= {f"m{fit.number}.{name}": shape for name, shape in own.items()}
        return shapes

    def holds(self, state: State) -> bool:
        """Whether what a state says of choice and phases can be."""
        phases, chosen = state.document.get("phases", ""), state.document.get("chosen", 0)
        known = {"solving", "closing", *_DONE}
        good = isinstance(phases, str) and set(phases.split(",")) <= known
        good &= len(phases.split(",")) == len(self.members)
        failed = state.document.get("failed", {})
        good &= isinstance(failed, dict) and all(isinstance(said, str) for said in failed.values())
        return good and type(chosen) is int and 0 <= chosen < len(self.labels)

    # ---- what leaves -----------------------------------------------------------------------------------------------

    def layout(self, state: State) -> Layout:
        """See `Family.layout`."""
        said = f"{len(self.labels)} candidates"
        if self.folds > 1:
            said += f", each on all rows and on those of all but each of {self.folds} folds"
        return path_layout(self.fits(state), self.whole, state, self.folds, said)

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """See `Family.locate`: each fit's own point."""
        found = []
        kept = self._memories(state, memory)
        for fit in self.fits(state):
            found.append(fit.family.locate(fit.rows(rows), fit.state, kept[fit.number]))
        return together(found)

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        several: dict[str, list[FloatArray]] = {}
        first = state.document["round"] == 0
        for fit, own in zip(self.fits(state), point.each, strict=True):
            sums = dict(fit.family.statistics(fit.batch(rows), own, fit.state).arrays)
            if fit.fold is not None and not first:
                seen = only(replace(fit, fold=None).batch(rows), fit.fold)
                held = sums_at(self.loss, seen, fit.state.arrays["coef"], None, curved=False, softened=True)
                sums |= {"held": np.array([held.value]), "held.gradients": sent_slope(self.loss, held.gradient)}
            for name, array in sums.items():
                if name not in SHARED:
                    several.setdefault(name, []).append(np.ravel(array))
        arrays = {name: np.concatenate(parts) for name, parts in several.items()}
        by_fold = [self._shared(rows, fold, first=first) for fold in range(self.folds)]
        arrays |= {name: np.concatenate([each[name] for each in by_fold]) for name in by_fold[0]}
        return Statistics(arrays)

    def settle(self, total: Total, point: Point, state: State) -> Total:
        """See `Family.settle`: expansions are already about coefficient 0."""
        return total

    # ---- at the coordinator ----------------------------------------------------------------------------------------

    def forget(self, state: State) -> State:
        """Forget what trips before summed over other silos.

        Fits that had ended, and so sent nothing, begin again after this trip.
        """
        kept = {name: array for name, array in state.arrays.items() if name.partition(".")[2] not in _REMEMBERED}
        for number, phase in enumerate(self._phases(state)):
            kept[f"m{number}.steps"] = np.empty(0)
            if phase in _DONE and f"m{number}.coef" in state.arrays:
                # Nothing is known of the curvature where it stands until its next trip.
                n = self.members[number].family.form.n_parameters
                kept |= {f"m{number}.curvature": np.zeros((n, n)), f"m{number}.rhs": np.zeros(n)}
        phases = ",".join("solving" if phase == "closing" else phase for phase in self._phases(state))
        return State(document(state, phase="solving", phases=phases, others=True), kept)

    def rows_in(self, total: Total) -> FloatArray:
        """Return how many rows a later trip's sum is over, shape (1,)."""
        if "rows" in total:
            return np.array([total["rows"].sum()])
        return np.array([total["target"].reshape(self.folds, -1)[:, 0].sum()])

    def advance(self, total: Total, state: State) -> State:
        """See `Family.advance`. A candidate that has no fit is left out of the choice.

        Raises
        ------
        NumericError
            No candidate has a fit.
        """
        number, phases = int(state.document["round"]) + 1, list(self._phases(state))
        failed = dict(state.document.get("failed", {}))
        arrays = {name: array for name, array in state.arrays.items() if not _is_member(name) and name != "path.sent"}
        states = {k: self._fit(k, state, phases[k]).state for k in range(len(self.members))} if number > 1 else {}
        fits, problem = self.fits(state), None
        sent = np.zeros(len(self.members))
        for fit, sums in cut(total, fits, self.whole, state, self.folds):
            candidate = self.members[fit.number].candidate
            sent[fit.number] = 1 + (len(fit.state.arrays["candidates"]) if number > 1 else 0)
            if str(candidate) in failed:
                continue
            try:
                after = fit.family.advance(sums, fit.state)  # type: ignore[arg-type]
            except NumericError as reason:
                problem, failed[str(candidate)] = problem or reason, reason.message
                continue
            states[fit.number] = scored(fit, sums, after, self.choose) if number > 1 else after
            phases[fit.number] = str(after.document["phase"])
        if state.document.get("others"):
            ended = {k for k, phase in enumerate(self._phases(state)) if phase in _DONE}
            phases = ["solving" if k in ended else phase for k, phase in enumerate(phases)]
        phases = ["failed" if str(m.candidate) in failed else phases[k] for k, m in enumerate(self.members)]
        if len(failed) == len(self.labels) and problem is not None:
            raise problem
        weights = total["target"].reshape(self.folds, -1)[:, 0]
        kept = {k: own for k, own in states.items() if str(self.members[k].candidate) not in failed}
        seen = [(member.candidate, member.fold) for member in self.members]
        scores = scores_of(kept, seen, self.choose, weights, float(self.rows_in(total)[0]))
        chosen = winner(scores)
        if chosen is None:
            chosen = next(k for k in range(len(self.labels)) if str(k) not in failed)
        phase = self._phase(phases, chosen, str(state.document.get("phase", "")))
        for k, own in states.items() if phase not in _DONE else ():
            arrays |= {f"m{k}.{name}": array for name, array in own.arrays.items() if name != "to_reference"}
        best = self._fit_of(chosen, states[chosen])
        arrays |= {
            "coef": best.embedded(best.state.arrays["coef"]),
            "penalty": best.embedded(best.state.arrays["penalty"]),
            "steps": best.state.arrays["steps"],
            "path.coef": np.array([self._embedded(k, states) for k in range(len(self.labels))]),
            # A file holds finite numbers only.
            "path.scores": np.nan_to_num(scores),
            "path.scored": (~np.isnan(scores)).astype(np.float64),
        }
        arrays.pop("null", None)
        if best.columns is None:
            arrays["null"] = best.state.arrays["null"]
        if phase not in _DONE:
            arrays["path.sent"] = sent
        said = {name: value for name, value in state.document.items() if name != "others"}
        said |= {"round": number, "phase": phase, "phases": ",".join(phases), "chosen": chosen, "failed": failed}
        return State(said, arrays)

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`: the slowest fit says when."""
        if state.document.get("phase") not in _DONE:
            return None
        words = {"cv": f"by {self.folds}-fold cross-validation", "aic": "by AIC", "bic": "by BIC"}[self.choose]
        chosen = self.labels[int(state.document["chosen"])]
        left = self.whole.left(state.arrays)
        return Reason("converged", f"chosen {words}: {chosen}; remaining relative error about {left:.1e}")

    def scores(self, state: State) -> FloatArray:
        """Return what each candidate scores on each fold, or by its criterion, shape (n_folds or 1, n_candidates).

        Small is good. NaN for one that has no fit, and for a fold without rows.
        """
        return np.where(state.arrays["path.scored"] > 0, state.arrays["path.scores"], np.nan)

    def coefficients(self, state: State) -> FloatArray:
        """See `Family.coefficients`: those of the candidate that is chosen, or leads so far."""
        return self.whole.coefficients(state)

    def remaining(self, state: State) -> float:
        """Predict the relative coefficient error of the slowest fit."""
        left = [fit.family.left(fit.state.arrays) for fit in self.fits(state)]
        return max(left) if left else self.whole.left(state.arrays)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _phases(self, state: State) -> list[str]:
        said = state.document.get("phases")
        return said.split(",") if said else ["solving"] * len(self.members)

    def _fit(self, number: int, state: State, phase: str) -> Fit:
        member, prefix = self.members[number], f"m{number}."
        own = {name.removeprefix(prefix): a for name, a in state.arrays.items() if name.startswith(prefix)}
        if "to_reference" in state.arrays:
            places = range(self.whole.n_columns) if member.columns is None else member.columns
            own["to_reference"] = state.arrays["to_reference"][np.ix_(places, places)]
        said = {"round": state.document["round"], **({"phase": phase} if state.document["round"] else {})}
        return replace(self._fit_of(number, State(said, own)), fold=member.fold)

    def _fit_of(self, number: int, state: State) -> Fit:
        member = self.members[number]
        return Fit(member.family, state, self.whole.n_columns, member.columns, None, number)

    def _embedded(self, candidate: int, states: Mapping[int, State]) -> FloatArray:
        if candidate not in states or "coef" not in states[candidate].arrays:
            return np.zeros(self.form.n_parameters)
        return self._fit_of(candidate, states[candidate]).embedded(states[candidate].arrays["coef"])

    def _shared(self, rows: Batch, fold: int, *, first: bool) -> dict[str, FloatArray]:
        """Sum what belongs to no point over the rows of one fold."""
        seen = only(rows, fold) if self.folds > 1 else rows
        target = np.array([seen.weight.sum(), seen.weight @ seen.y])
        found = {"target": self.loss.counts(seen) if isinstance(self.loss, Softmax) else target}
        if first:
            return found | class_moments(self.loss, seen)
        if self.whole.weighted:
            inside = rows.fold == fold if rows.fold is not None and self.folds > 1 else np.ones(len(rows.y))
            found["rows"] = np.array([float(np.count_nonzero(inside))])
        return found

    def _memories(self, state: State, memory: Memory | None) -> dict[int, Memory | None]:
        """Return what a silo remembers of each fit: nothing of one that the last trip had no sums of."""
        if state.document["round"] == 0 or memory is None:
            return dict.fromkeys(range(len(self.members)))
        sent = state.arrays["path.sent"]
        found: dict[int, Memory | None] = {k: Memory({}) for k in range(len(self.members))}
        if not memory.arrays:
            return found
        before = [self._as_sent(k, state, int(sent[k])) for k in np.flatnonzero(sent).tolist()]
        then = State({"round": state.document["round"] - 1, "phase": "solving"}, {})
        for fit, sums in cut(Statistics(memory.arrays), before, self.whole, then, self.folds):
            found[fit.number] = Memory(sums.arrays)
        return found

    def _as_sent(self, number: int, state: State, points: int) -> Fit:
        """Return a fit as the last trip had it, as far as the form of its sums goes."""
        member = self.members[number]
        arrays = {"candidates": np.zeros((points - 1, member.family.form.n_parameters))}
        said = State({"round": state.document["round"] - 1, "phase": "solving"}, arrays)
        return replace(self._fit_of(number, said), fold=member.fold)

    def _phase(self, phases: list[str], chosen: int, before: str) -> str:
        """Return the phase of the whole, and let the chosen fit close where that is agreed."""
        if before == "closing" and phases[chosen] == "closed":
            return "closed"
        if not all(phase in _DONE for phase in phases):
            return "solving"
        if not self.closing_trip:
            return "converged"
        phases[chosen] = "closing"
        return "closing"


def together(points: list[Point]) -> Point:
    """Return several fits' points as one."""
    return Point(np.concatenate([point.coef for point in points]), each=tuple(points))


def _is_member(name: str) -> bool:
    head = name.partition(".")[0]
    return head[:1] == "m" and head[1:].isdigit()
