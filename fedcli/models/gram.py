"""The Gram solver: least squares with or without a ridge, in one trip, from exact cross products.

Owns the cross products of the expanded columns and the solution from their total. Knows nothing of columns' meaning,
files, keys or screens. Stable.

A silo sums about a centre near its own means and carries the sum to the common origin in integers; the coordinator
imputes, centres and adds in integers as well. So no digit is lost to cancellation, and what remains is the condition of
the standardised design, as in scikit-learn's own fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcli.errors import SingularHessian
from fedcli.fileformat.statistics import Block, FloatArray, Layout, State, Statistics, Total, pack_upper, unpack_upper
from fedcli.models.batch import Batch, Memory, Point, Reason, Source, document, weighted_cross
from fedcli.models.solve import solve_symmetric

# A centre is rounded to this grid, so that carrying a sum to the origin is exact in integers.
CENTRE_BITS = 20
_MAP_BITS = 100


@dataclass(frozen=True)
class Gram:
    """Linear least squares with an L2 penalty ``alpha``; 0 gives the minimum-norm solution of ordinary least squares.

    Parameters
    ----------
    n_expanded : int
        Expanded columns, the intercept included; the target comes last in the sums.
    alpha : float
        As `sklearn.linear_model.Ridge`'s.
    fit_intercept : bool
    max_rows, largest_weight : float
        Bounds from the agreement.
    closing_trip : bool
        Whether a second trip evaluates the model on the rows held out.
    """

    n_expanded: int
    alpha: float
    fit_intercept: bool
    max_rows: float
    largest_weight: float
    closing_trip: bool

    def layout(self, state: State) -> Layout:
        """See `Family.layout`: the second trip carries no sums of its own."""
        if state.document["round"] > 0:
            return Layout(())
        n = self.n_expanded + 1
        says = "sums of products of the columns, their missing indicators and the target"
        return Layout((Block("gram", (n * (n + 1) // 2,), self.max_rows * self.largest_weight, says),))

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """See `Family.locate`: the centre is the silo's mean, on a coarse grid; a second trip has none."""
        if state.document["round"] > 0:
            return Point(np.zeros(self.n_expanded + 1))
        count, sums = 0, np.zeros(self.n_expanded + 1)
        for batch in rows:
            count += batch.X.shape[0]
            sums[:-1] += batch.X.sum(axis=0)
            sums[-1] += batch.y.sum()
        centre = np.round(sums / max(count, 1) * 2.0**CENTRE_BITS) / 2.0**CENTRE_BITS
        centre[0] = 0.0
        return Point(centre)

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`: weighted cross products of ``[1, columns, target]`` about the centre."""
        if state.document["round"] > 0:
            return Statistics({})
        columns = np.hstack([rows.X, rows.y[:, None]]) - point.coef
        return Statistics({"gram": pack_upper(weighted_cross(columns, rows.weight))})

    def settle(self, total: Total, point: Point, state: State) -> Total:
        """See `Family.settle`: ``u = u_centred + c`` gives ``G = T G_centred T'`` with ``T = I + c e_0'``, exactly."""
        if state.document["round"] > 0:
            return total
        gram = shift_products(total.integers["gram"], point.coef)
        return Total({**total.integers, "gram": gram}, total.fraction_bits)

    def advance(self, total: Total, state: State) -> State:
        """See `Family.advance`.

        Raises
        ------
        SingularHessian
            No row has a positive weight.
        """
        if state.document["round"] > 0:
            return State(document(state, round=2, phase="closed"), state.arrays)
        product = _congruence(unpack_upper(total.integers["gram"]), state.arrays["design_from_expanded"])
        weight = int(product[0, 0])
        if weight <= 0:
            raise SingularHessian("the weights of all rows are 0", hint="check the weight column at the silos")
        if self.fit_intercept:
            # Exactly centred: integers times the sum of weights, divided once.
            product_centred = product * weight - np.outer(product[:, 0], product[0])
            moments = _as_float(product_centred[1:, 1:], weight << (total.fraction_bits["gram"] + 2 * _MAP_BITS))
        else:
            moments = _as_float(product[1:, 1:], 1 << (total.fraction_bits["gram"] + 2 * _MAP_BITS))
        unit = state.arrays["preparation.scale"]
        gram = moments[:-1, :-1] / unit[:, None] / unit[None, :]
        cross = moments[:-1, -1] / unit
        slope, null = solve_symmetric(gram + self.alpha * np.eye(len(unit)), cross)
        coef = np.concatenate([[0.0], slope])
        if self.fit_intercept:
            means = _as_float(product[0, 1:], weight)
            coef[0] = means[-1] - (means[:-1] / unit) @ slope
        residual = float(moments[-1, -1] - 2 * slope @ cross + slope @ gram @ slope)
        arrays = {
            **state.arrays,
            "coef": state.arrays["to_reference"] @ coef,
            "null": null,
            "target": np.array([weight / (1 << (total.fraction_bits["gram"] + 2 * _MAP_BITS)), moments[-1, -1]]),
            "residual": np.array([max(residual, 0.0)]),
        }
        arrays.pop("design_from_expanded")
        return State(document(state, round=1, phase="closing" if self.closing_trip else "converged"), arrays)

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`."""
        if state.document.get("phase") == "converged":
            return Reason("closed-form", "the closed form of the pooled sums: nothing is left to iterate")
        if state.document.get("phase") == "closed":
            return Reason("closed", "the closed form of the pooled sums, evaluated on the rows held out")
        return None

    def coefficients(self, state: State) -> FloatArray:
        """See `Family.coefficients`."""
        return np.asarray(state.arrays["coef"])


def shift_products(packed: NDArray[np.object_], centre: FloatArray) -> NDArray[np.object_]:
    """Carry exact products about ``centre`` to products about 0: ``u = u_centred + c``, packed upper triangle.

    Parameters
    ----------
    packed : ndarray of int
        Of columns of which the first is 1.
    centre : ndarray of shape (n_columns,)
        On the grid of `CENTRE_BITS`; 0 for the first column.
    """
    gram = unpack_upper(packed)
    shift = np.array([int(c) for c in np.round(centre * 2.0**CENTRE_BITS)], dtype=object)
    one = 1 << CENTRE_BITS
    # T G T' with T scaled to integers, then one rounding to the grid of the block.
    rows = gram * one + np.outer(shift, gram[0])
    both = rows * one + np.outer(rows[:, 0], shift)
    half = 1 << (2 * CENTRE_BITS - 1)
    settled: NDArray[np.object_] = (both + half) // (1 << 2 * CENTRE_BITS)
    return settled[np.triu_indices(len(settled))]


def covariance(packed: NDArray[np.object_], mapping: FloatArray) -> FloatArray:
    """Return the covariance (n - 1, n - 1) of columns ``u @ mapping.T`` (n,), from the exact products of ``u``.

    Parameters
    ----------
    packed : ndarray of int
        Upper triangle of the products of ``u``, of which the first column is 1; any grid.
    mapping : ndarray of shape (n, n_u)
        Its first row makes the 1 again.
    """
    product = _congruence(unpack_upper(packed), mapping)
    n_rows = int(product[0, 0])
    centred = product * n_rows - np.outer(product[:, 0], product[0])
    return _as_float(centred[1:, 1:], n_rows * n_rows)


def _congruence(gram: NDArray[np.object_], mapping: FloatArray) -> NDArray[np.object_]:
    """Return ``A G A'`` in integers on a grid finer by ``2 * _MAP_BITS`` bits.

    ``A`` (n_design + 1, n_expanded + 1) has at most a handful of entries per row (a column, its missing indicator, the
    intercept), so rows are combined one by one instead of by a dense product of big integers.
    """
    entries = [[(int(j), _exact(row[j])) for j in np.flatnonzero(row)] for row in mapping]
    left = np.array([sum((gram[j] * a for j, a in row), np.zeros(len(gram), dtype=object)) for row in entries])
    both = [sum((left[:, j] * a for j, a in row), np.zeros(len(left), dtype=object)) for row in entries]
    return np.array(both, dtype=object).T


def _exact(value: float) -> int:
    """Return a float as an integer on the grid of `_MAP_BITS`, rounded below 2**-100 only."""
    numerator, denominator = float(value).as_integer_ratio()
    return (numerator << _MAP_BITS) // denominator


def _as_float(integers: NDArray[np.object_], denominator: int) -> FloatArray:
    """Divide once, correctly rounded."""
    return np.array([int(q) / denominator for q in integers.ravel()], dtype=np.float64).reshape(integers.shape)
