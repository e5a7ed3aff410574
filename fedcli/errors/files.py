"""Errors of files: a study, a table, a key or a fedcli file is wrong or cannot be read.

Owns the codes E3xx; each class is one. A code is never reused. Stable: callers branch on the class.
"""

from __future__ import annotations

from fedcli.errors.base import FileError


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
    """A table cannot be read; ``column`` names the one without which it could."""

    code = "E310"
    column = ""


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
    """The folder is not a workspace."""

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


class ExtraMissing(FileError):
    """A package that this kind of table needs is not installed."""

    code = "E327"


class NoDatabase(FileError):
    """The database cannot be reached, or does not let this person in."""

    code = "E328"


class BadQuery(FileError):
    """The database refuses the query, or there is none."""

    code = "E329"


class PasswordInAddress(FileError):
    """The address of a database holds a password."""

    code = "E330"
    default_hint = (
        "take it out and change it; PostgreSQL reads it from ~/.pgpass, from the file that PGPASSFILE names, or from a "
        "service file"
    )


class NotADate(FileError):
    """A date column holds what is no day in the spelling that the silo stated."""

    code = "E331"


class NotWhole(FileError):
    """A count holds a fraction."""

    code = "E332"


class EntryTooLate(FileError):
    """A row is seen from a time on that is not before the one until which it was seen."""

    code = "E333"
