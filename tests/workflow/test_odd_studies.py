"""Whole studies on odd tables: the model is that of the pooled rows, or nothing is written and a reason is given."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from fedcli.errors import CellTooSmall, EmptyTable, FedcliError, OneClass, OutOfRange, TooFewRows
from fedcli.study.reading import read_study
from fedcli.workflow.outcome import export
from tests.equivalence.pooled import fit_pooled
from tests.workflow.conftest import At
from tests.workflow.play import SILOS, Town, agreement, rows, table_text

DIVERSE = """\
  age: {type: number, range: [20, 100]}
  chol: {type: number, range: [100, 400]}
  sex: {type: category, levels: [female, male, diverse]}
"""
EXPOSED = agreement(
    target="{column: falls, type: count, range: [0, 20]}",
    features="  age: {type: number, range: [20, 100]}\n",
    estimator="PoissonRegressor",
    params="{alpha: 0.1}",
    extra="offset: {column: years, transform: log, range: [0.1, 10]}",
)


def drawn() -> dict[str, list[dict[str, str]]]:
    return {name: rows(name) for name in SILOS}


def written(records: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {name: table_text(lines) for name, lines in records.items()}


def falling(name: str) -> list[dict[str, str]]:
    """Give a silo's rows an exposure and a count."""
    return [
        {"age": row["age"], "years": f"{0.5 + i % 7}", "falls": str((i % 7 + (row["disease"] == "ill")) // 2)}
        for i, row in enumerate(rows(name))
    ]


def held_to_pooled(place: Town, text: str, tables: dict[str, str], folder: Path) -> dict[str, float]:
    """Play a study to its end, and hold its coefficients to scikit-learn's fit of all rows; return them."""
    final = place.finish()
    frame = pd.concat([pd.read_csv(io.StringIO(table)) for table in tables.values()], ignore_index=True)
    assert final.n_samples == len(frame)
    exported = json.loads(export(final.model, workspace=folder, out=folder / "model.json").file.read_text())
    found = {"intercept": exported["intercept"], **exported["coefficients"]}
    assert fit_pooled(read_study(text), frame).error(found) <= 1e-6
    return found


# ---- what one silo has, or none ------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["ill", "well"])
def test_a_silo_with_one_class_takes_part_and_the_model_is_that_of_the_pooled_rows(
    outcome: str, town: At, tmp_path: Path
) -> None:
    records = drawn()
    for line in records["east"]:
        line["disease"] = outcome
    tables = written(records)
    held_to_pooled(town(tables=tables), agreement(), tables, tmp_path)


def test_a_level_at_one_silo_only_has_the_coefficient_of_the_pooled_rows(town: At, tmp_path: Path) -> None:
    records = drawn()
    for line in records["north"][::6]:
        line["sex"] = "diverse"
    tables, text = written(records), agreement(features=DIVERSE)
    found = held_to_pooled(town(text=text, tables=tables), text, tables, tmp_path)
    assert found["sex[diverse]"] != 0


@pytest.mark.parametrize("params", ["{C: 1.0}", "{penalty: null}", "{C: 0.1, l1_ratio: 0.7}"])
def test_a_level_at_no_silo_has_no_coefficient(params: str, town: At, tmp_path: Path) -> None:
    tables, text = written(drawn()), agreement(features=DIVERSE, params=params)
    found = held_to_pooled(town(text=text, tables=tables), text, tables, tmp_path)
    assert found["sex[diverse]"] == 0


def test_a_level_of_too_few_rows_is_refused_by_name(town: At) -> None:
    records = drawn()
    for line in records["north"][:3]:
        line["sex"] = "diverse"
    place = town(text=agreement(features=DIVERSE), tables=written(records))
    said = place.refuses(CellTooSmall, "train", "-C", place.silo("north"), "--yes")
    assert "'sex = diverse" in " ".join(said.split())


def test_a_column_that_is_constant_at_one_silo_is_fitted_as_in_the_pool(town: At, tmp_path: Path) -> None:
    records = drawn()
    for line in records["south"]:
        line["chol"] = "240"
    tables = written(records)
    held_to_pooled(town(tables=tables), agreement(), tables, tmp_path)


def test_a_column_that_is_constant_everywhere_has_no_coefficient(town: At, tmp_path: Path) -> None:
    records = drawn()
    for lines in records.values():
        for line in lines:
            line["chol"] = "240"
    tables = written(records)
    found = held_to_pooled(town(tables=tables), agreement(), tables, tmp_path)
    assert found["chol"] == 0


def test_odd_files_of_the_same_rows_give_the_model_of_the_clean_ones(town: At, tmp_path: Path) -> None:
    tables = written(drawn())
    place = town(tables=tables)
    lines = tables["north"].splitlines()
    semicolons = "\r\n".join(line.replace(",", " ; ").replace(".", ",") for line in lines) + "\r\n\r\n;;;\r\n"
    place.table("north").write_bytes(b"\xef\xbb\xbfsep=;\r\n" + semicolons.encode())
    place.table("east").write_bytes(tables["east"].replace(",", "\t").replace("\n", "\r\n").encode("utf-16"))
    held_to_pooled(place, agreement(), tables, tmp_path)


# ---- what stops a silo ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "error", "says", "hint"),
    [
        ([], EmptyTable, "the table has a header and no rows", "export it again"),
        (["50,200,female,ill"], TooFewRows, "1 training row", "ask the coordinator whether this silo should"),
        (["50,200,female,"], EmptyTable, "none of the 1 rows can be used: 1 without 'disease'", "in another column?"),
    ],
)
def test_a_table_of_next_to_nothing_is_refused_and_nothing_is_written(
    lines: list[str], error: type[FedcliError], says: str, hint: str, town: At
) -> None:
    place = town()
    place.table("north").write_text("\n".join(["age,chol,sex,disease", *lines]) + "\n")
    said = " ".join(place.refuses(error, "train", "-C", place.silo("north"), "--yes").split())
    assert says in said
    assert hint in said


def test_one_class_in_the_whole_pool_is_found_at_the_registry(town: At) -> None:
    place = town(tables={name: table_text(rows(name)).replace(",ill", ",well") for name in SILOS})
    place.collect()
    assert "same class" in place.refuses(OneClass, "aggregate", "-C", place.registry)


def test_exposures_give_the_model_of_the_pooled_rows_and_one_of_0_is_refused(town: At, tmp_path: Path) -> None:
    records = {name: falling(name) for name in SILOS}
    place = town(text=EXPOSED, tables=written(records))
    records["east"][4]["years"] = records["east"][9]["years"] = "0"
    clean = place.table("east").read_text()
    place.table("east").write_text(table_text(records["east"]))
    said = " ".join(place.refuses(OutOfRange, "train", "-C", place.silo("east"), "--yes").split())
    assert "column 'years' lies outside 0.1 to 10 in 2 rows, lines 6, 11" in said
    assert (
        "0 stands in 2 of them: if it means 'not known', write in silo.yaml under columns: years: {missing: [0]}"
        in said
    )
    place.table("east").write_text(clean)
    tables = written({name: falling(name) for name in SILOS})
    held_to_pooled(place, EXPOSED, tables, tmp_path)
