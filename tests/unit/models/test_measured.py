"""Which way on a trip's measurements speak for."""

import numpy as np
import pytest

from fedcli.models.measured import Measured
from fedcli.models.quadratic import Quadratic

# Half the squared distance from (1, 0): its minimum, and what the merged expansions make of it.
MODEL = Quadratic(np.eye(2), np.array([1.0, 0.0]))


def measured(points: list[list[float]], *, apart: float = 0.0) -> Measured:
    """Return the exact loss there: half the squared distance from (1 + apart, 0)."""
    at = np.array(points)
    slopes = at - np.array([1.0 + apart, 0.0])
    return Measured(at, (slopes**2).sum(axis=1) / 2, slopes, MODEL)


@pytest.mark.parametrize("apart", [0.0, 5.0])
def test_a_second_point_leads_only_where_its_loss_is_lower(apart: float) -> None:
    end = 1.0 + apart
    assert measured([[end + 2, 0], [end + 0.1, 0]], apart=apart).second_leads
    assert not measured([[end + 0.1, 0], [end + 2, 0]], apart=apart).second_leads
    assert not measured([[end + 2, 0]], apart=apart).second_leads


def test_a_second_point_little_closer_leads_only_where_the_expansions_misjudge() -> None:
    assert not measured([[3, 0], [2.9, 0]]).second_leads
    assert measured([[8, 0], [7.9, 0]], apart=5.0).misjudged
    assert measured([[8, 0], [7.9, 0]], apart=5.0).second_leads


def test_a_step_up_goes_back_to_half_a_step_from_the_lowest() -> None:
    low, high = measured([[2, 0]]), measured([[5, 0]])
    known = low.lowest({})
    assert not low.went_up({})
    assert high.went_up(known)
    assert high.lowest(known) == {}
    half, whole = high.from_lowest(known)
    assert half.tolist() == [1.5, 0.0]
    assert whole.tolist() == [1.0, 0.0]
