"""Every error that fedcli raises on purpose: five families, one class per code.

Owns the code, the exit status, the message and the hint. Knows nothing of files, keys, numbers or screens.
The page of each code is in ``docs/errors.md``. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class FedcliError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message : str
        What is wrong, with numbers and names. Lower case, no full stop, never a secret or a row's value.
    hint : str
        The next thing to do: a command, or the person to call.
    where : path or str, optional
        The file, and the line where one is known (``study.yaml:12``).
    """

    code: ClassVar[str] = "E000"
    exit_status: ClassVar[int] = 70
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", where: Path | str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.where = None if where is None else str(where)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class FileError(FedcliError):
    """A study, a table, a key or a fedcli file is wrong or cannot be read."""

    exit_status = 3


class TrustError(FedcliError):
    """A file is not from whom it says, or was changed on its way."""

    exit_status = 4


class RefusedError(FedcliError):
    """Fedcli could, but the rules say no."""

    exit_status = 5


class RoundError(FedcliError):
    """A file is genuine but does not fit this study, round or silo."""

    exit_status = 6


class NumericError(FedcliError):
    """The mathematics did not finish."""

    exit_status = 7


# ---- E3xx: files -------------------------------------------------------------------------------------------------


class FileMissing(FileError):
    """There is no such file or folder."""

    code = "E301"


class NotAFedcliFile(FileError):
    """The file is not one that fedcli writes."""

    code = "E302"


class NewerFormat(FileError):
    """The file was written by a newer fedcli."""

    code = "E303"
    default_hint = "upgrade fedcli on this machine, then try again"


class MangledInTransit(FileError):
    """A mail program or an editor rewrote the file as text."""

    code = "E304"
    default_hint = "ask the sender to send it again as a binary attachment, or inside a zip"


class BadStudy(FileError):
    """The study document breaks its schema."""

    code = "E305"


class BadYaml(FileError):
    """A YAML file is too large, or uses what fedcli does not accept."""

    code = "E306"


class BadKeyFile(FileError):
    """A key file is damaged."""

    code = "E307"


class UnsafeKeyFile(FileError):
    """A secret key file can be read by others, or is a symbolic link."""

    code = "E308"


class WrongPassphrase(FileError):
    """The passphrase does not open the key."""

    code = "E309"


class BadTable(FileError):
    """A table cannot be read."""

    code = "E310"


class MissingColumn(FileError):
    """The table lacks a column of the study."""

    code = "E311"


class NotANumber(FileError):
    """A number column holds text."""

    code = "E312"


class OutOfRange(FileError):
    """A value lies outside the agreed range."""

    code = "E313"


class UnknownLevel(FileError):
    """A category column holds a level that the study does not name."""

    code = "E314"


class MissingValue(FileError):
    """A value is missing and the study names no imputation for its column."""

    code = "E315"


class BadTarget(FileError):
    """The target column holds a value that is neither of the agreed ones."""

    code = "E316"


class OutputExists(FileError):
    """The file to write is already there."""

    code = "E317"
    default_hint = "name another file with --out, or add --force to replace it"


class BadArchive(FileError):
    """The file's outer shape is not the one that fedcli writes."""

    code = "E318"


class BadDocument(FileError):
    """A signed document is not canonical, or breaks its schema."""

    code = "E319"


class BadTensors(FileError):
    """The numbers in a file are not the ones that the study lays down."""

    code = "E320"


class NoWorkspace(FileError):
    """This folder is not a workspace."""

    code = "E321"


class BadMapping(FileError):
    """The silo's own mapping in ``silo.yaml`` is wrong."""

    code = "E322"


class CannotWrite(FileError):
    """The file cannot be written here."""

    code = "E323"


class EmptyTable(FileError):
    """The table has no rows that can be used."""

    code = "E324"


class UnknownTopic(FileError):
    """``explain`` has no page of that name."""

    code = "E325"


class WorkspaceExists(FileError):
    """The folder already holds a workspace."""

    code = "E326"


# ---- E4xx: trust -------------------------------------------------------------------------------------------------


class BadSignature(TrustError):
    """A signature does not verify."""

    code = "E401"


class UnknownSigner(TrustError):
    """The signer is not in the roster of the study."""

    code = "E402"


class WrongRecipient(TrustError):
    """The file is not encrypted to this key."""

    code = "E403"


class Truncated(TrustError):
    """Bytes are missing at the end, or were added."""

    code = "E404"
    default_hint = "ask the sender to send the file again; mail gateways sometimes cut attachments"


class Altered(TrustError):
    """The contents differ from what was signed."""

    code = "E405"
    default_hint = "ask the sender to send the file again, and tell them that this copy was changed on its way"


class FingerprintMismatch(TrustError):
    """The fingerprint read on the phone is not the one of the file."""

    code = "E406"


class WeakKey(TrustError):
    """A public key is one of the known weak ones."""

    code = "E407"


class BindingMismatch(TrustError):
    """The contents belong to another file than the one they came in."""

    code = "E408"


class KeyChanged(TrustError):
    """A name that is already enrolled came with another key."""

    code = "E409"


class LedgerBroken(TrustError):
    """The ledger was edited or cut."""

    code = "E410"


# ---- E5xx: refused by the rules ----------------------------------------------------------------------------------


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


# ---- E6xx: genuine, but does not fit -----------------------------------------------------------------------------


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


# ---- E7xx: mathematics -------------------------------------------------------------------------------------------


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


def all_errors() -> dict[str, type[FedcliError]]:
    """Return every concrete error class by its code."""
    found: dict[str, type[FedcliError]] = {}
    families: list[type[FedcliError]] = [FileError, TrustError, RefusedError, RoundError, NumericError]
    for family in families:
        for cls in family.__subclasses__():
            found[cls.code] = cls
    return dict(sorted(found.items()))
