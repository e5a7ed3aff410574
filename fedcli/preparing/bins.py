"""Columns cut into bins, as a result of its own: scikit-learn's ``KBinsDiscretizer``.

Owns the edges and how far each may be off. Knows nothing of files or silos. Internal.

Rank by rank the pooled values lie between bounds that summed histograms give (`histogram`); an edge is a value, or lies
between two, so that it has bounds as well. Whole numbers with a bin each are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor

import numpy as np

from fedcli.errors import ContradictoryStudy
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.closed import FITTED
from fedcli.models.registry import Parameters, check_one_of, check_whole
from fedcli.preparing.by_column import ColumnEstimator, Pooled, refuse_other_columns, refuse_standardised
from fedcli.preparing.columns import Columns
from fedcli.preparing.histogram import Bounds, Quantile

# scikit-learn leaves out bins that are not wider.
_NARROW = 1e-8
METHODS = ("averaged_inverted_cdf", "inverted_cdf", "linear")


@dataclass(frozen=True)
class Bins:
    """`sklearn.preprocessing.KBinsDiscretizer`, of all rows: it draws no sample of them.

    Parameters
    ----------
    n_bins : int
    strategy : str
        ``uniform`` or ``quantile``.
    method : str
        How a quantile is defined between two values: NumPy's names.
    """

    n_bins: int
    strategy: str
    method: str

    def fit(self, pooled: Pooled) -> Mapping[str, FloatArray]:
        """See `ColumnForm.fit`: edges with the bounds of each; of a column of one value both ends are that value."""
        found: dict[str, FloatArray] = {}
        for number in range(len(pooled.columns.numbers)):
            edges = self._edges(pooled.bounds(number))
            for name, values in zip(("bin_edges", "bin_edges_lower", "bin_edges_upper"), edges.T, strict=True):
                found[f"{FITTED}{name}.{number}"] = values
        return found

    def _edges(self, bounds: Bounds) -> FloatArray:
        """Return estimate and both bounds of each edge, (n_edges, 3)."""
        smallest, largest = bounds.ranked(1), bounds.ranked(bounds.present)
        if bounds.deviation == 0:
            return np.array([_three(smallest), _three(smallest)])
        if self.strategy == "uniform":
            ends = np.array([_three(smallest), _three(largest)])
            return np.linspace(ends[0], ends[1], self.n_bins + 1)
        edges = np.array(
            [_three(bounds.between(*place)) for place in quantile_places(bounds.present, self.n_bins, self.method)]
        )
        return np.asarray(edges[np.ediff1d(edges[:, 0], to_begin=np.inf) > _NARROW])


def quantile_places(n: int, parts: int, method: str) -> list[tuple[int, float]]:
    """Return the rank (from 1) of each edge among ``n`` values, and how far on towards the next: (rank, part).

    Parameters
    ----------
    n : int
    parts : int
        How many parts the values are cut into.
    method : str
        ``linear``, ``inverted_cdf`` or ``averaged_inverted_cdf``, as NumPy defines them, in its own arithmetic: where
        ``n * share`` is whole but for rounding, rounding decides as it does there.
    """
    found = []
    for share in (np.linspace(0, 100, parts + 1) / 100).tolist():
        at = (n - 1) * share if method == "linear" else n * share - 1
        before = floor(at)
        part = at - before
        if method != "linear":
            part = 1.0 if part else 0.0 if method == "inverted_cdf" else 0.5
        if at < 0:
            before, part = 0, 0.0
        if before >= n - 1:
            before, part = n - 1, 0.0
        found.append((before + 2, 0.0) if part == 1.0 else (before + 1, part))
    return found


def _three(value: Quantile) -> tuple[float, float, float]:
    return value.estimate, value.lower, value.upper


def _bins(columns: Columns, params: Parameters) -> Bins:
    refuse_other_columns("KBinsDiscretizer", columns, ("number", "count"), "numbers")
    refuse_standardised("KBinsDiscretizer", columns)
    filled = [name for name, column in columns.numbers if column.impute is not None]
    if filled:
        raise ContradictoryStudy(
            f"KBinsDiscretizer cuts values that are there, and {', '.join(filled[:4])} would be filled",
            hint="remove impute there: rows without a value are then left out",
        )
    return Bins(params["n_bins"], params["strategy"], params["quantile_method"])


def _check_strategy(value: object) -> str:
    if value == "kmeans":
        return "kmeans moves edges by where single rows lie, trip after trip: take quantile or uniform"
    return check_one_of("quantile", "uniform")(value)


ESTIMATORS = {
    "KBinsDiscretizer": ColumnEstimator(
        module="sklearn.preprocessing",
        targets=("none",),
        defaults={
            "n_bins": 5,
            "encode": "onehot",
            "strategy": "quantile",
            "quantile_method": "averaged_inverted_cdf",
        },
        trips=(1, 1),
        over=_bins,
        checks={
            "n_bins": check_whole(2),
            "encode": check_one_of("onehot", "onehot-dense", "ordinal"),
            "strategy": _check_strategy,
            "quantile_method": check_one_of(*METHODS),
        },
        weights=False,
        stated=lambda params: True,
        tight={"subsample": None},
    ),
}
