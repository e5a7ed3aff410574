"""What a file is, said to somebody who named another one than was asked for.

Owns the words for each kind of file and what to name instead. Reads only a file's beginning, and verifies nothing.
Internal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from fedcli.errors import FedcliError, NotAFedcliFile
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.mangled import diagnose_start, looks_like_a_table

Wanted = Literal["a secret key", "a public key", "a frozen study"]

_KINDS = {
    "key": "a public key",
    "study": "a frozen study",
    "update": "an update",
    "model": "a model",
    "state": "the sums of a round",
    "approval": "an approval of a sheet",
}
SECRET_KEY: Final = "a secret key"  # noqa: S105 - the words for one
SEALED = "an encrypted file"
_TABLE = "a table"
_DRAFT = "a draft"
_HEAD = 4096
_HINTS: dict[str, str] = {
    "a secret key": "name the .fedkey file that 'fedcli keys new' wrote",
    "a public key": "name the .fedpub file that the silo sent",
    "a frozen study": "name the .fedstudy file that the coordinator sent",
}
_SPECIAL = {
    (
        "a public key",
        SECRET_KEY,
    ): "a secret key never leaves its owner: ask them for the .fedpub file, and if this "
    "one was sent to you, for a new key",
    ("a secret key", "a public key"): "name the .fedkey file that was written beside it; only its owner has it",
    ("a secret key", SEALED): "name the .fedkey file that was written beside it",
    ("a frozen study", _TABLE): "name the .fedstudy file that the coordinator sent; the table goes after --data",
    ("a frozen study", _DRAFT): "the coordinator signs it first: fedcli study freeze; then name the .fedstudy file",
}


def what_it_is(path: Path) -> str | None:
    """Say what a file is by its beginning; None where that shows nothing, or the file cannot be read."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(0)
            if head.startswith(b"age-encryption.org/"):
                # To a key, not under a passphrase. One that is damaged here is left to what reads secret keys.
                return SEALED if any(b"\n-> " + word in head for word in (b"mlkem", b"X25519 ")) else SECRET_KEY
            if head.startswith(b"manifest.json\x00"):
                return _KINDS[read_envelope(file).kind]
    except (OSError, FedcliError):
        return None
    if not isinstance(diagnose_start(head[:512], len(head)), NotAFedcliFile):
        return None  # one of ours that a program rewrote: reading it says so
    if any(line.startswith(b"study:") for line in head.splitlines()):
        return _DRAFT
    return _TABLE if head.startswith(b"PAR1") or looks_like_a_table(head) else None


def refuse_another_kind(path: Path, wanted: Wanted) -> None:
    """Refuse a file that is plainly something else than what was asked for.

    Said before the file's rights or contents are looked at: advice on how to protect a public key misleads.

    Raises
    ------
    NotAFedcliFile
    """
    found = what_it_is(path)
    if found is None or found == wanted or (found == SEALED and wanted != "a secret key"):
        return
    raise NotAFedcliFile(f"'{path}' is {found}, not {wanted}", hint=_SPECIAL.get((wanted, found), _HINTS[wanted]))
