"""Rows by the fold of a cross-validation that they are in: all but one fold, or one fold alone.

Owns these views of rows. Knows nothing of losses, silos or files. Internal. Rows that are not seen weigh nothing and
stay in their places, so that every view has the same blocks of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from fedcli.models.batch import Batch, Source


def without(rows: Batch, fold: int | None) -> Batch:
    """Return a batch in which the rows of one fold weigh nothing."""
    if fold is None or rows.fold is None:
        return rows
    return replace(rows, weight=np.where(rows.fold == fold, 0.0, rows.weight))


def only(rows: Batch, fold: int) -> Batch:
    """Return a batch in which all rows but those of one fold weigh nothing."""
    return replace(rows, weight=np.where(rows.fold == fold, rows.weight, 0.0))


@dataclass(frozen=True)
class Viewed:
    """All rows of a silo, each batch as a view shows it."""

    rows: Source
    view: Callable[[Batch], Batch]

    def __iter__(self) -> Iterator[Batch]:
        return map(self.view, self.rows)


def all_without(rows: Source, fold: int | None) -> Source:
    """Return all rows of a silo, those of one fold weighing nothing."""
    return Viewed(rows, lambda batch: without(batch, fold))


def all_only(rows: Source, fold: int) -> Source:
    """Return all rows of a silo, those of one fold alone weighing anything."""
    return Viewed(rows, lambda batch: only(batch, fold))
