"""What an estimator says of itself: its class, the outcomes it suits, its parameters, its trips and its family.

Owns the form of an entry and the checks of parameters that many share. Knows nothing of studies, files or silos.
Internal; the names are scikit-learn's, and public.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedcli.models.batch import Family
from fedcli.models.closed import Closed, ClosedForm
from fedcli.models.setting import Setting

Parameters = Mapping[str, Any]
# Returns what is wrong with a value, for the end of a sentence; nothing where it is right.
Check = Callable[[Any], str]


@dataclass(frozen=True)
class Estimator:
    """One entry of the table of estimators.

    Parameters
    ----------
    module : str
        Where scikit-learn has the class; empty for an estimator of fedcli's own.
    targets : tuple of str
        Kinds of outcome that it takes.
    defaults : mapping of str to object
        Its parameters and their defaults, scikit-learn's own.
    trips : tuple of int
        Typical and largest number of trips on the project's reference data.
    build : callable
        From setting and parameters to the family.
    checks : mapping of str to Check
        By parameter.
    conflicts : callable
        From all parameters to what contradicts itself among them, for the end of a sentence; nothing where all is well.
    by_class : frozenset of str
        Attributes (without their last ``_``) that have one entry per class first, in the study's order: scikit-learn
        sorts classes.
    up_to_sign : frozenset of str
        Attributes whose columns or rows may turn their sign.
    offset : bool
        Whether an offset makes sense.
    weights : bool
        Whether scikit-learn's class takes sample weights.
    cv : bool
        Whether it chooses something by cross-validation: then a study must say ``model: cv: K``, and no other may.
    path : tuple of str
        Parameters of which a study may list several values, and choose one on the same trips (``model: choose:``).
    likelihood : bool
        Whether its loss is minus a log-likelihood with no dispersion to be estimated, so that it has AIC and BIC.
    exact : float
        Within what it equals the pooled fit; infinity where it does not.
    ordinal : bool
        Whether it takes categories as numbers of levels, one column each, instead of a column per level.
    spelled : bool
        Whether it takes categories as their levels themselves, neither numbered nor as columns.
    fills : bool
        Whether it fills missing cells itself, so that they reach it empty.
    stated : callable
        From its parameters to whether it equals the pooled fit within bounds that the result states, not `exact`.
    probabilities : bool or callable
        Whether a classifier gives probabilities; from its parameters where they decide it.
    intercept : bool
        Whether a linear model can have an intercept.
    stand_in : str
        For an estimator of fedcli's own: the class of ``sklearn.linear_model`` whose predictions have the same form,
        with which it is exported.
    deviance : callable
        From its parameters to the name of the deviance that measures it on rows held out (``gamma``, or ``accuracy``);
        the outcome then keeps its own unit, since the logarithm of its mean is fitted, or a class. Nothing where the
        kind of outcome says it all.
    third : int or None
        The typical number of trips where all silos send third derivatives (``model: order: 3``); None where none can.
    slower : callable
        From its parameters to the trips that they take, where those are other than ``trips``; else nothing.
    stands_for : str
        The class of scikit-learn as which an estimator of fedcli's own is exported; its own name without.
    advice : str
        What to know before a study is frozen.
    averaged : bool
        Whether scikit-learn trains it at each silo, and the study says in how many trips: ``model: averaging:``.
    as_its_class : callable
        From the parameters that a study gives to those of scikit-learn's class, where it spells them otherwise.
    tight : mapping of str to object, or callable
        Parameters with which scikit-learn's own class runs to its optimum, for comparisons; or what returns them, from
        the study's.
    """

    module: str
    targets: tuple[str, ...]
    defaults: Mapping[str, Any]
    trips: tuple[int, int]
    build: Callable[[Setting, Parameters], Family]
    checks: Mapping[str, Check] = field(default_factory=dict)
    conflicts: Callable[[Parameters], str] = lambda params: ""
    by_class: frozenset[str] = frozenset()
    up_to_sign: frozenset[str] = frozenset()
    offset: bool = False
    weights: bool = True
    cv: bool = False
    path: tuple[str, ...] = ()
    likelihood: bool = False
    exact: float = 1e-8
    ordinal: bool = False
    spelled: bool = False
    fills: bool = False
    stated: Callable[[Parameters], bool] = lambda params: False
    probabilities: bool | Callable[[Parameters], bool] = False
    intercept: bool = True
    stand_in: str = ""
    deviance: Callable[[Parameters], str] = lambda params: ""
    third: int | None = None
    slower: Callable[[Parameters], tuple[int, int] | None] = lambda params: None
    stands_for: str = ""
    advice: str = ""
    averaged: bool = False
    as_its_class: Callable[[Parameters], Mapping[str, Any]] = lambda given: given
    tight: Mapping[str, Any] | Callable[[Parameters], Mapping[str, Any]] = field(default_factory=dict)

    def tightened(self, params: Parameters) -> Mapping[str, Any]:
        """Return what makes scikit-learn's own class run to its optimum with these parameters."""
        return self.tight(params) if callable(self.tight) else self.tight

    def trips_with(self, params: Parameters, order: int | None = None) -> tuple[int, int]:
        """Return the typical and the largest number of trips with all its parameters, to an order that was agreed.

        The largest is that of second order, since a silo may leave third derivatives out.
        """
        few, many = self.slower(params) or self.trips
        return (self.third, many) if order and self.third else (few, many)


def closed(form: Callable[[Setting, Parameters], ClosedForm]) -> Callable[[Setting, Parameters], Family]:
    """Return what builds the family of a closed form."""

    def build(setting: Setting, params: Parameters) -> Family:
        return Closed(
            form=form(setting, params),
            n_expanded=setting.n_expanded,
            max_rows=setting.max_rows,
            largest_weight=setting.largest_weight,
            closing_trip=setting.closing_trip,
            target_half=setting.target_half,
            within=setting.within,
            squared=setting.squared,
        )

    return build


def check_intercept(value: Any) -> str:
    """Check ``fit_intercept`` and other switches."""
    return "" if isinstance(value, bool) else "must be true or false"


def check_number(*, least: float, open_end: bool = False) -> Check:
    """Return the check of a number that is at least ``least``, or above it where ``open_end``."""

    def check(value: Any) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        good = number and (value > least if open_end else value >= least)
        return "" if good else f"must be a number {f'above {least:g}' if open_end else f'{least:g} or above'}"

    return check


def check_one_of(*allowed: object) -> Check:
    """Return the check of a value that is one of a few."""

    def check(value: Any) -> str:
        said = ", ".join("null" if a is None else str(a) for a in allowed)
        return "" if value in allowed else f"'{value}' is not one that fedcli fits: {said}"

    return check


def check_whole(least: int) -> Check:
    """Return the check of a whole number that is at least ``least``."""

    def check(value: Any) -> str:
        good = isinstance(value, int) and not isinstance(value, bool) and value >= least
        return "" if good else f"must be a whole number, {least} or above"

    return check


def check_share(value: Any) -> str:
    """Check a number from 0 to 1."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "" if number and 0 <= value <= 1 else "must be a number from 0 to 1"


def check_optional(check: Check) -> Check:
    """Return a check that lets null pass."""
    return lambda value: "" if value is None else check(value)


def check_list(check: Check) -> Check:
    """Return the check of a list, each entry of which passes ``check``."""

    def each(value: Any) -> str:
        if not isinstance(value, tuple) or not value:
            return "must be a list in square brackets"
        return next((f"has an entry that {wrong}" for wrong in map(check, value) if wrong), "")

    return each
