"""The coordinator's inbox: which files are this round's updates, which stop it, and which are passed over, and why.

Owns one answer for `aggregate` and `status`, so that what one shows the other merges. Knows nothing of mathematics,
screens or what is encrypted. Internal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fedcli.errors import (
    FedcliError,
    FileMissing,
    NotAFedcliFile,
    RoundError,
    SecondUpdate,
    SilosMissing,
)
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.mangled import packed_as
from fedcli.fileformat.manifest import Manifest
from fedcli.protocol.intake import Expected, Intake
from fedcli.workflow.coordinator import CoordinatorSide
from fedcli.workflow.files import open_file, verified_manifest

_ENDING = ".fedupdate"


@dataclass(frozen=True)
class Found:
    """One file: a verified update that counts, one that stops the round, or one that is passed over.

    Parameters
    ----------
    path : Path
    manifest : Manifest or None
        Verified; None for what is not a fedcli file or does not verify.
    problem : FedcliError or None
        Why nothing may be summed while this file is here.
    passed : str
        Why the file is left alone, in a few words; the round goes on without it.
    """

    path: Path
    manifest: Manifest | None
    problem: FedcliError | None = None
    passed: str = ""


class UpdatesRefused(RoundError):
    """One or more files cannot be used; ``found`` says which. Its code and status are those of the first problem."""

    def __init__(self, found: Sequence[Found], first: FedcliError) -> None:
        super().__init__(first.message, hint=first.hint, where=first.where)
        self.code, self.exit_status = first.code, first.exit_status  # type: ignore[misc]
        self.found = tuple(found)
        self.first = first


@dataclass(frozen=True)
class Inbox:
    """What was found, sorted.

    Parameters
    ----------
    found : tuple of Found
        In the order of the files' names.
    intake : Intake
        Holds the updates that count.
    """

    found: tuple[Found, ...]
    intake: Intake

    @property
    def refused(self) -> tuple[Found, ...]:
        """Files that stop the round."""
        return tuple(item for item in self.found if item.problem is not None)

    @property
    def passed(self) -> tuple[Found, ...]:
        """Files that are left alone."""
        return tuple(item for item in self.found if item.passed)

    @property
    def unusual(self) -> tuple[Found, ...]:
        """Files that are left alone, without what every inbox holds: one file of each update of an earlier round."""
        held: list[str] = []
        found = []
        for item in self.passed:
            digest = item.manifest.digest() if item.manifest is not None else ""
            if not digest or digest in held:
                found.append(item)
            held.append(digest)
        return tuple(found)

    @property
    def here(self) -> tuple[str, ...]:
        """Silos whose update counts, in the roster's order; of two different ones of a silo neither does."""
        torn = {
            item.manifest.sender
            for item in self.refused
            if item.manifest is not None and isinstance(item.problem, SecondUpdate)
        }
        whole = self.intake.accepted.keys() - torn
        return tuple(name for name in self.intake.expected.study.silo_names if name in whole)

    def file_of(self, silo: str) -> Path:
        """Return the file of the update that counts for a silo."""
        digest = self.intake.accepted[silo].digest()
        return next(item.path for item in self.found if item.manifest is not None and item.manifest.digest() == digest)

    def complete(self, *, without: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the silos that are in, if nothing stops the round and that is enough to go on.

        Raises
        ------
        UpdatesRefused, SilosMissing, TooFewSilos, OtherSilo
        """
        if self.refused:
            first = self.refused[0].problem
            assert first is not None  # noqa: S101 - every refused item carries its problem
            raise UpdatesRefused(self.found, first)
        try:
            return self.intake.complete(without=without)
        except SilosMissing as missing:
            packed = [item.path.name for item in self.passed if _is_packed(item.path)]
            if packed:
                missing.hint = f"unpack {', '.join(packed)} in inbox/: an update may be inside; else {missing.hint}"
            raise


def sort_inbox(
    side: CoordinatorSide, expected: Expected, paths: Sequence[Path] = (), *, without: tuple[str, ...] = ()
) -> Inbox:
    """Verify every file and say what becomes of it.

    Parameters
    ----------
    side : CoordinatorSide
    expected : Expected
        What the coordinator waits for.
    paths : sequence of Path
        Files named on the command line: none of them is passed over. Without any, everything in ``inbox/``.
    without : tuple of str
        Silos whose updates are left out.
    """
    intake = Intake(expected)
    if paths:
        places = list(paths)
    else:
        places = sorted(path for path in side.workspace.inbox.iterdir() if not path.name.startswith("."))
    opened = [_opened(side, path, named=bool(paths)) for path in places]
    return Inbox(tuple(_admitted(item, intake, named=bool(paths), without=without) for item in opened), intake)


def _opened(side: CoordinatorSide, path: Path, *, named: bool) -> Found:
    """Verify one file.

    In the inbox, what is no fedcli file and does not call itself an update is somebody else's (a folder's thumbnails, a
    letter) and is passed over. A broken file that does is not: it may be the update that is waited for.
    """
    try:
        with open_file(path) as file:
            envelope = read_envelope(file)
            if envelope.kind != "update":
                what = f"a fedcli {envelope.kind} file, not an update"
                if not named:
                    return Found(path, None, passed=what)
                raise NotAFedcliFile(f"'{path.name}' is {what}", hint="leave it out")
            return Found(path, verified_manifest(envelope, side.study.roster, path))
    except FedcliError as error:
        others = isinstance(error, (NotAFedcliFile, FileMissing)) and path.suffix != _ENDING
        if named or not others:
            return Found(path, None, error)
        return Found(path, None, passed=foreign(path))


def foreign(path: Path) -> str:
    """Say what something in an inbox is that is no fedcli file."""
    if path.is_dir():
        return "a folder: what it holds is not looked at"
    packed = _is_packed(path)
    return f"{packed}: unpack it here, a fedcli file may be inside" if packed else "not a fedcli file"


def _is_packed(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return packed_as(file.read(16))
    except OSError:
        return None


def _admitted(item: Found, intake: Intake, *, named: bool, without: tuple[str, ...]) -> Found:
    manifest, expected = item.manifest, intake.expected
    if manifest is None:
        return item
    if not named and manifest.study == expected.digest:
        over = _over(manifest, expected)
        if over:
            return replace(item, passed=over)
    if manifest.sender in without:
        return replace(item, passed=f"{manifest.sender} is left out with --without")
    try:
        intake.add(manifest, what=f"'{item.path.name}'")
    except FedcliError as error:
        return replace(item, problem=error)
    return item


def _over(manifest: Manifest, expected: Expected) -> str:
    """Say why an update belongs to what is over; an empty text if it does not."""
    wanted = expected.attempts.get(manifest.sender, 1)
    if manifest.attempt <= wanted and manifest.round < expected.round:
        again = f", attempt {manifest.attempt}" if manifest.attempt < wanted else ""
        return f"of round {manifest.round}{again}, which is summed already"
    if manifest.attempt < wanted:
        return f"attempt {manifest.attempt} of round {manifest.round}; attempt {wanted} was asked for"
    return ""


def by_reason(passed: Sequence[Found]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of files that were passed over, by the reason."""
    found: dict[str, tuple[str, ...]] = {}
    for item in passed:
        found[item.passed] = (*found.get(item.passed, ()), item.path.name)
    return found
