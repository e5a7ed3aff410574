"""What a silo sends of several likelihoods at once: their sums one after the other under the same names.

Owns the layout of the whole and how it is cut into each fit's own. Knows nothing of rounds' arithmetic, silos or files.
Internal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fedcli.fileformat.statistics import Block, FloatArray, Layout, State, Statistics, Total, pack_upper, unpack_upper
from fedcli.models.cavity import Cavity
from fedcli.models.fits import Fit

# What is summed at no point: the same for all fits, and sent once for each fold.
SHARED = ("target", "rows", "products", "contrast", "class_sums")
HELD = "the sum of the losses of the rows that a fit does not see, those of one fold, at the coefficients received"
HELD_GRADIENTS = "first derivatives of 'held': sums over the rows of one fold of products of the column with residuals"


def path_layout(fits: Sequence[Fit], whole: Cavity, state: State, folds: int, said: str) -> Layout:
    """Lay down the update of several fits.

    Parameters
    ----------
    fits : sequence of Fit
        Those that go on.
    whole : Cavity
        A family of all columns.
    state : State
    folds : int
    said : str
        What the fits are, in words.
    """
    blocks = []
    for block in _shared(whole, state):
        if folds > 1:
            form = f"{folds} folds x {block.form}" if block.form else f"{folds} folds x {block.size}"
            block = replace(block, shape=(folds * block.size,), says=f"{block.says}, in each fold", form=form)
        blocks.append(block)
    each = [_own(fit, state) for fit in fits]
    for name in dict.fromkeys(block.name for own in each for block in own):
        several = [block for own in each for block in own if block.name == name]
        one, n = several[0], len(several)
        sizes = {block.size for block in several}
        form = f"{n} fits x {one.form or one.size}" if len(sizes) == 1 else f"{n} fits, up to {max(sizes)} of each"
        says = f"{one.says}; of each of {n} fits ({said})"
        bound = max(block.bound for block in several)
        blocks.append(Block(name, (sum(block.size for block in several),), bound, says, form))
    return Layout(tuple(blocks))


def cut(
    total: Total | Statistics, fits: Sequence[Fit], whole: Cavity, state: State, folds: int
) -> Iterator[tuple[Fit, Statistics]]:
    """Yield each fit with its own part of a sum.

    Parameters
    ----------
    total : Total or Statistics
    fits, whole, state, folds
        As `path_layout` had them.
    """
    layouts = [_own(fit, state) for fit in fits]
    names = {block.name for own in layouts for block in own}
    arrays = {name: np.ravel(total[name]) for name in names}
    by_fold = {block.name: np.ravel(total[block.name]).reshape(folds, -1) for block in _shared(whole, state)}
    at = dict.fromkeys(names, 0)
    for fit, layout in zip(fits, layouts, strict=True):
        own: dict[str, FloatArray] = {}
        for block in layout:
            own[block.name] = arrays[block.name][at[block.name] : at[block.name] + block.size]
            at[block.name] += block.size
        for name, parts in by_fold.items():
            kept = [k for k in range(folds) if k != fit.fold]
            own[name] = _of_columns(fit, name, parts[kept].sum(axis=0))
        yield fit, Statistics(own)


def _shared(whole: Cavity, state: State) -> list[Block]:
    none = {"candidates": np.zeros((0, whole.form.n_parameters))}
    known = State({"round": state.document["round"], "phase": "solving"}, none)
    return [block for block in whole.layout(known) if block.name in SHARED]


def _own(fit: Fit, state: State) -> Layout:
    """Return the blocks of one fit that are its own."""
    layout = fit.family.layout(fit.state)
    blocks = [block for block in layout if block.name not in SHARED]
    if fit.fold is not None and state.document["round"] > 0:
        values, gradients = layout["values"], layout["gradients"]
        # As long as that of one point: of classes it is longer than a point is.
        n = gradients.size // values.size
        blocks.append(Block("held", (1,), values.bound, HELD))
        blocks.append(Block("held.gradients", (n,), gradients.bound, HELD_GRADIENTS))
    return Layout(tuple(blocks))


def _of_columns(fit: Fit, name: str, array: FloatArray) -> FloatArray:
    """Return what a sum over all columns is of a fit's own."""
    if fit.columns is None or name in ("target", "rows"):
        return array
    places = list(fit.columns)
    if name == "products":
        return pack_upper(unpack_upper(array)[np.ix_(places, places)])
    return np.ascontiguousarray(array.reshape(-1, fit.n_columns)[:, places]).ravel()
