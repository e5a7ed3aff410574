"""Classes of an outcome in pooled moments: their sizes, means, priors, and what they leave of the whole scatter.

Owns what several classifiers share. Knows nothing of sums, files or silos. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.losses import refuse_empty_classes
from fedcli.models.moments import Moments


def counted_classes(moments: Moments) -> tuple[FloatArray, FloatArray]:
    """Return weight (n_classes,) and means (n_classes, n_columns - 1) of each class.

    Raises
    ------
    OneClass
        An agreed class has no row in the pool.
    """
    counts, sums = moments.class_sums()
    refuse_empty_classes(counts.tolist())
    return counts, sums / counts[:, None]


def class_priors(counts: FloatArray, agreed: tuple[float, ...] | None) -> FloatArray:
    """Return each class's share (n_classes,): as agreed, summing to 1, else that of the rows."""
    if agreed is None:
        return np.asarray(counts / counts.sum())
    priors = np.array(agreed, dtype=np.float64)
    return np.asarray(priors / priors.sum())


def scatter_within(moments: Moments, counts: FloatArray, means: FloatArray) -> FloatArray:
    """Return the scatter about each row's own class mean, shape (n, n), from that about the common one."""
    whole = moments.group()
    away = means - whole.mean
    return np.asarray(whole.products - (away * counts[:, None]).T @ away)
