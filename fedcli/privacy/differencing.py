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

    def shows_few_in_all(self, least: int) -> bool:
        """Return whether some rows differ, and of those new and of those gone there are fewer than ``least`` each."""
        return self.size > 0 and max(self.added, self.removed) < least

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
    return compare_sorted(np.sort(now), [np.sort(then)])


def compare_sorted(now: NDArray[np.uint64], then: Iterable[NDArray[np.uint64]]) -> Difference:
    """Compare as `compare` does, with little memory beyond ``now``.

    Parameters
    ----------
    now : ndarray of uint64
        Ascending.
    then : iterable of ndarray of uint64
        Ascending in all, in portions.
    """
    common = total = 0
    # Equal hashes may be cut apart between two portions: the last one waits for its equals.
    waiting, count = np.uint64(0), 0
    for portion in then:
        if not len(portion):
            continue
        total += len(portion)
        values, counts = np.unique(portion, return_counts=True)
        if count and values[0] == waiting:
            counts[0] += count
        elif count:
            common += min(count, _count(now, waiting))
        waiting, count = values[-1], int(counts[-1])
        here = np.searchsorted(now, values[:-1], side="right") - np.searchsorted(now, values[:-1], side="left")
        common += int(np.minimum(counts[:-1], here).sum())
    if count:
        common += min(count, _count(now, waiting))
    return Difference(len(now) - common, total - common)


def _count(ranked: NDArray[np.uint64], value: np.uint64) -> int:
    return int(np.searchsorted(ranked, value, side="right") - np.searchsorted(ranked, value, side="left"))


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
