"""What `check` says of a table with everything wrong: one screen, and an object that names no row."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

import numpy as np

from tests.workflow.play import FEATURES, agreement, command, rows, snapshot, table_text


def messy() -> str:
    """North's rows: one copied, an age that is no number, a range left, ten without outcome, a level of one outcome."""
    records = rows("north")
    for record in records[60:70]:
        record["disease"] = ""
    for number, record in enumerate(records):
        if record["disease"]:
            record["disease"] = "ill" if record["sex"] == "male" or number % 2 else "well"
    records.insert(30, dict(records[3]))
    records[9]["age"] = "unknown"
    records[11]["chol"] = "4444"
    return table_text(records)


def test_errors_and_warnings_stand_on_one_screen_with_their_rows(town):
    place = town("joined")
    place.table("north").write_text(messy())
    before = snapshot(place.root)
    done = command("check", "-C", place.silo("north"))
    assert snapshot(place.root) == before
    assert done.status == 1
    said = " ".join(done.err.split())
    assert "error[E312]: table.csv: column 'age' is not a number in 1 row, line 11" in said
    assert "column 'chol' lies outside 100 to 400 in 1 row, line 13" in said
    assert "warning[W110]: 1 row equals an earlier one in every agreed column, see line 32" in said
    assert "warning[W111]: 10 of 81 rows are left out, since 'disease' is missing" in said
    assert re.search(r"warning\[W108\]: column 'sex': all \d+ rows of 'male' have the same outcome", said)
    assert "(fedcli explain W110)" in said
    assert len((done.out + done.err).splitlines()) <= 40
    assert "4444" not in done.out + done.err


def test_the_object_has_codes_and_remedies_and_names_no_row(town):
    place = town("joined")
    place.table("north").write_text(messy())
    done = command("check", "-C", place.silo("north"), "--json")
    assert done.status == 1
    found = done.json
    assert {entry["code"] for entry in found["warnings"]} == {"W108", "W110", "W111"}
    for entry in (*found["warnings"], *found["problems"]):
        assert entry["message"]
        assert entry["hint"]
    assert not re.search(r"\b(line|lines|row|rows) \d", json.dumps(found))
    assert ".csv:" not in json.dumps(found)


def test_train_says_no_row_in_its_object_either(town):
    place = town("joined")
    place.table("north").write_text(messy())
    done = place.run("train", "-C", place.silo("north"), "--yes", "--json")
    assert done.status == 3
    assert "line 11" in " ".join(done.err.split())
    assert "line" not in done.out


def test_warnings_alone_leave_a_table_ready(town):
    place = town("joined")
    records = rows("north")
    place.table("north").write_text(table_text([*records, dict(records[0])]))
    done = command("check", "-C", place.silo("north"))
    assert done.status == 0
    assert "warning[W110]" in done.err
    assert "look at the warnings first" in done.err
    assert "ready. Nothing was written." not in done.err


def test_of_many_columns_those_with_gaps_are_listed_and_alike_warnings_are_one(town):
    numbers = "".join(f"  x{i}: {{type: number, range: [-9, 9], impute: mean}}\n" for i in range(20))
    rng = np.random.default_rng(0)
    tables = {}
    for name in ("north", "east", "south"):
        records = rows(name, 400)
        for record in records:
            record |= {f"x{i}": "1" if i < 8 else f"{rng.normal():.3f}" for i in range(20)}
        for record in records[:40]:
            record["x19"] = ""
        tables[name] = table_text(records)
    place = town(text=agreement(features=FEATURES + numbers, rules="min_cell: 1"), tables=tables)
    done = command("check", "-C", place.silo("north"))
    assert done.status == 0
    assert "columns         23 found\n                x19: 360 values, 40 missing\n" in done.out
    assert done.err.count("warning[W104]") == 4
    assert "the same of 5 more: x3, x4, x5, x6, x7" in " ".join(done.err.split())


def test_dropped_rows_are_counted_by_what_they_lack(town):
    text = agreement(
        features=FEATURES.replace("  chol: {type: number, range: [100, 400]}\n", ""),
        target="{column: visits, type: count, range: [0, 50]}",
        estimator="PoissonRegressor",
        params="{}",
        extra="offset: {column: exposure, transform: log, range: [0.1, 10]}\nweight: {column: w, range: [0, 5]}",
    )
    records = [
        {"age": r["age"], "sex": r["sex"], "visits": str(i % 7), "exposure": "1.5", "w": "1"}
        for i, r in enumerate(rows("north", 120))
    ]
    for place_of, column in ((range(3), "visits"), (range(2, 5), "exposure"), (range(10, 11), "w")):
        for i in place_of:
            records[i][column] = ""
    place = town(text=text, tables={"north": table_text(records)})
    done = command("check", "-C", place.silo("north"))
    assert done.status == 0, done.err
    said = " ".join(done.out.split())
    assert "120 read, 114 used, 6 dropped: 3 without visits (outcome), 2 without exposure (offset), " in said
    assert "1 without w (weight)" in said
    found = command("check", "-C", place.silo("north"), "--json").json
    assert found["rows_dropped"] == 6
    assert found["dropped"] == [
        {"role": "outcome", "column": "visits", "rows": 3},
        {"role": "offset", "column": "exposure", "rows": 2},
        {"role": "weight", "column": "w", "rows": 1},
    ]
    trained = place.run("train", "-C", place.silo("north"), "--dry-run", "--json").json
    assert trained["dropped"] == found["dropped"]


def test_a_single_row_s_value_is_said_nowhere(town):
    place = town("joined")
    records = rows("north")
    for number, record in enumerate(records):
        record["chol"] = "389.75" if number == 7 else "123.25"
    place.table("north").write_text(table_text(records))
    for words in (["check"], ["check", "--json"], ["train", "--yes"], ["train", "--yes", "--json"]):
        done = place.run(*words, "-C", place.silo("north"), passphrase=words[0] == "train")
        assert "chol at the higher of its two values" in " ".join((done.out + done.err).split())
        assert "389.75" not in done.out + done.err
        assert "123.25" not in done.out + done.err


def test_what_comes_next_asks_the_same_query(town):
    place = town("joined")
    north, query = place.silo("north"), "SELECT * FROM visits"
    lines = table_text(rows("north")).splitlines()
    names = lines[0].split(",")
    with closing(sqlite3.connect(place.root / "visits.db")) as database, database:
        database.execute(f"CREATE TABLE visits ({', '.join(names)})")
        asked = f"INSERT INTO visits VALUES ({', '.join('?' * len(names))})"
        database.executemany(asked, [line.split(",") for line in lines[1:]])
    address = f"sqlite:///{place.root / 'visits.db'}"
    for words in (["check", address], ["train", address, "--dry-run"]):
        done = place.run(*words, "-C", north, "--query", query, passphrase=words[0] == "train")
        assert done.status == 0, done.err
        said = " ".join(done.err.split())
        assert f"fedcli train {address} --query 'SELECT * FROM visits' -C {north}" in said
