"""What no side may go beyond: an agreement that fedcli can keep, the agreed rounds, one point per attempt, one table.

Owns these refusals. Knows nothing of files' forms or screens. Internal; a silo asks them too, since the coordinator's
word alone does not bind its software.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcli.compute.cells import count_cells, effective_rows, rows_above, smallest_product_group
from fedcli.compute.interval_cells import interval_cells
from fedcli.compute.merging import merge_small
from fedcli.compute.risk import at_risk, life_cells
from fedcli.compute.shares import FLOOR, largest_shares
from fedcli.compute.spool import Spool
from fedcli.compute.third import why_without_third
from fedcli.data.units import QUANTITIES, named
from fedcli.errors import (
    AlreadyReleased,
    ContradictoryStudy,
    MaskedUnavailable,
    OtherRound,
    OutOfRange,
    StudyFinished,
    UnsupportedModel,
)
from fedcli.models.batch import empty_state
from fedcli.models.cavity import Cavity
from fedcli.models.cox import ProportionalHazards
from fedcli.models.life_table import LifeTable
from fedcli.models.negative_binomial import NegativeBinomialLoss
from fedcli.models.one_baseline import OneBaseline
from fedcli.models.third_order import MOST_COLUMNS, n_triples, rows_needed
from fedcli.preparing.estimators import ESTIMATORS, parameters
from fedcli.preparing.plan import Plan
from fedcli.privacy.disclosure import Cell, Disclosure, Levels, examine, level_problems
from fedcli.privacy.ring import fraction_bits
from fedcli.study.document import Rules, Study
from fedcli.workflow.memory import SiloMemory


def cross_check(study: Study) -> None:
    """Check the agreement against what fedcli can fit and protect.

    Raises
    ------
    MaskedUnavailable, UnsupportedModel, ContradictoryStudy
    OutsideBound
        The ranges are so wide that some sum of some trip cannot be encoded.
    """
    if study.rules.aggregation == "masked":
        raise MaskedUnavailable(
            "rules.aggregation is masked, which this version of fedcli cannot do yet",
            hint="write 'aggregation: plain' in study.yaml if all silos accept that the coordinator can read each "
            "update singly; it is never assumed",
        )
    _check_quantities(study)
    rules = study.rules
    # What no table can pass is said before anybody has one at hand.
    for problem in level_problems(_levels(study), max_levels=rules.max_levels, levels_per_row=None):
        raise problem
    parameters(study)
    plan = Plan(study)
    _check_order(plan)
    # A later trip's blocks have bounds of their own.
    for block in (*plan.layout(empty_state()), *plan.later_layout):
        fraction_bits(block.bound, max(len(study.silos), study.rules.min_silos))


def _check_order(plan: Plan) -> None:
    """Refuse third derivatives of an estimator that has none, and of so many columns that no silo could send them."""
    order, name, n = plan.study.model.order, plan.study.model.estimator, plan.columns.n_columns
    if order is None:
        return
    remove = "remove order from study.yaml under model:"
    if not isinstance(plan.family, Cavity):
        raise ContradictoryStudy(f"{name} is not fitted by expansions of a loss, so these have no order", hint=remove)
    if plan.family.order != order:
        able = ", ".join(other for other, known in ESTIMATORS.items() if known.third)
        raise ContradictoryStudy(
            f"{name}, as this study has it, is expanded to second order only",
            hint=f"{remove}; able are {able}, with two classes at most and no L1",
        )
    if plan.study.model.map is not None:
        # Groups of three columns of a map, as they lie beside borders, are not counted.
        raise ContradictoryStudy("columns of a map are expanded to second order only", hint=remove)
    if n > MOST_COLUMNS:
        raise ContradictoryStudy(
            f"{n} columns have {n_triples(n):,} third derivatives: a silo would need "
            f"{rows_needed(n, plan.study.rules.rows_per_column):,} rows to send them",
            hint=f"{remove}, or keep {MOST_COLUMNS - 1} columns at most",
        )


def _levels(study: Study) -> dict[str, int]:
    return {name: len(column.agreed) for name, column in study.categories.items()}


def _check_quantities(study: Study) -> None:
    """Refuse a quantity that this version has no conversions for: never a silent run without them."""
    for name, part in {"target": study.target, **{f"features.{n}": f for n, f in study.features.items()}}.items():
        quantity = getattr(part, "quantity", None)
        if quantity is not None and named(quantity) is None:
            near = difflib.get_close_matches(quantity.casefold(), QUANTITIES, n=1)
            known = f"did you mean '{near[0]}'" if near else f"known: {', '.join(QUANTITIES)}"
            raise UnsupportedModel(
                f"{name}: no conversion of units depends on '{quantity}'",
                hint=f"{known}; without a quantity a silo writes its factor itself",
            )


def spread_problems(study: Study, extent: Mapping[str, tuple[float, float]]) -> tuple[OutOfRange, ...]:
    """Return an error for each number that varies by so little of its agreed range that its digits would be lost.

    Parameters
    ----------
    study : Study
    extent : mapping of str to (float, float)
        Smallest and largest value of each number in the silo's rows.
    """
    found = []
    for name, column in study.numbers.items():
        low, high = extent.get(name, (0.0, 0.0))
        if low < high and high - low < 1e-7 * column.half:
            found.append(
                OutOfRange(
                    f"column '{name}' varies by less than a ten-millionth of its agreed range "
                    f"{column.interval[0]:g} to {column.interval[1]:g}: its sums would lose their digits",
                    hint="is it in the agreed unit? If so, ask the coordinator for a narrower range, in a new study",
                )
            )
    return tuple(found)


def examine_rows(
    plan: Plan,
    spool: Spool,
    mask: NDArray[np.bool_],
    folds: NDArray[np.int64] | None = None,
    earlier: Levels | None = None,
) -> Disclosure:
    """Merge small levels where that is agreed, then test a silo's rows against the agreement's rules.

    Both here, so that `check` and every trip of `train` see the same levels.

    Parameters
    ----------
    plan : Plan
    spool : Spool
        All checked rows of the silo. Its later passes show the merged levels, so rows are hashed before.
    mask : ndarray of bool (n_rows,)
        Rows held out.
    folds : ndarray of int of shape (n_rows,), optional
        Of a cross-validation.
    earlier : Levels, optional
        What updates of this study have merged and shown before.
    """
    rules = plan.study.rules
    held_out = int(mask.sum())
    merging = merge_small(plan, spool, mask, earlier, folds)
    cells = count_cells(plan, spool, mask, folds)
    seen = at_risk(spool, mask) if isinstance(plan.family, ProportionalHazards) else None
    if isinstance(plan.family, LifeTable):
        cells += life_cells(plan, spool, mask)
    if isinstance(plan.loss, NegativeBinomialLoss):
        # Counts of 0 and 1 say nothing of the dispersion: what its sums show is of the others.
        cells.append(Cell(f"{plan.study.target.column} above 1", rows_above(spool, mask, 1.0)))
    if isinstance(plan.family, OneBaseline):
        cells += interval_cells(plan, spool, mask)
    if seen is not None:
        cells.append(Cell(f"{plan.study.target.column} positive while others were at risk", seen.events))
    found = examine(
        cells,
        n_rows=len(spool) - held_out,
        n_held_out=held_out,
        n_columns=plan.n_summed,
        n_counted=plan.n_counted,
        of_map=f"{plan.study.model.map.type}[" if plan.study.model.map is not None else "",
        effective_rows=effective_rows(spool, mask),
        min_rows=rules.min_rows,
        min_cell=rules.min_cell,
        rows_per_column=rules.rows_per_column,
        parameters_per_row=rules.parameters_per_row,
        n_coefficients=plan.n_coefficients,
        levels=_levels(plan.study),
        max_levels=rules.max_levels,
        levels_per_row=rules.levels_per_row,
        shares=[]
        if rules.largest_share is None
        else largest_shares(plan, spool, mask, folds, floor=min(FLOOR, rules.largest_share)),
        largest_share=rules.largest_share,
        merged=merging.merged,
        mergeable=[name for name, column in plan.study.categories.items() if column.small_level is not None],
        smallest_group=smallest_product_group(plan, spool, mask, folds),
        at_risk=None if seen is None else seen.rows,
        class_pairs=plan.class_pairs,
        n_fits=plan.n_fits,
        n_counted_in_group=plan.n_counted_in_fold,
    )
    levels = Levels(frozenset((level.column, level.level) for level in merging.merged), merging.shown)
    # Before the small group that such a level is: this says why it may not be counted as another.
    problems = (*merging.problems, *found.problems)
    return replace(found, problems=problems, levels=levels, without_third=why_without_third(plan, spool, mask))


def within_rules(max_rounds: int, memory: SiloMemory, number: int, attempt: int, parent: str) -> None:
    """Refuse a round beyond the agreed ones, and a second point of expansion within one attempt.

    Each expansion shows a little more of the rows, so how many there are is not the coordinator's to choose.

    Parameters
    ----------
    max_rounds : int
        As agreed.
    memory : SiloMemory
    number, attempt : int
        What is about to be trained.
    parent : str
        Digest of what it would continue.

    Raises
    ------
    OtherRound, AlreadyReleased
    """
    if number > max_rounds:
        raise OtherRound(
            f"the model asks for round {number}, the study agreed on {max_rounds} at most",
            hint="do not send anything; call the coordinator",
        )
    other = memory.sent_from_another(number, attempt, parent)
    if other is not None:
        raise AlreadyReleased(
            f"an update for round {number}, attempt {attempt} has left already, made from another model",
            hint=f"send {other} from outbox/ again; if the coordinator wants another, they ask with: "
            "fedcli aggregate --new-attempt",
        )


def study_finished(study: str, number: int, model: Path | None) -> StudyFinished:
    """Return the refusal to train after the final model."""
    return StudyFinished(
        f"study '{study}' is finished: round {number} was the last",
        hint=f"use the final model: fedcli predict TABLE --model {model}",
    )


def least_difference(rules: Rules) -> int:
    """Return how few rows two releases may differ by, if they differ at all."""
    return max(rules.min_rows, rules.min_cell)


def other_numbers(number: int, attempt: int, name: str, *, begun: bool = False) -> AlreadyReleased:
    """Return the refusal of a second, different update for one attempt.

    Parameters
    ----------
    number, attempt : int
    name : str
        The silo's.
    begun : bool
        The first one is recorded, and the run that did it stopped before it was written.
    """
    left = "is recorded" if begun else "has left"
    do = "train on the table of the run that stopped" if begun else "send the file in outbox/ as it is"
    return AlreadyReleased(
        f"an update for round {number}, attempt {attempt} {left} already, and this table gives other numbers",
        hint=f"{do}; or ask the coordinator to ask again: fedcli aggregate --new-attempt --ask {name}",
    )


def rows_changed(memory: SiloMemory, digest: str, number: int) -> bool:
    """Return whether the table is another than that of an earlier update; refuse it within one course of trips.

    A new attempt of round 1 may bring another table: that is what it is for. What the two updates together show, the
    person is told.
    """
    known = memory.rows_of_study()
    if known is None or known == digest:
        return False
    if number > 1:
        raise AlreadyReleased(
            f"the table is not the one of round 1: round {number} must sum the same rows",
            hint="train on the table of round 1; or ask the coordinator to begin again with the new one: "
            "fedcli aggregate --new-attempt --from-start",
        )
    return True
