"""The pumps of three factories, through every file: a rate of failures, and in one trip a surface that no line says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from fedcli.workflow.outcome import export
from fedcli.workflow.plan import plan
from fedcli.workflow.simulate import simulate

FOLDER = Path(__file__).resolve().parents[2] / "sample_silos" / "pump_sensors"
EFFICIENCY = FOLDER / "study-efficiency.yaml"


def pooled() -> pd.DataFrame:
    """All pumps in the agreed terms, by a second reading of what each factory keeps in its own way."""
    essen, lyon, turin = (pd.read_csv(FOLDER / f"{name}.csv") for name in ("essen", "lyon", "turin"))
    lyon["bearing_c"] = (lyon.pop("bearing_f") - 32) * 5 / 9
    turin["kind"] = turin["kind"].map({"C": "centrifugal", "G": "gear", "S": "screw"})
    turin["vibration_mms"] = turin["vibration_mms"].astype(float).where(turin["vibration_mms"] != 999)
    return pd.concat([essen, lyon, turin], ignore_index=True)


def test_failures_per_hour_take_the_trips_that_the_plan_says() -> None:
    found = simulate(FOLDER)
    assert found.trips <= plan(FOLDER / "study.yaml").trips[1]
    assert found.relative_error <= 1e-6
    # What the script drew them by.
    drawn = {"kind[gear]": 0.35, "serviced[true]": -0.45, "vibration_mms": 0.14, "bearing_c": 0.02}
    ours = {c.name: c.federated for c in found.coefficients}
    assert {name: ours[name] for name in drawn} == pytest.approx(drawn, abs=0.1)


def test_one_trip_says_at_which_flow_and_speed_a_pump_pumps_well(tmp_path: Path) -> None:
    found = simulate(FOLDER, study=EFFICIENCY, keep=tmp_path / "kept")
    assert found.trips == 1
    assert found.relative_error <= 1e-7
    exported = export(found.model, format="sklearn", out=tmp_path / "pumps.skops").file
    pipeline = skops.io.load(exported, trusted=skops.io.get_untrusted_types(file=exported))
    table = pooled()
    y = table["efficiency"].to_numpy()
    columns = ["flow_m3h", "speed_rpm", "vibration_mms", "bearing_c"]
    line = pd.get_dummies(table[["kind"]]).join(table[columns].fillna(2.5)).to_numpy(dtype=float)
    straight = LinearRegression().fit(line, y).predict(line)
    left, left_by_a_line = (np.mean((y - p) ** 2) / y.var() for p in (pipeline.predict(table), straight))
    assert left < 0.15
    assert left_by_a_line > 0.6
    noise = 1.5**2 / y.var()
    assert left > noise / 2


def test_every_factory_has_the_rows_that_the_map_asks_for() -> None:
    planned = plan(EFFICIENCY)
    assert planned.n_counted > planned.n_columns
    assert all(len(pd.read_csv(table)) >= planned.least_rows for table in FOLDER.glob("*.csv"))
