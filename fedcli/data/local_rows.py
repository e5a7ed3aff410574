"""Keyed hashes of rows as a table itself has them, whatever a study calls its columns, units and levels.

Owns what makes two rows the same: the table's own names and cells. Knows nothing of studies, rules or what has left.
Internal; nothing here leaves the institution.

A study's canonical values would not do: the same table under other agreed names, units or orders of levels would look
like another one. So a cell is the number that it writes, else its text; a row is its cells in some of the columns.
"""

from __future__ import annotations

import hashlib
import hmac
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedcli.data.cells import STRIPPED, Codes, read_numbers
from fedcli.data.typed import as_text
from fedcli.fileformat import canonical

Hashes = NDArray[np.uint64]
Columns = tuple[str, ...]
_NOTHING = Codes.of(())


class LocalRows:
    """Hashes the rows of one table in several sets of its columns, batch by batch.

    Parameters
    ----------
    sets : iterable of tuple of str
        Each in ascending order.
    secret : bytes
        Of the key that has it, not of a study: rows of different studies are compared.
    scratch : Path
        Folder for a file without a name, in which hashes wait: 8 bytes a row for each set.
    decimal_comma : bool
        Whether the table writes numbers 1,5.
    """

    def __init__(self, sets: Iterable[Columns], secret: bytes, scratch: Path, *, decimal_comma: bool = False) -> None:
        self._secret, self._decimal_comma = secret, decimal_comma
        self._files = {columns: tempfile.TemporaryFile(dir=scratch) for columns in dict.fromkeys(sets)}  # noqa: SIM115
        self.columns: Columns = tuple(dict.fromkeys(column for columns in self._files for column in columns))
        # The names enter the hash: the same cells in other columns are other rows.
        self._keys = {
            columns: hmac.digest(secret, b"columns\0" + canonical.dumps(list(columns)), "sha256")
            for columns in self._files
        }

    @property
    def sets(self) -> tuple[Columns, ...]:
        """The sets of columns."""
        return tuple(self._files)

    def add(self, frame: pl.DataFrame) -> None:
        """Hash some rows, in their order; the frame has all `columns`, and may have more."""
        codes = {column: self._codes(frame.get_column(column)) for column in self.columns}
        for columns, file in self._files.items():
            table = np.stack([codes[column] for column in columns], axis=1).astype(">u8")
            data, width, key = table.tobytes(), 8 * len(columns), self._keys[columns]
            blake = hashlib.blake2b
            for start in range(0, len(data), width):
                file.write(blake(data[start : start + width], digest_size=8, key=key).digest())

    def hashes(self, columns: Columns) -> Hashes:
        """Return the hash of each row (n_rows,), in the order in which they were added."""
        file = self._files[columns]
        file.seek(0)
        return np.frombuffer(file.read(), dtype=">u8").astype(np.uint64)

    def close(self) -> None:
        """Let the hashes go."""
        for file in self._files.values():
            file.close()

    def __enter__(self) -> LocalRows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _codes(self, cells: pl.Series) -> Hashes:
        """Return 64 bits for each cell (n,): those of the number that it writes, else of a keyed hash of its text."""
        values, other = read_numbers(cells, _NOTHING, decimal_comma=self._decimal_comma)
        values = values + 0.0  # -0.0 and 0.0 are the same number
        values[np.isnan(values)] = np.nan
        codes = values.view(np.uint64)
        if other.any():
            text = as_text(cells.filter(pl.Series(other))).str.strip_chars(STRIPPED)
            distinct = text.unique()
            hashed = pl.Series([self._of_text(word) for word in distinct.to_list()], dtype=pl.UInt64)
            codes[other] = text.replace_strict(distinct, hashed, return_dtype=pl.UInt64).to_numpy()
        return codes

    def _of_text(self, text: str) -> int:
        word = unicodedata.normalize("NFC", text).encode("utf-8")
        return int.from_bytes(hashlib.blake2b(word, digest_size=8, key=self._secret).digest(), "big")
