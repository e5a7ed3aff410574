"""The figures of the rows held out equal scikit-learn's metrics on those rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, mean_poisson_deviance, r2_score, root_mean_squared_error

from fedcli.fileformat.statistics import State
from tests.equivalence.cases import Outcome, mixed
from tests.equivalence.pooled import target_of

CLOSING = {"holdout": 0.3, "closing_trip": True}


def figures(state: State) -> dict[str, float]:
    return dict(zip(state.document["evaluation"].split(","), state.arrays["evaluation"].tolist(), strict=True))


def predictor(found: Outcome, coefficients: dict[str, float]) -> np.ndarray:
    """The linear predictor of the rows held out, imputed from the training rows, columns on their own scale."""
    rows, train = found.held_out, found.train
    eta = np.full(len(rows), coefficients["intercept"])
    for name in found.study.numbers:
        eta += coefficients[name] * rows[name].fillna(train[name].mean()).to_numpy(float)
    for name, column in found.study.categories.items():
        text = rows[name].where(rows[name].notna(), train[name].mode()[0])
        for level in column.levels[1:]:
            eta += coefficients[f"{name}[{level}]"] * (text == level).to_numpy(float)
    return eta


def test_logistic_figures_are_scikit_learns() -> None:
    found = mixed("LogisticRegression", evaluation=CLOSING)
    y = target_of(found.study, found.held_out)
    p = 1 / (1 + np.exp(-predictor(found, found.federation.coefficients(-2))))
    got = figures(found.federation.state)
    assert got["n_samples"] == len(y)
    assert got["log_loss"] == pytest.approx(log_loss(y, p), rel=1e-9)
    assert got["brier"] == pytest.approx(brier_score_loss(y, p), rel=1e-9)


def test_linear_figures_are_scikit_learns() -> None:
    found = mixed("Ridge", evaluation=CLOSING)
    y, predicted = target_of(found.study, found.held_out), predictor(found, found.federation.coefficients())
    got = figures(found.federation.state)
    assert got["n_samples"] == len(y)
    assert got["rmse"] == pytest.approx(root_mean_squared_error(y, predicted), rel=1e-9)
    assert got["r2"] == pytest.approx(r2_score(y, predicted), rel=1e-9)


def test_count_figures_are_scikit_learns() -> None:
    found = mixed("PoissonRegressor", {"alpha": 0.1}, evaluation=CLOSING)
    y = target_of(found.study, found.held_out)
    mean = np.exp(predictor(found, found.federation.coefficients(-2)))
    got = figures(found.federation.state)
    assert got["n_samples"] == len(y)
    assert got["mean_poisson_deviance"] == pytest.approx(mean_poisson_deviance(y, mean), rel=1e-9)


def test_figures_are_of_the_state_that_went_into_the_trip() -> None:
    found = mixed("LogisticRegression", evaluation={"holdout": 0.3})
    for trip, state in enumerate(found.federation.states[1:], start=1):
        assert state.document["evaluated_round"] == trip
        p = 1 / (1 + np.exp(-predictor(found, found.federation.coefficients(trip - 1))))
        assert figures(state)["log_loss"] == pytest.approx(log_loss(target_of(found.study, found.held_out), p))


def test_a_closed_form_without_a_closing_trip_is_not_evaluated() -> None:
    found = mixed("LinearRegression", evaluation={"holdout": 0.3})
    assert found.federation.trips == 1
    assert "evaluation" not in found.federation.state.arrays


def test_a_closing_trip_of_a_closed_form_changes_no_coefficient() -> None:
    federation = mixed("LinearRegression", evaluation=CLOSING).federation
    assert federation.trips == 2
    assert federation.reason.code == "closed"
    assert federation.coefficients(0) == federation.coefficients(1)


def test_a_closing_trip_certifies_a_likelihood() -> None:
    found = mixed("LogisticRegression", evaluation=CLOSING)
    plain = mixed("LogisticRegression", evaluation={"holdout": 0.3})
    assert found.federation.trips == plain.federation.trips + 1
    assert found.federation.reason.code == "closed"
    # The Newton step from the point that went in is what was left of the error.
    assert found.errors[-2] == pytest.approx(float(found.federation.state.arrays["gradient"][0]), rel=0.05)
    assert found.errors[-1] <= 1e-11
