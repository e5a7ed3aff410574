"""A level with few rows of one outcome is counted as the agreed other one, as a level with few rows is.

Without this the cross of level and outcome was refused (E501), and merging rescued hardly any silo: a level of thirty
rows has few events long before it has few rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fedcli.errors import CellTooSmall, TooFewRowsDiffer
from fedcli.workflow.check import check
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.simulate import simulate
from tests.workflow.attempts import levels_sent, next_attempt
from tests.workflow.conftest import At
from tests.workflow.play import SILOS, Town, agreement, command, table_text

LEVELS = ("general", "surgical", "rare", "other")
FEATURES = (
    "  age: {type: number, unit: years, range: [18, 110]}\n"
    "  ward: {type: category, levels: [general, surgical, rare, other], other: other}\n"
)
Records = list[dict[str, str]]


def study(**rules: str) -> str:
    return agreement(features=FEATURES, params="{C: 1.0}", rules=rules.get("rules", "min_cell: 5, rows_per_column: 1"))


def drawn(name: str, **wards: tuple[int, int]) -> Records:
    """Draw rows: of each ward so many well and so many ill."""
    rng = np.random.default_rng([ord(c) for c in name])
    return [
        {"age": str(round(rng.uniform(25, 95), 1)), "ward": ward, "disease": disease}
        for ward, n in wards.items()
        for disease, count in zip(("well", "ill"), n, strict=True)
        for _ in range(count)
    ]


OLD = drawn("north", general=(50, 40), surgical=(30, 20), rare=(26, 4), other=(12, 9))


def settled(town: At, records: Records) -> Town:
    others = {
        name: table_text(drawn(name, general=(40, 50), surgical=(30, 20), rare=(20, 15), other=(15, 25)))
        for name in SILOS
    }
    return town(text=study(), tables={**others, "north": table_text(records)})


def sent(place: Town) -> dict[str, int]:
    return levels_sent(place, LEVELS)


def test_a_level_with_few_rows_of_one_outcome_is_merged_and_said(town: At) -> None:
    place = settled(town, OLD)
    done = command("check", "-C", place.silo("north"))
    assert done.status == 0, done.err
    assert "30 rows of 'ward = rare' are counted as 'other'" in " ".join(done.out.split())
    place.train("north")
    assert sent(place) == {"general": 90, "surgical": 50, "rare": 0, "other": 51}


def test_it_stays_merged_when_it_grows_and_one_that_was_shown_is_refused(town: At) -> None:
    place = settled(town, OLD)
    place.train("north")
    more = drawn("more", general=(5, 5), rare=(0, 10))
    next_attempt(place, OLD + more)
    said = place.run("train", "-C", place.silo("north"), "--yes")
    assert "40 rows of 'ward = rare' are counted as 'other', as in an earlier update" in " ".join(said.err.split())
    assert sent(place)["rare"] == 0
    # Surgical was shown: with three of one outcome left, its rows would show by subtraction.
    few = drawn("north", general=(50, 40), surgical=(30, 3), rare=(26, 4), other=(12, 9))
    next_attempt(place, few, 3)
    said = " ".join(place.refuses(TooFewRowsDiffer, "train", "-C", place.silo("north"), "--yes").split())
    assert "'ward = surgical' has 33 training rows now, too few of one outcome or fold for the study's 5" in said


def test_where_an_outcome_is_rare_in_all_levels_none_is_merged(town: At) -> None:
    """Merging all of them would cost their coefficients and still be refused."""
    place = settled(town, drawn("north", general=(50, 2), surgical=(30, 2)))
    checked = check(workspace=place.silo("north"))
    assert checked.merged == ()
    assert [problem.code for problem in checked.problems] == ["E501"]


def test_where_merging_is_not_enough_the_refusal_says_so(town: At) -> None:
    place = settled(town, drawn("north", general=(50, 40), surgical=(30, 20), rare=(9, 1), other=(12, 2)))
    said = " ".join(place.refuses(CellTooSmall, "train", "-C", place.silo("north"), "--yes").split())
    assert "the group 'ward = other and disease positive' has 3 rows" in said
    assert "small levels of ward are counted as the agreed other one already, and that is not enough" in said


def test_a_level_with_few_rows_in_a_fold_is_merged(town: At) -> None:
    """Sums leave by fold, and 20 rows of a level are 4 in a fold."""
    text = agreement(
        target="{column: los, type: number, range: [0, 100]}",
        features=FEATURES,
        estimator="LassoCV",
        params="{}, cv: 5",
        rules="min_cell: 5, rows_per_column: 1",
    )
    records = drawn("north", general=(100, 100), surgical=(100, 100), rare=(10, 10), other=(50, 50))
    days = [{**row, "los": str(1 + i % 37)} for i, row in enumerate(records)]
    place = town(text=text, tables=dict.fromkeys(SILOS, table_text(days)))
    checked = check(workspace=place.silo("north"))
    assert checked.problems == ()
    assert checked.merged == ("20 rows of 'ward = rare' are counted as 'other'",)


def test_a_merged_update_is_bit_for_bit_that_of_rows_written_so(town: At) -> None:
    found = []
    for records in (OLD, [{**row, "ward": row["ward"].replace("rare", "other")} for row in OLD]):
        place = settled(town, records)
        place.train("north")
        memory = SiloMemory(place.silo("north") / "private")
        held = memory.recall(memory.last_digest())
        assert held is not None
        found.append({name: array.tobytes() for name, array in held.arrays.items()})
    assert found[0] == found[1]


def test_the_model_is_that_of_the_pooled_rows_so_relabelled(tmp_path: Path) -> None:
    """`simulate` fits scikit-learn to the rows as the silos counted them, and so says how near the two are."""
    (tmp_path / "study.yaml").write_text(study())
    others = {"general": (40, 50), "surgical": (30, 20), "rare": (20, 15), "other": (15, 25)}
    for name in SILOS:
        (tmp_path / f"{name}.csv").write_text(table_text(OLD if name == "north" else drawn(name, **others)))
    found = simulate(tmp_path)
    assert {"ward[rare]", "ward[other]"} < {number.name for number in found.coefficients}
    assert found.relative_error < 1e-9
