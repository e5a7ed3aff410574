"""The start of a logistic fit that trip 1's sums give."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fedcli.fileformat.statistics import pack_upper
from fedcli.models.discriminant import discriminant
from fedcli.models.penalty import Penalty


def start(X: np.ndarray, y: np.ndarray, ridge: float, l1: float | None, *, fit_intercept: bool = True) -> np.ndarray:
    """The discriminant of columns that are their own basis."""
    whole = np.column_stack([np.ones(len(y)), X])
    total = {
        "products": pack_upper(whole.T @ whole),
        "contrast": whole.T @ (y - 0.5),
        "target": np.array([len(y), y.sum()]),
    }
    first = 0 if fit_intercept else 1
    basis, pull = np.eye(whole.shape[1])[:, first:], np.append(0.0, np.ones(X.shape[1]))[first:]
    return discriminant(total, basis, Penalty(ridge * pull, None if l1 is None else l1 * pull))


def normal_classes(apart: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    y = (rng.random(4000) < 0.3).astype(float)
    X = rng.normal(size=(4000, 5)) + apart * y[:, None] * np.array([1.0, -0.5, 0.0, 0.0, 0.0])
    return X - X.mean(axis=0), y


@pytest.mark.parametrize("apart", [0.5, 1.5, 4.0])
@pytest.mark.parametrize(("ridge", "l1"), [(1e-6, None), (30.0, None), (0.0, 20.0), (10.0, 20.0)])
def test_of_normal_classes_it_is_nearly_the_penalised_fit(apart: float, ridge: float, l1: float | None) -> None:
    X, y = normal_classes(apart)
    strength = ridge + (l1 or 0.0)
    given = {"solver": "saga"} if l1 else {}
    fit = LogisticRegression(C=1 / strength, l1_ratio=(l1 or 0.0) / strength, tol=1e-6, max_iter=5000, **given)
    fit.fit(X, y)
    expected = np.append(fit.intercept_, fit.coef_[0])
    found = start(X, y, ridge, l1)
    assert np.linalg.norm(found - expected) <= 0.15 * np.linalg.norm(expected)
    assert ((found == 0) == (expected == 0)).mean() >= 0.6


def test_where_l1_leaves_nothing_it_is_the_share_of_either_class() -> None:
    X, y = normal_classes(0.5)
    found = start(X, y, 0.0, 1e6)
    assert found.tolist() == [pytest.approx(np.log(y.mean() / (1 - y.mean()))), 0, 0, 0, 0, 0]


def test_without_an_intercept_it_is_one_newton_step_from_0() -> None:
    X, y = normal_classes(0.5)
    step = np.linalg.solve(X.T @ X / 4 + 2.0 * np.eye(5), X.T @ (y - 0.5))
    np.testing.assert_allclose(start(X, y, 2.0, None, fit_intercept=False), np.append(0.0, step), rtol=1e-9)
