"""`simulate` sets the medians that fill missing cells beside those of the pooled rows: the fits share the former."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.equivalence.cases import agreement
from tests.workflow.play import command

TARGET = {"column": "y", "type": "number", "range": [-20, 20]}
FEATURES = {
    "visits": {"type": "count", "range": [0, 60], "impute": "median"},
    "crp": {"type": "number", "range": [0, 60], "impute": "median"},
    "age": {"type": "number", "range": [0, 100], "impute": "mean"},
}


def test_medians_of_pool_and_federation_stand_side_by_side(tmp_path) -> None:
    rng, frames = np.random.default_rng(3), []
    for silo in ("north", "east", "south"):
        n = 500
        frame = pd.DataFrame(
            {"visits": rng.choice([3, 4, np.nan], n, p=[0.5, 0.3, 0.2]), "age": rng.uniform(20, 90, n)}
        )
        frame["crp"] = np.where(rng.random(n) < 0.2, np.nan, rng.gamma(2, 4, n).round(1).clip(0, 60))
        frame["y"] = (0.1 * frame.age + rng.normal(0, 1, n)).round(3)
        frame.to_csv(tmp_path / f"{silo}.csv", index=False)
        frames.append(frame)
    pooled = pd.concat(frames)
    text = agreement(TARGET, FEATURES, "Ridge", rules={"aggregation": "plain"})
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(json.loads(text), sort_keys=False))
    found = command("simulate", tmp_path, "--json").json["medians"]
    assert [median["name"] for median in found] == ["visits", "crp"]
    assert [median["pooled"] for median in found] == [3, pooled.crp.median()]
    assert found[0]["federated"] == pytest.approx(3, abs=1e-12)
    assert found[1]["federated"] == pytest.approx(pooled.crp.median(), abs=0.5)
    printed = command("simulate", tmp_path).out
    assert "visits was filled with 3, the pooled median is 3" in printed
