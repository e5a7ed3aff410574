"""Feature maps: from a few inputs to many columns, by a rule that bends.

Owns their formulas and how large their columns can be. Knows nothing of studies, columns' meaning or silos. Stable; the
names are scikit-learn's. Nothing of the data is learnt, so a model on a map is exact in as many trips as without one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, combinations_with_replacement
from typing import ClassVar, Protocol

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.models.drawn import normals, uniforms
from fedcli.models.splines import extended_knots, spline_basis

Interval = tuple[float, float]


class Map(Protocol):
    """A rule from inputs to columns."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each column."""

    @property
    def largest(self) -> FloatArray:
        """Largest absolute value of each column (n_columns,), whatever inputs are within their intervals."""

    @property
    def switches(self) -> bool:
        """Whether a column is 0 for all rows on one side of a border: its sums are over the other rows then."""

    def values(self, inputs: FloatArray) -> FloatArray:
        """Return the columns (n_rows, n_columns) of inputs (n_rows, n_inputs); NaN where an input is."""


@dataclass(frozen=True)
class Fourier:
    """``sqrt(2 / D) cos(w'u + b)``: `sklearn.kernel_approximation.RBFSampler`.

    Parameters
    ----------
    seed : bytes
    n_inputs, n_components : int
    gamma : float
        Of the kernel ``exp(-gamma |u - v|**2)``.

    References
    ----------
    Rahimi, A., Recht, B. (2007). Random features for large-scale kernel machines. NIPS 20.
    """

    seed: bytes
    n_inputs: int
    n_components: int
    gamma: float
    switches: ClassVar[bool] = False

    @property
    def names(self) -> tuple[str, ...]:
        """See `Map.names`."""
        return tuple(str(number) for number in range(self.n_components))

    @cached_property
    def weights(self) -> FloatArray:
        """``random_weights_`` (n_inputs, n_components): normal, of variance ``2 gamma``."""
        drawn = normals(self.seed, "RBFSampler weights", self.n_inputs * self.n_components)
        return math.sqrt(2.0 * self.gamma) * drawn.reshape(self.n_components, self.n_inputs).T

    @cached_property
    def offset(self) -> FloatArray:
        """``random_offset_`` (n_components,): evenly from 0 to 2 pi."""
        return uniforms(self.seed, "RBFSampler offset", self.n_components) * (2.0 * math.pi)

    @property
    def largest(self) -> FloatArray:
        """See `Map.largest`."""
        return np.full(self.n_components, math.sqrt(2.0 / self.n_components))

    def values(self, inputs: FloatArray) -> FloatArray:
        """See `Map.values`."""
        return np.asarray(np.cos(inputs @ self.weights + self.offset) * math.sqrt(2.0 / self.n_components))


@dataclass(frozen=True)
class Relu:
    """``max(0, w'(u - c))``: w normal of variance ``1 / n_inputs``, c drawn evenly from a box.

    The box is where inputs usually lie, so that each border between 0 and more goes through it.

    Parameters
    ----------
    seed : bytes
    n_components : int
    intervals : tuple of (float, float)
        Between which each input lies.
    box : tuple of (float, float)
        Between which it usually does.

    References
    ----------
    Huang, G.-B., Zhu, Q.-Y., Siew, C.-K. (2006). Extreme learning machine. Neurocomputing 70, 489-501.
    """

    seed: bytes
    n_components: int
    intervals: tuple[Interval, ...]
    box: tuple[Interval, ...]
    switches: ClassVar[bool] = True

    @property
    def names(self) -> tuple[str, ...]:
        """See `Map.names`."""
        return tuple(str(number) for number in range(self.n_components))

    @cached_property
    def weights(self) -> FloatArray:
        """Weights of each column, shape (n_inputs, n_components)."""
        n = len(self.intervals)
        drawn = normals(self.seed, "RandomReLU weights", n * self.n_components)
        return drawn.reshape(self.n_components, n).T / math.sqrt(n)

    @cached_property
    def offset(self) -> FloatArray:
        """``-w'c`` of each column, shape (n_components,)."""
        n = len(self.box)
        share = uniforms(self.seed, "RandomReLU borders", n * self.n_components).reshape(self.n_components, n).T
        found = np.zeros(self.n_components)
        # One input after the other: a library's product of matrices adds in an order of its own.
        for i, (low, high) in enumerate(self.box):
            found = found - self.weights[i] * (low + (high - low) * share[i])
        return found

    @cached_property
    def largest(self) -> FloatArray:
        """See `Map.largest`."""
        low, high = np.array(self.intervals).T
        ends = np.stack([self.weights * low[:, None], self.weights * high[:, None]])
        rounding = 2.0**-40 * (np.abs(ends).max(axis=0).sum(axis=0) + np.abs(self.offset))
        return np.asarray(np.maximum(ends.max(axis=0).sum(axis=0) + self.offset, 0.0) + rounding)

    def values(self, inputs: FloatArray) -> FloatArray:
        """See `Map.values`."""
        return np.asarray(np.maximum(inputs @ self.weights + self.offset, 0.0))


@dataclass(frozen=True)
class Products:
    """Products of up to ``degree`` inputs: `sklearn.preprocessing.PolynomialFeatures`, its columns in its order.

    Parameters
    ----------
    inputs : tuple of str
        Their names.
    intervals : tuple of (float, float)
        Between which each lies.
    degree : int
    interaction_only, include_bias : bool
    """

    inputs: tuple[str, ...]
    intervals: tuple[Interval, ...]
    degree: int
    interaction_only: bool
    include_bias: bool
    switches: ClassVar[bool] = False

    @cached_property
    def _chosen(self) -> tuple[tuple[int, ...], ...]:
        ways = combinations if self.interaction_only else combinations_with_replacement
        least = 0 if self.include_bias else 1
        return tuple(chain.from_iterable(ways(range(len(self.inputs)), k) for k in range(least, self.degree + 1)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """See `Map.names`."""
        return tuple(" ".join(self._powers(chosen)) or "1" for chosen in self._chosen)

    def _powers(self, chosen: Sequence[int]) -> list[str]:
        found = {i: chosen.count(i) for i in dict.fromkeys(chosen)}
        return [self.inputs[i] + (f"^{power}" if power > 1 else "") for i, power in found.items()]

    @cached_property
    def largest(self) -> FloatArray:
        """See `Map.largest`."""
        ends = [max(map(abs, interval)) for interval in self.intervals]
        return np.array([math.prod(ends[i] for i in chosen) for chosen in self._chosen])

    def values(self, inputs: FloatArray) -> FloatArray:
        """See `Map.values`."""
        found = np.empty((len(inputs), len(self._chosen)))
        for at, chosen in enumerate(self._chosen):
            found[:, at] = inputs[:, list(chosen)].prod(axis=1)
        return found


@dataclass(frozen=True)
class Splines:
    """B-splines of each input: `sklearn.preprocessing.SplineTransformer`, its columns in its order.

    Parameters
    ----------
    inputs : tuple of str
        Their names.
    intervals : tuple of (float, float)
        Between which each lies: the outer knots, the others evenly between.
    n_knots, degree : int
    include_bias : bool
        Whether the last spline of each input is there: all of them add up to 1.
    """

    inputs: tuple[str, ...]
    intervals: tuple[Interval, ...]
    n_knots: int
    degree: int
    include_bias: bool
    switches: ClassVar[bool] = False  # the intervals between knots are counted instead

    @property
    def n_each(self) -> int:
        """How many columns each input has."""
        return self.n_knots + self.degree - 1 - (not self.include_bias)

    def base_knots(self, place: int) -> tuple[float, ...]:
        """Return the knots within an input's interval, its ends included."""
        return tuple(np.linspace(*self.intervals[place], num=self.n_knots).tolist())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """See `Map.names`."""
        return tuple(f"{name}_sp_{part}" for name in self.inputs for part in range(self.n_each))

    @property
    def largest(self) -> FloatArray:
        """See `Map.largest`."""
        return np.ones(len(self.names))

    def values(self, inputs: FloatArray) -> FloatArray:
        """See `Map.values`."""
        found = []
        for place in range(len(self.inputs)):
            knots = extended_knots(self.base_knots(place), self.degree)
            found += [spline_basis(inputs[:, place], knots, self.degree, part) for part in range(self.n_each)]
        return np.stack(found, axis=1)
