"""Reading ahead gives what reading would have given, and leaves no thread behind."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcli.data.ahead import ahead
from fedcli.data.csv_blocks import _cut
from fedcli.data.csv_quotes import last_record_end


class Pieces:
    """Numbers up to an error, with a note of how far reading has come and whether it was ended."""

    def __init__(self, n: int, *, fails: bool = False) -> None:
        self.n, self.fails, self.read, self.closed = n, fails, 0, False

    def __iter__(self) -> Generator[int, None, None]:
        try:
            for i in range(self.n):
                self.read = i + 1
                yield i
            if self.fails:
                raise ValueError("the last piece is damaged")
        finally:
            self.closed = True


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reading")]


@pytest.mark.parametrize("n", [0, 1, 50])
def test_pieces_come_in_their_order(n: int) -> None:
    pieces = Pieces(n)
    assert list(ahead(iter(pieces))) == list(range(n))
    assert pieces.closed
    assert threads() == []


def test_an_error_comes_after_the_pieces_before_it() -> None:
    found: list[int] = []
    with pytest.raises(ValueError, match="damaged"):
        found.extend(ahead(iter(Pieces(3, fails=True))))
    reading: Iterator[int] = ahead(iter(Pieces(3, fails=True)))
    assert [next(reading) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="damaged"):
        next(reading)
    assert threads() == []


def test_whoever_leaves_early_leaves_no_thread_and_has_read_one_piece_more() -> None:
    pieces = Pieces(1000)
    reading = ahead(iter(pieces))
    assert next(reading) == 0
    reading.close()  # type: ignore[attr-defined]
    assert pieces.closed
    assert pieces.read == 2
    assert threads() == []


@given(st.text('ab,"\n', max_size=40), st.integers(0, 40))
def test_a_block_ends_where_the_last_record_does_wherever_the_piece_begins(text: str, at: int) -> None:
    data = text.encode()
    # What is left over never holds a whole record.
    rest, data = data[:at], data[at:]
    if not data or last_record_end(rest, ","):
        return
    end = last_record_end(rest + data, ",")
    assert _cut(rest, data, ",") == ((rest + data)[:end], (rest + data)[end:])
