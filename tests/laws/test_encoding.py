"""The ring's laws, against exact fractions."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcli.errors import GarbageSum, OutsideBound
from fedcli.fileformat.statistics import Block, Layout, Statistics
from fedcli.privacy import ring

BOUNDS = st.floats(2.0**-20, 2.0**100)
SILOS = st.integers(1, 1000)
SHARES = st.lists(st.floats(-1, 1) | st.sampled_from([-1.0, 1.0, 5e-324, -0.0, 2.0**-97]), min_size=1, max_size=20)


def exact(values, bits):
    """Round to the grid as Fraction does: half to even."""
    return [round(Fraction(float(value)) * 2**bits) for value in values]


def limbs_of(integers):
    mask = 2**64 - 1
    return np.array([[q & mask, q >> 64 & mask] for q in integers], dtype=np.uint64)


@given(BOUNDS, SILOS, SHARES)
@settings(max_examples=150, deadline=None)
def test_a_number_is_encoded_as_the_nearest_point_of_the_grid(bound, silos, shares):
    bits = ring.fraction_bits(bound, silos)
    values = np.array(shares) * bound
    limbs = ring.encode(values, bound, bits, name="x")
    integers = exact(values, bits)
    assert list(ring.decode_integers(limbs)) == integers
    assert (ring.encode_integers(integers, bound, bits, name="x") == limbs).all()
    assert list(ring.decode(limbs, bits)) == [float(Fraction(q, 2**bits)) for q in integers]


@given(st.lists(st.integers(-(2**127), 2**127 - 1), min_size=1, max_size=20), st.integers(0, 96))
@settings(max_examples=150, deadline=None)
def test_every_element_of_the_ring_is_decoded_correctly_rounded(integers, bits):
    limbs = limbs_of(integers)
    assert list(ring.decode_integers(limbs)) == integers
    assert list(ring.decode(limbs, bits)) == [float(Fraction(q, 2**bits)) for q in integers]


@given(st.lists(st.tuples(*[st.integers(0, 2**128 - 1)] * 3), min_size=1, max_size=10))
@settings(max_examples=100, deadline=None)
def test_addition_is_that_of_integers_modulo_2_to_the_128(triples):
    a, b, c = (limbs_of(part) for part in zip(*triples, strict=True))
    signed = [(x + y + 2**127) % 2**128 - 2**127 for x, y, _ in triples]
    assert list(ring.decode_integers(ring.add(a, b))) == signed
    assert (ring.add(a, b) == ring.add(b, a)).all()
    assert (ring.add(ring.add(a, b), c) == ring.add(a, ring.add(b, c))).all()
    assert not ring.add(a, ring.negate(a)).any()
    assert (ring.add(ring.add(a, c), ring.negate(c)) == a).all()


@given(st.permutations(range(8)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_silos_cannot_change_the_sum(order):
    rng = np.random.default_rng(1)
    bits = ring.fraction_bits(1e6, 8)
    parts = [ring.encode(rng.normal(size=5) * 10.0**k, 1e6, bits, name="x") for k in range(-4, 4)]
    forward, other = parts[0], parts[order[0]]
    for k in range(1, 8):
        forward, other = ring.add(forward, parts[k]), ring.add(other, parts[order[k]])
    assert (forward == other).all()


@given(BOUNDS, SILOS)
@settings(max_examples=150, deadline=None)
def test_the_largest_honest_sum_leaves_the_guard_bits_free(bound, silos):
    bits = ring.fraction_bits(bound, silos)
    largest = silos * round(Fraction(bound) * 2**bits)
    assert largest <= 2**118
    if bits < ring.MAX_FRACTION_BITS:
        # Tight up to the rounding of both logarithms: two bits finer would eat into the guard bits.
        assert silos * Fraction(bound) * 2 ** (bits + 2) > 2**118
    total = limbs_of([largest, -largest])
    ring.check_sum(total, bound, bits, silos, name="x")
    for beyond in (largest + 1, -largest - 1, 2**127 - 1, -(2**127)):
        with pytest.raises(GarbageSum, match="'x'"):
            ring.check_sum(limbs_of([0, beyond]), bound, bits, silos, name="x")


def test_the_formula_of_the_grid():
    assert ring.fraction_bits(2.0**40, 100) == 128 - 2 - 7 - 40 - 8
    assert ring.fraction_bits(np.nextafter(2.0**40, np.inf), 100) == 128 - 2 - 7 - 41 - 8
    assert ring.fraction_bits(2.0**40, 128) == ring.fraction_bits(2.0**40, 65) == 71
    assert ring.fraction_bits(1.0, 3) == ring.MAX_FRACTION_BITS
    assert ring.fraction_bits(2.0**118, 1) == 0


def test_ranges_that_do_not_fit_into_the_ring_are_refused():
    with pytest.raises(OutsideBound, match=r"2\*\*118 for each of 2 silos"):
        ring.fraction_bits(2.0**118, 2)


@pytest.mark.parametrize("bound", [0.0, -1.0, math.inf, math.nan])
def test_a_bound_that_bounds_nothing_is_a_programming_error(bound):
    with pytest.raises(ValueError, match="no grid"):
        ring.fraction_bits(bound, 3)


def test_ties_go_to_even():
    unit = 2.0**-96
    values = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5]) * unit
    assert list(ring.decode_integers(ring.encode(values, 1, 96, name="x"))) == [0, 2, 2, 0, -2, -2, 4]


def test_numbers_below_half_a_step_are_zero_and_zero_has_one_form():
    limbs = ring.encode([5e-324, -5e-324, -0.0, 2.0**-97, -(2.0**-97)], 1, 96, name="x")
    assert not limbs.any()
    assert not np.signbit(ring.decode(limbs, 96)).any()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.nextafter(8, 9), -1e300])
def test_a_number_beyond_the_bound_is_refused_and_its_block_named(value):
    with pytest.raises(OutsideBound, match="1 of 2 numbers of block 'gradient'") as caught:
        ring.encode([1.0, value], 8.0, 96, name="gradient")
    assert repr(float(value)) not in str(caught.value)


def test_an_integer_beyond_the_bound_is_refused():
    with pytest.raises(OutsideBound, match="1 of 2 numbers of block 'n'"):
        ring.encode_integers([2**10 * 8, -(2**10) * 8 - 1], 8.0, 10, name="n")
    with pytest.raises(ValueError, match="no integer"):
        ring.encode_integers([1.5], 8.0, 10, name="n")


LAYOUT = Layout(
    (Block("moments", (2, 3), 1e7, "sums"), Block("n", (), 1e7, "rows"), Block("none", (0,), 1.0, "nothing"))
)


def statistics(seed):
    rng = np.random.default_rng(seed)
    arrays = {"moments": rng.normal(size=(2, 3)) * 1e3, "n": np.array(float(seed)), "none": np.zeros(0)}
    return Statistics(arrays)


def test_statistics_add_encoded_as_they_add_exactly():
    parts = [statistics(seed) for seed in range(5)]
    encoded = ring.encode_statistics(parts[0], LAYOUT, 5)
    for part in parts[1:]:
        encoded = ring.add_encoded(encoded, ring.encode_statistics(part, LAYOUT, 5))
    assert {name: limbs.shape for name, limbs in encoded.items()} == {"moments": (6, 2), "n": (1, 2), "none": (0, 2)}
    total = ring.decode_statistics(encoded, LAYOUT, 5)
    bits = ring.fraction_bits(1e7, 5)
    for index in np.ndindex(2, 3):
        whole = sum(exact([part["moments"][index]], bits)[0] for part in parts)
        assert total["moments"][index] == float(Fraction(whole, 2**bits))
    assert (total["n"].shape, float(total["n"])) == ((), 10.0)


def test_statistics_of_another_layout_are_a_programming_error():
    with pytest.raises(ValueError, match="do not fit"):
        ring.encode_statistics(Statistics({"n": np.array(1.0)}), LAYOUT, 3)
    with pytest.raises(ValueError, match="shape"):
        ring.encode_statistics(Statistics({**statistics(1).arrays, "moments": np.zeros(6)}), LAYOUT, 3)
    with pytest.raises(ValueError, match="other blocks"):
        ring.add_encoded({}, ring.encode_statistics(statistics(1), LAYOUT, 3))


def test_a_garbage_sum_is_not_decoded():
    encoded = ring.encode_statistics(statistics(1), LAYOUT, 3)
    encoded["moments"] = np.frombuffer(b"\x9e\x37\x79\xb9\x7f\x4a\x7c\x15" * 12, dtype=np.uint64).reshape(6, 2)
    with pytest.raises(GarbageSum, match="6 of 6 numbers"):
        ring.decode_statistics(encoded, LAYOUT, 3)


def test_a_million_numbers_are_encoded_within_a_second():
    values = np.random.default_rng(0).normal(size=10**6)
    start = time.process_time()
    ring.encode(values, 100.0, 96, name="x")
    assert time.process_time() - start < 1
