"""`aggregate --new-attempt`: ask silos once more, so that one wrong table does not end a study.

Owns what a request says. Knows nothing of mathematics or screens. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedcli.crypto.keys import SecretKey
from fedcli.errors import OtherSilo, StudyFinished
from fedcli.protocol.payloads import ModelDocument
from fedcli.study.canonical_form import to_json
from fedcli.workflow.aggregate import check_own, current_model
from fedcli.workflow.asked import note_asked
from fedcli.workflow.coordinator import CoordinatorSide, open_coordinator
from fedcli.workflow.files import Passphrase, open_key
from fedcli.workflow.models import OpenedModel, model_manifest, start_of
from fedcli.workflow.results import AskedAgain
from fedcli.workflow.workspace import all_or_nothing
from fedcli.workflow.writing import model_place, write_model


def ask_again(
    silos: Sequence[str] = (),
    *,
    workspace: Path | str = ".",
    key: SecretKey | Path | str | None = None,
    passphrase: Passphrase | None = None,
    from_start: bool = False,
    out: Path | str | None = None,
    force: bool = False,
) -> AskedAgain:
    """Ask all or named silos for a new attempt of the round that is being collected.

    Parameters
    ----------
    silos : sequence of str
        Who is asked; everybody when empty. The others' updates of this round stay good.
    from_start : bool
        Begin the study again at round 1 instead, with everybody: the way out when a wrong table was in a round that is
        already summed.
    workspace, key, passphrase, out, force
        As in `aggregate`.

    Raises
    ------
    OtherSilo, StudyFinished, RefusedError
    """
    side = open_coordinator(workspace)
    secret = open_key(key if key is not None else side.key, passphrase)
    check_own(side, secret)
    current = current_model(side, secret)
    if current.final and not from_start:
        raise StudyFinished(
            f"study '{side.study.study.study}' is finished: round {current.round} was the last",
            hint="to begin it again from round 1, add --from-start",
        )
    everybody = side.study.study.silo_names
    for name in silos:
        if name not in everybody:
            raise OtherSilo(f"'{name}' is not a silo of this study: {', '.join(everybody)}", hint="check the spelling")
    if from_start and silos:
        raise OtherSilo(
            f"a study begins again with all its silos, not with {', '.join(silos)} alone", hint="leave out --ask"
        )
    asked = tuple(silos) or everybody
    attempt = _last_attempt(side, current) + 1
    base = start_of(side.study) if from_start else current
    expects = {name: attempt if name in asked else base.attempt_of(name) for name in everybody}
    document = ModelDocument(
        state=base.state.document,
        study=to_json(side.study.study),
        members=base.document.members if base.document else {},
        without=base.document.without if base.document else (),
        expects=expects,
        reason="",
    )
    number = base.round
    kept = model_place(side, number, attempt, None)
    with all_or_nothing(kept, model_place(side, number, attempt, out)):
        path = write_model(
            side, secret, base, base.state, document, number=number, attempt=attempt, final=False, out=out, force=force
        )
    # The model says it to members' keys only; without a key the coordinator's own `status` reads this.
    note_asked(side, model_manifest(kept, side.study).digest(), expects)
    return AskedAgain(base.round + 1, attempt, asked, path)


def _last_attempt(side: CoordinatorSide, current: OpenedModel) -> int:
    asked = max(current.document.expects.values(), default=1) if current.document else 1
    return max(asked, current.manifest.attempt if current.manifest else 1)
