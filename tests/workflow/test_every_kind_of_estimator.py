"""One estimator of each kind through keys, files and commands: predictions, exports and the comparison with pooling."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
import skops.io

from tests.workflow.play import SILOS, agreement, command, rows, table_text

NUMBER = "{column: z, type: number, range: [-40, 80]}"
CLASSES = "{column: kind, type: category, levels: [some, none, many]}"
NONE = "{type: none}"
KINDS = {
    "RidgeCV": (NUMBER, "RidgeCV", "{alphas: [0.1, 10]}", "cv: 3"),
    "LassoCV": (NUMBER, "LassoCV", "{alphas: 10}", "cv: 3"),
    "BayesianRidge": (NUMBER, "BayesianRidge", "{}", ""),
    "discriminant of three classes": (CLASSES, "LinearDiscriminantAnalysis", "{}", ""),
    "quadratic discriminant": (CLASSES, "QuadraticDiscriminantAnalysis", "{reg_param: 0.1}", ""),
    "ridge for three classes": (CLASSES, "RidgeClassifier", "{}", ""),
    "GaussianNB of yes or no": (
        "{column: disease, type: binary, positive: ill, negative: well}",
        "GaussianNB",
        "{}",
        "",
    ),
    "logistic with L1": (
        "{column: disease, type: binary, positive: ill, negative: well}",
        "LogisticRegression",
        "{C: 0.05, l1_ratio: 1.0}",
        "",
    ),
    "NearestCentroid": (CLASSES, "NearestCentroid", "{}", ""),
    "PCA": (NONE, "PCA", "{n_components: 2}", ""),
    "EmpiricalCovariance": (NONE, "EmpiricalCovariance", "{}", ""),
}


def tables() -> dict[str, str]:
    found = {}
    for name in SILOS:
        records = rows(name, 120)
        for number, record in enumerate(records):
            age, chol = float(record["age"]), float(record["chol"])
            record["z"] = f"{0.5 * age + 0.02 * chol + (number % 7):.2f}"
            record["kind"] = "many" if chol > 245 else "some" if age > 60 else "none"
        found[name] = table_text(records)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_is_predicted_with_exported_and_explained(kind, town, tmp_path):
    target, estimator, params, cv = KINDS[kind]
    text = agreement(target=target, estimator=estimator, params=params)
    text = text.replace("params: ", f"{cv}, params: ") if cv else text
    place = town(text=text, tables=tables())
    final = place.finish()
    assert (final.round == 1) == (estimator != "LogisticRegression")
    table, scores = place.table("north"), tmp_path / "scores.csv"
    done = command("predict", table, "--model", final.model, "-o", scores)
    assert done.status == 0, done.err
    with scores.open() as file:
        header, *lines = list(csv.reader(file))
    if kind == "EmpiricalCovariance":
        assert header == ["row", "mahalanobis"]
        assert np.mean([float(line[1]) for line in lines]) == pytest.approx(3.0, rel=0.2)
    else:
        frame = pd.read_csv(table)[["age", "chol", "sex"]]
        exported = tmp_path / "model.skops"
        assert command("export", final.model, "--format", "sklearn", "-o", exported).status == 0
        pipeline = skops.io.load(exported, trusted=skops.io.get_untrusted_types(file=exported))
        if target == NONE:
            assert header[1:] == ["pca0", "pca1"]
            assert np.allclose(np.array(lines)[:, 1:].astype(float), pipeline.transform(frame), atol=1e-12)
        elif target == NUMBER:
            assert np.allclose(np.array(lines)[:, 1].astype(float), pipeline.predict(frame), rtol=1e-12)
        else:
            assert [line[1] for line in lines] == pipeline.predict(frame).tolist()
            for place_in_header, name in enumerate(header[2:], start=2):
                label = name.removeprefix("probability of ") if name != "probability" else "ill"
                column = list(pipeline.classes_).index(label)
                own = np.array([float(line[place_in_header]) for line in lines])
                assert np.allclose(own, pipeline.predict_proba(frame)[:, column], atol=1e-12)
    document = tmp_path / "model.json"
    assert command("export", final.model, "-o", document).status == 0
    found = json.loads(document.read_text())
    assert found["estimator"] == estimator
    assert found.keys() & {"coefficients", "attributes"}
    numbers = tmp_path / "model.csv"
    assert command("export", final.model, "--format", "csv", "-o", numbers).status == 0
    assert len(numbers.read_text().splitlines()) > 3
    assert command("verify", final.model).status == 0


def test_a_simulation_compares_what_was_learnt(tmp_path):
    for kind in ("quadratic discriminant", "PCA", "RidgeCV", "ridge for three classes"):
        target, estimator, params, cv = KINDS[kind]
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()
        text = agreement(target=target, estimator=estimator, params=params)
        (folder / "study.yaml").write_text(text.replace("params: ", f"{cv}, params: ") if cv else text)
        for name, table in tables().items():
            (folder / f"{name}.csv").write_text(table)
        done = command("simulate", folder, "--json")
        assert done.status == 0, done.err
        assert done.json["trips"] == 1
        assert done.json["relative_error"] < 1e-9
