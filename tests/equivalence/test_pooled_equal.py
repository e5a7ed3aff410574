"""Federated minus pooled: every study gives the coefficients of scikit-learn's own fit on the pooled rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from fedcli.errors import NotConverged
from tests.equivalence.cases import CLOSED, HARD, LIKELIHOODS, agreement, heart_complete, outcome, run
from tests.equivalence.pooled import target_of


def trips_to(errors: list[float], accuracy: float) -> int:
    return next(trip for trip, error in enumerate(errors, start=1) if error <= accuracy)


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_equal_the_pooled_fit_after_one_trip(name: str) -> None:
    found = outcome(name)
    assert found.federation.trips == 1
    assert found.errors[-1] <= 1e-8


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_equal_the_pooled_fit(name: str) -> None:
    found = outcome(name)
    assert found.errors[-1] <= 1e-6
    assert trips_to(found.errors, 1e-6) <= 5
    # One more at most: a trip is spent only where the stop rule cannot yet promise what is already so.
    assert found.federation.trips <= trips_to(found.errors, 1e-6) + 1


@pytest.mark.parametrize("name", HARD)
def test_hard_splits_equal_the_pooled_fit(name: str) -> None:
    found = outcome(name)
    assert found.errors[-1] <= 1e-6
    assert found.federation.trips <= (6 if "one-class" in name else 5)


def test_four_trips_are_typical() -> None:
    needed = [trips_to(outcome(name).errors, 1e-6) for name in (*LIKELIHOODS, *HARD)]
    ended = [outcome(name).federation.trips for name in (*LIKELIHOODS, *HARD)]
    assert np.median(needed) <= 4
    assert np.median(ended) <= 4


@pytest.mark.parametrize("name", [*LIKELIHOODS, *HARD])
def test_the_stop_rule_promises_no_more_than_is_so(name: str) -> None:
    found = outcome(name)
    # Below 1e-11 the pooled fit's own rounding is what is measured.
    assert found.errors[-1] <= max(2.0 * found.federation.predicted, 1e-11)


def test_the_reason_names_the_remaining_error() -> None:
    federation = outcome("vantage6 poisson").federation
    assert federation.reason.code == "converged"
    assert federation.reason.says.endswith(f"{federation.predicted:.1e}")


def separates(X: np.ndarray, y: np.ndarray) -> bool:
    """Whether some direction has no row on the wrong side and one on the right: then no optimum is finite."""
    signed = (2 * y - 1)[:, None] * np.column_stack([np.ones(len(X)), X])
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(X)), bounds=(-1, 1))
    return bool(-found.fun > 1e-6)


def test_hospitals_that_separate_alone_do_no_harm_to_the_pool() -> None:
    found = outcome("heart, six columns, unpenalised")
    dummies = {
        name: pd.get_dummies(frame.drop(columns="num"), columns=["sex", "exang", "cp"], drop_first=True, dtype=float)
        for name, frame in heart_complete().items()
    }
    alone = {
        name: separates(X.to_numpy(), target_of(found.study, heart_complete()[name])) for name, X in dummies.items()
    }
    assert alone == {"cleveland": False, "hungarian": False, "switzerland": True, "va": True}
    assert found.federation.trips <= 4
    assert max(abs(value) for value in found.federation.coefficients().values()) < 10


def test_a_fitted_count_far_above_all_counts_moves_no_optimum() -> None:
    found = outcome("claims, exposures of five orders")
    at = found.pooled.original
    eta = at["intercept"] + sum(at[name] * found.train[name] for name in ("x", "z")) + np.log(found.train["exposure"])
    assert np.exp(eta.max()) > 64 * 5
    assert found.errors[-1] <= 1e-6


def test_a_fit_whose_counts_leave_the_exponential_is_refused() -> None:
    frame = pd.DataFrame({"x": [-1.0, 1.0] * 60, "count": [1, 0] * 60, "exposure": 1e6})
    text = agreement(
        {"column": "count", "type": "count", "range": [0, 3]},
        {"x": {"type": "number", "range": [-1, 1]}},
        "PoissonRegressor",
        {"fit_intercept": False},
        offset={"column": "exposure", "transform": "log", "range": [1, 1e6]},
        rules={"max_rows": 1000},
    )
    with pytest.raises(NotConverged, match="the fitted counts add up to"):
        run(text, {str(k): frame.iloc[40 * k : 40 * k + 40] for k in range(3)})


def test_held_out_rows_are_a_fifth_and_fitted_by_nobody() -> None:
    found = outcome("sample card fraud")
    rows = len(found.train) + len(found.held_out)
    assert int(found.federation.state.arrays["preparation.n_samples"][0]) == len(found.train)
    assert len(found.held_out) / rows == pytest.approx(0.2, abs=0.03)
