"""Options that read the same in every command.

Owns their names and help. Internal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkspaceDir = Annotated[
    Path, typer.Option("-C", "--workspace", metavar="DIR", help="The workspace; the current folder by default.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The secret key file (.fedkey).", show_default=False)
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="A file whose first line is the passphrase (or FEDCLI_PASSPHRASE_FILE). Asked for otherwise.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write here instead.", show_default=False)
]
Query = Annotated[
    str | None,
    typer.Option(
        "--query", metavar="SQL", help="What to ask a database: a SELECT, or a .sql file.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results, warnings and errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Tell what is being done.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is already there.")]
Fingerprints = Annotated[
    list[str] | None,
    typer.Option(
        "--fingerprint",
        metavar="DIGITS",
        help="The 30 digits as heard on the phone; may be repeated.",
        show_default=False,
    ),
]

FIRST = "First of all"
AT_A_SILO = "At a silo"
AT_THE_COORDINATOR = "At the coordinator"
ANYONE = "Anyone"
