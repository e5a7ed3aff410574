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
from fedcli.models.fading import Fading, fading, is_endless
from fedcli.models.quadratic import Quadratic

# A second step back along the same way goes at least, and at most, this share of it.
_SHORTEST, _HALF = 0.05, 0.5
# Share of the decrement by which the merged expansions may misjudge the incoming point's gradient (see `mismatch`).
MISMATCH = 0.25
# Relative difference up to which two points, or curvatures, are the same.
_SAME = 1e-9


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
        """Return half a Newton step from the lowest point of the trips before, and the whole one, each (n_free,).

        Where the incoming point lies on that very way already, the same trip would be made again. Its own slope then
        says how much nearer the lowest on the way is; the second point lies half as far.
        """
        origin = known["lowest.coef"]
        direction, _ = self.model.step(origin, known["lowest.gradient"])
        way = self.points[0] - origin
        share = float(way @ direction) / max(float(direction @ direction), 1e-300)
        if 0 < share <= _HALF + _SAME and np.linalg.norm(way - share * direction) <= _SAME * np.linalg.norm(way):
            down, up = -float(way @ known["lowest.gradient"]), float(way @ self.slopes[0])
            nearer = _HALF if down <= 0 or up <= 0 else min(max(down / (down + up), _SHORTEST), _HALF)
            return np.asarray(origin + nearer * way), np.asarray(origin + nearer * way / 2.0)
        return np.asarray(origin + 0.5 * direction), np.asarray(origin + direction)

    def fading(
        self, lead: int, before: FloatArray, now: FloatArray, there: FloatArray | None, last: FloatArray | None
    ) -> tuple[Fading | None, FloatArray | None]:
        """Return what fades at the point from which to go on, and a way (n_free,) along which surely nothing ends.

        Parameters
        ----------
        lead : int
            Which of the points it is.
        before, now : ndarray of shape (n_free, n_free)
            The curvature that went in, and the one to go on with.
        there : ndarray of shape (n_free, n_free), optional
            The exact curvature of a second point.
        last : ndarray of shape (n_free,), optional
            What the trip before found: see `models.fading`.
        """
        found = fading(before, now, self.slopes[lead], last)
        if there is not None and is_endless(self.points, self.values, self.slopes[1], self.model.A, there):
            return found, self.points[1] - self.points[0]
        return found, None if found is None else found.endless(self.points[lead])

    def repeats(self, point: FloatArray, before: FloatArray | None, now: FloatArray) -> bool:
        """Whether a next trip to ``point`` would be this one again: from the same point, with the same curvature."""
        still = np.linalg.norm(point - self.points[0]) <= _SAME * np.linalg.norm(point)
        return bool(still and before is not None and np.linalg.norm(now - before) <= _SAME * np.linalg.norm(now))

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
