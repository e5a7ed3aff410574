"""Studies of counts beyond Poisson's and of ordered levels through the real commands and files, as people play them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io

from fedcli.errors import CellTooSmall, UnsupportedModel
from tests.workflow.play import SILOS, Town, agreement, command, found_town, rows, table_text

COUNT = "{column: visits, type: count, range: [0, 80]}"
LEVEL = "{column: state, type: category, levels: [good, fair, poor]}"
STUDIES: dict[str, dict[str, Any]] = {
    "counts": {"target": COUNT, "estimator": "NegativeBinomial", "params": "{}"},
    "levels": {"target": LEVEL, "estimator": "OrdinalLogit", "params": "{}"},
}


def records(name: str, n: int = 250) -> list[dict[str, str]]:
    rng, found = np.random.default_rng([ord(c) for c in name]), rows(name, n)
    for row in found:
        burden = 0.02 * float(row["age"]) + 0.4 * (row["sex"] == "male")
        mean = np.exp(burden - 0.5)
        row["visits"] = str(min(rng.negative_binomial(2, 2 / (2 + mean)), 80))
        row["state"] = ("good", "fair", "poor")[int(np.digitize(burden + rng.logistic(), [0.8, 2.2]))]
    return found


def pooled() -> pd.DataFrame:
    whole = pd.concat([pd.DataFrame(records(name)) for name in SILOS], ignore_index=True)
    return whole.astype({"age": float, "chol": float, "visits": int})


def design(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    return np.column_stack([frame["age"], frame["chol"], frame["sex"] == "male"]).astype(float)


@pytest.fixture(scope="module", params=STUDIES)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Town, Path]:
    town = found_town(tmp_path_factory.mktemp("town"), lambda name: table_text(records(name)))
    town.draft(agreement(**STUDIES[request.param], holdout=0.2))
    town.freeze()
    done = town.finish()
    assert done.round <= 5
    return request.param, town, done.model


def exported(model: Path, folder: Path) -> dict[str, Any]:
    assert command("export", model, "-o", folder / "m.json", "--force").status == 0
    return json.loads((folder / "m.json").read_text())  # type: ignore[no-any-return]


def scored(model: Path, folder: Path) -> list[dict[str, str]]:
    (folder / "all.csv").write_text(table_text([row for name in SILOS for row in records(name)]))
    assert command("predict", folder / "all.csv", "--model", model, "-o", folder / "p.csv", "--force").status == 0
    with (folder / "p.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_is_exported_predicts_as_the_page_says(played: tuple[str, Town, Path], tmp_path: Path) -> None:
    kind, _, model = played
    found, lines = exported(model, tmp_path), scored(model, tmp_path)
    eta = design(pooled()) @ [found["coefficients"][name] for name in ("age", "chol", "sex[male]")]
    if kind == "counts":
        means = np.exp(found["intercept"] + eta)
        np.testing.assert_allclose([float(line["prediction"]) for line in lines], means, rtol=1e-9)
        return
    assert "intercept" not in found
    below = 1 / (1 + np.exp(eta[:, None] - np.array(found["attributes"]["thresholds"])))
    shares = np.diff(below, axis=1, prepend=0, append=1)
    ours = np.array([[float(line[f"probability of {label}"]) for label in found["classes"]] for line in lines])
    np.testing.assert_allclose(ours, shares, rtol=1e-8)
    assert [line["prediction"] for line in lines] == [found["classes"][k] for k in shares.argmax(axis=1)]


def test_a_table_of_numbers_has_the_parameters_beside_the_coefficients(
    played: tuple[str, Town, Path], tmp_path: Path
) -> None:
    kind, _, model = played
    assert command("export", model, "--format", "csv", "-o", tmp_path / "m.csv").status == 0
    with (tmp_path / "m.csv").open() as file:
        names = [row["name"] for row in csv.DictReader(file)]
    beside = {"counts": ["alpha"], "levels": ["thresholds[0]", "thresholds[1]"]}[kind]
    assert names == [*(["intercept"] if kind == "counts" else []), "age", "chol", "sex[male]", *beside]


def test_scikit_learn_gets_what_it_can_hold(played: tuple[str, Town, Path], tmp_path: Path) -> None:
    kind, town, model = played
    if kind == "levels":
        said = town.refuses(UnsupportedModel, "export", model, "--format", "sklearn", passphrase=False)
        assert "scikit-learn has no class for OrdinalLogit" in said
        return
    done = command("export", model, "--format", "sklearn", "-o", tmp_path / "m.skops")
    assert done.status == 0
    assert "a PoissonRegressor, whose predicted means have the same form" in " ".join(done.err.split())
    allowed = skops.io.get_untrusted_types(file=tmp_path / "m.skops")
    assert all(name.startswith(("sklearn.", "_loss.")) for name in allowed)
    pipeline = skops.io.load(tmp_path / "m.skops", trusted=allowed)
    ours = [float(line["prediction"]) for line in scored(model, tmp_path)]
    np.testing.assert_allclose(pipeline.predict(pooled()[["age", "chol", "sex"]]), ours, rtol=1e-12)
    assert pipeline[-1].alpha_ == exported(model, tmp_path)["attributes"]["alpha"][0]
    assert pipeline[-1].alpha == 0.0


@pytest.mark.parametrize("kind", STUDIES)
def test_a_simulation_compares_with_the_pooled_fit(kind: str, tmp_path: Path) -> None:
    for name in SILOS:
        (tmp_path / f"{name}.csv").write_text(table_text(records(name)))
    (tmp_path / "study.yaml").write_text(agreement(**STUDIES[kind]))
    outcome = command("simulate", tmp_path, "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["relative_error"] <= 1e-6
    names = [item["name"] for item in outcome.json["coefficients"]]
    assert names[-1] == {"counts": "alpha", "levels": "thresholds[1]"}[kind]


def test_the_order_of_the_levels_is_said(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(agreement(**STUDIES["levels"]))
    town = found_town(tmp_path / "town", lambda name: table_text(records(name)))
    town.draft(agreement(**STUDIES["levels"]))
    said = command("study", "show", "-C", town.registry).out
    assert "the outcome's levels are in this order: good < fair < poor" in said


def joined(root: Path, kind: str, changed: list[dict[str, str]]) -> Town:
    """A town in which north has other rows."""
    town = found_town(root, lambda name: table_text(changed if name == "north" else records(name)))
    town.draft(agreement(**STUDIES[kind]))
    town.freeze()
    return town


def test_a_silo_of_few_counts_above_1_is_refused(tmp_path: Path) -> None:
    changed = [{**row, "visits": str(min(int(row["visits"]), 1))} for row in records("north")]
    for row in changed[:3]:
        row["visits"] = "7"
    town = joined(tmp_path, "counts", changed)
    said = town.refuses(CellTooSmall, "train", "-C", town.silo("north"))
    assert "the group 'visits above 1' has 3 rows" in said


def test_a_silo_of_a_small_level_is_refused_and_of_none_is_not(tmp_path: Path) -> None:
    changed = [{**row, "state": "fair" if row["state"] == "poor" else row["state"]} for row in records("north")]
    town = joined(tmp_path / "none", "levels", changed)
    assert town.train("north").update is not None
    changed[0]["state"] = "poor"
    town = joined(tmp_path / "one", "levels", changed)
    said = town.refuses(CellTooSmall, "train", "-C", town.silo("north"))
    assert "state = poor" in said
