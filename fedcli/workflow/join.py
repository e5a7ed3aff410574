"""`join`: a silo reads the agreement, compares its fingerprint, and gets a workspace.

Owns what a silo's workspace starts with. Knows nothing of screens. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fedcli.crypto.keys import SecretKey, same_fingerprint
from fedcli.crypto.studysecret import releases_secret, study_secret
from fedcli.data.mapping import Mapping, agreed_columns, read_mapping
from fedcli.data.misplaced import where_they_are
from fedcli.data.proposing import first_rows, likely_columns, propose, unread
from fedcli.data.reading import read_query
from fedcli.data.source import recorded
from fedcli.errors import FingerprintMismatch, NotConfirmed, OtherSilo, WorkspaceExists
from fedcli.study.yaml import comment, decode
from fedcli.study.yaml_edit import set_values
from fedcli.workflow.files import Passphrase, open_key, open_study
from fedcli.workflow.ledger_beside import number_workspace
from fedcli.workflow.limits import cross_check
from fedcli.workflow.memory import SiloMemory
from fedcli.workflow.release_records import keep_secret
from fedcli.workflow.results import Joined, StudyShown
from fedcli.workflow.silo import agreement_warnings, opened_table
from fedcli.workflow.study import study_show
from fedcli.workflow.workspace import COORDINATOR_FILE, SILO_FILE, Workspace, make_folders, need_file, write_bytes

_FEW = 5


def join(
    study: Path | str,
    *,
    key: SecretKey | Path | str,
    data: Path | str,
    query: str | None = None,
    workspace: Path | str = ".",
    mapping: Path | str | None = None,
    passphrase: Passphrase | None = None,
    key_file: Path | str | None = None,
    fingerprint: str | None = None,
    confirm: Callable[[StudyShown], bool] | None = None,
) -> Joined:
    """Verify a frozen study, show it, compare its fingerprint and make the silo's workspace.

    Parameters
    ----------
    study : path
        The ``.fedstudy`` file.
    key : path
        The silo's secret key file.
    data : path or str
        The silo's table: a file, a folder of parts, a pattern or a database's address. It is recorded in ``silo.yaml``;
        its header and first rows are read, for the proposals in ``silo.yaml``.
    query : str, optional
        What to ask where the table is a database: one SELECT, or the path of a ``.sql`` file. Recorded too.
    workspace : path
        The folder that becomes the workspace.
    mapping : path, optional
        A ``silo.yaml`` made earlier, whose ``columns:`` are taken over.
    key_file : path, optional
        Where the key file is, when ``key`` is already unlocked.
    fingerprint : str, optional
        The study's 30 digits, as the coordinator read them aloud.
    confirm : callable, optional
        Shown the agreement and its fingerprint when ``fingerprint`` is not given.

    Raises
    ------
    FingerprintMismatch, NotConfirmed, OtherSilo, WorkspaceExists, TrustError
        Nothing is written.
    """
    root = Path(workspace)
    opened = open_study(need_file(Path(study), what="study file"))
    cross_check(opened.study)
    if (root / SILO_FILE).exists() or (root / COORDINATOR_FILE).exists():
        raise WorkspaceExists(
            f"'{root}' already holds a workspace", hint="name another folder with -C DIR, or go on there: fedcli status"
        )
    others = [path.name for path in root.glob("*.fedstudy") if path.name != f"{opened.study.study}.fedstudy"]
    if others:
        raise WorkspaceExists(
            f"'{root}' holds another study: {', '.join(others)}", hint="name a folder of its own with -C DIR"
        )
    given = "" if mapping is None else decode(need_file(Path(mapping), what="mapping").read_bytes(), name=str(mapping))
    own = Mapping() if mapping is None else read_mapping(given, opened.study, name=Path(mapping).name)
    asked = read_query(query, Path()) if query is not None else read_query(own.query, root)
    table = opened_table(data, replace(own, query=asked))
    shown = study_show(study)
    secret = open_key(key, passphrase)
    name = opened.roster.own_name(secret.public_identity())
    if name == opened.roster.coordinator.name:
        raise OtherSilo("this is the coordinator's key", hint="a silo joins with its own key")
    if fingerprint is not None:
        if not same_fingerprint(fingerprint, opened.fingerprint):
            raise FingerprintMismatch(
                f"the fingerprint of this study is {opened.fingerprint}, not the one given",
                hint="call the coordinator and compare again; if it still differs, somebody exchanged the file",
            )
    elif confirm is None:
        raise NotConfirmed(
            f"the fingerprint of this study was not compared: it is {opened.fingerprint}",
            hint="call the coordinator, let them read theirs, and give it: --fingerprint DIGITS "
            "(--yes never answers this)",
        )
    elif not confirm(shown):
        raise FingerprintMismatch(
            "the fingerprint of this study is not what you heard",
            hint="ask the coordinator for the study file again over another way, and compare again",
        )
    if key_file is None and isinstance(key, SecretKey):
        raise ValueError("an unlocked key does not say where its file is: give key_file")
    key_path = Path(key_file) if key_file is not None else Path(str(key))
    space = Workspace(root, "silo")
    places = {"key": recorded(key_path, root), "data": recorded(data, root)}
    if query is not None:
        # A query's file is one more place; a query itself stays as it is.
        places["query"] = query if asked == query else recorded(Path(query), root)
    elif own.query is not None:
        places["query"] = own.query
    notes: tuple[str, ...] = ()
    if mapping is None:
        rows, comma = first_rows(table, likely_columns(opened.study, table.columns)), table.decimal_comma
        proposed = propose(opened.study, table.columns, **places, sample=rows, decimal_comma=comma)
        text, notes = proposed.text, proposed.notes
    else:
        # All else stays as the person wrote it, comments included.
        text = set_values(given, places, name=Path(mapping).name)
    own = read_mapping(text, opened.study, name=SILO_FILE)
    # What stands in silo.yaml by now was proposed for the sheet that was read.
    wanted = [own.local(column) if mapping is not None else column for column in agreed_columns(opened.study)]
    unplaced = tuple(column for column in agreed_columns(opened.study) if own.local(column) not in table.columns)
    root.mkdir(parents=True, exist_ok=True)
    make_folders(space)
    memory = SiloMemory(space.private)
    memory.keep_secret(study_secret(secret, opened.digest))
    keep_secret(space.private, releases_secret(secret))
    memory.remember_name(name)
    number_workspace(space.private)
    write_bytes(root / f"{opened.study.study}.fedstudy", Path(study).read_bytes(), force=True)
    write_bytes(root / "allowed_signers", opened.roster.allowed_signers().encode("ascii"), force=True)
    write_bytes(space.settings, text.encode("utf-8"), mode=0o600)
    return Joined(
        root,
        name,
        opened.study,
        opened.fingerprint,
        agreement_warnings(opened.study),
        space.settings,
        unplaced,
        (*table.facts, *_unread(unread(opened.study, own, table.columns, proposed=mapping is None))),
        notes,
        where_they_are(wanted, table) if unplaced else "",
    )


def _unread(names: Sequence[str]) -> tuple[str, ...]:
    """Say how many columns of a table serve nothing, and the first few."""
    if not names:
        return ()
    first = ", ".join(comment(name) for name in names[:_FEW])
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return (f"{len(names):,} column{'' if len(names) == 1 else 's'} of it that the study does not read: {first}{more}",)
