"""What DATA names: a file, a folder, a pattern, or the address of a database; and how it is written down.

Owns telling them apart and making a path relative to a workspace. Must not open anything, nor load Polars. Internal.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SQLITE = re.compile(r"(sqlite(?:\+[a-z]+)?:///)(?!/|:memory:|$)(.*)", re.IGNORECASE)


def is_address(data: Path | str) -> bool:
    """Say whether DATA is the address of a database: ``postgresql://...``, ``sqlite:///visits.db``."""
    return isinstance(data, str) and _ADDRESS.match(data) is not None


def is_pattern(path: Path) -> bool:
    """Say whether ``path`` is a pattern, and not the name of a file that has such signs in it."""
    return glob.has_magic(str(path)) and not path.exists()


def can_only_be_a_table(data: str) -> bool:
    """Say whether DATA is no single file: an address, a folder or a pattern."""
    return is_address(data) or Path(data).is_dir() or is_pattern(Path(data))


def recorded(data: Path | str, root: Path) -> str:
    """Return DATA as ``silo.yaml`` in ``root`` records it: files relative to it, addresses as they are.

    A SQLite database is a file: its address holds a path, which is made relative too. `located` is the way back.
    """
    if is_address(data):
        match = _SQLITE.fullmatch(str(data))
        return match[1] + _relative(Path(match[2]), root) if match else str(data)
    return _relative(Path(data), root)


def located(data: str, root: Path) -> Path | str:
    """Return what ``silo.yaml`` in ``root`` records, as seen from the current folder."""
    if is_address(data):
        match = _SQLITE.fullmatch(data)
        return match[1] + str(root / match[2]) if match else data
    return root / data


def _relative(path: Path, root: Path) -> str:
    return os.path.relpath(path.resolve(), root.resolve())
