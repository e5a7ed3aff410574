"""Errors of mathematics: it did not finish.

Owns the codes E7xx; each class is one. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from fedcli.errors.base import NumericError


class NotConverged(NumericError):
    """The rounds that the study allows are used up."""

    code = "E701"


class Separation(NumericError):
    """A column separates the classes completely: its coefficient has no finite value."""

    code = "E702"


class SingularHessian(NumericError):
    """A column is constant, or copies another, over all silos."""

    code = "E703"


class OneClass(NumericError):
    """All rows of all silos have the same class."""

    code = "E704"


class GarbageSum(NumericError):
    """The sum of the updates is not a possible one."""

    code = "E705"


class Diverged(NumericError):
    """Training at a silo grew without end."""

    code = "E706"
