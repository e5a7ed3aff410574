"""Models trained at each silo through keys, files and commands: what everybody is told, and rounds with a silo away."""

from __future__ import annotations

import json

import numpy as np
import pytest
import skops.io

from fedcli.errors import OtherRound
from fedcli.fileformat.statistics import State
from fedcli.workflow import limits
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.models import open_model
from tests.workflow.play import SILOS, agreement, command, rows, sheets, table_text

AVERAGED = "averaging: {rounds: 3, local_epochs: 4}, params: "


def text(estimator: str = "MLPClassifier", params: str = "{hidden_layer_sizes: [4]}", **parts: object) -> str:
    return agreement(estimator=estimator, params=params, **parts).replace("params: ", AVERAGED)


def test_a_simulation_prints_accuracy_beside_the_pooled_training(tmp_path):
    (tmp_path / "study.yaml").write_text(text("SGDClassifier", "{loss: log_loss, alpha: 0.01}", holdout=0.25))
    for name in SILOS:
        (tmp_path / f"{name}.csv").write_text(table_text(rows(name, 120)))
    said = command("simulate", tmp_path)
    assert said.status == 0, said.err
    assert "near the pooled fit, not equal to it" in said.out
    assert "relative difference" not in said.out
    found = command("simulate", tmp_path, "--json").json
    assert (found["trips"], found["relative_error"], found["coefficients"]) == (3, None, [])
    fitted, held = found["scores"]
    n = sum(found["silos"].values())
    assert fitted["name"] == f"accuracy on {n} rows that were fitted"
    assert held["name"] == f"accuracy on {360 - n} rows held out"
    # Keys, and so the seeds, are other ones each time.
    assert all(0.55 < fitted[which] <= 1 and 0.3 < held[which] <= 1 for which in ("federated", "pooled"))


def test_a_simulated_number_is_measured_by_r2(tmp_path):
    number = "{column: z, type: number, range: [-40, 80]}"
    (tmp_path / "study.yaml").write_text(text("SGDRegressor", "{}", target=number))
    for name in SILOS:
        records = [{**row, "z": f"{0.5 * float(row['age']) - 20 + (k % 7)}"} for k, row in enumerate(rows(name, 120))]
        (tmp_path / f"{name}.csv").write_text(table_text(records))
    (score,) = command("simulate", tmp_path, "--json").json["scores"]
    assert score["name"] == "R2 on 360 rows that were fitted"
    assert score["federated"] == pytest.approx(score["pooled"], abs=0.01)
    assert score["pooled"] > 0.9


def test_a_plan_says_how_many_trips_and_that_the_pooled_fit_is_another(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(text())
    said = " ".join(command("plan", file).out.split())
    assert "trips 3 result scikit-learn's MLPClassifier" in said
    assert "near it, not equal to it" in said
    assert "sees this model of each silo alone" in said
    planned = command("plan", file, "--json").json
    assert (planned["trips"], planned["exact"]) == ([3, 3], None)
    assert [other["estimator"] for other in planned["cheaper"]] == ["RidgeClassifier"]


def test_the_sheet_says_that_a_model_leaves_and_that_no_test_looks_at_it(town):
    place = town(text=text(holdout=0.2))
    place.collect()
    (sheet,) = [name for name in sheets("north") if name.endswith(".txt")]
    said = " ".join((place.root / sheet).read_text().split())
    assert "weights and intercepts between layers of 3, 4 and 1 units" in said
    assert "not tested one row standing out at a point" in said
    assert "what leaves is a model trained on this silo's rows alone" in said
    assert "round: required at most 3; here 1" in said
    said = " ".join(command("study", "show", "-C", place.registry).out.split())
    assert "trained at each silo by scikit-learn, 4 epochs in a trip, and averaged by SCAFFOLD over 3 trips" in said


def test_coefficients_per_row_are_all_that_is_learnt(town):
    # 3 x 4 + 4 weights and 5 intercepts, of 80 rows.
    strict, open_ = (text(rules=f"parameters_per_row: {share}") for share in (0.2, 0.5))
    place = town(text=strict)
    assert "21 coefficients" in place.run("train", "-C", place.silo("north"), "--yes").err
    assert town(text=open_).train("north").update is not None


def test_a_round_without_a_silo_goes_on_and_says_so(town):
    place = town(text=text(rules="min_silos: 2"))
    place.round()
    place.collect(("north", "east"))
    second = place.aggregate(without=["south"])
    assert (second.round, second.finished, second.n_samples) == (2, False, 160)
    place.deliver(second.model)
    last = place.round()
    assert (last.finished, last.n_samples) == (True, 240)
    assert "the agreed 3 trips of SCAFFOLD: near the pooled fit, not equal to it" in last.reason
    exported = place.root / "model.json"
    assert command("export", last.model, "-o", exported).status == 0
    found = json.loads(exported.read_text())
    assert [np.shape(layer) for layer in found["attributes"]["coefs"]] == [(3, 4), (4, 1)]
    pipeline = place.root / "model.skops"
    assert command("export", last.model, "--format", "sklearn", "-o", pipeline).status == 0
    assert skops.io.get_untrusted_types(file=pipeline) == []
    assert command("verify", last.model).status == 0


def test_a_silo_sends_nothing_beyond_the_agreed_trips(town, monkeypatch):
    place = town(text=text())
    place.finish()
    memory = SiloMemory(place.silo("north") / "private")
    with pytest.raises(OtherRound, match="round 4, the study agreed on 3 at most"):
        limits.within_rules(3, memory, 4, 1, "0" * 64)
    asked = []
    monkeypatch.setattr("fedcli.workflow.train.within_rules", lambda most, *_: asked.append(most))
    town(text=text()).train("north")
    assert asked == [3]


def test_a_silo_that_lost_what_it_remembers_still_trains(town):
    place = town(text=text())
    place.round()
    for path in (place.silo("north") / "private").glob("*.safetensors"):
        path.unlink()
    assert place.round().round == 2


def test_a_model_between_trips_holds_the_control_and_the_final_one_does_not(town):
    from fedcli.workflow.files import open_study

    place = town(text=text())
    last = place.finish()
    study = open_study(place.study)
    between: State = open_model(place.model(2), study, place.secrets["north"]).state
    final: State = open_model(last.model, study, place.secrets["north"]).state
    assert "control" in open_model(place.model(1), study, place.secrets["north"]).state.arrays
    assert between.document["phase"] == "solving"
    assert "control" not in final.arrays
    assert final.document["phase"] == "averaged"
