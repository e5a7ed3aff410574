from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedcli.crypto import lowpoints
from fedcli.errors import WeakKey

BASE = lowpoints.decode_point(bytes.fromhex("58" + "66" * 31))


def encoded(point: lowpoints.Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, lowpoints.P)
    x, y = x * inverse % lowpoints.P, y * inverse % lowpoints.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def torsion() -> list[lowpoints.Point]:
    """The eight points whose order divides 8: multiples of L times a point with a part of order 8."""
    for candidate in range(2, 100):
        point = lowpoints.decode_point(candidate.to_bytes(32, "little"))
        if point is None:
            continue
        small = lowpoints.multiply(lowpoints.L, point)
        if not lowpoints.is_identity(lowpoints.multiply(4, small)):
            return [lowpoints.multiply(factor, small) for factor in range(8)]
    raise AssertionError("no point of order 8 found")


def test_blocklist_is_every_encoding_of_the_points_of_small_order() -> None:
    derived: set[bytes] = set()
    for point in torsion():
        x, y, z, _ = point
        inverse = pow(z, -1, lowpoints.P)
        x, y = x * inverse % lowpoints.P, y * inverse % lowpoints.P
        signs = (0, 1) if x == 0 else (x & 1,)
        for number in (y, y + lowpoints.P):
            if number < 2**255:
                derived |= {(number | sign << 255).to_bytes(32, "little") for sign in signs}
    assert derived == lowpoints.LOW_ORDER
    assert len(derived) == 14


def test_arithmetic_agrees_with_the_backend_on_honest_keys() -> None:
    assert BASE is not None
    assert lowpoints.is_identity(lowpoints.multiply(lowpoints.L, BASE))
    for number in range(5):
        key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key().public_bytes_raw()
        point = lowpoints.decode_point(key)
        assert point is not None
        assert encoded(point) == key
        lowpoints.check_ed25519(key)


def test_key_with_a_part_of_low_order_is_refused() -> None:
    honest = lowpoints.decode_point(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw())
    assert honest is not None
    for point in torsion():
        mixed = encoded(lowpoints.add(honest, point))
        if lowpoints.is_identity(point):
            lowpoints.check_ed25519(mixed)
        else:
            with pytest.raises(WeakKey, match="low-order part"):
                lowpoints.check_ed25519(mixed)


def test_every_key_of_the_blocklist_is_refused() -> None:
    for key in lowpoints.LOW_ORDER:
        with pytest.raises(WeakKey, match="low-order point") as raised:
            lowpoints.check_ed25519(key)
        assert raised.value.code == "E407"


@pytest.mark.parametrize("key", [bytes([2]) + bytes(31), b"\xff" * 32, b"", bytes(31)])
def test_bytes_that_are_no_canonical_point_are_refused(key: bytes) -> None:
    with pytest.raises(WeakKey, match="canonical"):
        lowpoints.check_ed25519(key)


def test_honest_x25519_key_passes() -> None:
    lowpoints.check_x25519(X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw())


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        bytes([1]) + bytes(31),
        # u of order 8, twice, and p - 1, of order 4 on the twist (RFC 7748; Bernstein's list of small-order points).
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        (lowpoints.P - 1).to_bytes(32, "little"),
        # Second spellings: p, p + 1, 9 + p, and the unused top bit.
        lowpoints.P.to_bytes(32, "little"),
        (lowpoints.P + 1).to_bytes(32, "little"),
        (lowpoints.P + 9).to_bytes(32, "little"),
        (9 | 1 << 255).to_bytes(32, "little"),
    ],
)
def test_x25519_key_that_shares_zero_or_has_a_second_spelling_is_refused(key: bytes) -> None:
    with pytest.raises(WeakKey):
        lowpoints.check_x25519(key)
