"""The box in which every point that is sent lies: it bounds every sum, and makes separation a named refusal.

Owns its ends and the ways back into it. Knows nothing of rounds, silos or files. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.nuisance import JointLoss
from fedcli.models.objective import AnyLoss, extras_of, predictors_of, split
from fedcli.models.softmax import Softmax

# A column belongs to a direction where it goes along it by at least this share of the one that goes farthest.
_BELONGS = 0.2


@dataclass(frozen=True)
class Box:
    """The box of a design's coefficients, reference scale, and of a loss's other parameters.

    Of several classes it is that of each class's coefficients, so that no class is held closer than another.

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
        """Largest value of each coefficient, of each class, then of each other parameter: shape (n_bounded,)."""
        n = 1 + len(self.names)
        box = np.full(n, float(self.max_coefficient))
        # The intercept is the predictor at the middle of all ranges, where no row need lie: it may be a sum of many.
        box[0] *= n
        if isinstance(self.loss, Softmax):
            return np.tile(box, self.loss.n_classes)
        return np.concatenate([box, [extra.high for extra in extras_of(self.loss)]])

    @property
    def low(self) -> FloatArray:
        """Smallest value of each (n_bounded,)."""
        if isinstance(self.loss, Softmax):
            return -self.high
        n = 1 + len(self.names)
        return np.concatenate([-self.high[:n], [extra.low for extra in extras_of(self.loss)]])

    @property
    def middle(self) -> FloatArray:
        """The point at which nothing is known yet (n_parameters,)."""
        n = predictors_of(self.loss) * (1 + len(self.names))
        return np.concatenate([np.zeros(n), [extra.middle for extra in extras_of(self.loss)]])

    @property
    def size(self) -> float:
        """The largest that the absolute values of one predictor's coefficients, and parameters, can add up to."""
        n_classes = self.loss.n_classes if isinstance(self.loss, Softmax) else 1
        return float(np.maximum(np.abs(self.low), np.abs(self.high)).sum()) / n_classes

    def _bounded(self, point: FloatArray) -> FloatArray:
        """Return of a point what the box bounds (n_bounded,)."""
        return self.loss.by_class(point).ravel() if isinstance(self.loss, Softmax) else point

    def holds(self, point: FloatArray) -> bool:
        """Whether a point lies inside, up to rounding."""
        room = 1e-9 * np.maximum(np.abs(self.low), np.abs(self.high))
        found = self._bounded(point)
        return bool(((found >= self.low - room) & (found <= self.high + room)).all())

    def clip(self, point: FloatArray, before: FloatArray) -> FloatArray:
        """Move each number inside by itself; other parameters also stay near those of the point before.

        Of several classes a column's coefficients are shortened together, so that they still add up to 0.
        """
        if isinstance(self.loss, Softmax):
            by_class, limit = self.loss.by_class(point), self.high[: 1 + len(self.names)]
            over = np.maximum(np.abs(by_class).max(axis=0) / limit, 1.0)
            return np.asarray((point.reshape(-1, len(limit)) / over).ravel())
        if isinstance(self.loss, JointLoss):
            coef, extras = split(self.loss, point)
            point = np.concatenate([coef, self.loss.near(extras, split(self.loss, before)[1])])
        return np.asarray(np.clip(point, self.low, self.high))

    def inside(self, point: FloatArray, origin: FloatArray) -> FloatArray:
        """Shorten the way from ``origin`` to ``point`` until it ends inside: expansions are exact anywhere."""
        start, way = self._bounded(origin), self._bounded(point - origin)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(way > 0, (self.high - start) / way, np.where(way < 0, (self.low - start) / way, np.inf))
        return np.asarray(origin + min(1.0, float(np.min(room))) * (point - origin))

    def beyond(self, point: FloatArray) -> bool:
        """Whether a point lies outside."""
        found = self._bounded(point)
        return bool(((found > self.high) | (found < self.low)).any())

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
        if not isinstance(self.loss, JointLoss):
            return
        past = ((before <= self.low) & (exact < self.low)) | ((before >= self.high) & (exact > self.high))
        if past[1 + len(self.names) :].any():
            self.loss.refuse_edge(split(self.loss, before)[1])

    def refuse(self, point: FloatArray, number: int) -> None:
        """Refuse a coefficient that lies outside for the second trip in turn.

        Raises
        ------
        Separation
        """
        coef, limit = split(self.loss, point)[0], self.high[: 1 + len(self.names)]
        share = np.abs(self._bounded(coef)).reshape(-1, len(limit)) / limit
        worst = int(np.argmax(share.max(axis=0)))
        if share[:, worst].max() <= 1.0:
            return
        column = "the intercept" if worst == 0 else f"column '{self.names[worst - 1]}'"
        raise Separation(
            f"{column} has a coefficient beyond {limit[worst]:g} on the reference scale after {number} rounds: "
            "it separates the classes, or its agreed range is far wider than its values",
            hint="add a penalty (C or alpha), leave the column out, narrow its range, or raise rules.max_coefficient, "
            "in a new study",
        )

    def refuse_endless(self, way: FloatArray, number: int) -> None:
        """Refuse coefficients that grow without end along ``way`` (n_parameters,): see `models.fading`.

        Raises
        ------
        Separation
        """
        by_class = np.abs(self._bounded(split(self.loss, way)[0])).reshape(-1, 1 + len(self.names))
        reach = by_class.max(axis=0)[1:]
        far = [self.names[j] for j in np.flatnonzero((reach > 0) & (reach >= _BELONGS * reach.max(initial=0.0)))]
        columns = f"column '{far[0]}' has" if len(far) == 1 else f"columns {' and '.join(map(repr, far))} have"
        raise Separation(
            f"{columns if far else 'the intercept has'} no finite coefficient: after {number} rounds steps are as long "
            "as ever there, and nothing is left to gain by them; some rows are told apart from all others so",
            hint="add a penalty (C or alpha), merge the level with another, or leave the column out, in a new study",
        )
