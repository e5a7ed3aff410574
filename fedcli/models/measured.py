"""What a trip measured at the points that went in, and which way on that speaks for.

Owns the rules on second points, on steps that went up, and on expansions that misjudge. Knows nothing of losses, rows,
silos or files. Internal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.quadratic import Quadratic

# Share of the decrement by which the merged expansions may misjudge the incoming point's gradient (see `mismatch`).
MISMATCH = 0.25


@dataclass(frozen=True)
class Measured:
    """The penalised loss, exact, at the incoming point, and at a second one where the state asked for one.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_free)
        In the solver's own coordinates.
    values : ndarray of shape (n_points,)
    slopes : ndarray of shape (n_points, n_free)
        Gradients of the smooth part.
    model : Quadratic
        The merged expansions plus the penalty, each expansion taken at a silo's own point.
    """

    points: FloatArray
    values: FloatArray
    slopes: FloatArray
    model: Quadratic

    @cached_property
    def newton(self) -> FloatArray:
        """Where Newton's step with the exact gradient leads from the incoming point, (n_free,)."""
        return np.asarray(self.points[0] + self.model.step(self.points[0], self.slopes[0])[0])

    @cached_property
    def misjudged(self) -> bool:
        """Whether the merged expansions do not even describe the incoming point."""
        return self.model.misjudges(self.points[0], self.slopes[0]) > MISMATCH

    @property
    def second_leads(self) -> bool:
        """Whether to go on from the second point: its loss is lower, and it is far closer or the merged ones misjudge.

        Far closer is: by more than four times what is left to gain there.
        """
        if len(self.points) == 1 or not self.values[1] < self.values[0]:
            return False
        left = self.model.gain(self.points[1], self.slopes[1])
        return bool(self.values[0] - self.values[1] > 4.0 * left + self._noise) or self.misjudged

    def went_up(self, known: Mapping[str, FloatArray]) -> bool:
        """Whether the incoming point is higher than the lowest of the trips before."""
        return bool(self.values[0] > _lowest(known) + self._noise)

    def from_lowest(self, known: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Return half a Newton step from the lowest point of the trips before, and the whole one, each (n_free,)."""
        origin = known["lowest.coef"]
        direction, _ = self.model.step(origin, known["lowest.gradient"])
        return np.asarray(origin + 0.5 * direction), np.asarray(origin + direction)

    def lowest(self, known: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Return what the trips to come have to know of the lowest point; nothing where they know it."""
        best = int(np.argmin(self.values))
        if self.values[best] > _lowest(known):
            return {}
        return {
            "lowest": np.array([self.values[best]]),
            "lowest.coef": self.points[best],
            "lowest.gradient": self.slopes[best],
        }

    @property
    def _noise(self) -> float:
        return float(1e-12 * (1.0 + abs(self.values[0])))


def _lowest(known: Mapping[str, FloatArray]) -> float:
    return float(known["lowest"][0]) if "lowest" in known else np.inf
