"""Secret files on disk: written once for the owner alone, and read only if nobody else could.

Owns modes, links and sizes of files that hold secrets: the one place of this room that touches the disk. Knows nothing
of what they contain. Internal.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Final

from fedcli.errors import BadKeyFile, CannotWrite, FileMissing, OutputExists, UnsafeKeyFile

LARGEST: Final = 2**20
# Absent on Windows, where modes mean nothing either: there the folder's own access list must protect the file.
_NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_NO_BLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)
_HAS_MODES: Final = os.name == "posix"


def write_secret(path: Path, data: bytes) -> None:
    """Create a file of mode 0600 that holds `data`, and return when the disk has it.

    Created, never replaced: a secret that is overwritten is lost, and O_EXCL follows no link that somebody laid there.

    Raises
    ------
    OutputExists
        Something is already there, a dangling link included.
    CannotWrite
        The folder is missing, full or not writable; no part of the file stays behind.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY
    try:
        handle = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise OutputExists(
            f"'{path}' is already there", hint="a secret file is never overwritten: choose another name or folder"
        ) from error
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            if _HAS_MODES:
                os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _cannot_write(path, error) from error


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk: they must survive a crash as well as what is behind them.

    Some file systems cannot do it, and there is nothing to do then.
    """
    if not _HAS_MODES:
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_secret(path: Path) -> bytes:
    """Return the bytes of a secret file, if it is one that only its owner can read.

    Looked at through the open file, not the path, so that nothing can be exchanged between look and read.

    Raises
    ------
    FileMissing
        There is no such file.
    UnsafeKeyFile
        It is a symbolic link or no regular file, or group or others may read or write it.
    BadKeyFile
        It is larger than 1 MiB, or the disk or its rights do not let it be read.
    """
    try:
        # O_NONBLOCK: to open a named pipe would otherwise wait for a writer for ever.
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW | _NO_BLOCK | _BINARY)
    except FileNotFoundError as error:
        raise FileMissing(f"there is no file '{path}'", hint="check the name and the folder") from error
    except OSError as error:
        # Linux and macOS say ELOOP for a link met with O_NOFOLLOW, FreeBSD EMLINK.
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise UnsafeKeyFile(
                f"'{path}' is a symbolic link", hint="name the secret file itself, or copy it here"
            ) from error
        raise _cannot_read(path, error) from error
    try:
        # Before a file object is made of it: Python refuses to make one of a folder, with an error of its own.
        _check(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise _cannot_read(path, error) from error
    finally:
        os.close(handle)
    if len(data) > LARGEST:
        raise BadKeyFile(f"'{path}' is larger than {LARGEST:,} bytes: no secret file is", hint="name the right file")
    return data


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeKeyFile(f"'{path}' is not a regular file", hint="name the secret file itself")
    mode = stat.S_IMODE(status.st_mode)
    if _HAS_MODES and mode & 0o077:
        raise UnsafeKeyFile(
            f"others on this machine can use '{path}': its mode is {mode:04o}, it must be 0600",
            hint=f"if nobody has copied it, run: chmod 600 '{path}'",
        )


def _cannot_write(path: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"'{path}' cannot be written: {_reason(error)}", hint="check the folder's rights and the space on the disk"
    )


def _cannot_read(path: Path, error: OSError) -> BadKeyFile:
    return BadKeyFile(f"'{path}' cannot be read: {_reason(error)}", hint="check who owns the file and the folder")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
