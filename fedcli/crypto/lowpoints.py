"""Public keys that must not be enrolled: curve points whose signatures or secrets prove nothing.

Owns the tests of Ed25519 and X25519 public keys at enrolment. Knows nothing of names, files or signatures; verifying
itself stays with ``cryptography``. Public values only, so nothing here runs in constant time. Internal.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from fedcli.errors import WeakKey

# Edwards25519 (RFC 8032, section 5.1): -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo p. The curve has 8 L points
# and L is prime. An honest key is a multiple of the base point and has order exactly L.
P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P
_SQRT_MINUS_1: Final = pow(2, (P - 1) // 4, P)

# Every encoding of the eight points whose order divides 8. For such a key A, the term k*A of the verification equation
# takes at most eight values whatever the message is, so one signature verifies for many messages (for all of them when
# A is the identity) and its owner can deny them all. A self-signature proves nothing here, hence the list.
#
# How the fourteen come about: the 32 bytes hold y, little endian, and the sign of x in the top bit.
#   y = 1   the identity, x = 0.   y and y + p both fit into 255 bits; x = 0 wrongly allows both signs   4 encodings
#   y = -1  order 2, x = 0.        y + p does not fit; both signs                                        2
#   y = 0   order 4, x = +-sqrt(-1). y and y + p fit; the signs are two different points                 4
#   +-y8    order 8, x = +-...     y8^2 = (sqrt(1 + d) - 1) / d, which makes 2Q a point with y = 0        4
# The tests derive them again by arithmetic.
LOW_ORDER: Final = frozenset(
    bytes.fromhex(encoding)
    for encoding in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
)

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, T = XY/Z
IDENTITY: Final[Point] = (0, 1, 1, 0)
_HINT = "have the owner make a new key with: fedcli keys new NAME"


@lru_cache(maxsize=1024)  # a study's roster is read by every command, many times over by a simulation
def check_ed25519(key: bytes) -> None:
    """Refuse an Ed25519 public key that is not a point of order exactly L.

    Low-order keys are refused by list, then by arithmetic everything else that honest software cannot make:
    encodings that are not canonical or not on the curve, and *mixed-order* keys A + T with T of order 2, 4 or 8.
    With a mixed-order key whether a signature verifies depends on the verifier's equation, with the factor 8 or
    without, so two honest tools can disagree about one file, and its author can choose messages by trial so that they
    do. ``ssh-keygen`` and fedcli must never disagree. The test is ``L * A == identity``: 252 doublings in Python's own
    integers, about two milliseconds, paid once per key.

    Parameters
    ----------
    key : bytes
        32 bytes, RFC 8032 encoding.

    Raises
    ------
    WeakKey
        The key may not be enrolled.

    References
    ----------
    Chalkias, Garillot, Nikolaenko, Taming the many EdDSAs (2020), section 4.
    """
    if key in LOW_ORDER:
        raise WeakKey("the Ed25519 key is a low-order point: one signature would verify for many messages", hint=_HINT)
    point = decode_point(key)
    if point is None:
        raise WeakKey("the Ed25519 key is not the canonical encoding of a curve point", hint=_HINT)
    if not is_identity(multiply(L, point)):
        raise WeakKey("the Ed25519 key has a low-order part: verifiers would disagree about its signatures", hint=_HINT)


def check_x25519(key: bytes) -> None:
    """Refuse an X25519 public key whose shared secret is zero with everybody, or that has a second spelling.

    X25519 multiplies by a multiple of 8, so the low-order points and only they give zero, with any secret: one
    exchange with a fixed one decides it.

    Parameters
    ----------
    key : bytes
        32 bytes, RFC 7748 encoding.

    Raises
    ------
    WeakKey
        The key may not be enrolled.
    """
    if int.from_bytes(key, "little") >= P:
        raise WeakKey("the X25519 key is not in its canonical encoding", hint=_HINT)
    try:
        X25519PrivateKey.from_private_bytes(b"\x40" * 32).exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError as error:
        raise WeakKey("the X25519 key is a low-order point: it would share the secret zero", hint=_HINT) from error


def decode_point(encoding: bytes) -> Point | None:
    """Return the point of a canonical encoding, or None where there is none (RFC 8032, section 5.1.3)."""
    number = int.from_bytes(encoding, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if len(encoding) != 32 or y >= P:
        return None
    # x^2 = u / v. With p = 5 modulo 8 one power gives a candidate that is off by a factor sqrt(-1) at most.
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * _SQRT_MINUS_1 % P
    if (v * x * x - u) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def multiply(scalar: int, point: Point) -> Point:
    """Return `scalar` times `point` by doubling and adding; not in constant time."""
    result = IDENTITY
    for bit in bin(scalar)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def add(first: Point, second: Point) -> Point:
    """Add two points; the law is complete, so that doubling and the identity need no case (RFC 8032, 5.1.4)."""
    x1, y1, z1, t1 = first
    x2, y2, z2, t2 = second
    a = (y1 - x1) * (y2 - x2) % P
    b = (y1 + x1) * (y2 + x2) % P
    c = 2 * t1 * t2 * D % P
    d = 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def is_identity(point: Point) -> bool:
    """Whether the point is (0, 1)."""
    x, y, z, _ = point
    return x % P == 0 and (y - z) % P == 0
