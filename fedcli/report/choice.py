"""What a study chose among, what each candidate scored, and which one it is: for screens and exports.

Owns the table. Knows nothing of files or screens. Stable: part of the Python API.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.fileformat.statistics import State
from fedcli.models.path import Path
from fedcli.preparing.plan import Plan
from fedcli.study.document import ClassTarget


@dataclass(frozen=True)
class CandidateScore:
    """One candidate.

    ``score`` is the mean over folds of the mean loss of the rows left out (of a yes/no outcome the log loss), or AIC or
    BIC; small is good. None where the loss is known up to a constant of the rows only. ``above`` is by how much it is
    above the lowest, ``spread`` the standard error of the folds' differences from the chosen one's; both None of a
    candidate without a fit, of which ``failed`` says why.
    """

    candidate: str
    chosen: bool
    score: float | None
    above: float | None
    spread: float | None
    failed: str


@dataclass(frozen=True)
class Choice:
    """How a study chose: ``by`` is ``cv``, ``aic`` or ``bic``."""

    by: str
    folds: int
    candidates: tuple[CandidateScore, ...]

    @property
    def says(self) -> str:
        """How the choice was made, in words."""
        if self.by == "cv":
            return f"by the mean loss of the rows left out, in {self.folds} folds"
        return f"by {self.by.upper()}"

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        each = [{name: value for name, value in vars(one).items() if value != ""} for one in self.candidates]
        return {"by": self.by, **({"folds": self.folds} if self.by == "cv" else {}), "candidates": each}

    def lines(self) -> list[tuple[str, str]]:
        """Return what stands on a screen: each candidate, and what became of it."""
        return [(one.candidate, _said(one)) for one in self.candidates]


def choice_of(plan: Plan, state: State) -> Choice | None:
    """Return how the model of a finished study was chosen; None where it chose nothing.

    Parameters
    ----------
    plan : Plan
    state : State
        Of the final model.
    """
    family = plan.family
    if not isinstance(family, Path):
        return None
    scores, chosen = family.scores(state), int(state.document["chosen"])
    failed, absolute = state.document["failed"], isinstance(plan.study.target, ClassTarget)
    said = scores[~np.isnan(scores).all(axis=1)]
    mean = said.mean(axis=0)
    apart = said - said[:, [chosen]]
    found = []
    for k, label in enumerate(family.labels):
        known = not np.isnan(mean[k])
        several = known and len(said) > 1
        spread = float(apart[:, k].std(ddof=1) / np.sqrt(len(said))) if several else None
        found.append(
            CandidateScore(
                label,
                k == chosen,
                float(mean[k]) if known and absolute else None,
                float(mean[k] - mean[chosen]) if known else None,
                spread,
                str(failed.get(str(k), "")),
            )
        )
    return Choice(family.choose, family.folds, tuple(found))


def _said(one: CandidateScore) -> str:
    if one.failed:
        return f"no fit: {one.failed}"
    words = [] if one.score is None else [f"{one.score:.5g}"]
    if one.chosen:
        words.append("chosen")
    elif one.above is not None:
        spread = f" (standard error {one.spread:.1g})" if one.spread is not None else ""
        words.append(f"{one.above:.2g} above{spread}")
    return ", ".join(words)
