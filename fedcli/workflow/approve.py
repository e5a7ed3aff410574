"""`approve`: the institution's reviewer signs the sheet of what would leave.

Owns the order: read the sheet, show it, ask, sign. Knows nothing of tables or models: a reviewer needs the sheet and a
key, no workspace. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fedcli.crypto.keys import PublicKey, SecretKey
from fedcli.errors import BadApproval, FedcliError, NotAFedcliFile, NotApproved, NotConfirmed
from fedcli.fileformat.envelope import read_envelope
from fedcli.fileformat.manifest import Manifest
from fedcli.protocol.approval import embedded, verified_approval
from fedcli.protocol.roster import verify_as
from fedcli.report.sheet import read_context
from fedcli.report.sheet_form import check_form
from fedcli.workflow.files import SOFTWARE, Passphrase, kind_of, open_file, open_key, write_signed
from fedcli.workflow.results import Approved
from fedcli.workflow.workspace import need_file

ENDING, SHEET_ENDING, PAGE_ENDING = ".fedapproval", ".sheet.txt", ".sheet.html"
_SHEET_LIMIT = 2**20


def approve(
    sheet: Path | str,
    *,
    key: SecretKey | Path | str,
    passphrase: Passphrase | None = None,
    confirm: Callable[[str], bool] | None = None,
    yes: bool = False,
    out: Path | str | None = None,
    force: bool = False,
) -> Approved:
    """Sign an egress sheet.

    Parameters
    ----------
    sheet : path
        The ``.sheet.txt`` file that `train` wrote.
    key : path
        The reviewer's own secret key file: somebody else's than the silo's.
    passphrase : optional
    confirm : callable, optional
        Shown the text of the sheet; the approval is written only if it returns True.
    yes : bool
        Answer the question in advance.
    out : path, optional
        Where to write instead of beside the sheet.
    force : bool
        Replace a file of that name.

    Raises
    ------
    NotAFedcliFile, BadDocument
        It is no sheet, or was edited where it says what it is about, or so that it contradicts itself.
    NotConfirmed
        Nobody could be asked and ``yes`` is false, or the person said no; nothing is written.
    """
    path = need_file(Path(sheet), what="sheet")
    if path.stat().st_size > _SHEET_LIMIT:
        raise NotAFedcliFile(
            "this is not an egress sheet: it is too large", hint="name the .sheet.txt file", where=path.name
        )
    text = path.read_bytes()
    if text.startswith(b"<!doctype html>"):
        raise NotAFedcliFile(
            "this is the page of a sheet", hint=f"name its text form, which is what is signed: *{SHEET_ENDING}"
        )
    context = read_context(text)
    check_form(text)
    secret = open_key(key, passphrase)
    reviewer = secret.public_identity()
    if reviewer.name == context.silo:
        raise BadApproval(
            f"the key is that of '{reviewer.name}', the silo itself: nobody approves their own release",
            hint="the reviewer makes a key of their own: fedcli keys new NAME",
        )
    if not yes and confirm is None:
        raise NotConfirmed(
            "approve shows the sheet and asks, and nobody is here to answer",
            hint="run it in a terminal, or add --yes once you have read the sheet",
        )
    if not yes and confirm is not None and not confirm(text.decode("utf-8")):
        raise NotConfirmed("the sheet was not approved: nothing was written", hint="tell the silo what should change")
    target = Path(out) if out is not None else path.with_name(path.name.removesuffix(SHEET_ENDING) + ENDING)
    manifest = Manifest(
        type="fedcli-approval/1",
        study=context.study_id,
        name=context.study,
        roster=context.roster,
        round=context.round,
        attempt=context.attempt,
        parent=context.continues,
        sender=reviewer.name,
        recipients=(),
        previous="",
        ledger="",
        final=False,
        software=SOFTWARE,
    )
    done = write_signed(
        target,
        manifest,
        [text],
        len(text),
        key=secret,
        recipients=None,
        payload_name="sheet.txt",
        force=force,
    )
    digest = done.payload.sha256 if done.payload else ""
    return Approved(target, reviewer.name, reviewer.fingerprint, context.silo, context.round, digest)


def approval_of(folders: Iterable[Path], sheet: str, reviewer: PublicKey, update: Manifest) -> dict[str, Any]:
    """Find the reviewer's approval of a sheet, as an update's manifest carries it.

    Parameters
    ----------
    folders : iterable of Path
        Where approvals are looked for.
    sheet : str
        SHA-256 of the sheet's text.
    reviewer : PublicKey
        Whose approval the silo's rules ask for.
    update : Manifest
        Of the update that is about to be written.

    Raises
    ------
    NotApproved
        There is none; the hint counts those that are of something else.
    """
    passed: list[str] = []
    for path in sorted(file for folder in folders if folder.is_dir() for file in folder.glob(f"*{ENDING}")):
        try:
            if kind_of(path) != "approval":
                passed.append(f"{path.name} is no approval")
                continue
            with open_file(path) as file:
                envelope = read_envelope(file)
                manifest = verify_as(envelope, reviewer)
                envelope.check_payload()
                found = embedded(envelope.manifest_bytes, envelope.signatures, reviewer)
            if manifest.payload is None or manifest.payload.sha256 != sheet:
                passed.append(f"{path.name} is of another sheet")
                continue
            verified_approval(found, update)
        except FedcliError as error:
            passed.append(f"{path.name}: {error.message}")
            continue
        return found
    others = f" ({'; '.join(passed)})" if passed else ""
    raise NotApproved(
        f"'{reviewer.name}' has not approved this sheet yet{others}",
        hint=f"they run: fedcli approve SHEET --key {reviewer.name}.fedkey; put what that writes into inbox/, then: "
        "fedcli train",
    )


def approver_of(update: Manifest) -> bytes | None:
    """Return the Ed25519 key of the reviewer whose approval an update's manifest carries; None where it has none."""
    return verified_approval(update.approval, update)[0].ed25519 if update.approval is not None else None
