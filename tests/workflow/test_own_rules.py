"""What a silo holds to whatever the coordinator signs: the agreement, its rounds, one model per attempt, one table."""

from __future__ import annotations

import numpy as np
import pytest

import fedcli.workflow.study as study_commands
from fedcli.errors import (
    AlreadyReleased,
    BadTensors,
    MaskedUnavailable,
    OtherRound,
    OutOfRange,
    OutsideBound,
    UnsupportedModel,
)
from tests.workflow.forging import forge
from tests.workflow.play import BINARY, FEATURES, SILOS, agreement, command, rows, table_text


def north_trains(place, error, *arguments):
    return place.refuses(error, "train", "-C", place.silo("north"), "--yes", *arguments)


def test_a_study_that_says_masked_never_runs_plainly(town, monkeypatch):
    place = town("drafted")
    draft = place.registry / "study.yaml"
    draft.write_text(draft.read_text().replace("aggregation: plain", "aggregation: masked"))
    # A coordinator whose software does not refuse.
    monkeypatch.setattr(study_commands, "cross_check", lambda study: None)
    with pytest.raises(MaskedUnavailable):
        place.freeze()
    assert place.study.exists(), "it was the silo that refused"
    assert not (place.silo(SILOS[0]) / "silo.yaml").exists()


def test_a_round_beyond_the_agreed_ones_is_refused(town):
    place = town("second")
    forge(place, place.model(1), round=12, document=lambda d: {**d, "state": {**d["state"], "round": 12}})
    place.deliver(place.model(1))
    north_trains(place, OtherRound)


def test_a_second_model_for_one_attempt_gets_no_second_update(town):
    place = town("second")
    place.train("north")

    def moved(arrays):
        return {**arrays, "coef": arrays["coef"] * 0.5}

    forge(place, place.model(1), arrays=moved)
    place.deliver(place.model(1))
    north_trains(place, AlreadyReleased, "--force")


def test_a_model_that_holds_the_state_of_another_round_is_refused(town):
    place = town("second")
    forge(place, place.model(1), document=lambda d: {**d, "state": {**d["state"], "round": 2}})
    place.deliver(place.model(1))
    north_trains(place, BadTensors)


def test_a_point_outside_the_agreed_box_is_refused(town):
    place = town("second")
    forge(place, place.model(1), arrays=lambda a: {**a, "coef": np.full_like(a["coef"], 1e6)})
    place.deliver(place.model(1))
    north_trains(place, BadTensors)


def test_another_table_in_a_new_attempt_is_warned_of(town):
    place = town()
    place.collect()
    assert place.run("aggregate", "--new-attempt", "-C", place.registry).status == 0
    place.deliver(place.model(0, "-a2"))
    place.table("north").write_text(table_text(rows("north")[:-10]))
    done = place.run("train", "-C", place.silo("north"), "--yes")
    assert done.status == 0
    assert "subtract them" in " ".join(done.err.split())


def test_a_range_far_wider_than_the_values_is_refused_before_digits_are_lost(town):
    place = town("drafted")
    draft = place.registry / "study.yaml"
    draft.write_text(draft.read_text().replace("age: {type: number, range: [20, 100]}", AGE))
    place.freeze()
    said = north_trains(place, OutOfRange)
    assert "'age'" in said
    assert command("check", "-C", place.silo("north")).status == 1


AGE = "age: {type: number, range: [0, 1.0e+15]}"


def test_ranges_too_wide_for_the_encoding_are_refused_at_freeze(town):
    place = town("drafted")
    draft = place.registry / "study.yaml"
    text = draft.read_text().replace(BINARY, "{column: n, type: count, range: [0, 1.0e+90]}")
    draft.write_text(text.replace("LogisticRegression", "PoissonRegressor").replace("{C: 1.0}", "{alpha: 0.1}"))
    place.refuses(OutsideBound, "study", "freeze", "-C", place.registry)


def test_a_simulation_that_has_nothing_to_compare_with_is_refused(tmp_path):
    extra = "offset: {column: chol, transform: log, range: [100, 400]}"
    features = "\n".join(line for line in FEATURES.splitlines() if "chol" not in line) + "\n"
    (tmp_path / "study.yaml").write_text(agreement(features=features, extra=extra))
    for name in SILOS:
        (tmp_path / f"{name}.csv").write_text(table_text(rows(name)))
    done = command("simulate", tmp_path)
    assert done.status == UnsupportedModel.exit_status
    assert "offset" in done.err
