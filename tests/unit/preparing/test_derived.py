"""Derived columns: splines are scikit-learn's, and pieces say all that any later imputation needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import SplineTransformer

from fedcli.models.splines import spline_basis
from fedcli.preparing.columns import Columns
from fedcli.preparing.derived import spline_knots
from fedcli.preparing.rows import Rows
from fedcli.study.document import Spline
from fedcli.study.reading import read_study

STUDY = read_study(
    """\
study: derived
target: {column: y, type: binary}
model: {estimator: LogisticRegression}
features:
  a: {type: number, range: [-3, 9], impute: mean}
  b: {type: number, range: [0.5, 40], impute: constant, fill_value: 2}
  c: {type: number, range: [0, 1]}
  g: {type: category, levels: [u, v, w], impute: mode, indicator: true}
  h: {type: category, levels: [x, y]}
terms:
  ab: {type: interaction, columns: [a, b]}
  ac: {type: interaction, columns: [a, c]}
  ga: {type: interaction, columns: [g, a]}
  gh: {type: interaction, columns: [g, h]}
  lb: {type: log, column: b, keep: true}
  sa: {type: spline, column: a, knots: [0, 4]}
"""
)
COLUMNS = Columns(STUDY)


def _rows(seed: int, n: int = 60) -> Rows:
    rng = np.random.default_rng(seed)
    numbers = np.column_stack([rng.uniform(-3, 9, n), rng.uniform(0.5, 40, n), rng.random(n)])
    numbers[rng.random(n) < 0.3, 0] = np.nan
    numbers[rng.random(n) < 0.3, 1] = np.nan
    codes = np.column_stack([rng.integers(-1, 3, n), rng.integers(0, 2, n)]).astype(np.int32)
    return Rows(numbers, codes, rng.integers(0, 2, n).astype(float), np.zeros(n), np.ones(n))


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("inner", [(40.0,), (25.0, 31.0, 60.5), (19.0, 20.0, 21.0, 80.0)])
def test_a_spline_is_that_of_scikit_learn(degree: int, inner: tuple[float, ...]) -> None:
    low, high = 18.0, 95.0
    x = np.concatenate([np.random.default_rng(degree).uniform(low, high, 400), [low, *inner, high]])
    base = np.array([low, *inner, high])[:, None]
    theirs = SplineTransformer(degree=degree, knots=base, include_bias=False).fit_transform(x[:, None])
    knots = spline_knots(Spline(type="spline", column="age", knots=inner, degree=degree), (low, high))
    ours = np.column_stack([spline_basis(x, knots, degree, k) for k in range(len(inner) + degree)])
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_a_missing_value_has_no_spline() -> None:
    knots = spline_knots(Spline(type="spline", column="age", knots=(40.0,)), (18.0, 95.0))
    found = spline_basis(np.array([np.nan, 50.0]), knots, 3, 1)
    assert np.isnan(found[0])
    assert found[1] > 0


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fill=st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)),
    modes=st.tuples(st.integers(0, 2), st.integers(0, 1)),
)
def test_pieces_give_the_column_for_any_imputation(
    seed: int, fill: tuple[float, float, float], modes: tuple[int, int]
) -> None:
    rows = _rows(seed)
    design = COLUMNS.matrix(rows, np.array(fill), modes)[:, -len(COLUMNS.derived) :]
    pieces = COLUMNS.reference(rows)[:, len(COLUMNS.numbers) :]
    original = np.array(fill) * COLUMNS.half + COLUMNS.middle
    assert np.nanmax(np.abs(pieces)) <= 1 + 1e-12
    at = 0
    for place, column in enumerate(COLUMNS.derived):
        constants = column.affine(original, modes)
        own = pieces[:, at : at + len(constants)]
        assert (np.isnan(own).sum(axis=1) == len(constants) - 1).all()  # each row is in exactly one piece
        built = np.nansum([a + b * own[:, k] for k, (a, b) in enumerate(constants)], axis=0)
        np.testing.assert_allclose(built, design[:, place], rtol=0, atol=1e-11)
        at += len(constants)
    assert at == COLUMNS.n_pieces


def test_a_replaced_number_is_no_column_of_its_own() -> None:
    names = COLUMNS.names
    assert "a" not in names
    assert names[:3] == ("b", "c", "g[v]")
    assert names[5:8] == ("g[missing]", "ab", "ac")
    assert names[-7:] == ("gh[w, y]", "lb", "sa[1]", "sa[2]", "sa[3]", "sa[4]", "sa[5]")
