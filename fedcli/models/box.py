"""The box in which every point that is sent lies: it bounds every sum, and makes separation a named refusal.

Owns its ends and the ways back into it. Knows nothing of rounds, silos or files. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.nuisance import JointLoss
from fedcli.models.objective import AnyLoss, extras_of, split


@dataclass(frozen=True)
class Box:
    """The box of a design's coefficients, reference scale, and of a loss's other parameters.

    Parameters
    ----------
    loss : AnyLoss
    names : tuple of str
        The design's columns after the intercept, for messages.
    max_coefficient : float
        As agreed.
    """

    loss: AnyLoss
    names: tuple[str, ...]
    max_coefficient: float

    @property
    def high(self) -> FloatArray:
        """Largest value of each coefficient, then of each other parameter, shape (n_parameters,)."""
        n = 1 + len(self.names)
        box = np.full(n, float(self.max_coefficient))
        # The intercept is the predictor at the middle of all ranges, where no row need lie: it may be a sum of many.
        box[0] *= n
        return np.concatenate([box, [extra.high for extra in extras_of(self.loss)]])

    @property
    def low(self) -> FloatArray:
        """Smallest value of each (n_parameters,)."""
        n = 1 + len(self.names)
        return np.concatenate([-self.high[:n], [extra.low for extra in extras_of(self.loss)]])

    @property
    def middle(self) -> FloatArray:
        """The point at which nothing is known yet (n_parameters,)."""
        return np.concatenate([np.zeros(1 + len(self.names)), [extra.middle for extra in extras_of(self.loss)]])

    @property
    def size(self) -> float:
        """The largest that the absolute values of a point's numbers can add up to."""
        return float(np.maximum(np.abs(self.low), np.abs(self.high)).sum())

    def holds(self, point: FloatArray) -> bool:
        """Whether a point lies inside, up to rounding."""
        room = 1e-9 * np.maximum(np.abs(self.low), np.abs(self.high))
        return bool(((point >= self.low - room) & (point <= self.high + room)).all())

    def clip(self, point: FloatArray, before: FloatArray) -> FloatArray:
        """Move each number inside by itself; other parameters also stay near those of the point before."""
        if isinstance(self.loss, JointLoss):
            coef, extras = split(self.loss, point)
            point = np.concatenate([coef, self.loss.near(extras, split(self.loss, before)[1])])
        return np.asarray(np.clip(point, self.low, self.high))

    def inside(self, point: FloatArray, origin: FloatArray) -> FloatArray:
        """Shorten the way from ``origin`` to ``point`` until it ends inside: expansions are exact anywhere."""
        way = point - origin
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(way > 0, (self.high - origin) / way, np.where(way < 0, (self.low - origin) / way, np.inf))
        return np.asarray(origin + min(1.0, float(np.min(room))) * way)

    def beyond(self, point: FloatArray) -> bool:
        """Whether a point lies outside."""
        return bool(((point > self.high) | (point < self.low)).any())

    def refuse_past(self, before: FloatArray, exact: FloatArray) -> None:
        """Refuse other parameters at one of their ends, where the exact slope leads beyond it.

        *Not* because the merged expansions lead there: each is taken elsewhere, and their sum may do so while the
        optimum lies inside.

        Parameters
        ----------
        before, exact : ndarray of shape (n_parameters,)
            The incoming point, and where Newton's step from it leads.

        Raises
        ------
        Separation
        """
        past = ((before <= self.low) & (exact < self.low)) | ((before >= self.high) & (exact > self.high))
        if isinstance(self.loss, JointLoss) and past[1 + len(self.names) :].any():
            self.loss.refuse_edge(split(self.loss, before)[1])

    def refuse(self, point: FloatArray, number: int) -> None:
        """Refuse a coefficient that lies outside for the second trip in turn.

        Raises
        ------
        Separation
        """
        coef = split(self.loss, point)[0]
        limit = self.high[: len(coef)]
        worst = int(np.argmax(np.abs(coef) / limit))
        if abs(coef[worst]) <= limit[worst]:
            return
        column = "the intercept" if worst == 0 else f"column '{self.names[worst - 1]}'"
        raise Separation(
            f"{column} has a coefficient beyond {limit[worst]:g} on the reference scale after {number} rounds: "
            "it separates the classes, or its agreed range is far wider than its values",
            hint="add a penalty (C or alpha), leave the column out, narrow its range, or raise rules.max_coefficient, "
            "in a new study",
        )
