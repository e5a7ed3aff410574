"""A whole study in memory: tables through the real reader, sums through the real ring, trips until it is finished.

No files travel, so a test of the mathematics needs neither keys nor archives. The silos are dummies of the roster.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.cells import effective_rows
from fedcli.compute.spool import Spool
from fedcli.compute.third import why_without_third
from fedcli.compute.update import Sums, hash_rows, merge, sum_update
from fedcli.data.checking import RowReader
from fedcli.data.mapping import Mapping as SiloMapping
from fedcli.data.mapping import read_mapping
from fedcli.data.reading import open_table
from fedcli.fileformat.statistics import State
from fedcli.models.batch import Memory, Reason, empty_state
from fedcli.models.cavity import Cavity
from fedcli.models.spread import Spread
from fedcli.preparing.holdout import folds_of, held_out
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import examine
from fedcli.study.document import Member, Study
from fedcli.study.reading import read_study

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"


@dataclass(frozen=True)
class Federation:
    """A finished study: the plan, the state after each trip (the last is final) and why it ended.

    ``masks`` are the rows that each silo held out, in the order of its table; ``folds`` where each row stands in a
    cross-validation.
    """

    plan: Plan
    states: tuple[State, ...]
    reason: Reason
    masks: dict[str, NDArray[np.bool_]]
    folds: dict[str, NDArray[np.int64]]

    @property
    def state(self) -> State:
        return self.states[-1]

    @property
    def trips(self) -> int:
        return len(self.states)

    @property
    def predicted(self) -> float:
        """The remaining relative error that the stop rule predicted; 0 for a closed form."""
        family = self.plan.family
        return family.left(self.state.arrays) if isinstance(family, Cavity) else 0.0

    def coefficients(self, trip: int = -1) -> dict[str, float]:
        """Coefficients on the columns' own scale by name, intercept first, after ``trip`` (from 0)."""
        values = self.plan.coefficients(self.states[trip]).tolist()
        return dict(zip(("intercept", *self.plan.columns.names), values, strict=True))


def enrolled(study: Study | str, names: Collection[str]) -> Study:
    """Return the study with dummy silos of these names."""
    study = read_study(study) if isinstance(study, str) else study
    return study.model_copy(update={"silos": tuple(Member(name=name, fingerprint="") for name in names)})


def federate(
    study: Study | str,
    tables: Mapping[str, Path],
    *,
    mappings: Mapping[str, str] | None = None,
    secrets: Mapping[str, bytes] | None = None,
    absent: Mapping[int, Collection[str]] | None = None,
) -> Federation:
    """Run a study to its end.

    Parameters
    ----------
    study : Study or str
        Or the text of a ``study.yaml``.
    tables : mapping of str to Path
        Each silo's CSV.
    mappings : mapping of str to str, optional
        The text of a silo's ``silo.yaml``.
    secrets : mapping of str to bytes, optional
        Each silo's secret for the choice of held-out rows.
    absent : mapping of int to collection of str, optional
        Silos that send nothing in a round (from 1).
    """
    study = enrolled(study, tables)
    plan = Plan(study)
    spools = {name: spool_of(study, path, (mappings or {}).get(name)) for name, path in tables.items()}
    as_in_table = {
        name: mask_of(spool, study.evaluation.holdout, (secrets or {}).get(name, name.encode()))
        for name, spool in spools.items()
    }
    folds_in_table = {
        name: folds_of(hash_rows(spool, name.encode()), study.model.cv, name.encode())
        for name, spool in spools.items()
        if study.model.cv
    }
    masks, folds = {}, {}
    for name, spool in spools.items():
        mask, fold = as_in_table[name], folds_in_table.get(name)
        order = spool.sort(mask, fold, latest_first=plan.latest_first)
        masks[name] = mask[order]
        if fold is not None:
            folds[name] = fold[order]
    # Silos with enough rows for the study; one with fewer is here to test the mathematics alone.
    trails: dict[str, list[State]] = {name: [] for name in spools if enough_rows(plan, spools[name], masks[name])}
    without = {name: why_without_third(plan, spool, masks[name]) for name, spool in spools.items()}
    memories: dict[str, Memory] = {}
    states = [empty_state()]
    while (reason := plan.finished(states[-1])) is None:
        missing = (absent or {}).get(len(states), ())
        updates = {
            name: sum_update(
                plan,
                states[-1],
                spool,
                masks[name],
                memories.get(name),
                trail=trails.get(name),
                folds=folds.get(name),
                without_third=without[name],
            )
            for name, spool in spools.items()
            if name not in missing
        }
        total = merge(plan, states[-1], [sums.encoded for sums in updates.values()])
        # A silo subtracts its own part only from a state that counts it in, as the workflow has it.
        same_silos = len(states) == 1 or updates.keys() == memories.keys()
        memories = {name: memory_of(sums) for name, sums in updates.items()}
        for name in [one for one in trails.keys() & updates.keys() if updates[one].points]:
            trails[name].append(State({}, {**states[-1].arrays, **updates[name].points}))
        states.append(plan.advance(total, states[-1], same_silos=same_silos))
    return Federation(plan, tuple(states[1:]), reason, as_in_table, folds_in_table)


def spool_of(study: Study, path: Path, mapping: str | None = None) -> Spool:
    """Read a table as a silo does."""
    own = read_mapping(mapping, study) if mapping else SiloMapping.identity()
    table = open_table(path, delimiter=own.delimiter, decimal=own.decimal, encoding=own.encoding)
    return Spool(RowReader(study, own, table).batches(), Path(tempfile.gettempdir()))


def mask_of(spool: Spool, share: float, secret: bytes) -> NDArray[np.bool_]:
    """Choose the rows held out."""
    return held_out(hash_rows(spool, secret), share, secret)


def enough_rows(plan: Plan, spool: Spool, mask: NDArray[np.bool_]) -> bool:
    """Whether the study's rules on rows let a silo send, small groups aside.

    An exposure counts as a weight does: where one row has nearly all of it, it has nearly all of every sum.
    """
    rules = plan.study.rules
    exposure = np.concatenate([(rows.weight * np.exp(rows.offset))[~mask[at]] for at, rows in spool.blocks()])
    found = examine(
        [],
        n_rows=int((~mask).sum()),
        n_held_out=int(mask.sum()),
        n_columns=plan.columns.n_columns,
        n_counted=plan.columns.n_columns * plan.class_pairs * plan.n_fits,
        effective_rows=min(effective_rows(spool, mask), Spread.of(exposure).worth),
        min_rows=rules.min_rows,
        min_cell=rules.min_cell,
        rows_per_column=rules.rows_per_column,
    )
    return not found.problems


def memory_of(sums: Sums) -> Memory:
    """Return what a silo remembers of its own update."""
    return Memory({block.name: sums.total[block.name] for block in sums.layout})
