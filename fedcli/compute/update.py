"""One silo's numbers for one trip: passes over the rows, sums per block of rows, exact from there on.

Owns the passes and their order. Knows nothing of files, keys, rounds or screens. Internal.

Each block of rows is summed in float64 and becomes integers of the study's ring at once, so that the order of blocks,
workers and silos cannot change a bit of the total.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fedcli.compute.points import Trail, choose_point, points_of
from fedcli.compute.spool import BLOCK_ROWS, MEMORY_BYTES, Spool
from fedcli.fileformat.statistics import FloatArray, Layout, State, Statistics, Total
from fedcli.models.batch import Batch, Memory, Point
from fedcli.models.fits import fits_of
from fedcli.models.guard import GUARDED
from fedcli.preparing.evaluation import evaluate
from fedcli.preparing.holdout import row_hashes
from fedcli.preparing.plan import Plan
from fedcli.preparing.preparation import moments, settle_moments
from fedcli.preparing.rows import Rows
from fedcli.privacy import ring

Limbs = NDArray[np.uint64]
# Below this width a second BLAS thread gains nothing and, on a shared machine, was measured to cost a factor of 100.
WIDE = 512


@dataclass(frozen=True)
class Sums:
    """What one silo would send.

    Parameters
    ----------
    layout : Layout
    encoded : mapping of str to ndarray of uint64 (size, 2)
        Fixed point in Z_2^128: what the file holds.
    total : Total
        The same as exact integers.
    silent_holdout : bool
        Whether the evaluation is left at zero because too few rows are held out.
    own : ndarray of shape (n_columns,)
        The silo's own point, which it remembers and never sends.
    points : mapping of str to ndarray
        The same beside those that it was asked for: what points of later trips are compared with.
    guarded : tuple of str
        Blocks whose sums are at points at which no row stands out: tested, each of them.
    without_third : str
        Why third derivatives are left at zero, in words; empty where they are not, or the study asks for none.
    """

    layout: Layout
    encoded: dict[str, Limbs]
    total: Total
    own: FloatArray
    points: Mapping[str, FloatArray]
    silent_holdout: bool = False
    guarded: tuple[str, ...] = ()
    without_third: str = ""


def hash_rows(spool: Spool, secret: bytes) -> NDArray[np.uint64]:
    """Return the keyed hash of each spooled row, shape (n_rows,)."""
    hashes = [row_hashes(rows, secret) for _, rows in spool.blocks()]
    return np.concatenate(hashes) if hashes else np.empty(0, dtype=np.uint64)


class HashedAsRead:
    """Batches of rows on their way into a spool, each hashed as it passes.

    While one batch is hashed the next is parsed: to hash them once all are read takes as long as parsing does.

    Parameters
    ----------
    batches : iterable of Rows
    secret : bytes
    """

    def __init__(self, batches: Iterable[Rows], secret: bytes) -> None:
        self._batches, self._secret = batches, secret
        self._found = [np.empty(0, dtype=np.uint64)]

    def __iter__(self) -> Iterator[Rows]:
        for rows in self._batches:
            self._found.append(row_hashes(rows, self._secret))
            yield rows

    def hashes(self) -> NDArray[np.uint64]:
        """Return what `hash_rows` would of the spool that took the batches in, shape (n_rows,)."""
        self._found = [np.concatenate(self._found)]
        return self._found[0]


def rows_digest(hashes: NDArray[np.uint64], secret: bytes) -> str:
    """Return a keyed hash of all rows whatever their order, 64 hexadecimal digits: the same table gives the same."""
    ranked = np.sort(hashes).astype(">u8", copy=False)
    return hmac.digest(secret, ranked.data.cast("B") if len(ranked) else b"", "sha256").hex()


def sum_update(
    plan: Plan,
    state: State,
    spool: Spool,
    mask: NDArray[np.bool_],
    memory: Memory | None,
    *,
    silent: bool = False,
    trail: Sequence[State] | None = None,
    folds: NDArray[np.int64] | None = None,
    without_third: str = "",
) -> Sums:
    """Sum one silo's update.

    Parameters
    ----------
    plan : Plan
    state : State
        The state that the update continues.
    spool : Spool
        All checked rows of the silo.
    mask : ndarray of bool (n_rows,)
        Rows held out: they enter the evaluation only.
    memory : Memory or None
        The silo's own last update, if the state counts it in.
    silent : bool
        Leave the evaluation at zero: so few rows are held out that it would show a small cell.
    trail : sequence of State, optional
        The states that this silo has answered, each with its own point then as the array ``own``. Without it, which is
        for sums that do not leave, no point is tested for a row that stands out.
    folds : ndarray of int of shape (n_rows,), optional
        Which fold of a cross-validation each row belongs to, where the study has one.
    without_third : str
        Why third derivatives are to be left at zero, where the study asks for them; empty where nothing forbids them.

    Raises
    ------
    DominantRow
        At a point of the state, or between two, one row stands out.
    OutsideBound
        A sum is larger than the agreed ranges permit.
    """
    limits = threadpool_limits(limits=1) if plan.columns.n_columns < WIDE else threadpool_limits(limits=None)
    with limits:
        if state.document["round"] == 0:
            guarded = trail is not None
            return _first(plan, state, spool, mask, guarded=guarded, folds=folds, without_third=without_third)
        return _later(
            plan, state, spool, mask, memory, silent=silent, trail=trail, folds=folds, without_third=without_third
        )


def _first(
    plan: Plan,
    state: State,
    spool: Spool,
    mask: NDArray[np.bool_],
    *,
    guarded: bool,
    folds: NDArray[np.int64] | None,
    without_third: str,
) -> Sums:
    means, modes = _own_imputation(plan, spool, mask)
    centre = np.round(means * 2.0**20) / 2.0**20
    fill = _agreed(plan, means)

    def batch(rows: Rows, fold: NDArray[np.int64] | None) -> Batch:
        return plan.first_batch(rows, fill, modes, fold)

    source = _Source(spool, mask, batch, folds)
    earlier = Trail((), lambda _: source) if guarded else None
    point, without_third = choose_point(plan, source, state, None, earlier, without_third)

    middle = plan.profile.centre(_train(spool, mask))

    def parts() -> Iterator[Statistics]:
        for rows, design in zip(_train(spool, mask), source, strict=True):
            own = {**moments(rows, plan.columns, centre).arrays, **plan.profile.statistics(rows, centre, middle)}
            yield Statistics({**own, **plan.family.statistics(design, point, state).arrays})

    total = plan.profile.settle(_accumulate(plan, state, parts()), centre, middle)
    total = plan.family.settle(settle_moments(total, centre), point, state)
    return replace(_encoded(plan, state, total, point, guarded=guarded), without_third=without_third)


def _later(
    plan: Plan,
    state: State,
    spool: Spool,
    mask: NDArray[np.bool_],
    memory: Memory | None,
    *,
    silent: bool,
    trail: Sequence[State] | None,
    folds: NDArray[np.int64] | None,
    without_third: str,
) -> Sums:
    def batch_of(state: State) -> MakeBatch:
        preparation = plan.preparation(state)
        return lambda rows, fold: plan.later_batch(rows, preparation, fold)

    batch = batch_of(state)
    source = _Source(spool, mask, batch, folds)
    earlier = None
    if trail is not None:
        earlier = Trail(tuple(trail), lambda then: _Source(spool, mask, batch_of(then), folds))
    point, without_third = choose_point(plan, source, state, memory, earlier, without_third)
    nobody = np.zeros(BLOCK_ROWS, dtype=np.bool_)

    def parts() -> Iterator[Statistics]:
        for (where, rows), design in zip(spool.blocks(), source, strict=True):
            out = mask[where]
            arrays = dict(plan.family.statistics(design, point, state).arrays)
            if plan.evaluated:
                held = batch(rows.take(nobody[: len(rows)] if silent else out), None)
                scores, beside = plan.scores(held, state), plan.extras(state)
                arrays |= evaluate(plan.measured, held, scores, plan.loss, beside).arrays
            yield Statistics(arrays)

    total = plan.family.settle(_accumulate(plan, state, parts()), point, state)
    sums = _encoded(plan, state, total, point, guarded=trail is not None)
    return replace(sums, silent_holdout=silent and plan.evaluated, without_third=without_third)


# From rows, and the fold of each, to the design.
MakeBatch = Callable[[Rows, NDArray[np.int64] | None], Batch]


class _Source:
    """The training rows as design batches; kept after the first pass while they fit into memory."""

    def __init__(
        self, spool: Spool, mask: NDArray[np.bool_], batch: MakeBatch, folds: NDArray[np.int64] | None = None
    ) -> None:
        self._spool, self._mask, self._batch, self._folds = spool, mask, batch, folds
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Batch] = []
        n_rows = len(self._mask) - int(np.count_nonzero(self._mask))
        fits = True
        for where, rows in self._spool.blocks():
            train = ~self._mask[where]
            fold = self._folds[where][train] if self._folds is not None else None
            batch = self._batch(rows if train.all() else rows.take(train), fold)
            # Known from the first batch on: to collect until the limit and then let go would cost the limit each pass.
            fits = fits and n_rows * batch.X.shape[1] * batch.X.itemsize <= MEMORY_BYTES
            if fits:
                kept.append(batch)
            yield batch
        self._kept = kept if fits else None


def _train(spool: Spool, mask: NDArray[np.bool_]) -> Iterator[Rows]:
    for where, rows in spool.blocks():
        out = mask[where]
        yield rows.take(~out) if out.any() else rows


def _own_imputation(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> tuple[FloatArray, tuple[int, ...]]:
    """Return the silo's own means (n_numbers + n_pieces,), reference scale, and its own most frequent levels."""
    columns = plan.columns
    zero = np.zeros(len(columns.numbers) + columns.n_pieces)
    found = [moments(rows, columns, zero) for rows in _train(spool, mask)]
    total = found[0]
    for part in found[1:]:
        total = total + part
    means = total["sums"] / np.maximum(total["present"], 1.0) if len(zero) else zero
    modes, at = [], 0
    for _, column in columns.categories:
        frequent = int(np.argmax(total["levels"][at + 1 : at + 1 + len(column.levels)]))
        modes.append(frequent if column.fill is None else column.fill)
        at += len(column.levels) + 1
    return means, tuple(modes)


def _agreed(plan: Plan, means: FloatArray) -> FloatArray:
    """Return what the silo imputes its first trip with (n_numbers,): what is agreed, else its own means."""
    numbers = [column for _, column in plan.columns.numbers]
    return np.array(
        [
            mean if column.fill is None else (column.fill - column.middle) / column.half
            for column, mean in zip(numbers, means[: len(numbers)], strict=True)
        ]
    )


def _accumulate(plan: Plan, state: State, parts: Iterator[Statistics]) -> Total:
    """Encode each block's sums and add them in the ring."""
    layout, n_silos = plan.layout(state), len(plan.study.silos)
    encoded: dict[str, Limbs] = {block.name: np.zeros((block.size, 2), dtype=np.uint64) for block in layout}
    for part in parts:
        encoded = ring.add_encoded(encoded, ring.encode_statistics(part, layout, n_silos))
    bits = {block.name: ring.fraction_bits(block.bound, n_silos) for block in layout}
    return Total({name: ring.decode_integers(limbs) for name, limbs in encoded.items()}, bits)


def _encoded(plan: Plan, state: State, total: Total, point: Point, *, guarded: bool) -> Sums:
    layout, n_silos = plan.layout(state), len(plan.study.silos)
    encoded = {
        block.name: ring.encode_integers(
            total.integers[block.name], block.bound, ring.fraction_bits(block.bound, n_silos), name=block.name
        )
        for block in layout
    }
    tested = guarded and bool(fits_of(plan.family, state))
    blocks = tuple(block.name for block in layout if block.name in GUARDED) if tested else ()
    return Sums(layout, encoded, total, point.coef, points_of(plan.family, state, point), guarded=blocks)


def merge(plan: Plan, state: State, updates: list[dict[str, Limbs]]) -> Total:
    """Add updates in the ring and read the sum back as exact integers.

    Raises
    ------
    GarbageSum
        A number of the sum is larger than all silos together can honestly send.
    """
    layout, n_silos = plan.layout(state), len(plan.study.silos)
    total = updates[0]
    for update in updates[1:]:
        total = ring.add_encoded(total, update)
    bits = {block.name: ring.fraction_bits(block.bound, n_silos) for block in layout}
    for block in layout:
        ring.check_sum(total[block.name], block.bound, bits[block.name], n_silos, name=block.name)
    return Total({block.name: ring.decode_integers(total[block.name]) for block in layout}, bits)
