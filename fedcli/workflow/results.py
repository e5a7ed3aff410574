"""What each command returns: frozen, complete, and the same in Python as on the screen.

Owns the dataclasses. Knows nothing of how they are printed. Stable: part of the Python API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedcli.errors import FedcliError
from fedcli.errors.doubts import Doubt
from fedcli.workflow.what_leaves import Release, RowsDropped

if TYPE_CHECKING:
    from fedcli.report.choice import Choice
    from fedcli.report.table_one import TableOne
    from fedcli.study.document import Study


@dataclass(frozen=True)
class KeyMade:
    """Result of `keys_new`: the files, and what to read to the coordinator on the phone."""

    name: str
    secret: Path
    public: Path
    mask: Path
    fingerprint: str


@dataclass(frozen=True)
class KeyShown:
    """Result of `keys_show`."""

    name: str
    fingerprint: str
    secret: bool


@dataclass(frozen=True)
class StudyDrafted:
    """Result of `study_init`.

    ``left_out`` says which of the sample's columns are, and why; ``outcome`` how one of several classes was drafted.
    """

    workspace: Path
    draft: Path
    left_out: tuple[str, ...]
    outcome: str = ""


@dataclass(frozen=True)
class SiloAdded:
    """Result of `study_add_silo`, one per silo."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class StudyFrozen:
    """Result of `study_freeze`."""

    study: Study
    file: Path
    fingerprint: str
    trips: tuple[int, int]
    blocks: tuple[tuple[str, int], ...]
    advice: str = ""


@dataclass(frozen=True)
class StudyShown:
    """Result of `study_show`: a draft has neither digest nor fingerprint."""

    study: Study
    digest: str
    fingerprint: str
    trips: tuple[int, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Joined:
    """Result of `join`.

    ``table`` says what was found out about the table, ``notes`` what of it waits for a person; ``elsewhere`` where the
    columns may be that it lacks (``unplaced``): on another sheet, or under a header that is missing.
    """

    workspace: Path
    silo: str
    study: Study
    fingerprint: str
    warnings: tuple[str, ...]
    mapping: Path
    unplaced: tuple[str, ...]
    table: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    elsewhere: str = ""


@dataclass(frozen=True)
class ColumnCheck:
    """One column of a silo's table, on the local screen only.

    ``outside`` counts cells beyond the agreed range, ``outside_are`` says what becomes of them by the agreement.
    """

    name: str
    local_name: str
    used: int
    missing: int
    outside: int = 0
    outside_are: str = ""


@dataclass(frozen=True)
class Checked:
    """Result of `check`: nothing was written. ``ok`` is false when `train` would refuse.

    ``table`` says what was found out about the table: its format, delimiter, encoding. ``merged`` says which levels are
    counted as others, ``doubts`` what a person should look at although nothing is refused for it, ``dropped`` which
    rows are not used, ``without_third`` why third derivatives would not be sent, where the study asks for them.
    """

    ok: bool
    study: str
    rows_read: int
    rows_used: int
    rows_dropped: int
    rows_held_out: int
    columns: tuple[ColumnCheck, ...]
    smallest: tuple[str, int] | None
    problems: tuple[FedcliError, ...]
    table: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    dropped: tuple[RowsDropped, ...] = ()
    without_third: str = ""


@dataclass(frozen=True)
class Trained:
    """Result of `train`. ``update`` is None after a dry run."""

    round: int
    attempt: int
    update: Path | None
    rows: int
    size: int
    release: Release
    again: bool


@dataclass(frozen=True)
class Approved:
    """Result of `approve`: the file that lets the silo write its update."""

    file: Path
    reviewer: str
    fingerprint: str
    silo: str
    round: int
    sheet: str


@dataclass(frozen=True)
class LedgerEntry:
    """One line of a silo's ledger; ``details`` holds all that was recorded.

    ``finished`` is False where the run that recorded an update stopped before it had written it; ``merged`` says in
    words which small levels were counted as others.
    """

    number: int
    time: str
    event: str
    study: str
    round: int
    attempt: int
    recipient: str
    rows: int
    numbers: int
    finished: bool
    merged: tuple[str, ...]
    details: Mapping[str, Any]


@dataclass(frozen=True)
class LedgerShown:
    """Result of `ledger`: the record, verified line by line; ``head`` is the hash of its last line.

    ``confirmed`` is False where a run stopped right after it wrote the last line, before it signed anything; ``torn``
    counts the bytes of a further line that a run was writing when it stopped.
    """

    file: Path
    entries: tuple[LedgerEntry, ...]
    head: str
    confirmed: bool = True
    torn: int = 0


@dataclass(frozen=True)
class UpdateCounted:
    """One update that `aggregate` verified and summed."""

    silo: str
    file: Path
    copies: int


@dataclass(frozen=True)
class Aggregated:
    """Result of `aggregate`.

    ``fit`` names the silos whose ``n_samples`` rows the coefficients are fitted on, ``skipped`` all files that were
    left alone, ``passed`` those of them that are not just what every inbox keeps of earlier rounds, by the reason.
    ``choice`` is how the final model was chosen, where the study chooses among several.
    """

    round: int
    attempt: int
    finished: bool
    reason: str
    model: Path
    updates: tuple[UpdateCounted, ...]
    without: tuple[str, ...]
    n_samples: int
    step: float | None
    remaining: float | None
    evaluation: Mapping[str, float]
    fit: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    passed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    choice: Choice | None = None


@dataclass(frozen=True)
class AskedAgain:
    """Result of `aggregate` with ``new_attempt``: the file that asks silos once more."""

    round: int
    attempt: int
    asked: tuple[str, ...]
    model: Path


@dataclass(frozen=True)
class Status:
    """Result of `status`.

    ``problems`` are files that stop the next step, with the reason; ``passed`` those that are left alone, by the
    reason; ``asked`` the silos that a request asks once more. ``ledger`` is what is wrong with a silo's: it, or the
    whole workspace, is not the one that was written last.
    """

    role: str
    name: str
    study: str = ""
    title: str = ""
    frozen: bool = False
    round: int = 0
    attempt: int = 1
    finished: bool = False
    here: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    passed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    next_step: str = ""
    ledger: FedcliError | None = None


@dataclass(frozen=True)
class Inspected:
    """Result of `inspect`: what a file says of itself. Nothing is verified."""

    file: Path
    kind: str
    size: int
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """One line of `verify`."""

    file: Path
    ok: bool
    says: str
    error: FedcliError | None = None


@dataclass(frozen=True)
class Verified:
    """Result of `verify`."""

    ok: bool
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Predicted:
    """Result of `predict`."""

    file: Path
    rows: int
    unused: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Exported:
    """Result of `export`. ``trusted`` names the types that skops asks its reader to trust in this very file."""

    file: Path
    format: str
    warnings: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reported:
    """Result of `make_report`: the table, and the same as text in the form that was asked for."""

    table: TableOne
    text: str
    round: int
    final: bool
    file: Path | None


@dataclass(frozen=True)
class Compared:
    """One number, federated beside pooled."""

    name: str
    federated: float
    pooled: float


@dataclass(frozen=True)
class Simulated:
    """Result of `simulate`; ``medians`` are those that fill missing cells, which both fits take from the federation.

    ``grid_bias``, where one baseline hazard is on agreed intervals, is by how many standard errors a coefficient
    differs at most from the pooled fit of the exact times; ``within`` says whether pooled numbers lie within the bounds
    that the model states, where it states some. ``scores`` are figures of how well a model that is trained at each silo
    predicts; its ``relative_error`` is None. ``choice`` is how the model was chosen, where the study chooses.
    """

    study: str
    estimator: str
    silos: Mapping[str, int]
    trips: int
    coefficients: tuple[Compared, ...]
    relative_error: float | None
    steps: tuple[float, ...]
    bytes_sent: int
    seconds: float
    kept: Path | None
    evaluation: Mapping[str, float] = field(default_factory=dict)
    model: Path | None = None
    linear: bool = True
    medians: tuple[Compared, ...] = ()
    grid_bias: float | None = None
    within: bool | None = None
    scores: tuple[Compared, ...] = ()
    choice: Choice | None = None
