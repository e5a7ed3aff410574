"""Which rows have left in sums of this study: what a further release is compared with.

Owns the files ``private/summed-*.u64`` and ``private/evaluated-*.u64``: sorted keyed hashes of rows, 8 bytes each, one
file for each set of rows that differs. Knows nothing of the rule. Internal; nothing here leaves the institution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcli.privacy.differencing import Difference, compare_sorted
from fedcli.workflow.workspace import write_bytes

SUMMED, EVALUATED = "summed", "evaluated"
_PORTION = 1 << 19


def portions(path: Path, start: int = 0) -> Iterator[NDArray[np.uint64]]:
    """Read sorted hashes from byte ``start`` of a file on, a handy portion at a time."""
    with path.open("rb") as file:
        file.seek(start)
        while data := file.read(_PORTION):
            yield np.frombuffer(data, dtype=">u8").astype(np.uint64)


def packed(hashes: NDArray[np.uint64]) -> bytes:
    """Return hashes as they are kept: sorted, 8 bytes each, big-endian."""
    return np.sort(hashes).astype(">u8").tobytes()


@dataclass(frozen=True)
class Released:
    """The sets of rows of one kind whose sums have left.

    Parameters
    ----------
    folder : Path
        The silo's private folder; one from before these files were kept holds none, and nothing is known then.
    kind : str
        ``summed``: training rows. ``evaluated``: rows held out.
    """

    folder: Path
    kind: str

    def differences(self, hashes: NDArray[np.uint64]) -> list[Difference]:
        """Compare a set of rows with each one that has left."""
        files, ranked = sorted(self.folder.glob(f"{self.kind}-*.u64")), np.sort(hashes)
        return [compare_sorted(ranked, portions(path)) for path in files]

    def remember(self, hashes: NDArray[np.uint64]) -> None:
        """Record a set of rows, before its sums leave."""
        data = packed(hashes)
        path = self.folder / f"{self.kind}-{hashlib.sha256(data).hexdigest()[:16]}.u64"
        if not path.exists():
            write_bytes(path, data, force=True, mode=0o600)
