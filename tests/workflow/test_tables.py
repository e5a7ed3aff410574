"""A silo's table in another form gives the same update."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from tests.workflow.play import Town


def test_the_same_rows_as_parquet_give_the_same_update(town: Callable[..., Town]) -> None:
    silos = town("joined")
    first = silos.train("north")
    table = silos.table("north").with_suffix(".parquet")
    pl.read_csv(silos.table("north")).write_parquet(table)
    # Other numbers for the same round would be refused.
    again = silos.train("north", data=table)
    assert again.again
    assert again.update is not None
    assert first.update is not None
    assert again.update.read_bytes() == first.update.read_bytes()
