"""What may not change a result: the order of silos, files, rows, columns and levels, the form of a table, and that the
study went through files at all."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from fedcli.workflow.models import open_final
from fedcli.workflow.study import study_add_silo, study_init
from tests.equivalence.federation import federate
from tests.workflow.conftest import At
from tests.workflow.play import REGISTRY, SILOS, Town, agreement, rows, table_text

FAMILIES = {
    "LogisticRegression": {},
    "Ridge": {
        "estimator": "Ridge",
        "params": "{alpha: 1.0}",
        "target": "{column: y, type: number, range: [0, 100]}",
    },
    "PoissonRegressor": {
        "estimator": "PoissonRegressor",
        "params": "{alpha: 0.1}",
        "target": "{column: n, type: count, range: [0, 40]}",
    },
}
CASES = {name: agreement(**parts) for name, parts in FAMILIES.items()}
# With rows held out, so that which they are is seen to stay; whichever they are, no group is too small.
HELD = {name: agreement(holdout=0.2, rules="min_cell: 1", **parts) for name, parts in FAMILIES.items()}


def tables() -> dict[str, str]:
    found = {}
    for name in SILOS:
        records = rows(name)
        for record in records:
            record["y"] = str(round(0.5 * float(record["age"]) + 0.1 * float(record["chol"]), 1))
            record["n"] = str(1 + int(float(record["age"])) % 7)
        found[name] = table_text(records)
    return found


@pytest.mark.parametrize("estimator", CASES)
def test_a_study_through_files_equals_one_in_memory_to_the_bit(estimator, town):
    place = town(text=CASES[estimator], tables=tables())
    final = place.finish()
    _, model = open_final(final.model)
    memory = federate(CASES[estimator], {name: place.table(name) for name in SILOS})
    assert memory.trips == final.round
    for name, array in model.state.arrays.items():
        if name != "coefficients":
            assert np.array_equal(array, memory.state.arrays[name]), name
    named = dict(zip(("intercept", *memory.plan.columns.names), model.state.arrays["coefficients"], strict=True))
    assert named == memory.coefficients()


def test_the_order_of_update_files_changes_no_bit(town):
    found = []
    for order in list(itertools.permutations(SILOS))[::2]:
        place = town("collected")
        # As names in the inbox, and as words on the command line.
        for number, name in enumerate(order):
            place.update(name).rename(place.inbox / f"{number}.fedupdate")
        paths = [place.inbox / f"{number}.fedupdate" for number in range(3)]
        result = place.aggregate(updates=paths)
        place.deliver(result.model)
        found.append(open_final(place.finish().model)[1].state.arrays)
    for other in found[1:]:
        assert {n: a.tobytes() for n, a in other.items()} == {n: a.tobytes() for n, a in found[0].items()}


def test_the_order_of_silos_in_the_study_changes_no_bit(town):
    found = []
    for order in (SILOS, SILOS[::-1]):
        place = town("keys")
        study_init(place.registry, key=place.key(REGISTRY))
        (place.registry / "study.yaml").write_text(agreement())
        for name in order:
            digits = place.secrets[name].public_identity().fingerprint
            study_add_silo([place.public(name)], workspace=place.registry, fingerprints=[digits])
        place.freeze()
        found.append(open_final(place.finish().model)[1].state.arrays)
    assert {n: a.tobytes() for n, a in found[0].items()} == {n: a.tobytes() for n, a in found[1].items()}


def test_what_a_copy_of_the_files_gives_is_the_same_model(town):
    """Nothing that decides a result lies outside the folders."""
    place, other = town("second"), town("second")
    shutil.rmtree(other.root)
    shutil.copytree(place.root, other.root)
    found = [open_final(here.finish().model)[1].state.arrays for here in (place, other)]
    assert {n: a.tobytes() for n, a in found[0].items()} == {n: a.tobytes() for n, a in found[1].items()}


# ---- how one silo keeps its table ----------------------------------------------------------------------------------


def frame(place: Town, name: str) -> pl.DataFrame:
    return pl.read_csv(place.table(name), infer_schema=False)


def columns_permuted(place: Town) -> None:
    held = frame(place, "north")
    held.select(held.columns[::-1]).write_csv(place.table("north"))


def levels_in_order(*first: str) -> Callable[[Town], None]:
    """Let levels first appear so, in rows that lack an outcome and are not used."""

    def change(place: Town) -> None:
        held = frame(place, "north")
        nothing = dict.fromkeys(("disease", "y", "n"), "")
        unused = [{**held.row(0, named=True), **nothing, "sex": level} for level in first]
        pl.concat([pl.DataFrame(unused, schema=held.schema), held]).write_csv(place.table("north"))

    return change


def own_levels(lines: str) -> Callable[[Town], None]:
    """Spell levels as the silo does, and say which is which in ``silo.yaml``."""

    def change(place: Town) -> None:
        held = frame(place, "north").with_columns(pl.col("sex").replace({"female": "W", "male": "M"}))
        held.write_csv(place.table("north"))
        settings = place.silo("north") / "silo.yaml"
        assert "columns: {}" in settings.read_text()
        settings.write_text(settings.read_text().replace("columns: {}", f"columns:\n  sex:\n    levels:\n{lines}"))

    return change


def as_parquet(**types: pl.DataType | type[pl.DataType]) -> Callable[[Town], None]:
    """Keep the table as Parquet, numbers typed, and other columns as these types."""

    def change(place: Town) -> None:
        held = pl.read_csv(place.table("north")).cast(types)  # type: ignore[arg-type]
        held.write_parquet(place.table("north"))
        assert place.table("north").read_bytes()[:4] == b"PAR1"

    return change


def rows_permuted(place: Town) -> None:
    for seed, name in enumerate(SILOS):
        held = frame(place, name)
        held.sample(fraction=1.0, shuffle=True, seed=seed).write_csv(place.table(name))


WAYS = {
    "columns permuted": columns_permuted,
    "levels appear as agreed": levels_in_order("female", "male"),
    "levels appear the other way round": levels_in_order("male", "female"),
    "own levels, as agreed": own_levels("      W: female\n      M: male\n"),
    "own levels, the other way round": own_levels("      M: male\n      W: female\n"),
    "Parquet": as_parquet(),
    "Parquet with levels": as_parquet(sex=pl.Categorical),
    "Parquet with levels declared the other way round": as_parquet(sex=pl.Enum(["male", "female"])),
    "rows permuted at every silo": rows_permuted,
}


@pytest.fixture(scope="module")
def as_they_were() -> dict[str, dict[str, bytes]]:
    """The final model's arrays of each family, once somebody has played it with the tables as they were."""
    return {}


def played(place: Town) -> dict[str, bytes]:
    arrays = open_final(place.finish().model)[1].state.arrays
    assert "coefficients" in arrays
    return {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("estimator", HELD)
def test_how_a_silo_keeps_its_table_changes_no_bit(
    estimator: str, way: str, town: At, as_they_were: dict[str, dict[str, bytes]]
) -> None:
    if estimator not in as_they_were:
        as_they_were[estimator] = played(town(text=HELD[estimator], tables=tables()))
    place = town(text=HELD[estimator], tables=tables())
    before = [place.table(name).read_bytes() for name in SILOS]
    WAYS[way](place)
    assert [place.table(name).read_bytes() for name in SILOS] != before
    assert played(place) == as_they_were[estimator]


def test_the_order_of_rows_changes_no_bit_of_a_cross_validation(town: At) -> None:
    """Equal rows are in folds of their own choosing, whichever of them comes first."""
    text = agreement(
        estimator="LassoCV", params="{}", target="{column: y, type: number, range: [0, 100]}", rules="min_cell: 1"
    ).replace("estimator: LassoCV,", "estimator: LassoCV, cv: 3,")
    twice = {name: table + table.split("\n", 1)[1] for name, table in tables().items()}
    found = []
    for way in (lambda place: None, rows_permuted):
        place = town(text=text, tables=twice)
        way(place)
        found.append(played(place))
    assert found[0] == found[1]


def test_the_same_rows_in_another_order_give_the_same_update_again(town: At) -> None:
    """A database may give them in any order, and a silo may be asked to send its file once more."""
    place = town("collected")
    first = (place.silo("north") / "outbox").glob("*.fedupdate")
    sent = {path.name: path.read_bytes() for path in first}
    rows_permuted(place)
    again = place.train("north")
    assert again.again
    assert again.update is not None
    assert sent[again.update.name] == again.update.read_bytes()
