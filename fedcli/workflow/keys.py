"""`keys new` and `keys show`.

Owns the three files that enrolment makes. Knows nothing of formats or screens. Stable: part of the Python API.
"""

from __future__ import annotations

from pathlib import Path

from fedcli.crypto import age
from fedcli.crypto.keys import PublicKey, SecretKey, check_passphrase, generate, lock
from fedcli.crypto.secretfile import write_secret
from fedcli.errors import BadStudy, OutputExists
from fedcli.fileformat import canonical
from fedcli.fileformat.manifest import Manifest
from fedcli.study.document import valid_name
from fedcli.workflow.files import SOFTWARE, Passphrase, open_key, read_public_key, write_signed
from fedcli.workflow.results import KeyMade, KeyShown
from fedcli.workflow.workspace import make_folder, need_file, write_file

_AGE_INTRO = b"age-encryption.org/"


def keys_new(name: str, *, passphrase: str, out: Path | str = ".", log2_n: int = 18) -> KeyMade:
    """Make a key pair: ``NAME.fedkey`` (secret, passphrase), ``NAME.fedpub`` (public), ``NAME.fedmask`` (secret).

    The mask secret belongs to one study's masked aggregation and is destroyed after `join`, while the key lives on; so
    it is a file of its own, encrypted to the key.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and hyphens, as it will stand in file names.
    passphrase : str
        At least 14 characters.
    out : path
        The folder.
    log2_n : int
        Cost of guessing the passphrase: scrypt with N = 2**log2_n.

    Raises
    ------
    WeakPassphrase, OutputExists, BadStudy, CannotWrite
    """
    check_name(name)
    check_passphrase(passphrase)
    folder = Path(out)
    secret_path, public_path, mask_path = (folder / f"{name}.{end}" for end in ("fedkey", "fedpub", "fedmask"))
    make_folder(folder)
    for path in (secret_path, public_path, mask_path):
        if path.exists() or path.is_symlink():
            raise OutputExists(
                f"'{path}' is already there", hint="a key is never overwritten: choose another name or folder"
            )
    secret, mask_secret = generate(name)
    public = secret.public(mask_secret)
    write_secret(secret_path, lock(secret, passphrase, log2_n=log2_n))
    recipient = public.mlkem768x25519
    write_file(mask_path, lambda file: age.encrypt([mask_secret], file, [recipient]), mode=0o600)
    _write_public(public_path, secret, public)
    return KeyMade(name, secret_path, public_path, mask_path, public.fingerprint)


def check_name(name: str) -> None:
    """Refuse a name that cannot begin file names, before anybody is asked for a passphrase.

    Raises
    ------
    BadStudy
    """
    if not valid_name(name):
        raise BadStudy(
            f"'{name}' cannot be a name: use 1 to 40 lower-case letters, digits and hyphens",
            hint="for example: fedcli keys new north-hospital",
        )


def _write_public(path: Path, secret: SecretKey, public: PublicKey) -> None:
    payload = canonical.dumps(public.to_document())
    manifest = Manifest(
        type="fedcli-key/1",
        study="",
        name="",
        roster="",
        round=0,
        attempt=0,
        parent="",
        sender=public.name,
        recipients=[],
        previous="",
        ledger="",
        final=False,
        software=SOFTWARE,
    )
    write_signed(path, manifest, [payload], len(payload), key=secret, recipients=None, payload_name="key.json")


def keys_show(path: Path | str, *, passphrase: Passphrase | None = None) -> KeyShown:
    """Return the name and the fingerprint of a key file; a secret one needs its passphrase.

    Raises
    ------
    FileMissing, NotAFedcliFile, TrustError, WrongPassphrase
    """
    path = need_file(Path(path), what="key file")
    with path.open("rb") as file:
        secret = file.read(len(_AGE_INTRO)) == _AGE_INTRO
    if secret:
        key = open_key(path, passphrase)
        return KeyShown(key.name, key.public_identity().fingerprint, secret=True)
    key_public = read_public_key(path)
    return KeyShown(key_public.name, key_public.fingerprint, secret=False)
