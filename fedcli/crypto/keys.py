"""Keys: what one member of a study signs, decrypts and masks with.

Owns the public and the secret key, their forms in files, and which public keys are acceptable. Knows nothing of
rosters, disks or screens. Stable: documents and key files outlive versions.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedcli.crypto import age, base64_strict, xwing
from fedcli.crypto.fingerprint import fingerprint_of, same_fingerprint
from fedcli.crypto.lowpoints import check_ed25519, check_x25519
from fedcli.crypto.passphrases import check_passphrase, new_passphrase
from fedcli.errors import BadDocument, BadKeyFile, NewerFormat, WeakKey, WrongPassphrase

__all__ = [
    "PublicKey",
    "SecretKey",
    "check_passphrase",
    "fingerprint_of",
    "generate",
    "lock",
    "mask_public",
    "new_passphrase",
    "same_fingerprint",
    "unlock",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LENGTHS: Final = {"ed25519": 32, "mldsa65": 1952, "mlkem768x25519": 1216}
_MASK: Final = "mask_x25519"
_SEEDS: Final = ("ed25519_seed", "mldsa65_seed", "mlkem768x25519_seed")
_SEED_BYTES: Final = 32
_SECRET_TYPE, _SECRET_MAJOR = "fedcli-secret/", "1"
_DAMAGED = "restore the key file from its backup; without one, make a new key and have it enrolled"


@dataclass(frozen=True)
class PublicKey:
    """The public half of a member's key. One that exists is one that may be enrolled: everything is checked here.

    Parameters
    ----------
    name : str
        ``[a-z0-9-]``, 1 to 40 characters, no hyphen in front.
    ed25519 : bytes of length 32
        Verifies signatures; OpenSSH knows the algorithm.
    mldsa65 : bytes of length 1952
        Verifies the post-quantum signatures.
    mlkem768x25519 : bytes of length 1216
        Receives encrypted files.
    mask_x25519 : bytes of length 32, optional
        For masked aggregation in one study. None for whoever sends no updates: the coordinator.

    Raises
    ------
    BadDocument
        The name or a length is wrong.
    WeakKey
        A key is of the known weak ones (see `lowpoints`).
    """

    name: str
    ed25519: bytes
    mldsa65: bytes
    mlkem768x25519: bytes
    mask_x25519: bytes | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise _bad("its name is not 1 to 40 lower-case letters, digits and hyphens")
        for kind, length in _LENGTHS.items():
            if len(getattr(self, kind)) != length:
                raise _bad(f"{kind} has {len(getattr(self, kind))} bytes instead of {length}")
        if self.mask_x25519 is not None and len(self.mask_x25519) != 32:
            raise _bad(f"{_MASK} has {len(self.mask_x25519)} bytes instead of 32")
        try:
            check_ed25519(self.ed25519)
            xwing.check_public(self.mlkem768x25519)
            if self.mask_x25519 is not None:
                check_x25519(self.mask_x25519)
        except WeakKey as error:
            raise WeakKey(f"the key of '{self.name}' is refused: {error.message}", hint=error.hint) from error

    @cached_property
    def fingerprint(self) -> str:
        """Six groups of five digits that stand for the name and the three keys of the identity.

        ``fingerprint_of(name || 00 || ed25519 || mldsa65 || mlkem768x25519, "key")``. The mask key is left out: it is
        made anew for each study and each change of a roster, while the digits stay those that people wrote down. It is
        no less protected, because the keys that are inside sign the document in which it travels.
        """
        framed = self.name.encode("ascii") + b"\x00" + self.ed25519 + self.mldsa65 + self.mlkem768x25519
        return fingerprint_of(framed, "key")

    def to_document(self) -> dict[str, str]:
        """Return the key as strings: its name, and base64 of each part that there is."""
        document = {kind: base64_strict.encode(getattr(self, kind)) for kind in _LENGTHS}
        if self.mask_x25519 is not None:
            document[_MASK] = base64_strict.encode(self.mask_x25519)
        return {"name": self.name, **document}

    @classmethod
    def from_document(cls, document: dict[str, str]) -> PublicKey:
        """Read what `to_document` wrote.

        Raises
        ------
        BadDocument
            A part is missing, unknown, not canonical base64 or of a wrong length.
        WeakKey
            A key is of the known weak ones.
        """
        required = {"name", *_LENGTHS}
        if not required <= document.keys() <= required | {_MASK}:
            raise _bad("its parts are not name, ed25519, mldsa65, mlkem768x25519 and, for a silo, mask_x25519")
        parts: dict[str, bytes] = {}
        for kind in document.keys() - {"name"}:
            try:
                parts[kind] = base64_strict.decode(document[kind])
            except ValueError as error:
                raise _bad(f"{kind} is not canonical base64") from error
        return cls(document["name"], **parts)


@dataclass(frozen=True, repr=False)
class SecretKey:
    """The secret half of a member's key: three seeds of 32 bytes, from which everything else follows.

    Python cannot wipe them from memory; that they do not appear in a traceback or a log is what is held here.
    """

    name: str
    ed25519_seed: bytes
    mldsa65_seed: bytes
    mlkem768x25519_seed: bytes

    def __repr__(self) -> str:
        return f"SecretKey(name={self.name!r}, seeds hidden)"

    def public(self, mask_secret: bytes) -> PublicKey:
        """Return the public key of a silo, given the secret of its mask key [32 bytes]."""
        return self._public(mask_public(mask_secret))

    def public_identity(self) -> PublicKey:
        """Return the public key without a mask key: what the fingerprint covers."""
        return self._public(None)

    def _public(self, mask_x25519: bytes | None) -> PublicKey:
        return PublicKey(
            name=self.name,
            ed25519=Ed25519PrivateKey.from_private_bytes(self.ed25519_seed).public_key().public_bytes_raw(),
            mldsa65=MLDSA65PrivateKey.from_seed_bytes(self.mldsa65_seed).public_key().public_bytes_raw(),
            mlkem768x25519=xwing.public_key(self.mlkem768x25519_seed),
            mask_x25519=mask_x25519,
        )

    def to_bytes(self) -> bytes:
        """Return the key as canonical JSON: secret, to be locked before it is stored."""
        document = {"type": _SECRET_TYPE + _SECRET_MAJOR, "name": self.name}
        document |= {kind: base64_strict.encode(getattr(self, kind)) for kind in _SEEDS}
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> SecretKey:
        """Read what `to_bytes` wrote.

        Raises
        ------
        BadKeyFile
            It is not, to the byte, what `to_bytes` writes. The message never quotes it.
        NewerFormat
            A newer fedcli wrote it.
        """
        try:
            document = json.loads(data)
            kind = str(document["type"])
            if kind.startswith(_SECRET_TYPE) and kind != _SECRET_TYPE + _SECRET_MAJOR:
                raise NewerFormat(f"the key file is of type {kind[:40]!r}, this fedcli reads {_SECRET_TYPE}1")
            secret = cls(document["name"], *(base64_strict.decode(document[seed]) for seed in _SEEDS))
            lengths = {len(getattr(secret, seed)) for seed in _SEEDS}
            sound = lengths == {_SEED_BYTES} and _NAME.fullmatch(secret.name) and secret.to_bytes() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # from None: decoding errors carry the text, and the text is the secret.
            raise BadKeyFile("the secret key is not in fedcli's form", hint=_DAMAGED) from None
        if not sound:
            raise BadKeyFile("the secret key is not in its canonical form", hint=_DAMAGED)
        return secret


def generate(name: str) -> tuple[SecretKey, bytes]:
    """Make a key for a name, and the secret of a first mask key.

    Returns
    -------
    secret : SecretKey
    mask_secret : bytes of length 32
        X25519. Kept apart: it serves one study and is destroyed when that is joined, the key lives on.

    Raises
    ------
    BadDocument
        The name is not one.
    """
    if not _NAME.fullmatch(name):
        raise _bad("its name is not 1 to 40 lower-case letters, digits and hyphens")
    secret = SecretKey(name, *(secrets.token_bytes(_SEED_BYTES) for _ in _SEEDS))
    return secret, secrets.token_bytes(32)


def mask_public(mask_secret: bytes) -> bytes:
    """Return the X25519 public key [32 bytes] of a mask secret [32 bytes]."""
    return X25519PrivateKey.from_private_bytes(mask_secret).public_key().public_bytes_raw()


def lock(secret: SecretKey, passphrase: str, *, log2_n: int = 18) -> bytes:
    """Return the contents of a ``.fedkey`` file: an age file under a passphrase.

    Parameters
    ----------
    log2_n : int
        Cost of one guess, see `age.encrypt_with_passphrase`.

    Raises
    ------
    WeakPassphrase
        Fewer than 14 characters.
    """
    check_passphrase(passphrase)
    return age.encrypt_with_passphrase(secret.to_bytes(), passphrase, log2_n=log2_n)


def unlock(data: bytes, passphrase: str) -> SecretKey:
    """Read the contents of a ``.fedkey`` file.

    Raises
    ------
    WrongPassphrase
        The passphrase does not open it. Damage to the file's salt or wrapped key, 48 bytes of it, looks the same.
    BadKeyFile
        The file is damaged anywhere else, or is no key file.
    NewerFormat
        A newer fedcli wrote it.
    """
    try:
        plain = age.decrypt_with_passphrase(data, passphrase)
    except age.NoMatch as error:
        raise BadKeyFile("this is not a secret key file: no passphrase protects it", hint=_DAMAGED) from error
    except (age.HeaderFailure, age.HmacFailure, age.PayloadFailure) as error:
        raise BadKeyFile(f"the key file is damaged: {error.message}", hint=_DAMAGED) from error
    except WrongPassphrase as error:
        raise WrongPassphrase(
            "the passphrase does not open the key file",
            hint="type it again; if it is certainly right, the file is damaged: restore it from its backup",
        ) from error
    return SecretKey.from_bytes(plain)


def _bad(what: str) -> BadDocument:
    return BadDocument(f"the public key is not in fedcli's form: {what}", hint="ask its owner to send it again")
