"""Two updates of one study merge the same levels, so that subtracting them does not show the few rows of one.

Without this, a level of four rows that became five showed the four, and the fifth alone, to the last digit: the sums of
the other level lost what the level's own sums gained.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from fedcli.errors import TooFewRowsDiffer
from fedcli.workflow.memory import SiloMemory
from tests.workflow.attempts import levels_sent, next_attempt
from tests.workflow.conftest import At
from tests.workflow.forging import opened
from tests.workflow.play import FEATURES, SILOS, Town, agreement, command, table_text

LEVELS = ("general", "surgical", "rare", "other")
TEXT = agreement(
    target="{column: los, type: number, range: [0, 100]}",
    features=FEATURES + "  ward: {type: category, levels: [general, surgical, rare, other], other: other}\n",
    estimator="Ridge",
    params="{alpha: 1.0}",
    rules="min_cell: 5, rows_per_column: 1",
)
Records = list[dict[str, str]]


def drawn(name: str, **wards: int) -> Records:
    """Draw rows, so many of each ward; sex only where a ward has ten of each."""
    rng = np.random.default_rng([ord(c) for c in name])
    return [
        {
            "age": str(round(rng.uniform(25, 95), 1)),
            "chol": str(rng.integers(120, 380)),
            "sex": "male" if n < 20 or i % 2 else "female",
            "ward": ward,
            "los": str(round(rng.uniform(1, 60), 1)),
        }
        for ward, n in wards.items()
        for i in range(n)
    ]


def first_attempt(town: At, records: Records) -> Town:
    others = {name: table_text(drawn(name, general=60, surgical=40, rare=30, other=30)) for name in SILOS}
    place = town(text=TEXT, tables={**others, "north": table_text(records)})
    place.train("north")
    return place


def sent(place: Town) -> dict[str, int]:
    return levels_sent(place, LEVELS)


def test_a_level_that_was_merged_stays_merged_when_it_grows(town: At) -> None:
    old = drawn("north", general=60, surgical=40, rare=4, other=20)
    place = first_attempt(town, old)
    assert sent(place) == {"general": 60, "surgical": 40, "rare": 0, "other": 24}
    more = drawn("more", general=9, rare=1)
    next_attempt(place, old + more)
    said = place.run("train", "-C", place.silo("north"), "--yes")
    assert said.status == 0, said.err
    assert "5 rows of 'ward = rare' are counted as 'other', as in an earlier update" in " ".join(said.err.split())
    assert sent(place) == {"general": 69, "surgical": 40, "rare": 0, "other": 25}
    next_attempt(place, old + more + drawn("many", rare=40), 3)
    place.train("north")
    assert sent(place)["rare"] == 0
    lines = (place.silo("north") / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["merged"][0][3] for line in lines] == [4, 5, 45]


def test_a_level_that_was_shown_is_not_merged_when_it_shrinks(town: At) -> None:
    old = drawn("north", general=60, surgical=40, rare=5, other=20)
    place = first_attempt(town, old)
    assert sent(place)["rare"] == 5
    (gone,) = [i for i, record in enumerate(old) if record["ward"] == "rare"][:1]
    next_attempt(place, [record for i, record in enumerate(old) if i >= 9 and i != gone])
    said = " ".join(place.refuses(TooFewRowsDiffer, "train", "-C", place.silo("north"), "--yes").split())
    assert "'ward = rare' has 4 training rows now, too few for the study's 5" in said
    next_attempt(place, old, 3)
    place.train("north")
    assert sent(place)["rare"] == 5


def test_a_level_that_was_not_there_is_merged_when_it_comes(town: At) -> None:
    old = drawn("north", general=60, surgical=40, other=20)
    place = first_attempt(town, old)
    next_attempt(place, old + drawn("more", general=9, rare=3))
    place.train("north")
    assert sent(place) == {"general": 69, "surgical": 40, "rare": 0, "other": 23}


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_merged_update_is_bit_for_bit_that_of_rows_written_so(town: At, attempts: int) -> None:
    """What leaves cannot tell a silo that merged from one that has no such rows."""
    old = drawn("north", general=60, surgical=40, rare=4, other=20)
    found = []
    for records in (old, [{**r, "ward": "other"} if r["ward"] == "rare" else r for r in old]):
        place = first_attempt(town, records)
        if attempts == 2:
            more = drawn("more", general=9, rare=1)
            written = more if records is old else [{**r, "ward": r["ward"].replace("rare", "other")} for r in more]
            next_attempt(place, records + written)
            place.train("north")
        memory = SiloMemory(place.silo("north") / "private")
        held = memory.recall(memory.last_digest())
        assert held is not None
        found.append({name: array.tobytes() for name, array in held.arrays.items()})
    assert found[0] == found[1]


def test_what_merged_is_kept_where_only_the_silo_reads_it(town: At) -> None:
    place = first_attempt(town, drawn("north", general=60, surgical=40, rare=4, other=20))
    path = place.silo("north") / "private" / "levels.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["merged"] == [["ward", "rare"]]
    (update,) = (place.silo("north") / "outbox").glob("*.fedupdate")
    _, words = opened(place, update)
    assert "rare" not in json.dumps(words)
    assert "rare" not in command("inspect", update, "--json").out
