"""Every error that fedcli raises on purpose: five families, one class per code.

The page of each code is in ``docs/errors.md``. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from fedcli.errors.base import FedcliError, FileError, NumericError, RefusedError, RoundError, TrustError
from fedcli.errors.files import (
    BadArchive,
    BadDocument,
    BadKeyFile,
    BadMapping,
    BadStudy,
    BadTable,
    BadTarget,
    BadTensors,
    BadYaml,
    CannotWrite,
    EmptyTable,
    FileMissing,
    MangledInTransit,
    MissingColumn,
    MissingValue,
    NewerFormat,
    NotAFedcliFile,
    NotANumber,
    NoWorkspace,
    OutOfRange,
    OutputExists,
    UnknownLevel,
    UnknownTopic,
    UnsafeKeyFile,
    WorkspaceExists,
    WrongPassphrase,
)
from fedcli.errors.numeric import (
    GarbageSum,
    NotConverged,
    OneClass,
    Separation,
    SingularHessian,
)
from fedcli.errors.refused import (
    AlreadyReleased,
    CellTooSmall,
    ContradictoryStudy,
    MaskedUnavailable,
    NotConfirmed,
    OutsideBound,
    StudyFrozen,
    TooFewRows,
    TooFewSilos,
    TooManyColumns,
    UnsupportedModel,
    WeakPassphrase,
)
from fedcli.errors.rounds import (
    AlreadyEnrolled,
    NotFinal,
    NotFrozen,
    NothingToDo,
    OtherAttempt,
    OtherRound,
    OtherSilo,
    OtherStudy,
    SecondUpdate,
    SilosMissing,
    StudyFinished,
)
from fedcli.errors.trust import (
    Altered,
    BadSignature,
    BindingMismatch,
    FingerprintMismatch,
    KeyChanged,
    LedgerBroken,
    Truncated,
    UnknownSigner,
    WeakKey,
    WrongRecipient,
)

__all__ = [
    "AlreadyEnrolled",
    "AlreadyReleased",
    "Altered",
    "BadArchive",
    "BadDocument",
    "BadKeyFile",
    "BadMapping",
    "BadSignature",
    "BadStudy",
    "BadTable",
    "BadTarget",
    "BadTensors",
    "BadYaml",
    "BindingMismatch",
    "CannotWrite",
    "CellTooSmall",
    "ContradictoryStudy",
    "EmptyTable",
    "FedcliError",
    "FileError",
    "FileMissing",
    "FingerprintMismatch",
    "GarbageSum",
    "KeyChanged",
    "LedgerBroken",
    "MangledInTransit",
    "MaskedUnavailable",
    "MissingColumn",
    "MissingValue",
    "NewerFormat",
    "NoWorkspace",
    "NotAFedcliFile",
    "NotANumber",
    "NotConfirmed",
    "NotConverged",
    "NotFinal",
    "NotFrozen",
    "NothingToDo",
    "NumericError",
    "OneClass",
    "OtherAttempt",
    "OtherRound",
    "OtherSilo",
    "OtherStudy",
    "OutOfRange",
    "OutputExists",
    "OutsideBound",
    "RefusedError",
    "RoundError",
    "SecondUpdate",
    "Separation",
    "SilosMissing",
    "SingularHessian",
    "StudyFinished",
    "StudyFrozen",
    "TooFewRows",
    "TooFewSilos",
    "TooManyColumns",
    "Truncated",
    "TrustError",
    "UnknownLevel",
    "UnknownSigner",
    "UnknownTopic",
    "UnsafeKeyFile",
    "UnsupportedModel",
    "WeakKey",
    "WeakPassphrase",
    "WorkspaceExists",
    "WrongPassphrase",
    "WrongRecipient",
    "all_errors",
]


def all_errors() -> dict[str, type[FedcliError]]:
    """Return every concrete error class by its code."""
    found: dict[str, type[FedcliError]] = {}
    families: list[type[FedcliError]] = [FileError, TrustError, RefusedError, RoundError, NumericError]
    for family in families:
        for cls in family.__subclasses__():
            # One without a code of its own stands for another error.
            if "code" in vars(cls):
                found[cls.code] = cls
    return dict(sorted(found.items()))
