"""What subtracting two releases shows: the sums of the rows that differ, as if they were a table of their own.

Owns the comparison and its rule. Knows nothing of tables, disks or rounds; it is handed hashes of rows. Internal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcli.errors import TooFewRowsDiffer


@dataclass(frozen=True)
class Difference:
    """How many rows are new in one set against another, and how many are gone; equal rows count singly."""

    added: int
    removed: int

    @property
    def size(self) -> int:
        """Rows that are in one of the two only."""
        return self.added + self.removed

    def shows_few(self, least: int) -> bool:
        """Return whether the rows new, or the rows gone, are some but fewer than ``least``."""
        return 0 < self.added < least or 0 < self.removed < least


def compare(now: NDArray[np.uint64], then: NDArray[np.uint64]) -> Difference:
    """Compare two sets of rows by their hashes, as multisets.

    Parameters
    ----------
    now, then : ndarray of uint64
        One hash for each row, in any order.

    Examples
    --------
    >>> compare(np.array([1, 2, 2], np.uint64), np.array([2, 3], np.uint64))
    Difference(added=2, removed=1)
    """
    together = np.concatenate([now, then])
    if not len(together):
        return Difference(0, 0)
    order = np.argsort(together, kind="stable")
    ranked = together[order]
    sign = np.where(order < len(now), 1, -1)
    surplus = np.add.reduceat(sign, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]))
    return Difference(int(surplus[surplus > 0].sum()), int(-surplus[surplus < 0].sum()))


def nearest(differences: Iterable[Difference]) -> Difference | None:
    """Return the smallest difference, or None if there is none."""
    return min(differences, key=lambda difference: difference.size, default=None)


def too_few_differ(differences: Iterable[Difference], least: int) -> TooFewRowsDiffer | None:
    """Return the refusal of a release that, less an earlier one, would show fewer than ``least`` rows.

    Rows new and rows gone are each held to the rule: whoever knows the many takes them off, and sees the few.
    """
    worst = nearest(difference for difference in differences if difference.shows_few(least))
    if worst is None:
        return None
    return TooFewRowsDiffer(
        f"the training rows differ from those of an earlier update of this study by {worst.size:,} "
        f"({worst.added:,} new, {worst.removed:,} gone); the study requires at least {least:,} new or none, "
        f"and {least:,} gone or none",
        hint="train on the earlier table again, or wait until that many rows have changed: subtracting the two updates "
        "would show the sums of so few",
    )
