"""``fedcli keys``: make a key pair, show a fingerprint. Internal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedcli.cli.commands import quoted
from fedcli.cli.options import Json, PassphraseFile, Quiet
from fedcli.cli.screen import Screen, passphrase_source

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make your key pair, show a fingerprint.")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Who you are, as it will stand in file names: north-hospital.")],
    passphrase_file: PassphraseFile = None,
    folder: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Write the files here.")] = Path(),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make your key: NAME.fedkey (secret) and NAME.fedpub (public).

    The secret file is protected by a passphrase and never leaves you. Send the public file to the coordinator, and
    read the fingerprint to them on the phone.

    Example: fedcli keys new north-hospital
    """
    from fedcli.crypto.keys import check_passphrase, new_passphrase
    from fedcli.errors import NotConfirmed
    from fedcli.workflow.keys import check_name, keys_new

    screen = Screen("keys new", as_json, quiet)
    check_name(name)
    passphrase = passphrase_source(passphrase_file, screen)
    if passphrase is None:
        raise NotConfirmed(
            "a new key needs a passphrase, and nobody is here to give one",
            hint="run it in a terminal, or write a passphrase to a file and name it with --passphrase-file",
        )
    if callable(passphrase):
        proposal = new_passphrase()
        screen.say(f"A passphrase you could use: {proposal}")
        given = screen.ask_secret("Passphrase (Enter takes this one)", optional=True)
        if given:
            check_passphrase(given)
            again = screen.ask_secret("The same again")
            if again != given:
                raise NotConfirmed("the two passphrases differ", hint="try again")
        else:
            screen.say("Write it down and keep it apart from the key file: without it the key is lost.")
        passphrase = given or proposal
    made = keys_new(name, passphrase=passphrase, out=folder)
    screen.object(name=made.name, secret=made.secret, public=made.public, mask=made.mask, fingerprint=made.fingerprint)
    screen.table([("name", made.name), ("fingerprint", made.fingerprint)])
    screen.done(f"{made.secret} (secret: keep it, with {made.mask.name}) and {made.public} (public) written")
    screen.next(
        f"as a silo, send {made.public.name} to the coordinator and read them the fingerprint on the phone",
        f"as the coordinator, begin a study: fedcli study init DIR --key {quoted(made.secret)}",
    )


@app.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A .fedpub or .fedkey file.")],
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Show whose key it is and its fingerprint, to be compared on the phone.

    Example: fedcli keys show north-hospital.fedpub
    """
    from fedcli.workflow.keys import keys_show

    screen = Screen("keys show", as_json)
    shown = keys_show(file, passphrase=passphrase_source(passphrase_file, screen))
    screen.object(name=shown.name, fingerprint=shown.fingerprint, secret=shown.secret)
    kind = "secret key" if shown.secret else "public key, signed by itself"
    screen.table([("name", shown.name), ("kind", kind), ("fingerprint", shown.fingerprint)])
