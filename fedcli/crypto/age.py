"""age v1 files to post-quantum recipients (``mlkem768x25519``) and to passphrases (``scrypt``).

Owns who can open a file and the order of the checks. Knows nothing of names, rosters or what the plaintext means.
Armour, X25519 and plugin recipients are left out: fedcli never writes them. Stable: ``age`` 1.3 opens what this writes.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fedcli.crypto import xwing
from fedcli.crypto.age_header import (
    FILE_KEY_BYTES,
    HEADER_CAP,
    Header,
    HeaderFailure,
    HmacFailure,
    Stanza,
    header_size,
    make_header,
    read_header,
)
from fedcli.crypto.age_stream import (
    NONCE_BYTES,
    PayloadFailure,
    Sink,
    open_stream,
    payload_size,
    read_nonce,
    seal_stream,
)
from fedcli.crypto.base64_strict import decode_unpadded, encode_unpadded
from fedcli.errors import WrongPassphrase, WrongRecipient

__all__ = [
    "HeaderFailure",
    "HmacFailure",
    "NoMatch",
    "PayloadFailure",
    "Sink",
    "decrypt",
    "decrypt_with_file_key",
    "decrypt_with_passphrase",
    "encrypt",
    "encrypt_with_passphrase",
    "encrypted_size",
]

_HYBRID, _HYBRID_INFO = "mlkem768x25519", b"age-encryption.org/mlkem768x25519"
_SCRYPT, _SCRYPT_LABEL = "scrypt", b"age-encryption.org/v1/scrypt"
_SALT_BYTES = 16
_WRAPPED_BYTES = FILE_KEY_BYTES + 16
# "-> mlkem768x25519 ", 1120 bytes and 32 bytes as unpadded base64, and two line ends.
_STANZA_SIZE: Final = 18 + 1494 + 1 + 43 + 1
MAX_RECIPIENTS: Final = (HEADER_CAP - header_size(_STANZA_SIZE, 0)) // _STANZA_SIZE
_WORK_FACTOR = re.compile(r"[1-9][0-9]?")


class NoMatch(WrongRecipient):
    """The header is in order, and no stanza opens with this key."""


def encrypt(chunks: Iterable[bytes], out: Sink, recipients: Sequence[bytes]) -> int:
    """Encrypt a stream so that each recipient alone can open it.

    Parameters
    ----------
    chunks : iterable of bytes-like
        The plaintext in order, pieces of any size; held 64 KiB at a time.
    out : Sink
        A buffered binary file, or anything else whose `write` takes all it is given.
    recipients : sequence of bytes
        Public X-Wing keys of 1216 bytes; at least one, at most 336 (a header of 512 KiB). Each adds 1557 bytes.

    Returns
    -------
    int
        Bytes written; equal to `encrypted_size` of what was encrypted.

    References
    ----------
    C2SP age, "The MLKEM768-X25519 hybrid post-quantum recipient type".
    """
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise ValueError(f"{len(recipients)} recipients; age headers here hold 1 to {MAX_RECIPIENTS}")
    file_key = secrets.token_bytes(FILE_KEY_BYTES)
    header = make_header([_wrap_hybrid(file_key, public) for public in recipients], file_key)
    written = out.write(bytes(header))
    return written + seal_stream(chunks, out, file_key, secrets.token_bytes(NONCE_BYTES))


def encrypted_size(plain_size: int, n_recipients: int) -> int:
    """Return the exact bytes that `encrypt` writes, so that a size can be checked before any key is used.

    >>> encrypted_size(1000, 1)
    2659
    """
    return header_size(_STANZA_SIZE, n_recipients) + payload_size(plain_size)


def decrypt(source: BinaryIO, seed: bytes) -> Iterator[bytes]:
    """Open a file with an X-Wing seed.

    The header is read and checked in this call, the payload as the iterator is consumed: nothing may be acted on before
    it is exhausted (see `age_stream.open_stream`).

    Parameters
    ----------
    source : binary file
        Buffered, at the first byte of the age file, and ending with its last.
    seed : bytes
        32 bytes.

    Raises
    ------
    NoMatch
        The file is not encrypted to this key (WrongRecipient, E403).
    HeaderFailure, HmacFailure, PayloadFailure
        It is no age file, or was changed on its way (Altered, E405).
    """
    header = read_header(source)
    return _open(source, header, _unwrap_hybrid(header.stanzas, seed))


def decrypt_with_file_key(source: BinaryIO, file_key: bytes) -> Iterator[bytes]:
    """Open a file whose file key is known by other means; otherwise as `decrypt`.

    For vectors and for auditors who were given the key of one file instead of a key that opens all.
    """
    return _open(source, read_header(source), file_key)


def encrypt_with_passphrase(plain: bytes, passphrase: str, *, log2_n: int = 18) -> bytes:
    """Encrypt a small secret under a passphrase.

    Parameters
    ----------
    plain : bytes
        Held in memory with its ciphertext.
    passphrase : str
        Any; `keys.check_passphrase` is what refuses short ones.
    log2_n : int
        scrypt with N = 2**log2_n, r = 8, p = 1. 18, age's own choice, costs 0.8 s and 256 MiB for each guess.
    """
    file_key, salt = secrets.token_bytes(FILE_KEY_BYTES), secrets.token_bytes(_SALT_BYTES)
    body = ChaCha20Poly1305(_stretch(passphrase, salt, log2_n)).encrypt(bytes(12), file_key, None)
    stanza = Stanza((_SCRYPT, encode_unpadded(salt), str(log2_n)), body)
    out = io.BytesIO()
    out.write(bytes(make_header([stanza], file_key)))
    seal_stream([plain], out, file_key, secrets.token_bytes(NONCE_BYTES))
    return out.getvalue()


def decrypt_with_passphrase(data: bytes, passphrase: str, *, max_log2_n: int = 20) -> bytes:
    """Open a file that was encrypted under a passphrase.

    Parameters
    ----------
    max_log2_n : int
        A larger work factor is refused before it costs anything: 20 is 1 GiB and 3 s; the file's author chose it.

    Raises
    ------
    WrongPassphrase
        The passphrase does not open the stanza. A stanza damaged in its salt or body looks the same.
    NoMatch
        The file has no passphrase at all.
    HeaderFailure, HmacFailure, PayloadFailure
        The file is damaged.
    """
    source = io.BytesIO(data)
    header = read_header(source)
    stanza = header.stanzas[0]
    if stanza.arguments[0] != _SCRYPT:
        raise NoMatch("the file is not encrypted under a passphrase", hint="name a secret key file that fedcli wrote")
    salt, log2_n = _scrypt_arguments(stanza, max_log2_n)
    try:
        file_key = ChaCha20Poly1305(_stretch(passphrase, salt, log2_n)).decrypt(bytes(12), stanza.body, None)
    except (InvalidTag, UnicodeEncodeError):
        # from None: an encoding error carries the passphrase itself.
        raise WrongPassphrase(
            "the passphrase does not open the file", hint="type it again; mind the keyboard layout and Caps Lock"
        ) from None
    return b"".join(_open(source, header, file_key))


def _open(source: BinaryIO, header: Header, file_key: bytes) -> Iterator[bytes]:
    header.check_mac(file_key)
    return open_stream(source, file_key, read_nonce(source))


def _wrap_hybrid(file_key: bytes, public: bytes) -> Stanza:
    encapsulated, body = xwing.seal(file_key, public, _HYBRID_INFO)
    return Stanza((_HYBRID, encode_unpadded(encapsulated)), body)


def _unwrap_hybrid(stanzas: Sequence[Stanza], seed: bytes) -> bytes:
    # All stanzas of the kind are checked before any is opened: a malformed one is refused whoever it was for.
    ours = [(_hybrid_argument(stanza), stanza.body) for stanza in stanzas if stanza.arguments[0] == _HYBRID]
    for encapsulated, body in ours:
        try:
            file_key = xwing.open_sealed(encapsulated, body, seed, _HYBRID_INFO)
        except xwing.LowOrderShare as error:
            raise HeaderFailure("a recipient stanza holds a low-order point, which no writer produces") from error
        if file_key is not None:
            return file_key
    raise NoMatch(
        f"none of the {len(stanzas)} recipients in the file is this key",
        hint="use the key that the file was made for, or ask the sender to encrypt it to yours",
    )


def _hybrid_argument(stanza: Stanza) -> bytes:
    if len(stanza.arguments) != 2:
        raise HeaderFailure(f"a {_HYBRID} stanza has {len(stanza.arguments) - 1} arguments instead of 1")
    encapsulated = _argument(stanza.arguments[1], xwing.ENCAPSULATED_BYTES, _HYBRID)
    _check_body(stanza)
    return encapsulated


def _scrypt_arguments(stanza: Stanza, max_log2_n: int) -> tuple[bytes, int]:
    if len(stanza.arguments) != 3:
        raise HeaderFailure(f"a {_SCRYPT} stanza has {len(stanza.arguments) - 1} arguments instead of 2")
    salt = _argument(stanza.arguments[1], _SALT_BYTES, _SCRYPT)
    # Not int() first: it accepts "+10", "0x" is refused only by luck, and a megabyte of digits takes its time.
    if not _WORK_FACTOR.fullmatch(stanza.arguments[2]) or int(stanza.arguments[2]) > max_log2_n:
        raise HeaderFailure(f"the work factor of the passphrase is not a number from 1 to {max_log2_n}")
    _check_body(stanza)
    return salt, int(stanza.arguments[2])


def _argument(text: str, length: int, kind: str) -> bytes:
    try:
        data = decode_unpadded(text)
    except ValueError as error:
        raise HeaderFailure(f"an argument of a {kind} stanza is not canonical base64") from error
    if len(data) != length:
        raise HeaderFailure(f"an argument of a {kind} stanza has {len(data)} bytes instead of {length}")
    return data


def _check_body(stanza: Stanza) -> None:
    # Before decrypting: a longer body can be made to open under several keys, and whether it does tells which key
    # (partitioning oracle). With 32 bytes there is room for the file key and its tag alone.
    if len(stanza.body) != _WRAPPED_BYTES:
        raise HeaderFailure(
            f"a {stanza.arguments[0]} stanza wraps {len(stanza.body)} bytes instead of {_WRAPPED_BYTES}"
        )


def _stretch(passphrase: str, salt: bytes, log2_n: int) -> bytes:
    return Scrypt(salt=_SCRYPT_LABEL + salt, length=32, n=1 << log2_n, r=8, p=1).derive(passphrase.encode())
