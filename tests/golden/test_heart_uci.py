"""A log-likelihood printed for four hospitals' pooled rows, of which two separate when fitted alone.

Source: ``../shared/data/README.md``, pooled check of ``disease ~ age + sex + thalach + exang + oldpeak + cp``, category
1 of ``cp`` as reference, unpenalised, on the 857 complete rows: -361.37898.
"""

from __future__ import annotations

import pytest

from tests.equivalence.cases import SIX, heart_agreement, heart_complete, run


def test_pooled_log_likelihood_of_four_hospitals() -> None:
    closing = {"holdout": 0, "closing_trip": True}
    found = run(heart_agreement(SIX, {"penalty": None}, impute=False, evaluation=closing), heart_complete())
    assert len(found.train) == 857
    assert -found.federation.state.arrays["objective"][0] == pytest.approx(-361.37898, abs=5e-6)
