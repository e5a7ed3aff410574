"""Tails of distributions that tests need, in NumPy's and the standard library's arithmetic alone.

Owns the probability beyond an F. Knows nothing of models. Internal.

References
----------
Press, Teukolsky, Vetterling, Flannery, Numerical Recipes (2007), section 6.4: the incomplete beta function by its
continued fraction, after Lentz.
"""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p

_TINY = 1e-300
_STEPS = 10_000
# From here on three terms of Stirling's series are exact to rounding.
_LARGE = 100.0


def f_tail(value: float, between: float, within: float) -> float:
    """Return the probability that an F of these degrees of freedom exceeds ``value``.

    Parameters
    ----------
    value : float
        0 or above; infinite for certainty.
    between, within : float
        Degrees of freedom above and below the line, above 0.

    Examples
    --------
    >>> round(f_tail(4.964603, 1, 10), 6)
    0.05
    """
    if value <= 0:
        return 1.0
    if value == inf:
        return 0.0
    return _beta_share(within / 2, between / 2, within, between * value)


def _beta_share(a: float, b: float, one: float, other: float) -> float:
    """Return the regularised incomplete beta function at ``one / (one + other)``."""
    x, rest = one / (one + other), other / (one + other)
    # Both logarithms keep their digits, however small either share is.
    log_x = log1p(-rest) if rest < 0.5 else log(x) if x else -inf
    log_rest = log1p(-x) if x < 0.5 else log(rest) if rest else -inf
    if log_x == -inf:
        return 0.0
    if log_rest == -inf:
        return 1.0
    front = _log_beta(a, b) + a * log_x + b * log_rest
    if x < (a + 1) / (a + b + 2):
        return exp(front) * _fraction(a, b, x) / a
    return 1.0 - exp(front) * _fraction(b, a, rest) / b


def _log_beta(a: float, b: float) -> float:
    """Return the logarithm of ``Gamma(a + b) / (Gamma(a) Gamma(b))``."""
    large, small = max(a, b), min(a, b)
    if large < _LARGE:
        return lgamma(a + b) - lgamma(a) - lgamma(b)
    # Stirling's series of both large terms, their difference taken by hand: lgamma would lose it.
    both = large + small
    ratio = (both - 0.5) * log1p(small / large) + small * log(large) - small
    for power, part in ((1, 12), (3, -360), (5, 1260)):
        ratio += (1 / both**power - 1 / large**power) / part
    return ratio - lgamma(small)


def _fraction(a: float, b: float, x: float) -> float:
    up, down = 1.0, 1.0 / _safe(1.0 - (a + b) * x / (a + 1))
    found = down
    for m in range(1, _STEPS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            down = 1.0 / _safe(1.0 + step * down)
            up = _safe(1.0 + step / up)
            change = up * down
            found *= change
        if abs(change - 1.0) < 1e-16:
            break
    return found


def _safe(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
