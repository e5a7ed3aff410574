"""Rows by the fold of a cross-validation that they are in: all but one fold, or one fold alone.

Owns these views of rows. Knows nothing of losses, silos or files. Internal. Rows that are not seen weigh nothing and
stay in their places, so that every view has the same blocks of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
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
class Without:
    """All rows of a silo, those of one fold weighing nothing."""

    rows: Source
    fold: int | None

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.rows:
            yield without(batch, self.fold)


@dataclass(frozen=True)
class Only:
    """All rows of a silo, those of one fold alone weighing anything."""

    rows: Source
    fold: int

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.rows:
            yield only(batch, self.fold)
