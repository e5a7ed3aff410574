"""Refusals: fedcli could, but the rules say no.

Owns the codes E5xx; each class is one. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from fedcli.errors.base import RefusedError


class CellTooSmall(RefusedError):
    """A group of rows is smaller than the study allows."""

    code = "E501"


class TooFewRows(RefusedError):
    """The silo has fewer rows than the study requires."""

    code = "E502"


class TooManyColumns(RefusedError):
    """Too few rows per column: the sums would give back single rows."""

    code = "E503"


class MaskedUnavailable(RefusedError):
    """The study asks for masked aggregation, which this version cannot do."""

    code = "E504"


class AlreadyReleased(RefusedError):
    """An update for this attempt has left, and the data are no longer the same."""

    code = "E505"


class NotConfirmed(RefusedError):
    """A question had to be asked and nobody was there to answer."""

    code = "E506"


class UnsupportedModel(RefusedError):
    """The study names an estimator, or a parameter, that this version does not fit."""

    code = "E507"


class TooFewSilos(RefusedError):
    """Fewer silos than the study allows."""

    code = "E508"


class OutsideBound(RefusedError):
    """A sum is larger than the study's ranges permit."""

    code = "E509"


class StudyFrozen(RefusedError):
    """A frozen study cannot be changed."""

    code = "E510"


class WeakPassphrase(RefusedError):
    """The passphrase is too short."""

    code = "E511"


class ContradictoryStudy(RefusedError):
    """Two choices in the study exclude each other."""

    code = "E512"


class DominantRow(RefusedError):
    """At a point of the model one row would have nearly all the weight, and so show."""

    code = "E513"


class TooFewRowsDiffer(RefusedError):
    """Less an earlier release, this one would show the sums of a few rows."""

    code = "E514"


class NoProfile(RefusedError):
    """The study agreed on nothing that describes the pool."""

    code = "E515"


class NotApproved(RefusedError):
    """The silo's own rules ask for a reviewer's approval, and there is none of this sheet."""

    code = "E519"
