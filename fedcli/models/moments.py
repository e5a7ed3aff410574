"""Exact moments of groups of rows: what every closed form is made of.

Owns their sums at a silo, the way to the common origin, and what the coordinator reads from the total. Knows nothing of
estimators, files or keys. Stable.

Rows are told apart by fold, and by class where an estimator needs it. A silo sums about a centre near its own means and
carries the sums to the common origin in integers; the coordinator imputes, joins groups and centres in integers too. So
no digit is lost to cancellation, whatever groups are joined.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import (
    Block,
    FloatArray,
    Layout,
    Statistics,
    Total,
    pack_upper,
    pairs_once,
    unpack_upper,
)
from fedcli.models.batch import Batch, weighted_cross
from fedcli.models.exact import (
    CENTRE_BITS,
    MAP_BITS,
    Integers,
    as_float,
    congruence,
    map_sums,
    shift_products,
    shift_sums,
)
from fedcli.models.fourth import Fourth
from fedcli.models.wording import CLASS_SUMS


@dataclass(frozen=True)
class Grouping:
    """Which sums are kept apart.

    Parameters
    ----------
    n_classes : int
        1 where classes play no part.
    folds : int
        1 without cross-validation.
    products : bool
        Whether products of columns are summed, not their sums alone.
    by_class : bool
        Whether products are summed by class; their sums always are where there are several.
    target : bool
        Whether the target is a column of its own, behind the others.
    squares : bool
        Whether of products only each column's square is summed, and its product with the target where that is a column.
    fourth : bool
        Whether squares of columns are columns too, behind the others, so that their products tell fourth moments.
    """

    n_classes: int = 1
    folds: int = 1
    products: bool = True
    by_class: bool = False
    target: bool = False
    squares: bool = False
    fourth: bool = False

    @property
    def product_groups(self) -> int:
        """How many groups of rows have products of their own."""
        return self.folds * (self.n_classes if self.by_class else 1)


@dataclass(frozen=True)
class GroupedSums:
    """The sums of one family.

    Parameters
    ----------
    grouping : Grouping
    n_expanded : int
        Expanded columns, the intercept included.
    largest : float
        Most weight that one silo's rows have together.
    within : tuple of (int, int)
        Of expanded columns: one, and another that is 1 wherever the first is not 0. All other columns that one column
        of the design is made of are never both other than 0, so that squares of the design follow from squares.
    squared : tuple of int
        Which expanded columns are squared for fourth moments: all others are 0 or 1.
    """

    grouping: Grouping
    n_expanded: int
    largest: float
    within: tuple[tuple[int, int], ...] = ()
    squared: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Columns that are summed, the target included where it is one, and squares where they are."""
        return self.n_expanded + (len(self.squared) if self.grouping.fourth else 0) + self.grouping.target

    def _columns(self, rows: Batch) -> FloatArray:
        """Return what is summed of a batch, (n_rows, width)."""
        parts = [rows.X]
        if self.grouping.fourth:
            parts.append(rows.X[:, list(self.squared)] ** 2)
        if self.grouping.target:
            parts.append(rows.y[:, None])
        return np.hstack(parts)

    def layout(self) -> Layout:
        """Lay down the blocks."""
        n, grouping = self.width, self.grouping
        folds = f"{grouping.folds} folds x " if grouping.folds > 1 else ""
        classes = f"{grouping.n_classes} classes x "
        blocks = []
        if grouping.products:
            form = folds + (classes if grouping.by_class else "")
            if grouping.squares:
                says = "how many rows there are, and of each column the sum and the sum of its squares"
                says += ", and of its product with the outcome, which is one of the columns" if grouping.target else ""
                form = f"{form}{self._n_products} numbers"
            else:
                says = "for each pair of columns, and each with itself, the sum of their product"
                says += "; the square of each number is one of the columns" if grouping.fourth else ""
                says += "; the outcome is one of the columns" if grouping.target else ""
                form += pairs_once(n)
            blocks.append(Block("gram", (grouping.product_groups * self._n_products,), self.largest, says, form))
        if grouping.n_classes > 1 and not (grouping.products and grouping.by_class):
            size, form = grouping.folds * grouping.n_classes * n, f"{folds}{classes}{n} columns"
            blocks.append(Block("class_sums", (size,), self.largest, CLASS_SUMS, form))
        return Layout(tuple(blocks))

    @cached_property
    def _sent(self) -> NDArray[np.bool_]:
        """Which entries of a packed triangle of products are summed."""
        i, j = np.triu_indices(self.width)
        if not self.grouping.squares:
            return np.ones(len(i), dtype=np.bool_)
        return np.asarray((i == 0) | (i == j) | (self.grouping.target & (j == self.width - 1)))

    @property
    def _n_products(self) -> int:
        return int(self._sent.sum())

    def _packed(self, part: Integers) -> Integers:
        """Return a whole packed triangle with 0 for what is not summed."""
        packed = np.zeros(len(self._sent), dtype=object)
        packed[self._sent] = part
        return packed

    def centre(self, rows: Iterable[Batch]) -> FloatArray:
        """Return the silo's own means (width,) on a coarse grid, 0 for the first column."""
        count, sums = 0, np.zeros(self.width)
        for batch in rows:
            count += batch.X.shape[0]
            sums += self._columns(batch).sum(axis=0)
        centre = np.round(sums / max(count, 1) * 2.0**CENTRE_BITS) / 2.0**CENTRE_BITS
        centre[0] = 0.0
        return np.asarray(centre)

    def statistics(self, rows: Batch, centre: FloatArray) -> Statistics:
        """Sum one batch about ``centre`` (width,)."""
        grouping = self.grouping
        columns = self._columns(rows) - centre
        fold = rows.fold if rows.fold is not None else np.zeros(len(rows.y), dtype=np.int64)
        arrays: dict[str, FloatArray] = {}
        if grouping.products:
            group = fold * grouping.n_classes + rows.y.astype(np.int64) if grouping.by_class else fold
            found = []
            for number in range(grouping.product_groups):
                chosen = group == number if grouping.product_groups > 1 else slice(None)
                found.append(pack_upper(weighted_cross(columns[chosen], rows.weight[chosen]))[self._sent])
            arrays["gram"] = np.concatenate(found)
        if grouping.n_classes > 1 and not (grouping.products and grouping.by_class):
            group = fold * grouping.n_classes + rows.y.astype(np.int64)
            sums = np.zeros((grouping.folds * grouping.n_classes, self.width))
            for number in range(len(sums)):
                chosen = group == number
                sums[number] = rows.weight[chosen] @ columns[chosen]
            arrays["class_sums"] = sums.ravel()
        return Statistics(arrays)

    def settle(self, total: Total, centre: FloatArray) -> Total:
        """Carry a silo's exact sums about ``centre`` to sums about 0."""
        integers = dict(total.integers)
        if "gram" in integers:
            parts = np.split(integers["gram"], self.grouping.product_groups)
            # A shifted product needs both columns' sums besides, which are always there.
            moved = [shift_products(self._packed(part), centre)[self._sent] for part in parts]
            integers["gram"] = np.concatenate(moved)
        if "class_sums" in integers:
            sums = integers["class_sums"].reshape(-1, self.width)
            integers["class_sums"] = shift_sums(sums, centre).ravel()
        return Total(integers, total.fraction_bits)

    def read(self, total: Total, mapping: FloatArray, unit: FloatArray) -> Moments:
        """Read the pooled moments of the design from the total.

        Parameters
        ----------
        total : Total
        mapping : ndarray of shape (n_columns [+ 1], width)
            From expanded columns to imputed and centred ones; see `Preparation.from_expanded`.
        unit : ndarray of shape (n_columns - 1 [+ 1],)
            What each of these is divided by, the target last where it is one of them.
        """
        grouping = self.grouping
        rows = mapping if grouping.target else mapping[:-1, : self.n_expanded]
        fourth = None
        products, bits = [], 0
        if grouping.products:
            bits = total.fraction_bits["gram"] + 2 * MAP_BITS
            parts = np.split(total.integers["gram"], grouping.product_groups)
            products = [self._mapped(part, rows) for part in parts]
            if grouping.fourth:
                gram = unpack_upper(parts[0])
                fourth = Fourth(gram, total.fraction_bits["gram"], rows, self.squared, self.within, unit)
        sums: list[Integers] = []
        if "class_sums" in total.integers:
            sums = [map_sums(part, rows) for part in total.integers["class_sums"].reshape(-1, self.width)]
        sums_bits = total.fraction_bits["class_sums"] + MAP_BITS if sums else 0
        return Moments(grouping, tuple(products), bits, tuple(sums), sums_bits, unit, fourth)

    def _mapped(self, part: Integers, rows: FloatArray) -> Integers:
        """Return the products of the design; of squares alone, others than those of `Moments._known` mean nothing."""
        gram = unpack_upper(self._packed(part))
        if self.grouping.fourth:
            gram = gram[: self.n_expanded, : self.n_expanded]
        for value, flag in self.within if self.grouping.squares else ():
            gram[value, flag] = gram[flag, value] = gram[0, value]
        return congruence(gram, rows)


@dataclass(frozen=True)
class Group:
    """First and second moments of some rows, each number rounded once.

    Parameters
    ----------
    weight : float
        Sum of weights: the number of rows where they have none.
    mean : ndarray of shape (n,)
        Of the design's columns after the intercept, then of the target where it is one.
    products : ndarray of shape (n, n)
        ``sum w (u - mean)(u - mean)'``; about 0 if so asked. Of squares alone only the diagonal (and the target's row
        and column) says something; all else is 0.
    """

    weight: float
    mean: FloatArray
    products: FloatArray

    @property
    def normal_equations(self) -> tuple[FloatArray, FloatArray, float]:
        """Products of the columns (n - 1, n - 1), of each with the target (n - 1,), and of the target with itself."""
        return self.products[:-1, :-1], self.products[:-1, -1], float(self.products[-1, -1])

    def with_intercept(self, coef: FloatArray, *, fit_intercept: bool) -> FloatArray:
        """Return the intercept that goes with ``coef`` (n - 1,), 0 if there is none, and ``coef`` after it."""
        intercept = self.mean[-1] - self.mean[:-1] @ coef if fit_intercept else 0.0
        return np.concatenate([[intercept], coef])


@dataclass(frozen=True)
class Moments:
    """Pooled sums of the design, exact, by group; what is read from them is divided by each column's unit."""

    grouping: Grouping
    products: tuple[Integers, ...]
    product_bits: int
    sums: tuple[Integers, ...]
    sum_bits: int
    unit: FloatArray
    fourth: Fourth | None = None

    @cached_property
    def weights(self) -> FloatArray:
        """Sum of weights of each fold (rows) and class (columns)."""
        grouping = self.grouping
        if self.sums:
            found = [as_float(np.array([part[0]]), 1 << self.sum_bits)[0] for part in self.sums]
        else:
            found = [as_float(part[:1, 0], 1 << self.product_bits)[0] for part in self.products]
        return np.array(found).reshape(grouping.folds, -1)

    def group(
        self, folds: Iterable[int] | None = None, classes: Iterable[int] | None = None, *, centred: bool = True
    ) -> Group:
        """Join groups of rows.

        Parameters
        ----------
        folds, classes : iterable of int, optional
            Which; all of them without. Classes can be told apart only where products are summed by class.
        centred : bool
            Whether products are about the group's own mean.

        Returns
        -------
        Group
            Of no weight where it has no rows.
        """
        grouping = self.grouping
        per_fold = grouping.n_classes if grouping.by_class else 1
        chosen = [
            self.products[fold * per_fold + kind]
            for fold in (range(grouping.folds) if folds is None else folds)
            for kind in (range(per_fold) if classes is None else classes)
        ]
        product = sum(chosen[1:], chosen[0])
        weight = int(product[0, 0])
        n = len(product) - 1
        one = 1 << self.product_bits
        if weight <= 0:
            return Group(0.0, np.zeros(n), np.zeros((n, n)))
        mean = as_float(product[0, 1:], weight) / self.unit
        if centred:
            # Integers times the sum of weights, divided once.
            found = as_float((product * weight - np.outer(product[:, 0], product[0]))[1:, 1:], weight * one)
        else:
            found = as_float(product[1:, 1:], one)
        if grouping.squares:
            found = self._known(found)
        return Group(weight / one, mean, found / self.unit[:, None] / self.unit[None, :])

    def _known(self, products: FloatArray) -> FloatArray:
        """Return ``products`` (n, n) with 0 where only squares, and products with the target, are known."""
        known = np.diag(np.diagonal(products))
        if self.grouping.target:
            known[-1], known[:, -1] = products[-1], products[:, -1]
        return known

    def class_sums(self, folds: Iterable[int] | None = None) -> tuple[FloatArray, FloatArray]:
        """Return the weight (n_classes,) and the sums of the columns (n_classes, n) of each class over some folds."""
        grouping = self.grouping
        wanted = list(range(grouping.folds) if folds is None else folds)
        weights, sums = [], []
        for kind in range(grouping.n_classes):
            if self.sums:
                parts = [self.sums[fold * grouping.n_classes + kind] for fold in wanted]
                one = 1 << self.sum_bits
            else:
                parts = [self.products[fold * grouping.n_classes + kind][0] for fold in wanted]
                one = 1 << self.product_bits
            whole = as_float(sum(parts[1:], parts[0]), one)
            weights.append(whole[0])
            sums.append(whole[1:] / self.unit)
        return np.array(weights), np.array(sums)
