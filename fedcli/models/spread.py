"""How the weights of a sum are spread over its rows, and how much of one a single row may have.

Owns the measure, the largest share, and which sums hide each other's rows. Knows nothing of losses,
points, silos or files. Internal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray

# Largest share that one row may have in the sums at a point.
LARGEST_SHARE = 0.5


@dataclass(frozen=True)
class Spread:
    """How the weights of a sum are spread over rows: quantities that add over batches.

    Parameters
    ----------
    total, squares : float
        Sums of the weights' absolute values, and of their squares.
    largest : float
        The largest absolute value.
    """

    total: float = 0.0
    squares: float = 0.0
    largest: float = 0.0

    @classmethod
    def of(cls, weights: FloatArray) -> Spread:
        """Measure one batch's weights (n_samples,)."""
        size = np.abs(weights)
        return cls(float(size.sum()), float(size @ size), float(size.max(initial=0.0)))

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.total + other.total, self.squares + other.squares, max(self.largest, other.largest))

    @property
    def worth(self) -> float:
        """How many equal rows the sum is worth, ``total**2 / squares``; a sum of nothing shows nothing."""
        return self.total * self.total / self.squares if self.squares > 0 else math.inf

    @property
    def share(self) -> float:
        """The part of the whole that the heaviest row has."""
        return self.largest / self.total if self.total > 0 else 0.0


def together(spreads: Sequence[Spread], products: FloatArray, fewest: float) -> list[list[int]]:
    """Return which sums of weights above 0 have to be added up so that no row stands out in any of the whole ones.

    Each that shows a row joins the one whose weights are most like its own, the smallest first.

    Parameters
    ----------
    spreads : sequence of Spread
        Of each sum.
    products : ndarray of shape (n_sums, n_sums)
        Sums over rows of products of two sums' weights.
    fewest : float
        Smallest number of equal rows that a sum may be worth.

    Returns
    -------
    list of list of int
        Groups of at least two; what stands alone, or is a sum of nothing, is not named.
    """
    groups = [[k] for k, spread in enumerate(spreads) if spread.total > 0]
    wholes = [spreads[group[0]] for group in groups]
    products = products[np.ix_([g[0] for g in groups], [g[0] for g in groups])] if groups else products
    while len(groups) > 1:
        showing = [k for k, whole in enumerate(wholes) if whole.share > LARGEST_SHARE or whole.worth < fewest]
        if not showing:
            break
        k = min(showing, key=lambda at: wholes[at].total)
        size = np.sqrt(np.maximum(np.diagonal(products), 1e-300))
        alike = products[k] / size / size[k]
        alike[k] = -1.0
        other = int(np.argmax(alike))
        keep, gone = min(k, other), max(k, other)
        products[keep] += products[gone]
        products[:, keep] += products[:, gone]
        products = np.delete(np.delete(products, gone, 0), gone, 1)
        squares = float(products[keep, keep])
        # The largest of the whole is no more than both largest together, nor than the root of all squares.
        largest = min(wholes[keep].largest + wholes[gone].largest, math.sqrt(squares))
        wholes[keep] = Spread(wholes[keep].total + wholes[gone].total, squares, largest)
        groups[keep] = groups[keep] + groups[gone]
        del groups[gone], wholes[gone]
    return [sorted(group) for group in groups if len(group) > 1]
