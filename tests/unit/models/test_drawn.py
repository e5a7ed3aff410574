"""Random numbers of a study: stored to the bit, and what their names say."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from scipy import stats

from fedcli.models.drawn import normals, uniforms

SEED = bytes(range(32))
NORMAL = [
    "0x1.290344164a3b5p+0",
    "-0x1.59b081132aee2p-1",
    "0x1.509a63945bef9p+0",
    "0x1.68488fc052300p+0",
    "-0x1.3b6eba0d67734p+0",
    "0x1.061e167bcc55ap-1",
]
UNIFORM = ["0x1.d111a1c155464p-1", "0x1.2373e09036490p-4", "0x1.60607f0c0d04ep-1", "0x1.99b7b3f106f97p-1"]
MANY_NORMAL = "543926780f8c5b49d0b99e8d7b6480f347df53fcce9dbfb69615f93ae445da99"
MANY_UNIFORM = "75a77a6fba7e032efc0c95d717fa35d89d15a6ddc48315707ceac47a1e481861"


def words(label: str, n: int) -> list[int]:
    """The stream as the page on formats has it."""
    stream = hashlib.shake_256(b"fedcli drawn 1\x00" + label.encode() + b"\x00" + SEED).digest(8 * n)
    return [int.from_bytes(stream[8 * i : 8 * i + 8], "big") >> 11 for i in range(n)]


def test_draws_are_the_stored_ones_to_the_bit() -> None:
    assert [value.hex() for value in normals(SEED, "RBFSampler weights", 6).tolist()] == NORMAL
    assert [value.hex() for value in uniforms(SEED, "RBFSampler offset", 4).tolist()] == UNIFORM
    many = normals(SEED, "RBFSampler weights", 5000), uniforms(SEED, "RBFSampler offset", 5000)
    assert [hashlib.sha256(values.astype("<f8").tobytes()).hexdigest() for values in many] == [
        MANY_NORMAL,
        MANY_UNIFORM,
    ]


def test_normal_numbers_are_the_polar_methods_within_the_rounding_of_floats() -> None:
    stream, expected = words("w", 6000), []
    for first, second in zip(stream[::2], stream[1::2], strict=True):
        a, b = (2 * word - 2**53 + 1 for word in (first, second))
        if (square := a * a + b * b) < 2**106:
            # Python divides whole numbers with one rounding, so that nothing is lost near 1.
            s = square / 2**106
            log_s = math.log(s) if s < 0.5 else math.log1p((square - 2**106) / 2**106)
            expected += [a / 2**53 * math.sqrt(-2 * log_s / s), b / 2**53 * math.sqrt(-2 * log_s / s)]
    np.testing.assert_allclose(normals(SEED, "w", 2000), expected[:2000], rtol=2e-15)
    assert uniforms(SEED, "w", 9).tolist() == [word / 2**53 for word in words("w", 9)]


def test_fewer_are_the_first_of_more() -> None:
    assert normals(SEED, "w", 7).tolist() == normals(SEED, "w", 2000)[:7].tolist()
    assert uniforms(SEED, "w", 7).tolist() == uniforms(SEED, "w", 2000)[:7].tolist()


@pytest.mark.parametrize(("drawn", "law"), [(normals, "norm"), (uniforms, "uniform")])
def test_they_are_distributed_as_they_are_called(drawn: object, law: str) -> None:
    assert stats.kstest(drawn(SEED, "law", 20_000), law).pvalue > 0.01


def test_another_seed_or_label_gives_others() -> None:
    first = normals(SEED, "a", 50)
    for other in (normals(SEED, "b", 50), normals(bytes(32), "a", 50)):
        assert not np.isin(first, other).any()


def test_nobody_can_change_what_is_remembered() -> None:
    with pytest.raises(ValueError, match="read-only"):
        normals(SEED, "a", 5)[0] = 0.0
