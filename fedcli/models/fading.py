"""Where a likelihood without a penalty goes flat: directions in which coefficients grow without end.

Owns how such directions are found in the curvature of two trips, how far ahead to look, and when it is sure. Knows
nothing of losses, rows, silos or files. Internal.

Rows that a direction tells apart from all others lose their part of the loss as ``exp(-eta)``: along it curvature,
slope and what is left to gain shrink alike, so that each of Newton's steps is as long as the one before and ends
nowhere. A single row against the direction would keep a slope of its own size, and the step would turn. So the loss is
asked far along it, in the same trip as the next point: no trip is spent on a fit that is finite, and of one that is not
there is nothing left to gain there but rounding.

References
----------
Albert, Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.solve import RANK_TOLERANCE

# A direction fades where a trip leaves less than this share of the curvature before it: a step of Newton's leaves 0.37.
_FADES = 0.45
# How many such steps ahead the loss is looked at: what is left to gain is then 1e-8 of what it was.
_AHEAD = 18.0
# The loss is looked at there once less than one row's part of it is left to gain: before that, rows still overlap.
_ONE_ROW, _FEWER = 1.0, 0.05
# What is left, slope and curvature alike, of one step there: a row of weight 1 against the direction would keep more,
# if it lies against it by a hundred-millionth of what the farthest row lies along it.
_NOTHING = 1e-8
# A step along such a direction stays as long as it was; below this share of the coefficients it is one that ends.
_LONG = 0.01
# Curvature is believed to have faded by no more than this in one trip, for the length of a step.
_LEAST = 0.2
# Below this share the curvature of a trip knows nothing of a direction any more.
_GONE = 1e-6
# A direction is still one of which the curvature knows nothing where Newton's step would be so many times the last one.
_FAR = 1e3
# Of a way found from other points this share may lie aside of the direction itself.
_ASIDE = 0.2


@dataclass(frozen=True)
class Fading:
    """What fades at a point.

    Parameters
    ----------
    step : ndarray of shape (n_free,)
        Newton's, along the directions that fade.
    gain : float
        What is left to gain by it.
    gone : ndarray of shape (n_free, n_gone)
        Those of the directions of which the curvature knows nothing any more.
    measures : ndarray of shape (n_free, n_gone)
        How far a point lies along each.
    pull : float
        The largest slope along one of them, on the scale on which each had a curvature of 1 in the trip before.
    """

    step: FloatArray
    gain: float
    gone: FloatArray
    measures: FloatArray
    pull: float = np.inf

    def is_long(self, at: FloatArray) -> bool:
        """Whether the step is no part of a way that ends."""
        return bool(np.linalg.norm(self.step) > _LONG * np.linalg.norm(at + self.step))

    @property
    def blind(self) -> FloatArray:
        """The part of the step (n_free,) along directions of which the curvature knows nothing."""
        return np.asarray(self.gone @ (self.measures.T @ self.step))

    def ahead(self, at: FloatArray, room: bool, *, sparing: bool) -> FloatArray | None:
        """Return how far ahead (n_free,) of a next point the loss is to be looked at; None if it need not be.

        Parameters
        ----------
        at : ndarray of shape (n_free,)
        room : bool
            Whether no other second point is asked for; where the curvature knows nothing the look ahead goes first.
        sparing : bool
            Whether points far out are more often refused by silos: to wait until more of the rows agree.
        """
        most = _FEWER if sparing else _ONE_ROW
        return _AHEAD * self.step if self.gain < most and self.is_long(at) and (room or self.blind.any()) else None

    def endless(self, at: FloatArray) -> FloatArray | None:
        """Return a way (n_free,) along which there is surely no end; None where that is not known.

        Nothing is left to gain along a step that is as long as ever, or a direction that was curved is so no more and
        has no slope.
        """
        if self.gone.shape[1] and self.pull < _NOTHING:
            return np.asarray(np.abs(self.gone).max(axis=1))
        return self.step if self.gain < _NOTHING and self.is_long(at) else None

    def hold(self, point: FloatArray, at: FloatArray) -> FloatArray:
        """Return a point that goes no farther than the step does, from ``at``, where the curvature knows nothing.

        The least norm would go back to where the coefficients are 0, and call it the minimum.
        """
        return np.asarray(point - self.gone @ (self.measures.T @ (point - at - self.step)))


def fading(before: FloatArray, now: FloatArray, slope: FloatArray, last: FloatArray | None = None) -> Fading | None:
    """Find the directions in which curvature fades; None where there are none.

    Parameters
    ----------
    before, now : ndarray of shape (n, n)
        The curvature of two trips, without a penalty.
    slope : ndarray of shape (n,)
        The exact gradient now.
    last : ndarray of shape (n,), optional
        The last step along directions of which the curvature knew nothing any more: both trips may know nothing now.
    """
    diagonal = np.diagonal(before)
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(before * scale[:, None] * scale[None, :])
    kept = values > RANK_TOLERANCE * max(float(values[-1]), np.finfo(float).tiny) * len(values)
    white = scale[:, None] * (vectors[:, kept] / np.sqrt(values[kept]))
    shares, turned = np.linalg.eigh(white.T @ now @ white)
    fades = shares < _FADES
    if last is not None and last.any() and not (shares < _GONE).any():
        pull = -float(last @ slope)
        if pull > _FAR * float(last @ now @ last):
            return Fading(last, pull, last[:, None], last[:, None] / float(last @ last))
    if not fades.any():
        return None
    along, share = white @ turned[:, fades], np.maximum(shares[fades], _LEAST)
    lean = along.T @ slope
    unseen = shares[fades] < _GONE
    gone, pull = along[:, unseen], float(np.abs(lean[unseen]).max(initial=0.0))
    return Fading(-along @ (lean / share), float((lean * lean / share).sum()), gone, before @ gone, pull)


def is_endless(
    points: FloatArray, values: FloatArray, slope: FloatArray, before: FloatArray, there: FloatArray
) -> bool:
    """Whether a second point, far along what fades, shows that nothing turns the way back.

    It is not higher, lies far ahead, and has neither slope nor curvature along the way: an optimum has curvature, and a
    row against the way a slope.

    Parameters
    ----------
    points : ndarray of shape (2, n)
    values : ndarray of shape (2,)
    slope : ndarray of shape (n,)
        At the second point, exact.
    before, there : ndarray of shape (n, n)
        The merged curvature, and the exact one of the second point.
    """
    way = (points[1] - points[0]) / _AHEAD
    if not (values[1] <= values[0] and np.linalg.norm(way) > _LONG * np.linalg.norm(points[1])):
        return False
    # The way was found from other points: the part of it along which all is gone by now is the direction itself.
    found = fading(before, there, slope)
    own = way if found is None else found.gone @ (found.measures.T @ way)
    if np.linalg.norm(own - way) > _ASIDE * np.linalg.norm(way):
        own = way
    return bool(abs(own @ slope) < _NOTHING and own @ there @ own < _NOTHING)
