from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit
from sklearn.metrics import mean_tweedie_deviance
from statsmodels.genmod.families import Poisson as StatsmodelsPoisson

from fedcli.errors import NotConverged
from fedcli.models.losses import FitSums, Logistic, Poisson
from fedcli.models.tweedie import Tweedie

ETA = np.linspace(-6, 6, 41)
LOGISTIC = [(Logistic(), y) for y in (0.0, 1.0)]
POISSON = [(Poisson(20.0), y) for y in (0.0, 3.0, 20.0)]
TWEEDIE = [(Tweedie(p, 20.0, 0.0), y) for p in (1.0, 1.3, 1.99) for y in (0.0, 3.0, 20.0)]
TWEEDIE += [(Tweedie(p, 20.0, 0.5), y) for p in (1.6, 2.0, 2.5, 3.0) for y in (0.5, 3.0, 20.0)]


@pytest.mark.parametrize(("loss", "y"), LOGISTIC + POISSON + TWEEDIE)
def test_derivatives_are_those_of_the_value(loss, y) -> None:
    for eta in ETA:
        value, d1, d2 = (float(part[0]) for part in loss.derivatives(np.array([eta]), np.array([y])))
        assert float(loss.value(np.array([eta]), np.array([y]))[0]) == value
        slope = approx_fprime([eta], lambda e: loss.value(e, np.array([y]))[0], 1e-6)[0]
        curve = approx_fprime([eta], lambda e: loss.derivatives(e, np.array([y]))[1][0], 1e-6)[0]
        assert d1 == pytest.approx(slope, rel=1e-4, abs=1e-4)
        assert d2 == pytest.approx(curve, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("loss", "y"), LOGISTIC + POISSON + TWEEDIE)
def test_third_derivatives_are_those_of_the_second_and_grow_no_faster_than_is_said(loss, y) -> None:
    for eta in ETA:
        third = float(loss.third(np.array([eta]), np.array([y]))[0])
        second = loss.derivatives(np.array([eta]), np.array([y]))[2][0]
        bend = approx_fprime([eta], lambda e: loss.derivatives(e, np.array([y]))[2][0], 1e-6)[0]
        assert third == pytest.approx(bend, rel=1e-4, abs=1e-4)
        assert not loss.convex or abs(third) <= loss.rate * second * (1 + 1e-12)
        assert abs(third) <= loss.largest_third(abs(eta)) * (1 + 1e-12)


@pytest.mark.parametrize("power", [2.2, 2.5, 3.0])
def test_where_outcomes_are_as_predicted_the_fourth_derivative_is_the_rate_squared_times_the_second(power) -> None:
    loss, eta, y = Tweedie(power, 20.0, 0.5), np.log([3.0]), np.array([3.0])
    fourth = approx_fprime(eta, lambda e: loss.third(e, y)[0], 1e-6)[0]
    assert fourth == pytest.approx(loss.rate**2 * loss.derivatives(eta, y)[2][0], rel=1e-4)


def test_logistic_values_are_scipys() -> None:
    y = (np.arange(ETA.size) % 2).astype(float)
    value, d1, d2 = Logistic().derivatives(ETA, y)
    p = expit(ETA)
    np.testing.assert_allclose(value, -(y * np.log(p) + (1 - y) * np.log1p(-p)), rtol=1e-12)
    np.testing.assert_allclose(d1, p - y, rtol=1e-12)
    np.testing.assert_allclose(d2, p * (1 - p), rtol=1e-12)
    np.testing.assert_allclose(Logistic().mean(ETA), p, rtol=1e-14)


def test_poisson_deviance_is_statsmodels() -> None:
    y, loss = np.arange(ETA.size) % 7 + 1.0, Poisson(20.0)
    mean = loss.mean(ETA / 2)
    saturated = y - y * np.log(y)
    ours = 2 * (loss.value(ETA / 2, y) - saturated).sum()
    assert ours == pytest.approx(StatsmodelsPoisson().deviance(y, mean), rel=1e-12)


@pytest.mark.parametrize("eta", [-1e4, -800.0, 800.0, 1e4])
@pytest.mark.parametrize(
    "loss", [Logistic(), Poisson(20.0), *(Tweedie(p, 20.0, 0.5) for p in (1.0, 1.5, 1.9, 2.0, 3.0))], ids=repr
)
def test_far_away_nothing_overflows(loss, eta) -> None:
    with np.errstate(over="raise", invalid="raise"):
        parts = loss.derivatives(np.array([eta]), np.array([1.0]))
    assert np.isfinite(parts).all()


def test_the_edge_lies_beyond_what_all_rows_together_can_fit() -> None:
    assert Poisson(20.0, 3000.0).largest_mean == 3000.0 * 20.0
    loss = Poisson(20.0, 3000.0)
    loss.refuse_beyond(59_999.0, 1.0)
    loss.refuse_beyond(119_999.0, 2.0)
    for total, weight in ((60_000.0, 1.0), (120_000.0, 2.0), (float("nan"), 1.0)):
        with pytest.raises(NotConverged):
            loss.refuse_beyond(total, weight)


def test_beyond_its_edge_the_poisson_goes_on_smooth_and_convex() -> None:
    loss = Poisson(20.0)
    edge = np.log(loss.largest_mean)
    below, above = (np.array(loss.derivatives(np.array([edge + d]), np.zeros(1))) for d in (-1e-9, 1e-9))
    np.testing.assert_allclose(below, above, rtol=1e-7)
    assert (loss.derivatives(np.linspace(edge, edge + 50, 20), np.zeros(20))[2] > 0).all()


@pytest.mark.parametrize("largest", [0.5, 10.0, 500.0])
@pytest.mark.parametrize(("loss", "y"), LOGISTIC + POISSON + TWEEDIE)
def test_no_row_exceeds_the_bounds(loss, y, largest) -> None:
    eta = np.linspace(-largest, largest, 101)
    found = np.abs(np.array(loss.derivatives(eta, np.full(101, y)))).max(axis=1)
    assert (found <= np.array(loss.bounds(largest)) * (1 + 1e-12)).all()


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 2.7, 3.0])
def test_tweedie_deviance_is_scikit_learns(power: float) -> None:
    y, loss = np.linspace(0.5, 20.0, ETA.size), Tweedie(power, 20.0, 0.5)
    ours = 2 * (loss.value(ETA / 2, y) - loss.saturated(y)).mean()
    assert ours == pytest.approx(mean_tweedie_deviance(y, np.exp(ETA / 2), power=power), rel=1e-10)


def test_a_row_of_0_has_scikit_learns_deviance() -> None:
    y, loss = np.zeros(ETA.size), Tweedie(1.5, 20.0, 0.0)
    ours = 2 * (loss.value(ETA, y) - loss.saturated(y)).mean()
    assert ours == pytest.approx(mean_tweedie_deviance(y, np.exp(ETA), power=1.5), rel=1e-12)


@pytest.mark.parametrize("power", [1.2, 1.8, 2.0, 2.5, 3.0])
def test_beyond_its_edges_an_amount_goes_on_smooth_and_without_a_bend_downwards(power: float) -> None:
    loss = Tweedie(power, 20.0, 0.5)
    for edge in filter(np.isfinite, loss.edges):
        for y in (0.5, 20.0):
            parts = [np.array(loss.derivatives(np.array([edge + d]), np.array([y]))) for d in (-1e-9, 1e-9)]
            np.testing.assert_allclose(*parts, rtol=1e-6)
    low, high = loss.edges
    beyond = np.concatenate(
        [low - np.linspace(0, 50, 20), (high if np.isfinite(high) else 5.0) + np.linspace(0, 50, 20)]
    )
    curve = loss.derivatives(beyond, np.full(40, 0.5))[2]
    assert (curve[:20] > 0).all()
    assert (curve[20:] > 0).all() or power > 2


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0])
def test_a_fit_with_a_row_beyond_the_edges_is_refused_and_one_of_agreed_amounts_never(power: float) -> None:
    loss, n = Tweedie(power, 20.0, 0.5, 1000.0), 1000
    y = np.resize([0.5, 3.0, 20.0], n)

    def sums(eta: np.ndarray) -> FitSums:
        _, d1, d2 = loss.derivatives(eta, y)
        return FitSums(float(n), float(y.sum()), float(d1.sum()), float(d2.sum()))

    loss.check_fit(sums(np.log(y)), 1.0)
    low, high = loss.edges
    for edge in filter(np.isfinite, (low - 0.1, high + 0.1)):
        eta = np.log(y)
        eta[0] = edge
        with pytest.raises(NotConverged, match="a predicted amount is too"):
            loss.check_fit(sums(eta), 1.0)
