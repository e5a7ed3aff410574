"""A coordinator who signs a model with a point at which one of a silo's rows would show: refused, and not named."""

from __future__ import annotations

import numpy as np
import pytest

from fedcli.errors import DominantRow
from fedcli.workflow.trail import points_before
from tests.workflow.forging import forge
from tests.workflow.play import SILOS, Town, agreement, rows, table_text

# On the reference scale, where the agreed 20 to 100 years are -1 to 1.
STEEP = 64.0
OLDEST, NEXT = "100.0", 90.0


def with_one_oldest() -> str:
    """Write a table in which one person is ten years older than all others."""
    records = rows("north")
    for record in records:
        record["age"] = str(min(float(record["age"]), NEXT))
    records[7]["age"] = OLDEST
    return table_text(records)


def with_one_outlier() -> str:
    """Write a table in which one person's cholesterol is the only one that is not nearly 250."""
    records = rows("north")
    for number, record in enumerate(records):
        record["chol"] = str(250.0 + 0.01 * (number % 3))
    records[7]["chol"] = "390.0"
    return table_text(records)


def second(town, table: str) -> Town:
    # The rule on shares of columns would refuse such a table before there is a point.
    place = town("joined", text=agreement(rules="largest_share: null"), tables={"north": table})
    place.round()
    return place


def beyond(age: float) -> np.ndarray:
    """Return a point whose prediction passes one half at this age, steeply, whatever the other columns."""
    return np.array([-STEEP * (age - 60.0) / 40.0, STEEP, 0.0, 0.0])


def refused(place: Town, *arguments: object) -> str:
    place.deliver(place.model(1))
    said = place.refuses(DominantRow, "train", "-C", place.silo("north"), *arguments)
    assert OLDEST not in said
    assert "390" not in said
    return " ".join(said.split())


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_a_point_at_which_one_person_is_predicted_ill_is_refused(town, how):
    place = second(town, with_one_oldest())
    forge(place, place.model(1), arrays=lambda a: {**a, "coef": beyond(95.0)})
    said = refused(place, how)
    assert "the incoming model's point" in said
    assert "50 % is the most allowed" in said
    assert "call the coordinator" in said
    assert "aggregate --without" in said


def test_a_candidate_at_which_one_person_alone_is_uncertain_is_refused(town):
    place = second(town, with_one_oldest())
    forge(place, place.model(1), arrays=lambda a: {**a, "candidates": beyond(float(OLDEST))[None, :]})
    assert "its candidate point (curvature)" in refused(place, "--yes")


def test_two_points_of_one_trip_that_differ_in_one_person_are_refused(town):
    place = second(town, with_one_outlier())
    forge(place, place.model(1), arrays=lambda a: {**a, "candidates": aside(a["coef"])[None, :]})
    assert "between both points of this trip" in refused(place, "--yes")


def aside(coef: np.ndarray) -> np.ndarray:
    """Move a point along cholesterol alone, which only the outlier feels."""
    return coef + np.array([0.0, 0.0, -6.0, 0.0])


def test_a_later_point_that_differs_from_an_earlier_one_in_one_person_is_refused(town):
    place = second(town, with_one_outlier())
    place.train("north")
    assert place.run("aggregate", "--new-attempt", "-C", place.registry).status == 0
    attempt = place.model(1, "-a2")
    forge(place, attempt, arrays=lambda a: {**a, "coef": aside(a["coef"]), "candidates": a["candidates"][:0]})
    place.deliver(attempt)
    assert "one of an earlier trip" in refused(place, "--yes")


def test_the_same_table_takes_the_honest_models(town):
    place = second(town, with_one_oldest())
    assert place.finish().finished


def test_a_silo_remembers_where_it_was_asked_and_only_what_came_before(town):
    place = town("second")
    folder = place.silo("north") / "private"
    first = place.train("north")
    assert first.round == 2
    (path,) = folder.glob("asked-*.safetensors")
    before = path.read_bytes()
    (place.silo("north") / "outbox" / "heart-north-r2.fedupdate").unlink()
    assert place.train("north").again
    assert path.read_bytes() == before
    (then,) = points_before(folder, "another")
    assert set(then.arrays) >= {"coef", "candidates", "own", "preparation.fill"}
    for name in SILOS[1:]:
        assert not list((place.silo(name) / "private").glob("asked-*"))
