"""A silo that falls silent: who is in the result, whose rows scale it, and what each file and screen says of that."""

from __future__ import annotations

import json

import pytest

from fedcli.workflow.models import open_final
from tests.workflow.forging import manifest_of
from tests.workflow.play import SILOS, Town, agreement

RULES = "min_silos: 2"
NUMBER = "{column: chol, type: number, range: [100, 400]}"
TWO = """\
  age: {type: number, range: [20, 100]}
  sex: {type: category, levels: [female, male]}
"""


def finished_without_south(place: Town, *, first: int):
    """Play a study in which south sends nothing from round ``first`` on."""
    result = None
    for number in range(1, 20):
        if result is not None:
            place.deliver(result.model)
        present = SILOS if number < first else ("north", "east")
        place.collect(present)
        result = place.aggregate(without=[] if present == SILOS else ["south"])
        if result.finished:
            return result
    raise AssertionError("the study did not end")


@pytest.fixture
def left(town):
    place = town(text=agreement(rules=RULES))
    return place, finished_without_south(place, first=2)


def test_the_rows_are_those_of_the_silos_in_the_last_trip(left):
    place, result = left
    assert (result.n_samples, result.fit) == (160, ("north", "east"))
    out = place.root / "model.json"
    assert place.run("export", result.model, "-o", out, passphrase=False).status == 0
    said = json.loads(out.read_text())
    assert (said["n_samples"], said["silos"]) == (160, ["north", "east"])
    assert said["without"] == [f"south (round {number})" for number in range(2, result.round + 1)]


def test_the_reason_says_whose_rows_scale_the_result(left):
    place, result = left
    sentence = (
        "the fit is of the rows of north and east; it keeps the standardisation of trip 1, from the rows of "
        "north, east and south, and given these it equals the pooled fit of north and east"
    )
    assert result.reason.endswith(sentence)
    assert open_final(result.model)[1].document.reason == result.reason, "it is signed"
    shown = " ".join(place.run("inspect", result.model, passphrase=False).out.split())
    assert sentence in shown
    assert "fit of north, east" in shown


def test_the_signed_members_are_those_whose_updates_were_summed_last(left):
    place, result = left
    members = open_final(result.model)[1].document.members
    assert members == {name: manifest_of(place.update(name, result.round)).digest() for name in ("north", "east")}


def test_before_the_end_a_warning_says_what_the_result_would_rest_on(town):
    place = town(text=agreement(rules=RULES))
    place.round()
    place.collect(("north", "east"))
    (warning,) = place.aggregate(without=["south"]).warnings
    assert warning.startswith("were this the last round: the fit is of the rows of north and east; it keeps")


def test_a_silo_that_was_never_there_scales_nothing(town):
    place = town(text=agreement(rules=RULES))
    result = finished_without_south(place, first=1)
    assert result.reason.endswith("the fit is of the rows of north and east")
    assert result.n_samples == 160


def test_where_nothing_is_scaled_or_imputed_no_scaling_is_spoken_of(town):
    text = agreement(rules=RULES).replace("params: {C: 1.0}", "standardize: false, params: {C: 1.0}")
    result = finished_without_south(town(text=text), first=2)
    assert result.reason.endswith("the fit is of the rows of north and east")


def test_a_closed_form_keeps_the_silos_of_trip_1_when_one_misses_the_closing_trip(town):
    text = agreement(target=NUMBER, features=TWO, estimator="Ridge", params="{alpha: 1.0}", rules=RULES)
    text = text.replace("{holdout: 0}", "{holdout: 0.2, closing_trip: true}")
    place = town(text=text)
    place.round()
    place.collect(("north", "east"))
    result = place.aggregate(without=["south"])
    assert result.finished
    assert result.fit == SILOS
    assert result.reason.endswith(
        "the fit is of the rows of north, east and south, the figures of held-out rows are of north and east"
    )
