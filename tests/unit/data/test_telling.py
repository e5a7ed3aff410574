"""Columns that tell the outcome by their order or values, against scikit-learn and SciPy; bounds that spare work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from fedcli.data.checking import RowReader
from fedcli.data.looking import look
from fedcli.data.mapping import Mapping
from fedcli.data.reading import open_table
from fedcli.data.telling import (
    ALMOST,
    explained,
    rank_share,
    surely_many_values,
    surely_not_by_rank,
    value_groups,
)
from fedcli.study.reading import read_study

N = 600
TARGETS = {
    "binary": "{column: y, type: binary, positive: 1, negative: 0}",
    "number": "{column: y, type: number, range: [-1000, 1000]}",
    "survival": "{type: survival, time: days, event: y, positive: 1, negative: 0, range: [0, 4000], unit: days}",
    "entered": "{type: survival, time: days, event: y, positive: 1, negative: 0, entry: since, range: [0, 40000]}",
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def told(folder: Path, target: str, **columns: object) -> list[str]:
    """Return what is said of columns that tell the outcome (W107); x, a number, and c, a count, are ordinary else."""
    filled = {"x": np.random.default_rng(1).normal(size=N), "c": np.random.default_rng(2).poisson(3, N), **columns}
    study = read_study(
        f"study: s\ntarget: {TARGETS[target]}\nfeatures:\n  x: {{type: number, range: [-1e9, 1e9]}}\n"
        "  c: {type: count, range: [0, 1000]}\n"
        f"model: {{estimator: {'CoxPH' if 'days' in columns else 'LinearRegression'}}}\n"
    )
    path = folder / "t.csv"
    lists = [np.asarray(values).tolist() for values in filled.values()]
    path.write_text(
        "\n".join([",".join(filled), *(",".join(map(repr, row)) for row in zip(*lists, strict=True))]) + "\n"
    )
    reader = RowReader(study, Mapping.identity(), open_table(path))
    batches = list(reader.batches(refuse=False))
    assert not reader.errors
    found = look(study, Mapping.identity(), reader.report, lambda: iter(batches))
    return [doubt.message for doubt in found if doubt.code == "W107"]


@pytest.mark.parametrize("curve", [lambda z: z**3, lambda z: np.exp(z / 40), lambda z: -np.exp(z / 40)])
def test_a_curve_of_a_number_tells_it_by_its_order(curve: object, tmp_path: Path, rng: np.random.Generator) -> None:
    z = rng.normal(0, 100, N).clip(-900, 900).round(6)
    q = curve(z)  # type: ignore[operator]
    assert np.corrcoef(q, z)[0, 1] ** 2 < 0.9
    (message,) = told(tmp_path, "number", y=z, x=q)
    assert message == (
        "column 'x', by its order, alone tells the outcome of every row (share of the variance of its ranks 1.0000)"
    )
    assert told(tmp_path, "number", y=z, x=q + rng.normal(0, np.std(q), N)) == []


@pytest.mark.parametrize("name", ["c", "x"])
def test_values_that_stand_for_an_outcome_tell_it_in_whatever_order(
    name: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    y = rng.integers(0, 2, N)
    column = np.where(y, 2, rng.choice([1, 3], N))
    assert roc_auc_score(y, column) < 0.6
    (message,) = told(tmp_path, "binary", y=y, **{name: column})
    assert message == (
        f"column '{name}', by which of its values a row has, alone tells the outcome of every row "
        "(area under the curve 1.0000)"
    )
    wrong = np.where(np.arange(N) % 20 == 0, 2, column)
    assert told(tmp_path, "binary", y=y, **{name: wrong}) == []


def test_values_that_stand_for_a_number_tell_it(tmp_path: Path, rng: np.random.Generator) -> None:
    c = rng.integers(0, 7, N)
    (message,) = told(tmp_path, "number", y=(c - 3.0) ** 2, c=c)
    assert "by which of its values a row has" in message


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("curve", [lambda t: t, np.log1p])
def test_a_column_that_is_the_time_of_follow_up_is_named(
    noise: float, curve: object, tmp_path: Path, rng: np.random.Generator
) -> None:
    days, y = (rng.exponential(700, N).clip(1, 3900).round(3), rng.random(N) < 0.3)
    x = curve(days + rng.normal(0, noise, N).clip(-0.9))  # type: ignore[operator]
    (message,) = told(tmp_path, "survival", days=days, y=y.astype(int), x=x)
    assert "alone tells the time of" in message
    assert told(tmp_path, "survival", days=days, y=y.astype(int), x=days * rng.lognormal(0, 0.5, N)) == []


def test_a_day_of_entry_is_no_leak_where_a_study_ends_on_one_day_for_all(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    admitted = rng.uniform(0, 3000, N).round(2)
    death = rng.exponential(30_000, N)
    days, y = np.minimum(death, 3600 - admitted).round(2), (death < 3600 - admitted).astype(int)
    assert y.sum() > 20
    assert np.corrcoef(days[y == 0], admitted[y == 0])[0, 1] ** 2 > ALMOST
    assert told(tmp_path, "survival", days=days, y=y, x=admitted) == []


def test_times_that_are_counted_from_an_entry_are_held_against_what_is_left_of_them(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    since = rng.uniform(7000, 30_000, N).round(2)
    days, y = (since + rng.exponential(90, N) + 1).round(2), (rng.random(N) < 0.5).astype(int)
    assert np.corrcoef(days, since)[0, 1] ** 2 > ALMOST
    # The age at entry is not told from the age at death by a short follow-up.
    assert told(tmp_path, "entered", days=days, since=since, y=y, x=since) == []
    for leak in (days, days - since):
        assert len(told(tmp_path, "entered", days=days, since=since, y=y, x=leak)) == 1


@given(st.integers(0, 2**32 - 1), st.integers(10, 300), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_ranks_are_those_of_scipy_and_the_bound_excludes_no_column_that_tells(
    seed: int, n: int, values: int, outcomes: int, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n) ** 3
    x = np.round((z + noise * 0.1 * rng.normal(size=n)) * values, 0)
    y = np.round(z * outcomes, 0) * rng.choice([-1, 1])
    share = rank_share(x, y)
    if share is None:
        assert np.ptp(x) == 0 or np.ptp(y) == 0
        return
    assert share == pytest.approx(spearmanr(x, y).statistic ** 2, abs=1e-12)
    held = np.where(rng.random(n) < 0.1, np.nan, x)
    there = np.isfinite(held)
    told_by = rank_share(held[there], y[there])
    assert not surely_not_by_rank(held[:, None], y)[0] or told_by is None or told_by < ALMOST


def test_the_bound_excludes_what_is_ordinary(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2000, 5))
    assert surely_not_by_rank(x, x[:, 0] * 0.5 + rng.normal(size=2000)).all()
    assert surely_not_by_rank(x, x[:, 0]).tolist() == [False, True, True, True, True]


@given(st.integers(0, 2**32 - 1), st.integers(40, 400), st.integers(2, 12))
def test_groups_of_values_are_rated_as_scikit_learn_rates_their_means(seed: int, n: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, values, n).astype(float), (rng.random(n) < 0.4).astype(float)
    groups = value_groups(x, y)
    if groups is None:
        assert not 1 < len(np.unique(x)) <= n // 10
        return
    share = explained(groups, binary=True)
    rates = {value: y[x == value].mean() for value in np.unique(x)}
    if min(y.sum(), n - y.sum()) >= 10:
        assert share == pytest.approx(roc_auc_score(y, [rates[value] for value in x]), abs=1e-12)


def test_many_values_make_no_groups() -> None:
    x = np.arange(4000.0) % 101
    assert value_groups(x, x) is None
    assert surely_many_values(np.stack([x, x % 100, np.where(x > 50, np.nan, x)], axis=1)).tolist() == [
        True,
        False,
        False,
    ]
    few = np.repeat(np.arange(30.0), 5)
    assert value_groups(few, few) is None
