"""What a silo sends of its likelihood in each trip: the shapes, bounds and words of the sums.

Owns the layout of an expansion. Knows nothing of rounds' arithmetic, silos or files. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import Block, Layout, State, pairs_once
from fedcli.models import third_order
from fedcli.models import wording as words
from fedcli.models.box import Box
from fedcli.models.losses import Logistic, Poisson
from fedcli.models.nuisance import JointLoss
from fedcli.models.objective import AnyLoss, StratumLoss, extras_of
from fedcli.models.softmax import Softmax


def expansion_layout(
    loss: AnyLoss,
    box: Box,
    state: State,
    max_rows: float,
    largest_weight: float,
    largest_offset: float,
    *,
    weighted: bool,
    cubic: bool = False,
) -> Layout:
    """Lay down the update that continues a state.

    Parameters
    ----------
    loss : AnyLoss
    box : Box
        Where points that are sent lie.
    state : State
    max_rows, largest_weight, largest_offset : float
        Bounds from the agreement.
    weighted : bool
        Whether rows carry weights of their own.
    cubic : bool
        Whether third derivatives are among them.
    """
    if isinstance(loss, Softmax):
        return layout_of_classes(loss, box, state, max_rows, largest_weight, weighted=weighted)
    n, n_extra = len(box.high), len(extras_of(loss))
    rows, eta = max_rows * largest_weight, box.size + largest_offset
    value, slope, curve = loss.bounds(eta)
    triangle, pairs = n * (n + 1) // 2, pairs_once(n)
    each = "one per column, then per parameter beside them" if n_extra else "one per column"
    # With other parameters a silo may still move nearer to 0 then.
    closing = state.document["round"] > 0 and state.document["phase"] == "closing" and not isinstance(loss, JointLoss)
    likelihood = isinstance(loss, Logistic | Poisson | StratumLoss)
    curvature = Block("curvature", (triangle,), rows * curve, words.CURVATURE[likelihood, closing], pairs)
    rhs = Block("rhs", (n,), rows * (curve * eta + slope), words.RHS, each)
    top = rows * max(1.0, loss.largest_y)
    blocks = [Block("target", (2,), top, words.TARGET[isinstance(loss, Logistic)])]
    third = third_order.blocks(loss, state, n, rows, eta, max_rows) if cubic else ()
    if state.document["round"] == 0:
        if isinstance(loss, Logistic):
            blocks.append(Block("products", (triangle,), rows, words.PRODUCTS, pairs))
            blocks.append(Block("contrast", (n,), rows, words.CONTRAST, each))
        if n_extra:
            most = rows * float(np.abs(np.append(box.low, box.high)[-n_extra:]).max())
            blocks.append(Block("extras", (n_extra,), most, words.EXTRAS, "one per parameter" if n_extra > 1 else ""))
        return Layout((*blocks, curvature, rhs, *third))
    candidates = state.arrays["candidates"].shape[0]
    if weighted:
        blocks.append(Block("rows", (1,), max_rows, words.ROWS))
    what = "numbers" if n_extra else "columns"
    one, points = ("one per point", f"{1 + candidates} points x {n} {what}") if candidates else ("", each)
    values = Block("values", (1 + candidates,), rows * value, words.VALUES[likelihood], one)
    gradients = Block("gradients", ((1 + candidates) * n,), rows * slope, words.GRADIENTS[likelihood], points)
    blocks += [curvature, rhs, values, gradients]
    if candidates:
        blocks.append(Block("candidate", (triangle,), rows * curve, words.CANDIDATE, pairs))
    return Layout((*blocks, *third))


def layout_of_classes(
    loss: Softmax, box: Box, state: State, max_rows: float, largest_weight: float, *, weighted: bool
) -> Layout:
    """Lay down the update of several classes: curvature for each pair of them, all else for each.

    Parameters
    ----------
    loss : Softmax
    box : Box
    state : State
    max_rows, largest_weight : float
    weighted : bool
    """
    n, n_classes, n_pairs = 1 + len(box.names), loss.n_classes, len(loss.pairs[0])
    rows, triangle = max_rows * largest_weight, n * (n + 1) // 2
    value, slope, curve = loss.bounds(box.size)
    pairs, classes = f"{n_pairs} pairs of classes x {pairs_once(n)}", f"{n_classes} classes x {n} columns"
    curvature = Block("curvature", (n_pairs * triangle,), rows * curve, words.CURVATURE_OF_PAIRS, pairs)
    # Predictors of two classes are twice as far apart as each is from 0.
    rhs = Block("rhs", (n_classes * n,), rows * (2.0 * curve * box.size + slope), words.RHS, classes)
    each = "one for all, one per class after the first"
    blocks = [Block("target", (n_classes,), rows, words.TARGET_OF_CLASSES, each)]
    if state.document["round"] == 0:
        blocks.append(Block("products", (triangle,), rows, words.PRODUCTS, pairs_once(n)))
        blocks.append(Block("class_sums", (n_classes * n,), rows, words.CLASS_SUMS, classes))
        return Layout((*blocks, curvature, rhs))
    candidates = state.arrays["candidates"].shape[0]
    if weighted:
        blocks.append(Block("rows", (1,), max_rows, words.ROWS))
    points = 1 + candidates
    one, slopes = ("one per point", f"{points} points x {classes}") if candidates else ("", classes)
    values = Block("values", (points,), rows * value, words.VALUES[True], one)
    gradients = Block("gradients", (points * n_classes * n,), rows * slope, words.GRADIENTS_OF_CLASSES, slopes)
    blocks += [curvature, rhs, values, gradients]
    if candidates:
        blocks.append(Block("candidate", (n_pairs * triangle,), rows * curve, words.CANDIDATE, pairs))
    return Layout(tuple(blocks))
