"""Studies with a feature map through keys, files and commands: scores, exports, and refusals with their remedy."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
import skops.io

from fedcli.errors import BadStudy, CellTooSmall, DominantRow, TooManyColumns
from fedcli.study.reading import read_study
from tests.workflow.play import SILOS, agreement, command, rows, table_text

NUMBER = "{column: z, type: number, range: [-40, 80]}"
MAPS = {
    "RBFSampler": ("{type: RBFSampler, n_components: 6, gamma: 0.5, columns: [age, chol, sex]}", ""),
    "PolynomialFeatures": ("{type: PolynomialFeatures, typical: {chol: [230, 40]}}", ""),
    "SplineTransformer": ("{type: SplineTransformer, n_knots: 2, degree: 2}", "min_cell: 1"),
    # Their weights follow from keys that are new in every run, and so does whether few rows are above a border.
    "RandomReLU": ("{type: RandomReLU, n_components: 6}", "min_cell: 1, largest_share: null"),
}


def text(chosen: str, rules: str = "", **parts: str) -> str:
    given = {"target": NUMBER, "estimator": "Ridge", "params": "{alpha: 0.5}", **parts}
    return agreement(rules=rules, **given).replace("params: ", f"map: {chosen}, params: ")


def tables(n: int = 120) -> dict[str, str]:
    found = {}
    for name in SILOS:
        records = rows(name, n)
        for number, record in enumerate(records):
            record["z"] = f"{40 * np.sin(float(record['age']) / 15) + (number % 7):.2f}"
        found[name] = table_text(records)
    return found


@pytest.mark.parametrize("kind", MAPS)
def test_a_map_is_scored_and_exported_after_one_trip(kind, town, tmp_path):
    chosen, rules = MAPS[kind]
    place = town(text=text(chosen, rules), tables=tables())
    final = place.finish()
    assert final.round == 1
    table, scores = place.table("north"), tmp_path / "scores.csv"
    assert command("predict", table, "--model", final.model, "-o", scores).status == 0
    with scores.open() as file:
        _, *lines = list(csv.reader(file))
    exported = tmp_path / "model.skops"
    assert command("export", final.model, "--format", "sklearn", "-o", exported).status == 0
    unsafe = set(skops.io.get_untrusted_types(file=exported))
    # A spline's knots are an object of SciPy's, as of any SplineTransformer.
    assert unsafe <= {"numpy.dtype"} or kind == "SplineTransformer"
    pipeline = skops.io.load(exported, trusted=sorted(unsafe))
    frame = pd.read_csv(table)[["age", "chol", "sex"]]
    assert np.allclose(np.array(lines)[:, 1].astype(float), pipeline.predict(frame), rtol=1e-12)
    document = tmp_path / "model.json"
    assert command("export", final.model, "-o", document).status == 0
    names = json.loads(document.read_text())["coefficients"]
    assert sum(name.startswith(f"{kind}[") for name in names) > 3
    assert command("verify", final.model).status == 0


def test_the_sheet_names_all_columns_of_a_map_in_one_line(town):
    place = town(text=text(MAPS["RBFSampler"][0]), tables=tables())
    place.round()
    (sheet,) = (place.silo("north") / "review").glob("*.txt")
    said = " ".join(sheet.read_text().split())
    assert "the intercept, RBFSampler[0] to RBFSampler[5], of age, chol, sex; numbers run from -1 to 1" in said
    assert "8 multiplied columns" not in said
    assert "7 multiplied columns, which count as 13; here 9.2" in said


def test_too_few_rows_for_what_a_map_makes_are_refused_and_fewer_components_named(town):
    place = town("joined", text=text("{type: RBFSampler, n_components: 20}"), tables=tables())
    said = " ".join(place.refuses(TooManyColumns, "train", "-C", place.silo("north"), "--yes").split())
    assert "120 training rows for 22 columns that a map makes of few, which count as 121" in said
    assert "let the map make fewer columns (model.map)" in said


def test_few_rows_on_one_side_of_two_borders_are_refused(town):
    # Of forty units some pair has few rows, whatever their weights.
    chosen = text("{type: RandomReLU, n_components: 40}", "rows_per_column: 0, largest_share: null")
    place = town("joined", text=chosen, tables=tables())
    said = " ".join(place.refuses(CellTooSmall, "train", "-C", place.silo("north"), "--yes").split())
    assert "'RandomReLU[" in said
    assert "an RBFSampler's columns mix all rows everywhere" in said


def test_one_row_that_makes_a_units_sum_is_refused_with_another_map(town):
    rule = "rows_per_column: 0, min_cell: 1, largest_share: 0.05"
    place = town("joined", text=text("{type: RandomReLU, n_components: 40}", rule), tables=tables())
    said = " ".join(place.refuses(DominantRow, "train", "-C", place.silo("north"), "--yes").split())
    assert "of 'RandomReLU[" in said
    assert "ask the coordinator for fewer columns of the map or for another map" in said


def test_few_rows_between_two_splines_knots_are_refused(town):
    place = town(
        "joined",
        text=text("{type: SplineTransformer, n_knots: 9}", "rows_per_column: 0, largest_share: null"),
        tables=tables(),
    )
    said = " ".join(place.refuses(CellTooSmall, "train", "-C", place.silo("north"), "--yes").split())
    assert re.search(r"the group '[^']*(age|chol) from \d", said)


def test_what_is_missing_needs_an_agreed_value(town):
    features = "  age: {type: number, range: [20, 100], impute: mean}\n  chol: {type: number, range: [100, 400]}\n"
    with pytest.raises(BadStudy, match="nobody knows its pooled mean in the first trip") as caught:
        read_study(text(MAPS["PolynomialFeatures"][0], features=features))
    assert "impute: constant with fill_value" in str(caught.value)
    apart = text("{type: PolynomialFeatures, columns: [chol]}", features=features)
    place = town(text=apart, tables=tables())
    assert place.finish().round == 1
