"""Numbers that another project printed for its own three sites, and that R's ``glm`` reproduces.

Source: vantage6, ``v6-glm-py`` (MIT), commit 673ab09, folder ``test``; the numbers are in ``../shared/data/README.md``.
Coefficients agree to every printed digit. The binomial ones were cut there, not rounded, so one unit of the last digit
is the tolerance; elsewhere half a unit, or the 1e-6 of the study where that is more. A closing trip measures curvature
and objective at the final point.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.equivalence.cases import Outcome, vantage6
from tests.equivalence.pooled import target_of

CLOSING = {"holdout": 0, "closing_trip": True}

POISSON = {
    "intercept": -5.247124398538717,
    "prog[Academic]": 1.0838591456207733,
    "prog[Vocational]": 0.3698092298424788,
    "math": 0.07015239749371881,
}
POISSON_ERRORS = {
    "intercept": 0.6584530709,
    "prog[Academic]": 0.3582529824,
    "prog[Vocational]": 0.4410702930,
    "math": 0.0105992050,
}
BINOMIAL = {
    "intercept": -3.989979,
    "gre": 0.002264,
    "gpa": 0.804038,
    "rank[2]": -0.675442,
    "rank[3]": -1.340204,
    "rank[4]": -1.551464,
}
BINOMIAL_ERRORS = {
    "intercept": 1.13995,
    "gre": 0.00109399,
    "gpa": 0.331819,
    "rank[2]": 0.31648,
    "rank[3]": 0.3453,
    "rank[4]": 0.41783,
}
BINOMIAL_ABSENT_LEVEL = {
    "intercept": -3.89331788,
    "gre": 0.002324853,
    "gpa": 0.765295022,
    "rank[2]": -0.677010483,
    "rank[3]": -1.336791659,
    "rank[4]": -1.572400371,
}
GAUSSIAN = {"intercept": -36.94346, "Girth": 5.0658564}


def standard_errors(found: Outcome) -> dict[str, float]:
    """Square roots of the inverse curvature's diagonal, on the columns' own scale."""
    plan, state = found.federation.plan, found.federation.state
    own = plan.preparation(state).to_original
    carry = np.column_stack([own(unit) for unit in np.eye(plan.columns.n_columns)])
    covariance = carry @ np.linalg.inv(state.arrays["curvature"]) @ carry.T
    return dict(zip(found.federation.coefficients(), np.sqrt(np.diagonal(covariance)).tolist(), strict=True))


def test_poisson_coefficients_and_standard_errors() -> None:
    found = vantage6("poisson", evaluation=CLOSING)
    assert found.federation.coefficients() == pytest.approx(POISSON, rel=1e-9)
    assert standard_errors(found) == pytest.approx(POISSON_ERRORS, rel=1e-7)


def test_poisson_deviances() -> None:
    found = vantage6("poisson", evaluation=CLOSING)
    y = target_of(found.study, found.train)
    log_y = np.log(np.where(y > 0, y, 1.0))
    saturated = (y - y * log_y).sum()
    assert 2 * (found.federation.state.arrays["objective"][0] - saturated) == pytest.approx(189.4496199102934, rel=1e-9)
    null = y.sum() - y.sum() * np.log(y.mean())
    assert 2 * (null - saturated) == pytest.approx(287.67223445286476, rel=1e-12)


def test_binomial_coefficients_and_standard_errors() -> None:
    found = vantage6("binomial", evaluation=CLOSING)
    assert found.federation.coefficients() == pytest.approx(BINOMIAL, abs=1e-6)
    assert standard_errors(found) == pytest.approx(BINOMIAL_ERRORS, abs=1e-5)
    assert standard_errors(found)["gre"] == pytest.approx(BINOMIAL_ERRORS["gre"], abs=1e-8)


def test_binomial_deviance() -> None:
    objective = vantage6("binomial", evaluation=CLOSING).federation.state.arrays["objective"][0]
    assert 2 * objective == pytest.approx(458.51749, abs=5e-6)


def test_binomial_with_a_level_that_one_site_never_saw() -> None:
    found = vantage6("binomial", without_rank_4_at_a=True)
    assert len(found.train) == 379
    assert found.federation.coefficients() == pytest.approx(BINOMIAL_ABSENT_LEVEL, rel=1e-6)


def test_gaussian_coefficients_and_dispersion() -> None:
    found = vantage6("gaussian")
    assert len(found.train) == 62
    assert found.federation.coefficients() == pytest.approx(GAUSSIAN, rel=2e-7)
    residual = found.federation.state.arrays["residual"][0]
    assert residual / (62 - 2) == pytest.approx(17.47675, abs=5e-6)
