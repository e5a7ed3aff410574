"""Which rows are held out for evaluation: decided by a keyed hash inside the silo.

Owns the choice. Knows nothing of models or files. Internal. The same row is held out in every trip, wherever it stands
in the file; nobody without the silo's secret can tell which rows are, or choose rows so that they are.
"""

from __future__ import annotations

import hmac

import numpy as np
from numpy.typing import NDArray

from fedcli.preparing.rows import Rows

# Rows laid out at a time: so many stay in a processor's cache.
_PORTION = 1_024


def row_hashes(rows: Rows, secret: bytes) -> NDArray[np.uint64]:
    """Return 64 bits of HMAC-SHA256 of each row in canonical form, shape (n_rows,).

    Canonical form: the agreed columns in the study's order as big-endian float64 in agreed units (a missing value is
    one fixed NaN, a category its level's number), so that spelling, column order and locale of the file play no part.
    """
    # The key is taken in once, and its state copied for each row: `hmac.digest` takes it in anew each time.
    keyed = hmac.new(secret, digestmod="sha256").copy
    found, width = [], rows.width * 8
    for start in range(0, len(rows), _PORTION):
        table = rows.take(slice(start, start + _PORTION)).table()
        table += 0.0  # -0.0 and 0.0 are the same number
        table[np.isnan(table)] = np.nan
        data = table.astype(">f8").tobytes()
        for i in range(0, len(data), width):
            one = keyed()
            one.update(data[i : i + width])
            found.append(one.digest()[:8])
    return np.frombuffer(b"".join(found), dtype=">u8").astype(np.uint64)


def held_out(hashes: NDArray[np.uint64], share: float, secret: bytes) -> NDArray[np.bool_]:
    """Return which rows are held out, shape (n_rows,).

    Rows that equal each other get occurrence numbers, which enter a second hash: otherwise all copies of a row would
    fall on the same side. Which of the equal rows has which number makes no difference to any sum.

    Parameters
    ----------
    hashes : ndarray of uint64
        From `row_hashes`, over the whole table.
    share : float
        Expected share of rows held out, 0 to below 1.
    secret : bytes
    """
    if share <= 0:
        return np.zeros(len(hashes), dtype=np.bool_)
    return np.asarray(_of_each(hashes, secret) < np.uint64(min(int(share * 2.0**64), 2**64 - 1)))


def folds_of(hashes: NDArray[np.uint64], n_folds: int, secret: bytes) -> NDArray[np.int64]:
    """Divide the rows among the folds of a cross-validation, shape (n_rows,), from 0.

    Which fold a row falls into follows from the same keyed hash as the hold-out, by its last bits, where that looks at
    the first: the same row is in the same fold in every trip, and nobody without the secret can tell in which.

    Parameters
    ----------
    hashes : ndarray of uint64
        From `row_hashes`, over the whole table.
    n_folds : int
    secret : bytes
    """
    return np.asarray(_of_each(hashes, secret) % np.uint64(n_folds), dtype=np.int64)


def _of_each(hashes: NDArray[np.uint64], secret: bytes) -> NDArray[np.uint64]:
    """Return a hash of each row (n_rows,) that differs between equal rows."""
    ranked = np.sort(hashes)
    several = np.unique(ranked[1:][ranked[1:] == ranked[:-1]])
    del ranked
    if not len(several):
        return hashes
    # Few tables have many equal rows: only these are ranked, for a large table's sake.
    final, chosen = hashes.copy(), np.flatnonzero(np.isin(hashes, several))
    order = chosen[np.argsort(hashes[chosen], kind="stable")]
    ranked = hashes[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    occurrence = np.arange(len(ranked)) - np.repeat(starts, np.diff(np.r_[starts, len(ranked)]))
    for at in np.flatnonzero(occurrence):
        message = int(ranked[at]).to_bytes(8, "big") + int(occurrence[at]).to_bytes(8, "big")
        final[order[at]] = np.uint64(int.from_bytes(hmac.digest(secret, message, "sha256")[:8], "big"))
    return final
