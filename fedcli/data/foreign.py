"""Files that are no tables fedcli reads, known by their first bytes, and what to do about each.

Owns the list. Must not know paths, nor open anything. Internal. Without it such a file would be read as text with one
odd column, and the silo be asked which of its columns that is.
"""

from __future__ import annotations

import re

_AS_TEXT = "save it as CSV (UTF-8)"
_BY_ITS_PROGRAM = "let the program that wrote it write CSV (UTF-8) or Parquet"
_UNPACK = "unpack it, and name the file or the folder"
_KNOWN = {
    b"PK\x03\x04": ("a zip archive", _UNPACK),
    b"%PDF": ("a PDF", "ask for the table as CSV"),
    b"age-encryption.org": ("a secret key or another encrypted file", "name the table itself"),
    b"manifest.json\x00": ("a fedcli file", "name the table itself"),
    b"\x1f\x8b": ("packed twice by gzip", _UNPACK),
    b"BZh": ("packed by bzip2", _UNPACK),
    b"\xfd7zXZ\x00": ("packed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a rar archive", _UNPACK),
    b"$FL2": ("an SPSS file", f"in SPSS, {_AS_TEXT}"),
    b"$FL3": ("an SPSS file", f"in SPSS, {_AS_TEXT}"),
    b"\x00" * 12 + b"\xc2\xea\x81\x60": ("a SAS data set", "in SAS: proc export ... dbms=csv"),
    b"HEADER RECORD*******": ("a SAS transport file", "in SAS: proc export ... dbms=csv"),
    b"<stata_dta>": ("a Stata data set", "in Stata: export delimited"),
    b"RDX2\n": ("an R workspace", "in R: write.csv(table, FILE, row.names = FALSE)"),
    b"RDX3\n": ("an R workspace", "in R: write.csv(table, FILE, row.names = FALSE)"),
    b"X\n\x00\x00\x00": ("an R object", "in R: write.csv(table, FILE, row.names = FALSE)"),
    b"ARROW1": ("an Arrow file", "write it as Parquet"),
    b"FEA1": ("a Feather file", "write it as Parquet"),
    b"\x89HDF": ("an HDF5 file", _BY_ITS_PROGRAM),
    b"PGDMP": ("a dump of a PostgreSQL database", "restore it, and name the database with a query"),
    b"\x00\x01\x00\x00Standard ": ("an Access database", "in Access, export the table or query as text or as .xlsx"),
    b"{\\rtf": ("a text document", "ask for the table as CSV"),
}
# Many programs name their web pages .xls, and Excel opens them.
_MARKUP = (
    (re.compile(rb"\s*<(!doctype\s+html|html|head|body|table)\b", re.IGNORECASE), "a web page"),
    (re.compile(rb"\s*<\?xml\b", re.IGNORECASE), "an XML file"),
)
_JSON = re.compile(rb'\s*(\[\s*)?\{\s*"')


def recognised(start: bytes) -> tuple[str, str] | None:
    """Return what a file is that begins so, and what to do about it; None where it may be text.

    Examples
    --------
    >>> recognised(b"<html><body><table>")[0]
    'a web page'
    >>> recognised(b"age;sex") is None
    True
    """
    for first, said in _KNOWN.items():
        if start.startswith(first):
            return said
    plain = start.removeprefix(b"\xef\xbb\xbf")
    for pattern, what in _MARKUP:
        if pattern.match(plain):
            return what, "open it in Excel or in the program that wrote it, and save it as .xlsx or CSV (UTF-8)"
    return ("a JSON file", _BY_ITS_PROGRAM) if _JSON.match(plain) else None
