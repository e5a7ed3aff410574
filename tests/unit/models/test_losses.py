from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit
from statsmodels.genmod.families import Poisson as StatsmodelsPoisson

from fedcli.errors import NotConverged
from fedcli.models.losses import Logistic, Poisson

ETA = np.linspace(-6, 6, 41)
LOGISTIC = [(Logistic(), y) for y in (0.0, 1.0)]
POISSON = [(Poisson(20.0), y) for y in (0.0, 3.0, 20.0)]


@pytest.mark.parametrize(("loss", "y"), LOGISTIC + POISSON)
def test_derivatives_are_those_of_the_value(loss, y) -> None:
    for eta in ETA:
        value, d1, d2 = (float(part[0]) for part in loss.derivatives(np.array([eta]), np.array([y])))
        assert float(loss.value(np.array([eta]), np.array([y]))[0]) == value
        slope = approx_fprime([eta], lambda e: loss.value(e, np.array([y]))[0], 1e-6)[0]
        curve = approx_fprime([eta], lambda e: loss.derivatives(e, np.array([y]))[1][0], 1e-6)[0]
        assert d1 == pytest.approx(slope, rel=1e-4, abs=1e-4)
        assert d2 == pytest.approx(curve, rel=1e-4, abs=1e-4)


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
@pytest.mark.parametrize("loss", [Logistic(), Poisson(20.0)])
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
@pytest.mark.parametrize(("loss", "y"), LOGISTIC + POISSON)
def test_no_row_exceeds_the_bounds(loss, y, largest) -> None:
    eta = np.linspace(-largest, largest, 101)
    found = np.abs(np.array(loss.derivatives(eta, np.full(101, y)))).max(axis=1)
    assert (found <= np.array(loss.bounds(largest)) * (1 + 1e-12)).all()
