"""Several fits on one trip: their sums add, lost memory does no harm, and no fold shows a row."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression

from fedcli.errors import DominantRow
from fedcli.fileformat.statistics import State, Statistics
from fedcli.models.batch import Batch, Memory
from fedcli.models.cavity import Cavity
from fedcli.models.choosing import criterion, parameters_used, winner
from fedcli.models.guard import Earlier, Guard
from fedcli.models.losses import Logistic
from fedcli.models.path import Member, Path
from fedcli.models.penalty import Strength

FOLDS, CS = 3, (0.1, 1.0)


@cache
def _table(name="diabetes"):
    X, y = (load_wine if name == "wine" else load_diabetes)(return_X_y=True)
    X, y = X[:, :6], (y == 1 if name == "wine" else y > 140).astype(float)
    low, high = X.min(axis=0), X.max(axis=0)
    R = (2 * X - low - high) / (high - low)
    mean, scale = R.mean(axis=0), R.std(axis=0)
    to_reference = np.diag(np.append(1.0, 1 / scale))
    to_reference[0, 1:] = -mean / scale
    fold = np.random.default_rng(0).integers(0, FOLDS, len(y))
    A = np.hstack([np.ones((len(y), 1)), R])
    return Batch(A, y, np.zeros(len(y)), np.ones(len(y)), fold), to_reference


def _part(rows, kept):
    return Batch(rows.X[kept], rows.y[kept], rows.offset[kept], rows.weight[kept], rows.fold[kept])


def _silos(name="diabetes"):
    rows, _ = _table(name)
    order = np.random.default_rng(1).permutation(len(rows.y))
    return [_part(rows, part) for part in np.array_split(order, 3)]


def _path(columns=None):
    names = tuple(f"x{k}" for k in range(6))
    several = []
    for candidate, C in enumerate(CS):
        penalty = Strength(1 / C, 0.0, per_weight=False)
        family = Cavity(Logistic(), names, penalty, True, 3, 1e4, 1.0, 0.0, 100.0, 1e-6, 20, closing_trip=False)
        several.append(Member(candidate, None, family))
    if columns is not None:
        family = Cavity(Logistic(), names[: len(columns) - 1], penalty, True, 3, 1e4, 1.0, 0.0, 100.0, 1e-6, 20, False)
        several.append(Member(len(several), None, family, columns))
    left_out = [Member(one.candidate, fold, one.family, one.columns) for fold in range(FOLDS) for one in several]
    return Path((*several, *left_out), tuple(map(str, range(len(several)))), "cv", FOLDS)


def _states(path, silos, *, forgetful=()):
    """Run a study; the silos of ``forgetful`` lose what they know of themselves after every trip."""
    state, memories, found = State({"round": 0}, {}), [None] * len(silos), []
    while not path.finished(state):
        found.append(state)
        sent = [path.statistics(s, path.locate([s], state, m), state) for s, m in zip(silos, memories, strict=True)]
        memories = [Memory({}) if k in forgetful else Memory(one.arrays) for k, one in enumerate(sent)]
        arrays = state.arrays or {"to_reference": _table()[1]}
        state = path.advance(sum(sent[1:], sent[0]), State(state.document, arrays))
    return [*found, state]


def test_sums_of_two_parts_of_a_silo_are_those_of_both():
    silos = _silos()
    path = _path(columns=(0, 2, 3))
    half = np.arange(len(silos[0].y)) % 3 == 0
    parts = [_part(silos[0], half), _part(silos[0], ~half)]
    for state in _states(path, silos)[:3]:
        point = path.locate([silos[0]], state, None)
        whole = path.statistics(silos[0], point, state)
        both = path.statistics(parts[0], point, state) + path.statistics(parts[1], point, state)
        assert {block.name: (block.size,) for block in path.layout(state)} == {
            name: array.shape for name, array in whole.arrays.items()
        }
        for name, array in whole.arrays.items():
            np.testing.assert_allclose(both[name], array, rtol=1e-12, atol=1e-9)


def test_silos_that_lose_their_memory_arrive_at_the_same_model():
    path, silos = _path(), _silos()
    want, found = _states(path, silos)[-1], _states(path, silos, forgetful=(0, 2))[-1]
    assert found.document["chosen"] == want.document["chosen"]
    np.testing.assert_allclose(found.arrays["path.coef"], want.arrays["path.coef"], rtol=0, atol=1e-5)
    rows, to_reference = _table()
    theirs = LogisticRegression(C=CS[want.document["chosen"]], solver="newton-cholesky", tol=1e-12)
    theirs.fit(rows.X[:, 1:] @ to_reference[1:, 1:] + to_reference[0, 1:], rows.y)
    fitted = np.append(theirs.intercept_, theirs.coef_)
    np.testing.assert_allclose(np.linalg.solve(to_reference, found.arrays["coef"]), fitted, rtol=0, atol=1e-5)


def test_what_has_converged_sends_nothing_more():
    path, silos = _path(), _silos()
    states = _states(path, silos)
    fits = [len(path.fits(state)) for state in states[1:-1]]
    assert fits[0] == len(path.members)
    assert fits == sorted(fits, reverse=True)
    last = states[-2]
    sizes = {block.name: block.size for block in path.layout(last)}
    assert sizes["curvature"] == fits[-1] * 7 * 8 // 2


def _state_at(point):
    return State({"round": 1, "phase": "solving"}, {"coef": point, "candidates": np.empty((0, len(point)))})


def test_a_fold_of_few_rows_is_no_fold_to_leave_out():
    rows = _silos()[0]
    few = np.where(np.arange(len(rows.y)) < 4, 0, 1)
    batch = Batch(rows.X, rows.y, rows.offset, rows.weight, few)
    state = _state_at(np.zeros(7))
    Guard(Logistic(), 3.0, (), None).admit([batch], state)
    Guard(Logistic(), 3.0, (), 0).admit([batch], state)
    with pytest.raises(DominantRow, match="over the fold that is left out"):
        Guard(Logistic(), 5.0, (), 0).admit([batch], state)


def test_one_row_that_two_fits_differ_by_is_seen():
    rows = _silos()[0]
    # All but one row of the fold are fitted so well that nothing of them is left.
    fold = np.where(np.arange(len(rows.y)) < 12, 0, 1)
    X = rows.X.copy()
    X[:12, 1:] = 0.0
    X[:12, 1] = 2 * rows.y[:12] - 1
    X[0, 1] = -X[0, 1]
    batch = Batch(X, rows.y, rows.offset, rows.weight, fold)
    steep = np.array([0.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    on_all = Earlier(None, steep[None, :], None, "one of another fit")
    with pytest.raises(DominantRow, match="and one of another fit"):
        Guard(Logistic(), 1.0, (on_all,), 0).admit([batch], _state_at(steep))
    Guard(Logistic(), 1.0, (on_all,), 0).admit([batch], _state_at(np.zeros(7)))


def test_one_row_of_a_fold_that_two_fits_without_it_differ_by_is_seen():
    rows = _silos()[0]
    fold = np.where(np.arange(len(rows.y)) < 20, 0, 1)
    X = rows.X.copy()
    # Of the fold one row has the column, of all others twenty: only the fold's own sums differ by a single row.
    X[:, 1] = 0.0
    X[[0, *range(20, 40)], 1] = 1.0
    batch = Batch(X, rows.y, rows.offset, rows.weight, fold)
    before = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    there = before + np.eye(7)[1]
    other = Earlier(None, before[None, :], 0, "one of another fit")
    Guard(Logistic(), 1.0, (), 0).admit([batch], _state_at(there))
    with pytest.raises(DominantRow, match="over the fold that is left out and one of another fit"):
        Guard(Logistic(), 1.0, (other,), 0).admit([batch], _state_at(there))


def test_one_row_that_a_fit_and_its_fold_differ_by_from_all_rows_elsewhere_is_seen():
    rows = _silos()[0]
    fold = np.where(np.arange(len(rows.y)) < 20, 0, 1)
    X = rows.X.copy()
    X[:, 1] = 0.0
    X[25, 1] = 1.0
    batch = Batch(X, rows.y, rows.offset, rows.weight, fold)
    before = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    there = before + np.eye(7)[1]
    # Less the sums of all rows elsewhere, those without the fold and those of the fold leave row 25.
    on_all = Earlier(None, before[None, :], None, "one of another fit")
    Guard(Logistic(), 1.0, (), 0).admit([batch], _state_at(there))
    with pytest.raises(DominantRow, match="over all rows"):
        Guard(Logistic(), 1.0, (on_all,), 0).admit([batch], _state_at(there))


def test_the_first_of_equal_candidates_wins_and_one_without_a_score_never_does():
    nothing = np.nan
    assert winner(np.array([[2.0, 1.0, 1.0]])) == 1
    assert winner(np.array([[2.0, nothing], [3.0, 0.0]])) == 0
    assert winner(np.array([[nothing, nothing], [3.0, 0.0]])) == 1
    assert winner(np.full((2, 2), nothing)) is None


def test_a_ridge_uses_fewer_parameters_the_stronger_it_is():
    X = np.random.default_rng(2).normal(size=(50, 4))
    gram = X.T @ X
    all_of_them = np.ones(4, dtype=bool)
    assert parameters_used(gram, np.zeros(4), all_of_them) == pytest.approx(4)
    values = np.linalg.eigvalsh(gram)
    assert parameters_used(gram, np.full(4, 7.0), all_of_them) == pytest.approx((values / (values + 7)).sum())
    assert parameters_used(gram, np.zeros(4), np.array([True, False, True, False])) == pytest.approx(2)
    np.testing.assert_allclose(criterion("bic", np.array([10.0]), np.array([2.0]), 100.0), [20 + 2 * np.log(100)])


def test_statistics_know_which_blocks_they_have():
    assert "a" in Statistics({"a": np.zeros(1)})
    assert "b" not in Statistics({"a": np.zeros(1)})
