"""Fits that no finite coefficients have: named early and by column, and no finite one is.

Whether rows can be told apart is asked of a linear program (Konis 2007), which nobody here wrote; finite fits are
scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression

from fedcli.errors import NotConverged, Separation
from fedcli.models.cavity import Cavity
from fedcli.models.measured import Measured
from fedcli.models.quadratic import Quadratic
from fedcli.models.stopping import refuse_standstill
from tests.equivalence.federation import Federation, federate
from tests.estimators.comparing import OPEN_RULES, agreement, federated
from tests.estimators.worlds import SPLITS, World, ranged

THREE = ["even", "by label", "by covariate"]
NONE = {"penalty": None}


def described(frame: pd.DataFrame, kind: str = "binary") -> World:
    columns = {
        name: {"type": "category", "levels": sorted(set(frame[name]))}
        if frame[name].dtype == object
        else ranged(frame[[name]])[name]
        for name in frame.columns.drop("y")
    }
    target: dict[str, dict[str, Any]] = {
        "binary": {"column": "y", "type": "binary", "positive": 1},
        "count": {"column": "y", "type": "count", "range": [0, 30]},
        "category": {"column": "y", "type": "category", "levels": sorted(map(str, set(frame["y"])))},
    }
    return World(frame.reset_index(drop=True), target[kind], columns)


def table(seed: int = 0, n: int = 300) -> pd.DataFrame:
    """Rows with an outcome that nothing tells for sure."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["g"] = rng.choice(["a", "b", "c"], n, p=[0.5, 0.4, 0.1])
    eta = frame["x"] - 0.5 * frame["z"] + 0.4 * (frame["g"] == "b") - 0.3
    frame["y"] = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    return frame


def fit(made: World, split: str, estimator: str = "LogisticRegression", params: Any = None, **parts: Any) -> Federation:
    text = agreement(made, estimator, NONE if params is None else params, **{"rules": OPEN_RULES, **parts})
    return federated(text, made, SPLITS[split](made))


def trips_until(error: type[Exception], match: str, study: Callable[[], object], monkeypatch: Any) -> int:
    """Return in which trip a study is refused."""
    seen: list[int] = []
    original = Cavity.layout

    def layout(self: Cavity, state: Any) -> Any:
        seen.append(state.document["round"])
        return original(self, state)

    monkeypatch.setattr(Cavity, "layout", layout)
    with pytest.raises(error, match=match) as caught:
        study()
    assert "penalty" in caught.value.hint  # type: ignore[attr-defined]
    return 1 + max(seen)


# ---- levels: the sums of trip 1 say it ------------------------------------------------------------------------------


@pytest.mark.parametrize("split", THREE)
@pytest.mark.parametrize(
    ("level", "outcome", "words"),
    [("c", 0, "'c' has the outcome positive"), ("c", 1, "'c' has the outcome negative"), ("a", 1, "'a' has")],
    ids=["none", "all", "first level"],
)
def test_a_level_without_one_outcome_is_named_in_the_first_trip(
    level: str, outcome: int, words: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = table()
    frame.loc[frame["g"] == level, "y"] = outcome
    made = described(frame)
    assert trips_until(Separation, words, lambda: fit(made, split), monkeypatch) == 1
    # A few rows of the other outcome make it finite, and a penalty anything.
    frame.loc[frame.index[frame["g"] == level][:3], "y"] = 1 - outcome
    assert_pooled(described(frame), split)
    assert np.isfinite(list(fit(made, split, params={"C": 1.0}).coefficients().values())).all()


def test_a_class_that_a_level_lacks_is_named_among_several(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table()
    frame["y"] = np.random.default_rng(5).choice(["u", "v", "w"], len(frame))
    frame.loc[(frame["g"] == "c") & (frame["y"] == "w"), "y"] = "u"
    made = described(frame, "category")
    assert trips_until(Separation, "g 'c' has the outcome w", lambda: fit(made, "even"), monkeypatch) == 1


def test_a_first_level_without_an_intercept_and_an_imputed_category_are_left_to_the_fit() -> None:
    frame = table()
    frame.loc[frame["g"] == "a", "y"] = 1
    # Through 0 the rows of the first level have no coefficient of their own.
    assert fit(described(frame), "even", params={**NONE, "fit_intercept": False}).trips <= 6
    frame = table()
    frame.loc[frame["g"] == "c", "y"] = 0
    # Which level a missing cell takes is known after trip 1 only: here it is the one that would be named.
    frame.loc[frame.index[frame["y"] == 1][:20], "g"] = None
    features = {**described(table()).features}
    features["g"] = {"type": "category", "levels": ["c", "a", "b"], "impute": "mode"}
    frame.loc[frame["g"] == "a", "g"] = "c"
    frame.loc[(frame["g"] == "c"), "y"] = np.where(frame.loc[frame["g"] == "c", "x"] > 9, 1, 0)
    made = World(frame, described(table()).target, features)
    assert fit(made, "even").trips <= 8


# ---- anything else: from the curvature of two trips and a look ahead ------------------------------------------------


def pair() -> World:
    """No level alone tells rows apart, two together do."""
    frame, rng = table().drop(columns="g"), np.random.default_rng(5)
    frame["a"], frame["b"] = rng.choice(["p", "q"], len(frame)), rng.choice(["s", "t"], len(frame))
    frame.loc[(frame["a"] == "q") & (frame["b"] == "s"), "y"] = 1
    frame.loc[(frame["a"] == "p") & (frame["b"] == "t"), "y"] = 0
    return described(frame)


def marker() -> World:
    """A number that is 0 or 1, and 1 for cases only, as ``NV`` of the endometrial data (Heinze and Schemper 2002)."""
    frame = table().drop(columns="g")
    frame["nv"] = (np.random.default_rng(5).random(len(frame)) < 0.15).astype(float)
    frame.loc[frame["nv"] == 1, "y"] = 1
    return described(frame)


def events() -> World:
    """Counts that are 0 for all rows of a level."""
    frame = table()
    frame["y"] = np.random.default_rng(2).poisson(np.exp(0.3 + 0.4 * frame["x"]))
    frame.loc[frame["g"] == "c", "y"] = 0
    return described(frame, "count")


def several() -> World:
    """Three classes, one of which no row with the marker has."""
    frame, rng = table().drop(columns="g"), np.random.default_rng(2)
    frame["nv"] = (rng.random(len(frame)) < 0.15).astype(float)
    frame["y"] = rng.choice(["u", "v", "w"], len(frame), p=[0.4, 0.3, 0.3])
    frame.loc[(frame["nv"] == 1) & (frame["y"] == "w"), "y"] = "u"
    return described(frame, "category")


def ordered() -> World:
    """The marker again, with three levels in an order, of which all rows with it have the highest."""
    frame = marker().frame
    among = (frame["nv"] == 1) | (np.arange(len(frame)) % 2 == 0)
    return described(frame.assign(y=frame["y"] * (1 + among)).astype({"y": str}), "category")


# Study, words, and the latest trip. Of parameters beside the coefficients less is asked far out, and later.
ENDLESS: dict[str, tuple[Callable[[], World], str, dict[str, Any], str, int]] = {
    "two levels together": (pair, "LogisticRegression", NONE, r"columns 'a\[q\]' and 'b\[t\]' have no finite", 5),
    "a marker": (marker, "LogisticRegression", NONE, "column 'nv' has no finite", 5),
    "counts": (events, "PoissonRegressor", {"alpha": 0.0}, r"column 'g\[c\]' has no finite", 5),
    "several classes": (several, "LogisticRegression", NONE, "column 'nv' has no finite", 5),
    "ordered classes": (ordered, "OrdinalLogit", {}, "column 'nv' has no finite", 7),
}


# Silos with hardly a row of some level refuse points far out, whether or not a column tells them apart.
@pytest.mark.parametrize(
    ("case", "split"),
    [(case, split) for case in ENDLESS for split in THREE if (case, split) != ("ordered classes", THREE[1])],
)
def test_columns_that_tell_some_rows_apart_are_named(case: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, estimator, params, words, latest = ENDLESS[case]
    made = make()
    assert trips_until(Separation, words, lambda: fit(made, split, estimator, params), monkeypatch) <= latest


def test_third_derivatives_change_nothing_of_it() -> None:
    with pytest.raises(Separation, match="column 'nv' has no finite"):
        fit(marker(), "even", order=3)


def separated(X: np.ndarray, y: np.ndarray) -> bool:
    """Whether some direction has no row on its wrong side, and some on the right one."""
    own = (2.0 * y - 1.0)[:, None] * X
    found = linprog(-own.sum(axis=0), A_ub=-own, b_ub=np.zeros(len(own)), bounds=[(-1, 1)] * X.shape[1])
    return bool(-found.fun > 1e-7)


def drawn(seed: int) -> pd.DataFrame:
    """Rare markers and levels, of which some tell rows apart and some nearly."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=240)})
    for name in "abc":
        frame[name] = (rng.random(240) < rng.uniform(0.04, 0.5)).astype(float)
    frame["g"] = rng.choice(["u", "v", "w"], 240, p=[0.6, 0.3, 0.1])
    eta = rng.normal() * 0.5 + frame[["x", "a", "b", "c"]].to_numpy() @ rng.normal(size=4)
    eta = eta + rng.choice([0, 2.5, 4]) * (frame["a"] - frame["b"]) - rng.choice([0, 3]) * (frame["g"] == "w")
    frame["y"] = (rng.random(240) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    return frame


@pytest.mark.parametrize("seed", range(30))
def test_a_linear_program_says_the_same(seed: int) -> None:
    frame = drawn(seed)
    made, split = described(frame), THREE[seed % 3]
    X = pd.get_dummies(frame.drop(columns="y"), columns=["g"], drop_first=True, dtype=float)
    if separated(np.column_stack([np.ones(len(X)), X]), frame["y"].to_numpy()):
        with pytest.raises(Separation, match="no finite"):
            fit(made, split)
    else:
        assert_pooled(made, split)


def assert_pooled(made: World, split: str) -> None:
    found = fit(made, split)
    X = pd.get_dummies(made.frame.drop(columns="y"), dtype=float)
    dropped = [f"{name}_{column['levels'][0]}" for name, column in made.features.items() if "levels" in column]
    X = X.drop(columns=dropped)
    theirs = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(X, made.frame["y"])
    ours = found.coefficients()
    given = [ours[name.replace("_", "[") + "]" if name not in ours else name] for name in X.columns]
    assert np.linalg.norm(given - theirs.coef_[0]) <= 1e-6 * np.linalg.norm(theirs.coef_)
    assert found.trips <= 7


# ---- others' examples -----------------------------------------------------------------------------------------------


def test_an_effect_too_strong_for_wald_is_no_separation() -> None:
    """Hauck and Donner (1977): 25 of 100 against 99 of 100, where Wald's statistic is smaller than at 90 of 100."""
    frame = pd.DataFrame({"g": np.repeat([0.0, 1.0], 100), "y": np.r_[np.arange(100) < 25, np.arange(100) < 99] * 1})
    found = fit(described(frame), "even").coefficients()
    assert found["g"] == pytest.approx(np.log(99.0 / 1.0 / (25.0 / 75.0)), rel=1e-6)


@pytest.mark.parametrize(
    "rows",
    [
        # Agresti (2007), An introduction to categorical data analysis, section 5.3.2: all but x = 50 is told apart.
        {"x": [10, 20, 30, 40, 60, 70, 80, 90, 50, 50], "y": [0, 0, 0, 0, 1, 1, 1, 1, 0, 1]},
        # The example of the University of California, Los Angeles, on what to do about it: all but x = 3.
        {
            "x": [1, 2, 3, 3, 3, 4, 5, 6, 10, 11],
            "w": [3, 0, -1, 4, 1, 0, 2, 7, 3, 4],
            "y": [0, 0, 0, 0, 1, 1, 1, 1, 1, 1],
        },
    ],
    ids=["Agresti", "UCLA"],
)
def test_examples_of_textbooks_are_named_by_their_column(rows: dict[str, list[float]]) -> None:
    frame = pd.DataFrame({name: np.tile(values, 30) for name, values in rows.items()})
    with pytest.raises(Separation, match="column 'x' has"):
        fit(described(frame.astype({name: float for name in frame if name != "y"})), "even")


# ---- the same point again -------------------------------------------------------------------------------------------


def test_a_second_step_back_on_the_same_way_is_shorter_than_the_first() -> None:
    # A loss whose slope turns at 0.1 of the way to what the expansions promise: half of it is too far, again and again.
    model = Quadratic(np.eye(1), np.array([10.0]))

    def slope(x: float) -> float:
        return 100.0 * (x - 1.0) if x > 1.0 else x - 1.0 - 9.0 * (1.0 - x)

    def at(x: float) -> Measured:
        return Measured(np.array([[x]]), np.array([x * x]), np.array([[slope(x)]]), model)

    known = {"lowest": np.array([-1.0]), "lowest.coef": np.zeros(1), "lowest.gradient": np.array([slope(0.0)])}
    points = [float(at(7.0).from_lowest(known)[0][0])]
    for _ in range(4):
        points.append(float(at(points[-1]).from_lowest(known)[0][0]))
    assert points[0] == 5.0
    assert all(after < before for before, after in pairwise(points))
    assert len(set(points)) == len(points)


def test_a_round_that_would_be_made_again_ends_the_study_and_says_what_was_reached() -> None:
    trip = Measured(np.ones((1, 2)), np.ones(1), np.ones((1, 2)), Quadratic(np.eye(2), np.ones(2)))
    assert trip.repeats(np.ones(2), np.eye(2), np.eye(2))
    assert not trip.repeats(np.ones(2), np.eye(2), 2.0 * np.eye(2))
    assert not replace(trip, points=np.zeros((1, 2))).repeats(np.ones(2), np.eye(2), np.eye(2))
    with pytest.raises(
        NotConverged, match=r"objective there is 12\.5, and a step would lower it by about 3\.0e-04"
    ) as told:
        refuse_standstill(7, 12.5, 3e-4)
    assert "more rounds change nothing" in told.value.hint


@pytest.mark.parametrize("trip", [2, 3])
def test_a_silo_that_is_away_takes_its_level_along_and_nothing_is_named(trip: int, tmp_path: Path) -> None:
    frame = table()
    alone = frame["g"] == "c"
    parts = {"a": frame[~alone].iloc[::2], "b": frame[~alone].iloc[1::2], "c": frame[alone]}
    for name, rows in parts.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    made = described(frame)
    text = agreement(made, "LogisticRegression", NONE, rules={**OPEN_RULES, "min_rows": 1000})
    tables = {name: tmp_path / f"{name}.csv" for name in parts}
    found = federate(text, tables, absent={trip: ["c"]}).coefficients()
    whole = fit(made, "even").coefficients()
    assert found == pytest.approx(whole, rel=1e-5)
