"""Other people's tables through real keys, files, commands and trips: the model is scikit-learn's on the pooled rows.

The mathematics is held to many more studies in ``tests/equivalence``, in memory; here nothing is left out.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fedcli.study.reading import read_study
from fedcli.workflow.outcome import export
from fedcli.workflow.simulate import Simulated, simulate
from tests.equivalence.cases import HOSPITALS, SIX, heart_agreement, heart_frames, heart_tables, vantage6_frames
from tests.equivalence.pooled import fit_pooled

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
NO_HOLDOUT = {"holdout": 0}


def _coefficients(made: Simulated, folder: Path) -> dict[str, float]:
    assert made.model is not None
    exported = json.loads(export(made.model, workspace=folder, out=folder / "model.json").file.read_text())
    return {"intercept": exported["intercept"], **exported["coefficients"]}


@pytest.mark.parametrize("columns", [SIX, ("age", "sex", "chol", "trestbps", "cp")], ids=["six", "with gaps"])
def test_four_hospitals_as_they_are_through_real_files(columns: tuple[str, ...], tmp_path: Path) -> None:
    heart_tables()  # skips where the hospitals are missing
    text = heart_agreement(columns, {"C": 1.0}, evaluation=NO_HOLDOUT)
    folder = tmp_path / "hospitals"
    folder.mkdir()
    document = yaml.safe_load(text)
    document["rules"]["aggregation"] = "plain"
    (folder / "study.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    for name in HOSPITALS:
        shutil.copy(SHARED / "heart_uci" / f"{name}.csv", folder)
    made = simulate(folder, keep=tmp_path / "kept")
    pooled = fit_pooled(read_study(text), pd.concat(heart_frames().values(), ignore_index=True))
    assert pooled.error(_coefficients(made, tmp_path)) <= 1e-6
    assert made.trips <= 5
    assert len(list((tmp_path / "kept").rglob("outbox/*-switzerland-r1.fedupdate"))) == 1


def test_another_projects_three_sites_through_real_files(tmp_path: Path) -> None:
    frames = vantage6_frames("gaussian")
    text = """\
study: cherry
target: {column: Volume, type: number, range: [0, 100]}
features: {Girth: {type: number, range: [5, 25]}}
model: {estimator: LinearRegression}
rules: {aggregation: plain, min_rows: 1, min_cell: 1, rows_per_column: 0}
evaluation: {holdout: 0}
silos: []
"""
    folder = tmp_path / "sites"
    folder.mkdir()
    (folder / "study.yaml").write_text(text)
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    made = simulate(folder, keep=tmp_path / "kept")
    pooled = fit_pooled(read_study(text), pd.concat(frames.values(), ignore_index=True))
    assert pooled.error(_coefficients(made, tmp_path)) <= 1e-8
    assert made.trips == 1
