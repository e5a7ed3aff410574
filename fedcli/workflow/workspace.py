"""A workspace: the plain folder in which one institution keeps its side of one study.

Owns names of files and folders, finding them, and writing them whole or not at all. Knows nothing of what is in them.
Internal; the names are documented for people in ``docs/format.md``.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from fedcli.crypto.secretfile import sync_folder
from fedcli.data.source import shown
from fedcli.errors import CannotWrite, FileMissing, NoWorkspace, OutputExists

COORDINATOR_FILE = "coordinator.yaml"
SILO_FILE = "silo.yaml"
DRAFT_FILE = "study.yaml"


@dataclass(frozen=True)
class Workspace:
    """One institution's folder.

    Parameters
    ----------
    root : Path
    role : str
        ``coordinator`` or ``silo``.
    """

    root: Path
    role: str

    @property
    def inbox(self) -> Path:
        """Where files from others are put."""
        return self.root / "inbox"

    @property
    def outbox(self) -> Path:
        """Where files for others are written."""
        return self.root / "outbox"

    @property
    def keys(self) -> Path:
        """Public keys of enrolled silos (coordinator)."""
        return self.root / "keys"

    @property
    def archive(self) -> Path:
        """Encrypted sums of finished rounds (coordinator)."""
        return self.root / "archive"

    @property
    def private(self) -> Path:
        """What a silo remembers: its hold-out secret and its own last sums. Never leaves."""
        return self.root / "private"

    @property
    def review(self) -> Path:
        """Sheets of what would leave, for a reviewer, and kept of what left (silo)."""
        return self.root / "review"

    @property
    def ledger(self) -> Path:
        """What has left this institution."""
        return self.root / "ledger.jsonl"

    @property
    def draft(self) -> Path:
        """The agreement as people write it (coordinator)."""
        return self.root / DRAFT_FILE

    @property
    def settings(self) -> Path:
        """The institution's own file: where its key is, and at a silo its data and mapping."""
        return self.root / (COORDINATOR_FILE if self.role == "coordinator" else SILO_FILE)

    @property
    def study_file(self) -> Path | None:
        """The frozen study, or None while it is a draft."""
        found = sorted(self.root.glob("*.fedstudy"))
        if len(found) > 1:
            raise NoWorkspace(
                f"{_shown(self.root)} holds {len(found)} studies: {', '.join(path.name for path in found)}",
                hint="a workspace is of one study: move the others away",
            )
        return found[0] if found else None


def find_workspace(root: Path | str) -> Workspace:
    """Return the workspace at ``root``.

    Raises
    ------
    NoWorkspace
        The folder holds neither side of a study.
    """
    root = Path(root)
    if (root / COORDINATOR_FILE).exists():
        return Workspace(root, "coordinator")
    if (root / SILO_FILE).exists() and list(root.glob("*.fedstudy")):
        return Workspace(root, "silo")
    raise NoWorkspace(
        f"{_shown(root)} is not a workspace of a study",
        hint="go to the folder that 'fedcli study init' or 'fedcli join' made, or name it with -C DIR",
    )


def make_folders(workspace: Workspace) -> None:
    """Make the folders of a workspace, ``private`` readable by its owner only."""
    folders = [workspace.inbox, workspace.outbox]
    folders += [workspace.keys, workspace.archive] if workspace.role == "coordinator" else [workspace.private]
    for folder in folders:
        make_folder(folder, mode=0o700 if folder == workspace.private else 0o755)


def make_folder(folder: Path, *, mode: int = 0o755) -> None:
    """Make a folder and those above it, if they are not there; one for its owner alone is closed to others if it is.

    Raises
    ------
    CannotWrite
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        if os.name == "posix" and mode == 0o700 and folder.stat().st_mode & 0o077:
            folder.chmod(mode)  # it was there already, open to others
    except OSError as exc:
        raise CannotWrite(
            f"cannot make the folder {shown(folder, 'of that name')}: {exc.strerror}",
            hint="choose another place, or ask for the right to write",
        ) from exc


def _shown(path: Path) -> str:
    return "this folder" if str(path) in (".", "") else shown(path)


def write_file(path: Path, write: Callable[[BinaryIO], object], *, force: bool = False, mode: int = 0o644) -> Path:
    """Write a file beside its place and rename it there, so that it is whole or absent.

    Parameters
    ----------
    path : Path
    write : callable
        Called with the open binary file, which can be read back and sought.
    force : bool
        Replace a file that is already there.
    mode : int
        Permissions of the new file.

    Raises
    ------
    OutputExists, CannotWrite
    """
    check_free(path, force=force)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    except OSError as exc:
        raise CannotWrite(
            f"cannot write {shown(path)}: {exc.strerror}",
            hint="choose another folder, or ask for the right to write here",
        ) from exc
    try:
        with os.fdopen(descriptor, "w+b") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        if force:
            beside.replace(path)
        else:
            try:
                os.link(beside, path)  # unlike a rename, this cannot replace a file that appeared meanwhile
            except FileExistsError as exc:
                raise OutputExists(f"'{path}' is already there") from exc
            except OSError:
                beside.replace(path)  # a file system without hard links, such as a USB stick's
    except OSError as exc:
        raise CannotWrite(f"cannot write {shown(path)}: {exc.strerror}", hint="is the disk full?") from exc
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return path


@contextmanager
def all_or_nothing(*places: Path) -> Iterator[None]:
    """Put back what was at ``places`` if what is written there together is interrupted, by an error or by Ctrl-C.

    Parameters
    ----------
    places : Path
        Files that are about to be written; what is there already is kept aside meanwhile.
    """
    aside = {place: place.with_name(f".{place.name}.{secrets.token_hex(4)}.part") for place in set(places)}
    try:
        for place, kept in aside.items():
            if place.exists():
                shutil.copy2(place, kept)
        yield
    except BaseException:
        for place, kept in aside.items():
            # A file that was there stays there throughout; only its content goes back.
            if kept.exists():
                kept.replace(place)
            else:
                place.unlink(missing_ok=True)
        raise
    finally:
        for kept in aside.values():
            kept.unlink(missing_ok=True)


def check_free(path: Path, *, force: bool = False) -> None:
    """Refuse a place where `write_file` could not write, before anything is computed or recorded.

    Raises
    ------
    OutputExists, CannotWrite
    """
    if path.is_dir():
        raise CannotWrite(f"'{path}' is a folder", hint="name the file to write")
    if path.is_symlink() or (path.exists() and not force):
        raise OutputExists(f"'{path}' is already there")
    if not path.parent.is_dir():
        raise CannotWrite(
            f"there is no folder {shown(path.parent, 'of that name')}", hint="make it first, or choose another place"
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise CannotWrite(
            f"cannot write {shown(path)}: permission denied",
            hint="choose another folder, or ask for the right to write here",
        )


def write_bytes(path: Path, data: bytes, *, force: bool = False, mode: int = 0o644) -> Path:
    """Write ``data`` whole or not at all.

    Parameters
    ----------
    path, data, force, mode
        See `write_file`.
    """
    return write_file(path, lambda out: out.write(data), force=force, mode=mode)


def append_line(path: Path, line: bytes) -> None:
    """Append one line, whole or not at all, and wait until it is on disk.

    Raises
    ------
    CannotWrite
    """
    with _appending(path) as out:
        size = os.fstat(out.fileno()).st_size
        try:
            written = 0
            while written < len(line):
                written += out.write(line[written:]) or 0
            os.fsync(out.fileno())
        except OSError:
            # A full disk takes what still fits. Where this fails as well, half a line is known for what it is.
            with suppress(OSError):
                out.truncate(size)
            raise


def cut_back(path: Path, size: int) -> None:
    """Take off the last bytes of a file: half a line that a run was writing when it stopped.

    Parameters
    ----------
    path : Path
    size : int
        How many [bytes].

    Raises
    ------
    CannotWrite
    """
    with _appending(path) as out:
        out.truncate(os.fstat(out.fileno()).st_size - size)
        os.fsync(out.fileno())


@contextmanager
def _appending(path: Path) -> Iterator[FileIO]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with FileIO(descriptor, "a") as out:
            yield out
        sync_folder(path.parent)
    except OSError as exc:
        raise CannotWrite(
            f"cannot write {shown(path)}: {exc.strerror}",
            hint="no update was made: none is without its line; make room on the disk, or let the file be written, "
            "then: fedcli train",
        ) from exc


def need_file(path: Path | str, *, what: str = "file") -> Path:
    """Return ``path`` if it is a file that exists.

    Raises
    ------
    FileMissing
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"there is no {what} {shown(path, 'of that name')}", hint="check the name and the folder")
    if not path.is_file():
        raise FileMissing(f"'{path}' is not a file", hint=f"name the {what} itself")
    return path
