"""One agreement, three silos that each write things their own way: the result is scikit-learn's on harmonised rows.

Dates, yes or no, counts, units and levels are spelled differently at every silo, and one silo's ways are proposed by
`join` itself; the model is compared with a fit that pandas and scikit-learn make of the rows as they were drawn.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from fedcli.data.mapping import read_mapping
from fedcli.workflow.join import join
from fedcli.workflow.simulate import simulate
from fedcli.workflow.study import study_freeze
from tests.equivalence.federation import Federation, federate
from tests.workflow.play import REGISTRY, SILOS, Town, agreement, command

FEATURES = """\
  age: {type: number, unit: years, range: [20, 100]}
  chol: {type: number, unit: mg/dl, quantity: cholesterol, range: [80, 500], outside: clip, impute: mean}
  crp: {type: number, unit: mg/l, range: [0.1, 300]}
  visits: {type: count, range: [0, 40]}
  admitted: {type: date, range: [2010-01-01, 2023-12-31], missing: 9999-12-31, impute: mean, indicator: true}
  sex: {type: category, levels: [female, male]}
  smoker: {type: boolean, impute: mode}
"""
TERMS = """\
terms:
  age by sex: {type: interaction, columns: [age, sex]}
  log crp: {type: log, column: crp}
"""
BINARY = "{column: disease, type: binary, positive: ill, negative: well}"
NUMBER = "{column: z, type: number, range: [-40, 40]}"
OWN = {
    "north": "",
    "east": """\
columns:
  age: Alter
  chol: {column: Cholesterin, unit: mmol/L}
  crp: {column: CRP, unit: mg/dL}
  visits: Besuche
  admitted: {column: Aufnahme, date: DD.MM.YYYY, missing: 01.01.1900}
  sex: {column: Geschlecht, levels: {W: female, M: male}}
  smoker: {column: Raucher, levels: {ja: yes, nein: no}, missing: unbekannt}
  disease: {column: krank, levels: {1: ill, 0: well}}
  z: Wert
""",
    "south": """\
columns:
  age: {column: age_months, unit: months}
  admitted: {date: MM/DD/YYYY}
  sex: {levels: {2: male, 1: female}}
""",
}


def own_way(name: str, outcome: str = "disease") -> str:
    """A silo's own file for a study of one of the two outcomes."""
    other = {"disease": "  z:", "z": "  disease:"}[outcome]
    return "".join(line for line in OWN[name].splitlines(keepends=True) if not line.startswith(other))


def drawn(name: str, n: int = 220) -> pd.DataFrame:
    """A silo's rows in agreed terms."""
    rng = np.random.default_rng([ord(c) for c in name])
    frame = pd.DataFrame(
        {"age": rng.integers(300, 1100, n) / 12, "chol": rng.normal(215, 40, n).clip(90, 450).round(1)}
    )
    frame["crp"] = np.exp(rng.normal(1.5, 1, n)).clip(0.2, 250).round(1)
    frame["visits"] = rng.poisson(3, n)
    days = rng.integers(0, 5000, n)
    frame["admitted"] = [datetime.date(2010, 1, 1) + datetime.timedelta(int(d)) for d in days]
    frame["sex"] = rng.choice(["female", "male"], n)
    frame["smoker"] = rng.choice([True, False], n).astype(object)
    years = days / 365.25
    odds = 0.05 * (frame["age"] - 60) + 0.4 * np.log(frame["crp"]) + 0.05 * (years - 7) + 0.8 * (frame["smoker"] == 1)
    odds += 0.02 * (frame["age"] - 60) * (frame["sex"] == "male") - 0.1 * frame["visits"] - 1
    frame["disease"] = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "ill", "well")
    frame["z"] = (3 * odds + rng.normal(0, 2, n)).clip(-40, 40).round(3)
    for column in ("chol", "admitted", "smoker"):
        frame[column] = frame[column].astype(object).where(rng.random(n) > 0.12, None)
    return frame


def written(name: str) -> pd.DataFrame:
    """The same rows as the silo's own table has them."""
    frame = drawn(name)
    day = frame["admitted"].map(lambda v: "" if v is None else v.isoformat())
    if name == "north":
        return frame.assign(admitted=day.replace("", "9999-12-31") + " 00:00:00", smoker=frame["smoker"].map(_answer))
    if name == "east":
        german = frame["admitted"].map(lambda v: "01.01.1900" if v is None else f"{v.day}.{v.month}.{v.year}")
        return pd.DataFrame(
            {
                "Wert": frame["z"],
                "krank": (frame["disease"] == "ill").astype(int),
                "Raucher": frame["smoker"].map(lambda v: "unbekannt" if v is None else "ja" if v else "nein"),
                "Geschlecht": frame["sex"].map({"female": "W", "male": "M"}),
                "Aufnahme": german,
                "Besuche": frame["visits"].astype(float),
                "CRP": frame["crp"] / 10,
                "Cholesterin": frame["chol"].astype(float) / 38.665,
                "Alter": frame["age"],
            }
        )
    american = frame["admitted"].map(lambda v: "" if v is None else f"{v:%m/%d/%Y}")
    own = frame.assign(admitted=american, sex=frame["sex"].map({"female": 1, "male": 2}))
    own["smoker"] = frame["smoker"].map(lambda v: None if v is None else int(v))
    return own.assign(age=(frame["age"] * 12).round()).rename(columns={"age": "age_months"})


def _answer(value: bool | None) -> str:
    return "NA" if value is None else "Y" if value else "n"


def harmonised() -> tuple[pd.DataFrame, list[str]]:
    """All rows in agreed terms, imputed and with terms by pandas; and which columns are scaled."""
    frame = pd.concat([drawn(name) for name in SILOS], ignore_index=True)
    since = frame["admitted"].map(lambda v: np.nan if v is None else (v - datetime.date(2000, 1, 1)).days / 365.25)
    chol = frame["chol"].astype(float)
    smoker = frame["smoker"].map(lambda v: np.nan if v is None else float(v))
    male = (frame["sex"] == "male").astype(float)
    table = pd.DataFrame(
        {"age": frame["age"], "chol": chol.fillna(chol.mean()), "visits": frame["visits"].astype(float)}
    )
    table["admitted"] = since.fillna(since.mean())
    table["sex[male]"], table["smoker[true]"] = male, smoker.fillna(smoker.mode()[0])
    table["admitted[missing]"] = since.isna().astype(float)
    table["age by sex[male]"], table["log crp"] = frame["age"] * male, np.log(frame["crp"])
    scaled = ["age", "chol", "visits", "admitted", "age by sex[male]", "log crp"]
    table["disease"], table["z"] = frame["disease"], frame["z"]
    return table, scaled


def pooled(estimator: LogisticRegression | Ridge, target: str) -> dict[str, float]:
    """Coefficients of scikit-learn's own fit, on the columns' own scale."""
    table, scaled = harmonised()
    names = [name for name in table if name not in ("disease", "z")]
    X = table[names].to_numpy(float)
    at = [names.index(name) for name in scaled]
    scaler = StandardScaler().fit(X[:, at])
    X[:, at] = scaler.transform(X[:, at])
    estimator.fit(X, (table["disease"] == "ill") if target == "disease" else table["z"])
    slopes = np.ravel(estimator.coef_).copy()
    slopes[at] /= scaler.scale_
    intercept = float(np.ravel(estimator.intercept_)[0]) - slopes[at] @ scaler.mean_
    return {"intercept": float(intercept), **dict(zip(names, slopes.tolist(), strict=True))}


def towned(root: Town, text: str) -> Town:
    """Let every silo join with its own silo.yaml; north joins without, since its table needs none."""
    for name in SILOS:
        written(name).to_csv(root.table(name), index=False)
    root.draft(text)
    frozen = study_freeze(workspace=root.registry, key=root.secrets[REGISTRY])
    for name in SILOS:
        own = root.root / name / "own.yaml"
        own.write_text(own_way(name))
        join(
            frozen.file,
            key=root.secrets[name],
            key_file=root.key(name),
            data=root.table(name),
            workspace=root.silo(name),
            mapping=own if OWN[name] else None,
            fingerprint=frozen.fingerprint,
        )
    return root


@pytest.fixture(scope="module")
def finished(stages, tmp_path_factory):
    """The whole study through real files, once."""
    root = tmp_path_factory.mktemp("own-ways")
    shutil.copytree(stages("keys").root, root, dirs_exist_ok=True)
    place = towned(Town(root, stages("keys").secrets), agreement(features=FEATURES, extra=TERMS, rules="min_cell: 1"))
    return place, place.finish()


def test_the_model_is_that_of_the_harmonised_pooled_rows(finished, tmp_path: Path) -> None:
    _, result = finished
    assert command("export", result.model, "-o", tmp_path / "model.json").status == 0
    document = json.loads((tmp_path / "model.json").read_text())
    theirs = pooled(LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000), "disease")
    ours = {"intercept": document["intercept"], **document["coefficients"]}
    assert list(ours)[-3:] == ["admitted[missing]", "age by sex[male]", "log crp"]
    assert ours.keys() == theirs.keys()
    one, other = np.array([ours[name] for name in theirs]), np.array(list(theirs.values()))
    assert np.linalg.norm(one - other) <= 1e-6 * np.linalg.norm(other)


def test_predict_and_the_exported_pipeline_agree_on_a_silos_own_table(finished, tmp_path: Path) -> None:
    place, result = finished
    scores = tmp_path / "scores.csv"
    made = command("predict", place.table("north"), "-C", place.silo("north"), "--model", result.model, "-o", scores)
    assert made.status == 0, made.err
    ours = [float(line["probability"]) for line in csv.DictReader(scores.open())]
    said = command("export", result.model, "--format", "sklearn", "-o", tmp_path / "m.skops")
    words = " ".join(said.err.split())
    assert "expects 'admitted' as a number: years since 2000-01-01 (days / 365.25)" in words
    assert "yes and no as the numbers 1 and 0: smoker" in words
    pipeline = skops.io.load(tmp_path / "m.skops", trusted=["numpy.dtype"])
    frame = drawn("north")
    since = frame["admitted"].map(lambda v: np.nan if v is None else (v - datetime.date(2000, 1, 1)).days / 365.25)
    smoker = frame["smoker"].map(lambda v: np.nan if v is None else float(v))
    expected = frame.assign(admitted=since, smoker=smoker, chol=frame["chol"].astype(float))
    theirs = pipeline.predict_proba(expected)[:, pipeline.classes_.tolist().index("ill")]
    np.testing.assert_allclose(theirs, ours, rtol=1e-10)


def test_each_ledger_line_holds_the_hash_of_the_silos_mapping(finished) -> None:
    place, _ = finished
    for name in SILOS:
        lines = [json.loads(line) for line in (place.silo(name) / "ledger.jsonl").read_text().splitlines()]
        wanted = hashlib.sha256((place.silo(name) / "silo.yaml").read_bytes()).hexdigest()
        assert lines
        assert {line["mapping"] for line in lines if line["event"] == "release"} == {wanted}


def test_join_says_what_a_person_has_to_settle_and_writes_what_is_read(stages, tmp_path: Path) -> None:
    shutil.copytree(stages("keys").root, tmp_path, dirs_exist_ok=True)
    place = Town(tmp_path, stages("keys").secrets)
    place.draft(agreement(features=FEATURES, extra=TERMS))
    frozen = study_freeze(workspace=place.registry, key=place.secrets[REGISTRY])
    table = written("south").rename(columns={"smoker": "SMOKER ", "age_months": "age"})
    table.assign(chol=table["chol"].astype(float) / 38.665).to_csv(place.table("south"), index=False)
    where = ["--fingerprint", frozen.fingerprint, "-C", place.silo("south")]
    made = place.run("join", frozen.file, "--key", place.key("south"), "--data", place.table("south"), *where)
    assert made.status == 0, made.err
    said = " ".join(made.err.split())
    assert "smoker is taken from 'SMOKER', which differs in writing only" in said
    assert "sex: 2 spellings are not agreed: say which of female, male each is" in said
    assert "admitted: days are not written 2024-02-29; MM/DD/YYYY would fit: say how they are" in said
    assert "agreed is mg/dl: say which it is" in said
    assert "agreed is years: say which it is" in said
    assert "a line that begins with # is not in force" in said
    text = (place.silo("south") / "silo.yaml").read_text()
    own = read_mapping(text, frozen_study(place))
    assert own.local("smoker") == "SMOKER"
    assert (own.of("chol").multiply, own.of("sex").levels, own.of("admitted").date) == (1.0, {}, None)


def frozen_study(place: Town):
    from fedcli.workflow.files import open_study

    return open_study(place.study).study


def test_values_outside_a_range_are_counted_at_check_and_train(stages, tmp_path: Path) -> None:
    shutil.copytree(stages("keys").root, tmp_path, dirs_exist_ok=True)
    place = Town(tmp_path, stages("keys").secrets)
    for name in SILOS:
        frame = drawn(name).drop(columns=["admitted", "smoker"]).dropna()
        frame.loc[frame.index[:3], "chol"] = 900.0
        frame.to_csv(place.table(name), index=False)
    lines = [line for line in FEATURES.splitlines() if "admitted" not in line and "smoker" not in line]
    place.draft(agreement(features="\n".join(lines), rules="min_cell: 1"))
    place.freeze()
    checked = place.run("check", "-C", place.silo("north"), passphrase=False)
    assert "3 outside, clipped to the range" in " ".join(checked.out.split())
    shown = place.run("train", "--dry-run", "-C", place.silo("north"))
    assert "3 values of 'chol' lie outside the agreed range and are clipped to it" in " ".join(shown.err.split())


def test_a_simulation_plays_the_same_tables(tmp_path: Path) -> None:
    text = agreement(features=FEATURES, extra=TERMS, rules="min_cell: 1", target=NUMBER, estimator="Ridge", params="{}")
    (tmp_path / "study.yaml").write_text(text)
    for name in SILOS:
        written(name).to_csv(tmp_path / f"{name}.csv", index=False)
        if OWN[name]:
            (tmp_path / f"{name}.silo.yaml").write_text(own_way(name, "z"))
    result = simulate(tmp_path)
    assert result.relative_error < 1e-9
    theirs = pooled(Ridge(1.0), "z")
    for compared in result.coefficients:
        assert compared.federated == pytest.approx(theirs[compared.name], rel=1e-7, abs=1e-9)


# ---- what must not matter ------------------------------------------------------------------------------------------


def federated(folder: Path, tables: dict[str, pd.DataFrame], own: dict[str, str], estimator: str) -> Federation:
    folder.mkdir()
    paths = {name: folder / f"{name}.csv" for name in tables}
    for name, path in paths.items():
        tables[name].to_csv(path, index=False)
    target = NUMBER if estimator == "Ridge" else BINARY
    text = agreement(
        features=FEATURES, extra=TERMS, rules="min_cell: 1", target=target, estimator=estimator, params="{}"
    )
    return federate(text, paths, mappings={name: own[name] for name in tables if own[name]})


@pytest.mark.parametrize("estimator", ["Ridge", "LogisticRegression"])
def test_order_of_levels_columns_and_silos_changes_no_bit_and_order_of_rows_next_to_nothing(
    estimator: str, tmp_path: Path
) -> None:
    tables = {name: written(name) for name in SILOS}
    own = {name: own_way(name, "z" if estimator == "Ridge" else "disease") for name in SILOS}
    first = federated(tmp_path / "first", tables, own, estimator).state
    swapped = own["east"].replace("{W: female, M: male}", "{M: male, W: female}").splitlines()
    swapped = "\n".join([swapped[0], *reversed(swapped[1:])])
    turned = {name: tables[name][list(reversed(tables[name].columns))] for name in reversed(SILOS)}
    second = federated(tmp_path / "second", turned, {**own, "east": swapped}, estimator).state
    assert first.document == second.document
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        assert array.tobytes() == second.arrays[name].tobytes(), name
    shuffled = {name: table.sample(frac=1, random_state=1) for name, table in tables.items()}
    third = federated(tmp_path / "third", shuffled, own, estimator).state
    one, other = first.arrays["coef"], third.arrays["coef"]
    assert np.linalg.norm(one - other) <= 1e-12 * np.linalg.norm(one)
