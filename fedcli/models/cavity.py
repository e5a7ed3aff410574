"""The cavity solver: smooth losses to the pooled optimum in the fewest trips.

Owns what a silo sums in each trip and how the coordinator advances. Knows nothing of columns' meaning, files, keys or
screens. Stable.

Each silo minimises its own exact loss plus the quadratic of all the others (the pooled one less its own), expands its
loss there to second order, and sends curvature ``H_k`` and ``r_k = H_k b_k - g_k``; the coordinator minimises the sum
of the expansions plus the penalty. Values and gradients at the incoming point and at candidate points ride along and
guard the step. All of it adds over silos; the penalty is only ever added by the coordinator.

References
----------
Laplace propagation (Smola, Vishwanathan, Eskin 2003) is the scheme without guard, candidates and stop rule; partitioned
variational inference (Ashman et al. 2022, arXiv:2202.12275) is its relative for Bayesian models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from fedcli.fileformat.statistics import (
    FloatArray,
    Layout,
    State,
    Statistics,
    Total,
)
from fedcli.models import third_order
from fedcli.models.arrangement import read_curvature, read_slopes, sent_curvature, sent_slope
from fedcli.models.batch import Batch, Memory, Point, Reason, Source, document
from fedcli.models.box import Box
from fedcli.models.closed import FITTED
from fedcli.models.discriminant import class_moments, second_point
from fedcli.models.expansion_layout import expansion_layout
from fedcli.models.local_fit import first_fit, minimise, own_part
from fedcli.models.losses import FitSums
from fedcli.models.measured import Measured
from fedcli.models.nuisance import JointLoss, bends_down
from fedcli.models.objective import AnyLoss, extras_of, hold_back, predictors_of, split, sums_at
from fedcli.models.penalty import Penalty, Strength
from fedcli.models.point_form import PointForm
from fedcli.models.quadratic import Quadratic
from fedcli.models.softmax import Softmax
from fedcli.models.steps import remaining
from fedcli.models.stopping import phase_after, reason_of, refuse_standstill

# Relative step of the coefficients from which on a parameter at its end is believed to belong there.
SETTLED = 0.03


@dataclass(frozen=True)
class Cavity:
    """A family of penalised generalised linear models.

    Parameters
    ----------
    loss : AnyLoss
    names : tuple of str
        The design's columns after the intercept, for messages.
    penalty : Strength
    fit_intercept : bool
    n_silos : int
        Silos of the study: each takes its share of the penalty into its first fit.
    max_rows, largest_weight, largest_offset, max_coefficient : float
        Bounds from the agreement.
    tolerance : float
        Relative coefficient error at which the study stops.
    max_rounds : int
    closing_trip : bool
        Whether one more trip measures the final point: certificate and held-out evaluation.
    weighted : bool
        Whether rows carry weights of their own: their sum is then not the number of rows, which is sent as well.
    order : int
        To which order silos expand their losses: 2 or 3; 3 where the loss is a `third_order.Bending`.
    """

    loss: AnyLoss
    names: tuple[str, ...]
    penalty: Strength
    fit_intercept: bool
    n_silos: int
    max_rows: float
    largest_weight: float
    largest_offset: float
    max_coefficient: float
    tolerance: float
    max_rounds: int
    closing_trip: bool
    weighted: bool = False
    order: int = 2

    @property
    def expanded(self) -> bool:
        """See `Family.expanded`."""
        return False

    @property
    def linear(self) -> bool:
        """See `Family.linear`."""
        return True

    def shapes(self, state: State, *, final: bool) -> Mapping[str, tuple[int | None, ...]]:
        """See `Family.shapes`."""
        n, free = self.form.n_parameters, self.form.n_free
        shapes: dict[str, tuple[int | None, ...]] = {"coef": (n,), "steps": (None,), "penalty": (n,)}
        if not final:
            shapes |= {"curvature": (n, n), "rhs": (n,), "candidates": (None, n), "taken": (1,)}
            optional = {"parent.candidates": (None, n), "edge": (1,), "ahead": (1,), "lowest": (1,)}
            optional |= {"lowest.coef": (free,), "lowest.gradient": (free,), "blind": (free,)}
            optional |= dict.fromkeys(("apart", "near", "common", "cubic") if self.order > 2 else (), (1,))
            shapes |= {name: shape for name, shape in optional.items() if name in state.arrays}
        return shapes

    # ---- what leaves -----------------------------------------------------------------------------------------------

    @property
    def box(self) -> Box:
        """Where points that are sent lie."""
        return Box(self.loss, self.names, self.max_coefficient)

    @property
    def n_columns(self) -> int:
        """Columns of the design, the intercept included."""
        return 1 + len(self.names)

    @property
    def form(self) -> PointForm:
        """What the numbers of a point are."""
        return PointForm(self.n_columns, predictors_of(self.loss), extras_of(self.loss), self.fit_intercept)

    def form_in(self, state: State) -> PointForm:
        """Return the same of this state, in which some numbers may be one."""
        return self.form

    def layout(self, state: State) -> Layout:
        """See `Family.layout`."""
        bounds = self.max_rows, self.largest_weight, self.largest_offset
        cubic = self.cubic(state)
        return expansion_layout(self.loss, self.box, state, *bounds, weighted=self.weighted, cubic=cubic)

    def cubic(self, state: State) -> bool:
        """Whether a trip's sums go to third order."""
        return self.order > 2 and third_order.is_asked(state)

    def locate(self, rows: Source, state: State, memory: Memory | None) -> Point:
        """See `Family.locate`."""
        if state.document["round"] == 0:
            share = partial(self.penalty.share, self.n_silos)
            basis, coef = first_fit(rows, self.loss, share, fit_intercept=self.fit_intercept)
            return Point(self.box.inside(basis @ coef, self.box.middle))
        if self.order > 2 and third_order.is_near(state):
            return Point(state.arrays["coef"])
        if state.document["phase"] == "closing" or (memory is not None and not memory.arrays):
            # Without its own part a silo cannot tell the others': the incoming point is then the best that it knows.
            return Point(state.arrays["coef"])
        form = self.form_in(state)
        basis = form.basis(state.arrays["to_reference"])
        curvature, rhs = state.arrays["curvature"], state.arrays["rhs"]
        if memory is not None:
            own_curvature, own_rhs = own_part(self.loss, state, memory)
            curvature, rhs = curvature - own_curvature, rhs - own_rhs
        others = self._penalty(state).onto(basis.T @ curvature @ basis, basis.T @ rhs)
        start = form.coordinates(basis, state.arrays["coef"])
        return Point(self.box.inside(basis @ minimise(rows, self.loss, others, basis, start), state.arrays["coef"]))

    def statistics(self, rows: Batch, point: Point, state: State) -> Statistics:
        """See `Family.statistics`."""
        weight, y = rows.weight, rows.y
        around = point.around or (None,) * 3
        here = sums_at(self.loss, rows, point.coef, around[0], softened=point.softened)
        arrays = {
            "target": np.array([weight.sum(), weight @ y]),
            "curvature": sent_curvature(self.loss, here.hessian),
            "rhs": sent_slope(self.loss, here.hessian @ point.coef - here.gradient),
        }
        if self.cubic(state):
            arrays |= third_order.sums(self.loss, rows, point, state)
        if isinstance(self.loss, Softmax):
            arrays["target"] = self.loss.counts(rows)
        if state.document["round"] == 0:
            arrays |= class_moments(self.loss, rows)
            if extras_of(self.loss):
                arrays["extras"] = weight.sum() * split(self.loss, point.coef)[1]
            return Statistics(arrays)
        if self.weighted:
            arrays["rows"] = np.array([float(len(y))])
        values, gradients = [], []
        for number, other in enumerate((state.arrays["coef"], *state.arrays["candidates"])):
            there = sums_at(self.loss, rows, other, around[1 + number], curved=number > 0, softened=True)
            values.append(there.value)
            gradients.append(sent_slope(self.loss, there.gradient))
            if number:
                arrays["candidate"] = sent_curvature(self.loss, there.hessian)
        arrays["values"] = np.array(values)
        arrays["gradients"] = np.concatenate(gradients)
        return Statistics(arrays)

    def settle(self, total: Total, point: Point, state: State) -> Total:
        """See `Family.settle`: expansions are already about coefficient 0."""
        return total

    # ---- at the coordinator ----------------------------------------------------------------------------------------

    def advance(self, total: Total, state: State) -> State:
        """See `Family.advance`.

        Raises
        ------
        OneClass
            All rows of the pool have the same class.
        Separation
            The pooled optimum lies at the edge of the coefficient box.
        NotConverged
            ``max_rounds`` are used up.
        """
        (rhs,) = read_slopes(self.loss, total["rhs"], 1)
        arrays = {**state.arrays, "curvature": read_curvature(self.loss, total["curvature"]), "rhs": rhs}
        if state.document["round"] == 0:
            return self._advance_first(total, State(state.document, arrays))
        return self._advance_later(total, State(state.document, arrays), state)

    def _advance_first(self, total: Total, state: State) -> State:
        self.loss.check_pool(*total["target"].tolist())
        middle = self.box.middle
        state = self._with_penalty(total, state)
        before = total["extras"] / max(total["target"][0], 1e-300) if extras_of(self.loss) else np.empty(0)
        coef, null = self._minimum(state, before)
        coef, bend = self._bent(total, state, coef)
        candidates = np.empty((0, len(middle)))
        second = second_point(self.loss, total, self.form, state.arrays["to_reference"], self._penalty(state))
        if second is not None:
            candidates = self.box.inside(second, middle)[None, :]
        arrays = {
            **state.arrays,
            "coef": self.box.inside(coef, middle),
            "candidates": candidates,
            "taken": np.zeros(1),
            "steps": np.empty(0),
            "null": null,
            **bend,
        }
        return State(document(state, round=1, phase="solving"), arrays | self._fitted(arrays["coef"]))

    def _advance_later(self, total: Total, state: State, parent: State) -> State:
        form = self.form_in(state)
        n, basis = form.n_parameters, form.basis(state.arrays["to_reference"])
        state = self._with_penalty(total, state)
        penalty = self._penalty(state)
        previous = state.arrays["coef"]
        points = np.vstack([previous, state.arrays["candidates"]])
        free = np.array([form.coordinates(basis, point) for point in points])
        slopes, before = read_slopes(self.loss, total["gradients"], len(points)), split(self.loss, previous)[1]
        merged, null = self._minimum(state, before)
        merged, bend = self._bent(total, state, merged)
        values, gradients = total["values"] + penalty.values(free), slopes @ basis + penalty.slopes(free)
        trip = Measured(free, values, gradients, self._merged(state))
        number = int(state.document["round"]) + 1
        coef, candidate, taken, flat, ahead = merged, None, 0, None, None
        # Of other silos' sums there is nothing to compare with.
        curved = self._merged(self._with_penalty(total, parent)).A if "curvature" in parent.arrays else None
        if state.document["phase"] == "solving":
            looked = bool(state.arrays.get("ahead", np.zeros(1))[0])
            if not looked and trip.second_leads:
                # The candidate's expansion replaces the merged one, here and in what each silo subtracts as its own.
                taken = 1
                expansion = read_curvature(self.loss, total["candidate"])
                rhs = expansion @ points[1] - slopes[1]
                state = State(state.document, {**state.arrays, "curvature": expansion, "rhs": rhs, "coef": points[1]})
                coef, null = self._minimum(state, before)
            elif trip.went_up(state.arrays):
                half, whole = trip.from_lowest(state.arrays)
                coef, candidate = basis @ half, basis @ whole
            elif number > 2 and trip.misjudged:
                # Expansions that rest at another point than the optimum (of a silo that subtracts nothing, or the wrong
                # part) betray themselves so. The exact gradient rests nowhere else.
                coef = basis @ trip.newton
            if self._may_be_endless and curved is not None:
                there = basis.T @ read_curvature(self.loss, total["candidate"]) @ basis if looked else None
                flat, endless = trip.fading(taken, curved, self._merged(state).A, there, state.arrays.get("blind"))
                # Trip 1 imputes by each silo's own values: what is flat only since then may be a copy.
                if endless is not None and number > 2:
                    self.box.refuse_endless(basis @ endless, number)
            if flat is not None:
                coef = basis @ flat.hold(form.coordinates(basis, coef), free[taken]) if flat.blind.any() else coef
                ahead = flat.ahead(free[taken], candidate is None, sparing=bool(extras_of(self.loss)))
                candidate = candidate if ahead is None else coef + basis @ ahead
        arrays = {**state.arrays, **trip.lowest(state.arrays)}
        at_edge, inside = self.box.beyond(coef), self.box.clip(coef, previous)
        if at_edge and state.arrays.get("edge", np.zeros(1))[0]:
            self.box.refuse(coef, number)
        after = form.coordinates(basis, inside)
        if extras_of(self.loss) and form.settled(after, free[0], SETTLED):
            self.box.refuse_past(previous, basis @ trip.newton)
        step, exact = (form.relative(b, free[0], at=inside) for b in (after, trip.newton))
        # The two agree unless the expansions misjudge the incoming point: then only the exact one can be believed.
        step = max(step, form.relative(after, free[taken], at=inside) if taken else exact)
        if extras_of(self.loss) and bends_down(trip.model.A):
            # No minimum is near, whatever the step that is left of the rest.
            step = max(step, 1.0)
        if flat is not None and flat.is_long(free[taken]):
            # Expansions of silos that went far along what fades are flat there, and leave that step out.
            step = max(step, form.relative(free[taken] + flat.step, free[taken], at=inside))
        arrays |= {
            "coef": inside,
            "candidates": np.empty((0, n)) if candidate is None else self.box.inside(candidate, previous)[None, :],
            "parent.candidates": points[1:],
            "taken": np.array([float(taken)]),
            "edge": np.array([float(at_edge)]),
            "ahead": np.array([float(ahead is not None)]),
            "blind": np.zeros(len(after)) if flat is None or not flat.is_long(free[taken]) else flat.blind,
            "steps": np.append(state.arrays["steps"], step),
            "objective": np.array([values[0]]),
            "gradient": np.array([exact]),
            "null": null,
            **(bend if coef is merged or not bend else third_order.far()),
        }
        left = self.left(arrays)
        # A step below the tolerance itself leaves so little that what may still become 0 or wake is nothing.
        still = trip.model.zeros_settled(free[0], gradients[0], after, left * float(np.linalg.norm(after)))
        agreed = self.tolerance, self.max_rounds, self.closing_trip
        phase = phase_after(state, left, step, number, *agreed, settled=still or step <= self.tolerance)
        if phase == "solving" and candidate is None and trip.repeats(after, curved, self._merged(state).A):
            refuse_standstill(number, float(values[0]), trip.model.gain(free[0], gradients[0]))
        if phase != "solving":
            weight, target = total["target"][:2].tolist()
            first = float(total["gradients"][0]), float(total["curvature"][0])
            self.loss.check_fit(FitSums(weight, target, *first), self.largest_weight)
        return State(document(state, round=number, phase=phase), arrays | self._fitted(inside))

    def finished(self, state: State) -> Reason | None:
        """See `Family.finished`."""
        return reason_of(state, self.left(state.arrays))

    def coefficients(self, state: State) -> FloatArray:
        """See `Family.coefficients`."""
        coef = split(self.loss, state.arrays["coef"])[0]
        return self.loss.by_class(coef) if isinstance(self.loss, Softmax) else np.asarray(coef)

    def left(self, arrays: Mapping[str, FloatArray]) -> float:
        """Predict the relative coefficient error after a state's steps.

        With more caution where rows may bend, and where curvature that pairs of classes share makes steps shrink by a
        factor: the other prediction was measured to promise less than 1e-6 where 6e-6 was left.
        """
        if self.order > 2:
            return third_order.left(arrays)
        return remaining(arrays["steps"], cautious=not self.loss.convex or isinstance(self.loss, Softmax))

    # ---- inside ----------------------------------------------------------------------------------------------------

    @property
    def _may_be_endless(self) -> bool:
        """Whether nothing but the rows keeps coefficients finite."""
        return not self.penalty.ridge and not self.penalty.lasso and self.loss.convex

    def _fitted(self, point: FloatArray) -> dict[str, FloatArray]:
        """Return what an estimator has learnt beside its coefficients."""
        if not isinstance(self.loss, JointLoss):
            return {}
        found = self.loss.fitted(split(self.loss, point)[1])
        return {f"{FITTED}{name}": array for name, array in found.items()}

    def _with_penalty(self, total: Total, state: State) -> State:
        """Set the ridge of each number of a point: by the weights of the silos that are in this sum."""
        ridges = self.form.penalty(self.penalty.ridges(total["target"][0], self.n_columns))
        return State(state.document, {**state.arrays, "penalty": ridges})

    def _penalty(self, state: State) -> Penalty:
        """Return the penalty of what is fitted."""
        form = self.form_in(state)
        absolute = form.free(form.penalty(self.penalty.absolute(self.n_columns)))
        return Penalty(form.free(state.arrays["penalty"]), absolute if self.penalty.lasso else None)

    def _merged(self, state: State) -> Quadratic:
        """Return the merged expansions plus the penalty."""
        basis = self.form_in(state).basis(state.arrays["to_reference"])
        return self._penalty(state).onto(basis.T @ state.arrays["curvature"] @ basis, basis.T @ state.arrays["rhs"])

    def _bent(self, total: Total, state: State, coef: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Return the minimum to third order in place of that to second, ``coef``, and what the next trip must know."""
        if self.order == 2:
            return coef, {}
        basis, ridge = self.form.basis(state.arrays["to_reference"]), self._penalty(state).ridge
        points = (self.form.coordinates(basis, point) for point in (coef, state.arrays.get("coef", 0.0 * coef)))
        found, bend = third_order.bent(self.loss, total, state, basis, ridge, *points, fit_intercept=self.fit_intercept)
        return np.asarray(basis @ found), bend

    def _minimum(self, state: State, before: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Minimise the merged expansions plus the penalty, of minimum norm, other parameters near those ``before``."""
        form, model = self.form_in(state), self._merged(state)
        basis, origin = form.basis(state.arrays["to_reference"]), state.arrays.get("coef", self.box.middle)
        b, null = model.minimum(form.coordinates(basis, origin))
        if null.shape[1] and self._may_be_endless:
            # What is flat by now, and was not, stays where it is; what always was has stayed at 0.
            b = b + null @ (null.T @ form.coordinates(basis, origin))
        return np.asarray(basis @ hold_back(self.loss, model.A, model.c, b, before)), null
