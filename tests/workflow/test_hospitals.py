"""Three real hospitals through real files: a small group at one is refused by name, and an agreement can allow it.

Of the 123 patients of Switzerland one has no maximal heart rate on record.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from fedcli.errors import CellTooSmall
from fedcli.workflow.simulate import simulate
from tests.workflow.conftest import At
from tests.workflow.play import agreement, command

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "heart_uci"
HOSPITALS = {"north": "cleveland", "east": "switzerland", "south": "va"}
STUDY = {
    "target": "{column: num, type: binary, positive: [1, 2, 3, 4], negative: 0}",
    "features": """\
  age: {type: number, range: [18, 110]}
  chol: {type: number, range: [50, 700], missing: [0, "?"], impute: mean}
  thalach: {type: number, range: [40, 220], missing: "?", impute: mean}
""",
}


@pytest.fixture
def tables() -> dict[str, str]:
    if not FOLDER.is_dir():
        pytest.skip("the hospitals' tables are not here: ../shared/data/heart_uci is missing")
    return {silo: (FOLDER / f"{hospital}.csv").read_text() for silo, hospital in HOSPITALS.items()}


def test_a_small_group_of_one_hospital_is_refused_at_train(town: At, tables: dict[str, str]) -> None:
    place = town(text=agreement(**STUDY), tables=tables)
    place.collect(("north", "south"))
    said = " ".join(place.refuses(CellTooSmall, "train", "-C", place.silo("east"), "--yes").split())
    assert "error[E501]: the group 'thalach missing' has 1 row, the study requires at least 5" in said
    assert not list((place.silo("east") / "outbox").iterdir())


def test_a_simulation_names_the_hospital_that_refuses(tables: dict[str, str], tmp_path: Path) -> None:
    for silo, text in tables.items():
        (tmp_path / f"{HOSPITALS[silo]}.csv").write_text(text)
    (tmp_path / "study.yaml").write_text(agreement(**STUDY))
    with pytest.raises(CellTooSmall, match=r"^switzerland: the group 'thalach missing' has 1 row"):
        simulate(tmp_path)


def test_with_groups_of_one_allowed_the_hospitals_fit_and_the_pipeline_takes_their_tables(
    town: At, tables: dict[str, str], tmp_path: Path
) -> None:
    place = town(text=agreement(**STUDY, rules="min_cell: 1"), tables=tables)
    final = place.finish().model
    saved = command("export", final, "--format", "sklearn", "-o", tmp_path / "model.skops")
    assert saved.status == 0
    assert "na_values=['?']" in " ".join(saved.err.split())
    pipeline = skops.io.load(tmp_path / "model.skops", trusted=["numpy.dtype"])
    for silo in HOSPITALS:
        scores = tmp_path / f"{silo}.csv"
        assert command("predict", place.table(silo), "--model", final, "-o", scores).status == 0
        ours = [float(line["probability"]) for line in csv.DictReader(scores.open())]
        theirs = pipeline.predict_proba(pd.read_csv(place.table(silo), na_values=["?"]))
        (ill,) = [i for i, label in enumerate(pipeline.classes_) if str(label) != "0"]
        np.testing.assert_allclose(theirs[:, ill], ours, rtol=1e-10)
