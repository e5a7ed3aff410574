"""Rules that a study may agree on besides its own: presets, shares, levels; and small levels counted as another."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fedcli.errors import CellTooSmall, DominantRow, TooManyColumns
from fedcli.study.document import Rules
from tests.workflow.play import FEATURES, SILOS, agreement, command, rows, table_text

WARDS = ["general", "surgical", "rare", "other"]
WITH_WARD = FEATURES + "  ward: {type: category, levels: [general, surgical, rare, other], other: other}\n"


def records(name: str, rare: int, other: int = 20) -> list[dict[str, str]]:
    """Draw a silo's rows, of which ``rare`` are of the small level, ill and well in turn as all levels are."""
    found = rows(name, 100)
    for outcome in ("ill", "well"):
        same = [record for record in found if record["disease"] == outcome]
        share = [("rare", rare // 2), ("other", other // 2), ("surgical", 10)]
        wards = [ward for ward, count in share for _ in range(count)]
        for record, ward in zip(same, [*wards, *["general"] * len(same)], strict=False):
            record["ward"] = ward
    rng = np.random.default_rng(5)
    for record in found:
        record["sex"] = str(rng.choice(["female", "male"]))
    return found


def tables(few: int, other: int = 20) -> dict[str, list[dict[str, str]]]:
    return {name: records(name, few if name == "north" else 20, other if name == "north" else 20) for name in SILOS}


def town_of(town, drawn, rules="min_cell: 2, rows_per_column: 1"):
    return town(
        text=agreement(features=WITH_WARD, rules=rules),
        tables={name: table_text(found) for name, found in drawn.items()},
    )


def test_small_levels_count_as_the_agreed_one_and_the_fit_is_that_of_the_relabelled_pool(town, tmp_path):
    drawn = tables(2)
    place = town_of(town, drawn, "min_cell: 3, rows_per_column: 1")
    said = place.run("check", "-C", place.silo("north"), passphrase=False)
    assert said.status == 0, said.err
    assert "2 rows of 'ward = rare' are counted as 'other'" in said.out
    assert "merged" not in place.run("check", "-C", place.silo("east"), passphrase=False).out
    final = place.finish()
    target = tmp_path / "coefficients.json"
    assert command("export", final.model, "-C", place.registry, "--format", "json", "-o", target).status == 0
    frame = pd.concat([pd.DataFrame(found).assign(silo=name) for name, found in drawn.items()], ignore_index=True)
    frame.loc[(frame.silo == "north") & (frame.ward == "rare"), "ward"] = "other"
    design = pd.DataFrame({"age": frame.age.astype(float), "chol": frame.chol.astype(float)})
    design["male"] = (frame.sex == "male").astype(float)
    for ward in WARDS[1:]:
        design[ward] = (frame.ward == ward).astype(float)
    scaled = StandardScaler().fit(design[["age", "chol"]])
    design[["age", "chol"]] = scaled.transform(design[["age", "chol"]])
    fit = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(design, frame.disease == "ill")
    expected = fit.coef_[0] / np.array([*scaled.scale_, 1, 1, 1, 1])
    found = json.loads(target.read_text())
    np.testing.assert_allclose(list(found["coefficients"].values())[-6:], expected, rtol=2e-5)
    merged = _ledger_merged(place)
    assert len(merged) > 1
    assert all(entry == [["ward", "rare", "other", 2]] for entry in merged)
    sheet = next(place.silo("north").glob("review/*r1*.txt")).read_text()
    assert "2 rows of 'ward = rare' are counted as 'other'" in " ".join(sheet.split())


def _ledger_merged(place):
    text = "".join(path.read_text() for path in place.silo("north").rglob("*ledger*") if path.is_file())
    found = [json.loads(line) for line in text.splitlines() if line]
    return [entry["merged"] for entry in found if entry.get("event") == "release"]


def test_another_level_that_stays_small_is_refused(town):
    place = town_of(town, tables(2, other=0), "min_cell: 5, rows_per_column: 1")
    said = place.refuses(CellTooSmall, "train", "-C", place.silo("north"), "--yes")
    assert "ward = other" in said


@pytest.mark.parametrize(
    ("rules", "error", "words"),
    [
        ("parameters_per_row: 0.03", TooManyColumns, "4 coefficients from 80 training rows"),
        ("levels_per_row: 0.02", TooManyColumns, "'sex' has 2 levels for 80 training rows"),
        ("largest_share: 0.01", DominantRow, "one row makes more than 1% of the sum of"),
    ],
)
def test_a_silo_beyond_an_agreed_rule_sends_nothing(town, rules, error, words):
    place = town(text=agreement(rules=rules))
    assert words in " ".join(place.refuses(error, "train", "-C", place.silo("north"), "--yes").split())


def test_the_sheet_and_the_agreement_name_the_preset_and_its_tests(town):
    place = town(text=agreement(rules="preset: vantage6, max_levels: 40, largest_share: 0.9, levels_per_row: 0.33"))
    shown = " ".join(command("study", "show", "-C", place.silo("north")).out.split())
    assert "preset vantage6: vantage6's published defaults" in shown
    assert "at most 0.1 coefficients per training row" in shown
    release = place.train("north").release
    named = {test.rule for test in release.tests}
    assert {"coefficients per row", "levels of a category", "levels per row"} <= named
    assert "one row's share of a column's sums" in named


def test_a_preset_gives_way_to_what_is_written_and_is_frozen_with_its_values():
    rules = Rules.model_validate({"preset": "datashield", "min_cell": 10, "max_levels": None})
    assert (rules.min_rows, rules.min_cell, rules.max_levels, rules.parameters_per_row) == (3, 10, 40, 0.33)
    assert Rules.model_validate(rules.model_dump()) == rules


def test_rules_without_the_later_ones_keep_their_form():
    assert not Rules.LATER & set(Rules().model_dump())
