"""The next piece of a table is read while the last one is worked on: two cores are better than one.

Owns the thread. Must not know what it reads. Internal. Pieces come in their order, and errors with the piece that they
belong to; one piece is held ahead, never more.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(pieces: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield what a generator yields, which runs in a thread of its own until it is asked again.

    Whoever leaves early leaves no thread: the piece that is being read is waited for, and the generator closed.
    """
    end = object()
    try:
        with ThreadPoolExecutor(1, "reading") as pool:
            following = pool.submit(next, pieces, end)
            while (piece := following.result()) is not end:
                following = pool.submit(next, pieces, end)
                yield piece  # type: ignore[misc]
                del piece
    finally:
        pieces.close()
