"""How a point's curvature and slope stand in an update: what a reader of classes or columns expects.

Owns the way there and back. Knows nothing of rounds, silos or files. Internal.

Curvature is sent as a packed triangle; of several classes one triangle of columns for each pair of classes, which is
all that it is made of, and half of what the whole would take. Slopes of several classes are sent for each class: nobody
who agrees to a release has to know the basis in which a point is kept.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray, pack_upper, unpack_upper
from fedcli.models.objective import AnyLoss
from fedcli.models.softmax import Softmax


def sent_curvature(loss: AnyLoss, curvature: FloatArray) -> FloatArray:
    """Return a curvature (n_parameters, n_parameters) as it is sent."""
    if isinstance(loss, Softmax):
        return np.concatenate([pack_upper(pair) for pair in loss.in_pairs(curvature)])
    return pack_upper(curvature)


def read_curvature(loss: AnyLoss, sent: FloatArray) -> FloatArray:
    """Return the curvature that was sent. Inverse of `sent_curvature`."""
    if isinstance(loss, Softmax):
        return loss.whole(np.array([unpack_upper(pair) for pair in np.split(sent, len(loss.pairs[0]))]))
    return np.asarray(unpack_upper(sent))


def sent_slope(loss: AnyLoss, slope: FloatArray) -> FloatArray:
    """Return a slope (n_parameters,) as it is sent."""
    return loss.by_class(slope).ravel() if isinstance(loss, Softmax) else slope


def read_slopes(loss: AnyLoss, sent: FloatArray, n_points: int) -> FloatArray:
    """Return slopes (n_points, n_parameters) from what was sent of several points in turn."""
    slopes = sent.reshape(n_points, -1)
    return np.array([loss.of_classes(slope) for slope in slopes]) if isinstance(loss, Softmax) else slopes
