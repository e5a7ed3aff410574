"""The trial in five centres, through the real commands: hazard ratios both ways, and curves, beside others' fits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter

from fedcli.errors import CellTooSmall
from tests.workflow.play import command

SAMPLE = Path(__file__).resolve().parents[2] / "sample_silos" / "trial_survival"
NAMES = ["arm[treatment]", "age", "sex[male]", "stage[II]", "stage[III]", "log_marker"]


def pooled() -> pd.DataFrame:
    """Read all centres' tables by a second, simpler reading of what is their own."""
    tables = []
    for path in sorted(SAMPLE.glob("*.csv")):
        table = pd.read_csv(path)
        if "months" in table:
            table["days"] = table["months"] * 365.25 / 12
        stage = table["stage"].astype(str).replace({"1": "I", "2": "II", "3": "III"})
        tables.append(
            pd.DataFrame(
                {
                    "arm[treatment]": (table["arm"] == "treatment").astype(float),
                    "age": table["age"].astype(float),
                    "sex[male]": (table["sex"] == "male").astype(float),
                    "stage[II]": (stage == "II").astype(float),
                    "stage[III]": (stage == "III").astype(float),
                    "log_marker": np.log(table["marker"]),
                    "days": table["days"],
                    "died": table["status"].astype(str).isin(["dead", "1"]),
                    "centre": path.stem,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def simulated(name: str) -> dict[str, Any]:
    outcome = command("simulate", SAMPLE, "--study", SAMPLE / name, "--json")
    assert outcome.status == 0, outcome.err
    return dict(outcome.json)


def test_hazard_ratios_with_a_baseline_for_each_centre_are_those_of_lifelines() -> None:
    found = simulated("study.yaml")
    assert found["trips"] == 3
    assert found["grid_bias"] is None
    fitted = CoxPHFitter().fit(pooled(), "days", "died", strata="centre", fit_options={"precision": 1e-14})
    ours = {item["name"]: item["federated"] for item in found["coefficients"]}
    assert list(ours) == NAMES
    np.testing.assert_allclose(list(ours.values()), fitted.params_[NAMES].to_numpy(), rtol=1e-6)


def test_one_baseline_comes_as_near_to_the_exact_times_as_it_says() -> None:
    found = simulated("study-one-baseline.yaml")
    assert found["trips"] == 4
    assert found["relative_error"] <= 1e-6
    fitted = CoxPHFitter().fit(pooled().drop(columns="centre"), "days", "died", fit_options={"precision": 1e-14})
    ours = np.array([item["federated"] for item in found["coefficients"]])
    away = np.abs(ours - fitted.params_[NAMES].to_numpy()) / fitted.standard_errors_[NAMES].to_numpy()
    assert found["grid_bias"] == pytest.approx(float(away.max()), rel=1e-3)
    assert found["grid_bias"] < 0.2


def test_the_screen_says_what_the_intervals_cost() -> None:
    said = command("simulate", SAMPLE, "--study", SAMPLE / "study-one-baseline.yaml", "-q").out
    assert "beside a fit of the exact times with one baseline, no coefficient differs by more than\n0.0" in said
    assert "standard errors: that is what the agreed intervals cost" in said


def test_curves_are_those_of_lifelines_at_the_agreed_times() -> None:
    found = simulated("study-curves.yaml")
    assert found["trips"] == 1
    ours = {item["name"]: item["federated"] for item in found["coefficients"]}
    table, grid = pooled(), np.array([548.0, 1096.0, np.inf])
    up = grid[np.searchsorted(grid, table["days"])]
    for group, arm in enumerate((0.0, 1.0)):
        there = (table["arm[treatment]"] == arm).to_numpy()
        curve = KaplanMeierFitter().fit(
            np.where(np.isinf(up[there]), 2000.0, up[there]), table["died"][there] & np.isfinite(up[there])
        )
        for k, time in enumerate(grid[:2]):
            assert ours[f"survival_[{2 * group + k}]"] == pytest.approx(float(curve.predict(time)), rel=1e-12)


def changed(folder: Path, name: str, **params: str) -> Path:
    """A copy of the sample, in which a study has other words."""
    shutil.copytree(SAMPLE, folder / "trial")
    path = folder / "trial" / name
    text = path.read_text("utf-8")
    for old, new in params.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return folder / "trial"


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ("[7, 730]", "from 0 to 7' has"),
        ("[365, 1800]", "at risk from 1800 to 1826"),
    ],
)
def test_an_interval_of_few_events_or_rows_is_refused(tmp_path: Path, grid: str, says: str) -> None:
    folder = changed(tmp_path, "study-one-baseline.yaml", **{"[365, 730, 1096]": grid})
    outcome = command("simulate", folder, "--study", folder / "study-one-baseline.yaml")
    assert outcome.status != 0
    assert CellTooSmall.code in outcome.err
    assert says in outcome.err


def test_rows_that_leave_within_an_interval_are_counted_apart(tmp_path: Path) -> None:
    folder = changed(tmp_path, "study-one-baseline.yaml", **{"[365, 730, 1096]": "[300, 730]"})
    table = pd.read_csv(folder / "bremen.csv")
    # Nobody dies before day 300 any more, and three patients leave.
    early = table.index[table["days"] <= 300]
    table.loc[early[3:], "days"] = 301
    table.loc[early, "status"] = "alive"
    table.to_csv(folder / "bremen.csv", index=False)
    outcome = command("simulate", folder, "--study", folder / "study-one-baseline.yaml")
    assert "bremen: the group 'seen for a part of the time from 0 to 300' has 3 rows" in outcome.err
