"""One estimator of each kind through keys, files and commands: predictions, exports and the comparison with pooling."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
import skops.io

from tests.workflow.play import FEATURES, SILOS, agreement, command, rows, table_text

NUMBER = "{column: z, type: number, range: [-40, 80]}"
CLASSES = "{column: kind, type: category, levels: [some, none, many]}"
NONE = "{type: none}"
BINARY = "{column: disease, type: binary, positive: ill, negative: well}"
AVERAGED = "averaging: {{rule: {}, rounds: 2, local_epochs: 3}}"
KINDS = {
    "RidgeCV": (NUMBER, "RidgeCV", "{alphas: [0.1, 10]}", "cv: 3"),
    "LassoCV": (NUMBER, "LassoCV", "{alphas: 10}", "cv: 3"),
    "StepwiseRegression": (NUMBER, "StepwiseRegression", "{criterion: bic}", ""),
    "BayesianRidge": (NUMBER, "BayesianRidge", "{}", ""),
    "discriminant of three classes": (CLASSES, "LinearDiscriminantAnalysis", "{}", ""),
    "quadratic discriminant": (CLASSES, "QuadraticDiscriminantAnalysis", "{reg_param: 0.1}", ""),
    "logistic regression of three classes": (CLASSES, "LogisticRegression", "{C: 0.5}", ""),
    "ridge for three classes": (CLASSES, "RidgeClassifier", "{}", ""),
    "GaussianNB of yes or no": (BINARY, "GaussianNB", "{}", ""),
    "logistic with L1": (BINARY, "LogisticRegression", "{C: 0.05, l1_ratio: 1.0}", ""),
    "logistic, its penalty chosen": (BINARY, "LogisticRegression", "{C: [0.01, 1.0]}", "choose: cv, cv: 2"),
    "logistic, its columns chosen": (BINARY, "LogisticRegression", "{C: 1.0}", "choose: bic, nested: {few: [age]}"),
    "NearestCentroid": (CLASSES, "NearestCentroid", "{}", ""),
    "PCA": (NONE, "PCA", "{n_components: 2}", ""),
    "EmpiricalCovariance": (NONE, "EmpiricalCovariance", "{}", ""),
    "LedoitWolf": (NONE, "LedoitWolf", "{}", ""),
    "OneHotEncoder": (NONE, "OneHotEncoder", "{min_frequency: 0.2}", "standardize: false"),
    "SimpleImputer of numbers": (NONE, "SimpleImputer", "{strategy: median}", "standardize: false"),
    "SimpleImputer of levels": (NONE, "SimpleImputer", "{strategy: most_frequent}", "standardize: false"),
    "KBinsDiscretizer": (NONE, "KBinsDiscretizer", "{n_bins: 4}", "standardize: false"),
    "SelectKBest": (CLASSES, "SelectKBest", "{k: 2}", ""),
    "SGDClassifier of log odds": (BINARY, "SGDClassifier", "{loss: log_loss}", AVERAGED.format("SCAFFOLD")),
    "Perceptron for three classes": (CLASSES, "Perceptron", "{}", AVERAGED.format("SCAFFOLD")),
    "SGDRegressor": (NUMBER, "SGDRegressor", "{loss: huber}", AVERAGED.format("FedProx")),
    "network of yes or no": (BINARY, "MLPClassifier", "{hidden_layer_sizes: [5, 4]}", AVERAGED.format("SCAFFOLD")),
    "network for three classes": (CLASSES, "MLPClassifier", "{hidden_layer_sizes: 6}", AVERAGED.format("FedProx")),
    "network of a number": (
        NUMBER,
        "MLPRegressor",
        "{hidden_layer_sizes: [6], activation: tanh}",
        AVERAGED.format("FedAvg"),
    ),
}
NUMBERS = FEATURES.splitlines(keepends=True)[:2]
LEVELS = [FEATURES.splitlines(keepends=True)[2], "  ward: {type: category, levels: [a, b, c, '7']}\n"]
FEATURES_OF = {
    "OneHotEncoder": LEVELS,
    "SimpleImputer of numbers": [line.replace("}", ", impute: median}") for line in NUMBERS],
    "SimpleImputer of levels": [line.replace("]}", "], impute: mode}") for line in LEVELS],
    "KBinsDiscretizer": NUMBERS,
}


def tables(*, gaps: bool = False) -> dict[str, str]:
    found = {}
    for name in SILOS:
        records = rows(name, 120)
        for number, record in enumerate(records):
            age, chol = float(record["age"]), float(record["chol"])
            record["z"] = f"{0.5 * age + 0.02 * chol + (number % 7):.2f}"
            record["ward"] = "abbaab7"[number % 7]
            record["kind"] = "many" if chol > 245 else "some" if age > 60 else "none"
            if gaps and number % 9 == 0:
                record["age"] = record["sex"] = ""
        found[name] = table_text(records)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_is_predicted_with_exported_and_explained(kind, town, tmp_path):
    target, estimator, params, more = KINDS[kind]
    features = "".join(FEATURES_OF.get(kind, FEATURES.splitlines(keepends=True)))
    text = agreement(target=target, estimator=estimator, params=params, features=features)
    text = text.replace("params: ", f"{more}, params: ") if more else text
    place = town(text=text, tables=tables(gaps="Imputer" in kind))
    final = place.finish()
    several = estimator == "LogisticRegression"
    assert several or final.round == (2 if "averaging" in more else 1)
    table, scores = place.table("north"), tmp_path / "scores.csv"
    done = command("predict", table, "--model", final.model, "-o", scores)
    assert done.status == 0, done.err
    with scores.open() as file:
        header, *lines = list(csv.reader(file))
    if kind in ("EmpiricalCovariance", "LedoitWolf"):
        assert header == ["row", "mahalanobis"]
        assert np.mean([float(line[1]) for line in lines]) == pytest.approx(3.0, rel=0.2)
    else:
        frame = pd.read_csv(table)[re.findall(r"^  (\w+):", features, re.MULTILINE)]
        exported = tmp_path / "model.skops"
        assert command("export", final.model, "--format", "sklearn", "-o", exported).status == 0
        pipeline = skops.io.load(exported, trusted=skops.io.get_untrusted_types(file=exported))
        if kind in FEATURES_OF or kind == "SelectKBest":
            made = pipeline.transform(frame)
            made = made.toarray() if hasattr(made, "toarray") else made
            assert len(header) - 1 == made.shape[1]
            for ours, theirs in zip(made.tolist(), lines, strict=True):
                if isinstance(ours[0], str):
                    assert ours == theirs[1:]
                else:
                    assert ours == pytest.approx([float(cell) for cell in theirs[1:]], rel=1e-12)
        elif target == NONE:
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
    assert len(numbers.read_text().splitlines()) >= 3
    assert command("verify", final.model).status == 0


def simulated(kind, folder):
    target, estimator, params, more = KINDS[kind]
    folder.mkdir()
    features = "".join(FEATURES_OF.get(kind, FEATURES.splitlines(keepends=True)))
    text = agreement(target=target, estimator=estimator, params=params, features=features)
    (folder / "study.yaml").write_text(text.replace("params: ", f"{more}, params: ") if more else text)
    for name, table in tables(gaps="Imputer" in kind).items():
        (folder / f"{name}.csv").write_text(table)
    return folder


@pytest.mark.parametrize("kind", ["OneHotEncoder", "SimpleImputer of levels", "KBinsDiscretizer", "SelectKBest"])
def test_a_simulation_compares_what_prepares_columns(kind, tmp_path):
    done = command("simulate", simulated(kind, tmp_path / "study"), "--json")
    assert done.status == 0, done.err
    assert done.json["trips"] == 1
    if kind == "KBinsDiscretizer":
        assert done.json["within_bounds"] is True
        assert len(done.json["coefficients"]) == 10
    else:
        assert done.json["within_bounds"] is None
        assert done.json["relative_error"] < 1e-9


def test_a_simulation_says_that_medians_lie_within_their_bounds(tmp_path):
    done = command("simulate", simulated("SimpleImputer of numbers", tmp_path / "study"))
    assert done.status == 0, done.err
    assert "all pooled ones within the bounds that the result states: yes" in done.out


def test_a_simulation_compares_what_was_learnt(tmp_path):
    several = "logistic regression of three classes"
    for kind in ("quadratic discriminant", "PCA", "RidgeCV", "ridge for three classes", several):
        target, estimator, params, more = KINDS[kind]
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()
        text = agreement(target=target, estimator=estimator, params=params)
        (folder / "study.yaml").write_text(text.replace("params: ", f"{more}, params: ") if more else text)
        for name, table in tables().items():
            (folder / f"{name}.csv").write_text(table)
        done = command("simulate", folder, "--json")
        assert done.status == 0, done.err
        assert done.json["trips"] == 1 or kind == several
        assert done.json["relative_error"] < (1e-6 if kind == several else 1e-9)
