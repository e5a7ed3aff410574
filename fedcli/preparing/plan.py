"""A study as arithmetic: which blocks each trip carries, which matrix a batch becomes, how the state advances.

Owns the composition of moments, solver and evaluation that ride on the same trip. Knows nothing of files, keys or
where rows come from. Internal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.fileformat.statistics import FloatArray, Layout, State, Total
from fedcli.models.averaging import LARGEST_SCORE, Averaging
from fedcli.models.batch import Batch, Family, Reason
from fedcli.models.cavity import Cavity
from fedcli.models.closed import Closed
from fedcli.models.losses import Logistic
from fedcli.models.moments import Grouping
from fedcli.models.nuisance import JointLoss
from fedcli.models.objective import AnyLoss, StratumLoss, split
from fedcli.models.path import Path
from fedcli.models.softmax import Softmax
from fedcli.preparing.by_column import ByColumn
from fedcli.preparing.candidates import candidates_of
from fedcli.preparing.columns import Columns
from fedcli.preparing.empty_cells import refuse_empty_cells
from fedcli.preparing.estimators import estimator_of, family_of, has_probabilities, parameters, scale_of
from fedcli.preparing.evaluation import FIGURES, evaluation_layout, largest_deviance, pooled_figures
from fedcli.preparing.preparation import Preparation, moments_layout
from fedcli.preparing.profile import ProfileSums
from fedcli.preparing.profile_table import profile_arrays
from fedcli.preparing.rows import Rows
from fedcli.preparing.target import TargetScale
from fedcli.study.document import ClassTarget, Study


@dataclass(frozen=True)
class Plan:
    """Everything that follows from the agreement alone.

    Parameters
    ----------
    study : Study
    """

    study: Study

    @cached_property
    def columns(self) -> Columns:
        """The design's columns."""
        return Columns(self.study)

    @cached_property
    def family(self) -> Family:
        """The family that fits the study's estimator."""
        return family_of(self.study, self.columns)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The estimator's parameters, defaults filled in."""
        return parameters(self.study)

    @cached_property
    def profile(self) -> ProfileSums:
        """What describes the pool, as far as the study wants it; it rides on trip 1."""
        # A closed form's own products serve, unless they are weighted, or kept apart by class or fold.
        whole = isinstance(self.family, Closed) and self.family.whole_products and self.study.weight is None
        return ProfileSums(self.columns, own_products=not whole)

    @property
    def grouping(self) -> Grouping | None:
        """Which sums of a closed form are kept apart; None for other families."""
        return self.family.form.grouping if isinstance(self.family, Closed) else None

    @property
    def n_extra(self) -> int:
        """Parameters of the likelihood beside the coefficients: a scale, a dispersion, thresholds."""
        return len(self.family.form.extras) if isinstance(self.family, Cavity) else 0

    @property
    def crosses(self) -> bool:
        """Whether products of two columns leave, which show two-way cells; else each is summed alone, or by outcome."""
        grouping = self.grouping
        if self.profile.products:
            return True
        if isinstance(self.family, ByColumn):
            return False
        return grouping is None or (grouping.products and not grouping.squares)

    @property
    def latest_first(self) -> bool:
        """Whether rows are summed in descending order of their times: those at risk together are added up so."""
        return isinstance(self.loss, StratumLoss)

    @property
    def n_counted(self) -> int:
        """Columns as the rule on rows per column counts them.

        That rule asks for rows that hold twice ``rows_per_column`` times as many numbers as products of columns are
        summed: a row holds a number for each column, p columns have half of p**2 products. Where a map makes p columns
        of few, a row holds q numbers only, and the same demand counts p**2 / q. Fourth moments tell more of rows than
        products do: for them it counts so many that five rows for each hold ten times as many numbers as are sent. Of
        several classes a column counts once for each pair: products leave for each, and all could be solved for rows.
        So it does for each fit that has it, where one of several models is chosen.
        """
        p, mapped = self.n_summed, self.columns.mapped
        if isinstance(self.family, Path) and mapped is None:
            return max(p, self.family.n_columns_of_all * self.class_pairs)
        if isinstance(self.family, Closed) and self.family.form.grouping.fourth:
            sent = self.family.sums.layout().size
            return max(p, math.ceil(2 * sent / max(len(self.columns.expanded_names), 1)))
        if mapped is None:
            return p * self.class_pairs
        q = p - len(mapped.columns) + len(mapped.inputs)
        return max(p, math.ceil(p * p / q)) * self.class_pairs * self.n_fits

    @property
    def n_summed(self) -> int:
        """Columns whose products are summed, the intercept and parameters beside the coefficients included.

        Curvature holds a sum of each column for such a parameter, too. Of fourth moments squares are columns as well.
        """
        if isinstance(self.family, Closed) and self.family.form.grouping.fourth:
            return self.family.sums.width
        expanded = self.family.expanded or self.profile.products
        return self.n_extra + (1 + len(self.columns.expanded_names) if expanded else self.columns.n_columns)

    @property
    def class_pairs(self) -> int:
        """Pairs of classes whose curvature is summed apart; 1 where there are no such pairs."""
        return len(self.loss.pairs[0]) if isinstance(self.loss, Softmax) else 1

    @property
    def n_counted_in_fold(self) -> int | None:
        """Columns as one fold's rows are counted against, where one of several fits is chosen; else None.

        A fold is told apart by each candidate's fit on all rows less that without the fold.
        """
        if not isinstance(self.family, Path) or self.family.folds == 1:
            return None
        return math.ceil(self.n_counted / (1 + self.family.folds))

    @property
    def n_fits(self) -> int:
        """How many likelihoods ride on the same trips, where one of several models is chosen; else 1."""
        return len(self.family.members) if isinstance(self.family, Path) else 1

    @property
    def summed_names(self) -> tuple[str, ...]:
        """Names of the columns whose products are summed, after the intercept and before the outcome."""
        names = () if self.family.expanded else self.columns.names
        more = self.columns.expanded_names if self.family.expanded or self.profile.products else ()
        found = tuple(dict.fromkeys((*names, *more)))
        mapped = self.columns.mapped
        if mapped is None or mapped.range_name is None:
            return found
        # A thousand numbered columns say no more than their first and their last.
        of_map = {column.name for column in mapped.columns}
        return (*(name for name in found if name not in of_map), mapped.range_name)

    @cached_property
    def target(self) -> TargetScale:
        """The target's reference scale."""
        return scale_of(self.study)

    @property
    def loss(self) -> AnyLoss | None:
        """The likelihood's loss, bounded by what was agreed; None for a closed form."""
        return self.family.loss if isinstance(self.family, Cavity | Path) else None

    @property
    def measured(self) -> str:
        """The kind of figures that measure a model on rows held out: that of the outcome, or a deviance's name."""
        if isinstance(self.family, Averaging):
            return self.family.measured
        kind = estimator_of(self.study).deviance(parameters(self.study)) or self.study.target.type
        return "classes" if kind == "category" and not has_probabilities(self.study) else kind

    def predicted(self, eta: FloatArray) -> FloatArray:
        """Return what is predicted of an outcome that is a number, in its own unit, from linear predictors."""
        return self.target.middle + self.target.half * (eta if self.loss is None else self.loss.mean(eta))

    def scores(self, rows: Batch, state: State) -> FloatArray:
        """Return what the model of a state says of rows, on the target's reference scale.

        The linear predictor (n_samples,), the logarithm of a network's odds, or one number for each of several classes.
        """
        if isinstance(self.family, Averaging):
            return self.family.scores(rows.X, state)
        # Transposed, so that the offset is added to every output.
        return np.asarray((rows.X @ self.family.coefficients(state).T).T + rows.offset).T

    def extras(self, state: State) -> FloatArray:
        """Return the parameters of a state beside the coefficients, shape (n_extra,)."""
        return split(self.loss, state.arrays["coef"])[1] if self.loss is not None else np.empty(0)

    @property
    def n_coefficients(self) -> int:
        """Numbers that are learnt from the rows: what the rule on coefficients per row counts."""
        if isinstance(self.family, Path):
            return self.family.n_columns_of_all
        return self.family.n_parameters if isinstance(self.family, Averaging) else self.columns.n_columns + self.n_extra

    @property
    def later_layout(self) -> Layout:
        """The largest layout of a later trip: what it continues matters to it only by how many points are asked for."""
        none: dict[str, FloatArray] = {}
        for prefix, n in self._points:
            none |= {f"{prefix}candidates": np.zeros((1, n)), f"{prefix}coef": np.zeros(n)}
        return self.layout(State({"round": 1, "phase": "solving"}, none))

    @property
    def _points(self) -> list[tuple[str, int]]:
        """How the points of each fit are named in a state, and how many numbers each has."""
        if isinstance(self.family, Path):
            several = enumerate(self.family.members)
            return [(f"m{number}.", member.family.form.n_parameters) for number, member in several]
        return [("", self.columns.n_columns)]

    def layout(self, state: State) -> Layout:
        """Lay down the update that continues ``state``."""
        rules = self.study.rules
        fitted = self._weighted(self.family.layout(state))
        if state.document["round"] == 0:
            return moments_layout(self.columns, rules.max_rows) + fitted + self.profile.layout()
        layout = fitted
        if self.evaluated:
            layout = layout + evaluation_layout(self.measured, rules.max_rows, self._largest_term)
        return layout

    def _weighted(self, layout: Layout) -> Layout:
        """Let a family's blocks say that rows count by their weight, where they have one."""
        if self.study.weight is None:
            return layout
        note = ", each row times its weight"
        return Layout(tuple(replace(b, says=b.says + (note if b.name != "rows" else "")) for b in layout))

    @property
    def evaluated(self) -> bool:
        """Whether later trips measure the incoming model on rows held out."""
        measurable = self.family.linear or isinstance(self.family, Averaging)
        return self.study.evaluation.holdout > 0 and measurable and self.measured in FIGURES

    @property
    def _largest_term(self) -> float:
        offset = max(map(abs, self.study.offset.interval)) if self.study.offset else 0.0
        eta = 2 * self.columns.n_columns * self.study.rules.max_coefficient + offset
        kind = self.measured
        if isinstance(self.family, Averaging):
            eta = LARGEST_SCORE
        if kind == "binary":
            return Logistic().bounds(eta)[0]
        if kind == "number":
            return (1.0 + eta) ** 2
        if kind == "category" and isinstance(self.study.target, ClassTarget):
            return Softmax(self.study.target.n_classes).bounds(eta)[0]
        if kind in ("accuracy", "classes"):
            return 1.0
        if isinstance(self.family, Cavity) and isinstance(self.loss, JointLoss):
            # Thresholds stand beside the predictor.
            eta = self.family.box.size + offset
        return largest_deviance(self.loss, eta)

    # ---- rows to matrices ------------------------------------------------------------------------------------------

    def first_batch(
        self, rows: Rows, fill: FloatArray, modes: tuple[int, ...], fold: NDArray[np.int64] | None = None
    ) -> Batch:
        """Build trip 1's batch: expanded columns for closed forms, else the design imputed by the silo's own values.

        A likelihood's first trip is a warm start, so any imputation serves; the silo's own mean is the nearest that is
        known to it. Summing over expanded columns there would cost rows per column and buy no trip.
        """
        X = self.columns.expanded(rows) if self.family.expanded else self.columns.matrix(rows, fill, modes)
        return Batch(X, self.target.reference(rows.target), rows.offset, rows.weight, fold, _times(rows))

    def later_batch(self, rows: Rows, preparation: Preparation, fold: NDArray[np.int64] | None = None) -> Batch:
        """Build a later trip's batch: the design with pooled imputation."""
        target = self.target.reference(rows.target)
        return Batch(preparation.matrix(rows), target, rows.offset, rows.weight, fold, _times(rows))

    # ---- at the coordinator ----------------------------------------------------------------------------------------

    def advance(self, total: Total, state: State, *, same_silos: bool = True) -> State:
        """Return the state after one more trip; see `Family.advance` for what it raises.

        Parameters
        ----------
        total : Total
        state : State
        same_silos : bool
            False when other silos are in ``total`` than in the sum before: what the guard and the stop rule remember
            of that sum then says nothing of this one, and is forgotten. A closing trip has then nothing to close: it
            is one more step, and the study goes on.
        """
        if not same_silos and isinstance(self.family, Path):
            state = self.family.forget(state)
        elif not same_silos:
            memory = ("lowest", "lowest.coef", "lowest.gradient", "curvature", "ahead", "blind")
            kept = {name: array for name, array in state.arrays.items() if name not in memory}
            closing = isinstance(self.family, Cavity) and state.document["phase"] == "closing"
            if "steps" in kept:
                kept["steps"] = np.empty(0)
            state = State({**state.document, "phase": "solving"} if closing else state.document, kept)
        if state.document["round"] == 0:
            if isinstance(self.family, Cavity) and isinstance(self.study.target, ClassTarget):
                refuse_empty_cells(self.columns, self.family, self.study.target.class_names, total)
            preparation, constant = Preparation.from_moments(self.columns, total)
            arrays = preparation.to_state() | {"to_reference": preparation.to_reference(constant)}
            if self.family.expanded:
                arrays["design_from_expanded"] = preparation.from_expanded(constant)
            arrays["n_samples"] = arrays["preparation.n_samples"]
            arrays |= profile_arrays(self.profile, total, preparation, constant)
            return self.family.advance(total, State(state.document, arrays))
        advanced = self.family.advance(total, state)
        fitted_anew = isinstance(self.family, Averaging) and "rows" in total
        if isinstance(self.family, Path):
            found = np.round(self.family.rows_in(total))
            advanced = State(advanced.document, {**advanced.arrays, "n_samples": found})
        elif isinstance(self.family, Cavity) or fitted_anew:
            # Each trip is fitted anew on whoever sent it; a closed form stays that of the rows of trip 1.
            rows = total["rows"] if "rows" in total else total["target"][:1]
            advanced = State(advanced.document, {**advanced.arrays, "n_samples": np.round(rows)})
        if "evaluation" in total:
            figures = pooled_figures(self.measured, total, self.target.half)
            names = ",".join(figures)
            return State(
                {**advanced.document, "evaluated_round": state.document["round"], "evaluation": names},
                {**advanced.arrays, "evaluation": np.array(list(figures.values()))},
            )
        return advanced

    def finished(self, state: State) -> Reason | None:
        """Return why no further trip is needed, or None."""
        return self.family.finished(state) if state.document["round"] else None

    def remaining(self, state: State) -> float | None:
        """Predict the relative coefficient error that is left; None of what is solved in one trip."""
        if isinstance(self.family, Path):
            return self.family.remaining(state)
        steps = state.arrays.get("steps", np.empty(0))
        return self.family.left(state.arrays) if isinstance(self.family, Cavity) and steps.size else None

    def chosen(self, state: State) -> Study:
        """Return the study as if the model that was chosen had been the only one; itself where it chooses nothing."""
        if not isinstance(self.family, Path):
            return self.study
        one = candidates_of(self.study, estimator_of(self.study))[int(state.document["chosen"])]
        alone = {"params": dict(one.given), "choose": None, "cv": None, "nested": {}}
        return self.study.model_copy(update={"model": self.study.model.model_copy(update=alone)})

    def n_samples(self, state: State) -> int:
        """Return how many rows the state's coefficients were fitted on: those of its last sums."""
        held = state.arrays.get("n_samples", state.arrays["preparation.n_samples"])
        return int(held[0])

    def preparation(self, state: State) -> Preparation:
        """Read the pooled preparation from a state."""
        return Preparation.from_state(self.columns, state)

    def coefficients(self, state: State) -> FloatArray:
        """Return the coefficients on the columns' own scale and the target's unit, intercept first.

        Shape (n_columns,), or (n_outputs, n_columns) where there are several outputs.
        """
        coef = self.preparation(state).to_original(self.family.coefficients(state))
        return self.target.original(coef)


def _times(rows: Rows) -> FloatArray | None:
    return rows.times if rows.times.shape[1] else None
