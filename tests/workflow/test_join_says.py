"""What `join` says of a silo's own table: what it proposes, and what of the table serves nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from fedcli.workflow.join import join
from tests.workflow.play import Outcome, Town


def joined(town: Town, folder: Path, frame: pl.DataFrame, *more: object) -> Outcome:
    """Let the north join once more, with another table."""
    frame.write_parquet(folder / "own.parquet")
    fingerprint = town.run("study", "show", town.study, "--json", passphrase=False).json["fingerprint"]
    place = ("-C", folder / "again", "--key", town.key("north"), "--data", folder / "own.parquet")
    return town.run("join", town.study, *place, "--fingerprint", fingerprint, *more)


def test_a_list_that_the_study_does_not_read_costs_no_proposal(town: Callable[..., Town], tmp_path: Path) -> None:
    silos = town("drafted")
    silos.freeze()
    own = pl.read_csv(silos.table("north")).with_columns(
        pl.col("sex").replace({"female": "W"}), icd=pl.Series([["I10"]] * 80)
    )
    said = joined(silos, tmp_path, own)
    assert said.status == 0
    assert "sex: 1 spelling is not agreed" in said.err
    assert "1 column of it that the study does not read: icd" in " ".join(said.err.split())


def test_how_many_columns_serve_nothing_is_said_with_the_first_few(town: Callable[..., Town], tmp_path: Path) -> None:
    silos = town("joined")
    own = pl.read_csv(silos.table("north")).with_columns(*(pl.lit(i).alias(f"lab {i}") for i in range(8)))
    said = joined(silos, tmp_path, own, "--json").json
    assert said["table"] == [
        "Parquet",
        "8 columns of it that the study does not read: lab 0, lab 1, lab 2, lab 3, lab 4 and 3 more",
    ]
    assert said["notes"] == []


def test_it_is_said_with_a_mapping_made_earlier_too(town: Callable[..., Town], tmp_path: Path) -> None:
    silos = town("joined")
    fingerprint = silos.run("study", "show", silos.study, "--json", passphrase=False).json["fingerprint"]
    pl.read_csv(silos.table("north")).rename({"age": "Alter"}).with_columns(ward=1).write_csv(tmp_path / "own.csv")
    (tmp_path / "own.yaml").write_text("columns: {age: Alter}\n")
    found = join(
        silos.study,
        key=silos.secrets["north"],
        key_file=silos.key("north"),
        data=tmp_path / "own.csv",
        mapping=tmp_path / "own.yaml",
        workspace=tmp_path / "again",
        fingerprint=fingerprint,
    )
    assert found.table[-1] == "1 column of it that the study does not read: ward"
