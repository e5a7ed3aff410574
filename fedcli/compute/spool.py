"""A silo's checked rows, kept for several passes: in memory while small, else in a scratch file that only it can read.

Owns where rows wait between passes. Knows nothing of what is summed. Internal.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcli.preparing.rows import Rows

BLOCK_ROWS = 8_192
MEMORY_BYTES = 256 * 2**20


class Spool:
    """Rows of one silo for several passes in the same order.

    Parameters
    ----------
    batches : iterable of Rows
    scratch : Path
        Folder for the scratch file, used only above ``memory_bytes``. The file has no name there once it is open, so
        nothing is left behind, not even after a crash.
    memory_bytes : int
    """

    def __init__(self, batches: Iterable[Rows], scratch: Path, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._tables: list[np.ndarray] = []
        self._file = None
        self._relabelled: np.ndarray | None = None
        self._replaced: dict[tuple[int, int], int] = {}
        self._shape = (0, 0)
        n_rows = width = held = 0
        for rows in batches:
            table = np.ascontiguousarray(rows.table())
            self._n_numbers, self._n_codes = rows.numbers.shape[1], rows.codes.shape[1]
            width = table.shape[1]
            n_rows += len(rows)
            if self._file is None and held + table.nbytes > memory_bytes:
                self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed by `close`
                for held_table in self._tables:
                    held_table.tofile(self._file)
                self._tables = []
            if self._file is None:
                self._tables.append(table)
                held += table.nbytes
            else:
                table.tofile(self._file)
        self._shape = (n_rows, width)
        if self._file is not None:
            self._file.flush()
            self._table = None
        else:
            self._table = np.concatenate(self._tables) if self._tables else np.empty((0, 0))
            self._tables = []

    def __len__(self) -> int:
        return self._shape[0]

    def blocks(self) -> Iterator[tuple[slice, Rows]]:
        """Pass over all rows in order, `BLOCK_ROWS` at a time, with their positions."""
        n_rows, width = self._shape
        for start in range(0, n_rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, n_rows)
            if self._table is not None:
                table = self._table[start:stop]
            else:
                assert self._file is not None  # noqa: S101 - one of the two holds the rows
                data = os.pread(self._file.fileno(), (stop - start) * width * 8, start * width * 8)
                table = np.frombuffer(data, dtype=np.float64).reshape(stop - start, width)
            rows = Rows.from_table(table, self._n_numbers, self._n_codes)
            if self._relabelled is not None:
                chosen, as_read = self._relabelled[start:stop], rows.codes.copy()
                for (column, code), other in self._replaced.items():
                    rows.codes[chosen & (as_read[:, column] == code), column] = other
            yield slice(start, stop), rows

    def relabel(self, chosen: NDArray[np.bool_], replaced: Mapping[tuple[int, int], int]) -> None:
        """Show other levels in later passes; what is kept stays as it was read.

        Parameters
        ----------
        chosen : ndarray of bool (n_rows,)
            Which rows.
        replaced : mapping of (int, int) to int
            For a category's position and a level's, the position of the level that is shown instead.
        """
        self._relabelled, self._replaced = (chosen, dict(replaced)) if replaced else (None, {})

    def close(self) -> None:
        """Let the rows go."""
        self._table = np.empty((0, 0))
        self._shape = (0, 0)
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
