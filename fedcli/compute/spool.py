"""A silo's checked rows, kept for several passes: in memory while small, else in a scratch file that only it can read.

Owns where rows wait between passes. Knows nothing of what is summed. Internal.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fedcli.preparing.rows import Rows

BLOCK_ROWS = 8_192
MEMORY_BYTES = 192 * 2**20
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


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
        self._table: np.ndarray | None = np.empty((0, 0))
        self._file: BinaryIO | None = None
        self._scratch, self._memory_bytes = scratch, memory_bytes
        self._relabelled: np.ndarray | None = None
        self._replaced: dict[tuple[int, int], int] = {}
        self._shape = (0, 0)
        n_rows = 0
        for rows in batches:
            self._n_numbers, self._n_codes = rows.numbers.shape[1], rows.codes.shape[1]
            if not n_rows:
                width = rows.width
                # Room for all that may be held, of which the system hands out what is written to.
                self._table = np.empty((memory_bytes // (8 * width), width))
            self._keep(rows, n_rows)
            n_rows += len(rows)
            self._shape = (n_rows, width)
        if self._file is not None:
            self._file.flush()
        elif self._table is not None:
            self._table = self._table[:n_rows]

    def _keep(self, rows: Rows, start: int) -> None:
        """Put rows behind the ``start`` that are kept already."""
        if self._table is not None and start + len(rows) <= len(self._table):
            rows.into(self._table[start : start + len(rows)])
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - closed by `close`
        if self._table is not None:
            self._table[:start].tofile(self._file)
            self._table = None
        rows.table().tofile(self._file)

    def __len__(self) -> int:
        return self._shape[0]

    def blocks(self) -> Iterator[tuple[slice, Rows]]:
        """Pass over all rows in order, `BLOCK_ROWS` at a time, with their positions."""
        for start, table in self._raw():
            rows = Rows.from_table(table, self._n_numbers, self._n_codes)
            where = slice(start, start + len(rows))
            self._show_others(rows.codes, where)
            yield where, rows

    def as_read(self) -> Iterator[Rows]:
        """Pass over all rows as `blocks` does, whatever is relabelled meanwhile: another thread may do so."""
        for _, table in self._raw():
            yield Rows.from_table(table, self._n_numbers, self._n_codes)

    def sort(
        self, last: NDArray[np.bool_], folds: NDArray[np.int64] | None = None, *, latest_first: bool = False
    ) -> NDArray[np.int64]:
        """Put the rows into an order that they alone decide: the same rows give the same sums, however they came.

        Float sums round differently in another order. Equal rows are alike, so theirs does not matter. Levels count as
        they are shown, so that rows relabelled give the same sums as rows written so.

        Parameters
        ----------
        last : ndarray of bool (n_rows,)
            Rows that come behind all others, in the same kind of order.
        folds : ndarray of int of shape (n_rows,), optional
            Of equal rows, the one of the lower fold comes first.
        latest_first : bool
            By their own times first, descending, in a study that has times.

        Returns
        -------
        ndarray of int64 (n_rows,)
            Where each row was before.
        """
        keys = np.empty(len(self), dtype=np.uint64)
        earlier = np.empty(len(self) if latest_first else 0)
        for start, table in self._raw():
            where, shown = slice(start, start + len(table)), table.copy()
            self._show_others(shown[:, self._n_numbers : self._n_numbers + self._n_codes], where)
            keys[where] = _keys(shown)
            if latest_first:
                earlier[where] = -table[:, self._n_numbers + self._n_codes + 3]
        # In place: of a table of millions of rows each of these arrays is tens of megabytes.
        keys >>= np.uint64(1)
        keys[last] |= np.uint64(1) << np.uint64(63)
        if latest_first:
            order = np.lexsort((keys, earlier, last) if folds is None else (folds, keys, earlier, last))
        else:
            order = np.argsort(keys, kind="stable") if folds is None else np.lexsort((folds, keys))
        del keys, earlier
        if self._relabelled is not None:
            self._relabelled = self._relabelled[order]
        if self._table is not None:
            self._table = self._table[order] if len(order) else self._table
            return order
        # A share is held twice, and the order and places of all rows beside it.
        self._sort_file(order, max(self._memory_bytes // (32 * self._shape[1]), BLOCK_ROWS))
        return order

    def _show_others(self, codes: np.ndarray, where: slice) -> None:
        """Put other levels in the place of those that are relabelled, (n, n_categories), in place."""
        if self._relabelled is not None:
            chosen, as_read = self._relabelled[where], codes.copy()
            for (column, code), other in self._replaced.items():
                codes[chosen & (as_read[:, column] == code), column] = other

    def _raw(self) -> Iterator[tuple[int, np.ndarray]]:
        """Pass over the rows as they are kept, `BLOCK_ROWS` at a time, with the position of the first."""
        for start in range(0, len(self), BLOCK_ROWS):
            yield start, self._read(start, min(start + BLOCK_ROWS, len(self)))

    def _read(self, start: int, stop: int) -> np.ndarray:
        if self._table is not None:
            return self._table[start:stop]
        assert self._file is not None  # noqa: S101 - one of the two holds the rows
        width = self._shape[1]
        data = os.pread(self._file.fileno(), (stop - start) * width * 8, start * width * 8)
        return np.frombuffer(data, dtype=np.float64).reshape(stop - start, width)

    def _sort_file(self, order: NDArray[np.int64], most: int) -> None:
        """Put the rows into ``order`` (n_rows,), through a second file, ``most`` rows in memory at a time.

        Rows go to their share of the file first and to their place in it then: both passes read and write in pieces,
        where fetching row by row would read a page of the disk for each.
        """
        assert self._file is not None  # noqa: S101 - called for files only
        n_rows, width = self._shape
        other = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - closed by `close`
        place = np.empty(n_rows, dtype=np.uint32 if n_rows < 2**32 else np.uint64)
        place[order] = np.arange(n_rows, dtype=place.dtype)
        filled = np.arange(0, n_rows, most)
        for start, table in self._raw():
            shares = place[start : start + len(table)] // most
            for share in np.unique(shares).tolist():
                part = table[shares == share]
                _write(other.fileno(), part, int(filled[share]) * width * 8)
                filled[share] += len(part)
        self._file.close()
        self._file = other
        for start in range(0, n_rows, most):
            stop = min(start + most, n_rows)
            # Rows came to their share in the order in which they were before.
            arrived = np.sort(order[start:stop])
            sorted_part = np.empty((stop - start, width))
            sorted_part[place[arrived].astype(np.int64) - start] = self._read(start, stop)
            _write(other.fileno(), sorted_part, start * width * 8)

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


def _write(descriptor: int, table: np.ndarray, at: int) -> None:
    data = np.ascontiguousarray(table).data.cast("B")
    while data:
        done = os.pwrite(descriptor, data, at)
        data, at = data[done:], at + done


def _keys(table: np.ndarray) -> NDArray[np.uint64]:
    """Return a number (n_rows,) that a row's content decides, evenly spread; no secret, and nobody sees it."""
    bits = np.where(np.isnan(table), np.nan, table + 0.0).view(np.uint64)
    found = np.zeros(len(table), dtype=np.uint64)
    for column in bits.T:
        # The finaliser of splitmix64: every bit of each column reaches every bit of the key.
        found = found * _ODD + column
        for shift, factor in _MIX:
            found = (found ^ (found >> shift)) * factor
    return found
