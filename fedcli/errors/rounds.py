"""Errors of rounds: a file is genuine but does not fit this study, round or silo.

Owns the codes E6xx; each class is one. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from fedcli.errors.base import RoundError


class OtherStudy(RoundError):
    """The file belongs to another study."""

    code = "E601"


class OtherRound(RoundError):
    """The file belongs to another round."""

    code = "E602"


class SecondUpdate(RoundError):
    """One silo sent two different updates for the same attempt."""

    code = "E603"


class SilosMissing(RoundError):
    """Not every silo's update is here."""

    code = "E604"


class StudyFinished(RoundError):
    """The study is finished: nothing more to send."""

    code = "E605"


class OtherAttempt(RoundError):
    """The update belongs to another attempt of this round."""

    code = "E606"


class NothingToDo(RoundError):
    """No file here continues the study."""

    code = "E607"


class NotFinal(RoundError):
    """The model is not the final one."""

    code = "E608"


class OtherSilo(RoundError):
    """The file or the key belongs to somebody else."""

    code = "E609"


class NotFrozen(RoundError):
    """The study is still a draft."""

    code = "E610"


class AlreadyEnrolled(RoundError):
    """The silo is already in the study."""

    code = "E611"
