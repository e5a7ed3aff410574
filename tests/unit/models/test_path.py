"""Members of a path equal pooled fits without each fold, and their scores its own, in the slowest one's trips."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, PoissonRegressor
from sklearn.model_selection import PredefinedSplit

from fedcli.fileformat.statistics import State
from fedcli.models.batch import Batch, Memory, Point
from fedcli.models.cavity import Cavity
from fedcli.models.losses import Logistic, Poisson
from fedcli.models.path import Member, Path
from fedcli.models.penalty import Strength

FOLDS, CS, ALPHAS = 5, (0.01, 0.1, 1.0, 10.0), (0.01, 0.1, 1.0)
SPLITS = ("random", "by a column", "by outcome", "uneven")


@cache
def _table(name):
    X, y = {"cancer": load_breast_cancer, "wine": load_wine}.get(name, load_diabetes)(return_X_y=True)
    X = X[:, : {"cancer": 10, "wine": 6}.get(name, 10)]
    y = {"cancer": y, "wine": y == 1, "diabetes": y > 140}.get(name, np.round(y / 20)).astype(float)
    low, high = X.min(axis=0), X.max(axis=0)
    R = (2 * X - low - high) / (high - low)
    mean, scale = R.mean(axis=0), R.std(axis=0)
    to_reference = np.diag(np.append(1.0, 1 / scale))
    to_reference[0, 1:] = -mean / scale
    fold = np.random.default_rng(0).integers(0, FOLDS, len(y))
    return R, (R - mean) / scale, y, fold, to_reference


def _silos(name, split):
    R, _, y, fold, _ = _table(name)
    rng, n = np.random.default_rng(1), len(y)
    order = {"by a column": np.argsort(R[:, 0]), "by outcome": np.argsort(y + 2 * rng.random(n))}.get(split)
    order = rng.permutation(n) if order is None else order
    A = np.hstack([np.ones((n, 1)), R])
    cuts = [n // 12, n // 3] if split == "uneven" else [n // 3, 2 * n // 3]
    parts = np.split(order, cuts)
    return [Batch(A[i], y[i], np.zeros(len(i)), np.ones(len(i)), fold[i]) for i in parts]


def _family(loss, strength, n):
    names = tuple(f"x{k}" for k in range(n))
    return Cavity(loss, names, strength, True, 3, 1e4, 1.0, 0.0, 100.0, 1e-6, 20, closing_trip=False)


def _members(name):
    n = _table(name)[0].shape[1]
    if name == "counts":
        families = [_family(Poisson(20.0, 1e4), Strength(alpha, 0.0, per_weight=True), n) for alpha in ALPHAS]
    else:
        families = [_family(Logistic(), Strength(1 / C, 0.0, per_weight=False), n) for C in CS]
    return tuple(Member(c, fold, f) for c, f in enumerate(families) for fold in (None, *range(FOLDS)))


def _run(members, silos, to_reference):
    path, state, memories = Path(members, FOLDS), State({"round": 0}, {}), [None] * len(silos)
    while not path.finished(state):
        sent = [path.statistics(s, path.locate([s], state, m), state) for s, m in zip(silos, memories, strict=True)]
        memories = [Memory(one.arrays) for one in sent]
        arrays = state.arrays or {"to_reference": to_reference}
        state = path.advance(sum(sent[1:], sent[0]), State(state.document, arrays))
    return path, state


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["cancer", "diabetes", "wine", "counts"])
def test_each_member_equals_its_pooled_fit(name, split):
    _, Z, y, fold, to_reference = _table(name)
    path, state = _run(_members(name), _silos(name, split), to_reference)
    for number, member in enumerate(path.members):
        kept = fold != member.fold if member.fold is not None else np.ones(len(y), dtype=bool)
        tight = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
        one = LogisticRegression(C=CS[member.candidate], **tight) if name != "counts" else None
        one = (one or PoissonRegressor(alpha=ALPHAS[member.candidate], **tight)).fit(Z[kept], y[kept])
        want = np.append(one.intercept_, one.coef_)
        found = np.linalg.solve(to_reference, path.state_of(number, state).arrays["coef"])
        assert np.linalg.norm(found - want) < 1e-6 * np.linalg.norm(want)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["cancer", "diabetes", "wine"])
def test_scores_are_those_of_scikit_learn(name, split):
    _, Z, y, fold, to_reference = _table(name)
    cv = LogisticRegressionCV(
        Cs=CS,
        cv=PredefinedSplit(fold),
        scoring="neg_log_loss",
        solver="newton-cholesky",
        tol=1e-12,
        max_iter=1000,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )
    cv.fit(Z, y)
    scores = cv.scores_
    want = np.asarray(scores).reshape(FOLDS, len(CS))
    path, state = _run(_members(name), _silos(name, split), to_reference)
    found = np.zeros_like(want)
    for number, member in enumerate(path.members):
        if member.fold is not None:
            found[member.fold, member.candidate] = -path.score(number, state)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-6)
    assert found.mean(axis=0).argmax() == want.mean(axis=0).argmax()


@pytest.mark.parametrize("name", ["cancer", "diabetes", "wine", "counts"])
def test_all_members_take_the_trips_of_the_slowest(name):
    silos, to_reference = _silos(name, "random"), _table(name)[-1]
    members = _members(name)
    alone = [_run((member,), silos, to_reference)[1].document["round"] for member in members]
    assert _run(members, silos, to_reference)[1].document["round"] == max(alone)


def test_sums_of_two_parts_of_a_silo_are_those_of_both():
    silo, to_reference = _silos("wine", "random")[0], _table("wine")[-1]
    path = Path(_members("wine"), FOLDS)
    point = path.locate([silo], State({"round": 0}, {}), None)
    first = State({"round": 0}, {"to_reference": to_reference})
    second = path.advance(path.statistics(silo, point, State({"round": 0}, {})), first)
    half = np.arange(len(silo.y)) % 3 == 0
    parts = [Batch(silo.X[k], silo.y[k], silo.offset[k], silo.weight[k], silo.fold[k]) for k in (half, ~half)]
    for state in (State({"round": 0}, {}), second):
        whole = path.statistics(silo, Point(point.coef), state)
        both = path.statistics(parts[0], point, state) + path.statistics(parts[1], point, state)
        assert whole.arrays.keys() == both.arrays.keys()
        for name, array in whole.arrays.items():
            np.testing.assert_allclose(both[name], array, rtol=1e-12, atol=1e-9)
