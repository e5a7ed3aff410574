"""The journey of a study, from keys to predictions, through the command line and its files."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io

from tests.workflow.play import BINARY, REGISTRY, SILOS, STUDY, agreement, command, rows, snapshot, table_text


def test_a_whole_study_by_commands_alone(town):
    place = town("keys")
    key = ("--passphrase-file", place.passphrase)
    space = place.registry
    steps = [command("study", "init", space, "--key", place.key(REGISTRY), "--title", "Hearts")]
    (space / "study.yaml").write_text(agreement())
    for name in SILOS:
        digits = command("keys", "show", place.public(name), "--json").json["fingerprint"]
        steps.append(command("study", "add-silo", place.public(name), "-C", space, "--fingerprint", digits))
    steps.append(command("study", "freeze", "-C", space, *key))
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    for name in SILOS:
        where = ("-C", place.silo(name), "--key", place.key(name), "--data", place.table(name))
        steps.append(command("join", place.study, *where, "--fingerprint", digits, *key))
        steps.append(command("check", "-C", place.silo(name)))
    finished = False
    while not finished:
        for name in SILOS:
            trained = command("train", "-C", place.silo(name), "--yes", "--json", *key)
            assert trained.status == 0, trained.err
            shutil.copy(trained.json["update"], place.inbox)
            steps.append(command("status", "-C", place.silo(name)))
        assert "fedcli aggregate" in command("status", "-C", space).out
        merged = command("aggregate", "-C", space, "--json", *key)
        assert merged.status == 0, merged.err
        place.deliver(Path(merged.json["model"]))
        finished = merged.json["finished"]
    final = merged.json["model"]
    steps += [
        command("status", "-C", space),
        command("status", "-C", place.silo("north")),
        command("inspect", final),
        command("verify", place.study, final, *place.inbox.iterdir(), *(place.public(name) for name in SILOS)),
        command("export", final, "--format", "json", "-C", place.root),
        command("predict", place.table("north"), "--model", final),
    ]
    assert not [step for step in steps if step.status]
    assert merged.json["round"] <= 5
    assert merged.json["n_samples"] == 3 * 80
    assert "finished" in steps[-5].out


CASES = {
    "LogisticRegression": (agreement, BINARY, "{C: 0.7}"),
    "LinearRegression": (agreement, "{column: y, type: number, range: [-50, 250]}", "{}"),
    "Ridge": (agreement, "{column: y, type: number, range: [-50, 250]}", "{alpha: 2.0}"),
    "PoissonRegressor": (agreement, "{column: n, type: count, range: [0, 60]}", "{alpha: 0.01}"),
    "GammaRegressor": (agreement, "{column: y, type: number, range: [5, 250]}", "{alpha: 0.01}"),
    "LinearSVC": (agreement, BINARY, "{C: 0.1}"),
    "HuberRegressor": (agreement, "{column: y, type: number, range: [5, 250]}", "{alpha: 0.01}"),
    "TweedieRegressor": (agreement, "{column: n, type: number, range: [0, 60]}", "{alpha: 0.01, power: 1.5}"),
}
# scikit-learn's own compiled loss, which skops asks to be trusted by name.
HALF_TWEEDIE = "sklearn._loss.loss.HalfTweedieLoss"
IMPUTED = """\
  age: {type: number, range: [20, 100]}
  chol: {type: number, range: [100, 400], impute: mean}
  sex: {type: category, levels: [female, male]}
  smoking: {type: category, levels: [never, past, now], impute: mode}
"""


def gaps(name: str, n: int = 300) -> list[dict[str, str]]:
    """Rows with missing cholesterol and smoking, and a target of each type."""
    rng = np.random.default_rng(len(name))
    records = rows(name, n)
    for record in records:
        record["smoking"] = str(rng.choice(["never", "past", "now"], p=[0.5, 0.3, 0.2]))
        age, chol = float(record["age"]), float(record["chol"])
        bad = {"never": 0.0, "past": 5.0, "now": 12.0}[record["smoking"]]
        record["y"] = str(round(0.5 * age + 0.3 * chol + bad + rng.normal(0, 5), 2))
        record["years"] = str(round(rng.uniform(0.5, 8), 2))
        rate = np.exp(-3 + 0.02 * age + bad / 20) * float(record["years"])
        record["n"] = str(min(int(rng.poisson(rate)), 60))
        if rng.random() < 0.2:
            record["chol"] = ""
        if rng.random() < 0.2:
            record["smoking"] = ""
    return records


@pytest.mark.parametrize("estimator", CASES)
def test_predict_the_pipeline_and_the_coefficients_by_hand_agree(estimator, town, tmp_path):
    write, target, params = CASES[estimator]
    counts = estimator in ("PoissonRegressor", "TweedieRegressor")
    extra = "offset: {column: years, transform: log, range: [0.1, 10]}" if counts else ""
    text = write(target=target, features=IMPUTED, estimator=estimator, params=params, extra=extra)
    records = {name: gaps(name) for name in SILOS}
    place = town(text=text, tables={name: table_text(r) for name, r in records.items()})
    final = place.finish().model

    made = command("predict", place.table("east"), "--model", final, "-o", tmp_path / "scores.csv", "--json")
    assert made.status == 0
    scores = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [line["row"] for line in scores] == [str(i + 1) for i in range(len(records["east"]))]

    assert command("export", final, "--format", "sklearn", "-o", tmp_path / "model.skops").status == 0
    allowed = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert set(allowed) <= {"numpy.dtype"} | ({HALF_TWEEDIE} if estimator == "TweedieRegressor" else set())
    pipeline = skops.io.load(tmp_path / "model.skops", trusted=allowed)
    exposure = np.array([float(r["years"]) for r in records["east"]]) if counts else 1.0
    answers = []
    for read in (pd.read_csv, pl.read_csv):
        frame = read(place.table("east"))
        answer = pipeline.predict(frame)
        if estimator in ("LogisticRegression", "LinearSVC"):
            assert answer.tolist() == [line["prediction"] for line in scores]
        if estimator == "LinearSVC":
            # Positive for the last of the sorted classes, which is the negative one here.
            assert pipeline.classes_.tolist() == ["ill", "well"]
            answer = -pipeline.decision_function(frame)
        elif estimator == "LogisticRegression":
            answer = pipeline.predict_proba(frame)[:, pipeline.classes_.tolist().index("ill")]
        answers.append(answer * exposure)
    shown = "probability" if estimator == "LogisticRegression" else "prediction"
    if estimator == "LinearSVC":
        # A class has no number of its own: the distance that scikit-learn gives stands for it.
        ours = answers[0]
        assert [line["prediction"] == "ill" for line in scores] == (ours > 0).tolist()
    else:
        ours = np.array([float(line[shown]) for line in scores])
    np.testing.assert_allclose(answers, [ours, ours], rtol=1e-10)

    assert command("export", final, "-o", tmp_path / "model.json").status == 0
    document = json.loads((tmp_path / "model.json").read_text())
    eta = by_hand(document, records["east"], [r for silo in records.values() for r in silo])
    link = {"LogisticRegression": lambda v: 1 / (1 + np.exp(-v)), "GammaRegressor": np.exp}
    link |= dict.fromkeys(("PoissonRegressor", "TweedieRegressor"), lambda v: np.exp(v) * exposure)
    np.testing.assert_allclose(link.get(estimator, lambda v: v)(eta), ours, rtol=1e-9)
    assert (document["schema"], document["study"], document["estimator"]) == (1, STUDY, estimator)
    assert document["n_samples"] == 900

    assert command("export", final, "--format", "csv", "-o", tmp_path / "model.csv").status == 0
    listed = dict(list(csv.reader((tmp_path / "model.csv").open()))[1:])
    assert {name: float(value) for name, value in listed.items()} == {
        "intercept": document["intercept"],
        **document["coefficients"],
    }


def by_hand(document: dict, records: list[dict[str, str]], pool: list[dict[str, str]]) -> np.ndarray:
    """Apply exported coefficients to rows as they stand, gaps filled from the pool."""
    mean = np.mean([float(r["chol"]) for r in pool if r["chol"]])
    known = [r["smoking"] for r in pool if r["smoking"]]
    mode = max(set(known), key=known.count)
    coefficients = document["coefficients"]
    found = []
    for record in records:
        eta = document["intercept"]
        for name, value in coefficients.items():
            column, _, level = name.rstrip("]").partition("[")
            cell = record[column] or (mode if column == "smoking" else str(mean))
            eta += value * (float(cell == level) if level else float(cell))
        found.append(eta)
    return np.array(found)


def test_rows_that_cannot_be_scored_keep_their_line(town, tmp_path):
    place = town("finished")
    shutil.copy(place.table("north"), tmp_path / "new.csv")
    # A prediction needs no outcome.
    frame = pl.read_csv(tmp_path / "new.csv").drop("disease").head(5)
    frame.write_csv(tmp_path / "new.csv")
    made = command("predict", tmp_path / "new.csv", "--model", place.model(round_of(place)))
    assert made.status == 0, made.err
    assert (tmp_path / "new-predictions.csv").read_text().count("\n") == 6


def round_of(place) -> int:
    return len(list((place.registry / "outbox").glob("*.fedmodel")))


def test_commands_that_only_look_write_nothing(town):
    place = town("collected")
    before = snapshot(place.root)
    for arguments in (
        ("status", "-C", place.registry),
        ("status", "-C", place.silo("north")),
        ("check", "-C", place.silo("north")),
        ("study", "show", "-C", place.registry),
        ("inspect", place.update("north")),
        ("verify", place.study, place.update("north")),
        ("keys", "show", place.public("north")),
        ("keys", "show", place.key("north"), "--passphrase-file", place.passphrase),
        ("train", "-C", place.silo("north"), "--dry-run", "--passphrase-file", place.passphrase),
        ("explain", "E404"),
    ):
        assert command(*arguments).status == 0, arguments
    assert snapshot(place.root) == before
