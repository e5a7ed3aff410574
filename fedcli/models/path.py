"""Several likelihoods on the same trips: one for each penalty, and for each fold of a cross-validation left out.

Owns how members share a trip: their points, blocks and states side by side, and what each scores on the fold that it
does not see. Knows nothing of columns' meaning, files, keys or screens. Internal.

Every member is a `Cavity` of its own in lock-step with the others. What trip 1 sums at no point is the same for all
penalties: it is sent once for each fold, and a member's is that of all folds less its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fedcli.fileformat.statistics import FloatArray, State, Statistics, Total
from fedcli.models.batch import Batch, Memory, Point, Reason, Source, document
from fedcli.models.cavity import Cavity
from fedcli.models.objective import sums_at

# What a member's state is made of; all else is the same for all.
_OWN = frozenset(
    {"coef", "steps", "penalty", "curvature", "rhs", "candidates", "taken", "parent.candidates", "edge", "null", "held"}
    | {"lowest", "lowest.coef", "lowest.gradient", "objective", "gradient"}
)
# What the first trip sums at no point.
_SHARED = ("target", "products", "contrast")
_DONE = ("converged", "closed")


@dataclass(frozen=True)
class Member:
    """One likelihood of a path.

    Parameters
    ----------
    candidate : int
        Which penalty it has.
    fold : int or None
        Which fold it does not see.
    family : Cavity
    """

    candidate: int
    fold: int | None
    family: Cavity


class _Seen:
    """The rows that a member sees: those of its own fold weigh nothing."""

    def __init__(self, rows: Source, fold: int | None) -> None:
        self._rows, self._fold = rows, fold

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._rows:
            yield without(batch, self._fold)


def without(rows: Batch, fold: int | None) -> Batch:
    """Return a batch in which one fold's rows weigh nothing."""
    if fold is None or rows.fold is None:
        return rows
    return replace(rows, weight=np.where(rows.fold == fold, 0.0, rows.weight))


def only(rows: Batch, fold: int) -> Batch:
    """Return a batch in which all other rows weigh nothing."""
    return replace(rows, weight=np.where(rows.fold == fold, rows.weight, 0.0))


@dataclass(frozen=True)
class Path:
    """Members in lock-step.

    Parameters
    ----------
    members : tuple of Member
    folds : int
        Each row's fold must come with its batch in every trip.
    """

    members: tuple[Member, ...]
    folds: int = 1

    def score(self, number: int, state: State) -> float:
        """Return the mean loss of the rows of the fold that a member does not see."""
        weight, value = self.state_of(number, state).arrays["held"]
        return float(value / weight)

    def state_of(self, number: int, state: State) -> State:
        """Return one member's state."""
        prefix = f"m{number}."
        own = {name.removeprefix(prefix): array for name, array in state.arrays.items() if name.startswith(prefix)}
        common = {name: array for name, array in state.arrays.items() if not _is_member(name)}
        phases = state.document.get("phases")
        said = {"phase": phases.split(",")[number]} if phases else {}
        return State({"round": state.document["round"], **said}, common | own)

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """See `Family.locate`: the members' points one after the other."""
        found = []
        for number, member in enumerate(self.members):
            prefix = f"m{number}."
            own = memory
            if memory is not None:
                kept = {n.removeprefix(prefix): a for n, a in memory.arrays.items() if n.startswith(prefix)}
                own = Memory(kept)
            theirs = self.state_of(number, state)
            if theirs.document.get("phase") in _DONE:
                found.append(theirs.arrays["coef"])
                continue
            found.append(member.family.locate(_Seen(rows, member.fold), theirs, own).coef)
        return Point(np.concatenate(found))

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        arrays: dict[str, FloatArray] = {}
        points = np.split(point.coef, len(self.members))
        first = state.document["round"] == 0
        for number, (member, coef) in enumerate(zip(self.members, points, strict=True)):
            theirs = self.state_of(number, state)
            if theirs.document.get("phase") in _DONE:
                continue
            sums = member.family.statistics(without(rows, member.fold), Point(coef), theirs).arrays
            arrays |= {f"m{number}.{name}": a for name, a in sums.items() if not (first and name in _SHARED)}
            if member.fold is not None and not first:
                held = sums_at(member.family.loss, only(rows, member.fold), theirs.arrays["coef"], None)
                weight = only(rows, member.fold).weight.sum()
                arrays[f"m{number}.held"] = np.array([weight, held.value])
                arrays[f"m{number}.held.gradient"] = held.gradient
        if first:
            at = Point(points[0])
            for fold in range(self.folds):
                part = only(rows, fold) if self.folds > 1 else rows
                sums = self.members[0].family.statistics(part, at, state).arrays
                arrays |= {f"f{fold}.{name}": sums[name] for name in _SHARED if name in sums}
        return Statistics(arrays)

    def advance(self, total: Total | Statistics, state: State) -> State:
        """See `Family.advance`."""
        names = total.integers if isinstance(total, Total) else total.arrays
        arrays = {name: array for name, array in state.arrays.items() if not _is_member(name)}
        phases = []
        for number, member in enumerate(self.members):
            prefix, theirs = f"m{number}.", self.state_of(number, state)
            if theirs.document.get("phase") not in _DONE:
                sums = {name.removeprefix(prefix): total[name] for name in names if name.startswith(prefix)}
                for name in _SHARED:
                    parts = [total[f"f{k}.{name}"] for k in range(self.folds) if f"f{k}.{name}" in names]
                    if parts:
                        sums[name] = np.sum([p for k, p in enumerate(parts) if k != member.fold], axis=0)
                before = theirs.arrays.get("coef")
                theirs = member.family.advance(Statistics(sums), theirs)  # type: ignore[arg-type]
                if "held" in sums and before is not None:
                    moved = theirs.arrays["coef"] - before
                    # The last step is small, and the slope along it leaves an error of its square: 1e-7 where the value
                    # alone was measured to be off by 9e-5. Curvature of the fold would cost its size, and buy a digit.
                    found = sums["held"] + np.array([0.0, sums["held.gradient"] @ moved])
                    theirs = State(theirs.document, {**theirs.arrays, "held": found})
            phases.append(theirs.document["phase"])
            arrays |= {prefix + name: array for name, array in theirs.arrays.items() if name in _OWN}
        phase = "converged" if all(p in _DONE for p in phases) else "solving"
        said = document(state, round=int(state.document["round"]) + 1, phase=phase, phases=",".join(phases))
        return State(said, arrays)

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`: the slowest member says when."""
        if state.document.get("phase") != "converged":
            return None
        return Reason("converged", f"all {len(self.members)} members have converged")


def _is_member(name: str) -> bool:
    head = name.partition(".")[0]
    return head[:1] == "m" and head[1:].isdigit()
