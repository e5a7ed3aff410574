"""A study drafted from a sample loads, freezes as it stands, and accepts that very sample at a silo.

What a table of few rows cannot pass (small groups, few rows for many columns) is said of the table, not of the draft.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedcli.errors import CellTooSmall, DominantRow, TooFewRows, TooManyColumns
from fedcli.workflow.check import check
from fedcli.workflow.join import join
from fedcli.workflow.study import study_add_silo, study_freeze, study_init
from tests.workflow.conftest import At
from tests.workflow.play import REGISTRY, SILOS, STUDY, Town, command

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".." / "shared" / "data"
SAMPLES = sorted(path.relative_to(ROOT) for path in (ROOT / "sample_silos").glob("*/*.csv"))
HOSPITALS = [Path("heart_uci") / f"{name}.csv" for name in ("cleveland", "hungarian", "switzerland", "va")]
STRANGERS = [
    Path("vantage6_glm") / kind / f"{site}.csv" for kind in ("gaussian", "poisson", "binomial") for site in "abc"
]
OF_THE_TABLE = (CellTooSmall, DominantRow, TooFewRows, TooManyColumns)


def drawn(n: int = 400) -> pl.DataFrame:
    """Draw a table with a column of every kind, typed."""
    rng = np.random.default_rng(11)
    days = [datetime.date(2014, 3, 9) + datetime.timedelta(days=int(d)) for d in rng.integers(0, 2500, n)]
    return pl.DataFrame(
        {
            "patient": [f"p{i}" for i in range(n)],
            "age": rng.uniform(20, 90, n).round(1),
            "admitted": days,
            "seen": [datetime.datetime(d.year, d.month, d.day, 8, 30) for d in days],
            "smoker": rng.random(n) < 0.4,
            "insured": rng.choice(["Yes", "no", "NO"], n),
            "visits": rng.poisson(2.5, n),
            "ward": pl.Series(rng.choice(["1", "2", "3"], n), dtype=pl.Categorical),
            "sex": rng.integers(0, 2, n),
            "ill": rng.choice(["yes", "no"], n),
        }
    )


def in_text(frame: pl.DataFrame, way: str) -> pl.DataFrame:
    """Write days as people do."""
    form = way.replace("YYYY", "%Y").replace("MM", "%m").replace("DD", "%d")
    return frame.with_columns(pl.col("admitted").dt.strftime(form), pl.col("seen").dt.strftime(f"{form} %H:%M"))


def joined(town: At, sample: Path, target: str | None = None) -> Town:
    """Draft from the sample, enrol, freeze, and join as north with the sample as its table."""
    place = town("keys")
    study_init(place.registry, key=place.key(REGISTRY), data=sample, target=target, name=STUDY)
    prints = [place.secrets[name].public_identity().fingerprint for name in SILOS]
    study_add_silo([place.public(name) for name in SILOS], workspace=place.registry, fingerprints=prints)
    frozen = study_freeze(workspace=place.registry, key=place.secrets[REGISTRY])
    join(
        frozen.file,
        key=place.secrets["north"],
        key_file=place.key("north"),
        data=sample,
        workspace=place.silo("north"),
        fingerprint=frozen.fingerprint,
    )
    return place


@pytest.mark.parametrize("sample", [*SAMPLES, *HOSPITALS, *STRANGERS], ids=str)
def test_real_tables_fit_the_study_drafted_from_them(town: At, sample: Path) -> None:
    path = ROOT / sample if sample in SAMPLES else SHARED / sample
    if not path.exists():
        pytest.skip(f"the shared tables are not here: {path.parent}")
    found = check(workspace=joined(town, path).silo("north"))
    assert found.rows_used > 0
    assert [problem for problem in found.problems if not isinstance(problem, OF_THE_TABLE)] == []


def test_a_parquet_sample_is_accepted_as_it_is(town: At, tmp_path: Path) -> None:
    drawn().write_parquet(tmp_path / "s.parquet")
    place = joined(town, tmp_path / "s.parquet")
    said = place.run("check", "-C", place.silo("north"), passphrase=False)
    assert said.status == 0, said.err
    shown = command("study", "show", "-C", place.silo("north"), "--json").json["study"]["features"]
    kinds = {name: column["type"] for name, column in shown.items()}
    assert kinds == {
        "age": "number",
        "admitted": "date",
        "seen": "date",
        "smoker": "boolean",
        "insured": "boolean",
        "visits": "count",
        "ward": "category",
        "sex": "category",
    }


def test_a_sample_whose_outcome_is_one_of_several_classes_is_accepted_and_trained_on(town: At, tmp_path: Path) -> None:
    stages = np.random.default_rng(4).choice(["mild", "moderate", "severe"], 400)
    drawn().drop("patient", "ill").with_columns(stage=pl.Series(stages)).write_csv(tmp_path / "s.csv")
    place = joined(town, tmp_path / "s.csv", "stage")
    said = place.run("train", "-C", place.silo("north"), "--dry-run")
    assert said.status == 0, said.err
    init = ("study", "init", "--key", place.key(REGISTRY), "--data", tmp_path / "s.csv")
    words = "outcome 'stage': one of 3 classes (mild, moderate, severe); LogisticRegression fits coefficients for each"
    assert words in " ".join(command(*init, tmp_path / "d").err.split())
    assert command(*init, tmp_path / "e", "--json").json["outcome"] == words


@pytest.mark.parametrize("way", ["DD.MM.YYYY", "MM/DD/YYYY", "YYYYMMDD"])
def test_a_sample_with_days_as_people_write_them_is_accepted_once_its_spelling_is_confirmed(
    town: At, tmp_path: Path, way: str
) -> None:
    in_text(drawn(), way).write_csv(tmp_path / "s.csv")
    place = joined(town, tmp_path / "s.csv")
    assert f"admitted: {{date: {way}}}" in (place.registry / "study.yaml").read_text()
    own = place.silo("north") / "silo.yaml"
    # What a person does who reads the file: take away the # where the line is right.
    own.write_text(own.read_text().replace("  # admitted:", "  admitted:").replace("  # seen:", "  seen:"))
    said = place.run("check", "-C", place.silo("north"), passphrase=False)
    assert said.status == 0, said.err


def test_a_sample_whose_days_fit_two_spellings_is_accepted_in_either(town: At, tmp_path: Path) -> None:
    frame = drawn().filter(pl.col("admitted").dt.day() <= 12)
    in_text(frame, "DD/MM/YYYY").write_csv(tmp_path / "s.csv")
    place = joined(town, tmp_path / "s.csv")
    text = " ".join((place.registry / "study.yaml").read_text().replace("#", " ").split())
    assert "DD/MM/YYYY or MM/DD/YYYY, which is never guessed" in text
    own = place.silo("north") / "silo.yaml"
    proposed = own.read_text()
    for way in ("DD/MM/YYYY", "MM/DD/YYYY"):
        own.write_text(proposed.replace("  # admitted:", "  admitted:").replace("  # seen:", "  seen:"))
        own.write_text(own.read_text().replace("SPELLING}", f"{way}}}"))
        said = check(workspace=place.silo("north"))
        assert [problem for problem in said.problems if not isinstance(problem, OF_THE_TABLE)] == []
