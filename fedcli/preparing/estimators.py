"""From the scikit-learn class and parameters named in a study to the family that fits them.

Owns what of a study a family may know, and which parameters a study may give. Knows nothing of files or rows. Internal;
the names are public.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.models.batch import Family
from fedcli.models.cavity import Cavity
from fedcli.models.elsewhere import why_not
from fedcli.models.path import Member, Path
from fedcli.models.registry import Estimator
from fedcli.models.setting import LocalTraining, Setting
from fedcli.preparing.by_column import ByColumn, ColumnEstimator
from fedcli.preparing.candidates import Candidate, candidates_of, places_of
from fedcli.preparing.catalogue import Catalogue
from fedcli.preparing.columns import Columns
from fedcli.preparing.target import TargetScale
from fedcli.study.canonical_form import study_id, study_payload
from fedcli.study.document import (
    AveragingRule,
    CategoryTarget,
    ClassTarget,
    CountTarget,
    Interaction,
    NumberTarget,
    Study,
    SurvivalTarget,
)

# Parameters that steer scikit-learn's own optimiser: here the optimum is reached whatever they say.
_SOLVER_ONLY = {"tol", "solver", "max_iter", "warm_start", "verbose", "n_jobs", "random_state", "copy_X", "dual"}

ESTIMATORS = Catalogue()
# FedProx's strength where a study is silent: the least of those tried in its paper, all of which hold a silo back.
PROXIMAL = 0.001


def estimator_of(study: Study) -> Estimator:
    """Return the entry of the study's estimator.

    Raises
    ------
    UnsupportedModel
        It is not one that fedcli fits.
    """
    name = study.model.estimator
    known = why_not(name)
    if known is not None:
        why, instead = known
        raise UnsupportedModel(f"{name} cannot be fitted without pooling rows: it {why}", hint=f"nearest: {instead}")
    if name not in ESTIMATORS:
        near = difflib.get_close_matches(name, ESTIMATORS, n=1)
        raise UnsupportedModel(
            f"estimator '{name}' is not one that fedcli fits: {', '.join(ESTIMATORS)}",
            hint=f"did you mean {near[0]}?" if near else "name one of these in study.yaml under model: estimator:",
        )
    return ESTIMATORS[name]


def parameters(study: Study) -> dict[str, Any]:
    """Return the estimator's parameters, defaults filled in and checked: the first candidate's where there are several.

    Raises
    ------
    UnsupportedModel
        The estimator, a parameter or a value is not one that fedcli fits.
    ContradictoryStudy
        The target, an offset or the folds do not suit the estimator.
    """
    name, known = study.model.estimator, estimator_of(study)
    if study.target.type not in known.targets:
        wanted = " or ".join(known.targets)
        raise ContradictoryStudy(
            f"{name} needs a target of type {wanted}, the study's is {study.target.type}",
            hint="leave the target out of study.yaml, or name another estimator"
            if known.targets == ("none",)
            else f"write target: {{type: {known.targets[0]}, ...}} in study.yaml, or name another estimator",
        )
    if study.offset is not None and not known.offset:
        raise ContradictoryStudy(f"{name} takes no offset", hint="subtract it from the target before the study")
    # Of ordered levels an offset shifts the one predictor, which scikit-learn has no class for.
    if study.offset is not None and isinstance(study.target, CategoryTarget) and known.module:
        raise ContradictoryStudy(
            f"{name} of several classes takes no offset: the same to each of them says nothing",
            hint="remove offset from study.yaml, or write target: {type: binary, ...}",
        )
    if study.weight is not None and not known.weights:
        whose = "" if not known.module or known.stands_for else "scikit-learn's "
        raise ContradictoryStudy(
            f"{whose}{name} takes no sample weights",
            hint="remove weight from study.yaml, or name another class",
        )
    if known.cv and study.model.cv is None:
        raise ContradictoryStudy(
            f"{name} chooses by cross-validation, and the study names no folds",
            hint="write cv: 5 in study.yaml under model: (each silo divides its rows by a keyed hash)",
        )
    if study.model.cv is not None and not known.cv and study.model.choose is None:
        raise ContradictoryStudy(
            f"{name} chooses nothing by cross-validation", hint="remove cv from study.yaml, or name the class with CV"
        )
    if study.model.averaging is not None and not known.averaged:
        raise ContradictoryStudy(
            f"{name} is fitted from sums, not trained at each silo: there is nothing to average",
            hint="remove averaging from study.yaml under model:",
        )
    if known.averaged and trips_of(study)[1] > study.rules.max_rounds:
        raise ContradictoryStudy(
            f"{trips_of(study)[1]} trips are agreed, and rules.max_rounds is {study.rules.max_rounds}",
            hint="lower rounds under averaging:, or raise max_rounds, in study.yaml",
        )
    if study.target.type == "survival" and study.evaluation.holdout:
        # Rows that are kept out for nothing would be a quiet loss of events.
        raise ContradictoryStudy(
            f"{name} has no figures of rows held out, and {study.evaluation.holdout:.0%} are to be held out",
            hint="write evaluation: {holdout: 0} in study.yaml",
        )
    # All of them: each is to be checked.
    values, *_ = [_values(study, known, one.given) for one in candidates_of(study, known)]
    return values


def _values(study: Study, known: Estimator, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of one model, defaults filled in and checked."""
    name = study.model.estimator
    values = dict(known.defaults)
    for key, value in given.items():
        if key in _SOLVER_ONLY and key not in known.defaults:
            raise UnsupportedModel(
                f"parameter '{key}' steers scikit-learn's own solver and has no meaning here",
                hint="remove it: the optimum is reached to rules.tolerance",
            )
        if key not in known.defaults:
            raise UnsupportedModel(
                f"{name} has no parameter '{key}' here; known: {', '.join(known.defaults) or 'none'}",
                hint="remove it from model: params: in study.yaml",
            )
        values[key] = value
    for key, check in known.checks.items():
        wrong = check(values[key])
        if wrong:
            raise UnsupportedModel(f"{name}: {key} {wrong}", hint=f"mend {key} in study.yaml")
    wrong = known.conflicts(values)
    if wrong:
        raise UnsupportedModel(f"{name}: {wrong}", hint="mend model: params: in study.yaml")
    for key in ("priors", "class_prior"):
        priors = values.get(key)
        named = ("uniform", "empirical") if isinstance(known.defaults.get(key), str) else ()
        if priors is not None and priors not in named:
            _check_priors(study, key, priors)
    if isinstance(study.target, SurvivalTarget):
        _check_times(study, study.target, values)
    return values


def averaging_of(study: Study) -> AveragingRule:
    """Return how a model that is trained at each silo is merged: as the study says, or by default."""
    return study.model.averaging or AveragingRule()


def trips_of(study: Study) -> tuple[int, int]:
    """Return the typical and the largest number of trips, a closing one included."""
    known, closing = estimator_of(study), int(study.evaluation.closing_trip)
    rounds = averaging_of(study).rounds
    each = [{**known.defaults, **one.given} for one in candidates_of(study, known)]
    trips = [(rounds, rounds) if known.averaged else known.trips_with(values, study.model.order) for values in each]
    few, many = (max(numbers) for numbers in zip(*trips, strict=True))
    return few + closing, many + closing


def most_rounds(study: Study) -> int:
    """Return the round beyond which no silo sends anything."""
    return trips_of(study)[1] if estimator_of(study).averaged else study.rules.max_rounds


def has_probabilities(study: Study) -> bool:
    """Return whether the study's classifier gives probabilities."""
    said = estimator_of(study).probabilities
    return said(parameters(study)) if callable(said) else said


def _local(study: Study) -> LocalTraining | None:
    if not estimator_of(study).averaged:
        return None
    rule = averaging_of(study)
    proximal = (PROXIMAL if rule.proximal is None else rule.proximal) if rule.rule == "FedProx" else 0.0
    digest = study_id(study_payload(study))
    return LocalTraining(rule.rule, rule.local_epochs, rule.rounds, proximal, digest)


def _check_times(study: Study, target: SurvivalTarget, values: dict[str, Any]) -> None:
    """Check a grid of times against the agreed range, and what tells groups apart against the columns."""
    low, high = target.range
    if not all(low <= time <= high for time in values.get("grid") or ()):
        raise ContradictoryStudy(
            f"the grid reaches beyond the times' range, {low:g} to {high:g}",
            hint="leave points out of grid, or widen the range, in study.yaml",
        )
    by = values.get("by")
    if by is not None and (by not in study.categories or study.categories[by].impute is not None):
        raise ContradictoryStudy(
            f"by: {by} is not a category or boolean column of the features without imputation",
            hint=f"name one of: {', '.join(study.categories)}" if study.categories else "leave by out",
        )


def _check_priors(study: Study, key: str, priors: Any) -> None:
    target = study.target
    n_classes = target.n_classes if isinstance(target, ClassTarget) else 0
    good = isinstance(priors, tuple) and len(priors) == n_classes
    if not good or not all(isinstance(p, (int, float)) and p >= 0 for p in priors) or abs(sum(priors) - 1) > 1e-9:
        raise UnsupportedModel(
            f"{study.model.estimator}: {key} must be {n_classes} numbers from 0 that add up to 1, in the order of the "
            "study's classes",
            hint=f"mend {key} in study.yaml",
        )


def pool_rows(study: Study) -> float:
    """Return how many rows all silos may have together."""
    return float(study.rules.max_rows * max(len(study.silos), study.rules.min_silos))


def scale_of(study: Study) -> TargetScale:
    """Return the target's reference scale; a model of the logarithm of a mean leaves the target as it is."""
    return TargetScale() if estimator_of(study).deviance(parameters(study)) else TargetScale.of(study)


def setting_of(study: Study, columns: Columns) -> Setting:
    """Return what a family may know of the study."""
    target, rules = study.target, study.rules
    return Setting(
        names=columns.names,
        kinds=columns.kinds,
        lows=tuple(np.where(columns.scaled, columns.design_middle - columns.design_half, 0.0).tolist()),
        levels=tuple(len(column.levels) for _, column in columns.categories),
        n_expanded=1 + len(columns.expanded_names),
        target=target.type,
        n_classes=target.n_classes if isinstance(target, ClassTarget) else 0,
        largest_y=target.range[1] if isinstance(target, CountTarget) else 1.0,
        target_half=scale_of(study).half,
        max_rows=rules.max_rows,
        pool_rows=pool_rows(study),
        largest_weight=study.weight.range[1] if study.weight else 1.0,
        largest_offset=max(map(abs, study.offset.interval)) if study.offset else 0.0,
        weighted=study.weight is not None,
        n_silos=len(study.silos),
        min_cell=rules.min_cell,
        max_coefficient=rules.max_coefficient,
        tolerance=rules.tolerance,
        max_rounds=rules.max_rounds,
        closing_trip=study.evaluation.closing_trip,
        folds=study.model.cv or 1,
        standardize=study.model.standardize,
        first_time=target.range[0] if isinstance(target, SurvivalTarget) else 0.0,
        last_time=target.range[1] if isinstance(target, SurvivalTarget) else 0.0,
        dummies=columns.dummies_of,
        order=study.model.order or 2,
        target_range=target.range if isinstance(target, NumberTarget | CountTarget) else (0.0, 1.0),
        wholes=columns.wholes,
        interacting=any(isinstance(term, Interaction) for term in study.terms.values()),
        within=columns.pieces_within,
        squared=columns.expanded_numbers,
        scaled=tuple(columns.scaled.tolist()),
        local=_local(study),
    )


def family_of(study: Study, columns: Columns) -> Family:
    """Build the family that fits the study's estimator; see `parameters` for what it raises.

    Raises
    ------
    ContradictoryStudy
        A closing trip is asked for, and this estimator's figures on held-out rows are no sums yet; or a map, and it
        has no coefficients.
    """
    known, values = estimator_of(study), parameters(study)
    family: Family
    if isinstance(known, ColumnEstimator):
        family = ByColumn(columns, known.over(columns, values))
    elif study.model.choose is not None:
        family = _path(study, known, columns)
    else:
        family = known.build(setting_of(study, columns), values)
    if columns.mapped is not None and not family.linear:
        raise ContradictoryStudy(
            f"{study.model.estimator} has no coefficients, and takes no map",
            hint="remove map from study.yaml under model:, or name a class with coefficients: Ridge, RidgeClassifier",
        )
    if not family.linear and study.evaluation.closing_trip and not known.averaged:
        raise ContradictoryStudy(
            f"{study.model.estimator} has no figures of held-out rows to close with",
            hint="remove closing_trip from study.yaml",
        )
    return family


def _path(study: Study, known: Estimator, columns: Columns) -> Path:
    """Build the fits among which the study chooses: each candidate on all rows, and without each fold."""
    setting = replace(setting_of(study, columns), closing_trip=False)
    candidates = candidates_of(study, known)
    built = [_member(study, known, columns, setting, number, one) for number, one in enumerate(candidates)]
    folds = (study.model.cv or 1) if study.model.choose == "cv" else 1
    members = [*built, *(replace(one, fold=fold) for fold in range(folds if folds > 1 else 0) for one in built)]
    labels = tuple(one.label for one in candidates)
    return Path(tuple(members), labels, str(study.model.choose), folds, closing_trip=study.evaluation.closing_trip)


def _member(study: Study, known: Estimator, columns: Columns, setting: Setting, number: int, one: Candidate) -> Member:
    places = places_of(study, dict(columns.wholes), one.nested)
    names = columns.names if places is None else tuple(columns.names[place - 1] for place in places[1:])
    family = known.build(replace(setting, names=names), _values(study, known, one.given))
    if not isinstance(family, Cavity):
        raise ContradictoryStudy(
            f"{study.model.estimator} is solved from one trip's sums with these parameters: it chooses nothing",
            hint="remove choose from study.yaml, or name the class with CV",
        )
    return Member(number, None, family, places)
