"""What happened to a file that is not as it was written: the usual damage, in words that help the person.

Owns the diagnosis only; whether a file is refused never depends on it. Knows nothing of keys or disk. Internal.
"""

from __future__ import annotations

import base64
import codecs

from fedcli.errors import FileError, MangledInTransit, NotAFedcliFile

_FIRST = b"manifest.json"
_LITTLE, _BIG = (_FIRST.decode("ascii").encode(code) for code in ("utf-16-le", "utf-16-be"))
_WIDE = (_LITTLE, _BIG, codecs.BOM_UTF16_LE + _LITTLE, codecs.BOM_UTF16_BE + _BIG)
_BASE64 = base64.b64encode(_FIRST)[:16]
_ARMOUR = b"-----BEGIN SSH SIGNATURE-----"
_REPLACEMENT = "\ufffd".encode()

_NAME = "name a file that fedcli wrote: .fedpub, .fedstudy, .fedupdate or .fedmodel"

_PACKED = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "compressed with gzip",
    b"7z\xbc\xaf": "a 7z archive",
    b"\xfd7zXZ": "compressed with xz",
    b"BZh": "compressed with bzip2",
    b"(\xb5/\xfd": "compressed with zstd",
}
_OTHER = {
    b"age-encryption.org/": "an age file: a secret key (.fedkey), or a payload taken out of its file",
    b"-----BEGIN ": "a text with a key, a certificate or a signature",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet table",
    b"<": "a web page or XML; the download may have asked for a login",
    b"{": "a JSON text",
}


def packed_as(head: bytes) -> str | None:
    """Return what packed a file that begins with these bytes (a zip archive, gzip ...), or None."""
    return next((what for magic, what in _PACKED.items() if head.startswith(magic)), None)


def diagnose_start(head: bytes, total: int) -> FileError:
    """Return the error for a file whose first 512 bytes are not a header of ours.

    Parameters
    ----------
    head : bytes
        The first bytes, as many as there are up to 512.
    total : int
        Size of the file [bytes].
    """
    if total == 0:
        return NotAFedcliFile("the file is empty", hint="ask the sender to send it again")
    if head.startswith(_WIDE):
        return MangledInTransit("the file was re-saved as UTF-16 text")
    if head.startswith(codecs.BOM_UTF8 + _FIRST):
        return MangledInTransit("the file was re-saved as UTF-8 text: a byte order mark stands before it")
    # A mark alone says nothing: spreadsheets write it before their tables.
    head = _unmarked(head)
    if head.lstrip().startswith(_BASE64):
        return MangledInTransit("the file is still in base64, as mail programs pack attachments")
    if head.startswith(_FIRST) and not head[len(_FIRST) :].startswith(b"\0"):
        return MangledInTransit("the file was rewritten as text: the zero bytes of its first header are gone")
    for table, hint in ((_PACKED, "unpack it, then name the file inside"), (_OTHER, _NAME)):
        for magic, what in table.items():
            if head.startswith(magic):
                return NotAFedcliFile(f"the file is {what}", hint=hint)
    if looks_like_a_table(head):
        return NotAFedcliFile("the file is a table or another text, not one that fedcli writes", hint=_NAME)
    return NotAFedcliFile("the file does not begin like one that fedcli writes", hint=_NAME)


def _unmarked(head: bytes) -> bytes:
    """Return a text's first bytes in UTF-8, without a byte order mark."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return head.removeprefix(codecs.BOM_UTF8)


def looks_like_a_table(head: bytes) -> bool:
    """Whether a file's first bytes are lines of text whose first has cells."""
    head = _unmarked(head)
    # A stray byte or two may be of another encoding, or of a letter cut in half.
    first, _, rest = head.decode("utf-8", "ignore").partition("\n")
    return bool(rest) and any(sign in first for sign in ",;\t") and all(c.isprintable() or c in "\t\r" for c in first)


def diagnose_content(content: bytes) -> MangledInTransit | None:
    """Return the error for content that a program rewrote as text, or None where it shows no sign of that.

    Parameters
    ----------
    content : bytes
        Some thousand bytes from behind the first header.
    """
    at = content.find(_ARMOUR)
    if at >= 0 and content[at + len(_ARMOUR) :].startswith(b"\r\n"):
        return MangledInTransit("the line ends were rewritten (LF became CR LF)")
    # Four by chance in 64 KiB of ciphertext: less than one file in a thousand million.
    if content.count(_REPLACEMENT) >= 4:
        return MangledInTransit("the file was re-saved as UTF-8 text, and bytes were lost")
    return None
